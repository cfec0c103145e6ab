"""RetrieveRows: the module that brings up rows for a question, in one round of SELECTs."""

import dspy
from dspy.utils.exceptions import LMError

from memory.errors import SqlError
from memory.evidence.lines import CATALOG_TOKENS, NAME_TOKENS
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.models.server_refusals import is_too_long
from memory.program.prompted import PromptedModule, question_text
from memory.program.repairs import with_repairs
from memory.program.signatures.forms import PROMPTS, Form
from memory.program.signatures.full import NAMES_IN_QUESTION, SUMMARIES_IN_QUESTION
from memory.records import Rows
from memory.sql import check_select, split
from memory.text.dates import spoken_date

MOST_SELECTS = 5


def no_rows() -> dspy.Prediction:
    """What a module returns that asked for no SELECT."""
    return dspy.Prediction(sql=[], rows=[], calls=0, error="", refusals=[], decided=None)


class RetrieveRows(PromptedModule):
    """Brings up the rows that a question may need, in one round of SELECTs."""

    def __init__(self, prompts: Form = "full") -> None:
        super().__init__(PROMPTS[prompts].retrieve, prompts)

    def forward(self, question: UserQuestion, reader: MemoryReader) -> dspy.Prediction:
        """Retrieve for one question.

        Returns a Prediction of sql (list of the SELECTs that ran), rows (list of Rows, one for
        each), calls (int), error (str: the refusal that two repairs could not mend, else empty),
        refusals (list of str: what was refused and why, in order) and decided (None: rows alone
        answer nothing).
        Never raises SqlError: without rows the ranking alone fills the budget. Neither does it fail
        where the prompt is too long: what the ranking finds can be cut to any size.
        """
        results: list[tuple[str, Rows]] = []
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
            selects = split(sql)
            if len(selects) > MOST_SELECTS:
                raise SqlError(f"{len(selects)} statements; write at most {MOST_SELECTS} SELECTs")
            for select in selects:
                results.append((select.text, reader.read(check_select(select))))

        error = ""
        try:
            with self._traced():
                _, _, refusals = with_repairs(ask, run)
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
