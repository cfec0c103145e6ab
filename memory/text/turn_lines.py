"""A turn as a line or as words: number, day, speaker, text; and which speakers are assistants."""

import re
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

from memory.records import MemoryTurn, Turn
from memory.text.characters import (
    LONGEST_LABEL,
    has_hidden,
    label,
    one_line,
    sound_text,
    told_apart,
)
from memory.text.dates import named_day, resolve_dates, spoken_date, spoken_day
from memory.text.tokens import TextCache, trim
from memory.text.words import forms_of, words

_SHORT_NAME, _NAME_TOKENS = 48, 24  # characters of a name that is whole, tokens of a longer one


# The tag of a document's turns that a later version of it has replaced, with that version's name.
OLDER_VERSION = "older_version"


def speaker_name(name: str) -> str:
    """A speaker's name before what they said, in a few tokens.

    Without characters that would begin a new line: a number or a date in brackets, and a colon.
    """
    return _names[name]


def _shortened(name: str) -> str:
    line = label(name).lstrip("([ ").replace(": ", ", ").rstrip(": ")
    return line if len(line) <= _SHORT_NAME else trim(line, _NAME_TOKENS)


# A question shows the same few speakers again and again.
_names = TextCache(_shortened, most=1_000, longest=LONGEST_LABEL)


def turn_line(turn: Turn, dates: bool = True) -> str:
    """`[12] (Mon 08 May 2017) Anna: text`: how every model sees a turn.

    A document is not a person, whatever its title: `[13] Manual (document): text`. A replaced
    one is an `(older version)`. The name of its memory comes first if it is one of several:
    `[12] team (Mon 08 May 2017) Anna: text`.
    """
    memory = f"{speaker_name(turn.memory)} " if isinstance(turn, MemoryTurn) else ""
    said_at = f"({spoken_date(turn.said_at)}) " if dates and turn.said_at else ""
    kind = "" if turn.kind == "message" else f" ({turn.kind})"
    kind = " (older version)" if OLDER_VERSION in turn.tags else kind
    return f"[{turn.id}] {memory}{said_at}{speaker_name(turn.speaker)}{kind}: {one_line(turn.text)}"


def resolved_line(turn: Turn, dates: bool = True, iso: bool = False) -> str:
    """A turn's line with its relative dates resolved, so that no model computes them."""
    text = resolve_dates(turn.text, turn.said_at, iso=iso)
    return turn_line(replace(turn, text=text), dates)


_ASSISTANT = re.compile(
    r"(?:(?:ai|virtual|personal) )?assistant|ai|(?:chat ?)?bot|chatgpt|gpt|claude|gemini|copilot"
    r"|codex|opencode|system|tool",
    re.IGNORECASE,
)
# The tag that says who speaks, where only the message's role did: {"role": "assistant",
# "name": "Pip"}. `add` sets it, once, and no one else can (store/turns/minted_names.py).
SPOKEN_BY = "spoken_by"
ASSISTANT = "assistant"
_VERSION = re.compile(r"(?<![\s_-])[\s_-]*v?\d.*$", re.IGNORECASE | re.DOTALL)  # Claude 3, gpt-4o

_HIDDEN = "(with hidden characters)"


def speaker_label(name: str) -> str:
    """A speaker's name as turns have it: one line, marked if it only looks like another name.

    An assistant stays one, whatever is hidden in its name.
    """
    line = label(sound_text(name))
    if line and line != name and has_hidden(name) and not is_assistant(line):
        return f"{line} {_HIDDEN}"
    return told_apart(line)


def speaker_by_role(role: str, name: str, users: Collection[str]) -> str:
    """Who says a message of a chat protocol: its `name`, or else its role.

    An assistant or a tool that carries a name of the user's speaks by its role: its words are not
    the user's.
    """
    key = one_line(name).casefold()
    names = {"user", *(user.casefold() for user in users)}
    return role if role != "user" and key in names else name or role


def is_by_assistant(turn: Turn) -> bool:
    """Whether an assistant says a turn: one with the name of a program, or by its role at `add`."""
    return turn.tags.get(SPOKEN_BY) == ASSISTANT or is_assistant(turn.speaker)


def spellings_of(name: str) -> tuple[str, ...]:
    """The spellings that a client may have used for a person before: "nora" is Nora."""
    small = name.lower()
    names = (name, name.title()) if name == small else (name, small)
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=1_000)  # asked of each turn that a question shows
def is_assistant(name: str) -> bool:
    """Whether chats, exports and other programs use this name for an assistant."""
    return bool(_ASSISTANT.fullmatch(_VERSION.sub("", name.strip())))


def turn_forms(turn: Turn) -> set[str]:
    """The forms of all words of a turn: its speaker, its day, its text with dates resolved."""
    day = spoken_day(turn.said_at[:10]) if named_day(turn.said_at) else ""
    return forms_of(words(f"{turn.speaker} {day} {resolve_dates(turn.text, turn.said_at)}"))
