"""How often the verdict of a compile calls chance a gain, and how often it sees a true one.

    python -m tests.benchmarks.false_gains [--spread 0.05] [--runs 2000]

A program that is as good as the plain one is better on some conversations and worse on others:
`--spread` is the standard deviation of these differences. Each run draws as many conversations and
shares a hundred questions between them, whose scores mostly stay as they were. The last two
columns are shares of the runs with the verdict "gain": without any true difference, and with one
of .10.
"""

import zlib
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from locomo.commands import number_table, print_table, run_command
from locomo.tasks.gains import component_gain, verdict
from locomo.tasks.rewards import QuestionScore

CONVERSATIONS = (1, 2, 3, 4, 5, 10)
QUESTIONS = 100
TRUE_GAIN = 0.10
# Three of four answers score as before; the others change by up to 1, .31 in standard deviation.
CHANGED, CHANGES = 0.25, (-0.8, -0.4, 0.4, 0.8)


def main(
    spread: Annotated[float, typer.Option(help="between conversations", min=0)] = 0.05,
    runs: Annotated[int, typer.Option(help="for each number of conversations", min=1)] = 2000,
) -> None:
    """Print the share of runs that are called a gain."""
    title = f"verdicts of {QUESTIONS} questions, {runs:,} runs"
    names = ("by chance", f"a true gain of {TRUE_GAIN:.2f}")
    table = number_table(title, ["conversations"], names)
    for number in CONVERSATIONS:
        shares = [gains_called(number, spread, gain, runs) for gain in (0.0, TRUE_GAIN)]
        table.add_row(str(number), *(f"{share:.3f}" for share in shares))
    print_table(Console(), table)


def gains_called(conversations: int, spread: float, gain: float, runs: int) -> float:
    """The share of runs that are called a gain."""
    rng = np.random.default_rng(zlib.crc32(f"{conversations} {spread} {gain}".encode()))
    called = 0
    for _ in range(runs):
        pairs = [
            (_score(key, 0.0), _score(key, change))
            for key, change in _changes(conversations, spread, gain, rng)
        ]
        called += verdict([component_gain("answer", "all", pairs)]) == "gain"
    return called / runs


def _changes(
    conversations: int, spread: float, gain: float, rng: np.random.Generator
) -> list[tuple[str, float]]:
    """The key of each question and by how much its score changes."""
    means: NDArray[np.float64] = rng.normal(gain, spread, conversations)
    changes = []
    for index in range(QUESTIONS):
        conversation = index % conversations
        change = rng.choice(CHANGES) if rng.random() < CHANGED else 0.0
        changes.append((f"chat-{conversation}/{index}", float(means[conversation] + change)))
    return changes


def _score(key: str, answer: float) -> QuestionScore:
    return QuestionScore(key, category=4, components={"answer": answer}, reward=answer)


if __name__ == "__main__":
    app = typer.Typer()
    app.command()(main)
    run_command(app)
