"""What the heart asks of a memory, and what its modules pass on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dspy

from memory.facts.window_writes import WindowWriter
from memory.program.digest import WindowContext, WindowReading
from memory.records import Contradiction, Fact, Hit, Rows, Turn


class Question(str):
    """A question, as its asker put it on a day (ISO); "" where these are not known."""

    asker: str = ""
    today: str = ""

    def __new__(cls, text: str, asker: str = "", today: str = "") -> "Question":
        question = super().__new__(cls, text)
        question.asker = asker
        question.today = today
        return question

    @property
    def text(self) -> str:
        """The plain text."""
        return str(self)


class Shown(str):
    """The part of a memory that a model is shown: a text, and the ids of the turns in it.

    `is_all` says whether everything that was found is in it, whole; `tokens` is its size. It holds
    the asker's wishes (`standing`) and facts that contradict each other. `fact_ids` are the current
    facts in it.
    """

    turn_ids: tuple[int, ...] = ()
    is_all: bool = False
    tokens: int = 0
    standing: tuple[Fact, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    fact_ids: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The plain text."""
        return str(self)


@dataclass(frozen=True)
class Gathered:
    """What was found for a question: the search's hits, rows of SELECTs, and the evidence shown."""

    hits: Sequence[Hit]
    retrieved: dspy.Prediction
    shown: Shown


def no_rows() -> dspy.Prediction:
    """What a module found that asked for no SELECT."""
    return dspy.Prediction(sql=[], rows=[], calls=0, error="", refusals=[], decided=None)


class Opened(Protocol):
    """A memory that is open for one question, or for one window of turns."""

    def asker(self, name: str) -> str:
        """Who asks, as the memory knows them; its owner if no one is named."""

    def search(self, question: Question) -> Sequence[Hit]:
        """The nearest turns, best first."""

    def read(self, select: Any) -> Rows:
        """The rows of a SELECT that was checked. Raises SqlError, written for the model."""

    def turns(self, turn_ids: Sequence[int]) -> Sequence[Turn]:
        """The existing turns with these ids."""

    def catalog(self, tokens: int = 0, question: Question | None = None) -> str:
        """What the whole memory holds; for a question also what is known of the names in it."""

    def shown(
        self,
        question: Question,
        hits: Sequence[Hit],
        retrieved: dspy.Prediction,
        *,
        looked: bool = False,
    ) -> Shown:
        """The evidence for a question, within a budget; if a model looked, its rows come first."""

    def has_time(self) -> bool:
        """Whether there is time to look something up."""

    def window(
        self, reading: WindowReading, ids: tuple[int, int], **limits: Any
    ) -> tuple[WindowContext, WindowWriter]:
        """The next turns that no one has read into facts, and what stores rows of them."""
