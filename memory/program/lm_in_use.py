"""The LM and the adapter that a module of a memory runs on, as DSPy has them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dspy

from memory.errors import ModelError
from memory.models.adapters import adapter_for


@contextmanager
def lm_in_use(module: dspy.Module) -> Iterator[None]:
    """A block whose calls use the adapter that is set, else a fitting one.

    The LM is the predictor's (`set_lm`), or that of `dspy.configure` or `dspy.context`; ModelError
    says what to set if there is none.
    """
    lms = [predictor.lm or dspy.settings.lm for predictor in module.predictors()]
    if not all(lms):
        raise ModelError(
            "no model is set: dspy.configure(lm=dspy.LM('openai/NAME')), or set_lm; or ask a"
            " Memory, which has one"
        )
    lm = lms[0] if lms else dspy.settings.lm
    with dspy.context(adapter=dspy.settings.adapter or adapter_for(lm)):
        yield


def lm_name(module: dspy.Module) -> str:
    """The name of the LM of a module's first call, as `PROVIDER/MODEL`."""
    lms = [predictor.lm or dspy.settings.lm for predictor in module.predictors()]
    return str(getattr(lms[0] if lms else dspy.settings.lm, "model", ""))
