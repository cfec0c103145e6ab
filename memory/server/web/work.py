"""The page of long work: its progress, then its result."""

from memory.errors import InputError
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute


async def work_page(request: PageRequest) -> PageResponse:
    """The progress of long work, then its result."""
    try:
        task = request.tasks.find(request.namespace, request.inputs.text("task"))
    except InputError:
        return Page("missing.html", {"wanted": "such task"}, status=404)
    return Page("work.html", {"task": task})


PAGES: list[PageRoute] = [("GET", "/work/{task}", work_page)]
