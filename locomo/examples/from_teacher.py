"""What a teacher makes of training conversations: prompts of the student with right answers.

store: the SQL that the teacher writes when shown one speaker's lines at a time, as the answer to
the whole window. retrieve: its SELECTs, if they bring the evidence or lead to a right answer.
Both as in the README of a chatbot with an external SQL memory ("Long Term Memory Using SQL
Language Models", Training). answer: the dataset's own answer to a memory that holds the evidence,
or an abstention where it does not; no model is asked.
"""

import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import dspy

from locomo.dataset.format import ABSTENTION, Conversation, Question
from locomo.harness import Setup
from locomo.metrics import gold, normalize, score
from locomo.tasks.modules import Target
from locomo.tasks.rewards import RIGHT
from memory import Change, Memory, MemoryProgram, Model, Rows, SqlError, Store, open_store
from memory.program.signatures import ABSTAIN as ABSTAIN
from memory.program.signatures import NO_FACT
from memory.prompt import assemble

CATALOG_TOKENS = 1_000  # what Memory shows
_HITS = 400
ChatMessages = list[dict[str, str]]


@dataclass(frozen=True)
class Distillation:
    """Who learns what from whom.

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
        of, model = self.student.model, self.teacher.model
        foreign = of.packaged and not model.packaged
        return replace(
            model,
            adapter=of.as_tuned(()).adapter if foreign else model.adapter,
            window=of.window,
            window_tokens=of.window_tokens,
            dates=of.dates,
        )

    def example(
        self, target: Target, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> ChatMessages:
        """The tuned student's prompt, and these outputs as it writes them, as messages."""
        return example(self.student, self.targets, target, inputs, outputs)


@dataclass(frozen=True)
class PlannedExample:
    """An example that is to be made; `place` is a window's first turn, or a question's index."""

    target: Target
    conversation: Conversation
    place: int
    absent: bool = False

    @property
    def key(self) -> str:
        """A name that no other example has."""
        name = f"{self.target}/{self.conversation.id}/{self.place}"
        return f"{name}/absent" if self.absent else name

    @property
    def question(self) -> Question:
        """What is asked, for retrieve and answer."""
        return self.conversation.questions[self.place]

    @property
    def evidence(self) -> list[int]:
        """The ids of the question's evidence turns."""
        ids = {turn.source: n for n, turn in enumerate(self.conversation.turns, 1)}
        return [ids[source] for source in self.question.evidence]


@dataclass(frozen=True)
class ExampleAttempt:
    """An example by its key, or why there is none, and the model calls that it took."""

    key: str
    messages: ChatMessages = field(default_factory=list)
    sql: str = ""
    dropped: str = ""
    calls: int = 0


Keep = Callable[[ExampleAttempt], None]


