"""Recall against the number of turns and against their tokens: several systems in one picture."""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter, ValidationError

from locomo.dataset.format import ABSTENTION, Conversation
from memory import InputError, Turn
from memory.files import write_whole
from memory.prompt import assemble

_ALL = 10**9  # a budget that holds every turn
Ranked = Mapping[str, Mapping[str, Sequence[str]]]  # sources by conversation and question index


@dataclass(frozen=True)
class Curve:
    """Means over questions for the best 1, 2 ... k turns of a system, each (k,).

    `k` is the most turns that the system was asked for and found.
    """

    title: str
    recall: NDArray[np.float64]
    tokens: NDArray[np.float64]


class _Conversation(BaseModel):
    ranked: dict[str, list[str]]


class _System(BaseModel):
    title: str
    version: str = ""
    error: str = ""
    conversations: dict[str, _Conversation] = {}


_SYSTEMS = TypeAdapter(dict[str, _System])


def token_costs(turns: Sequence[Turn]) -> dict[str, int]:
    """What each turn, by source, adds to the tokens of what an answering model is shown."""
    costs = {}
    for number, turn in enumerate(turns, 1):
        numbered = replace(turn, id=number)
        once, twice = (assemble([], [numbered] * times, _ALL).tokens for times in (1, 2))
        costs[turn.source] = twice - once
    return costs


def curve(title: str, conversations: Sequence[Conversation], found: Ranked, k: int) -> Curve:
    """Recall and tokens of what a system found, questions of categories 1 to 4 with evidence.

    Raises InputError when a question was not asked of it, or it found a turn that is not there.
    """
    recalls, tokens, most = [], [], 0
    for one in conversations:
        costs = token_costs(one.turns)
        for question in one.questions:
            if question.category == ABSTENTION or not question.evidence:
                continue
            try:
                best = found[one.id][str(question.index)][:k]
                spent = [costs[source] for source in best]
            except KeyError as missing:
                raise InputError(
                    f"{title} has no {missing.args[0]!r} of {one.id}; was it measured on this data?"
                ) from None
            held = np.isin(best, question.evidence) / len(question.evidence)
            padded = np.zeros((2, k))
            padded[:, : len(best)] = held, spent
            most = max(most, len(best))
            recalls.append(padded[0].cumsum())
            tokens.append(padded[1].cumsum())
    if not recalls:
        raise InputError("no question of categories 1 to 4 has evidence: there is nothing to draw")
    return Curve(title, np.mean(recalls, axis=0)[:most], np.mean(tokens, axis=0)[:most])


def read_peers(path: Path) -> dict[str, Ranked]:
    """What `python -m tests.benchmarks.peers --json` wrote: rankings of each system, by title.

    Ours is left out, as are systems that could not be measured. Raises InputError for another
    file.
    """
    try:
        systems = _SYSTEMS.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {where} {first['msg']}; give what `python -m tests.benchmarks.peers --json`"
            " writes"
        ) from None
    return {
        f"{system.title} {system.version}".strip(): {
            name: one.ranked for name, one in system.conversations.items()
        }
        for key, system in systems.items()
        if key != "ours" and not system.error
    }


def recall_chart(curves: Sequence[Curve], path: Path) -> None:
    """Write the picture (PNG). Raises InputError when that cannot be."""
    import matplotlib as mpl

    mpl.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib import pyplot as plt

    figure, (by_turns, by_tokens) = plt.subplots(
        1, 2, figsize=(10, 4.2), sharey=True, layout="constrained"
    )
    for one in curves:
        turns = np.arange(1, len(one.recall) + 1)
        # A single point draws no line.
        mark = "o" if len(turns) == 1 else None
        by_turns.plot(turns, one.recall, label=one.title, marker=mark)
        by_tokens.plot(one.tokens, one.recall, label=one.title, marker=mark)
    by_turns.set_xlabel("turns shown")
    by_tokens.set_xlabel("tokens of the turns shown (mean)")
    by_turns.set_ylabel("recall of evidence turns")
    by_turns.set_ylim(0, 1)
    for axes in (by_turns, by_tokens):
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    by_turns.legend(frameon=False, loc="lower right")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130)
    plt.close(figure)
    write_whole(path, picture.getvalue())
