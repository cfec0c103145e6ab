"""Repairs of jobs in Arbor 0.2.17: how they start, fail, end, answer and get names.

Each function here is the `apply` of one repair; repairs.py lists them with their checks.
"""

import asyncio
import hashlib
import importlib
import json
import re
import shutil
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from machine import last_lines
from pydantic import create_model
from trainer import end_of_turn

# One part of a path; it cannot lead out of its folder.
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


def module(name: str) -> Any:
    """A module of the installed Arbor, imported when a repair needs it."""
    return importlib.import_module(f"arbor.{name}")


def job_class() -> Any:
    """Arbor's class of GRPO jobs; most repairs replace one of its methods."""
    return module("server.services.jobs.grpo_job").GRPOJob


def configure(**fixed: Any) -> None:
    """Start every job's trainer with these settings, regardless of the request."""
    job = job_class()
    original = job._build_trainer_config

    def _build_trainer_config(self: Any, *args: Any) -> Any:
        config = original(self, *args)
        for key, value in fixed.items():
            setattr(config, key, value)
        return config

    job._build_trainer_config = _build_trainer_config


def keep_two_states() -> None:
    """Keep the trainer's state in the two newest checkpoints of a job: it is large.

    A client goes on from the last checkpoint that it has; the newest may never have reached it.
    """
    job = job_class()
    original = job.checkpoint

    def checkpoint(self: Any, request: Any) -> Any:
        status = original(self, request)
        records = sorted(self.checkpoints.values(), key=lambda record: record["timestamp"])
        for record in records[:-2]:
            for path in state_files(Path(record["checkpoint_dir"])):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        return status

    job.checkpoint = checkpoint


def state_files(folder: Path) -> list[Path]:
    """The optimizer's state in a checkpoint: DeepSpeed's folder, or Hugging Face's file."""
    return [*folder.glob("global_step*"), *folder.glob("optimizer.pt")]


def resume_jobs(storage: Path) -> None:
    """Let a request name the checkpoint of this storage that its trainer goes on from."""
    # Arbor's schema refuses the field. Its routes take the schema when they are imported, later.
    schemas = module("server.api.schemas")
    config, request_class = schemas.ArborGRPOConfigRequest, schemas.GRPOInitializeRequest
    schemas.ArborGRPOConfigRequest = create_model(
        config.__name__, __base__=config, resume_from_checkpoint=(str | None, None)
    )
    schemas.GRPOInitializeRequest = create_model(
        request_class.__name__,
        __base__=request_class,
        trainer_config=(schemas.ArborGRPOConfigRequest, ...),
    )
    job = job_class()
    original = job.initialize

    def initialize(self: Any, request: Any, inference_manager: Any) -> None:
        # A request that was made before has no such field.
        if checkpoint := getattr(request.trainer_config, "resume_from_checkpoint", None):
            check_state(Path(checkpoint), storage)
        original(self, request, inference_manager)

    job.initialize = initialize


def check_state(folder: Path, storage: Path) -> None:
    """Raise ValueError unless a trainer can go on from this folder, which must be in the storage.

    DeepSpeed unpickles what it reads, so nothing from elsewhere may be named.
    """
    if not folder.resolve().is_relative_to(storage.resolve()):
        raise ValueError(f"{folder} is no checkpoint of this server: its storage is {storage}")
    if not (folder / "trainer_state.json").is_file() or not state_files(folder):
        raise ValueError(
            f"{folder} keeps no trainer's state to go on from: start anew from this adapter"
            " (--start) with other --checkpoints"
        )


def tell_errors() -> None:
    """Report a failed answer as an error, not as `null`; all models end their turns."""
    job = module("server.services.jobs.inference_job").InferenceJob
    manager = module("server.services.managers.inference_manager").InferenceManager
    http_error = importlib.import_module("httpx").HTTPStatusError

    @lru_cache
    def stop(model: str) -> list[int]:
        tokenizers = importlib.import_module("transformers").AutoTokenizer
        return [end_of_turn(tokenizers.from_pretrained(model))]

    async def run_inference(self: Any, request: dict[str, Any]) -> dict[str, Any]:
        if self.vllm_client is None or not self.is_server_running():
            raise ConnectionError(f"vllm does not run for {request['model']}: start the job anew")
        model = self.launched_model_name
        body = {"stop_token_ids": stop(model), **request, "model": model}
        try:
            answer = await self.vllm_client.chat(json_body=body)
        except http_error as error:
            raise ValueError(error.response.text) from error
        return {**answer, "model": request["model"]}

    original = manager.route_inference
    launch_request = module("server.api.schemas").InferenceLaunchRequest
    launching = asyncio.Lock()

    async def route_inference(self: Any, request: dict[str, Any]) -> Any:
        model = request["model"]
        async with launching:
            if self._get_job_by_alias(model) is None:
                if model.startswith("grpo:"):
                    raise ValueError(f"no job {model} runs here: initialize one")
                # In a thread, so the server can answer other requests.
                await asyncio.to_thread(self.launch_from_request, launch_request(model=model))
        return await original(self, request)

    job.run_inference = run_inference
    manager.route_inference = route_inference


