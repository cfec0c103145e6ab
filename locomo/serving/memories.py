"""Memories that a model stored, and how well it stored them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.progress import Progress

from locomo.dataset.format import Conversation
from locomo.examples.gold import Gold
from locomo.harness import BuiltMemory, Result, Setup, build_memories, turn_memories
from locomo.serving.facts import FactsByTurn, fact_figures, storing_seconds, turn_facts
from locomo.serving.figures import Figure, mean_figure
from locomo.serving.first_attempts import (
    VALID_SQL_TABLE,
    RecordingStore,
    accepted_retrieval,
    accepted_windows,
)
from memory import MemoryProgram
from memory.program import Model


@dataclass(frozen=True)
class StoredMemories:
    """A model, the memories that it stored, by conversation, and the file of its first attempts."""

    model: Model
    memories: Mapping[str, BuiltMemory]
    attempts: Path

    def figures(
        self, name: str, golds: Sequence[tuple[Gold, FactsByTurn]], answers: Sequence[Result]
    ) -> list[Figure]:
        """How well it stores, and, of its modules without a grammar, how often its SQL is valid.

        Arguments:
            name: of the model's column.
            golds: conversations with the facts that their gold SQL writes.
            answers: what the model answered from these memories, for its SELECTs.
        """
        turns = []
        windows: list[float] = []
        for gold, facts in golds:
            path = self.memories[gold.conversation.id].path
            turns += turn_facts(gold, facts, path)
            windows += accepted_windows(self.attempts, path)
        figures = fact_figures(name, turns)
        figures += storing_seconds(name, list(self.memories.values()))

        retrievals = [accepted_retrieval(result) for result in answers]
        accepted = {"store": windows, "retrieve": retrievals}
        # The packaged model writes under a grammar, except by the modules that it is tuned for:
        # what a grammar allows is always valid.
        without_grammar = getattr(self.model.adapter, "tuned", accepted)
        for module, values in accepted.items():
            if module in without_grammar:
                figures += mean_figure(VALID_SQL_TABLE, module, name, values=values)
        return figures


def store_all(
    conversations: Sequence[Conversation],
    model: Model,
    cache: Path,
    threads: int,
    bar: Progress,
    turns_only: bool = False,
) -> StoredMemories:
    """The memories of conversations, found in the cache or stored by a model; or their turns."""
    attempts = cache / "first-attempts.jsonl"
    if turns_only:
        return StoredMemories(model, turn_memories(conversations, cache, bar), attempts)
    program = cast(Any, MemoryProgram())
    program.store = RecordingStore(attempts)
    setup = Setup(model, program, model.budget)
    memories = build_memories(conversations, setup, cache=cache, threads=threads, bar=bar)
    return StoredMemories(model, memories, attempts)
