"""Poolers in front of the tests' Postgres: PgBouncer and pgpool, where they are installed.

apt-get install --no-install-recommends pgbouncer pgpool2
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from memory.store.postgres import migrate, pool
from tests.support.postgres_server import logged_in, new_database, server_address
from tests.support.snippets import snippets

SCALING = Path("docs/scaling.md")
LOGIN, PASSWORD = "app", "not very secret"


PGPOOL_CONF = """
backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = {port}
socket_dir = '{folder}'
pcp_port = {pcp_port}
pcp_socket_dir = '{folder}'
pid_file_name = '{folder}/pid'
logdir = '{folder}'
backend_hostname0 = '{host}'
backend_port0 = 5432
load_balance_mode = off
num_init_children = 16
sr_check_period = 0
health_check_period = 0
enable_pool_hba = off
"""


def pooled_database() -> str:
    """The address of a new, empty database, of a login with a password that may make roles."""
    address = new_database()
    with logged_in(address) as conn:
        name = conn.info.dbname
        login = conn.execute("SELECT FROM pg_roles WHERE rolname = %s", (LOGIN,)).fetchone()
        if login is None:
            conn.execute(f"CREATE ROLE {LOGIN} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")  # type: ignore[arg-type]
        conn.execute(f"ALTER DATABASE {name} OWNER TO {LOGIN}")  # type: ignore[arg-type]
    return address


def behind(database: str, port: int) -> str:
    """The address of a database of `pooled_database` by a pooler's port."""
    name = urlsplit(database).path
    return f"postgresql://{LOGIN}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}{name}"


@contextmanager
def pgbouncer(
    mode: str = "transaction", size: int = 3, looks_up_passwords: bool = True
) -> Iterator[int]:
    """A PgBouncer in front of the tests' server, by its port. Skips where there is none.

    It has the settings that docs/scaling.md prints.
    """
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("no pgbouncer here: apt-get install pgbouncer")
    with _folder() as folder:
        port = _free_port()
        users = f'"postgres" ""\n"{LOGIN}" "{PASSWORD}"\n'
        (folder / "auth_file").write_text(users, "utf-8")
        [printed] = [block for block in snippets(SCALING) if block.language == "ini"]
        ini = ConfigParser(interpolation=None, delimiters="=")
        ini.read_string(printed.text)
        ini["databases"]["*"] = f"host={_host()}"
        paths = {name: f"{folder}/{name}" for name in ("auth_file", "logfile", "pidfile")}
        ini["pgbouncer"].update(
            listen_port=str(port),
            unix_socket_dir="",
            pool_mode=mode,
            default_pool_size=str(size),
            server_idle_timeout="5",
            auth_user="postgres",
            **paths,
        )
        if not looks_up_passwords:
            del ini["pgbouncer"]["auth_user"], ini["pgbouncer"]["auth_query"]
        with (folder / "pgbouncer.ini").open("w", encoding="utf-8") as file:
            ini.write(file)
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        with _running([program, *user, str(folder / "pgbouncer.ini")], port):
            yield port


@contextmanager
def pgpool() -> Iterator[int]:
    """A pgpool in front of the tests' server, by its port. Skips where there is none."""
    program = shutil.which("pgpool")
    if program is None:
        pytest.skip("no pgpool here: apt-get install pgpool2")
    with _folder() as folder:
        port, pcp_port = _free_port(), _free_port()
        conf = PGPOOL_CONF.format(host=_host(), port=port, pcp_port=pcp_port, folder=folder)
        (folder / "pgpool.conf").write_text(conf, "utf-8")
        for name in ("hba.conf", "pcp.conf"):
            (folder / name).write_text("", "utf-8")
        options = [*("-f", "pgpool.conf"), *("-a", "hba.conf"), *("-F", "pcp.conf"), "-n"]
        with _running([program, *options], port, folder):
            yield port


def model_role_of(database: str) -> str:
    return migrate.model_role(urlsplit(database).path.removeprefix("/"))


def _host() -> str:
    """The folder of the server's socket, which a pooler's user may enter."""
    [host] = parse_qs(urlsplit(server_address()).query)["host"]
    if os.getuid() == 0:
        Path(host).chmod(0o755)
    return host


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pooler-"))
    folder.chmod(0o777)  # of whoever the pooler runs as
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int, folder: Path | None = None) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet) as pooler:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert pooler.poll() is None, f"{command[0]} has ended"
                    assert time.monotonic() < deadline, f"{command[0]} does not listen"
                    time.sleep(0.05)
            yield
        finally:
            pool.close_pools()  # pgpool waits for its clients
            pooler.terminate()
            pooler.wait(30)
