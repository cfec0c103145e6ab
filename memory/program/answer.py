"""AnswerQuestion: the module that answers from what is shown of a memory, and cites turns."""

import re
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.evidence.layout import Evidence
from memory.evidence.messages import abstains
from memory.evidence.question import UserQuestion
from memory.models.model_errors import NOTHING
from memory.program.answer_sources import likely_source, speaks_of
from memory.program.prompted import PromptedModule, question_text
from memory.program.signatures.forms import PROMPTS, Form
from memory.text.dates import spoken_date


class AnswerQuestion(PromptedModule):
    """Answers a question from the memory shown and cites turns, or abstains."""

    def __init__(self, prompts: Form = "full") -> None:
        super().__init__(PROMPTS[prompts].answer, prompts)

    def forward(self, question: UserQuestion, evidence: Evidence, **_: Any) -> dspy.Prediction:
        """Answer one question.

        Arguments:
            question: as the user asked it.
            evidence: what is shown of the memory; only its turns can be cited.

        Returns a Prediction of answer (str, as the model wrote it), turns (list of its ids, none
        for an abstention), cites (list of the ids that the model named), calls (int, always 1),
        unusable (str): what the model said where it is no answer, which is empty then; and
        logprobs, of a model that gives them, else None.
        """
        unusable = ""
        logprobs = None
        try:
            prediction = self._answered(question, evidence)
            text = str(prediction.answer or "")
            cited = str(prediction.turns or "")
            logprobs = prediction.get("logprobs")
        except AdapterParseError as error:
            # An answer without the expected marks is still an answer; marks are taken out of it.
            text = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response or "").strip()
            cited = ""
            if not speaks_of(evidence.text, text):
                unusable = text
                text = ""
        answer = text.strip()
        if not answer:
            # Never an abstention: a model that says nothing has not looked.
            return dspy.Prediction(
                answer="", turns=[], cites=[], calls=1, unusable=unusable or NOTHING, logprobs=None
            )
        # At most 18 digits: a longer number fits no id of the database.
        named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
        cites = [turn for turn in dict.fromkeys(named) if turn in evidence.turn_ids]
        turns = [] if abstains(answer) else cites or _source(answer, evidence)
        return dspy.Prediction(
            answer=answer, turns=turns, cites=cites, calls=1, unusable="", logprobs=logprobs
        )

    def _answered(self, question: UserQuestion, evidence: Evidence) -> dspy.Prediction:
        """What the model says."""
        with self._traced():
            return self._predicted(
                memory=evidence.text,
                question=question_text(question, self.prompts),
                asker=question.asker,
                today=spoken_date(question.today),
            )


def _source(answer: str, evidence: Evidence) -> list[int]:
    return likely_source(answer, evidence.text, evidence.turn_ids)
