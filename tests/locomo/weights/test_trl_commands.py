"""What TRL and vLLM are started with, and what is checked before."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locomo.weights import trl_commands
from locomo.weights.arbor_client import Gpu, ModelInfo
from locomo.weights.grpo import GrpoSettings
from locomo.weights.options import TrainOptions
from locomo.weights.preflight import Check
from locomo.weights.trl_commands import (
    Machine,
    Ports,
    check_before,
    comparison_command,
    read_gpus,
    server_command,
    trainer_arguments,
    trainer_command,
)
from memory import InputError
from tests.support.talk import talk, talks

GB = 10**9
SETTINGS = GrpoSettings(inference_gpus=(0,), training_gpus=(1, 2))
PORTS = Ports(server=8000, weights=51216, processes=29500)
MODEL = ModelInfo(
    name="Qwen/Qwen2.5-3B", parameters=3_085_938_688, context=32_768, chat_template=True
)
VERSIONS = {"trl": "1.16.0", "vllm": "0.23.0+cu129"}


def gpu(number: int, free: int = 80) -> Gpu:
    return Gpu(id=number, name="H100", memory_total=80 * GB, memory_free=free * GB, utilization=0.0)


def test_the_server_answers_on_its_gpus_and_takes_new_weights() -> None:
    command = server_command("Qwen/Qwen2.5-3B", replace(SETTINGS, inference_gpus=(0, 3)), 8000)
    line = str(command)
    assert command.words[:5] == [
        *(sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", "Qwen/Qwen2.5-3B")
    ]
    assert line.startswith("CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0,3 VLLM_SERVER_DEV")
    for part in (
        *("--host 127.0.0.1", "--tensor-parallel-size 2", "--dtype bfloat16"),
        *("--max-model-len 4608", "--logprobs-mode processed_logprobs", "--max-logprobs -1"),
    ):
        assert part in line
    transfer = command.words[command.words.index("--weight-transfer-config") + 1]
    assert json.loads(transfer) == {"backend": "nccl"}


def test_the_servers_flags_are_those_that_trl_gives() -> None:
    pytest.importorskip("trl", reason="the extra is not installed: uv sync --extra tune")
    from trl.scripts.vllm_serve import ScriptArguments, build_command

    theirs = build_command(ScriptArguments(model="m"))
    ours = server_command("m", SETTINGS, 8000).words
    for flag in ("--weight-transfer-config", "--logprobs-mode", "--max-logprobs"):
        assert ours[ours.index(flag) + 1] == theirs[theirs.index(flag) + 1], flag


def test_a_process_trains_on_each_training_gpu() -> None:
    one = trainer_command(Path("job.json"), (1,), 1, 29500)
    assert one.words == [sys.executable, "-m", "locomo.weights.trl_worker", "job.json"]
    assert one.environment["CUDA_VISIBLE_DEVICES"] == "1"
    two = str(trainer_command(Path("job.json"), (1, 2), 2, 29500))
    assert "CUDA_VISIBLE_DEVICES=1,2" in two
    assert "accelerate.commands.launch --num_processes 2 --num_machines 1" in two
    assert "--multi_gpu" in two
    assert "--cpu" in str(trainer_command(Path("job.json"), (), 2, 29500))


def test_both_adapters_are_served_to_compare_them() -> None:
    plain = str(comparison_command("m", {"tuned": Path("/x/step-500")}, SETTINGS, 8000))
    assert "--served-model-name arbor:start --enable-lora --max-lora-rank 64" in plain
    assert "--lora-modules arbor:tuned=/x/step-500" in plain
    adapters = {"start": Path("/x/sft"), "tuned": Path("/x/step-500")}
    both = str(comparison_command("m", adapters, SETTINGS, 8000))
    assert "--served-model-name arbor:base" in both
    assert "--lora-modules arbor:start=/x/sft arbor:tuned=/x/step-500" in both


def arguments(ports: Ports | None = PORTS) -> dict[str, Any]:
    return trainer_arguments(SETTINGS, folder=Path("out"), checkpoint_steps=50, seed=0, ports=ports)


def test_every_setting_of_arbor_reaches_trl() -> None:
    given, to_arbor = arguments(), SETTINGS.train_kwargs()
    same = ("beta", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate")
    same += ("lr_scheduler_type", "warmup_steps", "gradient_checkpointing", "bf16", "temperature")
    for name in (*same, "max_completion_length", "top_p", "repetition_penalty"):
        assert given[name] == to_arbor[name], name
    assert (given["num_generations"], given["max_steps"], given["save_steps"]) == (8, 500, 50)
    assert given["scale_rewards"] == "none"
    assert (given["use_vllm"], given["vllm_mode"]) == (True, "server")
    assert given["vllm_server_base_url"] == "http://127.0.0.1:8000"
    assert given["vllm_group_port"] == 51216
    on_cpu = arguments(None)
    assert "use_vllm" not in on_cpu
    assert on_cpu["use_cpu"]


def test_trl_takes_the_arguments(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the extra is not installed: uv sync --extra tune")
    from trl import GRPOConfig

    names = {field.name for field in GRPOConfig.__dataclass_fields__.values()}
    assert set(arguments()) <= names
    config = GRPOConfig(**{**arguments(None), "output_dir": str(tmp_path)})
    assert (config.beta, config.num_generations, config.max_steps) == (0.04, 8, 500)


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., dict[str, Check]]:
    """The checks by name, of a run on three GPUs in which all is well but for the changes."""
    data = talks(tmp_path / "data.json", talk("one"), talk("two"), talk("three"))

    def check(machine: dict[str, Any] | None = None, **changes: Any) -> dict[str, Check]:
        usual = {"versions": VERSIONS, "gpus": [gpu(0), gpu(1), gpu(2)], "disk_free": 100 * GB}
        plain: dict[str, Any] = {"engine": "trl", "model": MODEL.name, "data": data}
        plain |= {"training_gpus": "1,2", "num_train": 3, "num_val": 3}
        options = TrainOptions(**plain, **{"checkpoints": tmp_path / "out", **changes})
        checks = check_before(options, Machine(**{**usual, **(machine or {})}), lambda _: MODEL)
        return {check.name: check for check in checks}

    return check


@pytest.mark.parametrize(
    ("machine", "name", "remedy"),
    [
        ({"versions": {"trl": "1.16.0"}}, "vllm", 'uv pip install "vllm>=0.22,<0.32"'),
        ({"versions": {**VERSIONS, "vllm": "0.9.2"}}, "vllm", "uv pip install"),
        ({"versions": {}}, "trl", "uv sync --extra tune"),
        ({"gpus": []}, "GPUs", "take a server with 2 GPUs or more, or --rehearse"),
        ({"gpus": [gpu(0), gpu(1)]}, "GPUs", "there is no GPU 2"),
        ({"gpus": [gpu(0, 30), gpu(1), gpu(2)]}, "GPUs free", "end what fills GPU 0"),
        ({"disk_free": GB}, "disk", "free some"),
    ],
)
def test_what_is_missing_is_said_before_the_run(
    checked: Callable[..., dict[str, Check]], machine: dict[str, Any], name: str, remedy: str
) -> None:
    failed = {check.name: check.remedy for check in checked(machine).values() if check.remedy}
    assert remedy in failed[name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "refine", "model": "Qwen/Qwen2.5-3B"}, "take --engine arbor, or verl"),
        ({"model": "local"}, "add --rehearse for local"),
    ],
)
def test_what_trl_cannot_train_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainOptions(engine="trl", **options).check()


def test_gpus_are_read_from_nvidia_smi(tmp_path: Path) -> None:
    assert read_gpus("no-such-program") == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, NVIDIA H100 80GB HBM3, 81559, 81000, 3'\n")
    tool.chmod(0o755)
    [found] = read_gpus(str(tool))
    assert (found.id, found.name) == (0, "NVIDIA H100 80GB HBM3")
    assert (found.memory_total, found.utilization) == (81559 * 2**20, 0.03)
    tool.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    with pytest.raises(InputError, match="nvidia-smi fails"):
        read_gpus(str(tool))


def test_ports_are_free_and_differ() -> None:
    ports = trl_commands.free_ports()
    assert len({ports.server, ports.weights, ports.processes}) == 3
