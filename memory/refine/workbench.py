"""Operations on a memory, each a change in its journal, or on a draft of its facts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from memory.errors import InputError
from memory.facts.audit import Finding, fact_conflicts
from memory.records import Fact, Hit, Turn
from memory.refine.revisions import FormsByTurn, Revision
from memory.sql import quoted
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.forgetting.derived_facts import REFINEMENT, Origins, origins, turns_of
from memory.store.protocol import Facts, Turns
from memory.text.turn_lines import turn_forms
from memory.vocabulary import Vocabulary

_COLUMNS = ("subject", "attribute", "value", "happened_on", "ended_on")
_CAUSE_CHARACTERS = 300


@dataclass(frozen=True)
class Operation:
    """One operation on a draft: the tool, the reason and the revision, with the draft's ids."""

    tool: str
    reason: str
    revision: Revision

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts of the operation, before and after it."""
        revision = self.revision
        pairs = tuple(fact for pair in revision.changed for fact in pair)
        return (*revision.added, *pairs, *revision.removed)


@dataclass(frozen=True)
class FactSet:
    """The facts of a draft by id, and the source turns of each."""

    facts: Mapping[int, Fact]
    turn_ids: Mapping[int, frozenset[int]]

    def after(self, operation: Operation) -> "FactSet":
        """These facts after an operation. Raises InputError if one of its facts has changed."""
        facts = dict(self.facts)
        turn_ids = dict(self.turn_ids)
        revision = operation.revision
        sources: frozenset[int] = frozenset()
        for fact in (*revision.removed, *(before for before, _ in revision.changed)):
            if facts.get(fact.id) != fact:
                raise InputError(f"fact {fact.id} is another one by now")
        for fact in revision.removed:
            del facts[fact.id]
            sources |= turn_ids.pop(fact.id)
        for _, after in revision.changed:
            facts[after.id] = after
        for fact in revision.added:
            facts[fact.id] = fact
            turn_ids[fact.id] = sources | {fact.turn_id}
        return FactSet(facts, turn_ids)

    def after_all(self, operations: Sequence[Operation]) -> "FactSet | None":
        """These facts after several operations; None if one of them cannot be applied."""
        state = self
        try:
            for operation in operations:
                state = state.after(operation)
        except InputError:
            return None
        return state


class Workbench(Protocol):
    """The parts of a memory that the six tools use."""

    def fact_set(self) -> FactSet:
        """The facts, and the source turns of each."""

    def turns_by_id(self, turn_ids: Sequence[int]) -> list[Turn]:
        """The turns with these ids, in this order. Raises InputError if one is missing."""

    def search(self, text: str, k: int) -> list[Hit]:
        """The best turns, best first."""

    def said(self, turn_ids: Sequence[int]) -> FormsByTurn:
        """By turn, the forms of its words and of its neighbours' words."""

    def findings(self) -> list[Finding]:
        """Conflicts between facts, as the audit reports them."""

    def apply(self, tool: str, reason: str, revision: Revision) -> tuple[str, list[int]]:
        """Apply a revision; returns its name, with how to undo it, and the ids of new facts."""


def said_in(store: Turns, turn_ids: Sequence[int]) -> FormsByTurn:
    """By turn, the forms of its words, then the forms of its neighbours' words."""
    neighbours = {turn_id: (turn_id, turn_id - 1, turn_id + 1) for turn_id in turn_ids}
    ids = sorted({turn_id for group in neighbours.values() for turn_id in group})
    forms = {turn.id: turn_forms(turn) for turn in store.turns_by_id(ids, missing_ok=True)}
    return {
        turn_id: [forms[neighbour] for neighbour in group if neighbour in forms]
        for turn_id, group in neighbours.items()
    }


def fact_origins(store: Facts) -> Origins:
    """The origins of the facts that a refinement made."""
    return origins(edits_of(store), store.changes())


def in_vocabulary(vocabulary: Vocabulary, revision: Revision) -> Revision:
    """A revision with facts as the memory's vocabulary has them.

    Raises InputError for an attribute or a value that it does not allow.
    """

    def stored(fact: Fact) -> Fact:
        attribute, value = vocabulary.stored(fact.attribute, fact.value)
        return replace(fact, attribute=attribute, value=value)

    def says_the_same(before: Fact, after: Fact) -> bool:
        return (before.attribute, before.value) == (after.attribute, after.value)

    return replace(
        revision,
        added=tuple(map(stored, revision.added)),
        changed=tuple(
            (before, after if says_the_same(before, after) else stored(after))
            for before, after in revision.changed
        ),
    )


