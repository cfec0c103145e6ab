"""Facts that are chosen from a turn's own words, without a call of the model."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from locomo.dataset.format import files_of
from locomo.examples.gold import load_gold
from memory import Fact, Turn
from memory.program.chosen_facts import WEIGHTS, candidates, chosen_facts, insert_of
from memory.program.stated_facts import is_stated

DATA = Path(__file__).parents[3] / "data" / "train"
BOUGHT = Turn("Anna", "Guess what! Yesterday I bought a second-hand cello for 900 euros.", "1",
              "2017-05-08T10:00", id=1)  # fmt: skip


def test_the_weights_belong_to_the_data() -> None:
    """All of data/train but its held-out part, and nothing else: nobody else's licence."""
    again = "fit them again: python -m locomo.serving.chosen_facts"
    with np.load(WEIGHTS, allow_pickle=False) as file:
        data = sha256(b"".join(path.read_bytes() for path in files_of(DATA))).hexdigest()
        assert str(file["data"]) == data, again
        assert list(file["conversations"]) == [gold.conversation.id for gold in load_gold(DATA)]
    assert WEIGHTS.stat().st_size < 200_000


def test_what_a_turn_tells_of_its_speaker_is_chosen_with_its_date() -> None:
    [fact] = chosen_facts(BOUGHT, None)
    assert fact.subject == "Anna"
    assert "second-hand cello for 900 euros" in fact.value
    assert (fact.happened_on, fact.turn_id) == ("2017-05-07", 1)
    assert is_stated(fact, BOUGHT)


@pytest.mark.parametrize(
    "text",
    [
        "Hi Ben! How are you?",
        "Did I tell you that I bought a cello?",
        "Wow, great!",
        "My sister plays the flute.",
        "My sister Ingrid is getting married in June!",
        "Frida turns fourteen on the third of July.",
        "Kwame bought a van for the band, a green Transit from 2014.",
        "I bought a cello. " * 200,  # a pasted text
        "",
        "\ud83d\ude00\ud800 ... ''; DROP TABLE facts; --",
        "\u6628\u5929\u6211\u4e70\u4e86\u4e00\u628a\u5927\u63d0\u7434\u3002",
    ],
)
def test_nothing_is_chosen_of_what_tells_nothing_of_the_speaker(text: str) -> None:
    turn = Turn("Anna", text, said_at="2017-05-08", id=1)
    assert chosen_facts(turn, None) == []
    assert insert_of([]) == "-- none"


def test_chosen_values_do_not_overlap_and_stand_in_the_order_of_the_turn() -> None:
    text = (
        "I adopted a grey cat from the shelter in Bergen. I work as a nurse at the hospital, and I"
        " bought a red bicycle for 300 euros, and I play the cello in an orchestra."
    )
    values = [fact.value for fact in chosen_facts(Turn("Anna", text, id=1), None)]
    places = [text.index(value) for value in values]
    assert len(values) > 1
    assert places == sorted(places)
    ends = [place + len(value) for place, value in zip(places, values, strict=True)]
    assert all(end <= start for end, start in zip(ends[:-1], places[1:], strict=True))


def test_candidates_are_what_the_turn_states() -> None:
    turn = Turn("Anna", "I moved to Oslo. My sister moved to Rome.", id=1)
    values = [candidate.fact.value for candidate in candidates(turn, None)]
    assert "to Oslo" in values
    assert not any("Rome" in value for value in values)


def test_an_insert_quotes_its_texts() -> None:
    facts = [Fact("O'Neil", "has", "it's", happened_on="2017", turn_id=4)]
    assert insert_of(facts).endswith("VALUES ('O''Neil', 'has', 'it''s', '2017', 4)")
