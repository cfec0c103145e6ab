"""Serve Arbor: `python arbor/serve.py`. Repaired, on the GPUs of arbor.yaml, with four more routes.

GET /v1/memory/server says what runs where, /model how large a model is, /metrics what the trainer
measured, /checkpoint gives an adapter's files. `--rehearse` trains on the CPU instead.
"""

import hmac
import importlib
import io
import ipaddress
import json
import os
import platform
import re
import shutil
import socket
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
import uvicorn
import yaml
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from machine import Split, gpus, processes
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from repairs import launch_own_trainer, repairs
from starlette.types import ASGIApp, Receive, Scope, Send
from trainer import REPAIRS, Refused, apply, find_arbor, states
from typer import Option

HERE = Path(__file__).resolve().parent
KNOWN = "0.2.17"  # the version whose defects are repaired
SHOWN = ("torch", "transformers", "peft", "trl", "vllm", "deepspeed", "accelerate")
PART = re.compile(r"[\w:.-]+")  # of a path in the storage: no way out of it


class Role(BaseModel):
    """The GPUs of one role."""

    model_config = ConfigDict(extra="forbid")
    gpu_ids: tuple[int, ...]

    @field_validator("gpu_ids", mode="before")
    @classmethod
    def _read(cls, value: object) -> list[int]:
        parts = value if isinstance(value, list) else str(value).split(",")
        if not parts or not all(re.fullmatch(r"\d+", str(part).strip()) for part in parts):
            raise ValueError('write GPU ids with commas, as in "1,2"')
        ids = [int(str(part)) for part in parts]
        if len(set(ids)) < len(ids):
            raise ValueError(f"write each GPU once, not {value}")
        return ids


class Settings(BaseModel):
    """arbor.yaml."""

    model_config = ConfigDict(extra="forbid")
    storage_path: Path
    inference: Role
    training: Role

    @field_validator("storage_path")
    @classmethod
    def _resolve(cls, path: Path) -> Path:
        path = path.expanduser().resolve()
        if re.search(r"\s", str(path)):
            raise ValueError(f"{str(path)!r} holds a blank, at which Arbor splits its commands")
        return path

    @model_validator(mode="after")
    def _apart(self) -> "Settings":
        if both := sorted({*self.inference.gpu_ids} & {*self.training.gpu_ids}):
            ids = ", ".join(map(str, both))
            raise ValueError(f"GPU {ids} cannot serve answers and train: give each role its own")
        return self

    @property
    def split(self) -> Split:
        """Which GPUs do what."""
        return Split(self.inference.gpu_ids, self.training.gpu_ids)


def load(path: Path) -> Settings:
    """arbor.yaml, checked. Raises Refused."""
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}; train.py writes one") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Refused(f"{path}: {place + ': ' if place else ''}{first['msg']}") from error


def check_binding(host: str, token: str) -> None:
    """Raise Refused when the server would listen to others than this machine without a token."""
    try:
        private = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        private = False
    if not private and not token:
        raise Refused(
            f"--host {host} lets others in: set ARBOR_TOKEN, or keep 127.0.0.1 and use ssh -L"
        )


def listen(host: str, port: int) -> socket.socket:
    """The server's socket. Raises Refused when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = f"{error.strerror or error}: end what listens there, or give another --port"
        raise Refused(f"{host}:{port}: {why}") from error


def check_gpus(split: Split, found: list[dict[str, Any]], visible: str | None) -> None:
    """Raise Refused when a GPU of the split is not there, or CUDA_VISIBLE_DEVICES hides it."""
    there = {gpu["id"] for gpu in found}
    if missing := sorted({*split.inference, *split.training} - there):
        have = ", ".join(map(str, sorted(there))) or "none"
        raise Refused(f"arbor.yaml names GPU {missing[0]}; this machine has {have}: change it")
    shown = None if visible is None else {part.strip() for part in visible.split(",")}
    for gpu in (*split.inference, *split.training):
        if shown is not None and str(gpu) not in shown:
            raise Refused(f"CUDA_VISIBLE_DEVICES={visible} hides GPU {gpu} of arbor.yaml: unset it")


class Guard:
    """Lets requests with the token through, and no others."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without the token."""
        if scope["type"] != "lifespan":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                why = "this server asks for Authorization: Bearer and its ARBOR_TOKEN"
                return await JSONResponse({"message": why}, 401)(scope, receive, send)
        return await self._app(scope, receive, send)


router = APIRouter(prefix="/v1/memory")


def _absent(what: str) -> JSONResponse:
    return JSONResponse({"message": what}, 404)


