"""What the retrieve prompt says of the tables: every SELECT in it runs, and brings up its rows."""

import re

import pytest

from memory import Memory, Store, Turn
from memory.program.signatures.full import NAMES_IN_QUESTION, SUMMARIES_IN_QUESTION, WriteQuery
from memory.records import Summary
from memory.store.turns.summaries import set_summary
from memory.store.waiting.pending_windows import claim_window
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = True

PROMPT = " ".join((WriteQuery.__doc__ or "").split())
_SELECT = re.compile(r"SELECT [^;]*;")
SELECTS = _SELECT.findall(PROMPT)


@pytest.fixture
def cellos(store: Store) -> Store:
    """Maria's cellos: bought twice, never played, with a wish and a story."""
    first, *_, last = store.add(
        [
            Turn("Maria", "I bought a cello.", said_at="2011-03-01"),
            Turn("Maria", "I bought a CELLO and a violin.", said_at="2011-03-02"),
            Turn("Maria", "Always give prices when I ask about cellos.", said_at="2011-03-03"),
            Turn("Maria", "I have never played the cello.", said_at="2011-03-04"),
        ]
    )
    while window := claim_window(store, 50):
        rows = [
            f"('Maria', 'bought', 'a cello', '2011-03-01', {first})",
            f"('Maria', 'bought', 'A Cello', '2011-03-02', {first + 1})",
            f"('Maria', 'bought', 'a violin', '2011-03-02', {first + 1})",
            f"('Maria', 'instruction', 'give prices when I ask about cellos', '', {first + 2})",
            f"('Maria', 'never', 'played the cello', '', {last})",
        ]
        store.write(
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
            f" {', '.join(rows)};"
            " INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute) VALUES"
            f" ({first}, 'bought', {last}, 'never')",
            cause="digest",
            window=window,
        )
    set_summary(store, Summary(first, last, "session", "Maria bought a cello and a violin."))
    return store


def test_every_select_of_the_prompt_runs(cellos: Store) -> None:
    assert len(SELECTS) >= 6
    for select in [
        *SELECTS,
        *_SELECT.findall(SUMMARIES_IN_QUESTION),
        *_SELECT.findall(NAMES_IN_QUESTION),
    ]:
        cellos.read(select)


def test_different_things_are_counted_with_their_rows_beside(cellos: Store) -> None:
    assert "different things by COUNT(DISTINCT lower(value))" in PROMPT
    bought = "FROM facts WHERE subject = 'Maria' AND attribute = 'bought'"
    [(things,)] = cellos.read(f"SELECT COUNT(DISTINCT lower(value)) AS things {bought}").rows
    rows = cellos.read(f"SELECT turn_id, value {bought} ORDER BY turn_id").rows
    assert (things, len(rows)) == (2, 3)


def test_the_story_is_in_the_prompt_of_a_memory_that_has_one(cellos: Store) -> None:
    [select] = _SELECT.findall(SUMMARIES_IN_QUESTION)
    [(first, last, text)] = cellos.read(select).rows
    assert text == "Maria bought a cello and a violin."
    assert first < last
    model = scripted_model([(["FROM summaries WHERE"], sql(select)), ([], answer("a cello", "1"))])
    assert Memory(cellos, model=model).ask("What has Maria bought so far?").text == "a cello"
