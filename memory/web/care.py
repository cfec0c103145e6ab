"""Care: faults and their repair, settings, what comes in and goes out, forgetting for good."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from memory.audit import KINDS, Finding, audit
from memory.errors import InputError, SqlError
from memory.files import PRIVATE_FOLDER
from memory.forget_preview import confirmation_of, matching_turns, preview
from memory.namespaces import make_folder, path_of
from memory.records import Forgotten, Turn
from memory.settings import Settings
from memory.store import Store
from memory.store.turn_validation import local_now
from memory.web.tasks import Task
from memory.web.visits import Download, Entry, Inputs, Page, Redirect, Reply, Visit

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

    from memory.api import Memory
    from memory.exchange.imports import ImportReport

CONSENT = "forget"  # what somebody types before turns are forgotten
_COPIED_AT_ONCE = 1 << 20  # bytes of an upload
# How the findings are called on the page.
KINDS_IN_WORDS = {
    "index": "The file",
    "pending": "Not read yet",
    "contradiction": "Two things that cannot both hold",
    "duplicate": "Said twice",
    "unsupported": "Not said in its turn",
    "never retrieved": "Never asked for",
}


def care(visit: Visit, store: Store) -> Reply:
    """What one can do for a memory; its settings with what they were before."""
    settings = Settings(store)
    entries = [
        (name, type_in_words, settings.history(name)[::-1])
        for name, type_in_words in settings.types().items()
    ]
    backups = dict.fromkeys(str(setting.value) for setting in store.settings("backup"))
    values = {
        "settings": entries,
        "backups": [(path, Path(path).exists()) for path in backups],
        "is_due": bool(store.settings("forgetting")),
        "tasks": [task for task in visit.tasks.of(visit.namespace) if task.is_running],
    }
    return Page("care.html", values)


# ---------------------------------------------------------------------------- audit


async def look_over(visit: Visit) -> Reply:
    """Begin to look for contradictions, duplicates and facts that nobody said."""

    def work(memory: "Memory", task: Task) -> list[Finding]:
        findings: list[Finding] = []
        task.total = len(KINDS)
        for kind in KINDS:
            findings += audit(memory.store, [kind])
            task.advance(1)
        return findings

    task = visit.tasks.start(visit.namespace, "audit", "Looking the memory over", work)
    return Redirect(visit.address("work", task.id))


def mend(visit: Visit, store: Store) -> Reply:
    """Make the change that a finding proposes."""
    task = visit.tasks.find(visit.namespace, visit.inputs.text("task"))
    number = visit.inputs.number("finding")
    findings: list[Finding] = task.result if task.kind == "audit" and task.result else []
    if not (number < len(findings) and findings[number].sql):
        raise InputError("there is no such proposal; look the memory over again")
    finding = findings[number]
    try:
        change = store.write(finding.sql, cause=f"audit: {finding.kind}", by_person=True)
    except SqlError as error:
        raise InputError(f"this cannot be mended so: {error}") from error
    # What was mended is found no more; the numbers of the other findings stay.
    findings[number] = Finding(finding.kind, f"mended: {finding.text}", facts=finding.facts)
    return Redirect(visit.address("work", task.id, done=change.id))


# ---------------------------------------------------------------------------- settings


def change_setting(visit: Visit, store: Store) -> Reply:
    """Give a setting a new value; those before stay on record."""
    Settings(store).set_text(visit.inputs.text("name"), visit.inputs.text("value"))
    return Redirect(visit.address("care") + "#settings")


# ---------------------------------------------------------------------------- in and out


async def import_files(visit: Visit) -> Reply:
    """Read an export that was dropped on the page; again, it adds what is new."""
    if not visit.inputs.files:
        raise InputError("choose a file first")
    if visit.handles.read_only:
        raise InputError("this server was started with --read-only: nothing can be changed here")
    folder = Path(tempfile.mkdtemp(prefix="memory-import-"))
    try:
        path = await _save(visit.inputs.files, folder)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    user = visit.inputs.text("user") or "User"

    def work(memory: "Memory", task: Task) -> "ImportReport":
        from memory.exchange import read_export
        from memory.exchange.imports import import_turns, load_dump

        try:
            export = read_export(path, user)
            task.total = export.total
            if export.format == "dump":
                return load_dump(memory.store, path, task.advance)
            return import_turns(memory.store, export, progress=task.advance)
        finally:
            rmtree(folder, ignore_errors=True)

    title = f"Reading {visit.inputs.files[0].filename}"
    task = visit.tasks.start(visit.namespace, "import", title, work)
    return Redirect(visit.address("work", task.id))


async def _save(files: Sequence["UploadFile"], folder: Path) -> Path:
    """Uploaded files under names of ours; the file itself where it is one, else their folder."""
    folder.chmod(PRIVATE_FOLDER)
    paths = []
    for number, file in enumerate(files):
        # The suffix says how some formats are read; the rest of the name is anybody's.
        suffix = Path(str(file.filename)).suffix
        name = f"{number}{suffix if suffix[1:].isalnum() else ''}"
        with (folder / name).open("wb") as target:
            while piece := await file.read(_COPIED_AT_ONCE):
                target.write(piece)
        paths.append(folder / name)
    return paths[0] if len(paths) == 1 else folder


def export(visit: Visit, store: Store) -> Reply:
    """A memory as a file for others."""
    from memory.exchange.exports import export_format, export_memory

    format_ = visit.inputs.text("format")
    name = f"{path_of(visit.namespace).stem}.{format_}"
    export_format(Path(name), format_)
    folder = Path(tempfile.mkdtemp(prefix="memory-export-"))
    path = folder / "export"
    try:
        export_memory(store, path, format=format_, title=visit.namespace)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    return Download(path, name)


def backup(visit: Visit, store: Store) -> Reply:
    """Copy the whole memory into a new file of this machine's own, which `forget` will know."""
    time = "".join(character for character in local_now() if character.isalnum())
    path = path_of(visit.namespace)  # beside its file, where it is one
    make_folder(path.parent)
    store.backup(path.with_name(f"{path.stem}.{time}.backup.db"))
    return Redirect(visit.address("care") + "#backups")


