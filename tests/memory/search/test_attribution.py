"""Questions about one person that another one's words fit best."""

from collections.abc import Sequence

import pytest

from memory import Hit, Turn
from memory.search.attribution import is_told_by_another

OF_THE_NAMED = {"speaker": 2.5}
OF_ANOTHER = {"speaker": 0.0}
TURNS = {
    5: Turn("Eve", "You are off."),
    6: Turn("Anna", "I'm off."),
    7: Turn("Ben", "I'm off."),
    8: Turn("Anna", "I'm off."),
}


def turns_by_id(turn_ids: Sequence[int]) -> list[Turn]:
    return [TURNS[turn_id] for turn_id in turn_ids]


@pytest.mark.parametrize(
    ("by_another", "by_named", "doubted"),
    [(9.0, 8.1, False), (9.0, 8.0, True), (8.0, 9.0, False), (9.0, None, False)],
)
def test_another_must_fit_better_by_more_than_the_share_of_the_speaker(
    by_another: float, by_named: float | None, doubted: bool
) -> None:
    hits = [Hit(5, 1.0, OF_ANOTHER), Hit(7, by_another, OF_ANOTHER)]
    if by_named:
        hits += [Hit(6, 3.0, OF_THE_NAMED), Hit(8, by_named + 2.5, OF_THE_NAMED)]
    assert is_told_by_another(hits, turns_by_id) is doubted


def test_another_who_tells_nothing_of_themselves_raises_no_doubt() -> None:
    of_anybody = [Hit(5, 9.9, OF_ANOTHER), Hit(8, 4.5, OF_THE_NAMED)]
    assert not is_told_by_another(of_anybody, turns_by_id)
    assert is_told_by_another([*of_anybody, Hit(7, 4.0, OF_ANOTHER)], turns_by_id)


@pytest.mark.parametrize(
    ("question", "text", "doubted"),
    [
        ("Where does Anna work?", "The printer works again, tell my boss.", False),
        ("Where does Anna live?", "My site went live.", False),
        ("Where does Anna live?", "There's mould living above my bed.", False),
        ("Where does Anna live now?", "There's mould living above my bed.", False),
        ("Where does Anna work?", "I work at the harbour.", True),
        ("Where does Anna live?", "We used to live in Oslo.", True),
        ("Which printer works for Anna?", "My printer works again.", True),
    ],
)
def test_a_verb_in_another_sense_raises_no_doubt(question: str, text: str, doubted: bool) -> None:
    turns = [Turn("Ben", text, id=1), Turn("Anna", "I'm off.", id=2)]
    hits = [Hit(1, 9.0, OF_ANOTHER), Hit(2, 4.5, OF_THE_NAMED)]
    by_id = {turn.id: turn for turn in turns}
    assert is_told_by_another(hits, lambda ids: [by_id[n] for n in ids], question) is doubted


def test_another_who_names_the_person_tells_of_them() -> None:
    by_id = {
        1: Turn("Ben", "Elena moved to Porto in March, I miss her.", id=1),
        2: Turn("Elena", "I'm off.", id=2),
        3: Turn("Ben", "I moved to Porto in March.", id=3),
    }

    def turns_by_id(ids: Sequence[int]) -> list[Turn]:
        return [by_id[number] for number in ids]

    of_elena = [Hit(1, 9.0, OF_ANOTHER), Hit(2, 4.5, OF_THE_NAMED)]
    assert not is_told_by_another(of_elena, turns_by_id, "Where does Elena live?")
    of_ben = [Hit(3, 9.0, OF_ANOTHER), Hit(2, 4.5, OF_THE_NAMED)]
    assert is_told_by_another(of_ben, turns_by_id, "When did Elena move to Porto?")
