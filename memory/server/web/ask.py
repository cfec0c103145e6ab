"""Questions, and answers with their sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.records import Answer, Rows, Turn
from memory.server.web.conversation import Line, Share, hits, shares_of
from memory.server.web.page_request import PageRequest, PageResponse, PageRoute, Redirect
from memory.server.web.tasks import Task
from memory.store import Store
from memory.store.changes.points_in_time import time_of_question
from memory.store.files.united import past_or_present

if TYPE_CHECKING:
    from memory.api import Memory

_MOST_PREVIEWED = 4  # turns, while the model reads
_MOST_QUESTIONS = 5  # since the server was started


@dataclass(frozen=True)
class Cited:
    """A source of an answer, and how it was found."""

    turn: Turn
    rank: int
    shares: Sequence[Share]
    statements: Sequence[int]


@dataclass(frozen=True)
class Answered:
    """An answer with its sources, and its SQL statements with their rows.

    `text` is what a person reads first, "" for an abstention alone; `nearest` are the turns that
    are shown where an answer has no source, each with its mark. `found` are the other turns that
    were shown while the model read: they stay.
    """

    answer: Answer
    text: str
    nearest: Sequence[tuple[Turn, str]]
    cited: Sequence[Cited]
    found: Sequence[Line]
    statements: Sequence[tuple[str, Rows]]


def recent_questions(request: PageRequest) -> list[Task]:
    """The questions that were asked since the server was started, newest first."""
    questions = [task for task in request.tasks.of(request.namespace) if task.kind == "question"]
    return questions[: -_MOST_QUESTIONS - 1 : -1]


def ask_form(request: PageRequest, store: Store) -> PageResponse:
    """The address that the form for a question had once."""
    return Redirect(request.address())


async def ask(request: PageRequest) -> PageResponse:
    """Start to answer a question, and open the page of its progress."""
    question = request.inputs.text("question") or request.inputs.text("q")
    as_of, asker = request.inputs.text("as_of"), request.inputs.text("asker")
    if not question:
        raise InputError("type a question")
    now = time_of_question(as_of)

    def work(memory: "Memory", task: Task) -> Answered:
        with past_or_present(memory.store, as_of) as past:
            found = task.preview = hits(
                past, question, None, request.handles.weights, most=_MOST_PREVIEWED
            )
            return _answered(request.handles.memory_of(past), question, asker, now, found)

    task = request.tasks.start(request.namespace, "question", question, work)
    return Redirect(request.address("work", task.id))


def _answered(
    memory: "Memory", question: str, asker: str, now: datetime, found: Sequence[Line]
) -> Answered:
    from memory.evidence.messages import is_quotation  # with DSPy
    from memory.program.quotations import answer_lines

    answer = memory.ask(question, speaker=asker, now=now)
    text = answer_lines(answer)[0]
    marks = {quoted.turn_id: quoted.mark for quoted in answer.quotations}
    near = memory.store.turns_by_id(list(marks), missing_ok=True)
    turns = memory.store.turns_by_id(answer.turns)
    cited = [
        Cited(
            turn,
            rank=citation.rank,
            shares=shares_of(citation.shares, question, turn.text),
            statements=[answer.sql.index(statement) + 1 for statement in citation.sql],
        )
        for turn, citation in zip(turns, answer.citations, strict=True)
    ]
    return Answered(
        answer,
        "" if is_quotation(text) else text,  # the page shows the nearest turns below
        [(turn, marks[turn.id]) for turn in near],
        cited,
        [line for line in found if line.turn.id not in {*marks, *answer.turns}],
        list(zip(answer.sql, answer.rows, strict=True)),
    )


PAGES: list[PageRoute] = [("GET", "/ask", ask_form), ("POST", "/ask", ask)]
