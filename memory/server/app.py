"""The whole server: the page at /, sign-in, MCP, the JSON API, and the guard around them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from memory.operations import Right
from memory.server import web
from memory.server.guard import REQUESTS_A_SECOND, AllowedHosts, Guard
from memory.server.handles import Handles
from memory.server.json_api import api
from memory.server.mcp_http import McpOverHttp, mcp_route
from memory.server.observed import Observed
from memory.server.sign_in import SignIn, sign_in_routes
from memory.server.tokens import Tokens

COOKIE = "sql-memory-session"


def application(
    handles: Handles,
    *,
    allowed: AllowedHosts,
    sign_in: SignIn,
    tokens: Tokens,
    port: int,
    requests_a_second: float = REQUESTS_A_SECOND,
    rights: Sequence[Right] = ("read", "write", "forget"),
    groups: Sequence[str] = (),
) -> ASGIApp:
    """The server as an ASGI application; it closes the handles on shutdown.

    No token has more than these `rights`; `groups` are from memory.operations.tools.GROUPS, in
    addition to "core". `port` is part of the cookie's name: browsers share cookies between the
    ports of a host, so two servers would sign out each other's users.
    """
    mcp_servers = McpOverHttp(handles, rights, groups)
    cookie = f"{COOKIE}-{port}"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            async with mcp_servers.run():
                yield
        finally:
            handles.close()

    pages = Starlette(
        routes=[
            *sign_in_routes(sign_in, cookie),
            mcp_route(mcp_servers),
            Route("/api/{path:path}", api(handles, rights)),
            *web.routes(handles),
        ],
        lifespan=lifespan,
    )
    # Outside Starlette's own middleware: error responses pass the guard as well.
    guarded = Guard(
        pages,
        allowed=allowed,
        sign_in=sign_in,
        tokens=tokens,
        cookie=cookie,
        requests_a_second=requests_a_second,
    )
    return Observed(guarded)
