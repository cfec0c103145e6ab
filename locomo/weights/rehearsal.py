"""The rehearsal's server: Arbor's own application on this machine's CPU, for one training."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from locomo.weights.arbor_client import Server
from memory import InputError, Stop
from memory.files import write_whole

NEEDS = ("torch", "transformers", "peft", "gguf", "fastapi", "uvicorn")
START_S = 300  # loading torch on a busy machine takes most of a minute
STOP_S = 20  # to end its jobs after SIGTERM, before it is killed


def check_tuning() -> None:
    """Raise InputError when the extra `tune` is not installed."""
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise InputError(
            f"tuning on this machine needs {', '.join(missing)}: run `uv sync --extra tune`"
        )


def free_port(port: int) -> int:
    """This port, or any free one for 0. Raises InputError if the port is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port {port} is in use: stop what listens there, or give another --port"
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def rehearsal_server(script: Path, folder: Path, start: Path | None, port: int) -> Iterator[Server]:
    """Run the server in a block: yields it when it answers, and stops it at the end.

    Arguments:
        script: arbor/serve.py.
        folder: for its configuration, its log and its checkpoints.
        start: the adapter that training starts from; None for the packaged model as it is.
        port: on 127.0.0.1; 0 for any.

    Raises InputError when it does not start, with the last lines of its log.
    """
    port = free_port(port)
    config, log = folder / "arbor.yaml", folder / "server.log"
    storage = json.dumps(str(folder.absolute() / "storage"))  # also a string in YAML
    roles = 'inference: {gpu_ids: "0"}\ntraining: {gpu_ids: "1"}\n'
    write_whole(config, f"storage_path: {storage}\n{roles}".encode())
    command = [sys.executable, str(script), "--config", str(config), "--rehearse"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--start", str(start.absolute())] if start else []
    # On busy cores threads that spin while they wait take the time of those that work.
    quiet_threads = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    with log.open("wb") as out:
        # A group of its own: Ctrl-C is for the client, which frees the server in good order.
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | quiet_threads, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}/v1/")
    try:
        _wait_for_answer(server, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_answer(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    since = time.monotonic()
    while True:
        try:
            server.describe()
        except Stop as error:
            exit_code, waited = process.poll(), time.monotonic() - since
            if exit_code is None and waited < START_S:
                time.sleep(1)
                continue
            tail = " ".join(log.read_text("utf-8", "replace").split()[-60:])
            outcome = f"gave no answer in {waited:.0f}"
            if exit_code is not None:
                outcome = f"ended with {exit_code}"
            raise InputError(f"the rehearsal's server {outcome}; {log} ends: {tail}") from error
        return
