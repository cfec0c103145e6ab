"""The repairs of Arbor 0.2.17, on its own code: each mends what it names."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import yaml

from tests.support import arbor_package
from tests.support.arbor_package import (
    Stub,
    configured,
    initialize_request,
    machine,
    repair_named,
    repairs,
    runs,
    starting,
    trainer,
)

pytestmark = pytest.mark.slow

package = arbor_package.package


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Upstream's runner takes Ctrl-C and more from the process that starts one."""
    taken = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    kept = {number: signal.getsignal(number) for number in taken}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


GIB = 2**30


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "distribution", lambda name: SimpleNamespace(version="0.3.0"))
    with pytest.raises(trainer.StartError, match=r"0\.3\.0 is installed; .* 0\.2\.17 alone"):
        trainer.find_arbor()


def test_the_deepspeed_config_is_written_where_arbor_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "arbor"
    folder.mkdir()
    monkeypatch.setattr(repairs, "find_arbor", lambda: folder)
    repair = repair_named("deepspeed config")
    repair.apply()
    written = tmp_path / "configs" / "deepspeed_config.yaml"
    assert yaml.safe_load(written.read_text())["deepspeed_config"]["zero_stage"] == 2


def test_accelerate_reads_the_deepspeed_config_and_runs_our_trainer(tmp_path: Path) -> None:
    config_args = pytest.importorskip(
        "accelerate.commands.config.config_args", reason="uv sync --extra tune"
    )
    launch = importlib.import_module("accelerate.commands.launch")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(repairs.DEEPSPEED))
    assert config_args.load_config_from_file(str(file)).deepspeed_config["zero_stage"] == 2
    sent = ["--model", "m", "--command_port", "7"]
    command = ["--config_file", str(file), "--module", "arbor.training.grpo.trainer", "--", *sent]
    parsed = launch.launch_command_parser().parse_args(repairs.own_trainer(command))
    assert parsed.training_script == str(repairs.TRAINER)
    assert not parsed.module
    assert [part for part in parsed.training_script_args if part != "--"] == sent


def runner(package: Path, *names: str) -> Any:
    for name in names:
        repair_named(name).apply()
    return importlib.import_module("arbor.utils.process_runner")


@pytest.mark.parametrize("repaired", [False, True])
def test_a_worker_outlives_the_thread_that_started_it(repaired: bool, package: Path) -> None:
    started = runner(package, *(["parent thread"] if repaired else [])).ProcessRunner("job")
    thread = threading.Thread(target=started.start, args=(["sleep", "30"],))
    thread.start()
    thread.join()
    until = time.monotonic() + (0.5 if repaired else 60)
    while started.is_running() and time.monotonic() < until:
        time.sleep(0.02)
    assert started.is_running() is repaired
    started.terminate()


def test_a_worker_ends_with_its_children(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs, "LAST_S", 0.1)
    started = runner(package, "parent thread", "process tree").ProcessRunner("job")
    file = tmp_path / "child"
    deaf = f"trap '' TERM; touch {file}; while true; do sleep 0.1; done"
    started.start(["bash", "-c", f'bash -c "{deaf}" & wait'])
    while not file.exists():
        time.sleep(0.02)
    (child,) = psutil.Process(started.pid).children()
    started.terminate()
    child.wait(60)
    assert not child.is_running()


def test_the_trainer_is_ours_and_vllm_listens_on_this_machine_only(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = runner(package, "loopback")
    repairs.launch_own_trainer()
    ran: list[list[str]] = []
    quiet = SimpleNamespace(stdout=None, poll=lambda: 0)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: ran.append(command) or quiet)
    train: dict[str, Any] = {
        "num_processes": 2,
        "main_process_port": 1,
        "script_args": ["--model", "m"],
    }
    module.AccelerateProcessRunner("a").start_training(
        module="arbor.training.grpo.trainer", **train
    )
    serve = "python -m arbor.server.services.inference.vllm_serve --port 5"
    module.InferenceProcessRunner("b").start_inference_server(serve)
    assert ran[0][-4:] == [str(repairs.TRAINER), "--", "--model", "m"]
    assert "--module" not in ran[0]
    assert ran[1][-2:] == ["--host", "127.0.0.1"]
    assert configured().vllm_server_host == "127.0.0.1"


