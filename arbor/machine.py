"""The GPUs and the processes of this machine, as the driver and the system report them."""

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from patched import StartError

BUSY = 0.1  # share of a GPU's memory: vllm needs nine tenths of it
TAIL = 15  # lines of a log in an error
# What torch and vllm write into their logs when a GPU has no memory left.
OUT_OF_MEMORY = ("CUDA out of memory", "OutOfMemoryError", "No available memory for the cache")
_SEARCHED = 400  # last lines of a log, which hold the tracebacks of all ranks


@dataclass(frozen=True)
class GpuSplit:
    """GPU ids, numbered as in nvidia-smi, by role."""

    inference: tuple[int, ...]
    training: tuple[int, ...]


def gpus() -> list[dict[str, Any]]:
    """The GPUs as in nvidia-smi; memory in bytes, `pids` of computing processes.

    Raises StartError without a driver.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError as error:
        raise StartError("nvidia-ml-py is not installed: run startup.sh") from error
    try:
        nvml.nvmlInit()
        return [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        raise StartError(f"no GPU can be asked ({error}): does nvidia-smi work?") from error


def _gpu(nvml: Any, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name = nvml.nvmlDeviceGetName(handle)  # bytes in older versions of the library
    return {
        "id": index,
        "name": name.decode() if isinstance(name, bytes) else name,
        "memory_total": memory.total,
        "memory_free": memory.free,
        "utilization": nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        "pids": [process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)],
    }


def processes() -> list[dict[str, Any]]:
    """This server's workers, each with its GPUs by the driver, else by its environment."""
    # The driver comes first: it knows where a process is, not where it should be.
    driver_gpus: dict[int, list[int]] = {}
    with suppress(StartError):
        for gpu in gpus():
            for pid in gpu["pids"]:
                driver_gpus.setdefault(pid, []).append(gpu["id"])

    workers: list[dict[str, Any]] = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it ended in the meantime
            if role := _role(child.cmdline()):
                for process in (child, *child.children(recursive=True)):
                    ids = driver_gpus.get(process.pid) or _visible_gpus(process.environ())
                    workers.append({"pid": process.pid, "role": role, "gpus": ids})
    return workers


def _role(command: list[str]) -> str | None:
    if any("vllm_serve" in part for part in command):
        return "inference"
    return "training" if "--command_port" in command else None


def _visible_gpus(environ: Mapping[str, str]) -> list[int]:
    visible = environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    ids = [int(id_) for id_ in visible if id_.isdigit()]
    # accelerate shows every rank all training GPUs; each rank uses its own.
    rank = environ.get("LOCAL_RANK", "")
    if rank.isdigit() and int(rank) < len(ids):
        return [ids[int(rank)]]
    return ids


def check_free(
    ids: Iterable[int],
    allocations: Mapping[str, Sequence[int]],
    machine_gpus: Iterable[Mapping[str, Any]],
) -> None:
    """Raise ValueError, status 400, when one of these GPUs is missing, allocated or busy.

    `allocations` are GPU ids by job.
    """
    gpu_by_id = {gpu["id"]: gpu for gpu in machine_gpus}
    for id_ in ids:
        if id_ not in gpu_by_id:
            raise ValueError(
                f"arbor.yaml names GPU {id_}, but this machine has {sorted(gpu_by_id)}"
            )
        if job := next((job for job, taken in allocations.items() if id_ in taken), None):
            raise ValueError(f"GPU {id_} belongs to {job}: cancel that job first")
        used = 1 - gpu_by_id[id_]["memory_free"] / gpu_by_id[id_]["memory_total"]
        if used > BUSY:
            raise ValueError(
                f"{used:.0%} of GPU {id_} is in use: nvidia-smi says by what; end that"
            )


def check_processes(split: GpuSplit, workers: Iterable[Mapping[str, Any]]) -> None:
    """Raise RuntimeError unless each role runs on its GPUs and on no others."""
    workers = list(workers)
    for role, expected in (("inference", split.inference), ("training", split.training)):
        actual = {id_ for worker in workers if worker["role"] == role for id_ in worker["gpus"]}
        if actual != set(expected):
            gpus = sorted(actual) or "none"
            raise RuntimeError(f"{role} was to run on GPUs {expected}, but has {gpus}")


def is_alive(flag: str, value: object) -> bool:
    """Whether a process that this server started with these arguments is still running."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if (flag, str(value)) in pairwise(child.cmdline()):
                return True
    return False


def last_lines(folder: Path) -> str:
    """The end of the newest log in this folder."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    lines = logs[-1].read_text("utf-8", "replace").splitlines()[-TAIL:] if logs else []
    with suppress(ValueError, KeyError):
        lines = [json.loads(line)["message"] for line in lines]
    return "\n".join(lines) or f"(no log in {folder})"


def out_of_memory(folder: Path) -> str:
    """One line if a log in this folder ends because a GPU has no memory left, else ""."""
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text("utf-8", "replace").splitlines()[-_SEARCHED:]
        if any(sign in line for line in lines for sign in OUT_OF_MEMORY):
            role = "answering" if "inference" in log.name else "training"
            return (
                f"a GPU ran out of memory while {role} ({log.name}): give a smaller --batch, as"
                " 1x8, a smaller --model, or larger GPUs"
            )
    return ""
