"""The JSON API at /api/NAMESPACE, for programs without MCP; FastAPI reads it from the types."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic_core import to_jsonable_python
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from memory.errors import EditConflict, InputError, MemoryFault, NotThereError, SqlError
from memory.operations import OPERATIONS, OpenMemory, Operation, Right
from memory.operations.answers import (
    ChangeList,
    Erased,
    ErrorRecord,
    JobList,
    JobRecord,
    NewMemory,
)
from memory.operations.forgetting import WrongConfirmationError
from memory.operations.operation import Inputs
from memory.server import api_whole as whole
from memory.server import downloads
from memory.server.api_jobs import Jobs
from memory.server.fault_messages import fault_message, unavailable
from memory.server.handles import Handles, NoNamespaceError
from memory.server.tokens import Grant
from memory.store import Store

DOCUMENT = "/api/openapi.json"
_REFUSALS = {
    400: "Invalid input; the message says what to change",
    401: "Missing or invalid token",
    403: "The token lacks the right, or the origin is not allowed",
    404: "No such namespace, turn, fact, change, job or endpoint",
    405: "Another method is for this address; `Allow` names it",
    409: "Somebody else edited this fact: `fact` is the present one, `change` what they did;"
    " or a wrong confirmation, with the `preview` and its own",
    413: "The body is too large",
    429: "Too many requests, or a limit of a day is used; `Retry-After` has the seconds to wait",
    503: "The memory or its model is unavailable; its owner must act",
}
# FastAPI would promise its own 422 if no `default` is described. One response brings the model into
# the document, and the others name it: separate models take half a second to build.
_OF_A_REFUSAL = {
    "application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorRecord.__name__}"}}
}
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    **{code: {"content": _OF_A_REFUSAL, "description": text} for code, text in _REFUSALS.items()},
    "default": {"model": ErrorRecord, "description": "Any other refusal"},
}


class ForbiddenError(InputError):
    """A token lacks a right."""


# What each kind of error becomes; of several kinds of one error the nearest.
STATUSES: dict[type[MemoryFault], int] = {
    ForbiddenError: 403,
    NoNamespaceError: 404,
    NotThereError: 404,
    EditConflict: 409,
    WrongConfirmationError: 409,
    InputError: 400,
    SqlError: 400,
    MemoryFault: 503,
}


@dataclass(frozen=True)
class Endpoint:
    """An address: what is needed to ask there, what it takes, and the type of what it answers.

    `answer` is None for lines of JSON. `takes_lines` is for a body of them, instead of `inputs`.
    """

    method: str
    path: str  # below /api/{namespace}
    right: Right
    name: str
    summary: str
    inputs: type[Inputs]
    answer: Any
    function: Callable[[whole.Call, Any], Awaitable[Response]]
    status: int = 200
    takes_lines: bool = False

    @property
    def address(self) -> str:
        """The path as Starlette reads it."""
        return "/api/{namespace:path}" + self.path.replace("{id}", "{id:database_id}")


@dataclass(frozen=True)
class _Serving:
    """What a server has for its API. No token has more than these `rights`."""

    handles: Handles
    rights: Sequence[Right]
    jobs: Jobs


def api(handles: Handles, rights: Sequence[Right]) -> FastAPI:
    """The API as an application, for the paths that begin with /api/."""
    app = _described()
    app.state.serving = _Serving(handles, rights, Jobs(handles))
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document, as FastAPI makes it of the endpoints' types."""
    return _described().openapi()


def _of_operation(operation: Operation) -> Endpoint:
    run, answer = _run, operation.answer
    if operation.is_job:
        run, answer = _begin, JobRecord
    elif operation.returns_lines:
        run, answer = _send_lines, None
    elif operation.takes_lines:
        run = _receive_lines
    return Endpoint(
        operation.method,
        operation.path,
        operation.right,
        operation.name,
        operation.summary,
        operation.inputs,
        answer,
        partial(run, operation),
        status=202 if operation.is_job else 200,
        takes_lines=operation.takes_lines,
    )


def _work_of(
    operation: Operation, call: whole.Call, inputs: Inputs, lines: Path | None = None
) -> Callable[[Store], Any]:
    """An operation with its inputs, to be called with a store."""
    handles = call.handles

    def work(store: Store) -> Any:
        may_forget = call.grant.allows(call.namespace, "forget")
        memory = OpenMemory(store, "API", handles.memory_of, handles.weights, may_forget)
        return operation.run(memory, inputs, call.number, lines)

    return work


async def _begin(operation: Operation, call: whole.Call, inputs: Inputs) -> Response:
    """Begin an operation as a job. One of its kind goes on in a memory at a time."""
    # A name of no memory is refused before there is a job.
    await call.handles.run_on_store(call.namespace, lambda store: store.read_only)
    work = _work_of(operation, call, inputs)
    return JSONResponse(call.jobs.start(call.namespace, operation.name, work).record(), 202)


