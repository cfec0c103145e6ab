"""A callback of LiteLLM that stores both sides of each completion."""

from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from memory.facts.additions import add_turns
from memory.frameworks.store_thread import StoreThread
from memory.records import Turn
from memory.store.turns.turn_validation import local_now
from memory.text.characters import is_visible
from memory.text.message_parts import content_text


class MemoryCallback(CustomLogger):  # type: ignore[misc]
    """`litellm.callbacks = [MemoryCallback("anna.db")]`.

    The session is `metadata={"session_id": ...}` of a call; `user` of a call is who speaks.

    Arguments:
        location: the memory's name, path or address.
        user, assistant: the speakers where a call names none.
    """

    def __init__(
        self, location: str | Path, user: str = "User", assistant: str = "Assistant"
    ) -> None:
        super().__init__()
        self._user = user
        self._assistant = assistant
        self._thread = StoreThread(location)

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Store what a completion was asked and answered."""
        if turns := self._turns(kwargs, response_obj):
            self._thread.call(lambda store: add_turns(store, turns))

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """The same for an async completion."""
        if turns := self._turns(kwargs, response_obj):
            await self._thread.acall(lambda store: add_turns(store, turns))

    def close(self) -> None:
        """Close the memory."""
        self._thread.close()

    def _turns(self, kwargs: dict[str, Any], response: Any) -> list[Turn]:
        parameters = kwargs.get("litellm_params") or {}
        metadata = parameters.get("metadata") or {}
        session = str(metadata.get("session_id") or "")
        user = str((kwargs.get("optional_params") or {}).get("user") or self._user)
        texts = [
            message.get("content")
            for message in kwargs.get("messages") or []
            if message.get("role") == "user"
        ]
        choices = getattr(response, "choices", None) or []
        reply = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
        sides = ((user, texts[-1] if texts else None), (self._assistant, reply))
        return [
            Turn(speaker, text, session, local_now())
            for speaker, content in sides
            if is_visible(text := content_text(content) or "")
        ]
