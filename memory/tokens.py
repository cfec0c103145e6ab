"""Tokens: counted, and texts cut to a number of them.

Tokens are those of the packaged embedder's Llama tokenizer. Newer models have larger vocabularies
and need fewer tokens for the same text, so a budget kept here is kept there too.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

# No token stands for more characters than this, so a longer text need not be read to be cut.
_CHARACTERS_PER_TOKEN = 16


_Of = TypeVar("_Of")


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


def count_tokens(text: str) -> int:
    """How many tokens a text has."""
    return len(tokenizer().encode(text, add_special_tokens=False).ids)


def trim(text: str, tokens: int) -> str:
    """The beginning of a text, at most `tokens` tokens long; a cut is marked with an ellipsis."""
    head = text[: tokens * _CHARACTERS_PER_TOKEN]
    if len(head) == len(text) and count_tokens(text) <= tokens:
        return text
    low, high = 0, len(head)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if count_tokens(head[:middle] + " ...") <= tokens else (low, middle - 1)
        )
    return head[:low] + " ..." if low else ""


def first_lines(lines: Iterable[str], tokens: int) -> str:
    """As many of the first lines as fit a number of tokens."""
    return "\n".join(line for line, _ in _fitting(((line, None) for line in lines), tokens))


def _size(line: str) -> int:
    """The tokens of a line with its end; never less than it adds to a longer text."""
    return count_tokens(line + "\n")


def _fitting(lines: Iterable[tuple[str, _Of]], tokens: int) -> Iterator[tuple[str, _Of]]:
    """The first lines that fit, with what belongs to each."""
    for line, of in lines:
        tokens -= _size(line)
        if tokens < 0:
            return
        yield line, of
