"""Gold that does not hold is found: evidence, SQL, copies; the shipped conversations hold."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.__main__ import app
from locomo.examples.check import (
    Proof,
    errors_and_summary,
    missing_words,
    normalized_words,
    prove,
    read_gold,
    words_of_turns,
)
from locomo.examples.gold import Gold
from memory import InputError, Turn
from tests.support.commands import run_in_process
from tests.support.locomo_records import DATE, question, record, turn, write

TRAIN = Path("data/train")
INSERT = (
    "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) "
    "VALUES ('Ann', 'lives_in', 'Lyon', '2017-05-07', {turn_id});"
)
SELECT = "SELECT turn_id, value, happened_on FROM facts WHERE subject = 'Ann' LIMIT 30;"
SAID = [
    turn("D1:1", "I moved to Lyon yesterday."),
    turn("D1:2", "Bridget comes on Friday, with the twenty-three umbrellas."),
]


def gold_record(qa: Sequence[Any] = (), store: Any = None, id_: str = "conv-1") -> dict[str, Any]:
    """A right conversation, or one with these questions or this SQL."""
    raw = record(
        id_, list(qa) or [question(retrieve=SELECT)], session_1=SAID, session_1_date_time=DATE
    )
    return {**raw, "store": {"D1:1": INSERT.format(turn_id=1), "D1:2": "-- none", **(store or {})}}


def gold(folder: Path, qa: Sequence[Any] = (), store: Any = None) -> Gold:
    return read_gold([write(folder / "file.json", gold_record(qa, store))])[0]


def test_a_right_conversation_has_no_errors(tmp_path: Path) -> None:
    proof = prove(gold(tmp_path))
    assert (proof.errors, proof.facts, proof.retrievals) == ((), 1, 1)
    assert [share for share, _ in proof.shares] == [1.0]


# --- evidence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("category", [1, 2, 3, 4])
def test_a_question_without_evidence_is_an_error(tmp_path: Path, category: int) -> None:
    [error] = prove(gold(tmp_path, [question(category, evidence=[])])).errors
    assert "conv-1, qa.0" in error
    assert "no evidence" in error


@pytest.mark.parametrize("category", [4, 5])
def test_evidence_that_names_no_turn_is_an_error(tmp_path: Path, category: int) -> None:
    [error] = prove(gold(tmp_path, [question(category, evidence=["D1:1", "D9:9"])])).errors
    assert error == "conv-1: evidence that names no turn: 1"


def test_an_answer_of_which_evidence_has_no_word_is_listed_with_what_is_missing(
    tmp_path: Path,
) -> None:
    [error] = prove(gold(tmp_path, [question(answer="in Nice, by the sea")])).errors
    assert error == "conv-1, qa.0: 'Where does Ann live?': D1:1 does not say nice, sea"


@pytest.mark.parametrize(
    ("answer", "text", "missing"),
    [
        ("the moving vans", "we moved by van", []),
        ("grapefruit", "no grapefroot for me", []),
        ("a mother", "my brother came", ["mother"]),
        ("cat", "my cap", ["cat"]),
        ("with his aunt", "with his uncle", ["aunt"]),
        ("23", "since 1998 for 28 years", ["23"]),
        ("who", "they asked who", []),
    ],
)
def test_stems_and_misspelt_words_are_told_and_others_missing(
    answer: str, text: str, missing: list[str]
) -> None:
    assert missing_words(answer, normalized_words(text))[0] == missing


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Nothing new.", "8 May 2017"),
        ("It was yesterday.", "7 May 2017"),
        ("Tomorrow then!", "9 May 2017"),
        ("See you on Friday", "12 May 2017"),
        ("We had fun on Sat.", "29 April 2017"),
        ("three weeks ago", "17 April 2017"),
        ("in a week", "15 May 2017"),
        ("I was seven years younger", "2016"),
        ("last month, on the 3rd", "3 April 2017"),
        ("in June", "June 2016"),
        ("Ask me.", "Ann"),
    ],
)
def test_a_turn_tells_its_speaker_and_the_dates_that_it_may_mean(text: str, answer: str) -> None:
    turn_words = words_of_turns([Turn("Ann", text, said_at="2017-05-08T13:56")])
    assert missing_words(answer, turn_words)[0] == []


# --- SQL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ({"D1:2": "DROP TABLE facts;"}, "store.D1:2: "),
        ({"D1:2": INSERT.format(turn_id=1)}, "store.D1:2: turn_id 1 is not one of the turns"),
        ({"D1:2": INSERT.format(turn_id=7)}, "store.D1:2: turn_id"),
        ({"D1:2": "UPDATE facts SET ended_on = '2017' WHERE subject = 'Bo'"}, "changes no fact"),
    ],
)
def test_sql_that_does_not_store_its_turn_is_an_error(
    tmp_path: Path, store: dict[str, str], says: str
) -> None:
    [error] = prove(gold(tmp_path, store=store)).errors
    assert error.startswith("conv-1, store.D1:2: ")
    assert says in error


@pytest.mark.parametrize(
    ("retrieve", "says"),
    [
        ("SELECT * FROM changes", "qa.0.retrieve: "),
        ("DELETE FROM facts", "qa.0.retrieve: "),
        ("SELECT turn_id FROM facts WHERE subject = 'Bo'", "qa.0.retrieve: it brings no row"),
        ("SELECT count(*) AS times FROM facts", "no row is of its evidence or says 'lyon'"),
        ("SELECT id AS turn_id, text FROM turns WHERE id = 2", "or says 'lyon'"),
        (f"{SELECT} SELECT nothing FROM facts", "qa.0.retrieve: "),
    ],
)
def test_selects_that_do_not_bring_the_answer_are_errors(
    tmp_path: Path, retrieve: str, says: str
) -> None:
    [error] = prove(gold(tmp_path, [question(retrieve=retrieve)])).errors
    assert says in error


@pytest.mark.parametrize(
    "retrieve",
    [
        "SELECT turn_id FROM facts",  # of the evidence
        "SELECT value FROM facts",  # says the answer
        "SELECT count(*) AS times FROM facts; " + SELECT,
    ],
)
def test_selects_bring_rows_of_the_evidence_or_with_the_answer(
    tmp_path: Path, retrieve: str
) -> None:
    assert prove(gold(tmp_path, [question(retrieve=retrieve)])).errors == ()


def test_a_date_in_a_row_is_an_answer_in_words(tmp_path: Path) -> None:
    raw_question = question(2, answer="7 May 2017", retrieve="SELECT happened_on FROM facts")
    assert prove(gold(tmp_path, [raw_question])).errors == ()


# --- copies -----------------------------------------------------------------------------------


def test_a_conversation_that_another_one_repeats_is_an_error(tmp_path: Path) -> None:
    mine = gold_record()
    repeated = gold_record([question(question="And Bo?", retrieve=SELECT)], id_="conv-2")
    write(tmp_path / "one.json", mine)
    write(tmp_path / "two.json", repeated)
    golds = read_gold([tmp_path])
    proofs = {gold.conversation.id: Proof(shares=((1.0, ""),)) for gold in golds}
    errors, summary = errors_and_summary(golds, proofs, [tmp_path])
    assert sorted(errors) == ["conv-1 in conv-2: 100.0% alike", "conv-2 in conv-1: 100.0% alike"]
    assert "100.00%, conv-2 in conv-1" in summary
    del proofs["conv-2"]  # plain: mine is compared with it, it is not errors_and_summary
    assert errors_and_summary(golds, proofs, [tmp_path])[0] == ["conv-1 in conv-2: 100.0% alike"]


def test_a_question_that_is_asked_twice_is_an_error(tmp_path: Path) -> None:
    twice = gold(tmp_path, [question(), question(5, question="where does ann LIVE")])
    errors, _ = errors_and_summary([twice], {"conv-1": prove(twice)}, [])
    [error] = errors
    assert error == "conv-1, qa.1: conv-1, qa.0 asks it already: 'where does ann LIVE'"


# --- files, and the command -------------------------------------------------------------------


def test_a_folder_stands_for_its_files_and_those_held_out(tmp_path: Path) -> None:
    (tmp_path / "validation").mkdir()
    write(tmp_path / "a.json", gold_record())
    write(tmp_path / "validation" / "b.json", gold_record(id_="conv-2"))
    for paths in ([tmp_path], [tmp_path, tmp_path / "validation"]):
        assert [gold.conversation.id for gold in read_gold(paths)] == ["conv-1", "conv-2"]
    write(tmp_path / "validation" / "b.json", gold_record())
    with pytest.raises(InputError, match="sample_id 'conv-1'"):
        read_gold([tmp_path])


def check(*paths: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "locomo.dataset", "check", *map(str, paths)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_counts_gold_and_ends_with_a_summary(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.json", record("plain"))
    done = check(write(tmp_path / "file.json", gold_record()), plain)
    assert done.returncode == 0
    rows = [line.replace("|", " ").split() for line in done.stdout.splitlines() if line.strip()]
    [counted] = [row for row in rows if row[0] == "conv-1"]
    assert counted[-2:] == ["1", "1"]
    assert next(row for row in rows if row[0] == "plain")[-2:] == ["0", "0"]
    last = done.stdout.splitlines()[-1]
    assert last.startswith("gold of 1 conversations: 100.0% of 1 answers")
    assert last.endswith("errors: 0")


def test_the_command_lists_errors_and_exits_with_2(tmp_path: Path) -> None:
    file = write(tmp_path / "file.json", gold_record([question(answer="Nice")]))
    done = run_in_process(app, "check", file)
    assert done.returncode == 2
    assert "does not say nice" in done.stdout
    assert "errors in gold: 1; correct" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_evidence_and_words_of_the_shipped_conversations_hold() -> None:
    golds = read_gold([TRAIN])
    assert len(golds) == 24
    proofs = {gold.conversation.id: prove(replace(gold, store={}, retrieve={})) for gold in golds}
    assert errors_and_summary(golds, proofs, [TRAIN])[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["family-four", "validation/trip-planner"])
def test_sql_of_shipped_conversations_holds(name: str) -> None:
    [gold] = read_gold([TRAIN / f"{name}.json"])
    proof = prove(gold)
    assert proof.errors == ()
    assert proof.facts > 100
