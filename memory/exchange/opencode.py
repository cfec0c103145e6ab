"""OpenCode's messages, as its plugin hands them over: a message with its parts."""

from collections.abc import Iterator, Mapping
from typing import Any

from memory.exchange.agent_events import Event, LeftOut, Said, SessionInfo, ToolCall, ToolResult
from memory.text.message_parts import THOUGHTS

_ENDED = ("completed", "error")


def opencode_events(record: Mapping[str, Any]) -> Iterator[Event]:
    """What one message tells."""
    info, parts = record.get("info"), record.get("parts")
    if not isinstance(info, Mapping) or not isinstance(parts, list):
        return
    yield SessionInfo(str(info.get("sessionID") or ""), str(record.get("folder") or ""))
    times = info.get("time")
    said_at = str(times.get("created") or "") if isinstance(times, Mapping) else ""
    texts = []
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        state = part.get("state")
        if part.get("type") == "reasoning":
            yield LeftOut(THOUGHTS)
        elif part.get("type") == "tool" and isinstance(state, Mapping):
            if state.get("status") in _ENDED:
                yield from _tool(part, state, said_at)
        elif part.get("type") == "text" and not part.get("synthetic") and not part.get("ignored"):
            texts.append(str(part.get("text") or ""))
    if text := "\n".join(text for text in texts if text.strip()):
        yield Said(info.get("role") == "user", text, said_at, str(info.get("id") or ""))


def _tool(part: Mapping[str, Any], state: Mapping[str, Any], said_at: str) -> Iterator[Event]:
    identity = str(part.get("callID") or part.get("id") or "")
    arguments = state.get("input")
    failed = state.get("status") == "error"
    yield ToolCall(
        identity,
        str(part.get("tool") or "tool"),
        said_at,
        arguments if isinstance(arguments, Mapping) else {"input": arguments},
    )
    metadata = state.get("metadata")
    code = metadata.get("exit") if isinstance(metadata, Mapping) else None
    output = state.get("error") if failed else state.get("output")
    yield ToolResult(identity, str(output or ""), failed or code not in (None, 0))
