"""Long commands that are told to end: what is done stays, and one line says so."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory import open_store
from memory.errors import StoreError

pytestmark = pytest.mark.slow
TURNS = 40_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_import_that_is_ended_keeps_what_it_has(tmp_path: Path, number: int) -> None:
    file, database = tmp_path / "turns.jsonl", tmp_path / "anna.db"
    lines = (
        json.dumps({"speaker": "Anna", "text": f"I moved to house {n}.", "said_at": "2023-05-07"})
        for n in range(TURNS)
    )
    file.write_text("\n".join(lines))
    command = [sys.executable, "-m", "memory", "import", str(file), "--db", str(database)]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        while not stored(database):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 2
    last = error.splitlines()[-1]
    assert last == "error: interrupted: the turns so far are stored; the same command continues"
    assert "Traceback" not in error
    assert 0 < stored(database) < TURNS


def test_an_interrupted_import_goes_on_and_nothing_is_lost_or_stored_twice(tmp_path: Path) -> None:
    file, database = tmp_path / "turns.jsonl", tmp_path / "anna.db"
    texts = [f"The ferry to island {n % 700} is late again." for n in range(20_000)]  # many equal
    file.write_text("\n".join(json.dumps({"speaker": "Anna", "text": text}) for text in texts))
    command = [sys.executable, "-m", "memory", "import", str(file), "--db", str(database)]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        while not stored(database):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    first = stored(database)
    assert 0 < first < len(texts)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{len(texts) - first:,} new turns, {first:,} already stored" in again.stdout
    with open_store(database) as store:
        assert [turn.text for turn in store.turns()] == texts


def stored(database: Path) -> int:
    try:
        with open_store(database, read_only=True) as store:
            return len(store.turns(1, TURNS))
    except StoreError:  # it is not there yet
        return 0
