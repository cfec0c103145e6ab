"""Runs an evaluation: builds memories, asks questions, judges answers; finished work is kept."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from locomo.commands import print_table
from locomo.dataset.format import Conversation, Question
from locomo.harness import (
    AnswerKey,
    AnswerLog,
    BuiltMemory,
    Result,
    Setup,
    build_memories,
    building,
    built_memory,
    is_built,
    memory_path,
)
from locomo.parallel import run_over, run_parallel
from locomo.results.judging import is_judged, judge_answers, judging_cost
from locomo.results.report import memory_difference
from locomo.results.tables import cost_table, forecast_line
from locomo.results.traces import DigestTrace, Trace, TraceLog, traced, traced_digest
from locomo.storing_cost import most_storing_cost, storing_cost
from locomo.systems import System, conversation_tokens
from locomo.timing import Speed
from memory.errors import ModelError
from memory.evidence import LEAST_BUDGET
from memory.models import Cost, Model, is_file, priced, spending
from memory.program import prompt_tokens
from memory.system import count, progress_bar

AskedQuestion = tuple[Conversation, Question]
Answered = tuple[Result, Trace | None]
Job = Callable[[], Answered | None]
T = TypeVar("T")
# A few unusable answers are part of the measurement. With more than a third the run would not
# measure the model.
_LEAST_UNUSABLE = 3
_MOST_UNUSABLE = 1 / 3
# With thousands of answers an interval takes 30 ms.
_RESAMPLED_EACH = 50
_LOOK_EACH_S = 0.5


@dataclass(frozen=True)
class Evaluation:
    """The result of a run: the memories it built, and a result for each question.

    `costs` are for storing, asking and judging in this run, without the earlier runs that it
    resumed.
    """

    built: list[BuiltMemory]
    results: list[Result]
    costs: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationRun:
    """The systems that answer, the questions, the judge, and where to keep results.

    Attributes:
        systems: by name, in the order they answer a question; the run measures "memory".
        judging: the judge; without it no answer is judged.
        memories: the folder of the memories.
        log: answers; earlier runs' answers count.
        threads: how many questions to ask at a time.
        traces: records everything that led to an answer.
        digests: with `traces`, gets the digest of each memory that is built on this machine.
        over: address of a Ray cluster that builds the memories and asks the questions.
        budget: tokens of memory that a question may see, for the warning and the
            forecast; None to leave it out.
        speeds: how fast the models are, by name, for the minutes of the forecast.
    """

    questions: Sequence[AskedQuestion]
    systems: Mapping[str, System]
    embedder: str
    judging: Model | None
    memories: Path
    log: AnswerLog
    threads: int
    console: Console = field(default_factory=Console)
    traces: TraceLog | None = None
    digests: list[DigestTrace] = field(default_factory=list)
    over: str = ""
    budget: int | None = None
    speeds: Mapping[str, Speed] = field(default_factory=dict)

    def run(self) -> Evaluation:
        """Build each conversation's memory, ask the questions, judge the answers.

        What is printed first: a warning where the budget holds whole conversations and, with a
        hosted model, a forecast of the cost; the cost itself when the run ends early. Raises
        ModelError when a model cannot be used; finished results are kept.
        """
        if self.budget and (warning := shown_whole(self.conversations, self.budget)):
            self.console.print(warning, markup=False, highlight=False, soft_wrap=True)
        costs_something = any(model.server for model in self._models())
        if costs_something or any(is_file(model.name) for model in self._models()):
            self.print_forecast()
        costs: dict[str, Cost] = {}
        try:
            return self._run(costs)
        except BaseException:
            if costs_something:
                print_table(self.console, cost_table("this run took", costs))
            raise

    def print_forecast(self) -> None:
        """Print what the run takes: calls, tokens, dollars and minutes, step by step and in all."""
        title = "forecast, without repairs and at most"
        if self.budget:
            title += f", {self.budget:,} tokens of memory a question"
        expected, most = self.forecast(), self.forecast(at_most=True)
        print_table(self.console, cost_table(title, expected, at_most=most))
        models = " and ".join(dict.fromkeys(model.name for model in self._models()))
        line = forecast_line(
            f"{count(len(self.questions), 'question')} with {models}",
            sum(expected.values(), Cost()),
            self._minutes(expected),
        )
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _minutes(self, expected: Mapping[str, Cost]) -> float | None:
        """How long these steps take; None if a model that takes part was not timed."""
        memory = self.systems["memory"]
        program = memory.stored_by.program if memory.stored_by else None
        seconds = 0.0
        for step, cost in expected.items():
            model = self.judging if step == "judging" and self.judging else memory.model
            if not cost.calls:
                continue
            if (speed := self.speeds.get(model.name)) is None:
                return None
            beginning = 0
            if program and step != "judging":
                module = program.store if step == "storing" else program.answer
                beginning = prompt_tokens(model, module)
            seconds += speed.seconds(cost, kept_tokens=beginning, threads=self.threads)
        return seconds / 60

    def _models(self) -> list[Model]:
        """Every model that stores, answers or judges."""
        models = [system.model for system in self.systems.values()]
        return [*models, self.judging] if self.judging else models

    def _run(self, costs: dict[str, Cost]) -> Evaluation:
        """Take the steps; `costs` gets the cost of each."""
        nothing = (
            priced(model, calls=0, tokens_in=0, tokens_out=0)
            for model in self._models()
            if model is not self.judging
        )
        costs |= dict.fromkeys(("storing", "asking"), sum(nothing, Cost()))
        counting = _Counting(costs)
        with progress_bar(self.console) as bar:
            if self.over:
                built, results = self._build_then_ask(bar, counting)
            else:
                built, results = self._build_and_ask(bar, counting)
        if self.judging:
            # A separate step: a judge can be added to existing answers.
            costs["judging"] = Cost()
            judge = partial(
                judge_answers,
                results,
                self.judging,
                log=self.log,
                threads=self.threads,
                console=self.console,
            )
            results = counting.counted("judging", self.judging, judge)
        return Evaluation(built, results, costs)

    def forecast(self, at_most: bool = False) -> dict[str, Cost]:
        """The expected cost of each step, without repairs; finished work costs nothing.

        `at_most`: with every statement repaired, every failed window tried again, and every
        verdict asked for twice.
        """
        costs = {"storing": self._storing_cost(at_most), "asking": Cost()}
        unjudged: list[Question] = []
        for conversation, question in self.questions:
            for name, system in self.systems.items():
                if not system.answers(conversation):
                    continue
                record = self.log.records.get((name, conversation.id, question.index))
                if record is None:
                    cost = system.most_cost if at_most else system.cost
                    costs["asking"] += cost(conversation, question)
                if self.judging and not (record and is_judged(record, self.judging)):
                    unjudged.append(question)
        if self.judging:
            costs["judging"] = judging_cost(unjudged, self.judging, at_most=at_most)
        return costs

    def _storing_cost(self, at_most: bool) -> Cost:
        unbuilt = [made_from for path, made_from in self._memories().items() if not is_built(path)]
        cost = most_storing_cost if at_most else storing_cost
        return sum((cost(*made_from) for made_from in unbuilt), Cost())

    @property
    def conversations(self) -> list[Conversation]:
        """The conversations that questions are about, each once."""
        return list(self._conversations.values())

    @property
    def _conversations(self) -> dict[str, Conversation]:
        return {conversation.id: conversation for conversation, _ in self.questions}

    def _path(self, conversation: Conversation, stored_by: Setup) -> Path:
        """The absolute path of a conversation's memory."""
        return memory_path(conversation, stored_by, self.memories, self.embedder).absolute()

    def _storing_setups(self) -> list[Setup]:
        """The setups that store memories, each once."""
        setups: list[Setup] = []
        for system in self.systems.values():
            if system.stored_by and not any(system.stored_by is setup for setup in setups):
                setups.append(system.stored_by)
        return setups

    def _memories(self) -> dict[Path, tuple[Conversation, Setup]]:
        """The conversation and setup of each memory; setups that store alike share memories."""
        return {
            self._path(conversation, setup): (conversation, setup)
            for conversation in self._conversations.values()
            for setup in self._storing_setups()
        }

    def _asking(self) -> "Asking":
        return Asking(
            conversations=self._conversations,
            systems=self.systems,
            paths={
                (name, conversation.id): self._path(conversation, system.stored_by)
                for conversation in self._conversations.values()
                for name, system in self.systems.items()
                if system.stored_by
            },
            with_traces=self.traces is not None,
        )

    def _keys(self) -> list[AnswerKey]:
        return [
            (name, conversation.id, question.index)
            for conversation, question in self.questions
            for name, system in self.systems.items()
            if system.answers(conversation)
        ]

    def _missing(self) -> list[AnswerKey]:
        return [key for key in self._keys() if key not in self.log.records]

    def _results(self) -> list[Result]:
        return [self.log.records[key] for key in self._keys()]

    def _built(self) -> list[BuiltMemory]:
        """The memories of the system that is measured, in the order of the conversations."""
        stored_by = self.systems["memory"].stored_by
        if stored_by is None:
            return []
        return [
            built_memory(self._path(conversation, stored_by))
            for conversation in self._conversations.values()
        ]

    def _build_then_ask(
        self, bar: Progress, counting: "_Counting"
    ) -> tuple[list[BuiltMemory], list[Result]]:
        """On several machines: all memories are built before the first question is asked."""
        for setup in self._storing_setups():
            build = partial(
                build_memories,
                self._conversations.values(),
                setup,
                cache=self.memories,
                threads=self.threads,
                bar=bar,
                embedder=self.embedder,
                over=self.over,
            )
            counting.counted("storing", setup.model, build)
        missing = self._missing()
        model = self.systems["memory"].model
        ask = partial(
            run_over,
            self._asking(),
            missing,
            self.over,
            waits=bool(model.server),
            finished=self._keeper(bar, len(missing)),
        )
        counting.counted("asking", model, ask)
        return self._built(), self._results()

    def _build_and_ask(
        self, bar: Progress, counting: "_Counting"
    ) -> tuple[list[BuiltMemory], list[Result]]:
        """Build memories and ask questions side by side, so a first score shows early.

        A question waits for its memory. The job that builds the memory comes first in the queue, so
        it has started by then, for any number of threads.
        """
        ended = Event()
        missing, asking = self._missing(), self._asking()
        memories: dict[Path, Future[BuiltMemory]] = {path: Future() for path in self._memories()}

        def build(path: Path, model: Model, job: Callable[[], BuiltMemory]) -> None:
            try:
                memories[path].set_result(counting.counted("storing", model, job))
            except BaseException as error:
                memories[path].set_exception(error)
                raise

        def ask(key: AnswerKey) -> Answered:
            if path := asking.paths.get(key[:2]):
                _wait_for(memories[path], ended)
            return counting.counted("asking", self.systems[key[0]].model, partial(asking, key))

        builds: dict[str, list[Job]] = {}
        for path, (conversation, setup) in self._memories().items():
            job = building(
                conversation,
                setup,
                cache=self.memories,
                bar=bar,
                ended=ended,
                embedder=self.embedder,
            )
            if self.traces is not None and not is_built(path):
                job = partial(self._traced_build, job)
            builds.setdefault(conversation.id, []).append(partial(build, path, setup.model, job))
        asks: dict[str, list[Job]] = {
            id_: [partial(ask, key) for key in self._of(id_, missing)] for id_ in builds
        }
        keep = self._keeper(bar, len(missing))
        line = _in_line([*builds.values()], [*asks.values()], ahead=self.threads)
        run_parallel(line, self.threads, lambda answer: keep(answer) if answer else None, ended)
        return self._built(), self._results()

    def _traced_build(self, job: Callable[[], BuiltMemory]) -> BuiltMemory:
        built, digest = traced_digest(job)
        self.digests.append(digest)
        return built

    def _of(self, conversation: str, keys: Sequence[AnswerKey]) -> list[AnswerKey]:
        """The questions of a conversation; systems that need no memory come first."""
        return sorted(
            (key for key in keys if key[1] == conversation),
            key=lambda key: self.systems[key[0]].stored_by is not None,
        )

    def _keeper(self, bar: Progress, missing: int) -> Callable[[Answered], None]:
        """A function that records an answer and counts it on the progress bar."""
        line = bar.add_task("asking", total=missing)
        answered: list[Result] = []

        def keep(answer: Answered) -> None:
            result, trace = answer
            if self.traces is not None and trace is not None:
                self.traces.add(trace)
            self.log.add(result)
            answered.append(result)
            bar.advance(line)
            if len(answered) < _RESAMPLED_EACH or len(answered) % _RESAMPLED_EACH == 0:
                bar.update(line, description=running_score([*self.log.records.values()]))
            if result.unusable:
                self._stop_when_unusable(answered)

        return keep

    def _stop_when_unusable(self, results: Collection[Result]) -> None:
        """Raise ModelError when too many answers are unusable: the scores would mean nothing.

        Unusable answers are not kept: `--resume` asks these questions again.
        """
        unusable = [result.unusable for result in results if result.unusable]
        if len(unusable) >= _LEAST_UNUSABLE and len(unusable) > _MOST_UNUSABLE * len(results):
            raise ModelError(
                f"{len(unusable)} of {len(results)} answers cannot be used, the last:"
                f" {unusable[-1]}"
            )


