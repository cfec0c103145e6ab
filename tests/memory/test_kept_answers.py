"""What a digest keeps of an assistant's long answer: its numbers, names and choices."""

from collections.abc import Iterator

import pytest

from memory import Memory, Store, Turn, open_store
from memory.evidence.outline import answers_cut, outlined
from memory.text.tokens import count_tokens
from tests.memory.test_evidence import DOORS
from tests.support.scripted import Pairs, ScriptedLM, answer, scripted_model, sql

BOTH_STORES = "slow"
ADVICE = " ".join(
    f"On day {n} walk a little, rest a little, and write down what you liked." for n in range(2, 9)
)
PLAN = f"""Certainly! Here is a plan for your ten days in Porto, with what each part needs.

### 1. Getting there
- **Flights**: Book them six weeks ahead; the morning plane is the cheapest one.
- **Airport**: The metro takes you to Trindade in half an hour.

### 2. Where to stay
Choose a small guest house in Cedofeita rather than a hotel at the river. {ADVICE}

### 3. The money

| Item | Estimate |
|---|---|
| Flights | 310 euros |
| Guest house | 745 euros |
| Food | 450 euros |
| Trains | 115 euros |
| Museums | 85 euros |
| Presents | 130 euros |

Without the trains, the museums and the presents all of that together comes to 1,505 euros.

### 4. What to see
- **Serralves**: The park needs half a day. {ADVICE}
- **Foz**: Walk along the sea to the lighthouse, and take the old tram back. {ADVICE}

Would you like me to turn it into a calendar? {ADVICE}
"""
ROW = (
    "suggested a budget of 1,505 euros for ten days in Porto: flights 310, guest house in Cedofeita"
    " 745, food 450"
)
QUESTION = "What budget did you suggest for Porto?"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        opened.add(
            [
                Turn("user", "Make a plan for ten days in Porto, please.", "one", "2026-03-01"),
                Turn("assistant", PLAN, "one", "2026-03-01"),
                Turn("user", "Lovely, thank you!", "one", "2026-03-01"),
            ]
        )
        yield opened


def kept(text: str) -> str:
    return f"[[ ## kept ## ]]\n{text}\n\n[[ ## completed ## ]]"


OUTLINED = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
STORED = (
    f"{OUTLINED} ('Assistant', 'proposed', 'a plan: getting there, where to stay', 2),"
    " ('user', 'plans', 'ten days in Porto', 1);"
)


def digest(store: Store, *script: tuple[list[str], str]) -> int:
    """The calls of a digest by a model that is asked what the script says, and nothing else."""
    model = scripted_model([*script])
    with Memory(store, model) as memory:
        calls = memory.digest().calls
    assert isinstance(model.lm, ScriptedLM)
    model.lm.assert_done()
    return calls


WHOLE = ["[2] (Sun 01 Mar 2026) assistant: Certainly!", "together comes to 1,505 euros"]


def test_a_row_from_the_whole_answer_stands_for_what_its_outline_told(store: Store) -> None:
    [_, outline, _] = outlined(store.turns(1, 3))
    assert "1,505" not in outline.text
    calls = digest(store, (WHOLE, kept(f"[2] {ROW}")), (["[1] (", "Flights: 310"], sql(STORED)))
    assert calls == 2
    facts = [(fact.subject, fact.attribute, fact.value, fact.turn_id) for fact in store.facts()]
    assert facts == [
        ("assistant", "proposed", ROW, 2),
        ("user", "plans", "ten days in Porto", 1),
    ]


def test_a_speaker_has_one_name_in_facts_as_in_turns(store: Store) -> None:
    digest(store, (WHOLE, kept("none")), ([], sql(STORED.replace("'user'", "'USER'"))))
    assert {fact.subject for fact in store.facts()} == {"assistant", "user"}
    assert "facts of assistant: " in store.catalog(500)


