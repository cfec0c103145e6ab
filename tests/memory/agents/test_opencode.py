"""The plugin for OpenCode: it hands messages over, and the system prompt has what it is told."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from memory import open_store
from memory.agents.connections import state_folder
from memory.agents.projects import project_of
from memory.agents.server import stop_server
from memory.exchange.transcripts import AGENTS, read_records
from memory.store.namespaces import location_of
from tests.support.coding_agent import PATIENT
from tests.support.commands import run

SESSION = "ses_0001"


def message(number: int, role: str, *parts: dict[str, object]) -> dict[str, object]:
    times = {"created": 1_762_000_000_000 + number, "completed": 1_762_000_000_900 + number}
    info = {"id": f"msg_{number}", "role": role, "sessionID": SESSION, "time": times}
    return {"info": info, "parts": list(parts)}


MESSAGES = [
    message(1, "user", {"type": "text", "text": "We dropped Redis because it kept losing jobs."},
            {"type": "text", "text": "From now on always push.", "synthetic": True}),
    message(2, "assistant", {"type": "reasoning", "text": "Hm."},
            {"type": "tool", "callID": "c1", "tool": "edit", "state": {
                "status": "completed", "input": {"filePath": "/x/shop/src/queue.py"},
                "output": "ok"}},
            {"type": "tool", "callID": "c2", "tool": "bash", "state": {
                "status": "error", "input": {"command": "make"}, "error": "no rule"}},
            {"type": "text", "text": "Postgres does it now."}),
]  # fmt: skip


def test_messages_of_opencode_are_turns() -> None:
    records = [{**record, "folder": "/x/shop"} for record in MESSAGES]
    prompt, edit, command, reply = read_records(AGENTS["opencode"], records).turns
    assert (prompt.speaker, prompt.text) == (
        "User",
        "We dropped Redis because it kept losing jobs.",
    )
    assert prompt.said_at.startswith("2025-11-01T")
    assert edit.tags["file"] == ["src/queue.py"]
    assert command.text == "bash: make\nno rule\nIt failed."
    assert (reply.speaker, reply.source) == ("OpenCode", "opencode:msg_2")


DRIVER = """
const { SqlMemory } = await import(process.argv[2])
const messages = JSON.parse(process.argv[3])
const client = { session: {
  get: async ({ path }) => ({ data: path.id === "sub" ? { parentID: "p" } : {} }),
  messages: async () => ({ data: messages }),
} }
const hooks = await SqlMemory({ client, directory: process.argv[4] })
const prompt = async (session, text) => {
  await hooks["chat.message"]({ sessionID: session }, { parts: [{ type: "text", text }] })
  const output = { system: [] }
  await hooks["experimental.chat.system.transform"]({ sessionID: session }, output)
  return output.system
}
const idle = (id) => hooks.event({ event: { type: "session.idle", properties: { sessionID: id } } })
const first = await prompt("ses_0001", "Drop Redis.")
await idle("sub")
await idle("ses_0001")
await idle("ses_0001")
console.log(JSON.stringify([first, await prompt("ses_0002", "Why did we drop Redis?")]))
"""


@pytest.mark.slow
def test_the_plugin_stores_a_session_and_the_next_one_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "memories"))
    monkeypatch.setenv("OPENCODE_CONFIG_DIR", str(tmp_path / "opencode"))
    monkeypatch.setenv("SQL_MEMORY_HOOK_SECONDS", PATIENT)
    project = tmp_path / "shop"
    project.mkdir()
    run("connect", "opencode", "--yes")
    plugin = tmp_path / "opencode" / "plugins" / "sql-memory.js"
    module = tmp_path / "plugin.mjs"
    # A slow machine must not be taken for a hook that hangs.
    module.write_text(plugin.read_text().replace("MOST_MS = 2500", "MOST_MS = 60000"))
    (tmp_path / "driver.mjs").write_text(DRIVER)
    try:
        done = subprocess.run(
            [node, tmp_path / "driver.mjs", module, json.dumps(MESSAGES), project],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        stop_server()
    first, second = json.loads(done.stdout)
    assert first == []
    assert "User: We dropped Redis because it kept losing jobs." in second[0]
    with open_store(location_of(project_of(project).namespace)) as store:
        assert [turn.kind for turn in store.turns()] == ["message", "tool", "tool", "message"]
    assert "Redis" not in (state_folder() / "hook.log").read_text()
