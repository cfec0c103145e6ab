"""What has ended since is no yes: facts tell the end, or a newer turn does."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from memory import Memory, Store, Turn
from memory.program.decided_answers import decided_answer
from memory.program.fact_answers import FactAnswer
from tests.support.scripted import scripted_packaged_model

BOTH_STORES = "slow"
TODAY = "2025-06-15"
Decide = Callable[..., FactAnswer | None]


@pytest.fixture
def decide(store: Store) -> Decide:
    """Answers a question after Ole has said some things, each on the next first of a month."""

    def decided(question: str, *texts: str) -> FactAnswer | None:
        memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
        memory.add(
            [
                Turn("Ole", text, said_at=f"2025-0{month}-01")
                for month, text in enumerate(texts, start=1)
            ]
        )
        return decided_answer(question, TODAY, reader=memory._reader, asker="Ole")

    return decided


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Does Ole have a cat?", ("I have a cat called Pip.", "Pip died last week.")),
        ("Does Ole have a dog?", ("We have a dog named Bruno.", "Bruno passed away on Sunday.")),
        ("Does Ole own a caravan?", ("I own a caravan.", "I sold my caravan last month.")),
        ("Does Ole have a motorbike?", ("I have a motorbike.", "I sold the motorbike in March.")),
        ("Is Ole dating Luis?", ("I am dating Luis.", "Luis and I broke up last week.")),
        ("Is Ole seeing Petra?", ("I am seeing Petra.", "Petra and I split up.")),
        ("Does Ole sing in a choir?", ("I sing in a choir.", "I quit the choir in February.")),
        ("Is Ole vegetarian?", ("I am vegetarian.", "I eat meat again.")),
        ("Is Ole vegan?", ("I am vegan.", "I have started eating cheese again.")),
    ],
)
def test_what_has_ended_is_a_no_with_its_end(
    decide: Decide, question: str, texts: tuple[str, ...]
) -> None:
    answer = decide(question, *texts)

    assert answer is not None
    assert answer.text.startswith("No")


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Does Ole have a motorbike?", ("I have a motorbike.", "I sold the sofa in March.")),
        ("Is Ole vegetarian?", ("I am vegetarian.", "My son eats meat again.")),
        ("Is Ole dating Luis?", ("I am dating Luis.", "Petra and Kit broke up last week.")),
        ("Did Ole own a caravan?", ("I owned a caravan.", "I sold my caravan last month.")),
    ],
)
def test_the_end_of_something_else_takes_nothing_back(
    decide: Decide, question: str, texts: tuple[str, ...]
) -> None:
    answer = decide(question, *texts)

    assert answer is not None
    assert answer.text.startswith("Yes")


def test_what_was_had_anew_leaves_the_question_undecided(decide: Decide) -> None:
    answer = decide(
        "Does Ole have a motorbike?",
        "I have a motorbike.",
        "I sold the motorbike in March.",
        "I bought another motorbike, a red one.",
    )

    assert answer is None or answer.text.startswith("Yes")


def test_whom_somebody_was_with_is_told_with_the_end(decide: Decide) -> None:
    answer = decide("Who is Ole dating?", "I am dating Luis.", "Luis and I broke up last week.")

    assert answer is not None
    assert answer.text.startswith("no more Luis (Ole, 1 February 2025: ")
