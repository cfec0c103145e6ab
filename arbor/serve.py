"""Serves a patched Arbor on the GPUs of arbor.yaml, with four more routes.

Start it with `python arbor/serve.py`. GET /v1/memory/server returns the processes and their GPUs,
/model the size of a model, /metrics the trainer's measurements, /checkpoint an adapter's files.
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

try:
    import typer
    import uvicorn
    import yaml
    from fastapi import APIRouter, FastAPI, Request
    from fastapi.responses import JSONResponse, Response, StreamingResponse
    from machine import GpuSplit, gpus, processes
    from patched import PATCH, StartError, import_from, patched_copy
    from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
    from starlette.types import ASGIApp, Receive, Scope, Send
    from typer import Option
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed here: run arbor/startup.sh, or pip install -r"
        f" {Path(__file__).parent / 'requirements.lock'}"
    )

HERE = Path(__file__).resolve().parent
PACKAGES = ("torch", "transformers", "peft", "trl", "vllm", "deepspeed", "accelerate")
# One part of a path in the storage; it cannot lead out of it.
PART = re.compile(r"[\w:.-]+")


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


class ServerSettings(BaseModel):
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
    def _apart(self) -> "ServerSettings":
        if shared := sorted({*self.inference.gpu_ids} & {*self.training.gpu_ids}):
            ids = ", ".join(map(str, shared))
            raise ValueError(f"GPU {ids} cannot serve answers and train: give each role its own")
        return self

    @property
    def split(self) -> GpuSplit:
        """The GPUs of each role."""
        return GpuSplit(self.inference.gpu_ids, self.training.gpu_ids)


def load(path: Path) -> ServerSettings:
    """arbor.yaml, checked. Raises StartError."""
    try:
        return ServerSettings.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}; train.py writes one") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StartError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise StartError(f"{path}: {field + ': ' if field else ''}{first['msg']}") from error


def check_binding(host: str, token: str) -> None:
    """Raise StartError when the server would accept other machines without a token."""
    if not _is_loopback(host) and not token:
        raise StartError(
            f"--host {host} lets others in: set ARBOR_TOKEN, or keep 127.0.0.1 and use ssh -L"
        )


def listen(host: str, port: int) -> socket.socket:
    """The server's socket. Raises StartError when it cannot be opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = f"{error.strerror or error}: end what listens there, or give another --port"
        raise StartError(f"{host}:{port}: {why}") from error


def check_gpus(split: GpuSplit, machine_gpus: list[dict[str, Any]], visible: str | None) -> None:
    """Raise StartError when a GPU of the split is missing, or CUDA_VISIBLE_DEVICES hides it."""
    present = {gpu["id"] for gpu in machine_gpus}
    if missing := sorted({*split.inference, *split.training} - present):
        ids = ", ".join(map(str, sorted(present))) or "none"
        raise StartError(f"arbor.yaml names GPU {missing[0]}; this machine has {ids}: change it")
    if visible is None:
        return
    visible_ids = {part.strip() for part in visible.split(",")}
    for gpu in (*split.inference, *split.training):
        if str(gpu) not in visible_ids:
            raise StartError(
                f"CUDA_VISIBLE_DEVICES={visible} hides GPU {gpu} of arbor.yaml: unset it"
            )


class Guard:
    """Accepts only requests with the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without the token."""
        if scope["type"] != "lifespan":
            authorization = dict(scope["headers"]).get(b"authorization", b"")
            # Compared in constant time, so the time reveals nothing about the token.
            if not hmac.compare_digest(authorization, self._expected):
                why = "this server asks for Authorization: Bearer and its ARBOR_TOKEN"
                return await JSONResponse({"message": why}, 401)(scope, receive, send)
        return await self._app(scope, receive, send)


class OwnHost:
    """Accepts only requests that name this machine, for a server without a token.

    A page in a local browser may send requests to a name that leads to this machine.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 to a request that names another host."""
        if scope["type"] != "lifespan":
            named = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            host = named.removeprefix("[").split("]")[0] if "]" in named else named.split(":")[0]
            if not _is_loopback(host):
                why = "without ARBOR_TOKEN this server answers to localhost and 127.0.0.1 only"
                return await JSONResponse({"message": why}, 421)(scope, receive, send)
        return await self._app(scope, receive, send)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


router = APIRouter(prefix="/v1/memory")


