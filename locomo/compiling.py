"""A compile from beginning to end: measure, let optimizers try, keep the best, measure again."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import dspy
from rich.progress import Progress

from locomo.gains import Gain, Verdict, gains, verdict
from locomo.harness import build_all
from locomo.job import Job
from locomo.ledger import Budget, BudgetSpent, Ledger, Spent
from locomo.optimizers import logged, program_runs, run_optimizer
from locomo.rewards import Outcome, Scored, gated_metric, metric, scored, single_speaker_metric
from locomo.scoreboard import Scoreboard, TooManyFailures, advantage, best
from locomo.tasks import Target, candidate_of, task, with_candidate
from locomo.tracking import Point, Tried
from memory import InputError, MemoryProgram, ModelError

LAST_PART = 0.25  # of the budget's minutes, kept for measuring the compiled program
LOCAL_PROPOSAL = 400  # tokens; what is left of the packaged model's context


@dataclass(frozen=True)
class Compiled:
    """A compiled program, what it gained on validation conversations, and what was tried.

    `verdict` is "not measured" when the budget or the user ended the compile before that;
    `baseline` is the plain program's training reward, `notes` what a user should know.
    """

    program: MemoryProgram
    verdict: Verdict | Literal["not measured"]
    gains: Sequence[Gain]
    spent: Spent
    tried: Sequence[Tried]
    points: Sequence[Point]
    baseline: float
    notes: Sequence[str]


@dataclass
class Compile:
    """One compile under way.

    Arguments:
        job: what is to be done.
        ledger: active; sees every call.
        limits: the ledger's budget.
        folder: for scores and the optimizers' own messages.
        memories: where memories are built.
        resume: whether the scores in `folder` count.
        bar: shows what goes on.
        save: told of the best program so far before an interruption is passed on, and at the end.
    """

    job: Job
    ledger: Ledger
    limits: Budget
    folder: Path
    memories: Path
    resume: bool
    bar: Progress
    save: Callable[[Compiled], None]
    tried: list[Tried] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    baseline: float = 0.0

    def __post_init__(self) -> None:
        # With a cache, the ledger sees every call.
        setup, prompt_model = self.job.setup, self.job.prompt_model
        model = replace(setup.model, lm=setup.model.lm.copy(cache=True))
        room = {"max_tokens": LOCAL_PROPOSAL} if prompt_model.name == "local" else {}
        self.job = replace(
            self.job,
            setup=replace(setup, model=model),
            prompt_model=replace(prompt_model, lm=prompt_model.lm.copy(cache=True, **room)),
        )

    def run(self) -> Compiled:
        """Compile each target in turn, measure before and after.

        Raises InputError when the budget does not suffice to begin, ModelError when more than a
        third of the runs fail, KeyboardInterrupt; the best prompt so far is saved then.
        """
        program = self.job.setup.program
        try:
            memories = self._built(program, training=True)
            before = self._measured(program, memories, "measuring the plain program")
        except BudgetSpent as spent:
            raise InputError(f"{spent}: too little to begin with, give a larger budget") from spent
        for place, target in enumerate(self.job.targets):
            program = self._improved(program, target, memories, place)
        after = self._after(program, memories)
        compiled = self._so_far(program, gains(before, after) if after else [])
        self.save(compiled)
        return compiled

    def _so_far(self, program: MemoryProgram, found: Sequence[Gain] = ()) -> Compiled:
        return Compiled(
            program=program,
            verdict=verdict(found) if found else "not measured",
            gains=found,
            spent=self.ledger.spent,
            tried=self.tried,
            points=self.points,
            baseline=self.baseline,
            notes=self.notes,
        )

    def _built(self, program: MemoryProgram, training: bool) -> dict[str, Path]:
        """The memories that questions are asked to, stored by this program."""
        setup, threads = replace(self.job.setup, program=program), self.job.options.num_threads
        wanted = self.job.asked_about(training)
        built = build_all(wanted, setup, self.memories, threads, self.bar)
        return {name: one.path for name, one in built.items()}

    def _evaluated(
        self, student: dspy.Module, examples: Sequence[dspy.Example], judge: Callable[..., Any]
    ) -> list[tuple[dspy.Example, dspy.Prediction]]:
        evaluate = dspy.Evaluate(
            devset=list(examples),
            metric=judge,
            num_threads=self.job.options.num_threads,
            display_progress=False,
            max_errors=len(examples) + 1,
        )
        with logged(self.folder / "compile.log"):
            return [(example, pred) for example, pred, _ in evaluate(student).results]

    def _measured(
        self, program: MemoryProgram, memories: Mapping[str, Path], what: str
    ) -> list[Scored]:
        """The score of every validation question. Raises ModelError when a third of them fail."""
        line = self.bar.add_task(what, total=len(self.job.validation))

        def judge(*told: Any) -> Any:
            self.bar.advance(line)
            return metric(*told)

        student = task(program, self.job.measured, self.job.bench(memories))
        results = self._evaluated(student, self.job.validation, judge)
        failed = [pred.failed for _, pred in results if pred.failed]
        if len(failed) * 3 > len(results):
            raise ModelError(f"{len(failed)} of {len(results)} runs failed, the last: {failed[-1]}")
        if failed:
            self.notes.append(f"{what}: {len(failed)} runs failed, the last: {failed[-1]}")
        return [
            scored(example.conversation, question, outcome)
            for example, pred in results
            for question, outcome in zip(
                example.gold, pred.outcomes or [Outcome("")] * len(example.gold), strict=True
            )
        ]

    def _improved(
        self, program: MemoryProgram, target: Target, memories: Mapping[str, Path], place: int
    ) -> MemoryProgram:
        """The program with the best prompt for this target that was found in time."""
        options, examples = self.job.options, self.job.train[target]
        bench = self.job.bench(memories)
        student, plain = task(program, target, bench), candidate_of(program, target)
        total = program_runs(options.optimizer, len(examples), options.rounds)
        what = f"{options.optimizer}, {target}"
        line = self.bar.add_task(what, total=total)

        def progress(board: Scoreboard) -> None:
            lost = f", {board.failures} runs failed" if board.failures else ""
            said = f"{what}: {self.ledger.spent.calls} calls{lost}"
            self.bar.update(line, description=said, advance=1)

        judge = metric
        if self.job.reward == "seed":
            judge = single_speaker_metric if target == "store" else gated_metric
        folder, log = self.folder / target, self.folder / "compile.log"
        calls = lambda: self.ledger.spent.calls  # noqa: E731
        board = Scoreboard(judge, bench.prompts, folder, self.resume, calls, progress)
        stopped: BaseException | None = None
        with closing(board), self.ledger.reserve(self._kept(place)):
            try:
                self._evaluated(student, examples, board)
                models = self.job.setup.model, self.job.prompt_model
                lost = run_optimizer(student, examples, board, options, *models, log)
                if lost:
                    self.notes.append(f"{what}: {len(lost)} proposals failed, the last: {lost[-1]}")
            except (BudgetSpent, TooManyFailures, KeyboardInterrupt) as reason:
                stopped = reason
        self.bar.update(line, total=board.count)
        self._keep_scores(board, target, plain.key)
        program = with_candidate(program, target, bench.prompts[best(board, plain.key)])
        if board.failures:
            said = f"{board.failures} of {board.count} runs failed, the last: {board.last_failure}"
            self.notes.append(f"{what}: {said}")
        if isinstance(stopped, BudgetSpent):
            self.notes.append(f"{what}: {stopped}")
        elif stopped:
            self.save(self._so_far(program))
            raise ModelError(str(stopped)) if isinstance(stopped, TooManyFailures) else stopped
        return program

    def _kept(self, place: int) -> Budget:
        """What the targets after this one, and the last measurement, may spend."""
        limits, spent = self.limits, self.ledger.spent
        to_come = len(self.job.targets) - place
        last = (3 if self.job.measured == "store" else 2) * len(self.job.validation)

        def kept(most: float, used: float, least: float) -> float:
            return least + max(most - used - least, 0) * (to_come - 1) / to_come

        each = spent.dollars / max(spent.calls, 1)
        calls, minutes, dollars = limits.calls or 0, limits.minutes or 0, limits.dollars or 0
        return Budget(
            calls=int(kept(calls, spent.calls, min(last, calls // 2))),
            minutes=kept(minutes, spent.seconds / 60, LAST_PART * minutes),
            dollars=kept(dollars, spent.dollars, min(last * each, dollars / 2)),
        )

    def _keep_scores(self, board: Scoreboard, target: Target, plain: str) -> None:
        """What the chart and the record show of each prompt that was tried."""
        runs = {key: list(board.of(key).values()) for key in list(board.prompts)}
        tried = sorted((key for key in runs if runs[key]), key=lambda key: runs[key][-1].calls)
        means = {key: sum(run.reward for run in runs[key]) / len(runs[key]) for key in tried}
        self.baseline, record = means.get(plain, 0.0), 0.0
        for key in tried:
            calls, gained = runs[key][-1].calls, advantage(board, key, plain)
            record = max(record, gained)
            self.points.append(Point(calls, self.baseline + gained, self.baseline + record))
            prompt = json.dumps(asdict(board.prompts[key]), ensure_ascii=False, indent=1)
            name = f"{target} {key}{', the plain one' if key == plain else ''}"
            self.tried.append(Tried(name, means[key], len(runs[key]), calls, prompt))

    def _after(self, program: MemoryProgram, memories: Mapping[str, Path]) -> list[Scored]:
        """The compiled program's scores on validation; none when the budget does not allow it."""
        try:
            if self.job.measured == "answer" and "store" in self.job.targets:
                memories = self._built(program, training=False)
            return self._measured(program, memories, "measuring the compiled program")
        except BudgetSpent as spent:
            self.notes.append(f"the compiled program was not measured: {spent}")
            return []
