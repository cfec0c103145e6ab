"""Other memories beside ours: the same model answers from what each has ranked, in one table."""

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from locomo.others import __main__ as others
from locomo.others.peers import PEERS, QUIET, Measured
from locomo.others.rankings import Found, read_or_rank
from locomo.results.written import read_results
from memory import Turn
from memory.system.progress import progress_bar
from tests.support.commands import run_in_process
from tests.support.talk import Talker, talker, talks

RANKED = {"0": ["D1:1", "D1:2"], "1": ["D2:2"], "2": ["D2:1"]}


@pytest.mark.parametrize("name", PEERS)
def test_turns_that_are_added_in_parts_have_ids_of_their_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in QUIET.items():
        monkeypatch.setenv(variable, value)
    for module in PEERS[name].modules:
        pytest.importorskip(module)
    places = ["Oslo", "Bergen", "Lima", "Quito"]
    turns = [Turn("Anna", f"I have been to {place}.") for place in places]
    with closing(PEERS[name].open(tmp_path)) as system:
        ids = [*system.add(turns[:2]), *system.add(turns[2:])]
        assert len(set(ids)) == len(turns)
        for place, turn_id in zip(places, ids, strict=True):
            assert system.search(f"When was Anna in {place}?", 1) == [turn_id]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[Talker]:
    """The engine of each model that is loaded; of the memories FTS5 alone can be measured."""
    loaded: list[Talker] = []

    def load(*settings: Any) -> Any:
        model, engine = talker(name=str(settings[0]))
        loaded.append(engine)
        return model

    def rank(name: str, *arguments: Any, **options: Any) -> Found | str:
        if name != "fts5":
            return "not installed (pip install it)"
        return {"tiny": Measured(6, 0.5, [999_000.0, 999_000.0, 999_000.0], RANKED, 100)}

    monkeypatch.setattr(others, "load_model", load)
    monkeypatch.setattr(others, "read_or_rank", rank)
    return loaded


@pytest.mark.slow  # it loads what a whole evaluation does
def test_the_same_model_and_judge_answer_for_all_and_those_that_cannot_run_are_named(
    engines: list[Talker], tmp_path: Path
) -> None:
    data, out = talks(tmp_path / "tiny.json"), tmp_path / "out"
    line = ["--data", data, "--output-dir", out, "--num-test", "0", "--model", "a/model"]
    line += ["--judge-model", "a/judge", "--only", "fts5", "--only", "chroma"]
    line += ["--only", "full context"]
    done = run_in_process(others.app, *line)
    assert done.returncode == 0, done.stderr
    answering, judging = engines
    # Six turns fit any budget, so no SELECT pays.
    assert answering.calls() == {"probe": 1, "store": 3, "answer": 9}
    assert judging.calls() == {"probe": 1, "judge": 2 * 9}
    prompts = [text for text in answering.prompts_for("answer") if "Which city" in text]
    (of_fts5,) = [prompt for prompt in prompts if "violin" not in prompt]
    assert "I moved to Lyon" in of_fts5
    assert "Rufus" in of_fts5
    rows = [line.replace("|", " ") for line in done.stdout.splitlines() if " (2)" in line]
    by_system = {row.split()[0]: row for row in rows}
    assert list(by_system) == ["sql-memory", "SQLite", "full"]
    assert re.search(r"  (999|1\d\d\d)\.\d\d  ", by_system["SQLite"])  # a search counts
    assert "Chroma: not installed" in done.stdout
    assert "evidence" in done.stdout

    written = read_results(out)
    shown = {(r.system, r.index): r.recall for r in written.results}
    assert shown["fts5", 1] == 0  # D2:2 is not the evidence
    assert shown["full context", 1] == 1
    again = run_in_process(others.app, *line, "--resume")
    assert again.returncode == 0, again.stderr
    assert [engine.prompts for engine in engines[2:]] == [[], []]


def test_an_unknown_name_is_refused_before_any_model_is_asked(
    engines: list[Talker], tmp_path: Path
) -> None:
    done = run_in_process(others.app, "--only", "nobody", "--output-dir", tmp_path)
    assert done.returncode == 2
    assert "--only 'nobody'" in done.stderr
    assert engines == []


def test_a_ranking_is_read_from_the_run_before(tmp_path: Path) -> None:
    cache = tmp_path / "fts5.json"
    found = {"tiny": Measured(6, 0.5, [1.0], RANKED, 100)}
    cache.write_text(json.dumps({"tiny": vars(found["tiny"])}))
    with progress_bar(others.Console()) as bar:
        assert read_or_rank("fts5", Path("none.json"), 10, cache=cache, bar=bar) == found
