"""A reply in a chat: what a character says, piece by piece, and the whole answer."""

from collections.abc import Generator, Iterator

from memory.records import Answer


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
        # Iterated again, an exhausted generator returns None: the answer stays.
        self.answer = (yield from self._pieces) or self.answer
