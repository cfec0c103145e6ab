"""Calls as examples: the part of a call that a prompt shows when an optimizer picks the call.

DSPy's optimizers copy the inputs of traced calls into prompts, several to a prompt: memories of
6,000 tokens would leave no room. So a traced call has its memory cut to the lines that its answer
cites, and its catalog to the beginning.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import dspy

from memory.text.tokens import fitting_lines, trim

LEAST_EXAMPLE = 64  # tokens; a shorter memory holds no turn
_WORD = re.compile(r"\w+")
# A step of a trace: the predictor, or the signature if an adapter could not parse; inputs; outputs.
Step: TypeAlias = tuple[Any, dict[str, Any], Any]


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
