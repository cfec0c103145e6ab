"""train.py as it is used: a run against a server, a comparison, examples, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import yaml

import train
from locomo.commands import run_command
from locomo.scripts import train as training
from locomo.weights import comparison, launch, supervised
from memory import MemoryProgram, load_model, load_program
from memory.models import packaged_gguf, read_card
from memory.program import Card, save_program
from tests.locomo.weights.test_training import Learner
from tests.support.arbor_server import ArborServer, arbor_server
from tests.support.gguf_adapter import adapter
from tests.support.obedient import houses, obedient
from tests.support.talk import talk, talks
from tests.support.tracking import track

APP = train.app
QWEN = "Qwen/Qwen2.5-3B"
PLAIN = Card(
    model="local",
    optimizer="simba",
    target="answer",
    metric={},
    data="",
    conversations={},
    scores={},
    verdict="no gain",
    made_at="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with two houses as data; the helper is the obedient model."""
    monkeypatch.chdir(tmp_path)
    for key in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(key)
    monkeypatch.delenv("ARBOR_TOKEN", raising=False)
    # Named: a place that MLflow is left to choose stays its place in all later tests.
    track(training, request, monkeypatch)
    for module in (launch, comparison, supervised):
        monkeypatch.setattr(module, "load_helper", lambda *names, **named: obedient()[0])
    monkeypatch.setattr(training.console, "_width", 200)
    monkeypatch.setattr(launch, "ARBOR_YAML", tmp_path / "arbor.yaml")
    houses(tmp_path / "houses.json")
    return tmp_path


@pytest.fixture
def server() -> Iterator[ArborServer]:
    with arbor_server(answer=Learner()) as server:
        yield server


def command(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["train.py", *line.split()])
    with pytest.raises(SystemExit) as ended:
        run_command(APP)
    return int(ended.value.code or 0)


TRAIN = "--data houses.json --num-train-steps 4 --rollouts 8 --num-val 2 --num-threads 4"


@pytest.mark.slow
def test_a_run_leaves_checkpoints_a_program_and_numbers_on_record(
    folder: Path,
    server: ArborServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(f"{TRAIN} --server {server.url}", monkeypatch) == 0
    output = capsys.readouterr().out
    assert "4 steps: reward" in output
    assert "of it what the trained module can change" in output
    assert "grpo_checkpoints/step-4 was measured on one or two conversations" in output
    assert "use it:" not in output
    assert "process 101: training on GPU 1" in output
    assert (folder / "grpo_checkpoints" / "step-4" / "adapter_model.safetensors").exists()
    card = load_program(folder / "grpo_optimized_memory_qa.json").card
    assert card is not None
    assert (card.optimizer, card.model) == ("grpo", "grpo_checkpoints/step-4")
    assert not set(card.conversations["train"]) & set(card.conversations["validation"])
    import mlflow

    [run] = mlflow.search_runs(experiment_names=["train"], output_format="list")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "trainer/kl")
    assert [metric.step for metric in history] == [2, 3, 4] or len(history) == 4
    assert {"component/answer", "valid_sql", "gpu", "trainer/completion_length"} <= set(
        run.data.metrics
    )
    assert {"difference/answer all before", "difference/answer all low", "held_out/answer"} <= set(
        run.data.metrics
    )
    assert run.data.tags["verdict"] == "too few conversations"
    artifacts = mlflow.MlflowClient().list_artifacts(run.info.run_id)
    assert {a.path for a in artifacts} == {
        *("steps.jsonl", "held_out.jsonl", "gains.csv", "run.json")
    }
    assert "too few conversations" in run.info.run_name
    assert command(f"{TRAIN} --server {server.url} --resume", monkeypatch) == 2
    assert "all 4 steps are done" in capsys.readouterr().err
    assert command(f"{TRAIN} --server {server.url} --resume --seed 1", monkeypatch) == 2
    assert "grpo_checkpoints holds another run" in capsys.readouterr().err
    more = TRAIN.replace("steps 4", "steps 5")
    assert command(f"{more} --server {server.url} --resume", monkeypatch) == 0
    first, *_, last = server.bodies("initialize")
    assert last["model"] == first["model"]
    assert last["trainer_config"]["resume_from_checkpoint"] == "/d/checkpoint_final"
    assert "going on after step 4 with its optimizer's moments" in capsys.readouterr().out
    assert len((folder / "grpo_checkpoints" / "steps.jsonl").read_text().splitlines()) == 5


