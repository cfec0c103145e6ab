"""What compiling will take: program runs, model calls, tokens, dollars. An upper estimate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import dspy
from rich.box import SIMPLE
from rich.table import Table

from locomo.dataset.format import Conversation
from locomo.prompts.optimizers import Options, program_runs, proposal_calls
from locomo.tasks.modules import LEAST_DEMO, Bench, Target
from memory import Model

# Tokens of what stands around the inputs, and of an answer: for a hosted and the packaged model.
_AROUND = {"store": (1_100, 330), "retrieve": (1_600, 330), "answer": (450, 250)}
_ANSWERED = {"store": (60, 25), "retrieve": (150, 60), "answer": (40, 12)}  # of store for a turn
_PROPOSAL = (6_000, 600)  # tokens in and out of one call of the prompt model
_LOCAL_CALL_S = 0.7  # two cores, two copies
_CHARACTERS = 4  # a token
LARGE_DOLLARS, LARGE_CALLS, LARGE_MINUTES = 1.0, 1_000, 15.0


@dataclass(frozen=True)
class Forecast:
    """What a compile takes at most. `dollars` and `minutes` are None when they are not known."""

    runs: int
    calls: int
    proposals: int
    tokens_in: int
    tokens_out: int
    dollars: float | None
    minutes: float | None

    @property
    def large(self) -> bool:
        """Whether to ask before it starts."""
        if self.minutes is not None:
            return self.minutes > LARGE_MINUTES
        unpriced = self.dollars is None and self.calls > LARGE_CALLS
        return unpriced or (self.dollars or 0.0) > LARGE_DOLLARS


def forecast(
    examples: Mapping[Target, Sequence[dspy.Example]],
    measured: Target,
    validation: int,
    stored: Sequence[Conversation],
    bench: Bench,
    options: Options,
    prompt_model: Model,
) -> Forecast:
    """Estimate a compile of the targets that have examples.

    Arguments:
        examples: what each target is compiled on.
        measured: the target that is measured before and after.
        validation: on how many examples it is measured.
        stored: the conversations whose memories are to be built first.
    """
    model = bench.setup.model
    local = model.packaged
    calls = dict.fromkeys(_AROUND, 0)
    runs = proposals = 0
    for target, target_examples in examples.items():
        target_runs = program_runs(options.optimizer, len(target_examples), options.rounds)
        runs += target_runs
        proposals += proposal_calls(options.optimizer, options.rounds)
        _count(
            calls,
            target,
            runs=target_runs,
            examples=len(target_examples),
            questions=_questions(target_examples),
        )
    runs += 2 * validation  # before and after
    _count(
        calls,
        measured,
        runs=2 * validation,
        examples=validation,
        questions=_questions(examples.get("store", ())),
    )
    calls["store"] += sum(-(-len(c.turns) // model.window) for c in stored)

    tokens_in, tokens_out = _tokens(calls, bench, options.max_demos)
    total = sum(calls.values()) + proposals
    return Forecast(
        runs=runs,
        calls=total,
        proposals=proposals,
        tokens_in=int(tokens_in) + proposals * _PROPOSAL[0],
        tokens_out=int(tokens_out) + proposals * _PROPOSAL[1],
        dollars=_dollars(
            model, prompt_model, tokens_in=tokens_in, tokens_out=tokens_out, proposals=proposals
        ),
        minutes=total * _LOCAL_CALL_S / 60 if local and prompt_model.packaged else None,
    )


def _count(
    calls: dict[str, int], target: Target, runs: int, examples: int, questions: float
) -> None:
    """Add the calls of so many runs; what is asked again word for word costs nothing."""
    if target == "store":
        calls["store"] += runs
        calls["retrieve"] += int(runs * questions)
        calls["answer"] += int(runs * questions)
    else:
        calls["retrieve"] += runs if target == "retrieve" else examples
        calls["answer"] += runs


def _tokens(calls: Mapping[str, int], bench: Bench, max_demos: int) -> tuple[float, float]:
    """Tokens in and out of so many calls of each module."""
    model = bench.setup.model
    turn = fmean(len(t.text) for c in bench.conversations.values() for t in c.turns) / _CHARACTERS
    window = min(model.window * (turn + 15), model.window_tokens)
    inputs = {"store": window, "retrieve": 20.0, "answer": float(_memory_tokens(bench))}
    room = max(bench.demo_tokens, LEAST_DEMO)
    tokens_in = tokens_out = 0.0
    for module, module_calls in calls.items():
        # Half as many examples as a prompt may hold, each with its memory cut to `room`.
        demos = max_demos / 2 * min(inputs[module], room)
        tokens_in += module_calls * (_AROUND[module][model.packaged] + inputs[module] + demos)
        answers = model.window if module == "store" else 1
        tokens_out += module_calls * _ANSWERED[module][model.packaged] * answers
    return tokens_in, tokens_out


def _dollars(
    model: Model, prompt_model: Model, tokens_in: float, tokens_out: float, proposals: int
) -> float | None:
    """What a model's tokens and a prompt model's proposals cost; None without both prices."""
    if not (model.price and prompt_model.price):
        return None
    price_in, price_out = model.price
    proposal_price_in, proposal_price_out = prompt_model.price
    proposal = _PROPOSAL[0] * proposal_price_in + _PROPOSAL[1] * proposal_price_out
    return tokens_in * price_in + tokens_out * price_out + proposals * proposal


def _questions(windows: Sequence[dspy.Example]) -> float:
    return fmean(len(window.gold) for window in windows) if windows else 1.0


def _memory_tokens(bench: Bench) -> int:
    """The memory that an answering model sees: its budget, or all turns where they are fewer."""
    sizes = [sum(len(t.text) for t in c.turns) for c in bench.conversations.values()]
    return min(bench.setup.budget, max(sizes, default=0) // _CHARACTERS)


def forecast_table(expected: Forecast) -> Table:
    """What `optimize.py` shows before it starts."""
    table = Table(box=SIMPLE, title="forecast: at most", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("program runs", f"{expected.runs:,}")
    table.add_row("model calls", f"{expected.calls:,}")
    table.add_row("of the prompt model", f"{expected.proposals:,}")
    table.add_row("tokens in", f"{expected.tokens_in:,}")
    table.add_row("tokens out", f"{expected.tokens_out:,}")
    known = "price unknown" if expected.dollars is None else f"$ {expected.dollars:.2f}"
    table.add_row("cost", known)
    if expected.minutes is not None:
        table.add_row("minutes", f"{expected.minutes:.0f}")
    return table
