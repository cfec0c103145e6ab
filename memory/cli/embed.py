"""The command embed: recompute a memory's vectors with another embedder."""

from typing import Annotated

import typer

from memory.cli.options import DEFAULT, Db, Namespace, Yes, confirm, existing_memory
from memory.store import open_store
from memory.store.namespaces import shown
from memory.system.terminal import count, print_clean, progress

_BYTES_PER_TOKEN = 4  # of a text, roughly: for the price estimate


def embed(
    embedder: Annotated[
        str,
        typer.Option(help="wordllama (packaged), sentence-transformers/MODEL or PROVIDER/MODEL."),
    ],
    batch: Annotated[int, typer.Option(min=1, help="Turns embedded at a time.")] = 96,
    agree: Annotated[
        bool,
        typer.Option(
            "--agree",
            help="Only allow this embedder for a memory that you received with its vectors.",
        ),
    ] = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    yes: Yes = False,
) -> None:
    """Recompute the vectors of all turns with another embedder. Ctrl-C is safe."""
    from memory.search.embed import HostedEmbedder, load_embedder

    loaded = load_embedder(embedder)
    path = existing_memory(namespace, db)
    if agree:
        open_store(path, embedder=embedder).close()  # raises when the vectors are by another
        print_clean(f"{shown(path)}: {embedder} may read its texts from now on")
        return
    with open_store(path) as store:
        turns, size = store.vectors.to_embed(embedder)
        tokens = size // _BYTES_PER_TOKEN
        plan = f"{store.location}: {count(turns, 'turn')} (about {tokens:,} tokens) for {embedder}"
        if isinstance(loaded, HostedEmbedder):
            price = loaded.price()
            cost = "at an unknown price" if price is None else f"about ${price * tokens:,.4f}"
            print_clean(f"{plan}, {cost}")
            if turns and price != 0:  # also when the price is unknown
                confirm("Continue?", yes)
        else:
            print_clean(plan)
        with progress() as bar:
            task = bar.add_task("embedding", total=turns)
            store.vectors.reembed(embedder, batch, lambda done: bar.update(task, advance=done))
        print_clean(f"{store.location}: vectors are by {store.vectors.embedder} now")
