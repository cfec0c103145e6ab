"""Calls as examples: what of a call stands in a prompt, where an optimizer makes an example of it.

DSPy's optimizers copy the inputs of traced calls into prompts, several to a prompt: memories of
6,000 tokens would leave no room. So a call is traced with its memory cut to the lines that its
answer cites, and its catalog to the beginning.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dspy

from memory.text.tokens import fitting_lines, trim

LEAST_EXAMPLE = 64  # tokens; a shorter memory holds no turn
_MOST_EXAMPLE = 1_500
_SHARE_OF_BUDGET = 4  # a prompt of five examples is read for every question


def example_tokens(budget: int) -> int:
    """How many tokens of a memory an example shows where a question is shown `budget`."""
    return min(max(budget // _SHARE_OF_BUDGET, LEAST_EXAMPLE), _MOST_EXAMPLE)


@contextmanager
def traced_examples(
    predict: dspy.Predict, tokens: int | None, whole_calls: bool = False
) -> Iterator[None]:
    """Calls of a predictor inside are traced as examples of this many tokens.

    None: as they were, for weights that learn from the very prompt. Then the first call alone
    counts, since a group of rollouts answers one prompt and each repair has its own; but for
    `whole_calls`, which are one trajectory.
    """
    outer = dspy.settings.trace
    if outer is None:
        yield
        return
    with dspy.context(trace=[]):
        calls = dspy.settings.trace
        try:
            yield
        finally:
            # An adapter traces what it cannot parse by the signature.
            steps = [
                (predict, *step[1:]) if step[0] == predict.signature else step for step in calls
            ]
            if tokens is None:
                outer.extend(steps if whole_calls else steps[:1])
            else:
                outer.extend([shortened(step, tokens) for step in steps])


def shortened(step: tuple[Any, dict[str, Any], Any], tokens: int) -> tuple[Any, Any, Any]:
    """A step of a trace with its memory cut to the lines that the answer cites or most resembles.

    The packaged model cites nothing; an example without the cited line would teach it to invent.
    """
    predict, inputs, outputs = step
    outputs = _without_likelihoods(outputs)
    if "tools" in inputs:
        return predict, _without_tools(inputs, tokens), _with_calls_as_text(outputs)
    if "catalog" in inputs:
        shorter = trim(str(inputs["catalog"]), max(tokens, LEAST_EXAMPLE))
        return predict, {**inputs, "catalog": shorter}, outputs
    if "memory" not in inputs:
        return predict, inputs, outputs
    lines = str(inputs["memory"]).splitlines()
    # What could not be parsed has no fields.
    said = outputs if isinstance(outputs, dspy.Prediction) else {}
    cited = {f"[{n.strip()}]" for n in str(said.get("turns") or "").split(",")}
    answer = _words(str(said.get("answer") or said.get("reply") or ""))

    ranks = [
        (line.split(" ")[0] not in cited, -len(answer & _words(line)), n)
        for n, line in enumerate(lines)
    ]
    ranked = [n for *_, n in sorted(ranks)]
    tokens = max(tokens, LEAST_EXAMPLE)
    indices = {n for _, n in fitting_lines([(lines[n], n) for n in ranked], tokens)}
    shorter = "\n".join([line for n, line in enumerate(lines) if n in indices])
    if lines and not indices:
        shorter = lines[ranked[0]][: 2 * tokens]  # a token is seldom less than two letters
    return predict, {**inputs, "memory": shorter}, outputs


def _without_likelihoods(outputs: Any) -> Any:
    """What a call said, without how likely each token was: a program with that does not load."""
    if not isinstance(outputs, dspy.Prediction) or "logprobs" not in outputs:
        return outputs
    said = {name: value for name, value in outputs.items() if name != "logprobs"}
    return dspy.Prediction(**said)


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


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
