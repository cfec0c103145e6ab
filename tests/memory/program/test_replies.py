"""Replies of the packaged model: what a message asks for, what it quotes, what it says itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.program import load_model
from memory.program.messages import NOTHING_FOUND, asks_memory, is_news, quotation, tells
from tests.support.talk import talker


@pytest.mark.parametrize(
    ("text", "asked", "told"),
    [
        ("What is my dog called?", True, False),
        ("where does Ben work", True, False),
        ("what's my name", True, False),
        ("Do you remember my dog?", True, False),
        ("How are you?", False, False),
        ("When I was young I lived in Rome.", False, True),
        ("What a day!", False, True),
        ("which city did I come from", True, False),
        ("What I have is a cold.", False, True),
        ("Hi Miku! Where do I live?", True, False),
        ("I moved to Bergen! Isn't that great?", True, True),
    ],
)
def test_a_question_to_the_memory_is_told_from_talk(text: str, asked: bool, told: bool) -> None:
    assert (asks_memory(text), tells(text)) == (asked, told)


@pytest.mark.parametrize(
    ("text", "packaged", "hosted"),
    [
        ("My dog is called Rufus.", True, True),
        ("What is my dog called?", False, True),
        ("I moved! Where do you live?", False, True),  # "I moved!" is as short as a greeting
        ('I remember what you said: "Rufus."', False, False),
    ],
)
def test_the_packaged_model_makes_no_facts_of_questions(
    text: str, packaged: bool, hosted: bool
) -> None:
    assert (is_news(text, True), is_news(text, False)) == (packaged, hosted)


def test_a_quotation_says_who_said_it_when() -> None:
    mine = Turn("User", "I live\nin Oslo.", said_at="2026-11-20T21:03")
    assert quotation([mine, Turn("Ben", "Hi.")], {"User"}) == (
        'I remember what you said on Fri 20 Nov 2026: "I live in Oslo.", and what Ben said: "Hi."'
    )
    assert quotation([], ()) == NOTHING_FOUND


def test_a_quotation_adds_nothing_to_a_memory(path: Path) -> None:
    dog = Turn("Anna", "My dog is called Rufus.", "s")
    model, engine = talker(window=1)
    with Memory(path, model, budget=64) as memory:
        memory.add(dog)
        for n in range(9):
            memory.add(Turn("Miku", quotation([dog], {"Anna"}), f"t{n}"))
        memory.add([replace(dog, text="His walks are long.", session="u")])
        assert {1, 11} <= set(memory.gather("What is her dog called?").turn_ids)
        assert memory.digest().stored == 11
        assert engine.calls() == {"store": 2}


@pytest.mark.parametrize("name", ["Miku", "O'Brien -- /* \\"])
def test_the_packaged_model_answers_from_what_was_told(path: Path, name: str) -> None:
    with Memory(path, load_model()) as memory:
        memory.add([Turn("Anna", "What is my dog called?", "r")])
        memory.add([Turn(name, "Your dog is called Rex.", "r")])
        told = ["My dog's name is Rufus.", "I live in Bergen! Nice, isn't it?"]
        for text in told:
            memory.add([Turn("User", text, "s", "2026-11-20"), Turn(name, "Rufus?", "s")])
        for question, text in zip(
            ["What is my dog's name?", "Hi; I ask again -- where do I live?"], told, strict=True
        ):
            asked = Turn("Anna", question, "t", "2026-11-21")
            [turn_id] = memory.add(asked)
            reply = memory.reply(replace(asked, id=turn_id), (), name, known_as=["User"])
            assert list(reply) == [f'I remember what you said on Fri 20 Nov 2026: "{text}"']
            assert reply.answer
            assert reply.answer.calls == 0
            [found] = [memory.store.read(statement) for statement in reply.answer.sql]
            assert reply.answer.turns[0] in [turn_id for turn_id, _ in found.rows]
        assert list(memory.reply(Turn("Anna", "Who won the match?"))) == [NOTHING_FOUND]


def test_a_pasted_book_is_quoted_in_short(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        memory.add(Turn("Anna", "My book begins. " + "It goes on and on. " * 5_000, "s"))
        assert len("".join(memory.reply(Turn("Anna", "How does my book begin?")))) < 2_000


def test_the_packaged_model_is_heard_while_it_speaks(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        assert len(list(memory.reply(Turn("Anna", "Hello!"), character="Miku"))) > 1
