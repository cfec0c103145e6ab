"""The commands that tag turns: add --tag, tags list, set and remove, search --where."""

import json
from pathlib import Path

import pytest

from memory import open_store
from tests.support.commands import run


def test_tags_are_given_listed_searched_and_removed(path: Path) -> None:
    db = ("--db", path)
    pairs = ("--tag", "project=move", "--tag", "topic=a", "--tag", "topic=b=c")
    run("add", "Oslo, then?", "--speaker", "Anna", *pairs, *db)
    run("add", "Oslo!", "--speaker", "Ben", *db)
    with open_store(path) as store:
        assert store.turn(1).tags == {"project": "move", "topic": ["a", "b=c"]}

    printed = run("admin", "tags", "set", "1", "2", "--tag", "project=later", *db)
    assert printed.startswith("tags of 2 turns changed\nchange 1; to undo: memory undo 1")
    listed = [json.loads(line) for line in run("admin", "tags", "list", "--json", *db).splitlines()]
    assert listed[0] == {"key": "project", "value": "later", "turns": 2}
    assert "later" in run("admin", "tags", *db)
    where = ("--where", "tags.topic=b=c", "--where", "tags.project=later")
    assert run("search", "Oslo", *where, *db).startswith("[1] ")

    run("undo", "1", *db)
    run("admin", "tags", "remove", "1", "--key", "topic", *db)
    assert run("admin", "tags", "list", *db).split()[3:] == ["project", "move", "1"]


@pytest.mark.slow
def test_a_document_is_tagged(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "manual.md"
    file.write_text("# Oven\n\nBake at 180 degrees.", "utf-8")
    run("add", file, "--tag", "kind=manual", "--db", path)
    with open_store(path) as store:
        assert [turn.tags for turn in store.turns()] == [{"kind": "manual"}]


def test_what_is_no_tag_is_refused(path: Path) -> None:
    db = ("--db", path)
    run("add", "Oslo", "--speaker", "Anna", "--tag", "project", *db, says="write project=move")
    assert not path.exists()
    run("add", "Oslo", "--speaker", "Anna", *db)
    run("admin", "tags", "set", "9", "--tag", "a=b", *db, says="there is no turn 9")
    run("admin", "tags", "remove", "1", "--key", "a", *db, says="nothing changes")
