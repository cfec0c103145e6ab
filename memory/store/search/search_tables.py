"""The search data next to the turns of a namespace: columns and vectors (words: `WordIndex`).

Written in the transaction of the turns themselves, so that no index can disagree with them. They
come in the order of the turns, because each depends on the turns before it in its session.

The newest turns have a row each in `recent`. Every BLOCK of them become one row of `blocks`, so
that a million turns load at once; their vectors become `pieces`, which a search reads as it needs
them (decision 13).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from memory.records import Hit, Turn
from memory.search.embed import sign_codes
from memory.search.index import Index, Piece, Selection, UnreadVectors
from memory.search.question import Query
from memory.search.turn_columns import TURN_DTYPE, SessionEnd, describe_turns
from memory.search.word_matches import WordMatches
from memory.store.database import Connection, WordIndex
from memory.store.turns.turn_validation import HIDDEN, OLDER_VERSION
from memory.store.turns.turns_table import BEYOND_ALL_IDS, read_turns

BLOCK = 1024  # turns
PIECE = 64  # turns
_WIDER = 4  # a search that must pass over older versions of documents


@dataclass(frozen=True)
class Searched:
    """A memory inside a read transaction: its index with all turns, its words, its embedder.

    `embed` makes the unit vector of a question. `selection` are the turns to rank, None for all.
    `told_on` finds the turns that speak of the days that a question names, `replaced` are those of
    documents' older versions.
    """

    index: Index
    words: WordIndex
    embedder: str
    embed: Callable[[str], NDArray[np.float32]]
    selection: Selection | None
    told_on: Callable[[str], Sequence[int]]
    replaced: frozenset[int]

    @property
    def turns(self) -> int:
        """How many turns there are to rank."""
        return self.index.turns_of(self.selection)

    def query(self, text: str) -> Query:
        """A question as this memory reads it."""
        return replace(
            self.index.query(text, self.selection), told_on=frozenset(self.told_on(text))
        )

    def newest_versions_first(self, ranked: Callable[..., list[Hit]], k: int) -> list[Hit]:
        """The best k hits of a ranking, with few of a document's older versions, and those last.

        Of a document that changed all versions are near to a question, and the newest one has the
        answer: so a quarter of the hits at most is older, and only where the ranking had them.
        """
        hits = ranked(k=k)
        if not self.replaced or self.replaced.isdisjoint([hit.turn_id for hit in hits]):
            return hits
        older = [hit for hit in hits if hit.turn_id in self.replaced][: k // 4]
        current = [hit for hit in ranked(k=_WIDER * k) if hit.turn_id not in self.replaced]
        if not current:  # a filter asks for older versions, or nothing else is left
            return hits
        return [*current[: k - len(older)], *older]

    def matches(self, query: Query) -> list[WordMatches]:
        """The turns that hold each word of a question, as far as they matter to those to rank."""
        turn_ids = self.selection.turn_ids if self.selection else None
        return self.words.matches(query, self.index.frequent_words, turn_ids)


# --- writing ----------------------------------------------------------------------------------


def put_columns(conn: Connection, turns: Sequence[Turn], vectors: NDArray[np.float32]) -> None:
    """Store columns and vectors of turns. Words are apart: they do not depend on the embedder."""
    names = dict.fromkeys(turn.speaker for turn in turns)  # numbered in the order they come in
    speakers, _ = number_speakers(conn, names)
    ends = _session_ends(conn, turns, vectors.shape[1])
    rows, eight_bit = describe_turns(turns, vectors, session_ends=ends, speakers=speakers)
    insert_recent(conn, [turn.id for turn in turns], rows, eight_bit)
    make_blocks(conn)


def insert_recent(
    conn: Connection,
    turn_ids: Sequence[int],
    rows: NDArray[np.void],
    eight_bit: NDArray[np.int8],
) -> None:
    """Insert columns (rows of TURN_DTYPE) and vectors of turns, a row for each."""
    conn.insert_rows(
        "recent",
        ("turn_id", "columns", "vector"),
        [
            (turn_id, row.tobytes(), vector.tobytes())
            for turn_id, row, vector in zip(turn_ids, rows, eight_bit, strict=True)
        ],
    )


def speaker_numbers(conn: Connection, names: Iterable[str]) -> dict[str, int]:
    """The numbers of the speakers with these names, by name."""
    names = {*names}
    if any("\0" in name for name in names):  # an older version's; SQLite ends a list's text at it
        rows = conn.run("speakers_after", after=0)
    else:
        rows = conn.run("speakers_by_name", names=[*names])
    return {name: number for number, name in rows if name in names}


def number_speakers(conn: Connection, names: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """The numbers of speakers by name, and who is new; a new one gets the next number."""
    names = [*dict.fromkeys(names)]
    speakers = speaker_numbers(conn, names)
    new = [name for name in names if name not in speakers]
    if new:
        (last,) = conn.run("last_speaker").fetchone()
        for number, name in enumerate(new, last + 1):
            speakers[name] = number
            conn.run("insert_speaker", id=number, name=name)
    return speakers, new


def remake(conn: Connection, vectors_of: Callable[[Sequence[Turn]], NDArray[np.float32]]) -> None:
    """Store columns and vectors anew, inside the caller's transaction."""
    conn.run("delete_recent", last=BEYOND_ALL_IDS)
    conn.run("delete_blocks", first=0)
    conn.run("delete_pieces", first=0)
    last = 0
    while turns := read_turns(conn, last + 1, limit=BLOCK):
        put_columns(conn, turns, vectors_of(turns))
        last = turns[-1].id


