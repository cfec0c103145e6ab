"""What the proxy stores of a request and its answer, and what it takes back for it."""

from collections.abc import Sequence
from dataclasses import replace

from memory.facts.additions import add_turns
from memory.records import CUT_ANSWER, Turn
from memory.server.proxy_branches import LONGEST, answer_source, left_branch
from memory.server.proxy_messages import Answer, Conversation
from memory.store import Store
from memory.store.configuration.settings import settings_of
from memory.store.forgetting.forgotten_items import without_forgotten
from memory.store.turns.branches import BranchMarks, branch_marks, note_alike
from memory.store.turns.minted_names import FORGET_AFTER, session_label
from memory.store.turns.turn_reads import newest_of_session
from memory.text.characters import is_visible


def store_exchange(
    store: Store,
    conversation: Conversation,
    answer: Answer,
    *,
    session: str,
    speaker: str,
    said_at: str,
    expires: str = "",
) -> int:
    """Store the user's last message and its answer; how many turns they leave behind.

    Both are forgotten when they expire: a date, a time, or how long.
    The turns of an edited message and of what followed it are taken back. Where a client goes on
    from them after all, they are put back as the request has them.
    """
    names = {setting.name: setting.value for setting in settings_of(store)}
    message = Turn(
        speaker or conversation.speaker or str(names.get("user") or "User"),
        conversation.text,
        session=session,
        said_at=said_at,
        tags={FORGET_AFTER: expires} if expires else {},
    )
    character = str(names.get("character") or "Assistant")
    marks = branch_marks(store)
    _put_back(store, conversation, message, character=character, marks=marks)

    known = newest_of_session(store, session_label(session), LONGEST)
    turns = _exchange(conversation, answer, message, character)
    if len(turns) > 1 and not answer.is_cut:
        [question, answered] = turns
        turns = [question, _beside(store, known, answered, conversation, marks)]
    # Clients send a request again, and its forgotten turns stay out.
    turns = without_forgotten(store, turns)
    branch = left_branch(
        known,
        conversation.place,
        lambda place: marks.is_alike(f"{session}:{place}"),
    )
    if _goes_on_elsewhere(store, conversation, [turn for turn in known if turn.id in branch]):
        branch = {}
    takes_back = {turn_id: f"{session}:{place}" for turn_id, place in branch.items()}
    add_turns(store, turns, once=True, replaces=not answer.is_cut, takes_back=takes_back)
    return len(branch) if turns else 0


def _exchange(
    conversation: Conversation, answer: Answer, message: Turn, character: str
) -> list[Turn]:
    """The turn of a user's last message, and the turn of the answer if it has text."""
    session, day = message.session, message.said_at[:10]
    question = replace(message, source=conversation.source(session, "user", day))
    if not is_visible(answer.text):
        return [question]
    answered = replace(
        message,
        speaker=character,
        text=answer.text,
        source=conversation.source(session, "assistant", day),
        tags={**message.tags, **(CUT_ANSWER if answer.is_cut else {})},
    )
    return [question, answered]


def _beside(
    store: Store,
    known: list[Turn],
    answered: Turn,
    conversation: Conversation,
    marks: BranchMarks,
) -> Turn:
    """An answer with its source.

    Where the same request was answered before, a second chat may have gone on from that answer: a
    mark says so.
    """
    for turn in known:
        if turn.source == answered.source:
            place = f"{answered.session}:{conversation.after(turn.text)}"
            if not marks.is_alike(place):
                note_alike(store, place)
    source = answer_source(known, answered.source, answered.text, conversation.place.here)
    return replace(answered, source=source)


def _goes_on_elsewhere(store: Store, conversation: Conversation, branch: Sequence[Turn]) -> bool:
    """Whether a client went on with a branch, without what was said before it.

    That chat has the name that its first message gives, which is one of the branch.
    """
    for turn in branch:
        newest = newest_of_session(store, conversation.session_begun_with(turn.text), 1)
        if newest and newest[0].id > branch[-1].id:
            return True
    return False


def _put_back(
    store: Store,
    conversation: Conversation,
    message: Turn,
    *,
    character: str,
    marks: BranchMarks,
) -> None:
    """Store what was taken back and is in the chat nevertheless.

    Two branches then go on from one place, so nothing is an edit there again.
    """
    session = message.session
    times = {
        position: said_at
        for position, here in conversation.earlier().items()
        if (said_at := marks.when_taken_back(f"{session}:{here}")) is not None
    }
    for position, said_at in times.items():
        request, text = conversation.exchange(position)
        again = replace(message, text=request.text, said_at=said_at)
        turns = _exchange(request, Answer(text, is_cut=False), again, character)
        add_turns(store, without_forgotten(store, turns), once=True)
