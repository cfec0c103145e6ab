"""The commands for tokens: create, list, revoke."""

from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.options import AsJson
from memory.cli.output import print_json, print_rows
from memory.errors import InputError
from memory.records import Rows
from memory.server.tokens import ALL_NAMESPACES, Tokens
from memory.terminal import print_clean

app = typer.Typer(help="What programs show to `memory serve`.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the token is for: laptop, claude, backup.")]


@app.command()
def create(
    name: Name,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="May be given several times.")
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all", help="All namespaces, those to come too.")
    ] = False,
    rights: Annotated[str, typer.Option(help="Of read, write and forget.")] = "read,write",
) -> None:
    """Make a token and print it. It is shown this once."""
    if bool(namespace) == all_namespaces:
        raise InputError("say which memories the token opens: --namespace NAME, or --all")
    opened = [ALL_NAMESPACES] if all_namespaces else namespace or []
    names = [right.strip() for right in rights.split(",") if right.strip()]
    print_clean(Tokens().create(name, opened, names))
    print_clean("Keep it where your client wants it; it is not shown again.", error=True)


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """What was granted to whom. The tokens themselves are not kept."""
    grants = Tokens().grants()
    if as_json:
        for grant in grants:
            print_json(asdict(grant))
        return
    cells = tuple(
        (grant.name, ", ".join(grant.namespaces), ", ".join(grant.rights)) for grant in grants
    )
    print_rows(Rows(("name", "namespaces", "rights"), cells))


@app.command()
def revoke(name: Name) -> None:
    """Let a token open nothing from now on, also where a server runs."""
    Tokens().revoke(name)
    print_clean(f"{name}: revoked")