def _in_line(builds: Sequence[Sequence[T]], asks: Sequence[Sequence[T]], ahead: int) -> list[T]:
    """The jobs of all conversations in turn; `ahead` memories are built before their questions."""
    line = [job for jobs in builds[:ahead] for job in jobs]
    for number, jobs in enumerate(asks):
        line += jobs
        line += builds[number + ahead] if number + ahead < len(builds) else []
    return line


def _wait_for(memory: Future[BuiltMemory], ended: Event) -> None:
    """Wait until a memory is built. Raises the error of its build."""
    while not wait([memory], timeout=_LOOK_EACH_S).done:
        if ended.is_set():  # nothing will build it any more
            raise KeyboardInterrupt
    memory.result()


@dataclass(frozen=True, eq=False)
class _Counting:
    """Sums up in `costs` the cost of each step, over all its jobs and threads."""

    costs: dict[str, Cost]
    lock: Lock = field(default_factory=Lock)

    def counted(self, step: str, model: Model, job: Callable[[], T]) -> T:
        """The result of a job. Its calls count at the price of `model`, even when it fails."""
        with spending(model) as spent:
            try:
                return job()
            finally:
                with self.lock:
                    self.costs[step] += spent.cost


def running_score(results: Sequence[Result]) -> str:
    """The score so far as the label of a progress bar: memory and newest turns.

    The interval takes questions as independent: conversations are incomplete at this point.
    """
    difference = memory_difference(results, "independent")
    if difference is None or difference.low is None:
        return "asking"
    scores = f"memory {difference.after:.2f}, newest {difference.before:.2f}"
    return f"asking ({scores}: {difference.low:+.2f} to {difference.high:+.2f})"


