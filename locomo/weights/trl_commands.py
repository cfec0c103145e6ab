"""GRPO by TRL with vLLM in server mode: its two commands, their GPUs, and the checks before a run.

vLLM answers on some GPUs (`--inference-gpus`); TRL's processes, one for each of `--training-gpus`,
train on the others and send the changed weights over.
"""

import csv
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.version import Version

from locomo.weights.arbor_client import Gpu, ModelInfo
from locomo.weights.grpo import GrpoSettings
from locomo.weights.options import TrainOptions
from locomo.weights.preflight import (
    Check,
    check_gpus_free,
    check_gpus_there,
    check_model,
    check_run,
)
from locomo.weights.trainee import SERVED
from memory import InputError, Stop

POLICY = "policy"  # the name under which vLLM serves the model that is trained
# What TRL 1.16 says that it works with (trl/import_utils.py), and the versions of our extra.
VERSIONS = {"trl": ("1.16", "1.17"), "vllm": ("0.22", "0.32")}
# The weights go over NCCL, from the trainer's first process to vLLM's workers.
_WEIGHT_TRANSFER = {"backend": "nccl"}
_MIB = 2**20
_ROOT = Path(__file__).parents[2]
KEY = "SQL_MEMORY_TRAINER_KEY"  # of the environment: lets the processes of TRL ask train.py


@dataclass(frozen=True)
class Command:
    """A command line with what is added to its environment."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*settings, shlex.join(self.words)])


@dataclass(frozen=True)
class Ports:
    """Free ports of this machine: vLLM's, its weight transfer's, and that of TRL's processes."""

    server: int
    weights: int
    processes: int

    @property
    def address(self) -> str:
        """Where vLLM is asked."""
        return f"http://127.0.0.1:{self.server}"


@dataclass(frozen=True)
class Machine:
    """This machine: versions of installed packages by name, its GPUs, free disk in bytes."""

    versions: Mapping[str, str]
    gpus: Sequence[Gpu]
    disk_free: int


# --- the commands -----------------------------------------------------------------------------


def server_command(model: str, settings: GrpoSettings, port: int) -> Command:
    """vLLM's server of a model whose weights TRL changes (trl/scripts/vllm_serve.py)."""
    words = [
        *vllm_serve(model, settings, port),
        *("--served-model-name", SERVED.removeprefix("openai/") + POLICY),
        *("--weight-transfer-config", json.dumps(_WEIGHT_TRANSFER)),
        # So that the answers' probabilities are those at the temperature they were drawn with.
        *("--logprobs-mode", "processed_logprobs"),
        *("--max-logprobs", "-1"),
    ]
    # vLLM takes new weights in its development mode only.
    return Command(words, _environment(settings.inference_gpus, VLLM_SERVER_DEV_MODE="1"))


def comparison_command(
    model: str, adapters: Mapping[str, Path], settings: GrpoSettings, port: int
) -> Command:
    """vLLM's server of a model with LoRA adapters, by their names; without one of the name "start"
    that is the model as it comes."""
    prefix = SERVED.removeprefix("openai/")
    modules = [f"{prefix}{name}={folder.absolute()}" for name, folder in adapters.items()]
    words = [
        *vllm_serve(model, settings, port),
        *("--served-model-name", f"{prefix}{'base' if 'start' in adapters else 'start'}"),
        *("--enable-lora", "--max-lora-rank", str(settings.lora_rank)),
        *("--lora-modules", *modules),
    ]
    return Command(words, _environment(settings.inference_gpus))


def vllm_serve(model: str, settings: GrpoSettings, port: int) -> list[str]:
    """The beginning of both: who may ask is this machine, and no prompt is longer than trained."""
    return [
        *(sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", model),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--tensor-parallel-size", str(len(settings.inference_gpus))),
        *("--dtype", "bfloat16" if settings.bf16 else "auto"),
        *("--max-model-len", str(settings.context)),
    ]


def trainer_command(job: Path, gpus: Sequence[int], processes: int, port: int) -> Command:
    """TRL's processes, one for each GPU; without a GPU on the CPU."""
    module = ["-m", "locomo.weights.trl_worker", str(job)]
    if processes == 1:
        words = [sys.executable, *module]
    else:
        words = [
            *(sys.executable, "-m", "accelerate.commands.launch"),
            *("--num_processes", str(processes), "--num_machines", "1"),
            *("--main_process_port", str(port)),
            *("--mixed_precision", "no", "--dynamo_backend", "no"),
            *(["--multi_gpu"] if gpus else ["--cpu"]),
            *module,
        ]
    # Where train.py runs from a clone, only its own folder is on the path, not its processes'.
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return Command(words, _environment(gpus, PYTHONPATH=path))


