"""One search over several memories, ranked as one memory that holds all their turns.

A score is worth the same in each of them only where what it is counted against is: how rare a word
is, how far cosines spread, the best session. So these are counted over all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from memory.records import Hit
from memory.search.question import SpeakerNames, read_question
from memory.search.ranking import Features, best_hits, features_of, ordered_weights
from memory.search.word_matches import Counts, WordMatches, counted_matches
from memory.store.protocol import Store
from memory.text.turn_filter import TurnFilter, read_filter


def search_several(
    stores: Sequence[Store],
    text: str,
    k: int,
    filter: TurnFilter | Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
) -> list[tuple[int, Hit]]:
    """The best k turns of several memories, best first, each with the number of its store, from 0.

    Arguments and errors as in `Store.search`.

    Each memory is looked into by itself, three times and never two at once: a process has few
    connections to a server, and searches that wait for each other's would wait for ever. A turn
    that is forgotten in between is not found.
    """
    feature_weights = ordered_weights(weights)
    turn_filter = read_filter(filter)
    if k < 1:
        return []
    names: dict[int, SpeakerNames] = {}
    told_on: dict[int, Sequence[int]] = {}
    newest = 0
    for number, store in enumerate(stores):
        with store.searched(turn_filter) as searched:
            if searched is not None and searched.turns:
                names[number] = searched.index.names_of(searched.selection)
                told_on[number] = searched.told_on(text)
                newest = max(newest, searched.index.newest_date(searched.selection))
    query = read_question(text, SpeakerNames.together([*names.values()]), newest)
    queries = {
        number: replace(query.of_memory(place, len(names)), told_on=frozenset(told_on[number]))
        for place, number in enumerate(names)
    }

    matches: dict[int, Sequence[WordMatches]] = {}
    counted: list[Sequence[WordMatches]] = []
    counted_near: list[Sequence[WordMatches]] = []
    turns = 0
    for number, own_query in queries.items():
        with stores[number].searched(turn_filter) as searched:
            if searched is not None:
                matches[number] = searched.matches(own_query)
                index, selection = searched.index, searched.selection
                own_matches = matches[number]
                counted.append(counted_matches(index, own_matches, selection, neighbours=False))
                counted_near.append(counted_matches(index, own_matches, selection))
                turns += searched.turns
    counts = Counts.of(turns, counted)
    # Neighbours of passing turns count if no passing turn in any memory has the word.
    near = Counts.of(turns, counted_near).holders
    holders = [own or min(other, 1) for own, other in zip(counts.holders, near, strict=True)]
    counts = replace(counts, holders=holders)

    features: dict[int, Features] = {}
    embedders: dict[int, str] = {}
    for number, own_matches in matches.items():
        with stores[number].searched(turn_filter) as searched:
            if searched is not None and searched.turns:
                embedders[number] = searched.embedder
                features[number] = features_of(
                    searched.index,
                    queries[number],
                    searched.embed(query.plain),
                    matches=own_matches,
                    counts=counts,
                    feature_weights=feature_weights,
                    selection=searched.selection,
                )
    hits = best_hits([*features.values()], [*embedders.values()], k, feature_weights)
    numbers = [*features]
    return [(numbers[place], hit) for place, hit in hits]
