"""All pages: their addresses, and how a view becomes an HTTP response."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction
from itertools import chain
from mimetypes import guess_type
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from memory.errors import InputError, MemoryFault, SqlError
from memory.facts import change_of
from memory.server.downloads import sent
from memory.server.fault_messages import unavailable
from memory.server.handles import Handles
from memory.server.web import (
    ask,
    chat,
    connect,
    conversation,
    entities,
    fact_forms,
    facts,
    forget,
    journal,
    namespaces,
    past,
    search,
    settings,
    story,
    transfers,
    work,
)
from memory.server.web.markup import STATIC, html
from memory.server.web.page_request import (
    Download,
    Inputs,
    Page,
    PageRequest,
    PageResponse,
    PageRoute,
    Redirect,
    name_of_segment,
)
from memory.server.web.tasks import Tasks
from memory.store import Store
from memory.store.namespaces import exists
from memory.store.waiting.pending_windows import undo_note
from memory.system.logs import clean_logger

_log = clean_logger("memory.server.web")

_ROOMS = (
    *(conversation, facts, fact_forms, entities, past, journal, ask, story, work),
    *(chat, search, settings, connect, transfers, forget),
)
OF_A_NAMESPACE: list[PageRoute] = [
    *namespaces.PAGES_OF_A_NAMESPACE,
    *chain.from_iterable(room.PAGES for room in _ROOMS),
]


def routes(handles: Handles) -> list[BaseRoute]:
    """The routes of all pages, over a server's handles."""
    tasks = Tasks(handles)
    pages: list[PageRoute] = [
        *namespaces.PAGES,
        *((method, f"/m/{{namespace}}{path}", view) for method, path, view in OF_A_NAMESPACE),
        ("GET", "/m/{namespace}/{path:path}", no_page),
        ("GET", "/{path:path}", no_page),
    ]
    return [
        Mount("/static", StaticFiles(directory=STATIC)),
        *(
            Route(path, _endpoint(view, handles, tasks), methods=[method])
            for method, path, view in pages
        ),
    ]


async def no_page(request: PageRequest) -> PageResponse:
    """The page for an unknown address, with a way back."""
    return Page("missing.html", {"wanted": "such page"}, status=404)


def _endpoint(
    view: Callable[..., Any], handles: Handles, tasks: Tasks
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that calls a view; an error becomes a page that says what to do."""

    async def answer(http_request: Request) -> Response:
        namespace = name_of_segment(http_request.path_params.get("namespace", ""))
        inputs = await _inputs(http_request)
        request = PageRequest(
            namespace,
            inputs=inputs,
            handles=handles,
            tasks=tasks,
            page=_page(http_request),
            origin=f"{http_request.url.scheme}://{http_request.url.netloc}",
        )
        frame: Mapping[str, Any] = {}
        try:
            if namespace and not exists(namespace):
                request = PageRequest("", inputs=inputs, handles=handles, tasks=tasks)
                response: PageResponse = Page("missing.html", {"wanted": namespace}, status=404)
            elif iscoroutinefunction(view):
                response = await view(request)
                if namespace and isinstance(response, Page):
                    frame = await handles.run_on_store(
                        namespace, lambda store: _frame(request, store)
                    )
            else:
                response, frame = await handles.run_on_store(
                    namespace, lambda store: (view(request, store), _frame(request, store))
                )
        except (InputError, SqlError) as error:
            response = Page("problem.html", {"problem": str(error)}, status=400)
        except MemoryFault as error:
            _log.warning("%s", error)
            unavailable(http_request.scope, error)
            response = Page("problem.html", {"problem": str(error)}, status=503)
        finally:
            for file in inputs.files:
                await file.close()
        return _response(http_request, request, response, frame)

    return answer


def _page(http_request: Request) -> str:
    """The path of a page below that of its namespace, with its query."""
    path = "/".join(http_request.url.path.split("/")[3:])
    return f"/{path}?{http_request.url.query}"


async def _inputs(http_request: Request) -> Inputs:
    values: dict[str, list[str]] = {}
    files = []
    form = await http_request.form()
    fields = [
        *http_request.query_params.multi_items(),
        *form.multi_items(),
        *http_request.path_params.items(),
    ]
    for name, value in fields:
        if isinstance(value, UploadFile):
            if value.filename:
                files.append(value)
        else:
            values.setdefault(name, []).append(str(value))
    return Inputs(values, tuple(files))


def _frame(request: PageRequest, store: Store) -> dict[str, Any]:
    """What every page of a namespace shows: the change a form just made, with its undo."""
    frame: dict[str, Any] = {
        "read_only": store.read_only,
        "stores_facts": request.handles.stores_facts,
        "has_model": bool(request.handles.model_name),
        "done": None,
        "names": facts.names_of_speakers(store, request.namespace),
    }
    if number := request.inputs.optional_number("done"):
        frame["done"] = {
            "change": change_of(store, number),
            "difference": journal.difference_by(store, number),
            "note": undo_note(store, number),
        }
    return frame


def _response(
    http_request: Request, request: PageRequest, response: PageResponse, frame: Mapping[str, Any]
) -> Response:
    if isinstance(response, Redirect):
        return RedirectResponse(response.address, 303)
    if isinstance(response, Download):
        media_type = guess_type(response.name)[0] or "application/octet-stream"
        return sent(response.file, media_type, response.name)
    unframed = {"request": request, "read_only": False, "done": None, "names": {}}
    values = {**unframed, **frame, **response.values}
    headers = {}
    if response.template == "problem.html" and http_request.headers.get("hx-request"):
        # Show the error above the form: replacing the form would lose what was typed.
        headers = {"HX-Retarget": "#problem", "HX-Reselect": "#problem", "HX-Reswap": "outerHTML"}
    return HTMLResponse(html(response.template, values), response.status, headers)
