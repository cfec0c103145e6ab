"""Supervised examples by a teacher: prompts of the student with right answers.

store: the SQL that the teacher writes when shown one speaker's lines at a time, as the answer to
the whole window. retrieve: its SELECTs, if they bring the evidence or lead to a right answer. Both
as in the README of a chatbot with an external SQL memory ("Long Term Memory Using SQL Language
Models", Training). answer: the dataset's own answer to a memory that holds the evidence, or an
abstention if it does not; calls no model.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from locomo.choices import Target
from locomo.dataset.format import ABSTENTION, Conversation, Question
from locomo.examples.gold import NOTHING
from locomo.harness import Setup, temporary_memory
from locomo.metrics import gold, normalize, score
from locomo.tasks.rewards import RIGHT
from memory import Change, Memory, MemoryProgram, Rows, SqlError, StoreTurns, Turn, open_store
from memory.errors import RefusedRowsError
from memory.evidence import MemoryReader, lay_out
from memory.facts import WindowWriter
from memory.models import Model, prompt_messages
from memory.program import (
    OpenedMemory,
    WindowContext,
    dated,
    plain_program,
    stored_window,
)
from memory.program import Question as UserQuestion
from memory.records import ABSTAIN, Fact
from memory.sql import split

# As Memory does: an example must be the prompt that the student will see.
_CATALOG_TOKENS = 1_000
_RANKED_TURNS = 400

ChatMessages = list[dict[str, str]]


@dataclass(frozen=True)
class Distillation:
    """A student that learns modules from a teacher.

    Arguments:
        teacher: writes the SQL; if rows lack evidence it answers too, with its own budget.
        student: the untuned model; the examples have its windows and its budget.
        targets: the modules that it will be tuned for.
    """

    teacher: Setup
    student: Setup
    targets: tuple[Target, ...]

    @property
    def writer(self) -> Model:
        """The teacher, given the student's windows."""
        student, teacher = self.student.model, self.teacher.model
        limits = replace(
            teacher.limits,
            window=student.limits.window,
            window_tokens=student.limits.window_tokens,
        )
        return replace(teacher, limits=limits)

    @property
    def student_program(self) -> MemoryProgram:
        """The student's plain program."""
        return plain_program(self.student.model)

    def render(
        self, target: Target, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> ChatMessages:
        """The tuned student's prompt, and these outputs as it writes them, as messages."""
        return render_example(
            self.student, targets=self.targets, target=target, inputs=inputs, outputs=outputs
        )


@dataclass(frozen=True)
class PlannedExample:
    """An example to make.

    `number` is a window's first turn (from 1) for store, else a question's index. With `absent` the
    question's evidence is removed from the memory, and the answer is an abstention.
    """

    target: Target
    conversation: Conversation
    number: int
    absent: bool = False

    @property
    def question(self) -> Question:
        """The question with this index, for retrieve and answer."""
        return self.conversation.questions[self.number]

    @property
    def evidence(self) -> list[int]:
        """The ids of the question's evidence turns."""
        ids = {turn.source: n for n, turn in enumerate(self.conversation.turns, 1)}
        return [ids[source] for source in self.question.evidence]


@dataclass(frozen=True)
class ExampleAttempt:
    """An example, or why there is none, and the model calls that it took.

    `sql` is what a window's example stores.
    """

    messages: ChatMessages = field(default_factory=list)
    sql: str = ""
    dropped: str = ""
    calls: int = 0


Done = Callable[[], object]  # called after each attempt


def render_example(
    student: Setup,
    targets: Collection[Target],
    target: Target,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> ChatMessages:
    """The prompt of a student tuned for `targets`, and these outputs as it writes them.

    Inputs and outputs are by field of the module's signature. Returns chat messages; the last is
    the answer.
    """
    signature = getattr(student.program, target).predict.signature
    adapter = student.model.adapter
    # The asker and the day are unknown for questions asked later about a conversation.
    shown_inputs = dict.fromkeys(signature.input_fields, "") | dict(inputs)
    prompt = prompt_messages(adapter, signature, shown_inputs)
    # An adapter renders the right answer where it shows an example, before the last message.
    outputs = dict.fromkeys(signature.output_fields, "") | dict(outputs)
    demo = {**shown_inputs, **outputs}
    *_, answer, _ = prompt_messages(adapter, signature, shown_inputs, [demo])
    messages = [*prompt, {**answer, "content": answer["content"].strip()}]
    return [
        {"role": message["role"], "content": encodable(message["content"])} for message in messages
    ]


def encodable(text: str) -> str:
    """A text that UTF-8 can encode: a lone surrogate, which a model may write, becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def make_store_examples(
    distillation: Distillation, planned: Sequence[PlannedExample], done: Done
) -> list[ExampleAttempt]:
    """The windows of one conversation, in order: each sees a catalog of those before it."""
    with temporary_memory(planned[0].conversation.turns) as store:
        speaker_by_speaker = _SpeakerBySpeaker(distillation, planned=planned, done=done)
        program = copy(distillation.teacher.program)
        program.store, program.stores_facts = speaker_by_speaker, True
        program.tell = None
        Memory(store, model=distillation.writer, program=program).digest()
    return speaker_by_speaker.attempts


class _SpeakerBySpeaker(StoreTurns):
    """The teacher's storing module, shown one speaker's lines at a time."""

    def __init__(
        self, distillation: Distillation, planned: Sequence[PlannedExample], done: Done
    ) -> None:
        super().__init__(reading=distillation.teacher.program.store.reading)
        self.predict = distillation.teacher.program.store.predict
        self.distillation = distillation
        self.planned = {window.number: window for window in planned}
        self.done = done
        self.attempts: list[ExampleAttempt] = []

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        window = self.planned.get(context.window[0])
        sql, calls = NOTHING, 0
        if window:
            attempt = self._attempt(context, writer)
            self.attempts.append(attempt)
            self.done()
            sql, calls = attempt.sql or NOTHING, attempt.calls
        change, unsaid = writer.write(sql)
        return stored_window(change, sql=sql, calls=calls, unsaid=unsaid)

    def _as_stored(self, fact: Fact, turn: Turn) -> Fact:
        """All that the teacher writes, even if a student would have to quote it."""
        return dated(fact, turn)

    def _attempt(self, context: WindowContext, writer: WindowWriter) -> ExampleAttempt:
        by_speaker: dict[str, list[Turn]] = {}
        for turn in context.turns:
            by_speaker.setdefault(turn.speaker, []).append(turn)
        lines = dict(re.findall(r"^\[(\d+)\] (.*)$", context.inputs["window"], re.MULTILINE))
        trial = _Trial(writer)
        statements: list[str] = []
        calls = 0
        try:
            for turns in by_speaker.values():
                numbers = [str(turn.id) for turn in turns if str(turn.id) in lines]
                said = "\n".join(f"[{number}] {lines[number]}" for number in numbers)
                alone = replace(context, turns=turns, inputs={**context.inputs, "window": said})
                stored = super()._stored(alone, cast("WindowWriter", trial.of(turns)))
                calls += stored["calls"]
                if stored["change"].statement:
                    # The teacher's own SQL: the change has the result (computed dates in their own
                    # column).
                    statements += [f"{statement.text};" for statement in split(stored["sql"])]
            sql = "\n".join(statements) or NOTHING
            # Each speaker's SQL was taken back, so all of it must be written together once more.
            trial.of(context.turns).write(sql)
        except SqlError as error:
            dropped = "the database refused its SQL"
            return ExampleAttempt(dropped=dropped, calls=calls + len(error.refusals))
        inputs = {**context.inputs, "feedback": ""}
        messages = self.distillation.render("store", inputs, {"sql": sql})
        return ExampleAttempt(messages, sql, calls=calls)


@dataclass(frozen=True)
class _Trial:
    """Writes SQL for a window, and takes it back at once.

    The window that a writer guards has all speakers' turns, so that it lets a fact name a turn of
    a speaker whose lines were not shown; this does not.
    """

    writer: WindowWriter
    turn_ids: frozenset[int] = frozenset()

    has_rows = False  # of an earlier answer: an example is one whole answer

    def of(self, turns: Sequence[Turn]) -> "_Trial":
        """The same of these turns."""
        return replace(self, turn_ids=frozenset(turn.id for turn in turns))

    def write(self, sql: str) -> tuple[Change, int]:
        """The change that it would be. Raises SqlError, also if one row may not be stored."""
        try:
            return self._taken_back(lambda writer: writer.write(sql))
        except RefusedRowsError as error:
            raise SqlError("; ".join(error.reasons)) from None

    def finish(self) -> Change:
        """The change without facts."""
        return self._taken_back(lambda writer: (writer.finish(), 0))[0]

    def _taken_back(
        self, write: Callable[[WindowWriter], tuple[Change, int]]
    ) -> tuple[Change, int]:
        store = self.writer.store
        [[last_id]] = store.read("SELECT max(id) AS id FROM facts").rows
        change, unsaid = write(replace(self.writer, asks_again=True))
        facts = store.read(f"SELECT turn_id FROM facts WHERE id > {last_id or 0}")
        store.undo(change.id)
        if not {turn_id for (turn_id,) in facts.rows} <= self.turn_ids:
            ids = ", ".join(map(str, sorted(self.turn_ids)))
            raise SqlError(f"turn_id must be that of a turn you were shown: {ids}")
        return change, unsaid


def make_retrieve_example(
    distillation: Distillation, planned: PlannedExample, path: Path
) -> ExampleAttempt:
    """The teacher's SELECTs for one question about the memory in the file at `path`."""
    teacher, retrieve = distillation.teacher, distillation.teacher.program.retrieve
    assert retrieve
    question = planned.question.text
    with open_store(path, read_only=True) as store:
        catalog = store.catalog(_CATALOG_TOKENS)
        with distillation.writer.active():
            opened = OpenedMemory(MemoryReader(store))
            retrieved = retrieve(question=UserQuestion(question), memory=opened)
        calls = retrieved.calls
        right = set(planned.evidence) <= _turn_ids(retrieved.rows)
        has_rows = any(rows.rows for rows in retrieved.rows)
        # Rows that name other turns may still hold the answer: then the teacher can give it.
        if has_rows and not right:
            memory = Memory(
                store, model=teacher.model, program=teacher.program, budget=teacher.budget
            )
            context = memory.evidence(question, retrieved.rows)
            with teacher.model.active():
                prediction = teacher.program.answer(question=question, evidence=context.text)
            calls += prediction.calls
            right = score(prediction.answer, planned.question) >= RIGHT
    if not right:
        reason = "its evidence did not come, and the answer was wrong"
        dropped = reason if has_rows else "no row came"
        return ExampleAttempt(dropped=dropped, calls=calls)
    inputs = {"question": question, "catalog": catalog, "feedback": ""}
    outputs = {"sql": "\n".join(f"{select};" for select in retrieved.sql)}
    return ExampleAttempt(distillation.render("retrieve", inputs, outputs), calls=calls)


def _turn_ids(results: Sequence[Rows]) -> set[int]:
    """The turns that rows name, in the column that every prompt asks for."""
    with_turns = [rows for rows in results if "turn_id" in rows.columns]
    return {row[rows.columns.index("turn_id")] for rows in with_turns for row in rows.rows}


def make_answer_examples(
    distillation: Distillation, planned: Sequence[PlannedExample], done: Done
) -> list[ExampleAttempt]:
    """The questions of one conversation, each with a memory that holds its evidence, or not.

    Calls no model: the answer is the dataset's own.
    """
    attempts = []
    budget = distillation.student.budget
    lists = distillation.student_program.ask.options.lists  # the layout with days as heads
    with temporary_memory(planned[0].conversation.turns) as store:
        for example in planned:
            hits = store.search(example.question.text, _RANKED_TURNS)
            ranked = [hit.turn_id for hit in hits if hit.turn_id not in example.evidence]
            # The best are taken first, then sorted by when they were said: putting the evidence
            # first leaves out the worst ranked, and does not show.
            turn_ids = ranked if example.absent else [*example.evidence, *ranked]
            turns = store.turns_by_id(turn_ids)
            context = lay_out([], turns, budget, by_day=lists)
            attempts.append(
                _answer_attempt(
                    distillation,
                    planned=example,
                    memory=context.text,
                    turn_ids=set(context.turn_ids),
                )
            )
            done()
    return attempts


def _answer_attempt(
    distillation: Distillation, planned: PlannedExample, memory: str, turn_ids: set[int]
) -> ExampleAttempt:
    right_answer = " ".join(gold(planned.question).split())
    if not planned.absent and not turn_ids >= set(planned.evidence):
        return ExampleAttempt(dropped="its evidence does not fit the budget")
    if planned.absent and f" {normalize(right_answer)} " in f" {normalize(memory)} ":
        return ExampleAttempt(dropped="another turn says it too")
    abstains = planned.absent or planned.question.category == ABSTENTION
    outputs = {
        "answer": ABSTAIN if abstains else right_answer,
        "turns": "" if abstains else ", ".join(map(str, planned.evidence)),
    }
    inputs = {"evidence": memory, "question": planned.question.text}
    return ExampleAttempt(distillation.render("answer", inputs, outputs))
