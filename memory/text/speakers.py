"""Who speaks in turns: persons, and the assistants of chats, exports and other programs."""

import re
from collections.abc import Collection
from functools import lru_cache

from memory.records import Turn
from memory.text.characters import has_hidden, label, one_line, sound_text, told_apart

_ASSISTANT = re.compile(
    r"(?:(?:ai|virtual|personal) )?assistant|ai|(?:chat ?)?bot|chatgpt|gpt|claude|gemini|copilot"
    r"|codex|opencode|system|tool",
    re.IGNORECASE,
)
# The tag that says who speaks, where only the message's role did: {"role": "assistant",
# "name": "Pip"}. `add` sets it, once, and no one else can (store/turns/turn_validation.py).
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
