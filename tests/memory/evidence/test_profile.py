"""The asker's profile: what always matters stands first, whatever is asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Fact, Memory, Store, Turn
from memory.agents.blocks import start_block
from memory.evidence.prompt_block import inject
from memory.evidence.wishes import PROFILE_HEAD, PROFILE_TOKENS, profile_of
from memory.operations.tools import memory_tools
from memory.store.configuration.declared_settings import set_owner
from memory.text.tokens import count_tokens
from memory.vocabulary import PROFILE_PARTS, default_vocabulary
from memory.vocabulary.templates import asked_about
from tests.support.commands import run
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"
DAY = "2026-05-01"
SAID = [
    "My name is Alex and I live in Oslo.",
    "I am allergic to nuts.",
    "I'm vegetarian.",
    "I work as a nurse.",
    "My birthday is on 3 May.",
    "My wife is called Kari.",
]
IRRELEVANT = ["What is 17 times 23?", "Write a haiku about rain.", "Who wrote Don Quixote?"]


@pytest.fixture
def memory(store: Store) -> Iterator[Memory]:
    with Memory(store) as memory:
        memory.add([Turn("user", text, said_at=DAY) for text in SAID])
        yield memory


def profile(text: str) -> list[str]:
    """The lines of a profile in a block."""
    _, _, after = text.partition(f"{PROFILE_HEAD}\n")
    lines = []
    for line in after.splitlines():
        if not line.startswith("[") or "(" in line:
            break
        lines.append(line)
    return lines


# --- whatever is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        ("What should I cook tonight?", "allergic to nuts"),
        ("Book me a flight home.", "lives in Oslo"),
        ("Write a few lines that introduce me.", "works as nurse"),
        ("Recommend a place for dinner.", "diet vegetarian"),
    ],
)
def test_a_message_that_names_no_fact_gets_what_matters(
    memory: Memory, message: str, needed: str
) -> None:
    assert needed in memory.context(message).text


@pytest.mark.parametrize("message", IRRELEVANT)
def test_a_message_that_touches_nothing_gets_the_profile_alone(
    memory: Memory, message: str
) -> None:
    block = memory.context(message)
    assert profile(block.text)
    assert block.memories == ()
    assert "3 May" not in block.text


def test_a_fact_of_the_profile_is_shown_once(memory: Memory) -> None:
    text = memory.context("Am I allergic to anything?").text
    assert text.partition("What was said:")[0].count("nuts") == 1


def test_a_large_models_prompt_has_it(store: Store) -> None:
    select = sql("SELECT id FROM turns LIMIT 1;")
    model = scripted_model([([], select), (["] allergic to nuts"], answer("Soup", "7"))])
    with Memory(store, model=model) as memory:
        memory.add([Turn("user", text, said_at=DAY) for text in SAID])
        assert memory.ask("What should I cook tonight?").text == "Soup"


def test_the_tool_recall_has_it(memory: Memory) -> None:
    recall = {tool.__name__: tool for tool in memory_tools(memory)}["recall"]
    assert profile(recall(query="soup"))


def test_the_command_prints_it(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([Turn("user", text, said_at=DAY) for text in SAID])
    of_file = ["--db", str(tmp_path / "a.db")]
    assert "nuts" in run("context", "Write a haiku.", *of_file)


def test_an_agent_that_works_on_code_learns_no_allergies(memory: Memory) -> None:
    block = start_block(None, memory.store, session="new", speaker="user", tokens=1_500)
    assert "- works as nurse" in block
    assert "nuts" not in block
    assert "Oslo" not in block


# --- whose it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["", "Anna"])
def test_no_one_gets_the_profile_of_another(store: Store, owner: str) -> None:
    if owner:
        set_owner(store, owner)
    with Memory(store) as memory:
        memory.add([Turn("Mallory", text, said_at=DAY) for text in SAID])
        assert not profile(memory.context("What should I cook tonight?").text)
        assert profile(memory.context("What should I cook?", speaker="Mallory").text)


def test_a_speaker_of_another_name_does_not_get_the_owners_profile(store: Store) -> None:
    set_owner(store, "Anna")
    with Memory(store) as memory:
        memory.add([Turn("Anna", "I am allergic to nuts.", said_at=DAY)])
        memory.add([Turn("Ben", "I am allergic to dogs.", said_at=DAY)])
        [of_anna] = profile(memory.context("Cook for me.").text)
        [of_ben] = profile(memory.context("Cook for me.", speaker="Ben").text)
        assert of_anna.endswith("nuts")
        assert of_ben.endswith("dogs")


@pytest.mark.parametrize(
    ("speaker", "kind"), [("Mallory", "message"), ("Manual", "document"), ("user", "document")]
)
def test_what_others_say_of_the_asker_is_no_profile(store: Store, speaker: str, kind: str) -> None:
    store.add(
        [
            Turn("user", "Hello.", said_at=DAY),
            Turn(speaker, "The user is allergic to the truth.", said_at=DAY, kind=kind),  # type: ignore[arg-type]
        ]
    )
    store.write(
        "INSERT INTO facts (subject, attribute, value, turn_id)"
        " VALUES ('user', 'allergic_to', 'the truth', 2)",
        cause="digest",
        window=(1, 2),
    )
    assert profile(inject(store, "Write a haiku.").text) == []


# --- how much -------------------------------------------------------------------------------------


def facts(**counts: int) -> list[Fact]:
    """That many facts of each attribute, newest first."""
    pairs = [(name, number) for name, count in counts.items() for number in range(count)]
    return [
        Fact(
            subject="user",
            attribute=name,
            value=f"value {number} of {name}",
            turn_id=1_000 - place,
            id=place + 1,
        )
        for place, (name, number) in enumerate(pairs)
    ]


def test_each_part_gets_a_line_before_any_gets_a_second_one() -> None:
    many = facts(goal=40, allergic_to=1, lives_in=1, works_as=1)
    chosen = profile_of(many, default_vocabulary())
    lines = [line for _, line in chosen]
    assert count_tokens("\n".join([PROFILE_HEAD, *lines])) <= PROFILE_TOKENS
    shown = {fact.attribute for fact, _ in chosen}
    assert shown == {"goal", "allergic_to", "lives_in", "works_as"}
    parts = [default_vocabulary().profile_part(fact.attribute) for fact, _ in chosen]
    assert parts == sorted(parts, key=PROFILE_PARTS.index)


def test_what_was_mentioned_most_comes_first() -> None:
    new, old = facts(goal=2)
    mentions = {("goal", old.value.casefold()): 3}
    chosen = profile_of([new, old], default_vocabulary(), mentions=mentions)
    assert [fact for fact, _ in chosen] == [old, new]


# --- what is known of a person --------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "",
        "What do you know about me?",
        "So what do you remember about me?",
        "Who am I?",
        "Was weißt du über mich?",
        "Que sais-tu de moi ?",
        "¿Qué sabes de mí?",
    ],
)
def test_all_that_is_known_of_the_asker_is_listed(memory: Memory, message: str) -> None:
    text = memory.context(message).text
    before_turns, _, turns = text.partition("What was said:")
    assert "nuts" in before_turns
    assert before_turns.index("lives in Oslo") < before_turns.index("3 May")
    assert turns


def test_a_question_for_all_that_is_known_is_answered_by_facts_alone(memory: Memory) -> None:
    known = memory.ask("What do you know about me?")
    assert known.basis == "rows"
    assert known.text.index("nuts") < known.text.index("Oslo") < known.text.index("3 May")
    assert {fact.turn_id for fact in memory.facts()} == {*known.turns}


@pytest.mark.parametrize(
    ("question", "who"),
    [
        ("What do you know about me?", ""),
        ("what do you know about Kari", "Kari"),
        ("Tell me everything you know about my sister.", "my sister"),
        ("What do you know?", None),
        ("Where do I live?", None),
        ("What do you think about me?", None),
    ],
)
def test_whom_a_question_wants_to_know_all_of(question: str, who: str | None) -> None:
    assert asked_about(question) == who
