"""Arbor's managers in a rehearsal: one policy, trained and asked in this process, without a GPU.

The application with its routes, schemas and status codes is Arbor's own (0.2.17). `install` makes
its routes importable without vllm and trl, `managers` gives them something to route to. Stricter
than Arbor's own: a batch that was not asked for is refused, and a job whose trainer raised is
"failed", where that would say "running" for ever.
"""

import asyncio
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, NoReturn

from memory.errors import InputError
from memory.program.adapter_card import BASE, AdapterCard, is_adapter, read_card
from memory.tune.grpo import GrpoTrainer
from memory.tune.job import PLAIN_NAME, Asked, Job, Sample, as_value_error, context_of
from memory.tune.student import load_student

_GATHER_S = 0.05  # after which no further rollout of a group is waited for

Load = Callable[[str, Path | None], Any]  # base and adapter -> Student
Train = Callable[[Any, Mapping[str, Any]], Any]  # Student and settings -> GrpoTrainer


def install() -> None:
    """Let `arbor.server.main` be imported without what Arbor's GPU managers need.

    Raises InputError when arbor-ai is not installed.
    """
    if "arbor" not in sys.modules:
        spec = find_spec("arbor")
        if spec is None or not spec.submodule_search_locations:
            raise InputError("arbor-ai is not installed: run `uv sync --extra tune`")
        # Arbor's own __init__ imports vllm, torch and deepspeed.
        bare = ModuleType("arbor")
        bare.__path__ = list(spec.submodule_search_locations)
        sys.modules["arbor"] = bare
    for manager in ("GRPOManager", "InferenceManager", "GPUManager"):
        file = manager.replace("Manager", "_manager").lower()
        module = ModuleType(f"arbor.server.services.managers.{file}")
        setattr(module, manager, object)  # the routes name it in annotations, nothing else
        sys.modules[module.__name__] = module


def managers(
    config: Any, start: Path | None, load: Load = load_student, train: Train = GrpoTrainer
) -> dict[str, Any]:
    """What `app.state` must hold, by name.

    `config.storage_path` is the folder of the checkpoints; `start` an adapter from which the
    packaged model is trained on. `load` and `train` give the student and its trainer.
    """
    jobs: dict[str, Job] = {}
    storage = Path(config.storage_path).resolve()
    storage.mkdir(parents=True, exist_ok=True)
    return {
        "gpu_manager": None,
        "job_manager": None,
        "inference_manager": Answering(jobs),
        "grpo_manager": Training(jobs, storage, start, load, train),
        "server_state": ServerState(jobs, storage, start, load),
    }


@dataclass
class Training:
    """Stands for Arbor's GRPOManager: one job at a time. An unknown job is a KeyError, as there."""

    jobs: dict[str, Job]
    storage: Path
    start: Path | None
    load: Load
    train: Train
    _starting: Lock = field(default_factory=Lock)

    def initialize(self, request: Any, _: object) -> dict[str, Any]:
        """Load the policy and ask for batch 0.

        Raises ValueError when another job runs or the settings do not fit the model,
        FileNotFoundError when the model is none that a rehearsal can train.
        """
        sent = request.trainer_config.model_dump(exclude_unset=True)
        settings = {key: value for key, value in sent.items() if value is not None}
        if settings.get("num_generations", 0) < 2:
            raise ValueError("num_generations: a group needs 2 or more answers to compare")
        name = request.run_name or secrets.token_hex(4)
        if not PLAIN_NAME.fullmatch(name):
            raise ValueError(f"run_name {name!r}: use letters, digits, . _ -")
        model = request.model.rstrip("/").split("/")[-1].lower()
        folder = self.storage / "checkpoints" / f"grpo:{model}:{name}:{datetime.now():%Y%m%d}"
        with self._starting:
            adapter = _start(request.model, self.start)
            self._make_room(folder)
            with as_value_error():
                student, card = _loaded(self.load, adapter)
                if settings.get("max_seq_len", 0) > (context := context_of(student)):
                    raise InputError(f"max_seq_len: {request.model} reads {context} tokens at most")
                trainer = self.train(student, settings)
            self.jobs[folder.name] = Job(folder, student, trainer, settings, card)
        return self.jobs[folder.name].status()

    def _make_room(self, folder: Path) -> None:
        for job in self.jobs.values():
            if job.state == "running":
                raise ValueError(f"{job.id} is running: terminate or cancel it first")
        if folder.exists() or folder.name in self.jobs:
            raise ValueError(f"{folder.name} was run already: give another run_name")
        for job in self.jobs.values():
            job.free()

    def get_job_status(self, job_id: str) -> dict[str, Any]:
        return self.jobs[job_id].status()

    def route_grpo_step(self, request: Any) -> dict[str, Any]:
        self.jobs[request.job_id].step(request.batch_id, request.batch)
        return self.jobs[request.job_id].status()

    def route_grpo_checkpoint(self, request: Any) -> dict[str, Any]:
        self.jobs[request.job_id].checkpoint(request.checkpoint_name, request.metadata)
        return self.jobs[request.job_id].status()

    def terminate(self, request: Any) -> dict[str, Any]:
        self.jobs[request.job_id].terminate()
        return self.jobs[request.job_id].status()

    def cancel(self, job_id: str) -> dict[str, Any]:
        if job_id not in self.jobs:
            raise ValueError(f"GRPO job {job_id} not found")  # the route makes it a 404
        self.jobs[job_id].cancel()
        return self.jobs[job_id].status()

    def cleanup(self) -> None:
        for job in self.jobs.values():
            job.free()


