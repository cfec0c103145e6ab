"""Settings: import, export, backups, names, checks and fixes."""

from pathlib import Path
from typing import TYPE_CHECKING

from memory.errors import InputError, SqlError
from memory.facts.audit import KINDS, Finding, audit
from memory.namespaces import make_folder, path_of
from memory.settings import Settings
from memory.store import Store
from memory.store.settings import settings_of
from memory.store.turn_validation import local_now
from memory.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.web.tasks import Task
from memory.web.transfers import IMPORT_COLUMNS

if TYPE_CHECKING:
    from memory.api import Memory

# Names of the findings on the page.
KINDS_IN_WORDS = {
    "index": "Damaged file",
    "pending": "Not digested",
    "contradiction": "Contradiction",
    "duplicate": "Duplicate",
    "unsupported": "Not supported by its source",
    "never retrieved": "Never retrieved",
}


def settings_page(request: PageRequest, store: Store) -> PageResponse:
    """The settings with their earlier values, the backups, and the forms of this page."""
    settings = Settings(store)
    entries = [
        (name, type_in_words, settings.history(name)[::-1])
        for name, type_in_words in settings.types().items()
    ]
    backups = dict.fromkeys(str(setting.value) for setting in settings_of(store, "backup"))
    values = {
        "settings": entries,
        "backups": [(path, Path(path).exists()) for path in backups],
        "is_due": bool(settings_of(store, "forgetting")),
        "tasks": request.tasks.running(request.namespace),
        "columns": IMPORT_COLUMNS,
    }
    return Page("settings.html", values)


# ---------------------------------------------------------------------------- audit


async def check(request: PageRequest) -> PageResponse:
    """Start a check for contradictions, duplicates and unsupported facts."""

    def work(memory: "Memory", task: Task) -> list[Finding]:
        findings: list[Finding] = []
        task.total = len(KINDS)
        for kind in KINDS:
            findings += audit(memory.store, [kind])
            task.advance(1)
        return findings

    task = request.tasks.start(request.namespace, "audit", "Checking this memory", work)
    return Redirect(request.address("work", task.id))


def fix(request: PageRequest, store: Store) -> PageResponse:
    """Apply the fix that a finding proposes."""
    task = request.tasks.find(request.namespace, request.inputs.text("task"))
    number = request.inputs.number("finding")
    findings: list[Finding] = task.result if task.kind == "audit" and task.result else []
    if not (number < len(findings) and findings[number].sql):
        raise InputError("this finding has no fix; run the check again")
    finding = findings[number]
    try:
        change = store.write(finding.sql, cause=f"audit: {finding.kind}", by_person=True)
    except SqlError as error:
        raise InputError(f"this fix failed: {error}") from error
    # The finding stays in the list, so that the numbers of the others stay valid.
    findings[number] = Finding(finding.kind, f"fixed: {finding.text}", facts=finding.facts)
    return Redirect(request.address("work", task.id, done=change.id))


# ---------------------------------------------------------------------------- settings


def change_setting(request: PageRequest, store: Store) -> PageResponse:
    """Change a setting; its history keeps the earlier values."""
    Settings(store).set_text(request.inputs.text("name"), request.inputs.text("value"))
    return Redirect(request.address("settings") + "#settings")


# ---------------------------------------------------------------------------- backups


def backup(request: PageRequest, store: Store) -> PageResponse:
    """Back up the memory into a file on this machine, which `forget` covers as well."""
    time = "".join(character for character in local_now() if character.isalnum())
    path = path_of(request.namespace)  # next to the file, if it is one
    make_folder(path.parent)
    store.backup(path.with_name(f"{path.stem}.{time}.backup.db"))
    return Redirect(request.address("settings") + "#backups")


def maintenance(request: PageRequest, store: Store) -> PageResponse:
    """The address that this page had once."""
    return Redirect(request.address("settings"))


PAGES: list[PageRoute] = [
    ("GET", "/maintenance", maintenance),
    ("GET", "/settings", settings_page),
    ("POST", "/check", check),
    ("POST", "/fix", fix),
    ("POST", "/settings", change_setting),
    ("POST", "/backup", backup),
]
