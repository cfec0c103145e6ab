"""A document and facts with codes that a terminal obeys, in every text that others can write."""

from pathlib import Path

from memory import Store
from memory.exchange.documents import add_chunks, chunks

# Colour, the window's title, an answer back, a line over the one before; C1; a bell; DEL.
CODES = "\x1b[31m\x1b]0;evil\x07\x1b[6n\x1b[1A\x9b31m\x85\x7f\r"


def add_document_and_facts(store: Store, folder: Path, codes: str = CODES) -> Path:
    """Add them to a memory that has two turns; the document's file."""
    document = folder / f"manual{codes}.md"
    document.write_text(f"# Pump{codes}\n\nOil it in Oslo.{codes}\n")
    add_chunks(store, chunks(document))
    for n in (1, 2):
        store.write(
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
            f" ('Anna{codes}', 'lives_in{codes}', 'Oslo {n}{codes}', '2023', {n})",
            cause=f"told{codes}",
        )
    return document
