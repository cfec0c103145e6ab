"""RetrieveRows: the module that brings up rows for a question, in one round of SELECTs."""

import dspy
from dspy.utils.exceptions import LMError

from memory.errors import SqlError
from memory.evidence.lines import CATALOG_TOKENS, NAME_TOKENS, quoted_turns
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.models.server_refusals import is_too_long
from memory.program.prompted import PromptedModule, question_text
from memory.program.repairs import with_repairs
from memory.program.signatures.forms import PROMPTS, Form
from memory.program.signatures.full import (
    MOST_SELECTS,
    NAMES_IN_QUESTION,
    SUMMARIES_IN_QUESTION,
)
from memory.records import Rows
from memory.sql import CheckedSelect, check_select, split
from memory.text.dates import spoken_date


def no_rows() -> dspy.Prediction:
    """The result of a module that asked for no SELECT."""
    return dspy.Prediction(
        sql=[], rows=[], calls=0, error="", refusals=[], decided=None, opened=set()
    )


def opened_turns(select: CheckedSelect, rows: Rows) -> set[int]:
    """The turns that a SELECT names by id and whose text its rows contain."""
    return {*select.ids} & {*quoted_turns([rows])}


class RetrieveRows(PromptedModule):
    """Brings up the rows that a question may need, in one round of SELECTs."""

    def __init__(self, prompts: Form = "full") -> None:
        super().__init__(PROMPTS[prompts].retrieve, prompts)

    def forward(
        self, question: UserQuestion, reader: MemoryReader, refused: str = ""
    ) -> dspy.Prediction:
        """Retrieve for one question.

        Arguments:
            refused: previously refused SQL, with the reason: it is rewritten, in one call.

        Returns a Prediction of sql (list of the SELECTs that ran), rows (list of Rows, one for
        each), calls (int), error (str: the refusal that two repairs could not mend, else empty),
        refusals (list of str: what was refused and why, in order), decided (None: rows alone answer
        nothing) and opened (set of ids of turns that a SELECT names and returns). Never raises
        SqlError: without rows the ranking alone fills the budget. A prompt that is too long does
        not fail either: the ranking's turns can be cut to any size.
        """
        results: list[tuple[str, Rows]] = []
        opened: set[int] = set()
        inputs = {
            "question": question_text(question, self.prompts),
            "asker": question.asker,
            "today": spoken_date(question.today),
            "catalog": self._catalog(question, reader),
        }

        def ask(feedback: str) -> str:
            return str(self._predicted(**inputs, feedback=feedback).sql)

        def run(sql: str) -> None:
            results.clear()  # an earlier answer may have been refused half-way
            opened.clear()
            selects = split(sql)
            if len(selects) > MOST_SELECTS:
                raise SqlError(f"{len(selects)} statements; write at most {MOST_SELECTS} SELECTs")
            for select in selects:
                checked = check_select(select)
                results.append((select.text, reader.read(checked)))
                opened.update(opened_turns(checked, results[-1][1]))

        error = ""
        try:
            with self._traced():
                limit = {"calls": 1} if refused else {}
                _, _, refusals = with_repairs(ask, run, refused, **limit)
            calls = len(refusals) + 1
        except SqlError as last:
            error = str(last)
            refusals = list(last.refusals)
            calls = len(refusals)
        except LMError as refusal:
            if not is_too_long(refusal):
                raise
            return no_rows()
        return dspy.Prediction(
            sql=[select for select, _ in results],
            rows=[rows for _, rows in results],
            calls=calls,
            error=error,
            refusals=refusals,
            decided=None,
            opened=opened,
        )

    def _catalog(self, question: UserQuestion, reader: MemoryReader) -> str:
        """What the memory holds, and what is known of the names in the question."""
        catalog = reader.catalog(CATALOG_TOKENS)
        if not self.prompts.with_names:
            return catalog
        if any(summary.text for summary in reader.summaries()):
            catalog = f"{catalog}\n{SUMMARIES_IN_QUESTION}"
        names = reader.name_lines(f"{question.asker} {question.text}", NAME_TOKENS)
        return f"{catalog}\n{NAMES_IN_QUESTION}\n{names}" if names else catalog
