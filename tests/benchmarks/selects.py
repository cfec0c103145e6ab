"""Calls a question, and evidence left out where no SELECT is asked for; no model.

    python -m tests.benchmarks.selects FILE... [--budgets 2000,6000] [--questions 100]

Each conversation becomes a memory, which is asked its questions with evidence. `calls` is one, and
one more where SELECTs are asked for. `left out` is the share of the evidence turns that the ranking
alone does not show, `of these` how much of that is of questions that are asked for SELECTs: only
there may rows bring it.
"""

import random
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import ABSTENTION, load_conversations
from memory import Memory, open_store
from memory.evidence.block import RANKED_TURNS
from memory.program.sql_questions import sql_pays

NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called
app = typer.Typer(add_completion=False)


@app.command()
def selects(
    files: list[Path],
    budgets: str = "2000,6000",
    questions: Annotated[int, typer.Option(help="of each conversation, drawn by a seed")] = 100,
) -> None:
    """Print how often SELECTs are asked for, and where."""
    sizes = [int(size) for size in budgets.split(",")]
    # By file and budget, of each question: whether it is asked, the evidence that is left out.
    counted: dict[tuple[str, int], list[tuple[bool, float]]] = defaultdict(list)
    for file in files:
        for conversation in track(load_conversations(file), console=Console(stderr=True)):
            with (
                tempfile.TemporaryDirectory() as folder,
                open_store(Path(folder) / "memory.db") as store,
            ):
                store.add(conversation.turns)
                ids = {turn.source: turn.id for turn in store.turns()}
                with_evidence = [
                    question
                    for question in conversation.questions
                    if question.evidence and question.category != ABSTENTION
                ]
                random.Random(57).shuffle(with_evidence)
                for question in with_evidence[:questions]:
                    text = question.standalone_question
                    hits = store.search(text, RANKED_TURNS)
                    for size in sizes:
                        memory = Memory(store, model=NOT_ASKED, budget=size)
                        context = memory.evidence(text, hits=hits, asker=question.asker)
                        turn_ids = {*context.turn_ids}
                        left_out = fmean(
                            ids[source] not in turn_ids for source in question.evidence
                        )
                        pays = sql_pays(hits, len(turn_ids))
                        counted[file.name, size].append((pays, left_out))
                        counted["all", size].append((pays, left_out))
    table = Table("data", "questions", "tokens", "calls", "left out", "of these")
    for (name, size), cases in counted.items():
        left_out_of_all = sum(left_out for _, left_out in cases)
        caught = sum(left_out for pays, left_out in cases if pays)
        table.add_row(
            name,
            str(len(cases)),
            f"{size:,}",
            f"{1 + fmean(pays for pays, _ in cases):.2f}",
            f"{left_out_of_all / len(cases):.3f}",
            f"{caught / left_out_of_all:.2f}" if left_out_of_all else "-",
        )
    print_table(Console(), table)


if __name__ == "__main__":
    run_command(app)