@pytest.mark.slow
def test_served_weights_are_compared_with_their_start(
    folder: Path,
    server: ArborServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(f"{TRAIN} --server {server.url}", monkeypatch) == 0
    before = len(server.bodies("chat"))
    line = f"--mode evaluate --num-test 3 --data houses.json --server {server.url}"
    assert command(line, monkeypatch) == 0
    models = [body["model"] for body in server.bodies("chat")[before:]]
    assert set(models) == {f"arbor:{QWEN}", "arbor:/d/checkpoint_final"}
    assert len(server.bodies("kill")) == 2
    assert "answer, all 3 questions" in capsys.readouterr().out
    import mlflow

    runs = mlflow.search_runs(experiment_names=["train"], output_format="list")
    name = "comparison: step-4, answer, houses.json: too few conversations"
    compared = next(run for run in runs if run.info.run_name.startswith(name))
    assert "difference/answer all low" in compared.data.metrics
    assert compared.data.tags["verdict"] == "too few conversations"


def test_examples_are_written_for_the_packaged_student(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("--mode distill --data houses.json --num-train 4", monkeypatch) == 0
    lines = (folder / "sft_examples.jsonl").read_text().splitlines()
    prompts = [json.loads(line)["messages"] for line in lines]
    assert {tuple(message["role"] for message in messages) for messages in prompts} == {
        ("system", "user", "assistant")
    }


def test_a_lora_is_tuned_on_gold_conversations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training.console, "_width", 200)
    gold = {"rows": {"D1:1": {"facts": [{"row": "Ann | moved to | Lyon", "words": ["Lyon"]}]}}}
    talks(tmp_path / "mine.json", {**talk("a"), **gold}, {**talk("b"), **gold})
    line = "--mode sft --target all --num-train 2 --minutes 0.001"  # one step
    assert command(f"{line} --data {tmp_path}/mine.json", monkeypatch) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "2 answer, 2 store examples of 1 conversations; held out: 1" in output
    assert "no gold for retrieve" in output
    tuned = tmp_path / "grpo_checkpoints" / "sft"
    assert {path.name for path in tuned.iterdir()} == {
        *("adapter.json", "adapter.gguf", "adapter_config.json", "adapter_model.safetensors"),
        *("examples.jsonl", "examples.card.json"),
    }
    card = read_card(tuned)
    assert (card.targets, card.examples) == (["answer", "store"], {"store": 2, "answer": 2})
    assert card.command == f"train.py {line} --data mine.json"
    assert card.data == sha256((tmp_path / "mine.json").read_bytes()).hexdigest()
    assert load_model("local-base", adapter=tuned).size == "small"
    assert command(f"{line} --data mine.json --resume", monkeypatch) == 2
    assert "leave --resume out" in capsys.readouterr().err
    (tuned / "checkpoint").mkdir()
    before = {path.name: path.stat().st_mtime_ns for path in tuned.iterdir()}
    assert command(f"{line} --data mine.json --seed 1", monkeypatch) == 2
    assert "--resume" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in tuned.iterdir()} == before


def test_a_models_file_is_tuned_to_store_in_its_own_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training.console, "_width", 300)
    moved = {"row": "Ann | moved to | Lyon", "words": ["Lyon"]}
    of_bo = {"row": "Bo | lives in | Lyon", "words": ["Lyon"]}  # the turn has no such row
    gold = {"rows": {"D1:1": {"facts": [moved, of_bo]}}}
    talks(tmp_path / "mine.json", {**talk("a"), **gold}, {**talk("b"), **gold})
    name = f"gguf:{packaged_gguf()}"
    line = "--mode sft --target store --minutes 0.001 --data mine.json"
    assert command(f"{line} --model {name}", monkeypatch) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "2 store examples of 1 conversations" in output
    assert "1 gold facts" in output
    tuned = tmp_path / "grpo_checkpoints" / "sft"
    assert "use it: uv run python -m locomo.rows mine.json --out rows.jsonl" in output
    examples = map(json.loads, (tuned / "examples.jsonl").read_text().splitlines())
    written = {example["messages"][-1]["content"] for example in examples}
    assert written == {"Ann | moved to | Lyon last Saturday", "none"}
    assert load_model(name, adapter=tuned).weights["store"] != name
    assert command("--mode sft --target retrieve --data mine.json --checkpoints more"
                   f" --model {name}", monkeypatch) == 2  # fmt: skip
    assert "no question has gold SELECTs" in capsys.readouterr().err


