"""The steps of a scripted model for an agent framework."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted import UnexpectedPrompt


@dataclass(frozen=True)
class Call:
    """What a scripted model wants done: a tool's name and its arguments."""

    tool: str
    arguments: dict[str, Any]


Steps = Sequence[tuple[str, Call | str]]


@dataclass
class Actor:
    """Goes through the steps; what the model is shown must hold what the step says."""

    steps: Steps
    done: int = 0
    tools: list[str] = field(default_factory=list)

    def act(self, shown: str) -> Call | str:
        if self.done == len(self.steps) or self.steps[self.done][0] not in shown:
            raise UnexpectedPrompt(f"step {self.done + 1} of {len(self.steps)}:\n{shown}")
        self.done += 1
        return self.steps[self.done - 1][1]
