"""The language model: which one answers, and the others on this machine."""

import asyncio

from memory.errors import InputError
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.server.web.tasks import Task
from memory.system.home import NO_MODEL, set_default_model


async def model_page(request: PageRequest) -> PageResponse:
    """The model that answers, and what can be chosen instead."""
    from memory.models.choices import choices

    here = await asyncio.to_thread(choices)
    handles = request.handles
    names = [NO_MODEL, *here.names, handles.first_model_name, handles.model_name]
    names = list(dict.fromkeys(filter(None, names)))
    values = {
        "current": handles.model_name or NO_MODEL,
        "names": names,
        "choices": here,
        "can_choose": _can_choose(request),
        "tasks": [
            task for task in request.tasks.running(request.namespace) if task.kind == "model"
        ],
    }
    return Page("model.html", values)


async def choose(request: PageRequest) -> PageResponse:
    """Try the named model, and use it from now on if it answers."""
    from memory.models.choices import try_model

    _refuse(request)
    name = request.inputs.text("hosted") or request.inputs.text("model")
    if not name:
        raise InputError("choose a model, or type the name of one")
    if name == NO_MODEL:
        request.handles.choose_model("")
        set_default_model(NO_MODEL)
        return Redirect(request.address("model"))
    if name == request.handles.first_model_name:
        request.handles.choose_model(name)  # whose address is known to the server alone
        return Redirect(request.address("model"))

    async def run(task: Task) -> str:
        await asyncio.to_thread(try_model, name)
        return _use(request, name)

    task = request.tasks.start_without_memory(request.namespace, "model", f"Trying {name}", run)
    return Redirect(request.address("work", task.id))


def _use(request: PageRequest, name: str) -> str:
    """Ask a model from now on, here and in the commands that name none."""
    request.handles.choose_model(name)
    set_default_model(name)
    return name


def _can_choose(request: PageRequest) -> bool:
    return request.handles.is_alone and not request.handles.read_only


def _refuse(request: PageRequest) -> None:
    request.refuse_read_only()
    if not _can_choose(request):
        raise InputError("this server runs in several processes: choose its model with --model")


PAGES: list[PageRoute] = [
    ("GET", "/model", model_page),
    ("POST", "/model", choose),
]