def _not_found(message: str) -> JSONResponse:
    return JSONResponse({"message": message}, 404)


@router.get("/server")
def server(request: Request) -> dict[str, Any]:
    """What runs here, and on what."""
    description: dict[str, Any] = request.app.state.server_state.describe()
    return description


@router.get("/model", response_model=None)
def model(request: Request, name: str) -> dict[str, Any] | Response:
    """A model's size, context and whether it can chat."""
    try:
        description: dict[str, Any] = request.app.state.server_state.model(name)
    except KeyError as error:
        return _not_found(f"no model {name}: {error.args[0]}")
    return description


@router.get("/metrics", response_model=None)
def metrics(request: Request, job_id: str, since: int = 0) -> dict[str, Any] | Response:
    """What the trainer measured at each step after `since`."""
    try:
        return {"metrics": request.app.state.server_state.metrics(job_id, since)}
    except KeyError:
        return _not_found(f"no job {job_id}")


@router.get("/checkpoint")
def checkpoint(request: Request, job_id: str, name: str) -> Response:
    """A checkpoint's adapter, as a tar file."""
    try:
        folder: Path = request.app.state.server_state.checkpoint(job_id, name)
    except KeyError:
        return _not_found(f"no checkpoint {name} of {job_id}")
    # The trainer's state, several times as large, is of use here only.
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.startswith("adapter")
    ]
    # A file without a name disappears with the answer, even after an error.
    archive = tempfile.TemporaryFile()  # noqa: SIM115
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file in files:
            tar.add(file, file.name)
    headers = {"Content-Length": str(archive.tell())}
    archive.seek(0)
    return StreamingResponse(_chunks(archive), media_type="application/x-tar", headers=headers)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(io.DEFAULT_BUFFER_SIZE * 64), b"")


@dataclass(frozen=True)
class GpuServerState:
    """The machine, its processes and its files, for the four routes. Reads jobs from disk."""

    split: GpuSplit
    storage: Path

    def describe(self) -> dict[str, Any]:
        """The machine, its processes, and the patch that was applied."""
        return {
            "arbor": version("arbor-ai"),
            "gpus": [_without_pids(gpu) for gpu in gpus()],
            "split": {"inference": self.split.inference, "training": self.split.training},
            "processes": processes(),
            "disk_free": shutil.disk_usage(self.storage).free,
            "repairs": [{"name": PATCH.name, "state": "applied"}],
        }

    def model(self, name: str) -> dict[str, Any]:
        """A model's size, context and whether it can chat. Raises KeyError for an unknown model."""
        return {"name": name, **_describe_model(name)}

    def metrics(self, job_id: str, since: int) -> list[dict[str, float]]:
        """The trainer's measurements after step `since`. Raises KeyError for an unknown job."""
        file = self._checkpoints(job_id) / "metrics.jsonl"
        if not file.is_file():
            return []
        lines = file.read_text("utf-8").splitlines(keepends=True)
        # The trainer may be writing the last line.
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [row for row in rows if row["step"] > since]

    def checkpoint(self, job_id: str, name: str) -> Path:
        """The folder of a checkpoint. Raises KeyError unless the checkpoint is whole."""
        folder = self._checkpoints(job_id) / name
        parts = ("adapter_config.json", "adapter_model.safetensors")
        if not _is_safe(name) or not all((folder / part).is_file() for part in parts):
            raise KeyError(name)
        return folder

    def _checkpoints(self, job_id: str) -> Path:
        folder = self.storage / job_id / "checkpoints"
        if not _is_safe(job_id) or not folder.is_dir():
            raise KeyError(job_id)
        return folder


def _without_pids(gpu: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in gpu.items() if key != "pids"}


def _is_safe(part: str) -> bool:
    # File systems take names of 255 bytes, and raise for longer ones.
    is_short = len(part.encode("utf-8", "replace")) <= 255
    return is_short and PART.fullmatch(part) is not None and set(part) != {"."}


