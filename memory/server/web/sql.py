"""SQL for people: SELECTs on a memory, within a model's limits, as a table or CSV."""

import csv
import io
from typing import Any

from memory.errors import SqlError
from memory.records import Rows
from memory.server.web.page_request import (
    Page,
    PageRequest,
    PageResponse,
    PageRoute,
    Redirect,
    Text,
)
from memory.sql import TABLES
from memory.store import Store
from memory.text.cells import as_cell

# What someone may want to ask first, by what it shows.
EXAMPLES = {
    "Facts by person": "SELECT subject, COUNT(*) AS facts FROM facts GROUP BY subject"
    " ORDER BY facts DESC",
    "Turns by month": "SELECT SUBSTR(said_at, 1, 7) AS month, COUNT(*) AS turns FROM turns"
    " GROUP BY SUBSTR(said_at, 1, 7) ORDER BY month",
    "What has ended": "SELECT subject, attribute, value, happened_on, ended_on FROM facts"
    " WHERE ended_on IS NOT NULL ORDER BY ended_on DESC",
    "A search, with its turns": "SELECT t.said_at, t.speaker, t.text FROM search('trip', 20) s"
    " JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC",
}


def sql(request: PageRequest, store: Store) -> PageResponse:
    """The form, the tables, and the rows of a SELECT."""
    select = request.inputs.text("select")
    rows: Rows | None = None
    refusal = ""
    if select:
        try:
            rows = store.read(select, weights=request.handles.weights)
        except SqlError as error:
            refusal = str(error)
    values = {
        "select": select,
        "rows": rows,
        "refusal": refusal,
        "tables": TABLES,
        "examples": EXAMPLES,
    }
    return Page("sql.html", values)


def as_csv(request: PageRequest, store: Store) -> PageResponse:
    """The rows of a SELECT as CSV. Raises SqlError if it is refused."""
    weights = request.handles.weights
    rows = store.read(request.inputs.text("select"), weights=weights)
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(map(as_cell, rows.columns))
    lines.writerows([[_cell(value) for value in row] for row in rows.rows])
    return Text(file.getvalue(), "text/csv", "rows.csv")


def _cell(value: Any) -> Any:
    return as_cell(value) if isinstance(value, str) else value


def search_details(request: PageRequest, store: Store) -> PageResponse:
    """The address that SQL and the ranking had once."""
    if select := request.inputs.text("select"):
        return Redirect(request.address("sql", select=select))
    return Redirect(request.address("conversation", q=request.inputs.text("question")))


PAGES: list[PageRoute] = [
    ("GET", "/sql", sql),
    ("GET", "/sql/rows.csv", as_csv),
    ("GET", "/search-details", search_details),
]
