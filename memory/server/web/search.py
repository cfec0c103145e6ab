"""The search of a whole memory: the facts and the turns that fit the query."""

from memory.facts.related import related_facts
from memory.server.web.conversation import hits
from memory.server.web.facts import with_words_first
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute
from memory.store import Store
from memory.store.facts.fact_reads import current_among

_MOST_FACTS = 8
_MOST_TURNS = 12


def search(request: PageRequest, store: Store) -> PageResponse:
    """Current facts that hold a word of the question, then turns, best first, each with why.

    If no fact holds a word of it, the related ones are shown.
    """
    question = request.inputs.text("q")
    weights = request.handles.weights
    related = related_facts(store, [question], 3 * _MOST_FACTS, weights=weights) if question else []
    current = current_among(store, [fact for fact, _ in related])
    matching, remaining = with_words_first(question, current)
    values = {
        "q": question,
        "facts": (matching or remaining)[:_MOST_FACTS],
        "is_near": not matching,
        "lines": hits(store, question, None, weights, most=_MOST_TURNS) if question else [],
    }
    return Page("search.html", values)


PAGES: list[PageRoute] = [("GET", "/search", search)]
