"""A file that was changed and added again: its turns replace the earlier ones in what is shown.

The earlier ones stay, marked as an older version, as a change that can be undone. Another file of
the same name, such as the README of another project, replaces nothing.
"""

from collections import defaultdict
from contextlib import suppress

from memory.errors import InputError
from memory.store.database import Connection
from memory.store.turns.minted_names import OLDER_VERSION
from memory.store.turns.tags import replace_tags_in
from memory.text.words import words

# The share of two texts' words that both have. Of 1,225 pairs of pages of our documents none has
# more than .38 in common; of 154 edits of one page 153 keep more than .45, of twenty edits in a row
# 41 of 45.
_SAME_FILE = 0.45


def replace_older(conn: Connection, name: str, version: str) -> None:
    """Mark the other versions of a document, and no longer this one: "manual.md@1a2b3c4d"."""
    ids = defaultdict[str, list[int]](list)
    words_of = defaultdict[str, set[str]](set)
    for turn_id, source, text in conn.run("turns_of_document", session=name):
        of_version = source[: len(version)]
        ids[of_version].append(turn_id)
        words_of[of_version].update(words(text))
    own = words_of.get(version, set())
    for other, other_words in words_of.items():
        is_same_file = len(own & other_words) >= _SAME_FILE * len(own | other_words)
        if other != version and is_same_file:
            _mark(conn, ids[other], {version})
    if own:
        _mark(conn, ids[version], set())


def _mark(conn: Connection, turn_ids: list[int], newer: set[str]) -> None:
    with suppress(InputError):  # it is marked so already
        replace_tags_in(conn, turn_ids, {OLDER_VERSION: newer}, "adding a file")
