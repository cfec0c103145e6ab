"""Scores what was stored of a turn against its gold rows, one to one, by the words they share.

A stored fact covers one statement at most, and a statement is covered by one fact. A pair counts
by the precision and the recall of its words, as in CaRB (Bhardwaj et al., "CaRB: A Crowdsourced
Benchmark for Open IE", EMNLP 2019), so a longer value costs precision, and a copied turn loses.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from locomo.dataset.rows import GoldRow, GoldTurn
from locomo.metrics import in_one_spelling, stems
from memory import Fact, Turn
from memory.program import subject_of
from memory.text import closed_classes, verb_forms
from memory.vocabulary import default_vocabulary
from memory.vocabulary.entities import key

_ATTRIBUTE_WORDS = 4  # at most, in the grammar of rows


@dataclass(frozen=True)
class RowMatch:
    """A statement and the fact that covers it.

    `precision` is the share of the fact's words that the statement has, `recall` the share of the
    statement's words that the fact has; a day counts as a word.
    """

    row: str
    fact: str
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return harmonic_mean(self.precision, self.recall)


@dataclass(frozen=True)
class RowScore:
    """What was stored of a turn, and what it says.

    `matches` pairs statements with facts, `missed` are statements without a fact. `false` facts are
    not said, or about someone else; `surplus` ones say again what another fact says. `stored` is
    the number of all facts, with true ones that are not worth a row: they earn and cost nothing.
    """

    matches: tuple[RowMatch, ...]
    missed: tuple[str, ...]
    false: tuple[str, ...]
    surplus: tuple[str, ...]
    stored: int

    @property
    def covered(self) -> tuple[str, ...]:
        """The statements that a fact covers."""
        return tuple(match.row for match in self.matches)

    @property
    def statements(self) -> int:
        """How many statements the turn has."""
        return len(self.matches) + len(self.missed)

    @property
    def counted(self) -> int:
        """How many facts count: those not worth a row do not."""
        return len(self.matches) + len(self.false) + len(self.surplus)

    @property
    def precision(self) -> float:
        """The mean precision of the facts that count, 0 to 1; 1 without any."""
        return sum(match.precision for match in self.matches) / self.counted if self.counted else 1

    @property
    def recall(self) -> float:
        """The mean recall of the statements, 0 to 1; 1 without any."""
        if not self.statements:
            return 1.0
        return sum(match.recall for match in self.matches) / self.statements

    @property
    def score(self) -> float:
        """F1 of the turn; of small talk 1 if nothing is stored that counts, else 0."""
        if not self.statements:
            return float(not self.counted)
        return harmonic_mean(self.precision, self.recall) if self.counted else 0.0

    @property
    def feedback(self) -> str:
        """The score in words, for an optimizer that reads them."""
        lines = [f"score {self.score:.2f}"]
        lines += [
            f"inexact: {match.fact} (the message says: {match.row})"
            for match in self.matches
            if match.f1 < 1
        ]
        lines += [f"missed: {row}" for row in self.missed]
        lines += [f"false, or about someone else: {row}" for row in self.false]
        lines += [f"stored twice: {row}" for row in self.surplus]
        if not self.statements:
            lines.append(
                "The message says nothing worth storing: none was right."
                if not self.stored
                else "The message says nothing worth storing: the right answer was none."
            )
        elif len(lines) == 1:
            lines.append("Each statement of the message is stored, and nothing else.")
        return "\n".join(lines)


def harmonic_mean(precision: float, recall: float) -> float:
    """F1 of two shares, 0 to 1."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score_rows(gold: GoldTurn, turn: Turn, facts: Sequence[Fact]) -> RowScore:
    """Compare the facts that were stored of a turn with what it says."""
    pairs = [[_match(fact, row, turn) for row in gold.facts] for fact in facts]
    chosen = _assignment(pairs)
    false, surplus = [], []
    for number, fact in enumerate(facts):
        if number in chosen:
            continue
        if any(pairs[number]):
            surplus.append(_shown(fact))
        elif not (any(_says(fact, word) for word in gold.other) and not _tells(fact, gold)):
            false.append(_shown(fact))
    covered = {*chosen.values()}
    return RowScore(
        matches=tuple(match for fact, row in sorted(chosen.items()) if (match := pairs[fact][row])),
        missed=tuple(row.row for number, row in enumerate(gold.facts) if number not in covered),
        false=tuple(false),
        surplus=tuple(surplus),
        stored=len(facts),
    )


def _assignment(pairs: Sequence[Sequence[RowMatch | None]]) -> dict[int, int]:
    """For each fact the statement that it covers, so that the sum of their F1 is the highest."""
    if not pairs or not pairs[0]:
        return {}
    weights = np.array([[match.f1 if match else 0.0 for match in row] for row in pairs])
    if 1 in weights.shape:  # nearly every turn, and SciPy takes a second to start
        fact, row = np.unravel_index(weights.argmax(), weights.shape)
        best = [(int(fact), int(row))]
    else:
        from scipy.optimize import linear_sum_assignment

        best = [(int(f), int(r)) for f, r in zip(*linear_sum_assignment(-weights), strict=True)]
    return {fact: row for fact, row in best if pairs[fact][row]}


