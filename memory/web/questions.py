"""Questions and talk: answers with what they rest on, a chat that streams, work that takes long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.records import Answer, Rows, Turn
from memory.settings import Settings
from memory.sql import quoted
from memory.store import Store
from memory.store.points_in_time import last_moment
from memory.store.turn_validation import local_now
from memory.web.care import KINDS_IN_WORDS
from memory.web.conversation import Share, shares_of
from memory.web.tasks import Task
from memory.web.visits import Entry, Page, Redirect, Reply, Visit

if TYPE_CHECKING:
    from memory.api import Memory

_MOST_QUESTIONS = 10  # below the form: those of this server's run
_RECENT_TURNS = 20  # that a reply is shown
_UNNAMED = "User"


@dataclass(frozen=True)
class Cited:
    """A turn that an answer rests on, and what brought it up."""

    turn: Turn
    rank: int
    shares: Sequence[Share]
    statements: Sequence[int]


@dataclass(frozen=True)
class Answered:
    """An answer with its turns, and its statements with their rows."""

    answer: Answer
    cited: Sequence[Cited]
    statements: Sequence[tuple[str, Rows]]


def ask_form(visit: Visit, store: Store) -> Reply:
    """The form for a question, and the questions asked before."""
    questions = [task for task in visit.tasks.of(visit.namespace) if task.kind == "question"]
    values = {
        "questions": questions[: -_MOST_QUESTIONS - 1 : -1],
        "asker": str(Settings(store).get("user", "")),
        "has_turns": bool(store.read("SELECT id FROM turns LIMIT 1").rows),
    }
    return Page("ask.html", values)


async def ask(visit: Visit) -> Reply:
    """Begin to answer a question; its page shows how far it is."""
    question = visit.inputs.text("question")
    as_of, asker = visit.inputs.text("as_of"), visit.inputs.text("asker")
    if not question:
        raise InputError("write a question first")
    now = min(last_moment(as_of), datetime.now()) if as_of else datetime.now()

    def work(memory: "Memory", task: Task) -> Answered:
        if not as_of:
            return _answered(memory, question, asker, now)
        from memory.api import Memory

        with memory.store.as_of(as_of) as past:
            earlier = Memory(past, model=memory.model, reranker=memory.reranker)
            return _answered(earlier, question, asker, now)

    task = visit.tasks.start(visit.namespace, "question", question, work)
    return Redirect(visit.address("work", task.id))


def _answered(memory: "Memory", question: str, asker: str, now: datetime) -> Answered:
    answer = memory.ask(question, asker=asker, now=now)
    cited = [
        Cited(
            memory.store.turn(citation.turn_id),
            rank=citation.rank,
            shares=shares_of(citation.shares),
            statements=[answer.sql.index(statement) + 1 for statement in citation.sql],
        )
        for citation in answer.citations
    ]
    return Answered(answer, cited, list(zip(answer.sql, answer.rows, strict=True)))


async def work_page(visit: Visit) -> Reply:
    """Some long work: how far it is, then what it came to."""
    try:
        task = visit.tasks.find(visit.namespace, visit.inputs.text("task"))
    except InputError:
        return Page("missing.html", {"wanted": "this piece of work"}, status=404)
    return Page("work.html", {"task": task, "kinds": KINDS_IN_WORDS})


# ---------------------------------------------------------------------------- chat


def chat_page(visit: Visit, store: Store) -> Reply:
    """One session of talk, with the reply that is being made."""
    session = visit.inputs.text("session") or local_now()
    settings = Settings(store)
    turns = _turns_of(store, session)
    replies = [
        task
        for task in visit.tasks.of(visit.namespace)
        if task.kind == "reply" and task.title == session
    ]
    values = {
        "session": session,
        "turns": turns,
        "reply": replies[-1] if replies else None,
        "user": str(settings.get("user") or _UNNAMED),
        "character": str(settings.get("character") or "Assistant"),
    }
    return Page("chat.html", values)


async def say(visit: Visit) -> Reply:
    """Store what somebody says, which is durable then, and begin the reply."""
    text, session = visit.inputs.text("text"), visit.inputs.text("session")
    if not text:
        raise InputError("write something first")
    if not session:
        raise InputError("this talk has no beginning; open the page again")

    def store_message(store: Store) -> Turn:
        user = str(Settings(store).get("user") or _UNNAMED)
        [turn_id] = store.add([Turn(user, text, session=session, said_at=local_now())])
        return store.turn(turn_id)

    message = await visit.handles.run_on_store(visit.namespace, store_message)

    def work(memory: "Memory", task: Task) -> int:
        settings = Settings(memory.store)
        character = str(settings.get("character") or "Assistant")
        reply = memory.reply(
            message,
            [turn for turn in _turns_of(memory.store, session) if turn.id < message.id],
            character=character,
            persona=str(settings.get("persona") or ""),
        )
        for piece in reply:
            task.text += piece
        if not task.text.strip():
            return 0
        [turn_id] = memory.add(
            Turn(character, task.text.strip(), session=session, said_at=local_now())
        )
        return turn_id

    visit.tasks.start(visit.namespace, "reply", session, work)
    return Redirect(visit.address("chat", session=session))


def _turns_of(store: Store, session: str) -> list[Turn]:
    rows = store.read(
        f"SELECT id FROM turns WHERE session = {quoted(session)} ORDER BY id DESC"
        f" LIMIT {_RECENT_TURNS}"
    ).rows
    return [store.turn(row[0]) for row in reversed(rows)]


PAGES: list[Entry] = [
    ("GET", "/ask", ask_form),
    ("POST", "/ask", ask),
    ("GET", "/work/{task}", work_page),
    ("GET", "/chat", chat_page),
    ("POST", "/chat", say),
]
