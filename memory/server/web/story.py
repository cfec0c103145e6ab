"""The story of a memory on the page: what happened, as digests have told it, in order."""

from collections.abc import Sequence
from itertools import groupby

from memory.records import Summary, Turn
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute
from memory.store import Store

_LINES_A_PAGE = 100

Line = tuple[Summary, Turn | None]  # with its first turn, if that still exists


def story(request: PageRequest, store: Store) -> PageResponse:
    """Lines of the story with links to their turns, a page of them, oldest first."""
    after = request.inputs.optional_number("after") or 0
    summaries = [summary for summary in store.summaries() if summary.turn_id > after]
    page = summaries[:_LINES_A_PAGE]
    if len(page) < len(summaries):  # lines that begin with the same turn stay together
        groups = [list(lines) for _, lines in groupby(page, lambda line: line.turn_id)]
        page = [line for lines in groups[:-1] or groups for line in lines]
    values = {
        "lines": _dated(store, page),
        "later": page[-1].turn_id if len(page) < len(summaries) else None,
        "is_first": not after,
    }
    return Page("story.html", values)


def _dated(store: Store, summaries: Sequence[Summary]) -> list[Line]:
    """Lines with their first turns."""
    firsts = sorted({summary.turn_id for summary in summaries})
    turns = {turn.id: turn for turn in store.turns_by_id(firsts, missing_ok=True)}
    return [(summary, turns.get(summary.turn_id)) for summary in summaries]


PAGES: list[PageRoute] = [("GET", "/story", story)]
