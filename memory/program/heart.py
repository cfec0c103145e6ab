"""The heart of a memory: three DSPy modules and one short loop. All else is plugged in.

    ask = AskMemory()
    ask(question="Where does Anna live?", memory="anna").answer

`memory` is a name, a path, a Store or a Memory, or anything that keeps `Opened`: a SQLite file,
Postgres, several memories, or the stand-in of a test. A model that needs other words gets another
signature, a model that works in another way another module (`memory.program.brief`); neither is a
branch here. Bills, clocks and progress belong to the caller (`memory.program.asking`).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError, LMError

from memory.errors import RefusedRowsError, SqlError
from memory.evidence.block import FACT_TOKENS, Options, evidence
from memory.evidence.messages import abstains, is_quotation
from memory.evidence.reader import MemoryLike
from memory.facts.window_writes import WindowWriter
from memory.models.model_errors import NOTHING
from memory.models.server_refusals import is_too_long
from memory.program.answer_sources import OWN_OUTPUTS, answered, cited, is_told, speaks_of
from memory.program.digest import LARGE_WINDOW, WindowContext, WindowReading, stored_window
from memory.program.fact_checks import dated
from memory.program.look import NO_LOOK, Look, look_up, read_look
from memory.program.opened import EvidenceFunction, lm_in_use, lm_name, opened, opened_to_store
from memory.program.predict import MemoryModule, Prompt, PromptedModule, called, prompt_of
from memory.program.protocol import Gathered, Opened, Question, no_rows
from memory.program.repairs import with_repairs
from memory.program.signatures.full import MOST_SELECTS, AnswerFromMemory, WriteFacts, WriteQuery
from memory.program.sql_questions import sql_pays
from memory.program.streaming import hear_again
from memory.records import ABSTAIN, Fact, Rows, SqlUse, Turn
from memory.sql import check_select, split
from memory.text.dates import dated_question, spoken_date

BUDGET = 6_000  # tokens of memory shown with a question
# With facts of the turns that are found, as `Memory.context` shows them.
_OPTIONS = Options(fact_tokens=FACT_TOKENS)
LOOK_CATALOG_TOKENS = 300  # of the summary of the memory, in addition to the evidence


# --- the three modules ----------------------------------------------------------------------------


class StoreTurns(PromptedModule):
    """Writes what a window of turns says as facts.

    `store = StoreTurns()` runs on the LM of `dspy.configure`, `dspy.context` or `set_lm`.
    `store(memory="anna")` stores the turns that no digest has stored yet, one window at a time;
    `store(turns=[...])` shows what it would store of these turns, and changes no memory.

    Arguments:
        signature: the prompt. `reading` says what it shows with a window.
    """

    def __init__(
        self, signature: Prompt = WriteFacts, reading: WindowReading = LARGE_WINDOW
    ) -> None:
        super().__init__(signature)
        self.reading = reading

    def forward(
        self,
        memory: MemoryLike | None = None,
        first: int = 0,
        last: int = 0,
        *,
        turns: Sequence[Turn | Mapping[str, Any]] = (),
        by: str = "StoreTurns",
        weights: Mapping[str, float] | None = None,
        **limits: Any,
    ) -> dspy.Prediction:
        """Store one window as one change.

        Arguments:
            memory: a memory's name, its file's path, an open Store, or a Memory.
            first, last: the ids of the window's turns; by default the next ones to be stored.
            turns: turns to store in a temporary memory.
            by: the person storing them, for the journal.
            weights: for the ranking that finds known facts.
            limits: `tokens` at most of the window's turns, the `share` of the tokens that the rest
                of the prompt usually gets, and `window_turns`, if the caller has read them.

        Returns a Prediction of change (Change), facts (list of Fact: what is stored of the window's
        turns now), sql (str), calls (int: model calls), refusals (list of str: what was refused
        before, and why), refused (list of str: which rows were set aside, and why) and unsaid (int:
        rows that are not in the words of their turns) and characters (of people's own messages:
        given, and shown).
        Raises SqlError with its refusals when two repairs did not help; nothing is written then.
        """
        with lm_in_use(self), opened_to_store(memory, turns, weights) as place:
            context, writer = place.window(
                self.reading,
                (first, last),
                as_stored=self._as_stored,
                cause=f"digest by {by}",
                size=len(turns) if memory is None else 0,
                weights=weights,
                **limits,
            )
            stored = self._stored(context, writer)
            facts = place.reader.digested_facts([turn.id for turn in context.turns])
            return dspy.Prediction(facts=list(facts), characters=context.characters, **stored)

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        """Ask for SQL and run it; no call for a window without anyone's words."""
        if all(is_quotation(turn.text) for turn in context.turns):
            return stored_window(writer.finish())
        try:
            (change, unsaid), sql, refusals = with_repairs(
                lambda feedback, turn_ids: str(
                    self._predicted(**context.inputs_of(turn_ids), feedback=feedback).sql
                ),
                writer.write,
            )
        except SqlError as error:
            if not writer.has_rows:
                raise
            # Nothing can be stored of the last answer; there are rows of the one before.
            reasons = error.reasons if isinstance(error, RefusedRowsError) else [str(error)]
            change, refused = writer.finish(reasons), error.refusals
            return stored_window(change, calls=len(refused), refusals=refused)
        return stored_window(
            change, sql=sql, calls=len(refusals) + 1, refusals=refusals, unsaid=unsaid
        )

    def _as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        """A fact as stored: with its date."""
        return dated(fact, turn)


