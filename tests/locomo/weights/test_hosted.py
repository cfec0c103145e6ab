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
from locomo.weights.hosted import provider as provider_module
from locomo.weights.hosted.tuning import listed_price, provider_of
from memory import AskMemory, Memory, Turn, load_model, load_program
from memory.errors import ModelError
from memory.program.signatures.full import PHRASES
from memory.system.providers import refuse_unreachable
from tests.locomo.weights.test_supervised import chat
from tests.support.answering_server import FIELDS, reply
from tests.support.locomo_records import write
from tests.support.obedient import houses
from tests.support.tracking import track
from tests.support.tuning_server import (
    KEY,
    OPENAI_MODEL,
    TOGETHER_MODEL,
    TUNED,
    TuningServer,
    tuning_server,
)

MODELS = {"openai": OPENAI_MODEL, "together": TOGETHER_MODEL}
TITLES = {"openai": "OpenAI", "together": "Together"}
JOBS = {"openai": "/v1/fine_tuning/jobs", "together": "/v1/fine-tunes"}
FAILED = "failed: The job failed due to an invalid training file."
FIRST = {"openai": "ftjob-1", "together": "ft-1"}
TOGETHER = pytest.mark.skipif(
    find_spec("together") is None, reason="the extra is not installed: uv sync --extra together"
)
BOTH = pytest.mark.parametrize("name", ["openai", pytest.param("together", marks=TOGETHER)])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningServer]:
    """A provider that nobody waits for, in an environment with its key."""
    monkeypatch.setattr(provider_module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(provider_module, "WAITS", (0.01,) * 8)
    with tuning_server() as server:
        for name in ("OPENAI", "TOGETHER"):
            monkeypatch.setenv(f"{name}_API_KEY", KEY)
            monkeypatch.setenv(f"{name}_BASE_URL", server.url)
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

    def __call__(self, name: str, line: str = "--yes", examples: str = "mine.jsonl") -> int:
        model = MODELS[name]
        full = f"--mode sft --provider {name} --model {model} --examples {examples} {line}"
        code = command(full, self._monkeypatch)
        self.out, self.error = self._capsys.readouterr()
        return code

    def typed(self, text: str, name: str, line: str = "") -> int:
        self._monkeypatch.setattr(sys, "stdin", Terminal(text))
        return self(name, line)


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


# --- from examples to a tuned model ---------------------------------------------------------------


@BOTH
def test_examples_become_a_tuned_model_with_a_card(
    name: str, server: TuningServer, run: Run, folder: Path
) -> None:
    assert run(name, "--yes --epochs 2") == 0, run.error
    tuned = TUNED[FIRST[name]]
    assert "12 examples of 2 conversations, about" in run.out
    assert "tokens x 2 passes" in run.out
    assert f"job {FIRST[name]}: {MODELS[name]}, 12 examples, n_epochs 2" in run.out
    assert f"{TITLES[name]}: queued\n{TITLES[name]}: running\n" in run.out
    assert "4,321 tokens" in run.out
    path = f"grpo_checkpoints/{name}/program.json"
    use = (
        f"use it: uv run evaluate.py --mode analyze --model {name}/{tuned} --optimized-path {path}"
    )
    assert use in run.out
    assert ("endpoint of your own, billed by the minute" in run.out) == (name == "together")

    [lines] = server.files.values()
    assert lines == [{"messages": example(n)} for n in range(12)]
    [request] = server.jobs.values()
    assert request["model"] == MODELS[name]
    assert request["suffix"] == "sql-memory"
    card = load_program(folder / path).card
    assert card is not None
    assert card.model == {"openai": "openai/", "together": "together_ai/"}[name] + tuned
    assert (card.optimizer, card.verdict) == (f"sft at {name}", "not measured")
    assert card.conversations == {"train": ["conv-1", "conv-2"], "test": ["conv-3"]}
    assert card.scores["tokens"] == 4321
    assert KEY not in "".join(
        file.read_text() for file in (folder / "grpo_checkpoints" / name).iterdir()
    )


@TOGETHER
def test_the_settings_are_those_of_the_options(server: TuningServer, run: Run) -> None:
    assert run("together", "--yes --epochs 3 --learning-rate .0001 --seed 7") == 0
    [request] = server.jobs.values()
    assert (request["n_epochs"], request["learning_rate"], request["random_seed"]) == (3, 1e-4, 7)
    assert request["training_method"] == {"method": "sft", "train_on_inputs": False}
    assert run("openai", "--yes --learning-rate .0001") == 2
    assert "OpenAI chooses the learning rate: leave --learning-rate out" in run.error


@BOTH
def test_gold_conversations_become_examples_as_the_tuned_model_is_asked(
    name: str,
    server: TuningServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "data" / "validation").mkdir(parents=True)
    for town in ("Lyon", "Rome", "validation/Oslo"):
        write(folder / "data" / f"{town}.json", chat(town.split("/")[-1]))
    line = f"--mode sft --provider {name} --model {MODELS[name]} --data data --yes"
    assert command(line, monkeypatch) == 0
    assert "answer examples of 2 conversations; held out: 1" in capsys.readouterr().out
    [lines] = server.files.values()
    system, user, answer = lines[0]["messages"]
    assert "[[ ## evidence ## ]]" in user["content"]
    assert "[[ ## answer ## ]]" in answer["content"]
    # Gold answers are phrases: a model learns them under the prompt that asks for phrases.
    program = load_program(folder / "grpo_checkpoints" / name / "program.json")
    assert program.answer.predict.signature.instructions.splitlines()[-1] in system["content"]
    assert (PHRASES in system["content"]) == (name == "openai")  # short prompts have one form
    assert all("Oslo" not in str(line) for line in lines)


# --- before anything is sent ----------------------------------------------------------------------


@BOTH
def test_nothing_is_sent_before_a_yes(name: str, server: TuningServer, run: Run) -> None:
    assert run.typed("n\n", name) == 2
    assert f"send 12 examples to {TITLES[name]} and tune {MODELS[name]} for about" in run.out
    assert "not confirmed: nothing was sent" in run.error
    assert run.typed("", name) == 2
    assert run(name, "") == 2
    assert not server.files
    assert run.typed("y\n", name) == 0
    assert server.jobs


def test_without_a_terminal_the_cost_is_confirmed_by_a_flag(
    server: TuningServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run("openai", "") == 2
    assert "nothing was sent, as there is no terminal; give --yes, and --budget-usd" in run.error
    assert not server.files


@BOTH
def test_a_budget_is_kept_before_anything_is_sent(
    name: str, server: TuningServer, run: Run
) -> None:
    assert run(name, "--yes --budget-usd .5 --usd-per-million 10000") == 2
    assert "our estimate is $ " in run.error
    assert "above --budget-usd 0.5: give fewer examples" in run.error
    assert not server.files
    assert run(name, "--yes --budget-usd .5") == 0, run.error


def test_prices_are_known_for_models_that_are_on_the_list() -> None:
    assert listed_price("openai", "gpt-4.1-mini-2025-04-14") == 5.0
    assert listed_price("openai", "gpt-4.1-2025-04-14") == 25.0
    assert listed_price("openai", "gpt-9") is None
    assert listed_price("together", "Qwen/Qwen2.5-7B-Instruct") == 0.48
    assert listed_price("together", "meta-llama/Llama-3.3-70B-Instruct-Reference") == 2.9
    assert listed_price("together", "Qwen/Qwen3-235B-A22B") is None
    assert listed_price("together", "moonshotai/Kimi-K2") is None


@BOTH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda all_: all_[3].pop(), "mine.jsonl, line 4: must end with the assistant's answer"),
        (lambda all_: all_[3].pop(1), "example 4: user and assistant do not take turns: system,"),
        (lambda all_: all_[3][1].update(content=" "), "example 4: the user's message is empty"),
    ],
)
def test_an_example_in_another_form_is_named(
    name: str, change: Any, message: str, server: TuningServer, run: Run, folder: Path
) -> None:
    examples = [example(n) for n in range(12)]
    change(examples)
    write_examples(folder / "mine.jsonl", examples)
    assert run(name) == 2
    assert message in run.error
    assert not server.files