@router.get("/server")
def server(request: Request) -> dict[str, Any]:
    """What runs here, and on what."""
    said: dict[str, Any] = request.app.state.server_state.describe()
    return said


@router.get("/model", response_model=None)
def model(request: Request, name: str) -> dict[str, Any] | Response:
    """A model's size, context and whether it can chat."""
    try:
        said: dict[str, Any] = request.app.state.server_state.model(name)
    except KeyError as error:
        return _absent(f"no model {name}: {error.args[0]}")
    return said


@router.get("/metrics", response_model=None)
def metrics(request: Request, job_id: str, since: int = 0) -> dict[str, Any] | Response:
    """What the trainer measured at each step after `since`."""
    try:
        return {"metrics": request.app.state.server_state.metrics(job_id, since)}
    except KeyError:
        return _absent(f"no job {job_id}")


@router.get("/checkpoint")
def checkpoint(request: Request, job_id: str, name: str) -> Response:
    """A checkpoint's adapter, as a tar file."""
    try:
        folder: Path = request.app.state.server_state.checkpoint(job_id, name)
    except KeyError:
        return _absent(f"no checkpoint {name} of {job_id}")
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and p.name.startswith("adapter")]
    # Without a name it is gone with the answer, however that ends.
    packed = tempfile.TemporaryFile()  # noqa: SIM115
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            tar.add(file, file.name)
    size = packed.tell()
    packed.seek(0)
    headers = {"Content-Length": str(size)}
    return StreamingResponse(_pieces(packed), media_type="application/x-tar", headers=headers)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(io.DEFAULT_BUFFER_SIZE * 64), b"")


