"""A coding agent's work on the overview: what was asked for, decided, touched, and failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory.evidence.wishes import wishes_of
from memory.records import Fact
from memory.server.web.facts import each_once
from memory.store import Store
from memory.store.facts.fact_reads import commonest_values, facts_of_subjects, newest_with_attribute
from memory.store.facts.standing_facts import names_of_askers
from memory.store.turns.tags import has_tag
from memory.text.tool_uses import AGENT_TAG, BECAUSE, DECIDED, FAILED_WITH, FIXED_BY, TOUCHED

_MOST_INSTRUCTIONS, _MOST_DECISIONS, _MOST_FILES, _MOST_FAILURES = 12, 12, 20, 6

# Whose facts these lists show.
SHOWN_ATTRIBUTES = (DECIDED, BECAUSE, TOUCHED, FAILED_WITH, FIXED_BY)


@dataclass(frozen=True)
class Work:
    """The newest of each first; `files` by the number of sessions that changed them.

    `reasons` are for decisions, by the decision's words; `fixes` for failures, by the command.
    Instructions, decisions and reasons are the user's own (`store.owner.asker_of`).
    """

    instructions: Sequence[Fact]
    decisions: Sequence[Fact]
    reasons: Mapping[str, Fact]
    files: Sequence[tuple[str, int]]
    failures: Sequence[Fact]
    fixes: Mapping[str, Fact]


def work_of(store: Store) -> Work | None:
    """The work of a coding agent; None if no session of one is in the memory."""
    if not has_tag(store, AGENT_TAG):
        return None
    speakers = sorted(names_of_askers(store))
    decisions = _newest(store, DECIDED, _MOST_DECISIONS, speakers)
    failures = _newest(store, FAILED_WITH, _MOST_FAILURES)
    return Work(
        instructions=wishes_of(store)[:_MOST_INSTRUCTIONS],
        decisions=decisions,
        reasons=_about(store, BECAUSE, [fact.value for fact in decisions], speakers),
        files=commonest_values(store, TOUCHED, _MOST_FILES),
        failures=failures,
        fixes=_about(store, FIXED_BY, [fact.subject for fact in failures]),
    )


def _newest(
    store: Store, attribute: str, most: int, speakers: Sequence[str] | None = None
) -> list[Fact]:
    return each_once(newest_with_attribute(store, attribute, most, speakers=speakers))


def _about(
    store: Store, attribute: str, subjects: Sequence[str], speakers: Sequence[str] | None = None
) -> dict[str, Fact]:
    facts = facts_of_subjects(store, subjects, [attribute], speakers=speakers)
    return {fact.subject: fact for fact in facts if not fact.ended_on}
