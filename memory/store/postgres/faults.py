"""Whether a namespace in Postgres is whole: its journal, and the tables of search.

Postgres vouches for its pages itself (data checksums, foreign keys).
"""

from collections.abc import Iterator

import numpy as np

from memory.search.words import words
from memory.store import integrity
from memory.store.postgres.connection import NamespaceConnection
from memory.store.postgres.word_lists import FACTS, TURNS

_TEXTS = {
    TURNS: ("turn", "SELECT id, text FROM turns ORDER BY id"),
    FACTS: (
        "fact",
        "SELECT id, subject || ' ' || attribute || ' ' || value FROM facts ORDER BY id",
    ),
}


def find_faults(conn: NamespaceConnection) -> list[str]:
    """What is wrong with a namespace, one line each; see `Store.check`."""
    # A later check reads what an earlier one vouches for, so it runs only where that found nothing.
    try:
        faults = [
            *integrity.setting_faults(conn),
            *integrity.column_faults(conn),
            *integrity.journal_faults(conn),
        ]
        if not faults:
            for of in _TEXTS:
                faults += _word_faults(conn, of)
    except ValueError as error:
        faults = [f"a value is damaged: {error}"]
    return faults


def _word_faults(conn: NamespaceConnection, of: str) -> Iterator[str]:
    noun, texts = _TEXTS[of]
    wordy = [row_id for row_id, text in conn.execute(texts) if words(text)]
    indexed = conn.words.ids(of)
    yield from integrity.differences(
        np.array(wordy, np.int64), indexed, noun=noun, index_name="the lists of words"
    )
