"""Gold rows: what `data/rows` holds."""

from pathlib import Path

from locomo.dataset.rows import GoldRows, load_gold_rows, rows_by_conversation
from tests.support.locomo_records import DATE, record, turn, write

ROWS = Path(__file__).parents[3] / "data" / "rows"
SAID = {
    "session_1": [turn("D1:1", "I keep two goats."), turn("D1:2", "How lovely!", speaker="Bo")],
    "session_1_date_time": DATE,
}


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


def test_two_fifths_of_our_gold_turns_are_small_talk_and_a_third_are_hard() -> None:
    golds = [gold for of_part in parts().values() for gold in of_part]
    turns = [gold.of(turn.source) for gold in golds for turn in gold.conversation.turns]
    small_talk = sum(turn.facts == turn.other == () for turn in turns)
    assert 0.35 <= small_talk / len(turns) <= 0.42
    assert sum(bool(turn.forms) for turn in turns) >= len(turns) / 3


def test_a_folder_has_its_validation_part_too_and_not_its_test_part(tmp_path: Path) -> None:
    for n, folder in enumerate(("", "validation", "test")):
        (tmp_path / folder).mkdir(exist_ok=True)
        write(tmp_path / folder / "a.json", {**record(f"c{n}", **SAID), "rows": {}})
    assert rows_by_conversation(tmp_path).keys() == {"c0", "c1"}
