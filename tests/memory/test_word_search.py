"""A search for a word or two: turns that hold it come before all others."""

import pytest

from memory.records import Turn
from memory.server.web.conversation import shares_of
from memory.store import Store


@pytest.mark.parametrize("question", ["Biscuit", "biscuit's", "the biscuits"])
def test_a_search_for_a_word_finds_the_turns_with_it_first(store: Store, question: str) -> None:
    said = [
        "I keep bees behind the barn, and my neighbour keeps goats.",
        "Biscuit is afraid of thunder.",
        "She hid under the stairs last night, poor thing!",
        "We bought a sofa in Leeds.",
        "When it rains, our dog waits at the door for hours and hours, and then sulks: Biscuit.",
        "The dog needs a walk.",
    ]
    store.add([Turn("user", text, "one") for text in said])
    ids = [hit.turn_id for hit in store.search(question, 2)]
    assert {turn.text for turn in store.turns_by_id(ids)} == {said[1], said[4]}


def test_of_two_words_a_turn_with_both_comes_first_and_then_one_with_either(store: Store) -> None:
    said = ["The red boat leaks.", "My boat is blue.", "A red door.", "It sails fast.", "Blue sky."]
    store.add([Turn("Mo", text, "one") for text in said])
    ids = [hit.turn_id for hit in store.search("red boat", 3)]
    first, *others = [turn.text for turn in store.turns_by_id(ids)]
    assert first == said[0]
    assert {*others} == {*said[1:3]}


def test_the_same_words_is_said_of_a_turn_that_has_them() -> None:
    shares = {"words": 4.0, "meaning": 1.0}
    named = [share.words for share in shares_of(shares, "Biscuit", "biscuit hates the stairs")]
    assert named == ["the same words", "similar meaning"]
    [share, _] = shares_of(shares, "Biscuit", "She hates the stairs.")
    assert share.words == "similar words, or turns nearby"
