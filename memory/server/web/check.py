"""A check of a memory: its findings, and the fix that one proposes."""

from typing import TYPE_CHECKING

from memory.errors import InputError, SqlError
from memory.facts.audit import KINDS, Finding, audit
from memory.server.web.page_request import PageRequest, PageResponse, PageRoute, Redirect
from memory.server.web.tasks import Task
from memory.store import Store

if TYPE_CHECKING:
    from memory.api import Memory

# Names of the findings on the page.
KINDS_IN_WORDS = {
    "index": "Damaged file",
    "names": "Unseen characters in names",
    "pending": "Not read for facts yet",
    "contradiction": "Contradiction",
    "duplicate": "Duplicate",
    "unsupported": "Not supported by its source",
}


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


PAGES: list[PageRoute] = [("POST", "/check", check), ("POST", "/fix", fix)]
