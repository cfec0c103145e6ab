"""An evaluation: memories built, questions asked, answers judged; what is finished is kept."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
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
    System,
    ask_baseline,
    ask_memory,
    build_memories,
    building,
    is_built,
    memory_path,
)
from locomo.parallel import run_over, run_parallel
from locomo.results.judging import is_judged, judge_answers, judging_cost
from locomo.results.report import memory_difference
from locomo.results.tables import cost_table
from locomo.results.traces import Trace, TraceLog, traced
from memory import InputError
from memory.errors import ModelError
from memory.program import Model
from memory.program.costs import Cost, Spending, estimate, spending, turn_tokens
from memory.program.modules import stores_facts
from memory.progress import progress_bar
from memory.prompt import LEAST_BUDGET

AskedQuestion = tuple[Conversation, Question]
Answered = tuple[Result, Trace | None]
Job = Callable[[], Answered | None]
T = TypeVar("T")
# A model that now and then answers out of form is measured as it is; one that does so for more
# than a third is not what the run was to measure.
_LEAST_UNUSABLE = 3
_MOST_UNUSABLE = 1 / 3
# An interval takes 30 ms where there are thousands of answers.
_RESAMPLED_EACH = 50
_LOOK_EACH_S = 0.5


@dataclass(frozen=True)
class Evaluation:
    """What was measured: the memories that were built, and every question's result.

    `costs` are what this run took for storing, asking and judging; of a run that went on, what it
    took from then on.
    """

    built: list[BuiltMemory]
    results: list[Result]
    costs: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationRun:
    """Who answers and judges which questions, and where it is kept.

    `plain` is what a compiled or tuned `setup` is compared with, None where that is plain itself.
    `log` holds earlier answers, which count; `memories` is the folder of the memories; without
    a `judging` model no answer is judged; `threads` questions are asked at a time. `traces` keeps
    all that led to an answer. `over` machines the memories are built and the questions are asked.
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
    console: Console = field(default_factory=Console)
    traces: TraceLog | None = None
    over: str = ""

    def run(self) -> Evaluation:
        """Build each conversation's memory, ask the questions, judge the answers.

        With a hosted model, what it will take is printed first; and what it took, when it ends
        early. Raises ModelError when a model cannot be used; what is finished by then is kept.
        """
        if self.over and self.setup.reranker:
            raise InputError("--over goes without --reranker: the reranker runs on this machine")
        models = (self.setup.model, self.judging)
        costs_something = any(model and not model.packaged for model in models)
        if costs_something:
            print_table(self.console, cost_table("forecast, without repairs", self.forecast()))
        costs: dict[str, Cost] = {}
        try:
            return self._run(costs)
        except BaseException:
            if costs_something:
                print_table(self.console, cost_table("this run took", costs))
            raise

    def _run(self, costs: dict[str, Cost]) -> Evaluation:
        """Take the steps, and note in `costs` what each takes."""
        with progress_bar(self.console) as bar:
            if self.over:
                built, results = self._build_then_ask(bar, costs)
            else:
                built, results = self._build_and_ask(bar, costs)
        if self.judging:
            # A step of its own, so that a judge can be added to answers that are there already.
            with _counted("judging", self.judging, costs):
                results = judge_answers(
                    results, self.judging, log=self.log, threads=self.threads, console=self.console
                )
        return Evaluation(built, results, costs)

    def forecast(self) -> dict[str, Cost]:
        """What each step will take, without repairs: what is built and answered takes nothing."""
        costs = {"storing": self._storing_cost(), "asking": Cost()}
        unjudged: list[Question] = []
        for conversation, question in self.questions:
            for system, setup in self._systems().items():
                record = self.log.records.get((system, conversation.id, question.index))
                if record is None:
                    costs["asking"] += _asking_cost(system, conversation, setup)
                if self.judging and not (record and is_judged(record, self.judging)):
                    unjudged.append(question)
        if self.judging:
            costs["judging"] = judging_cost(unjudged, self.judging)
        return costs

    def _systems(self) -> dict[System, Setup]:
        """Who answers each question, in the order of asking."""
        systems: dict[System, Setup] = {"baseline": self.setup} if self.with_baseline else {}
        if self.plain:
            systems["plain"] = self.plain
        return {**systems, "memory": self.setup}

    def _storing_cost(self) -> Cost:
        unbuilt = [made_from for path, made_from in self._memories().items() if not is_built(path)]
        return sum((_digest_cost(*made_from) for made_from in unbuilt), Cost())

    @property
    def _conversations(self) -> dict[str, Conversation]:
        return {conversation.id: conversation for conversation, _ in self.questions}

    def _path(self, conversation: Conversation, setup: Setup) -> Path:
        """Where the memory of a conversation lies, absolute."""
        return memory_path(
            conversation,
            setup.model,
            setup.program,
            cache=self.memories,
            embedder=self.embedder,
        ).absolute()

    def _memories(self) -> dict[Path, tuple[Conversation, Setup]]:
        """What each memory is made from; two setups that store alike share memories."""
        return {
            self._path(conversation, setup): (conversation, setup)
            for conversation in self._conversations.values()
            for setup in filter(None, (self.setup, self.plain))
        }

    def _asking(self) -> "Asking":
        return Asking(
            conversations=self._conversations,
            setups=self._systems(),
            paths={
                (system, conversation.id): self._path(conversation, setup)
                for conversation in self._conversations.values()
                for system, setup in self._systems().items()
                if system != "baseline"
            },
            with_traces=self.traces is not None,
        )

    def _keys(self) -> list[AnswerKey]:
        return [
            (system, conversation.id, question.index)
            for conversation, question in self.questions
            for system in self._systems()
        ]

    def _missing(self) -> list[AnswerKey]:
        return [key for key in self._keys() if key not in self.log.records]

    def _results(self) -> list[Result]:
        return [self.log.records[key] for key in self._keys()]

    def _build_then_ask(
        self, bar: Progress, costs: dict[str, Cost]
    ) -> tuple[list[BuiltMemory], list[Result]]:
        """Over machines: all memories are built before the first question is asked."""
        built: list[BuiltMemory] = []
        with _counted("storing", self.setup.model, costs):
            for setup in filter(None, (self.plain, self.setup)):
                memories = build_memories(
                    self._conversations.values(),
                    setup,
                    cache=self.memories,
                    threads=self.threads,
                    bar=bar,
                    embedder=self.embedder,
                    over=self.over,
                )
                built = list(memories.values())
        with _counted("asking", self.setup.model, costs):
            waits = not self.setup.model.packaged
            missing = self._missing()
            keep = self._keeper(bar, len(missing))
            run_over(self._asking(), missing, self.over, waits=waits, finished=keep)
        return built, self._results()

    def _build_and_ask(
        self, bar: Progress, costs: dict[str, Cost]
    ) -> tuple[list[BuiltMemory], list[Result]]:
        """Build memories and ask questions side by side: a score stands there soon.

        A question of a memory waits for that memory. It comes after it in the line, so what it
        waits for is being built by then, whatever the number of threads.
        """
        costs |= {step: Spending(self.setup.model).cost for step in ("storing", "asking")}
        counting = _Counting(self.setup.model, costs)
        ended = Event()
        missing, asking = self._missing(), self._asking()
        memories: dict[Path, Future[BuiltMemory]] = {path: Future() for path in self._memories()}

        def build(path: Path, job: Callable[[], BuiltMemory]) -> None:
            try:
                memories[path].set_result(counting.counted("storing", job))
            except BaseException as error:
                memories[path].set_exception(error)
                raise

        def ask(key: AnswerKey) -> Answered:
            if key[0] != "baseline":
                _wait_for(memories[asking.paths[key[:2]]], ended)
            return counting.counted("asking", partial(asking, key))

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
            builds.setdefault(conversation.id, []).append(partial(build, path, job))
        asks: dict[str, list[Job]] = {
            id_: [partial(ask, key) for key in _of(id_, missing)] for id_ in builds
        }
        keep = self._keeper(bar, len(missing))
        line = _in_line([*builds.values()], [*asks.values()], ahead=self.threads)
        run_parallel(line, self.threads, lambda answer: keep(answer) if answer else None, ended)
        built = [memories[self._path(c, self.setup)].result() for c in self._conversations.values()]
        return built, self._results()

    def _keeper(self, bar: Progress, missing: int) -> Callable[[Answered], None]:
        """What is done with each answer: kept, and counted on a line of the bar."""
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
        """Raise ModelError when too many answers cannot be used: their scores would mean nothing.

        They are not kept: `--resume` asks them again.
        """
        unusable = [result.unusable for result in results if result.unusable]
        if len(unusable) >= _LEAST_UNUSABLE and len(unusable) > _MOST_UNUSABLE * len(results):
            raise ModelError(
                f"{len(unusable)} of {len(results)} answers cannot be used, the last:"
                f" {unusable[-1]}"
            )


