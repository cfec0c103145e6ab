"""'He' and 'she' are the one person that was named before, and nobody where there are two."""

import pytest

from memory.vocabulary.entities import with_names


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("My sister? She lives in Leith.", "My sister? My sister lives in Leith."),
        (
            "I called my uncle and he sold the farm.",
            "I called my uncle and my uncle sold the farm.",
        ),
    ],
)
def test_a_pronoun_is_the_one_person_it_may_mean(said: str, meant: str) -> None:
    assert with_names(said, "Ida") == meant


@pytest.mark.parametrize(
    "said",
    [
        "Ana met Bea, and she plays the harp.",  # either
        "Mary called the doctor. He said it was nothing.",  # a name does not say who "he" is
        "My landlady has a kitten, he is called Biscotti.",
        "My brother called. She is ill.",  # nobody
        "Your sister rang, she wants her book.",  # whose sister the text does not say
        "I gave Piet the keys, he?",  # no verb
        "We flew to Porto. She was great.",  # a place
        "It rained all day.",
    ],
)
def test_a_pronoun_stays_where_its_person_is_not_sure(said: str) -> None:
    assert with_names(said, "Ida") == said


def test_the_turns_before_may_name_the_person() -> None:
    before = [("Rui", "How is your mother?")]
    assert with_names("She broke her arm.", "Ida", before) == "my mother broke her arm."
    before = [("Ida", "My mother rang."), ("Rui", "And how is Ana?")]
    assert with_names("She broke her arm.", "Ida", before) == "She broke her arm."
    assert with_names("She broke her arm.", "Ida", [("Rui", "Ana met Bea.")]) == (
        "She broke her arm."
    )
