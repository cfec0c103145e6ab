"""Values that a function makes of short texts, kept: the words of a language recur.

A dictionary rather than `lru_cache`: looking millions of words up by `map(cache.__getitem__, ...)`
runs no Python code.
"""

from collections.abc import Callable
from typing import TypeVar

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
