"""The gate: nothing is shown with a message that a memory does not touch."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.format import load_conversations
from memory import Memory, Store, Turn, open_store
from memory.evidence.gate import MOST_TURNS, touched, touches
from memory.facts.additions import add_turns
from memory.store.files.united import unite
from tests.support.embedding_server import SMALL, Server, serving

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
FEW = [
    Turn("user", "My sister Carla is allergic to peanuts."),
    Turn("assistant", "I'll keep that in mind. Does she carry an injector?"),
    Turn("user", "Always. We meet at the lake house every August."),
    Turn("assistant", "That sounds lovely."),
    Turn("user", "I drive there in my old Volvo, six hours."),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("gate") / "memory.db"
    with open_store(path) as store:
        add_turns(store, load_conversations(SAMPLE)[0].turns)
        yield store


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as served:
        yield served


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
        needed = shown = lines = 0
        for question, turn_ids in talk["questions"]:
            all_of_them = memory.context(question, speaker=speaker, gate=False)
            context = memory.context(question, speaker=speaker)
            needed += len(set(turn_ids) & set(all_of_them.turn_ids))
            shown += len(set(turn_ids) & set(context.turn_ids))
            lines += len(context.memories)
        opened = [text for text in SHORT["general"] if memory.context(text).memories]
    assert shown >= 0.85 * needed
    assert lines <= 7 * needed  # of ten shown one was needed
    assert len(opened) <= 3, opened


def test_a_message_without_a_budget_gets_the_turns_about_as_near_as_the_best(
    sample: Store,
) -> None:
    memory = Memory(sample)
    question = "What is the name of the dog?"
    near, all_of_them = memory.context(question), memory.context(question, gate=False)
    assert 0 < len(near.memories) < len(all_of_them.memories) == 10
    assert set(near.memories) <= set(all_of_them.memories)
    assert len(memory.context(question, budget=2_000).memories) > 10


@pytest.mark.parametrize(
    ("message", "is_touched"),
    [
        ("Who is Iliana?", True),  # a name within a sentence of theirs
        ("where does Iliana work", True),
        ("Do I have a tortoise?", True),
        ("what's my job", True),
        ("Who is Napoleon?", False),
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
    assert touches(message, turns, 60) is is_touched


def found(store: Store, message: str) -> list[Turn]:
    hits = store.search(message, MOST_TURNS) if message.strip() else []
    return store.turns_by_id([hit.turn_id for hit in hits])


@pytest.mark.parametrize("message", TOUCHING)
def test_what_a_message_touches_is_let_through(sample: Store, message: str) -> None:
    turns = found(sample, message)
    assert turns
    assert touched(sample, message, turns) == turns


@pytest.mark.parametrize("message", BESIDE)
def test_what_a_message_does_not_touch_is_held_back(sample: Store, message: str) -> None:
    assert touched(sample, message, found(sample, message)) == []


@pytest.mark.parametrize(
    ("message", "is_touched"),
    [
        ("What is my sister allergic to?", True),
        ("Carla and I are going to the lake.", True),
        ("How long is the drive to the lake house?", True),
        ("what is 2+2", False),
        ("Write a haiku about autumn.", False),
        ("Good morning", False),
    ],
)
def test_a_memory_of_five_turns_has_a_gate_too(message: str, is_touched: bool) -> None:
    assert touches(message, FEW, len(FEW)) is is_touched


LIVES = Turn("user", "I live in Oslo. My cat is called Mia.")
REPLIES = ("Noted.", "Thanks, good to know.", "Lovely, how is she?", "You told me before.")
REPEATED: dict[str, Callable[[int], list[Turn]]] = {
    "an exchange": lambda _: [LIVES, Turn("assistant", "Noted, Mia is a cat.")],
    "a statement": lambda _: [LIVES],
    "a statement with other replies": lambda n: [LIVES, Turn("assistant", REPLIES[n % 4])],
    "a statement in other words": lambda n: [Turn("user", f"I live in Oslo, for the {n}th time.")],
    "a conversation": lambda _: [
        Turn("user", "Hello!"),
        Turn("assistant", "Hi, how can I help?"),
        LIVES,
        Turn("assistant", "Nice."),
        Turn("user", "Bye."),
        Turn("assistant", "Goodbye!"),
    ],
    "a long statement": lambda _: [Turn("user", LIVES.text * 8), Turn("assistant", "Noted.")],
}


@pytest.mark.few(6)
@pytest.mark.parametrize("times", [1, 15, 60])
@pytest.mark.parametrize("talk", REPEATED.values(), ids=REPEATED)
def test_repeated_talk_does_not_hide_what_it_says(
    tmp_path: Path, talk: Callable[[int], list[Turn]], times: int
) -> None:
    with Memory(tmp_path / "again.db") as memory:
        for number in range(times):
            memory.add(talk(number), run_id="trip")
        assert "Oslo" in memory.context("Where do I live?").text
        for message in ("What is 2+2?", "What is the capital of France?"):
            assert memory.context(message, profile=False).text == ""


def test_the_embedder_of_a_memory_does_not_matter(tmp_path: Path, server: Server) -> None:
    with open_store(tmp_path / "other.db", embedder=SMALL) as store:
        add_turns(store, FEW)
        message = "What is my sister allergic to?"
        assert touched(store, message, found(store, message))
        assert not touched(store, "what is 2+2", found(store, "what is 2+2"))


def test_vectors_are_not_asked_for(tmp_path: Path, server: Server) -> None:
    with open_store(tmp_path / "other.db", embedder=SMALL) as store:
        add_turns(store, FEW)
        requests = len(server.requests)
        assert touched(store, "What is my sister allergic to?", store.turns())
        assert not touched(store, "what is 2+2", store.turns())
        assert len(server.requests) == requests


def test_several_memories_have_one_gate(sample: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "few.db") as few:
        add_turns(few, FEW)
        both = unite({"few": few, "sample": sample})
        for message in ("What is my sister Carla allergic to?", "Did River hurt her wrist?"):
            assert touched(both, message, both.turns()[:MOST_TURNS])
        assert not touched(both, "what is 2+2", both.turns()[:MOST_TURNS])


def test_nothing_is_touched_where_nothing_was_found(sample: Store) -> None:
    assert touched(sample, "Did River hurt her wrist?", []) == []


def test_a_speaker_called_user_is_not_named_by_the_word() -> None:
    assert not touches("Write a SQL query that counts each user in a table.", FEW, len(FEW))
