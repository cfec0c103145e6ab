"""A teacher, a student and conversations to make examples from."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from locomo.choices import Target
from locomo.dataset.format import Conversation, load_conversations
from locomo.examples.distill import DistillationSummary, ExamplesRun, distill
from locomo.examples.from_teacher import Distillation
from locomo.harness import Setup
from memory.models import Model
from memory.program import plain_program
from memory.system.progress import progress_bar
from tests.support.locomo_records import DATE, question, record, turn
from tests.support.talk import talker, talks

ASKED = "Which city did Ann move to?"
ONE = [question(4, question=ASKED, evidence=["D1:1"])]
INSERT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
LONG = "We talked about the weather in Lyon and about which city to move to, Ann and I, again. "


@dataclass(frozen=True)
class ExampleMaker:
    """Where examples are made: a folder, conversations, who teaches whom."""

    folder: Path
    conversations: list[Conversation]
    teacher: Model
    student: Model

    @property
    def file(self) -> Path:
        return self.folder / "examples.jsonl"

    def distillation(self, *targets: Target) -> Distillation:
        teacher = Setup(self.teacher, plain_program(self.teacher), self.teacher.limits.budget)
        student = Setup(self.student, plain_program(self.student), self.student.limits.budget)
        return Distillation(teacher, student, targets)

    def distill(self, *targets: Target, **options: Any) -> DistillationSummary:
        settings = {"numbers": {}, "threads": 1, **options}
        with progress_bar(Console(file=io.StringIO())) as bar:
            run = ExamplesRun(self.file, cache=self.folder / "memories", **settings)
            return distill(self.conversations, self.distillation(*targets), run, bar)

    def examples(self) -> list[list[dict[str, str]]]:
        return [json.loads(line)["messages"] for line in self.file.read_text().splitlines()]

    def answers(self) -> list[str]:
        return [messages[-1]["content"] for messages in self.examples()]


def example_maker(folder: Path, *records: Any, **replies: Callable[[str], str]) -> ExampleMaker:
    """A large student with windows of two, and its talkative teacher."""
    teacher, _ = talker(name="teacher", **replies)
    student, _ = talker(name="student")
    return ExampleMaker(
        folder, load_conversations(talks(folder / "data.json", *records)), teacher, student
    )


def long_talk(id_: str = "long", evidence_text: str = "My new job is in the town library.") -> Any:
    """Forty turns that rank above the evidence, the last one, in a memory that is too small."""
    turns = [turn(f"D1:{n}", LONG + str(n), speaker="Bo") for n in range(1, 41)]
    turns += [turn("D1:41", evidence_text)]
    qa = [
        question(4, question="In which city did Ann move?", answer="library", evidence=["D1:41"]),
        question(5, question="In which city is Bo?", evidence=["D1:41"]),
        question(4, question="In which city is it?", answer="library", evidence=[]),
    ]
    return record(id_, qa, session_1=turns, session_1_date_time=DATE)
