"""The command summaries prints what digests have told."""

from pathlib import Path

from memory import Turn, open_store
from memory.__main__ import app
from memory.records import Summary
from memory.store.turns.summaries import set_summary
from tests.support.commands import run_in_process


def test_summaries_are_printed_with_their_turns_and_dates(tmp_path: Path) -> None:
    path = tmp_path / "anna.db"
    with open_store(path) as store:
        store.add([Turn("Anna", "I moved.", said_at="2024-01-10"), Turn("Ben", "Where to?")])
    empty = run_in_process(app, "facts", "summaries", "--db", path)
    assert "no summaries" in empty.stderr
    with open_store(path) as store:
        set_summary(store, Summary(1, 2, "session", "Anna moved."))
        set_summary(store, Summary(2, 2, "session", ""))
    told = run_in_process(app, "facts", "summaries", "--db", path)
    assert told.stdout == "[1-2] (10 Jan 2024) Anna moved.\n"
    assert "1 to be told anew" in told.stderr
    as_json = run_in_process(app, "facts", "summaries", "--db", path, "--json")
    assert as_json.stdout.startswith('{"turn_id": 1')
