"""Transcripts of coding agents in their real formats, written line by line as the agents do."""

import json
from pathlib import Path
from typing import Any


class ClaudeCodeSession:
    """A session of Claude Code that appends to its transcript."""

    def __init__(
        self, home: Path, folder: Path | str, session: str, day: str = "2026-11-01"
    ) -> None:
        self.session = session
        self.folder = str(folder)
        self.day = day
        self.number = 0
        self.path = home / "projects" / self.folder.replace("/", "-") / f"{session}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write({"type": "summary", "summary": "Work", "leafUuid": "none"})
        self._write({"type": "file-history-snapshot", "messageId": "m", "snapshot": {}})

    def prompt(self, text: str, **more: Any) -> None:
        self._message("user", text, **more)

    def reply(self, text: str) -> None:
        thought = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
        self._message("assistant", [thought])
        self._message("assistant", [{"type": "text", "text": text}])

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        identity = f"toolu_{self.session}_{self.number}"
        use = {"type": "tool_use", "id": identity, "name": name, "input": arguments}
        self._message("assistant", [use])
        return identity

    def result(self, identity: str, text: str, failed: bool = False) -> None:
        block = {"type": "tool_result", "tool_use_id": identity, "content": text}
        self._message(
            "user",
            [block | ({"is_error": True} if failed else {})],
            toolUseResult={"stdout": text},
        )

    def tool(self, name: str, arguments: dict[str, Any], text: str, failed: bool = False) -> None:
        self.result(self.call(name, arguments), text, failed)

    def raw(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def _message(self, kind: str, content: Any, **more: Any) -> None:
        self.number += 1
        self._write(
            {
                "parentUuid": None,
                "isSidechain": False,
                "userType": "external",
                "cwd": self.folder,
                "sessionId": self.session,
                "version": "2.1.0",
                "gitBranch": "main",
                "type": kind,
                "message": {"role": kind, "content": content},
                "uuid": f"{self.session}-{self.number}",
                "timestamp": f"{self.day}T10:{self.number // 60:02}:{self.number % 60:02}.123Z",
            }
            | more
        )

    def _write(self, record: dict[str, Any]) -> None:
        self.raw(json.dumps(record) + "\n")


class CodexSession:
    """A session of Codex that appends to its rollout."""

    def __init__(
        self,
        home: Path,
        folder: Path | str,
        session: str,
        day: str = "2026-11-02",
        forked_from: str = "",
        source: Any = "cli",
    ) -> None:
        self.session = session
        self.folder = str(folder)
        self.day = day
        self.number = 0
        self.path = home / "sessions" / day.replace("-", "/") / f"rollout-{day}-{session}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        about = {"id": session, "cwd": self.folder, "cli_version": "0.135.0", "source": source}
        self._write(
            "session_meta", about | ({"forked_from_id": forked_from} if forked_from else {})
        )
        for text in (
            "# AGENTS.md instructions for /x\n",
            "<environment_context>\n</environment_context>",
        ):
            self._item("message", role="user", content=[{"type": "input_text", "text": text}])

    def prompt(self, text: str) -> None:
        self._item("message", role="user", content=[{"type": "input_text", "text": text}])
        self._write("event_msg", {"type": "user_message", "message": text, "images": []})

    def reply(self, text: str) -> None:
        self._item("reasoning", summary=[], encrypted_content="gAAA")
        self._write("event_msg", {"type": "agent_message", "message": text})
        self._item("message", role="assistant", content=[{"type": "output_text", "text": text}])

    def command(self, words: str, output: str, code: int = 0) -> None:
        call = f"call_{self.session}_{self.number}"
        arguments = json.dumps({"command": ["bash", "-lc", words], "workdir": self.folder})
        self._item("function_call", name="shell", arguments=arguments, call_id=call)
        result = json.dumps({"output": output, "metadata": {"exit_code": code}})
        self._item("function_call_output", call_id=call, output=result)

    def patch(self, file: str) -> None:
        call = f"call_{self.session}_{self.number}"
        text = f"*** Begin Patch\n*** Update File: {file}\n@@\n-a\n+b\n*** End Patch"
        self._item(
            "custom_tool_call", status="completed", call_id=call, name="apply_patch", input=text
        )
        self._item(
            "custom_tool_call_output", call_id=call, output="Exit code: 0\nOutput:\nSuccess."
        )

    def fork(self, session: str, day: str, without: int = 0) -> "CodexSession":
        """A session that begins with this one's lines, as Codex copies them: at its own time.

        `without` so many of the last ones.
        """
        fork = CodexSession(self.path.parents[4], self.folder, session, day, self.session)
        lines = self.path.read_text("utf-8").splitlines()
        for line in lines[: len(lines) - without]:
            record = json.loads(line)
            fork._write(record["type"], record["payload"])
        return fork

    def _item(self, kind: str, **payload: Any) -> None:
        self._write("response_item", {"type": kind, **payload})

    def _write(self, kind: str, payload: dict[str, Any]) -> None:
        self.number += 1
        at = f"{self.day}T11:{self.number // 60:02}:{self.number % 60:02}.456Z"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"timestamp": at, "type": kind, "payload": payload}) + "\n")
