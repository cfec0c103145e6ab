"""Forecasts the cost of a compile, without repairs and at most: runs, calls, tokens, dollars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import dspy
from rich.box import SIMPLE
from rich.table import Table

from locomo.choices import MODULES, Target
from locomo.ledger import Spent
from locomo.prompts.instructions import can_propose
from locomo.prompts.job import CompileJob
from locomo.prompts.optimizers import program_runs, prompt_changes, proposal_calls
from locomo.storing_cost import most_storing_cost, storing_cost, with_repairs
from locomo.tasks.modules import Bench
from locomo.timing import WRITING
from memory.models import Cost, priced
from memory.program import CHARACTERS_A_TOKEN, LEAST_EXAMPLE, estimate, prompt_tokens, turn_tokens
from memory.refine import tools_tokens

_PROPOSAL = (6_000, 600)  # tokens in and out of one call of the prompt model
_QUESTION_TOKENS = 20
_LOCAL_CALL_S = 0.7  # of the packaged model: two cores, two copies
_WRITING_SQL: tuple[Target, ...] = ("store", "retrieve")  # what is refused is repaired
LARGE_DOLLARS, LARGE_CALLS, LARGE_MINUTES = 1.0, 1_000, 15.0


@dataclass(frozen=True)
class Forecast:
    """What a compile takes if every run that may be made is made; `minutes` is None if unknown.

    `cost` is of all calls without repairs, `at_most` with every statement repaired and every window
    of a memory tried again; `proposals` are the calls of the prompt model.
    """

    runs: int
    proposals: int
    cost: Cost
    at_most: Cost
    minutes: float | None

    @property
    def large(self) -> bool:
        """Whether to ask the user before the compile starts."""
        if self.minutes is not None:
            return self.minutes > LARGE_MINUTES
        if self.at_most.dollars is None:
            return self.at_most.calls > LARGE_CALLS
        return self.at_most.dollars > LARGE_DOLLARS

    def after(self, spent: Spent) -> "Forecast":
        """What is left of it when a run is resumed that has spent this much."""
        remaining = _without(self.cost, spent)
        share = remaining.calls / self.cost.calls if self.cost.calls else 1.0
        return replace(
            self,
            cost=remaining,
            at_most=_without(self.at_most, spent),
            minutes=self.minutes and self.minutes * share,
        )


def _without(cost: Cost, spent: Spent) -> Cost:
    dollars = cost.dollars
    return Cost(
        max(0, cost.calls - spent.calls),
        max(0, cost.tokens_in - spent.tokens_in),
        max(0, cost.tokens_out - spent.tokens_out),
        None if dollars is None else max(0.0, dollars - spent.dollars),
    )


def forecast(job: CompileJob, seconds_a_token: float | None = None) -> Forecast:
    """What a compile takes, with the memories that are to be built first.

    `seconds_a_token` is how long the model takes to read one, where it runs in this process.
    """
    bench, options, prompt_model = job.bench({}), job.options, job.prompt_model
    model = job.setup.model
    calls = dict.fromkeys(MODULES, 0)
    runs = proposals = 0
    for target, target_examples in job.train.items():
        target_runs = program_runs(
            options.optimizer, len(target_examples), options.rounds, options.candidates
        )
        runs += target_runs
        if can_propose(prompt_model):
            proposals += proposal_calls(options.optimizer, options.rounds)
        _count(
            calls,
            target,
            runs=target_runs,
            examples=len(target_examples),
            questions=0 if job.rows else _questions(target_examples),
            operations=bench.operations,
        )
    validation = len(job.validation)
    runs += 2 * validation  # before and after
    _count(
        calls,
        job.measured,
        runs=2 * validation,
        examples=validation,
        questions=0 if job.rows else _questions(job.train.get("store", ())),
        operations=bench.operations,
    )
    proposing = priced(
        prompt_model,
        calls=proposals,
        tokens_in=proposals * _PROPOSAL[0],
        tokens_out=proposals * _PROPOSAL[1],
    )
    by_module = _costs(calls, bench, options.max_demos)
    built = job.needed_conversations(training=True)
    storing = sum((storing_cost(conversation, job.setup) for conversation in built), Cost())
    cost = sum(by_module.values(), storing + proposing)
    at_most = sum((most_storing_cost(conversation, job.setup) for conversation in built), proposing)
    for module, expected in by_module.items():
        at_most += with_repairs(expected, model) if module in _WRITING_SQL else expected
    # How long a server takes is not known.
    minutes = None
    if not (model.server or prompt_model.server):
        seconds = cost.calls * _LOCAL_CALL_S
        if seconds_a_token is not None:
            tokens_in = cost.tokens_in - _kept_tokens(calls, job)
            seconds = seconds_a_token * (tokens_in + WRITING * cost.tokens_out)
        minutes = seconds / 60
    return Forecast(runs=runs, proposals=proposals, cost=cost, at_most=at_most, minutes=minutes)


def _kept_tokens(calls: Mapping[Target, int], job: CompileJob) -> int:
    """Tokens that a model in this process does not read again, in a number of calls by module.

    It keeps the last prompt of each module, so it reads an instruction and its examples where they
    change: for every prompt that is tried, and for the two measurements.
    """
    options, tokens = job.options, 0
    for module, module_calls in calls.items():
        changes = 1
        if module in job.train:
            changes = 2 + prompt_changes(
                options.optimizer,
                len(job.train[module]),
                options.rounds,
                options.candidates,
            )
        beginning = prompt_tokens(job.setup.model, getattr(job.setup.program, module))
        tokens += beginning * max(0, module_calls - changes) if module_calls else 0
    return tokens


def _count(
    calls: dict[Target, int],
    target: Target,
    runs: int,
    examples: int,
    questions: float,
    operations: int,
) -> None:
    """Add the calls of a number of runs; a repeated request costs nothing.

    An episode that refines has a call for each operation at most, between two answers.
    """
    if target == "store":
        calls["store"] += runs
        calls["retrieve"] += int(runs * questions)
        calls["answer"] += int(runs * questions)
    elif target == "refine":
        calls["refine"] += runs * operations
        calls["answer"] += examples + runs
    else:
        calls["retrieve"] += runs if target == "retrieve" else examples
        calls["answer"] += runs


def _costs(calls: Mapping[Target, int], bench: Bench, max_demos: int) -> dict[Target, Cost]:
    """The cost of a number of calls, by module."""
    model = bench.setup.model
    turns = [turn for c in bench.conversations.values() for turn in c.turns]
    turn = turn_tokens(1, round(fmean(len(turn.text) for turn in turns)))
    inputs = {
        "store": min(model.limits.window * turn, model.limits.window_tokens),
        "retrieve": _QUESTION_TOKENS,
        "answer": _memory_tokens(bench),
        "refine": tools_tokens() + bench.history_tokens // 4,  # a history grows from nothing
    }
    room = max(bench.example_tokens, LEAST_EXAMPLE)
    costs: dict[Target, Cost] = {}
    for module, module_calls in calls.items():
        if not module_calls:
            continue
        # Half as many examples as a prompt may hold, each with its memory cut to `room`.
        demos = max_demos / 2 * min(inputs[module], room)
        costs[module] = estimate(
            model,
            module,
            getattr(bench.setup.program, module),
            calls=module_calls,
            inputs=module_calls * (inputs[module] + demos),
            answers=module_calls * (model.limits.window if module == "store" else 1),
        )
    return costs


def _questions(windows: Sequence[dspy.Example]) -> float:
    return fmean(len(window.gold) for window in windows) if windows else 1.0


def _memory_tokens(bench: Bench) -> int:
    """Tokens of memory that an answering model sees: its budget, or all turns if they are fewer."""
    sizes = [sum(len(t.text) for t in c.turns) for c in bench.conversations.values()]
    return min(bench.setup.budget, max(sizes, default=0) // CHARACTERS_A_TOKEN)


def forecast_table(expected: Forecast, is_rest: bool = False) -> Table:
    """The table that `optimize.py` prints before it starts, or goes on with the rest of a run."""
    title = "forecast, on top of what was asked already" if is_rest else "forecast"
    table = Table(box=SIMPLE, title=title)
    table.add_column()
    for column in ("without repairs", "at most"):
        table.add_column(column, justify="right", no_wrap=True)
    cost, most = expected.cost, expected.at_most
    for name, number, highest in (
        ("program runs", expected.runs, expected.runs),
        ("model calls", cost.calls, most.calls),
        ("of the prompt model", expected.proposals, expected.proposals),
        ("tokens in", cost.tokens_in, most.tokens_in),
        ("tokens out", cost.tokens_out, most.tokens_out),
    ):
        table.add_row(name, f"{number:,}", f"{highest:,}")
    if expected.minutes is not None and cost.calls:
        table.add_row("seconds a call", f"{60 * expected.minutes / cost.calls:.1f}", "")
    table.add_row("cost", cost.price_text, most.price_text)
    if expected.minutes is not None:
        table.add_row("minutes", f"{expected.minutes:.0f}", "")
    return table