def test_speakers_whose_names_differ_in_case_alone_stay_apart(store: Store) -> None:
    for name in ("Max", "MAX"):
        store.add([Turn(name, "I look after the hens.", "one", "2026-03-01")])
    told = STORED.replace(";", ", ('Max', 'keeps', 'hens', 4), ('MAX', 'keeps', 'hens', 5);")
    digest(store, (WHOLE, kept("none")), ([], sql(told)))
    assert {fact.subject for fact in store.facts()} == {"assistant", "user", "Max", "MAX"}


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_budget_did_you_suggest(store: Store, is_kept: bool) -> None:
    for number in range(12):
        text = f"The bread number {number} wants a warm kitchen. {ADVICE}"
        store.add([Turn("assistant", text, "two", "2026-03-02")])
    script = (WHOLE, kept(f"[2] {ROW}" if is_kept else "none"))
    assert digest(store, script, ([], sql(STORED))) == 2
    for door in ("recall", "context"):
        assert (ROW in DOORS[door](store, QUESTION)) is is_kept
    select = (
        "SELECT turn_id, subject, attribute, value FROM facts WHERE lower(value) LIKE '%budget%'"
    )
    pairs: Pairs = [([QUESTION], sql(select)), ([QUESTION], answer("1,505 euros", "2"))]
    model = scripted_model(pairs, budget=600)
    with Memory(store, model) as memory:
        assert memory.ask(QUESTION, asker="user").turns == (2,)
    assert isinstance(model.lm, ScriptedLM)
    assert (ROW in model.lm.script.prompts[-1]) is is_kept
    assert ("1,505" in model.lm.script.prompts[-1].partition("[[ ## evidence ## ]]")[2]) is is_kept


def test_a_number_that_the_answer_does_not_have_is_not_kept(store: Store) -> None:
    row = "[2] suggested a budget of 1,605 euros for Porto"
    assert digest(store, (WHOLE, kept(row)), ([], sql(STORED))) == 2
    assert [fact.value for fact in store.facts()] == [
        "a plan: getting there, where to stay",
        "ten days in Porto",
    ]


def test_what_is_kept_is_undone_and_forgotten_with_the_rest(store: Store) -> None:
    digest(store, (WHOLE, kept(f"[2] {ROW}")), ([], sql(STORED)))
    [change] = [change for change in store.changes() if change.window]
    undoing = store.undo(change.id)
    assert not store.facts()
    store.undo(undoing.id)
    store.forget([2])
    assert [fact.turn_id for fact in store.facts()] == [1]


def test_a_window_whose_sql_was_refused_waits_and_asks_anew_with_all_calls_counted(
    store: Store,
) -> None:
    refused = [([], sql("UPDATE turns SET text = ''"))] * 3
    assert digest(store, (WHOLE, kept(f"[2] {ROW}")), *refused) == 4
    assert not store.facts()
    assert digest(store, (WHOLE, kept(f"[2] {ROW}")), ([], sql("-- none"))) == 2
    assert [fact.value for fact in store.facts()] == [ROW]


def test_what_is_no_row_keeps_nothing_and_stops_nothing(store: Store) -> None:
    assert digest(store, (WHOLE, kept("I am sorry.")), ([], sql(STORED))) == 2
    assert len(store.facts()) == 2


def test_answers_are_read_whole_where_their_outlines_lose_numbers_and_within_a_limit() -> None:
    prices = " ".join(f"Offer {n} from the mill is {n}50 euros, with nails." for n in range(2, 7))
    other = f"{ADVICE} {prices} {ADVICE}"
    turns = [
        Turn("Maria", PLAN, id=1),
        Turn("assistant", PLAN, id=2),
        Turn("assistant", other, id=3),
        Turn("assistant", f"{ADVICE} {ADVICE}", id=4),
    ]
    assert [turn.id for turn in answers_cut(turns, 4_000)] == [2, 3]
    assert [turn.id for turn in answers_cut(turns, count_tokens(other) + 9)] == [3]
    [cut] = answers_cut([turns[1]], 100)
    assert count_tokens(cut.text) <= 100
    code = f"{ADVICE}\n```\nx = 1234 + 5678 + 9012\n```\n{ADVICE}"
    assert not answers_cut([Turn("assistant", code, id=5)], 4_000)
