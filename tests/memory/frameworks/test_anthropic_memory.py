"""Anthropic's memory tool: it answers as the SDK's own tool for a folder, and is a memory."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from memory import Memory, open_store

anthropic = pytest.importorskip("anthropic")
httpx = pytest.importorskip("httpx2")  # the SDK's client
BOTH_STORES = True
pytestmark = pytest.mark.slow

PATHS = ["a.md", "b.txt", "work/plan.md", "work/done.md", "work/old/x.md", ".hidden", "é ü.md"]
FOLDERS = ["", "work", "work/old", "nowhere"]
TEXTS = ["", "one", "one\n", "one\ntwo\none\n", "\nthree\n\n", "Zoë likes tea.\nBen does not."]
PIECES = ["one", "two", "e", "\n", "tea.\nBen", "absent"]


def commands(seed: int) -> list[dict[str, Any]]:
    """What a model might ask one after another."""
    chance = random.Random(seed)

    def path() -> str:
        below = chance.choice(PATHS + FOLDERS)
        return "/memories/" + below if below else "/memories"

    def command() -> dict[str, Any]:
        kinds: list[dict[str, Any]] = [
            {"command": "create", "path": path(), "file_text": chance.choice(TEXTS)},
            {"command": "view", "path": path()},
            {"command": "view", "path": path(), "view_range": [chance.randint(0, 3), 2]},
            {"command": "view", "path": path(), "view_range": [2, -1]},
            {
                "command": "str_replace",
                "path": path(),
                "old_str": chance.choice(PIECES),
                "new_str": chance.choice(TEXTS),
            },
            {
                "command": "insert",
                "path": path(),
                "insert_line": chance.randint(-1, 4),
                "insert_text": chance.choice(TEXTS),
            },
            {"command": "delete", "path": path()},
            {"command": "rename", "old_path": path(), "new_path": path()},
        ]
        return chance.choices(kinds, [4, 2, 1, 1, 4, 4, 1, 2])[0]

    return [command() for _ in range(60)]


def outcome(tool: Any, command: dict[str, Any]) -> str:
    """What the tool says, without the sizes of files and folders; or its error."""
    try:
        said = str(tool.call(command))
    except anthropic.lib.tools.ToolError as error:
        return f"error: {error}"
    lines = said.splitlines()
    if lines[0].startswith("Here're"):
        lines = [lines[0], *(line.partition("\t")[2] for line in lines[1:])]
    return "\n".join(lines)


def has_no_counterpart(tool: Any, command: dict[str, Any]) -> bool:
    """Whether a folder would do something that no memory does: keep empty folders, for one."""
    root = tool.memory_root
    paths = [
        root / command[key].removeprefix("/memories").lstrip("/")
        for key in ("path", "old_path", "new_path")
        if key in command
    ]
    empty = [folder for folder in root.rglob("*") if folder.is_dir() and not any(folder.iterdir())]
    for folder in empty:
        folder.rmdir()
    is_below_a_file = any(parent.is_file() for path in paths for parent in path.parents)
    is_into_itself = command["command"] == "rename" and paths[1].is_relative_to(paths[0])
    is_of_all = command["command"] == "rename" and root in paths
    is_a_folder = command["command"] == "create" and paths[0].is_dir()
    return is_below_a_file or is_into_itself or is_of_all or is_a_folder


@pytest.mark.parametrize("seed", range(6))
def test_it_answers_every_command_as_the_sdks_own_tool_for_a_folder(
    address: str, tmp_path: Path, seed: int
) -> None:
    from anthropic.lib.tools._beta_builtin_memory_tool import BetaLocalFilesystemMemoryTool

    from memory.frameworks.anthropic_memory import MemoryTool

    theirs, ours = BetaLocalFilesystemMemoryTool(str(tmp_path / "files")), MemoryTool(address)
    answers = set()
    for command in commands(seed):
        if has_no_counterpart(theirs, command):
            continue
        expected = outcome(theirs, command)
        assert outcome(ours, command) == expected, command
        answers.add(expected.partition(" ")[0])
    ours.close()
    assert len(answers) > 3


def test_no_path_leads_out_of_it(path: Path) -> None:
    from memory.frameworks.anthropic_memory import MemoryTool

    tool = MemoryTool(path)
    for outside in (
        "/etc/passwd",
        "/memories/../x",
        "memories/x",
        "/memoriesx/y",
        "/memories/a\nb",
    ):
        said = outcome(tool, {"command": "create", "path": outside, "file_text": "x"})
        assert said.startswith("error: "), outside
    tool.close()
    with open_store(path) as store:
        assert store.turns() == []


def test_claude_writes_a_file_which_is_found_undone_and_forgotten(address: str) -> None:
    from memory.frameworks.anthropic_memory import MemoryTool

    call = {"command": "create", "path": "/memories/tea.md", "file_text": "Mara drinks rooibos."}
    turns: list[list[dict[str, Any]]] = [
        [{"type": "tool_use", "id": "t1", "name": "memory", "input": call}],
        [{"type": "text", "text": "Noted."}],
    ]
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(json.loads(request.content))
        content = turns[len(asked) - 1]
        reason = "tool_use" if content[0]["type"] == "tool_use" else "end_turn"
        about = {"id": "m", "type": "message", "role": "assistant", "model": "claude"}
        usage = {"input_tokens": 1, "output_tokens": 1}
        return httpx.Response(
            200, json={**about, "content": content, "stop_reason": reason, "usage": usage}
        )

    client = anthropic.Anthropic(
        api_key="none", http_client=httpx.Client(transport=httpx.MockTransport(answer))
    )
    tool = MemoryTool(address)
    said = client.beta.messages.tool_runner(
        model="claude",
        max_tokens=100,
        messages=[{"role": "user", "content": "Remember that I drink rooibos."}],
        tools=[tool],
    ).until_done()
    assert said.content[0].text == "Noted."
    assert asked[0]["tools"] == [{"type": "memory_20250818", "name": "memory"}]
    assert "File created successfully at: /memories/tea.md" in str(asked[1]["messages"][-1])

    view = {"command": "view", "path": "/memories/tea.md"}
    with Memory(address) as memory:
        [found] = memory.search("Who drinks rooibos?")
        assert found.turn.kind == "document"
        tool.call({"command": "delete", "path": "/memories/tea.md"})
        assert outcome(tool, view).startswith("error: ")
        memory.store.undo(max(change.id for change in memory.store.changes()))
        assert "Mara drinks rooibos." in outcome(tool, view)
        memory.forget(found.turn_id)
        assert outcome(tool, view).startswith("error: ")
    tool.close()


def test_a_text_that_a_long_file_has_everywhere_is_refused_in_linear_time(path: Path) -> None:
    from memory.frameworks.anthropic_memory import MemoryTool

    tool = MemoryTool(path)
    text = "a\n" * 500_000
    tool.call({"command": "create", "path": "/memories/a", "file_text": text})
    edit = {"command": "str_replace", "path": "/memories/a", "old_str": "a", "new_str": "b"}
    said = outcome(tool, edit)
    assert "in lines: 1, 2, 3," in said
    assert said.endswith("98, 99, 100. Please ensure it is unique")
    tool.close()


def test_the_memorys_facts_are_a_file_to_read(address: str) -> None:
    from memory.frameworks.anthropic_memory import MemoryTool

    with Memory(address) as memory:
        memory.add("I moved to Oslo.", speaker="Anna")
    tool = MemoryTool(address)
    facts = "/memories/facts.md"
    assert "Oslo" in outcome(tool, {"command": "view", "path": facts})
    assert facts in outcome(tool, {"command": "view", "path": "/memories"})
    edit = {"command": "str_replace", "path": facts, "old_str": "Oslo", "new_str": "Rome"}
    move = {"command": "rename", "old_path": facts, "new_path": "/memories/mine.md"}
    for command in (edit, move, {"command": "delete", "path": facts}):
        assert "can only be read" in outcome(tool, command)
    tool.close()


def test_a_secret_in_a_file_is_withheld_and_claude_is_told(path: Path) -> None:
    from memory.frameworks.anthropic_memory import MemoryTool

    tool = MemoryTool(path)
    text = "The key is ghp_" + "a1B2c3D4e5F6" * 3 + "."
    said = outcome(tool, {"command": "create", "path": "/memories/k.md", "file_text": text})
    assert said.endswith("The memory left secrets out of it.")
    assert "ghp_a1" not in outcome(tool, {"command": "view", "path": "/memories/k.md"})
    tool.close()
