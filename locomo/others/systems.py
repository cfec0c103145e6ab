"""Other memories as systems: a ranking fills the budget, and the same model answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from locomo.dataset.format import Conversation, Question
from locomo.harness import PROMPT_TOKENS, Result, Setup
from locomo.others.rankings import Found
from locomo.systems import AnsweringAlone, answer_cost, ask_about_turns
from memory.models import Cost

_MILLISECONDS = 1000
# Of a context without its prompt: our tokens are not quite the model's own.
_READABLE = 0.75


@dataclass(frozen=True)
class RankedTurns(AnsweringAlone):
    """A memory that ranks turns: the best of them fill the budget.

    `found` is what it has ranked; its search counts among the seconds of an answer.
    """

    name: str
    found: Found

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question; `path` is not read."""
        ranked = self.found[conversation.id].ranked[str(question.index)]
        numbers = _numbers(conversation)
        result = ask_about_turns(
            conversation,
            question,
            self.setup,
            turn_ids=[numbers[source] for source in ranked],
            system=self.name,
        )
        return replace(result, seconds=round(result.seconds + self._search_s(conversation), 3))

    def _search_s(self, conversation: Conversation) -> float:
        """The mean of its searches in this conversation."""
        milliseconds = self.found[conversation.id].search_ms
        return sum(milliseconds) / len(milliseconds) / _MILLISECONDS


def _numbers(conversation: Conversation) -> Mapping[str, int]:
    return {turn.source: number for number, turn in enumerate(conversation.turns, 1)}


@dataclass(frozen=True)
class FullContext(AnsweringAlone):
    """No memory: the whole conversation, or its newest turns where a model cannot read it all."""

    @property
    def _whole(self) -> Setup:
        """The setup with a budget of what the model can read."""
        readable = int(_READABLE * (self.setup.model.limits.context - PROMPT_TOKENS))
        return replace(self.setup, budget=max(readable, self.setup.budget))

    def cost(self, conversation: Conversation, question: Question) -> Cost:
        """One call of the answering module."""
        return answer_cost(self._whole, conversation)

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question; `path` is not read."""
        newest_first: Sequence[int] = range(len(conversation.turns), 0, -1)
        return ask_about_turns(
            conversation, question, self._whole, turn_ids=newest_first, system="full context"
        )
