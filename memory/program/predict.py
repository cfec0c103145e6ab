"""The predictor of a memory's modules: which examples it takes, and how it reads other adapters."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.models.completions import CompletionAdapter

# The fields with what a predictor is shown of a memory.
_MEMORY_FIELDS = frozenset({"evidence", "window", "turn", "catalog"})


class MemoryPredict(dspy.Predict):
    """A predictor whose examples show a memory, and which any adapter may serve.

    DSPy's optimizers also hand it the examples of a whole program: a question, a memory's name and
    an answer. They would teach it to answer from nothing, so it leaves them out, and warns.

    A reply that lacks a field is an error for most adapters. Its other fields are read all the
    same, by `CompletionAdapter`; AdapterParseError if that finds none.
    """

    @property
    def demos(self) -> list[Any]:
        """The examples in its prompt."""
        return self._demos

    @demos.setter
    def demos(self, demos: Sequence[Any]) -> None:
        fields = _MEMORY_FIELDS.intersection(self.signature.input_fields)
        self._demos = [
            demo
            for demo in demos
            if not fields or any(demo.get(name) is not None for name in fields)
        ]
        if left_out := len(demos) - len(self._demos):
            warnings.warn(
                f"{left_out} examples without {' or '.join(sorted(fields))} are left out of the"
                f" prompt {self.signature.__name__}: they show nothing of a memory",
                stacklevel=2,
            )

    def reset(self) -> None:
        """Forget the examples, not the LM of `set_lm`: optimizers reset what they compile."""
        lm = vars(self).get("lm")
        super().reset()
        self.lm = lm

    def forward(self, **kwargs: Any) -> dspy.Prediction:
        """As DSPy's."""
        try:
            return super().forward(**kwargs)
        except AdapterParseError as error:
            signature = kwargs.get("signature") or self.signature
            outputs = CompletionAdapter().parse(signature, error.lm_response or "")
            with dspy.context(adapter=_AlreadyRead(outputs)):
                return super().forward(**kwargs)


class _AlreadyRead(dspy.Adapter):
    """The outputs of a call that was made, so that DSPy traces it."""

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        super().__init__()
        self.outputs = dict(outputs)

    def __call__(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return [self.outputs]
