"""The group serve: memories for other programs, over HTTP and stdio, before a model, by itself."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli import proxy, worker
from memory.cli.options import (
    AllowedHosts,
    ApiBase,
    Db,
    Host,
    ModelName,
    Namespaces,
    Port,
    Program,
    ShownBudget,
    check_budget,
    compiled_program,
    existing_memory,
    loaded_model,
    names_of,
    needs_extra,
    open_memory,
    print_address,
    refuse_open_address,
    refuse_options_before,
)
from memory.errors import InputError
from memory.store.configuration.declared_settings import set_owner
from memory.store.configuration.limits import Limits
from memory.store.files.united import refuse_repeated
from memory.store.turns.turns_table import known_sources
from memory.system.home import home_address

if TYPE_CHECKING:
    from memory.operations import Right

Groups = Annotated[
    str,
    typer.Option(
        "--tools", help="More tools, by group: settings,tool_uses,digest,refine,operations."
    ),
]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Allow no changes.")]
Owner = Annotated[
    str, typer.Option(help='Whose memory it is: "user", I and my mean this person from now on.')
]
app = typer.Typer(invoke_without_command=True)


def mcp(
    namespaces: Namespaces = None,
    db: Db = None,
    read_only: ReadOnly = False,
    tools: Groups = "",
    model: ModelName = "",
    api_base: ApiBase = None,
    program: Program = None,
    budget: ShownBudget = None,
    owner: Owner = "",
) -> None:
    """Serve a memory by MCP over stdin and stdout, for a client's configuration.

    Of several memories the tools read all, and write to the first.
    """
    import asyncio  # like all imports here: other commands do not need it

    with needs_extra():
        from memory.server.handles import Handles
        from memory.server.mcp_server import mcp_server
        from memory.server.mcp_stdio import serve_stdio

    namespace, *also = names_of(namespaces)
    refuse_repeated([namespace, *also])
    _refuse_budget(budget, model, api_base)
    # A client cannot create a memory, so create it here, as `add` and `chat` do.
    is_new = False
    if not read_only:
        is_new = not _exists(namespace, db)
        with open_memory(namespace, db, create=True) as store:
            if owner:
                set_owner(store, owner)
    handles = Handles(
        model,
        api_base,
        program=compiled_program(program),
        budget=budget,
        read_only=read_only,
        path_of=lambda name: existing_memory(name, db),
    )
    server = mcp_server(
        handles,
        namespace,
        also=also,
        rights=_rights(read_only),
        groups=_groups(tools),
        is_new=is_new,
    )
    try:
        # Report a broken memory before a client gets an answer.
        asyncio.run(handles.run_on_store(namespace, lambda store: known_sources(store, [])))
        handles.refuse_missing(also)
        serve_stdio(server)
    finally:
        handles.close()


def _exists(namespace: str, db: Path | None) -> bool:
    try:
        existing_memory(namespace, db)
    except InputError:
        return False
    return True


def _refuse_budget(budget: int | None, model: str, api_base: str | None) -> None:
    """Raise InputError before serving, for a budget that the model cannot have."""
    if budget is None:
        return
    from memory.evidence.lines import refuse_budget

    refuse_budget(budget)
    check_budget(loaded_model(model, api_base), budget)


def _rights(read_only: bool) -> "tuple[Right, ...]":
    return ("read",) if read_only else ("read", "write", "forget")


def _groups(tools: str) -> tuple[str, ...]:
    """The groups of a comma-separated list. Raises InputError for an unknown one."""
    from memory.operations.tools import tool_rights

    groups = tuple(name.strip() for name in tools.split(",") if name.strip())
    tool_rights(groups)
    return groups


@app.callback()
def serve(
    context: typer.Context,
    port: Port = 8765,
    host: Host = "127.0.0.1",
    allowed_host: AllowedHosts = None,
    allowed_origin: Annotated[
        list[str] | None,
        typer.Option(help="Another site whose pages may call this server; repeatable."),
    ] = None,
    read_only: ReadOnly = False,
    tools: Groups = "",
    requests_a_second: Annotated[
        float, typer.Option(min=1, help="Requests a second that one client may make.")
    ] = 100,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes; more than one need Postgres.")
    ] = 1,
    most_turns: Annotated[
        int | None, typer.Option(min=1, help="Turns that one memory may hold.")
    ] = None,
    most_characters: Annotated[
        int | None, typer.Option(min=1, help="Characters that the turns of one may have.")
    ] = None,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log each request as a line of JSON, to stderr.")
    ] = False,
    cache: Annotated[
        str, typer.Option(help="Memory of each process for open memories: 500MB, 2GB.")
    ] = "1GB",
    model: ModelName = "",
    api_base: ApiBase = None,
    program: Program = None,
    budget: ShownBudget = None,
    owner: Owner = "",
) -> None:
    """Serve all memories: a web page, MCP and a JSON API. Below it: mcp, proxy, worker.

    The page is at /, MCP at /mcp/NAMESPACE, the JSON API at /api/NAMESPACE.
    """
    if context.invoked_subcommand:
        refuse_options_before(context)
        return
    with needs_extra():
        from memory.server import listen
        from memory.server.options import ServerOptions
        from memory.server.sign_in import open_sign_in

    if workers > 1 and not home_address():
        raise InputError(
            "--workers needs memories in Postgres (MEMORY_HOME=postgresql://...): a file has one"
            " process that holds it open; see docs/scaling.md"
        )
    hosts = allowed_host or []
    refuse_open_address(host, hosts)
    cache_bytes = _bytes(cache)
    _refuse_budget(budget, model, api_base)
    has_limits = most_turns is not None or most_characters is not None
    limits = Limits(most_turns, most_characters) if has_limits else None
    listener = listen.bind(host, port)
    port = listener.getsockname()[1]
    options = ServerOptions(
        port=port,
        hosts=tuple(hosts),
        origins=tuple(allowed_origin or ()),
        rights=_rights(read_only),
        groups=_groups(tools),
        requests_a_second=requests_a_second,
        cache_bytes=cache_bytes,
        model=model,
        api_base=api_base,
        program=program,
        owner=owner,
        budget=budget,
        limits=limits,
        has_json_logs=log_json,
    )
    sign_in = open_sign_in()
    name = hosts[0] if hosts else "127.0.0.1"
    link = f"http://{name if ':' in name else f'{name}:{port}'}/sign-in?token={sign_in.link_token}"
    advice = "Open this link to sign in; it works once. Ctrl-C stops the server."
    show = partial(print_address, link, advice)
    if workers > 1:
        listen.serve_workers(options.worker_application, listener, workers, show)
    else:
        listen.serve(options.application(sign_in), listener, show)


app.command()(mcp)
app.command()(proxy.proxy)
app.command()(worker.worker)

_UNITS = {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}


def _bytes(text: str) -> int:
    """The bytes of a size such as 500MB. Raises InputError for another text."""
    size = re.fullmatch(r"(\d{1,9})\s*(kb|mb|gb)", text.strip().lower())
    if not size:
        raise InputError(f"--cache {text[:30]!r} is no size; write 500MB or 2GB")
    return int(size[1]) * _UNITS[size[2]]