def gpu(i: int, free: float = 1.0, pids: tuple[int, ...] = ()) -> dict[str, Any]:
    return {"id": i, "memory_total": 80 * GIB, "memory_free": free * 80 * GIB, "pids": list(pids)}


@pytest.mark.parametrize(
    ("there", "held", "said"),
    [
        ([gpu(0), gpu(1), gpu(2)], {}, None),
        ([gpu(0), gpu(1)], {}, r"names GPU 2, but this machine has \[0, 1\]"),
        ([gpu(0), gpu(1, 0.5), gpu(2)], {}, "50% of GPU 1 is in use"),
        ([gpu(0), gpu(1), gpu(2, 0.95)], {}, None),
        ([gpu(0), gpu(1), gpu(2)], {"grpo:old": [2]}, "GPU 2 belongs to grpo:old"),
    ],
)
def test_a_run_gets_the_gpus_of_arbor_yaml_or_none(
    there: list[dict[str, Any]],
    held: dict[str, list[int]],
    said: str | None,
    package: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repairs, "gpus", lambda: there)
    repair_named("gpu split").apply()
    manager = pinned_manager(held)
    if said:
        with pytest.raises(ValueError, match=said):
            manager.allocate_gpus("grpo:x", 3)
        assert manager.gpu_allocations == held
    else:
        assert manager.allocate_gpus("grpo:x", 3) == [0, 1, 2]
        with pytest.raises(ValueError, match="belongs to grpo:x"):
            manager.allocate_gpus("infer:y", 1)
        assert manager.release_gpus("grpo:x")
        assert manager.allocate_gpus("infer:y", 1) == [0]
        with pytest.raises(ValueError, match="asks for 2 GPUs"):
            manager.allocate_gpus("infer:z", 2)


def pinned_manager(held: dict[str, list[int]]) -> Any:
    module = importlib.import_module("arbor.server.services.managers.gpu_manager")
    manager = object.__new__(module.GPUManager)
    manager._lock, manager.gpu_allocations = threading.Lock(), dict(held)
    manager.logger, manager._cleanup_called = module.LOGGER, True
    return manager


@pytest.mark.parametrize(("inference", "training"), [(2, 1), (1, 1), (1, 3)])
def test_a_run_that_asks_for_another_split_is_refused(
    inference: int, training: int, package: Path
) -> None:
    job = starting("gpu split", start=runs)
    with pytest.raises(ValueError, match=r"arbor\.yaml gives 1 and 2"):
        job.initialize(initialize_request(inference, training), None)


