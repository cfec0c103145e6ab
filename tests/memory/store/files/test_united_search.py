"""A search over several memories ranks as one memory that holds all their turns would."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memory import Store, Turn, open_store
from memory.search import ranking
from memory.search.question import SpeakerNames
from memory.search.ranking import FEATURE_WEIGHTS, Features, best_hits
from memory.store.files.united_search import search_several
from tests.conftest import MOVED, SAID
from tests.support.reversed_ranking import REVERSED

BOTH_STORES = True

TEAM = [
    Turn("Cleo", "Can we move the meeting to Friday?", "standup", "2017-06-01", "T1"),
    Turn("Anna", "Friday is fine, I am in the Oslo office.", "standup", "2017-06-01", "T2"),
    Turn("Cleo", "Then I book the small room. Bring the cat pictures.", "standup", "", "T3"),
    Turn("Dan", "The dog of the caretaker barks all day.", "lunch", "2017-06-14", "T4"),
]
QUESTIONS = (
    "When did Anna move to Oslo?",
    "Which pets does Ben have?",
    "What did Cleo say on Friday?",
    "Who barks?",
    "What happened last week?",
    "Anne",
    "zebra",
)


@pytest.fixture
def stores(address: str, tmp_path: Path) -> Iterator[list[Store]]:
    """Anna's memory in the database of the test, and the team's in a file beside it."""
    with ExitStack() as stack:
        opened = [stack.enter_context(open_store(place)) for place in (address, tmp_path / "t.db")]
        for store, turns in zip(opened, (SAID, TEAM), strict=True):
            store.add(turns)
        opened[0].write(MOVED, cause="test")
        yield opened


@pytest.fixture
def whole(stores: Sequence[Store], tmp_path: Path) -> Iterator[Store]:
    """One memory with the turns and facts of both."""
    with open_store(tmp_path / "whole.db") as store:
        store.add([*SAID, *TEAM])
        store.write(MOVED, cause="test")
        yield store


def test_several_memories_are_ranked_as_one(stores: Sequence[Store], whole: Store) -> None:
    for weights in (None, REVERSED):
        for question in QUESTIONS:
            expected = [
                (hit.turn_id, round(hit.score, 5))
                for hit in whole.search(question, 9, weights=weights)
            ]
            united = [
                (hit.turn_id + len(SAID) * number, round(hit.score, 5))
                for number, hit in search_several(stores, question, 9, weights=weights)
            ]
            assert len(united) == len(SAID) + len(TEAM)
            assert sorted(united) == sorted(expected), question
            assert [score for _, score in united] == [score for _, score in expected]


@pytest.mark.slow
def test_a_filter_ranks_what_passes_in_all_memories_as_one(
    stores: Sequence[Store], whole: Store
) -> None:
    for turn_filter in ({"speaker": "Anna"}, {"since": "2017-06"}, {"session": "lunch"}):
        for question in QUESTIONS:
            expected = [
                (hit.turn_id, round(hit.score, 5)) for hit in whole.search(question, 9, turn_filter)
            ]
            united = [
                (hit.turn_id + len(SAID) * number, round(hit.score, 5))
                for number, hit in search_several(stores, question, 9, turn_filter)
            ]
            assert sorted(united) == sorted(expected), (turn_filter, question)


def test_a_memory_without_the_rare_word_does_not_rank_as_if_it_had_it(
    stores: Sequence[Store],
) -> None:
    question = "When did Anna move to Bergen by train?"
    stores[0].add([Turn("Anna", "I took the train to Bergen.", "session_3", "2018-01-02")])
    [(best, hit), *_] = search_several(stores, question, 3)
    assert (best, stores[0].turn(hit.turn_id).text) == (0, "I took the train to Bergen.")
    # By the counts of the team's memory alone, "move" would be the whole question.
    [own] = stores[1].search(question, 1)
    united = {pair[1].turn_id: pair[1] for pair in search_several(stores, question, 9) if pair[0]}
    assert own.shares["words"] > 2 * united[own.turn_id].shares["words"]


def test_a_large_memory_beside_a_small_one_is_ranked_by_its_groups(
    stores: Sequence[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 2)
    found = [(number, hit.turn_id) for number, hit in search_several(stores, "Who barks?", 2)]
    assert found[0] == (1, 4)
    assert len(found) == 2


def test_memories_without_turns_are_searched_too(stores: Sequence[Store], tmp_path: Path) -> None:
    with open_store(tmp_path / "empty.db") as empty, open_store(tmp_path / "other.db") as other:
        assert search_several([empty, other], "Oslo", 5) == []
        expected = search_several(stores, "Oslo", 5)
        united = search_several([empty, *stores], "Oslo", 5)
        assert [(number - 1, hit) for number, hit in united] == expected
    assert search_several(stores, "Oslo", 0) == []


def test_more_memories_of_one_database_than_it_lends_connections(
    address: str, database: str
) -> None:
    if database != "postgres":
        pytest.skip("a file needs no server")
    from memory.store.postgres.pool import POOL_CONNECTIONS
    from tests.support.postgres_server import new_namespace

    with ExitStack() as stack:
        stores = [
            stack.enter_context(open_store(new_namespace())) for _ in range(POOL_CONNECTIONS + 2)
        ]
        for number, store in enumerate(stores):
            store.add([replace(SAID[0], text=f"I moved to town {number}")])
        assert len(search_several(stores, "moved", 50)) == len(stores)


def test_a_name_is_one_persons_where_another_memory_knows_it() -> None:
    first, second = SpeakerNames(), SpeakerNames()
    first.add("Anne", 1)
    second.add("Anna", 1)
    second.add("Assistant", 2)
    together = SpeakerNames.together([first, second])
    # Alone, the second memory reads Anne as Anna misspelt.
    assert second.take_out("Anne")[0] == {1}
    assert together.take_out("Anne")[0] == {1 * 2 + 0}
    assert together.implied("What did you recommend?", frozenset()) == {2 * 2 + 1}


def test_the_spread_of_cosines_is_that_of_the_memories_with_the_same_embedder() -> None:
    def features(*cosines: float) -> Features:
        values = np.array(cosines, np.float32)
        columns = {name: np.zeros(len(values)) for name in FEATURE_WEIGHTS} | {"meaning": values}
        return Features(np.arange(1, len(values) + 1), columns, values)

    memories = [features(0.1, 0.3), features(0.2, 0.8)]

    def shares(*embedders: str) -> list[float]:
        hits = best_hits(memories, embedders, 9)
        return [round(hit.shares["meaning"] / FEATURE_WEIGHTS["meaning"], 4) for _, hit in hits]

    together = float(np.std([0.1, 0.3, 0.2, 0.8]))
    assert shares("a", "a") == [round(value / together, 4) for value in (0.8, 0.3, 0.2, 0.1)]
    assert shares("a", "b") == [3.0, round(0.8 / 0.3, 4), 1.0, round(0.2 / 0.3, 4)]
