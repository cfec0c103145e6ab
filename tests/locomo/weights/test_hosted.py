"""Weights tuned at a provider: what is checked, sent, paid, followed, and what its faults say."""

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.clients.utils_finetune import TrainingStatus
from rich.console import Console

import evaluate
import train
from locomo.commands import run_command
from locomo.examples.jsonl import ExamplesCard, save_examples
from locomo.scripts import evaluate as evaluating
from locomo.scripts import train as training
from locomo.weights.hosted.tuning import listed_price, together_provider
from memory import AskMemory, Memory, Turn, load_model, load_program
from memory.errors import ModelError
from memory.system.providers import refuse_unreachable
from tests.locomo.weights.test_supervised import chat
from tests.support.answering_server import FIELDS, reply
from tests.support.locomo_records import write
from tests.support.obedient import houses
from tests.support.tracking import track
from tests.support.tuning_server import (
    KEY,
    MODEL,
    TUNED,
    TuningServer,
    tuning_server,
)

JOBS = "/v1/fine-tunes"
FAILED = "failed: The job failed due to an invalid training file."
FIRST = "ft-1"
TUNED_FIRST = TUNED[FIRST]
pytestmark = pytest.mark.skipif(
    find_spec("together") is None, reason="the extra is not installed: uv sync --extra together"
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningServer]:
    """A provider that nobody waits for, in an environment with its key."""
    monkeypatch.setattr("locomo.weights.hosted.together_provider.POLL_SECONDS", 0.01)
    monkeypatch.setattr("locomo.weights.hosted.together_provider.WAITS", (0.01,) * 8)
    with tuning_server() as server:
        monkeypatch.setenv("TOGETHER_API_KEY", KEY)
        monkeypatch.setenv("TOGETHER_BASE_URL", server.url)
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with twelve examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training.console, "_width", 300)
    write_examples(tmp_path / "mine.jsonl", [example(n) for n in range(12)])
    return tmp_path


def example(number: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "Answer from the memory."},
        {"role": "user", "content": f"Where is thing {number}?"},
        {"role": "assistant", "content": f"In room {number}."},
    ]


def write_examples(path: Path, examples: list[list[dict[str, str]]]) -> None:
    card = ExamplesCard(
        targets=["answer"],
        model="gold",
        data="0" * 64,
        conversations=["conv-1", "conv-2"],
        held_out=["conv-3"],
        examples={"answer": len(examples)},
        made_at="2026-11-28T00:00:00+00:00",
    )
    save_examples(path, examples, card)


def command(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["train.py", *line.split()])
    with pytest.raises(SystemExit) as ended:
        run_command(train.app)
    return int(ended.value.code or 0)


class Terminal(io.StringIO):
    """A terminal on which something is typed."""

    def isatty(self) -> bool:
        return True


