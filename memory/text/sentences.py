"""Sentences of a text as words with the marks around them, and which of them are questions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from memory.text.word_classes import closed_classes

MARKS = " .,!?;:\u2013\u2014\u2026()[]{}\"'\u2019\u201c\u201d*_~-\u3002\uff01\uff1f"
_END_OF_SENTENCE = re.compile(r"(?<=[.!?\u2026\uff01\uff1f\u3002])[\"'\u201d\u2019)]*\s+|\n+")
_QUESTION_MARKS = "?\uff1f\u061f"
# A dash between two clauses. Each run of white space is looked at once, from its beginning.
_LONE_MARKS = re.compile(rf"(?<!\s)\s++([{re.escape(MARKS.strip())}]++)(?=\s)")
_APOSTROPHES = re.compile("['\u2019]")


@dataclass(frozen=True)
class Word:
    """A word as written in a sentence, and without the marks around it."""

    token: str
    bare: str

    @property
    def is_last(self) -> bool:
        """Whether a comma or another mark follows it."""
        return self.token.rstrip(MARKS) != self.token

    @cached_property
    def head(self) -> str:
        """The part before an apostrophe, in lower case: "i" of "I'm" and of "im"."""
        return self._parts[0]

    @property
    def ending(self) -> str:
        """The part after an apostrophe: "m" of "I'm", "" for most words."""
        return self._parts[1] if len(self._parts) > 1 else ""

    @property
    def is_name(self) -> bool:
        """Whether it is written as names are."""
        return self.bare[:1].isupper()

    @cached_property
    def _parts(self) -> list[str]:
        folded = self.bare.casefold()
        return _APOSTROPHES.split(closed_classes().contractions.get(folded, folded))


def sentences(text: str) -> Iterator[tuple[list[Word], bool]]:
    """The words of each sentence, and whether it is a question."""
    for sentence in _END_OF_SENTENCE.split(_LONE_MARKS.sub(r"\1", text.replace("|", " "))):
        words = [Word(token, bare) for token in sentence.split() if (bare := token.strip(MARKS))]
        if not words:
            continue
        if not any(mark in sentence for mark in _QUESTION_MARKS):
            yield words, False
        elif start := _question_after_statement(words):
            yield words[:start], False
            yield words[start:], True
        else:
            yield words, True


def _question_after_statement(words: Sequence[Word]) -> int:
    """Where in a sentence a question begins after a statement: "I sold it, did I tell you?".

    0 where the whole sentence is one.
    """
    if _opens_question(words[0]):
        return 0
    starts = [at for at in range(1, len(words)) if words[at - 1].is_last]
    return next((at for at in starts if _opens_question(words[at])), 0)


def _opens_question(word: Word) -> bool:
    classes = closed_classes()
    return word.head in classes.auxiliaries | classes.questions


def stated_sentences(text: str) -> list[list[Word]]:
    """The words of each sentence that is not a question."""
    return [words for words, is_question in sentences(text) if not is_question]


def written(words: Sequence[Word]) -> str:
    """Words as written, without what follows an apostrophe in the last one: "'s" of "Ella's"."""
    *before, last = [word.token for word in words]
    return " ".join([*before, _APOSTROPHES.split(last)[0]]).strip(MARKS)
