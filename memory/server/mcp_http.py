"""MCP over HTTP at /mcp/NAMESPACE: one MCP server for each list of namespaces and their rights.

/mcp/NAMESPACE?also=NAME&also=NAME reads more namespaces with it.

Requests are answered without a session: any process of a server takes any of them, and a client
never learns of a restart.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from memory.errors import InputError, StoreError
from memory.operations import Right
from memory.server.fault_messages import fault_message, unavailable
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.server.mcp_stdio import sound_json
from memory.server.tokens import Grant
from memory.store.files.united import refuse_repeated

# Each takes 0.6 MB, and a token of ten memories can ask for millions of lists of them.
MOST_SERVERS = 100
_Key = tuple[tuple[str, ...], tuple[Right, ...]]  # namespaces, rights


class McpOverHttp:
    """Answer MCP requests, each with the server for its namespaces and its token's rights.

    What is written goes to the first of the namespaces, and the token needs the right to read each.
    """

    def __init__(self, handles: Handles, rights: Sequence[Right], groups: Sequence[str]) -> None:
        self._handles = handles
        self._rights = rights
        self._groups = groups
        self._servers: OrderedDict[_Key, _Running] = OrderedDict()
        self._making = anyio.Lock()
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the servers for as long as requests are answered."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            yield
            tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        namespace = scope["path_params"]["namespace"].rstrip("/")
        grant: Grant = scope["state"]["grant"]
        rights = tuple(right for right in self._rights if grant.allows(namespace, right))
        also = QueryParams(scope["query_string"]).getlist("also")
        # Before any of them is looked for: a refusal does not tell whether there is one.
        refused = [] if rights else [namespace]
        if also:
            refused += [name for name in (namespace, *also) if not grant.allows(name, "read")]
        if refused:
            refusal = f"the token {grant.name!r} may not use the namespace {refused[0]!r}\n"
            await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        try:
            await self._handles.run_on_store(namespace, lambda store: store.read_only)
            refuse_repeated([namespace, *also])
            self._handles.refuse_missing(also)
        except InputError as fault:
            reason = str(fault).partition(";")[0]
            await PlainTextResponse(f"{reason}\n", 404)(scope, receive, send)
            return
        except StoreError as fault:  # not 404, which tells a client that its session is over
            unavailable(scope, fault)
            await PlainTextResponse(f"{fault_message(fault)}\n", 503)(scope, receive, send)
            return
        if scope["method"] != "POST":  # a stream of a session, or its end
            await PlainTextResponse("there are no sessions here; POST messages\n", 405)(
                scope, receive, send
            )
            return
        async with self._server_of(((namespace, *also), rights)) as server:
            sound = await _sound_body(scope, receive)
            await server.manager.handle_request(scope, sound, send)

    @asynccontextmanager
    async def _server_of(self, key: _Key) -> AsyncIterator["_Running"]:
        """What answers a request; it does not end before the block does."""
        async with self._making:
            if key not in self._servers:
                assert self._tasks is not None
                self._servers[key] = await self._tasks.start(self._serve, key)
            server = self._servers[key]
            self._servers.move_to_end(key)
            server.requests += 1
            self._end_oldest()
        try:
            yield server
        finally:
            server.requests -= 1

    def _end_oldest(self) -> None:
        """End the least recently used servers that no one waits for."""
        idle = [key for key, server in self._servers.items() if not server.requests]
        for key in idle[: max(len(self._servers) - MOST_SERVERS, 0)]:
            self._servers.pop(key).is_over.set()

    async def _serve(self, key: _Key, *, task_status: TaskStatus["_Running"]) -> None:
        """Run one server until it is over; the task that began its requests must also end them."""
        (namespace, *also), rights = key
        server = mcp_server(self._handles, namespace, also=also, rights=rights, groups=self._groups)
        server.streamable_http_app(
            # The guard around the whole server checks hosts and origins.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            stateless_http=True,
        )
        async with server.session_manager.run():
            running = _Running(server.session_manager)
            task_status.started(running)
            await running.is_over.wait()


@dataclass
class _Running:
    """A running server, and how many requests it is answering."""

    manager: StreamableHTTPSessionManager
    requests: int = 0
    is_over: anyio.Event = field(default_factory=anyio.Event)


async def _sound_body(scope: Scope, receive: Receive) -> Receive:
    """The request's messages, with a body that the SDK's reader takes."""
    body = await Request(scope, receive).body()
    text = body.decode("utf-8", "replace")
    first = [{"type": "http.request", "body": sound_json(text).encode(), "more_body": False}]

    async def receive_sound() -> Message:
        return first.pop() if first else await receive()

    return receive_sound


def mcp_route(servers: McpOverHttp) -> Route:
    """The route of MCP. A namespace's name may contain slashes."""
    return Route("/mcp/{namespace:path}", servers)
