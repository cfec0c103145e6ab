"""The program: three DSPy modules that store, retrieve and answer in SQL, in the order they work.

    turns    -> store    -> INSERT, UPDATE               `MemoryProgram.digest`
    question -> retrieve -> SELECT -> rows + best turns -> answer   `MemoryProgram.forward`

What differs by model stands behind one seam (`memory.program.model.Model`).
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.errors import SqlError, UnusableAnswer, WindowError
from memory.evidence.block import Options, evidence
from memory.evidence.layout import Evidence
from memory.evidence.messages import NOTHING, abstains
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.recollection import RANKED_TURNS
from memory.evidence.standing import Standing
from memory.program.answer_sources import as_prediction, likely_source, speaks_of, without_answer
from memory.program.costs import StepLog
from memory.program.loading import model_in_use
from memory.program.quotations import with_nearest
from memory.program.refine_agent import RefineMemory
from memory.program.retrieval import retrieve
from memory.program.signatures.choice import Form
from memory.program.signatures.forms import PROMPTS
from memory.records import Change, Rows
from memory.sql import MAX_ANSWER, CheckedSelect, check_select, split

if TYPE_CHECKING:
    from memory.program.model import Model
    from memory.program.program_card import Card
    from memory.records import Hit, Turn

CALLS_WITH_REPAIRS = 3  # of a model for one statement: the first and two repairs
# Characters of a refused answer that are sent back. An answer that the policy reads at all
# (memory.sql) is sent back whole, so that it can be corrected; of megabytes the beginning will do.
MOST_SENT_BACK = MAX_ANSWER
MOST_UNREADABLE_SENT_BACK = 2_000
MOST_SELECTS = 5
# How the error of an answer begins that held none; so do a server's pages that are no answers.
NO_SQL = "no SQL could be read from the answer"
T = TypeVar("T")


class MemoryProgram(dspy.Module):
    """The modules together; what optimizers compile, and what is saved and loaded.

    Three store, retrieve and answer; `refine` improves the facts of a memory afterwards.

    `prompts` are those of its form, full or short (`memory.program.signatures`).
    `card`: how it was compiled, where it was loaded from a file; None for the plain program.
    `feature_weights`: of the ranking, fitted to conversations of one's own; None: the shipped ones.
    """

    card: "Card | None" = None
    feature_weights: Mapping[str, float] | None = None

    def __init__(self, form: Form = "full") -> None:
        super().__init__()
        self.prompts = PROMPTS[form]
        self.store = StoreTurns(self.prompts.store)
        self.retrieve = RetrieveRows(self.prompts.retrieve)
        self.answer = AnswerQuestion(self.prompts.answer)
        self.refine = RefineMemory()

    def forward(
        self,
        question: str,
        reader: "MemoryReader",
        *,
        asker: str = "",
        today: str = "",
        model: "Model | None" = None,
        budget: int | None = None,
        progress: Callable[[str], None] = lambda step: None,
    ) -> dspy.Prediction:
        """Answer one question from a memory, or show what is nearest to it.

        Arguments:
            question: as the user asked it.
            reader: the memory (`memory.evidence.reader.MemoryReader`).
            asker: who asks, where that is known.
            today: the day on which it is asked (ISO), where that is known.
            model: who runs the modules; the model of `dspy.configure` by default.
            budget: how many tokens of memory the answer may rest on; the model's by default.
            progress: called with a description of each step.

        Returns a Prediction of answer (str), and beside it what Answer has: turns (the ids it
        cites), sql, rows, basis, quotations and so on; hits are the turns that the ranking found.
        Raises ModelError when the model cannot be used, UnusableAnswer for what is no answer.
        """
        model = model or model_in_use()
        asked = UserQuestion(question, asker, today)
        log = StepLog()
        with model.active():
            progress("finding what was said")
            with log.step("search"):
                hits = reader.search(asked.ranked_text, RANKED_TURNS)
            show = partial(
                self.evidence, asked, reader, hits, budget=budget or model.budget,
                options=model.options,
            )  # fmt: skip
            retrieval = retrieve(self, model, asked, reader, hits=hits, show=show, log=log)
            if not retrieval.evidence.text:
                answer = without_answer(retrieval)
            else:
                progress("answering")
                try:
                    with log.step("answer"):
                        answer = model.answer(self, asked, retrieval, reader)
                except UnusableAnswer as error:
                    error.answer = log.added_to(error.answer)
                    raise
        answer = log.added_to(with_nearest(answer, asked, hits, reader))
        standing = retrieval.evidence.standing
        if not model.options.wishes:  # what contradicts each other is told whoever answers
            standing = Standing(pairs=reader.standing(question, asker).pairs)
        return as_prediction(answer, hits=hits, standing=standing)

    def evidence(
        self,
        question: UserQuestion,
        reader: "MemoryReader",
        hits: Sequence["Hit"],
        rows: Sequence[Rows] = (),
        *,
        budget: int,
        options: Options,
    ) -> "Evidence":
        """What the answering model is shown (`memory.evidence.block.evidence`)."""
        return evidence(question, reader, hits, rows, budget=budget, options=options)

    def digest(
        self,
        turns: Sequence["Turn"],
        catalog: str,
        write: Callable[[str], Change],
        *,
        model: "Model | None" = None,
        **context: str,
    ) -> dspy.Prediction:
        """Store what a window of turns says, as one change.

        Arguments:
            turns: the window.
            catalog: what the memory knows already.
            write: runs the statements as one change; raises SqlError.
            model: who runs the module; the model of `dspy.configure` by default.
            context: before, known and attributes (see StoreTurns), for a model that reads them.

        Returns what StoreTurns does, and raises what it raises.
        """
        model = model or model_in_use()
        with model.active():
            return self.store(
                turns=model.window_lines(turns), catalog=catalog, write=write, **context
            )


class PromptedModule(dspy.Module):
    """A module with one prompt, in full form or in short form: the short one has fewer inputs."""

    def __init__(self, signature: type[dspy.Signature]) -> None:
        super().__init__()
        self.plain_instructions = signature.instructions
        self.predict = dspy.Predict(signature)

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer gave it examples or instructions of its own."""
        instructions = self.predict.signature.instructions
        return bool(self.predict.demos) or instructions != self.plain_instructions

    def _predicted(self, **inputs: str) -> dspy.Prediction:
        """What the model says to those of the inputs that the prompt has."""
        fields = self.predict.signature.input_fields
        return self.predict(**{name: inputs[name] for name in fields})


