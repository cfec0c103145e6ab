"""The vocabulary: what facts are stored under, with forms to set, rename, merge and remove."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from memory.errors import InputError
from memory.records import Change
from memory.server.web.page_request import (
    Inputs,
    Page,
    PageRequest,
    PageResponse,
    PageRoute,
    Redirect,
)
from memory.store import Store
from memory.store.declared_settings import Settings
from memory.store.fact_reads import count_attributes
from memory.store.vocabulary_edits import (
    merge_attributes,
    remove_attribute,
    rename_attribute,
    set_attribute,
    set_vocabulary,
    vocabulary_of,
)
from memory.vocabulary import KINDS, Attribute, Kind


@dataclass(frozen=True)
class Row:
    """An attribute on the page: how many facts have it, and who set it.

    `by` is "you", "default" or "" if only facts have it.
    """

    attribute: Attribute
    facts: int
    by: str


def attributes(request: PageRequest, store: Store) -> PageResponse:
    """The vocabulary's attributes, used ones first, then the ones that only facts have."""
    vocabulary = vocabulary_of(store)
    counts: dict[str, int] = {}
    for name, number in count_attributes(store).items():
        stored = vocabulary.name_of(name)
        counts[stored] = counts.get(stored, 0) + number
    rows = [
        Row(one, counts.get(one.name, 0), "you" if one.name in vocabulary.own else "default")
        for one in vocabulary.attributes
    ]
    known = {row.attribute.name for row in rows}
    rows += [Row(Attribute(name), counts[name], "") for name in counts if name not in known]
    rows.sort(key=lambda row: (row.by != "you", -row.facts, row.attribute.name))
    values = {
        "in_use": [row for row in rows if row.by == "you" or row.facts],
        "further": [row for row in rows if row.by != "you" and not row.facts],
        "strict": vocabulary.strict,
        "kinds": KINDS,
    }
    return Page("attributes.html", values)


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Set, rename, merge or remove an attribute, with its facts."""
    make = EDITS.get(request.inputs.text("edit"))
    if make is None:
        raise InputError("there is no such edit")
    change = make(store, request.inputs, str(Settings(store).get("user", "user")))
    return Redirect(request.address("attributes", done=change.id))


def _set(store: Store, inputs: Inputs, by: str) -> Change:
    name = inputs.text("name")
    known = vocabulary_of(store).canonical(name)
    before = known or Attribute(name)
    attribute = replace(
        before,
        kind=cast(Kind, inputs.text("kind")) or before.kind,
        other_names=(*before.other_names, *_lines(inputs, "other_names")),
        allowed_values=_lines(inputs, "values") or before.allowed_values,
        instruction=inputs.text("instruction") or before.instruction,
        form=inputs.text("form") or before.form,
        says=(*before.says, *_lines(inputs, "says")),
        ends=(*before.ends, *_lines(inputs, "ends")),
        asks=(*before.asks, *_lines(inputs, "asks")),
    )
    return set_attribute(store, attribute, by=by)


def _rename(store: Store, inputs: Inputs, by: str) -> Change:
    return rename_attribute(store, inputs.text("name"), inputs.text("new_name"), by=by)


def _merge(store: Store, inputs: Inputs, by: str) -> Change:
    return merge_attributes(store, [inputs.text("name")], inputs.text("into"), by=by)


def _remove(store: Store, inputs: Inputs, by: str) -> Change:
    return remove_attribute(store, inputs.text("name"), by=by)


def _strict(store: Store, inputs: Inputs, by: str) -> Change:
    return set_vocabulary(store, strict=bool(inputs.text("strict")), by=by)


def _lines(inputs: Inputs, name: str) -> tuple[str, ...]:
    """The lines of a field, without empty ones."""
    return tuple(filter(None, map(str.strip, inputs.text(name).splitlines())))


EDITS: dict[str, Callable[[Store, Inputs, str], Change]] = {
    "set": _set,
    "rename": _rename,
    "merge": _merge,
    "remove": _remove,
    "strict": _strict,
}
PAGES: list[PageRoute] = [("GET", "/attributes", attributes), ("POST", "/attributes", edit)]
