"""Whether what a receipt of `forget` names is gone: turns, facts, words, bytes, file by file."""

import json
import mmap
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from memory.errors import InputError, Stop
from memory.records import Forgotten, Turn
from memory.store.configuration import settings
from memory.store.database import Connection
from memory.store.files import integrity
from memory.store.files.dump import dump
from memory.store.forgetting.forget import DONE, DUE, copies_known, proof
from memory.store.forgetting.quoting import WordsOfText
from memory.store.forgetting.turn_removal import BLANKED
from memory.store.sqlite.connection import SqliteConnection, connect
from memory.store.turns import turns_table
from memory.store.turns.traces import replies_shaped
from memory.system.files import refuse_irregular
from memory.text.words import words

_OUT_OF_REACH = (
    "files sent elsewhere, copies made by hand, what a hosted model was sent, and what the disk"
    " keeps of older blocks"
)


@dataclass(frozen=True)
class ReceiptCheck:
    """What is still there of a receipt's turns, what could not be checked, and where was looked."""

    remains: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def read_receipt(path: Path) -> Forgotten:
    """The receipt in a file. Raises InputError for a file that holds none."""
    refuse_irregular(path)
    try:
        fields = json.loads(path.read_text("utf-8"))
        receipt = Forgotten(**fields)
        ids = (*receipt.turns, *receipt.facts, *receipt.changes, *receipt.quoted_in)
        paths = (*receipt.files, *receipt.unreached, *receipt.copies, *receipt.exports)
        texts = (receipt.sha256, receipt.salt, receipt.vacuum, receipt.vacuumed_at, *paths)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: this is no receipt of `forget`") from error
    if not all(isinstance(number, int) for number in ids) or not all(
        isinstance(text, str) for text in texts
    ):
        raise InputError(f"{path}: this is no receipt of `forget`")
    return receipt


def check_receipt(path: Path, receipt: Forgotten, text: str = "") -> ReceiptCheck:
    """Look for what a receipt names in the memory at a path, in its backups and its copies.

    A receipt holds no words, but names the turns that stayed with the same ones. With `text`, its
    words are looked for too: in all rows, in the indexes, and in the bytes of the files. Call this
    while this process has no such file open: reading the bytes of a file drops the locks that
    SQLite has on it. Raises InputError for a receipt of another memory, StoreError for a file that
    is no memory.
    """
    path = path.resolve()
    with closing(connect(path, read_only=True)) as conn:
        refuse_other_receipt(conn, str(path), receipt)
        remains = overwriting_due(conn, str(path))
    files = check_files(
        [str(path), *receipt.files],
        [*receipt.unreached, *receipt.copies, *copies_known(path)],
        receipt=receipt,
        text=text,
    )
    return replace(
        files,
        remains=(*remains, *files.remains),
        unchecked=(*files.unchecked, *without_words(text), _OUT_OF_REACH),
    )


def check_files(
    own: Sequence[str], copies: Sequence[str], *, receipt: Forgotten, text: str
) -> ReceiptCheck:
    """Look for what a receipt names in the files of its memory, and in memories copied from it.

    Backups belong to this memory. A copy is independent, with other turns under the same numbers.
    """
    remains: list[str] = []
    unchecked: list[str] = []
    looked_through: list[str] = []
    remains += [
        f"{path}: an exported file with words of the turns; delete it"
        for path in receipt.exports
        if Path(path).exists()
    ]
    own = [*map(_resolved, own)]
    for name in dict.fromkeys([*own, *map(_resolved, copies)]):
        file = Path(name)
        if "://" in name:
            unchecked.append(f"{name}: another memory in Postgres; verify the receipt there")
            continue
        if not file.is_file():
            unchecked.append(f"{file}: not there any more")
            continue
        try:
            with closing(connect(file, read_only=True)) as conn:
                rows = rows_with(conn, text) if text else []
                check = _check_file(conn, receipt, text, is_copy=name not in own)
        except (Stop, sqlite3.DatabaseError) as error:
            unchecked.append(f"{file}: {error}")
            continue
        remains += [f"{file}: {line}" for line in (*rows, *check.remains)]
        unchecked += [f"{file}: {line}" for line in check.unchecked]
        if text and not rows:  # else the bytes prove nothing
            remains += _bytes_with(file, text)
        looked_through.append(name)
    return ReceiptCheck(tuple(remains), tuple(unchecked), tuple(looked_through))


def _resolved(name: str) -> str:
    """A file's one name, whatever links and ".." lead to it; an address of Postgres as is."""
    return name if "://" in name else str(Path(name).resolve())


def without_words(text: str) -> list[str]:
    """What cannot be checked where no text is given to look for."""
    if text:
        return []
    return ["words, which a receipt does not hold: give --matching TEXT"]


def overwriting_due(conn: Connection, location: str) -> list[str]:
    """A line that says so where an earlier `forget` has not come to its end."""
    if not settings.setting_history(conn, DUE):
        return []
    return [f"{location}: the overwriting is not finished: memory forget finish"]


