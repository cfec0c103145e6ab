"""The words of turns and facts in Postgres: for each word lists of the ids that hold it.

A list has the ids of one chunk, 4,096 in a row, as their low 12 bits. Only equality is looked for,
for which an index can be used behind row-level security. SQLite's own stemmer takes off English
endings, so that both databases find the same turns.
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from hashlib import blake2b
from itertools import accumulate, chain, pairwise

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.embed import related
from memory.search.index import FrequentWords
from memory.search.question import Query
from memory.search.word_matches import MAX_RELATED, MOST_FACTS, WordMatches, examples_of_kind
from memory.store.database import Connection
from memory.store.sqlite.full_text import first_letters
from memory.text.words import words

CHUNK_BITS = 12
LONGEST_KEY = 500  # bytes; an index of Postgres takes 2,700
MOST_STEMS = 200_000  # kept in memory; the words of a million turns of chat are fewer
TURNS, FACTS = "t", "f"
_LAST_CHARACTER = "\U0010ffff"
Entry = tuple[str, int]  # a word's key and a chunk
Lists = Mapping[tuple[str, str], NDArray[np.int64]]  # by table and key: ids, ascending


class WordLists:
    """The words of turns and facts of one namespace; see `WordIndex`."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        # The texts of facts that this transaction has changed, as its beginning knew them and now.
        self._first_texts: dict[int, str] = {}
        self._last_texts: dict[int, str] = {}

    def clear(self) -> None:
        """Forget what is noted of a transaction."""
        self._first_texts = {}
        self._last_texts = {}

    def change_fact(self, fact_id: int, before: str, after: str) -> None:
        """Note what search finds a fact by, before and after a write; "" where it is not there."""
        self._first_texts.setdefault(fact_id, before)
        self._last_texts[fact_id] = after

    def put_turns(self, turns: Sequence[Turn]) -> None:
        ids_of_entry = _entries((turn.id, turn.text) for turn in turns)
        self._conn.run(
            "extend_lists",
            of=TURNS,
            words=_words_of(ids_of_entry),
            chunks=_chunks_of(ids_of_entry),
            lists=_lists_of(ids_of_entry),
        )

    def remove_turns(self, turns: Sequence[Turn]) -> None:
        self._change(TURNS, removed=_entries((turn.id, turn.text) for turn in turns), added={})

    def bring_in_facts(self) -> None:
        """Bring the lists up to date with the facts that this transaction has changed."""
        removed, added = self._first_texts, self._last_texts
        if removed:
            self.clear()
            self._change(FACTS, removed=_entries(removed.items()), added=_entries(added.items()))

    def matches(
        self,
        query: Query,
        frequent: FrequentWords,
        turn_ids: tuple[int, int] | None = None,
    ) -> list[WordMatches]:
        """Keeps nothing: all lists come in one statement, frequent words' in 2 bytes a turn."""
        expansions = [([word], related(word), examples_of_kind(word)) for word in query.words]
        keys = _keys({word for kinds in expansions for any_of in kinds for word in any_of})
        lists = self._lists(set(keys.values()))
        turn_of_fact = self._turns_of_facts(lists)

        def turns_holding(any_of: Sequence[str]) -> NDArray[np.int64]:
            return _within(_ids(lists, TURNS, {keys[word] for word in any_of}), turn_ids)

        def holding(any_of: Sequence[str]) -> NDArray[np.int64]:
            turns = turns_holding(any_of)
            of_facts = _ids(lists, FACTS, {keys[word] for word in any_of})
            if turn_ids is None:
                of_facts = of_facts[-MOST_FACTS:]
            if not len(of_facts):
                return turns
            named = np.array([turn_of_fact[fact_id] for fact_id in of_facts.tolist()], np.int64)
            return np.union1d(turns, _within(named, turn_ids)[-MOST_FACTS:])

        def holding_rare(any_of: Sequence[str]) -> NDArray[np.int64]:
            return holding([word for word in any_of if len(turns_holding([word])) < MAX_RELATED])

        return [
            WordMatches(
                exact=holding(exact),
                related=holding_rare(of_like_meaning),
                examples=holding_rare(examples),
            )
            for exact, of_like_meaning, examples in expansions
        ]

    def holds(self, word: str) -> bool:
        return bool(self._lists(set(_keys([word]).values())))

    def turns_holding(self, all_of: Sequence[str], most: int, oldest: bool = False) -> list[int]:
        keys = set(_keys(all_of).values())
        lists = self._lists(keys)
        of_words = [_ids(lists, TURNS, {key}) for key in keys]
        ids: list[int] = reduce(np.intersect1d, of_words).tolist()
        return ids[:most] if oldest else ids[: -most - 1 : -1]

    def facts_that_may_hold(self, beginnings: Sequence[str]) -> list[int]:
        self.bring_in_facts()
        of_words = []
        for word, stem in _keys(beginnings).items():
            spans = [
                self._conn.run("facts_of_words_from", first=first, beyond=first + _LAST_CHARACTER)
                for first in (stem, first_letters(word))
            ]
            lists = [_unpacked(ids, chunk) for rows in spans for chunk, ids in rows.fetchall()]
            of_words.append(np.unique(np.concatenate([*lists, np.zeros(0, np.int64)])))
        ids: list[int] = reduce(np.intersect1d, of_words).tolist()
        return ids

    def ids(self, of: str) -> NDArray[np.int64]:
        """The ids of all turns (TURNS) or facts (FACTS) that have a word, ascending."""
        rows = self._conn.run("all_lists", of=of).fetchall()
        arrays = [_unpacked(ids, chunk) for chunk, ids in rows]
        return np.unique(np.concatenate(arrays)) if arrays else np.zeros(0, np.int64)

    def _lists(self, keys: Collection[str]) -> Lists:
        self.bring_in_facts()
        if not keys:
            return {}
        rows = self._conn.run("lists_of_words", words=list(keys)).fetchall()
        chunks = defaultdict[tuple[str, str], list[NDArray[np.int64]]](list)
        for of, word, chunk, ids in rows:
            chunks[of, word].append(_unpacked(ids, chunk))
        return {key: np.concatenate(arrays) for key, arrays in chunks.items()}

    def _turns_of_facts(self, lists: Lists) -> dict[int, int]:
        ids = [ids for (of, _), ids in lists.items() if of == FACTS]
        if not ids:
            return {}
        wanted = np.unique(np.concatenate(ids)).tolist()
        return dict(self._conn.run("turns_of_facts", fact_ids=wanted).fetchall())

    def _change(
        self,
        of: str,
        removed: Mapping[Entry, Sequence[int]],
        added: Mapping[Entry, Sequence[int]],
    ) -> None:
        """Take ids out of lists and put others in; a list without ids is deleted."""
        entries = {*removed, *added}
        key = {"of": of, "words": _words_of(entries), "chunks": _chunks_of(entries)}
        rows = self._conn.run("given_lists", **key)
        stored = {(word, chunk): _unpacked(ids, chunk) for word, chunk, ids in rows.fetchall()}
        nothing = np.zeros(0, np.int64)
        new = {
            entry: np.union1d(
                np.setdiff1d(stored.get(entry, nothing), removed.get(entry, ())),
                np.array(added.get(entry, ()), np.int64),
            ).tolist()
            for entry in entries
        }
        self._conn.run("delete_lists", **key)
        self._conn.run_many(
            "insert_list",
            [
                {"of": of, "word": word, "chunk": chunk, "ids": _packed(ids)}
                for (word, chunk), ids in sorted(new.items())
                if ids
            ],
        )


