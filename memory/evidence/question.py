"""A question, with its asker and its day."""

from dataclasses import dataclass
from functools import cached_property

from memory.search.question import standalone_question


@dataclass(frozen=True)
class UserQuestion:
    """A question to a memory: its asker and its day (ISO), both "" if unknown.

    `known_as` are other names of the asker.
    """

    text: str
    asker: str = ""
    today: str = ""
    known_as: tuple[str, ...] = ()

    @cached_property
    def ranked_text(self) -> str:
        """The question as turns would put it, with names and dates: the text to search for."""
        return standalone_question(self.text, self.asker, self.today)

    @property
    def askers(self) -> tuple[str, ...]:
        """All names of the asker; without any, ("",) for the memory's user."""
        return tuple(filter(None, (self.asker, *self.known_as))) or ("",)