def refuse_other_receipt(conn: Connection, location: str, receipt: Forgotten) -> None:
    """Raises InputError for a receipt of another memory than the one at `location`."""
    known = [
        setting.value["sha256"]
        for name in (DONE, DUE)
        for setting in settings.setting_history(conn, name)
    ]
    if receipt.sha256 not in known:
        raise InputError(
            f"{location} has no receipt {receipt.sha256[:12]}...: it is another memory's"
        )


def _check_file(
    conn: SqliteConnection, receipt: Forgotten, text: str, is_copy: bool
) -> ReceiptCheck:
    """What one file holds of a receipt's turns."""
    remains = [*_index_entries_of(conn, text)] if text else []
    if not is_copy:
        remains += [*rows_left(conn, receipt), *integrity.find_faults(conn)]
        return ReceiptCheck(tuple(remains))
    turns = _turns_of(conn, receipt)
    if _are_all(turns, receipt):
        return ReceiptCheck((*remains, _all_of(turns)))
    if turns:
        line = f"turns {_numbers(turns)}: of numbers of the receipt, perhaps others"
        return ReceiptCheck(tuple(remains), (line,))
    return ReceiptCheck(tuple(remains))


def rows_left(conn: Connection, receipt: Forgotten) -> list[str]:
    """What the tables of a receipt's own memory hold of it, a line for each."""
    turns = _turns_of(conn, receipt)
    if _are_all(turns, receipt):
        return [_all_of(turns)]
    return [*_rows_of(conn, receipt), *_quoting_turns(conn, receipt)]


def _quoting_turns(conn: Connection, receipt: Forgotten) -> Iterator[str]:
    """The turns that stayed although they hold words of a receipt's."""
    for turn_id in receipt.quoted_in:
        if turns_table.read_turns(conn, turn_id, turn_id):
            yield f"turn {turn_id} has the same words: memory forget --turn {turn_id}"


def _turns_of(conn: Connection, receipt: Forgotten) -> list[Turn]:
    """The turns that have the numbers of a receipt's."""
    return [
        turn for turn_id in receipt.turns for turn in turns_table.read_turns(conn, turn_id, turn_id)
    ]


def _are_all(turns: Sequence[Turn], receipt: Forgotten) -> bool:
    return bool(turns) and proof(receipt.salt, turns) == receipt.sha256


def _all_of(turns: Sequence[Turn]) -> str:
    return f"turns {_numbers(turns)}, all of the receipt"


def _numbers(turns: Sequence[Turn]) -> str:
    return ", ".join(str(turn.id) for turn in turns)


def _rows_of(conn: Connection, receipt: Forgotten) -> Iterator[str]:
    """Rows of this memory that name a receipt's turns and facts, whose numbers none has again."""
    counts = conn.run(
        "rows_of_receipt", turn_ids=[*receipt.turns], fact_ids=[*receipt.facts]
    ).fetchall()
    for _, table, rows in counts:
        if rows:
            yield f"{rows} rows of the table {table}"
    if naming := replies_shaped(conn, receipt.turns, receipt.facts):
        yield f"{len(naming)} rows of the table traces"
    (statements,) = conn.run(
        "count_statements", change_ids=[*receipt.changes], blanked=BLANKED
    ).fetchone()
    if statements:
        yield f"the statements of {statements} changes"


def rows_with(conn: Connection, text: str) -> list[str]:
    """The rows of a memory that hold words of a text, a line for each."""
    wanted = WordsOfText(text)
    lines = []
    for record in dump(conn):
        values = (value for value in record.values() if isinstance(value, str))
        if any(map(wanted.are_in, values)):
            table, row_id = record["table"], record.get("id")
            row = f"{table.removesuffix('s')} {row_id}" if row_id else f"a row of {table}"
            lines.append(f"{row} holds words of {text!r}")
    return lines


def _index_entries_of(conn: SqliteConnection, text: str) -> Iterator[str]:
    """The words of a text that an index has of rows which are gone."""
    for word in dict.fromkeys(words(text)):
        for index, table in (("turns_words", "turns"), ("facts_words", "facts")):
            (rows,) = conn.execute(
                f"SELECT count(*) FROM {index} WHERE {index} MATCH ?"
                f" AND rowid NOT IN (SELECT id FROM {table})",
                (f'"{word}"',),
            ).fetchone()
            if rows:
                yield f"the index {index} has {word!r} of {rows} rows that are gone"


def _bytes_with(file: Path, text: str) -> Iterator[str]:
    """The file, and SQLite's files next to it, if their bytes hold words of a text in UTF-8."""
    wanted = WordsOfText(text).pattern()
    for end in ("", "-wal", "-journal"):
        part = file.with_name(file.name + end)
        if not part.is_file() or not part.stat().st_size:
            continue
        with part.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=1) as content:
            if wanted.search(content):
                yield f"{part}: its bytes hold words of {text!r}"
