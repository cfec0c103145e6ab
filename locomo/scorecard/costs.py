"""What a memory takes: the time until what is written can be read, and bytes on disk."""

import random
import string
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.table import Table

from locomo.scorecard.scratch import Scratch
from memory import Memory, Turn
from memory.store import namespaces

ADDS = 200  # timed
_LETTERS = 12  # of a word that no other turn has: 26 ** 12 of them
_SEED = 20261127


@dataclass(frozen=True)
class Readable:
    """How soon turns could be read that were added one by one to a memory of `turns` turns.

    `ms` has the time from the call of `add` until the next search came back, of each added turn;
    `is_found` says whether that search had it among its ten.
    """

    turns: int
    ms: tuple[float, ...]
    is_found: tuple[bool, ...]


def time_to_readable(scratch: Scratch, turns: Sequence[Turn], adds: int = ADDS) -> Readable:
    """Add turns with their own word to a memory that holds `turns`, and search each word."""
    drawn = random.Random(_SEED)  # noqa: S311 - words, no secrets
    ms: list[float] = []
    is_found: list[bool] = []
    with Memory(scratch.new_name()) as memory:
        memory.add(turns, said_at="")
        memory.search(turns[0].text)  # a first search loads what all use
        for number in range(adds):
            word = "".join(drawn.choices(string.ascii_lowercase, k=_LETTERS))
            like = turns[number % len(turns)]
            added = replace(like, text=f"{like.text} {word}", source=f"added:{number}")
            start = time.perf_counter()
            [turn_id] = memory.add([added], said_at="")
            hits = memory.search(word)
            ms.append(1000 * (time.perf_counter() - start))
            is_found.append(turn_id in [hit.turn_id for hit in hits])
    return Readable(len(turns), tuple(ms), tuple(is_found))


def readable_table(measured: Iterable[Readable]) -> Table:
    """A row for each memory: which of the added turns the next search found."""
    table = Table(
        "turns before", "added one by one", "found by the next search", title="written and read"
    )
    for row in measured:
        table.add_row(f"{row.turns:,}", str(len(row.is_found)), f"{np.mean(row.is_found):.3f}")
    return table


def times_table(measured: Iterable[Readable]) -> Table:
    """The times of the same turns, which are this machine's."""
    table = Table("turns before", "p50 ms", "p95 ms", title="from add to found, on this machine")
    for row in measured:
        p50, p95 = np.percentile(row.ms, [50, 95])
        table.add_row(f"{row.turns:,}", f"{p50:.2f}", f"{p95:.2f}")
    return table


@dataclass(frozen=True)
class Size:
    """What some turns take: bytes of their text in UTF-8, and of the memory on disk."""

    turns: int
    text: int
    disk: int


def size_on_disk(scratch: Scratch, turns: Sequence[Turn]) -> Size:
    """Store turns, and weigh the memory: its file, or its rows in Postgres."""
    name = scratch.new_name()
    with Memory(name) as memory:
        memory.add(turns, said_at="")
    text = sum(len(turn.text.encode()) for turn in turns)
    return Size(len(turns), text, namespaces.summary(name).bytes)


def size_table(sizes: Iterable[Size]) -> Table:
    """A row for each memory: bytes for each turn and for each byte of text."""
    table = Table(
        "turns",
        "bytes of text",
        "bytes on disk",
        "a turn",
        "a byte of text",
        title="bytes, with vectors, indexes and journal",
    )
    for size in sizes:
        table.add_row(
            f"{size.turns:,}",
            f"{size.text:,}",
            f"{size.disk:,}",
            f"{size.disk / size.turns:,.0f}",
            f"{size.disk / size.text:.2f}",
        )
    return table
