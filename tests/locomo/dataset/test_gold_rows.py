"""Gold rows: what `data/rows` holds, and what is refused of a file that has them."""

from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.__main__ import app
from locomo.dataset.rows import NOTHING_SAID, GoldRows, load_gold_rows, rows_by_conversation
from memory import InputError
from tests.support.commands import run_in_process
from tests.support.locomo_records import DATE, record, turn, write

ROWS = Path(__file__).parents[3] / "data" / "rows"
SAID = {
    "session_1": [turn("D1:1", "I keep two goats."), turn("D1:2", "How lovely!", speaker="Bo")],
    "session_1_date_time": DATE,
}
GOATS = {"row": "Ann | keep | two goats", "words": ["goats"]}


def labelled(path: Path, rows: dict[str, Any]) -> Path:
    return write(path / "rows.json", {**record(**SAID), "rows": rows})


def parts() -> dict[str, list[GoldRows]]:
    return {
        "train": load_gold_rows(ROWS),
        "validation": load_gold_rows(ROWS / "validation"),
        "test": load_gold_rows(ROWS / "test"),
        "kept": load_gold_rows(ROWS / "kept"),
    }


def test_our_gold_has_enough_turns_of_conversations_that_no_two_parts_share() -> None:
    turns = {
        part: sum(len(gold.conversation.turns) for gold in golds) for part, golds in parts().items()
    }
    assert turns["train"] >= 3_000
    assert turns["validation"] >= 145
    assert turns["test"] >= 250
    assert turns["kept"] >= 490
    ids = [gold.conversation.id for golds in parts().values() for gold in golds]
    assert len(ids) == len({*ids}) == 96
    texts = [t.text for golds in parts().values() for g in golds for t in g.conversation.turns]
    assert len(texts) - len({*texts}) < 5  # "Thanks!"


@pytest.mark.parametrize(("writer", "statements"), [("a", 375), ("b", 354), ("c", 425)])
def test_each_statement_of_a_writer_is_quoted_from_its_turn(writer: str, statements: int) -> None:
    golds = load_gold_rows(ROWS.parent / "writers" / writer)
    texts = {
        (gold.conversation.id, turn.source): turn.text.casefold()
        for gold in golds
        for turn in gold.conversation.turns
    }
    quoted = [
        fact.said.casefold() in texts[gold.conversation.id, source] and len(fact.said.split()) >= 2
        for gold in golds
        for source, told in gold.turns.items()
        for fact in told.facts
    ]
    assert len(golds) == 12
    assert len(texts) >= 400
    assert len(quoted) == statements
    assert all(quoted)


def test_a_quotation_that_its_turn_does_not_say_is_refused(tmp_path: Path) -> None:
    other = {**GOATS, "said": "I keep three goats"}
    with pytest.raises(InputError, match="I keep three goats"):
        load_gold_rows(labelled(tmp_path, {"D1:1": {"facts": [other]}}))


def test_a_turn_without_an_entry_says_nothing(tmp_path: Path) -> None:
    [gold] = load_gold_rows(labelled(tmp_path, {"D1:1": {"facts": [GOATS], "forms": ["typo"]}}))
    [fact] = gold.of("D1:1").facts
    assert (fact.row, fact.words, fact.subjects) == (GOATS["row"], ("goats",), ("Ann",))
    assert gold.of("D1:2") == NOTHING_SAID


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"D1:9": {"facts": [GOATS]}}, "field rows.D1:9: no turn has this dia_id"),
        ({"D1:1": {"facts": [{**GOATS, "words": ["sheep"]}]}}, "the turn does not say 'sheep'"),
        ({"D1:1": {"other": ["sunny"]}}, "the turn does not say 'sunny'"),
        ({"D1:1": {"facts": [{"row": "", "words": ["two"]}]}}, "row"),
        ({"D1:1": {"facts": [{"row": "Ann", "words": []}]}}, "words"),
        ({"D1:1": "goats"}, "rows.D1:1"),
        ([], "rows"),
    ],
)
def test_gold_that_its_turns_do_not_bear_out_is_refused(
    tmp_path: Path, rows: Any, message: str
) -> None:
    path = labelled(tmp_path, rows)
    with pytest.raises(InputError, match="conversation 1") as error:
        load_gold_rows(path)
    assert message in str(error.value)
    done = run_in_process(app, "check", path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_folder_has_its_validation_part_too_and_not_its_test_part(tmp_path: Path) -> None:
    for n, folder in enumerate(("", "validation", "test")):
        (tmp_path / folder).mkdir(exist_ok=True)
        write(tmp_path / folder / "a.json", {**record(f"c{n}", **SAID), "rows": {}})
    assert rows_by_conversation(tmp_path).keys() == {"c0", "c1"}


def test_the_check_counts_what_turns_say_and_what_of_it_can_be_quoted(tmp_path: Path) -> None:
    rows = {"D1:1": {"facts": [GOATS, {**GOATS, "subjects": ["Bo"]}], "forms": ["fragment"]}}
    done = run_in_process(app, "check", labelled(tmp_path, rows))
    of_rows = done.stdout.partition("gold rows")[2].replace("|", " ").splitlines()
    line = next(line.split() for line in of_rows if "conv-1" in line)
    #                  turns saying small hard statements quotable
    assert line[1:] == ["2", "1", "1", "1", "2", "1"]
    assert done.returncode == 0
