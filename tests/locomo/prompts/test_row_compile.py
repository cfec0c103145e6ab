"""`optimize.py --target store` on gold rows: examples of ours are tried, the gain is of rows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dspy.lm15 import Request, Response

import optimize
from locomo.choices import Optimizer
from locomo.prompts.compile import CompileResult
from locomo.scripts import optimize as compiling
from memory import InputError, load_program
from tests.support.locomo_records import DATE, record, turn, write
from tests.support.scripted import Script, model_over
from tests.support.tracking import track

THINGS = [
    "lamp",
    "kite",
    "drum",
    "vase",
    "harp",
    "coat",
    "boot",
    "flag",
    "mask",
    "rope",
    "comb",
    "ring",
]


def shed(id_: str, start: int) -> dict[str, Any]:
    """A conversation of twelve turns, of which every third is small talk."""
    things = THINGS[start:] + THINGS[:start]
    said, rows = [], {}
    for n, thing in enumerate(things, 1):
        source = f"D1:{n}"
        if n % 3:
            said.append(turn(source, f"I keep the {thing} in shed {id_}."))
            row = f"Ann | keep | the {thing} in shed {id_}"
            rows[source] = {"facts": [{"row": row, "words": [thing]}]}
        else:
            said.append(turn(source, f"I love the way that {thing} looks today.", speaker="Bo"))
    return {**record(id_, session_1=said, session_1_date_time=DATE), "rows": rows}


@pytest.fixture
def sheds(tmp_path: Path) -> Path:
    folder = tmp_path / "sheds"
    (folder / "validation").mkdir(parents=True)
    write(folder / "train.json", *[shed(f"t{n}", n) for n in range(2)])
    write(folder / "validation" / "held.json", *[shed(f"v{n}", n) for n in range(10)])
    return folder


class Storekeeper:
    """An engine that quotes what is kept once an example shows it how; else it says "none"."""

    def complete(self, request: Request) -> Response:
        *earlier, last = [message.text or "" for message in request.messages]
        kept = re.search(r"I keep (the \w+ in shed \w+)", last)
        knows = any("I keep the" in text for text in earlier)
        rows = f"Ann | keep | {kept[1]}" if kept and knows else "none"
        text = "yes" if "Say yes." in last else rows
        return Script([([], text)]).complete(request)


@pytest.fixture
def run(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CompileResult]:
    monkeypatch.chdir(tmp_path)
    track(compiling, request, monkeypatch)
    model = model_over(Storekeeper(), "gguf:small.gguf", size="small", window=1)
    monkeypatch.setattr(compiling, "load_model", lambda name, **settings: model)

    def compiled(**flags: Any) -> CompileResult:
        plain = {"target": "store", "num_examples": 12, "num_validation": 0, "yes": True}
        return optimize.optimize(**{**plain, **flags})

    return compiled


@pytest.mark.slow
def test_examples_that_help_are_found_and_the_gain_is_of_rows(
    run: Callable[..., CompileResult], sheds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled = run(data=sheds, optimizer="bootstrap", candidates=2, max_demos=4)
    printed = capsys.readouterr().out
    assert re.search(r"rows, all 120 turns: \.333 -> 1\.000", printed)
    assert compiled.verdict == "gain"
    demos = compiled.program.store.predict.demos
    assert any("I keep the" in demo["turn"] and demo["rows"] != "none" for demo in demos)
    saved = load_program("optimized_memory_qa.json")
    assert saved.card
    assert (saved.card.target, saved.card.metric) == ("store", {"rows": 1.0})
    assert "uv run memory digest --model gguf:small.gguf --program" in printed


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["simba", "miprov2", "gepa"])
def test_every_optimizer_compiles_storing_on_rows(
    run: Callable[..., CompileResult], sheds: Path, optimizer: Optimizer
) -> None:
    compiled = run(data=sheds, optimizer=optimizer, rounds=1)
    assert compiled.gains
    assert {gain.component for gain in compiled.gains} == {"rows"}


def test_rows_are_scored_only_where_there_are_gold_rows(
    run: Callable[..., CompileResult], tmp_path: Path
) -> None:
    plain = write(tmp_path / "plain.json")
    with pytest.raises(InputError, match="has no gold rows"):
        run(data=plain, reward="rows")
    with pytest.raises(InputError, match="--reward rows"):
        run(data=plain, target="answer", reward="rows")
