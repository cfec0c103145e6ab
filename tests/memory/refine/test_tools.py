"""The six refining tools: on a memory each is a change with its reason, on a draft an operation."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memory import Turn, open_store
from memory.errors import InputError
from memory.records import Fact
from memory.refine.tools import RefiningTools
from memory.refine.workbench import Draft, FactSet, StoreWorkbench
from memory.store import Store

BOTH_STORES = "slow"

TALK = [
    Turn("Anna", "I moved to Oslo in May and I love the harbour.", "1", "2017-06-01"),
    Turn("Ben", "We got a puppy called Figaro.", "1", "2017-06-01"),
    Turn("Anna", "Oslo in Norway is my home now; I work as a nurse.", "2", "2017-07-01"),
    Turn("Anna", "I bought a cello and then I joined an orchestra.", "3", "2017-08-01"),
]
FACTS = (
    "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
    " ('Anna', 'lives_in', 'Oslo', '2017-05', 1),"
    " ('Ben', 'has_pet', 'a puppy called Figaro', '', 2),"
    " ('Anna', 'lives_in', 'Oslo in Norway', '', 3),"
    " ('Anna', 'music', 'bought a cello and then joined an orchestra', '', 4)"
)


@pytest.fixture
def address(address: str) -> str:
    with open_store(address) as store:
        store.add(TALK)
        store.write(FACTS, cause="digest by scripted")
    return address


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        yield opened


@pytest.fixture(params=["memory", "draft"])
def tools(request: pytest.FixtureRequest, address: str, store: Store) -> "Tools":
    if request.param == "memory":
        return Tools(StoreWorkbench(lambda: open_store(address)))
    return Tools(Draft(store))


class Tools(RefiningTools):
    """The tools, and a look at what they work on."""

    def __init__(self, workbench: Any) -> None:
        super().__init__(workbench)
        self.workbench = workbench

    def state(self) -> FactSet:
        return self.workbench.fact_set()

    def told(self) -> list[str]:
        return [fact.value for fact in self.state().facts.values()]

    def fact(self, number: int) -> Fact:
        return self.state().facts[number]


def refused(call: Callable[..., str], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(InputError) as raised:
        call(*args, **kwargs)
    return str(raised.value)


def test_a_search_gives_facts_and_turns_with_their_numbers(tools: Tools) -> None:
    lines = tools.search_memory("Where does Anna live in Norway?", top_k=2).splitlines()
    assert lines[0].startswith("Anna lives_in: Oslo in Norway (fact 3, turn 3) near ")
    assert len(lines) == 4
    assert lines[2].startswith("[3] (Sat 01 Jul 2017) Anna: Oslo in Norway")
    facts = tools.search_memory("Norway", type="fact", threshold=0.6).splitlines()
    assert [line.split(" near ")[0] for line in facts] == [
        "Anna lives_in: Oslo in Norway (fact 3, turn 3)"
    ]
    assert "[2]" in tools.search_memory("puppy", top_k=1, type="turn")
    assert "other words" in tools.search_memory("zzz", type="fact", threshold=1)
    assert "0 to 1" in refused(tools.search_memory, "x", threshold=3)
    assert "empty" in refused(tools.search_memory, " ")


def test_a_fact_is_created_of_a_turn_that_says_it(tools: Tools) -> None:
    done = tools.manage_memory(
        "create",
        reason="her job was missing",
        subject="Anna",
        attribute="works_as",
        value="nurse",
        turn_id=3,
    )
    assert done.splitlines()[1] == "+ Anna works_as: nurse (fact 5, turn 3)"
    assert tools.fact(5).turn_id == 3


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"turn_id": 0}, "give `turn_id`"),
        ({"turn_id": 99}, "no turn 99"),
        ({"value": "a famous rocket scientist"}, "turn 3 does not say"),
        ({"happened_on": "last week"}, "is not a date"),
        ({"reason": " "}, "give a reason"),
        ({"subject": ""}, "needs a subject"),
        ({"attribute": "lives_in", "value": "Oslo in Norway"}, "fact 3 says so already"),
        ({"action": "invent"}, "create, update, analyze"),
        ({"action": "update", "fact_id": 77}, "no fact 77"),
        ({"action": "update", "fact_id": 3, "value": "a rocket made of cheese"}, "does not say"),
        ({"action": "update", "fact_id": 3, "subject": "Anna", "value": "", "attribute": ""}, "so"),
    ],
)
def test_what_no_turn_says_becomes_no_fact(
    tools: Tools, changes: dict[str, Any], advice: str
) -> None:
    usual = {
        "action": "create",
        "reason": "why",
        "subject": "Anna",
        "attribute": "works_as",
        "value": "nurse",
        "turn_id": 3,
    }
    assert advice in refused(tools.manage_memory, **{**usual, **changes})
    assert len(tools.told()) == 4


def test_a_fact_is_updated_in_place_and_keeps_its_turn(tools: Tools) -> None:
    tools.manage_memory("update", "when", fact_id=3, happened_on="2017-07", ended_on="2019")
    fact = tools.fact(3)
    assert (fact.value, fact.happened_on, fact.ended_on, fact.turn_id) == (
        *("Oslo in Norway", "2017-07", "2019"),
        3,
    )


def test_a_fact_is_deleted_for_a_reason(tools: Tools) -> None:
    assert "give a reason" in refused(tools.delete_memory, 1)
    assert tools.delete_memory(1, "stands twice").splitlines()[1].startswith("- Anna lives_in")
    assert "Oslo" not in tools.told()


def test_an_analysis_counts_and_names_what_is_wrong(tools: Tools) -> None:
    analysis = tools.manage_memory("analyze")
    assert "facts: 4, ended: 0, without a date: 3" in analysis
    assert "subjects: Anna 3, Ben 1" in analysis
    tools.manage_memory(
        "create", "to see it found", subject="Anna", attribute="music", value="cello", turn_id=4
    )
    tools.manage_memory(
        "update", "a copy", fact_id=5, value="bought a cello and then joined an orchestra"
    )
    assert "duplicate: " in tools.manage_memory("analyze")


def test_samples_are_recent_random_or_unlike_each_other(tools: Tools) -> None:
    assert "(fact 4, turn 4)" in tools.sample_memory("recent", 1)
    diverse = tools.sample_memory("diverse", 3)
    assert "Figaro" in diverse
    assert diverse.count("lives_in") == 1
    seen = {tools.sample_memory("random", 1) for _ in range(12)}
    assert len(seen) > 1
    assert "random, diverse or recent" in refused(tools.sample_memory, "best")


def test_merged_facts_rest_on_the_turns_of_all(tools: Tools) -> None:
    done = tools.merge_memory([1, 3], "concatenate", "one home")
    assert done.splitlines()[-1] == (
        "+ Anna lives_in: Oslo in Norway since 2017-05 (fact 5, turn 3) also of turn 1"
    )
    assert tools.state().turn_ids[5] == {1, 3}
    assert tools.told() == ["a puppy called Figaro", FACT_4, "Oslo in Norway"]
    parted = tools.split_memory(5, "thematic", "two again", ["Oslo", "Norway"], ["city", "country"])
    assert "fact 6" in parted
    assert tools.state().turn_ids[6] == {1, 3}
    assert (tools.fact(6).turn_id, tools.fact(7).turn_id) == (1, 3)


FACT_4 = "bought a cello and then joined an orchestra"


@pytest.mark.few(4)
def test_what_no_turn_states_is_not_stored(tools: "Tools", store: Store) -> None:
    [turn_id] = store.add([Turn("Ben", "If I had an orchestra I would sing in it.", "4")])
    new = {"subject": "Ben", "attribute": "has", "value": "an orchestra", "turn_id": turn_id}
    told = refused(tools.manage_memory, action="create", reason="new", **new)
    assert f"turn {turn_id} does not state 'an orchestra'" in told


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (([1], "concatenate", "why"), "2 to 5 different facts"),
        (([1, 1], "concatenate", "why"), "2 to 5 different facts"),
        (([1, 2], "concatenate", "why"), "about Anna, Ben"),
        (([1, 3], "summarize", "why"), "summarize needs `value`"),
        (([1, 3], "summarize", "why", "a rocket made of cheese"), "does not say"),
        (([1, 3], "concatenate", "why", "Oslo"), "`value` is for summarize"),
        (([1, 4], "extract_common", "why"), "no words in common"),
        (([1, 3], "blend", "why"), "summarize, concatenate, extract_common"),
        (([1, 3], "concatenate", ""), "give a reason"),
        (([1, 99], "concatenate", "why"), "no fact 99"),
    ],
)
def test_what_cannot_be_merged_is_refused_with_advice(
    tools: Tools, arguments: tuple[Any, ...], advice: str
) -> None:
    assert advice in refused(tools.merge_memory, *arguments)


def test_each_strategy_merges_in_its_own_way(tools: Tools) -> None:
    tools.merge_memory([1, 3], "extract_common", "same")
    assert (tools.fact(5).value, tools.fact(5).happened_on) == ("Oslo", "2017-05")
    tools.merge_memory(
        [5, 4], "summarize", "her life", "lives in Oslo, joined an orchestra", "life"
    )
    fact = tools.fact(6)
    assert (fact.attribute, fact.turn_id, fact.happened_on) == ("life", 4, "2017-05")
    assert tools.state().turn_ids[6] == {1, 3, 4}


def test_a_fact_of_two_things_comes_apart_where_it_tells_of_the_second(tools: Tools) -> None:
    tools.split_memory(4, "temporal", "two things", labels=["2017-07", "2017-08"])
    parts = [tools.fact(number) for number in (5, 6)]
    assert [(part.value, part.happened_on, part.turn_id) for part in parts] == [
        ("bought a cello", "2017-07", 4),
        ("joined an orchestra", "2017-08", 4),
    ]
    tools.merge_memory([1, 3], "concatenate", "one home")
    tools.split_memory(7, "speaker", "whose", ["Oslo", "Norway"], ["Anna", "her country"])
    assert tools.fact(9).subject == "her country"


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ((1, "temporal", "why"), "tells of one thing"),
        ((4, "thematic", "why", ["a", "b", "c", "d"]), "comes apart in 4"),
        ((4, "thematic", "why", ["cello", "orchestra"], ["x"]), "1 labels for 2 parts"),
        ((4, "thematic", "why", ["a rocket made of cheese", "cello"]), "does not say"),
        ((4, "thematic", "why", ["cello", "cello"]), "two parts are the same"),
        ((4, "temporal", "why", [], ["soon", "later"]), "is not a date"),
        ((4, "by mood", "why"), "temporal, thematic, speaker"),
    ],
)
def test_what_does_not_come_apart_is_refused_with_advice(
    tools: Tools, arguments: tuple[Any, ...], advice: str
) -> None:
    assert advice in refused(tools.split_memory, *arguments)
    assert len(tools.told()) == 4


def test_on_a_memory_each_is_one_change_with_its_reason_and_can_be_undone(
    address: str, store: Store
) -> None:
    tools = Tools(StoreWorkbench(lambda: open_store(address)))
    before = store.facts()
    done = tools.merge_memory([1, 3], "concatenate", "one home")
    change = store.changes()[-1]
    assert (change.cause, change.facts) == ("refine merge_memory: one home", 3)
    assert done.startswith(f"Done as change {change.id}; undo_change({change.id})")
    store.undo(change.id)
    assert store.facts() == before


def test_a_draft_changes_no_memory(store: Store) -> None:
    before = (store.facts(), store.changes())
    draft = Draft(store)
    tools = RefiningTools(draft)
    tools.merge_memory([1, 3], "concatenate", "one home")
    tools.delete_memory(2, "no use")
    assert [operation.tool for operation in draft.operations] == ["merge_memory", "delete_memory"]
    assert (store.facts(), store.changes()) == before


def test_operations_are_replayed_without_one_and_say_when_another_rests_on_it(
    store: Store,
) -> None:
    draft = Draft(store)
    tools = RefiningTools(draft)
    tools.merge_memory([1, 3], "concatenate", "one home")
    tools.manage_memory("update", "since when", fact_id=5, happened_on="2017-06")
    tools.delete_memory(2, "no use")
    merge, update, delete = draft.operations
    state = draft.start.after_all([merge, update])
    assert state is not None
    assert {fact.id for fact in state.facts.values()} == {2, 4, 5}
    assert draft.start.after_all([update, delete]) is None
    assert draft.start.after_all([merge, update, delete]) == draft.state
