"""An evaluation: memories built, questions asked, answers judged; what is finished is kept."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rich.console import Console

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
    is_built,
    memory_path,
)
from locomo.parallel import run_over, run_parallel
from locomo.results.judging import is_judged, judge_answers, judging_cost
from locomo.results.report import memory_difference
from locomo.results.tables import cost_table
from locomo.results.traces import Trace, TraceLog, traced
from memory import InputError, Model, ModelError
from memory.program.costs import Cost, estimate, spending, turn_tokens
from memory.progress import progress_bar
from memory.prompt import LEAST_BUDGET

AskedQuestion = tuple[Conversation, Question]
# A model that now and then answers out of form is measured as it is; one that does so for more
# than a third is not what the run was to measure.
_LEAST_UNUSABLE = 3
_MOST_UNUSABLE = 1 / 3
# An interval takes 30 ms where there are thousands of answers.
_RESAMPLED_EACH = 50


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
        with _counted("storing", self.setup.model, costs):
            built = self._build(self.setup)
            built_plain = self._build(self.plain) if self.plain else {}
        with _counted("asking", self.setup.model, costs):
            results = self._ask(built, built_plain)
        if self.judging:
            # A step of its own, so that a judge can be added to answers that are there already.
            with _counted("judging", self.judging, costs):
                results = judge_answers(
                    results, self.judging, log=self.log, threads=self.threads, console=self.console
                )
        return Evaluation(list(built.values()), results, costs)

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
        conversations = {conversation.id: conversation for conversation, _ in self.questions}
        unbuilt: dict[Path, tuple[Conversation, Setup]] = {}
        for setup in filter(None, (self.setup, self.plain)):
            for conversation in conversations.values():
                path = memory_path(
                    conversation,
                    setup.model,
                    setup.program,
                    cache=self.memories,
                    embedder=self.embedder,
                )
                if not is_built(path):
                    unbuilt[path] = conversation, setup
        return sum((_digest_cost(*made_from) for made_from in unbuilt.values()), Cost())

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
                over=self.over,
            )

    def _ask(
        self, built: Mapping[str, BuiltMemory], built_plain: Mapping[str, BuiltMemory]
    ) -> list[Result]:
        paths = {("memory", id_): memory.path.absolute() for id_, memory in built.items()}
        paths |= {("plain", id_): memory.path.absolute() for id_, memory in built_plain.items()}
        asking = Asking(
            conversations={conversation.id: conversation for conversation, _ in self.questions},
            setups=self._systems(),
            paths=paths,
            with_traces=self.traces is not None,
        )
        keys: list[AnswerKey] = [
            (system, conversation.id, question.index)
            for conversation, question in self.questions
            for system in self._systems()
        ]
        missing = [key for key in keys if key not in self.log.records]
        answered: list[Result] = []
        with progress_bar(self.console) as bar:
            line = bar.add_task("asking", total=len(missing))

            def keep(answer: tuple[Result, Trace | None]) -> None:
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

            if self.over:
                waits = not self.setup.model.packaged
                run_over(asking, missing, self.over, waits=waits, finished=keep)
            else:
                run_parallel([partial(asking, key) for key in missing], self.threads, keep)
        return [self.log.records[key] for key in keys]

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
    """What it takes to store a conversation."""
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
