"""The best part of a long text: its sentence, or its sentences, that a question asks for.

An assistant answers in 400 words, and a question asks for a dozen of them. Words are compared, in
any form; no model is asked.
"""

import re
from collections.abc import Callable, Sequence

from memory.search.word_forms import forms_of, telling_words
from memory.search.words import words
from memory.tokens import CHARACTERS_PER_TOKEN, count_tokens

CUT = "\u2026"  # an ellipsis, wherever sentences are left out
# A full stop ends no sentence inside a number ("3.50"), nor behind that of an item ("1. Eat").
_SENTENCE_END = re.compile(
    "(?<!^\\d\\.)(?<!^\\d\\d\\.)(?<=[.!?])[\"')\\]]*\\s+|(?<=[\u3002\uff01\uff1f])|\n+",
    re.MULTILINE,
)
# What a sentence takes from the one before it and the one after it: an answer often follows the
# words of its question.
_SHARE_BEFORE = 0.5
_SHARE_AFTER = 0.25
_MOST_READ = 40_000  # characters of a text
_PARTS = 4  # of a passage, at least, where it is a part of a sentence


def sentences(text: str) -> list[str]:
    """The sentences of a text, and its lines, which may lack a full stop; all of it, in order."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    parts = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [part for part in parts if part.strip()]


def passage(question: str, text: str) -> str:
    """The sentence that shares most telling words with a question; of equals the first."""
    parts = sentences(text) or [text]
    shared = _shared_words(question, parts)
    return parts[shared.index(max(shared))].strip()


def excerpt(question: str, text: str, limit: int, size: Callable[[str], int] = count_tokens) -> str:
    """The sentences of a text that a question asks for, at most about `limit`, in their order.

    Arguments:
        question: without a word of the text in it, the text's beginning is taken.
        text: stays as it is when it is no larger. Of a huge one the beginning is read.
        limit: the most that the sentences have together; the ellipses for what is left out, one
            for each run of sentences, come on top.
        size: what is counted, tokens by default.
    """
    if not _is_larger(text, limit, size):
        return text
    parts: list[str] = []
    for sentence in sentences(text[:_MOST_READ]):
        # A transcript without a full stop is taken in parts.
        is_large = _is_larger(sentence, limit, size)
        parts += _halves(sentence, limit // _PARTS, size) if is_large else [sentence]
    shared = [0, *_shared_words(question, parts), 0]
    worth = [
        shared[n] + _SHARE_BEFORE * shared[n - 1] + _SHARE_AFTER * shared[n + 1]
        for n in range(1, len(parts) + 1)
    ]
    chosen: set[int] = set()
    for number in sorted(range(len(parts)), key=lambda n: -worth[n]):
        part_size = size(parts[number])
        if part_size <= limit:
            chosen.add(number)
            limit -= part_size
    joined = _joined(parts, chosen)
    return joined if joined.endswith(CUT) or len(text) <= _MOST_READ else f"{joined} {CUT}"


def _halves(part: str, limit: int, size: Callable[[str], int]) -> list[str]:
    """A part of a text, halved between words as often as it takes to fit."""
    if len(part) < 2 or not _is_larger(part, limit, size):
        return [part]
    space = part.rfind(" ", 1, len(part) // 2) + 1
    middle = space or len(part) // 2
    return [*_halves(part[:middle], limit, size), *_halves(part[middle:], limit, size)]


def _is_larger(text: str, limit: int, size: Callable[[str], int]) -> bool:
    # A text that cannot fit is not counted: that takes long for millions of characters.
    return len(text) > limit * CHARACTERS_PER_TOKEN or size(text) > limit


def _joined(parts: Sequence[str], chosen: set[int]) -> str:
    """The chosen parts of a text, with an ellipsis for each run that is left out."""
    pieces: list[str] = []
    for number, part in enumerate(parts):
        if number in chosen:
            pieces.append(part)
        elif not pieces or pieces[-1] != f"{CUT} ":
            pieces.append(f"{CUT} ")
    # White space behind a sentence stands before the ellipsis that follows it.
    return "".join(pieces).strip()


def _shared_words(question: str, parts: Sequence[str]) -> list[int]:
    """How many of a question's telling words each of these texts holds, in any form."""
    question_forms = [forms_of([word]) for word in telling_words(question)]
    part_forms = [forms_of(words(part)) for part in parts]
    return [sum(not word.isdisjoint(part) for word in question_forms) for part in part_forms]
