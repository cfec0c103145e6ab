"""The three modules that work on a memory: store, retrieve, answer; and the one repair loop."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, TypeVar

import dspy
from dspy.utils.exceptions import AdapterParseError
from pydantic import BaseModel, ConfigDict, FiniteFloat

from memory.errors import SqlError, WindowError
from memory.program.messages import ABSTAIN, NOTHING
from memory.program.refine_agent import RefineMemory
from memory.program.signatures import PHRASES, AnswerFromMemory, WriteFacts, WriteQuery
from memory.prompt import Context
from memory.records import Answer, Basis, Change, Rows
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.sql import MAX_ANSWER, CheckedSelect, check_select, split

CALLS_WITH_REPAIRS = 3  # of a model for one statement: the first and two repairs
# Characters of a refused answer that are sent back. An answer that the policy reads at all
# (memory.sql) is sent back whole, so that it can be corrected; of megabytes the beginning will do.
MOST_SENT_BACK = MAX_ANSWER
MOST_UNREADABLE_SENT_BACK = 2_000
MOST_SELECTS = 5
# How the error of an answer begins that held none; so do a server's pages that are no answers.
NO_SQL = "no SQL could be read from the answer"
T = TypeVar("T")


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


class StoreTurns(dspy.Module):
    """Writes what a window of turns says as facts."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict(WriteFacts)

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer gave it examples or instructions of its own."""
        return bool(self.predict.demos) or (
            self.predict.signature.instructions != WriteFacts.instructions
        )

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
            prediction = self.predict(
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


class RetrieveRows(dspy.Module):
    """Brings up the rows that a question may need, in one round of SELECTs."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict(WriteQuery)

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer gave it examples or instructions of its own."""
        return bool(self.predict.demos) or (
            self.predict.signature.instructions != WriteQuery.instructions
        )

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
            prediction = self.predict(
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


class AnswerQuestion(dspy.Module):
    """Answers a question from the memory shown and cites turns, or abstains."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict(AnswerFromMemory)

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

        Returns a Prediction of answer (str, as the model wrote it), turns (list of cited ids, none
        for an abstention), calls (int, always 1), unusable (str): what the model said where it is
        no answer, which is empty then; and logprobs, of a model that gives them, else None.
        """
        unusable = ""
        logprobs = None
        try:
            prediction = self.predict(memory=memory, question=question, asker=asker, today=today)
            text = str(prediction.answer or "")
            cited = str(prediction.turns or "")
            logprobs = prediction.get("logprobs")
        except AdapterParseError as error:
            # An answer without the expected marks is still an answer; marks are taken out of it.
            text = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response or "").strip()
            cited = ""
            if not _speaks_of(memory, text):
                unusable = text
                text = ""
        answer = text.strip()
        if not answer:
            # Never an abstention: a model that says nothing has not looked.
            return dspy.Prediction(answer="", turns=[], calls=1, unusable=unusable or NOTHING)
        if answer.lower().startswith(ABSTAIN.lower()):
            return dspy.Prediction(answer=answer, turns=[], calls=1, unusable="", logprobs=logprobs)
        # At most 18 digits: a longer number fits no id of the database.
        named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
        turns = [turn for turn in dict.fromkeys(named) if turn in turn_ids]
        turns = turns or likely_source(answer, memory, turn_ids)
        return dspy.Prediction(answer=answer, turns=turns, calls=1, unusable="", logprobs=logprobs)


def _speaks_of(memory: str, text: str) -> bool:
    """Whether a text out of form may be an answer: an abstention, or a word of the memory's."""
    if text.lower().startswith(ABSTAIN.lower()):
        return True
    lines = re.sub(r"^\[\d+\]|\[\d+\](?=;|$)", "", memory, flags=re.MULTILINE)  # ids are no words
    forms = forms_of(telling_words(lines))
    return any(is_among(word, forms) for word in telling_words(text))


