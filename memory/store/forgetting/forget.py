"""Forgetting in a namespace of either database: turns and everything derived from them.

First one transaction removes them, with a settings row "forgetting": overwriting is due. Then the
bytes are overwritten: a SQLite file's at once, a Postgres table's by the server's vacuum
(docs/security.md). Backups of either database are files and are rewritten without the turns, and
the row becomes "forgotten", the receipt. If this is interrupted, the next `forget` continues from
there. Older blocks of a file that a file system or a disk keeps are out of reach.
"""

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from glob import escape, glob
from itertools import takewhile
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError, ModelError, Stop, StoreError
from memory.records import Forgotten, Turn
from memory.search.embed import load_embedder
from memory.store.changes import history, journal
from memory.store.changes.journal import mark_turns
from memory.store.changes.points_in_time import now
from memory.store.configuration import settings
from memory.store.configuration.setting_values import CHARACTER, EXPORT
from memory.store.database import Connection, Transaction
from memory.store.facts import entities
from memory.store.facts.standing_facts import characters_of
from memory.store.forgetting import turn_removal
from memory.store.forgetting.derived_ends import ends_derived_from, take_back_ends
from memory.store.forgetting.forgotten_items import FORGOTTEN_ITEMS, item_marks, with_key
from memory.store.forgetting.quoting import (
    Quoting,
    files_quoting,
    is_machine,
    may_quote,
    turns_quoting,
)
from memory.store.search.vectors import EmbedTexts, RecordedEmbedder
from memory.store.sqlite.connection import SqliteConnection, connect
from memory.store.turns import turns_table
from memory.store.turns.tags import tagged_turns
from memory.store.turns.traces import replies_shaped
from memory.store.waiting import pending_windows
from memory.system.call_history import empty_call_history
from memory.system.files import discard

# Names of settings that are the store's own: overwriting is due, a receipt, the path of a backup,
# and that of a memory which this one was copied to or from (no setting of a person has a space).
DUE, DONE, BACKUP, COPY = "forgetting", "forgotten", "backup", "copied memory"
# Those of one file on one machine: a copy or a dump must not reach for another memory's backups.
OF_THIS_FILE = (BACKUP, COPY, EXPORT, DUE)
COPIES_OF_THE_PAST = "memory-as-of-*/memory.*.db"  # in the folder of temporary files
PATIENCE_MS = 5_000  # how long overwriting waits for another program's reading or writing
_MOST_REPLIES = 4  # that go with a turn that expires: tool uses, and what was said of them
_BYTES_REMAIN = "but their bytes are still in"


@dataclass(frozen=True)
class BytesOfMemory:
    """Where the bytes of a memory are.

    `overwrite` does what can be done about those of removed rows. `file` is the SQLite file; None
    for a memory in Postgres, where `vacuum` is the SQL that drops them.
    """

    location: str
    file: Path | None
    overwrite: Callable[[], None]
    vacuum: str = ""


def forget(
    conn: Connection,
    transaction: Transaction,
    embed: EmbedTexts,
    turn_ids: Sequence[int],
    place: BytesOfMemory,
    *,
    replies: bool = True,
    repeats: bool = False,
) -> Forgotten:
    """Remove turns and everything derived from them, then overwrite their bytes; `Store.forget`.

    Without any turns, the overwriting that is due is finished; the last receipt is returned.
    `replies` and `repeats` say which turns that quote these go too, see `turns_quoting`.
    """
    receipt = None
    if turn_ids:
        with transaction():
            receipt = remove_for_good(conn, turn_ids, embed, replies=replies, repeats=repeats)
    return replace(_overwrite_files(conn, transaction, receipt, place), vacuum=place.vacuum)


