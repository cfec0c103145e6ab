"""Replies of the packaged model's chat: rows decide, else the nearest turns, and it says so."""

from dataclasses import replace
from pathlib import Path

import dspy
import pytest

from memory import Memory, MemoryProgram, Turn
from memory.evidence.messages import NEAREST_HEAD, originals_first, tells
from memory.models import load_model
from memory.program.quotations import NO_TURNS
from memory.records import ABSTAIN
from tests.support.scripted import ScriptedLM, answer, scripted_packaged_model, sql
from tests.support.talk import talker


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is my dog called?", False),
        ("Hi Miku! Where do I live?", False),
        ("私の犬の名前は何ですか。", False),
        ("你喜欢狗吗", False),
        ("When I was young I lived in Rome.", True),
        ("What a day!", True),
        ("I passed the test, can you believe it?", True),
        ("I moved to Bergen! Isn't that great?", True),
    ],
)
def test_a_text_tells_something_unless_it_only_asks(text: str, expected: bool) -> None:
    assert tells(text) == expected


@pytest.mark.parametrize(
    ("text", "small", "hosted"),
    [
        ("My dog is called Rufus.", True, True),
        ("What is my dog called?", False, True),
        ("I moved! Where do you live?", False, True),  # "I moved!" is as short as a greeting
        (f'{NEAREST_HEAD}\n[1] Anna: "Rufus."', False, False),
        ('Ben said yesterday: "I quit."', True, True),
    ],
)
def test_a_small_model_is_asked_for_no_facts_of_questions(
    text: str, small: bool, hosted: bool
) -> None:
    asked = {}
    for form in ("brief", "full"):
        lm = ScriptedLM([([], sql("-- none"))])
        with dspy.context(lm=lm):
            MemoryProgram(form).store(turns=[Turn("Anna", text)])
        asked[form] = len(lm.script.prompts) == 1
    assert asked == {"brief": small, "full": hosted}


def test_a_quotation_adds_nothing_to_a_memory(path: Path) -> None:
    dog = Turn("Anna", "My dog is called Rufus.", "s")
    model, engine = talker(window=1)
    with Memory(path, model, budget=64) as memory:
        memory.add(dog)
        quotation = f"{NEAREST_HEAD}\n[1] Anna: \u201cMy dog is called Rufus.\u201d"
        for n in range(9):
            memory.add(Turn("Miku", quotation, f"t{n}"))
        memory.add([replace(dog, text="I walk him at six.", session="u")])
        assert {1, 11} <= set(memory.evidence("What is her dog called?").turn_ids)
        assert memory.digest().stored == 11
        assert engine.calls() == {"store": 2}


def test_a_question_in_a_chat_is_answered_from_rows_or_with_the_nearest_turns(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        memory.add(
            Turn("Anna", "I live in Bergen. The vet gave Rufus two pills.", "s", "2026-11-20")
        )
        home = memory.reply(Turn("Anna", "Where do I live?", "t", "2026-11-21"), character="Miku")
        assert "".join(home) == "Bergen"
        assert home.answer is not None
        assert (home.answer.basis, home.answer.turns, home.answer.calls) == ("rows", (1,), 0)
        pills = memory.reply(
            Turn("Anna", "How many pills did the vet give Rufus?"), character="Miku"
        )
        assert "".join(pills).startswith(f"{NEAREST_HEAD}\n[1] Anna, 20 Nov 2026: ")
        assert pills.answer is not None
        assert "two pills" in pills.answer.text


def test_what_asks_nothing_is_acknowledged_by_its_number(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        news = Turn("Anna", "Our dog died yesterday.", "s")
        [turn_id] = memory.add(news)
        reply = memory.reply(replace(news, id=turn_id), character="Miku")
        assert "".join(reply) == "Kept as turn 1."


def test_a_chat_says_what_was_stored_with_its_facts_and_nothing_else(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        home = Turn("Anna", "I moved to Hull in 2019.", "s")
        [turn_id] = memory.add(home)
        kept = memory.reply(replace(home, id=turn_id), character="Miku")
        assert "".join(kept) == "Kept as turn 1: Anna lives_in: Hull since 2019."
        assert "".join(memory.reply(home)) == "This asks nothing, and was not stored."


def test_a_turn_that_quotes_another_stands_behind_it(path: Path) -> None:
    said = [
        Turn("Anna", "The vet gave Rufus two pills.", "s", "2026-11-20"),
        Turn("Miku", "You said: \u201cThe vet gave Rufus two pills.\u201d Poor Rufus!", "s"),
        *(Turn("Ben", f"Rufus barked {n} times.", "s") for n in range(6)),
        Turn("Ben", 'The sign says "Beware of Rufus the dog".', "s"),
    ]
    numbered = [replace(turn, id=n) for n, turn in enumerate(said, 1)]
    assert [turn.id for turn in originals_first(numbered)][-1] == 2
    with Memory(path, scripted_packaged_model([([], answer(ABSTAIN))])) as m:
        m.store.add(said)
        quoted = m.ask("How many pills did the vet give Rufus?").quotations
    assert quoted[0].turn_id == 1
    assert 2 not in {quotation.turn_id for quotation in quoted}


def test_an_empty_memory_says_that_it_is(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        assert "".join(memory.reply(Turn("Anna", "Where do I live?"))) == NO_TURNS
