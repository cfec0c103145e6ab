"""The rehearsal's server as a process: started, waited for, stopped; why it did not start."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from locomo.weights import rehearsal as rehearsing
from locomo.weights.launch import shipped_start
from locomo.weights.options import TrainOptions
from locomo.weights.rehearsal import check_tuning, rehearsal_server
from memory import InputError
from tests.support.arbor_server import describe

SERVER = """
import json, os, pathlib, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pathlib.Path("about.json").read_bytes())
    def log_message(self, *_): ...
pathlib.Path("started.json").write_text(json.dumps([os.getpid(), sys.argv[1:]]))
"""
SERVES = "HTTPServer(('127.0.0.1', int(sys.argv[sys.argv.index('--port') + 1])), Handler)"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server in a file of its own, in place of arbor/serve.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "about.json").write_text(json.dumps(describe(rehearsal=True)))
    path = tmp_path / "serve.py"
    path.write_text(f"{SERVER}{SERVES}.serve_forever()")
    return path


def started(folder: Path) -> tuple[int, list[str]]:
    pid, arguments = json.loads((folder / "started.json").read_text())
    return pid, arguments


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_server_runs_as_long_as_it_is_needed(script: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with blank"
    with rehearsal_server(script, folder, Path("start"), 0) as server:
        assert server.describe().rehearsal
        pid, arguments = started(tmp_path)
        assert is_alive(pid)
    assert not is_alive(pid)
    assert arguments[-2:] == ["--start", str(tmp_path / "start")]
    config = yaml.safe_load((folder / "arbor.yaml").read_text())
    assert config["storage_path"] == str(folder / "storage")


@pytest.mark.slow
@pytest.mark.parametrize("obeys", [True, False])
def test_it_is_stopped_whatever_happens(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obeys: bool
) -> None:
    deaf = "" if obeys else "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    script.write_text(f"{SERVER}{deaf}{SERVES}.serve_forever()")
    monkeypatch.setattr(rehearsing, "STOP_S", 0.5)
    with pytest.raises(KeyboardInterrupt), rehearsal_server(script, tmp_path, None, 0):
        raise KeyboardInterrupt
    assert not is_alive(started(tmp_path)[0])


@pytest.mark.slow
def test_one_that_ends_shows_the_end_of_its_log(script: Path, tmp_path: Path) -> None:
    script.write_text("raise SystemExit('serve.py: no memory left')")
    with (
        pytest.raises(InputError, match=r"ended with 1; .*server\.log ends: .*no memory left"),
        rehearsal_server(script, tmp_path, None, 0),
    ):
        pass


@pytest.mark.slow
def test_one_that_never_answers_is_given_up_and_stopped(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.write_text(f"{SERVER}import time\ntime.sleep(60)")
    monkeypatch.setattr(rehearsing, "START_S", 1)
    with (
        pytest.raises(InputError, match="gave no answer in"),
        rehearsal_server(script, tmp_path, None, 0),
    ):
        pass
    assert not is_alive(started(tmp_path)[0])


def test_a_port_in_use_is_named_and_nothing_starts(script: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=f"port {port} is in use"),
            rehearsal_server(script, tmp_path, None, port),
        ):
            pass
    assert not (tmp_path / "started.json").exists()


def test_a_folder_that_cannot_be_is_named(script: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot write serve\.py"),
        rehearsal_server(script, Path("serve.py"), None, 0),
    ):
        pass


def test_what_tuning_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsing, "NEEDS", ("json", "no_such_package"))
    with pytest.raises(InputError, match=r"needs no_such_package: run `uv sync --extra tune`"):
        check_tuning()


@pytest.mark.parametrize(
    ("target", "start"), [("answer", "answer"), ("sql", None), ("store", None), ("all", None)]
)
def test_a_rehearsal_starts_from_the_adapter_that_comes_with_the_package(
    target: Any, start: str | None
) -> None:
    folder = shipped_start(TrainOptions(target=target).targets)
    assert (folder and folder.name) == start
