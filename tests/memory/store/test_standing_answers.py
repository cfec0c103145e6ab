"""Standing answers in a store: kept, undone, copied, stale with their facts, forgotten."""

from dataclasses import replace
from pathlib import Path

import pytest

from memory import SqlError, Store, open_store
from memory.errors import InputError
from memory.records import StandingAnswer
from memory.store.standing_answers import LONGEST_QUESTION, MOST_ANSWERS
from tests.conftest import CAT, MOVED

BOTH_STORES = True

WHERE = StandingAnswer(
    "Where does Anna live?", "In Oslo.", (1,), (1, 3), "Ben", "local", "2024-01-01", 5, 0
)


@pytest.fixture
def told(store: Store) -> Store:
    store.write(f"{MOVED}; {CAT}", cause="test")
    last_turn, last_change = store.newest()
    store.set_answer(replace(WHERE, last_turn=last_turn, last_change=last_change))
    return store


def texts(store: Store) -> list[tuple[str, str]]:
    return [(answer.question, answer.text) for answer in store.answers()]


def test_an_answer_is_kept_with_what_it_rests_on(told: Store) -> None:
    assert told.answers() == [replace(WHERE, last_turn=5, last_change=1)]
    change = told.changes()[-1]
    assert (change.cause, change.facts, change.rows) == ("answer by user", 0, 1)


def test_each_edit_is_a_change_that_can_be_undone(told: Store) -> None:
    [first] = told.answers()
    renewed = told.set_answer(replace(first, text="In Bergen."), instead_of=first, by="digest")
    assert texts(told) == [(WHERE.question, "In Bergen.")]
    told.undo(renewed.id)
    assert texts(told) == [(WHERE.question, "In Oslo.")]
    dropped = told.drop_answer(f" {WHERE.question}  ")
    assert texts(told) == []
    told.undo(dropped.id)
    assert texts(told) == [(WHERE.question, "In Oslo.")]


def test_an_answer_is_stale_when_a_fact_that_it_cites_changes(told: Store) -> None:
    told.write("UPDATE facts SET value = 'Miso, a cat' WHERE turn_id = 3", "test", by_person=True)
    assert told.answers()[0].stale == ""  # turn 3 was seen, not cited
    change = told.write(
        "UPDATE facts SET ended_on = '2018' WHERE turn_id = 1", "test", by_person=True
    )
    assert told.answers()[0].stale == f"a fact it cites changed on {change.at[:10]}"
    told.set_answer(
        replace(told.answers()[0], last_change=told.newest()[1]), instead_of=told.answers()[0]
    )
    assert told.answers()[0].stale == ""


@pytest.mark.parametrize("turn_id", [1, 3], ids=["cited", "seen"])
def test_an_answer_is_forgotten_with_a_turn_that_it_rests_on(told: Store, turn_id: int) -> None:
    [first] = told.answers()
    told.set_answer(replace(first, text="Oslo, she says."), instead_of=first)
    told.forget([turn_id])
    if turn_id == 1:  # "Oslo" stood in that turn alone
        told.set_answer(replace(WHERE, question="Who is Ben?", turns=(4,), seen=()))
    assert (WHERE.question, "") in texts(told)
    assert "Oslo, she" not in "".join(map(str, told.dump()))


def test_a_question_that_quotes_what_is_forgotten_goes_too(told: Store) -> None:
    told.set_answer(StandingAnswer("Does Rufus bark?", "It does.", last_turn=5))
    told.forget([4])
    assert texts(told) == [(WHERE.question, "In Oslo.")]
    assert "Rufus" not in "".join(map(str, told.dump()))


def test_the_journal_is_sound_after_forgetting(told: Store) -> None:
    [first] = told.answers()
    renewed = told.set_answer(replace(first, text="She left it."), instead_of=first)
    told.forget([3])
    told.undo(renewed.id)
    assert texts(told) == [(WHERE.question, "")]
    assert told.check() == []


def test_answers_are_bounded(told: Store) -> None:
    with pytest.raises(InputError, match="has an answer already"):
        told.set_answer(replace(WHERE, turns=()))
    with pytest.raises(InputError, match="longer than"):
        told.set_answer(StandingAnswer("x" * (LONGEST_QUESTION + 1)))
    with pytest.raises(InputError, match="the question is empty"):
        told.set_answer(StandingAnswer(" "))
    with pytest.raises(InputError, match="turn 9 is gone"):
        told.set_answer(StandingAnswer("Who?", seen=(9,)))
    with pytest.raises(InputError, match="has changed meanwhile"):
        told.set_answer(WHERE, instead_of=replace(WHERE, text="another"))
    with pytest.raises(InputError, match="no standing answer has the question 'Who"):
        told.drop_answer("Who?")
    for number in range(MOST_ANSWERS - 1):
        told.set_answer(StandingAnswer(f"Question {number}?"))
    with pytest.raises(InputError, match="drop one"):
        told.set_answer(StandingAnswer("One too many?"))
    assert len(told.changes()) == MOST_ANSWERS + 1  # a refused one leaves no change


def test_a_dump_brings_the_answers(told: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(told.dump())
        assert copy.answers() == told.answers()
        copy.undo(copy.changes()[-1].id)
        assert copy.answers() == []


def test_the_past_has_the_answers_of_then(told: Store) -> None:
    with told.as_of("2020") as past:
        assert past.answers() == []
    with told.as_of("2999-01-01") as past:
        assert texts(past) == [(WHERE.question, "In Oslo.")]


def test_no_model_reads_or_writes_answers(told: Store) -> None:
    for statement in ("SELECT text FROM answers", "SELECT text FROM memory.answers"):
        with pytest.raises(SqlError):
            told.read(statement)
    with pytest.raises(SqlError):
        told.write("DELETE FROM answers", cause="test")


def test_a_backup_and_its_forgetting_have_the_answers(told: Store, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"
    told.backup(copy)
    with open_store(copy, read_only=True) as backup:
        assert texts(backup) == [(WHERE.question, "In Oslo.")]
    told.forget([1])
    with open_store(copy, read_only=True) as backup:
        assert texts(backup) == [(WHERE.question, "")]
        assert "In Oslo." not in "".join(map(str, backup.dump()))
