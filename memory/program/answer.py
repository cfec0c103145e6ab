"""AnswerQuestion: the module that answers from the evidence shown, and cites turns."""

import re
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError, LMError

from memory.evidence.layout import Evidence
from memory.evidence.messages import abstains
from memory.evidence.question import UserQuestion
from memory.models.model_errors import NOTHING
from memory.models.server_refusals import is_too_long
from memory.program.answer_sources import likely_source, speaks_of
from memory.program.examples import traced_without_look
from memory.program.look import NO_LOOK, Look, read_look
from memory.program.prompted import PromptedModule, question_text
from memory.program.signatures.forms import PROMPTS, Form
from memory.program.signatures.full import with_look
from memory.text.dates import spoken_date


class AnswerQuestion(PromptedModule):
    """Answers a question from the memory shown and cites turns, or abstains."""

    def __init__(self, prompts: Form = "full") -> None:
        super().__init__(PROMPTS[prompts].answer, prompts)
        # Models whose context had no room for the field of a look.
        self._without_look: frozenset[str] = frozenset()

    @property
    def looks(self) -> bool:
        """Whether its model may ask for more of the memory: it is large enough for that."""
        return self.prompts.looks

    def forward(
        self,
        question: UserQuestion,
        evidence: Evidence,
        *,
        catalog: str = "",
        note: str = "",
        **_: Any,
    ) -> dspy.Prediction:
        """Answer one question, or say what to look up first.

        Arguments:
            question: as the user asked it.
            evidence: the part of the memory shown; only its turns can be cited.
            catalog: what the memory holds, if the model may ask for more of it; else "".
            note: a line after the evidence.

        Returns a Prediction of answer (str, as the model wrote it), turns (list of its ids, none
        for an abstention), cites (list of the ids that the model named), calls (int), unusable
        (str): what the model said if it is not an answer, which is then empty; logprobs, if the
        model gives them, else None; and look (Look): what the model asks for instead of an answer,
        which is then empty.
        """
        unusable = ""
        logprobs = None
        try:
            prediction = self._answered(question, evidence, catalog=catalog, note=note)
            text = str(prediction.answer or "")
            cited = str(prediction.turns or "")
            logprobs = prediction.get("logprobs")
            if catalog:
                wanted = str(prediction.get("look") or "").strip()
                look = read_look(wanted)
                if look and _gives_way(text):
                    return _asking(look)
                if wanted and not (look or text) and speaks_of(evidence.text, wanted):
                    text = wanted  # the first field is not always filled in correctly
                if prediction.answer is None and not text:
                    # The adapter could read nothing, and does not say what was written.
                    return _with_call(self(question, evidence, note=note))
        except AdapterParseError as error:
            # An answer without the expected marks is still an answer; the marks are removed.
            text = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response or "").strip()
            cited = ""
            if not speaks_of(evidence.text, text):
                unusable = text
                text = ""
        answer = text.strip()
        if not answer:
            # Not an abstention: a model that says nothing has not looked.
            return dspy.Prediction(
                answer="",
                turns=[],
                cites=[],
                calls=1,
                unusable=unusable or NOTHING,
                logprobs=None,
                look=NO_LOOK,
            )
        # At most 18 digits: a longer number fits no id of the database.
        named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
        cites = [turn for turn in dict.fromkeys(named) if turn in evidence.turn_ids]
        if abstains(answer):
            turns = []
        else:
            turns = cites or likely_source(answer, question.text, evidence.text, evidence.turn_ids)
        return dspy.Prediction(
            answer=answer,
            turns=turns,
            cites=cites,
            calls=1,
            unusable="",
            logprobs=logprobs,
            look=NO_LOOK,
        )

    def _answered(
        self, question: UserQuestion, evidence: Evidence, *, catalog: str, note: str
    ) -> dspy.Prediction:
        """What the model says."""
        inputs = {
            "evidence": "\n".join(filter(None, (evidence.text, note))),
            "question": question_text(question, self.prompts),
            "asker": question.asker,
            "today": spoken_date(question.today),
        }
        with self._traced():
            name = str(getattr(dspy.settings.lm, "model", ""))
            if not catalog or name in self._without_look:
                return self._predicted(**inputs)
            plain = self.predict.signature
            # Instead of a missing field an example would show a remark.
            demos = [{**demo, "look": "", "catalog": ""} for demo in self.predict.demos]
            try:
                with traced_without_look(plain):
                    return self.predict(
                        signature=with_look(plain), demos=demos, catalog=catalog, **inputs
                    )
            except LMError as refusal:
                if not is_too_long(refusal):
                    raise
                self._without_look |= {name}
                return self._predicted(**inputs)  # a small context holds less


def _gives_way(text: str) -> bool:
    """Whether a look replaces an answer: it says nothing; or it abstains and no one has read it.

    An answer that is streamed has been read already.
    """
    return not text.strip() or (abstains(text) and not dspy.settings.stream_listeners)


def _asking(look: Look) -> dspy.Prediction:
    return dspy.Prediction(
        answer="", turns=[], cites=[], calls=1, unusable="", logprobs=None, look=look
    )


def _with_call(prediction: dspy.Prediction) -> dspy.Prediction:
    """A prediction that took one call more."""
    prediction.calls += 1
    return prediction
