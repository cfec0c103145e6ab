"""The vocabulary: the attributes that facts are stored under, with their names and templates."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Annotated, cast

from pydantic import Field

from memory.errors import InputError
from memory.operations.answers import AttributeCounts, AttributeRecord
from memory.operations.consequences import refuse_expiring
from memory.operations.operation import OpenMemory, operation
from memory.records import Change
from memory.store.facts import vocabulary_table
from memory.store.facts.fact_reads import count_attributes
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.vocabulary import Attribute, Kind, name_key

_SET_BY = ("you", "default", "facts only")
Name = Annotated[str, Field(description="An attribute, by any of its names.")]


@operation("read", "GET /attributes")
def attributes(
    memory: OpenMemory,
    text: Annotated[str, Field(description="Only attributes with this text in a name.")] = "",
) -> AttributeCounts:
    """List the attributes that facts may have, and how many have each."""
    vocabulary = vocabulary_of(memory.store)
    counts = Counter[str]()
    for name, number in count_attributes(memory.store).items():
        counts[vocabulary.name_of(name)] += number
    known = {attribute.name: attribute for attribute in vocabulary.attributes}
    unknown = [Attribute(name) for name in counts if name not in known]

    def by(attribute: Attribute) -> str:
        if attribute.name in vocabulary.own:
            return "you"
        return "default" if attribute.name in known else "facts only"

    wanted = name_key(text)
    records = [
        cast("AttributeRecord", asdict(attribute))
        | {"by": by(attribute), "facts": counts[attribute.name]}
        for attribute in (*known.values(), *unknown)
        if any(wanted in name_key(name) for name in attribute.names)
    ]
    records.sort(key=lambda record: (_SET_BY.index(record["by"]), record["name"]))
    return {"attributes": records, "strict": vocabulary.strict}


@operation("write", "POST /attributes")
def set_attribute(
    memory: OpenMemory,
    name: Annotated[str, Field(description="The attribute, new or by any of its names.")] = "",
    kind: Annotated[
        str, Field(description="'one value', 'many' or 'event'; many for a new one.")
    ] = "",
    other_names: Annotated[list[str], Field(description="Synonyms to add.")] = [],  # noqa: B006
    values: Annotated[list[str], Field(description="All values that it allows.")] = [],  # noqa: B006
    instruction: Annotated[
        str | None, Field(description="What belongs there, for a model.")
    ] = None,
    says: Annotated[
        list[str], Field(description="Templates to add: 'my order number is {value}'.")
    ] = [],  # noqa: B006
    ends: Annotated[
        list[str], Field(description="Templates of what ends it: 'I cancelled {value}'.")
    ] = [],  # noqa: B006
    asks: Annotated[
        list[str], Field(description="Templates of questions: 'what is my order number'.")
    ] = [],  # noqa: B006
    form: Annotated[
        str | None, Field(description="The form of {value}: phrase, name, number, date, code, ...")
    ] = None,
    strict: Annotated[
        bool | None, Field(description="Whether facts of other attributes are not stored.")
    ] = None,
) -> Change:
    """Add or change an attribute; what you leave out stays the same. Facts move with it."""
    changes = (kind, other_names, values, instruction, says, ends, asks, form)
    if not name and (strict is None or any(changes)):
        raise InputError("the name of an attribute is empty; name one, or give strict alone")
    if not memory.may_forget:
        refuse_expiring(memory.store, [name, *other_names])
    known = vocabulary_of(memory.store).canonical(name) or Attribute(name)
    changed = replace(
        known,
        kind=cast("Kind", kind) if kind else known.kind,
        other_names=(*known.other_names, *other_names),
        allowed_values=tuple(values) or known.allowed_values,
        instruction=known.instruction if instruction is None else instruction,
        form=known.form if form is None else form,
        says=(*known.says, *says),
        ends=(*known.ends, *ends),
        asks=(*known.asks, *asks),
    )
    return vocabulary_table.set_vocabulary(
        memory.store, [changed] if name else [], strict=strict, by=memory.by
    )


@operation("write", "POST /attributes/rename")
def rename_attribute(
    memory: OpenMemory,
    name: Name,
    new_name: Annotated[str, Field(description="Its new name; the old one goes on meaning it.")],
) -> Change:
    """Give an attribute and its facts another name."""
    if not memory.may_forget:
        refuse_expiring(memory.store, [name, new_name])
    return vocabulary_table.rename_attribute(memory.store, name, new_name, by=memory.by)


@operation("write", "POST /attributes/merge")
def merge_attributes(
    memory: OpenMemory,
    names: Annotated[list[str], Field(description="The attributes that go.")],
    into: Annotated[str, Field(description="The attribute that stays, with all facts.")],
) -> Change:
    """Make several attributes one."""
    if not memory.may_forget:
        refuse_expiring(memory.store, [*names, into])
    return vocabulary_table.merge_attributes(memory.store, names, into, by=memory.by)


@operation("write", "POST /attributes/remove")
def remove_attribute(memory: OpenMemory, name: Name) -> Change:
    """Take an attribute out of the vocabulary. Its facts stay."""
    return vocabulary_table.remove_attribute(memory.store, name, by=memory.by)
