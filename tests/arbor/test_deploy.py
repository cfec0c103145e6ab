"""Renting a pod: what is asked of RunPod, what is refused before, what is never left behind."""

import io
import multiprocessing
import os
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runpod_server import KEY, RunPod, serving_runpod

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[2] / "arbor" / "deploy.py"
SCRIPTS = ("serve.py", "patched.py", "arbor-0.2.17.patch", "startup.sh", "requirements.lock")
CONFIG = "storage_path: x\ninference: {gpu_ids: '0'}\ntraining: {gpu_ids: '1'}\n"
HOSTILE = "\"}]}){id}}#'$(reboot)`\\u0022\\"
DEADLINE_S = 120.0
# RunPod's SDK takes seconds to load: once, in the process that the others are forked from.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["runpod", "httpx", "typer", "yaml", "tests.arbor.test_deploy"])


def as_script(path: Path, args: list[str], env: dict[str, str], out: Path, terminal: str) -> None:
    """Be the process `python path args`, in another folder than its own."""
    os.chdir(out.parent)
    os.environ.clear()
    os.environ.update(env)
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, 0.02))
    for number in (1, 2):
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if terminal:
        os.dup2(os.open(terminal, os.O_RDWR), 0)
        sys.stdin = open(0)  # noqa: SIM115
    sys.argv = [str(path), *args]
    runpy.run_path(str(path), run_name="__main__")


@dataclass
class Desk:
    """deploy.py beside stand-ins for the server's files, and where RunPod is for it."""

    folder: Path
    runpod: RunPod
    address: str
    env: dict[str, str] = field(default_factory=dict)

    def start(self, *args: str, terminal: str = "") -> BaseProcess:
        given = (self.folder / "deploy.py", list(args), self.env, self.folder / "out", terminal)
        (self.folder / "out").write_text("")
        process = FORKS.Process(target=as_script, args=given, daemon=True)
        process.start()
        return process

    def said(self) -> str:
        return (self.folder / "out").read_text()

    def run(self, *args: str, terminal: str = "") -> tuple[int | None, str]:
        process = self.start(*args, terminal=terminal)
        process.join(DEADLINE_S)
        return process.exitcode, self.said()

    def refuses_at_once(self, monkeypatch: pytest.MonkeyPatch, *args: str) -> str:
        """The same without a process of its own: what is refused before RunPod is asked."""
        monkeypatch.setattr(os, "environ", self.env)
        monkeypatch.setattr(sys, "argv", ["deploy.py", *args])
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as end:
            runpy.run_path(str(self.folder / "deploy.py"), run_name="__main__")
        assert end.value.code == 2
        assert self.runpod.asked == []
        (line,) = said.getvalue().splitlines()
        return line

    def refuses(self, *args: str) -> str:
        """The one line with which it ends."""
        code, said = self.run(*args)
        assert code == 2, said
        assert said.count("error: ") == 1
        assert said.endswith("\n")
        assert KEY not in said
        assert HOSTILE not in said
        return said.splitlines()[-1]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "arbor"
    folder.mkdir()
    shutil.copy(DEPLOY, folder)
    for name in SCRIPTS:
        (folder / name).write_text(f"echo {name} > started\n")
    (folder / "arbor.yaml").write_text(CONFIG)
    with serving_runpod() as (runpod, address):
        proxy = address + "/proxy/{pod}/{port}"
        env = {"RUNPOD_API_KEY": KEY, "RUNPOD_API_BASE_URL": address, "RUNPOD_PROXY_URL": proxy}
        yield Desk(folder, runpod, address, {"PATH": os.environ["PATH"], **env})


def test_a_dry_run_needs_no_key_and_runs_from_any_folder(desk: Desk) -> None:
    command = [sys.executable, str(desk.folder / "deploy.py"), "--dry-run", "--gpu-type", "H100"]
    out = subprocess.run(
        command, cwd="/", env={"ARBOR_TOKEN": HOSTILE}, capture_output=True, text=True, check=True
    ).stdout
    for shown in ("2 x H100 (NVIDIA H100 80GB HBM3)", "50 GB", "22/tcp,7453/http", "bash -c"):
        assert shown in out
    assert "price   unknown" in out
    assert "ARBOR_TOKEN=(hidden)" in out
    assert desk.runpod.asked == []


def test_a_pod_without_a_token_is_open_to_ssh_alone(desk: Desk) -> None:
    code, said = desk.run("--yes", "--disk-size", "60", "--volume-size", "70", "--name", "my pod")
    assert code == 0, said
    (asked,) = desk.runpod.created
    env = {one["key"]: one["value"] for one in asked.pop("env")}
    args = asked.pop("dockerArgs")
    assert args in said
    assert asked == {
        "name": "my pod",
        "imageName": "runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04",
        "cloudType": "SECURE",
        "startSsh": True,
        "gpuTypeId": "NVIDIA A100 80GB PCIe",
        "supportPublicIp": True,
        "gpuCount": 2,
        "volumeInGb": 70,
        "minVcpuCount": 1,
        "minMemoryInGb": 1,
        "allowedCudaVersions": ["12.8", "12.9", "13.0"],
        "dataCenterId": None,
        "containerDiskInGb": 60,
        "ports": "22/tcp",
        "volumeMountPath": "/workspace",
    }
    assert env["ARBOR_HOST"] == "127.0.0.1"
    assert "ARBOR_TOKEN" not in env
    assert abs(int(env["ARBOR_ENDS"]) - time.time() - 12 * 3600) < DEADLINE_S
    assert KEY not in said + str(env)
    assert "ssh -N -L 7453:127.0.0.1:7453 -p 40022 root@203.0.113.7" in said
    assert "train.py --mode train --server http://127.0.0.1:7453/v1/" in said
    assert list(desk.runpod.pods) == ["pod1"]


