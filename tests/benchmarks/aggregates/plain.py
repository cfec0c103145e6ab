"""Questions for single things in a long chat: whether a SELECT pays because a memory is large."""

import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from memory import Memory, open_store
from memory.evidence.block import RANKED_TURNS
from memory.sql import quoted
from tests.benchmarks.aggregates.measure import NOT_ASKED, fill
from tests.benchmarks.aggregates.talk import long_chat

_QUESTIONS = {
    "ate_at": "When did {} eat at {}?",
    "bought": "When did {} buy {}?",
    "cooked": "When did {} cook {}?",
    "ill_with": "When was {} ill with {}?",
    "lives_in": "When did {} move to {}?",
    "read": "When did {} read {}?",
    "visited": "When did {} visit {}?",
    "watched": "When did {} watch {}?",
    "went_running": "When did {} run {}?",
    "works_at": "When did {} start at {}?",
}
_COLUMNS = ("subject", "attribute", "value")


def plain_shares(
    turns: int, budgets: Sequence[int], number: int = 120, seed: int = 34
) -> Mapping[str, float]:
    """The share of the evidence shown, by budget, by turns alone and with the facts' own rows."""
    said, facts = long_chat(turns)
    sources: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for fact in facts:
        sources[fact.subject, fact.attribute, fact.value].add(fact.source)
    shares: dict[str, list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="plain-") as folder,
        open_store(Path(folder) / "memory.db") as store,
    ):
        id_of = fill(store, said, facts)
        for asked in random.Random(seed).sample(sorted(sources), min(number, len(sources))):
            subject, attribute, value = asked
            question = _QUESTIONS[attribute].format(subject, value)
            evidence = {id_of[source] for source in sources[asked]}
            hits = store.search(question, RANKED_TURNS)
            wanted = " AND ".join(
                f"{name} = {quoted(cell)}" for name, cell in zip(_COLUMNS, asked, strict=True)
            )
            rows = [
                store.read(
                    "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts"
                    f" WHERE {wanted} LIMIT 30"
                )
            ]
            for budget in budgets:
                memory = Memory(store, model=NOT_ASKED, budget=budget)
                for name, results in (("turns", []), ("with facts", rows)):
                    context = memory.evidence(question, results, hits=hits)
                    shown = evidence & set(context.turn_ids)
                    shares[f"{budget} {name}"].append(len(shown) / len(evidence))
    return {column: statistics.mean(values) for column, values in shares.items()}
