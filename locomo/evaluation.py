"""An evaluation: memories built, questions asked, answers judged; what is finished is kept."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from locomo.dataset.format import Conversation, Question
from locomo.harness import (
    AnswerKey,
    AnswerLog,
    BuiltMemory,
    Result,
    Setup,
    ask_baseline,
    ask_memory,
    build_memories,
)
from locomo.parallel import run_parallel
from locomo.results.judging import judge_answers
from locomo.results.traces import TraceLog, traced
from memory import Model, ModelError
from memory.progress import progress_bar

AskedQuestion = tuple[Conversation, Question]
# A model that now and then answers out of form is measured as it is; one that does so for more
# than a third is not what the run was to measure.
_LEAST_UNUSABLE = 3
_MOST_UNUSABLE = 1 / 3


@dataclass(frozen=True)
class Evaluation:
    """What was measured: the memories that were built, and every question's result."""

    built: list[BuiltMemory]
    results: list[Result]


@dataclass(frozen=True)
class EvaluationRun:
    """Who answers and judges which questions, and where it is kept.

    `plain` is what a compiled or tuned `setup` is compared with, None where that is plain itself.
    `log` holds earlier answers, which count; `memories` is the folder of the memories; without
    a `judging` model no answer is judged; `threads` questions are asked at a time. `traces` keeps
    all that led to an answer.
    """

    questions: Sequence[AskedQuestion]
    setup: Setup
    plain: Setup | None
    embedder: str
    judging: Model | None
    with_baseline: bool
    memories: Path
    log: AnswerLog
    threads: int
    console: Console
    traces: TraceLog | None = None

    def run(self) -> Evaluation:
        """Build each conversation's memory, ask the questions, judge the answers.

        Raises ModelError when a model cannot be used; what is finished by then is kept.
        """
        built = self._build(self.setup)
        results = self._ask(built, self._build(self.plain) if self.plain else {})
        if self.judging:
            # A step of its own, so that a judge can be added to answers that are there already.
            results = judge_answers(
                results, self.judging, log=self.log, threads=self.threads, console=self.console
            )
        return Evaluation(list(built.values()), results)

    def _build(self, setup: Setup) -> dict[str, BuiltMemory]:
        conversations = {conversation.id: conversation for conversation, _ in self.questions}
        with progress_bar(self.console) as bar:
            return build_memories(
                conversations.values(),
                setup,
                cache=self.memories,
                threads=self.threads,
                bar=bar,
                embedder=self.embedder,
            )

    def _ask(
        self, built: Mapping[str, BuiltMemory], built_plain: Mapping[str, BuiltMemory]
    ) -> list[Result]:
        jobs: dict[AnswerKey, Callable[[], Result]] = {}
        for conversation, question in self.questions:
            if self.with_baseline:
                jobs["baseline", conversation.id, question.index] = partial(
                    ask_baseline, conversation, question, self.setup
                )
            if self.plain:
                jobs["plain", conversation.id, question.index] = partial(
                    _ask_plain,
                    conversation,
                    question,
                    setup=self.plain,
                    path=built_plain[conversation.id].path,
                )
            jobs["memory", conversation.id, question.index] = partial(
                ask_memory,
                conversation,
                question,
                setup=self.setup,
                path=built[conversation.id].path,
            )
        missing = [job for key, job in jobs.items() if key not in self.log.records]
        if self.traces is not None:
            missing = [partial(traced, job, self.traces) for job in missing]
        answered: list[Result] = []
        with progress_bar(self.console) as bar:
            line = bar.add_task("asking", total=len(missing))

            def keep(result: Result) -> None:
                self.log.add(result)
                bar.advance(line)
                answered.append(result)
                if result.unusable:
                    self._stop_when_unusable(answered)

            run_parallel(missing, self.threads, keep)
        return [self.log.records[key] for key in jobs]

    def _stop_when_unusable(self, results: Collection[Result]) -> None:
        """Raise ModelError when too many answers cannot be used: their scores would mean nothing.

        They are not kept: `--resume` asks them again.
        """
        unusable = [result.unusable for result in results if result.unusable]
        if len(unusable) >= _LEAST_UNUSABLE and len(unusable) > _MOST_UNUSABLE * len(results):
            raise ModelError(
                f"{len(unusable)} of {len(results)} answers cannot be used, the last:"
                f" {unusable[-1]}"
            )


def _ask_plain(conversation: Conversation, question: Question, setup: Setup, path: Path) -> Result:
    return replace(ask_memory(conversation, question, setup=setup, path=path), system="plain")
