"""The adapter that fits an LM, if no one has chosen one."""

from typing import Any

import dspy

from memory.models.completions import CompletionAdapter
from memory.models.gguf.engine import GgufEngine
from memory.models.in_process import GgufAdapter, tuned_by


def adapter_for(lm: Any) -> dspy.Adapter:
    """The adapter that the engine of an LM needs; ours for any model if it needs none."""
    engine = getattr(lm, "engine", None)
    if not isinstance(engine, GgufEngine):
        return CompletionAdapter()
    return GgufAdapter(tuned_by(engine.lora))
