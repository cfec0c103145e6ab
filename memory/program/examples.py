"""Calls as examples: the part of a call that a prompt shows when an optimizer picks the call.

DSPy's optimizers copy the inputs of traced calls into prompts, several to a prompt: memories of
6,000 tokens would leave no room. So a traced call has its memory cut to the lines that its answer
cites, and its catalog to the beginning.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import dspy

from memory.text.tokens import fitting_lines, trim

LEAST_EXAMPLE = 64  # tokens; a shorter memory holds no turn
_MOST_EXAMPLE = 1_500
_WORD = re.compile(r"\w+")
_SHARE_OF_BUDGET = 4  # a prompt of five examples is read for every question
# A step of a trace: the predictor, or the signature if an adapter could not parse; inputs; outputs.
Step: TypeAlias = tuple[Any, dict[str, Any], Any]


def example_tokens(budget: int) -> int:
    """How many tokens of a memory an example shows if a question is shown `budget`."""
    return min(max(budget // _SHARE_OF_BUDGET, LEAST_EXAMPLE), _MOST_EXAMPLE)


@contextmanager
def traced_examples(
    predict: dspy.Predict, tokens: int | None, whole_calls: bool = False
) -> Iterator[None]:
    """A block that traces a predictor's calls as examples of this many tokens.

    None: uncut, for weights that learn from the actual prompt. Then only the first call counts,
    since a group of rollouts answers one prompt and each repair has another; except for
    `whole_calls`, which are one trajectory.
    """

    def as_examples(calls: Sequence[Step]) -> Sequence[Step]:
        steps = [(predict, *step[1:]) if step[0] == predict.signature else step for step in calls]
        if tokens is None:
            return steps if whole_calls else steps[:1]
        return [shortened(step, tokens) for step in steps]

    with _traced_as(as_examples):
        yield


@contextmanager
def traced_without_look(plain: type[dspy.Signature]) -> Iterator[None]:
    """A block that traces calls as if looks did not exist; a call that asks for one is no example.

    Examples are of the plain signature, whose fields a saved program has.
    """

    def as_answers(calls: Sequence[Step]) -> Iterator[Step]:
        for predict, inputs, outputs in calls:
            if isinstance(outputs, dspy.Prediction) and "look" in outputs and not outputs.answer:
                continue
            called = predict if isinstance(predict, dspy.Predict) else plain
            known = {name: inputs[name] for name in plain.input_fields if name in inputs}
            yield called, known, _without(outputs, "look")

    with _traced_as(as_answers):
        yield


@contextmanager
def _traced_as(rewritten: Callable[[Sequence[Step]], Iterable[Step]]) -> Iterator[None]:
    """A block that replaces each traced call by its example, even if a call fails."""
    outer = dspy.settings.trace
    if outer is None:
        yield
        return
    with dspy.context(trace=[]):
        calls = dspy.settings.trace
        try:
            yield
        finally:
            outer.extend(rewritten(calls))


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
        return predict, {**inputs, "catalog": shorter}, outputs
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
