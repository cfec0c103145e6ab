"""What an application makes of the default vocabulary, and how it changes that: pure functions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal

from memory.errors import InputError
from memory.vocabulary.attributes import (
    TEMPLATE_FIELDS,
    Attribute,
    Vocabulary,
    check_attributes,
    combined,
    name_key,
)
from memory.vocabulary.files import default_vocabulary


@dataclass(frozen=True)
class Definition:
    """The stored form of a memory's vocabulary.

    `own` has the attributes that the application added or changed, `without` the names of default
    ones that it removed. With the base "none" no default attribute is used.
    """

    own: tuple[Attribute, ...] = ()
    base: Literal["default", "none"] = "default"
    strict: bool = False
    without: tuple[str, ...] = ()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The attributes in use."""
        removed = {name_key(name) for name in self.without}
        default = default_vocabulary().attributes if self.base == "default" else ()
        in_force = [attribute for attribute in default if name_key(attribute.name) not in removed]
        return combined(in_force, self.own, self.strict)


def with_attributes(
    definition: Definition,
    attributes: Sequence[Attribute],
    *,
    replaces: bool = False,
    strict: bool | None = None,
) -> Definition:
    """The definition with attributes of the application added, or in the place of all others.

    One with the name of another takes its place. Raises InputError for what contradicts itself.
    """
    new = check_attributes(attributes)
    new_keys = {name_key(attribute.name) for attribute in new}
    before = () if replaces else definition.own
    further = [attribute for attribute in before if name_key(attribute.name) not in new_keys]
    return Definition(
        check_attributes([*further, *new]),
        "none" if replaces else definition.base,
        definition.strict if strict is None else strict,
        () if replaces else tuple(n for n in definition.without if name_key(n) not in new_keys),
    )


def renamed(definition: Definition, old: str, new: str, used: Collection[str]) -> Definition:
    """The definition with an attribute renamed; the old name still means it.

    `used` are the names of the memory's facts: one of those may be renamed that the vocabulary
    lacks. Raises InputError for a name that nothing has, or that another attribute has.
    """
    attribute = _known(definition, old, used)
    taken = definition.vocabulary.canonical(new)
    if taken is not None and taken != attribute:
        raise InputError(
            f"{new!r} means the attribute {taken.name} already; merge {attribute.name} into it"
        )
    if taken is None and name_key(new) in map(name_key, used):
        raise InputError(f"facts have the attribute {new!r} already; merge {old!r} into it")
    if attribute.name == new:
        raise InputError(f"the attribute is named {new} already")
    others = (attribute.name, *attribute.other_names)
    return _replaced(definition, [attribute], replace(attribute, name=new, other_names=others))


def merged(
    definition: Definition, names: Sequence[str], into: str, used: Collection[str]
) -> Definition:
    """The definition with attributes merged: their names are other names of `into`.

    It has the kind, the values, the form and the instruction of `into`, and the templates of all.
    Unchanged if they are one already. Raises InputError for a name that neither the vocabulary nor
    a fact has.
    """
    target = _known(definition, into, used)
    if not names:
        raise InputError(f"name the attributes to merge into {target.name}")
    sources = [_known(definition, name, used) for name in names]
    sources = [source for source in sources if name_key(source.name) != name_key(target.name)]
    if not sources:
        return definition
    others = [*target.other_names, *(name for source in sources for name in source.names)]
    templates: dict[str, Any] = {
        field: tuple(t for attribute in (target, *sources) for t in getattr(attribute, field))
        for field in TEMPLATE_FIELDS
    }
    one = replace(target, other_names=tuple(dict.fromkeys(others)), **templates)
    return _replaced(definition, [target, *sources], one)


def removed(definition: Definition, name: str) -> Definition:
    """The definition without an attribute; its facts are not changed.

    If the application had changed a default attribute, the default one is used again. Raises
    InputError for an attribute that the vocabulary lacks.
    """
    attribute = _known(definition, name, ())
    if attribute.name in definition.vocabulary.own:
        return replace(definition, own=tuple(a for a in definition.own if a != attribute))
    return replace(definition, without=(*definition.without, attribute.name))


def _known(definition: Definition, name: str, used: Collection[str]) -> Attribute:
    """The attribute that a name means, in the vocabulary or only in facts."""
    attribute = definition.vocabulary.canonical(name)
    if attribute is not None:
        return attribute
    key = name_key(name)
    spellings = [known for known in used if name_key(known) == key]
    if spellings:
        return Attribute(spellings[0], other_names=tuple(spellings[1:])).checked()
    names = {attribute.name for attribute in definition.vocabulary.attributes} | {*used}
    near = get_close_matches(name, names, n=5, cutoff=0.5)
    similar = f"; similar: {', '.join(near)}" if near else ""
    raise InputError(f"there is no attribute {name!r}{similar}")


def _replaced(
    definition: Definition, attributes: Sequence[Attribute], new: Attribute
) -> Definition:
    """The definition with one attribute of the application in the place of several."""
    kept = [attribute for attribute in definition.own if attribute not in attributes]
    return replace(definition, own=check_attributes([*kept, new]))
