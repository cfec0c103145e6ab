"""What the packaged model is asked: an answer over quotations, which turns that it saw must say.

A model of 135 million parameters completes sentences. So rows of templates decide where they can,
and what it writes counts only if a turn that it was shown says so and it is likely enough.
"""

from collections.abc import Collection, Sequence

import dspy

from memory.evidence.block import Options
from memory.evidence.messages import is_evidence, originals_first
from memory.models.sizes import SMALL_BUDGET
from memory.program.abstention import PEOPLE_COST, Grounds, likelihood_of, pays
from memory.program.brief import ChooseRows, TemplateRows
from memory.program.heart import AnswerQuestion, AskMemory
from memory.program.opened import OpenedMemory
from memory.program.predict import MemoryModule
from memory.program.protocol import Question, Shown
from memory.program.signatures.brief import EXAMPLES_OF_ANSWERS, AnswerBrieflyFromMemory
from memory.program.support import is_attributed, supported_part
from memory.records import ABSTAIN, Hit


def packaged_ask(tuned: Collection[str]) -> AskMemory:
    """How the packaged model is asked; it chooses rows only if its weights were tuned to."""
    answer = AnswerQuestion(AnswerBrieflyFromMemory)
    answer.plain_examples = () if "answer" in tuned else EXAMPLES_OF_ANSWERS
    answer.predict.demos = [*answer.plain_examples]
    answer.predict.config["logprobs"] = True
    return AskMemory(
        TemplateRows(ChooseRows() if "retrieve" in tuned else None),
        Checked(answer),
        sql="always",
        budget=SMALL_BUDGET,
        options=Options(lists=False, spans=False, wishes=False),
    )


class Checked(MemoryModule):
    """An answering module that gives an answer only if shown turns support it.

    `wrong_answer_cost` is the cost of a wrong answer, in right ones (`memory.program.abstention`).
    """

    def __init__(self, answer: dspy.Module, wrong_answer_cost: float = PEOPLE_COST) -> None:
        super().__init__()
        self.unchecked = answer
        self.wrong_answer_cost = wrong_answer_cost

    def forward(self, question: Question, evidence: Shown, memory: OpenedMemory) -> dspy.Prediction:
        """As AnswerQuestion: the part of an answer that turns support, or an abstention."""
        user_question = memory.user_question(question)
        reply = self.unchecked(question=user_question.ranked_text, evidence=evidence)
        text, sources = self._supported(reply, evidence, memory.search(question), memory)
        return dspy.Prediction(answer=text, turns=sources, calls=reply.calls, unusable="")

    def _supported(
        self,
        reply: dspy.Prediction,
        evidence: Shown,
        hits: Sequence[Hit],
        memory: OpenedMemory,
    ) -> tuple[str, list[int]]:
        """The part of an answer that shown turns say, and their ids, if it pays; else ABSTAIN."""
        if reply.answer.startswith(ABSTAIN):
            return ABSTAIN, []
        shown = {*evidence.turn_ids}
        ranked = [hit.turn_id for hit in hits if hit.turn_id in shown]
        turn_ids = list(dict.fromkeys([*ranked, *sorted(shown)]))
        turns = originals_first(turn for turn in memory.turns(turn_ids) if is_evidence(turn.text))
        text, sources = supported_part(reply.answer, turns)
        if not sources:
            return ABSTAIN, []
        grounds = Grounds(
            likelihood_of(reply.get("logprobs")),
            is_whole=text == reply.answer,
            is_by_named=is_attributed(sources, hits, turns),
            rank=turn_ids.index(sources[0].id),
        )
        if not self.is_worth_giving(grounds):
            return ABSTAIN, []
        return text, [turn.id for turn in sources]

    def is_worth_giving(self, grounds: Grounds) -> bool:
        """Whether an answer on such grounds is more likely to help than a wrong one to harm."""
        return pays(grounds, self.wrong_answer_cost)
