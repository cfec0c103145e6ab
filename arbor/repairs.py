"""Repairs of the server of Arbor 0.2.17, its last version.

A repair replaces a function of the installed package at run time. The only file it writes is one
that the wheel lacks. trainer.py has the repairs of the trainer's process.
"""

import asyncio
import hashlib
import importlib
import json
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import yaml
from machine import (
    GpuSplit,
    check_free,
    check_processes,
    gpus,
    is_alive,
    last_lines,
    out_of_memory,
    processes,
)
from pydantic import create_model
from trainer import Repair, end_of_turn, find_arbor

TRAINER = Path(__file__).resolve().parent / "trainer.py"
# How long to wait for the trainer's answer while its process runs.
START_S, COMMAND_S, CHECKPOINT_S = 1500.0, 600.0, 1800.0
LAST_S = 5.0  # for a worker's children to end by themselves before they are killed
LOOPBACK = "127.0.0.1"
# One part of a path; it cannot lead out of its folder.
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
WRITTEN = "# Written by arbor/repairs.py: the wheel of Arbor 0.2.17 lacks this file.\n"
DEEPSPEED = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "DEEPSPEED",
    "deepspeed_config": {
        "deepspeed_multinode_launcher": "standard",
        "offload_optimizer_device": "none",
        "offload_param_device": "none",
        "zero3_init_flag": False,
        "zero_stage": 2,  # 3 would shard the frozen weights, which every sync must gather
    },
    "mixed_precision": "bf16",
    "downcast_bf16": "no",
    "machine_rank": 0,
    "main_training_function": "main",
    "num_machines": 1,
    "rdzv_backend": "static",
    "same_network": True,
    "use_cpu": False,
}


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


def repairs(split: GpuSplit, storage: Path) -> list[Repair]:
    """The server's repairs. If two wrap one function, the later one is the outer one."""
    # The defect that each one fixes: arbor/README.md, "Repairs".
    return [
        Repair("deepspeed config", _write_config),
        Repair("parent thread", _spawn_in_one_thread),
        Repair("process tree", _end_whole_trees),
        Repair("loopback", _listen_on_loopback),
        Repair("gpu split", lambda: _pin(split)),
        Repair("control timeout", _control),
        Repair("inference start", _wait_for_vllm),
        Repair("inference errors", tell_errors),
        Repair("failed start", clean_up),
        Repair("job end", end_jobs),
        Repair("adapter as start", lambda: start_from_adapters(storage)),
        Repair("safe names", check_names),
        Repair("two states", keep_two_states),
        Repair("resume", lambda: resume_jobs(storage)),
    ]


def _runner() -> Any:
    return module("utils.process_runner").ProcessRunner


def _config_file(package: Path) -> Path:
    return package.resolve().parent / "configs" / "deepspeed_config.yaml"


def _write_config() -> None:
    file = _config_file(find_arbor())
    file.parent.mkdir(exist_ok=True)
    file.write_text(WRITTEN + yaml.safe_dump(DEEPSPEED), "utf-8")


def _spawn_in_one_thread() -> None:
    """Start children from one thread: they get SIGTERM when their parent thread ends.

    A request's thread ends after ten idle seconds, which ended vllm and the trainer too.
    """
    runner = _runner()
    original = runner.start
    thread = ThreadPoolExecutor(1, "parent of the workers")
    runner.start = lambda self, *a, **k: thread.submit(original, self, *a, **k).result()
    runner._setup_signal_handlers = lambda self: None  # they took Ctrl-C away from the server


def _end_whole_trees() -> None:
    """End a worker's children with it: they keep its GPUs."""
    runner = _runner()
    original = runner.terminate

    def terminate(self: Any, timeout: int = 10) -> bool:
        # Listed before the worker ends: afterwards they have no parent.
        family: list[psutil.Process] = []
        with suppress(psutil.Error):
            if self.pid is not None:
                family = psutil.Process(self.pid).children(recursive=True)
        ended = bool(original(self, timeout))
        for process in psutil.wait_procs(family, timeout=LAST_S)[1]:
            with suppress(psutil.Error):
                process.kill()
        return ended

    runner.terminate = terminate


def _edit_commands(edit: Callable[[list[str]], list[str]]) -> None:
    runner = _runner()
    original = runner.start
    runner.start = lambda self, command, *a, **k: original(self, edit(command), *a, **k)


def launch_own_trainer() -> None:
    """Make accelerate run trainer.py, which repairs the trainer in its own process."""
    _edit_commands(own_trainer)


