"""The predictor of a memory's modules and their base: prompts, their examples, and `acall`.

DSPy's optimizers copy the inputs of traced calls into prompts, several to a prompt: memories of
6,000 tokens would leave no room. So a traced call has its memory cut to the lines that its answer
cites, and its catalog to the beginning.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.errors import InputError
from memory.models.completions import CompletionAdapter
from memory.text.tokens import fitting_lines, trim

# The fields with what a predictor is shown of a memory.
_MEMORY_FIELDS = ("evidence", "window", "turn", "catalog")
_ADDED = ("Catalog:", "Look:")  # to the answering prompt
EXAMPLE_TOKENS = 1_500  # a prompt of five examples is read for every question
LEAST_EXAMPLE = 64  # tokens; a shorter memory holds no turn
_WORD = re.compile(r"\w+")
# A step of a trace: the predictor, or the signature if an adapter could not parse; inputs; outputs.
Step: TypeAlias = tuple[Any, dict[str, Any], Any]
# What a module is made with: a signature, or one in DSPy's short form: "question -> answer".
Prompt: TypeAlias = type[dspy.Signature] | str


# --- the modules' base ----------------------------------------------------------------------------


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

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        signature: type[dspy.Signature] = dspy.ensure_signature(prompt)
        self.plain_instructions = signature.instructions
        self.predict = MemoryPredict(signature)
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

    They are the parameters of its `forward`, or of the module that it wraps, as `dspy.Refine` and
    `dspy.BestOfN` do. One that takes anything gets the inputs of its prompt, as `dspy.Predict` and
    `dspy.ChainOfThought`; without a single prompt, everything.
    """
    taking = module
    while isinstance(taking, dspy.Refine | dspy.BestOfN):
        taking = taking.module
    names, takes_anything = _parameters(type(taking).forward)
    if takes_anything:
        prompt = None if names else prompt_of(taking)
        names = names.union(prompt.input_fields if prompt else inputs)
    return module(**{name: value for name, value in inputs.items() if name in names})


@cache
def _parameters(forward: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """The names that a module's `forward` takes, and whether it takes any others."""
    _, *parameters = inspect.signature(forward).parameters.values()
    kinds = {parameter.name: parameter.kind for parameter in parameters}
    names = frozenset(
        name for name, kind in kinds.items() if kind is not inspect.Parameter.VAR_KEYWORD
    )
    return names, len(names) < len(kinds)


# --- the predictor --------------------------------------------------------------------------------


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


# --- calls as examples ----------------------------------------------------------------------------


def example_of(step: Step, predict: Any, tokens: int | None) -> Step:
    """A traced call of a predictor as an example of this many tokens; uncut with None."""
    step = (predict, *step[1:]) if step[0] == predict.signature else step
    return step if tokens is None else shortened(step, tokens)


def shortened(step: Step, tokens: int) -> Step:
    """A step of a trace with its memory cut to the lines that the answer cites or most resembles.

    The packaged model cites nothing; an example without the cited line would teach it to invent.
    """
    predict, inputs, outputs = step
    # The tokens' log-probabilities go: a program with them does not load.
    outputs = _without(outputs, "logprobs")
    if "tools" in inputs:
        return predict, _without_tools(inputs, tokens), _with_calls_as_text(outputs)
    if "catalog" in inputs:
        shorter = trim(str(inputs["catalog"]), max(tokens, LEAST_EXAMPLE))
        inputs = {**inputs, "catalog": shorter}
    if "evidence" not in inputs:
        return predict, inputs, outputs
    lines = str(inputs["evidence"]).splitlines()
    # Unparsed text has no fields.
    said = outputs if isinstance(outputs, dspy.Prediction) else {}
    cited = {f"[{n.strip()}]" for n in str(said.get("turns") or "").split(",")}
    answer = {*_WORD.findall(str(said.get("answer") or said.get("reply") or "").lower())}

    ranks = [
        (line.split(" ")[0] not in cited, -len(answer & {*_WORD.findall(line.lower())}), n)
        for n, line in enumerate(lines)
    ]
    ranked = [n for *_, n in sorted(ranks)]
    tokens = max(tokens, LEAST_EXAMPLE)
    indices = {n for _, n in fitting_lines([(lines[n], n) for n in ranked], tokens)}
    shorter = "\n".join([line for n, line in enumerate(lines) if n in indices])
    if lines and not indices:
        shorter = lines[ranked[0]][: 2 * tokens]  # a token seldom has less than two letters
    return predict, {**inputs, "evidence": shorter}, outputs


def _without(outputs: Any, field: str) -> Any:
    """A call's outputs without one of its fields; unparsed text has none."""
    if not isinstance(outputs, dspy.Prediction) or field not in outputs:
        return outputs
    return dspy.Prediction(**{name: said for name, said in outputs.items() if name != field})


def _without_tools(inputs: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """The inputs of an episode's call, cut; the tools are not described in each example."""
    return {
        name: trim(str(value), max(tokens, LEAST_EXAMPLE) // 2)
        for name, value in inputs.items()
        if name != "tools"
    }


def _with_calls_as_text(outputs: Any) -> Any:
    calls = outputs.get("tool_calls")
    text = calls.model_dump_json() if isinstance(calls, dspy.ToolCalls) else str(calls or "")
    return dspy.Prediction(thought=str(outputs.get("thought") or ""), tool_calls=text)
