"""A compiled program that ranks the worst turn first, to detect a search without its weights."""

from memory.program import MemoryProgram
from memory.search.ranking import FEATURE_WEIGHTS

REVERSED = {name: -weight for name, weight in FEATURE_WEIGHTS.items()}


def reversing_program() -> MemoryProgram:
    program = MemoryProgram()
    program.feature_weights = REVERSED
    return program
