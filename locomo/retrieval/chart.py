"""Charts recall by the number of turns and by their tokens, for several systems."""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.json_lines import read_json
from memory import InputError, Turn
from memory.system import write_whole
from memory.text import count_tokens, resolved_line

Rankings = Mapping[str, Mapping[str, Sequence[str]]]  # sources by conversation and question index


@dataclass(frozen=True)
class Curve:
    """Means over questions for the best 1, 2 ... k turns of a system, each (k,).

    `k` is the most turns that the system was asked for and found, `questions` their number.
    """

    title: str
    questions: int
    recall: NDArray[np.float64]
    tokens: NDArray[np.float64]


class _PeerConversation(BaseModel):
    ranked: dict[str, list[str]]


class _PeerSystem(BaseModel):
    title: str
    version: str = ""
    error: str = ""
    conversations: dict[str, _PeerConversation] = {}


_SYSTEMS = TypeAdapter(dict[str, _PeerSystem])


def token_costs(turns: Sequence[Turn]) -> dict[str, int]:
    """The tokens that each turn, by source, adds to the context of an answering model."""
    costs = {}
    for number, turn in enumerate(turns, 1):
        line = resolved_line(replace(turn, id=number))
        costs[turn.source] = count_tokens(f"{line}\n{line}") - count_tokens(line)
    return costs


def recall_curve(
    title: str, conversations: Sequence[Conversation], *, rankings: Rankings, k: int
) -> Curve:
    """Recall and tokens of a system's rankings, questions of categories 1 to 4 with evidence.

    Raises InputError when the rankings lack a question, or name a turn that does not exist.
    """
    recalls: list[NDArray[np.float64]] = []
    tokens: list[NDArray[np.float64]] = []
    longest = 0
    for conversation in conversations:
        costs = token_costs(conversation.turns)
        for question in conversation.questions:
            if question.category == ABSTENTION or not question.evidence:
                continue
            try:
                ranking = rankings[conversation.id][str(question.index)][:k]
                ranking_costs = [costs[source] for source in ranking]
            except KeyError as error:
                raise InputError(
                    f"{title} has no {error.args[0]!r} of {conversation.id}; was it measured on"
                    " this data?"
                ) from None
            longest = max(longest, len(ranking))
            # A ranking shorter than k finds nothing more and costs nothing more.
            recall_of_each = np.zeros(k)
            recall_of_each[: len(ranking)] = np.isin(ranking, question.evidence)
            recalls.append(recall_of_each.cumsum() / len(question.evidence))
            cost_of_each = np.zeros(k)
            cost_of_each[: len(ranking)] = ranking_costs
            tokens.append(cost_of_each.cumsum())
    if not recalls:
        raise InputError(
            "no question of categories 1 to 4 has evidence, so there is nothing to draw"
        )
    return Curve(
        title=title,
        questions=len(recalls),
        recall=np.mean(recalls, axis=0)[:longest],
        tokens=np.mean(tokens, axis=0)[:longest],
    )


def read_peers(path: Path) -> dict[str, Rankings]:
    """What `python -m tests.benchmarks.peers --json` wrote: rankings of each system, by title.

    Our own system is left out, and systems that could not be measured. Raises InputError for a file
    in another format.
    """
    advice = "give what `python -m tests.benchmarks.peers --json` writes"
    systems = read_json(path, _SYSTEMS, advice)
    rankings: dict[str, Rankings] = {}
    for key, system in systems.items():
        if key == "ours" or system.error:
            continue
        title = f"{system.title} {system.version}".strip()
        rankings[title] = {
            id_: conversation.ranked for id_, conversation in system.conversations.items()
        }
    return rankings


def recall_chart(curves: Sequence[Curve], path: Path, title: str) -> None:
    """Write the chart (PNG), with today's date in its title. Raises InputError if it cannot."""
    import matplotlib as mpl

    # No display is needed, and matplotlib's report of its font cache is noise.
    mpl.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib import pyplot as plt

    figure, (by_turns, by_tokens) = plt.subplots(
        ncols=2, figsize=(9, 4.5), sharey=True, layout="constrained"
    )
    try:
        for curve in curves:
            turns = np.arange(1, len(curve.recall) + 1)
            # A single point draws no line.
            marker = "o" if len(turns) == 1 else None
            label = f"{curve.title}, n = {curve.questions}"
            by_turns.plot(turns, curve.recall, label=label, marker=marker)
            by_tokens.plot(curve.tokens, curve.recall, label=label, marker=marker)
        figure.suptitle(f"{title}, {datetime.now(UTC):%Y-%m-%d}", fontsize=10)
        by_turns.set_xlabel("turns shown")
        by_tokens.set_xlabel("tokens of the turns shown (mean)")
        by_turns.set_ylabel("recall of evidence turns")
        by_turns.set_ylim(0, 1)
        by_turns.legend(frameon=False)
        for axes in (by_turns, by_tokens):
            axes.set_xlim(left=0)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        # Drawn in memory first, so an error or an interruption leaves no partial file.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=130)
        write_whole(path, drawn.getvalue())
    finally:
        plt.close(figure)