def clean_up() -> None:
    """A job that cannot start reports why, ends its processes and releases its GPUs."""
    job = job_class()
    original = job.initialize
    status = module("server.api.schemas").JobStatus

    def initialize(self: Any, request: Any, inference_manager: Any) -> None:
        logs = Path(self.log_file_path).parent
        try:
            original(self, request, inference_manager)
        except (RuntimeError, TimeoutError) as error:
            self.status = status.FAILED
            raise RuntimeError(f"{error}; the log ends with:\n{last_lines(logs)}") from error
        finally:
            # Otherwise its GPUs would stay allocated, and its vllm would continue.
            if self.status != status.RUNNING:
                self.terminate_process()

    job.initialize = initialize


def end_jobs() -> None:
    """A job whose trainer died has failed; cancel or the next job frees an ended job's GPUs."""
    job = job_class()
    manager = module("server.services.managers.grpo_manager").GRPOManager
    status = module("server.api.schemas").JobStatus
    follow_events = job._handle_event_updates
    plain_status = job.get_status
    start = manager.initialize
    starting = Lock()

    def _handle_event_updates(self: Any) -> None:
        follow_events(self)  # returns when the trainer stops answering
        if self.status == status.RUNNING:
            self.failure = last_lines(Path(self.log_file_path).parent)
            self.status = status.FAILED
            self.terminate_process()

    def get_status(self: Any) -> Any:
        state = plain_status(self)
        failure = getattr(self, "failure", "")
        return state.model_copy(update={"status": f"failed: {failure}"}) if failure else state

    def cancel(self: Any) -> None:
        if self.status == status.RUNNING:
            self.status = status.CANCELLED
        self.terminate_process()

    def terminate(self: Any, request: Any) -> Any:
        ended = self.grpo_jobs[request.job_id]
        if ended.status == status.RUNNING:
            ended.save_final_checkpoint()
            ended.status = status.SUCCEEDED
            try:
                ended.terminate_training()
            finally:
                # vllm keeps its GPUs, to serve the tuned model.
                ended.terminate_process(stop_inference=False, release_gpus=False)
        return ended.get_status()

    def initialize(self: Any, request: Any, inference_manager: Any) -> Any:
        with starting:
            jobs = list(self.grpo_jobs.values())
            if all(earlier.status != status.RUNNING for earlier in jobs):
                for earlier in jobs:
                    earlier.terminate_process()
                inference_manager.cleanup()
            return start(self, request, inference_manager)

    job._handle_event_updates = _handle_event_updates
    job.get_status = get_status
    job.cancel = cancel
    manager.terminate = terminate
    manager.initialize = initialize


def start_from_adapters(storage: Path) -> None:
    """Let a run name an adapter's folder as its model; merge it into its base first."""
    job = job_class()
    original = job.initialize

    def initialize(self: Any, request: Any, inference_manager: Any) -> None:
        folder = Path(request.model)
        if (folder / "adapter_config.json").is_file():
            model = str(merged(folder, storage / "merged"))
            served = request.inference_config.model_copy(update={"model": model})
            request = request.model_copy(update={"model": model, "inference_config": served})
        original(self, request, inference_manager)

    job.initialize = initialize


def merged(folder: Path, target: Path) -> Path:
    """Merge an adapter into a whole model in a folder of `target`, which appears when complete.

    Raises ValueError when the base cannot be loaded.
    """
    # Named by its weights: another run may have left an adapter in a folder of the same name.
    weights = hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
    whole = target / f"{folder.name}-{weights[:12]}"
    if whole.is_dir():
        return whole
    peft = importlib.import_module("peft")
    transformers = importlib.import_module("transformers")
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    base = config["base_model_name_or_path"]
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForCausalLM.from_pretrained(base, torch_dtype="auto")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} is an adapter for {base}, which cannot be had: {error}"
        ) from error
    # Renamed when complete: a folder that exists is whole.
    part = whole.with_name(whole.name + ".part")
    peft.PeftModel.from_pretrained(model, folder).merge_and_unload().save_pretrained(part)
    tokenizer.save_pretrained(part)
    part.rename(whole)
    return whole


def check_names() -> None:
    """Reject names that lead out of a folder: names become folders, and old ones are deleted."""
    manager = module("server.services.managers.grpo_manager").GRPOManager
    start = manager.initialize
    save = manager.route_grpo_checkpoint

    def check_name(name: str | None) -> None:
        if name is not None and not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: use letters, digits, . _ -")

    def initialize(self: Any, request: Any, inference_manager: Any) -> Any:
        check_name(request.run_name)
        check_name(Path(request.model).name)
        return start(self, request, inference_manager)

    def route_grpo_checkpoint(self: Any, request: Any) -> Any:
        check_name(request.checkpoint_name)
        return save(self, request)

    manager.initialize = initialize
    manager.route_grpo_checkpoint = route_grpo_checkpoint
