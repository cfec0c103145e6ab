"""What a reasoning model thinks before it speaks: left out of whole texts and of streams.

Servers that do not separate it from the answer send it in tags at the beginning, and some send only
the closing tag, because the chat template has opened it.
"""

import re

_TAGS = ("think", "thinking", "thought", "reasoning")
_OPENINGS = tuple(f"<{tag}>" for tag in _TAGS)
_NAMES = "|".join(_TAGS)
_OPENING = re.compile(rf"\s*<({_NAMES})>", re.IGNORECASE)
# An end without a beginning: what comes before it was thought. It ends its line, or a marker of
# DSPy's follows; in the middle of a line it is just text about a tag.
_LONE_END = re.compile(rf"^.*?</(?:{_NAMES})>[ \t]*(?:\r?\n|$|(?=\[\[ ?##))", re.I | re.DOTALL)


def without_thinking(text: str) -> str:
    """What a model says after it thought; "" if its text ends in a thought.

    Only thoughts at the beginning count: elsewhere a tag is part of the text.
    """
    if not _OPENING.match(text):
        lone = _LONE_END.match(text)
        if lone is None or _has_opening(lone[0]):
            return text
        text = text[lone.end() :].lstrip()
    while opening := _OPENING.match(text):
        end = _end(opening[1]).search(text, opening.end())
        if end is None:
            return ""
        text = text[end.end() :].lstrip()
    return text


def _has_opening(text: str) -> bool:
    return any(opening in text.lower() for opening in _OPENINGS)


def _end(tag: str) -> re.Pattern[str]:
    return re.compile(f"</{tag}>", re.IGNORECASE)


class SpokenPieces:
    """The pieces of a stream without the thoughts at its beginning."""

    def __init__(self) -> None:
        self._held = ""
        self._speaks = False

    def after(self, piece: str) -> str:
        """What may be said once this piece has come; "" while the model thinks, or may begin to."""
        if self._speaks:
            return piece
        self._held += piece
        beginning = self._held.lstrip().lower()
        if any(opening.startswith(beginning) for opening in _OPENINGS):  # "" too
            return ""
        if _OPENING.match(self._held):
            spoken = without_thinking(self._held)
            if not spoken:
                return ""
            self._held = ""
            return self.after(spoken)
        self._speaks = True
        return self.rest()

    def rest(self) -> str:
        """What is still held when the stream has ended; "" for a thought without an end."""
        held, self._held = self._held, ""
        return "" if _OPENING.match(held) else held
