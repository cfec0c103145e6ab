"""Turns that are older than a memory's setting allows are forgotten, whole or not at all."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory import Memory, Turn, open_store
from memory.cli.options import open_memory
from memory.errors import InputError
from memory.operations.tools import memory_tools
from memory.store import Store
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.settings import settings_of
from memory.store.forgetting.preview import said_before
from memory.store.namespaces import existing
from memory.system.home import RECEIPT
from memory.worker.retention import day_before
from memory.worker.run import Options, Worker
from tests.support.commands import run

BOTH_STORES = "slow"


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="minutes")


def fill(name: str, **settings: object) -> None:
    """A memory of two old turns, of which the first has a fact, and a new one."""
    with open_memory(name, None, create=True) as store:
        turns = [("I live in Oslo.", 400), ("It rains.", 380), ("I have a cat.", 300)]
        store.add([Turn("Ann", text, said_at=days_ago(days)) for text, days in turns])
        insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
        store.write(f"{insert} ('Ann', 'lives_in', 'Oslo', 1)", cause="test")
        store.write(f"{insert} ('Ann', 'has_pet', 'cat', 3)", cause="test")
        for setting, value in settings.items():
            Settings(store).set(setting, value)


def left(name: str) -> tuple[list[int], list[str]]:
    """The turns and the values of the facts that are there."""
    with open_store(existing(name)) as store:
        return [turn.id for turn in store.turns()], [fact.value for fact in store.facts()]


def work() -> list[str]:
    lines: list[str] = []
    Worker(None, Options(once=True), lines.append).run()
    return lines


@pytest.mark.slow
def test_a_worker_forgets_what_is_older_once_a_day(home: str) -> None:
    fill("anna", retention_days=365)
    fill("ben", retention_days=365, retention_keeps_facts=True)
    fill("cleo")
    fill("dora", retention_days=None)

    lines = work()

    assert left("anna") == ([3], ["cat"])
    assert left("ben") == ([1, 3], ["Oslo", "cat"])
    assert left("cleo") == left("dora") == ([1, 2, 3], ["Oslo", "cat"])
    assert sorted(line.partition(" in ")[0] for line in lines) == [
        "anna: forgetting finished: 1 receipt",
        "ben: forgetting finished: 1 receipt",
    ]
    receipts = Path(lines[0].rpartition(" in ")[2])
    assert len([*receipts.glob(f"{RECEIPT}*.json")]) == 2
    assert work() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "function", "is_done"),
    [("turn_removal", "remove_columns", False), ("forget", "_overwrite_files", True)],
)
def test_a_worker_killed_at_it_leaves_nothing_half_forgotten(
    home: str, module: str, function: str, is_done: bool
) -> None:
    fill("anna", retention_days=365)
    killed = f"""
import os, signal, sys, time
from memory.worker.retention import carry_out
from memory.store import open_store
from memory.store.forgetting import {module}
{module}.{function} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
with open_store(sys.argv[1]) as store:
    carry_out(store, time.time())
"""
    line = [sys.executable, "-c", killed, str(existing("anna"))]
    assert subprocess.run(line, check=False).returncode == -9
    assert left("anna") == (([3], ["cat"]) if is_done else ([1, 2, 3], ["Oslo", "cat"]))

    work()

    assert left("anna") == ([3], ["cat"])
    with open_store(existing("anna")) as store:
        assert settings_of(store, "forgetting") == []
        assert store.check() == []
        [receipt] = settings_of(store, "forgotten")
    assert receipt.value["turns"] == [1, 2]


@pytest.mark.parametrize("years", [1, 10, 100])
def test_a_clock_that_jumps_ahead_forgets_nothing_until_a_second_look_agrees(
    home: str, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    fill("anna", retention_days=1_000)
    real = time.time

    def look(days: int) -> list[str]:
        monkeypatch.setattr(time, "time", lambda: real() + days * 86_400)
        return work()

    look(0)
    assert "tomorrow" in look(years * 366)[0]
    assert left("anna")[0] == [1, 2, 3]
    # It is set right: nothing was lost, and the next look is not years away.
    look(2)
    assert left("anna")[0] == [1, 2, 3]
    # That much time has passed: the second look finds the same.
    look(1_500)
    look(1_501)
    assert left("anna")[0] == []


def test_a_preview_shows_what_would_go_and_forgets_nothing(home: str) -> None:
    fill("anna")
    older = ("forget", "-n", "anna", "--older-than", "365")
    shown = run(*older, "--preview")
    assert "2 turns to forget" in shown
    assert "1 fact based on them" in shown
    assert "1 turn to forget" in run(*older, "--keep-facts", "--preview")
    assert left("anna")[0] == [1, 2, 3]
    run(*older, "--yes")
    assert left("anna") == ([3], ["cat"])
    run(*older, says="no turn matches")
    run("forget", "-n", "anna", "--preview", says="give --speaker, --session")


def test_only_what_was_certainly_said_before_is_older(store: Store) -> None:
    dates = ["2024-05-30", "2024-05-31", "2024-05", "2024-04", "2024", "2023", "", "12 May"]
    turns = [Turn("Ann", "x", said_at=date) for date in dates]
    book = Turn("", "x", kind="document", said_at="2001-01-01")
    older = said_before(store, [*turns, book], "2024-05-31")
    assert [turn.said_at for turn in older] == ["2024-05-30", "2024-04", "2023"]


@pytest.mark.parametrize("offset", ["-12:00", "-05:00", "+00:00", "+05:45", "+14:00"])
def test_nothing_is_older_before_its_days_are_over(store: Store, offset: str) -> None:
    said_at = datetime.fromisoformat(f"2026-10-24T23:30:00{offset}")
    turn = Turn("Ann", "x", said_at=said_at.isoformat())

    def is_older(hours: int) -> bool:
        day = day_before(2, now=said_at.astimezone(UTC) + timedelta(hours=hours))
        return bool(said_before(store, [turn], day))

    assert not any(is_older(hours) for hours in range(49))
    # A date says less than a moment: as old as the same date can be anywhere.
    assert is_older(49 + 26)


def test_no_model_sets_how_long_turns_stay(home: str) -> None:
    fill("anna")
    with open_store(existing("anna")) as store, Memory(store, model="local") as memory:
        tools = {tool.__name__: tool for tool in memory_tools(memory)}
        for name in ("retention_days", "retention_keeps_facts"):
            with pytest.raises(InputError, match="a person sets this"):
                tools["set_setting"](name, "1")
