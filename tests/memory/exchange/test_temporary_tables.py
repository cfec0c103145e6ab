"""What a reader knows of all messages of an export is on disk: the process's memory stays flat."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Turn
from memory.exchange.date_order import date_order
from memory.exchange.items import storable_items
from memory.records import Skipped
from memory.store.sqlite.temporary_tables import KeyCounts, oldest_first

pytestmark = pytest.mark.filterwarnings("error")


def test_keys_are_counted_each_by_itself() -> None:
    counts, others = KeyCounts(), KeyCounts()
    half = "half a character \ud800"
    assert [counts.add(key) for key in ("a", "b", "a", "A", "", "a", half, half)] == [
        *(1, 1, 2, 1, 1, 3),
        *(1, 2),
    ]
    assert others.add("a") == 1


def test_messages_come_by_time_and_those_of_one_time_as_they_came() -> None:
    times = [3.0, 1.0, 2.0, 1.0, 3.0, -5.5, 0.0]
    messages = [{"at": time, "n": n, "text": "\ud800é"} for n, time in enumerate(times)]
    by_time = list(oldest_first(messages, time=lambda message: message["at"]))
    assert [message["n"] for message in by_time] == [5, 6, 1, 3, 2, 0, 4]
    assert by_time[0] == messages[5]


def test_a_source_that_comes_again_is_skipped_however_many_come_between() -> None:
    def items() -> Iterator[Turn]:
        for n in [*range(3_000), 7, 2_999]:
            yield Turn("Anna", f"message {n}", source=f"x:{n}")

    *turns, first, second = storable_items(items())
    assert len(turns) == 3_000
    why = "something before it has the same source"
    assert [first, second] == [Skipped("x:7", why), Skipped("x:2999", why)]


def test_the_sources_of_an_export_are_not_held_in_the_process() -> None:
    def peak(number: int) -> int:
        items = (Turn("Anna", "a", source=f"{n:0200}") for n in range(number))
        tracemalloc.start()
        assert sum(1 for _ in storable_items(items)) == number
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert peak(4_000) < peak(1_000) + 150_000  # 3,000 sources alone are 750,000 bytes


def test_the_dates_of_a_file_are_not_held_in_the_process() -> None:
    def peak(number: int) -> int:
        texts = (f"{n % 12 + 1}/{n % 11 + 1}/2023, 10:00" for n in range(number))
        tracemalloc.start()
        assert date_order(texts) is None
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(4_000) < peak(1_000) + 50_000


PEAK = """
import sys
{0}
sys.stderr.write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
COUNT = """
from memory.store.sqlite.temporary_tables import KeyCounts
counts = KeyCounts()
for n in range(int(sys.argv[1])):
    assert counts.add(f"{n:0100}") == 1
"""
SORT = """
from memory.store.sqlite.temporary_tables import oldest_first
messages = ({"text": "x" * 100, "at": -n} for n in range(int(sys.argv[1])))
assert sum(1 for _ in oldest_first(messages, lambda message: message["at"])) == int(sys.argv[1])
"""
IMPORT = """
from contextlib import suppress
from memory.__main__ import run
sys.argv[:] = ["memory", "import", sys.argv[1], "--db", sys.argv[2]]
with suppress(SystemExit):
    run()
"""


def peak_of(code: str, *arguments: str) -> int:
    """The peak of a process's memory in bytes, as it says itself.

    What the system says of a child includes its parent's memory before it began.
    """
    command = [sys.executable, "-c", PEAK.replace("{0}", code), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return 1024 * int(ran.stderr.split("VmHWM:")[1].split()[0])


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.slow
@pytest.mark.parametrize("code", [COUNT, SORT])
def test_a_million_messages_take_a_process_as_much_as_a_thousand(code: str) -> None:
    # 150,000 texts of 100 characters are 22 MB and more in Python.
    assert peak_of(code, "170000") < peak_of(code, "20000") + 8_000_000


@linux
@pytest.mark.slow
def test_an_import_takes_as_much_memory_for_many_turns_as_for_few(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        file = tmp_path / f"{number}.jsonl"
        with file.open("w") as lines:
            for n in range(number):
                said = f"The ferry to island {n % 700} is late, and the harbour {n % 90} is full."
                lines.write(f'{{"speaker": "Anna", "text": "{said}", "source": "{n:0400}"}}\n')
        return peak_of(IMPORT, str(file), str(tmp_path / f"{number}.db"))

    assert peak(20_000) < peak(5_000) + 4_000_000  # the sources of the others are 7 MB


@linux
@pytest.mark.slow
def test_a_disk_without_room_is_one_line() -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
from memory.errors import StoreError
from memory.store.sqlite.temporary_tables import KeyCounts
counts = KeyCounts()
try:
    for n in range(200_000):
        counts.add(f"{n:0100}")
except StoreError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("no room for temporary files (TMPDIR names their folder): ")
