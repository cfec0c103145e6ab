"""evaluate.py as a user runs it, interrupts it and goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import evaluate
from locomo.evaluation import Evaluation
from locomo.published import tables
from locomo.scripts import evaluate as evaluating
from locomo.tracking.metric_names import MOST_METRICS
from memory import InputError, MemoryProgram
from memory.errors import ModelError
from memory.models import Model
from memory.models.costs import Cost
from memory.program import save_program
from tests.locomo.dataset.test_beam import write_chat
from tests.memory.program.test_saved import CARD
from tests.support import locomo_records
from tests.support.answering_server import answering_server
from tests.support.benchmark_records import longmemeval_question
from tests.support.fact_server import FactServer, serving_facts
from tests.support.gguf_adapter import adapter
from tests.support.scripted import answer, sql
from tests.support.talk import RIGHT, kind_of, reply, talk, talker, talks
from tests.support.tracking import track

SCRIPT = Path(evaluate.__file__)
Run = Callable[..., Evaluation]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all runs are."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, tracking_database: Path) -> str:
    """The MLflow database of the slow tests."""
    return shutil.copy(tracking_database, tmp_path_factory.mktemp("tracked") / "mlflow.db")


@pytest.fixture(autouse=True)
def _tracked_there(
    place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(evaluating, request, monkeypatch)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.chdir(place)


# evaluate.py with a model that talks, and takes its time to store.
SCRIPTED = f"""
import runpy, time
import memory
from tests.support.talk import fact_of, talker

def store(prompt):
    time.sleep(0.5)
    return fact_of(prompt)

memory.load_model = lambda name, *settings, **named: talker(window=1, name=name, store=store)[0]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


def evaluation(
    *flags: str | Path, after_start: Callable[[subprocess.Popen[str]], None]
) -> tuple[int, str, str]:
    """evaluate.py in a process of its own: exit code, stdout, stderr."""
    line = [sys.executable, "-c", SCRIPTED, *map(str, flags)]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    with subprocess.Popen(line, stdout=-1, stderr=-1, text=True, env=environment) as process:
        try:
            after_start(process)
            out, err = process.communicate(timeout=180)
        finally:
            process.kill()
    return process.returncode, out, err


def calls_so_far(memories: Path) -> int:
    return sum(json.loads(part.read_bytes())["calls"] for part in memories.glob("*.part.json"))


