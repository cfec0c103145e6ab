"""What a model looked up is shown as it asked for it: rows in their order, turns in sentences."""

from memory.evidence.looked_up import LookedUp, looked_up
from memory.records import Rows, Summary, Turn
from memory.text.tokens import count_tokens

COLUMNS = ("turn_id", "said_at", "speaker", "text")
STEPS = [f"Fill in sheet {n} of the harbour office, and keep it at home." for n in range(40)]
PLAN = Turn("assistant", "### Mooring\n" + "\n".join(STEPS), "", "2025-04-02", id=8)
SHORT = [Turn("Mo", f"Buoy {n} is orange.", "", "2025-04-01", id=n) for n in range(20, 80)]
DIARY = [
    Turn("Mo", f"Day {n}: " + "I scraped the hull, wrote it down and went home for tea. " * 5, id=n)
    for n in range(100, 120)
]
TURNS = {turn.id: turn for turn in (PLAN, *SHORT, *DIARY)}


def quoting(*turns: Turn) -> Rows:
    return Rows(COLUMNS, tuple((turn.id, turn.said_at, turn.speaker, turn.text) for turn in turns))


def lines_of(*results: Rows, budget: int, summaries: tuple[Summary, ...] = ()) -> LookedUp:
    result = looked_up(
        results, "Which sheets?", turns=TURNS, marks={21: "outdated: red"}, summaries=summaries,
        budget=budget,
    )  # fmt: skip
    assert result.tokens <= budget
    return result


def test_rows_stand_in_the_order_of_their_select() -> None:
    lines = lines_of(quoting(SHORT[2], SHORT[0], SHORT[1]), budget=500).lines
    assert [line[:4] for line in lines] == ["[22]", "[20]", "[21]"]
    assert lines[2].endswith("[outdated: red]")


def test_an_opened_turn_has_as_many_sentences_as_there_is_room_for() -> None:
    whole = lines_of(quoting(PLAN), budget=2_000)
    assert all(step in whole.lines[0] for step in STEPS)
    assert not whole.cut
    part = lines_of(quoting(PLAN), budget=500)
    assert sum(step in part.lines[0] for step in STEPS) >= 15
    assert part.cut == {8}
    assert count_tokens("\n".join(part.lines)) > 400


def test_what_has_no_room_is_counted() -> None:
    result = lines_of(quoting(*SHORT), budget=400)
    *lines, count = result.lines
    assert 10 < len(lines) < 60
    assert count == f"({len(lines)} of 60 rows shown)"
    assert result.turn_ids == {*range(20, 20 + len(lines))}


def test_turns_are_shortened_before_any_is_left_out() -> None:
    result = lines_of(quoting(*DIARY), budget=900)
    assert result.turn_ids == result.cut == {*range(100, 120)}
    assert result.is_all


def test_the_first_turns_of_a_search_are_cut_less_than_its_last() -> None:
    by_score = [*DIARY[10:], *DIARY[:10]]
    searched = lines_of(quoting(*by_score), budget=1_100)
    sizes = [count_tokens(line) for line in searched.lines]
    assert min(sizes[:3]) > 1.5 * max(sizes[3:])
    assert searched.is_all
    in_time = [count_tokens(line) for line in lines_of(quoting(*DIARY), budget=1_100).lines]
    assert max(in_time) < 1.5 * min(in_time)


def test_counts_have_their_names_and_facts_their_turns_and_marks() -> None:
    counted = Rows(("buoys", "colour"), ((60, "orange"),))
    columns = ("turn_id", "subject", "attribute", "value")
    facts = Rows(columns, ((20, "buoy 20", "colour", "orange"), (21, "buoy 21", "colour", "red")))
    assert lines_of(counted, facts, budget=400).lines == (
        "buoys: 60 | colour: orange",
        "[20] (1 Apr 2025) buoy 20 | colour | orange",
        "[21] (1 Apr 2025) buoy 21 | colour | red [outdated: red]",
    )


def test_a_summary_has_its_turns_and_its_day() -> None:
    summary = Summary(20, 24, "session", "Mo painted buoys")
    rows = Rows(("turn_id", "last_turn_id", "summary"), ((20, 24, "Mo painted buoys"),))
    result = lines_of(rows, budget=400, summaries=(summary,))
    assert result.lines == ("[20-24] (1 Apr 2025) Mo painted buoys",)
    assert result.turn_ids == {20, 24}