@pytest.mark.parametrize("on", [[0], [0, 1], []])
def test_a_run_on_other_gpus_than_asked_is_ended(
    on: list[int], package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = starting("gpu split", "failed start", start=runs)
    job.log_file_path = str(tmp_path / "x.log")
    good = [{"pid": 1, "role": "inference", "gpus": [0]}]
    good += [{"pid": 2 + i, "role": "training", "gpus": [1 + i]} for i in (0, 1)]
    monkeypatch.setattr(repairs, "processes", lambda: good)
    job.initialize(initialize_request(), None)
    assert (job.status.value, job.ended) == ("running", [])
    wrong = [*good[:1], {"pid": 2, "role": "training", "gpus": on}]
    monkeypatch.setattr(repairs, "processes", lambda: wrong)
    with pytest.raises(RuntimeError, match=r"training was to run on GPUs \(1, 2\)"):
        job.initialize(initialize_request(), None)
    assert (job.status.value, job.ended) == ("failed", [{}])


def test_processes_are_asked_which_gpus_they_see(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": "4,5", "LOCAL_RANK": "1"}
    sleeping = [sys.executable, "-c", "import time; time.sleep(30)"]
    rank = subprocess.Popen([*sleeping, "--command_port", "77"], env=environ)
    del environ["LOCAL_RANK"]
    vllm = subprocess.Popen([*sleeping, "x.vllm_serve", "--port", "78"], env=environ)
    try:
        # A process that has just begun has no command line for a moment: the kernel is at exec.
        for process in (rank, vllm):
            while not psutil.Process(process.pid).cmdline():
                time.sleep(0.01)
        monkeypatch.setattr(machine, "gpus", list)
        found = {worker["pid"]: (worker["role"], worker["gpus"]) for worker in machine.processes()}
        assert found[rank.pid] == ("training", [5])
        assert found[vllm.pid] == ("inference", [4, 5])
        monkeypatch.setattr(machine, "gpus", lambda: [gpu(3, pids=(vllm.pid,))])
        seen = {worker["pid"]: worker["gpus"] for worker in machine.processes()}
        assert seen[vllm.pid] == [3], "the driver knows better than the environment"
        assert machine.is_alive("--command_port", 77)
        assert not machine.is_alive("--command_port", 78)
        rank.kill()
        rank.wait()
        assert not machine.is_alive("--command_port", 77)
    finally:
        for process in (rank, vllm):
            process.kill()
            process.wait()


def test_the_driver_tells_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Stub("pynvml")
    memory = SimpleNamespace(total=80, free=60)
    answers: dict[str, Any] = {
        "Init": None, "DeviceGetCount": 1, "DeviceGetHandleByIndex": 0, "DeviceGetName": b"H200",
        "DeviceGetMemoryInfo": memory, "DeviceGetUtilizationRates": SimpleNamespace(gpu=50),
        "DeviceGetComputeRunningProcesses": [SimpleNamespace(pid=9)],
    }  # fmt: skip
    for name, answer in answers.items():
        setattr(nvml, f"nvml{name}", lambda *_, answer=answer: answer)
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert machine.gpus() == [
        {
            "id": 0, "name": "H200", "memory_total": 80, "memory_free": 60, "utilization": 0.5,
            "pids": [9],
        }
    ]  # fmt: skip

    def broken() -> None:
        raise nvml.NVMLError("Driver Not Loaded")

    nvml.nvmlInit = broken
    with pytest.raises(trainer.StartError, match="Driver Not Loaded"):
        machine.gpus()


def test_waiting_for_vllm_ends_with_vllm(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repair_named("inference start").apply()
    module = importlib.import_module("arbor.server.services.jobs.inference_job")
    with pytest.raises(RuntimeError, match="vllm's process has ended"):
        module.wait_for_server("http://localhost:1")
    monkeypatch.setattr(repairs, "is_alive", lambda *_: True)
    monkeypatch.setattr(repairs, "START_S", 0.0)
    with pytest.raises(TimeoutError):
        module.wait_for_server("http://localhost:1")


def test_a_request_to_a_dead_trainer_ends_and_the_next_is_served(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zmq = pytest.importorskip("zmq", reason="uv sync --extra tune")
    if isinstance(zmq, Stub):
        del sys.modules["zmq"]
        zmq = pytest.importorskip("zmq", reason="pyzmq")
    repair_named("control timeout").apply()
    module = importlib.import_module("arbor.server.services.comms.control_server")
    server = module.TrainerControlServer()
    server.start()
    with pytest.raises(RuntimeError, match="the trainer's process has ended"):
        server.wait_for_clients(2)
    monkeypatch.setattr(repairs, "is_alive", lambda *_: True)
    monkeypatch.setattr(repairs, "COMMAND_S", 0.0)
    with pytest.raises(TimeoutError, match="no answer to status"):
        server._request({"cmd": "status"}, 0.0)
    trainer_side = zmq.Context.instance().socket(zmq.REP)
    trainer_side.bind(server.endpoint)

    def answer() -> None:
        for _ in range(2):
            trainer_side.send_json({"ok": True, "got": trainer_side.recv_json()["cmd"]})

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    server.wait_for_clients(2)
    assert server.get_status()["got"] in ("status", "noop")
    server.close()
    trainer_side.close(0)
