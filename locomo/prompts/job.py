"""Describes a compile: its data, targets and settings, checked before any model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import dspy

from locomo.choices import MODULES, Reward, Target, compares_speakers
from locomo.dataset.format import Conversation
from locomo.dataset.rows import GoldRows
from locomo.examples.gold import Gold
from locomo.examples.rows_from_gold import right_rows
from locomo.harness import Setup, fingerprint
from locomo.prompts.optimizers import LEAST_EXAMPLES, Options
from locomo.split_data import SplitConversations
from locomo.tasks.modules import (
    Bench,
    Race,
    candidate_of,
    draw,
    example_name,
    measured_target,
)
from locomo.tasks.training_data import ExampleSource, draw_training_data
from memory import InputError
from memory.models import Model
from memory.program import LEAST_EXAMPLE, MOST_OPERATIONS, program_for


@dataclass(frozen=True)
class CompileJob:
    """A compile: `train` has examples for each target, `validation` examples to measure the gain.

    With `gold`, by conversation, memories hold its facts, and no model is asked to store any. With
    `rows`, storing is scored by gold rows instead of questions.
    """

    options: Options
    targets: tuple[Target, ...]
    split: SplitConversations
    train: Mapping[Target, Sequence[dspy.Example]]
    validation: Sequence[dspy.Example]
    setup: Setup
    prompt_model: Model
    reward: Reward
    operations: int = MOST_OPERATIONS
    gold: Mapping[str, Gold] | None = None
    rows: Mapping[str, GoldRows] | None = None

    @property
    def measured(self) -> Target:
        """The target that is measured before and after."""
        return measured_target(self.targets)

    def needed_conversations(self, training: bool) -> list[Conversation]:
        """The conversations whose memories are needed to measure, and to train."""
        used = [] if self.measured == "store" else [*self.validation]
        if training:
            for target, examples in self.train.items():
                used += [] if target == "store" else examples  # a window brings its turns along
        return [
            self.split.conversations[id_] for id_ in dict.fromkeys(e.conversation for e in used)
        ]

    def bench(self, memories: Mapping[str, Path]) -> Bench:
        """The bench of the tasks, on these memories."""
        return Bench(
            setup=self.setup,
            conversations=self.split.conversations,
            memories=memories,
            max_demos=self.options.max_demos,
            speakers=compares_speakers(self.reward, self.targets),
            rows_matter=self.targets == ("retrieve",),
            operations=self.operations,
            rows=self.rows or {},
            race=Race(candidate_of(self.setup.program, "store").key) if self.rows else None,
        )

    def name(self) -> str:
        """A name that is unique to this job and this version of the code."""
        drawn = [*self.train.values(), self.validation]
        options = replace(self.options, num_threads=1)  # what is asked is the same for any number
        # Includes the benchmark's code: `--resume` must not mix the answers of two versions.
        # `fingerprint` includes the code of `memory`.
        code = [path.read_text("utf-8") for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
        made_of = fingerprint(
            self.split.sha256,
            [(model.name, model.api_base) for model in (self.setup.model, self.prompt_model)],
            self.setup.budget,
            [example_name(example) for examples in drawn for example in examples],
            (asdict(options), self.targets, self.split.parts, self.reward, self.operations),
            self.gold is not None,
            code,
            version("dspy"),
        )
        return f"optimize-{made_of}"

    def params(self) -> dict[str, object]:
        """The job's settings, for MLflow."""
        return {
            **asdict(self.options),
            "target": ", ".join(self.targets),
            "data": self.split.data.name,
            "data_sha256": self.split.sha256,
            "model": self.setup.model.name,
            "prompt_model": self.prompt_model.name,
            "reward": self.reward,
            "budget": self.setup.budget,
            "examples": sum(map(len, self.train.values())),
            "validation": len(self.validation),
            **({"operations": self.operations} if "refine" in self.targets else {}),
        }


def prepare_job(
    source: ExampleSource,
    targets: tuple[Target, ...],
    options: Options,
    *,
    setup: Setup,
    prompt_model: Model,
    reward: Reward,
    operations: int = MOST_OPERATIONS,
) -> CompileJob:
    """Draw the examples of each target.

    The windows of an example of storing are the model's, or shorter where these are too few.

    Raises InputError when a target has fewer examples than the optimizer needs, when there is
    nothing to measure the gain on, and when a prompt with its examples would not fit the model's
    context.
    """
    if "refine" in targets and program_for(setup.model).refine is None:
        raise InputError("the packaged model is too small to refine; give a larger --model")
    split, rows = source.split, source.rows
    if 0 < source.num_train < LEAST_EXAMPLES:
        raise InputError(
            f"--num-examples {source.num_train}: {options.optimizer} needs {LEAST_EXAMPLES} "
            "examples; give more"
        )
    is_labelled = bool(rows) and setup.program.quotes_rows
    drawn_from = replace(source, num_train=0) if is_labelled else source
    draw_with = partial(draw_training_data, drawn_from, targets, seed=options.seed)
    window = setup.model.limits.window
    training_data = draw_with(window=window)
    # A model that reads long windows has few of them in a short conversation.
    while "store" in targets and window > 1 and len(training_data.train["store"]) < LEAST_EXAMPLES:
        window //= 2
        training_data = draw_with(window=window)
    if rows and is_labelled:
        labelled = _with_answers(training_data.train["store"], rows)
        drawn = draw(labelled, source.num_train, options.seed)
        train: dict[Target, list[dspy.Example]] = {"store": drawn}
        training_data = replace(training_data, train=train)
        options = replace(options, labelled=True)
    for target, examples in training_data.train.items():
        if len(examples) < LEAST_EXAMPLES:
            raise InputError(
                f"--target {target} has {len(examples)} examples in the training conversations of "
                f"{split.data}, {options.optimizer} needs {LEAST_EXAMPLES}: give --data with more"
            )
    if not training_data.validation:
        ids = ", ".join(split.parts["validation"])
        raise InputError(
            f"the validation conversations of {split.data} ({ids}) have no "
            "question to measure a gain on; give data that has, or another --seed"
        )
    job = CompileJob(
        options=options,
        targets=tuple(target for target in MODULES if target in targets),
        split=split,
        train=training_data.train,
        validation=training_data.validation,
        setup=setup,
        prompt_model=prompt_model,
        reward=reward,
        operations=operations,
        rows=rows,
    )
    _check_room(job)
    return job


def _with_answers(
    examples: Sequence[dspy.Example], rows: Mapping[str, GoldRows]
) -> list[dspy.Example]:
    """Examples of a little model's storing with the prompt's own fields, to be shown whole.

    Without turns of whose statements none can be quoted: there is no right answer.
    """
    answers = {id_: right_rows(rows[id_]) for id_ in {e.conversation for e in examples}}
    labelled = []
    for example in examples:
        if example.first in answers[example.conversation]:
            line, right = answers[example.conversation][example.first]
            shown = dspy.Example(base=example, turn=line, rows=right)
            labelled.append(shown.with_inputs(*example.inputs().keys()))
    return labelled


def _check_room(job: CompileJob) -> None:
    """Raise InputError if a prompt with its examples does not fit the model's context."""
    options, setup = job.options, job.setup
    # An example of storing a turn has no memory in it.
    shows = options.optimizer != "gepa" and options.max_demos > 0 and not job.rows
    if shows and job.bench({}).example_tokens < LEAST_EXAMPLE:
        raise InputError(
            f"--max-demos {options.max_demos}: the examples and {setup.budget} tokens of memory"
            f" do not fit what {setup.model.name} can read; give fewer, or a smaller --budget"
        )
