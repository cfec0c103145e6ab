"""The tokens of a statement: words, strings, numbers and symbols, without comments."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from memory.sql.refusals import refuse, short

_DOUBLE_QUOTE_ADVICE = "double a quote inside text, as in 'it''s'"
FENCE_ADVICE = "put all statements in one ```sql fence, and nothing else"
_QUOTES_ADVICE = "text goes in single quotes, names need none"
_ADVICE_BY_STRAY = {  # what has no place outside quotes -> advice
    "'": f"this quote is never closed; {_DOUBLE_QUOTE_ADVICE}",
    '"': f"this quote is never closed; {_QUOTES_ADVICE}",
    "/*": "this comment is never closed; leave comments out",
    "\\": _DOUBLE_QUOTE_ADVICE,
    ":": "write CAST(x AS INTEGER) for a cast, and the value itself for a parameter",
    **dict.fromkeys("?$@", "write the value itself, text in single quotes"),
    "[": f"{_QUOTES_ADVICE}; a list is IN ('a', 'b')",
    **dict.fromkeys("`]\u2018\u2019\u201c\u201d", _QUOTES_ADVICE),
    **dict.fromkeys(("```", "~~~"), FENCE_ADVICE),
}
_SYMBOLS = frozenset(("::", *"().,;*+-/<>=!|%"))
_STRING_PREFIXES = frozenset("xbenru")
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
    |(?P<space>[\s\ufeff\u200b\u2060]+)
    |(?P<string>'(?:[^']|'')*+')
    |(?P<name>"(?:[^"]|"")*+")
    |(?P<fence>```|~~~)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!\w))
    |(?P<word>\w+)
    |(?P<other>/\*|::|.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of the text, and the blank or comment before it as "", " " or "\\n"."""

    kind: str
    text: str
    space: str


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def scan(text: str, start: int = 0, fenced: bool = False) -> tuple[list[Token], int]:
    """The tokens from `start` to the end (or the closing fence) without comments, and the end.

    Raises SqlError for a quote that is not closed and for characters that SQL does not use.
    """
    tokens: list[Token] = []
    space = ""
    at = start
    while at < len(text) and (match := _TOKEN.match(text, at)):
        kind = str(match.lastgroup)
        piece = match.group()
        near, at = text[at : at + 60], match.end()
        if kind in ("space", "comment"):
            space = "\n" if "\n" in space + piece else " "
            continue
        if kind == "fence" and fenced:
            return tokens, at
        if kind == "fence" or (kind == "other" and piece not in _SYMBOLS):
            general_advice = f"write only SQL; {piece} means nothing outside quotes"
            refuse(short(near), _ADVICE_BY_STRAY.get(piece, general_advice))
        if kind == "word" and (not piece.isascii() or piece[0].isdigit()):
            refuse(short(near), "names are plain ASCII letters, and numbers are decimal")
        # A letter right after a string: the quote in 'it's' was meant as a part of the text.
        if kind == "string" and (text[at : at + 1].isalnum() or text[at : at + 1] in ("_", "\\")):
            refuse(short(near), _DOUBLE_QUOTE_ADVICE)
        before = tokens[-1].text.lower() if tokens and not space else ""
        if kind == "string" and before in _STRING_PREFIXES:
            refuse(before + short(near), "write plain text in single quotes, no prefix")
        tokens.append(Token(kind, piece, space))
        space = ""
    return tokens, at


def whole_rows(text: str) -> str:
    """A text to the end of its last whole row or statement, if it ends within a quote or a row."""
    depth = end = at = 0
    in_values = False
    while match := _TOKEN.match(text, at):
        piece, at = match.group(), match.end()
        in_values = piece != ";" and (in_values or piece.lower() == "values")
        if match.lastgroup == "other":
            if piece == "'":
                return text[:end]
            depth += (piece == "(") - (piece == ")")
            if piece == ";" or (piece == ")" and in_values and depth == 0):
                end = at
    return text[:end] if depth > 0 else text


def join(tokens: Sequence[Token]) -> str:
    """The tokens as text again, on one line."""
    return "".join((" " if token.space else "") + token.text for token in tokens).strip()


def with_names(statement: str) -> set[str]:
    """The names that a rendered statement gives with WITH: only they come before AS (."""
    texts = [token.text for token in scan(statement)[0]]
    names = set()
    for index, pair in enumerate(pairwise(texts)):
        if pair == ("AS", "("):
            # After the name may come its columns' names: search_1(turn_id, score) AS (...).
            name = index - 1 if texts[index - 1] != ")" else _opening(texts, index - 1) - 1
            names.add(texts[name].strip('"').replace('""', '"'))
    return names


def _opening(texts: Sequence[str], index: int) -> int:
    """The index of the parenthesis that opens what the one at an index closes."""
    return len(texts) - 1 - texts[::-1].index("(", len(texts) - 1 - index)
