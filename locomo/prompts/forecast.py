"""Forecasts the cost of a compile: program runs, model calls, tokens, dollars. An upper bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import dspy
from rich.box import SIMPLE
from rich.table import Table

from locomo.ledger import Spent
from locomo.prompts.job import CompileJob
from locomo.prompts.optimizers import program_runs, proposal_calls
from locomo.tasks.modules import LEAST_DEMO, MODULES, Bench, Target
from memory.program.costs import CHARACTERS_A_TOKEN, Cost, estimate, priced, turn_tokens
from memory.refine.run import tools_tokens

_PROPOSAL = (6_000, 600)  # tokens in and out of one call of the prompt model
_QUESTION_TOKENS = 20
_LOCAL_CALL_S = 0.7  # two cores, two copies
LARGE_DOLLARS, LARGE_CALLS, LARGE_MINUTES = 1.0, 1_000, 15.0


@dataclass(frozen=True)
class Forecast:
    """The highest cost of a compile; `minutes` is None if unknown.

    `cost` is of all calls; `proposals` are those of the prompt model.
    """

    runs: int
    proposals: int
    cost: Cost
    minutes: float | None

    @property
    def large(self) -> bool:
        """Whether to ask the user before the compile starts."""
        if self.minutes is not None:
            return self.minutes > LARGE_MINUTES
        if self.cost.dollars is None:
            return self.cost.calls > LARGE_CALLS
        return self.cost.dollars > LARGE_DOLLARS

    def after(self, spent: Spent) -> "Forecast":
        """What is left of it when a run is resumed that has spent this much."""
        dollars = self.cost.dollars
        left = Cost(
            max(0, self.cost.calls - spent.calls),
            max(0, self.cost.tokens_in - spent.tokens_in),
            max(0, self.cost.tokens_out - spent.tokens_out),
            None if dollars is None else max(0.0, dollars - spent.dollars),
        )
        share = left.calls / self.cost.calls if self.cost.calls else 1.0
        return replace(self, cost=left, minutes=self.minutes and self.minutes * share)


def forecast(job: CompileJob) -> Forecast:
    """The most that a compile takes, with the memories that are to be built first."""
    bench, options, prompt_model = job.bench({}), job.options, job.prompt_model
    model = job.setup.model
    calls = dict.fromkeys(MODULES, 0)
    runs = proposals = 0
    for target, target_examples in job.train.items():
        target_runs = program_runs(options.optimizer, len(target_examples), options.rounds)
        runs += target_runs
        proposals += proposal_calls(options.optimizer, options.rounds)
        _count(
            calls,
            target,
            runs=target_runs,
            examples=len(target_examples),
            questions=_questions(target_examples),
            operations=bench.operations,
        )
    validation = len(job.validation)
    runs += 2 * validation  # before and after
    _count(
        calls,
        job.measured,
        runs=2 * validation,
        examples=validation,
        questions=_questions(job.train.get("store", ())),
        operations=bench.operations,
    )
    calls["store"] += sum(
        -(-len(c.turns) // model.window) for c in job.needed_conversations(training=True)
    )

    cost = _cost(calls, bench, options.max_demos) + priced(
        prompt_model,
        calls=proposals,
        tokens_in=proposals * _PROPOSAL[0],
        tokens_out=proposals * _PROPOSAL[1],
    )
    # How long a server takes is not known.
    asks_server = model.server or prompt_model.server
    minutes = None if asks_server else cost.calls * _LOCAL_CALL_S / 60
    return Forecast(runs=runs, proposals=proposals, cost=cost, minutes=minutes)


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


def _cost(calls: Mapping[Target, int], bench: Bench, max_demos: int) -> Cost:
    """The cost of a number of calls of each module."""
    model = bench.setup.model
    turns = [turn for c in bench.conversations.values() for turn in c.turns]
    turn = turn_tokens(1, round(fmean(len(turn.text) for turn in turns)))
    inputs = {
        "store": min(model.window * turn, model.window_tokens),
        "retrieve": _QUESTION_TOKENS,
        "answer": _memory_tokens(bench),
        "refine": tools_tokens() + bench.history_tokens // 4,  # a history grows from nothing
    }
    room = max(bench.demo_tokens, LEAST_DEMO)
    cost = Cost()
    for module, module_calls in calls.items():
        # Half as many examples as a prompt may hold, each with its memory cut to `room`.
        demos = max_demos / 2 * min(inputs[module], room)
        cost += estimate(
            model,
            module,
            getattr(bench.setup.program, module),
            calls=module_calls,
            inputs=module_calls * (inputs[module] + demos),
            answers=module_calls * (model.window if module == "store" else 1),
        )
    return cost


def _questions(windows: Sequence[dspy.Example]) -> float:
    return fmean(len(window.gold) for window in windows) if windows else 1.0


def _memory_tokens(bench: Bench) -> int:
    """Tokens of memory that an answering model sees: its budget, or all turns if they are fewer."""
    sizes = [sum(len(t.text) for t in c.turns) for c in bench.conversations.values()]
    return min(bench.setup.budget, max(sizes, default=0) // CHARACTERS_A_TOKEN)


def forecast_table(expected: Forecast, is_rest: bool = False) -> Table:
    """The table that `optimize.py` prints before it starts, or goes on with the rest of a run."""
    title = "forecast: at most, beside what was asked already" if is_rest else "forecast: at most"
    table = Table(box=SIMPLE, title=title, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("program runs", f"{expected.runs:,}")
    table.add_row("model calls", f"{expected.cost.calls:,}")
    table.add_row("of the prompt model", f"{expected.proposals:,}")
    table.add_row("tokens in", f"{expected.cost.tokens_in:,}")
    table.add_row("tokens out", f"{expected.cost.tokens_out:,}")
    table.add_row("cost", expected.cost.price_text)
    if expected.minutes is not None:
        table.add_row("minutes", f"{expected.minutes:.0f}")
    return table
