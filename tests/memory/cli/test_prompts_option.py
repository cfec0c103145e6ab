"""The option --prompts: a command shows its model brief prompts, or full ones."""

from pathlib import Path
from shutil import copyfile

import pytest

from memory import Turn, open_store
from tests.support.commands import run
from tests.support.odd_server import Request, Sent, odd_server, whole

FULL, BRIEF = "Store what a window of a conversation says", "cut in three: who | does what"
ANSWERS = {FULL: "A summary follows every line", BRIEF: "in a few of its words"}

WHEN_IT_PAYS = True


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with open_store(tmp_path / "anna.db") as store:
        store.add([Turn("Anna", "I live in Oslo near the park.")])
    return tmp_path / "anna.db"


def _none_in_brief(request: Request) -> Sent | None:
    """What a model says to a brief prompt, which has no marks: none."""
    return None if "[[ ##" in request["messages"][-1]["content"] else whole("none")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("name", "options", "setting", "form"),
    [
        ("openai/m", (), None, FULL),
        ("openai/m", ("--prompts", "brief"), None, BRIEF),
        ("openai/m", (), "brief", BRIEF),
        ("openai/m", ("--prompts", "full"), "brief", FULL),
        ("openai/m-7b", (), None, BRIEF),
        ("openai/m-7b", ("--budget", 300), "full", FULL),
    ],
)
@pytest.mark.parametrize("command", [["ask", "Where does Anna live?"], ["digest"]])
def test_the_prompts_are_those_asked_for(
    path: Path,
    command: list[str],
    name: str,
    options: tuple[object, ...],
    setting: str | None,
    form: str,
) -> None:
    db = path.with_stem("copy")
    copyfile(path, db)
    if setting:
        run("admin", "settings", "prompts", setting, "--db", db)
    with odd_server(_none_in_brief) as server:
        run(*command, "--db", db, "--model", name, "--api-base", server.address, *options)
        [system, *_] = server.requests[0]["messages"]
    words = ANSWERS[form] if command[0] == "ask" else form
    assert " ".join(words.split()) in " ".join(system["content"].split())


def test_the_packaged_model_has_none_to_choose(path: Path) -> None:
    asked = ("ask", "Where?", "--prompts", "brief", "--db", path)
    run(*asked, "--model", "local", says="leave --prompts out")
    run(*asked, says="--prompts is for a model")
