"""Memories in the templates of an ltm_config.json, as the long_term_memory extension has them."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from memory.evidence.ago import time_difference
from memory.evidence.lines import marked
from memory.evidence.ltm_config import LtmConfig, fill
from memory.records import Turn
from memory.search.embed import load_embedder
from memory.store import Store
from memory.text.characters import one_line
from memory.text.passages import excerpt
from memory.text.tokens import count_tokens
from memory.text.turn_lines import speaker_name

_FIRST_EMBEDDED = 16  # then twice as many each time: mostly the first are near enough
_LEAST_PASSAGE = 200  # characters; below that the turn's beginning, as sentences are longer


def near_turns(
    store: Store, question: str, turns: Sequence[Turn], *, places: int, distance: float
) -> Iterator[Turn]:
    """The first `places` of the turns whose cosine distance to the question is below `distance`."""
    embed = load_embedder(store.vectors.embedder)
    # In batches: embedding stops when there are enough near turns.
    begin, size = 0, _FIRST_EMBEDDED
    while begin < len(turns) and places:
        batch = turns[begin : begin + size]
        begin, size = begin + size, 2 * size
        vectors = embed([question, *(turn.text for turn in batch)])
        is_near = 1 - vectors[1:] @ vectors[0] < distance
        near = [turn for turn, is_it in zip(batch, is_near, strict=True) if is_it][:places]
        yield from near
        places -= len(near)


def templated(
    turns: Sequence[Turn],
    question: str,
    budget: int | None,
    *,
    config: LtmConfig,
    names: Mapping[str, str],
    now: datetime | None,
    marks: Mapping[int, str],
) -> tuple[list[str], str]:
    """As many of the best turns as fit a budget, as memories, and their text.

    Of a message longer than the configuration allows, keeps the sentences that the question asks
    for. If not even the best turn fits, cuts its message until it does.
    """

    cutoff = config.ltm_reads.memory_length_cutoff_in_chars

    def memory(turn: Turn, characters: int) -> str:
        values = {
            "time_difference": time_difference(turn.said_at, now),
            "memory_name": speaker_name(turn.speaker),
            "memory_message": marked(
                one_line(_message(turn, question, cutoff))[:characters], marks.get(turn.id, "")
            ),
        }
        return fill(config.ltm_context.memory_template, values)

    def text(memories: Sequence[str]) -> str:
        values = {**names, "all_memories": "\n".join(memories)}
        return fill(config.ltm_context.memory_context_template, values).strip()

    memories = [memory(turn, cutoff) for turn in turns]
    count = _highest_within(len(turns), budget, lambda n: text(memories[:n]))
    if turns and not count:
        best = turns[0]
        longest = min(cutoff, len(best.text))
        length = _highest_within(longest, budget, lambda n: text([memory(best, n)]))
        memories = [memory(best, length)]
        count = min(length, 1)
    memories = memories[:count]
    return memories, text(memories) if memories else ""


def _message(turn: Turn, question: str, limit: int) -> str:
    """At most `limit` characters of a turn: its best passage where the limit has room for one."""
    if limit < _LEAST_PASSAGE:
        return turn.text[:limit]
    return excerpt(question, turn.text, limit, size=len)


def _highest_within(highest: int, budget: int | None, text: Callable[[int], str]) -> int:
    """The highest number up to `highest` whose text fits a budget; 0 if none does."""
    if budget is None or not highest or count_tokens(text(highest)) <= budget:
        return highest  # mostly all of them fit
    above = bisect_right(range(1, highest + 1), budget, key=lambda n: count_tokens(text(n)))
    # A longer text may have a token less than a shorter one, so this checks the bisection.
    return next((n for n in range(above, 0, -1) if count_tokens(text(n)) <= budget), 0)
