"""What judges say out of form: a verdict alone, or in the last line of what they say.

Models that judge write "Correct.", "**True**" or "0,5" where a field was asked for. Such a verdict
is read where it can mean one thing only; the rest of what was said is its reason.
"""

import re

import dspy

_DECORATION = "*_`#\"' "
_LABEL = re.compile(r"^[\w ]{1,20}:")  # "Verdict: correct"
_VERDICTS = {
    **dict.fromkeys(("correct", "true", "yes", "right"), True),
    **dict.fromkeys(("incorrect", "not correct", "false", "no", "wrong"), False),
}
_POINTS = re.compile(r"(0|0?[.,]5|1|[01][.,]0)(?:\s*points?|\s*/\s*1(?:[.,]0)?)?")


def read_verdict(text: str) -> bool | None:
    """Whether a verdict says that an answer is correct; None for what is no verdict."""
    return _VERDICTS.get(_plain(text).casefold())


def read_points(text: str) -> float | None:
    """The points of a verdict, 0, 0.5 or 1; None for what are none."""
    points = _POINTS.fullmatch(_plain(text).casefold())
    return float(points[1].replace(",", ".")) if points else None


def read_alone(prompt: type[dspy.Signature], text: str) -> dspy.Prediction | None:
    """What a judge says without its fields: the last line is the verdict, if it is one."""
    lines = [line for line in text.splitlines() if line.strip() and "##" not in line]
    *reasons, last = lines or [""]
    reason = " ".join(reasons)
    if "correct" in prompt.output_fields:
        verdict = read_verdict(last)
        return None if verdict is None else dspy.Prediction(reason=reason, correct=verdict)
    if "points" in prompt.output_fields and read_points(last) is not None:
        return dspy.Prediction(reason=reason, points=last)
    return None


def _plain(text: str) -> str:
    """A line without emphasis, full stop and label."""
    line = text.strip(_DECORATION).rstrip(f"{_DECORATION}.")
    return _LABEL.sub("", line).strip(_DECORATION)
