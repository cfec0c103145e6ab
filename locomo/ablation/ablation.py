"""An ablation: the systems that it compares, and its figures once they have answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from locomo.ablation.facts import FactsByTurn
from locomo.ablation.report import (
    answer_figures,
    facts_only_figures,
    sql_figures,
    storing_figures,
)
from locomo.ablation.systems import UNTUNED, WHOLE, ablation_systems
from locomo.examples.gold import Gold
from locomo.harness import BuiltMemory, Result, Setup
from locomo.results.figures import Figure
from locomo.results.report import by_system
from locomo.systems import System


@dataclass(frozen=True)
class Ablation:
    """A setup, the untuned one that takes over its modules, and the gold of the conversations.

    `golds` have the facts that their SQL writes. `attempts` is the file that records the first SQL
    for each stored window. When both setups keep `turns_only`, nothing is stored or retrieved.
    """

    setup: Setup
    untuned: Setup
    golds: Sequence[tuple[Gold, FactsByTurn]]
    attempts: Path

    def systems(self) -> dict[str, System]:
        """The systems to compare, by name."""
        return ablation_systems(self.setup, self.untuned, self.attempts)

    def figures(
        self, results: Sequence[Result], built_by: Callable[[Setup], list[BuiltMemory]]
    ) -> list[Figure]:
        """What the scores do not show; `built_by` gives the memories that a setup stored."""
        figures = answer_figures(results)
        if self.setup.turns_only:
            return figures
        figures += facts_only_figures(results)
        answers = by_system(results)
        for name, setup in ((WHOLE, self.setup), (UNTUNED, self.untuned)):
            built = built_by(setup)
            figures += storing_figures(name, built, self.golds)
            figures += sql_figures(name, setup.model, built, self.attempts, answers[name])
        return figures
