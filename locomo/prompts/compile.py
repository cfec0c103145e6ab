"""Runs a compile: measure, let optimizers try prompts, keep the best, measure again."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import dspy
from rich.progress import Progress

from locomo.choices import Target
from locomo.examples.from_gold import write_gold_facts
from locomo.examples.gold import Gold
from locomo.harness import build_memories, fingerprint
from locomo.ledger import Budget, BudgetSpent, Ledger, Spent
from locomo.prompts.job import CompileJob
from locomo.prompts.optimizers import program_runs, run_optimizer
from locomo.prompts.scoreboard import Scoreboard, TooManyFailures, advantage, best
from locomo.tasks.gains import Gain, Verdict, gains, verdict
from locomo.tasks.measure import evaluate_task, measure
from locomo.tasks.modules import Bench, candidate_of, task, with_candidate
from locomo.tasks.rewards import QuestionScore, metric_of
from locomo.tracking.compiles import TriedPrompt
from memory import InputError, MemoryProgram, open_store
from memory.errors import ModelError
from memory.models import Model

# Reserved for the second measurement, as a multiple of the first: a compiled prompt may be longer
# and need repairs.
MARGIN = 1.2
LOCAL_PROPOSAL = 400  # tokens of an instruction; the packaged model's context has no room for more
TIMEOUT_S = 300  # of a served model's call
RETRIES = 2  # of such a call; a call that fails for good costs one example only


@dataclass
class CompileResult:
    """A program, its gain on validation conversations, and the prompts that were tried.

    There is no gain when the budget or the user ended the compile early, or when no prompt was
    tried: `new_prompts` counts them without the plain ones. `notes` are remarks for the user,
    `untried` is why no prompt was tried, if known.
    """

    program: MemoryProgram
    gains: Sequence[Gain] = ()
    spent: Spent = field(default_factory=Spent)
    tried: list[TriedPrompt] = field(default_factory=list)
    new_prompts: int = 0
    notes: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Whether there is a gain; "not measured" without any."""
        return verdict(self.gains)


