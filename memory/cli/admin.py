"""The group admin: memories by name and as a whole, databases, embedders and tokens."""

import typer

from memory.cli import (
    backups,
    databases,
    embed,
    namespaces,
    operations,
    queries,
    settings,
    tags,
    tokens,
)

app = typer.Typer(
    help="List, rename and delete memories; read in SQL, tag turns, back up, set settings; move"
    " memories between databases, set up Postgres, change the embedder, make tokens.",
    no_args_is_help=True,
)
app.add_typer(namespaces.app, name="namespaces")
app.command()(queries.sql)
app.add_typer(tags.app, name="tags")
app.command()(settings.settings)
app.command()(backups.backup)
app.command()(backups.restore)
app.command()(databases.copy)
app.command()(databases.migrate)
app.command()(databases.distribute)
app.command()(databases.vacuum)
app.command()(embed.embed)
app.add_typer(tokens.app, name="tokens")
app.add_typer(operations.app, name="call")
