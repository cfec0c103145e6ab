"""A compile from beginning to end: measure, let optimizers try, keep the best, measure again."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import dspy
from rich.progress import Progress

from locomo.harness import build_memories
from locomo.prompts.job import CompileJob
from locomo.prompts.ledger import Budget, BudgetSpent, Ledger, Spent
from locomo.prompts.optimizers import program_runs, run_optimizer
from locomo.prompts.scoreboard import Scoreboard, TooManyFailures, advantage, best
from locomo.tasks.gains import Gain, Verdict, gains, verdict
from locomo.tasks.measure import evaluate_task, measure
from locomo.tasks.modules import Bench, Target, candidate_of, task, with_candidate
from locomo.tasks.rewards import QuestionScore, metric_of
from locomo.tracking import RewardPoint, TriedPrompt
from memory import InputError, MemoryProgram, Model, ModelError

MARGIN = 1.2  # a compiled prompt may be longer, and need repairs
LOCAL_PROPOSAL = 400  # tokens; what is left of the packaged model's context
TIMEOUT_S, RETRIES = 300, 2  # of a served model's call; what fails costs one example only


@dataclass(frozen=True)
class CompileResult:
    """A compiled program, what it gained on validation conversations, and what was tried.

    `verdict` is "not measured" when the budget or the user ended the compile before that;
    `baseline` is the plain program's training reward, `notes` what a user should know.
    """

    program: MemoryProgram
    verdict: Verdict | Literal["not measured"]
    gains: Sequence[Gain]
    spent: Spent
    tried: Sequence[TriedPrompt]
    points: Sequence[RewardPoint]
    baseline: float
    notes: Sequence[str]


@dataclass
class CompileRun:
    """One compile under way.

    Arguments:
        job: what is to be done.
        ledger: active; sees every call.
        limits: the ledger's budget.
        folder: for scores and the optimizers' own messages.
        memories: where memories are built.
        resume: whether the scores in `folder` count.
        last: what measuring took, which is kept for measuring again.
        bar: shows what goes on.
        save: told of the best program so far before an interruption is passed on, and at the end.
    """

    job: CompileJob
    ledger: Ledger
    limits: Budget
    folder: Path
    memories: Path
    resume: bool
    bar: Progress
    save: Callable[[CompileResult], None]
    tried: list[TriedPrompt] = field(default_factory=list)
    points: list[RewardPoint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    baseline: float = 0.0
    last: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        setup, prompt_model = self.job.setup, self.job.prompt_model
        room = {"max_tokens": LOCAL_PROPOSAL} if prompt_model.packaged else {}
        self.job = replace(
            self.job,
            setup=replace(setup, model=_recorded(setup.model)),
            prompt_model=_recorded(prompt_model, **room),
        )

    def run(self) -> CompileResult:
        """Compile each target in turn, measure before and after.

        Raises InputError when the budget does not suffice to begin, ModelError when more than a
        third of the runs fail, KeyboardInterrupt; the best prompt so far, if any, is saved then.
        """
        program = plain = self.job.setup.program
        try:
            memories = self._built(program, training=True)
            began = self.ledger.spent
            before = self._measured(program, memories, "measuring the plain program")
            self.last = self._cost_since(began)
        except BudgetSpent as spent:
            raise InputError(
                f"{spent} before anything could be compiled; the same command with --resume and "
                "more goes on"
            ) from spent
        for place, target in enumerate(self.job.targets):
            program = self._improved(program, target, memories, place)
        self.save(self._so_far(program))  # measuring may be interrupted, or fail
        same = all(candidate_of(program, t) == candidate_of(plain, t) for t in self.job.targets)
        after = before if same else self._after(program, memories)
        # A question that failed on either side says nothing of the program.
        both = [key for key in before if key in after]
        compiled = self._so_far(
            program,
            gains(*([one for key in both for one in side[key]] for side in (before, after))),
        )
        self.save(compiled)
        return compiled

    def _so_far(self, program: MemoryProgram, found: Sequence[Gain] = ()) -> CompileResult:
        return CompileResult(
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
        built = build_memories(wanted, setup, self.memories, threads, self.bar)
        return {name: one.path for name, one in built.items()}

    def _measured(
        self, program: MemoryProgram, memories: Mapping[str, Path], what: str
    ) -> dict[str, list[QuestionScore]]:
        """The scores of each validation example's questions, by its name, but of those that failed.

        Raises ModelError when more than a third of the examples fail.
        """
        line = self.bar.add_task(what, total=len(self.job.validation))
        student = task(program, self.job.measured, self.job.bench(memories))
        threads, log = self.job.options.num_threads, self.folder / "compile.log"
        done = partial(self.bar.advance, line)
        scores, failed = measure(student, self.job.validation, threads, log, done)
        if failed:
            said = f"{len(failed)} runs failed and are left out, the last: {failed[-1]}"
            self.notes.append(f"{what}: {said}")
        return scores

    def _improved(
        self, program: MemoryProgram, target: Target, memories: Mapping[str, Path], place: int
    ) -> MemoryProgram:
        """The program with the best prompt for this target that was found in time."""
        bench, plain = self.job.bench(memories), candidate_of(program, target)
        bench.prompts[plain.key] = plain
        student = task(program, target, bench)
        with self.ledger.reserve(self._kept(place)):
            board, stopped = self._searched(student, target, bench)
        self._keep_scores(board, target, plain.key)
        program = with_candidate(program, target, bench.prompts[best(board, plain.key)])
        if board.failures:
            said = f"{board.failures} of {board.count} runs failed, the last: {board.last_failure}"
            self.notes.append(f"{target}: {said}")
        if isinstance(stopped, BudgetSpent):
            self.notes.append(f"{target}: {stopped}")
        elif stopped:
            self.save(self._so_far(program))
            raise ModelError(str(stopped)) if isinstance(stopped, TooManyFailures) else stopped
        return program

    def _searched(
        self, student: dspy.Module, target: Target, bench: Bench
    ) -> tuple[Scoreboard, BaseException | None]:
        """What all prompts earned that an optimizer tried, and what stopped it, if anything did."""
        options, examples = self.job.options, self.job.train[target]
        total = program_runs(options.optimizer, len(examples), options.rounds)
        what = f"{options.optimizer}, {target}"
        line = self.bar.add_task(what, total=total)

        def progress(board: Scoreboard) -> None:
            lost = f", {board.failures} runs failed" if board.failures else ""
            said = f"{what}: {self.ledger.spent.calls} calls{lost}"
            self.bar.update(line, description=said, advance=1)

        def calls() -> int:
            return self.ledger.spent.calls

        judge = metric_of(self.job.reward, target)
        folder, log = self.folder / target, self.folder / "compile.log"
        board = Scoreboard(judge, bench.prompts, folder, self.resume, calls, progress)
        with closing(board):
            try:
                threads = self.job.options.num_threads
                evaluate_task(student, examples, board, threads, log)
                models = self.job.setup.model, self.job.prompt_model
                lost = run_optimizer(student, examples, board, options, *models, log)
            except (BudgetSpent, TooManyFailures, KeyboardInterrupt) as reason:
                return board, reason
        if lost:
            self.notes.append(f"{target}: {len(lost)} proposals failed, the last: {lost[-1]}")
        self.bar.update(line, completed=total)
        return board, None

    def _cost_since(self, began: Spent) -> Budget:
        """What measuring took, or would have taken were it not answered from disk."""
        now = self.ledger.spent
        calls = now.calls - began.calls + now.replayed - began.replayed
        each = now.dollars / max(now.calls, 1)
        return Budget(calls, (now.seconds - began.seconds) / 60, calls * each)

    def _kept(self, place: int) -> Budget:
        """What the targets after this one, and the last measurement, may spend."""
        limits, spent, last = self.limits, self.ledger.spent, self.last
        to_come = len(self.job.targets) - place
        again = 0
        if self.job.measured == "answer" and "store" in self.job.targets:
            window = self.job.setup.model.window
            again = sum(-(-len(c.turns) // window) for c in self.job.asked_about(training=False))
        more = MARGIN * (1 + again / max(last.calls or 0, 1))

        def kept(most: float | None, used: float, measuring: float | None) -> float:
            least = more * (measuring or 0)
            return least + max((most or 0) - used - least, 0) * (to_come - 1) / to_come

        return Budget(
            calls=int(kept(limits.calls, spent.calls, last.calls)),
            minutes=kept(limits.minutes, spent.seconds / 60, last.minutes),
            dollars=kept(limits.dollars, spent.dollars, last.dollars),
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
            self.points.append(RewardPoint(calls, self.baseline + gained, self.baseline + record))
            prompt = json.dumps(asdict(board.prompts[key]), ensure_ascii=False, indent=1)
            name = f"{target} {key}{', the plain one' if key == plain else ''}"
            self.tried.append(TriedPrompt(name, means[key], len(runs[key]), calls, prompt))

    def _after(
        self, program: MemoryProgram, memories: Mapping[str, Path]
    ) -> dict[str, list[QuestionScore]]:
        """The compiled program's scores on validation; none when the budget does not allow it."""
        try:
            if self.job.measured == "answer" and "store" in self.job.targets:
                memories = self._built(program, training=False)
            return self._measured(program, memories, "measuring the compiled program")
        except BudgetSpent as spent:
            self.notes.append(f"the compiled program was not measured: {spent}")
            return {}


def _recorded(model: Model, **settings: object) -> Model:
    """A model whose calls the ledger sees, and which does not wait for a dead server for long."""
    if isinstance(model.lm.engine, str):  # DSPy's own: the packaged model has another
        settings = {"timeout": TIMEOUT_S, "num_retries": RETRIES, **settings}
    return replace(model, lm=model.lm.copy(cache=True, **settings))
