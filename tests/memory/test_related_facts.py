"""Facts that a text is about: by the ranking of their turns, by words, by subject and by alias."""

from collections.abc import Iterator

import pytest

from memory import Store, Turn, open_store
from memory.facts.related import related_facts
from memory.store.facts.entity_edits import add_alias
from tests.conftest import INSERT

BOTH_STORES = "slow"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as store:
        fill(store)
        yield store


def fill(store: Store) -> None:
    turns = [
        Turn("Anna", "I moved to Oslo last Saturday, finally a flat of my own."),
        Turn("Ben", "We got a puppy in April, her name is Figaro."),
        Turn("Anna", "My mother, Ingrid Berg, plays the cello."),
    ]
    store.add([*turns, *(Turn("Ben", f"Nothing new, day {day}.") for day in range(40))])
    rows = [
        ("Anna", "lives_in", "Oslo", 1),
        ("Ben", "has_pet", "Figaro, a puppy", 2),
        ("Ingrid Berg", "plays_instrument", "cello", 3),
        ("Ingrid Berg", "alias", "Mum", 3),
    ]
    for subject, attribute, value, turn_id in rows:
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
            f" ('{subject}', '{attribute}', '{value}', {turn_id})",
            cause="test",
        )


def attributes(store: Store, text: str, most: int = 40, least_score: float = 0) -> list[str]:
    facts = related_facts(store, [text], most=most, least_score=least_score)
    return [fact.attribute for fact, _ in facts]


def test_a_new_flat_brings_up_the_old_one_whose_words_are_others(store: Store) -> None:
    assert attributes(store, "Anna: I moved to Bergen on Sunday!")[0] == "lives_in"


def test_a_fact_has_its_id_value_and_turn_and_a_score_up_to_one(store: Store) -> None:
    [(fact, score), *_] = related_facts(store, ["Ben: Figaro the puppy is ill."])
    assert (fact.id, fact.value, fact.turn_id) == (2, "Figaro, a puppy", 2)
    assert 0.5 < score <= 1


def test_only_so_many_facts_and_none_below_the_least_score(store: Store) -> None:
    text = "Anna: I moved to Bergen on Sunday!"
    assert len(attributes(store, text, most=1)) == 1
    scores = [score for _, score in related_facts(store, [text])]
    assert scores == sorted(scores, reverse=True)
    assert len(attributes(store, text, least_score=scores[0])) == 1


def test_a_fact_is_related_by_any_name_of_whom_it_is_about(store: Store) -> None:
    store.write(f"{INSERT}('Ilse', 'likes', 'opera', '', 1)", cause="test")

    def score_of_ilse() -> float:
        related = related_facts(store, ["Does Frau Brandt sing?"])
        return next((score for fact, score in related if fact.subject == "Ilse"), 0.0)

    before = score_of_ilse()
    add_alias(store, "Frau Brandt", "Ilse")
    assert score_of_ilse() > before


def test_an_old_state_is_related_behind_hundreds_of_newer_facts(store: Store) -> None:
    for start in range(0, 300, 50):
        rows = ", ".join(
            f"('Anna', 'saw_{number}', 'thing {number}', '', 1)"
            for number in range(start, start + 50)
        )
        store.write(f"{INSERT}{rows}", cause="test")
    assert attributes(store, "Anna: I moved to Bergen.")[0] == "lives_in"
