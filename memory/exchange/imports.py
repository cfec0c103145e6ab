"""Stores foreign turns in a memory, each once, in durable batches."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import ne
from pathlib import Path
from typing import Any

from memory.errors import InputError, SecretError, StoreError
from memory.exchange.items import ForeignExport, short_hash, skipped_counts
from memory.exchange.people import People
from memory.facts.additions import add_turns
from memory.records import NOTHING_WITHHELD, Minted, Skipped, Turn, TurnIds, Withheld
from memory.store import Store
from memory.store.configuration.withheld import public_turns
from memory.store.files.dump import FORMER_TABLE
from memory.store.forgetting.forgotten_items import without_forgotten
from memory.store.turns.turns_table import known_sources
from memory.system.files import open_regular
from memory.system.terminal import count

# The first line of a dump. The number grows when older versions cannot read a newer dump: 1 is
# without tags, attributes, entities and aliases.
DUMP_HEAD = "sql-memory"
DUMP_VERSION = 2
# A source of a row that has its own id (`plain_files.with_source`).
_OWN_ID = re.compile(r"[a-z-]+:[0-9a-f]{16}/(.+)", re.DOTALL)
_CHANGED = "{}: stored with other words under the same id, which an edit or another file may have"
_CAUSES = 5  # that an error names
_FORGOTTEN = "forgotten here before"
_LET_IN = "what was forgotten stays out; `memory import ... --with-forgotten` lets it in"


@dataclass(frozen=True)
class ImportReport:
    """The result of an import.

    `turns` counts the new ones, `already` the ones that the memory had. If two processes import the
    same export at once, they store each turn once, but both may count it as new.
    """

    turns: int
    already: int
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    withheld: Withheld = NOTHING_WITHHELD


def import_turns(
    store: Store,
    export: ForeignExport,
    batch: int = 1024,
    progress: Callable[[int], None] | None = None,
    with_forgotten: bool = False,
    with_wishes: bool = False,
) -> ImportReport:
    """Store the turns of an export whose sources the memory lacks.

    Forgotten turns stay out and are counted, unless `with_forgotten` lets them in. Of what the
    person said who imports it, standing wishes count only `with_wishes`; others' never do
    (`people.py`). Commits every
    `batch` items together and calls `progress` with their number. After any interruption, the same
    call continues where it stopped.

    Raises StoreError (a full disk) and ModelError (an embedder); earlier batches stay stored.
    """
    # Batches of 64, 256 and 1,024 hardly differ in speed (docs/log.md).
    advance = progress or (lambda items: None)
    new = already = 0
    withheld = NOTHING_WITHHELD
    skipped: list[Skipped] = []
    forgotten = with_other_words = 0
    people = None if export.people is None else People(store, export, with_wishes)
    while items := list(islice(export.items, batch)):
        turns = [item for item in items if isinstance(item, Turn)]
        if people:
            turns = [people.named(turn) for turn in turns]
        skipped += [item for item in items if isinstance(item, Skipped)]
        known = known_sources(store, [turn.source for turn in turns])
        turns, changed = _told_apart(store, turns, known)
        if changed:
            with_other_words += changed
            known = known_sources(store, [turn.source for turn in turns])
        known |= _known_by_their_own(store, [turn for turn in turns if turn.source not in known])
        fresh = [turn for turn in turns if turn.source not in known]
        already += len(turns) - len(fresh)
        if not with_forgotten:
            remembered = without_forgotten(store, fresh)
            forgotten += len(fresh) - len(remembered)
            fresh = remembered
        if fresh:
            try:
                added, refused = _added(store, fresh)
                new += len(set(added))
                skipped += refused
                withheld = Withheld(
                    withheld.secrets + added.withheld.secrets,
                    withheld.private + added.withheld.private,
                )
            except StoreError as error:
                raise StoreError(f"{error}; the {new:,} turns before are kept") from error
        advance(len(items))
    skipped += skipped_counts(Counter({_FORGOTTEN: forgotten}))
    notes = (
        *export.notes,
        *(people.notes() if people and new else ()),
        *([_LET_IN] if forgotten else []),
        *([_CHANGED.format(count(with_other_words, "message"))] if with_other_words else []),
    )
    return ImportReport(new, already, skipped=tuple(skipped), notes=notes, withheld=withheld)


def in_all(reports: Sequence[ImportReport]) -> ImportReport:
    """What several imports did together."""
    return ImportReport(
        sum(report.turns for report in reports),
        sum(report.already for report in reports),
        skipped=tuple(skipped for report in reports for skipped in report.skipped),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
    )


def refuse_empty(report: ImportReport, name: str) -> None:
    """Raises InputError, with the reasons, if nothing of an import reached the memory."""
    if report.turns or report.already or not report.skipped:
        return
    reasons: dict[str, list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(skipped.why, []).append(skipped.where)
    causes = "; ".join(
        f"{why} ({places[0] if len(places) == 1 else f'{len(places):,} places'})"
        for why, places in list(reasons.items())[:_CAUSES]
    )
    raise InputError("; ".join([f"{name}: nothing was stored: {causes}", *report.notes]))


def _told_apart(
    store: Store, turns: Sequence[Turn], known: Mapping[str, int]
) -> tuple[list[Turn], int]:
    """The turns, with new ids for those whose id the memory has with another text, and their count.

    A file may have any ids, so an id proves nothing: another file must not take a message's place.
    """
    stored = store.turns_by_id([*known.values()], missing_ok=True)
    text_of = {turn.id: turn.text for turn in stored}
    of_turns = [text_of.get(known.get(turn.source, 0), turn.text) for turn in turns]
    if all(text == turn.text for text, turn in zip(of_turns, turns, strict=True)):
        return [*turns], 0
    told_apart = [
        turn
        if text in (turn.text, public.text)
        else replace(turn, source=Minted(f"{turn.source}~{short_hash(turn.text)}"))
        for turn, public, text in zip(turns, public_turns(turns).turns, of_turns, strict=True)
    ]
    return told_apart, sum(map(ne, told_apart, turns))


def _known_by_their_own(store: Store, turns: Sequence[Turn]) -> dict[str, int]:
    """The turns that the memory has under the id in their row, as earlier versions stored them.

    Only with the same text: an id proves nothing.
    """
    row_ids = {turn.source: match[1] for turn in turns if (match := _OWN_ID.fullmatch(turn.source))}
    ids = known_sources(store, [*row_ids.values()]) if row_ids else {}
    text_of = {turn.id: turn.text for turn in store.turns_by_id([*ids.values()], missing_ok=True)}
    known: dict[str, int] = {}
    for turn in turns:
        turn_id = ids.get(row_ids.get(turn.source, ""), 0)
        if turn_id and text_of.get(turn_id) in (turn.text, public_turns([turn]).turns[0].text):
            known[turn.source] = turn_id
    return known


def _added(store: Store, turns: Sequence[Turn]) -> tuple[TurnIds, list[Skipped]]:
    """Store turns, except the ones that the memory refuses because they hold secrets."""
    try:
        # `once`, because another process may have stored them since the check.
        return add_turns(store, turns, once=True), []
    except SecretError as refusal:
        refused = {*refusal.positions}
        allowed = [turn for position, turn in enumerate(turns) if position not in refused]
        skipped = [
            Skipped(turns[position].source, "it holds what looks like a secret")
            for position in refusal.positions
        ]
        return add_turns(store, allowed, once=True), skipped


def load_dump(
    store: Store, path: Path, progress: Callable[[int], None] | None = None
) -> ImportReport:
    """Make a memory equal to the dump that `exports.export_memory` wrote as JSON lines.

    The store must be empty or hold the beginning of that dump: after an interruption, the same call
    continues where it stopped.
    Raises InputError for an invalid line, and if the memory holds something else.
    """
    advance = progress or (lambda records: None)
    turns = kept_answers = 0
    embedder = ""  # the last that the dump names, as JSON

    def counted_records() -> Iterator[dict[str, Any]]:
        nonlocal turns, kept_answers, embedder
        for record in dump_records(path):
            turns += record.get("table") == "turns"
            kept_answers += record.get("table") == FORMER_TABLE
            if (record.get("table"), record.get("name")) == ("settings", "embedder"):
                embedder = str(record.get("value"))
            yield record
            advance(1)

    new = store.load(counted_records())
    notes: list[str] = []
    if kept_answers:
        notes.append(f"answers that an earlier version kept: {kept_answers} left out")
    # By now, all records are valid.
    if embedder and (name := json.loads(embedder)["name"]) != store.vectors.embedder:
        notes.append(f"the vectors were by {name}, and are by {store.vectors.embedder} here")
    return ImportReport(new, turns - new, notes=tuple(notes))


def dump_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a dump. Raises InputError, with the line number, for an invalid line."""
    try:
        with open_regular(path) as file:
            for number, line in enumerate(file, 1):
                record = _record(path, number, line)
                if number > 1:
                    yield record
                elif record.get(DUMP_HEAD) not in range(1, DUMP_VERSION + 1):
                    raise InputError(
                        f'{path}: line 1 is not {{"{DUMP_HEAD}": {DUMP_VERSION}}}, or a lower'
                        " number: no dump, or a newer one; upgrade sql-memory to read that"
                    )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: line {number:,} is not JSON: the file was changed or cut off; export again"
        ) from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: line {number:,} is no record")
    return record
