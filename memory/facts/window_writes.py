"""Stores what a model writes about a window as facts, in one change."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from memory.errors import HeldError
from memory.facts.additions import introduced_names
from memory.facts.given_years import check_years
from memory.facts.standing import check_standing
from memory.records import Change, Fact, Turn
from memory.sql import CheckedAliases, CheckedChange, CheckedWrites, check_writes
from memory.sql.checked import CheckedSummaries, CheckedWrite
from memory.sql.inserts import revise_inserts
from memory.sql.policy import check_facts
from memory.sql.refused_parts import RefusedPartError, check_parts
from memory.store import Store
from memory.store.candidate_facts import ALIAS
from memory.store.summaries import parts_of_sessions, session_advice
from memory.text.speakers import is_assistant
from memory.vocabulary.entities import names_somebody


@dataclass(frozen=True)
class WindowWriter:
    """Stores what a model writes about a window, as one change.

    Arguments:
        turns: the window without corrections that were undone; `window` its first and last id.
        cause: of the change, for the journal.
        as_stored: turns a fact of a turn into the fact to store; None to skip it.
        before, known: what else the model saw; the years of facts may come from there.
        kept: facts of an assistant's long answers, in place of what the model writes about these.
        writes_aliases: whether the model says which names mean one person; else the turns do.
    """

    store: Store
    turns: Sequence[Turn]
    window: tuple[int, int]
    cause: str
    as_stored: Callable[[Fact, Turn], Fact | None]
    before: Sequence[Turn] = ()
    known: str = ""
    kept: Sequence[Fact] = ()
    writes_aliases: bool = True
    _by_id: dict[int, Turn] = field(default_factory=dict, init=False)
    _spellings: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._by_id.update((turn.id, turn) for turn in self.turns)
        # The turns have one name for it: models write "assistant" with a capital.
        self._spellings.update((turn.speaker.casefold(), turn.speaker) for turn in self.turns)
        self._spellings.update((turn.speaker, turn.speaker) for turn in self.turns)

    def write(self, sql: str) -> tuple[Change, int]:
        """The change that statements make, and how many of their facts were not stored.

        Raises SqlError.
        """
        kept = (check_facts(self.kept),) if self.kept else ()
        writes, unsaid = revise_inserts((*kept, *check_writes(sql)), self._revised)
        check_parts(
            writes,
            lambda writes: check_years(writes, self.turns, self.before, self.known),
            lambda writes: _check_sessions(writes, self.turns),
            lambda writes: check_standing(writes, self.turns, self.store, self.before),
        )
        return self.write_checked(writes), unsaid

    def write_checked(self, writes: CheckedWrites) -> Change:
        """The change that checked statements make, with the names that the window introduces."""
        names = (
            _aliases(writes) if self.writes_aliases else introduced_names(self.store, self.turns)
        )
        try:
            return self.store.write((*writes, *names), cause=self.cause, window=self.window)
        except HeldError:
            # If the names would make the change wait for a person, it is written without them.
            return self._without_held(writes)

    def _revised(self, fact: Fact) -> Fact | None:
        turn = self._by_id.get(fact.turn_id)
        spelling = self._spellings.get(fact.subject) or self._spellings.get(fact.subject.casefold())
        fact = replace(fact, subject=spelling or fact.subject)
        kept: Mapping[int, Fact] = {answer.turn_id: answer for answer in self.kept}
        if fact.turn_id in kept and is_assistant(fact.subject):
            return kept[fact.turn_id]  # equal ones are stored once
        # A fact of another turn is refused by the store, with advice for the model.
        return self.as_stored(fact, turn) if turn else fact

    def _without_held(self, writes: CheckedWrites) -> Change:
        """Store a window; if it ends or deletes too many facts, all but these statements.

        Only these then wait for a person. Raises HeldError if something else must wait.
        """
        try:
            return self.store.write(writes, cause=self.cause, window=self.window)
        except HeldError as error:
            changes = [write for write in writes if isinstance(write, CheckedChange)]
            others = tuple(write for write in writes if write not in changes)
            held = HeldError(str(error), ";\n".join(change.text for change in changes))
            if changes:
                with suppress(HeldError):
                    return self.store.write(others, cause=self.cause, window=self.window, held=held)
            raise


def _check_sessions(writes: CheckedWrites, turns: Sequence[Turn]) -> None:
    """Refuse lines of a model's story that span several conversations.

    Raises RefusedPartError with advice for the model.
    """
    without: list[CheckedWrite] = []
    messages: list[str] = []
    for write in writes:
        if not isinstance(write, CheckedSummaries):
            without.append(write)
            continue
        rows = []
        for row in write.rows:
            if parts := parts_of_sessions(row[:2], turns):
                messages.append(session_advice(row[:2], parts))
            else:
                rows.append(row)
        if rows:
            without.append(CheckedSummaries(tuple(rows)))
    if messages:
        raise RefusedPartError("; ".join(messages), tuple(without))


def _aliases(writes: CheckedWrites) -> CheckedWrites:
    """The aliases that a model stores as facts ("Maria", "alias", "Mia"): they are aliases too."""
    rows = [
        (fact.value, fact.subject, fact.turn_id)
        for write in writes
        if write.command == "insert"
        for fact in write.facts
        if fact.attribute == ALIAS and names_somebody(fact.value) and names_somebody(fact.subject)
    ]
    return (CheckedAliases(tuple(rows)),) if rows else ()
