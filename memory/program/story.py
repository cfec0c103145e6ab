"""What happened in some turns, told by a model in a few sentences."""

import dspy

from memory.program.signatures.further import TellStory


def tell(lines: str, facts: str) -> str:
    """A summary of lines beside facts that are right; raises what a call of a model does."""
    prediction = dspy.Predict(TellStory)(lines=lines, facts=facts)
    return " ".join(str(prediction.summary or "").split())
