"""What this process keeps of calls of models, so that what was forgotten is not in it."""

import sys
from typing import Any

_FORGOTTEN = "(removed when turns were forgotten)"
_COSTS = ("cost", "model", "model_type", "response_model", "timestamp", "usage", "uuid")


def empty_call_history() -> None:
    """Remove the prompts and the answers from DSPy's history of all calls; what they cost stays.

    A model and a module list the same records, so their histories are emptied with it. Calls that
    do not concern the memory lose theirs too: no one can tell which of them quoted a turn.
    """
    calls = sys.modules.get("dspy.clients.base_lm")  # not imported: without DSPy nothing was called
    for record in list(calls.GLOBAL_HISTORY) if calls else ():
        _empty(record)


def _empty(record: dict[str, Any]) -> None:
    costs = {name: record[name] for name in _COSTS if name in record}
    record.clear()
    message = {"role": "user", "content": _FORGOTTEN}
    record.update(costs, prompt=None, messages=[message], outputs=[_FORGOTTEN], kwargs={})
