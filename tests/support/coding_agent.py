"""A driver that runs the hooks of an agent's settings as the agent does: JSON on stdin, a shell."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from memory.agents.hook import ask
from tests.support.agent_transcripts import ClaudeCodeSession, CodexSession

PATIENT = "60"  # seconds; a test waits for an event, never for a time


class CodingAgent:
    """An agent with its settings file, as a process of its own would find it."""

    def __init__(self, settings: Path, folder: Path, seconds: str = PATIENT) -> None:
        self.settings = settings
        self.folder = folder
        self.environment = {**os.environ, "SQL_MEMORY_HOOK_SECONDS": seconds}

    def run(
        self, event: str, session: ClaudeCodeSession | CodexSession, **payload: Any
    ) -> list[subprocess.CompletedProcess[str]]:
        """Run all hooks of an event, one after the other."""
        given = json.dumps(
            {
                "session_id": session.session,
                "transcript_path": str(session.path),
                "cwd": str(self.folder),
                "hook_event_name": event,
                **payload,
            }
        )
        return [
            subprocess.run(  # noqa: S602 - as the agent runs it
                command,
                shell=True,
                input=given,
                capture_output=True,
                text=True,
                env=self.environment,
                cwd=self.folder,
                check=False,
            )
            for command in self.commands(event)
        ]

    def commands(self, event: str) -> list[str]:
        """The commands that the settings have for an event."""
        settings = json.loads(self.settings.read_text())
        groups = settings.get("hooks", {}).get(event, [])
        return [handler["command"] for group in groups for handler in group["hooks"]]

    def context(self, event: str, session: ClaudeCodeSession | CodexSession, **payload: Any) -> str:
        """What a hook puts into the model's context; it must end well and print nothing else."""
        [done] = self.run(event, session, **payload)
        assert (done.returncode, done.stderr) == (0, "")
        if not done.stdout:
            return ""
        [line] = done.stdout.splitlines()
        output = json.loads(line)
        assert output.keys() == {"hookSpecificOutput"}
        assert output["hookSpecificOutput"]["hookEventName"] == event
        return str(output["hookSpecificOutput"]["additionalContext"])

    def wait_until_stored(self, state: Path) -> None:
        """Return when the server has stored what it was given."""
        import time

        ask(str(state), {"drain": True}, time.monotonic() + float(PATIENT))
