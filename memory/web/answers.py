"""Standing answers on the page: a question kept or dropped; the overview of a memory lists them."""

from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.records import StandingAnswer
from memory.settings import Settings
from memory.store import Store
from memory.web.page_request import PageRequest, PageResponse, PageRoute, Redirect
from memory.web.tasks import Task

if TYPE_CHECKING:
    from memory.api import Memory


async def keep(request: PageRequest) -> PageResponse:
    """Start to answer a question that is kept then, and open the page of its progress."""
    request.refuse_read_only()
    question = request.inputs.text("question")
    if not question:
        raise InputError("type a question")

    def work(memory: "Memory", task: Task) -> StandingAnswer:
        return memory.keep(question, asker=str(Settings(memory.store).get("user", "")))

    task = request.tasks.start(request.namespace, "answer", question, work)
    return Redirect(request.address("work", task.id))


def drop(request: PageRequest, store: Store) -> PageResponse:
    """Keep a question no longer; the overview then shows how to undo that."""
    request.refuse_read_only()
    change = store.drop_answer(request.inputs.text("question"))
    return Redirect(request.address(done=change.id))


PAGES: list[PageRoute] = [("POST", "/answers", keep), ("POST", "/answers/drop", drop)]
