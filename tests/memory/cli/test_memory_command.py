"""Commands on one memory: the same options, and one JSON shape of a change."""

import json
from pathlib import Path

import pytest

from tests.support.commands import run

CHANGES = (
    ("facts", "add", "Anna", "lives_in", "Oslo"),
    ("facts", "edit", "1", "--value", "Bergen"),
    ("facts", "entities", "rename", "Anna", "Anna Berg"),
    ("facts", "entities", "describe", "Anna Berg", "a painter"),
    ("facts", "attributes", "set", "urgency", "--value", "low"),
    ("facts", "attributes", "rename", "lives_in", "home"),
    ("facts", "revert", "1"),
    ("undo",),
    ("admin", "tags", "set", "1", "--tag", "project=move"),
    ("admin", "tags", "remove", "1", "--key", "project"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anna.db"


def test_a_change_has_one_shape_at_every_command(path: Path) -> None:
    shapes = set()
    for number, words in enumerate(CHANGES, start=1):
        change = json.loads(run(*words, "--json", "--db", path))
        assert change["id"] == number
        shapes.add(frozenset(change))
        assert all(edit["change_id"] == number for edit in change["edits"])
    assert len(shapes) == 1


def test_what_is_not_there_is_said_beside_the_records(
    path: Path,
) -> None:
    run("facts", "add", "Anna", "lives_in", "Oslo", "--db", path)
    assert run("facts", "list", "Bergen", "--db", path) == ""
    assert run("admin", "tags", "list", "--json", "--db", path) == ""
