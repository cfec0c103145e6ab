"""Rows that quote a turn: each is a run of words of one sentence, cut in three.

A little model chooses where a row begins, is cut and ends, and copies the words, with the speaker's
name for "I" and "we". So a row says what its turn says; the model only decides which sentences are
worth a row.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from memory.text.dates import COUNT
from memory.text.words import STOP_WORDS
from memory.vocabulary.entities import names_somebody, relation_words

NONE = "none"
_END_OF_SENTENCE = re.compile(r"(?<=[.!?\u2026\uff01\uff1f\u3002])[\"'\u201d\u2019)]*\s+|\n+")
_ADDED = re.compile(r"\[[^\]]*\]")
_QUESTION_MARKS = "?\uff1f\u061f"
MARKS = " .,!?;:\u2013\u2014\u2026()[]{}\"'\u2019\u201c\u201d*_~-\u3002\uff01\uff1f"
_LONE_MARKS = re.compile(rf"\s+([{re.escape(MARKS.strip())}]+)\s")  # a dash between two clauses
_APOSTROPHES = re.compile("['\u2019]")
_MOST_WORDS = 90  # of a turn: a longer one is a document, or pasted
_SUBJECT_WORDS = _ATTRIBUTE_WORDS = 4
# Forms of the speaker's pronouns that do not begin a sentence, in the language of the examples.
_OBJECTS = frozenset({"me", "us", "myself"})
_ARTICLES = frozenset({"the", "a", "an"})


@dataclass(frozen=True)
class Word:
    """A word as written in a sentence, and without the marks around it."""

    token: str
    bare: str

    @property
    def is_last(self) -> bool:
        """Whether a comma or another mark follows it."""
        return self.token.rstrip(MARKS) != self.token

    @property
    def head(self) -> str:
        """The part before an apostrophe, in lower case: "i" of "I'm"."""
        return _APOSTROPHES.split(self.bare.casefold())[0]


def spoken_text(text: str) -> str:
    """A text on one line, without anything in square brackets: captions of pictures and such."""
    return " ".join(_ADDED.sub(" ", text).split())


def stated_sentences(text: str) -> list[list[Word]]:
    """The words of each sentence that is not a question."""
    sentences = []
    for sentence in _END_OF_SENTENCE.split(_LONE_MARKS.sub(r"\1 ", text.replace("|", " "))):
        if any(mark in sentence for mark in _QUESTION_MARKS):
            continue
        words = [Word(token, bare) for token in sentence.split() if (bare := token.strip(MARKS))]
        if words:
            sentences.append(words)
    return sentences


def row_grammar(turn: str) -> str:
    """GBNF for the rows of a turn (`Anna: text`), in the order of its words, or for "none"."""
    rules: dict[str, str] = {}
    starts: list[str] = []
    seen = 0
    speaker, _, text = turn.partition(": ")
    for number, words in reversed([*enumerate(stated_sentences(text))]):
        seen += len(words)
        starts = [*_of_sentence(f"x{number}x", words, speaker, starts, rules), *starts]
    if not starts or seen > _MOST_WORDS:
        return f'root ::= "{NONE}"'
    rules["rows"] = _any_of(starts)
    return "\n".join(
        [f'root ::= "{NONE}" | rows', *(f"{name} ::= {rule}" for name, rule in rules.items())]
    )


def possible_rows(words: Sequence[Word]) -> Iterator[tuple[int, int, int, int]]:
    """Where a row of a sentence may begin and be cut, as the grammar has it.

    The numbers of the words with which its subject, attribute and value begin, and of the last one
    that its value may have.
    """
    for at, word in enumerate(words):
        if word.is_last or at + 2 >= len(words) or words[at + 1].is_last:
            continue
        for subject in subjects(words, at):
            start = at + len(subject)
            for cut in range(start + 1, min(start + _ATTRIBUTE_WORDS + 1, len(words))):
                if words[cut - 1].is_last or words[cut - 1].head in _begins_noun():
                    break
                if is_speaker(words[cut : cut + 1]):
                    continue
                last = cut
                while last + 1 < len(words) and not _ends_clause(words, last):
                    last += 1
                yield at, start, cut, last


def _of_sentence(
    name: str,
    words: Sequence[Word],
    speaker: str,
    following: Sequence[str],
    rules: dict[str, str],
) -> list[str]:
    """Add the rules of a sentence; returns the ones that may begin a row of it.

    `following` are the beginnings of rows in the sentences after it. Rules are named after what
    they write: a value (v), an attribute (a) and a subject (s) of at most this many words, from a
    word on.
    """
    starts: list[str] = []
    for at in reversed(range(len(words))):
        word = words[at]
        is_end = at + 1 == len(words)
        text, spaced = _quoted(word.bare), _quoted(f"{word.token} ")
        value = [text]
        if next_row := [*starts, *following]:
            rules[f"r{name}{at}"] = f'"\\n" ({_any_of(next_row)})'
            value.append(f"{text} r{name}{at}")
        if not is_end and not _ends_clause(words, at):
            value.append(f"{spaced} v{name}{at + 1}")
        rules[f"v{name}{at}"] = _any_of(value)
        if is_end:
            continue
        if not word.is_last and word.head not in _begins_noun():
            for more in range(_ATTRIBUTE_WORDS):
                choices = []
                if not is_speaker(words[at + 1 : at + 2]):  # where another clause begins
                    choices.append(f'{text} " | " v{name}{at + 1}')
                if (longer := f"a{more - 1}{name}{at + 1}") in rules:
                    choices.append(f"{spaced} {longer}")
                if choices:
                    rules[f"a{more}{name}{at}"] = _any_of(choices)
        if word.is_last or at + 2 >= len(words) or words[at + 1].is_last:
            continue
        for more, subject in enumerate(subjects(words, at)):
            last = at + len(subject)
            attribute = f"a{_ATTRIBUTE_WORDS - 1}{name}{last}"
            if attribute in rules:
                rule = f"s{more}{name}{at}"
                who = speaker if is_speaker(subject) else " ".join(word.token for word in subject)
                rules[rule] = f'{_quoted(who)} " | " {attribute}'
                starts.insert(0, rule)
    return starts


def is_speaker(subject: Sequence[Word]) -> bool:
    """Whether a subject is "I" or "we", also "Dorte and I"."""
    return subject[-1].head in relation_words().speaker - _OBJECTS


def subjects(words: Sequence[Word], at: int) -> Iterator[Sequence[Word]]:
    """The runs from a word on that may be a subject: "I", a name, "my sister", "the house"."""
    known = relation_words()
    first = words[at]
    if first.head in known.speaker:
        if is_speaker([first]):
            yield words[at : at + 1]
        return
    is_noun = first.head in known.possessives or first.head == "the"
    for end in range(at + 1, min(at + 1 + _SUBJECT_WORDS, len(words))):
        run = words[at:end]
        if any(word.is_last for word in run):
            return
        if is_noun:
            if len(run) > 1:
                yield run
        elif _is_name(run):
            yield run


def _is_name(run: Sequence[Word]) -> bool:
    """Whether words are a person's or a thing's name, two names, or "Mum"."""
    first = run[0].head
    known = relation_words()
    if len(run) == 1 and first in known.names:
        return True
    if not first[:1].isalpha() or first in STOP_WORDS or first in COUNT or first in known.no_names:
        return False
    if len(run) > 2 and run[-2].head == "and":
        other = run[-1].bare
        return _is_name(run[:-2]) and (other == "I" or names_somebody(other))
    return names_somebody(" ".join(word.bare for word in run))


def _begins_noun() -> frozenset[str]:
    """Words that begin a value: no attribute has them."""
    return relation_words().possessives | _ARTICLES


def _ends_clause(words: Sequence[Word], at: int) -> bool:
    """Whether after a comma the speaker begins to tell something else."""
    after = {word.head for word in words[at + 1 : at + 3]}
    return words[at].is_last and bool(after & relation_words().speaker)


def _any_of(rules: Iterable[str]) -> str:
    return " | ".join(rules)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
