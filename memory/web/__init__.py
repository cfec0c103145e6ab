"""The page: what somebody sees of their memories in a browser."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from memory.server.handles import Handles


def routes(handles: Handles) -> list[BaseRoute]:
    """The routes of the page, over a server's handles."""

    async def namespaces(request: Request) -> Response:
        names = "".join(f"<li>{escape(name)}</li>" for name in handles.names())
        return HTMLResponse(
            '<!doctype html><html lang="en"><title>Memories</title>'
            f"<h1>Memories</h1><ul>{names}</ul></html>"
        )

    return [Route("/", namespaces)]
