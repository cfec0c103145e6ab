"""The group admin tokens: create, rotate, list, revoke."""

from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.memory_command import Printed
from memory.cli.options import AsJson
from memory.errors import InputError
from memory.server.tokens import ALL_NAMESPACES, Tokens
from memory.system.terminal import print_clean

app = typer.Typer(help="Access tokens for `memory serve`.", no_args_is_help=True)
Days = Annotated[float | None, typer.Option(help="After how many days it ends.")]
Name = Annotated[str, typer.Argument(help="The purpose of the token: laptop, claude, backup.")]


@app.command()
def create(
    name: Name,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="A memory that the token opens; repeatable."),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all", help="All namespaces, also future ones.")
    ] = False,
    rights: Annotated[
        str, typer.Option(help="Of read, write, forget, tokens (to make more by API).")
    ] = "read,write",
    days: Days = None,
) -> None:
    """Create a token and print it, this once."""
    if bool(namespace) == all_namespaces:
        raise InputError("give the memories that the token opens: --namespace NAME, or --all")
    opened = [ALL_NAMESPACES] if all_namespaces else namespace or []
    names = [right.strip() for right in rights.split(",") if right.strip()]
    print_clean(Tokens().create(name, opened, names, days))
    print_clean("Store it in your client; it is not shown again.", error=True)


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List tokens by name with their rights. The tokens themselves are not stored."""
    grants = Tokens().grants()
    Printed(
        [*map(asdict, grants)],
        columns=("name", "namespaces", "rights", "expires"),
        rows=[
            (grant.name, ", ".join(grant.namespaces), ", ".join(grant.rights), grant.expires_at)
            for grant in grants
        ],
    ).show(as_json)


@app.command()
def revoke(name: Name) -> None:
    """Revoke a token at once, also in a running server."""
    Tokens().revoke(name)
    print_clean(f"{name}: revoked")


@app.command()
def rotate(
    name: Name,
    days: Days = None,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="How long the old token still works.")
    ] = 0,
) -> None:
    """Replace a token by a new one with the same rights, and print it, this once."""
    print_clean(Tokens().rotate(name, days, overlap_hours))
    print_clean("Store it in your client; it is not shown again.", error=True)