def _ids(lists: Lists, of: str, keys: Collection[str]) -> NDArray[np.int64]:
    """The ids that any of the words has, ascending."""
    arrays = [lists[of, key] for key in keys if (of, key) in lists]
    if not arrays:
        return np.zeros(0, np.int64)
    return arrays[0] if len(arrays) == 1 else np.unique(np.concatenate(arrays))


def _within(ids: NDArray[np.int64], bounds: tuple[int, int] | None) -> NDArray[np.int64]:
    """The ids from the first to the last of two."""
    return ids if bounds is None else ids[(ids >= bounds[0]) & (ids <= bounds[1])]


def _entries(texts: Iterable[tuple[int, str]]) -> dict[Entry, list[int]]:
    """Which ids go into which lists, ascending as they come."""
    words_of_id = [(row_id, words(text)) for row_id, text in texts]
    keys = _keys({word for _, row_words in words_of_id for word in row_words})
    entries = defaultdict[Entry, list[int]](list)
    for row_id, row_words in words_of_id:
        for key in {keys[word] for word in row_words}:
            entries[key, row_id >> CHUNK_BITS].append(row_id)
    return entries


# Entries and their lists as texts, in one order in all transactions.


def _words_of(entries: Iterable[Entry]) -> str:
    return "\n".join(word for word, _ in sorted(entries))


