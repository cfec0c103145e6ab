"""Passages: of a long text what a question asks for, as it stands there, and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.text.passages import CUT, excerpt, passage, sentences
from memory.text.tokens import count_tokens

FILLER = "It rained on the roof of the old shed all day long. "


def test_of_a_long_message_the_passage_that_was_asked_for_is_quoted() -> None:
    text = "The move was hard. Dr. Okafor says it is the disc! I should walk forty minutes a day."
    assert passage("How long should I walk?", text) == "I should walk forty minutes a day."
    assert passage("What?", "no end") == "no end"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It cost 3.50 euros. Good!", ["It cost 3.50 euros. ", "Good!"]),
        ("1. Boil it.\n12. Eat.", ["1. Boil it.\n", "12. Eat."]),
        ("In 2017. Then more.", ["In 2017. ", "Then more."]),
        ("Dr. Lim and Mrs. Baird came. We ate.", ["Dr. Lim and Mrs. Baird came. ", "We ate."]),
        ('He said "no." Then yes.', ['He said "no." ', "Then yes."]),
        ("今日は。寿司！", ["今日は。", "寿司！"]),
        ("| a | b |\n\n| 1 | 2 |", ["| a | b |\n\n", "| 1 | 2 |"]),
    ],
)
def test_a_sentence_ends_where_a_reader_ends_it(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_an_excerpt_holds_what_is_asked_for_and_says_what_is_cut() -> None:
    text = FILLER * 9 + "The key is under the pot. It is rusty. " + FILLER * 9
    part = excerpt("Where is the key?", text, 20)
    assert part == f"{CUT} The key is under the pot. It is rusty. {CUT}"


def test_of_a_huge_text_the_beginning_is_read_and_the_end_counts_as_cut() -> None:
    part = excerpt("When does it begin?", "Beginnings are hard. " + "word " * 200_000, 30)
    assert part.startswith("Beginnings are hard.")
    assert part.endswith(CUT)


@given(st.text(max_size=40), st.text(max_size=600), st.integers(20, 60))
def test_an_excerpt_is_made_of_the_text_and_keeps_its_size(
    question: str, text: str, tokens: int
) -> None:
    part = excerpt(question, text, tokens)
    pieces = [piece.strip() for piece in part.split(CUT)]
    assert all(piece in text for piece in pieces)
    assert sum(count_tokens(piece) for piece in pieces) <= tokens + len(pieces)
