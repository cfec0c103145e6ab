"""Arbor's managers in a rehearsal: one policy, trained and sampled in this process, without a GPU.

The application is Arbor's own (0.2.17), with its routes, schemas and status codes. `install` makes
its routes importable without vllm and trl; `managers` gives them managers to call. These are
stricter than Arbor's: they refuse a batch that was not requested, and a job whose trainer raised is
"failed", where Arbor's would stay "running" for ever.
"""

import asyncio
import importlib
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

from pydantic import create_model

from memory.errors import InputError
from memory.program.adapter_card import BASE, AdapterCard, is_adapter, read_card
from memory.tune.grpo import GrpoTrainer, Sample
from memory.tune.rehearsal_job import (
    PLAIN_NAME,
    RehearsalJob,
    SamplingRequest,
    as_value_error,
    context_length,
)
from memory.tune.student import load_student

# How long to wait for the next rollout of a group: dspy requests the rollouts of one prompt from
# several threads, one request each.
_GATHER_SECONDS = 0.05

LoadStudent = Callable[[str, Path | None], Any]  # (base, adapter) -> Student
MakeTrainer = Callable[[Any, Mapping[str, Any]], Any]  # (Student, settings) -> GrpoTrainer


def install() -> None:
    """Make `arbor.server.main` importable without the packages of Arbor's GPU managers.

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
        setattr(module, manager, object)  # the routes use it in annotations only
        sys.modules[module.__name__] = module
    _accept_checkpoints()


def _accept_checkpoints() -> None:
    """Let a request name the checkpoint that a run goes on from: Arbor's schema refuses the field.

    Arbor's routes take the schema when they are imported, so this comes first.
    """
    schemas: Any = importlib.import_module("arbor.server.api.schemas")
    config, request = schemas.ArborGRPOConfigRequest, schemas.GRPOInitializeRequest
    if "resume_from_checkpoint" in config.model_fields:
        return
    path: Any = (str | None, None)  # the type and the default
    schemas.ArborGRPOConfigRequest = create_model(
        config.__name__, __base__=config, resume_from_checkpoint=path
    )
    schemas.GRPOInitializeRequest = create_model(
        request.__name__, __base__=request, trainer_config=(schemas.ArborGRPOConfigRequest, ...)
    )


def managers(
    config: Any,
    start: Path | None,
    load: LoadStudent = load_student,
    train: MakeTrainer = GrpoTrainer,
) -> dict[str, Any]:
    """The managers that `app.state` needs, by name.

    `config.storage_path` is the folder of the checkpoints. `start` is an adapter of the packaged
    model to train further. `load` and `train` return the student and its trainer.
    """
    jobs: dict[str, RehearsalJob] = {}
    storage = Path(config.storage_path).resolve()
    storage.mkdir(parents=True, exist_ok=True)
    return {
        "gpu_manager": None,
        "job_manager": None,
        "inference_manager": RehearsalInferenceManager(jobs),
        "grpo_manager": RehearsalGrpoManager(
            jobs, storage=storage, start=start, load=load, train=train
        ),
        "server_state": ServerState(jobs, storage=storage, start=start, load=load),
    }


@dataclass
class RehearsalGrpoManager:
    """Replaces Arbor's GRPOManager, one job at a time; an unknown job is a KeyError, as there."""

    jobs: dict[str, RehearsalJob]
    storage: Path
    start: Path | None
    load: LoadStudent
    train: MakeTrainer
    _starting: Lock = field(default_factory=Lock)

    def initialize(self, request: Any, _: object) -> dict[str, Any]:
        """Load the policy and request batch 0.

        With `resume_from_checkpoint` in the settings, the trainer goes on from that folder.

        Raises ValueError when another job runs or the settings do not fit the model,
        FileNotFoundError when a rehearsal cannot train the model.
        """
        config = request.trainer_config.model_dump(exclude_unset=True)
        settings = {key: value for key, value in config.items() if value is not None}
        checkpoint = settings.pop("resume_from_checkpoint", None)
        if settings.get("num_generations", 0) < 2:
            raise ValueError("num_generations: a group needs 2 or more answers to compare")
        name = request.run_name or secrets.token_hex(4)
        if not PLAIN_NAME.fullmatch(name):
            raise ValueError(f"run_name {name!r}: use letters, digits, . _ -")
        model = request.model.rstrip("/").split("/")[-1].lower()
        folder = self.storage / "checkpoints" / f"grpo:{model}:{name}:{datetime.now():%Y%m%d}"
        with self._starting:
            adapter = _start_adapter(request.model, self.start)
            self._free_others(folder)
            with as_value_error():
                student, card = _load(self.load, adapter)
                if settings.get("max_seq_len", 0) > (context := context_length(student)):
                    raise InputError(f"max_seq_len: {request.model} reads {context} tokens at most")
                trainer = self.train(student, settings)
                if checkpoint:
                    trainer.restore(Path(checkpoint))
            self.jobs[folder.name] = RehearsalJob(
                folder,
                student=student,
                trainer=trainer,
                settings=settings,
                start=card,
            )
        return self.jobs[folder.name].status()

    def _free_others(self, folder: Path) -> None:
        """Free the policies of earlier jobs. Raises ValueError when the new job cannot start."""
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
    is_complete: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class RehearsalInferenceManager:
    """Replaces Arbor's InferenceManager: the policy in training answers."""

    jobs: dict[str, RehearsalJob]
    _open: dict[str, tuple[_Gathered, "asyncio.Task[list[Sample]]"]] = field(default_factory=dict)
    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def route_inference(self, request: dict[str, Any]) -> dict[str, Any]:
        """One OpenAI chat completion. Raises ValueError for a request that cannot be answered."""
        sampling = SamplingRequest.model_validate(request)
        if sampling.model not in self.jobs:
            raise ValueError(f"{sampling.model} is no job of this rehearsal: initialize one first")
        samples = await self._samples(self.jobs[sampling.model], sampling)
        prompt_tokens = samples[0].prompt_tokens
        completion_tokens = sum(sample.completion_tokens for sample in samples)
        return {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": sampling.model,
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": sample.text},
                    "finish_reason": sample.finish_reason,
                }
                for index, sample in enumerate(samples)
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }

    async def _samples(self, job: RehearsalJob, request: SamplingRequest) -> list[Sample]:
        """The request's share of the samples for its prompt, drawn together.

        A group drawn together reads the prompt once, not once for each sample.
        """
        if request.temperature == 0:
            return await asyncio.wrap_future(job.answer(request, request.n))
        key = json.dumps(request.model_dump(exclude={"n"}))
        if key not in self._open:
            gathered = _Gathered()
            drawn = asyncio.create_task(self._draw(job, request, key=key, gathered=gathered))
            self._open[key] = gathered, drawn
        gathered, drawn = self._open[key]
        first = gathered.samples
        gathered.samples += request.n
        if gathered.samples >= job.rollouts:
            del self._open[key]
            gathered.is_complete.set()
        # A client that hangs up must not cancel the samples of the other clients.
        return (await asyncio.shield(drawn))[first : first + request.n]

    async def _draw(
        self, job: RehearsalJob, request: SamplingRequest, key: str, gathered: _Gathered
    ) -> list[Sample]:
        """The samples of one group, drawn when the group is complete or no more requests come."""
        samples_before = 0
        while samples_before < gathered.samples and not gathered.is_complete.is_set():
            samples_before = gathered.samples
            with suppress(TimeoutError):
                await asyncio.wait_for(gathered.is_complete.wait(), _GATHER_SECONDS)
        async with self._free:  # requests that arrive while another group is drawn can still join
            if not gathered.is_complete.is_set():
                del self._open[key]
            return await asyncio.wrap_future(job.answer(request, gathered.samples))

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
    """The jobs and stored adapters of this process, for the routes beside Arbor's."""

    jobs: dict[str, RehearsalJob]
    storage: Path
    start: Path | None
    load: LoadStudent

    def describe(self) -> dict[str, Any]:
        roles = ("inference", "training")
        return {
            "arbor": version("arbor-ai"),
            "rehearsal": True,
            "resumes": True,
            "gpus": [],
            "split": {role: [] for role in roles},
            "processes": [{"pid": os.getpid(), "role": role, "gpus": []} for role in roles],
            "disk_free": shutil.disk_usage(self.storage).free,
            "repairs": [],
        }

    def model(self, name: str) -> dict[str, Any]:
        """Raises KeyError if a rehearsal cannot train the model, ValueError if it is broken."""
        try:
            start = _start_adapter(name, self.start)
        except FileNotFoundError as error:
            raise KeyError(str(error)) from error
        with as_value_error():
            student, _ = _load(self.load, start)
        parameters = student.model.named_parameters()
        return {
            "name": name,
            "parameters": sum(weight.numel() for key, weight in parameters if "lora_" not in key),
            "context": context_length(student),
            "chat_template": bool(student.tokenizer.chat_template),
        }

    def metrics(self, job_id: str, since: int) -> list[dict[str, float]]:
        return self.jobs[job_id].metrics[since:]

    def checkpoint(self, job_id: str, name: str) -> Path:
        return Path(self.jobs[job_id].checkpoints[name]["checkpoint_dir"])


def _start_adapter(model: str, start: Path | None) -> Path | None:
    """The adapter to continue from; None for the packaged model without an adapter.

    Raises FileNotFoundError when the model is neither an adapter nor the packaged model.
    """
    if is_adapter(model):
        return Path(model)
    if model.removeprefix("HuggingFaceTB/") != BASE:
        raise FileNotFoundError(
            f"a rehearsal cannot train {model}: give {BASE}, or the folder of an adapter "
            "on the machine that serves"
        )
    return start


def _load(load: LoadStudent, adapter: Path | None) -> tuple[Any, AdapterCard | None]:
    """The student with an adapter, and the adapter's card. Raises InputError, ModelError."""
    card = read_card(adapter) if adapter else None
    base = card.base if card else BASE
    return load("local" if base == BASE else base, adapter), card