def _of(conversation: str, keys: Sequence[AnswerKey]) -> list[AnswerKey]:
    """The questions of a conversation, first those of the baseline, which needs no memory."""
    return sorted(
        (key for key in keys if key[1] == conversation), key=lambda key: key[0] != "baseline"
    )


def _in_line(builds: Sequence[Sequence[T]], asks: Sequence[Sequence[T]], ahead: int) -> list[T]:
    """The jobs of all conversations in turn, with memories being built `ahead` of the questions."""
    line = [job for jobs in builds[:ahead] for job in jobs]
    for number, jobs in enumerate(asks):
        line += jobs
        line += builds[number + ahead] if number + ahead < len(builds) else []
    return line


def _wait_for(memory: Future[BuiltMemory], ended: Event) -> None:
    """Wait until a memory is built. Raises what its building raised."""
    while not wait([memory], timeout=_LOOK_EACH_S).done:
        if ended.is_set():  # nobody begins to build it any more
            raise KeyboardInterrupt
    memory.result()


@dataclass(frozen=True, eq=False)
class _Counting:
    """Notes in `costs` what the jobs of each step take, those of several threads."""

    model: Model
    costs: dict[str, Cost]
    lock: Lock = field(default_factory=Lock)

    def counted(self, step: str, job: Callable[[], T]) -> T:
        """The result of a job, whose calls are counted also when it fails."""
        with spending(self.model) as spent:
            try:
                return job()
            finally:
                with self.lock:
                    self.costs[step] += spent.cost


