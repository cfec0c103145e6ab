"""Words that add nothing are taken off both ends of a clause."""

import pytest

from memory.vocabulary.template_syntax import spellings
from memory.vocabulary.templates.clauses import without_fillers
from memory.vocabulary.templates.words import language_words

WORDS = language_words()


def test_each_filler_is_taken_off_at_its_end() -> None:
    for template in (*WORDS.before, *WORDS.comments):
        for text in spellings(template):
            written = f"{text.capitalize().rstrip(',')}, Anna lives here"
            assert without_fillers(written) == "Anna lives here", text
    for template in (*WORDS.after, *WORDS.comments):
        for text in spellings(template):
            assert without_fillers(f"Anna lives here, {text}") == "Anna lives here", text


@pytest.mark.parametrize(
    ("clause", "rest"),
    [
        ("Well, it's late now", "it's late"),
        ("no, no, I live in Rome, please", "I live in Rome"),
        ("No idea helps", "No idea helps"),  # "no" needs its comma
        ("That's wonderful", "That's wonderful"),
        ("by the way", "by the way"),  # something is left
        ("now", "now"),
    ],
)
def test_fillers_are_taken_off_one_by_one(clause: str, rest: str) -> None:
    assert without_fillers(clause) == rest
