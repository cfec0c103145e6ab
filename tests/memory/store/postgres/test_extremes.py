"""Numbers, exponents and dates at the edges: both databases answer alike, or refuse with advice."""

import math
import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from memory import SqlError, Store, open_store
from memory.store.files.transfer import transfer
from memory.text.dates import is_iso_date, is_iso_span
from tests.conftest import CAT, DOG, MOVED, SAID
from tests.support import extreme_statements
from tests.support.postgres_server import new_namespace

pytestmark = pytest.mark.slow

Outcome = tuple[str, Any]
_MIXING = re.compile(r"CASE|COALESCE|NULLIF|UNION")


def read(store: Store, statement: str) -> Outcome:
    try:
        rows = store.read(statement).rows
    except SqlError as error:
        return "refused", str(error)
    for row in rows:
        for cell in row:
            assert cell is None or isinstance(cell, (str, int, float)), statement
            assert not isinstance(cell, float) or math.isfinite(cell), statement
            assert not isinstance(cell, int) or abs(cell) <= 2**63, statement
    return "answered", sorted(tuple(map(plain, row)) for row in rows)


def plain(cell: object) -> str:
    """A value to compare: numbers by six digits, as the databases add them up in any order."""
    return f"{cell + 0.0:.6g}" if isinstance(cell, (int, float)) else repr(cell)


def write(store: Store, statement: str) -> Outcome:
    """Make a change, look at its facts and take it back."""
    try:
        change = store.write(statement, cause="test", by_person=True)
    except SqlError as error:
        return "refused", str(error)
    facts = store.facts()
    for fact in facts:
        assert (
            not fact.happened_on or is_iso_date(fact.happened_on) or is_iso_span(fact.happened_on)
        ), statement
        assert not fact.ended_on or is_iso_date(fact.ended_on), statement
        assert isinstance(fact.turn_id, int), statement
    if change.facts:
        store.undo(change.id)
    return "changed", [(f.id, f.value, f.happened_on, f.ended_on, f.turn_id) for f in facts]


@pytest.mark.parametrize(
    "statements", [200, pytest.param(3_000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_both_databases_answer_alike_or_refuse(path: Path, statements: int) -> None:
    random = Random(40)
    outcomes: Counter[str] = Counter()
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        sqlite.add(SAID)
        sqlite.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
        transfer(sqlite, postgres)
        before = sqlite.facts()
        for number in range(statements):
            run, draw = (read, extreme_statements.read), (write, extreme_statements.write)
            act, kind = run if number % 3 else draw
            statement = kind(random)
            (ours, our_result), (theirs, their_result) = (
                act(store, statement) for store in (sqlite, postgres)
            )
            outcomes[f"{act.__name__}: {ours} by SQLite, {theirs} by Postgres"] += 1
            # SQLite divides by row: a value may be whole in one and not in another.
            is_mixed = "/" in statement and _MIXING.search(statement)
            if ours == theirs != "refused" and not is_mixed:
                assert our_result == their_result, statement
            if act is write:
                # Each insertion that is taken back takes a number: both must go on alike.
                assert ours == theirs or "refused" in (ours, theirs), statement
        assert sqlite.facts() == before
        assert [fact.value for fact in postgres.facts()] == [fact.value for fact in before]
        assert sqlite.check() == postgres.check() == []
    print(dict(outcomes))
    assert outcomes["read: answered by SQLite, answered by Postgres"] > statements / 20
    assert outcomes["write: changed by SQLite, changed by Postgres"] > statements / 50
