"""What a question brings up without a model: wishes, facts in force, turns with their marks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from memory.errors import InputError
from memory.facts import day_of
from memory.facts.contradictions import shown_before
from memory.prompts.evidence import NO_STANDING, Standing
from memory.prompts.restated import newest_first
from memory.recall.recalled_facts import recalled_facts
from memory.recall.searcher import Searcher
from memory.records import Fact, Turn
from memory.search.asker import third_person
from memory.store import Store
from memory.store.owner import owner_of
from memory.store.united import first_store, past_or_present
from memory.text.turn_filter import TurnFilter

_LEAST_HITS = 20  # that are looked at for what is said again


@dataclass(frozen=True)
class Recollection:
    """What the owner wants of answers, the facts in force, and the turns, each best first.

    `marks` say by the id of a turn what of it is outdated or disputed. `question` is the query as
    it was searched for, without "I" and "my".
    """

    question: str
    standing: Standing = NO_STANDING
    facts: tuple[Fact, ...] = ()
    turns: tuple[Turn, ...] = ()
    marks: Mapping[int, str] = field(default_factory=dict)


def refuse_empty(query: str) -> None:
    """Raise InputError for a query without words."""
    if not query.strip():
        raise InputError("the query is empty; say what to look for")


def recollect(
    store: Store,
    searcher: Searcher,
    query: str,
    limit: int,
    *,
    as_of: str = "",
    turn_filter: TurnFilter | None = None,
) -> Recollection:
    """What a query of the owner brings up: at most `limit` turns of those that pass a filter.

    `as_of` is a day, month or year (ISO): what the memory held by then. Of what was said again the
    newest stands first. Raises InputError for a query without words.
    """
    refuse_empty(query)
    with past_or_present(store, as_of) as past:
        owner = owner_of(first_store(store))
        question = third_person(query, owner)
        hits = searcher.search(past, question, max(limit, _LEAST_HITS), turn_filter)
        turns = past.turns_by_id([hit.turn_id for hit in hits])
        turns = newest_first(turns, question)[:limit]
        recalled = recalled_facts(past, turns, question, day_of(past, as_of or None))
        return Recollection(
            question,
            shown_before(first_store(past), question, owner),
            recalled.in_force,
            tuple(turns),
            recalled.marks,
        )
