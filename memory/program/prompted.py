"""The base of a memory's modules: a prompt, its examples, and `acall`."""

from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any

import dspy

from memory.program.predict import MemoryPredict


class MemoryModule(dspy.Module):
    """A module that may be awaited: it waits in a thread, without code of its subclass."""

    async def aforward(self, *args: Any, **kwargs: Any) -> Any:
        """As `forward`."""
        return await dspy.asyncify(type(self).forward)(self, *args, **kwargs)


class PromptedModule(MemoryModule):
    """A module with one prompt, `predict`, which may be any module that gives its outputs.

    `plain_examples` are the ones that it comes with.
    """

    plain_examples: Sequence[dspy.Example] = ()

    def __init__(self, prompt: type[dspy.Signature]) -> None:
        super().__init__()
        self.plain_instructions = prompt.instructions
        self.predict = MemoryPredict(prompt)
        self.predict.demos = [*self.plain_examples]

    def _predicted(self, **inputs: Any) -> dspy.Prediction:
        """What the model says to the inputs that the prompt has."""
        return called(self.predict, **inputs)

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer changed its examples or its instructions."""
        examples = [dict(demo) for demo in self.predict.demos]
        plain = [dict(example) for example in self.plain_examples]
        return examples != plain or self.predict.signature.instructions != self.plain_instructions


def prompt_of(module: Any) -> type[dspy.Signature] | None:
    """The signature of a module's one prompt; None if it has several, or none."""
    for part in (module, getattr(module, "predict", None)):
        if prompt := getattr(part, "signature", None):
            return prompt
    predictors = module.predictors() if isinstance(module, dspy.Module) else []
    return predictors[0].signature if len(predictors) == 1 else None


def called(module: Any, **inputs: Any) -> dspy.Prediction:
    """What a module says to the inputs that it takes.

    They are the parameters of its `forward`. One that takes anything gets the inputs of its prompt,
    as `dspy.Predict` and `dspy.ChainOfThought`; without a single prompt, everything.
    """
    names, takes_anything = _parameters(type(module).forward)
    if takes_anything:
        prompt = None if names else prompt_of(module)
        names = names.union(prompt.input_fields if prompt else inputs)
    return module(**{name: value for name, value in inputs.items() if name in names})


@cache
def _parameters(forward: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """The names that a module's `forward` takes, and whether it takes any others."""
    _, *parameters = signature(forward).parameters.values()
    kinds = {parameter.name: parameter.kind for parameter in parameters}
    names = frozenset(name for name, kind in kinds.items() if kind is not Parameter.VAR_KEYWORD)
    return names, len(names) < len(kinds)
