"""Codex's transcripts: JSON lines under ~/.codex/sessions, a file for each session."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from memory.exchange.agent_events import Event, LeftOut, Said, SessionInfo, ToolCall, ToolResult
from memory.exchange.items import NOTICES
from memory.text.message_parts import THOUGHTS, part_text

# What Codex puts in the person's place: instructions of the project, the environment, notices.
_BY_PROGRAM = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|user_action|turn_aborted|subagent_notification"
    r"|skill|INSTRUCTIONS|user_shell_command|hook_prompt)\b|# AGENTS\.md instructions)"
)
_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "web_search_call")
_EXIT_CODE = re.compile(r"^(?:Exit code:|Process exited with code) (\d+)", re.MULTILINE)
_OUTPUT = re.compile(r"\A(?:.*\n){0,8}?Output:\n")


def codex_events(line: Mapping[str, Any]) -> Iterator[Event]:
    """What one line tells. Lines of an unknown type tell nothing.

    A prompt is in two lines, once as typed and once as the model got it.
    """
    payload = line.get("payload")
    if not isinstance(payload, Mapping):
        return
    said_at = str(line.get("timestamp") or "")
    kind = payload.get("type")
    match line.get("type"):
        case "session_meta":
            source = payload.get("source")
            yield SessionInfo(
                str(payload.get("id") or ""),
                str(payload.get("cwd") or ""),
                forked_from=str(payload.get("forked_from_id") or ""),
                is_subagents=isinstance(source, Mapping) and "subagent" in source,
            )
        case "event_msg" if kind == "user_message":
            yield from _of_person(payload.get("message"), said_at)
        case "response_item" if kind == "message":
            yield from _message(payload, said_at)
        case "response_item" if kind == "reasoning":
            yield LeftOut(THOUGHTS)
        case "response_item" if kind in _CALLS:
            yield _call(payload, said_at)
        case "response_item" if kind in ("function_call_output", "custom_tool_call_output"):
            yield _result(payload)


def _message(payload: Mapping[str, Any], said_at: str) -> Iterator[Event]:
    parts = payload.get("content")
    texts = [part_text(part) for part in parts] if isinstance(parts, list) else []
    text = "\n".join(text for text in texts if text.strip())
    if payload.get("role") == "user":
        yield from _of_person(text, said_at)
    elif payload.get("role") == "assistant" and text:
        yield Said(False, text, said_at)


def _of_person(text: object, said_at: str) -> Iterator[Event]:
    if not isinstance(text, str) or not text.strip():
        return
    if _BY_PROGRAM.match(text):
        yield LeftOut(NOTICES)
    else:
        yield Said(True, text, said_at)


def _call(payload: Mapping[str, Any], said_at: str) -> ToolCall:
    values = payload.get("arguments") or payload.get("input") or payload.get("action") or {}
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except ValueError:
            values = {"input": values}  # a patch, or a program
    arguments = values if isinstance(values, Mapping) else {"input": values}
    name = str(payload.get("name") or str(payload.get("type")).removesuffix("_call"))
    identity = str(payload.get("call_id") or payload.get("id") or "")
    return ToolCall(identity, name, said_at, arguments)


def _result(payload: Mapping[str, Any]) -> ToolResult:
    """The output, which is a text, JSON in a text, or parts."""
    output = payload.get("output")
    code: object = None
    if isinstance(output, str) and output.startswith("{"):
        try:
            record = json.loads(output)
        except ValueError:
            record = None
        if isinstance(record, dict) and "output" in record:
            metadata = record.get("metadata")
            code = metadata.get("exit_code") if isinstance(metadata, dict) else None
            output = record["output"]
    if isinstance(output, list):
        output = "\n".join(part_text(part) for part in output)
    text = output if isinstance(output, str) else ""
    if match := _EXIT_CODE.search(text[:400]):
        code = int(match[1])
        text = _OUTPUT.sub("", text)
    return ToolResult(str(payload.get("call_id")), text, code not in (None, 0))
