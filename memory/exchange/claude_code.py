"""Claude Code's transcripts: JSON lines under ~/.claude/projects, a file for each session."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from memory.exchange.agent_events import (
    SUBAGENT,
    Event,
    LeftOut,
    Said,
    SessionInfo,
    ToolCall,
    ToolResult,
)
from memory.exchange.items import NOTICES
from memory.text.message_parts import THOUGHTS, part_text

# Texts in the person's place that the program wrote: commands and their output, notices, summaries.
_BY_PROGRAM = re.compile(
    r"\s*(?:<(?:command-(?:name|message|args)|local-command-\w+|bash-(?:input|stdout|stderr)"
    r"|task-notification|system-reminder|user-prompt-submit-hook|session-start-hook"
    r"|cross-session-message|teammate-message|user-memory-input)\b"
    r"|Caveat: The messages below|\[Request interrupted by user"
    r"|This session is being continued from a previous conversation)"
)
_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
_OBSERVER = "what an observer was told and replied"
# Programs that watch sessions run the agent in separate folders, and quote what they watch.
_OBSERVERS_FOLDER = re.compile(
    r"(?:^|[/\\])(?:observer-sessions|\.claude-mem|\.claude[/\\]plugins)(?:[/\\]|$)"
)
_OBSERVED = "<observed_from_primary_session>"


def is_observers(folder: str) -> bool:
    """Whether a session in this folder is a program's that watches other sessions."""
    return _OBSERVERS_FOLDER.search(folder) is not None


def claude_code_events(line: Mapping[str, Any]) -> Iterator[Event]:
    """What one line tells. Lines of an unknown type tell nothing."""
    if session := line.get("sessionId"):
        yield SessionInfo(str(session), str(line.get("cwd") or ""))
    said_at = str(line.get("timestamp") or "")
    identity = str(line.get("uuid") or "")
    kind = line.get("type")
    if kind == "attachment":  # a prompt that was typed while the agent worked
        attachment = line.get("attachment")
        if isinstance(attachment, Mapping) and attachment.get("commandMode") == "prompt":
            yield from _of_person(attachment.get("prompt"), said_at, identity)
        return
    message = line.get("message")
    if kind not in ("user", "assistant") or not isinstance(message, Mapping):
        return
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    blocks = [block for block in blocks if isinstance(block, Mapping)]
    if line.get("isSidechain") or is_observers(str(line.get("cwd") or "")):
        # Also its tool uses: no person remembered here saw them.
        yield LeftOut(SUBAGENT if line.get("isSidechain") else _OBSERVER)
        return
    texts = []
    for block in blocks:
        match block.get("type"):
            case "tool_use":
                arguments = block.get("input")
                yield ToolCall(
                    str(block.get("id") or identity),
                    str(block.get("name") or "tool"),
                    said_at,
                    arguments if isinstance(arguments, Mapping) else {"input": arguments},
                )
            case "tool_result":
                text = _result_text(block.get("content"))
                failed = block.get("is_error") is True
                yield ToolResult(str(block.get("tool_use_id")), text, failed)
            case "thinking" | "redacted_thinking":
                yield LeftOut(THOUGHTS)
            case _:
                texts.append(part_text(block))
    text = "\n".join(text for text in texts if text.strip())
    if not text:
        return
    if kind == "assistant":
        yield Said(False, text, said_at, identity)
    elif line.get("isMeta") or line.get("isCompactSummary") or "toolUseResult" in line:
        yield LeftOut(NOTICES)
    else:
        yield from _of_person(text, said_at, identity)


def _of_person(text: object, said_at: str, identity: str) -> Iterator[Event]:
    if not isinstance(text, str):
        return
    text = _REMINDER.sub("", text)
    if _OBSERVED in text:
        yield LeftOut(_OBSERVER)
    elif _BY_PROGRAM.match(text) or not text.strip():
        yield LeftOut(NOTICES)
    else:
        yield Said(True, text, said_at, identity)


def _result_text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(part_text(part) for part in content)
    return content if isinstance(content, str) else ""
