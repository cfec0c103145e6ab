"""What a large memory costs: calls, records and rows are counted at two sizes, never timed."""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memory import Fact, Memory, Turn, facts
from memory.operations.facts import facts as facts_page
from memory.operations.operation import OpenMemory
from memory.records import CORRECTIONS
from memory.search.embed import load_embedder
from memory.store.files.integrity import find_faults
from memory.store.forgetting.quoting import may_quote, turns_quoting
from memory.store.search import search_tables
from memory.store.sqlite.connection import SqliteConnection
from memory.store.sqlite.store import SqliteStore
from memory.store.turns import tags as turn_tags
from memory.store.turns import turns_table
from tests.benchmarks.own_reads import counted_calls

FEW, MANY = 300, 1_200
SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeiou"]


@pytest.fixture
def facts_made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many records of facts are made meanwhile."""
    made: Counter[str] = Counter()
    own = Fact.__init__

    def counting(fact: Fact, *args: Any, **fields: Any) -> None:
        made["facts"] += 1
        own(fact, *args, **fields)

    monkeypatch.setattr(Fact, "__init__", counting)
    return made


def word(number: int) -> str:
    """A made-up word for each number."""
    first, second = divmod(number, len(SYLLABLES))
    return f"zo{SYLLABLES[second]}{SYLLABLES[first % len(SYLLABLES)]}x"


def store_facts(memory: Memory, first: int, last: int) -> None:
    """Facts of one gardener, and a fact of somebody else each."""
    [turn] = memory.add([Turn("Anna", "The list of the allotment.")])
    for start in range(first, last, 100):
        rows = ", ".join(
            f"('Anna', 'planted', 'bed {n}', '', {turn}),"
            f" ('{word(n)}', 'grows', 'kale', '', {turn})"
            for n in range(start, start + 100)
        )
        columns = "subject, attribute, value, happened_on, turn_id"
        memory.store.write(f"INSERT INTO facts ({columns}) VALUES {rows}", cause="test")


def at_two_sizes(
    path: Path, fill: Callable[[Memory, int, int], None], count: Callable[[Memory], int]
) -> tuple[int, int]:
    with Memory(path) as memory:
        fill(memory, 0, FEW)
        few = count(memory)
        fill(memory, FEW, MANY)
        return few, count(memory)


@pytest.mark.parametrize(("subject", "attribute"), [("", ""), ("Anna", ""), ("", "grows")])
def test_a_page_of_facts_reads_the_page(
    path: Path, facts_made: Counter[str], subject: str, attribute: str
) -> None:
    def count(memory: Memory) -> int:
        facts_made.clear()
        opened = OpenMemory(memory.store, "t", lambda _: memory)
        page = facts_page(opened, limit=20, subject=subject, attribute=attribute)
        assert len(page["facts"]) == 20
        return facts_made["facts"]

    few, many = at_two_sizes(path, store_facts, count)
    assert few == many < 100


def test_facts_about_a_name_are_found_by_index(path: Path, facts_made: Counter[str]) -> None:
    def count(memory: Memory) -> int:
        facts_made.clear()
        assert [fact.value for fact in memory.facts(word(7))] == ["kale"]
        return facts_made["facts"]

    few, many = at_two_sizes(path, store_facts, count)
    assert few <= many < 40  # those that begin with the same letters are looked at


def test_pages_are_all_current_facts_in_order(path: Path) -> None:
    with Memory(path) as memory:
        memory.add([Turn("Anna", f"I live in {town}.") for town in ("Oslo", "Bergen", "Voss")])
        store_facts(memory, 0, 100)
        listed: list[int] = []
        after: int | None = 0
        while after is not None:
            page = facts_page(OpenMemory(memory.store, "t", lambda _: memory), after=after, limit=7)
            listed += [fact.id for fact in page["facts"]]
            after = page["after"]
        assert listed == [fact.id for fact in facts.find(memory.store)]
        [home] = facts.page_named(memory.store, "anna", "lives in", "", after=0, most=9)
        assert [home] == facts.facts_named(memory.store, "Anna", "lives_in", "")


@pytest.mark.parametrize("words", ["tie", "ties", "runn", "running kale", "kaf", "café", "ZoBa"])
def test_words_and_beginnings_of_words_find_what_they_found(path: Path, words: str) -> None:
    values = ["blue ties", "running shoes", "a runner", "Kaffee", "the Café", "kale while running"]
    with Memory(path) as memory:
        store_facts(memory, 0, 100)
        [turn] = memory.add([Turn("Ben", "A list.")])
        for value in values:
            facts.add(memory.store, turn_id=turn, subject="Ben", attribute="has", value=value)
        every_fact = memory.store.facts()
        assert facts.find(memory.store, words, ended=True) == facts.matching(every_fact, words)


def test_a_context_does_not_compare_all_orders_with_each_other(path: Path) -> None:
    def fill(memory: Memory, first: int, last: int) -> None:
        memory.add(
            [
                Turn("user", f"Always name the {word(n)} when I ask about {word(3 * n + 1)}.")
                for n in range(first // 10, last // 10)
            ]
        )

    def count(memory: Memory) -> int:
        assert len(memory.facts()) in (FEW // 10, MANY // 10)
        memory.context("What should I cook?")
        return counted_calls(lambda: memory.context("What should I cook today?"))["memory"]

    few, many = at_two_sizes(path, fill, count)
    assert many <= 5 * few


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("with_repeats", [False, True])
def test_turns_chosen_by_the_index_quote_what_all_turns_do(seed: int, with_repeats: bool) -> None:
    drawn = random.Random(seed)
    for _ in range(40):
        turns = _chat_that_quotes(drawn)
        by_id = {turn.id: turn for turn in turns}

        def holding(
            all_of: Sequence[str], most: int, oldest: bool, turns: Sequence[Turn] = tuple(turns)
        ) -> list[int]:
            stems = {_stem(each) for each in all_of}
            ids = [turn.id for turn in turns if stems <= {*map(_stem, turn.text.split())}]
            return ids[:most] if oldest else ids[::-1][:most]

        def chosen(ids: Sequence[int], by_id: dict[int, Turn] = by_id) -> list[Turn]:
            return [by_id[turn_id] for turn_id in ids]

        gone = drawn.sample([*by_id], 2)
        some = may_quote(chosen(gone), holding, chosen, ["Rex"])
        found = turns_quoting(some, gone, ["Rex"], with_repeats)
        if with_repeats and found.repeats:
            some = may_quote(chosen([*gone, *found.repeats]), holding, chosen, ["Rex"])
            found = turns_quoting(some, gone, ["Rex"], with_repeats)
        assert found == turns_quoting(turns, gone, ["Rex"], with_repeats)


def _stem(written: str) -> str:
    return written.strip(",").removesuffix("ing").removesuffix("s")


def _chat_that_quotes(drawn: random.Random) -> list[Turn]:
    """Turns of few words, of which a third hold a part of an earlier turn."""
    known = [
        a + b for a in ("ba", "be", "do", "ka", "mo") for b in ("nt", "rk", "ll", "lls", "lling")
    ]
    turns: list[Turn] = []
    for number in range(1, 30):
        said = drawn.choices([*known, "4417", "90210"], k=drawn.randint(1, 7))
        if turns and drawn.random() < 0.35:
            earlier = drawn.choice(turns).text.split()
            start = drawn.randrange(len(earlier))
            said = said[:2] + earlier[start : start + drawn.randint(1, 5)]
        speaker = drawn.choice(["user", "user", "assistant", "Anna", "Rex"])
        session, text = "s", " ".join(said)
        if drawn.random() < 0.05:
            session, text = CORRECTIONS, f"{said[0]}, not {drawn.choice(known)}"
        turns.append(Turn(speaker, text, session, id=number))
    return turns


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 32)
    monkeypatch.setattr(search_tables, "PIECE", 8)


def chat(memory: Memory, first: int, last: int) -> None:
    """Sessions of ten turns; each turn has a word of its own."""
    texts = {n: f"We spoke of {word(n)} and of {word(n * 7)} again." for n in range(first, last)}
    memory.store.add(
        [
            Turn(("user", "assistant")[n % 2], text, f"s{n // 10}", "2026-01-02")
            for n, text in texts.items()
        ]
    )


@pytest.mark.usefixtures("_small_blocks")
def test_forgetting_rewrites_only_the_blocks_that_it_touches(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: Counter[str] = Counter()
    insert, run = SqliteConnection.insert_rows, SqliteConnection.run

    def counted_insert(conn: SqliteConnection, table: str, columns: Any, rows: Any) -> None:
        acts[table] += len(rows)
        insert(conn, table, columns, rows)

    def counted_run(conn: SqliteConnection, name: str, /, **values: Any) -> sqlite3.Cursor:
        acts["statements"] += 1
        return run(conn, name, **values)

    monkeypatch.setattr(SqliteConnection, "insert_rows", counted_insert)
    monkeypatch.setattr(SqliteConnection, "run", counted_run)
    with Memory(path) as memory:
        chat(memory, 0, FEW)
        memory.forget([45])
        few = sum(acts.values())
    other = path.with_name("other.db")
    with Memory(other) as memory:
        chat(memory, 0, MANY)
        acts.clear()
        memory.forget([45])
        assert sum(acts.values()) <= few


def test_forgetting_by_words_reads_the_turns_that_have_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()
    own = turns_table.to_turns

    def counting(rows: Any, *tags: Any) -> list[Turn]:
        turns = own(rows, *tags)
        made["turns"] += len(turns)
        return turns

    for module in (turns_table, turn_tags):
        monkeypatch.setattr(module, "to_turns", counting)

    def count(memory: Memory) -> int:
        [turn] = memory.add([Turn("Anna", "The kiln of Gustafsson is hot.")])
        made.clear()
        [receipt] = memory.forget(matching="gustafsson")
        assert receipt.turns == (turn,)
        return made["turns"]

    few, many = at_two_sizes(path, chat, count)
    assert few == many < 100


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("going", [[1], [33], [32, 64], [41, 50], [*range(33, 65)], [595, 300]])
def test_after_forgetting_columns_are_as_if_made_anew(path: Path, going: list[int]) -> None:
    with Memory(path) as memory:
        chat(memory, 0, 600)
        memory.forget(going, replies=False)
        left = columns(memory)
        store = memory.store
        assert isinstance(store, SqliteStore)
        with store.transaction() as conn:
            assert find_faults(conn) == []
            search_tables.remake(conn, _vectors_of)
        assert columns(memory) == left


def _vectors_of(turns: Sequence[Turn]) -> NDArray[np.float32]:
    return load_embedder()([turn.text for turn in turns])


def columns(memory: Memory) -> tuple[bytes, bytes]:
    """The rows and the vectors of all turns, however they lie in blocks."""
    store = memory.store
    assert isinstance(store, SqliteStore)
    with store.transaction() as conn:
        recent = conn.run("recent_after", after=0).fetchall()
        blocks = conn.run("blocks_after", after=0).fetchall()
        pieces = conn.execute("SELECT vectors FROM pieces ORDER BY first_turn").fetchall()
    rows = b"".join([block[1] for block in blocks] + [row[0] for row in recent])
    return rows, b"".join([piece[0] for piece in pieces] + [row[1] for row in recent])
