"""What messengers write into chats themselves: notices.toml, by program and language."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"  # of direction
_SPACES = re.compile(r"[\s\u00a0\u202f]+")
_NO_MARKS = dict.fromkeys(map(ord, MARKS))
_ENDS = " .。…!"
_LONGEST = 400  # characters of a notice


@dataclass(frozen=True)
class Phrases:
    """Phrases that a program writes: whole texts, and patterns for phrases with a gap."""

    texts: frozenset[str]
    patterns: Sequence[tuple[str, re.Pattern[str]]]  # each with words that it cannot do without

    def match(self, text: str, sender: str = "") -> bool:
        """Whether a text is one of the phrases, and nothing else."""
        plain = _plain(text[: _LONGEST + 1])
        if not plain or plain in self.texts:
            return bool(plain)
        if len(plain) > _LONGEST:
            return False
        matches = (pattern.fullmatch(plain) for words, pattern in self.patterns if words in plain)
        return any(match and _names(match, _plain(sender)) for match in matches)


@dataclass(frozen=True)
class Notices:
    """What one program writes, in all languages."""

    edited: Phrases
    deleted: Phrases
    omitted: Phrases
    attached: Phrases
    notices: Phrases

    def is_notice(self, text: str, sender: str) -> bool:
        """Whether the text of a message is the program's."""
        return self.notices.match(text, sender)


@cache
def data() -> Mapping[str, Any]:
    """The content of notices.toml."""
    return tomllib.loads(Path(__file__).with_name("notices.toml").read_text("utf-8"))


@cache
def program_notices(program: str) -> Notices:
    """What a program of notices.toml writes: "whatsapp" or "meta"."""
    languages = data()[program].values()

    def phrases(kind: str) -> Phrases:
        return _phrases(text for language in languages for text in language.get(kind, ()))

    kinds = ("edited", "deleted", "omitted", "attached", "notices")
    return Notices(**{kind: phrases(kind) for kind in kinds})


def _phrases(texts: Iterable[str]) -> Phrases:
    plain = {_plain(text) for text in texts}
    with_gaps = {text for text in plain if "{" in text}
    return Phrases(frozenset(plain - with_gaps), [_pattern(text) for text in sorted(with_gaps)])


def _pattern(text: str) -> tuple[str, re.Pattern[str]]:
    words = max(re.split(r"\{(?:sender)?\}", text), key=len)
    escaped = re.escape(text).replace(r"\{sender\}", "(?P<sender>.+?)").replace(r"\{\}", ".*")
    return words, re.compile(escaped, re.DOTALL)


def _names(match: re.Match[str], sender: str) -> bool:
    """Whether the sender that a notice names is the message's, perhaps by the first name."""
    named = match.groupdict().get("sender")
    return named is None or named == sender or named == sender.split(" ")[0]


def _plain(text: str) -> str:
    """A text as phrases are compared: small letters, single spaces, no marks around it."""
    text = text.translate(_NO_MARKS)
    return _SPACES.sub(" ", text).strip(_ENDS).casefold()
