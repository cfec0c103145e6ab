"""The words of turns and facts in SQLite: full-text tables (FTS5), which take off English endings.

The triggers on `facts` keep the words of facts (migrations/0016_schema.sql).
"""

import sqlite3
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.embed import related
from memory.search.index import FrequentWords
from memory.search.question import Query
from memory.search.word_matches import (
    MAX_EXACT,
    MAX_RELATED,
    MOST_FACTS,
    WordMatches,
    examples_of_kind,
)
from memory.text.words import indexed_words

# One group_concat instead of a row for each turn: 90 ns a turn (docs/decisions.md, 13).
# Each with the condition for the turns from one to another.
_TURNS_HOLDING = (
    "SELECT group_concat(rowid, ' ') FROM (SELECT rowid FROM turns_words"
    " WHERE turns_words MATCH ?{within} ORDER BY rowid DESC LIMIT ?)",
    " AND rowid BETWEEN ? AND ?",
)
_FACTS_HOLDING = (
    "SELECT group_concat(turn_id, ' ') FROM (SELECT turn_id FROM facts_words"
    " JOIN facts ON id = facts_words.rowid WHERE facts_words MATCH ?{within}"
    " ORDER BY facts_words.rowid DESC LIMIT ?)",
    " AND +turn_id BETWEEN ? AND ?",  # +: by the words, not by the index of turn_id
)
_NEWEST_HOLDING = (
    "SELECT rowid FROM turns_words WHERE turns_words MATCH ? ORDER BY rowid DESC LIMIT ?"
)
_OLDEST_HOLDING = "SELECT rowid FROM turns_words WHERE turns_words MATCH ? ORDER BY rowid LIMIT ?"
_COUNT = (
    "SELECT count(*) FROM (SELECT 1 FROM turns_words"
    " WHERE turns_words MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?)"
)
_STATE = (
    "SELECT EXISTS (SELECT 1 FROM facts), (SELECT coalesce(max(id), 0) FROM turns), data_version"
    " FROM pragma_data_version"
)
_ALL = 2**62
_MERGED_PAGES = 16
_MORE_PAGES_OF_FACTS = "SELECT 1 FROM facts_words_data LIMIT 1 OFFSET 64"  # about 15,000 facts
_NO_IDS = np.zeros(0, np.int64)
_KEY_BYTES = 500
_KEPT_BYTES = 1_000_000  # of the ids that were found since the file last changed


class KnownMatches:
    """What the words of searches matched, as long as nothing changes the file.

    The turns of a window are searched for one after the other, and share many words.
    """

    def __init__(self) -> None:
        self._state: tuple[int, int] | None = None
        self._matches: dict[Hashable, WordMatches] = {}
        self._bytes = 0
        # What words matched in turns stays where only facts change, as between two windows.
        self._turns_state: tuple[int, int] | None = None
        self._in_turns: dict[Hashable, NDArray[np.int64]] = {}
        self._bytes_in_turns = 0
        self._turns_changed = 0

    def see(self, state: tuple[int, int]) -> None:
        """Drop what was matched before a change, by this connection or by another.

        `state` has how many changes this connection made and the number of the others' last. It is
        called in a transaction that only reads: a writing one might be rolled back, which leaves
        no trace here.
        """
        if self._state != state:
            self._state = state
            self._drop()
        turns_state = self._turns_changed, state[1]
        if self._turns_state != turns_state:
            self._turns_state = turns_state
            self._in_turns.clear()
            self._bytes_in_turns = 0

    def change_turns(self) -> None:
        """Note that this connection changes the words of turns."""
        self._turns_changed += 1

    def in_turns(self, key: Hashable, find: Callable[[], NDArray[np.int64]]) -> NDArray[np.int64]:
        """What `find` finds in turns, which are the same as long as none is added or removed."""
        ids = self._in_turns.pop(key, None)
        if ids is None:
            ids = find()
            self._bytes_in_turns += ids.nbytes + _KEY_BYTES
        self._in_turns[key] = ids  # the last one used is the last to go
        while self._bytes_in_turns > _KEPT_BYTES:
            first = next(iter(self._in_turns))
            self._bytes_in_turns -= self._in_turns.pop(first).nbytes + _KEY_BYTES
        return ids

    def get(self, key: Hashable) -> WordMatches | None:
        return self._matches.get(key)

    def put(self, key: Hashable, match: WordMatches) -> None:
        size = match.exact.nbytes + match.related.nbytes + match.examples.nbytes + _KEY_BYTES
        if size > _KEPT_BYTES:
            return
        if self._bytes + size > _KEPT_BYTES:
            self._drop()
        self._matches[key] = match
        self._bytes += size

    def _drop(self) -> None:
        self._matches.clear()
        self._bytes = 0


