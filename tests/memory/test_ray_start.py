"""How Ray starts, for this process alone or in a cluster: a fault is one line."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.store.namespaces import path_of
from tests.support.model_server import serving_model

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

LISTENING = """
import json, psutil
from memory.system.machines import over_machines

[(_, result)] = over_machines(abs, [-5])
me = psutil.Process()
print(json.dumps([result, sorted({
    connection.laddr.ip.removeprefix("::ffff:")  # IPv4 by a socket of IPv6
    for process in [me, *me.children(recursive=True)]
    for connection in process.net_connections("inet")
    if connection.status == psutil.CONN_LISTEN
})]))
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # what the workers import


@pytest.fixture
def silent_port() -> int:
    """A port of this machine where nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def digest_all(over: str) -> "subprocess.CompletedProcess[str]":
    with open_store(path_of("anna")) as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
    with serving_model() as server:  # it is never asked
        model = ["--model", "openai/m", "--api-base", server.address]
        command = [sys.executable, "-m", "memory", "digest", "--all", "--over", over, *model]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not server.answered
    return done


def fault_in(text: str) -> str:
    assert "Traceback" not in text
    [line] = [line for line in text.splitlines() if line.startswith("error:")]
    assert text.rstrip().endswith(line)
    return line


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_does_not_answer_is_one_line(
    silent_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    address = f"{scheme}127.0.0.1:{silent_port}"
    if not scheme:
        monkeypatch.setenv("RAY_ADDRESS", address)
    done = digest_all(address if scheme else "ray")
    assert done.returncode == 2
    fault = fault_in(done.stderr)
    assert f"--over: no Ray at {address} (" in fault
    assert "Connection refused" in fault


def test_a_start_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "file"))
    done = digest_all("ray")
    assert done.returncode == 2
    fault = fault_in(done.stderr)
    assert "--over: no Ray at this machine (" in fault


def test_a_ray_of_this_process_listens_on_loopback_alone() -> None:
    # Where another test has begun a cluster, Ray would join it; sockets want a short path.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="r") as folder:
        environment = {**os.environ, "RAY_TMPDIR": folder}
        done = subprocess.run(
            [sys.executable, "-c", LISTENING],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    result, addresses = json.loads(done.stdout.splitlines()[-1])
    assert result == 5
    assert addresses
    assert {*addresses} <= {"127.0.0.1", "::1"}