@lru_cache
def _describe_model(name: str) -> dict[str, Any]:
    # Imported here: torch takes seconds, and a start that is rejected does not need it.
    transformers = importlib.import_module("transformers")
    torch = importlib.import_module("torch")
    adapter = Path(name) / "adapter_config.json"
    try:
        if adapter.is_file():
            name = json.loads(adapter.read_text("utf-8"))["base_model_name_or_path"]
        config = transformers.AutoConfig.from_pretrained(name)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        with torch.device("meta"):  # the shape, not the weights
            empty_model = transformers.AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, LookupError, TypeError) as error:
        why = str(error).splitlines() or ["its adapter_config.json names no base model"]
        raise KeyError(why[0]) from error
    return {
        "parameters": empty_model.num_parameters(),
        "context": config.max_position_embeddings,
        "chat_template": bool(tokenizer.chat_template),
    }


def gpu_managers(settings: ServerSettings) -> dict[str, Any]:
    """The managers in app.state on a machine with GPUs, of the patched Arbor. Raises StartError."""
    split, storage = settings.split, settings.storage_path
    check_gpus(split, gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    # By default CUDA numbers the fastest GPU first, unlike nvidia-smi.
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    import_from(patched_copy(storage))

    arbor_config = importlib.import_module("arbor.core.config")
    arbor_logging = importlib.import_module("arbor.core.logging")
    config = arbor_config.Config(storage_path=str(storage))
    arbor_logging.setup_logging(log_dir=str(storage / "logs"), show_colors=False)

    gpu_module = _manager_module("gpu_manager")
    try:
        gpu_manager = gpu_module.GPUManager(config=config, split=split)
    except gpu_module.GPUAllocationError as error:
        raise StartError(f"{error} nvidia-smi says by what; end that") from error
    shared = {"config": config, "gpu_manager": gpu_manager}
    return {
        "server_state": GpuServerState(split, storage),
        "gpu_manager": gpu_manager,
        "job_manager": _manager_module("job_manager").JobManager(**shared),
        "inference_manager": _manager_module("inference_manager").InferenceManager(**shared),
        "grpo_manager": _manager_module("grpo_manager").GRPOManager(**shared),
    }


def _manager_module(name: str) -> Any:
    return importlib.import_module(f"arbor.server.services.managers.{name}")


def build(managers: dict[str, Any], token: str) -> FastAPI:
    """Arbor's application with the four routes, these managers, and a guard if there is a token."""
    app: FastAPI = importlib.import_module("arbor.server.main").app
    for name, manager in managers.items():
        setattr(app.state, name, manager)
    app.include_router(router)
    if token:
        app.add_middleware(Guard, token=token)
    else:
        app.add_middleware(OwnHost)
    return app


def describe(server_state: Any) -> Iterator[str]:
    """The report at the start, line by line."""
    description = server_state.describe()
    yield f"arbor {description['arbor']}, python {platform.python_version()}"
    for name in PACKAGES:
        try:
            yield f"  {name} {version(name)}"
        except PackageNotFoundError:
            yield f"  {name} is not installed"
    gpu_names = {gpu["id"]: gpu["name"] for gpu in description["gpus"]}
    for role, ids in description["split"].items():
        devices = ", ".join(f"GPU {id_} ({gpu_names[id_]})" for id_ in ids)
        yield f"{role} on {devices or 'the CPU'}"
    for repair in description["repairs"]:
        yield f"{repair['name']}: {repair['state']}"


def main(
    config: Annotated[Path, Option("--config", "--arbor-config", help="GPUs and storage")] = HERE
    / "arbor.yaml",
    host: Annotated[str, Option(help="others than 127.0.0.1 need ARBOR_TOKEN")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535)] = 7453,
) -> None:
    """Serve Arbor until Ctrl-C."""
    # Removed, so the workers do not inherit it: others can read their logs.
    token = os.environ.pop("ARBOR_TOKEN", "").strip()
    try:
        settings = load(config)
        check_binding(host, token)
        bound = listen(host, port)
        managers = gpu_managers(settings)
        app = build(managers, token)
    except ImportError as error:
        _refuse(f"{error}: run startup.sh, which installs requirements.lock")
    except StartError as error:
        _refuse(str(error))
    for line in describe(managers["server_state"]):
        print(line)
    url_host = f"[{host}]" if ":" in host else host
    access = "with a token" if token else "without a token, to this machine only"
    print(f"serving on http://{url_host}:{bound.getsockname()[1]}/v1/ {access}", flush=True)
    options = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=10
    )
    uvicorn.Server(options).run(sockets=[bound])


def _refuse(why: str) -> NoReturn:
    print(f"serve.py: {why}", file=sys.stderr)
    raise typer.Exit(2)


if __name__ == "__main__":
    typer.run(main)
