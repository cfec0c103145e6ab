"""Templates left out by a clause's first word: only those that do not match it."""

import re

import pytest

from memory.vocabulary.files import default_vocabulary
from memory.vocabulary.templates.patterns import Index, pattern, words_of
from memory.vocabulary.templates.words import language_words


@pytest.mark.parametrize(
    ("template", "first"),
    [
        ("live in {value}", {"live"}),
        ("[so|well] (live|be) in {value}", {"so", "well", "live", "be"}),
        ("I am from {value}", {"i", "i'm", "im", "i've", "i'd", "i'll", "ive"}),
        ("{who} lives in {value}", set()),
        ("[the] {value} is home", set()),
        ("l'{value} is home", set()),
    ],
)
def test_the_words_with_which_a_match_may_begin(template: str, first: set[str]) -> None:
    [entry] = {entry.first for entry in Index([(template, None)]).candidates(words_of(
        "i so well live be from lives in the is home am"
    ))}  # fmt: skip
    assert entry == first


def test_no_template_is_left_out_that_matches() -> None:
    known = language_words()
    templates = [
        template
        for attribute in default_vocabulary().attributes
        for template in (*attribute.says, *attribute.ends)
    ]
    templates += [*known.retractions, *known.heads, *known.salutations, *known.signatures]
    index = Index((template, None) for template in templates)
    texts = {text for template in templates for text in _texts(template)}
    matches = 0
    for text in texts:
        for written in (text, text.upper(), text.replace("ss", "ß")):
            for entry in index.candidates(words_of(written)):
                if pattern(entry.template).match(written):
                    assert entry.may_match(written), (entry.template, written)
                    matches += 1
    assert matches > len(templates)


def _texts(template: str) -> set[str]:
    """Texts in a template's form: its placeholders filled, its groups taken, contracted too."""
    filled = re.sub(r"\{[^{}]*\}", "Oslo", template)
    texts = {filled}
    while groups := {text for text in texts if re.search(r"[\[(]", text)}:
        texts -= groups
        for text in groups:
            group = re.search(r"[\[(]([^\[\]()]*)[\])]", text)
            assert group is not None
            options = group[1].split("|") + ([""] if group[0].startswith("[") else [])
            for option in {options[0], options[-1]}:
                texts.add(" ".join((text[: group.start()] + option + text[group.end() :]).split()))
        texts = set(sorted(texts)[:200])
    for short, long in language_words().contractions.items():
        texts |= {re.sub(rf"\b{re.escape(long)}\b", short, text) for text in texts}
    return texts
