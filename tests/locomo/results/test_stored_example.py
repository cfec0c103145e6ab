"""The fact that a run shows: of an answer the one that it cites, with who stored it."""

from dataclasses import replace
from pathlib import Path

import pytest

from locomo.harness import BuiltMemory
from locomo.results.stored_example import stored_example
from memory import open_store
from tests.conftest import CAT, MOVED, SAID
from tests.locomo.results.test_outcomes import ASKED

ALL = "SELECT id, subject, attribute, value, turn_id FROM facts ORDER BY id"


@pytest.fixture
def built(tmp_path: Path) -> BuiltMemory:
    with open_store(tmp_path / "a.db") as store:
        store.add(SAID)
        store.write(MOVED, cause="stated in turn 1")
        store.write(CAT, cause="digest by a/model")
    return BuiltMemory(
        conversation="a", path=tmp_path / "a.db", turns=5, facts=2, failed=0, calls=0, seconds=0.0
    )


def test_the_fact_is_the_one_that_the_answer_cites(built: BuiltMemory) -> None:
    result = replace(ASKED, answer="cat Miso", sql=(ALL,), rows=2, cited=("D1:3",))
    stored, insert, asked, *rest = stored_example([result], [built]).splitlines()
    assert stored == "stored (digest by a/model):"
    assert "cat Miso" in insert
    assert asked == "asked: [bold]Where does Anna live?[/bold]"
    assert ALL in rest[0]
    assert rest[-1] == "answer: [bold]cat Miso[/bold]  D1:3"


def test_no_select_is_shown_that_nobody_asked(built: BuiltMemory) -> None:
    assert stored_example([ASKED], [built]) == ""
