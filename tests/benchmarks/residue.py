"""What forgetting leaves in the files: `python -m tests.benchmarks.residue`."""

import random
import string
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from memory import Turn, open_store
from memory.store.sqlite import SqliteStore
from tests.support.residue import needles, scan

TURNS, FORGOTTEN, SESSION = 10_000, 500, 25
COMMON = ["we", "went", "to", "market", "by", "train", "and", "later", "she", "told", "him"]


def made_turns(count: int, seed: int = 6) -> list[Turn]:
    """Talk with three words in each turn that no other turn has."""
    drawn = random.Random(seed)
    return [
        Turn(
            f"Person {n % 7}",
            " ".join([*drawn.sample(COMMON, 8), *(_word(drawn) for _ in range(3))]),
            f"session {n // SESSION}",
            f"2023-{n % 12 + 1:02}-{n % 28 + 1:02}",
        )
        for n in range(count)
    ]


def _word(drawn: random.Random) -> str:
    return "".join(drawn.choices(string.ascii_lowercase, k=14))


def main(turns: int = TURNS, forgotten: int = FORGOTTEN) -> None:
    """Make a memory with facts and a backup, forget some of it, and look for what is left."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with open_store(root / "made.db") as store:
            assert isinstance(store, SqliteStore)
            store.add(made_turns(turns))
            for first in range(1, turns, 50):
                facts = ", ".join(
                    f"('Person {n % 7}', 'said', '{store.turn(n).text.split()[-1]}', {n})"
                    for n in range(first, first + 50, 10)
                )
                insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
                store.write(f"{insert} {facts}", "digest", (first, first + 49))
            store.backup(root / "backup.db")
            ids = sorted(random.Random(7).sample(range(1, turns + 1), forgotten))
            wanted = needles(store, set(ids))
            before = scan(root.iterdir(), wanted)
            started = time.perf_counter()
            done = store.forget(ids)
            took = time.perf_counter() - started
            after = scan(root.iterdir(), wanted)
            assert store.check() == []
    print(f"memory: {turns:,} turns, {len(done.turns):,} of them and {len(done.facts):,} facts")
    print(f"forgotten in {took:.1f} s, in the memory and its backup")
    print(f"looked for: {len(wanted):,} words, texts, values and vectors,", end=" ")
    print(f"{sum(map(len, wanted)):,} bytes in all")
    for name, one in (("before", before), ("after", after)):
        print(f"{name}: {len(one.found):,} found in {len(one.files)} files, {one.size:,} bytes")
    sys.exit(1 if after.found or not before.found else 0)


if __name__ == "__main__":
    main()