@dataclass
class _Gathered:
    """Requests for one prompt that are answered together."""

    samples: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Answering:
    """Stands for Arbor's InferenceManager: the policy in training answers."""

    jobs: dict[str, Job]
    _open: dict[str, tuple[_Gathered, "asyncio.Task[list[Sample]]"]] = field(default_factory=dict)
    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def route_inference(self, request: dict[str, Any]) -> dict[str, Any]:
        """One OpenAI chat completion. Raises ValueError for what cannot be answered."""
        asked = Asked.model_validate(request)
        if asked.model not in self.jobs:
            raise ValueError(f"{asked.model} is no job of this rehearsal: initialize one first")
        samples = await self._samples(self.jobs[asked.model], asked)
        used, written = samples[0][2], sum(sample[3] for sample in samples)
        return {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "choices": [
                {
                    "index": i,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": why,
                }
                for i, (text, why, *_) in enumerate(samples)
            ],
            "usage": {
                "prompt_tokens": used,
                "completion_tokens": written,
                "total_tokens": used + written,
            },
        }

    async def _samples(self, job: Job, asked: Asked) -> list[Sample]:
        """The request's share of what is drawn for its prompt at about the same moment."""
        if asked.temperature == 0:
            return await asyncio.wrap_future(job.answer(asked, asked.n))
        key = json.dumps(asked.model_dump(exclude={"n"}))
        if key not in self._open:
            gathered = _Gathered()
            drawn = asyncio.create_task(self._draw(job, asked, key, gathered))
            self._open[key] = gathered, drawn
        gathered, drawn = self._open[key]
        first, gathered.samples = gathered.samples, gathered.samples + asked.n
        if gathered.samples >= job.rollouts:
            del self._open[key]
            gathered.enough.set()
        # One who hangs up must not take the answers of the others along.
        return (await asyncio.shield(drawn))[first : first + asked.n]

    async def _draw(self, job: Job, asked: Asked, key: str, gathered: _Gathered) -> list[Sample]:
        came = 0
        while came < gathered.samples and not gathered.enough.is_set():
            came = gathered.samples
            with suppress(TimeoutError):
                await asyncio.wait_for(gathered.enough.wait(), _GATHER_S)
        async with self._free:  # who comes while others are answered can still join
            if not gathered.enough.is_set():
                del self._open[key]
            return await asyncio.wrap_future(job.answer(asked, gathered.samples))

    def launch_from_request(self, request: Any) -> NoReturn:
        raise ValueError("a rehearsal answers by the model in training: initialize a job")

    def terminate_job(self, job_id: str) -> dict[str, Any]:
        if self.jobs[job_id].state == "running":
            raise ValueError(f"{job_id} is running: cancel it")
        self.jobs[job_id].free()
        return {"job_id": job_id, "aliases": []}

    def cleanup(self) -> None:
        for job in self.jobs.values():
            if job.state != "running":
                job.free()


@dataclass
class ServerState:
    """What this process is and has, for the routes beside Arbor's."""

    jobs: dict[str, Job]
    storage: Path
    start: Path | None
    load: Load

    def describe(self) -> dict[str, Any]:
        roles = ("inference", "training")
        return {
            "arbor": version("arbor-ai"),
            "rehearsal": True,
            "gpus": [],
            "split": {role: [] for role in roles},
            "processes": [{"pid": os.getpid(), "role": role, "gpus": []} for role in roles],
            "disk_free": shutil.disk_usage(self.storage).free,
            "repairs": [],
        }

    def model(self, name: str) -> dict[str, Any]:
        """Raises KeyError for a model that a rehearsal cannot train, ValueError if it is broken."""
        try:
            start = _start(name, self.start)
        except FileNotFoundError as error:
            raise KeyError(str(error)) from error
        with as_value_error():
            student, _ = _loaded(self.load, start)
        named = student.model.named_parameters()
        return {
            "name": name,
            "parameters": sum(weight.numel() for key, weight in named if "lora_" not in key),
            "context": context_of(student),
            "chat_template": bool(student.tokenizer.chat_template),
        }

    def metrics(self, job_id: str, since: int) -> list[dict[str, float]]:
        return self.jobs[job_id].metrics[since:]

    def checkpoint(self, job_id: str, name: str) -> Path:
        return Path(self.jobs[job_id].checkpoints[name]["checkpoint_dir"])


def _start(model: str, start: Path | None) -> Path | None:
    """The adapter to train on from. Raises FileNotFoundError when the model is no such thing."""
    if is_adapter(model):
        return Path(model)
    if model.removeprefix("HuggingFaceTB/") != BASE:
        raise FileNotFoundError(
            f"a rehearsal cannot train {model}: give {BASE}, or the folder of an adapter "
            "on the machine that serves"
        )
    return start


def _loaded(load: Load, adapter: Path | None) -> tuple[Any, AdapterCard | None]:
    """The student with the adapter, and that one's card. Raises InputError, ModelError."""
    card = read_card(adapter) if adapter else None
    base = card.base if card else BASE
    return load("local" if base == BASE else base, adapter), card