def trainer_arguments(
    settings: GrpoSettings, *, folder: Path, checkpoint_steps: int, seed: int, ports: Ports | None
) -> dict[str, object]:
    """What reaches TRL's GRPOConfig; without `ports` TRL draws the answers itself, on the CPU."""
    served: dict[str, object] = {
        "bf16": False,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "gradient_checkpointing": False,
    }
    if ports:
        served = {
            "bf16": settings.bf16,
            "gradient_checkpointing": True,
            "gradient_checkpointing_kwargs": {"use_reentrant": False},
            "use_vllm": True,
            "vllm_mode": "server",
            "vllm_server_base_url": ports.address,
            "vllm_group_port": ports.weights,
            # The other processes wait while the first has the held-out examples measured.
            "ddp_timeout": 6 * 3600,
        }
    return {
        **settings.trl_arguments(),
        "output_dir": str(folder),
        "save_steps": checkpoint_steps,
        "save_total_limit": 2,
        "seed": seed,
        "shuffle_dataset": False,  # the prompts have the order of the plan's seed
        "report_to": "none",
        "disable_tqdm": True,
        **served,
    }


def _environment(gpus: Sequence[int], **more: str) -> dict[str, str]:
    # By default CUDA numbers the fastest GPU first, unlike nvidia-smi.
    visible = ",".join(map(str, gpus))
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible, **more}


def free_ports() -> Ports:
    """Three ports that no program of this machine has."""
    with socket.socket() as a, socket.socket() as b, socket.socket() as c:
        for each in (a, b, c):
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in (a, b, c)))


# --- the checks -------------------------------------------------------------------------------


def check_before(
    options: TrainOptions, machine: Machine, find_model: Callable[[str], ModelInfo]
) -> list[Check]:
    """Check everything that can be checked without loading a model; a failure hides no other.

    `find_model` raises a `Stop` for a model that cannot be had.
    """
    settings = options.settings()
    checks = [_check_version(name, machine.versions) for name in VERSIONS]
    checks += check_gpus_there(settings, machine.gpus)
    checks += check_gpus_free(settings, machine.gpus, processes=())
    try:
        model = find_model(options.student)
        checks += check_model(settings, model, machine.disk_free, where="the model cache")
    except Stop as error:
        checks.append(Check("model", "not found", remedy=str(error)))
    return [*checks, *check_run(options)]


def _check_version(name: str, versions: Mapping[str, str]) -> Check:
    first, end = VERSIONS[name]
    installed = versions.get(name, "")
    good = bool(installed) and Version(first) <= Version(Version(installed).base_version) < Version(
        end
    )
    finding = f"{installed or 'not installed'}, needed {first} to below {end}"
    command = "uv sync --extra tune"
    if name == "vllm":
        command = f'uv pip install "vllm>={first},<{end}", then uv run --no-sync train.py'
    return Check(name, finding, remedy="" if good else command)


def this_machine(folder: Path) -> Machine:
    """What is installed here, and the GPUs as nvidia-smi lists them; none without it."""
    versions = {}
    for name in VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return Machine(versions, gpus=read_gpus(), disk_free=shutil.disk_usage(folder).free)


def read_gpus(command: str = "nvidia-smi") -> list[Gpu]:
    """The GPUs of this machine. Raises InputError where nvidia-smi fails."""
    if shutil.which(command) is None:
        return []
    query = "--query-gpu=index,name,memory.total,memory.free,utilization.gpu"
    asked = subprocess.run(
        [command, query, "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if asked.returncode:
        reason = (asked.stdout + asked.stderr).strip().splitlines()
        raise InputError(f"nvidia-smi fails ({reason[-1] if reason else 'it says nothing'})")
    return [
        Gpu(
            id=int(index),
            name=name,
            memory_total=int(total) * _MIB,
            memory_free=int(free) * _MIB,
            utilization=float(use) / 100 if use.strip().isdigit() else 0.0,
        )
        for index, name, total, free, use in csv.reader(
            asked.stdout.splitlines(), skipinitialspace=True
        )
    ]