class RetrieveRows(PromptedModule):
    """Writes the SELECTs that a question needs, and runs them."""

    def __init__(self, signature: Prompt = WriteQuery) -> None:
        super().__init__(signature)

    def forward(self, question: Question, memory: Opened, refused: str = "") -> dspy.Prediction:
        """The rows of one round of SELECTs.

        Arguments:
            refused: previously refused SQL, with the reason: it is rewritten, in one call.

        Returns a Prediction of sql (list of the SELECTs that ran), rows (list of Rows, one for
        each), calls (int), error (str: the refusal that two repairs could not mend, else empty) and
        refusals (list of str: what was refused and why, in order). Never raises SqlError: without
        rows the search alone fills the budget. Nor does a prompt that is too long.
        """
        ran: list[tuple[str, Rows, Collection[int]]] = []
        inputs = {
            "question": dated_question(question, question.today),
            "asker": question.asker,
            "today": spoken_date(question.today),
            "catalog": memory.catalog(question=question),
        }

        def run(sql: str) -> None:
            ran.clear()  # an earlier answer may have been refused half-way
            selects = split(sql)
            if len(selects) > MOST_SELECTS:
                raise SqlError(f"{len(selects)} statements; write at most {MOST_SELECTS} SELECTs")
            for select in selects:
                checked = check_select(select)
                ran.append((select.text, memory.read(checked), checked.ids))

        error = ""
        try:
            _, _, refusals = with_repairs(
                lambda feedback, _: str(self._predicted(**inputs, feedback=feedback).sql),
                run,
                refused,
                **({"calls": 1} if refused else {}),
            )
            calls = len(refusals) + 1
        except SqlError as last:
            error, refusals = str(last), list(last.refusals)
            calls = len(refusals)
        except LMError as refusal:
            if not is_too_long(refusal):
                raise
            return no_rows()
        return dspy.Prediction(
            sql=[select for select, *_ in ran],
            rows=[rows for _, rows, _ in ran],
            calls=calls,
            error=error,
            refusals=refusals,
            checked=[ids for *_, ids in ran],
        )


