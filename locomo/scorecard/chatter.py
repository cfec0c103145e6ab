"""Other people's chatter: real chats that have nothing to do with a conversation's questions."""

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from locomo.dataset.format import Conversation, load_conversations
from memory import InputError, Turn

_DATA = Path(__file__).parents[2] / "data"
# Chats of two or more people that we wrote, 7,500 turns: no assistants, no diary.
SOURCES = (_DATA / "train", _DATA / "train_answers", _DATA / "friends")
_SEED = 20261127


def chatter(turns: int, without: Collection[str] = ()) -> list[Turn]:
    """This many turns of these chats, session by session, in an order drawn by a seed.

    Fewer turns begin as more turns do. Sessions and sources are prefixed with the name of their
    chat, so that they are unique.

    Arguments:
        turns: how many.
        without: ids of conversations to leave out: the questions are about these.

    Raises InputError if there are fewer.
    """
    sessions: list[list[Turn]] = []
    for conversation in _conversations():
        if conversation.id not in without:
            sessions += _sessions(conversation)
    Random(_SEED).shuffle(sessions)  # noqa: S311 - an order, no secret
    ordered = [turn for session in sessions for turn in session][:turns]
    if len(ordered) < turns:
        raise InputError(f"there are {len(ordered):,} turns of chatter in data/, not {turns:,}")
    return ordered


@cache
def _conversations() -> list[Conversation]:
    files = [file for folder in SOURCES for file in sorted(folder.rglob("*.json"))]
    return [conversation for file in files for conversation in load_conversations(file)]


def _sessions(conversation: Conversation) -> list[list[Turn]]:
    sessions: dict[str, list[Turn]] = {}
    for turn in conversation.turns:
        named = replace(
            turn,
            session=f"{conversation.id} {turn.session}",
            source=f"{conversation.id} {turn.source}",
        )
        sessions.setdefault(turn.session, []).append(named)
    return [*sessions.values()]
