"""Texts to unit vectors and columns: finite, offline, close where the meaning is close."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.records import Turn
from memory.search.embed import DIM, embed
from memory.search.question import TELLS_TIME
from memory.search.turn_columns import MAX_LENGTH, SessionEnd, describe_turns
from memory.text.words import words

STRANGE = st.text(st.characters(exclude_categories=[]), max_size=200)


@given(st.lists(STRANGE, max_size=5))
def test_any_text_gives_a_finite_row_of_length_one_or_zero(texts: list[str]) -> None:
    vectors = embed(texts)
    assert vectors.shape == (len(texts), DIM)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))


def test_a_row_does_not_depend_on_the_texts_beside_it() -> None:
    alone = embed(["Anna has a cat."])[0]
    beside = embed(["word " * 1000, "", "Anna has a cat."])[2]
    assert np.array_equal(alone, beside)


def test_long_texts_are_summed_up_otherwise_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ["Anna has a cat, a cat, a cat.", "word " * 300, "!"]
    at_once = embed(texts)
    monkeypatch.setattr("memory.search.embed._SHORT_TEXT", 0)
    assert np.allclose(embed(texts), at_once, atol=1e-6)


WORDS = st.sampled_from(
    ["yesterday", "2017", "March", "march", "may", "Monday?", "\u0663\u0663", "ok", "last_may"]
)
SAYING = st.builds(
    Turn,
    speaker=st.sampled_from(["Anna", "Ben"]),
    text=STRANGE
    | st.text(st.characters(max_codepoint=127))
    | st.lists(WORDS, max_size=150).map(" ".join),
    session=st.sampled_from(["a", "b", "c"]),
    said_at=st.sampled_from(["", "2017-05", "2017-05-08T13:56"]),
)


@given(st.lists(SAYING, min_size=1, max_size=8))
def test_turns_are_described_at_once_as_one_by_one(said: list[Turn]) -> None:
    turns = [replace(turn, id=n) for n, turn in enumerate(said, 1)]
    vectors, speakers = embed([turn.text for turn in turns]), {"Anna": 1, "Ben": 2}
    rows, eight_bit = describe_turns(turns, vectors, {}, speakers)
    tails: dict[str, SessionEnd] = {}
    for n, turn in enumerate(turns):
        row, vector = describe_turns([turn], vectors[n : n + 1], tails, speakers)
        assert row[0] == rows[n]
        assert np.array_equal(vector[0], eight_bit[n])
        assert bool(rows[n]["tells_time"]) == (TELLS_TIME.search(turn.text) is not None)
        all_words = re.findall(r"\w+", turn.text) if turn.text.isascii() else words(turn.text)
        assert rows[n]["length"] == min(len(all_words), MAX_LENGTH)


@pytest.mark.slow
def test_the_first_use_by_many_threads_loads_one_model() -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from memory.search import embed\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    rows = list(pool.map(embed.embed, [['hello world']] * 8))\n"
        "assert all((row == rows[0]).all() for row in rows)\n"
        "print(embed._loaded_token_vectors.cache_info().misses)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "1"
