"""Facts by templates: drawn to be read beside their turns, and what they cost as turns are added.

    python -m tests.benchmarks.template_facts FILE_OR_FOLDER... [--draw 150] [--seed 1] [--rate]

Each chat becomes a memory. Without `--rate` it prints facts drawn by a seed, each with the turn
that it came from, for a person to read: true, or not. With `--rate` it adds the turns one a call,
in pairs of the bare store and of `Memory.add`, and prints turns a CPU second of both.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Annotated

import typer

from locomo.dataset.format import Conversation, load_conversations
from memory import Store, Turn, open_store
from memory.facts.additions import add_turns

_PAIRS = 5
_MOST_TURNS = 2_000  # of a pair


def conversations(sources: Sequence[Path]) -> Iterator[Conversation]:
    """Those of files, and of all files of folders."""
    for source in sources:
        for file in [source] if source.is_file() else sorted(source.rglob("*.json")):
            yield from load_conversations(file)


def draw(sources: Sequence[Path], count: int, seed: int) -> list[str]:
    """Facts of templates, each with its turn; as many as are asked for where there are so many."""
    lines = []
    for conversation in conversations(sources):
        with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "chat.db") as store:
            add_turns(store, conversation.turns)
            turns = {turn.id: turn for turn in store.turns()}
            for fact in store.facts():
                dates = f" since {fact.happened_on}" if fact.happened_on else ""
                dates += f" until {fact.ended_on}" if fact.ended_on else ""
                turn = turns[fact.turn_id]
                lines.append(
                    f"{fact.subject} | {fact.attribute} | {fact.value}{dates}\n"
                    f"    {conversation.id} {turn.source}, {turn.speaker}: {turn.text}"
                )
    return Random(seed).sample(lines, min(count, len(lines)))


def rate(sources: Sequence[Path]) -> tuple[float, float]:
    """Turns a CPU second, one turn a call: of the bare store, and with what they assert."""
    turns = [turn for conversation in conversations(sources) for turn in conversation.turns]
    turns = turns[:_MOST_TURNS]
    bare, whole = [], []
    for _ in range(_PAIRS):
        bare.append(_rate(turns, lambda store, turn: store.add([turn])))
        whole.append(_rate(turns, lambda store, turn: add_turns(store, [turn])))
    return median(bare), median(whole)


def _rate(turns: Sequence[Turn], add: Callable[[Store, Turn], object]) -> float:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "chat.db") as store:
        add(store, turns[0])
        began = time.process_time()
        for turn in turns[1:]:
            add(store, turn)
        return (len(turns) - 1) / (time.process_time() - began)


def main(
    sources: Annotated[list[Path], typer.Argument(help="chats in LoCoMo's form")],
    count: Annotated[int, typer.Option("--draw", help="how many facts")] = 150,
    seed: int = 1,
    rated: Annotated[bool, typer.Option("--rate", help="measure turns a second")] = False,
) -> None:
    """Print facts to be read, or rates."""
    if rated:
        bare, whole = rate(sources)
        print(f"{bare:.0f} turns a CPU second bare, {whole:.0f} with facts: {whole / bare:.2f}")
        return
    drawn = draw(sources, count, seed)
    print("\n".join(drawn))
    print(f"{len(drawn)} facts")


if __name__ == "__main__":
    typer.run(main)
