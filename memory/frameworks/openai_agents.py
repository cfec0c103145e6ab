"""The `Session` of OpenAI's Agents SDK: a conversation's items as turns of a memory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agents import SessionSettings

from memory.errors import InputError
from memory.facts.additions import add_turns
from memory.frameworks.store_thread import StoreThread, hide
from memory.records import Minted, Turn
from memory.store import Store
from memory.store.namespaces import is_name
from memory.store.turns.turn_reads import visible_turns
from memory.store.turns.turn_validation import HIDDEN, local_now, session_label
from memory.text.characters import is_visible

if TYPE_CHECKING:
    from agents import TResponseInputItem

_BY = "openai-agents"
# The tag of an item of a session, with a message's role, or that it is no message. Turns that
# come into a session of that name in other ways lack this tag, and are not its items.
_ROLE = Minted("openai-agents role")
_NO_MESSAGE = "item"
# The tag with what a message has besides its text: ids, phases, annotations. A value of a tag is
# short, so it comes in numbered pieces.
_ITEM = Minted("openai-agents item")
_PIECE = 180  # characters


class MemorySession:
    """A session for `Runner.run(agent, message, session=session)`.

    Messages become turns of the session, searched and asked as all others. Calls of tools, their
    results and reasoning are stored as turns of kind "tool", whole. Items come back exactly as they
    were added; a message from which the memory withheld a secret comes back as its text alone.
    Items that the SDK takes back (`pop_item`, `clear_session`) are hidden from the session and stay
    in the memory; `memory forget` removes them.

    Arguments:
        location: the memory's name, path or address.
        session_id: the name of the conversation.
        user, assistant: the speakers of its messages.
        session_settings: how many items `get_items` returns without its own limit.
    """

    def __init__(
        self,
        location: str | Path,
        session_id: str,
        user: str = "User",
        assistant: str = "Assistant",
        session_settings: "SessionSettings | dict[str, Any] | None" = None,
    ) -> None:
        if is_name(str(location)) and not is_name(session_id):  # the order of SQLiteSession
            raise InputError(
                f'the memory comes first; write MemorySession("{session_id}", "{location}")'
            )
        self.session_id = session_id
        self.session_settings: SessionSettings | None = SessionSettings().resolve(session_settings)
        self._speakers = {"user": user, "assistant": assistant}
        self._thread = StoreThread(location)

    async def get_items(self, limit: int | None = None) -> "list[TResponseInputItem]":
        """The newest items, oldest first; without a limit, as many as `session_settings` say."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        turns = await self._thread.acall(lambda store: self._turns(store, limit))
        return [cast("TResponseInputItem", _item(turn)) for turn in turns]

    async def add_items(self, items: "list[TResponseInputItem]") -> None:
        """Store items at the end of the conversation. Raises TypeError for what is no JSON."""
        turns = [self._turn(dict(item)) for item in items]
        if turns:
            await self._thread.acall(lambda store: add_turns(store, turns))

    async def pop_item(self) -> "TResponseInputItem | None":
        """Hide the newest item and return it; None if there is none."""

        def work(store: Store) -> list[Turn]:
            turns = self._turns(store, 1)
            hide(store, turns, _BY)
            return turns

        turns = await self._thread.acall(work)
        return cast("TResponseInputItem", _item(turns[0])) if turns else None

    async def clear_session(self) -> None:
        """Hide all items: the conversation begins anew."""
        await self._thread.acall(lambda store: hide(store, self._turns(store, None), _BY))

    def close(self) -> None:
        """Close the memory."""
        self._thread.close()

    def _turns(self, store: Store, newest: int | None) -> list[Turn]:
        session = session_label(self.session_id)
        return visible_turns(store, HIDDEN, session=session, newest=newest, marked=_ROLE)

    def _turn(self, item: dict[str, Any]) -> Turn:
        role = str(item.get("role", ""))
        text = _message_text(item)
        if role and text:
            speaker = self._speakers.get(role, role)
            tags: dict[str, str | list[str]] = {_ROLE: role}
            if item != {"role": role, "content": text}:
                tags[_ITEM] = _pieces(_without_texts(item))
            return Turn(speaker, text, self.session_id, local_now(), tags=tags)
        written = json.dumps(item, ensure_ascii=False)
        speaker = str(item.get("name") or item.get("type") or "tool")
        tags = {_ROLE: _NO_MESSAGE}
        return Turn(speaker, written, self.session_id, local_now(), kind="tool", tags=tags)


def _message_text(item: dict[str, Any]) -> str:
    """The text of a message that is text alone; empty for any other item."""
    content = item.get("content")
    if isinstance(content, str):
        return content if is_visible(content) else ""
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    is_text = len(texts) == len(content) and all(isinstance(text, str) for text in texts)
    joined = "\n".join(str(text) for text in texts)
    return joined if is_text and is_visible(joined) else ""


def _item(turn: Turn) -> dict[str, Any]:
    if turn.kind == "tool":
        try:
            item = json.loads(turn.text)
        except ValueError:  # withheld text took a quote with it, or another tool's turn
            item = None
        if isinstance(item, dict):
            return item
        return {"role": "assistant", "content": turn.text}
    plain = {"role": str(turn.tags.get(_ROLE, "user")), "content": turn.text}
    pieces = turn.tags.get(_ITEM)
    return _with_texts(_joined(pieces), turn.text) or plain if pieces else plain


def _without_texts(item: dict[str, Any]) -> dict[str, Any]:
    """A message with the number of characters in place of each text."""
    content = item["content"]
    if isinstance(content, str):
        return {**item, "content": len(content)}
    return {**item, "content": [{**part, "text": len(part["text"])} for part in content]}


def _with_texts(item: dict[str, Any], text: str) -> dict[str, Any] | None:
    """A message with its texts again; None if the memory keeps another text."""
    content = item["content"]
    parts = [{"text": content}] if isinstance(content, int) else content
    texts: list[str] = []
    position = 0
    for part in parts:
        texts.append(text[position : position + part["text"]])
        position += part["text"] + 1  # a line for each part
    if position - 1 != len(text):
        return None
    if isinstance(content, int):
        return {**item, "content": texts[0]}
    filled = [{**part, "text": words} for part, words in zip(parts, texts, strict=True)]
    return {**item, "content": filled}


def _pieces(item: dict[str, Any]) -> list[str]:
    written = json.dumps(item, default=str)
    starts = range(0, len(written), _PIECE)
    # The bar keeps a space at the end of a piece.
    return [f"{n:05}:{written[start : start + _PIECE]}|" for n, start in enumerate(starts)]


def _joined(pieces: str | Sequence[str]) -> dict[str, Any]:
    listed = [pieces] if isinstance(pieces, str) else sorted(pieces)
    item: dict[str, Any] = json.loads("".join(piece[6:-1] for piece in listed))
    return item
