"""What the packaged model needs around its answers: rows that decide, and turns as support.

A model of 135 million parameters completes sentences: rows answer questions in a template's form
without it, and its own answer counts only if a turn that it was shown says the same.
"""

from collections.abc import Sequence

import dspy

from memory.evidence.layout import Evidence
from memory.evidence.messages import is_evidence, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.program.abstention import PEOPLE_COST, Grounds, likelihood_of, pays
from memory.program.lookup import look_up
from memory.program.prompted import MemoryModule
from memory.program.retrieve import no_rows
from memory.program.support import is_attributed, supported_part, with_known_years
from memory.records import ABSTAIN, Hit


class TemplateRows(MemoryModule):
    """Rows that decide a question in a template's form; else another module's rows, if any.

    `otherwise` is asked if the memory has facts: the packaged model as shipped stores none that a
    SELECT would find.
    """

    def __init__(self, otherwise: dspy.Module | None = None) -> None:
        super().__init__()
        self.otherwise = otherwise

    def forward(self, question: UserQuestion, reader: MemoryReader) -> dspy.Prediction:
        """As RetrieveRows; `decided` is the answer of rows (`memory.program.lookup`)."""
        decided = self.decided(question, reader)
        if decided.decided or self.otherwise is None or not reader.has_facts():
            return decided
        return self.otherwise(question, reader)

    def decided(self, question: UserQuestion, reader: MemoryReader) -> dspy.Prediction:
        """What templates decide; no rows for another question. Calls no model."""
        rows = no_rows()
        found = look_up(question, reader)
        if not found:
            return rows
        return dspy.Prediction(
            **{**rows, "sql": list(found.sql), "rows": list(found.rows), "decided": found}
        )


class Checked(MemoryModule):
    """An answering module that gives an answer only if shown turns support it.

    `wrong_answer_cost` is the cost of a wrong answer, in right ones (`memory.program.abstention`).
    """

    def __init__(self, answer: dspy.Module, wrong_answer_cost: float = PEOPLE_COST) -> None:
        super().__init__()
        self.unchecked = answer
        self.wrong_answer_cost = wrong_answer_cost

    def forward(
        self,
        question: UserQuestion,
        evidence: Evidence,
        *,
        hits: Sequence[Hit] = (),
        reader: MemoryReader,
    ) -> dspy.Prediction:
        """As AnswerQuestion: the part of an answer that turns support, or an abstention."""
        prediction = self.unchecked(question, evidence)
        text, sources = self._supported(prediction, evidence, hits, reader)
        return dspy.Prediction(
            answer=text, turns=sources, cites=sources, calls=prediction.calls, unusable=""
        )

    def _supported(
        self,
        prediction: dspy.Prediction,
        evidence: Evidence,
        hits: Sequence[Hit],
        reader: MemoryReader,
    ) -> tuple[str, list[int]]:
        """The part of an answer that shown turns say, and their ids, if it pays; else ABSTAIN."""
        if prediction.answer.startswith(ABSTAIN):
            return ABSTAIN, []
        shown = {*evidence.turn_ids}
        ranked = [hit.turn_id for hit in hits if hit.turn_id in shown]
        turn_ids = list(dict.fromkeys([*ranked, *sorted(shown)]))
        turns = originals_first(
            turn for turn in reader.turns_by_id(turn_ids, missing_ok=True) if is_evidence(turn.text)
        )
        text, sources = supported_part(prediction.answer, turns)
        if not sources:
            return ABSTAIN, []
        grounds = Grounds(
            likelihood_of(prediction.logprobs),
            is_whole=text == prediction.answer,
            is_by_named=is_attributed(sources, hits, turns),
            rank=turn_ids.index(sources[0].id),
        )
        if not self.is_worth_giving(grounds):
            return ABSTAIN, []
        return with_known_years(text, sources), [turn.id for turn in sources]

    def is_worth_giving(self, grounds: Grounds) -> bool:
        """Whether an answer on such grounds is more likely to help than a wrong one to harm."""
        return pays(grounds, self.wrong_answer_cost)
