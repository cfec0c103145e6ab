"""Whether a sentence states a fact: denied, supposed, asked, quoted, someone else's."""

import pytest

from memory.records import Fact, Turn
from memory.vocabulary.statements import why_unstated
from tests.benchmarks.statements import labelled


def reason(text: str, attribute: str, value: str, subject: str = "Nora") -> str:
    return why_unstated(Fact(subject, attribute, value, turn_id=1), Turn("Nora", text))


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("I don't work at the harbour office.", "works_at", "harbour office"),
        ("If we had a boat, we'd live in Ushuaia.", "lives_in", "Ushuaia"),
        ("Is Trieste a nice place to live?", "lives_in", "Trieste"),
        ('My aunt wrote: "I live in Trieste"', "lives_in", "Trieste"),
        ("my aunt has worked at the harbour office since May", "works_at", "harbour office"),
        ("Read this:\n> I live in Trieste and keep bees.", "lives_in", "Trieste"),
    ],
)
def test_what_a_sentence_does_not_state_is_no_fact(text: str, attribute: str, value: str) -> None:
    assert reason(text, attribute, value)


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("I work at the harbour office now.", "works_at", "harbour office"),
        ("I'm not leaving, I live in Trieste.", "lives_in", "Trieste"),
        ("I'm allergic to bees, what should I do?", "allergic_to", "bees"),
        ("I live in Trieste, and my aunt visits a lot.", "lives_in", "Trieste"),
        ("We went out, and after a talk with the old man I came home with a saw", "bought", "saw"),
    ],
)
def test_what_a_sentence_states_is_a_fact(text: str, attribute: str, value: str) -> None:
    assert reason(text, attribute, value) == ""


def test_a_reason_names_the_sentence() -> None:
    assert "'I never lived in Oslo.'" in reason("Hi! I never lived in Oslo.", "lives_in", "Oslo")


def test_labelled_sentences_that_nobody_fitted_to() -> None:
    held = [example for example in labelled() if example.family == "unseen"]
    refused = {True: 0, False: 0}
    for example in held:
        fact = Fact(
            example.claim.subject or "Nora", example.claim.attribute, example.claim.value, turn_id=1
        )
        refused[example.is_stated] += bool(why_unstated(fact, example.turn))
    assert refused[False] >= 36  # of 60 that are not stated
    assert refused[True] <= 6  # of 60 that are