def make_blocks(conn: Connection) -> None:
    """Make blocks of the oldest rows of `recent`, as long as there is a BLOCK of them."""
    (count,) = conn.run("count_recent").fetchone()
    for _ in range(count // BLOCK):
        _make_block(conn)


def _make_block(conn: Connection) -> None:
    oldest = conn.run("oldest_recent", most=BLOCK).fetchall()
    ids, columns, vectors = zip(*oldest, strict=True)
    eight_bit = np.frombuffer(b"".join(vectors), np.int8).reshape(BLOCK, -1)
    insert_block(conn, np.frombuffer(b"".join(columns), TURN_DTYPE), eight_bit)
    conn.run("delete_recent", last=ids[-1])


def insert_block(conn: Connection, rows: NDArray[np.void], eight_bit: NDArray[np.int8]) -> None:
    """Insert a block: rows of TURN_DTYPE and vectors of turns, at most BLOCK of them."""
    ids = rows["id"].tolist()
    conn.run(
        "insert_block",
        first=ids[0],
        last=ids[-1],
        columns=rows.tobytes(),
        codes=sign_codes(eight_bit).tobytes(),
    )
    conn.insert_rows(
        "pieces",
        ("first_turn", "vectors"),
        [(ids[n], eight_bit[n : n + PIECE].tobytes()) for n in range(0, len(ids), PIECE)],
    )


def last_in_blocks(conn: Connection) -> int:
    """The last turn of the last block, 0 for none."""
    (last,) = conn.run("last_in_blocks").fetchone()
    return int(last)


def last_with_columns(conn: Connection) -> int:
    """The last turn that has columns, 0 for none."""
    (last,) = conn.run("last_with_columns").fetchone()
    return int(last)


def _session_ends(conn: Connection, turns: Sequence[Turn], width: int) -> dict[str, SessionEnd]:
    """How far the sessions of turns have come before the first of them."""
    ends = {}
    for session in {turn.session for turn in turns}:
        if end := _session_end(conn, session, before=turns[0].id, width=width):
            ends[session] = end
    return ends


def _session_end(conn: Connection, session: str, before: int, width: int) -> SessionEnd | None:
    """The last turn of a session before a turn, read from `recent` or from its block."""
    (last,) = conn.run("last_of_session_before", session=session, before=before).fetchone()
    if last is None:
        return None
    stored = conn.run("recent_turn", turn_id=last).fetchone()
    if stored is None:
        _, columns = conn.run("block_of_turn", turn_id=last).fetchone()
        rows = np.frombuffer(columns, TURN_DTYPE)
        first, vectors = conn.run("piece_of_turn", turn_id=last).fetchone()
        # Ids may have gaps, so positions in the block are found by id and not counted.
        position, first_position = np.searchsorted(rows["id"], (last, first))
        start = (position - first_position) * width
        stored = (rows[position].tobytes(), vectors[start : start + width])
    row = np.frombuffer(stored[0], TURN_DTYPE)[0]
    vector = np.frombuffer(stored[1], np.int8)
    return SessionEnd(first=int(row["session"]), last=last, vector=vector)


# --- reading into an index --------------------------------------------------------------------


@dataclass(frozen=True)
class NewRows:
    """The rows that an index lacks, and what a search needs besides, read in one round trip.

    `embedders` are the newest settings `embedder`, `hides` says whether a framework deleted turns,
    and `replaced` are the turns of documents' older versions.
    """

    embedders: list[tuple[int, str]]
    speakers: list[tuple[int, str]]
    characters: list[tuple[int, str, str, str]]
    blocks: list[tuple[int, bytes, bytes]]
    recent: list[tuple[bytes, bytes]]
    hides: bool
    replaced: frozenset[int]


def rows_after(conn: Connection, index: Index) -> NewRows:
    """What was stored since an index was extended."""
    with conn.together():
        embedders = conn.run("embedders")
        speakers = conn.run("speakers_after", after=index.names.last)
        characters = conn.run("settings_of_name", name="character")
        blocks = conn.run("blocks_after", after=index.last_id)
        # Of turns that have become a block meanwhile there are no rows here any more.
        recent = conn.run("recent_after", after=index.last_id)
        marked = conn.run(
            "older_versions_and_one_hidden", older_version=OLDER_VERSION, hidden=HIDDEN
        )
    # All of it: in SQLite a cursor with rows left keeps its connection at that moment.
    of_mark: dict[bool, set[int]] = {False: set(), True: set()}
    for turn_id, is_hidden in marked.fetchall():
        of_mark[bool(is_hidden)].add(turn_id)
    return NewRows(
        embedders=embedders.fetchall(),
        speakers=speakers.fetchall(),
        characters=characters.fetchall(),
        blocks=blocks.fetchall(),
        recent=recent.fetchall(),
        hides=bool(of_mark[True]),
        replaced=frozenset(of_mark[False]),
    )


def extend_index(conn: Connection, index: Index, new_rows: NewRows) -> None:
    """Bring the turns that were added since into an index, which reads on by this connection."""
    index.read_pieces = partial(_read_pieces, conn)
    characters = _characters(new_rows.characters)
    for number, name in new_rows.speakers:
        if not isinstance(name, str):
            raise TypeError(f"the name of speaker {number} is no text")  # a damaged file
        index.names.add(name, number, is_character=name in characters)
    _extend_by_blocks(conn, index, new_rows.blocks)
    recent = new_rows.recent
    if recent:
        rows = np.frombuffer(b"".join(row[0] for row in recent), TURN_DTYPE)
        vectors = b"".join(row[1] for row in recent)
        eight_bit = np.frombuffer(vectors, np.int8).reshape(len(rows), -1)
        index.extend(rows, sign_codes(eight_bit), eight_bit)


def _characters(settings: Iterable[tuple[int, str, str, str]]) -> set[str]:
    """The names that the character of this memory's chats has or had."""
    names: set[str] = set()
    for _, _, text, _ in settings:
        with suppress(ValueError):  # a file may hold any text there (`integrity` tells of it)
            value = json.loads(text)
            if isinstance(value, str):
                names.add(value)
    return names


def _extend_by_blocks(
    conn: Connection, index: Index, blocks: Sequence[tuple[int, bytes, bytes]]
) -> None:
    if not blocks:
        return
    block_rows = [np.frombuffer(columns, TURN_DTYPE) for _, columns, _ in blocks]
    rows = np.concatenate(block_rows)
    codes = np.frombuffer(b"".join(block_codes for _, _, block_codes in blocks), "<u8")
    # The index may hold the first turns of the first block, from when they were in `recent`.
    known = int(np.searchsorted(rows["id"], index.last_id, side="right"))
    pieces: dict[int, Piece] = {}
    position = 0
    for block in block_rows:
        ids = block["id"].tolist()
        for start in range(0, len(ids), PIECE):
            piece = ids[start : start + PIECE]
            skip = max(known - position, 0)
            if skip < len(piece):
                pieces[piece[skip]] = (piece[0], len(piece), skip)
            position += len(piece)
    unread = UnreadVectors(pieces)
    index.extend(rows[known:], codes.reshape(len(rows), -1)[known:], unread)


def _read_pieces(conn: Connection, pieces: Sequence[Piece]) -> list[NDArray[np.int8]]:
    """The vectors of pieces, each known by its first turn, its turns, and how many to skip."""
    first_turns = [first_turn for first_turn, _, _ in pieces]
    vectors = dict(conn.run("pieces", first_turns=first_turns).fetchall())
    return [
        np.frombuffer(vectors[first_turn], np.int8).reshape(count, -1)[skip:]
        for first_turn, count, skip in pieces
    ]
