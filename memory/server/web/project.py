"""A coding agent's work on the overview: what was asked for, decided, touched, and failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory.facts import read_facts
from memory.facts.standing import standing_facts
from memory.records import Fact
from memory.server.web.facts import each_once
from memory.sql import quoted
from memory.store import Store
from memory.store.standing_facts import names_of_askers
from memory.text.tool_uses import AGENT_TAG, BECAUSE, DECIDED, FAILED_WITH, FIXED_BY, TOUCHED

_MOST_INSTRUCTIONS, _MOST_DECISIONS, _MOST_FILES, _MOST_FAILURES = 12, 12, 20, 6

# Whose facts these lists show.
SHOWN_ATTRIBUTES = (DECIDED, BECAUSE, TOUCHED, FAILED_WITH, FIXED_BY)


@dataclass(frozen=True)
class Work:
    """The newest of each first; `files` by the number of sessions that changed them.

    `reasons` are those of decisions, by the decision's words; `fixes` those of failures, by the
    command. Instructions, decisions and reasons are the user's own (`store.owner.asker_of`).
    """

    instructions: Sequence[Fact]
    decisions: Sequence[Fact]
    reasons: Mapping[str, Fact]
    files: Sequence[tuple[str, int]]
    failures: Sequence[Fact]
    fixes: Mapping[str, Fact]


def work_of(store: Store) -> Work | None:
    """The work of a coding agent; None where no session of one is in the memory."""
    if not store.read(f"SELECT turn_id FROM tags WHERE key = {quoted(AGENT_TAG)} LIMIT 1").rows:
        return None
    names = ", ".join(map(quoted, sorted(names_of_askers(store)))) or "''"
    said = f" AND turn_id IN (SELECT id FROM turns WHERE speaker IN ({names}))"
    decisions = _newest(store, DECIDED, _MOST_DECISIONS, said)
    failures = _newest(store, FAILED_WITH, _MOST_FAILURES)
    return Work(
        instructions=standing_facts(store)[:_MOST_INSTRUCTIONS],
        decisions=decisions,
        reasons=_about(store, BECAUSE, [fact.value for fact in decisions], said),
        files=_files(store),
        failures=failures,
        fixes=_about(store, FIXED_BY, [fact.subject for fact in failures]),
    )


def _newest(store: Store, attribute: str, most: int, said: str = "") -> list[Fact]:
    facts = read_facts(
        store,
        f"WHERE attribute = {quoted(attribute)} AND ended_on IS NULL{said}"
        f" ORDER BY turn_id DESC, id DESC LIMIT {most}",
    )
    return each_once(facts)


def _about(
    store: Store, attribute: str, subjects: Sequence[str], said: str = ""
) -> dict[str, Fact]:
    if not subjects:
        return {}
    named = ", ".join(map(quoted, dict.fromkeys(subjects)))
    facts = read_facts(
        store,
        f"WHERE attribute = {quoted(attribute)} AND ended_on IS NULL AND subject IN ({named}){said}"
        " ORDER BY turn_id, id",
    )
    return {fact.subject: fact for fact in facts}


def _files(store: Store) -> list[tuple[str, int]]:
    rows = store.read(
        "SELECT value, COUNT(*) AS sessions FROM facts"
        f" WHERE attribute = {quoted(TOUCHED)} AND ended_on IS NULL"
        f" GROUP BY value ORDER BY sessions DESC, value LIMIT {_MOST_FILES}"
    ).rows
    return [(str(file), int(sessions)) for file, sessions in rows]
