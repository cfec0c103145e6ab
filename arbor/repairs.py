"""Repairs of the server of Arbor 0.2.17, each with a check that it is needed.

A repair replaces a function of the installed package at run time. The only file it writes is one
that the wheel lacks. A check reads the installed code: when upstream has fixed a defect, the start
prints "not needed", and the repair can be deleted. trainer.py has the repairs of the trainer's
process.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import yaml
from jobs import (
    check_names,
    clean_up,
    configure,
    end_jobs,
    job_class,
    keep_two_states,
    module,
    resume_jobs,
    start_from_adapters,
    tell_errors,
)
from machine import GpuSplit, check_free, check_processes, gpus, is_alive, processes
from trainer import Repair, find_arbor, lacks, says

TRAINER = Path(__file__).resolve().parent / "trainer.py"
# How long to wait for the trainer's answer while its process runs.
START_S, COMMAND_S, CHECKPOINT_S = 1500.0, 600.0, 1800.0
LAST_S = 5.0  # in which a worker's children may end by themselves before they are killed
LOOPBACK = "127.0.0.1"
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


def repairs(split: GpuSplit, storage: Path) -> list[Repair]:
    """The server's repairs. If two wrap one function, the later one is the outer one."""
    job = "server/services/jobs/grpo_job.py"
    runner = "utils/process_runner.py"
    inference = "server/services/jobs/inference_job.py"
    manager = "server/services/managers/gpu_manager.py"
    control = "server/services/comms/control_server.py"
    # The defect that each one fixes: arbor/README.md, "Repairs".
    return [
        Repair("deepspeed config", _lacks_config, _write_config),
        Repair("parent thread", says(runner, "PR_SET_PDEATHSIG = 1"), _spawn_in_one_thread),
        Repair("process tree", lacks(runner, "children(recursive=True)"), _end_whole_trees),
        Repair("loopback", says(inference, "--port {self.port} --gpu-memory"), _listen_on_loopback),
        Repair(
            "gpu split",
            says(manager, "sorted(available_pool)[:num_gpus]"),
            lambda: _pin(split),
        ),
        Repair("control timeout", says(control, "recv_timeout: float | None = None"), _control),
        Repair("inference start", says(inference, "# Server not up yet, wait"), _wait_for_vllm),
        Repair("inference errors", says(inference, "Error running inference"), tell_errors),
        Repair("failed start", says(job, "wait_for_clients(num_processes)\n"), clean_up),
        Repair("job end", lacks(job, "JobStatus.FAILED"), end_jobs),
        Repair(
            "adapter as start",
            lacks(job, "adapter_config"),
            lambda: start_from_adapters(storage),
        ),
        Repair("safe names", says(job, "name = request.run_name if"), check_names),
        Repair("two states", lacks(job, "optimizer.pt"), keep_two_states),
        Repair(
            "resume",
            lacks("server/api/schemas.py", "resume_from_checkpoint"),
            lambda: resume_jobs(storage),
        ),
    ]


def _runner() -> Any:
    return module("utils.process_runner").ProcessRunner


def _config_file(package: Path) -> Path:
    return package.resolve().parent / "configs" / "deepspeed_config.yaml"


def _lacks_config(package: Path) -> bool:
    file = _config_file(package)
    return not file.is_file() or file.read_text("utf-8").startswith(WRITTEN)


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
