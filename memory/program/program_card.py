"""How a program was compiled, and what that gained."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

# Of the three modules' prompts: for large models, and for those of up to 8 billion parameters.
Form = Literal["full", "brief"]


class Card(BaseModel):
    """How a program was compiled, and what that gained.

    `metric` maps the score's components to their weights, `scores` names to measured values; `data`
    is the sha256 of the data file, `conversations` the ids of each part of the split. `prompts` is
    the form of the prompts that were compiled. The verdict is from conversations that the optimizer
    never saw.
    """

    # Strict: unknown keys and values of another type are refused.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str
    optimizer: str
    target: str
    metric: dict[str, FiniteFloat]
    data: str
    conversations: dict[str, list[str]]
    scores: dict[str, FiniteFloat]
    verdict: Literal["gain", "no gain", "too few conversations", "not measured"]
    made_at: str
    prompts: Form = "full"
