"""A larger model stores no year that no turn gives: it is told so, then the date stays empty."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from memory import Memory, Turn, open_store
from memory.facts.row_checks import RowChecks
from memory.sql import check_writes, quoted
from memory.store import Store
from tests.conftest import INSERT
from tests.support.scripted import scripted_model, sql

_NO_DAY, _DAY, _NEW_YEAR = "", "2023-05-15", "2024-01-01"

# What is said, the day it is said on, and the date that a model gives.
INVENTED = [
    ("I moved to Hull on 1 May.", _NO_DAY, "2023-05-01"),
    ("I moved to Hull on 23 May.", _NO_DAY, "2023-05-23"),
    ("My wedding is in June.", _NO_DAY, "2023-06"),
    ("My wedding is next June.", _NO_DAY, "2026-06"),
    ("I moved to Hull last year.", _NO_DAY, "2022"),
    ("I moved to Hull twenty years ago.", _NO_DAY, "2003"),
    ("I moved to Hull when I was ten.", _NO_DAY, "1998"),
    ("I moved to Hull with 2 cats.", _NO_DAY, "2011-04-02/2011-04-03"),
    ("My wedding is in June.", _DAY, "2026-06"),
    ("I moved to Hull on 1 May.", _DAY, "2019-05-01"),
    ("I moved to Hull.", _DAY, "2011"),
    ("I moved to Hull yesterday.", _DAY, "2011-04-02"),
    ("I moved to Hull in the spring.", _DAY, "2021"),
    ("I moved to Hull after the pandemic.", _DAY, "2021"),
    ("I paid 2,000 for the move to Hull.", _DAY, "2011"),
    ("Twenty of us moved to Hull, and ten stayed.", _NO_DAY, "2010"),
]
# And the year follows from these.
GIVEN = [
    ("I moved to Hull in 2019.", _NO_DAY, "2019"),
    ("I moved to Hull in 2019.", _DAY, "2019"),
    ("The guild was founded in 1431.", _DAY, "1431"),
    ("I moved to Hull in May '98.", _DAY, "1998-05"),
    ("I moved to Hull on 1/5/98.", _NO_DAY, "1998-05-01"),
    ("I moved to Hull in nineteen ninety-eight.", _NO_DAY, "1998"),
    ("I moved to Hull yesterday.", _DAY, "2023-05-14"),
    ("I moved to Hull yesterday.", _NEW_YEAR, "2023-12-31"),
    ("I moved to Hull last year.", _DAY, "2022"),
    ("My wedding is next June.", _DAY, "2024-06"),
    ("My wedding is in January.", _DAY, "2024-01"),
    ("I moved to Hull 12 years ago.", _DAY, "2011"),
    ("I moved to Hull thirty-five years ago.", _DAY, "1988"),
    ("I moved to Hull two decades ago.", _DAY, "2003"),
    ("I'm 33.", _DAY, "1989"),
    ("I was born in 1990 and moved to Hull at ten.", _DAY, "2000"),
    ("The loan runs for 30 years.", _DAY, "2053"),
    ("Vor dreißig Jahren bin ich nach Hull gezogen.", _DAY, "1993"),
    ("Il y a vingt ans, j'ai déménagé à Hull.", _DAY, "2003"),
    ("Me mudé a Hull hace cuarenta años.", _DAY, "1983"),
]


def written(day: str, turn_id: int = 1, value: str = "moved to Hull") -> str:
    return f"{INSERT}('Anna', 'event', {quoted(value)}, '{day}', {turn_id})"


def dates(path: Path, turns: Sequence[Turn], *statements: str) -> list[str]:
    """The dates of the facts that a digest stores, whose model writes these, one in each call."""
    model = scripted_model([([], sql(statement)) for statement in statements])
    with open_store(path) as store:
        store.add(turns)
        report = Memory(store, model=model).digest()
        assert (report.stored, report.calls) == (1, len(statements))
        model.lm.assert_done()  # type: ignore[attr-defined]
        return [fact.happened_on for fact in store.facts()]


@pytest.mark.few(5)
@pytest.mark.parametrize(("text", "said_at", "day"), INVENTED)
def test_a_year_that_no_turn_gives_is_refused_and_then_left_empty(
    text: str, said_at: str, day: str, path: Path
) -> None:
    turns = [Turn("Anna", text, said_at=said_at)]
    assert dates(path, turns, *[written(day, value=text)] * 2) == [""]


@pytest.mark.few(5)
@pytest.mark.parametrize(("text", "said_at", "day"), GIVEN)
def test_a_year_that_a_turn_gives_is_stored_at_once(
    text: str, said_at: str, day: str, path: Path
) -> None:
    turns = [Turn("Anna", text, said_at=said_at)]
    assert dates(path, turns, written(day, value=text)) == [day]


def test_the_model_is_told_which_year_no_turn_gives(path: Path) -> None:
    with open_store(path) as store:
        store.add([Turn("Anna", "I moved to Hull on 1 May.")])
        told = ["no turn gives the year in (Anna, event, moved to Hull, 2023-05-01)"]
        model = scripted_model([([], sql(written("2023-05-01"))), (told, sql(written("")))])
        assert Memory(store, model=model).digest().calls == 2
        assert [(fact.value, fact.happened_on) for fact in store.facts()] == [("moved to Hull", "")]


def test_what_is_said_before_and_beside_gives_years(path: Path) -> None:
    turns = [
        Turn("Ben", "How was 2017 for you?", said_at=_DAY),
        Turn("Anna", "I moved to Hull then.", said_at=_DAY),
    ]
    assert dates(path, turns, written("2017", 2)) == ["2017"]
    with open_store(path) as store:
        store.add([Turn("Anna", "And I began to row.", said_at=_DAY)])
        # The turns before the window are shown, too.
        Memory(
            store, model=scripted_model([([], sql(written("2017-06", 3, "began to row")))])
        ).digest()
        assert [fact.happened_on for fact in store.facts()] == ["2017", "2017-06"]


def test_a_known_fact_gives_the_year_that_an_age_counts_from(path: Path) -> None:
    turns = [Turn("Anna", "My birthday is 3 March 1990.", said_at=_DAY)]
    born = f"{INSERT}('Anna', 'born_on', '3 March 1990', '1990-03-03', 1)"
    assert dates(path, turns, born) == ["1990-03-03"]
    with open_store(path) as store:
        store.add([Turn("Anna", "On my birthday at ten I got a bike.", said_at=_DAY)])
        Memory(
            store, model=scripted_model([([], sql(written("2000-03-03", 2, "got a bike")))])
        ).digest()
        assert [fact.happened_on for fact in store.facts()][1] == "2000-03-03"


def checked(store: Store, statements: str, *turns: Turn) -> tuple[list[str], list[str]]:
    """What is left of statements about turns, and why the rest may not be stored."""
    left, reasons = RowChecks(store, turns).checked(check_writes(statements))
    return [statement.text for statement in left], reasons


def test_a_state_of_an_unknown_end_ends_when_that_was_known(store: Store) -> None:
    turn = Turn("Anna", "I sold the boat.", said_at=_DAY, id=1)
    ended = "UPDATE facts SET ended_on = '2011-04' WHERE id = 31"
    [left], [reason] = checked(store, ended, turn)
    assert left == f"UPDATE facts SET ended_on = '{_DAY}' WHERE id = 31"
    assert "no turn gives the year in" in reason
    assert checked(store, ended, Turn("Anna", "I sold the boat.", id=1))[0] == []
    assert checked(store, ended.replace("2011", "2023"), turn)[1] == []


def test_a_value_or_a_summary_of_an_unknown_year_is_left_out(store: Store) -> None:
    turn = Turn("Anna", "I moved to Hull, for 2,000 pounds.", said_at=_DAY, id=1)
    value = f"{INSERT}('Anna', 'event', 'moved to Hull in 2011', '', 1)"
    told = "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES (1, 1, 'Hull, {}')"
    assert checked(store, f"{value}; {told.format('2011')}", turn)[0] == []
    right = f"{INSERT}('Anna', 'paid', '2000 pounds', '', 1); {told.format('2023')}"
    assert checked(store, right, turn)[1] == []
    assert len(checked(store, f"{right}; {value}", turn)[0]) == 2