def example(
    student: Setup,
    targets: Collection[Target],
    target: Target,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> ChatMessages:
    """What a student tuned for `targets` is shown, and these outputs as it writes them."""
    signature = getattr(student.program, target).predict.signature
    adapter = student.model.as_tuned(targets).adapter
    shown = adapter.format(signature, [], dict(inputs))
    # An adapter renders the right answer where it shows an example, before the last message.
    *_, answer, _ = adapter.format(signature, [{**inputs, **outputs}], dict(inputs))
    messages = [*shown, {**answer, "content": answer["content"].strip()}]
    return [{"role": one["role"], "content": sendable(one["content"])} for one in messages]


def sendable(text: str) -> str:
    """A text that a file can hold: half a letter, which a model may write, becomes "?"."""
    return text.encode("utf-8", "replace").decode()


@contextmanager
def _memory_of(conversation: Conversation) -> Iterator[Store]:
    """A memory with a conversation's turns, numbered from 1, and no facts."""
    with (
        tempfile.TemporaryDirectory(prefix="examples-") as folder,
        open_store(Path(folder) / "turns.db") as store,
    ):
        store.add(conversation.turns)
        yield store


def store(
    distillation: Distillation,
    wanted: Sequence[PlannedExample],
    made: Mapping[str, ExampleAttempt],
    keep: Keep,
) -> None:
    """The windows of one conversation, in order: each sees a catalog of those before it."""
    with _memory_of(wanted[0].conversation) as store:
        program: Any = MemoryProgram()
        program.store = _SpeakerBySpeaker(distillation, wanted, store, made, keep)
        Memory(store, model=distillation.writer, program=program).digest()


class _SpeakerBySpeaker(dspy.Module):
    """In place of the storing module: lets the teacher store one speaker's lines at a time."""

    def __init__(
        self,
        distillation: Distillation,
        wanted: Sequence[PlannedExample],
        store: Store,
        made: Mapping[str, ExampleAttempt],
        keep: Keep,
    ) -> None:
        super().__init__()
        self.distillation, self.memory, self.made, self.keep = distillation, store, made, keep
        self.wanted = {one.place: one for one in wanted}

    def forward(self, turns: str, catalog: str, write: Callable[[str], Change]) -> dspy.Prediction:
        lines = {int(n): line for line, n in re.findall(r"^(\[(\d+)\] .*)$", turns, re.MULTILINE)}
        one = self.wanted.get(min(lines, default=0))
        if one is None:
            return dspy.Prediction(change=write(NO_FACT), calls=0)
        made = self.made.get(one.key)
        if made is None:
            made = self._written(one, lines, turns, catalog, write)
            self.keep(made)
        return dspy.Prediction(change=write(made.sql or NO_FACT), calls=made.calls)

    def _written(
        self,
        one: PlannedExample,
        lines: Mapping[int, str],
        turns: str,
        catalog: str,
        write: Callable[[str], Change],
    ) -> ExampleAttempt:
        of_speaker: dict[str, list[int]] = {}
        for n in lines:
            of_speaker.setdefault(one.conversation.turns[n - 1].speaker, []).append(n)
        statements, calls = [], 0
        try:
            for own in of_speaker.values():
                stored = self.distillation.teacher.program.store(
                    turns="\n".join(lines[n] for n in own),
                    catalog=catalog,
                    write=partial(self._tried, write, own),
                )
                calls += stored.calls
                statements += [f"{stored.change.statement};"] * bool(stored.change.statement)
            sql = "\n".join(statements) or NO_FACT
            self._tried(write, list(lines), sql)
        except SqlError as error:
            dropped = "the database refused its SQL"
            return ExampleAttempt(one.key, dropped=dropped, calls=calls + len(error.refusals))
        inputs = {"turns": turns, "catalog": catalog, "feedback": ""}
        messages = self.distillation.example("store", inputs, {"sql": sql})
        return ExampleAttempt(one.key, messages, sql, calls=calls)

    def _tried(self, write: Callable[[str], Change], shown: Sequence[int], sql: str) -> Change:
        """What the SQL changes; then it is taken back. Raises SqlError."""
        [[last]] = self.memory.read("SELECT max(id) AS id FROM facts").rows
        change = write(sql)
        new = self.memory.read(f"SELECT turn_id FROM facts WHERE id > {last or 0}")
        self.memory.undo(change.id)
        if not {turn_id for (turn_id,) in new.rows} <= set(shown):
            ids = ", ".join(map(str, shown))
            raise SqlError(f"turn_id must be that of a turn you were shown: {ids}")
        if self.distillation.student.model.packaged and len(new.rows) > 1:
            raise SqlError("write one INSERT of one row")  # its grammar ends there
        return change


def retrieve(distillation: Distillation, one: PlannedExample, path: Path, keep: Keep) -> None:
    """The teacher's SELECTs for one question, asked of the memory in this file."""
    teacher, question, evidence = distillation.teacher, one.question.text, set(one.evidence)
    with open_store(path, read_only=True) as store:
        catalog, writer = store.catalog(CATALOG_TOKENS), distillation.writer
        with writer.active():
            found = teacher.program.retrieve(question=question, catalog=catalog, read=store.read)
        calls, right = found.calls, evidence <= _turns_of(found.rows)
        came = any(rows.rows for rows in found.rows)
        if came and not right:
            memory = Memory(store, teacher.model, teacher.program, teacher.budget)
            context = memory.gather(question, found.rows)
            with teacher.model.active():
                told = teacher.program.answer(
                    question=question, memory=context.text, turn_ids=context.turn_ids
                )
            calls, right = calls + told.calls, score(told.answer, one.question) >= RIGHT
    if not right:
        why = "its evidence did not come, and the answer was wrong" if came else "no row came"
        keep(ExampleAttempt(one.key, dropped=why, calls=calls))
        return
    inputs = {"question": question, "catalog": catalog, "feedback": ""}
    outputs = {"sql": "\n".join(f"{select};" for select in found.sql)}
    keep(ExampleAttempt(one.key, distillation.example("retrieve", inputs, outputs), calls=calls))


def _turns_of(found: Sequence[Rows]) -> set[int]:
    """The turns that rows name, in the column that every prompt asks for."""
    named = [rows for rows in found if "turn_id" in rows.columns]
    return {row[rows.columns.index("turn_id")] for rows in named for row in rows.rows}


def answer(distillation: Distillation, wanted: Sequence[PlannedExample], keep: Keep) -> None:
    """The questions of one conversation, each with a memory that holds its evidence, or not."""
    with _memory_of(wanted[0].conversation) as store:
        for one in wanted:
            ranked = [hit.turn_id for hit in store.search(one.question.text, _HITS)]
            others = [turn_id for turn_id in ranked if turn_id not in one.evidence]
            # The best are taken first and stand in the order they were said: putting the
            # evidence first leaves out the worst ranked, and does not show.
            order = others if one.absent else [*one.evidence, *others]
            turns = (store.turn(turn_id) for turn_id in order)
            context = assemble([], turns, distillation.student.budget)
            keep(_answered(distillation, one, context.text, set(context.turn_ids)))


def _answered(
    distillation: Distillation, one: PlannedExample, memory: str, shown: set[int]
) -> ExampleAttempt:
    right = " ".join(gold(one.question).split())
    if not one.absent and not shown >= set(one.evidence):
        return ExampleAttempt(one.key, dropped="its evidence does not fit the budget")
    if one.absent and f" {normalize(right)} " in f" {normalize(memory)} ":
        return ExampleAttempt(one.key, dropped="another turn says it too")
    abstains = one.absent or one.question.category == ABSTENTION
    outputs = {
        "answer": ABSTAIN if abstains else right,
        "turns": "" if abstains else ", ".join(map(str, one.evidence)),
    }
    inputs = {"memory": memory, "question": one.question.text}
    return ExampleAttempt(one.key, distillation.example("answer", inputs, outputs))
