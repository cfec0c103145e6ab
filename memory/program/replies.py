"""A message of a chat, and the reply to it: what a character says, and the whole answer."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from memory.records import Answer, Turn


@dataclass(frozen=True)
class ChatMessage:
    """A message of a chat that a character replies to, and what it needs to know for that.

    `turn` is the message, with its id when it is stored; `recent` the conversation just before it;
    `known_as` are names that its speaker had before.
    """

    turn: Turn
    recent: Sequence[Turn] = ()
    character: str = "Assistant"
    persona: str = ""
    known_as: Sequence[str] = ()


class Reply:
    """What a character says, piece by piece; `answer` is the whole reply at the end."""

    answer: Answer | None = None

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._pieces = pieces

    @property
    def is_by_model(self) -> bool:
        """Whether a model wrote it, or a part of it. Else it only repeats what the memory holds."""
        return self.answer is None or self.answer.calls > 0

    def __iter__(self) -> Iterator[str]:
        answer = yield from self._pieces
        if answer is not None:  # else it is iterated again: the answer stays
            self.answer = answer