def merge_words_of_facts(conn: sqlite3.Connection, is_digest: bool) -> None:
    """Merge parts of the index of facts, as each change adds one and FTS5 waits for sixteen.

    A search looks each word up in all parts, and words of like meaning are many. A digest stores
    many facts and then searches for each turn, so all parts become one where that takes less than
    3 ms. Else parts are merged where four are alike, a few pages at most.
    """
    if is_digest and conn.execute(_MORE_PAGES_OF_FACTS).fetchone() is None:
        conn.execute("INSERT INTO facts_words (facts_words) VALUES ('optimize')")
    else:
        conn.execute(
            "INSERT INTO facts_words (facts_words, rank) VALUES ('merge', ?)", (_MERGED_PAGES,)
        )


class FullText:
    """The words of turns and facts in full-text tables; see `WordIndex`."""

    def __init__(self, conn: sqlite3.Connection, known: KnownMatches) -> None:
        self._conn = conn
        self._known = known

    def put_turns(self, turns: Sequence[Turn]) -> None:
        self._known.change_turns()
        self._conn.executemany(
            "INSERT INTO turns_words (rowid, text) VALUES (?, ?)",
            [(turn.id, indexed_words(turn.text)) for turn in turns],
        )

    def remove_turns(self, turns: Sequence[Turn]) -> None:
        self._known.change_turns()
        # The index keeps no texts, and the words were split by us: it is given them again.
        self._conn.executemany(
            "INSERT INTO turns_words (turns_words, rowid, text) VALUES ('delete', ?, ?)",
            [(turn.id, indexed_words(turn.text)) for turn in turns],
        )

    def matches(
        self,
        query: Query,
        frequent: FrequentWords,
        turn_ids: tuple[int, int] | None = None,
    ) -> list[WordMatches]:
        """Each word is asked for by itself, as the ranking lets each saturate by itself."""
        has_facts, newest, others = self._conn.execute(_STATE).fetchone()
        self._known.see((self._conn.total_changes, others))
        within = turn_ids or (1, newest)
        has_frequent = within[1] - within[0] + 1 >= MAX_RELATED
        is_of_all = within == (1, newest)

        def matching(word: str) -> WordMatches:
            if known := self._known.get((word, turn_ids)):
                return known
            match = WordMatches(
                exact=with_those_of_facts(
                    self._known.in_turns(
                        ("exact", word, turn_ids),
                        lambda: self._all_holding(word, frequent, turn_ids),
                    ),
                    [word],
                ),
                related=holding_rare(related(word)),
                examples=holding_rare(examples_of_kind(word)),
            )
            self._known.put((word, turn_ids), match)
            return match

        def with_those_of_facts(ids: NDArray[np.int64], any_of: Sequence[str]) -> NDArray[np.int64]:
            if not has_facts:
                return ids
            of_facts = self._ids(_FACTS_HOLDING, any_of, MOST_FACTS, turn_ids)
            return np.union1d(ids, of_facts) if len(of_facts) else ids

        def holding_rare(any_of: Sequence[str]) -> NDArray[np.int64]:
            rare = any_of
            if has_frequent:
                # Whether each is frequent in all turns, where known.
                known = zip(any_of, frequent.known(any_of, newest), strict=True)
                rare = [
                    word
                    for word, is_frequent in known
                    if is_frequent is False
                    or not (
                        (is_frequent and is_of_all)
                        or self._is_frequent(word, frequent, newest, within)
                    )
                ]
            if not rare:
                return _NO_IDS
            of_turns = self._known.in_turns(
                ("any", *rare, turn_ids), lambda: self._ids(_TURNS_HOLDING, rare, _ALL, turn_ids)
            )
            return with_those_of_facts(of_turns, rare)

        return [matching(word) for word in query.words]

    def _is_frequent(
        self, word: str, frequent: FrequentWords, newest: int, within: tuple[int, int]
    ) -> bool:
        """Whether MAX_RELATED turns from one to another hold a word; `newest` is the last turn."""

        def count(first: int, last: int) -> int:
            match = (f'"{word}"', first, last, MAX_RELATED)
            return int(self._conn.execute(_COUNT, match).fetchone()[0])

        [is_frequent] = frequent.known([word], newest)
        if is_frequent is None:
            is_frequent = frequent.put_count(word, count(1, newest), newest, MAX_RELATED)
        return is_frequent and (within == (1, newest) or count(*within) == MAX_RELATED)

    def _all_holding(
        self, word: str, frequent: FrequentWords, turn_ids: tuple[int, int] | None
    ) -> NDArray[np.int64]:
        """All turns that hold a word. Those of a frequent one are read once, and then the new."""
        known = frequent.get(word)
        if known is None:
            ids = self._ids(_TURNS_HOLDING, [word], MAX_EXACT, turn_ids)
            if len(ids) < MAX_EXACT:
                return ids
            known = np.zeros(0, np.int64)
        after = int(known[-1]) if len(known) else 0
        more = self._ids(_TURNS_HOLDING, [word], _ALL, (after + 1, _ALL))[::-1]
        if len(more):
            known = np.concatenate([known, more])
            frequent.put(word, known)
        if turn_ids is None:
            return known
        return known[(known >= turn_ids[0]) & (known <= turn_ids[1])]

    def _ids(
        self,
        statement: tuple[str, str],
        any_of: Sequence[str],
        limit: int,
        turn_ids: tuple[int, int] | None,
    ) -> NDArray[np.int64]:
        """The turns that a statement finds by any of these words, the newest first."""
        match = '"' + '" OR "'.join(any_of) + '"'
        select, within = statement
        select = select.format(within=within if turn_ids else "")
        (listed,) = self._conn.execute(select, (match, *(turn_ids or ()), limit)).fetchone()
        return np.fromstring(listed, np.int64, sep=" ") if listed else _NO_IDS

    def holds(self, word: str) -> bool:
        return any(
            self._conn.execute(
                f"SELECT 1 FROM {table} WHERE {table} MATCH ? LIMIT 1", (f'"{word}"',)
            ).fetchone()
            for table in ("turns_words", "facts_words")
        )

    def turns_holding(self, all_of: Sequence[str], most: int, oldest: bool = False) -> list[int]:
        match = " AND ".join(f'"{word}"' for word in all_of)
        select = _OLDEST_HOLDING if oldest else _NEWEST_HOLDING
        return [turn_id for (turn_id,) in self._conn.execute(select, (match, most))]

    def facts_that_may_hold(self, beginnings: Sequence[str]) -> list[int]:
        match = " AND ".join(f'("{word}"* OR "{first_letters(word)}"*)' for word in beginnings)
        rows = self._conn.execute(
            "SELECT rowid FROM facts_words WHERE facts_words MATCH ?", (match,)
        )
        return [fact_id for (fact_id,) in rows]


_SHORT, _MIDDLE = 4, 6  # letters


def first_letters(word: str) -> str:
    """The first letters of a word, as many as the stem of any word that begins like it has.

    The indexes of words keep stems: of "ties" they keep "ti", of "running" "run". No ending has a
    digit.
    """
    if word[-1:].isdigit():
        return word
    if len(word) <= _SHORT:
        return word[:2]
    return word[:3] if len(word) <= _MIDDLE else word[:4]
