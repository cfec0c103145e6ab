"""Search details: how the ranking scores turns for a question, and a form for SQL."""

from memory.errors import SqlError
from memory.records import Rows
from memory.store import Store
from memory.web.conversation import FEATURES
from memory.web.page_request import Page, PageRequest, PageResponse, PageRoute

_MOST_HITS = 25


def search_details(request: PageRequest, store: Store) -> PageResponse:
    """Show the turns for a question with the share of each feature, and the rows of a SELECT."""
    searcher = request.handles.searcher
    question, select = request.inputs.text("question"), request.inputs.text("select")
    hits = searcher.search(store, question, _MOST_HITS) if question else []
    turns = store.turns_by_id([hit.turn_id for hit in hits])
    rows: Rows | None = None
    refusal = ""
    if select:
        try:
            rows = searcher.read(store, select)
        except SqlError as error:
            refusal = str(error)
    values = {
        "question": question,
        "ranked": list(zip(hits, turns, strict=True)),
        "features": FEATURES,
        "select": select,
        "rows": rows,
        "refusal": refusal,
        "embedder": store.embedder,
    }
    return Page("search_details.html", values)


PAGES: list[PageRoute] = [("GET", "/search-details", search_details)]
