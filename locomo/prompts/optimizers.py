"""Runs DSPy's optimizers on one task, and bounds the number of their runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dspy
from dspy.teleprompt.gepa import InstructionProposer
from dspy.utils.exceptions import AdapterParseError, LMError

from locomo.choices import Optimizer, Target
from locomo.prompts.instructions import OwnInstructions, can_propose
from locomo.prompts.scoreboard import Scoreboard
from locomo.tasks.measure import log_to_file
from memory.models import CompletionAdapter, Model

_T = TypeVar("_T")
# SIMBA's steps, MIPROv2's trials, GEPA's proposals, one pass of the random search; with the
# packaged model, which makes about one call a second on two cores, what takes ten minutes on the
# sample.
ROUNDS: dict[Optimizer, int] = {"bootstrap": 1, "simba": 4, "miprov2": 10, "gepa": 12}
LIGHT_ROUNDS: dict[Optimizer, int] = {"bootstrap": 1, "simba": 1, "miprov2": 4, "gepa": 4}
MOST_IN_BATCH = 16  # of SIMBA, which refuses fewer examples than its batch has
# Of SIMBA a step, of the others in all: instructions, sets of examples.
CANDIDATES = {"bootstrap": 6, "simba": 4, "miprov2": 6}
_OWN_SETS = 3  # that the random search tries besides: without examples, the first ones, drawn ones
PROGRAM_TOKENS = 8_000  # MIPROv2 shows the prompt model the program's code and a summary of it
LEAST_CANDIDATES = 2
MINIBATCH = 3  # examples that GEPA reflects on at a time
LEAST_EXAMPLES = 8
# An example of the program at work is worth showing when it earned this much.
WORTH_SHOWING = 0.6


class Proposals(CompletionAdapter):
    """Asks the prompt model for instructions, and records its failures.

    MIPROv2 would end with an error on a failure; it gets the current instruction instead. With
    `instructions` of our own no model is asked for any.
    """

    def __init__(self, instructions: OwnInstructions | None = None) -> None:
        super().__init__()
        self.instructions = instructions
        self.failed: list[str] = []

    def __call__(
        self, lm: dspy.LM, lm_kwargs: Any, signature: Any, demos: Any, inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if self.instructions and (
            proposal := self.instructions.proposal([*signature.output_fields], inputs)
        ):
            return [proposal]
        try:
            replies = super().__call__(lm, lm_kwargs, signature, demos, inputs)
            return [{name: _sendable(value) for name, value in r.items()} for r in replies]
        except (AdapterParseError, LMError) as error:
            self.failed.append(_sendable(" ".join(str(error).split())[:200]))
            if "proposed_instruction" in signature.output_fields:
                return [{"proposed_instruction": inputs["basic_instruction"]}]
            raise


def _sendable(value: Any) -> Any:
    # An instruction with half a surrogate pair is refused by DSPy, which would end the compile.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@dataclass(frozen=True)
class Options:
    """How to optimize. `rounds`: see ROUNDS; `max_demos`: examples in a prompt, not for GEPA.

    `candidates` is how many prompts SIMBA tries a step and others in all; 0: see CANDIDATES.
    With `labelled`, examples have the fields of the prompt and are shown as is.
    """

    optimizer: Optimizer
    rounds: int
    max_demos: int
    num_threads: int
    seed: int
    candidates: int = 0
    labelled: bool = False

    @property
    def number_of_candidates(self) -> int:
        """The number of candidates, whatever was asked for."""
        return self.candidates or CANDIDATES.get(self.optimizer, 0)


def run_optimizer(
    student: dspy.Module,
    examples: Sequence[dspy.Example],
    board: Scoreboard,
    options: Options,
    model: Model,
    prompt_model: Model,
    target: Target,
    log: Path,
) -> tuple[dspy.Module, list[str]]:
    """Let an optimizer compile a student on the examples; all rewards go to the scoreboard.

    Instructions are proposed by the prompt model, or come from our own list for this target where
    it is too small. The optimizer's own messages go to the file `log`. Returns the compiled
    student, and why proposals of the prompt model failed. Passes on what stops it: BudgetSpent,
    TooManyFailures, KeyboardInterrupt.
    """
    instructions = None if can_propose(prompt_model) else OwnInstructions(target)
    proposals = Proposals(instructions)
    learn, select = halves(examples)
    common = {"metric": board, "num_threads": options.num_threads}
    with dspy.context(lm=model.lm, adapter=proposals), log_to_file(log):
        if options.optimizer == "simba":
            simba = dspy.SIMBA(
                **common,
                bsize=simba_batch(len(examples)),
                num_candidates=options.number_of_candidates,
                max_steps=options.rounds,
                max_demos=options.max_demos,
                prompt_model=prompt_model.lm,
            )
            compiled = simba.compile(student, trainset=list(examples), seed=options.seed)
        elif options.optimizer == "bootstrap":
            # DSPy takes one of the model's own answers at least, if one is right.
            search = dspy.BootstrapFewShotWithRandomSearch(
                **common,
                max_bootstrapped_demos=1 if options.labelled else options.max_demos,
                max_labeled_demos=options.max_demos if options.labelled else 0,
                num_candidate_programs=options.number_of_candidates,
                metric_threshold=WORTH_SHOWING,
                max_errors=len(examples) * 1_000,
            )
            compiled = search.compile(student, trainset=learn, valset=select)
        elif options.optimizer == "miprov2":
            mipro = dspy.MIPROv2(
                **common,
                prompt_model=prompt_model.lm,
                task_model=model.lm,
                auto=None,
                num_candidates=options.number_of_candidates,
                max_bootstrapped_demos=1 if options.labelled else options.max_demos,
                # Else an example's fields are not a prompt's.
                max_labeled_demos=options.max_demos if options.labelled else 0,
                metric_threshold=WORTH_SHOWING,
                max_errors=len(examples) * 1_000,
                seed=options.seed,
            )
            trials = {"num_trials": options.rounds, "minibatch": False, "seed": options.seed}
            trials["program_aware_proposer"] = prompt_model.limits.context > PROGRAM_TOKENS
            if instructions:  # what describes data and program is written for who proposes
                aware = ("program_aware", "data_aware", "tip_aware", "fewshot_aware")
                trials |= {f"{kind}_proposer": False for kind in aware}
            compiled = mipro.compile(student, trainset=learn, valset=select, **trials)
        else:
            gepa = dspy.GEPA(
                **common,
                max_metric_calls=_gepa_runs(len(select), options.rounds),
                gepa_kwargs={"stop_callbacks": lambda state: state.i + 1 >= options.rounds},
                reflection_minibatch_size=MINIBATCH,
                reflection_lm=prompt_model.lm,
                instruction_proposer=InstructionProposer(adapter=proposals),
                warn_on_score_mismatch=False,
                seed=options.seed,
            )
            compiled = gepa.compile(student, trainset=learn, valset=select)
    return compiled, proposals.failed


def halves(examples: Sequence[_T]) -> tuple[list[_T], list[_T]]:
    """Two fifths of the examples to learn from, the rest to select by, for MIPROv2 and GEPA."""
    learn = [example for n, example in enumerate(examples) if n % 5 in (1, 3)]
    return learn, [example for n, example in enumerate(examples) if n % 5 not in (1, 3)]


def simba_batch(examples: int) -> int:
    """The size of SIMBA's mini-batches: all examples where they are few."""
    return min(MOST_IN_BATCH, examples)


