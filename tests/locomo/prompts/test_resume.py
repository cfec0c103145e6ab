"""optimize.py killed and interrupted, and resumed: nothing paid twice, nothing found is lost."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from memory import load_program
from tests.support import model_server
from tests.support.killed_compile import OUTPUT, command, running, trial, wait
from tests.support.model_server import serving_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all runs are, for MLflow takes seconds to make its database."""
    return tmp_path_factory.mktemp("place")


def test_a_killed_compile_goes_on_without_paying_twice_or_losing_the_best(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = trial(place, "gepa", kills=2, seed=1, method="forkserver", rounds=3)
    assert found.defects == []
    assert found.uninterrupted > 60
    assert found.rows[-1].advantage > 0


@pytest.mark.parametrize(
    ("when", "saved", "number"),
    [
        pytest.param(lambda kinds, file: len(kinds) > 15, False, signal.SIGINT, id="measuring"),
        pytest.param(
            lambda kinds, file: "gepa" in kinds, True, signal.SIGTERM, id="trying prompts"
        ),
        pytest.param(lambda kinds, file: file.exists(), True, signal.SIGINT, id="measuring again"),
    ],
)
def test_ctrl_c_or_sigterm_is_one_line_and_what_was_found_is_kept(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: Callable[[list[str], Path], bool],
    saved: bool,
    number: int,
) -> None:
    monkeypatch.chdir(ROOT)
    folder = place / tmp_path.name
    output = folder / OUTPUT
    monkeypatch.setattr(model_server, "SLOW_S", (0.1, 0.1))  # there is time to press the keys
    with (
        serving_model() as server,
        running(folder, command(server, "gepa", rounds=3), "forkserver") as process,
    ):
        wait(process, lambda: when([one.kind for one in server.answered], output))
        os.kill(process.pid, number)
        process.join(120)
        assert process.exitcode == 2
    said = (folder / "stderr").read_text()
    assert said.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in said
    assert output.exists() == saved
    if saved:
        card = load_program(output).card
        assert card
        assert card.verdict == "not measured"
