"""How a program searches a store: by the program's weights, then in the order of a reranker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory.records import Hit
from memory.search.rerank import Reranker, SearchedTurns
from memory.text.turn_filter import TurnFilter


@dataclass(frozen=True)
class Searcher:
    """Searches any store as one program does: the same order in every command, tool and page.

    `weights` has the weights of the ranking's features; None means the packaged ones.
    """

    weights: Mapping[str, float] | None = None
    reranker: Reranker | None = None

    def search(
        self,
        store: SearchedTurns,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
    ) -> list[Hit]:
        """The best k turns of `Store.search`, best first, in the reranker's order.

        When the reranker cannot be used, the ranking's own order stands and a warning is logged
        ("memory.rerank", once until it works again). Raises ModelError like `Store.search`.
        """
        if self.reranker:
            return self.reranker.search(store, text, k, filter, weights=self.weights)
        return store.search(text, k, filter, weights=self.weights)
