"""Scores an episode of verl: replays its tool calls on a draft.

The tools change only a draft and are deterministic, so the text of an episode is enough to replay
it.
"""

import json
import os
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError, validate_call

from locomo.dataset.format import Question
from locomo.export.verl import ASSISTANT_TURNS, CALLS_A_TURN
from locomo.metrics import score
from locomo.tasks.modules import fact_lengths
from locomo.tasks.rewards import REFINING_TOOLS, efficiency
from memory import InputError, MemoryProgram, SqlError, load_model, open_store
from memory.program import Model
from memory.refine.questions import FactReader
from memory.refine.tools import RefiningTools
from memory.refine.workbench import Draft

READER, READER_ADDRESS = "SQL_MEMORY_READER", "SQL_MEMORY_READER_API_BASE"
MOST_CALLS = ASSISTANT_TURNS * CALLS_A_TURN
_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


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
        solution_str: all that the policy wrote, tool calls in hermes form, and what came back.
        ground_truth: not used: gold and category stand in `extra_info`, as exported.
        folder: of the export; `extra_info` names its memory by a path in it.
        padded: whether a longer fact is worth more, see `locomo.tasks.rewards.efficiency`.

    Raises InputError for a row that this export did not write, ModelError when the reader cannot be
    used: a trainer should stop then.
    """
    if not extra_info or "memory" not in extra_info:
        raise InputError(f"{data_source}: extra_info names no memory; export the rows again")
    question = Question(
        index=int(extra_info["question_index"]),
        text=str(extra_info["question"]),
        answer=str(extra_info["answer"]),
        category=int(extra_info["category"]),
        evidence=(),
    )
    model = _reader()
    with open_store(folder / str(extra_info["memory"]), read_only=True) as store:
        draft = Draft(store)
        reader = FactReader(store, model, MemoryProgram().answer)
        answer = reader.answered(question.text, reader.context(question.text, draft.start))
        before = score(answer, question)
        uses, refused = replay(draft, solution_str)
        answer = reader.answered(question.text, reader.context(question.text, draft.state))
        after = score(answer, question)
    of_memory = efficiency(fact_lengths(draft.start), fact_lengths(draft.state), padded)
    return {
        "score": (after - before) * of_memory["efficiency"],
        "gain": after - before,
        "before": before,
        "acc": after,
        **of_memory,
        "operations": float(sum(uses.values())),
        "refused": float(refused),
        **{tool: float(uses[tool]) for tool in REFINING_TOOLS},
    }


def replay(draft: Draft, text: str) -> tuple[Counter[str], int]:
    """Replay the tool calls of an episode on a draft; returns uses by tool, and failures."""
    tools = {tool.__name__: tool for tool in RefiningTools(draft).functions()}
    uses = Counter[str]()
    refused = 0
    for written in _CALL.findall(text)[:MOST_CALLS]:
        try:
            call = json.loads(written)
            name = str(call["name"])
            arguments = call.get("arguments") or {}
            uses[name] += 1
            validate_call(tools[name])(**arguments)
        except (KeyError, TypeError, ValueError, ValidationError, InputError, SqlError):
            refused += 1
    return uses, refused


@lru_cache(maxsize=1)
def _reader() -> Model:
    """The frozen model that answers; it is not trained."""
    return load_model(os.environ.get(READER, "local"), os.environ.get(READER_ADDRESS))