def _match(fact: Fact, row: GoldRow, turn: Turn) -> RowMatch | None:
    """How much of a statement a fact says, if it is about its subject and has a telling word."""
    if not _has_subject(fact, row, turn):
        return None
    is_renamed = _is_renamed(fact, row)
    if not is_renamed and not any(_says(fact, word) for word in row.words):
        return None
    _, attribute, value = row.parts
    if is_renamed or _means_attribute(fact, row):
        attribute = fact.attribute
    shared_attribute = _shared(fact.attribute, attribute)
    if not shared_attribute:
        return None
    shared = shared_attribute + _shared(fact.value, value)
    stored = len(_words(fact.attribute)) + len(_words(fact.value))
    wanted = len(_words(attribute)) + len(_words(value))
    has_day = bool(row.day)
    is_dated = has_day and is_same_day(fact.happened_on, row.day)
    is_misdated = has_day and bool(fact.happened_on) and not is_dated
    return RowMatch(
        row.row,
        _shown(fact),
        precision=(shared + is_dated) / (stored + is_dated + is_misdated),
        recall=(shared + is_dated) / (wanted + has_day),
    )


def shares_word(a: str, b: str) -> bool:
    """Whether two texts have a stemmed word in common."""
    return bool(_shared(a, b))


def _shared(a: str, b: str) -> int:
    return (Counter(_words(a)) & Counter(_words(b))).total()


def is_same_day(stored: str, said: str) -> bool:
    """Whether two ISO dates name the same time, one of them perhaps less exactly."""
    return bool(stored) and bool(said) and (stored.startswith(said) or said.startswith(stored))


def _has_subject(fact: Fact, row: GoldRow, turn: Turn) -> bool:
    subjects = {key(name) for name in row.subjects}
    subjects |= {key(subject_of(name, turn)) for name in row.subjects}
    if any(name.endswith(" and I") for name in row.subjects):
        subjects.add(key(turn.speaker))
    return key(fact.subject) in subjects


def _is_renamed(fact: Fact, row: GoldRow) -> bool:
    """Whether a fact has the attribute of the vocabulary that the statement's words mean."""
    _, attribute, _ = row.parts
    if not any(has_word(attribute, word) for word in row.words):
        return False
    known = default_vocabulary().canonical(attribute.replace(" ", "_"))
    return known is not None and known.name == fact.attribute


def _means_attribute(fact: Fact, row: GoldRow) -> bool:
    """Whether a fact has the attribute that gold names, or the turn's words for it.

    Not the words of the value, and no more than the grammar of rows has: that is a copied sentence.
    """
    if not row.said or len(fact.attribute.split("_")) > _ATTRIBUTE_WORDS:
        return False
    if is_same_attribute(fact.attribute, row.parts[1]):
        return True
    outside = Counter(_words(row.said)) - Counter(_words(row.parts[2]))
    return not Counter(_words(fact.attribute)) - outside


@lru_cache(maxsize=65_536)
def is_same_attribute(a: str, b: str) -> bool:
    """Whether two attributes share a word or a verb in any form, or one of the vocabulary."""
    if shares_word(a, b) or not _verbs(a).isdisjoint(_verbs(b)):
        return True
    vocabulary = default_vocabulary()
    known = [vocabulary.canonical(attribute.replace(" ", "_")) for attribute in (a, b)]
    return None not in known and known[0] == known[1]


def _verbs(attribute: str) -> set[str]:
    """The verbs of an attribute, in the infinitive: buy for "has_bought"."""
    spoken = {*attribute.casefold().replace("_", " ").split()} - closed_classes().auxiliaries
    return {lemma for word in spoken for lemma in verb_forms(word)}


def _tells(fact: Fact, gold: GoldTurn) -> bool:
    """Whether a fact has a telling word of a statement, whoever it is about."""
    return any(_says(fact, word) for row in gold.facts for word in row.words)


def _says(fact: Fact, word: str) -> bool:
    return has_word(f"{fact.subject} {fact.attribute.replace('_', ' ')} {fact.value}", word)


def has_word(text: str, word: str) -> bool:
    """Whether a text has a word, or words, in any spelling of their dates and numbers."""
    return _contains(_words(text), _words(word))


def _contains(text: Sequence[str], wanted: Sequence[str]) -> bool:
    starts = range(len(text) - len(wanted) + 1)
    return bool(wanted) and any(text[n : n + len(wanted)] == wanted for n in starts)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(stems(in_one_spelling(text.replace("_", " "))))


def _shown(fact: Fact) -> str:
    return f"{fact.subject} | {fact.attribute} | {fact.value}"


def total_f1(scores: Iterable[RowScore]) -> tuple[float, float, float]:
    """Precision, recall and F1 of all facts and statements of many turns, as CaRB sums them."""
    scores = [*scores]
    stored = sum(score.counted for score in scores)
    said = sum(score.statements for score in scores)
    matches = [match for score in scores for match in score.matches]
    precision = sum(match.precision for match in matches) / stored if stored else 0.0
    recall = sum(match.recall for match in matches) / said if said else 0.0
    return precision, recall, harmonic_mean(precision, recall)