@dataclass(frozen=True)
class House:
    """What this machine is, runs and has stored, for the four routes. Jobs are read from disk."""

    split: Split
    storage: Path
    repaired: list[dict[str, str]]

    def describe(self) -> dict[str, Any]:
        """The machine, the processes on it, and which defects were mended."""
        return {
            "arbor": version("arbor-ai"),
            "rehearsal": False,
            "gpus": [{k: v for k, v in gpu.items() if k != "pids"} for gpu in gpus()],
            "split": {"inference": self.split.inference, "training": self.split.training},
            "processes": processes(),
            "disk_free": shutil.disk_usage(self.storage).free,
            "repairs": self.repaired,
        }

    def model(self, name: str) -> dict[str, Any]:
        """Raises KeyError when it cannot be had."""
        return {"name": name, **_describe_model(name)}

    def metrics(self, job_id: str, since: int) -> list[dict[str, float]]:
        """Raises KeyError for a job that never was."""
        file = self._checkpoints(job_id) / "metrics.jsonl"
        lines = file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []
        rows = [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be begun
        return [row for row in rows if row["step"] > since]

    def checkpoint(self, job_id: str, name: str) -> Path:
        """Raises KeyError unless it is whole."""
        folder = self._checkpoints(job_id) / name
        parts = ("adapter_config.json", "adapter_model.safetensors")
        if not _plain(name) or not all((folder / part).is_file() for part in parts):
            raise KeyError(name)
        return folder

    def _checkpoints(self, job_id: str) -> Path:
        folder = self.storage / job_id / "checkpoints"
        if not _plain(job_id) or not folder.is_dir():
            raise KeyError(job_id)
        return folder


def _plain(part: str) -> bool:
    return PART.fullmatch(part) is not None and set(part) != {"."}


@lru_cache
def _describe_model(name: str) -> dict[str, Any]:
    transformers, torch = map(importlib.import_module, ("transformers", "torch"))
    adapter = Path(name) / "adapter_config.json"
    try:
        if adapter.is_file():
            name = json.loads(adapter.read_text("utf-8"))["base_model_name_or_path"]
        config = transformers.AutoConfig.from_pretrained(name)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        with torch.device("meta"):  # its shape, not its weights
            shape = transformers.AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as error:
        raise KeyError(str(error).splitlines()[0]) from error
    return {
        "parameters": shape.num_parameters(),
        "context": config.max_position_embeddings,
        "chat_template": bool(tokenizer.chat_template),
    }


def real(settings: Settings) -> dict[str, Any]:
    """What app.state holds on a machine with GPUs; applies the repairs. Raises Refused."""
    package, split = find_arbor(), settings.split
    check_gpus(split, gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    # CUDA counts the fastest first unless told to count as nvidia-smi does.
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    settings.storage_path.mkdir(parents=True, exist_ok=True)
    applied = apply(repairs(split, settings.storage_path), package)
    launch_own_trainer()
    house = House(split, settings.storage_path, [*applied, *states(REPAIRS, package)])
    parts = (
        importlib.import_module("arbor.core.config"),
        importlib.import_module("arbor.core.logging"),
    )
    config = parts[0].Config(storage_path=str(settings.storage_path))
    parts[1].setup_logging(log_dir=str(settings.storage_path / "logs"), show_colors=False)
    of = "arbor.server.services.managers."
    names = ("gpu_manager", "job_manager", "inference_manager", "grpo_manager")
    modules = {name: importlib.import_module(of + name) for name in names}
    try:
        guard = modules["gpu_manager"].GPUManager(config=config)
    except modules["gpu_manager"].GPUAllocationError as error:
        raise Refused(f"{error} nvidia-smi says by what; end that") from error
    return {
        "server_state": house,
        "gpu_manager": guard,
        "job_manager": modules["job_manager"].JobManager(config=config, gpu_manager=guard),
        "inference_manager": modules["inference_manager"].InferenceManager(
            config=config, gpu_manager=guard
        ),
        "grpo_manager": modules["grpo_manager"].GRPOManager(config=config, gpu_manager=guard),
    }


def rehearsal(settings: Settings, start: Path | None) -> dict[str, Any]:
    """What app.state holds in a rehearsal. Raises Refused."""
    find_arbor()
    module = importlib.import_module("memory.tune.rehearsal")
    try:
        module.install()
        held: dict[str, Any] = module.managers(settings, start)
    except module.InputError as error:
        raise Refused(str(error)) from error
    return held


def build(held: dict[str, Any], token: str) -> FastAPI:
    """Arbor's application with the four routes, these managers, and a guard if there is a token."""
    app: FastAPI = importlib.import_module("arbor.server.main").app
    for name, value in held.items():
        setattr(app.state, name, value)
    app.include_router(router)
    if token:
        app.add_middleware(Guard, token=token)
    return app


def describe(house: Any) -> Iterator[str]:
    """What a person wants to know at the start, line by line."""
    said = house.describe()
    yield f"arbor {said['arbor']}, python {platform.python_version()}"
    if said["arbor"] != KNOWN:
        yield f"the repairs were written for arbor {KNOWN}: read arbor/README.md before a long run"
    for name in SHOWN:
        try:
            yield f"  {name} {version(name)}"
        except PackageNotFoundError:
            yield f"  {name} is not installed"
    named = {gpu["id"]: gpu["name"] for gpu in said["gpus"]}
    for role, ids in said["split"].items():
        yield f"{role} on " + (", ".join(f"GPU {i} ({named[i]})" for i in ids) or "the CPU")
    for repair in said["repairs"]:
        gone = repair["state"] == "not needed"
        yield f"repair {repair['name']}: {repair['state']}{', it can go' if gone else ''}"


def main(
    config: Annotated[Path, Option(help="GPUs and storage")] = HERE / "arbor.yaml",
    host: Annotated[str, Option(help="others than 127.0.0.1 need ARBOR_TOKEN")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535)] = 7453,
    rehearse: Annotated[bool, Option("--rehearse", help="train on the CPU")] = False,
    start: Annotated[Path | None, Option(help="adapter from which a rehearsal starts")] = None,
) -> None:
    """Serve Arbor until Ctrl-C."""
    # Not for the workers to inherit: what they log is read by others.
    token = os.environ.pop("ARBOR_TOKEN", "").strip()
    if start is not None and not rehearse:
        _refuse("--start is for --rehearse: a run on GPUs gets its adapter as --model")
    try:
        settings = load(config)
        check_binding(host, token)
        bound = listen(host, port)
        held = rehearsal(settings, start) if rehearse else real(settings)
        app = build(held, token)
    except ImportError as error:
        tell = "uv sync --extra tune" if rehearse else "startup.sh, which installs requirements.txt"
        _refuse(f"{error}: run {tell}")
    except Refused as error:
        _refuse(str(error))
    for line in describe(held["server_state"]):
        print(line)
    shown = f"[{host}]" if ":" in host else host
    kept = "with a token" if token else "without a token, to this machine only"
    print(f"serving on http://{shown}:{bound.getsockname()[1]}/v1/ {kept}", flush=True)
    options = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=10
    )
    uvicorn.Server(options).run(sockets=[bound])


def _refuse(why: str) -> NoReturn:
    print(f"serve.py: {why}", file=sys.stderr)
    raise typer.Exit(2)


if __name__ == "__main__":
    typer.run(main)
