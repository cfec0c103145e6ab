"""sql-memory as a library of OmniMemEval: `locomo.others.omnimemeval` puts this file there.

The memories are namespaces of MEMORY_HOME. Storing and searching ask no model.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from memory import Memory, Turn
from memory.store import namespaces
from memory.text import resolved_line


class SqlMemoryClient:
    """What OmniMemEval asks of a memory; threads may share one."""

    def add(self, messages: Sequence[Mapping[str, str]], user_id: str, **_: object) -> None:
        """Store one call's messages as a session of a user's memory.

        A message has `role`, `content`, and perhaps `name` and `chat_time` (ISO). Turns that an
        interrupted run stored are not stored again.
        """
        turns = [_turn(message, number) for number, message in enumerate(messages)]
        with Memory(user_id) as memory:
            memory.store.add(turns, once=True)

    def search(self, query: str, user_id: str, top_k: int) -> str:
        """The best turns for a question, at most `top_k`, as dated lines in the order of saying."""
        with Memory(user_id) as memory:
            hits = memory.store.search(query, top_k)
            turns = memory.store.turns_by_id(sorted(hit.turn_id for hit in hits))
        return "\n".join(map(resolved_line, turns))

    def delete_user(self, user_id: str) -> None:
        """Delete a user's memory."""
        if namespaces.exists(user_id):
            namespaces.delete(user_id)


def _turn(message: Mapping[str, str], number: int) -> Turn:
    speaker = message.get("name") or message["role"]
    text = message["content"].removeprefix(f"{speaker}: ")
    said_at = message.get("chat_time", "")
    outside_id = f"{said_at} {number} {sha256(text.encode()).hexdigest()[:16]}" if said_at else ""
    return Turn(speaker, text, session=said_at, said_at=said_at, source=outside_id)
