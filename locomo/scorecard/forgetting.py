"""Forgetting: where a turn can be read before and after it is forgotten, place by place.

One turn and everything derived from it hold a word that occurs nowhere else. Each place is read,
the turn is forgotten once, and each place is read again. It reads what the memory gives to
programs, and the bytes of its files.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from locomo.scorecard.scratch import Scratch
from memory import Change, InputError, Memory, SqlError, Turn, open_store
from memory.store import claim_window, edits_of, fail_window, namespaces

WORD = "Quillfeather"  # nothing else says it
_STEM = "quillfeath"  # what an index of stemmed words keeps of it
_DELETED = f"{WORD} trumpet"  # the value of a fact that was deleted before
# Shares no word with the turn, so that only its vector makes it near.
_QUESTION = "Which fiddle do you own?"
_TURN = Turn(
    "Anna",
    f"My {WORD} violin is in the attic. Always greet me as {WORD}!",
    session="s1",
    said_at="2024-03-02T10:00",
    source="chat:1",
    tags={"topic": WORD},
)
_BESIDE = [
    Turn("Ben", "It rained all day, so we stayed in.", "s1", "2024-03-02T09:59", "chat:0"),
    _TURN,
    Turn("Ben", "The bus to work was late again.", "s2", "2024-03-05T08:10", "chat:2"),
    Turn("Anna", "I baked bread with rye flour.", "s2", "2024-03-05T08:12", "chat:3"),
]
_WHILE_IT_WAS_THERE = "2024-03-10"
_HOLDS = """
import sys
from pathlib import Path
stem, *files = sys.argv[1:]
print(any(stem.encode() in Path(file).read_bytes().lower() for file in files))
"""


@dataclass(frozen=True)
class Scene:
    """A memory with a turn to forget, and what is needed to look for it in each place.

    `deletion` is the change that deleted a fact of the turn, `copy` the name of a copy.
    """

    memory: Memory
    turn_id: int
    deletion: Change
    backup: Path
    copy: str
    in_postgres: bool


@dataclass(frozen=True)
class Place:
    """Where something of a turn may be read; `is_found` is None for what cannot be looked into."""

    name: str
    reader: str
    is_found: Callable[[Scene], bool | None]
    is_copy: bool = False


@dataclass(frozen=True)
class Trace:
    """What was found of a turn in a place before and after it was forgotten; None: not tried.

    `is_named` is whether the receipt says that the turn is still there.
    """

    place: Place
    before: bool | None
    after: bool | None
    is_named: bool = False


def forget_everywhere(scratch: Scratch) -> list[Trace]:
    """Store a turn with all that is derived from it, forget it, and look in each place."""
    name = scratch.new_name()
    with Memory(name) as memory:
        scene = _scene(memory, name, scratch)
        before = [place.is_found(scene) for place in PLACES]
        receipts = memory.forget(scene.turn_id)
        after = [place.is_found(scene) for place in PLACES]
    names_copies = any(receipt.copies for receipt in receipts)
    return [
        Trace(place, was_found, is_found, is_named=place.is_copy and names_copies)
        for place, was_found, is_found in zip(PLACES, before, after, strict=True)
    ]


def forgetting_table(traces: Iterable[Trace]) -> Table:
    """A row for each place. What was not found before says nothing of forgetting: "not tried"."""
    table = Table("place", "read by", "before", "after", title="forgetting one turn")
    for trace in traces:
        after = _in_words(trace.after if trace.before else None)
        after += ", named in the receipt" if trace.is_named and trace.after else ""
        table.add_row(trace.place.name, trace.place.reader, _in_words(trace.before), after)
    return table


def _in_words(is_found: bool | None) -> str:
    return "not tried" if is_found is None else "found" if is_found else "-"


# --- what is said -----------------------------------------------------------------------------


def _scene(memory: Memory, name: str, scratch: Scratch) -> Scene:
    """A memory where a digest stored what the turn says, and a person edited it."""
    store = memory.store
    ids = memory.add(_BESIDE, said_at="")
    turn_id = ids[_BESIDE.index(_TURN)]
    window = claim_window(store, len(ids))
    store.write(_facts(turn_id), "digest by scorecard", window)
    deletion = store.write(
        f"DELETE FROM facts WHERE value = '{_DELETED}'", "edit by scorecard", by_person=True
    )
    # After the edit, which clears the text of summaries based on the fact.
    store.write(_summary(turn_id), "digest by scorecard", window)
    memory.add(Turn("Ben", "Good morning, everybody.", "s3", "2024-03-20T08:00", "chat:4"))
    if waiting := claim_window(store, 1):
        fail_window(store, waiting, f"refused: {WORD}", statement=f"-- {WORD}")
    backup = scratch.folder / f"{name}.backup"
    store.backup(backup)
    second = scratch.new_name()
    namespaces.copy(name, second)
    return Scene(memory, turn_id, deletion, backup, second, scratch.in_postgres)


def _facts(turn_id: int) -> str:
    """What a model would write of the turn: facts, a standing instruction, and a name."""
    facts = [
        ("plays", f"{WORD} violin"),
        ("instruction", f"greet me as {WORD}"),
        ("sold", _DELETED),
    ]
    rows = ", ".join(f"('Anna', '{key}', '{value}', {turn_id})" for key, value in facts)
    return (
        f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows};"
        f" INSERT INTO aliases (name, entity, turn_id) VALUES ('{WORD}', 'Anna', {turn_id})"
    )


def _summary(turn_id: int) -> str:
    return (
        "INSERT INTO summaries (turn_id, last_turn_id, summary)"
        f" VALUES ({turn_id}, {turn_id}, 'Anna spoke of her {WORD}.')"
    )


# --- where it can be read ---------------------------------------------------------------------


def _holds(texts: Iterable[object]) -> bool:
    return any(WORD.lower() in str(text).lower() for text in texts)


def _in_rows(scene: Scene, select: str) -> bool:
    return _holds(scene.memory.store.read(select).rows)


def _in_words_index(scene: Scene) -> bool:
    with scene.memory.store.reading() as conn:
        return conn.words.holds(WORD.lower())


def _near_in_meaning(scene: Scene) -> bool:
    return scene.turn_id in [hit.turn_id for hit in scene.memory.store.search(_QUESTION, 3)]


def _among_standing(scene: Scene) -> bool:
    block = scene.memory.context("What is new?", speaker="Anna")
    return _holds(fact.value for fact in block.standing)


def _in_journal(scene: Scene) -> bool:
    store = scene.memory.store
    return _holds([*store.changes(), *edits_of(store)])


def _brought_back(scene: Scene) -> bool:
    """Whether undoing brings back a fact that had been deleted; it is deleted again."""
    store = scene.memory.store
    try:
        undone = store.undo(scene.deletion.id)
    except (InputError, SqlError):  # there is nothing to undo any more
        return False
    is_back = _holds(fact.value for fact in store.facts() if fact.attribute == "sold")
    with suppress(InputError, SqlError):
        store.undo(undone.id)
    return is_back


def _in_the_past(scene: Scene) -> bool:
    with closing(scene.memory.store.as_of(_WHILE_IT_WAS_THERE)) as past:
        return _holds([*past.turns(), *past.facts()])


def _in_the_queue(scene: Scene) -> bool:
    return _holds(scene.memory.store.pending())


def _in_the_dump(scene: Scene) -> bool:
    return _holds(json.dumps(record, ensure_ascii=False) for record in scene.memory.store.dump())


def _in_the_backup(scene: Scene) -> bool:
    if _in_bytes([scene.backup]):
        return True
    with open_store(scene.backup, read_only=True) as backup:
        return _holds([*backup.turns(), *backup.facts()])


def _in_the_copy(scene: Scene) -> bool:
    with Memory(scene.copy) as memory:
        return _holds([*memory.get_all(), *memory.facts(ended=True)])


def _in_the_file(scene: Scene) -> bool | None:
    """None for Postgres, whose pages only its superuser reads."""
    if scene.in_postgres:
        return None
    file = Path(scene.memory.store.address)
    return _in_bytes([file, file.with_name(f"{file.name}-wal")])


def _in_bytes(files: Iterable[Path]) -> bool:
    """Whether the word, or its stem as an index keeps it, is in the bytes of files."""
    # In its own process: closing a file drops the locks that SQLite has on it in this one.
    there = [str(file) for file in files if file.is_file()]
    command = [sys.executable, "-c", _HOLDS, _STEM, *there]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip() == "True"


PLACES = (
    Place(
        "the turn itself",
        "Memory.get_all, SELECT",
        lambda scene: _holds(scene.memory.get_all()) or _in_rows(scene, "SELECT text FROM turns"),
    ),
    Place("index of words", "the index, by its word", _in_words_index),
    Place("vector", "search by other words", _near_in_meaning),
    Place(
        "fact",
        "Memory.facts, past ones too",
        lambda scene: _holds(scene.memory.facts(ended=True)),
    ),
    Place("standing instruction", "Memory.context", _among_standing),
    Place("summary", "Store.summaries", lambda scene: _holds(scene.memory.store.summaries())),
    Place("tag", "SELECT", lambda scene: _in_rows(scene, "SELECT key, value FROM tags")),
    Place(
        "alias",
        "SELECT",
        lambda scene: (
            _in_rows(scene, "SELECT name, entity FROM aliases")
            or _in_rows(scene, "SELECT name, description FROM entities")
        ),
    ),
    Place("journal", "changes and edits", _in_journal),
    Place("undo of a deletion", "Store.undo", _brought_back),
    Place("view of the past", "Store.as_of", _in_the_past),
    Place("queue of windows", "what a model wrote of another", _in_the_queue),
    Place("dump", "Store.dump", _in_the_dump),
    Place("backup", "opened, and its bytes", _in_the_backup),
    Place("copy of the memory", "opened", _in_the_copy, is_copy=True),
    Place("file of the memory", "its bytes and its log's", _in_the_file),
)
