"""The command embed: the vectors of a memory made anew by another embedder."""

from typing import Annotated

import typer

from memory.cli.options import DEFAULT, Db, Namespace, Yes, confirm, existing_memory
from memory.namespaces import shown
from memory.store import open_store
from memory.terminal import count, print_clean, progress

_BYTES_PER_TOKEN = 4  # of a text, roughly: for the price that is shown before


def embed(
    embedder: Annotated[
        str,
        typer.Option(help="wordllama, sentence-transformers/MODEL, or PROVIDER/MODEL of litellm."),
    ],
    batch: Annotated[int, typer.Option(min=1, help="Turns embedded and kept at a time.")] = 96,
    agree: Annotated[
        bool,
        typer.Option(
            "--agree", help="Only let it be asked for a memory that came from elsewhere with it."
        ),
    ] = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    yes: Yes = False,
) -> None:
    """Make the vectors of all turns anew by another embedder. It can be interrupted."""
    from memory.embed import HostedEmbedder, load_embedder

    loaded = load_embedder(embedder)
    path = existing_memory(namespace, db)
    if agree:
        open_store(path, embedder=embedder).close()  # a refusal when its vectors are by another
        print_clean(f"{shown(path)}: {embedder} gets its texts from now on")
        return
    with open_store(path) as store:
        turns, size = store.to_embed(embedder)
        tokens = size // _BYTES_PER_TOKEN
        plan = f"{store.location}: {count(turns, 'turn')} (about {tokens:,} tokens) for {embedder}"
        if isinstance(loaded, HostedEmbedder):
            price = loaded.price()
            cost = "at an unknown price" if price is None else f"about ${price * tokens:,.4f}"
            print_clean(f"{plan}, {cost}")
            if turns and price != 0:  # also when the price is unknown
                confirm("Go on?", yes)
        else:
            print_clean(plan)
        with progress() as bar:
            task = bar.add_task("embedding", total=turns)
            store.reembed(embedder, batch, lambda embedded: bar.update(task, advance=embedded))
        print_clean(f"{store.location}: its vectors are by {store.embedder} now")
