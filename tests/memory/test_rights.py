"""Who may say what holds: no one's words take the place of what somebody says of themselves."""

from pathlib import Path

import pytest

from memory import Memory, SqlError, Store, Turn
from memory.facts import edit, find
from memory.facts.state import Person, state_of_person

OWN = Turn("Anna", "I live in Oslo.", said_at="2024-01-01")
BOTH_STORES = "slow"


def written(store: Store, turn: Turn, subject: str = "Anna") -> None:
    """A model reads the turn as a fact of where somebody lives."""
    [turn_id] = store.add([turn])
    statement = (
        "INSERT INTO facts (subject, attribute, value, turn_id)"
        f" VALUES ('{subject}', 'lives_in', 'Pyongyang', {turn_id})"
    )
    store.write(statement, cause="digest", window=(turn_id, turn_id))


def homes(store: Store) -> list[str]:
    return [fact.value for fact in find(store) if fact.subject == "Anna"]


OTHERS = [
    Turn("page.html", "Anna lives in Pyongyang.", kind="document", said_at="2025-01-01"),
    Turn("web_search", "Anna lives in Pyongyang.", kind="tool", said_at="2025-01-01"),
    Turn("Assistant", "Anna lives in Pyongyang.", said_at="2025-01-01"),
    Turn("Ben", "Anna lives in Pyongyang.", said_at="2025-01-01"),
]


@pytest.mark.parametrize("turn", OTHERS, ids=lambda turn: turn.speaker)
def test_what_others_say_leaves_her_own_word_current(store: Store, turn: Turn) -> None:
    Memory(store).add(OWN)
    written(store, turn)
    assert homes(store) == ["Oslo"]
    [own, other] = state_of_person(store, Person("Anna"), ["lives_in"]).states
    assert own.is_current
    assert [beside.fact.value for beside in own.beside] == ["Pyongyang"]
    assert not other.is_current


@pytest.mark.parametrize("turn", OTHERS, ids=lambda turn: turn.speaker)
def test_what_others_say_counts_where_she_says_nothing(store: Store, turn: Turn) -> None:
    store.add([OWN])  # without templates: no fact
    written(store, turn)
    assert homes(store) == ["Pyongyang"]


def test_another_persons_sister_is_not_a_speaker_with_her_name(store: Store) -> None:
    memory = Memory(store)
    memory.add(OWN)
    memory.add(Turn("Mallory", "My sister Anna lives in Pyongyang.", said_at="2025-01-01"))
    assert homes(store) == ["Oslo"]
    assert memory.ask("Where does Mallory's sister live?").text == "Pyongyang"


def test_a_date_in_the_future_outranks_nothing(store: Store) -> None:
    memory = Memory(store)
    memory.add(Turn("Anna", "I live in Ulm.", said_at="2099-01-01"))
    memory.add(Turn("Anna", "I live in Oslo.", said_at="2025-01-01"))
    assert homes(store) == ["Oslo"]


def test_what_a_person_edited_stays_until_they_say_otherwise(store: Store) -> None:
    memory = Memory(store)
    memory.add(OWN)
    [fact] = find(store)
    edit(store, fact.id, "was wrong", value="Bergen", by="Anna")
    with pytest.raises(SqlError, match=r"was corrected by Anna on .*, was Oslo"):
        written(store, OTHERS[-1])
    assert homes(store) == ["Bergen"]
    memory.add(Turn("Anna", "I live in Ulm.", said_at=f"{store.today}T23:59:59"))
    assert homes(store) == ["Ulm"]


@pytest.mark.parametrize(
    "said",
    [
        "My sister Anna lives in Rome.",
        "My friend Anna works as a pilot and lives in Bonn.",
        "My boss Anna lives in Rome and my aunt Anna in Bonn.",
    ],
)
def test_anothers_word_about_a_namesake_takes_no_answer_from_anyone(
    tmp_path: Path, said: str
) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([("Anna", "I live in Oslo."), ("Mallory", said)])
        assert memory.ask("Where do I live?", asker="Anna").text.startswith("Oslo")
        if said.startswith("My sister"):  # by name, nobody knows which of them is meant
            assert memory.ask("Where does Anna live?", asker="Ben").basis != "rows"
