"""Rerankers by name: models that read the question with each of the best turns and reorder them.

The ranking finds the turns; a reranker only changes the order of the best. When it fails, the
order of the ranking stays.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from threading import Lock
from typing import Any, Protocol

from memory.errors import InputError, ModelError
from memory.records import Hit, Turn
from memory.system.counting_loop import AnswerTooLongError
from memory.system.local_models import explain_loading, without_progress_bars
from memory.system.logs import clean_logger
from memory.system.provider_calls import (
    UNPACKED,
    call_seconds,
    explain_failure,
    run,
    server_address,
    too_long,
    too_slow,
    within,
)
from memory.system.providers import load_litellm
from memory.system.terminal import clean_line
from memory.text.characters import sound_text
from memory.text.dates import spoken_date
from memory.text.passages import excerpt
from memory.text.turn_filter import TurnFilter

RERANKED_TURNS = 30
# Cross-encoders of the usual kind read 512 tokens, question included.
PASSAGE_TOKENS = 400
# A person waits for the search, and the ranking's order is ready.
USUAL_SECONDS = 10.0
# After a failure, searches skip the reranker for this time instead of waiting again.
REST_S = 60.0

_EXAMPLE = "cohere/rerank-v3.5"
# Messages of litellm for a provider that is unknown or has no rerankers.
_NO_RERANKER = ("LLM Provider NOT provided", "Unsupported provider")
Judge = Callable[[str, Sequence[str]], Sequence[float]]

_log = clean_logger(__name__)
_loading = Lock()


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

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids, in the order of the ids."""


class Reranker:
    """Reorders the best turns of a search by a model's scores, and pauses after a failure.

    Arguments:
        name: its name in messages.
        judge: maps a question and passages to one score per passage, higher is better. It may raise
            ModelError; a wrong number of scores, or an infinite or NaN score, is a failure.

    `failures` counts the searches that kept the ranking's order because of it.
    """

    def __init__(self, name: str, judge: Judge) -> None:
        self.name = name
        self.failures = 0
        self._judge = judge
        # In monotonic seconds; above 0 after a failure.
        self._retry_at = 0.0

    def search(
        self,
        store: SearchedTurns,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The best k turns of `Store.search`, the first RERANKED_TURNS of them in its own order.

        Hits keep the scores and shares that the ranking gave them. When the model fails, their
        order stays, too, and a warning is logged ("memory.rerank", once until it works again).
        Raises what `Store.search` does, and InputError for a model that does not exist.
        """
        hits = store.search(text, max(k, RERANKED_TURNS), filter, weights)
        # Someone may have forgotten one of them by now.
        turns = store.turns_by_id([hit.turn_id for hit in hits[:RERANKED_TURNS]], missing_ok=True)
        present = {turn.id for turn in turns}
        best = [hit for hit in hits[:RERANKED_TURNS] if hit.turn_id in present]
        scores = self._scores_of(sound_text(text), turns)
        # Sorting keeps the order of equals: the ranking's.
        indices = sorted(range(len(best)), key=lambda index: -scores[index])
        return [*(best[index] for index in indices), *hits[RERANKED_TURNS:]][:k]

    def _scores_of(self, question: str, turns: Sequence[Turn]) -> list[float]:
        """The model's score of each turn; all equal when there is none."""
        equal = [0.0] * len(turns)
        if len(turns) < 2:
            return equal
        if time.monotonic() < self._retry_at:
            self.failures += 1
            return equal
        try:
            scores = self._judge(question, [_passage(question, turn) for turn in turns])
            numbers = _checked(scores, len(turns), self.name)
        except ModelError as error:
            self.failures += 1
            if not self._retry_at:
                _log.warning("using the ranking's order: %s", clean_line(str(error)))
            self._retry_at = time.monotonic() + REST_S
            return equal
        self._retry_at = 0.0
        return numbers


def load_reranker(name: str) -> Reranker:
    """A reranker by name. It calls no model before its first search.

    Arguments:
        name: "sentence-transformers/MODEL", a cross-encoder (or the path of one) on this machine;
            else "provider/MODEL", any reranking model of litellm. Its key is PROVIDER_API_KEY, its
            address PROVIDER_API_BASE, both in the environment.

    Raises InputError for a name without a provider, or when sentence-transformers is missing;
    ModelError when a key is missing.
    """
    provider, _, model = name.partition("/")
    if not provider or not model:
        raise InputError(
            f"the reranker {name!r} names no provider; write sentence-transformers/MODEL for a"
            f" cross-encoder on this machine, or PROVIDER/MODEL as in {_EXAMPLE}"
        )
    if provider != "sentence-transformers":
        server_address(name)  # raises when a key is missing
        return Reranker(name, partial(_hosted_scores, name))
    if find_spec("sentence_transformers") is None:
        raise InputError(f"{name} is not installed; run: uv sync --extra sentence-transformers")
    return Reranker(name, partial(_local_scores, name))


def _passage(question: str, turn: Turn) -> str:
    """A turn as a reranker reads it: date, speaker, and the passages that match the question."""
    said_at = f"({spoken_date(turn.said_at)}) " if turn.said_at else ""
    text = excerpt(question, turn.text, PASSAGE_TOKENS)
    return f"{said_at}{turn.speaker}: {' '.join(text.split())}"


def _checked(scores: Any, count: int, name: str) -> list[float]:
    """Validated scores of a model. Raises ModelError when they are invalid or too few or many."""
    try:
        numbers = [float(score) for score in scores]
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} did not return scores") from error
    if len(numbers) != count:
        raise ModelError(f"{name} returned {len(numbers)} scores for {count} passages")
    if not all(map(math.isfinite, numbers)):
        raise ModelError(f"{name} returned a score that is not finite")
    return numbers


