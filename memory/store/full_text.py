"""The words of turns and facts in SQLite: full-text tables (FTS5), which take off English endings.

The triggers on `facts` keep the words of facts (migrations/0002_lookup.sql).
"""

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory.embed import related
from memory.records import Turn
from memory.search.frequent_words import FrequentWords
from memory.search.kind_examples import examples_of_kind
from memory.search.question import Query
from memory.search.ranking import MAX_EXACT, MAX_RELATED, WordMatches
from memory.search.words import words

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
_ALL = 2**62


class FullText:
    """The words of turns and facts in full-text tables; see `WordIndex`."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def put_turns(self, turns: Sequence[Turn]) -> None:
        self._conn.executemany(
            "INSERT INTO turns_words (rowid, words) VALUES (?, ?)",
            [(turn.id, " ".join(words(turn.text))) for turn in turns],
        )

    def remove_turns(self, turns: Sequence[Turn]) -> None:
        # The index is contentless: it cannot know which words a row had, so it is given them again.
        self._conn.executemany(
            "INSERT INTO turns_words (turns_words, rowid, words) VALUES ('delete', ?, ?)",
            [(turn.id, " ".join(words(turn.text))) for turn in turns],
        )

    def matches(
        self,
        query: Query,
        frequent: FrequentWords,
        turn_ids: tuple[int, int] | None = None,
    ) -> list[WordMatches]:
        """Each word is asked for by itself, as the ranking lets each saturate by itself."""
        (has_facts,) = self._conn.execute("SELECT EXISTS (SELECT 1 FROM facts)").fetchone()

        def with_those_of_facts(
            ids: NDArray[np.int64], any_of: Sequence[str], limit: int
        ) -> NDArray[np.int64]:
            if not has_facts:
                return ids
            return np.union1d(ids, self._ids(_FACTS_HOLDING, any_of, limit, turn_ids))

        def newest(any_of: Sequence[str]) -> NDArray[np.int64]:
            if not any_of:
                return np.zeros(0, np.int64)
            ids = self._ids(_TURNS_HOLDING, any_of, MAX_RELATED, turn_ids)
            return with_those_of_facts(ids, any_of, MAX_RELATED)

        def all_holding(word: str) -> NDArray[np.int64]:
            ids = self._all_holding(word, frequent, turn_ids)
            return with_those_of_facts(ids, [word], MAX_EXACT)

        return [
            WordMatches(
                exact=all_holding(word),
                related=newest(related(word)),
                examples=newest(examples_of_kind(word)),
            )
            for word in query.words
        ]

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
        match = " OR ".join(f'"{word}"' for word in any_of)
        select, within = statement
        select = select.format(within=within if turn_ids else "")
        (ids,) = self._conn.execute(select, (match, *(turn_ids or ()), limit)).fetchone()
        return np.fromstring(ids or "", np.int64, sep=" ")

    def holds(self, word: str) -> bool:
        return any(
            self._conn.execute(
                f"SELECT 1 FROM {table} WHERE {table} MATCH ? LIMIT 1", (f'"{word}"',)
            ).fetchone()
            for table in ("turns_words", "facts_words")
        )
