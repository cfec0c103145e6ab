"""What the proxy stores of a request and its answer."""

from dataclasses import replace

from memory.facts.additions import add_turns
from memory.records import CUT_ANSWER, Turn
from memory.server.proxy_messages import Answer, Conversation
from memory.store import Store
from memory.store.configuration.settings import settings_of
from memory.store.forgetting.forgotten_items import without_forgotten
from memory.store.turns.turn_validation import FORGET_AFTER
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
) -> int | None:
    """Store the user's last message and its answer; returns the answer's id if it is stored.

    Both are forgotten when they expire: a date, a time, or how long.
    """
    conversation = replace(conversation, speaker=speaker or conversation.speaker)
    names = {setting.name: setting.value for setting in settings_of(store)}
    message = Turn(
        conversation.speaker or str(names.get("user") or "User"),
        conversation.text,
        session=session,
        said_at=said_at,
        tags={FORGET_AFTER: expires} if expires else {},
    )
    character = str(names.get("character") or "Assistant")
    turns = _exchange(conversation, answer, message, character)
    # Clients send a request again, and its forgotten turns stay out.
    stored = without_forgotten(store, turns)
    ids = add_turns(store, stored, once=True)
    is_answered = len(turns) > 1 and len(ids) == len(stored) and turns[-1] in stored
    return ids[-1] if is_answered else None


def _exchange(
    conversation: Conversation, answer: Answer, message: Turn, character: str
) -> list[Turn]:
    """The turn of a user's last message, and the turn of the answer if it has text."""
    session, day = message.session, message.said_at[:10]
    question = replace(message, source=conversation.source(session, day))
    if not is_visible(answer.text):
        return [question]
    answered = replace(
        message,
        speaker=character,
        text=answer.text,
        source=conversation.source(session, day, answer.text),
        tags={**message.tags, **(CUT_ANSWER if answer.is_cut else {})},
    )
    return [question, answered]
