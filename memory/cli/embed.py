"""The command embed: recompute a memory's vectors with another embedder."""

from typing import Annotated

import typer

from memory.cli.options import DEFAULT, Db, Namespace, existing_memory
from memory.store import open_store
from memory.system.terminal import count, print_clean, progress


def embed(
    embedder: Annotated[
        str, typer.Option(help="wordllama (packaged) or sentence-transformers/MODEL.")
    ],
    batch: Annotated[int, typer.Option(min=1, help="Turns embedded at a time.")] = 96,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Recompute the vectors of all turns with another embedder. Ctrl-C is safe."""
    with open_store(existing_memory(namespace, db)) as store:
        turns = store.vectors.to_embed(embedder)
        print_clean(f"{store.location}: {count(turns, 'turn')} for {embedder}")
        with progress() as bar:
            task = bar.add_task("embedding", total=turns)
            store.vectors.reembed(embedder, batch, lambda done: bar.update(task, advance=done))
        print_clean(f"{store.location}: vectors are by {store.vectors.embedder} now")
