"""The command proxy: memory before a model's server."""

from functools import partial
from typing import Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    NAMESPACE_VARIABLE,
    AllowedHosts,
    Host,
    Port,
    needs_extra,
    print_address,
    refuse_open_address,
)
from memory.errors import InputError


def proxy(
    api_base: Annotated[
        str | None,
        typer.Option("--api-base", help="The model's server: https://api.openai.com/v1."),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace",
            "-n",
            envvar=NAMESPACE_VARIABLE,
            help="The memory of requests that name none.",
        ),
    ] = DEFAULT,
    port: Port = 8766,
    host: Host = "127.0.0.1",
    allowed_host: AllowedHosts = None,
    budget: Annotated[
        int, typer.Option(min=200, help="The most tokens of memories in a request.")
    ] = 1_000,
    require_token: Annotated[
        bool, typer.Option("--require-token", help="Refuse requests without a token of ours.")
    ] = False,
    no_store: Annotated[bool, typer.Option("--no-store", help="Store nothing.")] = False,
    no_inject: Annotated[bool, typer.Option("--no-inject", help="Add nothing.")] = False,
) -> None:
    """Stand before a model's server: add what a memory holds to requests, store what is said.

    Change an application's base_url to the address that this prints. The key for the server is
    OPENAI_API_KEY of this environment (ANTHROPIC_API_KEY for /v1/messages), or the application's.

    memory serve proxy --api-base https://api.openai.com/v1 --namespace anna
    """
    with needs_extra():
        from memory.server import listen
        from memory.server.guard import allowed_hosts
        from memory.server.handles import Handles
        from memory.server.proxy import ProxyOptions, is_address, proxy_application
        from memory.server.tokens import Tokens

    if not api_base:
        raise InputError(
            "give --api-base ADDRESS of the model's server, such as https://api.openai.com/v1"
        )
    if not is_address(api_base):
        raise InputError("--api-base is not an address; write https://api.openai.com/v1")
    hosts = allowed_host or []
    refuse_open_address(host, hosts)
    listener = listen.bind(host, port)
    port = listener.getsockname()[1]
    options = ProxyOptions(
        api_base,
        namespace=namespace,
        stores=not no_store,
        injects=not no_inject,
        needs_token=require_token or host not in listen.LOOPBACK,
        budget=budget,
    )
    app = proxy_application(options, Handles(), Tokens(), allowed_hosts(port, hosts))
    name = hosts[0] if hosts else "127.0.0.1"
    address = f"http://{name}/v1" if ":" in name else f"http://{name}:{port}/v1"
    advice = "Use this address as base_url. Ctrl-C stops the proxy."
    listen.serve(app, listener, partial(print_address, address, advice))