# --- a process of its own -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_is_interrupted_goes_on_reports_and_is_not_asked_again(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, name = tmp_path / "results", "a/model"
    data = talks(tmp_path / "tiny.json")
    flags = ["--data", data, "--output-dir", out, "--num-test", "0", "--model", name]
    flags += ["--sql", "always", "--systems", "newest,memory"]

    def interrupt(process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 180
        while not calls_so_far(out / "memories"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)

    code, _, err = evaluation(*flags, after_start=interrupt)
    assert code == 2
    assert err.splitlines()[-1].startswith("interrupted: ")
    assert err.splitlines()[-1].endswith("the same command with --resume goes on")
    assert "Traceback" not in err
    assert "is discouraged" not in err  # DSPy's word for a module's `forward` that is read
    assert 0 < calls_so_far(out / "memories") < 6
    assert not (out / "evaluation_results.json").exists()

    again = {"data": data, "output_dir": out, "num_test": 0, "resume": True, "model": name}
    again |= {"sql": "always", "systems": "newest,memory"}
    resumed, _ = talker(window=1, name=name)
    monkeypatch.setattr(evaluating, "load_model", lambda name, *settings, **named: resumed)
    evaluate.evaluate(**again)
    assert "SELECT turn_id, value FROM facts" in capsys.readouterr().out  # of a question
    found = json.loads((out / "evaluation_results.json").read_bytes())
    assert [memory["turns"] for memory in found["memories"]] == [6]
    systems = ("newest", "memory")
    assert [(r["system"], r["index"], r["category"]) for r in found["results"]] == [
        (system, index, category)
        for index, category in ((0, 4), (1, 2), (2, 5))
        for system in systems
    ]
    check_tracked(found)

    model, engine = talker(window=1, name=name)  # another voice under the same name
    monkeypatch.setattr(evaluating, "load_model", lambda name, *settings, **named: model)
    check_not_asked_again(out, found, again)
    assert engine.prompts == []


def check_not_asked_again(out: Path, found: dict[str, Any], again: dict[str, Any]) -> None:
    """An analysis takes the memories and the answers that there are, and counts their failures."""
    stored = {path: path.stat().st_mtime_ns for path in [*out.glob("memories/*.db")]}
    answers = {path: path.read_bytes() for path in out.glob("answers-*.jsonl")}
    assert (len(stored), len(answers)) == (1, 1)
    evaluate.evaluate(**again, budget=found["params"]["budget"], mode="analyze")
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert {path: path.read_bytes() for path in answers} == answers
    failed = json.loads((out / "failure_analysis.json").read_bytes())
    assert sum(map(len, failed["failures"].values())) == sum(
        (r["score"] < 0.5) for r in found["results"] if r["system"] == "memory"
    )


def check_tracked(found: dict[str, Any]) -> None:
    """The newest MLflow run holds what the results file says, and both files."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("locomo")
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])[0]
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in found["params"].items()}
    for line in found["lines"]:
        is_sum = line["categories"] in ("1-4", "all")
        group = line["system"] if is_sum else f"{line['system']} by category"
        if line["system"] == "memory" or line["categories"] == "1-4":
            assert run.data.metrics[f"{group}/score {line['categories']}"] == line["score"]
    assert len(run.data.metrics) <= MOST_METRICS
    first, *_ = found["differences"].items()
    assert run.data.tags["verdict"] == f"{first[0]}: {first[1]['verdict']}"
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {
        *("answers.json", "questions.csv", "scores.csv", "scores.png"),
        *("evaluation_results.json", "run.json"),
    }


# --- in this process, with a model that talks ---------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """evaluate() with these models by name, on two tiny conversations, one thread.

    The newest turns and the memory answer, unless a test names other systems.
    """

    def run(models: dict[str, Model], **flags: Any) -> Evaluation:
        monkeypatch.setattr(evaluating, "load_model", lambda name, *settings, **named: models[name])
        data = tmp_path / "talks.json"
        if not data.exists():
            talks(data, talk("a"), talk("b [/red]"))
        settings = {"num_test": 0, "num_threads": 1, "model": "a/model", "sql": "always"}
        settings |= {"systems": "newest,memory"} | flags
        return evaluate.evaluate(data=data, output_dir=tmp_path / "out", **settings)

    return run


@pytest.mark.slow
def test_a_program_is_not_measured_on_what_it_was_made_from_and_stands_beside_the_plain_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_program(MemoryProgram(), tmp_path / "made.json", CARD)  # made from "a"
    model, _ = talker(name="a/model")
    done = run({"a/model": model}, optimized_path=tmp_path / "made.json")
    printed = capsys.readouterr().out
    assert "left out: 3 questions of conversations that the program" in printed
    assert {result.conversation for result in done.results} == {"b [/red]"}
    assert [result.system for result in done.results] == ["newest", "plain", "memory"] * 3
    assert "memory - plain, categories 1-4: +0.000" in printed

    training = {"optimized_path": tmp_path / "made.json", "include_training": True}
    done = run({"a/model": model}, mode="analyze", **training)
    assert len(done.results) == 6
    assert "3 of them of TRAINING conversations" in capsys.readouterr().out
    params = json.loads((tmp_path / "out/failure_analysis.json").read_bytes())["params"]
    assert params["training_questions"] == 3


@pytest.mark.slow  # runs the packaged model
def test_an_adapter_is_not_measured_on_what_it_was_tuned_on(run: Run, tmp_path: Path) -> None:
    model, engine = talker(name="local+12345678")
    folder = adapter(tmp_path / "adapter", "answer", conversations=["a"])
    done = run({"local": model}, model="local", adapter=folder)
    assert {result.conversation for result in done.results} == {"b [/red]"}
    assert {result.system for result in done.results} == {"newest", "plain", "memory"}
    engine.prompts.clear()
    adapter(folder, "answer", conversations=["a", "b [/red]"])
    with pytest.raises(InputError, match="--include-training"):
        run({"local": model}, model="local", adapter=folder)
    assert engine.prompts == []


def test_more_questions_than_the_first_run_has_are_drawn_from_held_out_conversations(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = evaluating._questions(
        evaluating._default_data(100), part="all", number=100, seed=0, without=(), categories="all"
    )
    assert len(questions) == 100
    assert len({conversation.id for conversation, _ in questions}) == 4
    assert "100 are drawn" in capsys.readouterr().out
    for number in (None, 0, 20):
        assert evaluating._default_data(number).name == "first_run.json"


def test_a_file_with_fewer_questions_than_asked_for_is_said_before_it_begins(
    run: Run, tmp_path: Path
) -> None:
    model, engine = talker(name="a/model")
    with pytest.raises(InputError, match="--num-test 7"):
        run({"a/model": model}, num_test=7)
    assert engine.prompts == []


def test_what_a_run_will_take_and_took_is_said_and_where_it_asked(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, engine = talker(name="a/model", api_base="http://me:pw@127.0.0.1:8000/v1")
    models = {
        "a/model": model,
        "openai/judge": talker(name="openai/judge", judge=lambda p: RIGHT)[0],
    }
    done = run(models, judge_model="openai/judge")
    out = capsys.readouterr().out
    assert out.index("asking a/model at http://127.0.0.1:8000/v1\n") < out.index("forecast")
    assert "http://127.0.0.1:8000/v1 calls its model 'talker'" in out
    assert "openai calls its model 'talker'" in out
    assert "pw@" not in out
    assert "asking (memory 0.50, newest 0.50: -0.49 to +0.49): 12/12" in out

    cells = out.replace("|", " ")
    forecast, took = (cells.split(title)[1].split("all ")[0] for title in ("forecast", "run took"))
    calls = {"storing": 6, "asking": 6 + 12, "judging": 24}
    for table in (forecast, took):
        for step, number in calls.items():
            assert re.search(rf"{step} +{number} .* price unknown", table)
    most = {"storing": 2 * (3 * 6 + 2 * 8), "asking": 3 * 6 + 12, "judging": 48}
    for step, number in most.items():
        assert re.search(rf"{step} .* {number} +price unknown *\n", forecast)
    assert {step: cost.calls for step, cost in done.costs.items()} == calls
    assert done.costs["asking"] == Cost(18, 18 * 7, 18 * 3, None)
    asked = engine.calls()
    assert asked["retrieve"] + asked["answer"] == 18
    written = json.loads((tmp_path / "out/evaluation_results.json").read_bytes())
    assert written["costs"]["judging"]["tokens_in"] == 24 * 7


# By its form: what asks all of it, the category that the table of papers ends with, and its judge.
BENCHMARKS = {
    "locomo": ({"categories": "1-4"}, "1-4", "lenient"),
    "longmemeval": ({}, "all", "benchmark"),
    "beam": ({}, "all", ""),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_benchmark_is_one_command_from_the_forecast_to_the_table_of_papers(
    benchmark: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags, last, judge = BENCHMARKS[benchmark]
    match benchmark:
        case "locomo":
            data = talks(tmp_path / "data.json")
        case "longmemeval":
            absent = longmemeval_question("q-2_abs", answer="You did not say.")
            data = locomo_records.write(tmp_path / "data.json", longmemeval_question(), absent)
        case _:
            data = write_chat(tmp_path / "beam")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    names = {"model": "openai/standin", "judge_model": "openai/standin"}
    run = partial(
        evaluate.evaluate,
        data=data,
        num_test=0,
        systems="memory",
        output_dir=tmp_path / "out",
        **names,
        **flags,
    )
    with answering_server() as address:
        run = partial(run, api_base=address, judge_api_base=address)
        assert run(forecast=True).results == []
        ahead = capsys.readouterr().out
        assert not [*tmp_path.glob("out/memories/*")]
        done = run()
        printed = capsys.readouterr().out
        again = run(resume=True)
    assert again.results == done.results
    assert sum(cost.calls for cost in again.costs.values()) == 0
    questions = len(done.results)
    if last == "1-4":
        assert 5 not in {result.category for result in done.results}
    said = rf"{questions} questions? with openai/standin: \d+ calls, [\d,]+ tokens, price unknown"
    assert re.search(rf"^{said}$", ahead, re.MULTILINE)
    [line] = re.findall(rf"^{said}, about 1 minute$", printed, re.MULTILINE)
    assert printed.index(line) < printed.index("in the form of papers")
    papers = [table for table in tables(printed.splitlines()) if "BLEU-1" in table[0]]
    [[columns, *rows]] = papers
    system, category, number, accepted = rows[-1][:4]
    assert columns[3] == f"J, {judge} (openai/standin)" if judge else "J, openai/standin"
    assert (system, category, number) == ("memory", last, str(questions))
    assert accepted == "100.0"


def test_a_forecast_knows_prices_and_asks_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(evaluating, "probe", lambda *_: pytest.fail("asked"))
    evaluate.evaluate(
        data=talks(tmp_path / "data.json"),
        num_test=0,
        model="openai/gpt-4o-mini",
        judge_model="openai/gpt-4o",
        forecast=True,
        output_dir=tmp_path / "out",
    )
    said = r"3 questions with openai/gpt-4o-mini and openai/gpt-4o: .* tokens, about \$ 0\.\d+$"
    assert re.search(said, capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_a_chat_that_fits_its_budget_whole_measures_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run({"a/model": talker(name="a/model")[0]}, budget=2_000)
    output = " ".join(capsys.readouterr().out.split())
    warning = "This run does not measure memory: the longest conversation has about"
    assert output.index(warning) < output.index("stored as SQL")  # before anything is asked
    assert output.count(warning) == 2
    assert "and the budget is 2,000" in output
    run({"a/model": talker(name="a/model")[0]}, budget=64)
    assert "does not measure memory" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    "nothing", ["", *(pytest.param(text, marks=pytest.mark.slow) for text in ("banana", "{}"))]
)
def test_a_model_that_answers_nothing_is_not_scored(run: Run, tmp_path: Path, nothing: str) -> None:
    model, engine = talker(name="a/model", answer=lambda prompt: nothing)
    with pytest.raises(ModelError, match="cannot be used"):
        run({"a/model": model}, num_threads=1)
    assert engine.calls()["answer"] < 12
    assert not (tmp_path / "out/evaluation_results.json").exists()
    sound, engine = talker(name="a/model")
    done = run({"a/model": sound}, resume=True)
    assert engine.calls()["answer"] == 12  # what could not be used is asked again
    assert not any(result.unusable for result in done.results)


@pytest.mark.parametrize("word", ["", "{}", "..."])
def test_a_model_that_says_nothing_to_a_probe_is_refused(run: Run, word: str) -> None:
    model, engine = talker(name="a/model", probe=lambda prompt: word)
    with pytest.raises(ModelError, match="asked to say yes"):
        run({"a/model": model})
    assert engine.calls() == {"probe": 1}


@pytest.mark.slow
def test_all_that_led_to_an_answer_can_be_read_and_is_in_mlflow(run: Run, tmp_path: Path) -> None:
    import mlflow

    def retrieve(prompt: str) -> str:
        wrong = "SELECT nothing FROM facts"
        return sql("SELECT turn_id, value FROM facts" if wrong in prompt else wrong)

    model, engine = talker(name="a/model", retrieve=retrieve)
    run({"a/model": model}, traces=True)
    folder = tmp_path / "out"
    shown = [
        result
        for result in json.loads((folder / "evaluation_results.json").read_bytes())["results"]
        if result["recall"] == 1.0
    ]
    assert shown
    assert all(result["shown"] and result["evidence"] for result in shown)
    experiment = mlflow.get_experiment_by_name("locomo")
    spans = mlflow.search_traces([experiment.experiment_id], return_type="list", max_results=50)
    assert len(spans) >= len(engine.prompts_for("answer"))
    digests = [trace for trace in spans if trace.data.spans[0].name.startswith("digest: ")]
    assert len(digests) == 2  # of the two conversations
    stores = [span for trace in digests for span in trace.data.spans if span.name == "store"]
    assert len(stores) == len(engine.prompts_for("store"))
    retrieved = [span for trace in spans for span in trace.data.spans if span.name == "retrieve"]
    refusals = [span.outputs["refusals"][0] for span in retrieved if span.outputs["sql"]]
    assert refusals
    assert all("SELECT nothing" in refusal for refusal in refusals)
    newest, *_ = mlflow.MlflowClient().search_runs(
        [experiment.experiment_id], order_by=["start_time DESC"], max_results=1
    )
    [data] = [
        data
        for data in newest.inputs.dataset_inputs
        if [tag.value for tag in data.tags] == ["evaluation"]
    ]
    assert newest.data.params["data_sha256"].startswith(data.dataset.digest)


def test_answers_are_judged_when_whoever_gave_them_is_gone(run: Run, tmp_path: Path) -> None:
    verdict = "[[ ## reason ## ]]\nso\n\n[[ ## correct ## ]]\nTrue\n\n[[ ## completed ## ]]"
    model, _ = talker(name="a/model")
    run({"a/model": model})
    interrupted, _ = talker(name="a/judge", judge=after(5, lambda: verdict))
    flags = {"judge_only": True, "judge_model": "a/judge"}
    with pytest.raises(KeyboardInterrupt):
        run({"a/judge": interrupted}, **flags)
    judge, engine = talker(name="a/judge", judge=lambda prompt: verdict)
    done = run({"a/judge": judge}, **flags)
    # Two verdicts an answer; what was judged before the interruption is not judged again.
    assert engine.calls() == {"probe": 1, "judge": 24 - 4}
    assert all(set(result.verdicts.values()) == {True} for result in done.results)
    written = json.loads((tmp_path / "out/evaluation_results.json").read_bytes())
    assert written["params"]["judge_model"] == "a/judge"
    assert [memory["turns"] for memory in written["memories"]] == [6, 6]


@pytest.mark.slow
def test_only_verdicts_that_could_not_be_read_are_asked_for_again(run: Run) -> None:
    run({"a/model": talker(name="a/model")[0]})
    verdict = "[[ ## reason ## ]]\nso\n\n[[ ## correct ## ]]\nTrue\n\n[[ ## completed ## ]]"
    said = iter(["Hm.", "Hm."])
    stuttering, _ = talker(name="a/judge", judge=lambda prompt: next(said, verdict))
    flags = {"judge_only": True, "judge_model": "a/judge", "num_threads": 1}
    first = run({"a/judge": stuttering}, **flags)
    assert [*first.results[0].verdicts.values()].count(None) == 1
    judge, engine = talker(name="a/judge", judge=lambda prompt: verdict)
    done = run({"a/judge": judge}, **flags)
    assert engine.calls() == {"probe": 1, "judge": 1}
    assert all(set(result.verdicts.values()) == {True} for result in done.results)


def test_answers_alone_have_no_judge(run: Run) -> None:
    model, _ = talker(name="a/model")
    with pytest.raises(InputError, match="--judge-only"):
        run({"a/model": model}, answers_only=True, judge_model="a/model")


def test_judging_alone_needs_a_judge_and_answers(run: Run) -> None:
    model, _ = talker(name="a/model")
    with pytest.raises(InputError, match="--judge-model"):
        run({"a/model": model}, judge_only=True)
    with pytest.raises(InputError, match="holds no evaluation_results"):
        run({"a/model": model}, judge_only=True, judge_model="a/model")


def after(calls: int, reply: Callable[[], str]) -> Callable[[str], str]:
    """A reply that is interrupted after so many calls."""
    prompts: list[str] = []

    def answered(prompt: str) -> str:
        prompts.append(prompt)
        if len(prompts) > calls:
            raise KeyboardInterrupt
        return reply()

    return answered


def test_interrupted_asking_goes_on_without_asking_twice(run: Run) -> None:
    answered: list[str] = []

    def five_times(prompt: str) -> str:
        if len(answered) == 5:
            raise KeyboardInterrupt
        answered.append(prompt)
        return answer("Lyon", "1")

    model, _ = talker(name="a/model", answer=five_times)
    with pytest.raises(KeyboardInterrupt):
        run({"a/model": model})
    assert len(answered) == 5
    other, rest = talker(name="a/model")
    done = run({"a/model": other}, resume=True)
    calls = rest.calls()  # the second memory may have been begun before the interruption
    assert {k: calls[k] for k in ("answer", "retrieve")} == {"answer": 12 - 5, "retrieve": 6 - 2}
    assert len({result.key for result in done.results}) == 12


TURN = {"speaker": "Ann", "dia_id": "D1:1", "text": "Hello."}


def test_analysis_shows_causes_and_no_other_system(run: Run, tmp_path: Path) -> None:
    model, engine = talker(name="a/model")
    run({"a/model": model}, mode="analyze")
    assert engine.calls()["answer"] == 6
    content = json.loads((tmp_path / "out/failure_analysis.json").read_bytes())
    found = {name: len(some) for name, some in content["failures"].items()}
    assert found == {
        "not shown, no fact": 0,
        "not shown": 0,
        "not answered": 2,
        "should have abstained": 2,
        "unusable answer": 0,
    }


# --- the systems, with a served model -----------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FactServer]:
    """A model's server that answers each kind of prompt."""
    with serving_facts() as served:
        served.reply = reply
        yield served


def served_run(server: FactServer, tmp_path: Path, **flags: Any) -> Evaluation:
    data = tmp_path / "talks.json"
    if not data.exists():
        talks(data, talk("a"), talk("b"))
    settings = {"num_test": 0, "num_threads": 1, "model": "openai/served"} | flags
    return evaluate.evaluate(
        data=data, output_dir=tmp_path / "out", api_base=server.address, **settings
    )


def steps_in(out: str) -> dict[str, list[str]]:
    """The rows of the table of what each step brings, by system."""
    _, *rows = next(table for table in tables(out.splitlines()) if "facts shown" in table[0])
    return {name.partition(" (")[0]: cells for name, *cells in rows}


def test_a_served_model_has_four_rows_with_the_share_of_questions_that_used_each_step(
    server: FactServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = served_run(server, tmp_path, sql="always")
    out = capsys.readouterr().out
    rows = steps_in(out)
    assert [*rows] == ["newest", "ranking", "facts", "memory"]
    assert {name: row[0] for name, row in rows.items()} == dict.fromkeys(rows, "6")
    assert {name: row[-1] for name, row in rows.items()} == {
        **dict.fromkeys(rows, "0.00"),
        "memory": "1.00",
    }
    assert (rows["newest"][-2], rows["ranking"][-2], rows["memory"][-2]) == ("0.00", "0.00", "1.00")
    assert "warning: SELECTs" not in out
    assert out.index("memory - ranking, categories") < out.index("ranking - newest, categories")
    kinds = [kind_of(prompt) for prompt in server.prompts]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "probe": 1,
        "store": 2,
        "retrieve": 6,
        "answer": 24,
    }
    # The memory of the ranking alone has no facts, and no model was asked to store it.
    assert {result.facts for result in done.results if result.system == "ranking"} == {0}
    forecast = out.split("forecast")[1]
    assert re.search(r"storing +\| +2 ", forecast)
    assert re.search(r"asking +\| +30 .* 42 +\|", forecast)  # at most 3 of each SELECT
    assert done.costs["asking"].calls == 30


def test_more_systems_with_resume_ask_these_alone_and_full_only_what_fits(
    server: FactServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = [{**TURN, "dia_id": f"D1:{n}", "text": "So we talked. " * 400} for n in range(1, 101)]
    talks(tmp_path / "talks.json", talk("a"), talk("long", session_1=long))
    first = served_run(server, tmp_path, systems="newest,memory", facts="templates")
    before = len(server.prompts)
    capsys.readouterr()
    again = served_run(
        server, tmp_path, systems="memory,full,newest", facts="templates", resume=True
    )
    out = capsys.readouterr().out
    assert "full: 1 of 2 conversations fit in 12" in out
    assert re.search(r"asking +\| +3 ", out.split("forecast")[1])
    assert [kind_of(prompt) for prompt in server.prompts[before:]] == ["answer"] * 3
    assert "store" not in map(kind_of, server.prompts)
    of_full = [result for result in again.results if result.system == "full"]
    assert [(result.conversation, result.shown) for result in of_full] == [("a", "1-6")] * 3
    assert [result for result in again.results if result.system != "full"] == first.results


def test_systems_that_are_none_are_refused(run: Run) -> None:
    for names, message in (("memory,best", "'best' is unknown"), ("newest", "needs memory")):
        model, engine = talker(name="a/model")
        with pytest.raises(InputError, match=message):
            run({"a/model": model}, systems=names)
        assert engine.prompts == []


# --- what would fail late is found out early ----------------------------------------------------


def test_a_folder_that_cannot_be_written_is_known_before_any_model_is_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, engine = talker(name="a/model")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write all
    with pytest.raises(InputError, match="--output-dir"):
        run({"a/model": model})
    assert engine.prompts == []


def test_a_first_run_asks_half_of_its_questions_and_two_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    class Recorded(Exception): ...

    def record(**settings: object) -> None:
        runs.append(settings)
        raise Recorded

    monkeypatch.setattr(evaluating, "EvaluationRun", record)
    monkeypatch.setattr(evaluating, "connect_mlflow", lambda name: None)
    monkeypatch.setattr(evaluating, "probe", lambda model, console: None)
    for number in (None, 20):
        with pytest.raises(Recorded):
            evaluate.evaluate(output_dir=tmp_path, num_test=number)
    assert [len(run["questions"]) for run in runs] == [10, 20]
    assert [[*run["systems"]] for run in runs] == [
        ["newest", "memory"],
        ["newest", "ranking", "facts", "memory"],
    ]
