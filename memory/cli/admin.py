"""The group admin: databases, embedders and tokens, for whoever runs a memory."""

import typer

from memory.cli import databases, embed, tokens

app = typer.Typer(
    help="Move memories between databases, set up Postgres, change the embedder, make tokens.",
    no_args_is_help=True,
)
app.command()(databases.copy)
app.command()(databases.migrate)
app.command()(databases.distribute)
app.command()(embed.embed)
app.add_typer(tokens.app, name="tokens")
