"""What the lines of a coding agent's transcript tell, whichever agent wrote them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SessionInfo:
    """The session that the following lines belong to, and its working folder.

    `forked_from` is the session whose history it begins with, copied. `is_subagents` says that no
    person wrote its prompts.
    """

    session: str
    folder: str
    forked_from: str = ""
    is_subagents: bool = False


@dataclass(frozen=True)
class Said:
    """What the person or the agent wrote; `identity` is the transcript's own id, or ""."""

    by_person: bool
    text: str
    said_at: str
    identity: str = ""


@dataclass(frozen=True)
class ToolCall:
    """A tool that the agent uses; the result comes in a later line with the same `identity`."""

    identity: str
    name: str
    said_at: str
    arguments: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class ToolResult:
    """What a tool returned."""

    identity: str
    text: str
    failed: bool


@dataclass(frozen=True)
class LeftOut:
    """A line that becomes no turn, and why."""

    why: str


SUBAGENT = "what a subagent was told and replied"

Event = SessionInfo | Said | ToolCall | ToolResult | LeftOut
