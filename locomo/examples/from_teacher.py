"""Supervised examples by a teacher: prompts of the student with right answers.

store: the SQL that the teacher writes when shown one speaker's lines at a time, as the answer to
the whole window. retrieve: its SELECTs, if they bring the evidence or lead to a right answer.
Both as in the README of a chatbot with an external SQL memory ("Long Term Memory Using SQL
Language Models", Training). answer: the dataset's own answer to a memory that holds the evidence,
or an abstention where it does not; no model is asked.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import dspy

from locomo.dataset.format import ABSTENTION, Conversation, Question
from locomo.harness import Setup, temporary_memory
from locomo.metrics import gold, normalize, score
from locomo.tasks.modules import Target
from locomo.tasks.rewards import RIGHT
from memory import Change, Memory, MemoryProgram, Rows, SqlError, Store, open_store
from memory.evidence.layout import lay_out
from memory.evidence.messages import ABSTAIN
from memory.program import Model
from memory.program.small_prompts import NO_FACT
from memory.sql import split

# As Memory does at work: an example must be the prompt that the student will see.
_CATALOG_TOKENS = 1_000
_RANKED_TURNS = 400

ChatMessages = list[dict[str, str]]


@dataclass(frozen=True)
class Distillation:
    """A student that learns modules from a teacher.

    Arguments:
        teacher: writes the SQL; where rows lack evidence it answers too, with its own budget.
        student: as it is untuned; the examples have its windows and its budget.
        targets: the modules that it will be tuned for.
    """

    teacher: Setup
    student: Setup
    targets: tuple[Target, ...]

    @property
    def writer(self) -> Model:
        """The teacher, given the student's windows.

        For the packaged student, whose grammar allows one form of SQL only, any other teacher is
        shown that form: the short prompts with their examples.
        """
        student, teacher = self.student.model, self.teacher.model
        adapter = teacher.adapter
        if teacher.writes_any_sql and not student.writes_any_sql:
            adapter = student.as_tuned(()).adapter
        return replace(
            teacher,
            adapter=adapter,
            window=student.window,
            window_tokens=student.window_tokens,
            dates=student.dates,
            writes_facts=True,
        )

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

    `number` is a window's first turn (from 1) for store, else a question's index. With `absent`
    the question's evidence is taken out of the memory, and the answer is an abstention.
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
    """What a student tuned for `targets` is shown, and these outputs as it writes them.

    Inputs and outputs are by field of the module's signature. Returns chat messages, the last of
    which is the answer.
    """
    signature = getattr(student.program, target).predict.signature
    adapter = student.model.as_tuned(targets).adapter
    # Who asks, and when, is not known of questions that are asked later about a conversation.
    shown_inputs = dict.fromkeys(signature.input_fields, "") | dict(inputs)
    prompt = adapter.format(signature, [], shown_inputs)
    # An adapter renders the right answer where it shows an example, before the last message.
    *_, answer, _ = adapter.format(signature, [{**shown_inputs, **outputs}], shown_inputs)
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
        program: Any = MemoryProgram()
        program.store = _SpeakerBySpeaker(distillation, planned=planned, store=store, done=done)
        Memory(store, model=distillation.writer, program=program).digest()
        attempts: list[ExampleAttempt] = program.store.attempts
    return attempts


class _SpeakerBySpeaker(dspy.Module):
    """Replaces the storing module: lets the teacher store one speaker's lines at a time."""

    def __init__(
        self,
        distillation: Distillation,
        planned: Sequence[PlannedExample],
        store: Store,
        done: Done,
    ) -> None:
        super().__init__()
        self.distillation = distillation
        self.planned = {window.number: window for window in planned}
        self.memory = store
        self.done = done
        self.attempts: list[ExampleAttempt] = []

    def forward(
        self, turns: str, catalog: str, write: Callable[[str], Change], **context: str
    ) -> dspy.Prediction:
        lines = {int(n): line for line, n in re.findall(r"^(\[(\d+)\] .*)$", turns, re.MULTILINE)}
        window = self.planned.get(min(lines, default=0))
        if window is None:
            return dspy.Prediction(change=write(NO_FACT), calls=0)
        inputs = {"turns": turns, "catalog": catalog, **context}
        attempt = self._attempt(window, lines=lines, inputs=inputs, write=write)
        self.attempts.append(attempt)
        self.done()
        return dspy.Prediction(change=write(attempt.sql or NO_FACT), calls=attempt.calls)

    def _attempt(
        self,
        window: PlannedExample,
        lines: Mapping[int, str],
        inputs: Mapping[str, str],
        write: Callable[[str], Change],
    ) -> ExampleAttempt:
        ids_by_speaker: dict[str, list[int]] = {}
        for turn_id in lines:
            speaker = window.conversation.turns[turn_id - 1].speaker
            ids_by_speaker.setdefault(speaker, []).append(turn_id)

        statements: list[str] = []
        calls = 0
        try:
            for turn_ids in ids_by_speaker.values():
                speaker_inputs = {
                    **inputs,
                    "turns": "\n".join(lines[turn_id] for turn_id in turn_ids),
                }
                stored = self.distillation.teacher.program.store(
                    **speaker_inputs, write=partial(self._try, write, turn_ids)
                )
                calls += stored.calls
                if stored.change.statement:
                    # What the teacher wrote: the change holds what became of it (computed dates
                    # in a column of their own).
                    statements += [f"{statement.text};" for statement in split(stored.sql)]
            sql = "\n".join(statements) or NO_FACT
            # Each speaker's SQL was taken back, so all of it has to go together once more.
            self._try(write, list(lines), sql)
        except SqlError as error:
            dropped = "the database refused its SQL"
            return ExampleAttempt(dropped=dropped, calls=calls + len(error.refusals))
        messages = self.distillation.render("store", {**inputs, "feedback": ""}, {"sql": sql})
        return ExampleAttempt(messages, sql, calls=calls)

    def _try(self, write: Callable[[str], Change], turn_ids: Sequence[int], sql: str) -> Change:
        """What the SQL changes; then it is taken back. Raises SqlError.

        The window that `write` guards has all speakers' turns, so that it lets a fact name a turn
        of a speaker whose lines were not shown; this does not.
        """
        [[last_id]] = self.memory.read("SELECT max(id) AS id FROM facts").rows
        change = write(sql)
        facts = self.memory.read(f"SELECT turn_id FROM facts WHERE id > {last_id or 0}")
        self.memory.undo(change.id)
        if not {turn_id for (turn_id,) in facts.rows} <= set(turn_ids):
            ids = ", ".join(map(str, turn_ids))
            raise SqlError(f"turn_id must be that of a turn you were shown: {ids}")
        if not self.distillation.student.model.writes_any_sql and len(facts.rows) > 1:
            raise SqlError("write one INSERT of one row")
        return change


