"""The memory as a library of OmniMemEval: what its scripts call, and how it is put there."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from locomo.others.omnimemeval import ADAPTER, app
from locomo.others.omnimemeval_client import SqlMemoryClient
from memory import InputError
from memory.store.namespaces import names
from tests.support.commands import run_in_process

# As its ingestion hands them over (scripts/locomo/locomo_ingestion.py, utils/ingest_helpers.py).
SESSION = [
    {"role": "user", "name": "Ann", "content": "Ann: I adopted a cat yesterday."},
    {"role": "assistant", "name": "Ben", "content": "Ben: What is its name?"},
    {"role": "user", "name": "Ann", "content": "Ann: Miso."},
]
for message in SESSION:
    message["chat_time"] = "2023-05-08T13:56:00+00:00"
LISTS = {
    "client_factory/registry.py": (
        "_LIB_CLIENT_REGISTRY = {\n"
        '    "mem0":        ("mem0_client",        "Mem0Client"),\n'
        '    "mem9":        ("mem9_client",        "Mem9Client"),\n}\n'
    ),
    "locomo/locomo_search.py": '    dispatch = {\n        "mem9": generic_text_search,\n    }\n',
    "utils/search_helpers.py": 'SEARCH = {\n    "mem9": generic_text_search,\n}\n',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Those parts of a checkout that list the libraries, in its form."""
    for name, text in LISTS.items():
        path = tmp_path / "OmniMemEval" / "scripts" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    sys.path.insert(0, str(tmp_path / "OmniMemEval" / "scripts"))
    yield tmp_path / "OmniMemEval"
    sys.path.pop(0)
    for module in ("client_factory.registry", "client_factory.sql_memory_client", "client_factory"):
        sys.modules.pop(module, None)


def test_what_is_added_is_searched_with_its_dates_and_speakers() -> None:
    client = SqlMemoryClient()
    for _ in range(2):  # an interrupted run begins again
        client.add(SESSION, "user_0_speaker_a")
    found = client.search("What is the cat called?", "user_0_speaker_a", 20).splitlines()
    assert len(found) == 3
    assert "Ann: I adopted a cat yesterday (7 May 2023)" in found[0]
    assert "Ann: Miso." in found[2]
    assert len(client.search("cat", "user_0_speaker_a", 1).splitlines()) == 1


def test_users_are_separate_and_one_is_deleted() -> None:
    client = SqlMemoryClient()
    client.add(SESSION, "a")
    client.add([{"role": "user", "content": "I like tea."}], "b", session_id="x")
    assert "cat" not in client.search("cat", "b", 5)
    client.delete_user("a")
    client.delete_user("a")
    assert names() == ["b"]


def test_a_checkout_lists_the_memory_once(checkout: Path) -> None:
    assert len(ADAPTER.install(checkout)) == 4
    assert ADAPTER.install(checkout) == []
    registry = import_module("client_factory.registry")
    module, name = registry._LIB_CLIENT_REGISTRY["sql-memory"]
    assert isinstance(getattr(import_module(f"client_factory.{module}"), name)(), object)
    for path, text in LISTS.items():
        written = (checkout / "scripts" / path).read_text()
        [ours] = {*written.splitlines()} - {*text.splitlines()}
        assert '"sql-memory"' in ours


def test_what_is_no_checkout_is_refused_and_left_alone(checkout: Path, tmp_path: Path) -> None:
    refused = run_in_process(app, tmp_path)
    assert (refused.returncode, "is no checkout of OmniMemEval" in refused.stderr) == (2, True)
    helpers = checkout / "scripts" / "utils" / "search_helpers.py"
    helpers.write_text("SEARCH = {}\n")
    with pytest.raises(InputError, match="commit 7df23bc"):
        ADAPTER.install(checkout)
    assert not (checkout / "scripts" / "client_factory" / "sql_memory_client.py").exists()
    registry = checkout / "scripts" / "client_factory" / "registry.py"
    assert registry.read_text() == LISTS["client_factory/registry.py"]