async def _send_lines(operation: Operation, call: whole.Call, inputs: Inputs) -> Response:
    """Answer with the lines of an operation, written first: no client keeps a store waiting."""
    work = _work_of(operation, call, inputs)
    file = await call.handles.run_slow_on_store(
        call.namespace, lambda store: downloads.written(lambda file: file.writelines(work(store)))
    )
    return downloads.sent(file, whole.NDJSON)


async def _receive_lines(operation: Operation, call: whole.Call, inputs: Inputs) -> Response:
    """Run an operation on the lines of a request's body."""
    async with whole.received(call.request) as lines:
        work = _work_of(operation, call, inputs, lines)
        try:
            answer = await call.handles.run_slow_on_store(call.namespace, work)
        except InputError as error:
            raise InputError(str(error).replace(str(lines), "the body")) from None
    return JSONResponse(answer)


async def _run(operation: Operation, call: whole.Call, inputs: Inputs) -> Response:
    """Run an operation on the memory of a request, or on several."""
    handles = call.handles
    work = _work_of(operation, call, inputs)
    also: list[str] = getattr(inputs, "also", [])
    # Before any of them is looked for: a refusal does not tell whether there is one.
    for name in also:
        _refuse(call.grant, operation.right, name)
    if also:
        return JSONResponse(await handles.run_united([call.namespace, *also], work))
    run = handles.run_slow_on_store if operation.is_slow else handles.run_on_store
    return JSONResponse(await run(call.namespace, work))


def _refuse(grant: Grant, right: str, namespace: str, *, is_served: bool = True) -> None:
    """Raise ForbiddenError if a token lacks a right, or the server does not serve it."""
    if not (is_served and grant.allows(namespace, right)):
        raise ForbiddenError(f"the token {grant.name!r} may not {right} in {namespace!r}")


# The last ones have no separate path: a name may have slashes.
ENDPOINTS = (
    *map(_of_operation, OPERATIONS.values()),
    Endpoint(
        "GET",
        "/changes",
        "read",
        "changes",
        "List the newest changes, or wait for those after one",
        whole.Changes,
        ChangeList,
        whole.changes,
    ),
    Endpoint("GET", "/jobs", "read", "jobs", "List jobs", Inputs, JobList, whole.jobs),
    Endpoint("GET", "/jobs/{id}", "read", "job", "Get a job", Inputs, JobRecord, whole.job),
    Endpoint(
        "DELETE",
        "",
        "forget",
        "erase_memory",
        "Erase a memory for good; its backups stay",
        whole.Erasure,
        Erased,
        whole.erase_memory,
    ),
    Endpoint(
        "PUT",
        "",
        "write",
        "put_memory",
        "Make a memory, or say that it exists",
        whole.MemoryOptions,
        NewMemory,
        whole.put_memory,
    ),
)


class _IdConvertor(IntegerConvertor):
    """An id in a path. A longer number is not an id, and Python refuses thousands of digits."""

    regex = "[0-9]{1,18}"


register_url_convertor("database_id", _IdConvertor())


def _described() -> FastAPI:
    """The application with its routes, which a server is still to be given to."""
    app = FastAPI(
        title="sql-memory",
        version=version("sql-memory"),
        description="Turns, facts and answers of one namespace."
        " Each operation needs a right of the token: read, write or forget.",
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
    )
    app.router.routes += _routes()
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]
    app.add_route("/api/{path:path}", _no_endpoint, methods, include_in_schema=False)
    app.add_exception_handler(MemoryFault, _on_fault)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _on_invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _on_unreadable)  # type: ignore[arg-type]
    return app


