"""Fixtures shared by all tests."""

import atexit
import gc
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from memory import Store, Turn, open_store

# Some machines tell Python to keep nothing of what it compiles. Then every process, also one that
# a test starts, compiles all libraries anew: litellm alone takes ten seconds instead of three.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A busy machine must not fail a test: no example has a deadline, none is drawn too slowly.
# The default run and CI (--hypothesis-profile thorough) draw the same examples each time, so that a
# run fails only for what is wrong in the code. --hypothesis-profile random draws new ones; what it
# finds becomes an @example.
for profile, examples in (("default", 30), ("thorough", 50), ("random", 50)):
    settings.register_profile(
        profile,
        max_examples=examples,
        derandomize=profile != "random",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
settings.load_profile("default")

# Libraries that others import where they are installed, which takes seconds and which nothing here
# uses: pandas for sqlite-utils (MLflow has it and imports it itself), scikit-learn for NLTK.
# sentence-transformers 6 needs the second.
if find_spec("sentence_transformers") is None:
    sys.modules["sklearn"] = None  # type: ignore[assignment]
with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, "pandas", None)
    import sqlite_utils  # noqa: F401

# A commit waits until the disk has it, for longer than it computes. Nothing here is read after a
# loss of power, so tests write to a disk that is memory, where there is one with room (Linux).
# TMPDIR=/tmp keeps what a test that failed has written.
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there
ROOM = 4_000_000_000  # bytes; a run holds a fifth of it at once
if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
    # A short name: addresses of Postgres hold it, and long ones are cut where they are shown.
    folder = tempfile.mkdtemp(prefix="t-", dir=IN_MEMORY)
    os.chmod(folder, 0o711)  # noqa: S103 - Postgres goes through it as another user
    os.environ["TMPDIR"] = folder  # workers and what tests start write there, too
    tempfile.tempdir = None  # it is looked up anew

    @atexit.register
    def remove_folder(process: int = os.getpid()) -> None:
        if os.getpid() == process:  # and not one that was forked from it
            shutil.rmtree(folder, ignore_errors=True)


# Typer builds all our commands anew, for twice as long as one of them takes, when one is run.
typer.main.get_command = cache(typer.main.get_command)

# A shell starts its background jobs deaf to Ctrl-C, and children inherit that. Tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

SAID = [
    Turn("Anna", "I moved to Oslo last Saturday!", "session_1", "2017-05-08T13:56", "D1:1"),
    Turn("Ben", "Wow. How is the new flat?", "session_1", "2017-05-08T13:57", "D1:2"),
    Turn("Anna", "Small, but my cat Miso loves the window.", "session_1", "2017-05-08", "D1:3"),
    Turn("Ben", "I adopted a dog, Rufus.", "session_2", "2017-06-12T09:00", "D2:1"),
    Turn("Anna", "Lovely! I am allergic to dogs though.", "session_2", "2017-06-12", "D2:2"),
]
# By how many seconds time goes ahead.
Wait = Callable[[float], None]
INSERT = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES "
MOVED = INSERT + "('Anna', 'lives_in', 'Oslo', '2017-05-06', 1)"
CAT = INSERT + "('Anna', 'has_pet', 'cat Miso', NULL, 3)"
DOG = INSERT + "('Ben', 'has_pet', 'dog Rufus', '2017-06', 4)"

_NUMBERS = itertools.count(1)

# The files that take longest: begun first, or one worker would end with them while one waits.
LONGEST = ["test_evaluate.py", "test_architecture.py", "test_crash.py", "test_stdio.py"]
# Folders and files that one worker runs: importing litellm takes seconds of computing and a
# hundred megabytes, a server of Postgres takes a second to make.
GROUPS = {
    "tests/locomo/prompts/test_forecast.py": "litellm",
    "tests/locomo/retrieval/test_measure.py": "litellm",
    "tests/locomo/tasks": "litellm",
    "tests/locomo/weights/test_arbor_job.py": "litellm",
    "tests/locomo/weights/test_trainee.py": "litellm",
    "tests/memory/cli/test_queries.py": "litellm",
    "tests/memory/program/test_lm.py": "litellm",
    "tests/memory/program/test_servers.py": "litellm",
    "tests/memory/server/test_json_api.py": "litellm",
    "tests/memory/server/test_proxy.py": "litellm",
    "tests/memory/store/postgres": "postgres",
    "tests/memory/store/forgetting/test_derived_facts.py": "postgres",
    "tests/memory/store/files/test_dump.py": "litellm",
    "tests/memory/store/forgetting/test_forget.py": "litellm",
    "tests/memory/store/search/test_reembed.py": "litellm",
    "tests/memory/store/test_statements.py": "postgres",
    "tests/memory/test_embedders.py": "litellm",
    "tests/memory/test_gate.py": "litellm",
    "tests/memory/test_home.py": "litellm",
    "tests/memory/test_waiting.py": "litellm",
    "tests/test_optimize.py": "litellm",
}
ROOT = Path(__file__).parent.parent


@cache
def group_of(file: str) -> str:
    """The group of a file, "" for none."""
    known = GROUPS.get(file) or GROUPS.get(str(Path(file).parent))
    on_both = "\nBOTH_STORES = True\n" in (ROOT / file).read_text("utf-8")
    return known or ("postgres" if on_both else "")


