"""Measures recall of evidence turns by searching for every question, without a model."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.harness import temporary_memory
from locomo.metrics import recall
from memory import Turn, open_store

DEPTHS = (5, 10, 20, 50)
# By category or question type, of each question at each depth.
Recalls = dict[int | str, list[list[float]]]


@dataclass(frozen=True)
class Retrieval:
    """The results of searching for the questions of one conversation.

    `ingest_s` is seconds from opening an empty memory until all turns are durable and the first
    search is answered; the embedder was loaded before, because a process loads it once, whatever
    it stores. `search_ms` is per question, `ranked` the sources (`D1:3`) by question index, best
    first.
    """

    turns: int
    ingest_s: float
    search_ms: list[float]
    ranked: dict[str, list[str]]


def retrieve(
    conversation: Conversation,
    folder: Path,
    k: int,
    embedder: str | None = None,
) -> Retrieval:
    """Store a conversation in a fresh namespace in the folder and search for every question.

    All questions, including category 5, are searched for their best k turns. Without a name the
    embedder is the packaged one. Raises InputError for an embedder that cannot be used.
    """
    _load_embedder(embedder)
    search_ms: list[float] = []
    ranked: dict[str, list[str]] = {}
    start = time.perf_counter()
    with open_store(folder / "memory.db", embedder=embedder) as store:
        ids = store.add(conversation.turns)
        # The first search loads the columns that all searches use.
        store.search(conversation.turns[0].text)
        ingest_s = time.perf_counter() - start

        sources = dict(zip(ids, (turn.source for turn in conversation.turns), strict=True))
        for question in conversation.questions:
            start = time.perf_counter()
            text = question.standalone_question
            hits = store.search(text, k)
            search_ms.append(round(1000 * (time.perf_counter() - start), 3))
            ranked[str(question.index)] = [sources[hit.turn_id] for hit in hits]
    return Retrieval(
        turns=len(ids), ingest_s=round(ingest_s, 3), search_ms=search_ms, ranked=ranked
    )


@cache
def _load_embedder(name: str | None) -> None:
    """Load what storing and searching load once per process: vectors and vocabulary."""
    # Only use loads everything: the first search looks up similar words.
    with temporary_memory([Turn("Ann", "I have a dog.")], name) as store:
        store.search("Which pet does Ann have?")


def recalls(
    conversations: Iterable[Conversation],
    retrievals: Mapping[str, Retrieval],
    depths: Sequence[int],
    by_session: bool = False,
) -> Recalls:
    """Per category, or question type, the recall of each question at each depth (turns looked at).

    With `by_session`, recall of the sessions that hold the answer, among the sessions of these
    turns. Questions without evidence are left out, and so is category 5: its evidence is a
    distractor.
    """
    groups: Recalls = {}
    for conversation in conversations:
        sessions = {turn.source: turn.session for turn in conversation.turns}
        for question in conversation.questions:
            evidence = question.evidence_sessions if by_session else question.evidence
            if not evidence or question.category == ABSTENTION:
                continue
            ranked = retrievals[conversation.id].ranked[str(question.index)]
            if by_session:
                ranked = [sessions[source] for source in ranked]
            groups.setdefault(question.question_type or question.category, []).append(
                [recall(ranked[:depth], evidence) for depth in depths]
            )
    return dict(sorted(groups.items(), key=lambda group: str(group[0])))


def recall_table(
    by_category: Mapping[Any, list[list[float]]],
    depths: Sequence[int],
    title: str = "recall",
    heading: str = "category",
) -> Table:
    """A line for each category and one for all, means over questions."""
    table = Table(heading, *(f"R@{depth}" for depth in depths), "questions", title=title)
    lines = {str(category): rows for category, rows in by_category.items()}
    # A mean over questions: a category weighs by its number of questions.
    lines["all"] = [row for rows in by_category.values() for row in rows]
    for name, rows in lines.items():
        if not rows:
            table.add_row(name)
            continue
        means: list[float] = np.mean(rows, axis=0).tolist()
        table.add_row(name, *(f"{mean:.3f}" for mean in means), str(len(rows)))
    return table
