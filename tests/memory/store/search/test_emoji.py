"""Emoji: the index knows words alone, and a turn with this sign is found all the same."""

import pytest

from memory import Store, Turn, open_store

BOTH_STORES = True


@pytest.fixture
def kept(address: str) -> Store:
    store = open_store(address)
    small_talk = [Turn("Ben", f"We met {n} friends for tea.", "a") for n in range(200)]
    store.add(
        [
            Turn("Anna", "🦜", "a"),
            Turn("Anna", "Off to the harbour ⛵️ now!", "b"),
            *small_talk,
            Turn("Anna", "Done 👍🏽", "c"),
            Turn("Ben", "👍", "a"),
        ]
    )
    return store


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("🦜", {1}),
        ("🦜?", {1}),
        ("⛵", {2}),
        ("👍", {203, 204}),
        ("👍🏿", {203, 204}),
    ],
)
def test_a_lone_emoji_finds_the_turns_that_have_it(
    kept: Store, asked: str, found: set[int]
) -> None:
    with kept:
        assert {hit.turn_id for hit in kept.search(asked, 5)} == found


def test_an_emoji_is_searched_among_the_turns_that_pass(kept: Store) -> None:
    with kept:
        assert [hit.turn_id for hit in kept.search("👍", 5, {"speaker": "Ben"})] == [204]
        ids = [hit.turn_id for hit in kept.search("🦜", 5, {"speaker": "Ben"})]
        assert {turn.speaker for turn in kept.turns_by_id(ids)} == {"Ben"}


def test_what_no_turn_has_is_searched_by_its_meaning(kept: Store) -> None:
    with kept:
        assert len(kept.search("🚲", 5)) == 5
        assert len(kept.search("???", 5)) == 5
        assert kept.search("harbour 🚲", 5)[0].turn_id == 2
