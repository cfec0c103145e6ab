"""What is shown for aggregates, with facts and without, within one budget; no model is asked."""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from memory import Memory, Rows, Store, Turn, open_store
from memory.evidence.block import RANKED_TURNS
from memory.evidence.layout import Evidence
from memory.sql import quoted, split
from tests.benchmarks.aggregates.chats import chat
from tests.benchmarks.aggregates.questions import KINDS, Aggregate
from tests.benchmarks.aggregates.talk import StatedFact, long_chat

NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called
LONG = "long"
_FACTS_A_CHANGE = 50  # a statement has 20,000 characters at most
_COLUMNS = ("subject", "attribute", "value", "happened_on", "ended_on")
Shares = dict[tuple[str, str], list[tuple[float, float]]]  # by kind and column


def talk_of(memory: str, turns: int) -> tuple[Sequence[Turn], Sequence[StatedFact]]:
    """The turns and the facts of a memory."""
    if memory == LONG:
        return long_chat(turns)
    conversation, facts = chat(memory)
    return conversation.turns, facts


def fill(store: Store, turns: Sequence[Turn], facts: Sequence[StatedFact]) -> dict[str, int]:
    """Store turns and gold facts; returns the ids of the turns by source."""
    ids = store.add(turns)
    id_of = {turn.source: id_ for turn, id_ in zip(turns, ids, strict=True)}
    for start in range(0, len(facts), _FACTS_A_CHANGE):
        rows = ", ".join(
            f"({', '.join(quoted(getattr(fact, column)) for column in _COLUMNS)},"
            f" {id_of[fact.source]})"
            for fact in facts[start : start + _FACTS_A_CHANGE]
        )
        store.write(
            f"INSERT INTO facts ({', '.join(_COLUMNS)}, turn_id) VALUES {rows}", cause="gold"
        )
    return id_of


def shares(
    aggregate: Aggregate, context: Evidence, id_of: Mapping[str, int]
) -> tuple[float, float]:
    """The share of the evidence turns that are shown, and how much of the answer can be read.

    A number or a length of time can be read where the rows say it, or all its evidence is shown;
    of a list as many items as evidence turns.
    """
    evidence = {id_of[source] for source in aggregate.evidence}
    shown = len(evidence & set(context.turn_ids)) / len(evidence)
    if aggregate.sums:
        is_told = all(text in context.text for text in aggregate.sums)
        return shown, float(is_told or shown == 1)
    return shown, shown


def measured(
    store: Store, aggregate: Aggregate, id_of: Mapping[str, int], budgets: Sequence[int]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """For each budget what turns alone show, and what facts beside them."""
    rows = [store.read(select.text) for select in split(aggregate.sql)]
    hits = store.search(aggregate.question, RANKED_TURNS)
    for budget in budgets:
        memory = Memory(store, model=NOT_ASKED, budget=budget)
        contents: tuple[tuple[str, list[Rows]], ...] = (("turns", []), ("with facts", rows))
        for name, results in contents:
            context = memory.evidence(aggregate.question, results, hits=hits)
            yield f"{budget} {name}", shares(aggregate, context, id_of)


def measure(aggregates: Sequence[Aggregate], budgets: Sequence[int], turns: int) -> Shares:
    """All shares, by kind and column."""
    found: Shares = defaultdict(list)
    memories = list(dict.fromkeys(aggregate.memory for aggregate in aggregates))
    for memory in track(memories, description="measuring", console=Console(stderr=True)):
        with (
            tempfile.TemporaryDirectory(prefix="aggregates-") as folder,
            open_store(Path(folder) / "memory.db") as store,
        ):
            id_of = fill(store, *talk_of(memory, turns))
            for aggregate in aggregates:
                if aggregate.memory != memory:
                    continue
                where = "long" if memory == LONG else "chats"
                for column, pair in measured(store, aggregate, id_of, budgets):
                    for row in (aggregate.kind, f"all, {where}", "all"):
                        found[row, column].append(pair)
    return found


def table(found: Shares) -> Table:
    """A cell is `evidence / answer`."""
    columns = list(dict.fromkeys(column for _, column in found))
    result = Table("kind", "questions", *columns)
    present = {kind for kind, _ in found}
    for kind in [name for name in (*KINDS, "all, chats", "all, long", "all") if name in present]:
        cells = []
        for column in columns:
            evidence, answers = zip(*found[kind, column], strict=True)
            cells.append(f"{statistics.mean(evidence):.3f} / {statistics.mean(answers):.3f}")
        result.add_row(kind, str(len(found[kind, columns[0]])), *cells)
    return result
