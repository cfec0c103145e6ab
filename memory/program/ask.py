"""AskMemory: the module that answers a question from a memory: retrieve, evidence, answer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Protocol

import dspy

from memory.errors import UnusableAnswer
from memory.evidence.block import Options, evidence
from memory.evidence.layout import Evidence
from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryLike, MemoryReader, reading
from memory.evidence.recollection import RANKED_TURNS
from memory.models.costs import StepLog
from memory.models.local import SmallModelAdapter
from memory.models.model_errors import explain_unusable
from memory.models.token_rates import own_tokens, packaged_tokens
from memory.program.answer import AnswerQuestion
from memory.program.answer_sources import answer_from, as_prediction
from memory.program.lm_in_use import lm_in_use, lm_name
from memory.program.look import Look, LookFurther, missing_line
from memory.program.prompted import MemoryModule
from memory.program.quotations import quotations_of
from memory.program.retrieve import RetrieveRows, no_rows
from memory.program.signatures.forms import PROMPTS, Form
from memory.program.small import TemplateRows
from memory.program.sql_questions import sql_pays
from memory.records import ABSTAIN, Answer, Hit, Rows, SqlUse, hits_with_turns
from memory.system.provider_calls import CALL_SECONDS
from memory.system.terminal import clean_line
from memory.text.tokens import line_tokens

LOOK_CATALOG_TOKENS = 300  # for the summary of the memory, in addition to the evidence


class EvidenceFunction(Protocol):
    """Makes the evidence for a question (`memory.evidence.block.evidence`)."""

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
    """The finds for a question: hits of the ranking, rows of SELECTs, and the evidence shown.

    `note` is a line about what could not be looked up.
    """

    hits: Sequence[Hit]
    rows: dspy.Prediction
    evidence: Evidence
    note: str = ""


class AskMemory(MemoryModule):
    """A module that answers a question from a memory and cites the turns that say so.

    `ask = AskMemory()` runs on the LM of `dspy.configure`, `dspy.context` or `set_lm`, with the
    adapter set there, else ours; `ask(question="When did Anna move?", memory="anna")` returns a
    Prediction. It opens the memory itself and changes nothing in it.

    Arguments:
        retrieve: a module that brings up rows (`RetrieveRows`).
        answer: a module that answers from the evidence (`AnswerQuestion`).
        prompts: the form of their prompts, if they are not given: "full", "short" (for 3 to 8
            billion parameters), "brief" (for fewer) or "tiny" (for the packaged model).
        sql: for which questions SELECTs are written, whatever a caller says: "always", "when it
            pays" or "never". A large model says itself when it pays: shown the search's results, it
            may ask once for SELECTs, turns or other words instead of answering, and gets them. For
            a small one it pays when turns about as near as the ones shown have no room.
        budget: how many tokens of memory are shown with a question: the answering LM's tokens, if
            its name tells its vocabulary.
        options: other choices of what to show.
        evidence: makes the evidence.

    `feature_weights` are for the ranking, None for the packaged ones.
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
        if sql != "never":  # an optimizer would not see a predictor that is not called
            self.retrieve = retrieve or RetrieveRows(prompts)
            self.look = LookFurther()
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
            asker: the person asking; by default the memory's owner.
            today: the day of the question (ISO), if known.
            budget: how many tokens of memory are shown, if not as many as usual.
            sql: for which questions SELECTs are written, if the module does not say.
            progress: called with a description of each step.

        Returns a Prediction of answer (str), evidence (str: what the answering model was shown),
        hits (the turns that the ranking found), and Answer's fields: turns (the ids that it cites),
        sql, rows, basis, quotations and so on. If nothing answers the question, quotations has the
        nearest turns. Raises UnusableAnswer if the text is not an answer.
        """
        with lm_in_use(self), reading(memory, self.feature_weights) as reader:
            asked = UserQuestion(question, reader.asker(asker), today)
            log = StepLog()
            ends_at = monotonic() + _seconds_of_a_call()
            answering_lm = lm_name(self.answer)
            budget = packaged_tokens(answering_lm, budget or self.budget)
            sql = self.sql or sql
            looks = sql == "when it pays" and self._can_look
            progress("finding what was said")
            by_search = self.gather(asked, reader, log, budget=budget, sql=sql, looks=looks)

            def further(look: Look) -> Gathered:
                progress("looking further")
                return self._looked_further(
                    asked, reader, by_search, log, look=look, budget=budget, ends_at=ends_at
                )

            progress("answering")
            try:
                answer, gathered = self._answered(
                    asked, reader, by_search, log, further=further if looks else None
                )
            except UnusableAnswer as error:
                error.answer = _counted(log.added_to(error.answer), answering_lm)
                raise
            standing = gathered.evidence.standing
            if not self.options.wishes:  # contradictions are shown whatever the model
                pairs = reader.standing(question, *asked.askers).pairs
                standing = replace(standing, pairs=pairs)
            answer = _counted(log.added_to(answer), answering_lm)
            ids = dict.fromkeys([*answer.turns, *[hit.turn_id for hit in gathered.hits]])
            turns = {turn.id: turn for turn in reader.turns_by_id([*ids], missing_ok=True)}
            return as_prediction(
                answer,
                sources=[turns[turn_id] for turn_id in answer.turns if turn_id in turns],
                hits=hits_with_turns(gathered.hits, turns),
                evidence="\n".join(filter(None, (gathered.evidence.text, gathered.note))),
                standing=standing,
            )

    def gather(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        log: StepLog,
        *,
        budget: int,
        sql: SqlUse = "always",
        without: Collection[int] = (),
        looks: bool = False,
    ) -> Gathered:
        """Search, ask for SELECTs if they pay, and lay out the evidence.

        Turns in `without` are shown elsewhere. If the answering model `looks`, it decides later
        whether SELECTs pay. The logged steps are "search" and "select".
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
            is_asked = pays and sql != "never" and not looks
            if is_asked:
                rows = self.retrieve(question, reader)
            elif sql != "never" and isinstance(self.retrieve, TemplateRows):
                rows = self.retrieve.decided(question, reader)  # this makes no model call
            else:
                rows = no_rows()
        with log.step("search"):
            block = by_search
            if rows.rows:
                opened = frozenset(rows.get("opened") or ())
                options = replace(self.options, without=frozenset(without), opened=opened)
                block = show(rows.rows, options=options)
            # After the rows, which bring more turns: each is looked up only once.
            by_search = by_search or show()
            block = block or by_search
        log.brought(
            rows=sum(len(result.rows) for result in rows.rows),
            shown=block.turn_ids,
            by_search=by_search.turn_ids,
        )
        return Gathered(hits, rows, block)

    @property
    def _can_look(self) -> bool:
        """Whether the answering model is large enough to say what it lacks."""
        is_small = isinstance(dspy.settings.adapter, SmallModelAdapter)
        return bool(getattr(self.answer, "looks", False)) and not is_small

    def _looked_further(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        gathered: Gathered,
        log: StepLog,
        *,
        look: Look,
        budget: int,
        ends_at: float,
    ) -> Gathered:
        """What was found, and what the answering model asks for, within the same budget.

        The call that asked for it counts as "select", like a call that corrects its SQL.
        """

        def repair(refused: str) -> dspy.Prediction:
            return self.retrieve(question, reader, refused=refused)

        log.move("answer", to="select")
        with log.step("select"):
            rows = self.look(look, reader, repair=repair, ends_at=ends_at)
        note = missing_line(rows.missing)
        with log.step("search"):
            block = self.evidence(
                question,
                reader,
                gathered.hits,
                rows.rows,
                budget=max(budget - line_tokens(note), LEAST_BUDGET) if note else budget,
                options=replace(self.options, opened=frozenset(rows.opened), looked=True),
            )
        log.brought(
            rows=sum(len(result.rows) for result in rows.rows),
            shown=block.turn_ids,
            by_search=gathered.evidence.turn_ids,
        )
        return Gathered(gathered.hits, rows, block, note)

    def _said(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        gathered: Gathered,
        log: StepLog,
        further: Callable[[Look], Gathered] | None,
    ) -> tuple[dspy.Prediction, Gathered]:
        """What the module says, and what it was shown: more, if it asked for that."""
        block = gathered.evidence
        if not block.text:  # nothing was found: no model call
            nothing = dspy.Prediction(answer=ABSTAIN, turns=[], cites=[], calls=0, unusable="")
            return nothing, gathered

        def ask(evidence: Evidence, **inputs: str) -> dspy.Prediction:
            return self.answer(question, evidence, hits=gathered.hits, reader=reader, **inputs)

        # If all that was found is shown whole, there is little more to look for.
        is_all_shown = len(block.turn_ids) >= len(gathered.hits) and not block.cut
        if further is None or is_all_shown:
            with log.step("answer"):
                return ask(evidence=block), gathered
        with log.step("answer"):
            reply = ask(evidence=block, catalog=reader.catalog(LOOK_CATALOG_TOKENS))
        if not reply.look:
            return reply, gathered
        gathered = further(reply.look)
        _listen_again(self.answer)
        with log.step("answer"):
            answer = ask(evidence=gathered.evidence, note=gathered.note)
        answer.calls += reply.calls
        return answer, gathered

    def _answered(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        gathered: Gathered,
        log: StepLog,
        further: Callable[[Look], Gathered] | None,
    ) -> tuple[Answer, Gathered]:
        """What rows decide or the module says, with the nearest turns if it cites none."""
        if decided := gathered.rows.decided:
            answer = answer_from(
                text=decided.text,
                cited=decided.turn_ids,
                retrieved=gathered.rows,
                evidence=gathered.evidence,
                basis="rows",
            )
            return answer, gathered
        said, gathered = self._said(question, reader, gathered, log, further)
        answer = answer_from(
            text=said.answer,
            cited=said.turns,
            retrieved=gathered.rows,
            evidence=gathered.evidence,
            calls=said.calls,
        )
        if said.unusable:
            raise UnusableAnswer(_unusable(said.unusable), replace(answer, text=""))
        counted = any(result.rows for result in answer.rows)  # a number that no turn says
        if answer.basis != "quotes" and (said.cites or counted):
            return answer, gathered
        # It may have said in other words that it does not know.
        quotations = quotations_of(question, gathered.hits, reader)
        if answer.basis == "quotes" and not quotations:
            return replace(answer, basis="none"), gathered
        return replace(answer, quotations=quotations), gathered


def _counted(answer: Answer, name: str) -> Answer:
    """The same answer, with its tokens of memory as the LM of this name counts them."""
    return replace(answer, tokens=own_tokens(name, answer.tokens))


def _seconds_of_a_call() -> float:
    """How long a call of the LM in use may take; in this time a question may look further."""
    return float(getattr(dspy.settings.lm, "seconds", CALL_SECONDS))


def _listen_again(module: dspy.Module) -> None:
    """Let listeners of a stream hear the answer, if they heard the call that asked for a look.

    DSPy's hear one call of a predictor by default.
    """
    predictors = module.predictors()
    for listener in dspy.settings.stream_listeners or ():
        if any(listener.predict is predictor for predictor in predictors):
            listener.allow_reuse = True


def _unusable(text: str) -> str:
    """Why the current LM's text is not an answer, and what to do, in one line."""
    lm = dspy.settings.lm
    name = getattr(lm, "model", "the model")
    return explain_unusable(clean_line(text), name, getattr(lm, "kwargs", {}).get("api_base"))