def own_trainer(command: list[str]) -> list[str]:
    """A command that runs trainer.py instead of Arbor's module."""
    i = command.index("--module") if "--module" in command else len(command)
    if command[i + 1 : i + 2] != ["arbor.training.grpo.trainer"]:
        return command
    return [*command[:i], str(TRAINER), *command[i + 2 :]]


def on_loopback(command: list[str]) -> list[str]:
    """A command whose vllm accepts requests from this machine only."""
    return [*command, "--host", LOOPBACK] if any("vllm_serve" in c for c in command) else command


def _listen_on_loopback() -> None:
    """Make vllm listen on this machine only: it would take new weights from any client."""
    _edit_commands(on_loopback)
    configure(vllm_server_host=LOOPBACK)


def _pin(split: GpuSplit) -> None:
    """Give a run the GPUs of each role in arbor.yaml, or none."""
    job = job_class()
    manager = module("server.services.managers.gpu_manager").GPUManager
    original = job.initialize

    def allocate_gpus(self: Any, job_id: str, num_gpus: int) -> list[int]:
        # The job takes the first of its GPUs for inference: their order decides their roles.
        run = job_id.startswith("grpo:")
        wanted = (*split.inference, *split.training) if run else split.inference[:num_gpus]
        if len(wanted) != num_gpus:
            raise ValueError(f"{job_id} asks for {num_gpus} GPUs, arbor.yaml has {len(wanted)}")
        with self._lock:
            check_free(wanted, self.gpu_allocations, gpus())
            self.gpu_allocations[job_id] = list(wanted)
        return list(wanted)

    def initialize(self: Any, request: Any, inference_manager: Any) -> None:
        gpu_config = request.gpu_config.multi
        requested = (gpu_config.num_inference_gpus, gpu_config.num_training_gpus)
        configured = (len(split.inference), len(split.training))
        trainer_gpus = request.trainer_config.num_training_gpus
        if requested != configured or trainer_gpus != configured[1]:
            raise ValueError(
                f"the run asks for {requested[0]} GPUs for inference and {requested[1]} for "
                f"training, but arbor.yaml gives {configured[0]} and {configured[1]}: make them "
                "agree"
            )
        original(self, request, inference_manager)
        workers = processes()
        for worker in workers:
            print(f"{worker['role']} {worker['pid']} runs on GPU {worker['gpus']}", flush=True)
        check_processes(split, workers)

    manager.allocate_gpus = allocate_gpus
    job.initialize = initialize


def _control() -> None:
    """End each request to the trainer when the trainer ends, or after a time limit."""
    server = module("server.services.comms.control_server").TrainerControlServer

    def _request(self: Any, payload: dict[str, Any], limit: float = COMMAND_S) -> Any:
        limit = CHECKPOINT_S if payload["cmd"] == "checkpoint" else limit
        with self._io_lock:
            socket = self._ensure_socket()
            until = time.monotonic() + limit
            socket.send_json(payload)
            while not socket.poll(1000):
                alive = is_alive("--command_port", self.port)
                if alive and time.monotonic() < until:
                    continue
                self.close()  # a socket that waits for an answer accepts no other request
                self.start()
                if alive:
                    raise TimeoutError(f"no answer to {payload['cmd']} within {limit:.0f} s")
                raise RuntimeError("the trainer's process has ended")
            return socket.recv_json()

    def wait_for_clients(self: Any, expected_count: int = 1) -> None:
        self._request({"cmd": "noop"}, START_S)  # one process answers for all that train

    server._request = _request
    server.wait_for_clients = wait_for_clients


def _wait_for_vllm() -> None:
    """Stop waiting for vllm when vllm ends."""
    jobs = module("server.services.jobs.inference_job")
    original = jobs.InferenceJob.launch

    def wait_for_server(base_url: str, timeout: float = START_S) -> None:
        until = time.monotonic() + START_S
        port = urlsplit(base_url).port
        while time.monotonic() < until:
            if not is_alive("--port", port):
                raise RuntimeError("vllm's process has ended")
            with suppress(jobs.requests.RequestException):
                if jobs.requests.get(f"{base_url}/v1/models", timeout=5).ok:
                    return
            time.sleep(1)
        raise TimeoutError(f"vllm was not ready within {START_S:.0f} s")

    def launch(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            original(self, *args, **kwargs)
        finally:
            if self.vllm_client is None:
                self.terminate()

    jobs.wait_for_server = wait_for_server
    jobs.InferenceJob.launch = launch


# --- jobs: how they start, fail, end, answer and get names ---------------------------------------


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
            end = out_of_memory(logs) or f"the log ends with:\n{last_lines(logs)}"
            raise RuntimeError(f"{error}; {end}") from error
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
            logs = Path(self.log_file_path).parent
            self.failure = out_of_memory(logs) or last_lines(logs)
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
