"""What the packaged model's character says by rule, in the language of what it replies to.

Left to itself, a model of 135 million parameters congratulates on a death and is sorry about a
wedding. The phrases of phrases.toml are right after good and bad news alike.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_suffix(".toml")
SMALL_TALK = ("greeting", "thanks", "farewell", "how_are_you", "who_are_you")
_CLAUSE_END = re.compile(r"[.!?,;:\n\u2026\u3002\uff01\uff1f\uff0c\u3001\u00bf\u00a1]+")
_NOT_LETTERS = re.compile(r"[^\w\s'-]+|_")
_KANA = re.compile("[\u3041-\u30ff]")
_HAN = re.compile("[\u3400-\u9fff]")
_SPOKEN_DATE = (
    r"(?:today|yesterday|on \w+day|on \d{1,2} [A-Z]\w+(?: \d{4})?|in (?:[A-Z]\w+ )?\d{4})"
)
# Letters of Ukrainian, Serbian and others that Russian lacks; words of the Scandinavian languages,
# which have others in common with English and German.
_OTHER_LANGUAGES = re.compile(r"[іїєґўјљњћђџ]|\b(?:jeg|jag|og|och|ikke|inte|bor|på)\b")
# Of a text's words, those of one language must be so many: names and loan words are of all.
_LEAST_SHARE = 0.2
# A whole text of one word (of four characters, where words are not spaced) tells nothing.
_SHORT_CHARACTERS = 20
_SHORT_UNSPACED = 4
_MOST_NAMES = 3
# "My name is anna", but not "call me later": only a name in capital letters follows that.
_TELLS_NAME = re.compile(
    "name|nom|hei(?:ß|ss)|m'appelle|llamo|chiamo|chamo|heet|зовут|имя", re.IGNORECASE
)
_AFTER_UNSPACED_NAME = re.compile(
    "(?:です|だよ?|と申します|と(?:言|い)います|と呼んで.*|吧|就好|就行)$"
)


@dataclass(frozen=True)
class Phrases:
    """The phrases of one language, named as in phrases.toml, which says what each is."""

    words: str
    me: str
    you: str
    memory: str
    greeting: str
    thanks: str
    farewell: str
    how_are_you: str
    who_are_you: str
    name: str
    yes: str
    no: str
    noted: Sequence[str]
    listening: Sequence[str]
    greeting_reply: str
    thanks_reply: str
    farewell_reply: str
    how_are_you_reply: str
    who_are_you_reply: str
    limits: str
    nothing: str
    said: str
    said_once: str
    you_said: str
    you_said_once: str
    call_you: str
    call_you_later: str
    request: str = ""
    retold: str = ""
    retold_once: str = ""
    date: str = ""

    def without_common(self, text: str) -> str:
        """A text without the common words of the language."""
        common = set(self.words.split())
        return " ".join(word for word in _words(text) if word not in common)

    def has_word(self, words: str, text: str) -> bool:
        """Whether one of these words of the language stands in a text."""
        if self.words:
            return not set(words.split()).isdisjoint(_words(text))
        return any(word in text for word in words.split())  # no spaces between words


@cache
def all_phrases() -> Mapping[str, Phrases]:
    """The phrases by the code of their language; the first are for any other one."""
    tables: Mapping[str, Any] = tomllib.loads(_FILE.read_text("utf-8"))
    return {language: Phrases(**table) for language, table in tables.items()}


def language_of(text: str) -> str:
    """The code of a text's language, "en" where it cannot be told.

    By script (kana, Chinese characters), else by common words: most of the words of one language,
    a fifth of all. Small talk is known as a whole.
    """
    if _KANA.search(text):
        return "ja"
    if _HAN.search(text):
        return "zh"
    text_words = [] if _OTHER_LANGUAGES.search(text.lower()) else _words(text)
    counts = Counter(
        language
        for language, words in _common_words().items()
        for word in text_words
        if word in words
    )
    ranked = [*counts.most_common(2), ("en", 0), ("en", 0)]
    (language, count), (_, next_count) = ranked[:2]
    if count > next_count and count >= _LEAST_SHARE * len(text.split()):
        return language
    clauses = _clauses(text)
    for language in all_phrases():
        if clauses and all(_kind(clause, language) for clause in clauses):
            return language
    return "en"


def small_talk(text: str, character: str = "") -> str:
    """Which of SMALL_TALK a text is from beginning to end: the last; empty for what says more."""
    clauses = _clauses(text, character)
    for language in dict.fromkeys([language_of(text), *all_phrases()]):
        kinds = [_kind(clause, language) for clause in clauses]
        if kinds and all(kinds):
            return kinds[-1]
    return ""


def is_request(text: str) -> bool:
    """Whether a text wants something other than to be remembered or answered: a song, a letter."""
    request = all_phrases()[language_of(text)].request
    return bool(request and re.match(request, " ".join(_words(text)) + " "))


def is_about_listener(text: str) -> bool:
    """Whether a question is about who is asked: nothing in it is about who asks, or a memory."""
    phrases = all_phrases()[language_of(text)]
    told = phrases.has_word(f"{phrases.me} {phrases.memory}", text)
    return phrases.has_word(phrases.you, text) and not told


def is_short(text: str) -> bool:
    """Whether a text is too short to tell anything: "ok", "lol", a sign."""
    if _KANA.search(text) or _HAN.search(text):
        return len(_NOT_LETTERS.sub("", text).strip()) <= _SHORT_UNSPACED
    return len(_words(text)) <= 1 and len(text) <= _SHORT_CHARACTERS


@cache
def quotations() -> re.Pattern[str]:
    """How quotations begin, in any language."""
    digits = r"[\d年月日./-]{6,11}"
    forms = []
    for phrases in all_phrases().values():
        shapes = phrases.said, phrases.said_once, phrases.you_said, phrases.you_said_once
        for form in filter(None, (*shapes, phrases.retold, phrases.retold_once)):
            opening = re.escape(form[: form.index("{text}")])
            opening = opening.replace(r"\{speaker\}", ".{1,60}")
            forms.append(opening.replace(r"\{date\}", digits if phrases.date else _SPOKEN_DATE))
    return re.compile("|".join(forms))


def introduced_name(text: str) -> str:
    """The name that somebody tells as their own: "My name is Anna"; empty where nobody does."""
    text = text.replace("\u2019", "'")
    for language, phrases in all_phrases().items():
        match = re.search(rf"(?<![\w'\"\u201c\u201e\u00ab])(?:{phrases.name})", text, re.IGNORECASE)
        if not match:
            continue
        following = _CLAUSE_END.split(text[match.end() :].strip(" :"))[0]
        if language in ("ja", "zh"):
            return _AFTER_UNSPACED_NAME.sub("", following).strip()[:_SHORT_CHARACTERS]
        names = list(takewhile(lambda word: word[0].isupper(), following.split()))
        if not names and _TELLS_NAME.search(match[0]) and len(following.split()) == 1:
            return following.strip().capitalize()  # as people type: "my name is anna"
        return " ".join(names[:_MOST_NAMES])
    return ""


def agrees(text: str) -> bool | None:
    """Whether a text says yes (True) or no (False) in any language, and nothing else."""
    clause = " ".join(_clauses(text))  # "yes, please"
    for phrases in all_phrases().values():
        if re.fullmatch(phrases.yes, clause):
            return True
        if re.fullmatch(phrases.no, clause):
            return False
    return None


@cache
def stock_phrases() -> re.Pattern[str]:
    """All that is said by rule and tells nothing, in any language."""
    patterns = []
    for phrases in all_phrases().values():
        fixed = [*phrases.noted, *phrases.listening, phrases.limits, phrases.nothing]
        fixed += [getattr(phrases, f"{kind}_reply") for kind in SMALL_TALK]
        patterns += [re.escape(text).replace(r"\{character\}", ".{1,60}") for text in fixed]
    return re.compile("|".join(patterns))


def _kind(clause: str, language: str) -> str:
    """Which small talk a clause is; empty for none."""
    phrases = all_phrases()[language]
    return next((k for k in SMALL_TALK if re.fullmatch(getattr(phrases, k), clause)), "")


def _clauses(text: str, character: str = "") -> list[str]:
    """The clauses of a text in lower case, without signs and the name of who is spoken to."""
    name = character.lower()
    clauses = []
    for part in _CLAUSE_END.split(text.lower().replace("\u2019", "'")):
        clause = " ".join(_NOT_LETTERS.sub(" ", part).split())
        if name:
            clause = re.sub(rf"(?:^| ){re.escape(name)}$|^{re.escape(name)} ", "", clause)
        if clause:
            clauses.append(clause)
    return clauses


def _words(text: str) -> list[str]:
    """The words of a text in lower case; what follows an apostrophe is one of its own, too."""
    words = _NOT_LETTERS.sub(" ", text.lower().replace("\u2019", "'")).split()
    return [part for word in words for part in dict.fromkeys([word, *word.split("'")]) if part]


@cache
def _common_words() -> Mapping[str, frozenset[str]]:
    return {
        language: frozenset(phrases.words.split())
        for language, phrases in all_phrases().items()
        if phrases.words
    }