def shown_whole(conversations: Sequence[Conversation], budget: int) -> str:
    """A warning if every conversation fits the budget as a whole, else "".

    In that case nothing has to be found, so neither the ranking nor facts are measured.
    """
    sizes = [conversation_tokens(conversation) for conversation in conversations]
    if not sizes or max(sizes) > budget:
        return ""
    return (
        f"This run does not measure memory: the longest conversation has about {max(sizes):,}"
        f" tokens and the budget is {budget:,}, so the model sees every conversation in full. Give"
        f" a --budget of {max(min(sizes) // 4, LEAST_BUDGET):,} or less, or longer conversations."
    )


@dataclass(frozen=True, eq=False)
class Asking:
    """Asks any of the questions of any system, on this or another machine.

    `paths` are the memories' paths, by system and conversation.
    """

    conversations: Mapping[str, Conversation]
    systems: Mapping[str, System]
    paths: Mapping[tuple[str, str], Path]
    with_traces: bool = False

    def __call__(self, key: AnswerKey) -> Answered:
        """Ask one question of one system; the trace is None unless traces are wanted."""
        name, id_, index = key
        conversation = self.conversations[id_]
        question = next(q for q in conversation.questions if q.index == index)

        def job() -> Result:
            path = self.paths.get((name, id_), Path())  # a system without a memory reads none
            return replace(self.systems[name].ask(conversation, question, path), system=name)

        return traced(job) if self.with_traces else (job(), None)