def likely_source(answer: str, memory: str, turn_ids: Collection[int]) -> list[int]:
    """The turn whose line shares most words with an answer that cites none: a guess, not a proof.

    A fact of a list counts as a line of its turn.

    Empty when no line shares a word; the earlier line of two equals.
    """
    answer_words = set(re.findall(r"\w+", answer.lower()))
    source: list[int] = []
    most_shared = 0
    lines = re.findall(r"^\[(\d{1,18})\] (.*)$", memory, re.MULTILINE)
    facts = re.findall(r"(?:^|; )([^;\n]+) \[(\d{1,18})\](?=;|$)", memory, re.MULTILINE)
    for digits, line in [*lines, *((digits, fact) for fact, digits in facts)]:
        shared = len(answer_words & set(re.findall(r"\w+", line.lower())))
        if shared > most_shared and int(digits) in turn_ids:
            source = [int(digits)]
            most_shared = shared
    return source


def answer_from(
    text: str,
    cited: Sequence[int],
    retrieved: dspy.Prediction | None,
    context: Context,
    calls: int = 0,
    basis: Basis = "model",
) -> Answer:
    """An answer with everything it rests on.

    Arguments:
        text: what the model said.
        cited: the ids of the turns that it named.
        retrieved: what RetrieveRows returned; None when nothing was retrieved.
        context: the memory that the model saw.
        calls: the model calls that the text took; those of `retrieved` are added.
        basis: on what the answer rests; an abstention rests on nothing.
    """
    return Answer(
        text=text,
        turns=tuple(cited),
        sql=tuple(retrieved.sql) if retrieved else (),
        rows=tuple(retrieved.rows) if retrieved else (),
        tokens=context.tokens,
        calls=calls + (retrieved.calls if retrieved else 0),
        shown=context.turn_ids,
        refusals=tuple(retrieved.refusals) if retrieved else (),
        basis="quotes" if text == ABSTAIN else basis,
    )


class Card(BaseModel):
    """How a program was compiled, and what that gained.

    `metric` maps the score's components to their weights, `scores` names to measured values;
    `data` is the sha256 of the data file, `conversations` the ids of each part of the split.
    The verdict is that of conversations which the optimizer never saw.
    """

    # Strict: unknown keys and values of another type are refused.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str
    optimizer: str
    target: str
    metric: dict[str, FiniteFloat]
    data: str
    conversations: dict[str, list[str]]
    scores: dict[str, FiniteFloat]
    verdict: Literal["gain", "no gain", "not measured"]
    made_at: str


class MemoryProgram(dspy.Module):
    """The modules together; what optimizers compile, and what is saved and loaded.

    Three store, retrieve and answer; `refine` improves the facts of a memory afterwards.

    `card`: how it was compiled, where it was loaded from a file; None for the plain program.
    `feature_weights`: of the ranking, fitted to conversations of one's own; None: the shipped ones.
    """

    card: Card | None = None
    feature_weights: Mapping[str, float] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.store = StoreTurns()
        self.retrieve = RetrieveRows()
        self.answer = AnswerQuestion()
        self.refine = RefineMemory()


def in_phrases(program: MemoryProgram) -> MemoryProgram:
    """The program, answering in phrases alone unless its answers were compiled: changed in place.

    For benchmarks that compare the words of an answer with a short right one.
    """
    return _with_answer_form(program, AnswerFromMemory.instructions, _in_phrases())


def in_sentences(program: MemoryProgram) -> MemoryProgram:
    """The reverse of `in_phrases`: the program as it answers people, changed in place."""
    return _with_answer_form(program, _in_phrases(), AnswerFromMemory.instructions)


def _in_phrases() -> str:
    before, _, after = re.split("(?=- A fact:|- A list:)", AnswerFromMemory.instructions)
    return before + PHRASES + after


def _with_answer_form(program: MemoryProgram, form: str, other_form: str) -> MemoryProgram:
    signature = program.answer.predict.signature
    if signature.instructions == form:
        program.answer.predict.signature = signature.with_instructions(other_form)
    return program
