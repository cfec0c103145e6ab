"""What people write by habit in Python: it runs, or the error says what to write."""

from pathlib import Path

import pytest

from memory import InputError, Memory, Turn, open_store
from memory.store import namespaces


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    memory = Memory(tmp_path / "anna.db")
    memory.add(["I live in Kyiv.", "My cat is called Biscuit.", "The kettle is new."])
    return memory


def test_in_looks_into_the_texts(memory: Memory) -> None:
    assert "biscuit" in memory
    assert "Rover" not in memory
    assert memory.get(1) in memory
    answer = memory.ask("Where do I live?")
    assert "Kyiv" in answer
    assert "Oslo" not in answer
    assert "turns" in answer, "a key of its record"
    assert answer.get("Kyiv", "no key") == "no key"
    assert "Biscuit" in memory.search("cat")
    assert "Kyiv" in memory.facts()
    assert "Rome" not in memory.facts()


def test_a_search_for_nothing_or_for_no_turns_is_refused(memory: Memory) -> None:
    with pytest.raises(InputError, match=r"query is empty; write memory.get_all\(\)"):
        memory.search("  ")
    for most in ({"k": -1}, {"k": 0}, {"limit": 0}):
        with pytest.raises(InputError, match="give at least 1"):
            memory.search("cat", **most)


def test_several_turns_are_deleted_at_once(memory: Memory) -> None:
    memory.delete([1, 2])
    assert [turn.id for turn in memory.get_all()] == [3]
    memory.delete("3")
    assert not len(memory)


@pytest.mark.parametrize(
    ("arguments", "fields", "says"),
    [
        (("hi",), {}, 'a Turn needs a speaker and a text; write Turn\\("user", "I moved."\\)'),
        ((), {"text": "hi"}, "needs a speaker and a text"),
        (("Anna",), {"content": "hi"}, "a Turn takes no content=; write text="),
        ((), {"role": "user", "text": "hi"}, "takes no role=; write speaker="),
        (("Anna", "hi"), {"run_id": "s1"}, "takes no run_id=; write session="),
        (("Anna", "hi"), {"colour": "red"}, "takes no colour="),
    ],
)
def test_a_turn_says_what_it_takes(
    arguments: tuple[str, ...], fields: dict[str, str], says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        Turn(*arguments, **fields)  # type: ignore[arg-type]


def test_a_store_takes_limit_as_a_memory_does(tmp_path: Path) -> None:
    with open_store(tmp_path / "anna.db") as store:
        store.add([Turn("Anna", f"I have {number} cats.") for number in range(5)])
        assert len(store.search("cats", limit=2)) == len(store.search("cats", 2)) == 2


def test_results_become_a_table(memory: Memory) -> None:
    for name in ("to_dataframe", "to_pandas"):
        with pytest.raises(AttributeError, match=r"pandas.DataFrame\(results.to_dict\(\)\)"):
            getattr(memory.facts(), name)
    assert not hasattr(memory.facts(), "colour")
    assert memory.facts().to_dict()[0]["value"] == "Kyiv"


def test_an_application_of_users_leaves_no_memory_without_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with Memory() as memory:
        memory.add("I live in Oslo.", user_id="anna")
        memory.search("Oslo", user_id="anna")
        memory.ask("Where do I live?")
        assert namespaces.names() == ["anna"]
        memory.add("A note without a user.")
        assert namespaces.names() == ["anna", "default"]


def test_the_person_has_one_name_and_others_are_taken(memory: Memory) -> None:
    memory.add("I live in Oslo.", speaker="Ben")
    for name in ("speaker", "asker", "name", "role", "by"):
        assert memory.ask("Where do I live?", **{name: "Ben"}).text == "Oslo", name
        assert "Oslo" in memory.context("Where do I live?", **{name: "Ben"}), name
    assert [hit.turn_id for hit in memory.search("live", speaker="Ben")] == [4]
    assert [turn.id for turn in memory.get_all(speaker="Ben")] == [4]
    for call in (memory.ask, memory.context):
        with pytest.raises(InputError, match="once; asker= and speaker= are the same"):
            call("Where?", asker="Ben", speaker="Eve")


def test_other_words_for_a_turn_a_day_and_a_session_run(memory: Memory) -> None:
    memory.add(message="I ski.", thread="winter")
    assert memory.search("ski", session="winter")[0].text == "I ski."
    assert memory.ask(message="Where do I live?", date="2026-01-02").text == "Kyiv"
    assert [fact.value for fact in memory.facts(attribute="lives_in")] == ["Kyiv"]
    memory.forget(text="kettle")
    assert "kettle" not in memory


def test_what_a_memory_is_not_is_answered_with_its_calls(memory: Memory) -> None:
    with pytest.raises(TypeError, match=r"write memory.get\(turn_id\)"):
        memory[1]  # type: ignore[index]
    with pytest.raises(TypeError, match=r"write memory.search\(query\)"):
        memory["Kyiv"]  # type: ignore[index]
    with pytest.raises(TypeError, match=r"memory.delete\(turn_id\)"):
        del memory[1]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r'reply takes message= as Turn\("user", text\)'):
        memory.reply("hi")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="turn 1 is bytes"):
        memory.add(b"hi")  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="Memory has no flight; it has add, ask, "):
        memory.flight  # type: ignore[attr-defined]  # noqa: B018
