"""What answers of the trained modules are worth to a memory, and what these modules are asked.

A task of the memory is run once to see the prompt, and once for each answer to see what it earns.
"""

import random
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple, Protocol

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from dspy.teleprompt.bootstrap_trace import FailedPrediction

from locomo.choices import Target
from locomo.tasks.rewards import metric_of
from locomo.weights.record import TrainingPlan, mean_numbers
from locomo.weights.steps import StepRecord
from locomo.weights.trainee import (
    FORMAT_FAILURE,
    SERVED,
    MultiTaskProgram,
    with_target,
    with_trainee,
)
from memory import InputError
from memory.models import chat_messages

_NUMBERS = ("kl", "loss", "grad_norm", "learning_rate")  # of a step, by TRL's names


class OneAnswer:
    """A DSPy engine that gives one answer to every request, and keeps the first prompt."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.prompt: list[Mapping[str, str]] = []

    def complete(self, request: Request) -> Response:
        self.prompt = self.prompt or list(chat_messages(request))
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(self.answer)]),
            finish_reason="stop",
            usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )


class Encoder(Protocol):
    """A student, or what reads its prompts as it does."""

    def encode(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a conversation up to the beginning of the model's answer."""


class _Judged(NamedTuple):
    score: Any  # the metric's prediction
    reward: float
    sql_ran: float  # the share of the example's questions whose SQL ran


class MemoryReward:
    """What answers of the trained modules are worth to a memory, and what they are asked.

    An example's task runs with an answer that is given; all other modules are the helper's.
    """

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        self._bench = with_trainee(plan.bench, plan.adapter)
        self._judge = metric_of(plan.reward, plan.measured)
        self.examples: list[dspy.Example] = []
        self.scores: list[Any] = []  # the metric's predictions since they were last taken
        self.sql_ran: list[float] = []

    def rows(self, student: Encoder, number: int) -> list[dict[str, Any]]:
        """The prompts of `number` examples in the order of training, by the plan's seed.

        One whose prompt is too long for the student is left out. Raises InputError when all are.
        """
        plan = self._plan
        every = [
            example for target in plan.train for example in with_target(plan.train[target], target)
        ]
        order = random.Random(plan.seed).sample(every, len(every))  # noqa: S311
        rows = []
        for example in order[:number]:
            prompt = self._asked(example)
            if prompt and len(student.encode(prompt)) <= plan.settings.prompt_tokens:
                rows.append({"prompt": prompt, "example": len(self.examples)})
                self.examples.append(example)
        if not rows:
            raise InputError(
                f"no example has a prompt of at most {plan.settings.prompt_tokens} tokens"
            )
        return rows

    def rewards(self, completions: Sequence[Any], example: Sequence[int], **_: Any) -> list[float]:
        """The reward of each completion, in TRL's form. Equal answers are judged once."""
        answers = [completion[0]["content"] for completion in completions]
        judged: dict[tuple[int, str], _Judged] = {}
        for number, answer in zip(example, answers, strict=True):
            if (number, answer) not in judged:
                judged[number, answer] = self._judged(self.examples[number], answer)
            self.scores.append(judged[number, answer].score)
            self.sql_ran.append(judged[number, answer].sql_ran)
        return [judged[key].reward for key in zip(example, answers, strict=True)]

    def _judged(self, example: dspy.Example, answer: str) -> _Judged:
        with dspy.context(trace=[]):
            outcome = self._run(example, OneAnswer(answer))
            unreadable = any(isinstance(made, FailedPrediction) for *_, made in dspy.settings.trace)
        ran = [bool(each.sql) for each in outcome.outcomes]
        score = self._judge(example, outcome)
        # As on Arbor: an answer out of form earns less than any other.
        reward = FORMAT_FAILURE if unreadable else float(score.score)
        return _Judged(score, reward=reward, sql_ran=fmean(ran) if ran else 0.0)

    def _asked(self, example: dspy.Example) -> list[Mapping[str, str]]:
        engine = OneAnswer()
        self._run(example, engine)
        return engine.prompt

    def _run(self, example: dspy.Example, engine: OneAnswer) -> Any:
        target: Target = example.target
        program = MultiTaskProgram(
            self._plan.program,
            targets=(target,),
            trained=(target,),
            bench=self._bench,
            lm=dspy.LM(f"{SERVED}policy", engine=engine, cache=False, num_retries=0),
        )
        return program(**example.inputs())

    def step_record(self, step: int, numbers: Mapping[str, float], seconds: float) -> StepRecord:
        """A step by the trainer's numbers, in TRL's names, and the scores since the step before."""
        components = mean_numbers(self.scores)
        trainer = {name: numbers[name] for name in _NUMBERS if name in numbers}
        trainer["completion_length"] = numbers["completions/mean_length"]
        trainer["no_difference"] = numbers.get("frac_reward_zero_std", 0.0)
        row = StepRecord(
            step=step,
            reward=numbers["reward"],
            spread=numbers["reward_std"],
            seconds=round(seconds, 2),
            components=components,
            valid_sql=fmean(self.sql_ran) if self.sql_ran else 0.0,
            trainer=trainer,
            own=self._plan.own_part(components),
        )
        self.scores, self.sql_ran = [], []
        return row
