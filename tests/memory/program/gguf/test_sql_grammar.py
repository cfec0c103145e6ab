"""The grammar of a model's SQL: it has what prompts show, and nothing that the policy refuses."""

import re
from functools import cache
from random import Random

import pytest

from memory.models.gguf.sql_grammar import selects, writes
from memory.program.signatures.full import (
    NAMES_IN_QUESTION,
    SUMMARIES_IN_QUESTION,
    WriteFacts,
    WriteQuery,
)
from memory.sql import check_select, check_writes, split
from tests.support.gbnf import any_text, expression_of

_expression = cache(expression_of)


def accepts(grammar: str, statements: str) -> bool:
    return _expression(grammar).fullmatch(statements) is not None


def shown(prompt: str, verbs: str) -> list[str]:
    """The whole statements that a prompt shows, each on one line."""
    found = re.findall(rf"(?:{verbs}) [^;]*;", prompt)
    return [" ".join(statement.split()) for statement in found if "..." not in statement]


@pytest.mark.slow
def test_the_selects_that_the_prompts_show_can_be_written() -> None:
    prompts = " ".join([WriteQuery.__doc__ or "", NAMES_IN_QUESTION, SUMMARIES_IN_QUESTION])
    statements = shown(prompts, "SELECT")
    assert len(statements) >= 7
    assert [statement for statement in statements if not accepts(selects(), statement)] == []
    assert accepts(selects(), "\n".join(statements[:3]))


def test_the_writes_of_facts_that_the_prompts_show_can_be_written() -> None:
    statements = shown(WriteFacts.__doc__ or "", "INSERT INTO facts|UPDATE facts")
    assert len(statements) >= 3
    assert [statement for statement in statements if not accepts(writes(), statement)] == []
    assert accepts(writes(), "\n".join(statements[:3]))
    assert accepts(writes(), "-- none")


def test_a_digest_names_the_turns_of_its_window_and_ends_the_facts_that_it_was_shown() -> None:
    insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('A', 'b', 'c', {});"
    end = "UPDATE facts SET ended_on = '2011-04' WHERE id = {};"
    window = writes(turn_ids=[12, 13], fact_ids=[31])
    assert accepts(window, insert.format(12))
    assert not accepts(window, insert.format(14))
    assert accepts(window, end.format(31))
    assert not accepts(window, end.format(3))
    assert not accepts(writes(turn_ids=[12]), end.format(31))


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE facts;",
        "SELECT name FROM sqlite_master;",
        "SELECT secret FROM facts;",
        "SELECT speaker FROM facts;",
        "SELECT t.subject FROM search('x', 5) s JOIN turns t ON t.id = s.turn_id;",
        "SELECT id FROM facts WHERE turn_id = '1';",
        "SELECT id FROM facts WHERE subject = 1;",
        "SELECT id FROM facts WHERE subject = 'Anna' OR load_extension('x');",
        "SELECT id, COUNT(*) AS n FROM facts GROUP BY subject;",
        "SELECT id FROM facts; DELETE FROM facts;",
        "SELECT id FROM search(' ', 5) s JOIN turns t ON t.id = s.turn_id;",
    ],
)
def test_what_the_policy_refuses_cannot_be_written(statement: str) -> None:
    assert not accepts(selects(), statement)


@pytest.mark.parametrize("day", ["2011-02-30", "2011-04-31", "2011-02-29", "2011-13", "11", "May"])
def test_a_day_that_the_calendar_lacks_cannot_be_written(day: str) -> None:
    row = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id)"
    assert accepts(writes(), f"{row} VALUES ('A', 'b', 'c', '2012-02-29', 1);")
    assert not accepts(writes(), f"{row} VALUES ('A', 'b', 'c', '{day}', 1);")


@pytest.mark.parametrize("answers", [30, pytest.param(150, marks=pytest.mark.slow)])
def test_every_select_that_can_be_written_passes_the_policy(answers: int) -> None:
    random = Random(1)
    for _ in range(answers):
        statements = split(any_text(selects(), random))
        assert statements
        for statement in statements:
            check_select(statement)


@pytest.mark.parametrize("answers", [30, pytest.param(150, marks=pytest.mark.slow)])
def test_every_write_that_can_be_written_passes_the_policy(answers: int) -> None:
    random = Random(2)
    for _ in range(answers):
        answer = any_text(writes(most_rows=3), random)
        assert check_writes(answer) or answer == "-- none"
