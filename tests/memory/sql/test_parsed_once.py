"""A model's statement is parsed once, from the model's answer to the rows of the database."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from sqlglot.dialects.dialect import Dialect

from memory import Memory
from memory.evidence.reader import MemoryReader
from memory.program.opened import OpenedMemory
from memory.program.protocol import Question
from memory.sql import check_writes
from memory.store import Store
from tests.conftest import CAT, MOVED
from tests.support.scripted import scripted_model, sql

PRODUCT = Path(__file__).parents[3] / "memory"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each text was parsed."""
    counts: Counter[str] = Counter()

    def counted(name: str) -> None:
        method = getattr(Dialect, name)

        def parse(self: Dialect, *arguments: object, **options: object) -> object:
            counts[str(arguments[-1])] += 1
            return method(self, *arguments, **options)

        monkeypatch.setattr(Dialect, name, parse)

    counted("parse")
    counted("parse_into")
    return counts


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id, text FROM turns WHERE LOWER(text) LIKE '%oslo%'",
        "SELECT turn_id FROM search('cat', 2)",
        "SELECT turn_id FROM search('nothing at all', 2)",
        "SELECT subject FROM facts\nUNION ALL\nSELECT speaker FROM turns",
        "WITH p AS (\nSELECT DISTINCT speaker FROM turns\n)\nSELECT COUNT(*) AS n FROM p",
    ],
)
def test_a_select_is_parsed_once(store: Store, parsed: Counter[str], statement: str) -> None:
    model = scripted_model([([], sql(statement))])
    program = Memory(store, model=model).program
    with model.active():
        retrieved = program.retrieve(Question("Who?"), OpenedMemory(MemoryReader(store)))
    assert retrieved.error == ""
    assert parsed.total() == 1


@pytest.mark.parametrize("separator", [";\n", "\n"])
def test_each_insert_of_a_digest_is_parsed_once(
    store: Store, parsed: Counter[str], separator: str
) -> None:
    memory = Memory(store, model=scripted_model([([], sql(separator.join([MOVED, CAT])))]))
    assert memory.digest().facts == 2
    assert sum(times for text, times in parsed.items() if text.startswith("INSERT")) == 2
    assert max(parsed.values()) == 1


def test_what_is_checked_runs_without_another_look_at_its_text(
    store: Store, parsed: Counter[str]
) -> None:
    writes = check_writes(f"{MOVED}; UPDATE facts SET value = 'Bergen' WHERE id = 1")
    parsed.clear()
    change = store.write(writes, cause="test")
    assert parsed.total() == 0
    assert change.statement == ";\n".join(write.text for write in writes)
    assert store.facts()[0].value == "Bergen"


@pytest.mark.slow
def test_only_the_policy_makes_checked_statements() -> None:
    makers = {
        str(path.relative_to(PRODUCT))
        for path in PRODUCT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("CheckedSelect", "CheckedInsert", "CheckedChange")
    }
    assert makers == {"sql/policy.py"}
