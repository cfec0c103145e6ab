"""The commands mcp and serve: memories for other programs, over stdio and HTTP."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    ApiBase,
    Db,
    ModelName,
    Namespace,
    Program,
    RerankerName,
    existing_memory,
    open_memory,
)
from memory.errors import InputError
from memory.terminal import print_clean

if TYPE_CHECKING:
    from memory.program import MemoryProgram
    from memory.tools import Right

Groups = Annotated[
    str, typer.Option("--tools", help="Further ones: settings,tool_uses,digest,forget,refine.")
]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Nothing can be changed.")]
_MISSING_EXTRA = "`pip install 'sql-memory[server]'` installs what the server needs"


def mcp(
    namespace: Namespace = DEFAULT,
    db: Db = None,
    read_only: ReadOnly = False,
    tools: Groups = "",
    model: ModelName = "local",
    api_base: ApiBase = None,
    program: Program = None,
    reranker: RerankerName = None,
) -> None:
    """Serve one memory by MCP over stdin and stdout: what a client's configuration starts."""
    import asyncio  # as all that is imported here: other commands do without

    with _needs_extra():
        from memory.server.handles import Handles
        from memory.server.mcp_server import mcp_server

    # A client cannot make a memory: it is made here, as `add` and `chat` make it.
    if not read_only:
        with open_memory(namespace, db, create=True):
            pass
    handles = Handles(
        model,
        api_base,
        program=_compiled(program),
        reranker=reranker,
        read_only=read_only,
        path_of=lambda name: existing_memory(name, db),
    )
    server = mcp_server(handles, namespace, rights=_rights(read_only), groups=_groups(tools))
    try:
        # What is wrong with the memory is said before a client is answered.
        asyncio.run(handles.run_on_store(namespace, lambda store: store.known([])))
        server.run("stdio")
    finally:
        handles.close()


def _compiled(program: Path | None) -> "MemoryProgram | None":
    if program is None:
        return None
    from memory.program import load_program  # takes a second

    return load_program(program)


def _rights(read_only: bool) -> "tuple[Right, ...]":
    return ("read",) if read_only else ("read", "write", "forget")


def _groups(tools: str) -> tuple[str, ...]:
    """The groups of a list with commas. Raises InputError for one that is not there."""
    from memory.tools import tool_rights

    groups = tuple(name.strip() for name in tools.split(",") if name.strip())
    tool_rights(groups)
    return groups


@contextmanager
def _needs_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{_MISSING_EXTRA} ({error.name} is not there)") from None


def serve(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8765,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="A further name by which clients call this server.")
    ] = None,
    allowed_origin: Annotated[
        list[str] | None, typer.Option(help="A further site whose pages may ask this server.")
    ] = None,
    read_only: ReadOnly = False,
    tools: Groups = "",
    requests_a_second: Annotated[
        float, typer.Option(min=1, help="Of one client; more are refused for a second.")
    ] = 100,
    model: ModelName = "local",
    api_base: ApiBase = None,
    program: Program = None,
    reranker: RerankerName = None,
) -> None:
    """Serve the page at /, MCP at /mcp/NAMESPACE and a JSON API at /api/NAMESPACE."""
    with _needs_extra():
        from memory.server import listen
        from memory.server.app import application
        from memory.server.guard import allowed_hosts
        from memory.server.handles import Handles
        from memory.server.sign_in import SignIn
        from memory.server.tokens import Tokens

    tokens = Tokens()
    hosts = allowed_host or []
    if host not in listen.LOOPBACK and not (hosts and tokens.grants()):
        raise InputError(
            f"{host} can be reached from other machines: give --allowed-host NAME, by which clients"
            " call this one, and make a token first (`memory admin tokens create NAME`)"
        )
    listener = listen.bind(host, port)
    port = listener.getsockname()[1]
    sign_in = SignIn()
    app = application(
        Handles(
            model,
            api_base,
            program=_compiled(program),
            reranker=reranker,
            read_only=read_only,
        ),
        rights=_rights(read_only),
        groups=_groups(tools),
        allowed=allowed_hosts(port, hosts, allowed_origin or []),
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
        host = name if ":" in name else f"{name}:{port}"
        print_clean(f"http://{host}/sign-in?token={token}")
        sys.stdout.flush()
        print_clean("Open this link to sign in; it works once. Ctrl-C ends the server.", error=True)

    return show
