"""Recall without any language model: what the hybrid ranking finds of the evidence turns, and why.

python -m locomo.retrieval --data FILE [--json OUT] [--chart PNG [--peers JSON]]    recall
python -m locomo.retrieval --data FILE --fit                               make the weights
python -m locomo.retrieval --data FILE --conversation ID --explain QUESTION        why these turns
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.metrics import recall
from locomo.retrieval.fit import (
    Recalls,
)
from memory import open_store

DEPTHS = (5, 10, 20, 50)


@dataclass(frozen=True)
class Retrieval:
    """What search found for the questions of one conversation.

    `ingest_s` is seconds until all turns are durable and the first search is answered;
    `search_ms` is per question, `ranked` the sources (`D1:3`) by question index, best first.
    """

    turns: int
    ingest_s: float
    search_ms: list[float]
    ranked: dict[str, list[str]]


def retrieve(
    conversation: Conversation, folder: Path, k: int, embedder: str | None = None
) -> Retrieval:
    """Store a conversation in a fresh namespace in the folder and search for every question.

    All questions are asked, those of category 5 too, for the best k turns each. No name of
    an embedder means the packaged one.
    """
    search_ms, ranked = [], {}
    start = time.perf_counter()
    with open_store(folder / "memory.db", embedder=embedder) as store:
        ids = store.add(conversation.turns)
        store.search(conversation.turns[0].text)
        ingest_s = time.perf_counter() - start
        sources = dict(zip(ids, (turn.source for turn in conversation.turns), strict=True))
        for question in conversation.questions:
            start = time.perf_counter()
            hits = store.search(question.text, k)
            search_ms.append(round(1000 * (time.perf_counter() - start), 3))
            ranked[str(question.index)] = [sources[hit.turn_id] for hit in hits]
    return Retrieval(len(ids), round(ingest_s, 3), search_ms, ranked)


def recalls(
    conversations: Iterable[Conversation], found: dict[str, Retrieval], depths: Sequence[int]
) -> Recalls:
    """Per category the recall of each question at each depth (turns looked at).

    Questions without evidence are left out, and so is category 5: its evidence is a distractor.
    """
    by_category: Recalls = {}
    for conversation in conversations:
        for question in conversation.questions:
            if question.evidence and question.category != ABSTENTION:
                ranked = found[conversation.id].ranked[str(question.index)]
                by_category.setdefault(question.category, []).append(
                    [recall(ranked[:depth], question.evidence) for depth in depths]
                )
    return dict(sorted(by_category.items()))


def recall_table(by_category: Recalls, depths: Sequence[int], title: str = "recall") -> Table:
    """A line for each category and one for all, means over questions."""
    table = Table("category", *(f"R@{depth}" for depth in depths), "questions", title=title)
    everything = [row for rows in by_category.values() for row in rows]
    for name, rows in [*((str(c), rows) for c, rows in by_category.items()), ("all", everything)]:
        means: list[float] = np.mean(rows, axis=0).tolist() if rows else []
        table.add_row(name, *(f"{mean:.3f}" for mean in means), *([str(len(rows))] * bool(rows)))
    return table


# --- the command ------------------------------------------------------------------------------
