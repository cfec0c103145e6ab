"""The trained program: the trainee runs the trained modules, the helper runs the frozen ones.

The helper is the packaged model or any other. Each model gets prompts in its own format.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt.bootstrap_trace import FailedPrediction
from dspy.utils.exceptions import AdapterParseError

from locomo.choices import Target
from locomo.harness import probe
from locomo.tasks.modules import Bench, task
from locomo.weights.grpo import GrpoSettings
from memory import MemoryProgram, load_model
from memory.models import Model, is_file, is_packaged
from memory.program import plain_program

if TYPE_CHECKING:
    from locomo.weights.record import TrainingPlan

SERVED = "openai/arbor:"  # what the name of a model at Arbor begins with
# The reward of an answer that cannot be parsed: below that of any other. ArborGRPO would skip the
# whole group for one such answer (decision 29).
FORMAT_FAILURE = -1.0
# Tokens of a large model's prompt besides the memory that it shows: instructions, fields, question.
_AROUND_MEMORY = 1_024
_AROUND_WINDOW = 2_000  # and besides a window of turns
# And besides the history of an episode that refines: of these 1,320 describe the six tools. So much
# of a history is shown in any case.
_AROUND_HISTORY, _LEAST_HISTORY = 3_000, 400


class TraineeAdapter(dspy.ChatAdapter):
    """Formats prompts for the trainee as in training, and for the helper in its own format.

    The helper's answers are cached: all rollouts of a group ask it the same. An answer of the
    trainee that cannot be parsed is traced by its signature, as a failure to learn from.
    """

    def __init__(self, trained: dspy.Adapter, helped: dspy.Adapter) -> None:
        # ArborGRPO requires it: a second attempt in JSON would answer another prompt.
        super().__init__(use_json_adapter_fallback=False)
        self._trained, self._helped = _strict(trained), helped
        self._helper_lock = Lock()

    def __deepcopy__(self, memo: object) -> "TraineeAdapter":
        return self  # optimizers copy programs; the lock is one for all rollouts

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        if not lm.model.startswith(SERVED):
            # The first of a group's rollouts pays for an answer, the others read it from the cache.
            with self._helper_lock:
                return self._helped(lm, lm_kwargs, signature, demos, inputs)
        try:
            return self._trained(lm, lm_kwargs, signature, demos, inputs)
        except AdapterParseError as error:
            if dspy.settings.trace is not None:
                failed = FailedPrediction(error.lm_response, FORMAT_FAILURE)
                dspy.settings.trace.append((signature, dict(inputs), failed))
            raise

    def format(
        self,
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        return self._trained.format(signature, demos, inputs)

    def format_assistant_message_content(
        self,
        signature: type[dspy.Signature],
        outputs: dict[str, Any],
        missing_field_message: str | None = None,
    ) -> str:
        return self._trained.format_assistant_message_content(
            signature, outputs, missing_field_message
        )


def _strict(adapter: dspy.Adapter) -> dspy.Adapter:
    """The adapter, for which a text without any field of the prompt cannot be parsed.

    Each output of an answer may be missing, since a look takes its place.
    """
    strict = copy(adapter)

    def parse(signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        outputs: dict[str, Any] = adapter.parse(signature, completion)
        if all(value is None for value in outputs.values()):
            name = type(adapter).__name__
            raise AdapterParseError(name, signature=signature, lm_response=completion)
        return outputs

    strict.parse = parse
    return strict


class MultiTaskProgram(dspy.Module):
    """The tasks of several targets as one program, because GRPO trains one program.

    An example names its target, so that each step has one group: of several groups ArborGRPO
    would use one and throw the rollouts of the others away.
    """

    def __init__(
        self,
        program: MemoryProgram,
        targets: Sequence[Target],
        trained: Sequence[Target],
        bench: Bench,
        lm: dspy.LM,
    ) -> None:
        super().__init__()
        for target in targets:
            target_task = task(program, target, bench)
            for name in trained:
                predictor = getattr(target_task.program, name).predict
                predictor.lm = lm
                predictor.demos = []  # weights are tuned without examples in the prompt
            setattr(self, f"{target}_task", target_task)

    def forward(self, target: str, **inputs: Any) -> dspy.Prediction:
        """Run the task of an example's target."""
        return getattr(self, f"{target}_task")(**inputs)