class Run:
    """Runs `train.py --mode sft` at a provider; the output of each run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.out = self.error = ""

    def __call__(self, line: str = "--yes", model: str = MODEL) -> int:
        full = f"--mode sft --provider together --model {model} --examples mine.jsonl {line}"
        code = command(full, self._monkeypatch)
        self.out, self.error = self._capsys.readouterr()
        return code

    def typed(self, text: str) -> int:
        self._monkeypatch.setattr(sys, "stdin", Terminal(text))
        return self("")


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


# --- from examples to a tuned model ---------------------------------------------------------------


def test_examples_become_a_tuned_model_with_a_card(
    server: TuningServer, run: Run, folder: Path
) -> None:
    assert run("--yes --epochs 2") == 0, run.error
    tuned = TUNED_FIRST
    assert "12 examples of 2 conversations, about" in run.out
    assert "tokens x 2 passes" in run.out
    assert f"job {FIRST}: {MODEL}, 12 examples, n_epochs 2" in run.out
    assert "Together: queued\nTogether: running\n" in run.out
    assert "4,321 tokens" in run.out
    path = "grpo_checkpoints/together/program.json"
    use = "use it: uv run evaluate.py --mode analyze"
    assert f"{use} --model together/{tuned} --optimized-path {path}" in run.out
    assert "endpoint of your own, billed by the minute" in run.out

    [lines] = server.files.values()
    assert lines == [{"messages": example(n)} for n in range(12)]
    [request] = server.jobs.values()
    assert request["model"] == MODEL
    assert request["suffix"] == "sql-memory"
    card = load_program(folder / path).card
    assert card is not None
    assert card.model == "together_ai/" + tuned
    assert (card.optimizer, card.verdict) == ("sft at together", "not measured")
    assert card.conversations == {"train": ["conv-1", "conv-2"], "test": ["conv-3"]}
    assert card.scores["tokens"] == 4321
    assert KEY not in "".join(
        file.read_text() for file in (folder / "grpo_checkpoints" / "together").iterdir()
    )


def test_the_settings_are_those_of_the_options(server: TuningServer, run: Run) -> None:
    assert run("--yes --epochs 3 --learning-rate .0001 --seed 7") == 0
    [request] = server.jobs.values()
    assert (request["n_epochs"], request["learning_rate"], request["random_seed"]) == (3, 1e-4, 7)
    assert request["training_method"] == {"method": "sft", "train_on_inputs": False}


def test_gold_conversations_become_examples_as_the_tuned_model_is_asked(
    server: TuningServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "data" / "validation").mkdir(parents=True)
    for town in ("Lyon", "Rome", "validation/Oslo"):
        write(folder / "data" / f"{town}.json", chat(town.split("/")[-1]))
    line = f"--mode sft --provider together --model {MODEL} --data data --yes"
    assert command(line, monkeypatch) == 0
    assert "answer examples of 2 conversations; held out: 1" in capsys.readouterr().out
    [lines] = server.files.values()
    system, user, answer = lines[0]["messages"]
    assert "[[ ## evidence ## ]]" in user["content"]
    assert "[[ ## answer ## ]]" in answer["content"]
    # Gold answers are phrases: a model learns them under the prompt that asks for phrases.
    program = load_program(folder / "grpo_checkpoints" / "together" / "program.json")
    assert program.answer.predict.signature.instructions.splitlines()[-1] in system["content"]
    assert all("Oslo" not in str(line) for line in lines)


# --- before anything is sent ----------------------------------------------------------------------


def test_nothing_is_sent_before_a_yes(server: TuningServer, run: Run) -> None:
    assert run.typed("n\n") == 2
    assert f"send 12 examples to Together and tune {MODEL} for about" in run.out
    assert "not confirmed: nothing was sent" in run.error
    assert run.typed("") == 2
    assert run("") == 2
    assert not server.files
    assert run.typed("y\n") == 0
    assert server.jobs


def test_without_a_terminal_the_cost_is_confirmed_by_a_flag(
    server: TuningServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run("") == 2
    assert "nothing was sent, as there is no terminal; give --yes, and --budget-usd" in run.error
    assert not server.files


def test_a_budget_is_kept_before_anything_is_sent(server: TuningServer, run: Run) -> None:
    assert run("--yes --budget-usd .5 --usd-per-million 10000") == 2
    assert "our estimate is $ " in run.error
    assert "above --budget-usd 0.5: give fewer examples" in run.error
    assert not server.files
    assert run("--yes --budget-usd .5") == 0, run.error


def test_prices_are_known_for_models_that_are_on_the_list() -> None:
    assert listed_price("Qwen/Qwen2.5-7B-Instruct") == 0.48
    assert listed_price("meta-llama/Llama-3.3-70B-Instruct-Reference") == 2.9
    assert listed_price("Qwen/Qwen3-235B-A22B") is None
    assert listed_price("moonshotai/Kimi-K2") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda all_: all_[3].pop(), "mine.jsonl, line 4: must end with the assistant's answer"),
        (lambda all_: all_[3].pop(1), "example 4: user and assistant do not take turns: system,"),
        (lambda all_: all_[3][1].update(content=" "), "example 4: the user's message is empty"),
    ],
)
def test_an_example_in_another_form_is_named(
    change: Any, message: str, server: TuningServer, run: Run, folder: Path
) -> None:
    examples = [example(n) for n in range(12)]
    change(examples)
    write_examples(folder / "mine.jsonl", examples)
    assert run() == 2
    assert message in run.error
    assert not server.files


def test_long_examples_are_left_out(server: TuningServer, run: Run, folder: Path) -> None:
    long = [*example(0)[:2], {"role": "assistant", "content": "word " * 70_000}]
    write_examples(folder / "mine.jsonl", [long])
    assert run() == 2
    assert "no example (1 are longer than 8,192 tokens): fewer than 50 rarely help" in run.error
    assert not server.files
    write_examples(folder / "mine.jsonl", [*(example(n) for n in range(9)), long])
    assert run() == 0
    assert "1 examples longer than Together reads: left out" in run.out
    assert len(server.files["file-1"]) == 9


@pytest.mark.parametrize("missing", ["key", "model"])
def test_a_wrong_key_or_model_is_found_before_examples_are_made(
    missing: str, server: TuningServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, model = "TOGETHER_API_KEY", MODEL
    if missing == "key":
        monkeypatch.setenv(key, "sk-wrong-wrong-wrong")
        message = f"Together refuses the key in {key}: Incorrect API key provided"
    else:
        model = "gpt-0"
        message = "Together does not have the model gpt-0: "
    assert run(model=model) == 2
    assert message in run.error
    assert len(run.error.splitlines()) == 1
    assert not server.files
    monkeypatch.delenv(key)
    assert run() == 2
    assert f"Together needs a key: set {key} in the environment" in run.error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--mode sft --yes", "--yes: for sft with --provider together"),
        ("--mode train --provider together --model x", "--provider tunes by supervised examples"),
        ("--mode sft --provider together", "--provider together needs --model with one it tunes"),
        (
            "--mode sft --provider together --model x --minutes 5",
            "--start, --minutes and --rehearse",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(
    line: str,
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(line, monkeypatch) == 2
    assert message in capsys.readouterr().err


# --- the provider's own price ---------------------------------------------------------------------


def test_together_tells_the_price_of_an_uploaded_file(server: TuningServer, run: Run) -> None:
    unknown = {"estimation_available": False, "unavailable_reason": "train_file_not_validated"}
    high = {"estimation_available": True, "estimated_total_price": 12.5}
    server.estimates = [unknown, unknown, high]
    assert run.typed("y\nn\n") == 2
    assert "Together's estimate is $ 12.50: start the job?" in run.out
    assert "not confirmed: no job was started" in run.error
    assert (server.deleted, server.jobs) == (["file-1"], {})

    assert run("--yes --budget-usd 5") == 2
    assert "Together's estimate is $ 12.50, above --budget-usd 5" in run.error
    assert (server.deleted, server.jobs) == (["file-1", "file-2"], {})

    server.estimates = [{**high, "allowed_to_proceed": False}]
    assert run() == 2
    assert "the account's credit is too small for a job of about $ 12.50" in run.error
    assert not server.jobs


def test_a_file_that_together_refuses_is_explained_and_deleted(
    server: TuningServer, run: Run, folder: Path
) -> None:
    server.estimates = [{"estimation_available": False, "unavailable_reason": "train_file_invalid"}]
    assert run() == 2
    assert "Together refuses the file of examples: line 1: no role" in run.error
    assert (server.deleted, server.jobs) == (["file-1"], {})
    assert not (folder / "grpo_checkpoints" / "together" / "job.json").exists()


# --- faults ---------------------------------------------------------------------------------------


def test_limits_cuts_and_failures_for_a_while_are_waited_for(
    server: TuningServer, run: Run
) -> None:
    job = f"{JOBS}/{FIRST}"
    limit = (429, {"error": {"message": "Rate limit reached"}}, {"retry-after": "0"})
    server.faults = {
        "POST /v1/files": [limit, "cut"],
        f"POST {JOBS}": [(503, {"error": {"message": "overloaded"}})],
        f"GET {job}": ["cut", limit, (500, {}), "cut"],
        f"GET {job}/events": ["cut"],
    }
    assert run() == 0, run.error
    assert "Together limits the rate: again in 0.01 s" in run.out
    assert "Together does not answer: again in" in run.out
    assert "Together failed (503): again in" in run.out
    assert len(server.jobs) == 1


def test_a_job_whose_answer_was_lost_is_found_and_not_started_twice(
    server: TuningServer, run: Run
) -> None:
    server.faults = {f"POST {JOBS}": ["lost"]}
    assert run() == 0, run.error
    assert list(server.jobs) == [FIRST]


def test_another_job_with_the_same_file_is_not_taken_for_this_one(
    server: TuningServer, run: Run
) -> None:
    assert run() == 0
    assert run("--yes --epochs 3 --checkpoints second") == 0
    assert "--model together/acme/Qwen3-8B-sql-memory-2 " in run.out
    assert [request["n_epochs"] for request in server.jobs.values()] == [1, 3]
    assert [request["training_file"] for request in server.jobs.values()] == ["file-1"] * 2
    # A price that is refused does not take the file from the others.
    server.estimates = [{"estimation_available": True, "estimated_total_price": 12.5}]
    assert run("--yes --budget-usd 5 --checkpoints third") == 2
    assert not server.deleted


def test_a_provider_that_stays_away_leaves_the_job_to_be_resumed(
    server: TuningServer, run: Run
) -> None:
    server.faults = {f"GET {JOBS}/{FIRST}": ["cut"] * 9}
    assert run() == 2
    assert "Together cannot be reached" in run.error
    assert f"job {FIRST} goes on at Together" in run.error
    assert "--provider together --resume follows it, --cancel ends it" in run.error
    assert run("--resume") == 0, run.error
    assert len(server.jobs) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ((400, {"error": {"message": "Invalid file format."}}), "refuses the file of examples"),
        ((403, {"error": {"message": "Not for you."}}), "does not allow this account to do that"),
        (
            (429, {"error": {"message": "You exceeded your current quota", "code": "x"}}),
            "limits this account: You exceeded your current quota",
        ),
    ],
)
def test_a_refusal_is_one_line(fault: Any, message: str, server: TuningServer, run: Run) -> None:
    server.faults = {"POST /v1/files": [fault]}
    assert run() == 2
    assert run.error.startswith("error: Together ")
    assert message in run.error
    assert len(run.error.splitlines()) == 1
    assert not server.jobs


def test_a_job_that_is_refused_leaves_nothing_behind(server: TuningServer, run: Run) -> None:
    refusal = (403, {"error": {"message": "Fine-tuning is not open to this organization."}})
    server.faults = {f"POST {JOBS}": [refusal]}
    assert run() == 2
    assert "to do that: Fine-tuning is not open to this organization." in run.error
    assert server.deleted == ["file-1"]
    assert run() == 0, run.error


@pytest.mark.parametrize(
    ("last", "end"),
    [
        ("error", FAILED),
        ("user_error", FAILED),
        ("cancelled", "was cancelled: there is no tuned model"),
    ],
)
def test_a_job_that_fails_gives_the_providers_reason(
    last: str, end: str, server: TuningServer, run: Run, folder: Path
) -> None:
    server.steps = ["queued", "running", last]
    assert run() == 2
    assert run.error == f"error: the job at Together {end}\n"
    assert not (folder / "grpo_checkpoints" / "together" / "program.json").exists()


def test_a_key_in_a_providers_message_is_not_shown(server: TuningServer, run: Run) -> None:
    server.faults = {"POST /v1/files": [(400, {"error": {"message": f"Bad key {KEY}."}})]}
    assert run() == 2
    assert "Bad key" in run.error
    assert KEY not in run.error


# --- Ctrl-C, --resume, --cancel -------------------------------------------------------------------


def test_ctrl_c_leaves_the_job_and_resume_follows_it(
    server: TuningServer, run: Run, folder: Path
) -> None:
    server.faults = {f"GET {JOBS}/{FIRST}": ["cut", "ctrl-c"]}
    assert run() == 2
    assert f"job {FIRST} goes on at Together: train.py --mode sft" in run.out
    assert "interrupted" in run.error
    record = json.loads((folder / "grpo_checkpoints" / "together" / "job.json").read_text())
    assert (record["job_id"], record["file_id"]) == (FIRST, "file-1")
    assert not any(request.endswith("/cancel") for request in server.asked)

    assert run() == 2  # not a second job by accident
    assert "holds the job of another tuning: --resume goes on with it" in run.error
    assert run("--resume") == 0, run.error
    assert f"--model together/{TUNED_FIRST}" in run.out
    assert (len(server.files), len(server.jobs)) == (1, 1)
    assert run("--resume") == 0  # and once more
    assert len(server.jobs) == 1


def test_ctrl_c_while_the_job_starts_loses_no_job(server: TuningServer, run: Run) -> None:
    server.faults = {f"POST {JOBS}": ["ctrl-c"]}
    assert run() == 2
    assert "--resume starts it or finds it at Together" in run.out
    assert run("--resume --yes") == 0, run.error
    assert list(server.jobs) == [FIRST]


def test_cancel_ends_the_job(server: TuningServer, run: Run) -> None:
    server.faults = {f"GET {JOBS}/{FIRST}": ["ctrl-c"]}
    assert run("--yes --checkpoints mine") == 2
    assert "--provider together --checkpoints mine --resume follows it" in run.out
    assert run("--cancel --checkpoints mine") == 0, run.error
    assert f"job {FIRST} is cancelled; Together bills what was done" in run.out
    assert f"POST {JOBS}/{FIRST}/cancel" in server.asked
    assert run("--resume --checkpoints mine") == 2
    assert "was cancelled: there is no tuned model" in run.error


@pytest.mark.parametrize("flag", ["--resume", "--cancel"])
def test_without_a_job_there_is_nothing_to_resume(
    flag: str, server: TuningServer, run: Run
) -> None:
    assert run(flag) == 2
    assert "no job was started from here: leave --resume out" in run.error


# --- DSPy's own way ---------------------------------------------------------------------------


def in_the_attic(prompt: str) -> str:
    if "Say yes." in prompt:
        return "yes"
    return reply(prompt, {**FIELDS, "answer": "attic"}, lambda turns: "-- none")


@pytest.fixture
def questions(
    server: TuningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[dspy.Example]:
    """Questions about a memory; the provider's model answers them."""
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TOGETHER_AI_API_BASE", server.url)
    with Memory("ann") as memory:
        memory.add([Turn("Ann", f"I keep the thing {n} in the attic.") for n in range(12)])
    server.answers = in_the_attic
    return [
        dspy.Example(
            question=f"Where does Ann keep the thing {n}?", memory="ann", answer="attic"
        ).with_inputs("question", "memory")
        for n in range(12)
    ]