@contextmanager
def _counted(step: str, model: Model, costs: dict[str, Cost]) -> Iterator[None]:
    """Note what a model is asked for inside, also when it ends early."""
    with spending(model) as spent:
        try:
            yield
        finally:
            costs[step] = spent.cost


def running_score(results: Sequence[Result]) -> str:
    """What the answers so far say, as the name of a step: memory beside the baseline.

    Questions are taken as independent: while some are missing, conversations are not whole.
    """
    difference = memory_difference(results, "independent")
    if difference is None or difference.low is None:
        return "asking"
    scores = f"memory {difference.after:.2f}, baseline {difference.before:.2f}"
    return f"asking ({scores}: {difference.low:+.2f} to {difference.high:+.2f})"


def _turn_tokens(conversation: Conversation) -> int:
    characters = sum(len(turn.text) for turn in conversation.turns)
    return turn_tokens(len(conversation.turns), characters)


def shown_whole(conversations: Sequence[Conversation], budget: int) -> str:
    """What to say where each conversation fits a budget whole, else "".

    Then nothing has to be found, and neither the ranking nor facts are measured.
    """
    sizes = [_turn_tokens(conversation) for conversation in conversations]
    if not sizes or max(sizes) > budget:
        return ""
    return (
        f"Nothing was measured of memory: the longest conversation has about {max(sizes):,} tokens,"
        f" and {budget:,} were shown, so each answer was read from all that was said. Give a"
        f" --budget of {max(min(sizes) // 4, LEAST_BUDGET):,} or less, or longer conversations."
    )


def _digest_cost(conversation: Conversation, setup: Setup) -> Cost:
    """What it takes to store a conversation: nothing without facts."""
    if not stores_facts(setup.model, setup.program):
        return Cost()
    turns = len(conversation.turns)
    return estimate(
        setup.model,
        "store",
        setup.program.store,
        calls=-(-turns // setup.model.window),
        inputs=_turn_tokens(conversation),
        answers=turns,
    )


def _asking_cost(system: System, conversation: Conversation, setup: Setup) -> Cost:
    """What it takes to answer a question: the baseline retrieves nothing."""
    shown = min(setup.budget, _turn_tokens(conversation))
    cost = estimate(setup.model, "answer", setup.program.answer, calls=1, inputs=shown)
    if system == "baseline":
        return cost
    return cost + estimate(setup.model, "retrieve", setup.program.retrieve, calls=1, inputs=0)


@dataclass(frozen=True, eq=False)
class Asking:
    """All that is needed to ask any of the questions, also on another machine.

    `paths` are the memories' by system and conversation.
    """

    conversations: Mapping[str, Conversation]
    setups: Mapping[System, Setup]
    paths: Mapping[tuple[str, str], Path]
    with_traces: bool = False

    def __call__(self, key: AnswerKey) -> tuple[Result, Trace | None]:
        """Ask one question of one system; with its trace where those are wanted."""
        system, id_, index = key
        conversation = self.conversations[id_]
        question = next(q for q in conversation.questions if q.index == index)
        if system == "baseline":
            job = partial(ask_baseline, conversation, question, self.setups[system])
        else:
            job = partial(
                ask_memory,
                conversation,
                question,
                setup=self.setups[system],
                path=self.paths[system, id_],
            )
        result, trace = traced(job) if self.with_traces else (job(), None)
        if system == "plain":
            result = replace(result, system="plain")
            trace = trace and replace(trace, result=result)
        return result, trace
