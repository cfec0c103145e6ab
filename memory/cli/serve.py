"""The command serve: the page, MCP and a JSON API, for this machine or those one allows."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from memory.cli.options import ApiBase, ModelName
from memory.errors import InputError
from memory.terminal import print_clean

MISSING_EXTRA = "`pip install 'sql-memory[server]'` installs what the server needs"


def serve(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8765,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="A further name by which clients call this server.")
    ] = None,
    allowed_origin: Annotated[
        list[str] | None, typer.Option(help="A further site whose pages may ask this server.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Nothing can be changed.")] = False,
    requests_a_second: Annotated[
        float, typer.Option(min=1, help="Of one client; more are refused for a second.")
    ] = 100,
    model: ModelName = "local",
    api_base: ApiBase = None,
) -> None:
    """Serve the page at /, MCP at /mcp/NAMESPACE and a JSON API at /api/NAMESPACE."""
    try:
        from memory.server import listen
        from memory.server.app import application
        from memory.server.guard import places
    except ModuleNotFoundError as error:
        raise InputError(f"{MISSING_EXTRA} ({error.name} is not there)") from None
    from memory.server.handles import Handles
    from memory.server.sign_in import SignIn
    from memory.server.tokens import Tokens

    tokens = Tokens()
    hosts = allowed_host or []
    if host not in listen.LOOPBACK and not (hosts and tokens.grants()):
        raise InputError(
            f"{host} can be reached from other machines: give --allowed-host NAME, by which clients"
            " call this one, and make a token first (`memory tokens create NAME`)"
        )
    listener = listen.bind(host, port)
    port = listener.getsockname()[1]
    sign_in = SignIn()
    app = application(
        Handles(model, api_base, read_only=read_only),
        allowed=places(port, hosts, allowed_origin or []),
        sign_in=sign_in,
        tokens=tokens,
        port=port,
        requests_a_second=requests_a_second,
    )
    listen.serve(
        app, listener, _printer(hosts[0] if hosts else "127.0.0.1", port, sign_in.link_token)
    )


def _printer(name: str, port: int, token: str) -> Callable[[], None]:
    """What prints the sign-in link, on a line of its own, once it can be opened."""

    def show() -> None:
        place = name if ":" in name else f"{name}:{port}"
        print_clean(f"http://{place}/sign-in?token={token}")
        sys.stdout.flush()
        print_clean("Open this link to sign in; it works once. Ctrl-C ends the server.", error=True)

    return show
