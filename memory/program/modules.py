"""The three modules that work on a memory: store, retrieve, answer; and the one repair loop."""

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.errors import InputError, SqlError
from memory.model import Change, Rows
from memory.program.signatures import ABSTAIN, AnswerFromMemory, WriteFacts, WriteQuery
from memory.sql import split

ATTEMPTS = 3  # the first and two repairs
MOST_SELECTS = 5
T = TypeVar("T")


def with_repairs(ask: Callable[[str], str], run: Callable[[str], T]) -> tuple[T, str, int]:
    """Ask for SQL and run it; what was refused, and why, is the next question's feedback.

    Arguments:
        ask: feedback ("" at first) -> SQL; one model call.
        run: SQL -> its result; raises SqlError.

    Returns (result, the SQL that ran, model calls). Raises the last SqlError when the answer is
    still refused after two repairs.
    """
    feedback, refusal = "", SqlError("")
    for calls in range(1, ATTEMPTS + 1):
        try:
            sql = ask(feedback)
        except AdapterParseError as error:
            refusal = SqlError(f"no SQL could be read from the answer: {error.lm_response[:500]}")
            feedback = f"Your answer could not be read:\n{error.lm_response[:2000]}"
            continue
        try:
            return run(sql), sql, calls
        except SqlError as error:
            refusal, feedback = error, f"Refused:\n{sql}\nBecause: {error}"
    raise refusal


class StoreTurns(dspy.Module):
    """Writes what a window of turns says as facts."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict(WriteFacts)

    def forward(self, turns: str, catalog: str, write: Callable[[str], Change]) -> dspy.Prediction:
        """Store one window.

        Arguments:
            turns: the window, lines of `[id] (date) Speaker: text`.
            catalog: what the memory knows already, so that attributes are reused.
            write: runs the statements as one change; raises SqlError.

        Returns a Prediction of change (Change), sql (str), calls (int: model calls).
        Raises SqlError when two repairs did not help; nothing is written then.
        """

        def ask(feedback: str) -> str:
            return str(self.predict(turns=turns, catalog=catalog, feedback=feedback).sql)

        change, sql, calls = with_repairs(ask, write)
        return dspy.Prediction(change=change, sql=sql, calls=calls)


class RetrieveRows(dspy.Module):
    """Brings up the rows that a question may need, in one round of SELECTs."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict(WriteQuery)

    def forward(self, question: str, catalog: str, read: Callable[[str], Rows]) -> dspy.Prediction:
        """Retrieve for one question.

        Arguments:
            question: as the user asked it.
            catalog: speakers, dates, subjects and attributes of this memory.
            read: runs one SELECT; raises SqlError.

        Returns a Prediction of sql (list of the SELECTs that ran), rows (list of Rows, beside
        it), calls (int), error (str: the refusal that two repairs could not mend, else empty).
        Never raises SqlError: without rows the ranking alone fills the budget.
        """
        found: list[tuple[str, Rows]] = []

        def ask(feedback: str) -> str:
            return str(self.predict(question=question, catalog=catalog, feedback=feedback).sql)

        def run(sql: str) -> None:
            found.clear()
            selects = split(sql)
            if len(selects) > MOST_SELECTS:
                raise SqlError(f"{len(selects)} statements; write at most {MOST_SELECTS} SELECTs")
            for select in selects:
                found.append((select, read(select)))

        calls, refusal = ATTEMPTS, ""
        try:
            _, _, calls = with_repairs(ask, run)
        except SqlError as error:
            refusal = str(error)
        return dspy.Prediction(
            sql=[select for select, _ in found],
            rows=[rows for _, rows in found],
            calls=calls,
            error=refusal,
        )


class AnswerQuestion(dspy.Module):
    """Answers a question from the memory shown and cites turns, or abstains."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict(AnswerFromMemory)

    def forward(self, question: str, memory: str, turn_ids: Collection[int]) -> dspy.Prediction:
        """Answer one question.

        Arguments:
            question: as the user asked it.
            memory: what the model may see, lines with `[id]`.
            turn_ids: the ids of the turns in it; only these can be cited.

        Returns a Prediction of answer (str), turns (list of cited ids, none for an abstention),
        calls (int, always 1).
        """
        try:
            told = self.predict(memory=memory, question=question)
            text, cited = str(told.answer or ""), str(told.turns or "")
        except AdapterParseError as error:
            # An answer out of form is still an answer: what stands before or under the first mark.
            text, cited = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response).strip(), ""
        answer = re.sub(r"\s*\[\d+(?:, *\d+)*\]", "", text).strip() or ABSTAIN
        if answer.lower().startswith(ABSTAIN.lower()):
            return dspy.Prediction(answer=answer, turns=[], calls=1)
        named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
        named += [int(digits[:18]) for digits in re.findall(r"\[(\d+)", text)]
        turns = [turn for turn in dict.fromkeys(named) if turn in turn_ids]
        turns = turns or likely_source(answer, memory, turn_ids)
        return dspy.Prediction(answer=answer, turns=turns, calls=1)


def likely_source(answer: str, memory: str, turn_ids: Collection[int]) -> list[int]:
    """The turn whose line shares most words with an answer that cites none: a guess, not a proof.

    Empty when no line shares a word; the earlier line of two equals.
    """
    wanted = set(re.findall(r"\w+", answer.lower()))
    best, most = [], 0
    for turn, line in re.findall(r"^\[(\d{1,18})\] (.*)$", memory, re.MULTILINE):
        shared = len(wanted & set(re.findall(r"\w+", line.lower())))
        if shared > most and int(turn) in turn_ids:
            best, most = [int(turn)], shared
    return best


class MemoryProgram(dspy.Module):
    """The three modules together; what optimizers compile, and what is saved and loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.store = StoreTurns()
        self.retrieve = RetrieveRows()
        self.answer = AnswerQuestion()


def load_program(path: str | Path) -> MemoryProgram:
    """The program whose state `MemoryProgram.save(path)` wrote as JSON.

    A model saved with it is left out: the caller names the model. Raises InputError when the file
    is missing, is not JSON, or holds the state of another program.
    """
    file, program = Path(path), MemoryProgram()
    try:
        state: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the program {file}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} is no JSON; save programs with save('name.json')") from error
    expected = {name: len(p.signature.fields) for name, p in program.named_predictors()}
    if not isinstance(state, dict) or set(state) - {"metadata"} != set(expected):
        raise InputError(f"{file} holds another program; this one has {', '.join(expected)}")
    for name, fields in expected.items():
        try:
            if len(state[name]["signature"]["fields"]) != fields:
                raise InputError(f"{file} holds another program: the fields of {name} differ")
            program_state = {**state[name], "lm": None}
            dict(program.named_predictors())[name].load_state(program_state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file} holds no usable state of {name}: {error!r}") from error
    return program
