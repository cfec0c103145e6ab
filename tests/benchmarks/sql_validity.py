"""How often the packaged model's SQL is valid, with and without its grammars.

python -m tests.benchmarks.sql_validity [--data data/sample.json] [--turns 40] [--questions 20]

Valid: the statement passes the SQL policy and runs on a real store, at the first attempt.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dspy
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import load_conversations
from memory import MemoryProgram, SqlError, load_model, open_store
from memory.evidence.lines import turn_lines
from memory.models.local import SmallModelAdapter
from memory.models.small_prompts import SMALL
from memory.sql import check_select, split

# The packaged model's prompts leave these out.
_STORE_CONTEXT = ("before", "known", "catalog", "attributes", "feedback")
_QUESTION_CONTEXT = ("asker", "today", "catalog", "feedback")


class Unconstrained(SmallModelAdapter):
    """The same prompts, but the model may write whatever it likes."""

    def __call__(
        self, lm: dspy.LM, lm_kwargs: dict[str, Any], signature: Any, demos: Any, inputs: Any
    ) -> list[dict[str, Any]]:
        lm = lm.copy(max_tokens=SMALL[tuple(signature.fields)].max_tokens)
        return dspy.ChatAdapter.__call__(self, lm, lm_kwargs, signature, demos, inputs)


def share(what: str, jobs: Sequence[Callable[[], object]]) -> tuple[str, str]:
    """Valid jobs of all, and mean seconds a job."""
    valid, start = 0, time.monotonic()
    for job in track(jobs, description=what, console=Console(stderr=True)):
        try:
            job()
            valid += 1
        except SqlError:
            pass
    return f"{valid}/{len(jobs)}", f"{(time.monotonic() - start) / len(jobs):.2f}"


def main(data: Path = Path("data/sample.json"), turns: int = 40, questions: int = 20) -> None:
    """Print a table of validity and time."""
    conversation, model, program = load_conversations(data)[0], load_model("local"), MemoryProgram()
    table = Table("module", "adapter", "valid", "seconds a call")
    for adapter in (model.adapter, Unconstrained()):
        with (
            tempfile.TemporaryDirectory() as folder,
            open_store(Path(folder) / "memory.db") as store,
            dspy.context(lm=model.lm, adapter=adapter),
        ):
            store.add(conversation.turns)

            def write(number: int, store: Any = store) -> None:
                window = (number, number)
                lines = turn_lines(store.turns(*window), model.limits.window_tokens)
                said = program.store.predict(window=lines, **dict.fromkeys(_STORE_CONTEXT, ""))
                store.write(said.sql, cause="benchmark", window=window)

            def read(text: str, store: Any = store) -> None:
                said = program.retrieve.predict(
                    question=text, **dict.fromkeys(_QUESTION_CONTEXT, "")
                )
                statements = split(said.sql)
                if not statements:
                    raise SqlError("no SELECT")
                for statement in statements:
                    store.read(check_select(statement))

            name = "grammar" if adapter is model.adapter else "no grammar"
            stored = [lambda n=n: write(n) for n in range(1, turns + 1)]
            asked = [lambda q=q: read(q.text) for q in conversation.questions[:questions]]
            table.add_row("store", name, *share(f"store, {name}", stored))
            table.add_row("retrieve", name, *share(f"retrieve, {name}", asked))
    Console().print(table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
