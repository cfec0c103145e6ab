"""The chat: a session of messages, with replies that stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.errors import InputError, ModelError
from memory.facts import newest_id
from memory.facts.additions import add_turns
from memory.records import CUT_ANSWER, Answer, Fact, Turn
from memory.server.web.conversation import Line
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.server.web.tasks import Task
from memory.store import Store
from memory.store.configuration.declared_settings import Settings
from memory.store.facts.fact_reads import facts_from
from memory.store.turns.traces import record_trace
from memory.store.turns.turn_reads import newest_turns
from memory.store.turns.turn_validation import local_now, session_label
from memory.text.characters import is_visible

if TYPE_CHECKING:
    from memory.api import Memory


@dataclass(frozen=True)
class Said:
    """A reply: its turn, what it cites and was shown, its answer, and the newest change by then.

    `turn_id` is 0 for a reply that is only shown: no model wrote it, and it repeats what is stored.
    Its `text` stands below the message with the id `message_id`; it is "" for the nearest turns
    alone, which the page lists.
    """

    turn_id: int
    cited: Sequence[Turn] = ()
    shown: int = 0
    answer: Answer | None = None
    seen: int = 0
    message_id: int = 0
    text: str = ""


_RECENT_TURNS = 20  # that the model sees
_UNNAMED = "User"
_PRIVATE = "private reply"  # the kind of a task that holds a message off the record, and its reply
_NO_MODEL = "No model that can talk is chosen. Ask about what is in this memory, or choose a model."


def chat_page(request: PageRequest, store: Store) -> PageResponse:
    """One chat session, with the reply as it streams.

    Off the record, also what was said so since the last message on the record. Elsewhere in the
    chat that is let go of: nothing but the running server has held it.
    """
    session = request.inputs.text("session") or local_now()
    is_private = bool(request.inputs.text("private"))
    if not is_private:
        request.tasks.drop(request.namespace, _PRIVATE)
    replies = [
        task
        for task in request.tasks.of(request.namespace)
        if task.kind == "reply" and task.title == session
    ]
    private = _private_of(request, session)
    reply = next(reversed(private or replies), None)
    # Asked before the turns are read: a reply that ends meanwhile is shown by the next look.
    is_running = reply is not None and reply.is_running
    turns = _turns_of(store, session)
    values = {
        "session": session,
        "turns": turns,
        "stored": _stored_of(store, turns),
        "reply": reply,
        "is_running": is_running,
        "is_private": is_private,
        "private": [
            (task, task.result if task.result and _is_still_true(store, task.result) else None)
            for task in private
        ],
        "said": {task.result.turn_id: task.result for task in replies if task.result},
        "only_shown": {
            task.result.message_id: task.result
            for task in replies
            if task.result and _is_still_true(store, task.result)
        },
        "user": _user(store),
        "character": _character(store)[0],
    }
    return Page("chat.html", values)


async def say(request: PageRequest) -> PageResponse:
    """Store a message, then start the reply."""
    text, session = request.inputs.text("text"), request.inputs.text("session")
    if not text:
        raise InputError("type a message")
    if not session:
        raise InputError("the session is missing; open the chat again")

    def store_message(store: Store) -> Turn:
        message = Turn(_user(store), text, session=session, said_at=local_now())
        [turn_id] = add_turns(store, [message])
        return store.turn(turn_id)

    if request.inputs.text("private"):
        return _say_off_the_record(request, text, session)
    request.tasks.drop(request.namespace, _PRIVATE)
    message = await request.handles.run_on_store(request.namespace, store_message)

    def work(memory: "Memory", task: Task) -> Said:
        character, persona = _character(memory.store)
        recent = [turn for turn in _turns_of(memory.store, session) if turn.id < message.id]
        last = _last_reply(request, session)
        if last and last.answer is not None:
            for correction in memory.correct(message, last.answer, last.seen):
                task.text += f"{correction.line}\n"
        corrections = task.text
        reply = memory.reply(
            message,
            recent,
            character=character,
            persona=persona,
        )
        try:
            for piece in reply:
                task.text += piece
        except ModelError:
            if is_visible(said := task.text.strip()):  # as in a terminal: what was shown was said
                memory.add(
                    Turn(character, said, session=session, said_at=local_now(), tags=CUT_ANSWER)
                )
            raise
        answer, text = reply.answer, task.text.strip()
        if not reply.is_by_model:
            text = f"{corrections}{_shown(task.text.removeprefix(corrections))}".strip()
        is_acknowledgement = answer is not None and not (answer.calls or answer.shown)
        if is_acknowledgement and _stored_of(memory.store, [message])[message.id]:
            text = f"Kept as turn {message.id}."  # the page shows the facts below the message
        turn_id = 0
        if is_visible(text) and reply.is_by_model:
            [turn_id] = memory.add(Turn(character, text, session=session, said_at=local_now()))
        if answer is None:
            return Said(turn_id)
        if turn_id:
            record_trace(memory.store, turn_id, answer.shown, answer.shown_facts)
        cited = memory.store.turns_by_id(answer.turns, missing_ok=True)
        return Said(
            turn_id,
            cited,
            shown=len(answer.shown),
            answer=answer,
            seen=newest_id(memory.store),
            message_id=message.id,
            text=text,
        )

    request.tasks.start(request.namespace, "reply", session, work)
    return Redirect(request.address("chat", session=session))


def _user(store: Store) -> str:
    return str(Settings(store).get("user") or _UNNAMED)


def _character(store: Store) -> tuple[str, str]:
    """The name of who replies, and how they talk."""
    settings = Settings(store)
    return str(settings.get("character") or "Assistant"), str(settings.get("persona") or "")


def _say_off_the_record(request: PageRequest, text: str, session: str) -> PageResponse:
    """Start a reply to a message that is not stored: the task alone holds both."""
    earlier = [turn for task in _private_of(request, session) for turn in _exchange(task)]

    def work(memory: "Memory", task: Task) -> Said:
        character, persona = _character(memory.store)
        with memory.off_the_record() as private:
            reply = private.reply(
                Turn(_user(memory.store), text, session=session, said_at=local_now()),
                [*_turns_of(memory.store, session), *earlier],
                character=character,
                persona=persona,
            )
            for piece in reply:
                task.text += piece
        answer = reply.answer
        cited = memory.store.turns_by_id(answer.turns, missing_ok=True) if answer else ()
        said = task.text.strip()
        return Said(0, cited, answer=answer, text=said if reply.is_by_model else _shown(said))

    task = request.tasks.start(request.namespace, _PRIVATE, session, work)
    task.preview = [Line(Turn(_UNNAMED, text))]
    return Redirect(request.address("chat", session=session, private=1))


def _private_of(request: PageRequest, session: str) -> list[Task]:
    """What was said off the record in a session, since it was last on the record."""
    tasks = request.tasks.of(request.namespace)
    return [task for task in tasks if task.kind == _PRIVATE and task.title == session]


def _exchange(task: Task) -> list[Turn]:
    """A message off the record and its reply, for the model to see."""
    reply = [Turn("Assistant", task.result.text)] if task.result and task.result.text else []
    return [*(line.turn for line in task.preview), *reply]


def _shown(text: str) -> str:
    """The text of a reply by no model, without advice for a terminal and the nearest turns."""
    from memory.evidence.messages import NO_MODEL, is_quotation  # with DSPy

    if is_quotation(text):
        return ""
    return _NO_MODEL if text == NO_MODEL else text


def _last_reply(request: PageRequest, session: str) -> Said | None:
    """The last reply of a session, since the server was started."""
    replies = [
        task.result
        for task in request.tasks.of(request.namespace)
        if task.kind == "reply" and task.title == session and task.result
    ]
    return replies[-1] if replies else None


def _is_still_true(store: Store, said: Said) -> bool:
    """Whether a reply that is only shown has all its turns still: forgotten ones show nowhere."""
    if said.turn_id or said.answer is None or not (said.text or said.answer.quotations):
        return False
    used = {*said.answer.turns, *said.answer.shown}
    return len(store.turns_by_id([*used], missing_ok=True)) == len(used)


def _turns_of(store: Store, session: str) -> list[Turn]:
    return newest_turns(store, session_label(session), _RECENT_TURNS)


def _stored_of(store: Store, turns: Sequence[Turn]) -> dict[int, list[Fact]]:
    """The facts that were stored of turns, by the turns' ids."""
    stored: dict[int, list[Fact]] = {turn.id: [] for turn in turns}
    for fact in facts_from(store, [*stored]):
        stored[fact.turn_id].append(fact)
    return stored


PAGES: list[PageRoute] = [("GET", "/chat", chat_page), ("POST", "/chat", say)]