@pytest.mark.slow
def test_bootstrap_finetune_tunes_ask_memory_at_a_provider(
    server: TuningServer, questions: list[dspy.Example]
) -> None:
    provider = together_provider(Console(file=io.StringIO()))
    prefix = "together_ai/"
    lm = dspy.LM(prefix + MODEL, provider=provider, cache=False, api_base=server.url, api_key=KEY)
    student = AskMemory()
    student.set_lm(lm)
    optimizer = dspy.BootstrapFinetune(
        metric=lambda gold, pred, trace=None: gold.answer == pred.answer,
        num_threads=1,
        train_kwargs={"n_epochs": 2},
    )
    tuned = optimizer.compile(student, trainset=questions)
    [request] = server.jobs.values()
    assert (request["model"], request["n_epochs"]) == (MODEL, 2)
    [lines] = server.files.values()
    assert len(lines) >= 12
    models = {predictor.lm.model for _, predictor in tuned.named_predictors()}
    assert models == {prefix + TUNED_FIRST}
    server.asked.clear()
    assert tuned(question="Where is the thing 3?", memory="ann").answer == "attic"
    assert any(request.endswith(f" {TUNED_FIRST}") for request in server.asked)


@pytest.fixture
def tracked(tmp_path: Path, tracking_database: Path) -> str:
    """The MLflow database of a slow test."""
    return shutil.copy(tracking_database, tmp_path / "mlflow.db")


