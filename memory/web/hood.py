"""Under the hood: how the ranking weighs each turn for a question, and SQL by hand."""

from memory.errors import SqlError
from memory.records import Rows
from memory.store import Store
from memory.web.conversation import FEATURES
from memory.web.visits import Entry, Page, Reply, Visit

_MOST_HITS = 25


def hood(visit: Visit, store: Store) -> Reply:
    """For a question each turn with the share of every feature; for a SELECT its rows."""
    question, select = visit.inputs.text("question"), visit.inputs.text("select")
    hits = store.search(question, _MOST_HITS) if question else []
    rows: Rows | None = None
    refusal = ""
    if select:
        try:
            rows = store.read(select)
        except SqlError as error:
            refusal = str(error)
    values = {
        "question": question,
        "ranked": [(hit, store.turn(hit.turn_id)) for hit in hits],
        "features": FEATURES,
        "select": select,
        "rows": rows,
        "refusal": refusal,
        "embedder": store.embedder,
    }
    return Page("hood.html", values)


PAGES: list[Entry] = [("GET", "/hood", hood)]
