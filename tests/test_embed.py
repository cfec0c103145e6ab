"""Texts to unit vectors: always finite, offline, and close where the meaning is close."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.embed import DIM, embed

STRANGE = st.text(st.characters(exclude_categories=[]), max_size=200)


@given(st.lists(STRANGE, max_size=5))
@settings(deadline=None)  # the first call loads the model
def test_any_text_gives_a_finite_row_of_length_one_or_zero(texts: list[str]) -> None:
    vectors = embed(texts)
    assert vectors.shape == (len(texts), DIM)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))


@pytest.mark.parametrize(
    "text", ["🎉", "a\0b", "x \ud800 y", "مرحبا بك", "你好", "hello " * 170_000, "a" * 1_000_000]
)
def test_unusual_text_has_a_vector(text: str) -> None:
    assert np.isclose(np.linalg.norm(embed([text])), 1, atol=1e-5)


def test_empty_text_is_a_row_of_zeros() -> None:
    assert not embed([""]).any()


def test_a_row_does_not_depend_on_the_texts_beside_it() -> None:
    alone = embed(["Anna has a cat."])[0]
    beside = embed(["word " * 1000, "", "Anna has a cat."])[2]
    assert np.array_equal(alone, beside)


def test_close_meanings_are_closer() -> None:
    cat, kitten, tax = embed(["Anna has a cat.", "She adopted a kitten.", "The tax rate rose."])
    assert cat @ kitten > cat @ tax


def test_the_first_use_by_many_threads_loads_one_model() -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from memory import embed\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    rows = list(pool.map(embed.embed, [['hello world']] * 8))\n"
        "assert all((row == rows[0]).all() for row in rows)\n"
        "print(embed._model.cache_info().misses)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "1"


def test_threads_get_the_same_rows() -> None:
    texts = [f"Anna said number {n}." for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: embed([text])[0], texts))
    assert np.array_equal(np.array(rows), embed(texts))
