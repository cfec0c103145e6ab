"""Kinds and their examples: the file is sound, and a question about a kind finds an example."""

from pathlib import Path

import pytest

from memory import Turn
from memory.search.word_matches import examples_of_kind
from memory.store.sqlite.store import SqliteStore
from memory.text.words import STOP_WORDS, words

FILE = Path(__file__).parents[3] / "memory" / "search" / "kinds.txt"
LINES = FILE.read_text("utf-8").splitlines()


def test_a_line_names_a_kind_and_its_examples() -> None:
    for line in LINES:
        names, members = (part.split() for part in line.split(":"))
        assert names, line
        assert len(set(members)) == len(members) > 0, line
        assert not STOP_WORDS & {*names}, line
        # As the full-text index holds them, or they would never be found.
        assert [word for name in (*names, *members) for word in words(name)] == [*names, *members]


@pytest.mark.parametrize("form", ["pet", "pets"])
def test_a_kind_is_known_in_the_plural_too(form: str) -> None:
    assert "hamster" in examples_of_kind(form)


def test_a_question_about_a_kind_finds_its_example(store: SqliteStore) -> None:
    chatter = [Turn("Ben", f"The {n}th thing I bought was grey.", session="b") for n in range(40)]
    (hamster_turn,) = store.add([Turn("Ben", "Our old hamster died in the winter.", session="a")])
    store.add(chatter)
    hits = store.search("Which pets were there?", 50)
    shares = {hit.turn_id: hit.shares["kind"] for hit in hits}
    assert shares[hamster_turn] > 0
    assert not any(shares[turn.id] for turn in store.turns(hamster_turn + 1))
    assert hamster_turn in [hit.turn_id for hit in hits[:5]]