class AnswerQuestion(PromptedModule):
    """Answers from the evidence and cites turns, or says once what to look up instead."""

    def __init__(self, signature: Prompt = AnswerFromMemory) -> None:
        super().__init__(signature)

    def forward(
        self, question: str, evidence: str, asker: str = "", today: str = "", catalog: str = ""
    ) -> dspy.Prediction:
        """Answer one question, or say what to look up first.

        Arguments:
            evidence: the part of the memory shown; only its turns can be cited.
            today: the day of the question (ISO), if known.
            catalog: what the whole memory holds, if the model may ask for more of it.

        Returns a Prediction of answer (str, as the model wrote it), turns (list of the ids that it
        cites, none for an abstention), look (Look: what the model asks for instead of an answer),
        calls (int), unusable (str: what it said if that is not an answer, which is then empty), and
        the other outputs of its prompt.
        """
        inputs = {
            "evidence": str(evidence),
            "question": dated_question(question, today),
            "asker": asker,
            "today": spoken_date(today),
            "catalog": catalog,
        }
        try:
            reply = self._predicted(**inputs)
        except AdapterParseError as error:
            # An answer without the expected marks is still an answer; the marks are removed.
            text = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response or "").strip()
            reply = dspy.Prediction(answer=text if speaks_of(evidence, text) else "", wrote=text)
        answer, wanted = (str(reply.get(name) or "").strip() for name in ("answer", "look"))
        look = read_look(wanted) if catalog else NO_LOOK
        if look and (not answer or (abstains(answer) and not dspy.settings.stream_listeners)):
            return dspy.Prediction(answer="", turns=[], look=look, calls=1, unusable="")
        if wanted and not (look or answer) and speaks_of(evidence, wanted):
            answer = wanted  # the first field is not always filled in correctly
        if catalog and not answer and reply.get("answer", "") is None:
            # The adapter could read nothing, and does not say what was written.
            again = self(question=question, evidence=evidence, asker=asker, today=today)
            again.calls += 1
            return again
        extra_outputs = {
            name: value for name, value in reply.items() if name not in {*OWN_OUTPUTS, "wrote"}
        }
        return dspy.Prediction(
            **extra_outputs,
            answer=answer,
            turns=cited(reply.get("turns"), evidence) if is_told(answer) else [],
            look=NO_LOOK,
            calls=1,
            unusable="" if answer else str(reply.get("wrote") or NOTHING),
        )