def _chunks_of(entries: Iterable[Entry]) -> str:
    return " ".join(str(chunk) for _, chunk in sorted(entries))


def _lists_of(ids_of_entry: Mapping[Entry, Sequence[int]]) -> str:
    """The lists in hexadecimal."""
    lists = [ids_of_entry[entry] for entry in sorted(ids_of_entry)]
    low_bits = np.fromiter(chain.from_iterable(lists), np.int64) & (2**CHUNK_BITS - 1)
    digits = low_bits.astype("<u2").tobytes().hex()  # four of each id
    ends = [4 * end for end in accumulate(map(len, lists))]
    return " ".join(digits[start:end] for start, end in pairwise([0, *ends]))


def _packed(ids: Sequence[int]) -> bytes:
    low_bits = np.array(ids, np.int64) & (2**CHUNK_BITS - 1)
    return bytes(low_bits.astype("<u2").tobytes())


def _unpacked(ids: bytes, chunk: int) -> NDArray[np.int64]:
    return np.frombuffer(ids, "<u2").astype(np.int64) + (chunk << CHUNK_BITS)


# --- stems ------------------------------------------------------------------------------------

_stems: dict[str, str] = {}
_stems_lock = threading.Lock()


def _keys(of_words: Iterable[str]) -> dict[str, str]:
    """Under which key each word has its lists: its stem, or a hash of a very long one."""
    of_words = set(of_words)
    with _stems_lock:
        unknown = [word for word in of_words if word not in _stems]
        if len(_stems) + len(unknown) > MOST_STEMS:
            _stems.clear()
            unknown = list(of_words)
        if unknown:
            _stems.update(_new_stems(unknown))
        return {word: _stems[word] for word in of_words}


def _new_stems(unknown: Sequence[str]) -> dict[str, str]:
    """The keys of words, by the stemmer of SQLite's full-text tables (0016_schema.sql)."""
    conn = sqlite3.connect(":memory:")
    try:
        conn.execute(
            "CREATE VIRTUAL TABLE texts USING fts5"
            " (word, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii')"
        )
        conn.executemany("INSERT INTO texts (rowid, word) VALUES (?, ?)", enumerate(unknown))
        conn.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (texts, instance)")
        stems = {unknown[doc]: term for term, doc in conn.execute("SELECT term, doc FROM stems")}
    finally:
        conn.close()
    return {word: _key(stems.get(word, word)) for word in unknown}


def _key(stem: str) -> str:
    plain = stem.encode()
    if len(plain) <= LONGEST_KEY:
        return stem
    return f"{plain[:20].decode(errors='ignore')} {blake2b(plain, digest_size=16).hexdigest()}"