@given(st.text())
def test_no_value_breaks_out_of_its_quotes(value: str) -> None:
    from graphql import parse

    (operation,) = parse(f'{{ a(b: "{deploy()["quoted"](value)}") }}').to_dict()["definitions"]
    (call,) = operation["selection_set"]["selections"]
    assert call["arguments"][0]["value"]["value"] == value


@cache
def deploy() -> dict[str, Any]:
    return runpy.run_path(str(DEPLOY))


def test_the_start_command_starts_the_server_and_ends_the_pod_in_time(desk: Desk) -> None:
    desk.run("--yes")
    (asked,) = desk.runpod.created
    home, tools = desk.folder.parent / "pod", desk.folder.parent / "tools"
    tools.mkdir()
    for name, script in {
        "sleep": "exec /bin/sleep 0.05",
        "runpodctl": f"[ -e {tools}/failed ] || {{ touch {tools}/failed; exit 1; }}\n"
        f"echo $* > {tools}/ended",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    ends = int(time.time()) + 2
    env = {one["key"]: one["value"] for one in asked["env"]}
    env |= {"ARBOR_FOLDER": str(home), "ARBOR_ENDS": str(ends), "RUNPOD_POD_ID": "pod1"}
    env["PATH"] = f"{tools}:{os.environ['PATH']}"
    command = shlex.split(asked["dockerArgs"])
    with subprocess.Popen(command, env=env, start_new_session=True) as pod:
        until((home / "started").exists)
        assert not (tools / "ended").exists()
        pod.wait(DEADLINE_S)
    assert time.time() >= ends
    assert (tools / "ended").read_text() == "remove pod pod1\n"
    assert {p.name for p in home.iterdir()} == {*SCRIPTS, "arbor.yaml", "started"}
    assert (home / "arbor.yaml").read_text() == CONFIG


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("RUNPOD_API_KEY", "", "RUNPOD_API_KEY is not set: make a key at https://console.runpod"),
        ("RUNPOD_API_KEY", KEY + "\n", "RUNPOD_API_KEY: give"),
        ("RUNPOD_API_KEY", KEY + "ü", "RUNPOD_API_KEY: give"),
        ("ARBOR_TOKEN", "short", "ARBOR_TOKEN: give 16"),
        ("ARBOR_TOKEN", "a token with blanks in it", "ARBOR_TOKEN: give 16"),
    ],
)
def test_a_secret_that_no_request_can_carry_is_refused_and_not_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
) -> None:
    desk.env[variable] = value
    line = desk.refuses_at_once(monkeypatch, "--yes")
    assert why in line
    assert not value or value.strip() not in line


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ({"serves": False}, "not ready after 0.005 minutes: waiting for the server"),
        ({"status": "EXITED"}, "pod pod1 ended while starting: EXITED"),
        ({"loses": "create_pod", "late": 3}, "did not answer create_pod"),
        ({"stranger": True}, "does not take ARBOR_TOKEN"),
        ({"status": "EXITED", "terminates_after": 1}, "ended while starting"),
    ],
)
def test_a_pod_that_does_not_start_is_terminated(
    desk: Desk, faults: dict[str, Any], why: str
) -> None:
    desk.env["ARBOR_TOKEN"] = HOSTILE
    vars(desk.runpod).update(faults)
    line = desk.refuses("--yes", "--wait-minutes", "0.005")
    assert why in line
    assert line.endswith("pod pod1 was terminated")
    assert desk.runpod.pods == {}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_terminates_its_pod(desk: Desk, stop: signal.Signals) -> None:
    desk.runpod.serves, desk.env["ARBOR_TOKEN"] = False, HOSTILE
    process = desk.start("--yes")
    until(lambda: ": 502" in desk.said())
    assert process.pid is not None
    os.kill(process.pid, stop)
    process.join(DEADLINE_S)
    assert process.exitcode == 2
    assert desk.said().endswith("error: interrupted; pod pod1 was terminated\n")
    assert desk.runpod.pods == {}


def test_a_pod_that_cannot_be_terminated_is_named_loudly(desk: Desk) -> None:
    desk.runpod.status, desk.runpod.terminates_after = "EXITED", 99
    line = desk.refuses("--yes")
    assert "pod1 COULD NOT BE TERMINATED" in line
    assert "--terminate pod1" in line
    assert "https://console.runpod.io/pods" in line