class StoreTurns(PromptedModule):
    """Writes what a window of turns says as facts."""

    def forward(
        self,
        turns: str,
        catalog: str,
        write: Callable[[str], Change],
        *,
        before: str = "",
        known: str = "",
        attributes: str = "",
    ) -> dspy.Prediction:
        """Store one window.

        Arguments:
            turns: the window, lines of `[id] (date) Speaker: text`.
            catalog: what the memory knows already, so that attributes are reused.
            write: runs the statements as one change; raises SqlError.
            before: the turns before the window, in the same form: context, not to be stored.
            known: facts related to the window with their ids, so that they are ended, not repeated.
            attributes: those of the memory's vocabulary that the window may need, a line each.

        Returns a Prediction of change (Change), sql (str), calls (int: model calls), refusals
        (list of str: what was refused before, and why).
        Raises SqlError with its refusals when two repairs did not help; nothing is written then.
        """

        def ask(feedback: str) -> str:
            prediction = self._predicted(
                before=before,
                turns=turns,
                known=known,
                catalog=catalog,
                attributes=attributes,
                feedback=feedback,
            )
            return str(prediction.sql)

        change, sql, refusals = with_repairs(ask, write)
        calls = len(refusals) + 1
        return dspy.Prediction(change=change, sql=sql, calls=calls, refusals=refusals)


class RetrieveRows(PromptedModule):
    """Brings up the rows that a question may need, in one round of SELECTs."""

    def forward(
        self,
        question: str,
        catalog: str,
        read: Callable[[CheckedSelect], Rows],
        *,
        asker: str = "",
        today: str = "",
    ) -> dspy.Prediction:
        """Retrieve for one question.

        Arguments:
            question: as the user asked it.
            catalog: speakers, dates, subjects and attributes of this memory.
            read: runs one SELECT; raises SqlError.
            asker: who asks, where that is known.
            today: the day on which it is asked, where that is known.

        Returns a Prediction of sql (list of the SELECTs that ran), rows (list of Rows, beside
        it), calls (int), error (str: the refusal that two repairs could not mend, else empty),
        refusals (list of str: what was refused and why, in order).
        Never raises SqlError: without rows the ranking alone fills the budget.
        """
        results: list[tuple[str, Rows]] = []

        def ask(feedback: str) -> str:
            prediction = self._predicted(
                question=question, asker=asker, today=today, catalog=catalog, feedback=feedback
            )
            return str(prediction.sql)

        def run(sql: str) -> None:
            results.clear()  # an earlier answer may have been refused half-way
            selects = split(sql)
            if len(selects) > MOST_SELECTS:
                raise SqlError(f"{len(selects)} statements; write at most {MOST_SELECTS} SELECTs")
            for select in selects:
                results.append((select.text, read(check_select(select))))

        error = ""
        try:
            _, _, refusals = with_repairs(ask, run)
            calls = len(refusals) + 1
        except SqlError as last:
            error = str(last)
            refusals = list(last.refusals)
            calls = len(refusals)
        return dspy.Prediction(
            sql=[select for select, _ in results],
            rows=[rows for _, rows in results],
            calls=calls,
            error=error,
            refusals=refusals,
        )