@dataclass
class CompileRun:
    """A running compile; `result` is what came of it so far.

    Arguments:
        job: what is to be done.
        ledger: active; sees every call.
        folder: for scores and the optimizers' own messages.
        memories: where memories are built.
        resume: whether the scores in `folder` count.
        bar: shows what goes on.
        save: called with the result so far before an interruption is passed on, and at the end.
        measuring_cost: what the first measurement took; the second one may take as much.
    """

    job: CompileJob
    ledger: Ledger
    folder: Path
    memories: Path
    resume: bool
    bar: Progress
    save: Callable[[CompileResult], None]
    measuring_cost: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        setup, prompt_model = self.job.setup, self.job.prompt_model
        room = {"max_tokens": LOCAL_PROPOSAL} if prompt_model.limits.are_own else {}
        self.job = replace(
            self.job,
            setup=replace(setup, model=_recorded(setup.model)),
            prompt_model=_recorded(prompt_model, **room),
        )
        self.result = CompileResult(setup.program)

    def run(self) -> CompileResult:
        """Compile each target in turn, measure before and after.

        Raises InputError when the budget does not suffice to begin, ModelError when more than a
        third of the runs fail, KeyboardInterrupt; the best prompt so far, if any, is saved then.
        """
        result, plain = self.result, self.job.setup.program
        try:
            memories = self._build_memories(plain, training=True)
            spent_before = self.ledger.spent
            before = self._measure(plain, memories, "measuring the plain program")
            self.measuring_cost = self._cost_since(spent_before)
            scores = [score for of_example in before.values() for score in of_example]
            self._warn_of(ceilings(scores, self.job.targets))
        except BudgetSpent as spent:
            raise InputError(
                f"{spent} before anything could be compiled; the same command with --resume and "
                "more goes on"
            ) from spent
        for index, target in enumerate(self.job.targets):
            self._improve(target, memories=memories, index=index)
        self._save()  # measuring may be interrupted, or fail

        if not result.new_prompts:
            return result
        same = all(
            candidate_of(result.program, t) == candidate_of(plain, t) for t in self.job.targets
        )
        after = before if same else dict[str, list[QuestionScore]]()
        try:
            if not same:
                self._measure_compiled(memories, after)
        finally:
            # A question that failed on either side says nothing of the program, nor does a
            # question that an interruption left out.
            keys = [key for key in before if key in after]
            result.gains = gains(
                before=[score for key in keys for score in before[key]],
                after=[score for key in keys for score in after[key]],
            )
            self._save()
        return result

    def _save(self) -> None:
        self.result.spent = self.ledger.spent
        self.save(self.result)

    def _warn_of(self, warnings: Sequence[str]) -> None:
        """Show what the first measurement says of the compile, now and at its end."""
        for warning in warnings:
            self.bar.console.print(
                f"note: {warning}", style="yellow", highlight=False, markup=False
            )
        self.result.notes += warnings

    def _build_memories(self, program: MemoryProgram, training: bool) -> dict[str, Path]:
        """The memories that questions are asked about, stored by this program."""
        conversations = self.job.needed_conversations(training)
        if gold := self.job.gold:
            return {c.id: gold_memory(gold[c.id], self.memories) for c in conversations}
        built = build_memories(
            conversations,
            replace(self.job.setup, program=program),
            cache=self.memories,
            threads=self.job.options.num_threads,
            bar=self.bar,
        )
        return {id_: memory.path for id_, memory in built.items()}

    def _measure(
        self,
        program: MemoryProgram,
        memories: Mapping[str, Path],
        title: str,
        scores: dict[str, list[QuestionScore]] | None = None,
    ) -> dict[str, list[QuestionScore]]:
        """The scores of each validation example's questions, by its name, without failed examples.

        `scores` is filled as they come. Raises ModelError when more than a third of the examples
        fail.
        """
        line = self.bar.add_task(title, total=len(self.job.validation))
        of_examples, failed = measure(
            task(program, self.job.measured, self.job.bench(memories)),
            by_turns(self.job.validation),
            threads=self.job.options.num_threads,
            log=self.folder / "compile.log",
            done=partial(self.bar.advance, line),
            reward=self.job.reward,
            target=self.job.measured,
            scores=scores,
        )
        if failed:
            self.result.notes.append(
                f"{title}: {len(failed)} runs failed and are left out, the last: {failed[-1]}"
            )
        return of_examples

    def _improve(self, target: Target, memories: Mapping[str, Path], index: int) -> None:
        """Take the program that the optimizer returns for this target, if it earns more.

        Where the compile was stopped, the program with the best prompt that was tried by then.
        """
        program = self.result.program
        bench = self.job.bench(memories)
        plain = candidate_of(program, target)
        bench.prompts[plain.key] = plain
        student = task(program, target, bench)
        with self.ledger.reserve(self._reserve(index)):
            board, compiled, stopped = self._search(student, target, bench)
        self._keep_scores(board, target, plain.key)
        if cause := why_untried(board, plain.key, stopped):
            self.result.untried.append(f"{target}: {cause}")
        kept = best(board, plain.key)
        if compiled is not None:
            returned = candidate_of(compiled.program, target)
            is_better = advantage(board, returned.key, plain.key) > 0
            kept = returned.key if is_better else plain.key
        self.result.program = with_candidate(program, target, bench.prompts[kept])
        if board.failures:
            self.result.notes.append(
                f"{target}: {board.failures} of {board.count} runs failed, the last: "
                f"{board.last_failure}"
            )
        if isinstance(stopped, BudgetSpent):
            self.result.notes.append(f"{target}: {stopped}")
        elif stopped:
            self._save()
            raise ModelError(str(stopped)) if isinstance(stopped, TooManyFailures) else stopped

    def _search(
        self, student: dspy.Module, target: Target, bench: Bench
    ) -> tuple[Scoreboard, Any, BaseException | None]:
        """The rewards of all prompts that were tried, the compiled student, and what stopped it."""
        options, examples = self.job.options, self.job.train[target]
        total = program_runs(options.optimizer, len(examples), options.rounds, options.candidates)
        title = f"{options.optimizer}, {target}"
        line = self.bar.add_task(title, total=total)

        def progress(board: Scoreboard) -> None:
            failures = f", {board.failures} runs failed" if board.failures else ""
            description = f"{title}: {self.ledger.spent.calls} calls{failures}"
            self.bar.update(line, description=description, advance=1)

        log = self.folder / "compile.log"
        board = Scoreboard(
            metric_of(self.job.reward, target),
            bench.prompts,
            folder=self.folder / target,
            resume=self.resume,
            calls=lambda: self.ledger.spent.calls,
            progress=progress,
        )
        with closing(board):
            try:
                # The plain prompt runs on all examples first, for comparison with the others.
                evaluate_task(student, examples, judge=board, threads=options.num_threads, log=log)
                compiled, failed_proposals = run_optimizer(
                    student,
                    examples,
                    board=board,
                    options=options,
                    model=self.job.setup.model,
                    prompt_model=self.job.prompt_model,
                    target=target,
                    log=log,
                )
            except (BudgetSpent, TooManyFailures, KeyboardInterrupt) as reason:
                return board, None, reason
        if failed_proposals:
            self.result.notes.append(
                f"{target}: {len(failed_proposals)} proposals failed, the last: "
                f"{failed_proposals[-1]}"
            )
        self.bar.update(line, completed=total)
        return board, compiled, None

    def _cost_since(self, before: Spent) -> Budget:
        """The cost of measuring; replayed calls count as if they had been paid."""
        now = self.ledger.spent
        calls = now.calls - before.calls + now.replayed - before.replayed
        dollars_per_call = now.dollars / max(now.calls, 1)
        return Budget(
            calls=calls,
            minutes=(now.seconds - before.seconds) / 60,
            dollars=calls * dollars_per_call,
        )

    def _reserve(self, index: int) -> Budget:
        """The budget reserved for later targets and the last measurement."""
        limits, spent, cost = self.ledger.budget, self.ledger.spent, self.measuring_cost
        targets_to_come = len(self.job.targets) - index
        windows = 0
        if self._stores_anew():
            window = self.job.setup.model.limits.window
            windows = sum(
                -(-len(c.turns) // window) for c in self.job.needed_conversations(training=False)
            )
        factor = MARGIN * (1 + windows / max(cost.calls or 0, 1))

        def reserve(limit: float | None, used: float, measuring: float | None) -> float:
            """The budget for another measurement, and equal shares of the rest for others."""
            for_measuring = factor * (measuring or 0)
            free = max((limit or 0) - used - for_measuring, 0)
            return for_measuring + free * (targets_to_come - 1) / targets_to_come

        return Budget(
            calls=int(reserve(limits.calls, spent.calls, cost.calls)),
            minutes=reserve(limits.minutes, spent.seconds / 60, cost.minutes),
            dollars=reserve(limits.dollars, spent.dollars, cost.dollars),
        )

    def _stores_anew(self) -> bool:
        """Whether the compiled program is measured on memories that it stored itself."""
        return self.job.measured == "answer" and "store" in self.job.targets

    def _keep_scores(self, board: Scoreboard, target: Target, plain: str) -> None:
        """Collect the data of each tried prompt for the report and MLflow."""
        runs = {key: list(board.of(key).values()) for key in list(board.prompts)}
        tried = sorted((key for key in runs if runs[key]), key=lambda key: runs[key][-1].calls)
        # fmean: the order of the threads must not change a mean's last digit.
        means = {key: fmean(run.reward for run in runs[key]) for key in tried}
        result = self.result
        baseline = means.get(plain, 0.0)
        best_advantage = 0.0
        result.new_prompts += sum(key != plain for key in tried)
        for key in tried:
            # Not its mean: prompts were tried on different examples, and some are easier.
            gained = advantage(board, key, plain)
            best_advantage = max(best_advantage, gained)
            result.tried.append(
                TriedPrompt(
                    name=f"{target} {key}{', the plain one' if key == plain else ''}",
                    score=means[key],
                    examples=len(runs[key]),
                    calls=runs[key][-1].calls,
                    prompts=json.dumps(asdict(board.prompts[key]), ensure_ascii=False, indent=1),
                    reward=baseline + gained,
                    best=baseline + best_advantage,
                )
            )

    def _measure_compiled(
        self, memories: Mapping[str, Path], scores: dict[str, list[QuestionScore]]
    ) -> None:
        """Fill in the compiled program's validation scores, as far as the budget allows."""
        program = self.result.program
        try:
            if self._stores_anew():
                memories = self._build_memories(program, training=False)
            self._measure(program, memories, "measuring the compiled program", scores)
        except BudgetSpent as spent:
            how_far = "not measured"
            if scores:
                how_far = f"measured on {len(scores)} of {len(self.job.validation)} examples"
            self.result.notes.append(f"the compiled program was {how_far}: {spent}")


def gold_memory(gold: Gold, folder: Path) -> Path:
    """The file of a memory with the turns and the gold facts of a conversation, made if missing."""
    id_ = re.sub(r"[^A-Za-z0-9_.-]", "_", gold.conversation.id)[:60]
    path = folder / f"{id_}-gold-{fingerprint(gold.conversation.turns, gold.store)}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with open_store(part) as store:
            store.add(gold.conversation.turns)
            write_gold_facts(store, gold)
        part.replace(path)
    return path


def by_turns(examples: Sequence[dspy.Example]) -> list[dspy.Example]:
    """Examples of each conversation in turn: if the run ends early, each has some."""
    ranks: Counter[str] = Counter()
    places = []
    for example in examples:
        places.append(ranks[example.conversation])
        ranks[example.conversation] += 1
    order = sorted(range(len(examples)), key=places.__getitem__)
    return [examples[index] for index in order]


def ceilings(scores: Sequence[QuestionScore], targets: Sequence[Target]) -> list[str]:
    """Why a compile of these targets can gain little or nothing, by the plain program's scores."""
    warnings = []
    rewards = {round(score.reward, 3) for score in scores}
    if len(scores) > 1 and len(rewards) == 1:
        warnings.append(
            f"all rewards are equal: {rewards.pop():.2f} on each of {len(scores)} questions before "
            "the start; an optimizer learns from differences, and such questions show none"
        )
    evidence = [score.components["evidence"] for score in scores if "evidence" in score.components]
    if "retrieve" in targets and evidence and min(evidence) == 1.0:
        warnings.append(
            "evidence is 1.0 before the start: every turn that an answer needs is shown already, "
            "and no SELECT can add one; a smaller --budget leaves room for a gain"
        )
    return warnings


def why_untried(board: Scoreboard, plain: str, stopped: BaseException | None) -> str:
    """Why an optimizer ran no prompt but the plain one; "" where it did, or nothing tells."""
    runs = list(board.runs.values())
    if any(run.candidate != plain for run in runs):
        return ""
    if stopped:
        return str(stopped)
    rewards = {round(run.reward, 3) for run in runs if not run.failed}
    if len(rewards) == 1:
        count = sum(not run.failed for run in runs)
        return f"all rewards are equal: {rewards.pop():.2f} in each of {count} runs"
    return ""


def _recorded(model: Model, **settings: object) -> Model:
    """A model whose calls the ledger sees, and which soon gives up on a dead server."""
    if isinstance(model.lm.engine, str):  # DSPy's own engine waits for a server
        settings = {"timeout": TIMEOUT_S, "num_retries": RETRIES, **settings}
    return replace(model, lm=model.lm.copy(cache=True, **settings))
