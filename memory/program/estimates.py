"""What work with a program costs, estimated before it is done."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import dspy

from memory.models.completions import prompt_messages
from memory.models.costs import Cost, priced
from memory.models.model import Model

CHARACTERS_A_TOKEN = 4
# Tokens of a turn's line apart from its text: its number, its date, its speaker.
_TURN_LINE_TOKENS = 15
# Tokens of the catalog that a prompt holds, in a memory of a few hundred turns. A small model is
# only asked about the few facts that templates found.
_CATALOG_TOKENS = 400
_SMALL_CATALOG_TOKENS = 150

ModuleName = Literal["store", "retrieve", "answer", "refine"]
# Of an answer, by module; for the store module, per turn. Small models write less.
_ANSWER_TOKENS: Mapping[ModuleName, int] = MappingProxyType(
    {"store": 60, "retrieve": 150, "answer": 40, "refine": 150}
)
_SMALL_ANSWER_TOKENS: Mapping[ModuleName, int] = MappingProxyType(
    {"store": 25, "retrieve": 15, "answer": 12, "refine": 150}
)


def estimate(
    model: Model,
    module: ModuleName,
    prompt: dspy.Module,
    *,
    calls: int,
    inputs: float,
    answers: int | None = None,
) -> Cost:
    """Estimate the cost of calling a module, without repairs.

    Arguments:
        prompt: the module, compiled or plain: its prompt is counted.
        inputs: tokens of the inputs in all these calls, without the catalog.
        answers: the answers that these calls give, if a call gives several: turns to store.
    """
    catalog = _SMALL_CATALOG_TOKENS if model.size == "small" else _CATALOG_TOKENS
    if module == "answer" or (module == "store" and model.size == "small"):
        catalog = 0
    around = prompt_tokens(model, prompt) + catalog
    by_size = _SMALL_ANSWER_TOKENS if model.size == "small" else _ANSWER_TOKENS
    answer_tokens = by_size[module]
    return priced(
        model,
        calls=calls,
        tokens_in=calls * around + inputs,
        tokens_out=(calls if answers is None else answers) * answer_tokens,
    )


def turn_tokens(turns: int, characters: int) -> int:
    """About how many tokens turns have as lines, from their number and total characters."""
    return characters // CHARACTERS_A_TOKEN + turns * _TURN_LINE_TOKENS


def rendered_prompt(model: Model, module: dspy.Module) -> list[dict[str, Any]]:
    """The messages of a module as the model sees them, without inputs."""
    predict = module.predict
    inputs = dict.fromkeys(predict.signature.input_fields, "")
    return prompt_messages(model.adapter, predict.signature, inputs, predict.demos)


def prompt_tokens(model: Model, module: dspy.Module) -> int:
    """About how many tokens a module's prompt has, without its inputs."""
    messages = rendered_prompt(model, module)
    return sum(len(str(message["content"])) for message in messages) // CHARACTERS_A_TOKEN
