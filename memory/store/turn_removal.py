"""What removing turns from a namespace takes with it: facts, journal, words, columns.

These functions run inside the caller's transaction, in the order they stand here. `forget` uses
them to forget, `history` to make a copy of the past.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.embed import HostedEmbedder, load_embedder
from memory.records import Turn
from memory.search.turn_columns import TURN_DTYPE, SessionEnd, describe_turns
from memory.search.words import words
from memory.store import search_tables, turns_table, vectors
from memory.store.database import NUMBERS, Connection
from memory.store.vectors import EmbedTexts

_OF_WINDOW = "WHERE first_turn = ? AND last_turn = ?"
BLANKED = "-- forgotten"  # the statement of a change whose own statement is gone
# A forgotten turn may hold the word "insert": no reason to blank every statement that has it.
_WORDS_OF_EVERY_STATEMENT = frozenset(
    words(
        "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"
        " UPDATE SET DELETE FROM SELECT WHERE NULL LIKE COALESCE search"
        " digest by, digest applied by, edit by, audit, tool note_fact, refine manage_memory"
        " create update, delete_memory, merge_memory, split_memory"
    )
)
_IN_LIST = f"IN {NUMBERS}"
# Whether an image of a fact (journal.FACT_IMAGE) rests on one of the turns; [6] is its turn_id.
_BEFORE_RESTS_ON_TURN = f"(json_extract(before, '$[6]') {_IN_LIST})"
_AFTER_RESTS_ON_TURN = f"(json_extract(after, '$[6]') {_IN_LIST})"


@dataclass(frozen=True)
class RemovedFacts:
    """What rested on turns: ids of facts and changes, and what the facts said, as texts."""

    ids: tuple[int, ...]
    changes: frozenset[int]
    values: tuple[str, ...]
    names: tuple[str, ...]  # subjects and attributes


def remove_facts(
    conn: Connection, turn_ids: Sequence[int], derived: Sequence[int] = ()
) -> RemovedFacts:
    """Remove the facts that rest on turns, and what the journal says of them.

    `derived` are ids of facts that were made of these, see `memory.store.derived_facts`.

    A fact that rests on another turn by now stays, without the part of its past that rested on
    these. One that is no longer there goes with all of its past.
    """
    turns = json.dumps(turn_ids)
    of_turns = conn.execute(
        f"SELECT id FROM facts WHERE turn_id {_IN_LIST} UNION SELECT fact_id FROM facts_log"
        f" WHERE ({_BEFORE_RESTS_ON_TURN} OR {_AFTER_RESTS_ON_TURN})"
        " AND fact_id NOT IN (SELECT id FROM facts)",
        (turns, turns, turns),
    )
    fact_ids = sorted({*derived, *(fact_id for (fact_id,) in of_turns)})
    facts = json.dumps(fact_ids)
    # Read before anything is deleted: the texts say which words must not stand elsewhere.
    entries = conn.execute(
        "SELECT change_id, before, after FROM facts_log"
        f" WHERE fact_id {_IN_LIST} OR {_BEFORE_RESTS_ON_TURN} OR {_AFTER_RESTS_ON_TURN}",
        (facts, turns, turns),
    ).fetchall()

    # First the facts: their trigger logs the deletion, and the log of these facts goes next.
    conn.execute(f"DELETE FROM facts WHERE id {_IN_LIST}", (facts,))
    conn.execute(f"DELETE FROM facts_log WHERE fact_id {_IN_LIST}", (facts,))
    conn.execute(f"UPDATE facts_log SET before = NULL WHERE {_BEFORE_RESTS_ON_TURN}", (turns,))
    conn.execute(f"UPDATE facts_log SET after = NULL WHERE {_AFTER_RESTS_ON_TURN}", (turns,))
    conn.execute("DELETE FROM facts_log WHERE before IS NULL AND after IS NULL")

    images = [json.loads(image) for _, *pair in entries for image in pair if image]
    removed_facts, removed_turns = set(fact_ids), set(turn_ids)
    images = [image for image in images if image[0] in removed_facts or image[6] in removed_turns]
    return RemovedFacts(
        ids=tuple(fact_ids),
        changes=frozenset(change_id for change_id, _, _ in entries),
        values=tuple({image[3] for image in images}),
        names=tuple({name for image in images for name in image[1:3]}),
    )


def remove_turns(conn: Connection, turns: Sequence[Turn]) -> None:
    """Remove turns, their words, and the names that only they had."""
    ids = json.dumps([turn.id for turn in turns])
    conn.words.remove_turns(turns)
    for table in ("shown", "staged_vectors"):
        conn.execute(f"DELETE FROM {table} WHERE turn_id {_IN_LIST}", (ids,))
    conn.execute(f"DELETE FROM turns WHERE id {_IN_LIST}", (ids,))
    conn.executemany(
        "DELETE FROM speakers WHERE name = ?"
        " AND NOT EXISTS (SELECT 1 FROM turns WHERE speaker = ?)",
        [(name, name) for name in {turn.speaker for turn in turns}],
    )


# --- windows ----------------------------------------------------------------------------------


def shrink_windows(conn: Connection, turn_ids: Sequence[int]) -> set[int]:
    """Let windows begin and end at turns that are still there; `turn_ids` are gone, in order.

    A pending window that held one of them loses its claim: whoever works on it has seen what is
    gone, and may not store it. A window that is empty now is deleted. Returns the changes whose
    windows held one of them.
    """
    changes = set()
    windows = conn.execute(
        "SELECT id, first_turn, last_turn FROM changes WHERE first_turn IS NOT NULL"
    ).fetchall()
    for change_id, first, last in _windows_holding(windows, turn_ids):
        changes.add(change_id)
        new_first, new_last = _bounds(conn, first, last)
        conn.execute(
            "UPDATE changes SET first_turn = ?, last_turn = ? WHERE id = ?",
            (new_first, new_last, change_id),
        )

    pending = conn.execute("SELECT 0, first_turn, last_turn FROM pending").fetchall()
    for _, first, last in _windows_holding(pending, turn_ids):
        new_first, new_last = _bounds(conn, first, last)
        if new_first is None:
            conn.execute(f"DELETE FROM pending {_OF_WINDOW}", (first, last))
        else:
            conn.execute(
                "UPDATE pending SET first_turn = ?, last_turn = ?, error = '', statement = '',"
                f" claimed_by = '', claimed_until = 0 {_OF_WINDOW}",
                (new_first, new_last, first, last),
            )
    return changes


def _windows_holding(
    windows: Iterable[tuple[int, int, int]], turn_ids: Sequence[int]
) -> list[tuple[int, int, int]]:
    """The windows (id, first, last) that hold one of the turns, which are in order."""
    holding = []
    for window in windows:
        _, first, last = window
        position = bisect_left(turn_ids, first)
        if position < len(turn_ids) and turn_ids[position] <= last:
            holding.append(window)
    return holding


def _bounds(conn: Connection, first: int, last: int) -> tuple[int | None, int | None]:
    """The first and the last turn that is there in a window; None and None for an empty one."""
    bounds: tuple[int | None, int | None] = conn.execute(
        "SELECT min(id), max(id) FROM turns WHERE id BETWEEN ? AND ?", (first, last)
    ).fetchone()
    return bounds


# --- texts that quote ------------------------------------------------------------------------


def blank_quotations(
    conn: Connection,
    turns: Sequence[Turn],
    facts: RemovedFacts,
    touched_changes: Iterable[int],
) -> tuple[int, ...]:
    """Blank the statements of touched changes, and all other texts that quote turns or facts.

    A text quotes them when it has a word that no turn and no fact holds any more, or a run of words
    that was a turn's or a fact's. Returns the changes whose text is gone.
    """
    quotes = _quotation_test(conn, turns, facts)
    blanked = set(touched_changes)
    for change_id, cause, statement in conn.execute(
        "SELECT id, cause, statement FROM changes"
    ).fetchall():
        # An undo and a revert have no statement, and their cause only says what they are.
        if statement and quotes(cause):
            blanked.add(change_id)
            conn.execute("UPDATE changes SET cause = 'forgotten' WHERE id = ?", (change_id,))
        if change_id in blanked or quotes(statement):
            blanked.add(change_id)
            if statement:
                conn.execute("UPDATE changes SET statement = ? WHERE id = ?", (BLANKED, change_id))
    errors = conn.execute(
        "SELECT error, statement, first_turn, last_turn FROM pending WHERE error <> ''"
    ).fetchall()
    for error, statement, *window in errors:
        if quotes(error) or quotes(statement):
            conn.execute(f"UPDATE pending SET error = '', statement = '' {_OF_WINDOW}", window)
    return tuple(sorted(blanked))


def _quotation_test(
    conn: Connection, turns: Sequence[Turn], facts: RemovedFacts
) -> Callable[[str], bool]:
    """A function that says whether a text quotes turns and facts that are no longer there.

    The words of SQL, and those that every cause holds, are no quotation.
    """
    texts = [turn.text for turn in turns] + list(facts.values)
    speakers = {turn.speaker for turn in turns}
    all_words = {word for text in [*texts, *speakers, *facts.names] for word in words(text)}
    candidates = all_words - _WORDS_OF_EVERY_STATEMENT
    gone_words = {word for word in candidates if not conn.words.holds(word)}
    for (name,) in conn.execute("SELECT name FROM speakers"):
        gone_words.difference_update(words(name))

    # Runs of words by their first word. A single word that other turns hold too tells nothing.
    runs: dict[str, list[list[str]]] = {}
    for run in map(words, texts):
        if len(run) > 1:
            runs.setdefault(run[0], []).append(run)
    wordless_texts = [text for text in texts if not words(text)]  # "???", an emoji

    def quotes(text: str) -> bool:
        text_words = words(text)
        if not gone_words.isdisjoint(text_words):
            return True
        for n, word in enumerate(text_words):
            if any(text_words[n : n + len(run)] == run for run in runs.get(word, ())):
                return True
        return any(wordless in text for wordless in wordless_texts)

    return quotes


# --- columns and vectors -----------------------------------------------------------------------


def remove_columns(conn: Connection, turns: Sequence[Turn], embed: EmbedTexts) -> None:
    """Remove the columns of turns that are gone, and make those of their successors anew.

    A vector holds half of its predecessor's in the session, and so a little of all before it:
    without this step, what was forgotten would go on shaping the ranking. An embedder asked over
    the network is not asked here, inside a transaction: all turns from the first successor on wait
    for it.
    """
    recorded = vectors.recorded_embedder(conn)
    if recorded is None:
        return
    # A new row makes whoever holds an index in memory read it again.
    vectors.record_embedder(conn, recorded.name, recorded.width)
    last_indexed = search_tables.last_with_columns(conn)
    first_removed: dict[str, int] = {}  # by session
    for turn in turns:
        if turn.id <= last_indexed:
            first_removed.setdefault(turn.session, turn.id)
    if not first_removed:
        return

    predecessors = {
        session: _turn_before(conn, session, turn_id) for session, turn_id in first_removed.items()
    }
    start = min(predecessors[session] or turn_id for session, turn_id in first_removed.items())
    rows, eight_bit = _take_out_from(conn, start)
    keep = ~np.isin(rows["id"], [turn.id for turn in turns])
    if isinstance(load_embedder(recorded.name), HostedEmbedder):
        successors = [
            _turn_after(conn, session, turn_id) for session, turn_id in first_removed.items()
        ]
        keep &= rows["id"] < min(filter(None, successors), default=last_indexed + 1)
    else:
        ends: dict[str, SessionEnd] = {}
        for session, turn_id in predecessors.items():
            if turn_id:
                position = int(np.searchsorted(rows["id"], turn_id))
                first = int(rows["session"][position])
                ends[session] = SessionEnd(first, turn_id, eight_bit[position].copy())
        speakers = dict(conn.execute("SELECT name, id FROM speakers"))
        for batch in _successors(conn, first_removed, last_indexed):
            places = np.searchsorted(rows["id"], [turn.id for turn in batch])
            new_vectors = embed([turn.text for turn in batch], recorded)
            rows[places], eight_bit[places] = describe_turns(
                batch, new_vectors, session_ends=ends, speakers=speakers
            )
    _put_back(conn, rows[keep], eight_bit[keep])


def _turn_before(conn: Connection, session: str, turn_id: int) -> int | None:
    """The last turn of a session that is there before a turn."""
    (nearest,) = conn.execute(
        "SELECT max(id) FROM turns WHERE session = ? AND id < ?", (session, turn_id)
    ).fetchone()
    return None if nearest is None else int(nearest)


def _turn_after(conn: Connection, session: str, turn_id: int) -> int | None:
    """The first turn of a session that is there after a turn."""
    (nearest,) = conn.execute(
        "SELECT min(id) FROM turns WHERE session = ? AND id > ?", (session, turn_id)
    ).fetchone()
    return None if nearest is None else int(nearest)


def _successors(
    conn: Connection, first_removed: Mapping[str, int], last_indexed: int
) -> Iterable[list[Turn]]:
    """The turns with columns after the first that is gone in each session, a block at a time."""
    for session, turn_id in first_removed.items():
        cursor = conn.execute(
            f"SELECT {', '.join(turns_table.COLUMNS)} FROM turns"
            " WHERE session = ? AND id BETWEEN ? AND ? ORDER BY id",
            (session, turn_id, last_indexed),
        )
        while batch := cursor.fetchmany(search_tables.BLOCK):
            yield [turns_table.to_turn(row) for row in batch]


def _take_out_from(conn: Connection, turn_id: int) -> tuple[NDArray[np.void], NDArray[np.int8]]:
    """Columns and vectors of the block that holds a turn, and of all after it; they are deleted.

    Blocks are of a fixed number of turns, so those after a turn that is gone are made anew.
    """
    blocks = conn.execute(
        "SELECT first_turn, columns FROM blocks WHERE last_turn >= ? ORDER BY first_turn",
        (turn_id,),
    ).fetchall()
    recent = conn.execute("SELECT columns, vector FROM recent ORDER BY turn_id").fetchall()
    first = blocks[0][0] if blocks else 2**62
    pieces = conn.execute(
        "SELECT vectors FROM pieces WHERE first_turn >= ? ORDER BY first_turn", (first,)
    ).fetchall()
    columns = b"".join([block[1] for block in blocks] + [row[0] for row in recent])
    eight_bit = b"".join([piece[0] for piece in pieces] + [row[1] for row in recent])
    rows = np.frombuffer(bytearray(columns), TURN_DTYPE)  # bytearray: these are changed in place
    for table in ("blocks", "pieces"):
        conn.execute(f"DELETE FROM {table} WHERE first_turn >= ?", (first,))
    conn.execute("DELETE FROM recent")
    return rows, np.frombuffer(bytearray(eight_bit), np.int8).reshape(len(rows), -1)


def _put_back(conn: Connection, rows: NDArray[np.void], eight_bit: NDArray[np.int8]) -> None:
    conn.executemany(
        "INSERT INTO recent (turn_id, columns, vector) VALUES (?, ?, ?)",
        [
            (turn_id, row.tobytes(), vector.tobytes())
            for turn_id, row, vector in zip(rows["id"].tolist(), rows, eight_bit, strict=True)
        ],
    )
    search_tables.make_blocks(conn)