def leave_out_most(items: list[pytest.Item]) -> None:
    """Of the cases of a test with `few(n)` that many, spread over all, are left in the default run;
    the others are slow."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few") and not item.get_closest_marker("slow"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for alike in cases.values():
        [few] = alike[0].get_closest_marker("few").args
        left = {number * len(alike) // few for number in range(few)}
        for number, item in enumerate(alike):
            if number not in left:
                item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    leave_out_most(items)

    def place(item: pytest.Item) -> tuple[int, bool]:
        is_grouped = bool(group_of(item.nodeid.partition("::")[0]))
        return [*LONGEST, item.path.name].index(item.path.name), not is_grouped

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: half a million objects, of which none is garbage while
    they are made, and that no later collection of garbage has to walk through, a fourteenth of a
    run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        # Not after every 700 new objects: a tree of syntax took twice as long as to parse it.
        gc.set_threshold(10_000)
        gc.enable()


class FilesInGroups(LoadFileScheduling):
    """A file's tests are run by one worker, and so are the files of a group."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return group_of(file) or file


@pytest.hookimpl(optionalhook=True)  # where xdist is switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesInGroups | None:
    return FilesInGroups(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The default run does not import files whose tests are all slow."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") or None


@pytest.fixture(autouse=True, scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing is written where this machine's own memories are."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _home(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the memories that another one made, unless its module has a home for all."""
    if os.environ["MEMORY_HOME"] == str(_homes):
        monkeypatch.setenv("MEMORY_HOME", str(_homes / str(next(_NUMBERS))))


@pytest.fixture(autouse=True)
def _sql_use(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory's model writes SELECTs for each question, but where WHEN_IT_PAYS is True.

    Scripts say so what is asked, whatever the ranking finds.
    """
    if not getattr(request.module, "WHEN_IT_PAYS", False):
        monkeypatch.setattr("memory.api.memory.SQL_USE", "always")


@pytest.fixture(autouse=True)
def _own_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test's runs go where this folder keeps its own, or where an earlier test's went."""
    if (ROOT / "mlflow.db").is_file():
        from locomo.tracking.record import is_tracked

        monkeypatch.setattr(
            "locomo.tracking.runs.is_tracked",
            lambda: (
                bool(os.environ.get("MLFLOW_TRACKING_URI")) or (Path.cwd() != ROOT and is_tracked())
            ),
        )
    before = os.environ.get("MLFLOW_TRACKING_URI")
    yield
    if os.environ.get("MLFLOW_TRACKING_URI") != before:
        sys.modules["mlflow"].set_tracking_uri(before)  # it sets the variable, too


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anna.db"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of a module that says so run on both stores, unless they are about a SQLite file.

    About a file are those that take its `path` or the `home_folder`. With `BOTH_STORES = "slow"`
    those on Postgres are left out of the default run.
    """
    both = getattr(metafunc.module, "BOTH_STORES", False)
    fixtures = metafunc.fixturenames
    if both and "database" in fixtures and not {"path", "home_folder"} & {*fixtures}:
        marks = [pytest.mark.slow] if both == "slow" else []
        databases = ["sqlite", pytest.param("postgres", marks=marks)]
        metafunc.parametrize("database", databases, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """In which database the store of a test is."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def address(database: str, request: pytest.FixtureRequest) -> str:
    """The address of a namespace that is not there yet."""
    if database == "postgres":
        from tests.support.postgres_server import new_namespace

        return new_namespace()
    return str(request.getfixturevalue("path"))


@pytest.fixture
def home(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A MEMORY_HOME without memories: a folder that is not there yet, or a database."""
    folder = tmp_path / "home"
    place = str(folder)
    if database == "postgres":
        from tests.support.postgres_server import empty_home

        place = empty_home()
        monkeypatch.setenv("XDG_DATA_HOME", str(folder))  # tokens are the machine's own
    monkeypatch.setenv("MEMORY_HOME", place)
    return place


@pytest.fixture
def home_folder(home: str) -> Path:
    """The folder of all namespaces, for tests about it."""
    return Path(home)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Time passes: the clock of this process goes ahead by so many seconds."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])

    def pass_by(seconds: float) -> None:
        ahead[0] += seconds

    return pass_by


@pytest.fixture
def memory_options(database: str, address: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of a command that name the memory of `address`."""
    if database == "sqlite":
        return ["--db", address]
    home, _, name = address.rpartition("&namespace=")
    monkeypatch.setenv("MEMORY_HOME", home)
    return ["--namespace", unquote(name)]


@pytest.fixture(scope="session")
def _five_turns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A namespace to copy: making one takes four times as long."""
    path = tmp_path_factory.mktemp("five turns") / "anna.db"
    with open_store(path) as opened:
        opened.add(SAID)
    return path


@pytest.fixture
def store(database: str, address: str, _five_turns: Path) -> Iterator[Store]:
    """A namespace with five turns and no facts."""
    if database == "sqlite":
        shutil.copy(_five_turns, address)
    with open_store(address) as opened:
        if database != "sqlite":
            opened.add(SAID)
        yield opened


@pytest.fixture(scope="session")
def tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database to copy: making one takes two seconds of computing."""
    from locomo.tracking.runs import connect_mlflow

    database = tmp_path_factory.mktemp("tracking") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        connect_mlflow("unused")
    return database


@pytest.fixture
def tracked(tmp_path: Path, tracking_database: Path) -> str:
    """The MLflow database of a slow test (`tests.support.tracking`)."""
    return shutil.copy(tracking_database, tmp_path / "mlflow.db")


# --- tuning: tests that need torch ------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a Llama with two narrow layers."""
    from tests.support.tiny_llama import tiny_llama

    return tiny_llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch with one thread: beside another worker's, more are slower for a model this small."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
