"""What a large model is shown: the ranking's first turns, facts as whole lists, more turns."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import AskMemory, Fact, Memory, Rows, Store, Turn
from memory.evidence import block
from memory.evidence.fact_lists import FactList, completed, fact_lists
from memory.evidence.layout import Evidence, lay_out
from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.text.tokens import count_tokens
from tests.support.scripted import answer, scripted_model, sql

COLUMNS = ("turn_id", "subject", "attribute", "value", "happened_on", "ended_on")


def rows(*facts: tuple[int, str, str, str, str, str]) -> Rows:
    return Rows(COLUMNS, facts)


VISITED = rows(
    (9, "Anna", "visited", "Oslo", "", ""),
    (3, "Anna", "visited", "Rome", "2023-05", ""),
    (4, "Anna", "lives_in", "Ghent", "", "2024-03"),
)
SAID = {
    3: Turn("Anna", "Rome was hot last month.", said_at="2023-06-01", id=3),
    4: Turn("Anna", "We sold the flat in Ghent.", said_at="2023-06-02", id=4),
    9: Turn("Anna", "Oslo is lovely.", said_at="2023-06-08", id=9),
}


def said(count: int, words: int = 20) -> list[Turn]:
    return [Turn("Anna", "word " * words + str(n), id=n) for n in range(1, count + 1)]


def shown(
    lists: list[FactList], ranked: list[Turn], budget: int, brought: tuple[Turn, ...] = ()
) -> Evidence:
    return lay_out(
        lists,
        ranked,
        budget,
        brought=brought,
        turns_first=0.5,
        facts_share=1.0,
        question="Where was Anna?",
        spans=True,
    )


def test_facts_of_one_subject_and_attribute_are_one_line_in_the_order_of_time() -> None:
    lines = [facts.line for facts in fact_lists([VISITED], {9: 0, 3: 1, 4: 2}, SAID)]
    assert lines == [
        "Anna | visited: Rome (happened 2023-05) [3]; Oslo (said 8 Jun 2023) [9]",
        "Anna | lives_in: Ghent (said 2 Jun 2023, until 2024-03) [4]",
    ]


def test_a_fact_is_marked_where_the_mark_of_its_turn_is_about_it_and_tells_no_end() -> None:
    dispute = "disputed: visited Oslo, by turn 12: never left home"
    marks = {3: dispute, 9: dispute, 4: "outdated: lives in Ghent until 2024-03"}
    lines = [facts.line for facts in fact_lists([VISITED], {9: 0}, SAID, marks=marks)]
    assert lines == [
        f"Anna | visited: Rome (happened 2023-05) [3]; Oslo (said 8 Jun 2023) [9] [{dispute}]",
        "Anna | lives_in: Ghent (said 2 Jun 2023, until 2024-03) [4]",
    ]


def test_both_columns_of_one_name_are_told() -> None:
    pairs = Rows(
        ("turn_id", "subject", "attribute", "value", "attribute", "value"),
        ((12, "Maria", "owns", "a cello", "never", "played the cello"),),
    )
    joined = Rows(("turn_id", "value", "value"), ((7, "Tom", "Lyon"),))
    lines = [
        facts.line
        for facts in fact_lists(
            [pairs, joined], {}, {12: Turn("Maria", "Me?", said_at="2023-06-01", id=12)}
        )
    ]
    assert lines == [
        "Maria | says both: owns a cello; never played the cello (said 1 Jun 2023) [12]",
        "[7] Tom | Lyon",
    ]


def test_what_has_ended_comes_last_where_the_present_is_asked_for() -> None:
    homes = rows(
        (1, "Anna", "lives_in", "Ghent", "", "2024"), (8, "Bo", "lives_in", "Rome", "", "")
    )
    for ended_last, first in ((True, "Bo | lives_in"), (False, "Anna | lives_in")):
        lists = fact_lists([homes], {1: 0, 8: 1}, {}, ended_last=ended_last)
        assert lists[0].head == first


def test_a_row_that_says_less_than_another_of_its_turn_is_left_out() -> None:
    short = Rows(("turn_id", "value"), ((5, "Oslo"), (6, "Oslo")))
    full = rows((5, "Anna", "lives_in", "Oslo", "", ""))
    lines = [facts.line for facts in fact_lists([short, full], {5: 0, 6: 1}, {})]
    assert lines == ["Anna | lives_in: Oslo [5]", "[6] Oslo"]


def test_a_list_is_shown_whole_where_one_of_its_facts_is_needed() -> None:
    [visits, _] = fact_lists([VISITED], {9: 0, 3: 1}, SAID)
    text = shown([visits], said(3), 400).text  # turn 3 is shown, 9 is not
    assert "Anna | visited: Rome (happened 2023-05) [3]; Oslo (said 8 Jun 2023) [9]" in text


def test_a_list_goes_whose_turns_are_all_shown_unless_it_tells_an_end() -> None:
    lists = fact_lists([VISITED], {}, SAID)
    text = shown(lists, [*SAID.values()], 400).text
    assert "visited" not in text
    assert "Anna | lives_in: Ghent (said 2 Jun 2023, until 2024-03) [4]" in text


def test_the_newest_fact_of_a_list_is_shown_whatever_its_turn_is_ranked() -> None:
    homes = [(n, "Anna", "lives_in", f"town number {n}", "", "") for n in range(100, 160)]
    [list_] = fact_lists([rows(*homes)], {n: n - 100 for n in range(100, 160)}, {})
    text = shown([list_], said(2), 200).text
    assert "town number 159" in text
    assert "town number 100" in text
    assert "town number 158" not in text


BISCUIT = [
    Fact("Biscuit", "diet", "raw", 1, ended_on="2026-02-20", id=1),
    Fact("Biscuit", "diet", "dry food", 2, happened_on="2026-02-20", id=2),
    Fact("Biscuit", "likes", "dry food", 2, id=3),
    Fact("Biscuit", "diet", "raw", 3, id=4),
]


@pytest.mark.parametrize(
    ("columns", "row", "line"),
    [
        (("turn_id", "value"), (1, "raw"), "Biscuit | diet: raw (until 2026-02-20) [1]"),
        (("turn_id", "subject", "value"), (3, "Biscuit", "raw"), "Biscuit | diet: raw [3]"),
        (("turn_id", "value"), (2, "dry food"), "[2] dry food"),  # of two facts
        (("turn_id", "value"), (3, "wet food"), "[3] wet food"),  # of none
        (("turn_id", "value", "value"), (1, "raw", "raw"), "[1] raw | raw"),
        (("value",), ("raw",), "value: raw"),
    ],
)
def test_a_row_of_a_fact_says_of_whom_and_of_what(
    columns: tuple[str, ...], row: tuple[object, ...], line: str
) -> None:
    result = completed(Rows(columns, (row,)), BISCUIT)
    assert [facts.line for facts in fact_lists([result], {}, {})] == [line]


@pytest.mark.parametrize("budget", [200, 400, 800])
def test_turns_that_a_select_quotes_displace_none_of_the_first_places(budget: int) -> None:
    ranked = said(40)
    quoted = tuple(Turn("Bo", "quoted " * 20 + str(n), id=n) for n in range(100, 140))
    alone = shown([], ranked, budget)
    beside = shown([], ranked, budget, brought=quoted)
    first = alone.turn_ids[: len(alone.turn_ids) // 2]
    assert set(first) <= set(beside.turn_ids)
    assert {turn.id for turn in quoted} & set(beside.turn_ids)


facts = st.lists(
    st.tuples(
        st.integers(1, 30),
        st.sampled_from(["Anna", "Bo"]),
        st.sampled_from(["visited", "likes"]),
        st.text("abc ;[]|", min_size=1, max_size=60).filter(str.strip),
        st.just(""),
        st.sampled_from(["", "2024"]),
    ),
    max_size=20,
)


@pytest.mark.slow
@given(facts, st.integers(LEAST_BUDGET, 600))
def test_a_layout_keeps_to_its_budget_and_shows_each_turn_once(
    found: list[tuple[int, str, str, str, str, str]], budget: int
) -> None:
    context = shown(fact_lists([rows(*found)], {}, {}), said(12), budget)
    assert context.tokens == count_tokens(context.text) <= budget
    assert 1 in context.turn_ids
    turns = re.findall(r"^\[(\d+)\] Anna:", context.text, re.MULTILINE)
    assert len(turns) == len(set(turns))


def test_a_day_that_lay_ahead_when_it_was_told_is_not_said_to_have_happened() -> None:
    plans = rows(
        (3, "Anna", "plans", "the marathon", "2023-10-01", "2023-07"),
        (4, "Anna", "plans", "a trip to Rome", "2023-06", ""),
        (9, "Anna", "plans", "a week in Oslo", "2023-07-03/2023-07-09", ""),
    )
    [listed] = fact_lists([plans], {}, SAID)
    assert listed.line == (
        "Anna | plans: a trip to Rome (happened 2023-06) [4];"
        " a week in Oslo (for 2023-07-03/2023-07-09) [9];"
        " the marathon (for 2023-10-01, until 2023-07) [3]"
    )


# --- several SELECTs, orders ----------------------------------------------------------------------


def test_the_rows_of_several_selects_have_the_same_room_and_what_one_leaves() -> None:
    many = rows(*[(n, "Anna", "saw", f"bird number {n}", "", "") for n in range(100, 200)])
    few = rows((7, "Ben", "saw", "a heron", "", ""), (8, "Ben", "heard", "an owl", "", ""))
    lists = fact_lists([many, few], {n: n for n in range(100, 200)}, {})
    text = shown(lists, said(3), 400).text
    assert "a heron [7]" in text
    assert "an owl [8]" in text
    assert text.count("bird number") > 10
    other = rows(*[(n, "Cid", "saw", f"fish number {n}", "", "") for n in range(300, 400)])
    text = shown(fact_lists([many, other, few], {}, {}), said(3), 400).text
    assert abs(text.count("bird number") - text.count("fish number")) <= 1
    assert "an owl [8]" in text


def test_an_order_that_has_no_room_is_thinned_from_its_first_to_its_last() -> None:
    days = [(n, "Anna", "did", f"task {n}", f"2024-01-{n:02}", "") for n in range(1, 31)]
    [order] = fact_lists([rows(*days)], {n: 30 - n for n in range(1, 31)}, {}, over_time=True)
    cut = order.within(100)
    assert cut is not None
    numbers = sorted(item.turn_id or 0 for item in cut.items)
    assert (numbers[0], numbers[-1]) == (1, 30)
    gaps = [after - before for before, after in itertools.pairwise(numbers)]
    assert max(gaps) <= 2 * min(gaps) + 2
    assert order.within(9_000) == order
    last = order.within(30)
    assert last is not None
    assert [item.turn_id for item in last.items] == [30]


def test_turns_that_a_select_returns_for_an_order_are_thinned_over_time(store: Store) -> None:
    ids = store.add(
        [
            Turn("Cid", f"Step {n}: painting the boat, the {n}th coat of it", said_at="2024-03")
            for n in range(200)
        ]
    )
    returned = store.read("SELECT id, said_at, speaker, text FROM turns WHERE speaker = 'Cid'")
    question = UserQuestion("In which order did Anna talk of her flat?")
    evidence = block.evidence(question, MemoryReader(store), [], [returned], budget=400)
    shown_ids = [turn_id for turn_id in evidence.turn_ids if turn_id in ids]
    assert shown_ids[0] == ids[0]
    assert shown_ids[-1] == ids[-1]
    assert any(ids[60] < turn_id < ids[140] for turn_id in shown_ids)


@pytest.mark.parametrize("sql_use", ["always", "when it pays"])
def test_a_turn_that_a_select_names_by_its_id_is_shown_whole(store: Store, sql_use: Any) -> None:
    long = "The key is under the pot. " + "Then we went on to the lake and back again. " * 12
    [turn_id] = store.add([Turn("Anna", f"{long} The code is 4711.", said_at="2024-03")])
    store.add([Turn("Ben", f"I bought pot number {n} today.") for n in range(90)])
    select = f"SELECT id, text FROM turns WHERE id = {turn_id}"
    is_look = sql_use == "when it pays"
    asks = f"[[ ## look ## ]]\n{select}\n\n[[ ## completed ## ]]" if is_look else sql(select)
    model = scripted_model([([], asks), (["The code is 4711."], answer("4711", str(turn_id)))])
    memory = Memory(store, model=model, program=AskMemory(sql=sql_use), budget=600)
    assert memory.ask("Which pot is the key under?").turns == (turn_id,)


def test_current_facts_are_shown_without_a_select_only_where_they_are_asked_for(
    store: Store,
) -> None:
    [turn_id] = store.add([Turn("Cleo", "The boat house is ours now, after all that waiting!")])
    row = f"('Cleo', 'bought', 'a boat house in Ghent', {turn_id})"
    insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    store.write(f"{insert} {row}", cause="test")
    reader = MemoryReader(store)
    question = UserQuestion("Which boat house did Cleo buy?")
    hits = reader.search(question.text, 10)

    def shown_facts(tokens: int) -> tuple[str, ...]:
        options = block.Options(fact_tokens=tokens)
        return block.evidence(question, reader, hits, budget=500, options=options).facts

    assert shown_facts(0) == ()
    [line] = shown_facts(100)
    assert "Cleo bought: a boat house in Ghent" in line


def test_a_question_shows_the_facts_that_its_context_shows(store: Store) -> None:
    things = ("a saw", "a red rug")
    ids = store.add([Turn("user", f"Back from the market with {thing}.") for thing in things])
    insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    for thing, turn_id in zip(things, ids, strict=True):
        store.write(f"{insert} ('user', 'bought', '{thing} for the mill', {turn_id})", cause="test")
    memory = Memory(store, model=scripted_model([]))
    question = "What did I buy on the market for the mill?"
    shown = memory.evidence(question)
    assert len(shown.facts) == 2
    assert {*shown.facts} <= {*memory.context(question).text.splitlines()}
    assert {*ids} <= {int(line[1 : line.index("]")]) for line in shown.turns if line[0] == "["}
