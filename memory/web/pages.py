"""The pages together: which address shows what, and how a view becomes an answer."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction
from shutil import rmtree
from typing import Any

from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from memory.errors import InputError, MemoryFault, SqlError
from memory.namespaces import exists
from memory.server.handles import Handles
from memory.store import Store
from memory.web import (
    care,
    charts,
    conversation,
    facts,
    hood,
    journal,
    namespaces,
    past,
    questions,
)
from memory.web.markup import STATIC, html
from memory.web.tasks import Tasks
from memory.web.visits import Download, Entry, Inputs, Page, Redirect, Reply, Visit, name_of_segment

OF_A_NAMESPACE: list[Entry] = [
    *namespaces.PAGES_OF_A_NAMESPACE,
    *conversation.PAGES,
    *facts.PAGES,
    *past.PAGES,
    *journal.PAGES,
    *questions.PAGES,
    *hood.PAGES,
    *charts.PAGES,
    *care.PAGES,
]


def routes(handles: Handles) -> list[BaseRoute]:
    """The routes of the page, over a server's handles."""
    tasks = Tasks(handles)
    pages: list[Entry] = [
        *namespaces.PAGES,
        *((method, f"/m/{{namespace}}{path}", view) for method, path, view in OF_A_NAMESPACE),
    ]
    return [
        Mount("/static", StaticFiles(directory=STATIC)),
        *(
            Route(path, _endpoint(view, handles, tasks), methods=[method])
            for method, path, view in pages
        ),
    ]


def _endpoint(
    view: Callable[..., Any], handles: Handles, tasks: Tasks
) -> Callable[[Request], Awaitable[Response]]:
    """What answers requests by a view; a fault becomes a page that says what to do."""

    async def answer(request: Request) -> Response:
        namespace = name_of_segment(request.path_params.get("namespace", ""))
        inputs = await _inputs(request)
        visit = Visit(namespace, inputs=inputs, handles=handles, tasks=tasks)
        frame: Mapping[str, Any] = {}
        try:
            if namespace and not exists(namespace):
                visit = Visit("", inputs=inputs, handles=handles, tasks=tasks)
                reply: Reply = Page("missing.html", {"wanted": namespace}, status=404)
            elif iscoroutinefunction(view):
                reply = await view(visit)
                if namespace and isinstance(reply, Page):
                    frame = await handles.run_on_store(
                        namespace, lambda store: _frame(visit, store)
                    )
            else:
                reply, frame = await handles.run_on_store(
                    namespace, lambda store: (view(visit, store), _frame(visit, store))
                )
        except (InputError, SqlError) as error:
            reply = Page("problem.html", {"problem": str(error)}, status=400)
        except MemoryFault as error:
            reply = Page("problem.html", {"problem": str(error)}, status=503)
        finally:
            for file in inputs.files:
                await file.close()
        return _response(request, visit, reply, frame)

    return answer


async def _inputs(request: Request) -> Inputs:
    values: dict[str, list[str]] = {}
    files = []
    form = await request.form()
    fields = [
        *request.query_params.multi_items(),
        *form.multi_items(),
        *request.path_params.items(),
    ]
    for name, value in fields:
        if isinstance(value, UploadFile):
            if value.filename:
                files.append(value)
        else:
            values.setdefault(name, []).append(str(value))
    return Inputs(values, tuple(files))


def _frame(visit: Visit, store: Store) -> dict[str, Any]:
    """What every page of a namespace shows: what a form has just changed, and its undo."""
    frame: dict[str, Any] = {
        "read_only": store.read_only,
        "stores_facts": visit.handles.stores_facts,
        "done": None,
    }
    if number := visit.inputs.optional_number("done"):
        [*changes] = store.changes(before=number + 1, limit=1)
        frame["done"] = {
            "change": changes[0] if changes and changes[0].id == number else None,
            "difference": journal.difference_by(store, number),
        }
    return frame


def _response(request: Request, visit: Visit, reply: Reply, frame: Mapping[str, Any]) -> Response:
    if isinstance(reply, Redirect):
        return RedirectResponse(reply.address, 303)
    if isinstance(reply, Download):
        clean_up = BackgroundTask(rmtree, reply.path.parent, ignore_errors=True)
        return FileResponse(reply.path, filename=reply.name, background=clean_up)
    values = {"visit": visit, "read_only": False, "done": None, **frame, **reply.values}
    headers = {}
    if reply.template == "problem.html" and request.headers.get("hx-request"):
        # In place of the form, which would be lost with what was typed, its fault is shown above.
        headers = {"HX-Retarget": "#problem", "HX-Reselect": "#problem", "HX-Reswap": "outerHTML"}
    return HTMLResponse(html(reply.template, values), reply.status, headers)
