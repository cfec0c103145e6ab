"""Tokens are counted piece by piece, and are those of the tokenizer itself."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.text.tokens import TextCache, count_tokens, token_ids, tokenizer

ROOT = Path(__file__).parents[2]
SPACE = "\u2581"
PIECES = st.sampled_from(
    [
        *" \n\t\r.,;:-_()[]{}<>/\\'\"#*=+$%&@0123456789abcXYZ",
        *"\u00fc\u00df\u00e9\u4f60\u597d\u65e5\ud55c\u05d0\u00b2\u00bd\u201c\u2019\u2014\u2026\u00a0",
        *"\u2009\u0301\U0001f44d\u200d",
        *(
            "  ",
            "     ",
            " the",
            "ing",
            "\n\n",
            "://",
            ".\n",
            "';",
            "->",
            "...",
            SPACE,
            f"{SPACE}a",
        ),
        *("<s>", "</s>", "<unk>", "Schl\u00fcssel", "counting"),
    ]
)


def plainly(text: str) -> list[int]:
    return list(tokenizer().encode(text, add_special_tokens=False).ids)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=20))
def test_the_tokens_of_a_text_are_those_of_its_pieces(text: str) -> None:
    try:
        expected = plainly(text)
    except (TypeError, UnicodeError):  # halves of characters, which no turn has
        return
    assert token_ids(text).tolist() == expected
    assert count_tokens(text) == len(expected)


def test_halves_of_characters_count_as_question_marks() -> None:
    for text in ("a \ud800b\udc00", "<s>\ud83d \u4f60"):
        clean = text.encode("utf-8", "replace").decode()
        assert token_ids(text).tolist() == plainly(clean)


@pytest.mark.parametrize(
    "name", ["README.md", "docs/development/README.md", "memory/store/statements.sql"]
)
def test_the_tokens_of_a_file_are_those_of_its_pieces(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert token_ids(text).tolist() == plainly(text)


def test_no_two_characters_that_may_become_one_token_are_parted() -> None:
    """What `token_ids` rests on, for all of the vocabulary."""

    def kind(character: str) -> str:
        if character == SPACE:
            return "space"
        if not character.isascii():
            return "other"
        return "digit" if character.isdigit() else "letter" if character.isalpha() else "sign"

    merges = json.loads(tokenizer().to_str())["model"]["merges"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    kinds = {(kind(left[-1]), kind(right[0])) for left, right in pairs}
    assert {right for left, right in kinds if left == "letter"} == {"letter", "other"}
    assert {right for left, right in kinds if left == "sign"} == {"sign", "other"}
    assert not [pair for pair in kinds if "digit" in pair]
    assert {left for left, right in kinds if right == "space"} == {"space"}
    assert not [pair for pair in pairs if "\n" in "".join(pair)]


def test_a_full_cache_starts_again_and_long_texts_are_not_kept() -> None:
    computed: list[str] = []

    def length(text: str) -> int:
        computed.append(text)
        return len(text)

    lengths = TextCache(length, most=2, longest=3)
    assert [lengths[text] for text in ["a", "ab", "a", "long", "long", "abc", "a"]] == [
        *(1, 2, 1, 4, 4, 3, 1)
    ]
    assert computed == ["a", "ab", "long", "long", "abc", "a"]
    assert len(lengths) == 2
