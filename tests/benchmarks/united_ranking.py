"""Whether a search over several memories finds the turns that a search of the right one finds.

python -m tests.benchmarks.united_ranking data/train [--together 2]

Each memory is searched with the next ones of the folder, `together` in all, for each question about
it. A column is a way to rank: the right memory alone; one memory that holds all turns; the united
search; and the hits of each memory by the scores that it gives by itself. A cell is the share of
questions whose first turn is of the right memory, and the recall of evidence in ten turns.
"""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.examples.gold import load_gold
from memory import Store, Turn, open_store
from memory.store.files.united_search import search_several

FOUND = 10
Found = list[tuple[int, str]]  # the number of the memory and the source of each turn


def main(data: Path, together: int = 2) -> None:
    """Print the table."""
    shares: dict[str, list[tuple[float, float]]] = defaultdict(list)
    conversations = [gold.conversation for gold in load_gold(data)]
    with tempfile.TemporaryDirectory(prefix="united-") as folder, ExitStack() as stack:
        stores = []
        for number, conversation in enumerate(conversations):
            stores.append(stack.enter_context(open_store(Path(folder) / f"{number}.db")))
            stores[-1].add(conversation.turns)
        for first in track(range(len(stores)), console=Console(stderr=True)):
            numbers = [(first + step) % len(stores) for step in range(together)]
            union = stack.enter_context(open_store(Path(folder) / f"union {first}.db"))
            for number in numbers:
                union.add([*_renamed(conversations[number].turns, number)])
            chosen = {number: stores[number] for number in numbers}
            for question in conversations[first].questions:
                if question.category == 5 or not question.evidence:
                    continue
                for column, found in _ways(question.text, chosen, union):
                    sources = {source for number, source in found if number == first}
                    recall = len(sources & {*question.evidence}) / len({*question.evidence})
                    shares[column].append((float(found[0][0] == first), recall))
    table = Table("way to rank", "first turn", f"recall@{FOUND}", "questions")
    for column, pairs in shares.items():
        firsts, recalls = zip(*pairs, strict=True)
        means = [f"{statistics.mean(values):.3f}" for values in (firsts, recalls)]
        table.add_row(column, *means, str(len(pairs)))
    print_table(Console(), table)


def _renamed(turns: list[Turn], number: int) -> Iterator[Turn]:
    for turn in turns:
        session = f"{number} {turn.session}"
        yield replace(turn, session=session, source=f"{number} {turn.source}")


def _ways(question: str, stores: dict[int, Store], union: Store) -> Iterator[tuple[str, Found]]:
    numbers = [*stores]
    source = {n: {turn.id: turn.source for turn in s.turns()} for n, s in stores.items()}
    alone = stores[numbers[0]].search(question, FOUND)
    yield "the right memory alone", [(numbers[0], source[numbers[0]][h.turn_id]) for h in alone]
    whole = union.turns_by_id([hit.turn_id for hit in union.search(question, FOUND)])
    parts = [turn.source.partition(" ") for turn in whole]
    yield "one memory with all turns", [(int(number), name) for number, _, name in parts]
    hits = search_several([*stores.values()], question, FOUND)
    yield "united", [(numbers[n], source[numbers[n]][hit.turn_id]) for n, hit in hits]
    each = [
        (hit.score, number, source[number][hit.turn_id])
        for number, store in stores.items()
        for hit in store.search(question, FOUND)
    ]
    each.sort(key=lambda scored: -scored[0])
    yield "scores as each gives them", [(number, name) for _, number, name in each[:FOUND]]


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
