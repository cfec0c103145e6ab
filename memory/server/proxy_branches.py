"""Where a message of the proxy is in its chat, and whether an answer takes another's place.

Each request holds the whole chat. A turn's outside id gives its place in the chat by digests of the
earlier messages, so two requests show whether one continues the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memory.records import Minted, Turn

LONGEST = 1_000  # turns of a chat, the newest, among which an earlier answer is looked for
_DIGEST = "[0-9a-f]{16}"
_SOURCE = re.compile(
    rf":(?P<role>user|assistant):{_DIGEST}:(?P<here>{_DIGEST})"
    rf"(?:-(?P<before>(?:{_DIGEST})?)-(?P<previous>(?:{_DIGEST})?))?(?::\d+)?$"
)


@dataclass(frozen=True)
class Place:
    """Where a user's message is in its chat, as digests of the messages, without system messages.

    `here` is of all up to this message; an answer has that of the message it answers. `before`
    is of all that comes before it, and empty if that holds no answer: several chats begin there.
    `previous` is the `here` of the user's message before it.
    """

    here: str
    before: str = ""
    previous: str = ""

    @property
    def text(self) -> str:
        """The place as a source ends with it."""
        return f"{self.here}-{self.before}-{self.previous}"


def answer_source(turns: Sequence[Turn], source: str, text: str, here: str) -> Minted:
    """The source of an answer: the source of the answer that it replaces, or a new one.

    A chat goes on from the answer that it shows. Once it has gone on, another answer to the same
    message may be from another chat that begins alike, so both stay.
    """
    answers = [turn for turn in turns if re.fullmatch(rf"{re.escape(source)}(:\d+)?", turn.source)]
    same = [answer for answer in answers if answer.text == text]
    if not answers or same:
        return Minted(same[-1].source if same else source)
    goes_on = any(
        known and known[1].previous == here and turn.id > answers[-1].id
        for turn in turns
        for known in [_place_of(turn)]
    )
    return Minted(f"{source}:{len(answers) + 1}" if goes_on else answers[-1].source)


def _place_of(turn: Turn) -> tuple[str, Place] | None:
    """Whose message a turn of the proxy is, and its place; None for any other turn."""
    match = _SOURCE.search(turn.source)
    if match is None:
        return None
    return match["role"], Place(match["here"], match["before"] or "", match["previous"] or "")
