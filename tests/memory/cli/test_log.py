"""The commands about the past of a memory: log, undo, diff, revert."""

import json
import shlex

import pytest
from typer.testing import CliRunner

from memory import InputError, Store
from memory.__main__ import app
from tests.conftest import CAT, DOG, MOVED
from tests.support.contents import content_of

BOTH_STORES = "slow"


def run(options: list[str], *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(options: list[str], *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, *options])
    assert isinstance(done.exception, InputError)
    return str(done.exception)


@pytest.fixture
def changed_memory(store: Store, memory_options: list[str]) -> list[str]:
    """The options that name a memory with three changes, of which two are digests."""
    store.write(f"{MOVED}; {CAT}", "digest by M", window=(1, 3))
    store.write(
        f"UPDATE facts SET ended_on = '2017-06' WHERE id = 1; {DOG}", "digest", (4, 5), True
    )
    store.write("UPDATE facts SET value = 'cat\x1b[31m Misa' WHERE id = 2", "by hand")
    return memory_options


def test_the_log_shows_what_was_written_the_newest_first(changed_memory: list[str]) -> None:
    lines = run(changed_memory, "facts", "log").splitlines()
    assert [line.split("  ")[0] for line in lines] == ["3", "2", "1"]
    assert lines[2].endswith("2 facts  digest by M, turns 1-3")
    assert len(run(changed_memory, "facts", "log", "--limit", "1").splitlines()) == 1
    entry = run(changed_memory, "facts", "log", "#2")
    assert "    UPDATE facts SET ended_on = '2017-06' WHERE id = 1" in entry
    assert "  + Ben has_pet: dog Rufus since 2017-06 (fact 3, turn 4)" in entry
    assert "  ~ Anna lives_in: Oslo since 2017-05-06 (fact 1, turn 1) -> until 2017-06" in entry
    facts = run(changed_memory, "facts", "log", "--facts")
    assert "~ Anna has_pet: cat Miso (fact 2, turn 3) -> cat[31m Misa" in facts
    records = [
        json.loads(line)
        for line in run(changed_memory, "facts", "log", "--facts", "--json").splitlines()
    ]
    assert [len(record["edits"]) for record in records] == [1, 2, 2]
    assert records[1]["edits"][0]["after"]["ended_on"] == "2017-06"
    assert "no change 9" in refused(changed_memory, "facts", "log", "9")
    assert "'x' is not a change" in refused(changed_memory, "facts", "log", "x")


def test_digests_of_one_turn_each_are_one_line(store: Store, memory_options: list[str]) -> None:
    store.write(MOVED, "digest by local", window=(1, 1))
    store.write("-- none", "digest by local", window=(2, 2))
    store.write(CAT, "digest by local", window=(3, 3))
    store.write("UPDATE facts SET value = 'Bergen' WHERE id = 1", "by hand")
    store.write(DOG, "digest by local", window=(4, 4))
    store.write("-- none", "digest by other", window=(5, 5))
    lines = run(memory_options, "facts", "log").splitlines()
    assert [line.split("  ")[0] for line in lines] == ["6", "5", "4", "1-3"]
    assert lines[3].endswith(
        "2 facts  digest by local, one turn each; `memory facts log --facts` lists them"
    )
    each = run(memory_options, "facts", "log", "--facts").splitlines()
    assert [line.split("  ")[0] for line in each if line[0] != " "] == [*"654321"]
    assert len(run(memory_options, "facts", "log", "--json").splitlines()) == 6
    store.undo(2)
    assert len(run(memory_options, "facts", "log").splitlines()) == 7, (
        "what is undone stands by itself"
    )


def test_an_empty_log_says_so(store: Store, memory_options: list[str]) -> None:
    assert run(memory_options, "facts", "log") == "no changes yet\n"
    assert run(memory_options, "facts", "log", "--json") == ""
    assert "no change to undo" in refused(memory_options, "undo")


def test_undo_says_what_it_took_back_and_how_to_have_it_again(changed_memory: list[str]) -> None:
    out = run(changed_memory, "undo")
    assert out.startswith("undid change 3:\n  ~ Anna has_pet: cat[31m Misa")
    assert out.endswith(f"change 4; to undo: memory undo 4 {shlex.join(changed_memory)}\n")
    assert "undone" in run(changed_memory, "facts", "log", "3")
    assert "undid change 2:" in run(changed_memory, "undo"), "neither 3, undone, nor 4, an undo"
    assert "change 3 was undone" in refused(changed_memory, "undo", "3")
    run(changed_memory, "undo", "#4")
    assert "undid change 3:" in run(changed_memory, "undo"), "it is in force again"
    assert json.loads(run(changed_memory, "undo", "1", "--json"))["cause"] == "undo 1"
    assert "no change to undo" in refused(changed_memory, "undo")


def test_diff_shows_what_became_of_facts_between_two_points(changed_memory: list[str]) -> None:
    assert run(changed_memory, "facts", "diff", "2017-05", "2017-06").splitlines() == [
        "+ Ben has_pet: dog Rufus since 2017-06 (fact 3, turn 4)",
        "~ Anna lives_in: Oslo since 2017-05-06 (fact 1, turn 1) -> until 2017-06",
    ]
    assert (
        run(changed_memory, "facts", "diff", "2", "0")
        .splitlines()[0]
        .startswith("- Anna lives_in: Oslo")
    )
    assert (
        run(changed_memory, "facts", "diff", "#3")
        == run(changed_memory, "facts", "diff", "2999")
        == "no differences\n"
    )
    difference = json.loads(run(changed_memory, "facts", "diff", "2017-05", "--json"))
    assert [len(difference[kind]) for kind in ("added", "removed", "changed")] == [1, 0, 2]
    assert "is no point" in refused(changed_memory, "facts", "diff", "yesterday")


def test_revert_shows_what_it_changes_and_how_to_go_back(changed_memory: list[str]) -> None:
    out = run(changed_memory, "facts", "revert", "2017-05")
    assert "- Ben has_pet: dog Rufus" in out
    assert f"memory undo 4 {shlex.join(changed_memory)}" in out
    assert run(changed_memory, "facts", "diff", "1") == "no differences\n"
    assert "nothing to revert" in refused(changed_memory, "facts", "revert", "#1")
    run(changed_memory, "undo")
    assert run(changed_memory, "facts", "diff", "3") == "no differences\n"


def test_commands_that_only_look_change_nothing(address: str, changed_memory: list[str]) -> None:
    before = content_of(address)
    for arguments in (["log"], ["log", "1"], ["diff", "2017-05"]):
        run(changed_memory, "facts", *arguments)
    assert content_of(address) == before
