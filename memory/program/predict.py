"""The predictor of a memory's modules: which examples it takes, and how it reads other adapters."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.errors import InputError
from memory.models.completions import CompletionAdapter
from memory.program.examples import example_of

# The fields with what a predictor is shown of a memory.
_MEMORY_FIELDS = ("evidence", "window", "turn", "catalog")
_ADDED = ("Catalog:", "Look:")  # to the answering prompt
EXAMPLE_TOKENS = 1_500  # a prompt of five examples is read for every question


class MemoryPredict(dspy.Predict):
    """A predictor whose examples show a memory, and which any adapter may serve.

    DSPy's optimizers also hand it the examples of a whole program: a question, a memory's name and
    an answer. They would teach it to answer from nothing, so it leaves them out, and warns.

    A reply that lacks a field is an error for most adapters. Its other fields are read all the
    same, by `CompletionAdapter`; AdapterParseError if that finds none.

    `example_tokens` is how much of its memory a traced call keeps, so that an optimizer may put it
    into a prompt. None: all of it, for weights that learn from the actual prompt; then repairs are
    not traced, since a group of rollouts answers one prompt and each repair has another.
    """

    example_tokens: int | None = EXAMPLE_TOKENS
    traces_repairs = False

    @property
    def demos(self) -> list[Any]:
        """The examples in its prompt."""
        return self._demos

    @demos.setter
    def demos(self, demos: Sequence[Any]) -> None:
        fields = [name for name in _MEMORY_FIELDS if name in self.signature.input_fields][:1]
        self._demos = [
            demo
            for demo in demos
            if not fields or any(demo.get(name) is not None for name in fields)
        ]
        if left_out := len(demos) - len(self._demos):
            warnings.warn(
                f"{left_out} examples without {' or '.join(fields)} are left out of the"
                f" prompt {self.signature.__name__}: they show nothing of a memory",
                stacklevel=2,
            )

    def load_state(self, state: Mapping[str, Any], **settings: Any) -> "MemoryPredict":
        """As DSPy's: the instructions and examples that were saved, with today's fields.

        Fields that a later version added are empty in older examples. Raises InputError for the
        state of another prompt.
        """
        fields = state["signature"]["fields"]
        if not is_same_prompt(fields, self.signature):
            raise InputError(
                f"a saved program has the fields {' '.join(_names(fields))} in the place of"
                f" {self.signature.__name__}; compile it again"
            )
        plain = with_saved(self.signature, state["signature"]["instructions"], fields)
        super().load_state({**state, "signature": plain.dump_state()}, **settings)
        return self

    def reset(self) -> None:
        """Forget the examples, not the LM of `set_lm`: optimizers reset what they compile."""
        lm = vars(self).get("lm")
        super().reset()
        self.lm = lm

    def forward(self, **kwargs: Any) -> dspy.Prediction:
        """As DSPy's; the call is traced as an example."""
        trace = dspy.settings.trace
        begun = len(trace) if trace is not None else 0
        try:
            return self._read(**kwargs)
        finally:
            if trace is not None:
                calls = [example_of(call, self, self.example_tokens) for call in trace[begun:]]
                is_dropped = self.example_tokens is None and not self.traces_repairs
                if is_dropped and str(kwargs.get("feedback") or ""):
                    calls = []
                trace[begun:] = calls

    def _read(self, **kwargs: Any) -> dspy.Prediction:
        try:
            return super().forward(**kwargs)
        except AdapterParseError as error:
            signature = kwargs.get("signature") or self.signature
            outputs = CompletionAdapter().parse(signature, error.lm_response or "")
            with dspy.context(adapter=_AlreadyRead(outputs)):
                return super().forward(**kwargs)


def is_same_prompt(fields: Sequence[Any], signature: type[dspy.Signature]) -> bool:
    """Whether saved fields are a signature's, now or before fields were added.

    The last one's prefix does not count: COPRO rewrites it, and no prompt shows it.
    """
    saved, own = _names(fields), _names(signature.dump_state()["fields"])
    return saved[:-1] in (own[:-1], [name for name in own[:-1] if name not in _ADDED])


def with_saved(
    signature: type[dspy.Signature], instructions: str, fields: Sequence[Any]
) -> type[dspy.Signature]:
    """A signature with the instructions and the last field's prefix that were saved."""
    last = [*signature.fields][-1]
    updated = signature.with_updated_fields(last, prefix=fields[-1]["prefix"])
    return updated.with_instructions(instructions)


def _names(fields: Sequence[Any]) -> list[str]:
    """The fields of a saved signature, by their prefixes: "Evidence:"."""
    return [str(field.get("prefix")) for field in fields if isinstance(field, dict)]


class _AlreadyRead(dspy.Adapter):
    """The outputs of a call that was made, so that DSPy traces it."""

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        super().__init__()
        self.outputs = dict(outputs)

    def __call__(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return [self.outputs]
