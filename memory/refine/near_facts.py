"""Ranks facts for a text: by their own words, and by the ranking of their source turns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from memory.records import Fact, Hit
from memory.text.words import forms_of, telling_words, words


def near_facts(
    text: str,
    facts: Iterable[Fact],
    turn_ids: Mapping[int, Collection[int]],
    hits: Sequence[Hit],
) -> list[tuple[Fact, float]]:
    """Facts with their nearness to a text, 0 to 1, nearest first.

    Half of the nearness is the share of the text's words that the fact contains. The other half is
    the score of the fact's best turn, divided by the score of the best turn of all.

    Arguments:
        turn_ids: the source turns of each fact, by the fact's id.
        hits: the turns, ranked for the text.
    """
    query = [forms_of([word]) for word in telling_words(text)]
    scores = turn_scores(hits)

    def nearness(fact: Fact) -> float:
        forms = _fact_forms(fact)
        share = sum(not word.isdisjoint(forms) for word in query) / max(len(query), 1)
        best = max((scores.get(turn_id, 0.0) for turn_id in turn_ids[fact.id]), default=0.0)
        return (share + best) / 2

    ranked = [(fact, nearness(fact)) for fact in facts]
    return sorted(ranked, key=lambda pair: (-pair[1], pair[0].id))


# A draft ranks the same facts hundreds of times: for each question and each operation.
@lru_cache(maxsize=20_000)
def _fact_forms(fact: Fact) -> frozenset[str]:
    texts = (fact.subject, fact.attribute, fact.value, fact.happened_on)
    return frozenset(forms_of(words(" ".join(texts))))


def turn_scores(hits: Sequence[Hit]) -> Mapping[int, float]:
    """The score of each turn divided by the best score, 0 to 1."""
    best = hits[0].score if hits else 0.0
    return {hit.turn_id: max(hit.score, 0.0) / best if best > 0 else 0.0 for hit in hits}