@pytest.mark.slow
def test_a_tuned_model_is_evaluated_by_its_name(
    server: TuningServer,
    questions: list[dspy.Example],
    run: Run,
    folder: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    track(evaluating, request, monkeypatch)
    assert run() == 0, run.error
    _, _, advice = run.out.partition("use it: uv run evaluate.py ")
    houses(folder / "houses.json")
    server.asked.clear()
    line = f"{advice.splitlines()[0]} --data houses.json --num-test 2 --num-threads 1"
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *line.split()])
    with pytest.raises(SystemExit) as ended:
        run_command(evaluate.app)
    output = capsys.readouterr()
    assert not ended.value.code, output.err
    assert {request.partition("completions ")[2] for request in server.asked} == {TUNED_FIRST}


def test_a_failed_job_is_an_error_of_dspys_too(server: TuningServer) -> None:
    server.steps = ["queued", "error"]
    provider = together_provider(Console(file=io.StringIO()))
    lm = dspy.LM(f"together_ai/{MODEL}", provider=provider)
    examples = [{"messages": example(n)} for n in range(3)]
    job = lm.finetune(examples, "chat")
    result = job.result()
    assert str(result) == (
        "the job at Together failed: The job failed due to an invalid training file."
    )
    assert job.status() == TrainingStatus.failed
    server.steps = ["running"]
    assert job.cancel()
    assert job.status() == TrainingStatus.cancelled


def test_the_key_comes_from_the_environment_alone() -> None:
    assert not [name for name in train.TrainOptions.__dataclass_fields__ if "key" in name]


def test_together_is_called_together_wherever_a_model_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key in [name for name in os.environ if name.startswith("T")]:
        monkeypatch.delenv(key)
    assert load_model(f"together/{MODEL}").name == f"together_ai/{MODEL}"
    with pytest.raises(ModelError, match="needs a key: set TOGETHER_API_KEY"):
        refuse_unreachable(f"together/{MODEL}")
