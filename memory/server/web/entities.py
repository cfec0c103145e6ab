"""Forms of a subject's page: merge, split, rename and describe an entity."""

import re
from collections.abc import Callable

from memory.errors import InputError
from memory.records import Change
from memory.server.web.page_request import Inputs, PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.store.declared_settings import Settings
from memory.store.entity_edits import (
    describe_entity,
    entities_called,
    merge_entities,
    rename_entity,
    split_entity,
)


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Change what is said of an entity's names, and show the entity."""
    inputs = request.inputs
    make = EDITS.get(inputs.text("edit"))
    if make is None:
        raise InputError("there is no such edit")
    change, subject = make(store, inputs, str(Settings(store).get("user", "user")))
    return Redirect(request.address("subject", name=subject, done=change.id))


def _merge(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    into = inputs.text("into")
    change = merge_entities(store, inputs.text("name"), into, by=by)
    return change, next(iter(entities_called(store, into)), into)


def _split(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    name, new = inputs.text("name"), inputs.text("new")
    turn_ids = [int(digits) for digits in re.findall(r"\d{1,18}", inputs.text("turns"))]
    return split_entity(store, name, new, turn_ids, by=by), new


def _rename(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    new = inputs.text("new")
    return rename_entity(store, inputs.text("name"), new, by=by), new


def _describe(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    name = inputs.text("name")
    return describe_entity(store, name, inputs.text("description"), by=by), name


EDITS: dict[str, Callable[[Store, Inputs, str], tuple[Change, str]]] = {
    "merge": _merge,
    "split": _split,
    "rename": _rename,
    "describe": _describe,
}
PAGES: list[PageRoute] = [("POST", "/entities", edit)]