class _JsonRoute(APIRoute):
    """A body is JSON whatever its content type says: curl's -d calls it a form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            pairs = request.scope["headers"]
            headers = [(name, value) for name, value in pairs if name.lower() != b"content-type"]
            return await handler(Request({**request.scope, "headers": headers}, request.receive))

        return handle


@cache  # they are the same for each server, and building them takes time
def _routes() -> Sequence[BaseRoute]:
    router = APIRouter(strict_content_type=False, route_class=_JsonRoute)
    for endpoint in ENDPOINTS:
        _add_route(router, endpoint)
    return tuple(router.routes)


def _add_route(router: APIRouter, endpoint: Endpoint) -> None:
    lines = {"content": {whole.NDJSON: {"schema": {"type": "string"}}}}
    body = {"requestBody": {"required": True, **lines}}
    responses = dict(_DESCRIBED)
    if endpoint.answer is None:
        responses[endpoint.status] = lines
    if endpoint.method == "PUT":
        responses[201] = {"model": endpoint.answer, "description": "Created"}
    options: dict[str, Any] = {
        "name": endpoint.name,
        "response_class": JSONResponse if endpoint.answer else Response,
        "dependencies": [Depends(_allowed(endpoint))],
    }
    router.add_api_route(
        endpoint.address,
        _answering(endpoint),
        methods=[endpoint.method],
        status_code=endpoint.status,
        summary=endpoint.summary,
        description=f"Requires the right `{endpoint.right}`.",
        operation_id=endpoint.name,
        response_model=endpoint.answer,
        responses=responses,
        openapi_extra=body if endpoint.takes_lines else None,
        **options,
    )
    if endpoint.method == "GET":
        router.add_api_route(
            endpoint.address,
            _answering(endpoint),
            methods=["HEAD"],
            include_in_schema=False,
            **options,
        )


_bearer = HTTPBearer(auto_error=False)  # for the document: the guard reads the token


def _allowed(endpoint: Endpoint) -> Callable[..., None]:
    def refuse(
        request: Request, namespace: str, _: Annotated[object, Depends(_bearer)] = None
    ) -> None:
        # No memory is made or erased whose name is the address of another endpoint.
        if not endpoint.path and _methods_of_endpoints(request, is_name=False):
            raise HTTPException(405)
        is_served = endpoint.right in request.app.state.serving.rights
        _refuse(request.state.grant, endpoint.right, namespace, is_served=is_served)

    return refuse


def _answering(endpoint: Endpoint) -> Callable[..., Awaitable[Response]]:
    """The function of a route, with the signature that FastAPI reads."""

    async def answer(
        request: Request, namespace: str, inputs: Inputs | None = None, **path: int
    ) -> Response:
        serving: _Serving = request.app.state.serving
        call = whole.Call(
            request,
            namespace,
            request.state.grant,
            serving.handles,
            serving.jobs,
        )
        try:
            return await endpoint.function(call, inputs or Inputs())
        except NoNamespaceError as fault:
            if endpoint.right != "write":
                raise
            raise NoNamespaceError(f"{fault}; create it: PUT /api/{namespace}") from None

    def parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)

    parameters = [parameter("request", Request), parameter("namespace", str)]
    if "{id}" in endpoint.path:
        parameters.append(parameter("id", int))
    fields = endpoint.inputs.model_fields.values()
    if endpoint.method == "GET":
        parameters.append(parameter("inputs", Annotated[endpoint.inputs, Query()]))
    elif fields:
        is_required = any(field.is_required() for field in fields)
        default = Parameter.empty if is_required else endpoint.inputs()
        parameters.append(parameter("inputs", Annotated[endpoint.inputs, Body()], default))
    answer.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return answer


async def _no_endpoint(request: Request) -> Response:
    """404, or 405 for an endpoint of another method."""
    # Names may have slashes: an address of no endpoint could be a name.
    is_name = "/" not in request.scope["path"].removeprefix("/api/")
    if methods := _methods_of_endpoints(request, is_name):
        allowed = ", ".join(sorted(methods))
        refusal = _error(405, "OtherMethod", f"this address is for {allowed}")
        refusal.headers["allow"] = allowed
        return refusal
    return _error(404, "NoEndpoint", f"there is no such endpoint; {DOCUMENT} lists them")


def _methods_of_endpoints(request: Request, is_name: bool) -> set[str]:
    """The methods for the address of a request; `is_name` if it can be that of a memory."""
    scope = dict(request.scope)
    return {
        method
        for route in request.app.routes
        if isinstance(route, APIRoute)
        and (is_name or not route.path.endswith("{namespace:path}"))
        and route.matches(scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


async def _on_fault(request: Request, fault: MemoryFault) -> Response:
    status = next(STATUSES[kind] for kind in type(fault).__mro__ if kind in STATUSES)
    details: dict[str, Any] = {}
    match fault:
        case EditConflict():
            details = {"fact": fault.fact and asdict(fault.fact), "change": asdict(fault.change)}
        case WrongConfirmationError():
            details = {"preview": fault.preview, "confirmation": fault.preview.confirmation}
    if status == 503:
        unavailable(request.scope, fault)
    kind = type(fault).__name__
    if status not in (400, 503):
        kind = kind.removesuffix("Error")
    return _error(status, kind, fault_message(fault), **to_jsonable_python(details))


async def _on_invalid(request: Request, invalid: RequestValidationError) -> Response:
    taken = [
        name
        for endpoint in ENDPOINTS
        if endpoint.name == request.scope["route"].name
        for name in endpoint.inputs.model_fields
    ]
    faults = (_in_words(fault, taken) for fault in invalid.errors())
    return _error(400, "InputError", "; ".join(faults))


def _in_words(fault: dict[str, Any], taken: Sequence[str]) -> str:
    if fault["type"] == "json_invalid":
        return f"Invalid JSON: {fault['ctx']['error']}"
    if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 2:
        there_are = f"there are {', '.join(taken)}" if taken else "it takes none"
        return f"there is no {fault['loc'][1]}; {there_are}"
    where = ".".join(map(str, fault["loc"][1:]))  # without "query" or "body"
    return f"{where}: {fault['msg']}" if where else fault["msg"]


async def _on_unreadable(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        return await _no_endpoint(request)
    return _error(error.status_code, "InputError", "the body cannot be read as JSON")


def _error(status: int, kind: str, message: str, **details: object) -> Response:
    return JSONResponse({"error": {"kind": kind, "message": message, **details}}, status)