def test_the_flags_are_written_where_a_server_reads_its_gpus(
    folder: Path, server: ArborServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"--mode check --data houses.json --server {server.url}"
    yaml_file = folder / "arbor.yaml"
    assert command(line, monkeypatch) == 0
    roles = {"inference": {"gpu_ids": "0"}, "training": {"gpu_ids": "1,2"}}
    everything = {"storage_path": "~/.arbor/storage", **roles}
    assert yaml.safe_load(yaml_file.read_text()) == everything  # all it needs
    mine = "# mine\n" + yaml.safe_dump({**everything, "storage_path": "/disk"})
    yaml_file.write_text(mine)
    assert command(line, monkeypatch) == 0
    assert yaml_file.read_text() == mine  # it says so already
    assert command(f"{line} --training-gpus 1", monkeypatch) == 2  # not as the server was started
    written = yaml.safe_load(yaml_file.read_text())
    assert written == {**everything, "storage_path": "/disk", "training": {"gpu_ids": "1"}}


@pytest.mark.parametrize("text", ["{", "a list", "\x00"])
def test_a_file_that_is_no_arbor_yaml_is_not_written_over(
    text: str,
    folder: Path,
    server: ArborServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "arbor.yaml").write_text(text)
    line = f"--mode check --data houses.json --server {server.url}"
    assert command(line, monkeypatch) == 2
    assert "delete it" in " ".join(capsys.readouterr().err.split())
    assert (folder / "arbor.yaml").read_text() == text


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--inference-gpus 0 --training-gpus 0", "GPU 0 cannot serve answers and train"),
        ("--inference-gpus 0,1 --training-gpus 1,2", "GPU 1 cannot serve"),
        ("--inference-gpus first", "names no GPUs"),
        ("--training-gpus 1,7", "7"),
        ("--rollouts 5", "group of 5"),
        ("--data nowhere.json", "nowhere.json"),
        ("--model Nobody/Nothing", "Nobody/Nothing"),
        ("--checkpoints houses.json", "houses.json is a file"),
    ],
    ids=lambda value: value.replace(" ", "_") if value.startswith("--") else "",
)
@pytest.mark.parametrize("mode", ["check", "train"])
def test_what_cannot_work_is_refused_before_a_gpu_minute_is_spent(
    folder: Path,
    server: ArborServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    line: str,
    message: str,
) -> None:
    data = "" if "--data" in line else "--data houses.json"
    assert command(f"--mode {mode} {data} --server {server.url} {line}", monkeypatch) == 2
    assert message in capsys.readouterr().err
    assert server.bodies("initialize") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--server http://127.0.0.1:9/v1", "nothing listens at http://127.0.0.1:9/v1/"),
        ("--mode sft --examples none.jsonl", "none.card.json"),
        ("--mode evaluate", "grpo_optimized_memory_qa.json"),
        ("--mode evaluate --output plain.json", "names no tuned weights"),
        ("--rehearse --model Qwen/Qwen2.5-3B", "leave --model out"),
        ("--mode distill --data one.json", "cannot be split"),
        ("--reward gated --target answer", "--reward gated is for"),
        ("--reward gated --target all", "--reward gated is for"),
        ("--reward gated --target sql", "--reward gated is for"),
        ("--target retrieve,store", "'retrieve,store' is not one of"),
        ("--output .", "is a folder"),
        ("--output plain.json/x.json", "plain.json is a file"),
        ("--output-dir plain.json", "plain.json is a file"),
        ("--checkpoints used", "used holds another run"),
        ("--rehearse --checkpoints used", "used holds another run"),
        ("--rehearse --data two.json --start other", "tuned on a, which --seed 0 measures"),
        ("--mode evaluate --model tuned --data two.json --start other", "every conversation"),
    ],
)
def test_what_is_missing_is_named(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    message: str,
) -> None:
    talks(folder / "one.json", talk("a"))
    talks(folder / "two.json", talk("a"), talk("b"))
    adapter(folder / "tuned", "answer", conversations=["b"])
    adapter(folder / "other", "answer", conversations=["a"])
    (folder / "used").mkdir()
    (folder / "used" / "run.json").write_text("{}")
    save_program(MemoryProgram(), folder / "plain.json", PLAIN)
    for module in (launch, supervised):
        monkeypatch.setattr(module, "check_tuning", lambda: None)
    assert command(line, monkeypatch) == 2
    error: Any = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_whatever_ends_it_the_server_is_free_at_once(folder: Path) -> None:
    number = signal.SIGTERM
    line = f"{TRAIN} --target store --num-val 0".split()
    with arbor_server(answer=Learner()) as server:
        run = [sys.executable, train.__file__, *line, "--server", server.url]
        with subprocess.Popen(run, stdout=PIPE, stderr=PIPE, text=True) as process:
            while process.poll() is None and not server.bodies("chat"):
                time.sleep(0.05)
            time.sleep(0.5)  # now the packaged model answers sixteen questions eight times over
            process.send_signal(number)
            output, error = process.communicate(timeout=120)
        assert server.status == "cancelled"
    assert (process.returncode, error) == (2, f"interrupted: {train.INTERRUPTED}\n")
    assert "INFO" not in output


@pytest.mark.slow
def test_a_checkpoints_card_names_what_it_was_trained_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = adapter(folder / "tuned", "answer", "store", conversations=["elsewhere"])
    files = {path.name: path.read_bytes() for path in tuned.iterdir()}
    files["adapter_config.json"] = b"{}"
    with arbor_server(answer=Learner(), adapter=files) as server:
        assert command(f"{TRAIN} --num-val 0 --server {server.url}", monkeypatch) == 0
    card = read_card(folder / "grpo_checkpoints" / "step-4")
    assert card.targets == ["answer"]
    assert card.conversations[0] == "elsewhere"
    assert len(card.conversations) == 2
