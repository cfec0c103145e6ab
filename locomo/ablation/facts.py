"""Stored facts compared with gold facts: precision, recall, dates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from locomo.examples.gold import NOTHING, Gold, load_gold
from locomo.harness import BuiltMemory, temporary_memory
from locomo.metrics import f1
from locomo.results.figures import Figure, mean_figure
from locomo.tasks.rewards import RIGHT
from memory import Fact, InputError, SqlError, open_store

FACTS_TABLE = "facts stored, compared with gold facts where these are given"
FactsByTurn = Mapping[int, Sequence[Fact]]  # by the id of their turn


@dataclass(frozen=True)
class TurnFacts:
    """The `stored` and the `gold` facts of one turn, which `key` names.

    `nothing`: the turn holds no fact, by its gold SQL.
    """

    key: str
    stored: tuple[Fact, ...]
    gold: tuple[Fact, ...]
    nothing: bool


class _TurnValue(NamedTuple):
    """A value to average. Values of one turn depend on one another, so turns are resampled."""

    turn: str
    value: float


def matching_facts(stored: Sequence[Fact], gold: Sequence[Fact]) -> list[tuple[Fact, Fact]]:
    """Pairs of a stored and a gold fact of one turn that say the same; a fact is in one pair.

    Two facts match when their subjects are equal but for case and their values have an F1 of at
    least RIGHT; attributes are ignored. The most similar facts are paired first.
    """
    candidates = [
        (f1(stored_fact.value, gold_fact.value), stored_number, gold_number)
        for stored_number, stored_fact in enumerate(stored)
        for gold_number, gold_fact in enumerate(gold)
        if stored_fact.subject.casefold() == gold_fact.subject.casefold()
    ]
    candidates.sort(key=lambda candidate: -candidate[0])
    partners: dict[int, int] = {}  # of stored facts, among the gold ones
    for similarity, stored_number, gold_number in candidates:
        is_free = stored_number not in partners and gold_number not in partners.values()
        if similarity >= RIGHT and is_free:
            partners[stored_number] = gold_number
    return [
        (stored[stored_number], gold[gold_number])
        for stored_number, gold_number in partners.items()
    ]


def fact_figures(name: str, turns: Sequence[TurnFacts]) -> list[Figure]:
    """Precision, recall and F1 of stored facts, correct empty turns, and dates; turns resampled.

    F1 is 2 x matches / (stored + gold): the share of all facts that are in a pair.
    """
    stored: list[_TurnValue] = []
    gold: list[_TurnValue] = []
    same_attribute: list[_TurnValue] = []
    equal_dates: list[_TurnValue] = []
    empty_dates: list[_TurnValue] = []
    for turn in turns:
        pairs = matching_facts(turn.stored, turn.gold)
        # A pair has one fact of each side.
        for facts, values in ((turn.stored, stored), (turn.gold, gold)):
            values += [
                _TurnValue(turn.key, float(number < len(pairs))) for number in range(len(facts))
            ]
        for stored_fact, gold_fact in pairs:
            equal = stored_fact.attribute == gold_fact.attribute
            same_attribute.append(_TurnValue(turn.key, float(equal)))
            if gold_fact.happened_on:
                date = stored_fact.happened_on or ""
                equal_dates.append(_TurnValue(turn.key, float(date == gold_fact.happened_on)))
                empty_dates.append(_TurnValue(turn.key, float(not date)))

    rows = {
        "precision": stored,
        "recall": gold,
        "F1": stored + gold,
        "facts a turn": [_TurnValue(turn.key, float(len(turn.stored))) for turn in turns],
        "-- none right": [
            _TurnValue(turn.key, float(not turn.stored)) for turn in turns if turn.nothing
        ],
        "matches with the same attribute": same_attribute,
        "gold dates that are equal": equal_dates,
        "gold dates that are left empty": empty_dates,
    }
    figures = []
    for row, turn_values in rows.items():
        figures += mean_figure(
            FACTS_TABLE,
            row,
            name,
            values=[turn_value.value for turn_value in turn_values],
            groups=[turn_value.turn for turn_value in turn_values],
        )
    return figures


def storing_seconds(name: str, memories: Sequence[BuiltMemory]) -> list[Figure]:
    """Mean seconds per turn; conversations are resampled for the interval."""
    # One value for each turn: a conversation weighs by its number of turns.
    values: list[float] = []
    groups: list[str] = []
    for memory in memories:
        values += [memory.seconds / memory.turns] * memory.turns
        groups += [memory.conversation] * memory.turns
    return mean_figure(FACTS_TABLE, "seconds a turn", name, values=values, groups=groups)


def gold_facts(gold: Gold) -> FactsByTurn:
    """The facts that gold SQL writes, by turn. Raises InputError when the database refuses it."""
    with temporary_memory(gold.conversation.turns) as store:
        for turn_id, sql in sorted(gold.store.items()):
            # In the order of the turns: an UPDATE changes facts of turns before it.
            try:
                store.write(sql, cause="gold", window=(turn_id, turn_id))
            except SqlError as error:
                source = gold.conversation.turns[turn_id - 1].source
                raise InputError(
                    f"{gold.conversation.id}, field store.{source}: the gold SQL is refused,"
                    f" correct it: {error}"
                ) from error
        return _by_turn(store.facts())


def selected_gold(data: Path, conversation_ids: Collection[str]) -> list[tuple[Gold, FactsByTurn]]:
    """The gold of the conversations with these ids, with the facts that its SQL writes.

    Raises InputError.
    """
    golds = [gold for gold in load_gold(data) if gold.conversation.id in conversation_ids]
    return [(gold, gold_facts(gold)) for gold in golds]


def _by_turn(facts: Sequence[Fact]) -> FactsByTurn:
    by_turn: dict[int, list[Fact]] = {}
    for fact in facts:
        by_turn.setdefault(fact.turn_id, []).append(fact)
    return by_turn


def turn_facts(gold: Gold, facts: FactsByTurn, path: Path) -> list[TurnFacts]:
    """Each turn with gold SQL: its gold `facts`, and its facts in the memory at `path`."""
    with open_store(path, read_only=True) as store:
        stored = _by_turn(store.facts())
    return [
        TurnFacts(
            key=f"{gold.conversation.id}/{turn_id}",
            stored=tuple(stored.get(turn_id, ())),
            gold=tuple(facts.get(turn_id, ())),
            nothing=sql == NOTHING,
        )
        for turn_id, sql in sorted(gold.store.items())
    ]
