"""Off the record: a memory answers, and nothing is left of what it was asked or told."""

from collections.abc import Iterator

import pytest

from memory import Memory, Turn, open_store
from memory.errors import StoreError
from memory.operations import OPERATIONS, OpenMemory
from tests.memory.cli.chat.test_session import chat, replier, says
from tests.support.scripted import answer
from tests.support.talk import talker

BOTH_STORES = True

SAID = [
    Turn("Anna", "I live in Oslo.", said_at="2026-05-08"),
    Turn("Anna", "My parrot is called Kiki.", said_at="2026-05-09"),
]
WORD = "Quackenbusch"


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    model, _ = talker(
        answer=lambda prompt: (
            says("Kiki, I think.", "2") if "[[ ## reply ## ]]" in prompt else answer("Kiki", "2")
        )
    )
    with Memory(address, model) as opened:
        opened.add(SAID)
        yield opened


def everything(address: str) -> str:
    with open_store(address, read_only=True) as store:
        return "\n".join(map(str, store.dump()))


def test_questions_and_replies_off_the_record_leave_nothing(memory: Memory, address: str) -> None:
    before = everything(address)
    with memory.off_the_record() as private:
        assert "Kiki" in private.ask(f"What is the parrot called, {WORD}?").text
        assert "Oslo" in str(private.context(f"Where do I live, {WORD}?"))
        assert private.search("parrot")
        message = Turn("Anna", f"What is my parrot called? {WORD}")
        assert "".join(private.reply(message)) == "Kiki, I think."
        with pytest.raises(StoreError):
            private.add(Turn("Anna", f"I met {WORD}."))
    assert everything(address) == before
    memory.add(Turn("Anna", f"I met {WORD}."))
    assert WORD in everything(address)


def test_it_sees_what_is_said_on_the_record_meanwhile(memory: Memory) -> None:
    with memory.off_the_record() as private:
        memory.add(Turn("Anna", "My cat is called Momo."))
        assert "Momo" in private.search("cat")[0].text


def test_operations_are_asked_off_the_record(memory: Memory, address: str) -> None:
    before = everything(address)

    def asked(name: str, **inputs: object) -> str:
        opened = OpenMemory(memory.store, "API", lambda store: Memory(store, memory.model))
        return str(OPERATIONS[name].call(opened, inputs))

    assert "Kiki" in asked("ask", question=f"Which parrot, {WORD}?", off_the_record=True)
    assert "Oslo" in asked("context", messages=f"Where do I live? {WORD}")
    assert everything(address) == before


def test_a_chat_goes_off_the_record_and_back(address: str) -> None:
    model, _ = replier(lambda _: says(f"I see, {WORD}."))
    shown = chat(
        address,
        [
            "I live in Oslo.",
            "/private",
            f"I am ill, {WORD}.",
            f"Do not tell {WORD}.",
            "/rename Clara",
            "/private",
            "I like tea.",
            "bye",
        ],
        model=model,
    )
    assert "off the record" in shown
    assert "off the record" in shown
    with open_store(address, read_only=True) as store:
        said = [turn.text for turn in store.turns() if turn.speaker == "User"]
        assert said == ["I live in Oslo.", "I like tea."]
        assert len(store.turns()) == 4
        assert "ill" not in "\n".join(map(str, store.dump()))
