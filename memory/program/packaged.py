"""What the packaged model needs: quotations to store, turns that say what it answers.

A model of 135 million parameters completes sentences: its answer counts only if a turn that it was
shown says so.
"""

from collections.abc import Sequence
from typing import Any

import dspy

from memory.evidence.messages import is_evidence, originals_first
from memory.facts.window_writes import WindowWriter
from memory.program.abstention import PEOPLE_COST, Grounds, likelihood_of, pays
from memory.program.digest import WindowContext, WindowReading, stored_window
from memory.program.fact_checks import dated, is_quoted
from memory.program.heart import StoreTurns
from memory.program.opened import OpenedMemory
from memory.program.predict import MemoryModule
from memory.program.protocol import Question, Shown
from memory.program.signatures.forms import WriteFact
from memory.program.support import is_attributed, supported_part
from memory.records import ABSTAIN, Fact, Hit, Turn

TINY_BUDGET = 360  # tokens of memory shown with a question
_ONE_TURN = WindowReading(known_tokens=0, window=1, window_tokens=200, around=False)


class StoreQuotation(StoreTurns):
    """Stores a fact of a turn that the turn says word for word: this model completes sentences.

    It makes facts of questions and refusals too, so it does not see these.
    """

    def __init__(self) -> None:
        super().__init__(WriteFact, _ONE_TURN)

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        if not any(is_evidence(turn.text) for turn in context.turns):
            return stored_window(writer.finish())
        return super()._stored(context, writer)

    def _as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        fact = dated(fact, turn)
        return fact if is_quoted(fact, turn) else None


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
