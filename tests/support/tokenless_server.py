"""The whole server for clients that cannot send headers: each request gets a token with all rights.

    python -m tests.support.tokenless_server NAMESPACE

It prints the address of the namespace's MCP.
"""

import sys
from pathlib import Path
from tempfile import mkdtemp

from starlette.types import ASGIApp, Receive, Scope, Send

from memory.operations.tools import GROUPS
from memory.server import listen
from memory.server.app import application
from memory.server.guard import allowed_hosts
from memory.server.handles import Handles
from memory.server.sign_in import open_sign_in
from memory.server.tokens import RIGHTS, Tokens


def with_token(app: ASGIApp, token: str) -> ASGIApp:
    """The same application, asked with a token; hosts, origins and limits are looked at as ever."""

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            header = (b"authorization", f"Bearer {token}".encode())
            scope = {**scope, "headers": [*scope["headers"], header]}
        await app(scope, receive, send)

    return ask


def main(namespace: str) -> None:
    listener = listen.bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    tokens = Tokens(Path(mkdtemp()) / "tokens.json")
    token = tokens.create("conformance", [namespace], RIGHTS)
    app = application(
        Handles(),
        allowed=allowed_hosts(port),
        sign_in=open_sign_in(),
        tokens=tokens,
        port=port,
        groups=[group for group in GROUPS if group != "core"],
    )
    address = f"http://127.0.0.1:{port}/mcp/{namespace}"
    listen.serve(with_token(app, token), listener, lambda: print(address, flush=True))


if __name__ == "__main__":
    main(sys.argv[1])
