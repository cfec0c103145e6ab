"""How a program searches a store: by the program's weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from memory.records import Hit
from memory.text.turn_filter import TurnFilter


class SearchedTurns(Protocol):
    """The turns of a store, as far as a search needs them."""

    def search(
        self,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The best k turns by the ranking, best first."""


@dataclass(frozen=True)
class Searcher:
    """Searches any store as one program does: the same order in every command, tool and page.

    `weights` has the weights of the ranking's features; None means the packaged ones.
    """

    weights: Mapping[str, float] | None = None

    def search(
        self,
        store: SearchedTurns,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
    ) -> list[Hit]:
        """The best k turns of `Store.search`, best first. Raises ModelError as that does."""
        return store.search(text, k, filter, weights=self.weights)
