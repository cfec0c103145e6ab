"""The GPUs and the processes of this machine, as they say themselves."""

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from trainer import Refused

BUSY = 0.1  # share of a GPU's memory; vllm wants the other nine tenths
TAIL = 15  # lines of a log in an error


@dataclass(frozen=True)
class Split:
    """GPU ids, as nvidia-smi counts them, by what runs on them."""

    inference: tuple[int, ...]
    training: tuple[int, ...]


def gpus() -> list[dict[str, Any]]:
    """Each GPU as nvidia-smi sees it; memory in bytes, `pids` of computing processes.

    Raises Refused without a driver.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError as error:
        raise Refused("nvidia-ml-py is not installed: run startup.sh") from error
    try:
        nvml.nvmlInit()
        return [_gpu(nvml, i) for i in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        raise Refused(f"no GPU can be asked ({error}): does nvidia-smi work?") from error


def _gpu(nvml: Any, i: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(i)
    memory, name = nvml.nvmlDeviceGetMemoryInfo(handle), nvml.nvmlDeviceGetName(handle)
    return {
        "id": i,
        "name": name.decode() if isinstance(name, bytes) else name,
        "memory_total": memory.total,
        "memory_free": memory.free,
        "utilization": nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        "pids": [p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(handle)],
    }


def processes() -> list[dict[str, Any]]:
    """This server's workers, each with the GPUs of its own environment, or the driver's word."""
    seen: dict[int, list[int]] = {}
    with suppress(Refused):
        for gpu in gpus():
            for pid in gpu["pids"]:
                seen.setdefault(pid, []).append(gpu["id"])
    found: list[dict[str, Any]] = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            line = child.cmdline()
            if role := _role(line):
                for process in (child, *child.children(recursive=True)):
                    ids = seen.get(process.pid) or _visible(process.environ())
                    found.append({"pid": process.pid, "role": role, "gpus": ids})
    return found


def _role(line: list[str]) -> str | None:
    if any("vllm_serve" in part for part in line):
        return "inference"
    return "training" if "--command_port" in line else None


def _visible(environ: Mapping[str, str]) -> list[int]:
    ids = [int(i) for i in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if i.isdigit()]
    rank = environ.get("LOCAL_RANK", "")  # accelerate shows all ranks all training GPUs
    return [ids[int(rank)]] if rank.isdigit() and int(rank) < len(ids) else ids


def check_free(
    wanted: Iterable[int], held: Mapping[str, Sequence[int]], gpus: Iterable[Mapping[str, Any]]
) -> None:
    """Raise ValueError, a 400 to the client, when one of these GPUs is missing, held or busy."""
    there = {gpu["id"]: gpu for gpu in gpus}
    for i in wanted:
        if i not in there:
            raise ValueError(f"arbor.yaml names GPU {i}, but this machine has {sorted(there)}")
        if job := next((job for job, ids in held.items() if i in ids), None):
            raise ValueError(f"GPU {i} belongs to {job}: cancel that job first")
        used = 1 - there[i]["memory_free"] / there[i]["memory_total"]
        if used > BUSY:
            raise ValueError(f"{used:.0%} of GPU {i} is in use: nvidia-smi says by what; end that")


def check_processes(split: Split, found: Iterable[Mapping[str, Any]]) -> None:
    """Raise RuntimeError unless each role runs on its GPUs and on no other."""
    found = list(found)
    for role in ("inference", "training"):
        ids = {i for process in found if process["role"] == role for i in process["gpus"]}
        if ids != set(getattr(split, role)):
            runs = sorted(ids) or "none"
            raise RuntimeError(f"{role} was to run on GPUs {getattr(split, role)}, but has {runs}")


def lives(flag: str, value: object) -> bool:
    """Whether a process that this server started with these arguments still runs."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            line = child.cmdline()
            if (flag, str(value)) in pairwise(line):
                return True
    return False


def last_lines(folder: Path) -> str:
    """The end of the log in this folder that was written last."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    lines = logs[-1].read_text("utf-8", "replace").splitlines()[-TAIL:] if logs else []
    with suppress(ValueError, KeyError):
        lines = [json.loads(line)["message"] for line in lines]
    return "\n".join(lines) or f"(no log in {folder})"
