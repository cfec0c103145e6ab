"""Stores what a model writes about a window as facts, in one change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from memory.errors import HeldError, RefusedRowsError, SqlError
from memory.facts.additions import introduced_names
from memory.facts.row_checks import RowChecks
from memory.records import Change, Fact, Turn
from memory.sql import CheckedAliases, CheckedChange, CheckedContradictions, CheckedWrites
from memory.sql.checked import CheckedInsert, CheckedWrite
from memory.sql.inserts import revise_inserts, with_ends
from memory.sql.policy import check_each, check_facts, is_cut
from memory.store import Store
from memory.store.facts.fact_reads import ALIAS
from memory.vocabulary.entities import key, names_somebody
from memory.vocabulary.said import says_own_name, subject_meant, telling_words

_OTHERS_ARE_KEPT = (
    "The other rows are kept: write only these again, corrected, or -- none if they cannot be"
)


@dataclass
class WindowWriter:
    """Stores what a model writes about a window, as one change.

    Rows that may not be stored are refused once, so that the model corrects them. What is refused
    in its second answer is set aside: the change says what, and why (`Change.set_aside`).

    Arguments:
        turns: the window without corrections that were undone; `window` its first and last id.
        cause: of the change, for the journal.
        as_stored: turns a fact of a turn into the fact to store; None to skip it.
        before, known: what else the model saw, which may complete what a turn says.
        writes_aliases: whether the model says which names mean one person; else the turns do.
        asks_again: whether rows are refused before they are set aside.
    """

    store: Store
    turns: Sequence[Turn]
    window: tuple[int, int]
    cause: str
    as_stored: Callable[[Fact, Turn], Fact | None]
    before: Sequence[Turn] = ()
    known: str = ""
    writes_aliases: bool = True
    asks_again: bool = True
    _by_id: dict[int, Turn] = field(default_factory=dict, init=False)
    _written: CheckedWrites = field(default=(), init=False)  # rows of the first answer
    _unsaid: int = field(default=0, init=False)
    _own_names: list[tuple[str, str, int]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._by_id.update((turn.id, turn) for turn in self.turns)
        self._checks = RowChecks(self.store, self.turns, self.before, self.known)

    @property
    def has_rows(self) -> bool:
        """Whether an answer had rows that may be stored, and none is stored yet."""
        return bool(self._written)

    def write(self, sql: str) -> tuple[Change, int]:
        """The change that statements make, and how many of their facts were not the turns' words.

        Raises RefusedRowsError for rows that may not be stored, the first time; the next answer
        adds to the others. Raises SqlError for an answer that nothing can be stored of.
        """
        writes, unread = check_each(sql)
        writes, unsaid = revise_inserts(writes, self._revised)
        rows_before = _facts_in(writes := with_ends(writes))
        writes, refused = self._checks.checked(writes)
        self._written = (*self._written, *_news(writes, self._written))
        self._unsaid += unsaid
        reasons = [*unread, *refused]
        if not self.asks_again:
            return self.finish(reasons), self._unsaid
        self.asks_again = is_cut(unread)
        try:
            if not reasons:
                return self._change(sets_aside=False), self._unsaid
        except (SqlError, HeldError) as error:
            reasons.append(str(error))
        # Without a row for each reason it is something else that was refused.
        rows_after = _facts_in(writes)
        turn_ids = [fact.turn_id for fact in rows_before if fact not in rows_after]
        of_rows = len(reasons) - is_cut(unread)
        are_known = len(turn_ids) == of_rows and self._by_id.keys() >= {*turn_ids}
        if is_cut(unread):  # asked of a smaller window: these, and the turns from the last row on
            last = max((fact.turn_id for fact in rows_before), default=0)
            turn_ids += [turn.id for turn in self.turns if turn.id >= last]
            are_known = are_known and len({*turn_ids}) < len(self.turns)
        raise RefusedRowsError(reasons, _OTHERS_ARE_KEPT, turn_ids if are_known else ())

    def finish(self, reasons: Sequence[str] = ()) -> Change:
        """The change of all rows that may be stored; others are set aside, and so are `reasons`.

        Without an answer, the window becomes digested without facts.
        """
        try:
            change = self._change(sets_aside=True)
        except SqlError as error:  # of an UPDATE or DELETE, or of a pair of facts
            reasons = [*reasons, str(error)]
            self._written = tuple(
                write
                for write in self._written
                if not isinstance(write, (CheckedChange, CheckedContradictions))
            )
            change = self._change(sets_aside=True)
        return replace(change, set_aside=(*reasons, *change.set_aside))

    def _change(self, *, sets_aside: bool) -> Change:
        names = (
            _aliases(self._written)
            if self.writes_aliases
            else introduced_names(self.store, self.turns)
        )
        if self._own_names:
            names = (*names, CheckedAliases(tuple(self._own_names)))

        def written(writes: CheckedWrites) -> Change:
            # Changes of stored facts come first: they are not meant for this answer's rows.
            in_order = sorted(writes, key=lambda write: not isinstance(write, CheckedChange))
            return self.store.write(
                tuple(in_order), cause=self.cause, window=self.window, sets_aside=sets_aside
            )

        try:
            return written((*self._written, *names))
        except HeldError:
            # If the names would make the change wait for a person, it is written without them.
            if not names:
                raise
            return written(self._written)

    def _revised(self, fact: Fact) -> Fact | None:
        turn = self._by_id.get(fact.turn_id)
        if turn is None:
            return fact  # which is refused, with advice for the model
        self._learn_name(fact.subject)
        fact = replace(fact, subject=subject_meant(fact.subject, turn, self._checks.speakers))
        return self.as_stored(fact, turn) if fact.value.strip() else fact

    def _learn_name(self, name: str) -> None:
        """Make a name mean the person called "user" who says "I'm Craig" in the window."""
        if key(name) in self._checks.speakers:
            return
        if own := next((turn for turn in self.turns if says_own_name(name, turn)), None):
            self._checks.speakers[key(name)] = own.speaker
            self._own_names.append((name, own.speaker, own.id))


def _facts_in(writes: CheckedWrites) -> list[Fact]:
    return [fact for write in writes if isinstance(write, CheckedInsert) for fact in write.facts]


def _news(writes: CheckedWrites, before: CheckedWrites) -> CheckedWrites:
    """Statements without those, and the rows, that an earlier answer had.

    A model that writes all rows again may write some in other words: they are the same row if one
    has all telling words of the other.
    """
    known = _facts_in(before)
    news: list[CheckedWrite] = []
    for write in writes:
        if isinstance(write, CheckedInsert) and known:
            facts = [fact for fact in write.facts if not any(_says_it(old, fact) for old in known)]
            news += [check_facts(facts)] if facts else []
        elif write not in before:
            news.append(write)
    return tuple(news)


def _says_it(old: Fact, new: Fact) -> bool:
    """Whether a row of an earlier answer says what a new one says."""
    if (old.turn_id, key(old.subject), old.attribute) != (
        new.turn_id,
        key(new.subject),
        new.attribute,
    ):
        return False
    words_of_old, words_of_new = {*telling_words(old.value)}, {*telling_words(new.value)}
    return words_of_old <= words_of_new or words_of_new <= words_of_old


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
