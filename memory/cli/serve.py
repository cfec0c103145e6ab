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
    str,
    typer.Option("--tools", help="More tools, by group: settings,tool_uses,digest,forget,refine."),
]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Allow no changes.")]
_MISSING_EXTRA = "the server needs more packages: pip install 'sql-memory[server]'"


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
    """Serve one memory by MCP over stdin and stdout, for a client's configuration."""
    import asyncio  # like all imports here: other commands do not need it

    with _needs_extra():
        from memory.server.handles import Handles
        from memory.server.mcp_server import mcp_server

    # A client cannot create a memory, so create it here, as `add` and `chat` do.
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
        # Report a broken memory before a client gets an answer.
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
    """The groups of a comma-separated list. Raises InputError for an unknown one."""
    from memory.tools import tool_rights

    groups = tuple(name.strip() for name in tools.split(",") if name.strip())
    tool_rights(groups)
    return groups


@contextmanager
def _needs_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{_MISSING_EXTRA} ({error.name} is missing)") from None


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port; 0 picks a free one.")
    ] = 8765,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Another host name of this server; repeatable.")
    ] = None,
    allowed_origin: Annotated[
        list[str] | None,
        typer.Option(help="Another site whose pages may call this server; repeatable."),
    ] = None,
    read_only: ReadOnly = False,
    tools: Groups = "",
    requests_a_second: Annotated[
        float, typer.Option(min=1, help="Requests a second that one client may make.")
    ] = 100,
    model: ModelName = "local",
    api_base: ApiBase = None,
    program: Program = None,
    reranker: RerankerName = None,
) -> None:
    """Serve all memories: a web page at /, MCP at /mcp/NAMESPACE, JSON at /api/NAMESPACE."""
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
            f"other machines can reach {host}: give --allowed-host NAME, the name that clients use,"
            " and create a token first (`memory admin tokens create NAME`)"
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
    """A function that prints the sign-in link once it works."""

    def show() -> None:
        host = name if ":" in name else f"{name}:{port}"
        print_clean(f"http://{host}/sign-in?token={token}")
        sys.stdout.flush()
        print_clean(
            "Open this link to sign in; it works once. Ctrl-C stops the server.", error=True
        )

    return show