class AnswerQuestion(PromptedModule):
    """Answers a question from the memory shown and cites turns, or abstains."""

    def forward(
        self,
        question: str,
        memory: str,
        turn_ids: Collection[int],
        *,
        asker: str = "",
        today: str = "",
    ) -> dspy.Prediction:
        """Answer one question.

        Arguments:
            question: as the user asked it.
            memory: what the model may see, lines with `[id]`.
            turn_ids: the ids of the turns in it; only these can be cited.
            asker: who asks, where that is known.
            today: the day on which it is asked, where that is known.

        Returns a Prediction of answer (str, as the model wrote it), turns (list of its ids, none
        for an abstention), cites (list of those that the model named), calls (int, always 1),
        unusable (str): what the model said where it is no answer, which is empty then; and
        logprobs, of a model that gives them, else None.
        """
        unusable = ""
        logprobs = None
        try:
            prediction = self._predicted(memory=memory, question=question, asker=asker, today=today)
            text = str(prediction.answer or "")
            cited = str(prediction.turns or "")
            logprobs = prediction.get("logprobs")
        except AdapterParseError as error:
            # An answer without the expected marks is still an answer; marks are taken out of it.
            text = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response or "").strip()
            cited = ""
            if not speaks_of(memory, text):
                unusable = text
                text = ""
        answer = text.strip()
        if not answer:
            # Never an abstention: a model that says nothing has not looked.
            return dspy.Prediction(answer="", turns=[], calls=1, unusable=unusable or NOTHING)
        # At most 18 digits: a longer number fits no id of the database.
        named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
        cites = [turn for turn in dict.fromkeys(named) if turn in turn_ids]
        turns = [] if abstains(answer) else cites or likely_source(answer, memory, turn_ids)
        return dspy.Prediction(
            answer=answer, turns=turns, cites=cites, calls=1, unusable="", logprobs=logprobs
        )


def with_repairs(ask: Callable[[str], str], run: Callable[[str], T]) -> tuple[T, str, list[str]]:
    """Ask for SQL and run it; what was refused, and why, is the next question's feedback.

    Arguments:
        ask: feedback ("" at first) -> SQL; one model call.
        run: SQL -> its result; raises SqlError.

    Returns (result, the SQL that ran, the refusals before it). Raises the last SqlError, which
    has all refusals, when the answer is still refused after two repairs; a WindowError at once.
    """
    feedback = [""]
    last_error = SqlError("")
    for calls in range(1, CALLS_WITH_REPAIRS + 1):
        try:
            sql = ask(feedback[-1])
        except AdapterParseError as error:
            response = _sendable(error.lm_response, MOST_UNREADABLE_SENT_BACK)
            last_error = SqlError(f"{NO_SQL}: {response[:500] or 'it says nothing'}")
            feedback.append(f"Your answer could not be read:\n{response}")
            continue
        try:
            return run(sql), sql, feedback[1:]
        except SqlError as error:
            last_error = error
            refused, reason = (_sendable(text, MOST_SENT_BACK) for text in (sql, str(error)))
            feedback.append(f"Refused:\n{refused}\nBecause: {reason}")
        except WindowError as error:
            error.calls = calls
            raise
    last_error.refusals = tuple(feedback[1:])
    raise last_error


def _sendable(text: str, most: int) -> str:
    """The beginning of a text that a model wrote, so that it can be sent back to it."""
    # A model may write half a surrogate pair; DSPy refuses to send one back.
    beginning = text[:most].encode("utf-8", "replace").decode()
    return beginning if len(text) <= most else f"{beginning}\n... (cut: {len(text):,} characters)"
