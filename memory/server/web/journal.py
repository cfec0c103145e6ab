"""The journal: changes to facts as they happen, and windows that need a decision."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.facts import change_of
from memory.records import Change
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.server.web.tasks import Task
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.changes.points_in_time import Diff, differences
from memory.store.waiting.pending_windows import count_turns_not_taken

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.digest.windows import Digest

_CHANGES_A_PAGE = 25


def journal(request: PageRequest, store: Store) -> PageResponse:
    """Changes, newest first; the first page refreshes every second."""
    before = request.inputs.optional_number("before")
    changes = store.changes(before=before, limit=_CHANGES_A_PAGE + 1)
    page_changes = changes[-_CHANGES_A_PAGE:][::-1]
    values = {
        "entries": _folded([(change, difference_by(store, change.id)) for change in page_changes]),
        "earlier": page_changes[-1].id if len(changes) > _CHANGES_A_PAGE else None,
        "before": before,
        "paused": bool(request.inputs.text("paused")) or before is not None,
        "windows": [window for window in store.pending() if window.error],
        "waiting": count_turns_not_taken(store),
        "tasks": request.tasks.running(request.namespace),
    }
    return Page("journal.html", values)


def difference_by(store: Store, change_id: int) -> Diff:
    """What a change did to the facts."""
    edits = edits_of(store, change_id)
    return differences(
        [edit.before for edit in edits if edit.before],
        [edit.after for edit in edits if edit.after],
    )


def _folded(entries: Sequence[tuple[Change, Diff]]) -> list[tuple[Change, Diff, int]]:
    """Changes with what they did; consecutive ones that did nothing are merged and counted."""
    folded: list[tuple[Change, Diff, int]] = []
    for change, difference in entries:
        is_quiet = not (change.facts or change.rows)
        if is_quiet and folded and folded[-1][2]:
            folded[-1] = (*folded[-1][:2], folded[-1][2] + 1)
        else:
            folded.append((change, difference, int(is_quiet)))
    return folded


def change_page(request: PageRequest, store: Store) -> PageResponse:
    """One change: its SQL, the facts that it changed, and a form to undo it."""
    number = request.inputs.number("change")
    change = change_of(store, number)
    if change is None:
        return Page("missing.html", {"wanted": f"change {number}"}, status=404)
    values = {"change": change, "difference": difference_by(store, number)}
    return Page("change.html", values)


def decide_window(request: PageRequest, store: Store) -> PageResponse:
    """Apply the SQL that a window holds, or skip it, as a person decides."""
    decision = request.inputs.text("decision")
    if decision not in ("apply", "skip"):
        raise InputError("decision: give apply or skip")
    first_turn = request.inputs.number("first")
    change = request.perform(store, "decide_held", first_turn=first_turn, apply=decision == "apply")
    return Redirect(request.address("journal", change.id, done=change.id))


async def digest(request: PageRequest) -> PageResponse:
    """Start to extract facts from new turns; with `replay`, also from windows that failed."""
    replay = bool(request.inputs.text("replay"))

    def work(memory: "Memory", task: Task) -> "Digest":
        from memory.worker.waiting import waiting  # with DSPy

        if not memory.stores_facts:
            task.total = memory.store.count_turns()
        else:
            task.total = waiting(memory.store, memory.model, replay=replay).cost.calls

        def advance(sums: "Digest") -> None:
            task.done = sums.stored + sums.failed + sums.read

        return memory.digest(replay, progress=advance)

    task = request.tasks.start(request.namespace, "digest", "Extracting facts", work)
    return Redirect(request.address("work", task.id))


PAGES: list[PageRoute] = [
    ("GET", "/journal", journal),
    ("GET", "/journal/{change}", change_page),
    ("POST", "/windows", decide_window),
    ("POST", "/digest", digest),
]
