"""The command summaries: the story of a memory, as its digests have told it."""

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.evidence.lines import dated_lines
from memory.system.terminal import clean_line


@on_memory()
def summaries(memory: CommandMemory) -> Printed:
    """Print what happened, a line for each matter, as a larger model told it at a digest."""
    stored = memory.store.summaries()
    lines = [*map(clean_line, dated_lines(memory.store, stored))]
    waiting = sum(not summary.text for summary in stored)
    notes = [f"{waiting} to be told anew by the next digest"] if waiting else []
    if not stored:
        notes = ["no summaries: `memory digest --model NAME` has a larger model tell"]
    return Printed([*map(vars, stored)], lines, notes=notes)
