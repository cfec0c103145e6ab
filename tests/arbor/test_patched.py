"""Arbor 0.2.17 with our patch: its copy, its processes, its GPUs and its trainer's answers."""

import importlib
import signal
import subprocess
import sys
import threading
import time
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
    patched,
    patched_copy,
    runs,
    starting,
)

pytestmark = pytest.mark.slow

package = arbor_package.package


GIB = 2**30


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(patched, "distribution", lambda name: SimpleNamespace(version="0.3.0"))
    with pytest.raises(patched.StartError, match=r"0\.3\.0 is installed; .* 0\.2\.17 alone"):
        patched.patched_copy(tmp_path)


def test_a_changed_package_is_refused_and_a_changed_copy_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = patched.patched_copy(tmp_path)
    changed = copy / "arbor" / "server" / "main.py"
    changed.write_text("import os\n")
    assert patched.patched_copy(tmp_path) == copy
    assert changed.read_text() != "import os\n"
    changed.write_text(changed.read_text() + "\n")
    other = SimpleNamespace(version=patched.KNOWN, locate_file=lambda name: copy / name)
    monkeypatch.setattr(patched, "distribution", lambda name: other)
    with pytest.raises(patched.StartError, match="does not fit"):
        patched.patched_copy(tmp_path / "other")


def test_the_patch_is_applied_line_by_line_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo\nthree\n")
    patched.apply("--- a\n+++ a\n@@ -2,2 +2,2 @@\n two\n-three\n+four\n", tmp_path)
    assert (tmp_path / "a").read_text() == "one\ntwo\nfour\n"
    with pytest.raises(patched.StartError, match="does not fit"):
        patched.apply("--- a\n+++ a\n@@ -2 +2 @@\n-three\n+five\n", tmp_path)


def test_the_processes_that_it_starts_import_the_copy(tmp_path: Path) -> None:
    copy = patched_copy()
    code = (
        f"import sys; sys.path.insert(0, {str(Path(patched.__file__).parent)!r}); import patched;"
        f"from pathlib import Path; patched.import_from(Path({str(copy)!r})); import subprocess;"
        "code = 'import arbor.utils.process_runner as m, sampling; print(m.__file__)';"
        "subprocess.run([sys.executable, '-c', code], check=True)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(ran.stdout.strip()) == copy / "arbor" / "utils" / "process_runner.py"


def test_accelerate_reads_the_deepspeed_config(package: None) -> None:
    module = importlib.import_module("arbor.utils.process_runner")
    folder = Path(module.__file__ or "").parents[2]
    file = folder / "configs" / "deepspeed_config.yaml"
    assert yaml.safe_load(file.read_text())["deepspeed_config"]["zero_stage"] == 2
    config_args = pytest.importorskip(
        "accelerate.commands.config.config_args", reason="uv sync --extra tune"
    )
    assert config_args.load_config_from_file(str(file)).deepspeed_config["zero_stage"] == 2


def runner() -> Any:
    return importlib.import_module("arbor.utils.process_runner")


def test_a_worker_outlives_the_thread_that_started_it(package: None) -> None:
    started = runner().ProcessRunner("job")
    kept = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=started.start, args=(["sleep", "30"],))
    thread.start()
    thread.join()
    time.sleep(0.5)
    assert started.is_running()
    assert signal.getsignal(signal.SIGINT) is kept, "Ctrl-C stays the server's"
    started.terminate()


def test_a_worker_ends_with_its_children(
    package: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner(), "LAST_S", 0.1)
    started = runner().ProcessRunner("job")
    file = tmp_path / "child"
    deaf = f"trap '' TERM; touch {file}; while true; do sleep 0.1; done"
    started.start(["bash", "-c", f'bash -c "{deaf}" & wait'])
    while not file.exists():
        time.sleep(0.02)
    (child,) = psutil.Process(started.pid).children()
    started.terminate()
    child.wait(60)
    assert not child.is_running()


def test_vllm_listens_on_this_machine_only(
    package: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs = importlib.import_module("arbor.server.services.jobs.inference_job")
    ran: list[list[str]] = []
    quiet = SimpleNamespace(stdout=None, poll=lambda: 0, pid=1)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: ran.append(command) or quiet)
    job = object.__new__(jobs.InferenceJob)
    job.id, job.process_runner, job.vllm_client = "infer:x", None, None
    job.log_file_path = str(tmp_path / "x.log")
    job.terminate = lambda: None
    settings = SimpleNamespace(grpo_job_id="", log_file_path="", gpu_ids=[0], max_seq_len=None)
    with pytest.raises(RuntimeError, match="vllm's process has ended"):
        job.launch("m", settings)
    [command] = ran
    assert command[command.index("--host") + 1] == "127.0.0.1"
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
    package: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = pinned_manager(held)
    module = importlib.import_module("arbor.server.services.managers.gpu_manager")
    monkeypatch.setattr(module, "gpus", lambda: there)
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
    manager.split = machine.GpuSplit((0,), (1, 2))
    return manager


@pytest.mark.parametrize(("inference", "training"), [(2, 1), (1, 1), (1, 3)])
def test_a_run_that_asks_for_another_split_is_refused(
    inference: int, training: int, package: None, tmp_path: Path
) -> None:
    job = starting(tmp_path, start=runs)
    with pytest.raises(ValueError, match=r"arbor\.yaml gives 1 and 2"):
        job.initialize(initialize_request(inference, training), None)


def test_a_request_to_a_dead_trainer_ends_and_the_next_is_served(
    package: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    zmq = pytest.importorskip("zmq", reason="uv sync --extra tune")
    if isinstance(zmq, Stub):
        pytest.skip("pyzmq is not installed")
    module = importlib.import_module("arbor.server.services.comms.control_server")
    server = module.TrainerControlServer()
    server.start()
    with pytest.raises(RuntimeError, match="the trainer's process has ended"):
        server.wait_for_clients(2)
    monkeypatch.setattr(module, "is_alive", lambda *_: True)
    monkeypatch.setattr(module, "COMMAND_S", 0.0)
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
