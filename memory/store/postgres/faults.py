"""Whether a namespace in Postgres is whole: its journal, and the tables of search.

Postgres vouches for its pages itself (data checksums, foreign keys).
"""

from collections.abc import Iterable, Iterator

import numpy as np

from memory.store.files import integrity
from memory.store.postgres.connection import NamespaceConnection
from memory.store.postgres.word_lists import FACTS, TURNS
from memory.store.turns.turns_table import BEYOND_ALL_IDS
from memory.text.words import words


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
            turns = conn.run("texts_of_turns", after=0, most=BEYOND_ALL_IDS)
            faults += _word_faults(conn, TURNS, texts=turns, noun="turn")
            faults += _word_faults(conn, FACTS, texts=conn.run("texts_of_facts"), noun="fact")
    except ValueError as error:
        faults = [f"a value is damaged: {error}"]
    return faults


def _word_faults(
    conn: NamespaceConnection, of: str, *, texts: Iterable[tuple[int, str]], noun: str
) -> Iterator[str]:
    wordy = [row_id for row_id, text in texts if words(text)]
    indexed = conn.words.ids(of)
    yield from integrity.differences(
        np.array(wordy, np.int64), indexed, noun=noun, index_name="the lists of words"
    )
