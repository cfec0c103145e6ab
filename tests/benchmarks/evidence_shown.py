"""How much evidence is shown with facts beside turns, against turns alone, within one budget.

python -m tests.benchmarks.evidence_shown data/train [--wide] [--budgets 500,2000,8000]

The facts are gold, and so are the SELECTs; no model is asked. With --wide each question has one
SELECT more, by stems of its words, as a generous model writes it: its rows are mostly noise.
A cell is `evidence / answer`: the share of the evidence turns that are shown, as turns or by a
fact, and the share of the gold answer's words that stand in the context.
"""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import Question
from locomo.examples.gold import NOTHING, Gold, load_gold
from locomo.metrics import normalize
from memory import Memory, Rows, Store, open_store
from memory.search.word_forms import telling_words
from memory.sql import quoted, split

NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called
_STEM = 5  # letters


def main(data: Path, wide: bool = False, budgets: str = "500,2000,8000") -> None:
    """Print a table by category of question."""
    table = Table("category", "questions")
    shares: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    sizes = [int(size) for size in budgets.split(",")]
    for gold in track(load_gold(data), description=str(data), console=Console(stderr=True)):
        for question, column, pair in _measured(gold, sizes, wide):
            shares[question.category, column].append(pair)
            shares[0, column].append(pair)
    columns = list(dict.fromkeys(column for _, column in shares))
    for column in columns:
        table.add_column(column)
    for category in sorted({category for category, _ in shares}, key=lambda number: number or 9):
        cells = []
        for column in columns:
            evidence, words = zip(*shares[category, column], strict=True)
            cells.append(f"{statistics.mean(evidence):.3f} / {statistics.mean(words):.3f}")
        count = str(len(shares[category, columns[0]]))
        table.add_row(str(category or "all"), count, *cells)
    Console(width=40 + 20 * len(columns)).print(table)


def _measured(
    gold: Gold, budgets: list[int], wide: bool
) -> Iterator[tuple[Question, str, tuple[float, float]]]:
    with (
        tempfile.TemporaryDirectory(prefix="evidence-") as folder,
        open_store(Path(folder) / "memory.db") as store,
    ):
        turn_ids = store.add(gold.conversation.turns)
        id_of = dict(zip([t.source for t in gold.conversation.turns], turn_ids, strict=True))
        for number, sql in sorted(gold.store.items()):
            if sql != NOTHING:
                store.write(sql, cause="gold", window=(turn_ids[number - 1], turn_ids[number - 1]))
        for index, sql in gold.retrieve.items():
            question = gold.conversation.questions[index]
            rows = [store.read(select) for select in split(sql)]
            if wide:
                rows += _wide_rows(store, question.text)
            evidence = {id_of[source] for source in question.evidence}
            answer = set(normalize(str(question.answer)).split())
            for budget in budgets:
                memory = Memory(store, model=NOT_ASKED, budget=budget)
                for name, results in (("turns", []), ("with facts", rows)):
                    context = memory.gather(question.text, results)
                    text_words = set(normalize(context.text).split())
                    pair = (
                        len(evidence & set(context.turn_ids)) / len(evidence),
                        len(answer & text_words) / max(len(answer), 1),
                    )
                    yield question, f"{budget} {name}", pair


def _wide_rows(store: Store, question: str) -> list[Rows]:
    """What a SELECT by stems of the question's words brings up, of the subjects that it names."""
    stems = [word[:_STEM] for word in telling_words(question) if len(word) > 2]
    patterns = [quoted(f"%{stem}%") for stem in stems]
    if not patterns:
        return []
    likes = " OR ".join(
        f"lower(value) LIKE {pattern} OR attribute LIKE {pattern}" for pattern in patterns
    )
    return [
        store.read(
            "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts"
            f" WHERE {likes} OR lower(subject) IN ({', '.join(map(quoted, stems))}) LIMIT 30"
        )
    ]


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
