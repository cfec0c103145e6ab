"""The ranking fitted to conversations of one's own by `optimize.py --target ranking`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import typer

import optimize
from locomo.dataset.format import load_conversations
from locomo.scripts import optimize as compiling
from memory import Hit, InputError, Memory, load_program, open_store
from memory.search.ranking import FEATURE_WEIGHTS
from tests.support.commands import run as run_memory
from tests.support.commands import run_in_process
from tests.support.locomo_records import question, record, turn, write
from tests.support.tracking import track

THINGS = ("lamp", "kite", "drum", "vase", "harp", "coat", "boot", "flag", "mask", "rope", "comb")
REMARKS = 14  # about each thing: more than the turns looked at


def shop(id_: str) -> dict[str, object]:
    """A shop in which what is asked for is in questions, which the shipped ranking puts last."""
    sessions: dict[str, object] = {}
    questions = []
    for n, thing in enumerate(THINGS, 1):
        remarks = [f"The {thing} of shelf {shelf} is sold." for shelf in range(REMARKS)]
        texts = [*remarks, f"Shall we buy another {thing}?"]
        sessions[f"session_{n}_date_time"] = f"1:56 pm on {n} May, 2017"
        sessions[f"session_{n}"] = [
            turn(f"D{n}:{place}", text) for place, text in enumerate(texts, 1)
        ]
        evidence = [f"D{n}:{len(texts)}"]
        questions.append(question(question=f"What about the {thing}?", evidence=evidence))
    return record(id_, questions, **sessions)


SHOPS = ("north", "east", "south", "west", "centre", "port", "hill", "lake", "park")


@pytest.fixture
def tracked(tmp_path: Path, tracking_database: Path) -> str:
    """The MLflow database of a slow test."""
    return shutil.copy(tracking_database, tmp_path / "mlflow.db")


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    track(compiling, request, monkeypatch)
    write(tmp_path / "shops.json", *map(shop, SHOPS))
    return tmp_path


def fitted(*options: str) -> "CompletedProcess[str]":
    app = typer.Typer()
    app.command()(optimize.optimize)
    return run_in_process(app, "--target", "ranking", *options)


@pytest.mark.slow
def test_weights_are_fitted_measured_and_used(place: Path) -> None:
    done = fitted("--data", "shops.json")
    assert done.returncode == 0, done.stderr
    assert "recall at 10, all 33 questions: .000 -> 1.000" in done.stdout
    assert "): gain" in done.stdout
    program = load_program(place / "optimized_memory_qa.json")
    assert program.card
    assert (program.card.target, program.card.verdict) == ("ranking", "gain")
    assert program.feature_weights
    assert program.feature_weights["asks"] > 0 > FEATURE_WEIGHTS["asks"]
    report = json.loads(next(place.glob("results/ranking-*/report.json")).read_text())
    assert report["weights"] == program.feature_weights
    assert report["loss"] < report["loss_before"]

    asked, said = "What about the lamp?", "Shall we buy another lamp?"
    [*_, shop_turns] = [one.turns for one in load_conversations(place / "shops.json")]
    with open_store(place / "shop.db") as store:
        store.add(shop_turns)

        def texts(hits: Sequence[Hit]) -> list[str]:
            return [store.turn(hit.turn_id).text for hit in hits]

        plain = texts(store.search(asked))
        assert said not in plain
        tuned = Memory(store, program=program)
        assert texts(tuned.search(asked))[0] == said
        ids = tuned.read(f"SELECT turn_id FROM search('{asked}', 1)").rows
        assert store.turn(ids[0][0]).text == said
        with store.as_of("2100") as past:
            assert texts(past.search(asked, weights=program.feature_weights))[0] == said
        assert texts(Memory(store).search(asked)) == texts(store.search(asked)) == plain
    command = ["search", asked, "--db", place / "shop.db"]
    assert said not in run_memory(*command)
    assert said in run_memory(*command, "--program", place / "optimized_memory_qa.json")


def test_data_without_evidence_is_refused_before_anything_is_written(place: Path) -> None:
    bare = [shop(name) | {"qa": [question(5, evidence=[])]} for name in ("north", "east", "south")]
    write(place / "shops.json", *bare)
    done = fitted("--data", "shops.json")
    assert done.returncode == 2
    assert "categories 1 to 4" in done.stderr
    assert not (place / "optimized_memory_qa.json").exists()


@pytest.mark.slow
def test_weights_of_other_features_are_refused(place: Path) -> None:
    assert fitted("--data", "shops.json").returncode == 0
    file = place / "optimized_memory_qa.json"
    content = json.loads(file.read_text())
    weights = content["sql_memory"]["feature_weights"]
    weights["mood"] = weights.pop("asks")
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="compile it again"):
        load_program(file)
