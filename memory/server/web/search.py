"""The search of a whole memory: the facts and the turns that fit what is typed."""

from memory.facts.related import related_facts
from memory.server.web.conversation import hits
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute
from memory.store import Store
from memory.store.turn_validation import local_now
from memory.vocabulary.fact_lines import is_current

_MOST_FACTS = 8
_MOST_TURNS = 12


def search(request: PageRequest, store: Store) -> PageResponse:
    """Current facts that are about the words, then turns, best first, each with why."""
    question = request.inputs.text("q")
    searcher = request.handles.searcher
    today = local_now()[:10]
    related = (
        related_facts(store, [question], 3 * _MOST_FACTS, weights=searcher.weights)
        if question
        else []
    )
    values = {
        "q": question,
        "facts": [fact for fact, _ in related if is_current(fact, today)][:_MOST_FACTS],
        "lines": hits(store, question, None, searcher, most=_MOST_TURNS) if question else [],
    }
    return Page("search.html", values)


PAGES: list[PageRoute] = [("GET", "/search", search)]
