"""What a model keeps of long answers of an assistant, of which a digest shows it only outlines."""

import re
from collections.abc import Sequence

import dspy

from memory.evidence.lines import turn_lines
from memory.evidence.outline import numbers_in
from memory.program.signatures.further import KeepAnswers
from memory.records import Fact, Turn
from memory.text.tokens import trim

PROPOSED = "proposed"  # the attribute of what an assistant said, as the store prompt has it
_ROW_TOKENS = 110
_ROW = re.compile(r"^\W*\[(\d{1,18})\]\s*(?:\([^)]*\)\s*)?(.+)$", re.MULTILINE)


def kept_answers(turns: Sequence[Turn], tokens: int) -> list[Fact]:
    """A fact for each answer that a model says something of; raises what a call of a model does.

    The whole answers are shown, in at most so many tokens. What has a number that its answer does
    not have is left out.
    """
    lines = turn_lines(turns, tokens, iso=True, spans=True)
    prediction = dspy.Predict(KeepAnswers)(answers=lines)
    rows = {int(number): text for number, text in _ROW.findall(str(prediction.kept or ""))}
    facts = []
    for turn in turns:
        text = trim(" ".join(rows.get(turn.id, "").split()), _ROW_TOKENS)
        if text and numbers_in(text) <= numbers_in(turn.text):
            facts.append(Fact(turn.speaker, PROPOSED, text, turn_id=turn.id))
    return facts
