"""Forms of a subject's page: merge, split, rename and describe an entity."""

import re
from collections.abc import Callable

from memory.errors import InputError
from memory.records import Change
from memory.settings import Settings
from memory.store import Store
from memory.web.page_request import Inputs, PageRequest, PageResponse, PageRoute, Redirect


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Change what is said of an entity's names, and show the entity."""
    inputs = request.inputs
    make = EDITS.get(inputs.text("edit"))
    if make is None:
        raise InputError("there is no such edit")
    change, shown = make(store, inputs, str(Settings(store).get("user", "user")))
    return Redirect(request.address("subject", name=shown, done=change.id))


def _merge(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    into = inputs.text("into")
    change = store.merge_entities(inputs.text("name"), into, by=by)
    return change, next(iter(store.entities_called(into)), into)


def _split(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    name, new = inputs.text("name"), inputs.text("new")
    turn_ids = [int(digits) for digits in re.findall(r"\d{1,18}", inputs.text("turns"))]
    return store.split_entity(name, new, turn_ids, by=by), new


def _rename(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    new = inputs.text("new")
    return store.rename_entity(inputs.text("name"), new, by=by), new


def _describe(store: Store, inputs: Inputs, by: str) -> tuple[Change, str]:
    name = inputs.text("name")
    return store.describe_entity(name, inputs.text("description"), by=by), name


EDITS: dict[str, Callable[[Store, Inputs, str], tuple[Change, str]]] = {
    "merge": _merge,
    "split": _split,
    "rename": _rename,
    "describe": _describe,
}
PAGES: list[PageRoute] = [("POST", "/entities", edit)]
