"""AskMemory: the module that answers a question from a memory: retrieve, evidence, answer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import dspy

from memory.errors import UnusableAnswer
from memory.evidence.block import Options, evidence
from memory.evidence.layout import Evidence
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryLike, MemoryReader, reading
from memory.evidence.recollection import RANKED_TURNS
from memory.models.costs import StepLog
from memory.models.model_errors import explain_unusable
from memory.program.answer import AnswerQuestion
from memory.program.answer_sources import answer_from, as_prediction
from memory.program.lm_in_use import lm_in_use
from memory.program.prompted import MemoryModule
from memory.program.quotations import quotations_of
from memory.program.retrieve import RetrieveRows, no_rows
from memory.program.signatures.forms import PROMPTS, Form
from memory.program.sql_questions import sql_pays
from memory.records import ABSTAIN, Answer, Hit, Rows, SqlUse
from memory.system.terminal import clean_line


class EvidenceFunction(Protocol):
    """What is shown for a question (`memory.evidence.block.evidence`)."""

    def __call__(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        hits: Sequence[Hit],
        rows: Sequence[Rows] = (),
        *,
        budget: int,
        options: Options,
    ) -> Evidence:
        """The block."""


@dataclass(frozen=True)
class Gathered:
    """What was gathered for a question: hits of the ranking, rows of SELECTs, and what is shown."""

    hits: Sequence[Hit]
    rows: dspy.Prediction
    evidence: Evidence


class AskMemory(MemoryModule):
    """Answers a question from a memory, or shows what is nearest to it.

    `ask = AskMemory()` runs on the LM of `dspy.configure`, `dspy.context` or `set_lm`, with the
    adapter that is set there, else ours; `ask(question="When did Anna move?", memory="anna")`
    returns a Prediction. It opens the memory itself and changes nothing in it.

    Arguments:
        retrieve: a module that brings up rows (`RetrieveRows`).
        answer: a module that answers from what is shown (`AnswerQuestion`).
        prompts: the form of their prompts, where they are not given: "full", "short" (for 1 to 8
            billion parameters) or "tiny" (for the packaged model).
        sql: for which questions SELECTs are written, whatever a caller says: "always", "when it
            pays" (turns about as near as those that are shown have no room) or "never".
        budget: how many tokens of memory are shown with a question.
        options: what else is chosen of what is shown.
        evidence: makes what is shown.

    `feature_weights` are those of the ranking, None for the packaged ones.
    """

    feature_weights: Mapping[str, float] | None = None

    def __init__(
        self,
        retrieve: dspy.Module | None = None,
        answer: dspy.Module | None = None,
        *,
        prompts: Form = "full",
        sql: SqlUse | None = None,
        budget: int | None = None,
        options: Options | None = None,
        evidence: EvidenceFunction = evidence,
    ) -> None:
        super().__init__()
        if sql != "never":  # a predictor that is not called is none for an optimizer
            self.retrieve = retrieve or RetrieveRows(prompts)
        self.answer = answer or AnswerQuestion(prompts)
        self.sql = sql
        self.budget = budget or PROMPTS[prompts].budget
        follows = PROMPTS[prompts].follows
        self.options = options or Options(lists=follows, spans=follows, wishes=follows)
        self.evidence = evidence

    def forward(
        self,
        question: str,
        memory: MemoryLike,
        asker: str = "",
        today: str = "",
        budget: int | None = None,
        sql: SqlUse = "always",
        progress: Callable[[str], None] = lambda step: None,
    ) -> dspy.Prediction:
        """Answer one question.

        Arguments:
            question: as the user asked it.
            memory: a memory's name, its file's path, an open Store, or a Memory.
            asker: who asks; by default the memory's owner.
            today: the day on which it is asked (ISO), where that is known.
            budget: how many tokens of memory are shown, if not as many as usual.
            sql: for which questions SELECTs are written, where the module does not say.
            progress: called with a description of each step.

        Returns a Prediction of answer (str), and of what Answer has: turns (the ids that it cites),
        sql, rows, basis, quotations and so on; hits are the turns that the ranking found.
        Raises UnusableAnswer for what is no answer.
        """
        with lm_in_use(self), reading(memory, self.feature_weights) as reader:
            asked = UserQuestion(question, reader.asker(asker), today)
            log = StepLog()
            progress("finding what was said")
            gathered = self.gather(asked, reader, log, budget=budget or self.budget, sql=sql)
            progress("answering")
            try:
                answer = self._answered(asked, reader, gathered, log)
            except UnusableAnswer as error:
                error.answer = log.added_to(error.answer)
                raise
            standing = gathered.evidence.standing
            if not self.options.wishes:  # what contradicts each other is told whoever answers
                pairs = reader.standing(question, *asked.askers).pairs
                standing = replace(standing, pairs=pairs)
            return as_prediction(log.added_to(answer), hits=gathered.hits, standing=standing)

    def gather(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        log: StepLog,
        *,
        budget: int,
        sql: SqlUse = "always",
        without: Collection[int] = (),
    ) -> Gathered:
        """Search, ask for SELECTs where they pay, and lay out what is shown.

        Turns `without` are shown elsewhere. The steps that are logged are "search" and "select".
        """
        with log.step("search"):
            ranked = reader.search(question.ranked_text, RANKED_TURNS)
            hits = [hit for hit in ranked if hit.turn_id not in without]
        show = partial(
            self.evidence,
            question,
            reader,
            hits,
            budget=budget,
            options=replace(self.options, without=frozenset(without)),
        )
        by_search: Evidence | None = None
        sql = self.sql or sql
        with log.step("select"):
            if sql == "when it pays":
                by_search = show()
            pays = by_search is None or sql_pays(hits, len(by_search.turn_ids))
            rows = self.retrieve(question, reader) if pays and sql != "never" else no_rows()
        with log.step("search"):
            block = show(rows.rows) if rows.rows or by_search is None else by_search
            by_search = by_search or (show() if rows.rows else block)
        log.brought(
            rows=sum(len(result.rows) for result in rows.rows),
            shown=block.turn_ids,
            by_search=by_search.turn_ids,
        )
        return Gathered(hits, rows, block)

    def _answered(
        self, question: UserQuestion, reader: MemoryReader, gathered: Gathered, log: StepLog
    ) -> Answer:
        """What rows decide or the module says, with the nearest turns where it cites none."""
        rows, block = gathered.rows, gathered.evidence
        if rows.decided:
            return answer_from(
                text=rows.decided.text,
                cited=rows.decided.turn_ids,
                retrieved=rows,
                evidence=block,
                basis="rows",
            )
        if block.text:
            with log.step("answer"):
                said = self.answer(question, block, hits=gathered.hits, reader=reader)
        else:  # nothing was found: no model is asked
            said = dspy.Prediction(answer=ABSTAIN, turns=[], cites=[], calls=0, unusable="")
        answer = answer_from(
            text=said.answer, cited=said.turns, retrieved=rows, evidence=block, calls=said.calls
        )
        if said.unusable:
            raise UnusableAnswer(_unusable(said.unusable), replace(answer, text=""))
        counted = any(result.rows for result in answer.rows)  # a number that no turn says
        if answer.basis != "quotes" and (said.cites or counted):
            return answer
        # It may say in its own words that it does not know.
        quotations = quotations_of(question, gathered.hits, reader)
        if answer.basis == "quotes" and not quotations:
            return replace(answer, basis="none")
        return replace(answer, quotations=quotations)


def _unusable(text: str) -> str:
    """Why what the LM in use said is no answer, and what to do, in one line."""
    lm = dspy.settings.lm
    name = getattr(lm, "model", "the model")
    return explain_unusable(clean_line(text), name, getattr(lm, "kwargs", {}).get("api_base"))