def statements(revision: Revision) -> str:
    """A revision as SQL."""
    lines = []
    if revision.added:
        rows = ", ".join(
            f"({', '.join(quoted(getattr(fact, name)) for name in _COLUMNS)}, {fact.turn_id})"
            for fact in revision.added
        )
        lines.append(f"INSERT INTO facts ({', '.join(_COLUMNS)}, turn_id) VALUES {rows}")
    for before, after in revision.changed:
        pairs = ", ".join(
            f"{name} = {quoted(getattr(after, name))}"
            for name in _COLUMNS
            if getattr(after, name) != getattr(before, name)
        )
        lines.append(f"UPDATE facts SET {pairs} WHERE id = {before.id}")
    if revision.removed:
        ids = ", ".join(str(fact.id) for fact in revision.removed)
        lines.append(f"DELETE FROM facts WHERE id IN ({ids})")
    return ";\n".join(lines)


def cause_of(tool: str, reason: str) -> str:
    """The cause of an operation in the journal."""
    return f"{REFINEMENT}{tool}: {' '.join(reason.split())}"[:_CAUSE_CHARACTERS]


def write(store: Facts, cause: str, revision: Revision) -> tuple[int, list[int]]:
    """Write a revision as one change; returns its number and the ids of the new facts."""
    change = store.write(statements(revision), cause=cause)
    new = [edit.after for edit in edits_of(store, change.id) if edit.after and not edit.before]
    ids = [next(fact.id for fact in new if _same(fact, added)) for added in revision.added]
    return change.id, ids


def _same(fact: Fact, added: Fact) -> bool:
    return all(getattr(fact, name) == getattr(added, name) for name in (*_COLUMNS, "turn_id"))


def facts_of(store: Store) -> FactSet:
    """The current facts of a memory."""
    of_facts = fact_origins(store)
    facts = store.facts()
    return FactSet(
        {fact.id: fact for fact in facts},
        {fact.id: frozenset(turns_of(fact, of_facts)) for fact in facts},
    )


class StoreWorkbench:
    """Works on a memory. Each operation is one change in its journal, with its reason.

    Arguments:
        opened: opens the memory's store again; agents call tools from other threads.
        weights: of the ranking, as for `Store.search`.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Store]],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._opened = opened
        self._weights = weights

    def fact_set(self) -> "FactSet":
        with self._opened() as store:
            return facts_of(store)

    def turns_by_id(self, turn_ids: Sequence[int]) -> list[Turn]:
        with self._opened() as store:
            return store.turns_by_id(turn_ids)

    def search(self, text: str, k: int) -> list[Hit]:
        with self._opened() as store:
            return store.search(text, k, self._weights)

    def said(self, turn_ids: Sequence[int]) -> FormsByTurn:
        with self._opened() as store:
            return said_in(store, turn_ids)

    def findings(self) -> list[Finding]:
        with self._opened() as store:
            return list(fact_conflicts(store, store.facts()))

    def apply(self, tool: str, reason: str, revision: Revision) -> tuple[str, list[int]]:
        with self._opened() as store:
            revision = in_vocabulary(vocabulary_of(store), revision)
            change, ids = write(store, cause_of(tool, reason), revision)
        return f"change {change}; undo_change({change}) takes it back", ids


class Draft:
    """A copy of a memory's facts to change; turns and ranking are the memory's own.

    `operations` lists the operations so far, in order.
    """

    def __init__(
        self,
        store: Store,
        start: FactSet | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.store = store
        self._weights = weights
        self.start = start or facts_of(store)
        self.state = self.start
        self.operations: list[Operation] = []
        # As in a memory, the id of a deleted fact is not used again.
        self._next_id = max(self.start.facts, default=0) + 1

    def fact_set(self) -> FactSet:
        return self.state

    def turns_by_id(self, turn_ids: Sequence[int]) -> list[Turn]:
        return self.store.turns_by_id(turn_ids)

    def search(self, text: str, k: int) -> list[Hit]:
        return self.store.search(text, k, self._weights)

    def said(self, turn_ids: Sequence[int]) -> FormsByTurn:
        return said_in(self.store, turn_ids)

    def findings(self) -> list[Finding]:
        return list(fact_conflicts(self.store, list(self.state.facts.values())))

    def apply(self, tool: str, reason: str, revision: Revision) -> tuple[str, list[int]]:
        revision = in_vocabulary(vocabulary_of(self.store), revision)
        ids = list(range(self._next_id, self._next_id + len(revision.added)))
        numbered = tuple(
            replace(fact, id=id_) for fact, id_ in zip(revision.added, ids, strict=True)
        )
        operation = Operation(tool, " ".join(reason.split()), replace(revision, added=numbered))
        self.state = self.state.after(operation)
        self.operations.append(operation)
        self._next_id += len(ids)
        return f"operation {len(self.operations)}", ids
