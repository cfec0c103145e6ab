"""The option --budget: how much of a memory a command shows its model."""

from pathlib import Path
from shutil import copyfile

import pytest

from memory import Turn, open_store
from tests.support.commands import run
from tests.support.odd_server import odd_server

WHEN_IT_PAYS = True


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with open_store(tmp_path / "anna.db") as store:
        park = "where I walk the dog by the river every day, in any weather"
        store.add([Turn("Anna", f"I live in Oslo near park {i}, {park}.") for i in range(30)])
    return tmp_path / "anna.db"


@pytest.mark.few(1)
@pytest.mark.parametrize("command", [["ask", "Where does Anna live?"], ["digest"]])
def test_a_budget_bounds_what_the_model_is_shown(path: Path, command: list[str]):
    sizes = []
    for budget in ((), ("--budget", 300)):
        db = path.with_stem(f"copy{len(sizes)}")
        copyfile(path, db)
        with odd_server(lambda _: None) as server:
            model = ("--model", "openai/m", "--api-base", server.address)
            run(*command, "--db", db, *model, *budget)
            sizes.append(len(str(server.requests[0]["messages"])))
    assert sizes[1] < sizes[0] - 1_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", "Where?", "--budget", 63), "give at least 64"),
        (("ask", "Where?", "--budget", 9_000), "--budget 9000: give local at most"),
        (("chat", "--budget", 9_000), "--budget 9000: give local at most"),
        (("digest", "--budget", 9_000), "--budget 9000: give local at most 200"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(path: Path, arguments: tuple[object, ...], words: str):
    run(*arguments, "--db", path, says=words)
