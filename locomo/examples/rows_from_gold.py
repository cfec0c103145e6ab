"""Rows that quote the gold facts of a turn: what a little model should have written of it.

Gold values are a person's words. A row is a run of words of one sentence
(`memory.models.row_grammar`) that begins with whom a fact is about and has half of its value's
words. It goes to the end of the clause, as in the examples of the untuned model's prompt.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from locomo.examples.gold import NOTHING, Gold
from locomo.examples.selects import STEM_LETTERS
from locomo.metrics import normalize
from memory import Fact, Store, Turn
from memory.models import (
    NONE,
    Word,
    is_speaker,
    possible_rows,
    row_grammar,
    stated_sentences,
)
from memory.program import Row, quoted_fact, shown_turn, subject_of
from memory.text import STOP_WORDS
from memory.vocabulary.entities import key, relation_words

# A choice: of the words of a gold value that tell something half must stand in a row.
_LEAST_SHARE = 0.5
_CLAUSE_ENDS = ".!?,;:"
# A choice: a fifth of the examples in the plain prompt are "none", and with half of them the model
# wrote it of facts, too (the log).
_NONE_SHARE = 0.3


@dataclass(frozen=True)
class GoldFact:
    """What a row must say: about whom, and words of a value."""

    subject: str
    value: str


@dataclass(frozen=True)
class QuotedRow:
    """A row as it stands in a turn: its sentence, and where its three parts begin and end there."""

    words: Sequence[Word]
    sentence: int
    start: int
    verb: int
    value: int
    end: int
    subject: str

    @property
    def row(self) -> Row:
        """As the model writes it."""
        attribute = " ".join(word.token for word in self.words[self.verb : self.value])
        value = [word.token for word in self.words[self.value : self.end]]
        value[-1] = self.words[self.end - 1].bare
        return Row(self.subject, attribute, " ".join(value))


def row_examples(
    store: Store,
    gold: Gold,
    facts: Mapping[int, Sequence[GoldFact]],
    *,
    rng: Random,
    left_out: Counter[str],
) -> Iterator[tuple[str, str]]:
    """The turns of a conversation as a model is shown them, each with the rows to write, or "none".

    Left out are turns that the model is not asked about, those of whose facts none can be quoted,
    and "none" beyond a share of the examples. Facts without a row are counted in `left_out`.
    """
    quoted: dict[int, str] = {}
    nothing: list[int] = []
    for turn_id, sql in gold.store.items():
        [turn] = store.turns(turn_id, turn_id)
        of_turn = facts.get(turn_id, ())
        if not _is_asked(turn):
            left_out["store"] += len(of_turn)
        elif sql == NOTHING:
            nothing.append(turn_id)
        else:
            rows, missed = quoted_rows(turn, of_turn, store)
            left_out["store"] += missed
            if rows:
                quoted[turn_id] = "\n".join(row.row.text for row in rows)
    number = round(len(quoted) * _NONE_SHARE / (1 - _NONE_SHARE))
    quoted.update(dict.fromkeys(rng.sample(nothing, min(number, len(nothing))), NONE))
    for turn_id, rows_text in quoted.items():
        [turn] = store.turns(turn_id, turn_id)
        yield shown_turn(turn), rows_text


def quoted_rows(turn: Turn, facts: Sequence[GoldFact], store: Store) -> tuple[list[QuotedRow], int]:
    """The rows that quote these facts, in the order of the turn's words, and how many have none.

    Facts of one clause share a row. A row that a digest would leave out is none.
    """
    sentences = stated_sentences(shown_turn(turn).partition(": ")[2])
    places: dict[tuple[int, int], QuotedRow] = {}
    missed = 0
    for fact in facts:
        row = _best_row(turn, sentences, fact)
        if row and isinstance(quoted_fact(row.row, turn, store), Fact):
            places.setdefault((row.sentence, row.start), row)
        else:
            missed += 1
    return _apart([places[place] for place in sorted(places)]), missed


def _is_asked(turn: Turn) -> bool:
    """Whether the model is asked about a turn, and may write rows of it."""
    line = shown_turn(turn)
    return bool(line) and row_grammar(line) != f'root ::= "{NONE}"'


def _best_row(turn: Turn, sentences: Sequence[Sequence[Word]], fact: GoldFact) -> QuotedRow | None:
    """The row whose value is most like the fact's; None where no row has enough of its words."""
    wanted = _stems(fact.value)
    best: tuple[float, QuotedRow] | None = None
    for row in _rows(turn, sentences):
        if not wanted or not _is_about(row, fact.subject, turn):
            continue
        value = _stems(" ".join(word.bare for word in row.words[row.value : row.end]))
        whole = value + _stems(" ".join(word.bare for word in row.words[row.verb : row.value]))
        if (whole & wanted).total() < _LEAST_SHARE * wanted.total():
            continue
        score = 2 * (value & wanted).total() / max(value.total() + wanted.total(), 1)
        if best is None or score > best[0]:
            best = score, row
    return best[1] if best else None


def _rows(turn: Turn, sentences: Sequence[Sequence[Word]]) -> Iterator[QuotedRow]:
    """The rows of a turn whose value ends where a clause does."""
    for number, words in enumerate(sentences):
        for start, verb, value, last in possible_rows(words):
            whose = words[start:verb]
            subject = " ".join(word.token for word in whose)
            subject = turn.speaker if is_speaker(whose) else subject
            for end in range(value + 1, last + 2):
                if end == last + 1 or words[end - 1].token[-1] in _CLAUSE_ENDS:
                    yield QuotedRow(words, number, start, verb, value, end, subject)


def _is_about(row: QuotedRow, subject: str, turn: Turn) -> bool:
    """Whether a row is about a fact's subject, or in a fact of the speaker about "my father"."""
    if key(subject) in (key(row.subject), key(subject_of(row.subject, turn))):
        return True
    is_own = row.words[row.start].head in relation_words().possessives
    return is_own and key(subject) == key(turn.speaker)


def _apart(rows: Sequence[QuotedRow]) -> list[QuotedRow]:
    """Rows of which none goes on in the next one: it ends before the next, else it is left out."""
    apart: list[QuotedRow] = []
    for row in rows:
        before = apart[-1] if apart else None
        if before and before.sentence == row.sentence and before.end > row.start:
            end = row.start
            while end > before.value and before.words[end - 1].head in STOP_WORDS:
                end -= 1  # "the sausages and | I read": without "and"
            if end <= before.value:
                continue
            apart[-1] = replace(before, end=end)
        apart.append(row)
    return apart


def _stems(text: str) -> Counter[str]:
    words = normalize(text).split()
    return Counter(word[:STEM_LETTERS] for word in words if word not in STOP_WORDS)
