"""The sentences of a turn, each with its neighbours."""

import re
from dataclasses import dataclass

_SENTENCE_END = re.compile(r"(?<=[.!?\u2026\uff01\uff1f\u3002])[\"'\u201d\u2019)]*\s+|\n++")
_LONGEST_SENTENCE = 400  # characters that are read


@dataclass(frozen=True)
class Sentence:
    """A sentence of a turn, from `start` to before `end`, and its neighbours."""

    text: str
    start: int
    end: int
    before: str = ""
    after: str = ""


def sentences_of(text: str) -> list[Sentence]:
    """The sentences of a text, each with the one before and behind it."""
    spans = []
    start = 0
    for end in (*_SENTENCE_END.finditer(text), None):
        stop = end.start() if end else len(text)
        if text[start:stop].strip():
            spans.append((start, stop))
        start = end.end() if end else stop
    texts = [" ".join(text[start:stop].split()) for start, stop in spans]
    return [
        Sentence(
            texts[at][:_LONGEST_SENTENCE],
            *spans[at],
            texts[at - 1] if at else "",
            texts[at + 1] if at + 1 < len(spans) else "",
        )
        for at in range(len(spans))
    ]
