"""The vocabulary: what facts are stored under, with forms to set, rename, merge and remove."""

from typing import Any

from memory.errors import InputError
from memory.operations.vocabulary import attributes as listed_attributes
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.vocabulary import KINDS
from memory.vocabulary.attributes import TEMPLATE_FIELDS

_OPERATIONS = {
    "set": "set_attribute",
    "rename": "rename_attribute",
    "merge": "merge_attributes",
    "remove": "remove_attribute",
    "strict": "set_attribute",
}


def attributes(request: PageRequest, store: Store) -> PageResponse:
    """The vocabulary's attributes, used ones first, then the ones that only facts have."""
    listed = listed_attributes(request.opened(store))
    rows = sorted(
        listed["attributes"], key=lambda row: (row["by"] != "you", -row["facts"], row["name"])
    )
    values = {
        "in_use": [row for row in rows if row["by"] == "you" or row["facts"]],
        "further": [row for row in rows if row["by"] != "you" and not row["facts"]],
        "strict": listed["strict"],
        "kinds": KINDS,
        "template_fields": TEMPLATE_FIELDS,
    }
    return Page("attributes.html", values)


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Set, rename, merge or remove an attribute, with its facts."""
    form = request.inputs.text("edit")
    if form not in _OPERATIONS:
        raise InputError("there is no such edit")
    arguments: dict[str, Any] = {}
    if form == "merge":
        arguments["names"] = [request.inputs.text("name")]
    elif form == "strict":
        arguments["strict"] = bool(request.inputs.text("strict"))
    change = request.perform(store, _OPERATIONS[form], **arguments)
    return Redirect(request.address("attributes", done=change.id))


PAGES: list[PageRoute] = [("GET", "/attributes", attributes), ("POST", "/attributes", edit)]
