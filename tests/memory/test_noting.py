"""Facts without a model: who has them stored by rules, through which door, how much at a time."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from memory import Memory, MemoryProgram, Store, Turn, load_model, open_store
from memory.digest import Digest
from memory.namespaces import path_of
from memory.noting import count_unread, note_turns
from memory.program import Model
from memory.program.messages import BY_RULES
from memory.program.optimizer_start import starting_program
from memory.searcher import Searcher
from memory.tools import Tools, memory_tools
from memory.waiting import digest_whole, waiting
from tests.conftest import INSERT, MOVED, SAID
from tests.support.commands import run
from tests.support.gguf_adapter import adapter
from tests.support.scripted import answer, scripted_model, scripted_packaged_model, sql

BOTH_STORES = "slow"
OSLO = Turn("Anna", "I live in Oslo.", said_at="2024-05-01")
PORTO = Turn("Anna", "I moved to Porto last week.", said_at="2025-03-12")


@pytest.fixture
def unasked() -> Model:
    """As the packaged model, but no prompt is expected."""
    return replace(scripted_packaged_model([]), writes_facts=False)


def values(store: Store) -> list[tuple[str, str]]:
    """Where Anna lives or lived, with the ends."""
    return [(fact.value, fact.ended_on) for fact in store.facts() if fact.attribute == "lives_in"]


def test_local_stores_by_rules_and_its_turns_wait_for_a_larger_model(
    store: Store, unasked: Model
) -> None:
    with Memory(store, model=unasked) as memory:
        first = memory.add([OSLO, PORTO])[0]
        assert [value for value, ended_on in values(store) if not ended_on] == ["Porto"]
        facts = store.facts()
        assert memory.digest(replay=True) == Digest()
        assert waiting(store, memory.model).turns == 0
    assert store.facts() == facts
    statement = f"{MOVED}".replace(", 1)", f", {first})")
    larger = scripted_model([(["I live in Oslo"], sql(statement))])
    assert Memory(store, model=larger).digest().stored == 1
    assert {fact.turn_id for fact in store.facts()} == {first}


def test_a_larger_model_is_not_shown_what_was_noted(store: Store, unasked: Model) -> None:
    Memory(store, model=unasked).add([OSLO])
    assert values(store) == [("Oslo", "")]
    known = scripted_model([(["I live in Oslo"], sql("-- none"))])
    Memory(store, model=known).digest()
    [call] = known.lm.calls if hasattr(known.lm, "calls") else [known.lm.history[-1]]
    assert "lives_in: Oslo" not in str(call)
    assert values(store) == []


def test_a_model_is_not_shown_what_an_assistant_proposed(store: Store) -> None:
    proposed = "('Assistant', 'proposed', 'a flat by the window of Miso', NULL, 3)"
    store.write(f"{MOVED}; {INSERT}{proposed}", cause="digest", window=store.claim(3))
    model = scripted_model([(["[4] ("], sql("-- none"))])
    Memory(store, model=model).digest()
    [call] = model.lm.history
    assert "Anna | lives_in | Oslo" in str(call)
    assert "a flat by the window" not in str(call)


def test_local_waits_for_no_window_that_another_process_is_at(store: Store, unasked: Model) -> None:
    assert store.claim(2)
    assert digest_whole(Memory(store, model=unasked)).read == len(SAID)


def test_another_model_leaves_turns_to_its_digest(store: Store) -> None:
    Memory(store, model=scripted_model([])).add([OSLO])
    assert store.facts() == []


@pytest.mark.slow
def test_a_call_reads_so_many_turns_and_the_next_goes_on(store: Store, unasked: Model) -> None:
    store.add([replace(OSLO, text=f"I bought {number} plants.") for number in range(250)])
    assert note_turns(store, most=100).turns == 100
    assert count_unread(store) == len(SAID) + 150
    reports: list[int] = []
    with Memory(store, model=unasked) as memory:
        digest = memory.digest(progress=lambda sums: reports.append(sums.read))
    assert (digest.read, reports) == (len(SAID) + 150, [100, len(SAID) + 150])
    assert count_unread(store) == 0
    bought = [fact for fact in store.facts() if fact.attribute == "bought"]
    assert len(bought) == 250


def test_what_says_nothing_costs_no_write(store: Store) -> None:
    note_turns(store)
    before = store.settings(), store.changes()
    store.add([Turn("Anna", "Ha ha, really?")])
    note_turns(store)
    assert (store.settings(), store.changes()) == before


def test_neither_documents_nor_assistants_nor_corrections_are_read(store: Store) -> None:
    note_turns(store)
    store.set("character", "Miku")
    facts = store.facts()
    store.add(
        [
            replace(OSLO, kind="document"),
            replace(OSLO, kind="tool"),
            replace(OSLO, speaker="Assistant"),
            replace(OSLO, speaker="Miku"),
            replace(OSLO, session="corrections"),
        ]
    )
    note_turns(store)
    assert store.facts() == facts


def test_what_the_store_refuses_keeps_no_other_turn_from_being_read(store: Store) -> None:
    note_turns(store)
    long = "x" * 30_000  # longer than a fact may be
    store.add([replace(OSLO, speaker=long[:300]), PORTO])
    note_turns(store)
    assert ("Porto", "") in values(store)
    assert count_unread(store) == 0


def test_who_tuned_or_compiled_a_storing_model_gets_what_it_writes(tmp_path: Path) -> None:
    local = load_model("local")
    own = load_model("local", adapter=adapter(tmp_path / "store", "store"))
    answering = load_model("local", adapter=adapter(tmp_path / "answer", "answer"))
    writing = [model.writes_facts for model in (local, own, answering, load_model("local-base"))]
    assert writing == [False, True, False, True]
    assert local.weights["store"] == answering.weights["store"] != own.weights["store"]
    assert local.as_tuned({"store"}).writes_facts
    assert local.stores_by_rules(MemoryProgram())
    assert not local.stores_by_rules(starting_program(local))
    compiled = MemoryProgram()
    store = compiled.store.predict
    store.signature = store.signature.with_instructions("Write what hurts.")
    assert not local.stores_by_rules(compiled)


def _remember(store: Store, model: Model) -> None:
    remember: Callable[..., str] = next(
        tool for tool in memory_tools(Memory(store, model=model)) if tool.__name__ == "remember"
    )
    remember([{"text": "I live in Oslo.", "speaker": "Anna"}])


def _ask(store: Store, model: Model) -> None:
    store.add([OSLO])
    assert Memory(store, model=model).ask("Where does Anna live?").text.startswith("Oslo")


@pytest.mark.parametrize("act", [_remember, _ask])
def test_facts_are_there_through_every_door(
    store: Store, unasked: Model, act: Callable[[Store, Model], None]
) -> None:
    act(store, unasked)
    assert values(store) == [("Oslo", "")]


@pytest.mark.slow
def test_the_commands_have_facts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    run("add", "My sister Elena moved to Oslo.", "--speaker", "Anna", "-n", "anna")
    assert "Elena (Anna's sister)" in run("entities", "-n", "anna")
    assert "Elena    lives_in    Oslo" in run("facts", "-n", "anna")
    assert "stated in turn 1" in run("facts", "log", "-n", "anna")
    chat = tmp_path / "chat.json"
    # Moving ends a fact and makes one.
    texts = ("I live in Leith.", "I moved to Oban last week.")
    chat.write_text(json.dumps([{"speaker": "Ben", "text": text} for text in texts]))
    assert "2 facts by rules" in run("import", str(chat), "-n", "ben")
    assert run("digest", "-n", "ben") == f"0 turns read, 0 facts changed\n{BY_RULES}\n"
    with open_store(path_of("carla")) as store:
        store.add(SAID)
    assert "carla: 5 turns read" in run("digest", "--all")
    with open_store(path_of("carla")) as store:
        assert store.pending() == []


def test_an_agent_that_calls_for_a_digest_gets_counts(store: Store, unasked: Model) -> None:
    tools = Tools(
        lambda: nullcontext(store), lambda store: Memory(store, unasked), searcher=Searcher()
    )
    assert "5 turns read" in tools.digest()


def test_what_is_not_decided_the_packaged_model_is_asked_for_without_sql(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.program.packaged.decided_answer", lambda *_, **__: None)
    store.write(MOVED, cause="test")
    pairs = [([], answer("the window", "3"))]
    model = replace(scripted_packaged_model(pairs), name="local", writes_facts=False)
    assert Memory(store, model=model).ask("What does the cat love?").sql == ()