def program_runs(optimizer: Optimizer, examples: int, rounds: int, candidates: int = 0) -> int:
    """The most program runs of a compile, including the plain prompt's."""
    learn, select = map(len, halves(range(examples)))
    candidates = candidates or CANDIDATES.get(optimizer, 0)
    if optimizer == "simba":
        sampled = rounds * simba_batch(examples) * (2 * candidates + 1)
        return examples + sampled + (min(rounds, candidates) + 1) * examples
    if optimizer == "bootstrap":
        return examples + (candidates + _OWN_SETS) * (learn + select)
    if optimizer == "miprov2":
        # Of the sets of examples one is empty; all others are found by running the program.
        return examples + (candidates - 1) * learn + (rounds + 1) * select
    return examples + _gepa_runs(select, rounds)


def prompt_changes(optimizer: Optimizer, examples: int, rounds: int, candidates: int = 0) -> int:
    """How often a compile asks another prompt than in the call before, at most.

    Optimizers run a prompt on all its examples, but for SIMBA's samples: from its second round on
    each is of a prompt that is drawn.
    """
    candidates = candidates or CANDIDATES.get(optimizer, 0)
    if optimizer == "simba":
        samples = (rounds - 1) * simba_batch(examples) * candidates
        return 1 + samples + rounds * (candidates + 1) + min(rounds, candidates) + 1
    if optimizer == "bootstrap":
        return 2 * (candidates + _OWN_SETS)
    if optimizer == "miprov2":
        return 1 + candidates + rounds + 1
    return 2 + 3 * rounds  # the old prompt and the new one on a minibatch, the new one on all


def _gepa_runs(select: int, rounds: int) -> int:
    return select + rounds * (select + 2 * MINIBATCH)


def proposal_calls(optimizer: Optimizer, rounds: int) -> int:
    """The most calls of the prompt model."""
    if optimizer == "simba":
        return rounds * (CANDIDATES["simba"] + 1)
    if optimizer == "bootstrap":
        return 0
    return 12 + 3 * CANDIDATES["miprov2"] if optimizer == "miprov2" else rounds
