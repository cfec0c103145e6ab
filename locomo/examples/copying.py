"""What copying stores of a turn, without a model: the baselines of every score of stored rows.

A score that one of these beats teaches copying. Each takes the subjects and verbs that the grammar
of rows finds (`memory.models.row_grammar`), and none decides what is worth a row.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from locomo.examples.rows_from_gold import possible_rows
from memory import Fact, Store, Turn
from memory.models import clause_rows, clauses_of
from memory.program import relatives_in, shown_turn, subject_of, turns_before


def nothing(_turn: Turn, _store: Store) -> list[Fact]:
    """Silence."""
    return []


def whole_turn(turn: Turn, store: Store) -> list[Fact]:
    """For each subject and verb the whole turn."""
    said = [(subject, verb) for _, subject, verb in _clauses(turn, store)]
    return [_fact(turn, subject, verb, turn.text) for subject, verb in dict.fromkeys(said)]


def whole_sentence(turn: Turn, store: Store) -> list[Fact]:
    """For each subject and verb its whole sentence."""
    return [
        _fact(turn, subject, verb, sentence)
        for sentence, subject, verb in dict.fromkeys(_clauses(turn, store))
    ]


def by_grammar(turn: Turn, store: Store) -> list[Fact]:
    """For each clause its longest row, with the shortest attribute, as a small model writes it.

    And the people whom a turn names as its speaker's, which code adds to a model's rows.
    """
    rows = possible_rows(turn, turns_before(store, turn), store)
    longest = []
    for _, of_clause in groupby(rows, key=lambda row: row.place):
        longest.append(max(of_clause, key=lambda row: (row.end, -len(row.row.attribute))).fact)
    return [*longest, *relatives_in(turn)]


def constant(turn: Turn, _store: Store) -> list[Fact]:
    """The same row for each turn: that its speaker is happy."""
    return [_fact(turn, turn.speaker, "is", "happy")]


COPIES: Mapping[str, Callable[[Turn, Store], Sequence[Fact]]] = {
    "nothing": nothing,
    "a constant": constant,
    "copied turn": whole_turn,
    "copied sentence": whole_sentence,
    "by grammar": by_grammar,
}


def copies_of(turn: Turn, store: Store, name: str) -> list[Fact]:
    """What a baseline stores of a turn."""
    return [*COPIES[name](turn, store)]


def _clauses(turn: Turn, store: Store) -> list[tuple[str, str, str]]:
    """The clauses of a turn: sentence, subject and verb."""
    text = shown_turn(turn, turns_before(store, turn)).partition(": ")[2]
    found = []
    for sentence, clauses in clauses_of(text, turn.speaker):
        written = " ".join(word.token for word in sentence)
        for clause in clauses:
            (_, verb, _), _ = next(clause_rows(sentence, clause))
            found.append((written, subject_of(clause.subject, turn) or clause.subject, verb))
    return found


def _fact(turn: Turn, subject: str, attribute: str, value: str) -> Fact:
    return Fact(subject, attribute.replace(" ", "_"), value, turn_id=turn.id)
