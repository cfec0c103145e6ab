"""Fixtures of the server's tests: a home of memories with one that holds five turns."""

import pytest

from memory import open_store
from memory.store.namespaces import create
from tests.conftest import CAT, MOVED, SAID


@pytest.fixture(autouse=True)
def home(home: str) -> str:
    """A MEMORY_HOME with anna's memory: five turns and two facts."""
    with open_store(create("anna")) as store:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}", cause="test")
    return home
