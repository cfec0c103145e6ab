"""What removing turns from a namespace takes with it: facts, journal, words, columns.

These functions run inside the caller's transaction, in the order they stand here. `forget` uses
them to forget, `past_copy` to make a copy of the past.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from memory.records import Turn
from memory.search.embed import is_of_a_provider
from memory.search.turn_columns import SessionEnd, describe_turns
from memory.store.changes import history, journal
from memory.store.database import Connection
from memory.store.facts import vocabulary_table
from memory.store.facts.repeated_facts import repeats_left
from memory.store.forgetting.derived_facts import (
    derived_from,
    facts_of_other_turns,
    restore_origins,
)
from memory.store.forgetting.row_removal import (
    remove_quotations,
    remove_rows,
    remove_versions,
)
from memory.store.search import search_tables, vectors
from memory.store.search.stored_columns import StoredColumns
from memory.store.search.vectors import EmbedTexts
from memory.store.turns import turns_table
from memory.store.turns.traces import remove_from_traces
from memory.text.words import words

_SUCCESSORS_AT_ONCE = 64
_HASH = len("@1a2b3c4d")  # after the name of a document's file, in a source
BLANKED = "-- forgotten"  # the statement of a change whose own statement is gone
# A forgotten turn may hold the word "insert": no reason to blank every statement that has it.
_WORDS_OF_EVERY_STATEMENT = frozenset(
    words(
        "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"
        " UPDATE SET DELETE FROM SELECT WHERE NULL LIKE COALESCE search"
        " contradictions first_fact first_turn first_attribute"
        " digest by, digest applied by, edit by, audit, tool note_fact, refine manage_memory"
        " create update, delete_memory, merge_memory, split_memory"
    )
)


@dataclass(frozen=True)
class RemovedFacts:
    """What derived from turns: ids of facts and changes, and the facts' words, as texts."""

    ids: tuple[int, ...]
    changes: frozenset[int]
    values: tuple[str, ...]
    names: tuple[str, ...]  # subjects and attributes


def remove_turns(conn: Connection, turns: Sequence[Turn]) -> RemovedFacts:
    """Remove turns, with their words, facts and rows, and the speakers that only they had.

    Facts that a refinement made from facts of these and other turns go too; the others are
    restored. So is what another turn says again.
    """
    turn_ids = [turn.id for turn in turns]
    facts = history.facts(conn, None)
    repeats = repeats_left(conn, turn_ids, facts, vocabulary_table.read_definition(conn).vocabulary)
    edits, changes = history.edits(conn), journal.changes(conn)
    derived = derived_from(turn_ids, facts=facts, edits=edits, changes=changes)

    def turns_by_id(ids: Sequence[int]) -> list[Turn]:
        return turns_table.to_turns(conn.run("turns_by_id", ids=[*ids]))

    misplaced = facts_of_other_turns(turns, facts, edits, changes, turns_by_id)
    restore_origins(conn, [*derived.restored, *repeats])
    removed_facts = _remove_facts(conn, turn_ids, [*derived.ids, *misplaced])
    versions = {turn.source[: len(turn.session) + _HASH] for turn in turns if _is_of_file(turn)}
    conn.words.remove_turns(turns)
    remove_rows(conn, turn_ids, removed_facts.ids)
    conn.run("delete_shown", turn_ids=turn_ids)
    remove_from_traces(conn, turn_ids, removed_facts.ids)
    conn.run("delete_staged_of_turns", turn_ids=turn_ids)
    conn.run("delete_turns", turn_ids=turn_ids)
    for name in {turn.session for turn in turns if _is_of_file(turn)}:
        versions_left = conn.run("versions_of_document", session=name, hash=_HASH)
        versions -= {version for (version,) in versions_left}
    if versions:
        remove_versions(conn, versions)
    conn.run_many(
        "delete_unused_speaker", [{"name": name} for name in {turn.speaker for turn in turns}]
    )
    return removed_facts


def _is_of_file(turn: Turn) -> bool:
    return turn.kind == "document" and turn.source.startswith(f"{turn.session}@")


def _remove_facts(
    conn: Connection, turn_ids: Sequence[int], derived: Sequence[int]
) -> RemovedFacts:
    """Remove the facts of turns and the facts derived from these, in the journal too.

    A fact that by now comes from another turn stays, without the part of its past from these turns.
    A deleted fact goes with all of its past.
    """
    turns = [*turn_ids]
    conn.facts.log()
    of_turns = conn.run("facts_of_turns", turn_ids=turns)
    fact_ids = sorted({*derived, *(fact_id for (fact_id,) in of_turns)})
    # Read before anything is deleted: the texts say which words must not stand elsewhere.
    entries = conn.run("entries_of_facts_and_turns", fact_ids=fact_ids, turn_ids=turns).fetchall()

    # First the facts: the journal gets their deletion, and what it says of these facts goes next.
    conn.facts.delete(fact_ids)
    conn.facts.log()
    conn.run("delete_entries_of_facts", fact_ids=fact_ids)
    conn.run("blank_images_before", turn_ids=turns)
    conn.run("blank_images_after", turn_ids=turns)
    conn.run("delete_blank_entries")

    images = [json.loads(image) for _, *pair in entries for image in pair if image]
    removed_facts, removed_turns = set(fact_ids), set(turn_ids)
    images = [image for image in images if image[0] in removed_facts or image[6] in removed_turns]
    return RemovedFacts(
        ids=tuple(fact_ids),
        changes=frozenset(change_id for change_id, _, _ in entries),
        values=tuple({image[3] for image in images}),
        names=tuple({name for image in images for name in image[1:3]}),
    )


