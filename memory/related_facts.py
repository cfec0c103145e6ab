"""Facts that a text is about, for a model to see before it ends, merges or repeats them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from memory.errors import ModelError, SqlError
from memory.records import Fact
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words
from memory.sql import quoted
from memory.store import Store
from memory.store.protocol import Facts

# The attribute of a second name: subject, alias, the other name.
ALIAS = "alias"
_TURNS_A_TEXT = 12  # hits of each search
_MOST_ROWS = 200  # that a SELECT returns
_MOST_NAMES = 200  # words and pairs of words that may be a subject
_COLUMNS = "id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at"
# Weights of a fact's turn, its own words and its subject. Chosen, not measured: the ranking of
# turns also matches synonyms, a fact's words match only themselves.
_BY_TURN, _BY_WORDS, _BY_SUBJECT = 0.5, 0.3, 0.2


def related_facts(
    store: Store,
    texts: Sequence[str],
    most: int = 40,
    least_score: float = 0.0,
    weights: Mapping[str, float] | None = None,
) -> list[tuple[Fact, float]]:
    """The facts that some texts are about, best first, each with a score from 0 to 1.

    A fact scores by the rank of its source in a search for a text, by the share of its words in the
    text, and by whether the text names its subject; the best text counts. Past facts are included.
    Calls no language model.

    Arguments:
        store: the memory.
        texts: turns as `Speaker: text`, or questions; each is one search.
        most: how many facts at most.
        least_score: omit facts with a lower score.
        weights: of the ranking, as for `Store.search`.
    """
    try:
        places_by_text = [
            {
                hit.turn_id: place
                for place, hit in enumerate(store.search(text, _TURNS_A_TEXT, weights))
            }
            for text in texts
        ]
    except ModelError:  # the embedder's server is down: names still find facts
        places_by_text = [{} for _ in texts]
    turn_ids = sorted({turn_id for places in places_by_text for turn_id in places})
    names = sorted({name for text in texts for name in _names(text)})[:_MOST_NAMES]
    conditions = []
    if turn_ids:
        conditions.append(f"turn_id IN ({', '.join(map(str, turn_ids))})")
    if names:
        listed = ", ".join(map(quoted, names))
        conditions.append(f"lower(subject) IN ({listed})")
        conditions.append(f"attribute = {quoted(ALIAS)} AND lower(value) IN ({listed})")
    facts: dict[int, Fact] = {}
    for condition in conditions:
        for fact in _selected(store, condition):
            facts[fact.id] = fact

    best_scores: dict[int, float] = {}
    for text, places in zip(texts, places_by_text, strict=True):
        forms = forms_of(telling_words(text))
        subjects = set(_names(text))
        for fact in facts.values():
            score = _score(fact, places=places, forms=forms, subjects=subjects)
            best_scores[fact.id] = max(best_scores.get(fact.id, 0.0), score)
    # Of two equal scores the newer fact first: it is more likely to be current.
    ranked = sorted(facts.values(), key=lambda fact: (-best_scores[fact.id], -fact.id))
    scored = [(fact, best_scores[fact.id]) for fact in ranked if best_scores[fact.id] > 0]
    return [(fact, score) for fact, score in scored if score >= least_score][:most]


def _score(fact: Fact, places: dict[int, int], forms: set[str], subjects: set[str]) -> float:
    place = places.get(fact.turn_id)
    by_turn = 0.0 if place is None else 1 - place / _TURNS_A_TEXT
    fact_words = telling_words(f"{fact.attribute.replace('_', ' ')} {fact.value}")
    shared = sum(is_among(word, forms) for word in fact_words)
    by_words = shared / len(fact_words) if fact_words else 0.0
    by_subject = float(" ".join(words(fact.subject)) in subjects)
    return _BY_TURN * by_turn + _BY_WORDS * by_words + _BY_SUBJECT * by_subject


def _names(text: str) -> list[str]:
    """The words of a text, and its pairs of words, that may name a subject."""
    text_words = words(text)
    pairs = [f"{first} {second}" for first, second in pairwise(text_words)]
    return [*telling_words(text), *pairs]


def _selected(store: Facts, condition: str) -> list[Fact]:
    select = f"SELECT {_COLUMNS} FROM facts WHERE {condition} ORDER BY id DESC LIMIT {_MOST_ROWS}"
    try:
        rows = store.read(select)
    except SqlError:  # too slow among millions of facts: use what the other conditions found
        return []
    columns = _COLUMNS.split(", ")
    facts = []
    for row in rows.rows:
        cells = dict(zip(columns, row, strict=True))
        texts = {name: cell or "" for name, cell in cells.items() if name not in ("id", "turn_id")}
        facts.append(Fact(**texts, turn_id=cells["turn_id"], id=cells["id"]))
    return facts