# ---------------------------------------------------------------------------- forgetting


def forget_form(visit: Visit, store: Store) -> Reply:
    """What can be forgotten; with conditions, a preview of all that would go."""
    conditions = _conditions(visit.inputs)
    values: dict[str, Any] = {"conditions": conditions, "gone": None, "consent": CONSENT}
    if any(conditions.values()):
        values["gone"] = preview(store, _turns(store, conditions))
        values["confirmation"] = confirmation_of(values["gone"])
    return Page("forget.html", values)


def forget(visit: Visit, store: Store) -> Reply:
    """Forget turns for good, when somebody typed the word; the answer is the receipt."""
    if visit.inputs.text("typed").lower() != CONSENT:
        raise InputError(f"nothing was forgotten: type the word {CONSENT} to agree")
    from memory.store.forget import receipt_due

    conditions = _conditions(visit.inputs)
    due_before = [receipt_due(setting.value) for setting in store.settings("forgetting")]
    turns = _turns(store, conditions) if any(conditions.values()) else []
    if not turns and not due_before:
        raise InputError("say what is to be forgotten")
    if turns and confirmation_of(preview(store, turns)) != visit.inputs.text("confirmation"):
        raise InputError(
            "nothing was forgotten: what would go is not what the preview showed; look at it again"
        )
    forgotten = store.forget([turn.id for turn in turns])
    earlier = [receipt for receipt in due_before if receipt.sha256 != forgotten.sha256]
    receipts = [*earlier, forgotten]
    return Page("receipt.html", {"receipts": [(each, _as_json(each)) for each in receipts]})


def _conditions(inputs: Inputs) -> dict[str, str]:
    return {name: inputs.text(name) for name in ("speaker", "session", "turn", "matching")}


def _turns(store: Store, conditions: dict[str, str]) -> list[Turn]:
    return matching_turns(
        store,
        speaker=conditions["speaker"],
        session=conditions["session"] or None,
        ids=Inputs({"turn": [conditions["turn"]]}).numbers("turn") if conditions["turn"] else (),
        matching=conditions["matching"],
    )


def _as_json(receipt: Forgotten) -> str:
    return json.dumps(asdict(receipt), ensure_ascii=False)


PAGES: list[Entry] = [
    ("GET", "/care", care),
    ("POST", "/audit", look_over),
    ("POST", "/mend", mend),
    ("POST", "/settings", change_setting),
    ("POST", "/import", import_files),
    ("GET", "/export/{format}", export),
    ("POST", "/backup", backup),
    ("GET", "/forget", forget_form),
    ("POST", "/forget", forget),
]
