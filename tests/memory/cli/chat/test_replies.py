"""What a reply in the chat is shown and cites, what is quoted below it, when facts are stored."""

import threading
from collections.abc import Iterator

import pytest

from memory import Memory, Turn, open_store
from memory.cli.chat.background import Background
from memory.evidence.messages import NEAREST_HEAD
from memory.recall.corrections import answer_facts
from tests.memory.cli.chat.test_session import chat, replier, says
from tests.support.scripted import sql
from tests.support.talk import fact_of, talker

NUTS = ["I'm allergic to nuts.", "My dog Rufus sleeps in the kitchen, in a green basket."]


@pytest.fixture
def known(address: str) -> str:
    """A memory of Anna: her allergy, and where the dog sleeps."""
    chat(address, NUTS, replier()[0], digests=False, speaker="Anna")
    return address


@pytest.mark.few(3)
@pytest.mark.parametrize("greeting", ["Hi!", "How are you?", "Good morning"])
def test_a_greeting_brings_no_turn_and_no_select_but_what_always_matters(
    known: str, greeting: str
) -> None:
    model, engine = replier()
    chat(known, [greeting], model, digests=False)
    [prompt] = engine.prompts_for("answer")
    memory = prompt.partition("[[ ## recent ## ]]")[0]
    assert "nuts" in memory
    assert "Rufus" not in memory
    assert "retrieve" not in engine.calls()


def test_what_was_just_said_may_be_cited_and_corrected(known: str) -> None:
    model, _ = replier(lambda _: says("You live in Lisbon.", "5"))
    shown = chat(known, ["I live in Lisbon.", "Where do I live?", "/why"], model, digests=False)
    assert "sources:\n[5] (" in shown
    assert "Anna: I live in Lisbon." in shown.partition("sources:")[2]
    with open_store(known) as store, Memory(store, model=model) as memory:
        told = store.turn(5)
        reply = memory.reply(Turn("Anna", "Where do I live?"), recent=[told])
        list(reply)
        assert reply.answer is not None
        [fact] = answer_facts(store, reply.answer, seen=None)
        assert fact.value == "Lisbon"


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("question", "reply", "is_quoted"),
    [
        ("Where does Rufus sleep?", "I was never told.", True),
        ("Where does Rufus sleep?", "In the kitchen, in the green basket.", False),
        ("What is the capital of Mongolia?", "I do not know.", False),
    ],
)
def test_turns_are_quoted_below_a_reply_that_says_nothing_of_them_where_the_message_touches_them(
    known: str, question: str, reply: str, is_quoted: bool
) -> None:
    model, _ = replier(lambda _: says(reply))
    assert (NEAREST_HEAD in chat(known, [question], model, digests=False)) is is_quoted


def test_fifteen_replies_and_their_corrections_take_three_digests(known: str) -> None:
    model, engine = replier(lambda _: says("You have an allergy.", "1"), window=48)
    chat(known, [f"I walked to hill {n} today, and it was fine." for n in range(15)], model)
    assert engine.calls()["correct"] == 14
    assert engine.calls()["store"] <= 3


def test_turns_that_fill_no_window_are_stored_after_a_pause(address: str) -> None:
    stored = threading.Event()

    def store_fact(prompt: str) -> str:
        stored.set()
        return fact_of(prompt)

    model, _ = talker(window=48, store=store_fact)
    background = Background(address, model, since=1, pause_s=0.05)
    try:
        with open_store(address) as store:
            store.add([Turn("Anna", "I moved to Lyon.")])
        background.turns_added()
        assert stored.wait(60)
    finally:
        background.end()


def test_a_message_that_waits_for_a_digest_says_so(known: str) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def store_fact(prompt: str) -> str:
        begun.set()
        may_end.wait(60)
        return sql("-- none")

    def lines() -> Iterator[str]:
        yield "What am I allergic to?"
        assert begun.wait(60)
        threading.Timer(0.2, may_end.set).start()
        yield "No, that is wrong."

    model, _ = talker(window=2, answer=lambda _: says("Nuts.", "1"), store=store_fact)
    shown = chat(known, lines(), model)
    assert "a digest ends first" in shown
