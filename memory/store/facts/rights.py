"""By which right a fact is said, which decides what may take its place.

A person's edit outranks what people say of themselves, that what a model read in it, and that
what others say: another speaker, an assistant, a document, a tool. Nothing of this is stored: the
journal says who edited a fact, and its turn says who spoke. `memory/sql/facts_now.sql` ranks by it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from typing import Any

from memory.records import CurrencyRules, Fact
from memory.store.changes.journal import to_fact
from memory.store.database import Connection, Cursor
from memory.store.facts.vocabulary_table import ask_definition, definition_of
from memory.store.turns.turn_validation import local_now
from memory.text.written_dates import is_later
from memory.vocabulary.attributes import STANDING

# What the cause of a change begins with that templates made; the id of the turn follows.
CAUSE = "stated in turn "
_MOST_EDITED = 2_000  # facts that persons edited, the newest


class Right(IntEnum):
    """By which right a fact is said; a lower one never ends, replaces or rewords a higher one."""

    OTHER = 0  # another speaker, an assistant, a document or a tool says it
    READING = 1  # a model read it in what the person says
    OWN = 2  # the person says it in a plain form
    EDIT = 3  # a person wrote or edited it


@dataclass(frozen=True)
class Statement:
    """A fact with its person, who said it and when.

    `is_own` says whether `who` said it of themselves, or a person wrote or edited it.
    """

    fact: Fact
    who: str
    speaker: str
    said_at: str
    is_own: bool


@dataclass(frozen=True)
class Provenance:
    """By which right a fact is said, and when a person edited it last ("" for never).

    `by_template` says whether a template made it.
    """

    right: Right
    edited_at: str = ""
    by_template: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the person it is about says it, or a person wrote or edited it."""
        return self.right > Right.OTHER

    def outranks(self, rival: "Provenance") -> bool:
        """Whether it is the person's own word, and the rival only others'."""
        return self.is_own and not rival.is_own

    def yields_to(self, is_own: bool, said_at: str) -> bool:
        """Whether a turn said at a moment may end, replace or reword the fact.

        `is_own` says whether the speaker of the turn is the person the fact is about. What a
        person edited yields only to a later turn of the person it is about.
        """
        if self.is_own and not is_own:
            return False
        return not (self.edited_at and is_later(self.edited_at, moment(said_at)))


def latest_day(day: str) -> str:
    """The last day on which something may have been said: a later date is none.

    It is that of a question (ISO), or this machine's, and one more: somewhere it is tomorrow.
    """
    tomorrow = date.fromisoformat(local_now()[:10]) + timedelta(days=1)
    return max(tomorrow.isoformat(), day)


def moment(said_at: str) -> str:
    """When something was said; "" for a date in the future, which would outrank all else."""
    return said_at if said_at[: len("2017-05-08")] <= latest_day("") else ""


def joined_names(conn: Connection) -> Cursor:
    """The pairs of names that persons joined."""
    return conn.run("names_joined_by_persons")


def currency_values(
    rules: CurrencyRules, day: str, joined: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """The values of facts_now.sql for a day (ISO), with the pairs of `joined_names`."""
    return {
        "day": day,
        "month_of_span": f"{day[:7]}/",
        "latest_day": latest_day(day),
        **_values_of_joined(joined),
        **{name: [*names] for name, names in vars(rules).items()},
    }


def _values_of_joined(joined: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    pairs = [*joined]
    return {
        "joined_names": sorted({name for pair in pairs for name in pair}),
        "joined": [" = ".join(names) for pair in pairs for names in (pair, pair[::-1])],
    }


def values_on(conn: Connection, day: str) -> dict[str, Any]:
    """The values of facts_now.sql for a day (ISO)."""
    with conn.together():
        definition, joined = ask_definition(conn), joined_names(conn)
    return currency_values(definition_of(*definition).vocabulary.currency, day, joined)


def edited_facts(conn: Connection) -> set[int]:
    """The facts that persons wrote or edited, the newest."""
    return {number for (number,) in conn.run("edited_facts", most=_MOST_EDITED)}


def values_for_models(conn: Connection, day: str) -> dict[str, Any]:
    """The same where the journal is out of sight, with the facts that persons edited."""
    edited = sorted(edited_facts(conn))
    return {**values_on(conn, day), "edited": edited or [0]}  # no fact has this number


def read_statements(rows: Iterable[Sequence[Any]]) -> list[Statement]:
    """The statements in rows of {statements}."""
    return [
        Statement(to_fact(columns), who, speaker, said_at, bool(is_own))
        for *columns, who, speaker, said_at, is_own in rows
    ]


def provenance_of(conn: Connection, fact_ids: Sequence[int]) -> dict[int, Provenance]:
    """By which right the facts with these ids are said."""
    if not fact_ids:
        return {}
    rows = conn.run(
        "provenance_of_facts",
        fact_ids=[*fact_ids],
        template=CAUSE,
        standing=[*STANDING],
        **_values_of_joined(joined_names(conn)),
    )
    provenance = {}
    for fact_id, is_own, by_template, edited_at in rows:
        right = Right.OTHER
        if edited_at:
            right = Right.EDIT
        elif is_own:
            right = Right.OWN if by_template else Right.READING
        provenance[fact_id] = Provenance(right, edited_at or "", bool(by_template))
    return provenance
