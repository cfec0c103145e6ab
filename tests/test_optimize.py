"""optimize.py with a model that obeys: what is missing in its instructions is found and kept."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import optimize
from locomo.prompts.compile import CompileResult
from locomo.scripts import evaluate as evaluating
from locomo.scripts import optimize as compiling
from memory import InputError, MemoryProgram, load_model, load_program
from memory.errors import ModelError
from memory.models import Model
from tests.support.obedient import RULES, houses_to_hold_out, obedient
from tests.support.printed import exit_code, printed_commands
from tests.support.scripted import sql
from tests.support.tracking import track

Run = Callable[..., CompileResult]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, tracking_database: Path) -> str:
    """The MLflow database of the slow tests."""
    return shutil.copy(tracking_database, tmp_path_factory.mktemp("tracked") / "mlflow.db")


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """optimize.optimize with a Model in place of a name, on four houses."""
    track(compiling, request, monkeypatch)
    monkeypatch.chdir(tmp_path)
    houses_to_hold_out(Path("houses"))

    def optimized(model: Model, load: Any = None, **flags: Any) -> CompileResult:
        monkeypatch.setattr(compiling, "load_model", load or (lambda name, **settings: model))
        plain = {"data": Path("houses"), "num_examples": 16, "num_validation": 16}
        return optimize.optimize(**{**plain, "num_threads": 2, "rounds": 2, **flags})

    return optimized


def instructions(program: MemoryProgram, target: str) -> str:
    return str(getattr(program, target).predict.signature.instructions)


def verdict(program: MemoryProgram) -> str:
    assert program.card
    return program.card.verdict


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["simba", "miprov2", "gepa"])
def test_a_missing_rule_is_found_and_gains(run: Run, optimizer: str) -> None:
    model, _ = obedient("answer")
    compiled = run(model, optimizer=optimizer, target="answer")
    assert RULES["answer"] in instructions(compiled.program, "answer")
    assert compiled.verdict == "gain"
    whole = next(g for g in compiled.gains if (g.component, g.categories) == ("answer", "all"))
    assert (whole.questions, round(whole.before, 2), whole.after) == (16, 0.4, 1.0)
    saved = load_program(Path("optimized_memory_qa.json"))
    assert instructions(saved, "answer") == instructions(compiled.program, "answer")
    assert verdict(saved) == "gain"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "mended"),
    [("retrieve", "sql"), pytest.param("store", "answer", marks=pytest.mark.slow)],
)
def test_each_module_learns_from_its_own_examples(run: Run, target: str, mended: str) -> None:
    model, _ = obedient(target, window=1)
    compiled = run(model, optimizer="gepa", target=target, rounds=3)
    assert RULES[target] in instructions(compiled.program, target)
    whole = {one.component: one for one in compiled.gains if one.categories == "all"}
    assert (whole[mended].before, whole[mended].after) == (0.0, 1.0)
    plain = MemoryProgram()
    others = {"retrieve", "answer", "store"} - {target}
    assert all(instructions(compiled.program, o) == instructions(plain, o) for o in others)
    saved = load_program(Path("optimized_memory_qa.json"))
    assert all(instructions(saved, other) == instructions(plain, other) for other in others)


@pytest.mark.slow
def test_all_compiles_one_module_after_the_other_and_measures_whole_answers(run: Run) -> None:
    model, _ = obedient("answer", window=1)
    compiled = run(model, optimizer="gepa", target="all", num_validation=12, yes=True)
    assert RULES["answer"] in instructions(compiled.program, "answer")
    assert compiled.verdict == "gain"
    folder = next(Path("results").glob("optimize-*"))
    assert {path.parent.name for path in folder.glob("*/runs.jsonl")} == {
        "retrieve",
        "answer",
        "store",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer",
    ["gepa", *(pytest.param(name, marks=pytest.mark.slow) for name in ("simba", "miprov2"))],
)
def test_the_refining_module_learns_from_episodes(
    run: Run, capsys: pytest.CaptureFixture[str], optimizer: str
) -> None:
    model, _ = obedient("refine", store=lambda prompt: sql("-- none"))
    flags = {"operations": 4, "num_validation": 12, "yes": True}
    compiled = run(model, optimizer=optimizer, target="refine", **flags)
    assert RULES["refine"] in instructions(compiled.program, "refine")
    assert compiled.verdict == "gain"
    whole = {one.component: one for one in compiled.gains if one.categories == "all"}
    assert (whole["answer"].before, whole["answer"].after) == (0.0, 1.0)
    assert (whole["refined"].before, whole["refined"].after) == pytest.approx((0.0, 0.8))
    assert (whole["search_memory"].after, whole["operations"].after) == (1.0, 2.0)
    saved = load_program(Path("optimized_memory_qa.json"))
    assert instructions(saved, "refine") == instructions(compiled.program, "refine")
    assert saved.card
    assert (saved.card.target, saved.card.metric) == ("refine", {"refined": 1.0})
    printed = " ".join(capsys.readouterr().out.split())
    assert "all 12 questions: .000 -> .800" in printed
    command = "uv run memory facts refine --model obedient --program optimized_memory_qa.json"
    assert f"use it: {command}" in printed


@pytest.mark.slow
def test_the_printed_command_measures_the_program_on_what_it_never_saw(
    run: Run,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, _ = obedient("answer")
    run(model, optimizer="gepa", output=Path("my program.json"))
    [words] = printed_commands(capsys.readouterr().out)
    track(evaluating, request, monkeypatch)
    monkeypatch.setattr(evaluating, "load_model", lambda *names, **settings: model)
    assert exit_code([*words, "--num-test", "2", "--systems", "memory"], monkeypatch) == 0
    assert "2 questions of houses/validation" in capsys.readouterr().out


def test_the_packaged_model_cannot_learn_to_refine(run: Run) -> None:
    with pytest.raises(InputError, match="too small to refine"):
        run(load_model("local"), target="refine")
    with pytest.raises(InputError, match="--reward unpadded is for"):
        run(obedient()[0], target="answer", reward="unpadded")


@pytest.mark.slow
def test_what_was_found_is_on_record(run: Run) -> None:
    import mlflow

    run(obedient("answer")[0], optimizer="gepa")
    report = json.loads(next(Path("results").glob("optimize-*/report.json")).read_bytes())
    folder = next(Path("results").glob("optimize-*"))
    assert f"+{RULES['answer']}" in (folder / "prompts.diff").read_text().replace(
        "Do your task. ", ""
    )
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("optimize")
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])
    parent = next(one for one in runs if "mlflow.parentRunId" not in one.data.tags)
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(report["tried"]) > 1
    assert parent.data.metrics["difference/answer all after"] == 1.0
    curve = client.get_metric_history(parent.info.run_id, "training/best_reward")
    assert [(point.step, point.value) for point in curve] == [
        (tried["calls"], tried["best"]) for tried in report["tried"]
    ]
    assert curve[-1].value == max(tried["reward"] for tried in report["tried"])
    assert parent.data.metrics["cost/calls"] == report["spent"]["calls"]
    names = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert names == {
        *("report.json", "prompts.diff", "optimized_memory_qa.json", "gains.csv", "run.json")
    }
    assert parent.info.run_name.startswith("gepa of answer for obedient, houses: gain +.")
    contexts = {data.tags[0].value for data in parent.inputs.dataset_inputs}
    assert contexts == {"training", "validation", "training and validation"}
    [version] = client.search_model_versions(f"run_id='{parent.info.run_id}'")
    loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    program = loaded.unwrap_python_model().program
    assert RULES["answer"] in program.answer.predict.signature.instructions


# --- bounds -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_budget_of_calls_stops_the_compile_and_leaves_room_to_measure(run: Run) -> None:
    model, engine = obedient("answer")
    compiled = run(model, optimizer="miprov2", budget_calls=60, num_threads=4)
    assert compiled.spent.calls <= 60
    assert sum(engine.calls().values()) - engine.calls()["probe"] == compiled.spent.calls
    assert any("60 calls are spent" in note for note in compiled.notes)
    assert (compiled.verdict == "not measured") == (compiled.new_prompts == 0)


def test_a_budget_that_is_too_small_to_measure_is_refused_before_any_call(run: Run) -> None:
    model, engine = obedient("answer")
    with pytest.raises(InputError, match="--budget-calls 20: measuring alone takes"):
        run(model, budget_calls=20)
    assert engine.prompts == []


@pytest.mark.slow
def test_an_interrupted_compile_keeps_the_best_and_goes_on_without_paying_again(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(prompt: str) -> str:
        asked = engine.prompts[engine.prompts.index(("gepa", engine.prompts_for("gepa")[0])) :]
        if sum(kind == "answer" for kind, _ in asked) == 8:
            raise KeyboardInterrupt
        return engine.reply("answer", prompt, knows=True)

    def told(prompt: str) -> str:
        engine.replies["answer"] = interrupted
        return engine.reply("gepa", prompt, knows=True)

    model, engine = obedient("answer", gepa=told)
    with pytest.raises(KeyboardInterrupt):
        run(model, optimizer="gepa", rounds=3, num_threads=1)
    kept = load_program(Path("optimized_memory_qa.json"))
    assert RULES["answer"] in instructions(kept, "answer")
    assert verdict(kept) == "not measured"
    paid = [asked for asked in engine.prompts if asked[0] != "probe"]

    model, again = obedient("answer")
    compiled = run(model, optimizer="gepa", rounds=3, num_threads=1, resume=True)
    asked = [prompt for prompt in again.prompts if prompt[0] != "probe"]
    assert compiled.spent.calls == len(paid) - 1 + len(asked)
    assert again.prompts_for("gepa") == again.prompts_for("store") == []
    assert compiled.verdict == "gain"
    output = capsys.readouterr().out
    whole, rest = re.findall(r"(?m)^\| model calls +\| +(\d+)", output)
    assert re.search(r"use it: uv run evaluate.py --model \S+ .*--data \S+", output)
    assert int(rest) == max(0, int(whole) - len(paid) + 1)


def test_a_budget_that_leaves_nothing_to_try_with_is_said_and_not_fatal(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled = run(obedient("answer")[0], budget_calls=50)
    assert compiled.spent.calls <= 50
    assert (compiled.verdict, compiled.gains, compiled.new_prompts) == ("not measured", (), 0)
    assert verdict(load_program(Path("optimized_memory_qa.json"))) == "not measured"
    printed = capsys.readouterr().out
    assert "50 calls are spent" in " ".join(printed.split())
    assert "no gain" not in printed
    assert any("50 calls are spent" in note for note in compiled.notes)


# --- models that fail ---------------------------------------------------------------------------


# --- bad input ----------------------------------------------------------------------------------


def test_a_prompt_model_that_cannot_be_reached_is_found_out_before_anything_is_asked(
    run: Run,
) -> None:
    model, engine = obedient("answer")
    load = compiling.load_model

    def named(name: str, **settings: Any) -> Model:
        return load(name, **settings) if "/" in name else model

    with pytest.raises(ModelError, match=r"nothing answers at http://127\.0\.0\.1:9/v1"):
        run(model, load=named, prompt_model="openai/x", prompt_api_base="http://127.0.0.1:9/v1")
    assert engine.prompts == []


def test_a_large_compile_asks_for_yes(run: Run) -> None:
    model, engine = obedient("answer")
    with pytest.raises(InputError, match="add --yes"):
        run(model, optimizer="simba", rounds=40)
    assert engine.prompts == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"num_examples": 7, "optimizer": "gepa"}, "--num-examples 7: gepa needs 8"),
        ({"max_demos": 3, "optimizer": "gepa"}, "--max-demos: gepa"),
        ({"reward": "gated"}, "--reward gated is for --target retrieve or"),
        ({"output": Path()}, "--output . is a folder"),
        ({"output": Path("houses/red-house.json/out.json")}, "--output .* is a file"),
        ({"output_dir": Path("houses/red-house.json")}, "--output-dir .* is a file"),
        ({"split": "memory-r1"}, "--split memory-r1 needs"),
        ({"prompt_api_base": "http://127.0.0.1:1/v1"}, "--prompt-api-base needs --prompt-model"),
        ({"budget_usd": 1.0}, "--budget-usd: the models' prices are unknown"),
        ({"max_demos": 400, "optimizer": "miprov2"}, "tokens of memory do not fit"),
        ({"budget": 10}, "too small for one turn"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_call(
    run: Run, flags: dict[str, Any], said: str
) -> None:
    model, engine = obedient("answer")
    with pytest.raises(InputError, match=said):
        run(model, **flags)
    assert engine.prompts == []
    assert not Path("optimized_memory_qa.json").exists()
