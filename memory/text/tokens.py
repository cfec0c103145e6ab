"""Counts tokens, and cuts texts to a number of tokens.

It uses the packaged embedder's Llama tokenizer. Newer models have larger vocabularies and need
fewer tokens for the same text, so a text within a budget here is within it there too.
`token_rate` tells by a model's name how much fewer: this needs neither litellm, which takes seconds
to import, nor a vocabulary that a tokenizer would fetch.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

_Value = TypeVar("_Value")


class TextCache(dict[str, _Value]):
    """The values of `compute`; a value that is missing is made when it is looked up.

    Where `most` are kept, all of them go: what recurs is soon there again. Texts longer than
    `longest` characters are not kept.
    """

    def __init__(self, compute: Callable[[str], _Value], most: int, longest: int) -> None:
        super().__init__()
        self._compute = compute
        self._most = most
        self._longest = longest

    def __missing__(self, text: str) -> _Value:
        value = self._compute(text)
        self.keep(text, value)
        return value

    def keep(self, text: str, value: _Value) -> None:
        """Keep the value of a text that was made elsewhere."""
        if len(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = value


# No token has more characters than this, so a cut never needs to read more of a text.
TRIMMED = " ..."  # behind the beginning of a text
CHARACTERS_PER_TOKEN = 16
_Label = TypeVar("_Label")
# The tokenizer merges characters without splitting a text first, so it takes 2 ms for a turn of
# 2,000 characters. But no token has a letter next to an ASCII sign or a digit, two digits, or a
# space after another character, so a text's tokens are its pieces' tokens, and most pieces are
# words seen before (tests/memory/test_tokens.py).
_SPACE = "\u2581"  # as the vocabulary writes it
_ASCII_PIECES = re.compile("[ ]*+(?:[A-Za-z]++|[^ A-Za-z0-9]++)?+|[0-9]")
_PIECES = re.compile(f"[ {_SPACE}]*+[^ {_SPACE}\\n]*+\\n*+")
# Texts that the tokenizer reads as tokens without a text.
_SPECIAL = re.compile("<(?:unk|s|/s)>")
_MOST_PIECES = 100_000  # kept; together about 20 MB
_LONGEST_PIECE = 40  # characters


@cache
def tokenizer() -> Any:
    """The packaged embedder's tokenizer, without padding or truncation."""
    from tokenizers import Tokenizer

    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "tokenizers"
    loaded = Tokenizer.from_file(str(folder / "l2_supercat_tokenizer_config.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@cache
def _model() -> Any:
    # Kept, because reading this property of the tokenizer takes as long as a word's tokens do.
    return tokenizer().model


def token_ids(text: str) -> "array[int]":
    """The tokens of a text, by their numbers in the vocabulary, each in 8 bytes.

    Lone surrogates count as question marks.
    """
    if "<" in text and _SPECIAL.search(text):
        return array("q", tokenizer().encode(_encodable(text), add_special_tokens=False).ids)
    pieces = (_ASCII_PIECES if text.isascii() else _PIECES).findall(f" {text}") if text else []
    return array("q", b"".join(map(_ids_of_pieces.__getitem__, pieces)))


def _ids_of_piece(piece: str) -> bytes:
    """The tokens of a piece as the bytes of their array, so that a text's are joined fast."""
    tokens = _model().tokenize(_encodable(piece).replace(" ", _SPACE))
    return array("q", [token.id for token in tokens]).tobytes()


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


_ids_of_pieces = TextCache(_ids_of_piece, most=_MOST_PIECES, longest=_LONGEST_PIECE)


def count_tokens(text: str) -> int:
    """How many tokens a text has."""
    return token_counts[text]


def _count_tokens(text: str) -> int:
    return len(token_ids(text))


# By text. A turn's line is counted with each question that shows it, and a block up to three times.
# A loop over hundreds of lines looks them up here, without a call for each.
token_counts = TextCache(_count_tokens, most=2_000, longest=4_000)


def trim(text: str, tokens: int) -> str:
    """The beginning of a text, at most `tokens` tokens long; an ellipsis marks a cut."""
    head = text[: tokens * CHARACTERS_PER_TOKEN]
    if len(head) == len(text) and count_tokens(text) <= tokens:
        return text
    # The longest beginning that fits, by bisection: tokens do not end where words do.
    low, high = 0, len(head)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(head[:middle] + TRIMMED) <= tokens:
            low = middle
        else:
            high = middle - 1
    return head[:low] + TRIMMED if low else ""


def first_lines(lines: Iterable[str], tokens: int) -> str:
    """As many of the first lines as fit in `tokens` tokens."""
    fitting = []
    for line in lines:
        # Counted with the line break before it, where a word may have a token more than at the
        # beginning of a text.
        tokens -= count_tokens(f"\n{line}")
        if tokens < 0:
            break
        fitting.append(line)
    return "\n".join(fitting)


def spread_lines(lines: Sequence[str], tokens: int) -> str:
    """As many lines as fit in `tokens` tokens, in their order, drawn evenly from all of them."""
    most = len(lines)
    while most > 1:
        chosen = [lines[number * (len(lines) - 1) // (most - 1)] for number in range(most)]
        text = "\n".join(chosen)
        size = count_tokens(text)
        if size <= tokens:
            return text
        # Lines are about as long as each other, so few steps lead there.
        most = min(most - 1, most * tokens // size)
    return first_lines(lines, tokens)


def line_tokens(line: str) -> int:
    """The tokens of a line with its end; never less than it adds to a longer text."""
    return token_counts[line + "\n"]


def fitting_lines(lines: Iterable[tuple[str, _Label]], tokens: int) -> list[tuple[str, _Label]]:
    """The first lines that fit in `tokens` tokens, each with its label (a turn, an id)."""
    fitting = []
    for line, label in lines:
        tokens -= token_counts[line + "\n"]
        if tokens < 0:
            break
        fitting.append((line, label))
    return fitting


# A model's tokens for each of ours, the highest of eight kinds of text by `python -m
# tests.benchmarks.token_rates` (the log), so that every kind fits a budget.
_RATES = (
    (re.compile(r"(?:^|/)(?:chatgpt-4o|gpt-(?:4o|4\.\d|[5-9])|o\d)"), 0.86),
    (re.compile(r"(?:^|/)gpt-(?:4|3\.5)"), 0.87),
    (re.compile(r"(?:^|/)deepseek"), 0.88),
)


@lru_cache(maxsize=64)
def token_rate(name: str) -> float:
    """A model's tokens for each of ours, by its name; 1 if its vocabulary is not known."""
    return next((rate for pattern, rate in _RATES if pattern.search(name)), 1.0)


def packaged_tokens(name: str, own_tokens: int) -> int:
    """How many tokens by our count take at most this many of a model's own."""
    return int(own_tokens / token_rate(name))


def own_tokens(name: str, packaged_tokens: int) -> int:
    """About how many of a model's own tokens this many by our count are, rather too many."""
    return ceil(packaged_tokens * token_rate(name))