def make_retrieve_example(
    distillation: Distillation, planned: PlannedExample, path: Path
) -> ExampleAttempt:
    """The teacher's SELECTs for one question, asked of the memory in the file at `path`."""
    teacher = distillation.teacher
    question = planned.question.text
    with open_store(path, read_only=True) as store:
        catalog = store.catalog(_CATALOG_TOKENS)
        with distillation.writer.active():
            retrieved = teacher.program.retrieve(
                question=question, catalog=catalog, read=store.read
            )
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
                prediction = teacher.program.answer(
                    question=question, memory=context.text, turn_ids=context.turn_ids
                )
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

    No model is asked: the answer is the dataset's own.
    """
    attempts = []
    with temporary_memory(planned[0].conversation.turns) as store:
        for example in planned:
            hits = store.search(example.question.text, _RANKED_TURNS)
            ranked = [hit.turn_id for hit in hits if hit.turn_id not in example.evidence]
            # The best are taken first and stand in the order they were said: putting the
            # evidence first leaves out the worst ranked, and does not show.
            turn_ids = ranked if example.absent else [*example.evidence, *ranked]
            context = lay_out([], store.turns_by_id(turn_ids), distillation.student.budget)
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
    inputs = {"memory": memory, "question": planned.question.text}
    return ExampleAttempt(distillation.render("answer", inputs, outputs))
