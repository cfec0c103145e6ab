"""The memories of two conversations about houses, with a helper that obeys, for trainings."""

from pathlib import Path

from locomo.dataset.format import load_conversations
from locomo.harness import Setup, build_memory
from locomo.tasks.modules import Bench
from memory import MemoryProgram
from memory.program import plain_program
from tests.support.obedient import houses, obedient


def bench_of(folder: Path) -> Bench:
    """The bench, whose conversations and memories are files of a folder."""
    conversations = {c.id: c for c in load_conversations(houses(folder / "houses.json"))}
    model, _ = obedient()
    memories = {
        c.id: build_memory(c, Setup(model, MemoryProgram(), 2_000), folder).path
        for c in conversations.values()
    }
    return Bench(
        Setup(model, plain_program(model), model.limits.budget, sql="always"),
        conversations,
        memories,
        max_demos=0,
    )
