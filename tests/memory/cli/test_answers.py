"""The group answers: questions kept with their answers."""

import json
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.noting import note_turns
from tests.conftest import SAID
from tests.support.commands import run


@pytest.fixture
def told(path: Path) -> Path:
    with open_store(path) as store:
        store.add(SAID)
        note_turns(store)
    return path


def test_an_answer_is_kept_listed_shown_and_dropped(told: Path) -> None:
    kept = run("answers", "add", "What is Ben like?", "--db", told)
    assert kept.splitlines()[0].startswith("What is Ben like? (20")
    assert "  has pet: Rufus, a dog" in kept
    assert "to undo: memory undo " in kept
    with open_store(told) as store:
        store.add([Turn("Ben", "I adopted a cat called Tom.", said_at="2018-01-02")])
        note_turns(store)
    listed = run("answers", "--db", told)
    assert "stale: a newer turn speaks of it since 2018-01-02" in listed
    shown = run("answers", "show", "What is Ben like?", "--db", told)
    assert "[4] (Mon 12 Jun 2017) Ben: I adopted a dog, Rufus." in shown
    assert "standing answers made anew: 1" in run("digest", "--db", told)
    record = json.loads(run("answers", "list", "--json", "--db", told))
    assert (record["stale"], record["turns"]) == ("", [4, 6])
    run("answers", "drop", "What is Ben like?", "--db", told)
    assert run("answers", "--db", told) == ""
    run("answers", "show", "What is Ben like?", "--db", told, says="no standing answer")


def test_profiles_of_people(told: Path) -> None:
    kept = run("answers", "add", "--people", "--db", told)
    assert "What is Anna like?" in kept
    assert "What is Ben like?" in kept
    run("answers", "add", "--db", told, says="give a question, or --people")