def remove_for_good(
    conn: Connection,
    turn_ids: Sequence[int],
    embed: EmbedTexts,
    *,
    replies: bool = True,
    repeats: bool = False,
    is_expiry: bool = False,
) -> Forgotten:
    """Remove turns as `forget` does, inside the caller's transaction; overwriting is due then.

    An expiry takes only replies in the same exchange (`_replies_of_exchanges`): who may write may
    say when a turn ends, and must not end what others said.
    """
    if is_expiry:
        quoting = Quoting(_replies_of_exchanges(conn, turn_ids))
    else:
        quoting = _turns_quoting(conn, turn_ids, with_repeats=repeats)
    turn_ids = [*turn_ids, *quoting.taken(replies, repeats)]
    turns = _existing_turns(conn, turn_ids)
    salt = secrets.token_hex(16)
    item_key = next(iter(conn.item_keys(makes=True)), None)
    items = item_marks(turns, item_key)
    facts_of_turns = [number for (number,) in conn.run("facts_of_turns", turn_ids=[*turn_ids])]
    shaped = replies_shaped(conn, turn_ids, facts_of_turns)
    facts, changes = remove(conn, turn_ids, embed)
    receipt = Forgotten(
        at=now(),
        turns=tuple(turn.id for turn in turns),
        facts=facts,
        changes=changes,
        sha256=proof(salt, turns),
        salt=salt,
        quoted_in=quoting.left(replies, repeats),
        shaped=tuple(turn_id for turn_id in shaped if turn_id not in turn_ids),
        exports=files_quoting(_recorded(conn, EXPORT), [turn.text for turn in turns]),
    )
    due = {**asdict(receipt), **marked(turns, salt), "expired": is_expiry}
    settings.add_setting(conn, DUE, due)
    if items:
        settings.add_setting(conn, FORGOTTEN_ITEMS, items)
    if item_key:
        _mark_earlier_items(conn, item_key)
    empty_call_history()
    return receipt


def _turns_quoting(conn: Connection, turn_ids: Sequence[int], with_repeats: bool) -> Quoting:
    """The turns that quote these, by machines of this memory and by people."""
    characters = characters_of(settings.setting_history(conn, CHARACTER))

    def turns_by_id(ids: Sequence[int]) -> list[Turn]:
        # With their tags, which say who speaks.
        return mark_turns(conn, tagged_turns(conn, ids))

    gone = turns_by_id(turn_ids)
    turns = may_quote(gone, conn.words.turns_holding, turns_by_id, characters)
    quoting = turns_quoting(turns, turn_ids, characters, with_repeats)
    if with_repeats and quoting.repeats:  # the replies to these go, too
        gone = turns_by_id([*turn_ids, *quoting.repeats])
        turns = may_quote(gone, conn.words.turns_holding, turns_by_id, characters)
        quoting = turns_quoting(turns, turn_ids, characters, with_repeats)
    return quoting


def _replies_of_exchanges(conn: Connection, expired: Sequence[int]) -> tuple[int, ...]:
    """The replies to expired turns that quote them: of each at most _MOST_REPLIES, right after it.

    Only if only expired turns of its speaker are between it and a machine's turn
    before. A turn that another speaker put between a question and its answer takes no answer along.
    """
    ends_exchange: set[int] = set()  # expired turns before which no one else's is unanswered
    characters = characters_of(settings.setting_history(conn, CHARACTER))
    replies: set[int] = set()
    for turn in _existing_turns(conn, expired):
        if turn.kind != "message":
            continue
        around = conn.run(
            "exchange", session=turn.session, turn_id=turn.id, most=_MOST_REPLIES + 1
        ).fetchall()
        before, after = list[Turn](), list[Turn]()
        for neighbour in turns_table.to_turns(around):
            (before if neighbour.id < turn.id else after).append(neighbour)
        if before and not (is_machine(before[0], characters) or before[0].id in ends_exchange):
            continue
        ends_exchange.add(turn.id)
        following = list(takewhile(lambda reply: is_machine(reply, characters), after))
        exchange = [turn, *following[:_MOST_REPLIES]]
        replies |= {*turns_quoting(exchange, {turn.id}, characters).replies}
    return tuple(sorted(replies - {*expired}))


def _mark_earlier_items(conn: Connection, key: bytes) -> None:
    """Put marks with a key in place of the hashes that earlier versions kept."""
    for setting in settings.setting_history(conn, FORGOTTEN_ITEMS):
        marks = with_key(setting.value, key)
        if marks != sorted(setting.value):
            settings.remove_setting(conn, FORGOTTEN_ITEMS, setting.value)
            settings.add_setting(conn, FORGOTTEN_ITEMS, marks)