def with_target(examples: Sequence[dspy.Example], target: Target) -> list[dspy.Example]:
    """The examples with their target among the inputs."""
    return [
        dspy.Example(base=example, target=target).with_inputs(*example.inputs().keys(), "target")
        for example in examples
    ]


def with_trainee(bench: Bench, trained: dspy.Adapter) -> Bench:
    """A bench that runs some modules on the trainee and the others on the helper.

    The helper's cache is on: its answers to one question are the same in all rollouts.
    """
    helper = bench.setup.model
    adapter = TraineeAdapter(trained, helper.adapter)
    model = replace(helper, lm=helper.lm.copy(cache=True), adapter=adapter)
    return replace(bench, setup=replace(bench.setup, model=model), whole=True)


def with_episodes(bench: Bench, operations: int, settings: GrpoSettings) -> Bench:
    """A bench whose episodes have this many operations, and prompts that the trainee can read."""
    history_tokens = max(settings.prompt_tokens - _AROUND_HISTORY, _LEAST_HISTORY)
    return replace(bench, operations=operations, history_tokens=history_tokens)


def working_model(
    student: Model, helper: Model, targets: Sequence[Target], settings: GrpoSettings
) -> Model:
    """The helper, with the student's limits for the modules that the student runs.

    A context must fit the model that reads it.
    """
    room, its = settings.prompt_tokens, student.limits
    limits = helper.limits
    if "store" in targets:
        tokens = its.window_tokens if its.are_own else max(room - _AROUND_WINDOW, 200)
        # Fewer turns in fewer tokens: each is shown as much of as a digest shows.
        share = min(tokens / its.window_tokens, 1.0)
        window = max(int(its.window * share), 1)
        limits = replace(limits, window=window, window_tokens=tokens)
    if "answer" in targets and its.are_own:
        limits = replace(limits, context=its.context, budget=its.budget)
    elif "answer" in targets:
        limits = replace(limits, context=settings.context, budget=max(room - _AROUND_MEMORY, 256))
    return replace(helper, limits=limits)


def trained_program(student: Model, helper: Model, targets: Sequence[Target]) -> MemoryProgram:
    """The helper's program, whose student modules have the student's prompts."""
    program, of_student = plain_program(helper), plain_program(student)
    if "store" in targets:
        program.store, program.stores_facts = of_student.store, True
    if "retrieve" in targets and of_student.retrieve:
        program = program.with_retrieve(of_student.retrieve)
    if "answer" in targets:
        program = program.with_answer(of_student.answer)
    return program


def tuned_task(plan: "TrainingPlan", base: str, adapter: Path | None) -> dspy.Module:
    """The task that a plan measures, with an adapter of the base as llama.cpp uses it."""
    model = load_model(base, adapter=adapter)
    setup = plan.bench.setup
    bench = replace(plan.bench, setup=replace(setup, model=model, budget=model.limits.budget))
    # A file's model has examples in its prompts until it is tuned.
    targets = tuple(plan.train)
    program = trained_program(model, model, targets) if is_file(base) else plan.program
    return task(program, plan.measured, bench)


def load_helper(name: str, api_base: str | None) -> Model:
    """The model that runs the modules that are not tuned.

    Raises ModelError, before any work is done, when a hosted one does not answer or lacks a key.
    """
    helper = load_model(name, api_base=api_base)
    if helper.server:
        probe(helper)
    return helper


def student_of(name: str) -> Model:
    """A student's prompt format and limits; a served model is not called."""
    if is_packaged(name) or is_file(name) or Path(name).is_dir():
        return load_model(name)
    return load_model(f"openai/{name}", prompts="full")  # the ones it is trained with
