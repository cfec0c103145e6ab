"""The forms of facts: edit, end, delete, settle, add and undo them."""

from typing import Literal
from urllib.parse import parse_qsl

from memory import facts as fact_edits
from memory.errors import EditConflict, InputError
from memory.facts import change_of, edits_since, fact_of
from memory.operations import facts as operations
from memory.records import Change
from memory.server.web.markup import in_words, shown_text
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.store.changes.history import edits_of

LISTS = ("/", "/facts", "/subject", "/search")  # pages with facts that can be edited in place
EDITS = ("supersede", "correct", "end", "remove", "settle")


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Correct, supersede, end or delete a fact.

    When someone else has edited it since the page was loaded, nothing changes; the response shows
    both versions and what was typed, with the status 409.
    """
    inputs = request.inputs
    fact_id, seen = inputs.number("fact"), inputs.number("seen")
    if inputs.text("edit") not in EDITS:
        raise InputError("there is no such edit")
    if edits_since(store, fact_id, seen):
        return _conflict(request, store, fact_edits.conflict_over(store, fact_id))
    try:
        change = _edited(request, store, inputs.text("edit"), fact_id)
    except EditConflict as conflict:
        return _conflict(request, store, conflict)
    except InputError:
        if edits_since(store, fact_id, seen):
            return _conflict(request, store, fact_edits.conflict_over(store, fact_id))
        raise
    return Redirect(_back(request, change, "facts", fact_id))


def edit_several(request: PageRequest, store: Store) -> PageResponse:
    """End or delete the facts that were chosen in a list, in one change."""
    inputs = request.inputs
    if inputs.text("edit") not in ("end", "remove"):
        raise InputError("there is no such edit")
    change = fact_edits.edit_several(
        store,
        inputs.numbers("fact"),
        ends=inputs.text("edit") == "end",
        on=inputs.text("on"),
        by=request.opened(store).by,
        seen=inputs.number("seen"),
    )
    return Redirect(_back(request, change, "facts"))


def _back(request: PageRequest, change: Change, *page: object) -> str:
    """The address of the list that a form was sent from, else of a page; with the change's undo."""
    path, _, query = request.inputs.text("back").partition("?")
    fields = dict(parse_qsl(query)) | {"done": str(change.id)}
    if path in LISTS:
        return request.address(*filter(None, [path[1:]]), **fields)
    return request.address(*page, done=change.id)


def add(request: PageRequest, store: Store) -> PageResponse:
    """Add a fact, from a turn or from what is typed."""
    turn_id = request.inputs.optional_number("turn")
    change = request.perform(store, "add_fact", turn_id=turn_id)
    if turn_id is not None:
        return Redirect(request.address("turns", turn_id, done=change.id))
    added = next(edit.fact_id for edit in edits_of(store, change.id) if edit.before is None)
    return Redirect(request.address("facts", added, done=change.id))


def undo(request: PageRequest, store: Store) -> PageResponse:
    """Undo a change, and show the result."""
    change = store.undo(request.inputs.number("change"))
    edits = edits_of(store, change.id)
    if len({edit.fact_id for edit in edits}) in (1, 2):
        return Redirect(request.address("facts", edits[0].fact_id, done=change.id))
    return Redirect(request.address("journal", change.id, done=change.id))


def _conflict(request: PageRequest, store: Store, conflict: EditConflict) -> Page:
    fact_id, seen = request.inputs.number("fact"), request.inputs.number("seen")
    before = [edit for edit in edits_of(store, fact_id=fact_id) if edit.change_id <= seen]
    later = edits_since(store, fact_id, seen)
    values = {
        "fact_id": fact_id,
        "yours": before[-1].after if before else later[0].before,
        "theirs": conflict.fact,
        "changes": [change for edit in later if (change := change_of(store, edit.change_id))]
        or [conflict.change],
        "typed": {
            name: request.inputs.text(name)
            for name in ("edit", "value", "since", "on", "subject", "attribute", "happened_on")
            if request.inputs.text(name)
        },
        "seen": conflict.change.id,
    }
    return Page("conflict.html", values, status=409)


def _edited(request: PageRequest, store: Store, form: str, fact_id: int) -> Change:
    """The change of one of EDITS."""
    inputs, memory = request.inputs, request.opened(store)
    seen = inputs.number("seen")
    if form == "supersede":
        value, since = inputs.text("value"), inputs.text("since")
        return operations.correct(memory, fact_id, value, since=since, seen=seen)
    if form == "end":
        day = inputs.text("on") or inputs.text("since")  # one field serves both
        return operations.end_fact(memory, fact_id, day, seen)
    if form == "remove":
        return operations.delete_fact(memory, fact_id, seen)
    if form == "settle":
        right: int | Literal["both"] = "both" if inputs.text("both") else fact_id
        other = inputs.number("other")
        return operations.settle_contradiction(memory, fact_id, other, right, seen)
    old = fact_of(store, fact_id)

    def typed(name: str, current: str) -> str | None:
        """A field that was edited; None when it is as the page showed it."""
        text = inputs.text(name)
        return None if text == str(shown_text(current)).strip() else text

    attribute = typed("attribute", in_words(old.attribute))
    return operations.amend_fact(
        memory,
        fact_id,
        value=typed("value", old.value),
        subject=typed("subject", old.subject),
        attribute=attribute and attribute.replace(" ", "_"),
        happened_on=typed("happened_on", old.happened_on),
        seen=seen,
    )


PAGES: list[PageRoute] = [
    ("POST", "/facts", add),
    ("POST", "/facts/several", edit_several),
    ("POST", "/facts/{fact}", edit),
    ("POST", "/undo", undo),
]
