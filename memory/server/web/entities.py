"""Forms of a subject's page: merge, split, rename and describe an entity."""

import re

from memory.errors import InputError
from memory.server.web.page_request import PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.store.facts.entity_edits import entities_called

_OPERATIONS = {
    "merge": "merge_entities",
    "split": "split_entity",
    "rename": "rename_entity",
    "describe": "describe_entity",
}


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Change what is said of an entity's names, and show the entity."""
    inputs = request.inputs
    operation = _OPERATIONS.get(inputs.text("edit"))
    if operation is None:
        raise InputError("there is no such edit")
    arguments = {}
    if operation == "split_entity":
        arguments["turn_ids"] = list(map(int, re.findall(r"\d{1,18}", inputs.text("turns"))))
    change = request.perform(store, operation, **arguments)
    subject = inputs.text("into") or inputs.text("new") or inputs.text("name")
    shown = next(iter(entities_called(store, subject)), subject)
    return Redirect(request.address("subject", name=shown, done=change.id))


PAGES: list[PageRoute] = [("POST", "/entities", edit)]
