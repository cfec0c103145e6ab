"""How well turns that say something lasting are told from others, held out by conversation.

    python -m tests.benchmarks.lasting [--fit]

A turn of data/rows counts as lasting if a row of it is about its speaker, or somebody of theirs,
with a verb of what lasts, in the present tense ("have", "live", "can't", "am allergic to"). `--fit`
writes the weights to memory/search/lasting.json.
"""

import json
import zlib
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from memory.search.embed import embed
from memory.search.turn_columns import FILE, features
from memory.text.speakers import is_assistant

ROWS = Path(__file__).parents[2] / "data" / "rows"
FOLDS = 5
RIDGE = 3.0
# What the nearness to sentences of people's lasting states counts more than the rows say: of 57
# texts needed of seventeen memories, each amid 200 other turns, 300 tokens of a portrait held 20,
# without it 17, with twice as much 18 (tests.benchmarks.blocks).
NEARNESS = 8.0
OF_SPEAKER = frozenset({"user", "i", "we"})
LASTING = frozenset(
    [
        "have",
        "has",
        "'ve",
        "got",
        "am",
        "is",
        "are",
        "live",
        "lives",
        "own",
        "owns",
        "work",
        "works",
        "teach",
        "teaches",
        "play",
        "plays",
        "sell",
        "sells",
        "drive",
        "drives",
        "take",
        "takes",
        "wear",
        "hate",
        "hates",
        "like",
        "likes",
        "love",
        "loves",
        "need",
        "needs",
        "want",
        "wants",
        "know",
        "miss",
        "keep",
        "keeps",
        "pay",
        "rent",
        "rents",
        "can't",
        "can",
        "cannot",
        "don't",
        "do",
        "does",
        "doesn't",
        "speak",
        "speaks",
        "study",
        "studies",
        "sleep",
        "sleeps",
        "walk",
        "sing",
        "run",
        "runs",
        "go",
        "goes",
        "eat",
        "drink",
        "bake",
        "cook",
        "collect",
        "swim",
        "train",
        "hope",
        "hopes",
        "wish",
        "prefer",
        "still",
        "use",
        "uses",
        "look",
        "owe",
        "belong",
    ]
)

Floats = NDArray[np.float64]


class Labelled(NamedTuple):
    """A turn, whose chat it is from, and whether it says something lasting."""

    conversation: str
    text: str
    is_lasting: bool


def main(
    fit: Annotated[bool, typer.Option("--fit", help="write the weights")] = False,
) -> None:
    """Print how well lasting turns are told from others."""
    turns = labelled_turns()
    read = json.loads(FILE.read_text("utf-8"))
    values = features([turn.text for turn in turns], embed(read["prototypes"])).astype(np.float64)
    labels = np.array([turn.is_lasting for turn in turns], np.float64)
    folds = np.array([zlib.crc32(turn.conversation.encode()) % FOLDS for turn in turns])
    scores = np.zeros(len(turns))
    for fold in range(FOLDS):
        held_out = folds == fold
        scores[held_out] = values[held_out] @ fitted(values[~held_out], labels[~held_out])
    best = labels[np.argsort(-scores)[: int(labels.sum())]].mean()
    Console().print(
        f"{len(turns):,} turns, {int(labels.sum())} lasting; held out by conversation:"
        f" AUC {area_under_curve(scores, labels):.3f}, of as many as are lasting {best:.2f} are"
    )
    if fit:
        weights = fitted(values, labels)
        weights[-4] += NEARNESS / 4  # the column has four times the nearness
        weights[-1] -= NEARNESS * float(values[:, -4].mean()) / 4
        read["weights"] = [round(float(weight), 3) for weight in weights]
        FILE.write_text(json.dumps(read, indent=1, ensure_ascii=False) + "\n", "utf-8")


def labelled_turns() -> list[Labelled]:
    """The turns of people in data/rows."""
    turns = []
    for file in sorted(ROWS.glob("*.json")):
        for read in json.loads(file.read_text("utf-8")):
            sessions = [part for part in read["conversation"].values() if isinstance(part, list)]
            for turn in (turn for session in sessions for turn in session):
                if not is_assistant(turn["speaker"]):
                    facts = read["rows"].get(turn["dia_id"], {}).get("facts", [])
                    is_lasting = any(_lasts(fact["row"], turn["speaker"]) for fact in facts)
                    turns.append(Labelled(file.stem, turn["text"], is_lasting))
    return turns


def _lasts(row: str, speaker: str) -> bool:
    cells = [cell.strip() for cell in row.split("|")]
    if len(cells) < 3:
        return False
    subject = cells[0].casefold()
    is_own = subject in {speaker.casefold(), *OF_SPEAKER} or subject.startswith(("my ", "our "))
    return is_own and cells[1].split()[0] in LASTING


def fitted(values: Floats, labels: Floats) -> Floats:
    """The weights of a logistic regression with a ridge, by Newton's method; the last is free."""
    weights = np.zeros(values.shape[1])
    ridge = np.full(len(weights), RIDGE)
    ridge[-1] = 1e-6
    for _ in range(30):
        chances = 1 / (1 + np.exp(-values @ weights))
        slope = values.T @ (chances - labels) + ridge * weights
        curvature = (values.T * (chances * (1 - chances))) @ values + np.diag(ridge)
        weights -= np.linalg.solve(curvature, slope)
    return weights


def area_under_curve(scores: Floats, labels: Floats) -> float:
    """The chance that a positive has the higher score of a positive and a negative."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(len(scores))
    positives = labels.sum()
    above = ranks[labels == 1].sum() - positives * (positives - 1) / 2
    return float(above / (positives * (len(scores) - positives)))


if __name__ == "__main__":
    typer.run(main)
