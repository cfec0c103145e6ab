"""Acts that change a memory, and the expected state after each.

Each act is done over and over in a folder, and each time is acknowledged with its number. The same
acts undisturbed show what is there after each, so a folder whose process was killed, whose disk
failed or that two processes worked on can be held to that.
"""

import atexit
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import sqlite_utils  # noqa: F401 - imported once for all, before processes part

from memory import Memory, MemoryProgram, Store, Turn, facts, open_store
from memory.exchange.imports import import_turns
from memory.exchange.items import ForeignExport
from memory.facts.additions import record_assertions
from memory.records import Assertion, TurnAssertions
from memory.search.embed import LocalEmbedder, embed
from memory.store import migrations
from memory.store.changes import journal, journaled_rows
from memory.store.changes.history import revert_to
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.facts import entity_edits, vocabulary_table
from memory.store.files import dump
from memory.store.files.backup import restore
from memory.store.files.namespace_file import copy_store, move_store
from memory.store.forgetting.forget import BACKUP, COPY, DUE, OF_THIS_FILE
from memory.store.search import search_tables
from memory.store.sqlite.connection import storage_errors
from memory.store.sqlite.store import SqliteStore
from memory.store.turns import tags
from memory.store.turns.turn_validation import FORGET_AFTER
from memory.store.waiting.pending_windows import claim_window, fail_window
from memory.vocabulary import Attribute
from tests.support.local_embedder import Models, stand_in
from tests.support.newer_version import one_more_migration
from tests.support.older_memory import make_older
from tests.support.rows import rows_of
from tests.support.scripted import StoresByRule, scripted_model

BLOCK = 8  # so small that acts make and remake blocks
TIMES = 8  # how often an act is done in one folder, unless less is asked for
OTHER = "sentence-transformers/other"
EXPIRES = 2900  # the year of the first turn that expires
TURNS = [
    Turn(
        f"Speaker {n % 3}",
        f"Only turn {n} speaks of Anna's zyl{n}qua.",
        f"session {n // 5}",
        "2017-05",
    )
    for n in range(1, 31)
]

ATTRIBUTE = {
    "name": "has_pet",
    "other_names": "[]",
    "kind": "many",
    "allowed_values": "[]",
    "instruction": "",
    "templates": "{}",
}

Acknowledge = Callable[[int], None]
Work = Callable[[Path, int, Acknowledge], None]


@dataclass(frozen=True)
class Act:
    """An act: what makes the folder that it begins in, and the act done from the n-th time on.

    `work` acknowledges n + 1 when the n-th time is over. `is_sound_between`: whether the memory's
    check is content also before the last time. `overwrites`: whether no byte may be left of turns
    that are gone. `has_steps`: whether the next digest completes an act that was cut short.
    """

    begin: Callable[[Path], None]
    work: Work
    is_sound_between: bool = True
    overwrites: bool = False
    has_steps: bool = False


def main_file(folder: Path) -> Path:
    """The memory that most acts are done to."""
    return folder / "anna.db"


def one_by_one(do: Callable[[Path, int], object]) -> Work:
    """The work of an act that is one call."""

    def work(folder: Path, start: int, acknowledge: Acknowledge) -> None:
        for n in range(start, TIMES):
            do(folder, n)
            acknowledge(n + 1)

    return work


# --- what acts begin with ---------------------------------------------------------------------


def begin_with_turns(folder: Path) -> None:
    """Turns with tags and with names that they explain, and an attribute."""
    with open_store(main_file(folder)) as store:
        store.add(TURNS)
        assert isinstance(store, SqliteStore)
        with store.transaction() as conn:
            change = journal.begin(conn, "test", "")
            stored = {
                table: journaled_rows.JournaledRows(conn, change, table)
                for table in journaled_rows.TABLES
            }
            for n in range(1, len(TURNS) + 1):
                tag = {"turn_id": n, "key": "project", "value": f"zyl{n}tag"}
                alias = {"name": f"Zyl {n}", "entity": "Zyl", "turn_id": n}
                stored["tags"].put(tag)
                stored["aliases"].put(alias)
            entity = {"name": "Zyl", "description": ""}
            stored["entities"].put(entity)
            stored["attributes"].put(ATTRIBUTE)


