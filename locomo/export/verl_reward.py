"""Scores an episode of verl: makes the calls of its journal again, on a draft.

The tools change only a draft and are deterministic, so the journal of the calls is enough. The text
of the episode is not read: it may quote calls, or have more than verl carried out.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from locomo.dataset.format import Question
from locomo.export.episodes import CitedDraft, call_tool
from locomo.export.verl import JOURNAL
from locomo.metrics import score
from locomo.tasks.lost_facts import lost_share
from locomo.tasks.modules import fact_lengths
from locomo.tasks.rewards import REFINING_TOOLS, efficiency, episode_reward
from memory import InputError, load_model, open_store
from memory.models import Model
from memory.program import plain_program
from memory.refine import FactReader, RefiningTools

READER, READER_ADDRESS = "SQL_MEMORY_READER", "SQL_MEMORY_READER_API_BASE"


def score_episode(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: dict[str, Any] | None = None,
    *,
    folder: Path,
    padded: bool = True,
    **other: Any,
) -> dict[str, float]:
    """The reward of an episode, as `score`, and its components, as verl logs them.

    Arguments:
        solution_str, ground_truth: not used. Gold and category are in `extra_info`, as exported,
            and the calls in its journal, which this export's agent loop adds.
        folder: of the export; `extra_info` names its memory by a path in it.
        padded: whether a longer fact is worth more, see `locomo.tasks.rewards.efficiency`.

    Raises InputError for a row that this export did not write and for an episode without a journal,
    ModelError when the reader cannot be used: a trainer should stop then.
    """
    if not extra_info or "memory" not in extra_info:
        raise InputError(f"{data_source}: extra_info names no memory; export the rows again")
    journal = extra_info.get(JOURNAL)
    if journal is None:
        raise InputError(
            "the episode has no journal of its calls: use agent_loops.yaml and the rewards of"
            " verl's reward loop (use_reward_loop: true, reward_manager: naive), as exported"
        )
    question = Question(
        index=int(extra_info["question_index"]),
        text=str(extra_info["question"]),
        answer=str(extra_info["answer"]),
        category=int(extra_info["category"]),
        evidence=(),
    )
    model = _reader()
    with open_store(folder / str(extra_info["memory"]), read_only=True) as store:
        draft = CitedDraft(store)
        reader = FactReader(store, model, plain_program(model).answer)
        answer = reader.answered(question.text, reader.context(question.text, draft.start))
        before = score(answer, question)
        uses, refused = replay(draft, journal)
        answer = reader.answered(question.text, reader.context(question.text, draft.state))
        after = score(answer, question)
    of_memory = efficiency(fact_lengths(draft.start), fact_lengths(draft.state), padded)
    lost = lost_share(draft.start, draft.state)
    return {
        "score": episode_reward(after - before, of_memory["efficiency"], lost),
        "gain": after - before,
        "before": before,
        "acc": after,
        **of_memory,
        "lost": lost,
        "operations": float(sum(uses.values())),
        "refused": float(refused),
        **{tool: float(uses[tool]) for tool in REFINING_TOOLS},
    }


def replay(draft: CitedDraft, journal: Iterable[Mapping[str, Any]]) -> tuple[Counter[str], int]:
    """Make the calls of a journal again on a draft; returns uses by tool, and failures."""
    tools = RefiningTools(draft)
    uses = Counter[str]()
    refused = 0
    for call in journal:
        uses[call["tool"]] += 1
        _, failed = call_tool(tools, call["tool"], call["arguments"])
        refused += failed
    return uses, refused


@lru_cache(maxsize=1)
def _reader() -> Model:
    """The frozen model that answers; it is not trained."""
    return load_model(os.environ.get(READER, "local"), os.environ.get(READER_ADDRESS))
