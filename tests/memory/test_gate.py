"""The gate, a dial: open to what belongs, narrow in doubt, closed on empty talk."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.format import load_conversations
from memory import Memory, Store, Turn, open_store
from memory.evidence.gate import MOST_TURNS, opening
from memory.facts.additions import add_turns

SAMPLE = Path(__file__).parents[2] / "data" / "sample.json"
TOUCHING = [
    "What injuries did River get?",
    "Did the electrician think that the opening date was possible?",
    "Which allergies do I have?",
    "What did Tomás name his bakery in the end?",
    "I'm baking a cake for the wedding and it has to survive the drive.",
    "The dog has to go to the vet on Friday, what did they write into his form?",
    "Anjali is coming to stay with us next week, for her wedding.",
    "The oven still doesn't fit through the door.",
    "Is the job in Norway still on?",
    "Remind me how many limpets I had tagged.",
    "My sourdough starter is dead, I'm so sad.",
    "I'm flying to Lyon for New Year.",
]
BESIDE = [
    "what is 2+2",
    "Write a Python function that reverses a linked list.",
    "What's the capital of Australia?",
    "How are you?",
    "thanks!",
    "ok",
    "Translate 'good morning' into Spanish.",
    "Tell me a joke.",
    "Who wrote Pride and Prejudice?",
    "Explain quantum entanglement like I'm five.",
    "Wie viel ist 18 mal 7?",
    "Merci beaucoup !",
    "\u2026!",
    " ",
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("gate") / "memory.db"
    with open_store(path) as store:
        add_turns(store, load_conversations(SAMPLE)[0].turns)
        yield store


SHORT = json.loads((Path(__file__).parents[1] / "benchmarks" / "short_questions.json").read_text())
MEMORIES = SHORT["memories"]


@pytest.mark.slow
@pytest.mark.parametrize("talk", MEMORIES, ids=[talk["name"] for talk in MEMORIES])
def test_a_short_question_gets_the_turn_that_the_search_found(
    tmp_path: Path, talk: dict[str, Any]
) -> None:
    speaker = "" if talk["asker"] == "user" else talk["asker"]
    with Memory(tmp_path / "memory.db") as memory:
        memory.add([Turn(speaker, text) for speaker, text in talk["turns"]])
        needed = shown = 0
        for question, turn_ids in talk["questions"]:
            all_of_them = memory.context(question, speaker=speaker, gate=False)
            context = memory.context(question, speaker=speaker)
            needed += len(set(turn_ids) & set(all_of_them.turn_ids))
            shown += len(set(turn_ids) & set(context.turn_ids))
        opened = [text for text in SHORT["general"] if memory.context(text).memories]
    assert shown >= 0.95 * needed
    assert len(opened) <= 4, opened


@pytest.mark.parametrize(
    ("message", "is_touched"),
    [
        ("Who is Iliana?", True),  # a name within a sentence of theirs
        ("where does Iliana work", True),
        ("Do I have a tortoise?", True),
        ("what's my job", True),
        ("lol good evening", False),
        ("what's the boiling point of ethanol?", False),
    ],
)
def test_who_asks_of_oneself_or_of_a_name_opens_the_gate(message: str, is_touched: bool) -> None:
    turns = [
        Turn("user", "ugh, late again, and then Iliana wanted the numbers at once"),
        Turn("user", "our tortoise Gustl has got out of the garden"),
        Turn("user", "I run the lab at the dairy in Perth"),
        *(Turn("assistant", text) for text in ("Noted.", "How annoying!", "Poor Gustl.")),
    ]
    width = opening(message, turns, names=0, memory_turns=60)
    assert (width == "open") if is_touched else (width == "closed")


def found(store: Store, message: str) -> list[Turn]:
    hits = store.search(message, MOST_TURNS) if message.strip() else []
    return store.turns_by_id([hit.turn_id for hit in hits])


def width_of(store: Store, message: str, turns: list[Turn] | None = None) -> str:
    turns = found(store, message) if turns is None else turns
    return opening(message, turns, names=0, memory_turns=store.count_turns())


@pytest.mark.parametrize("message", TOUCHING)
def test_what_a_message_touches_is_let_through(sample: Store, message: str) -> None:
    assert Memory(sample).context(message, profile=False).memories


def test_what_a_message_does_not_touch_is_held_back(sample: Store) -> None:
    opened = [message for message in BESIDE if width_of(sample, message) == "open"]
    assert len(opened) <= 1, opened  # people of this chat ask each other "How are you?"


def test_in_doubt_a_few_turns_and_the_portrait_are_shown(tmp_path: Path) -> None:
    with Memory(tmp_path / "trams.db") as memory:
        memory.add([f"Tram number {n} was late by {n + 3} minutes." for n in range(120)])
        memory.add("I'm coeliac and my two kids won't touch fish.")
        memory.add([f"Tram number {n} was late by {n + 2} minutes." for n in range(120, 160)])
        messages = ("Any ideas for a rainy Sunday?", "Recommend a film.", "Dinner ideas, please.")
        narrow = [text for text in messages if width_of(memory.store, text) == "narrow"]
        assert narrow
        for message in narrow:
            context = memory.context(message, profile=False)
            assert len(context.memories) <= 6  # a short one may bring a short sequel
            assert "coeliac" in context.text


def test_the_name_of_the_assistant_opens_nothing(tmp_path: Path) -> None:
    with Memory(tmp_path / "bot.db") as memory:
        memory.add([{"role": "user", "name": "Tove", "content": "Dot, compost comes on Monday"}])
        memory.add([{"role": "assistant", "name": "Dot", "content": "Noted: compost on Monday."}])
        plain, named = (
            memory.context(text, speaker="Tove", character="Dot").turn_ids
            for text in ("tell us a joke about pirates", "@Dot tell us a joke about pirates")
        )
    assert named == plain == ()