def remove(
    conn: Connection, turn_ids: Sequence[int], embed: EmbedTexts
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Remove turns and everything derived from them, inside the caller's transaction.

    Facts of other turns whose end derives from these are open again, and facts that a refinement
    merged with facts of these are separate again.

    `embed` is asked for the vectors of their successors.
    Returns the facts that are gone, and the changes whose statements are.
    Raises InputError for an id that is no turn's.
    """
    turns = _existing_turns(conn, turn_ids)
    ids = [turn.id for turn in turns]
    # Windows and blocks name turns until the end of the transaction, so keys are checked then.
    conn.defer_keys()
    ends = ends_derived_from(
        set(ids),
        edits=history.edits(conn),
        changes=journal.changes(conn),
        turns=partial(turns_table.read_turns, conn),
    )
    take_back_ends(conn, ends)
    said_of_names = entities.names_of_turns(conn, ids)
    removed_facts = turn_removal.remove_turns(conn, turns)
    entities.derive_named(conn, said_of_names.names)
    entities.derive_of_speakers(conn, {turn.speaker for turn in turns})
    names = (*removed_facts.names, *said_of_names.texts)
    removed_facts = replace(removed_facts, names=names)
    ending_changes = {change_id for change_id, _ in ends}
    touched_changes = (
        turn_removal.shrink_windows(conn, ids) | removed_facts.changes | ending_changes
    )
    changes = turn_removal.blank_quotations(
        conn, turns, facts=removed_facts, touched_changes=touched_changes
    )
    turn_removal.remove_columns(conn, turns, embed)
    return removed_facts.ids, changes


def proof(salt: str, turns: Sequence[Turn]) -> str:
    """The hash of turns that a receipt names: SHA-256 in hex, over UTF-8.

    Over the salt followed by JSON: the list of turns in the order of their ids, each an object of
    id, kind, said_at, session, source, speaker, text; keys sorted, no blanks, characters as they
    are. With a receipt and an earlier export, anybody can compute it again: `jq -cjS` writes the
    same JSON, except for U+007F.
    """
    ordered = [asdict(turn) for turn in sorted(turns, key=lambda turn: turn.id)]
    written = json.dumps(ordered, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((salt + written).encode()).hexdigest()


def marked(turns: Sequence[Turn], salt: str) -> dict[str, Any]:
    """Turns by id with a salted hash of each: another file may hold another turn of that id."""
    return {
        "turns": [turn.id for turn in turns],
        "marks": [proof(salt, [turn]) for turn in turns],
        "salt": salt,
    }


def backups(conn: Connection) -> list[Path]:
    """The files that `backup` made of this memory, oldest first, wherever they are by now."""
    return [Path(path) for path in _recorded(conn, BACKUP)]


def _recorded(conn: Connection, name: str) -> list[str]:
    """Paths of files, and of copies also addresses in Postgres, which a Path would change."""
    values = [str(setting.value) for setting in settings.setting_history(conn, name)]
    return [*dict.fromkeys(values)]


def copies_known(path: Path) -> list[str]:
    """Memories copied from the one at a path, or it from them; also their copies, as recorded."""
    return _with_their_copies([path.absolute()])[1:]


def recorded_copies(conn: Connection) -> list[str]:
    """The copies that a memory itself knows of, and theirs."""
    return _with_their_copies([Path(note) for note in _recorded(conn, COPY)])


def _with_their_copies(paths: Sequence[Path]) -> list[str]:
    copies: list[str] = []
    waiting = [*paths]
    while waiting:
        copy = waiting.pop(0)
        if str(copy) in copies or not copy.is_file():
            continue
        copies.append(str(copy))
        with suppress(Stop, sqlite3.DatabaseError), closing(connect(copy, read_only=True)) as conn:
            waiting += [Path(note) for note in _recorded(conn, COPY)]
    return copies


def copies_with(
    location: str, recorded: Iterable[str], due: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Those of the recorded copies, and of theirs, that hold turns which are `marked`.

    This includes copies that cannot be read. The memory at `location` itself, which its copies
    note, is not among them.
    """
    recorded = list(dict.fromkeys(recorded))
    # A copy in Postgres is named without a look: this machine may not be able to log in there.
    holding = [note for note in recorded if "://" in note and note != location]
    for copy in _with_their_copies([*map(Path, recorded)]):
        if copy == location:
            continue
        try:
            with closing(connect(Path(copy), read_only=True)) as conn:
                holds = any(same_turns(conn, value) for value in due)
        except (Stop, sqlite3.DatabaseError):
            holds = True
        if holds:
            holding.append(copy)
    return holding


def receipt_due(value: Mapping[str, Any]) -> Forgotten:
    """The receipt in a settings row "forgetting", whose files are still to be overwritten."""
    return Forgotten(
        at=value["at"],
        turns=tuple(value["turns"]),
        facts=tuple(value["facts"]),
        changes=tuple(value["changes"]),
        sha256=value["sha256"],
        salt=value["salt"],
        exports=tuple(value.get("exports", ())),
        quoted_in=tuple(value.get("quoted_in", ())),
        shaped=tuple(value.get("shaped", ())),
    )


def _existing_turns(conn: Connection, turn_ids: Sequence[int]) -> list[Turn]:
    """The turns with these ids, in order. Raises InputError for an id that is no turn's."""
    turns = []
    for turn_id in sorted(set(turn_ids)):
        rows = turns_table.read_turns(conn, turn_id, turn_id)
        if not rows:
            raise InputError(f"there is no turn {turn_id}; nothing was removed")
        turns += rows
    return turns


# --- overwriting ------------------------------------------------------------------------------


def _overwrite_files(
    conn: Connection, transaction: Transaction, receipt: Forgotten | None, place: BytesOfMemory
) -> Forgotten:
    """Overwrite this file and its backups, and make receipts of what was due.

    `receipt` is that of the turns removed just now, None when an earlier `forget` is finished.
    """
    due = _due(conn)
    if not due and not receipt:
        raise InputError("no turns were named, and there is nothing to overwrite")

    # This file first: that waits until no backup reads it any more, so a backup that began before
    # the removal is in its place by then and is overwritten as well.
    place.overwrite()
    # The rows of a server are no file that we overwrite.
    files = [place.location] if place.file else []
    unreached: list[str] = []
    busy: list[StoreError] = []
    for path in backups(conn):
        if place.file and path.exists() and place.file.exists() and path.samefile(place.file):
            continue  # a backup that is used as a memory
        try:
            reached = _forget_in_backup(path, due)
        except StoreError as error:
            busy.append(error)  # the other backups come first
        else:
            (files if reached else unreached).append(str(path))
    remove_abandoned_copies(map(Path, [*files, *unreached]))
    if busy:
        raise busy[0]

    _write_receipts(conn, transaction, due)
    receipt = receipt or receipt_due(due[-1])
    copies = copies_with(place.location, _recorded(conn, COPY), due)
    return replace(receipt, files=tuple(files), unreached=tuple(unreached), copies=tuple(copies))


def _due(conn: Connection) -> list[dict[str, Any]]:
    return [setting.value for setting in settings.setting_history(conn, DUE)]


def _write_receipts(
    conn: Connection, transaction: Transaction, due: Sequence[dict[str, Any]]
) -> None:
    """Make receipts of due work: they have neither the salt nor the marks made with it.

    With the salt in the file, anybody could try guesses of what was forgotten against the hash.
    """
    with transaction():
        for value in due:
            deleted = conn.run(
                "delete_setting", name=DUE, value=json.dumps(value, ensure_ascii=False)
            )
            if deleted.rowcount:  # else another process was faster
                names = ("at", "turns", "facts", "changes", "sha256")
                settings.add_setting(conn, DONE, {name: value[name] for name in names})


def overwrite(conn: sqlite3.Connection) -> None:
    """Write the file of a SQLite namespace anew, with what is in its tables, and empty its log."""
    (patience,) = conn.execute("PRAGMA busy_timeout").fetchone()
    conn.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    try:
        # FTS5 only marks the words of a removed row; they go when its lists are merged.
        for table in ("turns_words", "facts_words"):
            conn.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        conn.execute("VACUUM")
        # The new pages are in the log (-wal) and the old ones still in the file, until the log is
        # written back and cut.
        (busy, *_) = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise _bytes_remain(file_of(conn), str(error)) from error
    finally:
        conn.execute(f"PRAGMA busy_timeout = {patience}")
    if busy:
        raise _bytes_remain(file_of(conn), "another program reads or writes it")


def _bytes_remain(file: str, reason: str) -> StoreError:
    return StoreError(
        f"the turns are removed, {_BYTES_REMAIN} {file} or its -wal: {reason};"
        " close what uses it and run: memory forget finish"
    )


def file_of(conn: sqlite3.Connection) -> str:
    """The file that a connection is to."""
    return str(conn.execute("PRAGMA database_list").fetchone()[2])


# --- backups and other copies -----------------------------------------------------------------


def part_of(path: Path) -> Path:
    """Where a copy is made before it takes its place. The name says which process makes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_abandoned_copies(paths: Iterable[Path]) -> None:
    """Remove what killed processes left: half-made copies, and the copies of `as_of`."""
    for path in paths:
        for part in path.parent.glob(f".{escape(path.name)}.*.part*"):
            if _is_abandoned(part):
                discard(part)
    # Not Path.glob: it raises when another process removes its folder while this one looks.
    for copy in map(Path, glob(f"{escape(gettempdir())}/{COPIES_OF_THE_PAST}")):
        if _is_abandoned(copy):
            rmtree(copy.parent, ignore_errors=True)


def _is_abandoned(copy: Path) -> bool:
    """Whether the process that made a copy is gone; its number is in the name before the suffix."""
    number = copy.name.split(".")[-2]
    return number.isdigit() and not pending_windows.is_running(int(number))


def _forget_in_backup(path: Path, due: Sequence[dict[str, Any]]) -> bool:
    """Remove what is due from a backup too; False when no backup of ours is at its path.

    Raises StoreError when a later call may succeed: another program holds the file, the disk is
    full or fails, or the backup's embedder cannot be used here.
    """
    try:
        if not path.is_file() or not path.stat().st_size:
            return False
        with closing(connect(path, read_only=False)) as conn:
            if path not in backups(conn):  # another memory lies there by now
                return False
            conn.execute("PRAGMA secure_delete = ON")

            def transaction() -> SqliteConnection:
                # A connection is a context manager too: it commits, or rolls back on an error.
                conn.execute("BEGIN IMMEDIATE")
                return conn

            with transaction():
                for value in due:
                    _remove_same(conn, value)
            if due_here := _due(conn):
                overwrite(conn)
                _write_receipts(conn, transaction, due_here)
            conn.execute("PRAGMA journal_mode = DELETE")  # as `backup` made it
    except (Stop, sqlite3.DatabaseError, OSError) as error:
        if not path.is_file():  # removed meanwhile
            return False
        if _BYTES_REMAIN in str(error):
            raise
        is_passing = isinstance(error, (InputError, ModelError))
        signs = ("locked", "is full", "I/O error")
        if is_passing or any(sign in str(error) for sign in signs):
            raise _bytes_remain(str(path), str(error)) from error
        return False
    return True


def _remove_same(conn: Connection, value: dict[str, Any]) -> None:
    """Remove the turns of a receipt from a backup: those whose salted hash is the same."""
    marks = dict(zip(value["turns"], value["marks"], strict=True))
    if same := same_turns(conn, value):
        facts, changes = remove(conn, same, _embed)
        removed = {"turns": same, "facts": facts, "changes": changes}
        same_marks = [marks[turn_id] for turn_id in same]
        settings.add_setting(conn, DUE, {**value, **removed, "marks": same_marks})


def same_turns(conn: Connection, value: Mapping[str, Any]) -> list[int]:
    """Which `marked` turns a file holds: those whose salted hash is the same."""
    same: list[int] = []
    for turn_id, mark in zip(value["turns"], value["marks"], strict=True):
        turns = turns_table.read_turns(conn, turn_id, turn_id)  # empty where it is gone already
        same += [turn.id for turn in turns if proof(value["salt"], [turn]) == mark]
    return same


def _embed(texts: Sequence[str], recorded: RecordedEmbedder) -> NDArray[np.float32]:
    return load_embedder(recorded.name)(texts)