def begin_with_facts(folder: Path) -> None:
    begin_with_turns(folder)
    digest(folder, times=len(TURNS) // MODEL.limits.window)


def begin_with_a_backup(folder: Path) -> None:
    begin_with_facts(folder)
    back_up(folder, 0)


def begin_with_a_backup_and_empty_files(folder: Path) -> None:
    """Every other restore begins where an earlier one was killed, with an empty file."""
    begin_with_a_backup(folder)
    for n in range(0, TIMES, 2):
        (folder / f"restored{n:02}.db").touch()


def begin_with_replies(folder: Path) -> None:
    """Turns that expire one after the other, each with a reply that quotes it."""
    with open_store(main_file(folder)) as store:
        for n, turn in enumerate(TURNS):
            tag = {FORGET_AFTER: f"{EXPIRES + n}-01-01T00:00:00Z"}
            said = replace(turn, session=f"session {n}", tags=tag)
            reply = Turn("Assistant", f"Noted: {turn.text}", said.session, "2017-05")
            store.add([said, reply])
    digest(folder, times=2 * len(TURNS) // MODEL.limits.window)


def begin_with_words(folder: Path) -> None:
    with Memory(main_file(folder)) as memory:
        memory.add([turn for n in range(TIMES) for turn in words_of(n, "Oslo")])


def begin_with_two_backups(folder: Path) -> None:
    begin_with_a_backup(folder)
    with open_store(main_file(folder)) as store:
        store.add([Turn("Anna", "This stands in the second backup alone.")])
        store.write(FACT.format(value="second", turn=31), cause="test")
    back_up(folder, 1)


def begin_with_older_files(folder: Path) -> None:
    """Every other one was used, each of another schema; the others' turns have no index.

    They lie in a folder of their own: whoever looks at a folder opens, and so migrates, its files.
    """
    begin_with_facts(folder)
    with open_store(main_file(folder)) as store:
        store.undo(store.changes()[-1].id)
        set_setting(store, "user", "Anna")
        store.add([Turn("Anna", f"Nobody has read turn {n}.") for n in (31, 32, 33)])
        window = claim_window(store, 2)
        assert window
        fail_window(store, window, "no model")
    (folder / "older").mkdir()
    for n in range(TIMES):
        path = folder / "older" / f"old{n:02}.db"
        shutil.copy(main_file(folder), path)
        if n:
            make_older(path, migrations.OLDEST + n % (migrations.VERSION - migrations.OLDEST))
    main_file(folder).unlink()


def begin_with_a_dump(folder: Path) -> None:
    begin_with_facts(folder)
    with open_store(main_file(folder)) as store:
        records = [json.dumps(record) for record in store.dump()]
    (folder / "dump").write_text("\n".join(records))
    main_file(folder).unlink()
    open_store(main_file(folder)).close()


# --- the acts ---------------------------------------------------------------------------------

FACT = (
    "INSERT INTO facts (subject, attribute, value, turn_id)"
    " VALUES ('Anna', 'has_pet', '{value}', {turn})"
)
MODEL = scripted_model([], window=3, budget=1_000)  # never asked: PROGRAM writes the facts


def a_fact_of_each_turn(turns: str) -> str:
    said = re.findall(r"^\[(\d+)\].*(zyl\d+qua)", turns, re.MULTILINE)
    return ";\n".join(FACT.format(value=value, turn=n) for n, value in said)


PROGRAM = MemoryProgram()
PROGRAM.store = StoresByRule(a_fact_of_each_turn)


def add(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        store.add([Turn("Anna", f"{n} {word}", f"session {n}") for word in ("first", "second")])


def digest(folder: Path, n: int = 0, times: int = 1) -> None:
    with Memory(main_file(folder), model=MODEL, program=PROGRAM) as memory:
        for _ in range(times):
            memory.digest(max_calls=1)


def forget(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        store.forget([2 * n + 1])


def forget_with_replies(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        assert len(store.forget([4 * n + 1]).turns) == 2


def expire(folder: Path, n: int) -> None:
    """Read when the n-th turn has expired: the store forgets it, and its reply, before."""
    now = datetime(EXPIRES + n, 1, 2, tzinfo=UTC).timestamp()
    with patch.object(time, "time", lambda: now), open_store(main_file(folder)) as store:
        assert len(store.turns()) == 2 * (len(TURNS) - n - 1)


def words_of(n: int, home: str) -> list[Turn]:
    who, day = f"Anna{n}", f"2024-05-0{n + 1}" if home == "Oslo" else f"2024-06-0{n + 1}"
    change = "I moved" if home == "Bergen" else "I like"
    return [Turn(who, f"I live in {home}.", who, day), Turn(who, f"{change} to {home}.", who, day)]


def say(folder: Path, n: int) -> None:
    """Say what templates know, and what changes an earlier word."""
    with Memory(main_file(folder)) as memory:
        memory.add(words_of(n, "Bergen"))


def use_memory_tool(folder: Path, n: int) -> None:
    """Make a file, edit it, give it another path, and delete it, as Claude does."""
    from memory.frameworks import anthropic_memory

    paths = [f"/memories/{n // 4}/{name}.md" for name in ("old", "new")]
    commands = {
        "create": {"path": paths[0], "file_text": "The cat is called Miso."},
        "str_replace": {"path": paths[0], "old_str": "Miso", "new_str": "Mochi"},
        "rename": {"old_path": paths[0], "new_path": paths[1]},
        "delete": {"path": paths[1]},
    }
    with patch.object(anthropic_memory, "local_now", lambda: "2024-05-01T10:00"):
        tool = anthropic_memory.MemoryTool(main_file(folder))
        name, command = [*commands.items()][n % 4]
        getattr(tool, name)(SimpleNamespace(**command))
        tool.close()


def undo(folder: Path, n: int) -> None:
    """Undo the latest change, and the undoing of it the next time."""
    with open_store(main_file(folder)) as store:
        store.undo(store.changes()[-1].id)


def revert(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        revert_to(store, 9 - n)


def merge_entities(folder: Path, n: int) -> None:
    """Say that Anna, whom each fact is about, is Zyl, and undo that the next time."""
    with open_store(main_file(folder)) as store:
        if n % 2:
            store.undo(store.changes()[-1].id)
        else:
            entity_edits.merge_entities(store, "Anna", "Zyl")


def rename_attribute(folder: Path, n: int) -> None:
    names = ["has_pet", "keeps"]
    with open_store(main_file(folder)) as store:
        vocabulary_table.rename_attribute(store, names[n % 2], names[(n + 1) % 2])


def set_tags(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        tags.set_tags(
            store, [n + 1, n + 2], {"project": f"tagged {n}", "place": ["Oslo", "Bergen"]}
        )


def remove_tags(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        tags.remove_tags(store, [n + 1, n + 2] if n % 2 else [20 + n], ["project"])


def set_attribute(folder: Path, n: int) -> None:
    """Name the attribute of all facts anew, in the vocabulary and in the facts."""
    names = ["has_pet", "keeps"]
    new = Attribute(names[(n + 1) % 2], other_names=(names[n % 2],), instruction=f"test {n}")
    with open_store(main_file(folder)) as store:
        vocabulary_table.set_vocabulary(store, [new], replaces=True)


def name_entity(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        if n % 2:
            entity_edits.remove_alias(store, "Zylla", "Anna")
        else:
            entity_edits.add_alias(store, "Zylla", "Anna")


def rename_entity(folder: Path, n: int) -> None:
    names = ["Zyl", "Zyl the Great"]
    with open_store(main_file(folder)) as store:
        entity_edits.rename_entity(store, names[n % 2], names[(n + 1) % 2])


def split_entity(folder: Path, n: int) -> None:
    """Make Anna of some turns another Anna, and undo that the next time."""
    with open_store(main_file(folder)) as store:
        if n % 2:
            store.undo(store.changes()[-1].id)
        else:
            entity_edits.split_entity(
                store, "Anna", "Anna 2", [fact.turn_id for fact in store.facts()][:3]
            )


def record(folder: Path, n: int) -> None:
    """Store what a turn is said to assert, as templates do."""
    with open_store(main_file(folder)) as store:
        [turn] = store.turns(1 + n % store.count_turns(), 1 + n % store.count_turns())
        store.record([TurnAssertions(turn, [Assertion("Anna", "has_pet", f"pet {n}")])])


def describe_entity(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        entity_edits.describe_entity(store, "Zyl", f"description {n}")


def add_fact(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        facts.add(
            store, turn_id=n + 1, subject="Anna", attribute="has_pet", value=f"pet {n}", by="test"
        )


def reembed(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        store.vectors.reembed([OTHER, "wordllama"][n % 2], batch=6)


def back_up(folder: Path, n: int) -> None:
    with open_store(main_file(folder)) as store:
        store.backup(folder / f"backup{n:02}.db")


def restore_older_and_newer(folder: Path, n: int) -> None:
    restore(folder / f"backup{n % 2:02}.db", main_file(folder), replace=True)


def restore_as_new(folder: Path, n: int) -> None:
    restore(folder / "backup00.db", folder / f"restored{n:02}.db")


def copy(folder: Path, n: int) -> None:
    copy_store(main_file(folder), folder / f"copy{n:02}.db")


def move(folder: Path, n: int) -> None:
    paths = [main_file(folder), folder / "ben.db"]
    move_store(paths[n % 2], paths[(n + 1) % 2])


def open_older_file(folder: Path, n: int) -> None:
    path = folder / f"old{n:02}.db"
    if not path.exists():
        with storage_errors(path):
            (folder / "older" / path.name).rename(path)
    with one_more_migration(is_additive=True):  # so that this version can look at what it made
        open_store(path).close()


def import_in_batches(folder: Path, start: int, acknowledge: Acknowledge) -> None:
    """Import all from the beginning, whatever is there already."""
    batches = iter(range(1, TIMES + 1))
    turns = (
        Turn("Ben", f"Imported {n}", f"day {n // 7}", source=f"export {n}")
        for n in range(5 * TIMES)
    )
    with open_store(main_file(folder)) as store:
        export = ForeignExport("jsonl", items=turns)
        import_turns(store, export, batch=5, progress=lambda items: acknowledge(next(batches)))


def load_in_batches(folder: Path, start: int, acknowledge: Acknowledge) -> None:
    """Load a dump from its beginning. A batch is on disk when the next one is asked for."""
    lines = (folder / "dump").read_text().splitlines()

    def records() -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines):
            if number and number % BATCH_RECORDS == 0:
                acknowledge(number // BATCH_RECORDS)
            yield json.loads(line)

    with open_store(main_file(folder)) as store:
        store.load(records())
    acknowledge(len(lines) // BATCH_RECORDS + 1)


BATCH_RECORDS = 12

ACTS: dict[str, Act] = {
    "add": Act(begin_with_turns, one_by_one(add)),
    "digest": Act(begin_with_turns, one_by_one(digest)),
    "forget": Act(begin_with_a_backup, one_by_one(forget), overwrites=True),
    "forget with replies": Act(
        begin_with_replies, one_by_one(forget_with_replies), overwrites=True
    ),
    "expire": Act(begin_with_replies, one_by_one(expire), overwrites=True),
    "say": Act(begin_with_words, one_by_one(say), has_steps=True),
    "memory tool": Act(begin_with_facts, one_by_one(use_memory_tool)),
    "undo": Act(begin_with_facts, one_by_one(undo)),
    "revert": Act(begin_with_facts, one_by_one(revert)),
    "merge": Act(begin_with_facts, one_by_one(merge_entities)),
    "rename attribute": Act(begin_with_facts, one_by_one(rename_attribute)),
    "tags": Act(begin_with_facts, one_by_one(set_tags)),
    "remove tags": Act(begin_with_facts, one_by_one(remove_tags)),
    "set attribute": Act(begin_with_facts, one_by_one(set_attribute)),
    "alias": Act(begin_with_facts, one_by_one(name_entity)),
    "rename entity": Act(begin_with_facts, one_by_one(rename_entity)),
    "split entity": Act(begin_with_facts, one_by_one(split_entity)),
    "record": Act(begin_with_turns, one_by_one(record)),
    "describe entity": Act(begin_with_facts, one_by_one(describe_entity)),
    "add fact": Act(begin_with_turns, one_by_one(add_fact)),
    "reembed": Act(begin_with_facts, one_by_one(reembed)),
    "backup": Act(begin_with_facts, one_by_one(back_up)),
    "restore": Act(begin_with_two_backups, one_by_one(restore_older_and_newer)),
    "restore as new": Act(begin_with_a_backup_and_empty_files, one_by_one(restore_as_new)),
    "copy": Act(begin_with_facts, one_by_one(copy)),
    "move": Act(begin_with_facts, one_by_one(move)),
    "import": Act(begin_with_turns, import_in_batches),
    "load": Act(begin_with_a_dump, load_in_batches, is_sound_between=False),
    "migration": Act(begin_with_older_files, one_by_one(open_older_file)),
}


def embed_otherwise(_: LocalEmbedder, texts: list[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Vectors of another embedder, which differ from the packaged one's."""
    return np.roll(embed(texts), 1, axis=1)


def prepare_process() -> None:
    """Make this process do the acts with small blocks and batches, and without a network."""
    home = TemporaryDirectory()
    atexit.register(home.cleanup)
    os.environ["MEMORY_HOME"] = home.name
    patch.object(search_tables, "BLOCK", BLOCK).start()
    patch.object(dump, "BATCH_RECORDS", BATCH_RECORDS).start()
    sys.modules["sentence_transformers"] = stand_in(Models())  # found, and asked nothing
    patch.object(LocalEmbedder, "__call__", embed_otherwise).start()
    embed(["loaded once for all"])


# --- what is to be seen -----------------------------------------------------------------------

State = dict[str, Any]  # by file: its tables as lists of rows, without times and other accidents
_SELECTS = {
    "turns": "SELECT * FROM turns ORDER BY id",
    "facts": (
        "SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, entity, value_entity"
        " FROM facts"
    ),
    "changes": (
        "SELECT id, cause, statement, undone_at IS NULL, undoes, first_turn, last_turn FROM changes"
    ),
    # The last element of an image is the moment of its recording.
    "facts_log": (
        "SELECT id, change_id, fact_id, json_remove(before, '$[7]'), json_remove(after, '$[7]')"
        " FROM facts_log"
    ),
    "settings": (
        "SELECT name, json_remove(value, '$.at', '$.sha256') FROM settings"
        f" WHERE name NOT IN {OF_THIS_FILE} ORDER BY name, id"
    ),
    "rows_log": "SELECT * FROM rows_log ORDER BY id",
    "last ids": "SELECT name, seq FROM sqlite_sequence WHERE name <> 'settings' ORDER BY name",
    **{
        table: f"SELECT * FROM {table} ORDER BY 1, 2"
        for table in (
            *("speakers", "recent", "blocks", "pieces", "newer_words", "traces"),
            *journaled_rows.TABLES,
        )
    },
}


def state(folder: Path) -> State:
    """What each memory in a folder holds.

    An empty file counts as no memory. Of the backups and copies that a memory knows, those count
    that exist.
    """
    states: State = {}
    for path in memories(folder):
        with open_store(path) as store:
            assert isinstance(store, SqliteStore)
            tables = {name: rows_of(store, select) for name, select in _SELECTS.items()}
            notes = [*settings_of(store, BACKUP), *settings_of(store, COPY)]
        noted = {Path(note.value) for note in notes} & {*memories(folder)}
        tables["backups and copies"] = sorted((path.name,) for path in noted)
        states[path.name] = tables
    return states


def memories(folder: Path) -> list[Path]:
    """The files of memories, without the copies of older files that a migration keeps.

    A kill between the copy and the migration leaves a copy more than an undisturbed act.
    """
    files = sorted(path for path in folder.glob("*.db") if path.stat().st_size)
    return [path for path in files if ".schema-" not in path.name]


def faults(folder: Path) -> list[str]:
    """What the checks of all memories in a folder complain of."""
    complaints = []
    for path in memories(folder):
        with open_store(path) as store:
            complaints += [f"{path.name}: {fault}" for fault in store.check()]
    return complaints


def residue(folder: Path) -> list[str]:
    """Texts and tags of turns that are gone from the main memory, and are still in a file."""
    with open_store(main_file(folder)) as store:
        texts = {turn.text for turn in store.turns()}
    contents = [path.read_bytes() for path in folder.iterdir()]
    gone = [turn.text for turn in TURNS if turn.text not in texts]
    gone += [f"zyl{n}tag" for n, turn in enumerate(TURNS, 1) if turn.text in gone]
    return [text for text in gone if any(text.encode() in content for content in contents)]


def settle(act: Act, folder: Path) -> None:
    """Do what is done after an interruption: a person finishes the forgetting that is due."""
    if main_file(folder) in memories(folder):
        with open_store(main_file(folder)) as store:
            complete(act, store)


def complete(act: Act, store: Store) -> None:
    """Finish the forgetting that is due, and do of a digest what completes an act in steps."""
    if settings_of(store, DUE):
        store.forget([])
    if act.has_steps:
        record_assertions(store)


def undisturbed(act: Act, folder: Path) -> list[State]:
    """The states of a folder before the first time of an act and after each."""
    states = [state(folder)]
    act.work(folder, 0, lambda number: states.append(state(folder)))
    return states


def begin_again(beginning: Path, folder: Path) -> None:
    """Make a folder as an act begins in it. A memory knows its backups by their paths."""
    shutil.rmtree(folder)
    shutil.copytree(beginning, folder)