@TOGETHER
def test_too_few_examples_are_counted_and_long_ones_left_out(
    server: TuningServer, run: Run, folder: Path
) -> None:
    long = [*example(0)[:2], {"role": "assistant", "content": "word " * 70_000}]
    write_examples(folder / "mine.jsonl", [*(example(n) for n in range(9)), long])
    assert run("openai") == 2
    assert "9 examples (1 are longer than 65,536 tokens): OpenAI wants 10 or more" in run.error
    assert not server.files
    assert run("together") == 0
    assert "1 examples longer than Together reads: left out" in run.out
    assert len(server.files["file-1"]) == 9


@BOTH
@pytest.mark.parametrize("missing", ["key", "model"])
def test_a_wrong_key_or_model_is_found_before_examples_are_made(
    name: str, missing: str, server: TuningServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"{name.upper()}_API_KEY"
    if missing == "key":
        monkeypatch.setenv(key, "sk-wrong-wrong-wrong")
        message = f"{TITLES[name]} refuses the key in {key}: Incorrect API key provided"
    else:
        monkeypatch.setitem(MODELS, name, "gpt-0")
        message = f"{TITLES[name]} does not have the model gpt-0: "
    assert run(name) == 2
    assert message in run.error
    assert len(run.error.splitlines()) == 1
    assert not server.files
    monkeypatch.delenv(key)
    assert run(name) == 2
    assert f"{TITLES[name]} needs a key: set {key} in the environment" in run.error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--mode sft --yes", "--yes: for sft with --provider openai or together"),
        ("--mode train --provider openai --model x", "--provider tunes by supervised examples"),
        ("--mode sft --provider together", "--provider together needs --model, one that it tunes"),
        ("--mode sft --provider openai --model x --minutes 5", "--start, --minutes and --rehearse"),
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


@TOGETHER
def test_together_tells_the_price_of_an_uploaded_file(server: TuningServer, run: Run) -> None:
    unknown = {"estimation_available": False, "unavailable_reason": "train_file_not_validated"}
    high = {"estimation_available": True, "estimated_total_price": 12.5}
    server.estimates = [unknown, unknown, high]
    assert run.typed("y\nn\n", "together") == 2
    assert "Together's estimate is $ 12.50: start the job?" in run.out
    assert "not confirmed: no job was started" in run.error
    assert (server.deleted, server.jobs) == (["file-1"], {})

    assert run("together", "--yes --budget-usd 5") == 2
    assert "Together's estimate is $ 12.50, above --budget-usd 5" in run.error
    assert (server.deleted, server.jobs) == (["file-1", "file-2"], {})

    server.estimates = [{**high, "allowed_to_proceed": False}]
    assert run("together") == 2
    assert "the account's credit is too small for a job of about $ 12.50" in run.error
    assert not server.jobs


@TOGETHER
def test_a_file_that_together_refuses_is_explained_and_deleted(
    server: TuningServer, run: Run, folder: Path
) -> None:
    server.estimates = [{"estimation_available": False, "unavailable_reason": "train_file_invalid"}]
    assert run("together") == 2
    assert "Together refuses the file of examples: line 1: no role" in run.error
    assert (server.deleted, server.jobs) == (["file-1"], {})
    assert not (folder / "grpo_checkpoints" / "together" / "job.json").exists()


# --- faults ---------------------------------------------------------------------------------------


@BOTH
def test_limits_cuts_and_failures_for_a_while_are_waited_for(
    name: str, server: TuningServer, run: Run
) -> None:
    job = f"{JOBS[name]}/{FIRST[name]}"
    limit = (429, {"error": {"message": "Rate limit reached"}}, {"retry-after": "0"})
    server.faults = {
        "POST /v1/files": [limit, "cut"],
        f"POST {JOBS[name]}": [(503, {"error": {"message": "overloaded"}})],
        f"GET {job}": ["cut", limit, (500, {}), "cut"],
        f"GET {job}/events": ["cut"],
    }
    assert run(name) == 0, run.error
    assert f"{TITLES[name]} limits the rate: again in 0.01 s" in run.out
    assert f"{TITLES[name]} does not answer: again in" in run.out
    assert f"{TITLES[name]} failed (503): again in" in run.out
    assert len(server.jobs) == 1


@BOTH
def test_a_job_whose_answer_was_lost_is_found_and_not_started_twice(
    name: str, server: TuningServer, run: Run
) -> None:
    server.faults = {f"POST {JOBS[name]}": ["lost"]}
    assert run(name) == 0, run.error
    assert list(server.jobs) == [FIRST[name]]


@TOGETHER
def test_another_job_with_the_same_file_is_not_taken_for_this_one(
    server: TuningServer, run: Run
) -> None:
    assert run("together") == 0
    assert run("together", "--yes --epochs 3 --checkpoints second") == 0
    assert "--model together/acme/Qwen3-8B-sql-memory-2 " in run.out
    assert [request["n_epochs"] for request in server.jobs.values()] == [1, 3]
    assert [request["training_file"] for request in server.jobs.values()] == ["file-1"] * 2
    # A price that is refused does not take the file from the others.
    server.estimates = [{"estimation_available": True, "estimated_total_price": 12.5}]
    assert run("together", "--yes --budget-usd 5 --checkpoints third") == 2
    assert not server.deleted


@BOTH
def test_a_provider_that_stays_away_leaves_the_job_to_be_resumed(
    name: str, server: TuningServer, run: Run
) -> None:
    server.faults = {f"GET {JOBS[name]}/{FIRST[name]}": ["cut"] * 9}
    assert run(name) == 2
    assert f"{TITLES[name]} cannot be reached" in run.error
    assert f"job {FIRST[name]} goes on at {TITLES[name]}" in run.error
    assert f"--provider {name} --resume follows it, --cancel ends it" in run.error
    assert run(name, "--resume") == 0, run.error
    assert len(server.jobs) == 1


@BOTH
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
def test_a_refusal_is_one_line(
    name: str, fault: Any, message: str, server: TuningServer, run: Run
) -> None:
    server.faults = {"POST /v1/files": [fault]}
    assert run(name) == 2
    assert run.error.startswith(f"error: {TITLES[name]} ")
    assert message in run.error
    assert len(run.error.splitlines()) == 1
    assert not server.jobs


@BOTH
def test_a_job_that_is_refused_leaves_nothing_behind(
    name: str, server: TuningServer, run: Run
) -> None:
    refusal = (403, {"error": {"message": "Fine-tuning is not open to this organization."}})
    server.faults = {f"POST {JOBS[name]}": [refusal]}
    assert run(name) == 2
    assert "to do that: Fine-tuning is not open to this organization." in run.error
    assert server.deleted == ["file-1"]
    assert run(name) == 0, run.error


@pytest.mark.parametrize(
    ("name", "last", "end"),
    [
        ("openai", "failed", FAILED),
        pytest.param("together", "error", FAILED, marks=TOGETHER),
        pytest.param("together", "user_error", FAILED, marks=TOGETHER),
        ("openai", "cancelled", "was cancelled: there is no tuned model"),
        pytest.param(
            "together", "cancelled", "was cancelled: there is no tuned model", marks=TOGETHER
        ),
    ],
)
def test_a_job_that_fails_gives_the_providers_reason(
    name: str, last: str, end: str, server: TuningServer, run: Run, folder: Path
) -> None:
    server.steps = ["queued", "running", last]
    assert run(name) == 2
    assert run.error == f"error: the job at {TITLES[name]} {end}\n"
    assert not (folder / "grpo_checkpoints" / name / "program.json").exists()


def test_a_key_in_a_providers_message_is_not_shown(server: TuningServer, run: Run) -> None:
    server.faults = {"POST /v1/files": [(400, {"error": {"message": f"Bad key {KEY}."}})]}
    assert run("openai") == 2
    assert "Bad key" in run.error
    assert KEY not in run.error


# --- Ctrl-C, --resume, --cancel -------------------------------------------------------------------


@BOTH
def test_ctrl_c_leaves_the_job_and_resume_follows_it(
    name: str, server: TuningServer, run: Run, folder: Path
) -> None:
    server.faults = {f"GET {JOBS[name]}/{FIRST[name]}": ["cut", "ctrl-c"]}
    assert run(name) == 2
    assert f"job {FIRST[name]} goes on at {TITLES[name]}: train.py --mode sft" in run.out
    assert "interrupted" in run.error
    record = json.loads((folder / "grpo_checkpoints" / name / "job.json").read_text())
    assert (record["job_id"], record["file_id"]) == (FIRST[name], "file-1")
    assert not any(request.endswith("/cancel") for request in server.asked)

    assert run(name) == 2  # not a second job by accident
    assert "holds the job of another tuning: --resume goes on with it" in run.error
    assert run(name, "--resume") == 0, run.error
    assert f"--model {name}/{TUNED[FIRST[name]]}" in run.out
    assert (len(server.files), len(server.jobs)) == (1, 1)
    assert run(name, "--resume") == 0  # and once more
    assert len(server.jobs) == 1


@BOTH
def test_ctrl_c_while_the_job_starts_loses_no_job(
    name: str, server: TuningServer, run: Run
) -> None:
    server.faults = {f"POST {JOBS[name]}": ["ctrl-c"]}
    assert run(name) == 2
    assert f"--resume starts it or finds it at {TITLES[name]}" in run.out
    assert run(name, "--resume --yes") == 0, run.error
    assert list(server.jobs) == [FIRST[name]]


@BOTH
def test_cancel_ends_the_job(name: str, server: TuningServer, run: Run) -> None:
    server.faults = {f"GET {JOBS[name]}/{FIRST[name]}": ["ctrl-c"]}
    assert run(name, "--yes --checkpoints mine") == 2
    assert f"--provider {name} --checkpoints mine --resume follows it" in run.out
    assert run(name, "--cancel --checkpoints mine") == 0, run.error
    assert f"job {FIRST[name]} is cancelled; {TITLES[name]} bills what was done" in run.out
    assert f"POST {JOBS[name]}/{FIRST[name]}/cancel" in server.asked
    assert run(name, "--resume --checkpoints mine") == 2
    assert "was cancelled: there is no tuned model" in run.error


@pytest.mark.parametrize("flag", ["--resume", "--cancel"])
def test_without_a_job_there_is_nothing_to_resume(
    flag: str, server: TuningServer, run: Run
) -> None:
    assert run("openai", flag) == 2
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
@BOTH
def test_bootstrap_finetune_tunes_ask_memory_at_a_provider(
    name: str, server: TuningServer, questions: list[dspy.Example]
) -> None:
    provider = provider_of(name, Console(file=io.StringIO()))
    prefix = {"openai": "openai/", "together": "together_ai/"}[name]
    lm = dspy.LM(
        prefix + MODELS[name], provider=provider, cache=False, api_base=server.url, api_key=KEY
    )
    student = AskMemory()
    student.set_lm(lm)
    optimizer = dspy.BootstrapFinetune(
        metric=lambda gold, pred, trace=None: gold.answer == pred.answer,
        num_threads=1,
        train_kwargs={"n_epochs": 2},
    )
    tuned = optimizer.compile(student, trainset=questions)
    [request] = server.jobs.values()
    assert (request["model"], request["n_epochs"] if name == "together" else 2) == (MODELS[name], 2)
    [lines] = server.files.values()
    assert len(lines) >= 12
    models = {predictor.lm.model for _, predictor in tuned.named_predictors()}
    assert models == {prefix + TUNED[FIRST[name]]}
    server.asked.clear()
    assert tuned(question="Where is the thing 3?", memory="ann").answer == "attic"
    assert any(request.endswith(f" {TUNED[FIRST[name]]}") for request in server.asked)


@pytest.fixture
def tracked(tmp_path: Path, tracking_database: Path) -> str:
    """The MLflow database of a slow test."""
    return shutil.copy(tracking_database, tmp_path / "mlflow.db")


@pytest.mark.slow
@BOTH
def test_a_tuned_model_is_evaluated_by_its_name(
    name: str,
    server: TuningServer,
    questions: list[dspy.Example],
    run: Run,
    folder: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    track(evaluating, request, monkeypatch)
    assert run(name) == 0, run.error
    _, _, advice = run.out.partition("use it: uv run evaluate.py ")
    houses(folder / "houses.json")
    server.asked.clear()
    line = f"{advice.splitlines()[0]} --data houses.json --num-test 2 --num-threads 1"
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *line.split()])
    with pytest.raises(SystemExit) as ended:
        run_command(evaluate.app)
    output = capsys.readouterr()
    assert not ended.value.code, output.err
    assert {request.partition("completions ")[2] for request in server.asked} == {
        TUNED[FIRST[name]]
    }


@TOGETHER
def test_a_failed_job_is_an_error_of_dspys_too(server: TuningServer) -> None:
    server.steps = ["queued", "error"]
    provider = provider_of("together", Console(file=io.StringIO()))
    lm = dspy.LM(f"together_ai/{TOGETHER_MODEL}", provider=provider)
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
    assert load_model(f"together/{TOGETHER_MODEL}").name == f"together_ai/{TOGETHER_MODEL}"
    with pytest.raises(ModelError, match="needs a key: set TOGETHER_API_KEY"):
        refuse_unreachable(f"together/{TOGETHER_MODEL}")