# --- a cross-encoder of sentence-transformers ---------------------------------------------------


def _local_scores(name: str, question: str, passages: Sequence[str]) -> Sequence[float]:
    """Scores by a cross-encoder on this machine; downloads nothing."""
    with _loading:
        model = _cross_encoder(name)
    scores: Sequence[float] = model.predict(
        [(question, passage) for passage in passages], show_progress_bar=False
    )
    return scores


@cache
def _cross_encoder(name: str) -> Any:
    from sentence_transformers import CrossEncoder

    model = name.partition("/")[2]
    try:
        with without_progress_bars():
            return CrossEncoder(model, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(explain_loading(model, model, error)) from error


# --- any reranking model of litellm -------------------------------------------------------------


def _hosted_scores(name: str, question: str, passages: Sequence[str]) -> Sequence[float]:
    """Scores by a hosted model, in one request."""
    litellm = load_litellm()  # here, as the import takes seconds
    seconds = call_seconds(USUAL_SECONDS)
    call = litellm.arerank(
        model=name,
        query=question,
        documents=[*passages],
        top_n=len(passages),
        return_documents=False,
        timeout=seconds,
        headers=UNPACKED,
        **server_address(name),
    )
    try:
        answer = run(within(call, seconds))
    except TimeoutError as error:
        raise ModelError(too_slow(name, seconds)) from error
    except AnswerTooLongError as error:
        raise ModelError(too_long(name)) from error
    except tuple(litellm.LITELLM_EXCEPTION_TYPES) as error:
        if any(words in str(error) for words in _NO_RERANKER):
            raise InputError(
                f"litellm knows no reranker {name}; write for example {_EXAMPLE}"
            ) from error
        raise ModelError(explain_failure(error, name, "scores")) from error
    return _scores_by_index(answer, len(passages), name)


def _scores_by_index(answer: Any, count: int, name: str) -> list[float]:
    """The scores of an answer, in the order of the passages. Raises ModelError."""
    try:
        scores = {result["index"]: result["relevance_score"] for result in answer.results}
        answered = len(answer.results)
    except (AttributeError, KeyError, TypeError) as error:
        raise ModelError(f"{name} did not return scores") from error
    if answered != count or scores.keys() != set(range(count)):
        raise ModelError(f"{name} returned {answered} scores for {count} passages, not one each")
    return [scores[index] for index in range(count)]
