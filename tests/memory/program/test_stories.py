"""Questions for a summary, an order or a whole: many turns, each short, the asker's own first."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from memory import Memory, Store, Turn, open_store
from memory.evidence.layout import lay_out, longest_turn
from memory.text.tokens import count_tokens
from tests.support.scripted import scripted_model

BOTH_STORES = "slow"

ADVICE = "Certainly, here is a plan for the shed. " + "Measure the boards of the shed twice. " * 60
DAYS = ("2024-03-15", "2024-04-02")


def said(count: int = 30) -> list[Turn]:
    """A user's stages of a shed, each with an assistant's long advice that ranks above it."""
    return [
        turn
        for n in range(1, count + 1)
        for turn in (
            Turn("user", f"Stage {n} is done. " + "It took me a long day. " * 20, said_at=day(n)),
            Turn("assistant", ADVICE, said_at=day(n)),
        )
    ]


def day(number: int) -> str:
    return DAYS[number > 15]


@pytest.fixture
def shed(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        opened.add(said())
        yield opened


def asked(store: Store, question: str, budget: int = 2_000, asker: str = "user") -> list[str]:
    memory = Memory(store, model=scripted_model([]), budget=budget)
    context = memory.evidence(question, asker=asker)
    assert context.tokens == count_tokens(context.text) <= budget
    return context.text.splitlines()


@pytest.mark.parametrize(
    "question",
    ["Summarize how the user's shed progressed.", "In which order did user build the shed?"],
)
def test_a_story_is_told_by_the_askers_own_turns_in_time_under_their_days(
    shed: Store, question: str
) -> None:
    lines = asked(shed, question)
    assert lines[1] == "Fri 15 Mar 2024:"
    assert [line for line in lines[2:] if not line.startswith("[")] == ["Tue 02 Apr 2024:"]
    turns = [line for line in lines if line.startswith("[")]
    stages = [line for line in turns if "] user: Stage" in line]
    assert [line.split()[3] for line in stages] == [str(n) for n in range(1, 31)]
    assert all(count_tokens(line) <= 80 for line in turns)


@pytest.mark.few(1)
@pytest.mark.parametrize("budget", [1_000, 2_000, 6_000])
def test_no_turn_takes_more_than_a_sixth_of_a_budget(shed: Store, budget: int) -> None:
    question = "Which boards of the shed are to be measured?"
    numbered = [replace(turn, id=number) for number, turn in enumerate(said(), 1)]
    for lines in (
        asked(shed, question, budget),
        lay_out([], numbered, budget, question=question).text.splitlines(),
    ):
        assert any("\u2026" in line for line in lines)
        assert max(map(count_tokens, lines)) <= budget / 6
    assert longest_turn(300) == 100  # a small budget cuts no turn that is short anyway


def test_the_name_of_who_asks_is_no_reason_to_show_a_sentence_of_theirs() -> None:
    rain = "It rained on the roof of the shed. " * 30
    code = "The user table has the roles of a user. "
    turn = Turn("user", rain + "The first sprint ends on 29 March. " + rain + code, id=1)
    context = lay_out([], [turn], 200, question="When does the sprint of user end?")
    assert "29 March" in context.text
    assert "roles" not in context.text