# --- windows ----------------------------------------------------------------------------------


def shrink_windows(conn: Connection, turn_ids: Sequence[int]) -> set[int]:
    """Let windows begin and end at turns that are still there; `turn_ids` are gone, in order.

    A pending window that held one of them loses its claim: whoever works on it has seen what is
    gone, and may not store it. A window that is empty now is deleted, and so is what is held of one
    that is stored. Returns the changes whose windows held one of them.
    """
    # Read first: which of them are stored shows by the windows of changes.
    pending = [(row[-1], *row[:2]) for row in conn.run("pending_windows").fetchall()]
    changes = set()
    windows = conn.run("windows_of_changes").fetchall()
    for change_id, first, last in _windows_holding(windows, turn_ids):
        changes.add(change_id)
        new_first, new_last = _bounds(conn, first, last)
        conn.run("set_window_of_change", change_id=change_id, first=new_first, last=new_last)

    for stored, first, last in _windows_holding(pending, turn_ids):
        new_first, new_last = _bounds(conn, first, last)
        if new_first is None or stored:
            conn.run("delete_window", first=first, last=last)
        else:
            conn.run(
                "shrink_window", first=first, last=last, new_first=new_first, new_last=new_last
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
    """The first and the last existing turn in a window; None and None for an empty one."""
    bounds: tuple[int | None, int | None] = conn.run(
        "turn_bounds", first=first, last=last
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
    for change_id, cause, statement in conn.run("texts_of_changes").fetchall():
        # An undo and a revert have no statement, and their cause only says what they are.
        if statement and quotes(cause):
            blanked.add(change_id)
            conn.run("set_cause", change_id=change_id, cause="forgotten")
        if change_id in blanked or quotes(statement):
            blanked.add(change_id)
            if statement:
                conn.run("set_statement", change_id=change_id, statement=BLANKED)
    for first, last, error, _, statement, stored in conn.run("pending_windows").fetchall():
        if error and (quotes(error) or quotes(statement)):
            if stored:
                conn.run("delete_window", first=first, last=last)
            else:
                conn.run("blank_window", first=first, last=last)
    remove_quotations(conn, quotes, changes=blanked, names=facts.names)
    return tuple(sorted(blanked))


def _quotation_test(
    conn: Connection, turns: Sequence[Turn], facts: RemovedFacts
) -> Callable[[str], bool]:
    """A function that says whether a text quotes turns and facts that are no longer there.

    SQL's words, and the words that every cause has, are not a quotation.
    """
    texts = [turn.text for turn in turns] + list(facts.values)
    speakers = {turn.speaker for turn in turns}
    all_words = {word for text in [*texts, *speakers, *facts.names] for word in words(text)}
    candidates = all_words - _WORDS_OF_EVERY_STATEMENT
    gone_words = {word for word in candidates if not conn.words.holds(word)}
    for _, name in conn.run("speakers_after", after=0):
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
    """Remove the columns of removed turns, and make their successors' columns again.

    A vector holds half of its predecessor's in the session, and so a little of all before it:
    without this step, what was forgotten would go on shaping the ranking. Only blocks with a turn
    that goes or changes are read and written.
    """
    recorded = vectors.recorded_embedder(conn)
    if recorded is None:
        return
    if is_of_a_provider(recorded.name):  # nothing that keeps a turn from being forgotten
        vectors.make_packaged(conn)
        return
    # A new row makes whoever holds an index in memory read it again.
    vectors.record_embedder(conn, recorded.name, recorded.width)
    last_indexed = search_tables.last_with_columns(conn)
    removed: dict[str, list[int]] = {}  # by session, in order
    for turn in turns:
        if turn.id <= last_indexed:
            removed.setdefault(turn.session, []).append(turn.id)
    if not removed:
        return

    stored = StoredColumns(conn)
    for ids in removed.values():
        stored.remove(ids)
    for session, ids in removed.items():
        ends: dict[str, SessionEnd] = {}
        if before := _turn_before(conn, session, ids[0]):
            row, vector = stored.get(before)
            ends[session] = SessionEnd(int(row["session"]), before, vector)
        for batch in _successors(conn, session, ids[0], last_indexed):
            new_vectors = embed([turn.text for turn in batch], recorded)
            speakers = search_tables.speaker_numbers(conn, {turn.speaker for turn in batch})
            described = describe_turns(batch, new_vectors, session_ends=ends, speakers=speakers)
            # What a turn has of those before it halves with each: soon nothing changes.
            if not stored.replace(*described) and batch[-1].id > ids[-1]:
                break
    stored.write()


def _turn_before(conn: Connection, session: str, turn_id: int) -> int | None:
    """The last existing turn of a session before a turn."""
    (nearest,) = conn.run("last_of_session_before", session=session, before=turn_id).fetchone()
    return None if nearest is None else int(nearest)


def _successors(
    conn: Connection, session: str, first: int, last_indexed: int
) -> Iterable[list[Turn]]:
    """The turns of a session with columns after the first that is gone, some at a time."""
    cursor = conn.run("turns_of_session", session=session, first=first, last=last_indexed)
    while batch := cursor.fetchmany(_SUCCESSORS_AT_ONCE):
        yield turns_table.to_turns(batch)