class AskMemory(MemoryModule):
    """Answers a question from a memory and cites the turns that say so: retrieve, evidence, answer.

    `ask = AskMemory()` runs on the LM of `dspy.configure`, `dspy.context` or `set_lm`, with the
    adapter set there, else ours; `ask(question="When did Anna move?", memory="anna")` returns a
    Prediction. It opens the memory itself and changes nothing in it.

    Arguments:
        retrieve: a module that brings up rows (`RetrieveRows`).
        answer: a module of `evidence, question -> answer` (`AnswerQuestion`): it may take asker,
            today, catalog and memory too, and give turns, look, and what else it likes.
        sql: for which questions SELECTs are written, whatever a caller says: "always", "when it
            pays" or "never". When it pays, a model that can look says so itself, once, instead of
            answering; another one is asked where turns about as near as the ones shown have no
            room.
        budget: how many tokens of memory are shown with a question: the answering LM's tokens, if
            its name tells its vocabulary.
        options: other choices of what to show.
        evidence: lays out the evidence.

    `feature_weights` are for the ranking, None for the packaged ones.
    """

    feature_weights: Mapping[str, float] | None = None

    def __init__(
        self,
        retrieve: dspy.Module | None = None,
        answer: dspy.Module | None = None,
        *,
        sql: SqlUse | None = None,
        budget: int = BUDGET,
        options: Options = _OPTIONS,
        evidence: EvidenceFunction = evidence,
    ) -> None:
        super().__init__()
        if sql != "never":  # an optimizer would not see a predictor that is not called
            self.retrieve = retrieve or RetrieveRows()
        self.answer = answer or AnswerQuestion()
        self.sql = sql
        self.budget = budget
        self.options = options
        self.evidence = evidence

    def forward(
        self,
        question: str,
        memory: MemoryLike | Opened,
        asker: str = "",
        today: str = "",
        budget: int | None = None,
        sql: SqlUse = "always",
        speaker: str = "",
    ) -> dspy.Prediction:
        """Answer one question.

        Arguments:
            question: as the user asked it.
            memory: a memory's name, its file's path, an open Store, or a Memory.
            asker: the person asking, or `speaker`; by default the memory's owner.
            today: the day of the question (ISO), if known.
            budget: how many tokens of memory are shown, if not as many as usual.
            sql: for which questions SELECTs are written, if the module does not say.

        Returns a Prediction of answer (str), turns (the ids that it cites), sql, rows, basis,
        calls, evidence (str: what the answering model was shown), hits (the turns that the search
        found) and whatever else the answering module says. Raises UnusableAnswer if the text is not
        an answer.
        """
        with lm_in_use(self), self.opening(memory, budget) as place:
            user_question = Question(question, place.asker(asker or speaker), today)
            sql = self.sql or sql
            looks = self.looks and sql == "when it pays"
            gathered = self.gathered(user_question, place, "never" if looks else sql)
            may_look = looks and not gathered.shown.is_all
            reply = self.reply(user_question, gathered, place, may_look)
            calls = reply.get("calls", 1)
            if look := reply.get("look"):
                gathered = self.looked_up(look, user_question, gathered, place)
                hear_again(self.answer)
                reply = self.reply(user_question, gathered, place)
                calls += reply.get("calls", 1)
            return answered(user_question, gathered, reply, calls)

    def opening(
        self, memory: MemoryLike | Opened, budget: int | None = None, **settings: Any
    ) -> AbstractContextManager[Any]:
        """The memory, open for a question of this module."""
        return opened(
            memory,
            weights=self.feature_weights,
            model=lm_name(self.answer),
            budget=budget or self.budget,
            options=self.options,
            evidence=self.evidence,
            **settings,
        )

    @property
    def looks(self) -> bool:
        """Whether its answers may ask for more of the memory."""
        prompt = prompt_of(self.answer)
        return prompt is not None and {"look", "catalog"} <= prompt.fields.keys()

    def gathered(self, question: Question, memory: Opened, sql: SqlUse) -> Gathered:
        """What is found and shown before a model answers."""
        hits, retrieved, shown = memory.search(question), no_rows(), None
        if sql == "when it pays":
            shown = memory.shown(question, hits, retrieved)
        if sql == "always" or (shown is not None and sql_pays(hits, len(shown.turn_ids))):
            retrieved = called(self.retrieve, question=question, memory=memory)
        if shown is None or retrieved.rows:
            shown = memory.shown(question, hits, retrieved)
        return Gathered(hits, retrieved, shown)

    def looked_up(
        self, look: Look, question: Question, gathered: Gathered, memory: Opened
    ) -> Gathered:
        """What a model asked for, and what was found before; refused SQL is rewritten once."""

        def repair(refused: str) -> dspy.Prediction:
            return called(self.retrieve, question=question, memory=memory, refused=refused)

        retrieved = look_up(look, memory, repair)
        shown = memory.shown(question, gathered.hits, retrieved, looked=True)
        return Gathered(gathered.hits, retrieved, shown)

    def reply(
        self, question: Question, gathered: Gathered, memory: Opened, may_look: bool = False
    ) -> dspy.Prediction:
        """What rows decide, or else the answering module says of the evidence."""
        if decided := gathered.retrieved.get("decided"):
            return dspy.Prediction(answer=decided.text, turns=list(decided.turn_ids), calls=0)
        if not gathered.shown:  # nothing was found: no model call
            return dspy.Prediction(answer=ABSTAIN, turns=[], calls=0)
        return called(
            self.answer,
            question=question,
            evidence=gathered.shown,
            asker=question.asker,
            today=question.today,
            catalog=memory.catalog(LOOK_CATALOG_TOKENS) if may_look else "",
            memory=memory,
        )
