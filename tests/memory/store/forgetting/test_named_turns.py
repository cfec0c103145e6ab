"""Forgetting by words takes whole words in any spelling, and names what has them in longer ones."""

import json
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory.store.forgetting.named_turns import may_have_words, near_turns, turns_with_words
from memory.store.forgetting.preview import forget_matching, matching_turns, preview
from tests.support.commands import run

BOTH_STORES = "slow"
# Words to forget, what goes, and what stays and is told.
LONGER = [
    ("Tove", "Tove, not Tove's brother, owes me money.", "Toves is a village."),
    ("Room 12", "Room 12 has the safe.", "Room 121 has the printer."),
    ("per@lund.se", "Write to per@lund.se.", "Write to jesper@lund.se."),
    ("per@lund.se", "(per@lund.se)", "per@lund.se.org is another one."),
    ("v2", "The key is v2!", "The key is v2.1."),
    ("/home/tove", "It is in /home/tove.", "It is in /home/tove/notes."),
    ("Anna", "Anna: I am ill.", "Anna-Lena: I am well."),
    ("José", "José has debts.", "Jose has a boat."),
]
SPELLED = [
    ("+46 70-123 45 67", "+46701234567"),
    ("4417 0012", "44170012"),
    ("AB-1234", "ab 1234"),
    ("AB-1234", "\uff21\uff22\uff0d\uff11\uff12\uff13\uff14"),
    ("Zoë Lind", "zoe\u0308  lind"),
    ("Tove\nLund", "Tove\tLund"),
    ("京都", "京都に住む"),
    ("Baker-Lindqvist", "Baker\u2013Lindqvist"),
    ("O'Donnelly", "O\u2019Donnelly"),
    ("030 5550111", "(030) 555 0111"),
]


@pytest.mark.parametrize(("words", "gone", "stays"), LONGER)
def test_a_longer_name_stays_and_is_told(tmp_path: Path, words: str, gone: str, stays: str) -> None:
    with open_store(tmp_path / "a.db") as store, Memory(store) as memory:
        memory.add([("Ada", gone), ("Ada", stays)])
        seen = preview(store, matching_turns(store, matching=words), matching=words)
        assert [turn.text for turn in seen.turns] == [gone]
        assert [turn.text for turn in seen.near] == [stays]
        [receipt] = forget_matching(store, {"matching": words})
        assert [turn.text for turn in store.turns()] == [stays]
        assert receipt.quoted_in == (2,)


@pytest.mark.parametrize(("words", "written"), SPELLED)
def test_another_spelling_goes_too(tmp_path: Path, words: str, written: str) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([("Ada", f"It is {written}."), ("Ada", "It rains on 4417.")])
        memory.forget(matching=words)
        assert [turn.text for turn in memory.get_all()] == ["It rains on 4417."]


def test_the_turns_that_are_read_are_all_that_have_the_words(store: Store) -> None:
    named = [pair[0] for pair in SPELLED] + [pair[0] for pair in LONGER]
    strange = ["ANNA", "\uff21nna", "\ufb01nd", "find", "stra\u00dfe", "STRASSE", "Istanbul"]
    strange += ["\u0130stanbul", "Tove Lund", "'", "-", "?", "\u2019", " ", "\U0001f600", "An-na"]
    asked = [*named, *strange]
    told = [*asked, *(written for _, written in SPELLED), *(stays for *_, stays in LONGER)]
    store.add([Turn("Ada", f"Now {text}{end}") for text in told for end in ("", "s", ".\tA b")])
    turns = store.turns()
    for words in asked:
        read = may_have_words(store, words)
        assert turns_with_words(read, words) == turns_with_words(turns, words)
        assert near_turns(read, words) == near_turns(turns, words)
    assert len(may_have_words(store, "Tove Lund")) < len(turns) / 2


def test_the_command_names_longer_names(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Memory(path) as memory:
        memory.add([("Ada", "Tove has debts."), ("Ada", "Tovestad is a town.")])
    shown = run("forget", "--matching", "tove", "--preview", "--db", path)
    assert "1 turn with a longer name stays; --turn forgets it too" in shown.replace("\n", " ")
    listed = json.loads(run("forget", "--matching", "tove", "--preview", "--json", "--db", path))
    assert [turn["text"] for turn in listed["near"]] == ["Tovestad is a town."]


def test_a_common_word_is_not_somebody_of_that_name(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([("Ada", "I hope so."), ("Ada", "I met Hope.")])
        memory.forget(about="Hope")
        assert [turn.text for turn in memory.get_all()] == ["I hope so."]
