"""Residue: bytes of forgotten turns that a file still contains."""

import random
import string
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memory import Turn
from memory.search.turn_columns import TURN_DTYPE
from memory.store.sqlite.store import SqliteStore
from memory.text.words import words
from tests.support.rows import connection_of, rows_of

COMMON = ["we", "went", "to", "market", "by", "train", "and", "later", "she", "told", "him"]
SESSION = 25  # turns
SHORTEST = 5  # bytes of a word that is looked for: shorter ones are in any file by chance


def made_turns(count: int, seed: int = 6) -> list[Turn]:
    """Talk with three words in each turn that no other turn has."""
    drawn = random.Random(seed)
    return [
        Turn(
            f"Person {n % 7}",
            " ".join([*drawn.sample(COMMON, 8), *(_word(drawn) for _ in range(3))]),
            f"session {n // SESSION}",
            f"2023-{n % 12 + 1:02}-{n % 28 + 1:02}",
        )
        for n in range(count)
    ]


def _word(drawn: random.Random) -> str:
    return "".join(drawn.choices(string.ascii_lowercase, k=14))


@dataclass(frozen=True)
class Scan:
    """Files and bytes searched, and the needles that were in them."""

    files: tuple[str, ...]
    size: int
    found: frozenset[bytes]


def needles(store: SqliteStore, turn_ids: Collection[int]) -> set[bytes]:
    """All that only these turns and their facts hold: words in every form, values, names, vectors.

    A word counts as theirs alone when it is part of nothing that stays. An index shares the
    beginnings of neighbouring words, so the ends of its terms are looked for as well.
    """
    stays, goes = _texts(store, turn_ids, False), _texts(store, turn_ids, True)
    left = "\n".join(stays).lower()
    left = f"{left}\n{' '.join(words(left))}"
    forms: set[str] = set()
    for text in goes:
        pieces = {text, *text.split(), *words(text), *text.lower().split()}
        forms |= {piece for piece in pieces if piece.lower() not in left}
    for term in _terms(store, turn_ids):
        forms |= {form for form in (term, term[3:]) if form not in left}
    wanted = {form.encode() for form in forms if len(form.encode()) >= SHORTEST}
    for vector in _vectors(store, turn_ids).values():
        half = len(vector) // 2  # a whole one may lie across two pages
        wanted |= {vector[:half], vector[half:]}
    return wanted


def _texts(store: SqliteStore, turn_ids: Collection[int], gone: bool) -> list[str]:
    turns = [turn for turn in store.turns() if (turn.id in turn_ids) == gone]
    facts = [fact for fact in store.facts() if (fact.turn_id in turn_ids) == gone]
    texts = [text for turn in turns for text in (turn.text, turn.speaker, turn.source)]
    texts += [fact.value for fact in facts]
    if not gone:
        texts += [f"{fact.subject} {fact.attribute}" for fact in facts]
    return texts


def _terms(store: SqliteStore, turn_ids: Collection[int]) -> set[str]:
    """The terms of the full-text index that only these turns have: stemmed as it does it."""
    connection_of(store).execute(
        "CREATE VIRTUAL TABLE temp.held USING fts5vocab('main', turns_words, 'instance')"
    )
    rows: list[tuple[Any, ...]] = rows_of(store, "SELECT term, doc FROM temp.held")
    connection_of(store).execute("DROP TABLE temp.held")
    return {term for term, doc in rows if doc in turn_ids} - {
        term for term, doc in rows if doc not in turn_ids
    }


def _vectors(store: SqliteStore, turn_ids: Collection[int]) -> dict[int, bytes]:
    """The eight-bit vectors of turns, as they lie in the file."""
    kept: dict[int, bytes] = dict(rows_of(store, "SELECT turn_id, vector FROM recent"))
    for first, last, columns in rows_of(store, "SELECT first_turn, last_turn, columns FROM blocks"):
        ids = np.frombuffer(columns, TURN_DTYPE)["id"].tolist()
        pieces = rows_of(
            store,
            "SELECT vectors FROM pieces WHERE first_turn BETWEEN ? AND ? ORDER BY first_turn",
            (first, last),
        )
        joined = b"".join(piece for (piece,) in pieces)
        width = len(joined) // len(ids)
        kept.update({n: joined[k * width : (k + 1) * width] for k, n in enumerate(ids)})
    return {turn_id: vector for turn_id, vector in kept.items() if turn_id in turn_ids}


def scan(files: Iterable[Path], wanted: Collection[bytes]) -> Scan:
    """Look for needles in the bytes of files."""
    there: Sequence[Path] = [file for file in files if file.is_file()]
    found: set[bytes] = set()
    size = 0
    for file in there:
        content = file.read_bytes()
        size += len(content)
        found |= {needle for needle in wanted if needle in content}
    return Scan(tuple(file.name for file in there), size, frozenset(found))
