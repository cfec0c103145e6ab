"""The best part of a long text: the sentence or sentences that a question asks for.

An assistant answers in 400 words, and a question asks for a dozen of them. This compares words, in
any form, without a model.
"""

import re
from collections.abc import Callable, Sequence

from memory.text.tokens import CHARACTERS_PER_TOKEN, count_tokens
from memory.text.words import forms_of, telling_words, words

CUT = "\u2026"  # an ellipsis in place of omitted sentences
# A full stop does not end a sentence inside a number ("3.50"), after an item's number ("1. Eat") or
# after a title ("Mrs. Baird").
_SENTENCE_END = re.compile(
    "(?<!^\\d\\.)(?<!^\\d\\d\\.)(?<!\\bMr\\.)(?<!\\bMrs\\.)(?<!\\bMs\\.)(?<!\\bDr\\.)(?<!\\bProf\\.)"
    "(?<=[.!?])[\"')\\]]*\\s+|(?<=[\u3002\uff01\uff1f])|\n+",
    re.MULTILINE,
)
# How much a sentence's neighbours before and after it count: an answer often follows the words of
# its question.
_SHARE_BEFORE = 0.5
_SHARE_AFTER = 0.25
# A number, or a capital within a sentence: people ask for amounts, dates and names.
_SHARE_OF_DETAIL = 0.3
_DETAIL = re.compile(r"\d|(?<=[\w,;] )[^\W\d_a-z]\w")
_MOST_READ = 40_000  # characters of a text
_PARTS = 4  # at least, in a passage from a single long sentence
_LEAST_PART = 8  # tokens of such a part: fewer are words without a sentence


def sentences(text: str) -> list[str]:
    """All sentences of a text, in order. A line counts as one, even without a full stop."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    parts = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [part for part in parts if part.strip()]


def passage(question: str, text: str) -> str:
    """The sentence that shares the most telling words with a question; of equals the first."""
    parts = sentences(text) or [text]
    shared = _shared_words(question, parts)
    return parts[shared.index(max(shared))].strip()


def excerpt(question: str, text: str, limit: int, size: Callable[[str], int] = count_tokens) -> str:
    """The sentences of a text that a question asks for, at most about `limit`, in their order.

    Arguments:
        question: if it shares no word with the text, the result is the text's beginning.
        text: is not changed if it fits. Of a huge text, only the beginning is read.
        limit: of the sentences together; the ellipses, one for each run of omitted sentences, are
            extra.
        size: the measure; it counts tokens by default.
    """
    if not is_larger(text, limit, size):
        return text
    parts: list[str] = []
    for sentence in sentences(text[:_MOST_READ]):
        # A long transcript without a full stop is split into parts.
        is_large = is_larger(sentence, limit, size)
        part = max(limit // _PARTS, min(_LEAST_PART, limit))
        parts += _halves(sentence, part, size) if is_large else [sentence]
    shared = [0, *_shared_words(question, parts), 0]
    worth = [
        shared[n]
        + _SHARE_BEFORE * shared[n - 1]
        + _SHARE_AFTER * shared[n + 1]
        + _SHARE_OF_DETAIL * bool(_DETAIL.search(parts[n - 1]))
        for n in range(1, len(parts) + 1)
    ]
    chosen: set[int] = set()
    for number in sorted(range(len(parts)), key=worth.__getitem__, reverse=True):
        part_size = size(parts[number])
        if part_size <= limit:
            chosen.add(number)
            limit -= part_size
    joined = _joined(parts, chosen)
    return joined if joined.endswith(CUT) or len(text) <= _MOST_READ else f"{joined} {CUT}"


def _halves(part: str, limit: int, size: Callable[[str], int]) -> list[str]:
    """A part of a text, halved between words until every piece fits."""
    if len(part) < 2 or not is_larger(part, limit, size):
        return [part]
    space = part.rfind(" ", 1, len(part) // 2) + 1
    middle = space or len(part) // 2
    return [*_halves(part[:middle], limit, size), *_halves(part[middle:], limit, size)]


def is_larger(text: str, limit: int, size: Callable[[str], int]) -> bool:
    """Whether a text has more than `limit`, in this measure."""
    # Skips the count for a text that cannot fit: it takes long for millions of characters.
    return len(text) > limit * CHARACTERS_PER_TOKEN or size(text) > limit


def _joined(parts: Sequence[str], chosen: set[int]) -> str:
    """The chosen parts of a text, with an ellipsis for each omitted run."""
    pieces: list[str] = []
    for number, part in enumerate(parts):
        if number in chosen:
            pieces.append(part)
        elif not pieces or pieces[-1] != f"{CUT} ":
            pieces.append(f"{CUT} ")
    # The white space after a sentence separates it from the ellipsis.
    return "".join(pieces).strip()


def _shared_words(question: str, parts: Sequence[str]) -> list[int]:
    """How many of a question's telling words each of these texts contains, in any form."""
    question_forms = [forms_of([word]) for word in telling_words(question)]
    part_forms = [forms_of(words(part)) for part in parts]
    return [sum([not word.isdisjoint(part) for word in question_forms]) for part in part_forms]
