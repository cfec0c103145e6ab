"""How often the first SQL that a module writes is accepted, without a repair."""

from collections.abc import Callable
from pathlib import Path

import dspy
from pydantic import TypeAdapter

from locomo.harness import Result
from locomo.json_lines import read_lines
from memory import Change, SqlError, open_store
from memory.program.program import StoreTurns

VALID_SQL_TABLE = "SQL accepted at the first attempt, of modules without grammar"

# The change that stored a window, or the error; and whether its first SQL was accepted.
_ATTEMPT = TypeAdapter(tuple[Change | str, bool])


class RecordingStore(dspy.Module):
    """A storing module which records for each window whether its first SQL was accepted."""

    def __init__(self, module: StoreTurns, file: Path) -> None:
        super().__init__()
        self.module = module
        self.file = file
        self.predict = module.predict  # where the harness looks for the prompt

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer gave the module examples or instructions of its own."""
        return self.module.is_compiled

    def forward(
        self, turns: str, catalog: str, write: Callable[[str], Change], **context: str
    ) -> dspy.Prediction:
        """As StoreTurns: the same inputs, Prediction and SqlError."""
        try:
            stored = self.module(turns=turns, catalog=catalog, write=write, **context)
        except SqlError as error:
            self._record(str(error), accepted=False)
            raise
        self._record(stored.change, accepted=not stored.refusals)
        return stored

    def _record(self, outcome: Change | str, accepted: bool) -> None:
        with self.file.open("ab") as file:  # in one write: threads do not cut each other's lines
            file.write(_ATTEMPT.dump_json((outcome, accepted)) + b"\n")


def accepted_windows(file: Path, path: Path) -> list[float]:
    """For each window of the memory at `path`: 1 when its first SQL was accepted, else 0.

    The records in `file` are of all memories that the model stored. Those of one memory are found
    by their outcome: the memory's journal has each change, its queue each error.
    """
    accepted_by_outcome: dict[Change | str, float] = {}
    if file.exists():
        for outcome, accepted in read_lines(file, _ATTEMPT):
            accepted_by_outcome[outcome] = float(accepted)
    with open_store(path, read_only=True) as store:
        outcomes = [*store.changes(), *(window.error for window in store.pending())]
    return [accepted_by_outcome[outcome] for outcome in outcomes if outcome in accepted_by_outcome]


def accepted_retrieval(result: Result) -> float:
    """Whether the database accepted the first SELECTs for a question, 1 or 0.

    Every further call is a repair; a memory that shows something is read by one call.
    """
    return float(result.calls - (result.tokens > 0) == 1)
