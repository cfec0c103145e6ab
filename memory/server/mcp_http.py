"""MCP over HTTP at /mcp/NAMESPACE: one MCP server for each namespace and token."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from memory.errors import InputError, StoreError
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.server.tokens import Grant
from memory.tools import Right

# A session takes some kilobytes; one that its client forgets ends after this time.
_IDLE_SECONDS = 30 * 60
_MOST_SESSIONS = 1_000  # for each token and namespace
_Key = tuple[str, str, tuple[Right, ...]]


class McpOverHttp:
    """Answer MCP requests, each with the server for its namespace and its token's rights.

    A session belongs to one token and one namespace; another token cannot use it.
    """

    def __init__(self, handles: Handles, rights: Sequence[Right], groups: Sequence[str]) -> None:
        self._handles = handles
        self._rights = rights
        self._groups = groups
        self._managers: dict[_Key, StreamableHTTPSessionManager] = {}
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
        if not rights:
            refusal = f"the token {grant.name!r} may not use the namespace {namespace!r}\n"
            await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        try:
            await self._handles.run_on_store(namespace, lambda store: store.read_only)
        except (InputError, StoreError) as fault:
            reason = str(fault).partition(";")[0]
            await PlainTextResponse(f"{reason}\n", 404)(scope, receive, send)
            return
        manager = await self._manager((namespace, grant.name, rights))
        await manager.handle_request(scope, receive, send)

    async def _manager(self, key: _Key) -> StreamableHTTPSessionManager:
        async with self._making:
            if key not in self._managers:
                assert self._tasks is not None
                self._managers[key] = await self._tasks.start(self._serve, key)
        return self._managers[key]

    async def _serve(
        self, key: _Key, *, task_status: TaskStatus[StreamableHTTPSessionManager]
    ) -> None:
        """Run one server until cancelled; the task that started its sessions must also end them."""
        namespace, _, rights = key
        server = mcp_server(self._handles, namespace, rights=rights, groups=self._groups)
        server.streamable_http_app(
            # The guard around the whole server checks hosts and origins.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            session_idle_timeout=_IDLE_SECONDS,
            max_sessions=_MOST_SESSIONS,
        )
        async with server.session_manager.run():
            task_status.started(server.session_manager)
            await anyio.sleep_forever()


def mcp_route(servers: McpOverHttp) -> Route:
    """The route of MCP. A namespace's name may contain slashes."""
    return Route("/mcp/{namespace:path}", servers)
