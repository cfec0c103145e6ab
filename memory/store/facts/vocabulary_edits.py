"""What facts are stored under: the application's vocabulary, each edit a journaled change."""

from collections.abc import Sequence

from memory.records import Change
from memory.store.changes import journal
from memory.store.database import HasConnections
from memory.store.facts import vocabulary_table
from memory.vocabulary import (
    Attribute,
    Vocabulary,
    merged,
    removed,
    renamed,
    with_attributes,
)

_NAMED_ATTRIBUTES = 5  # in the cause of a change of the vocabulary


def vocabulary_of(store: HasConnections) -> Vocabulary:
    """The attributes in use: the application's own, and the default ones."""
    with store.reading() as conn:
        return vocabulary_table.read_definition(conn).vocabulary


def set_attribute(store: HasConnections, attribute: Attribute, by: str = "") -> Change:
    """Add an attribute to the vocabulary, or put it in the place of the one of its name.

    Facts that have another name of it get its name, and values are written as it lists them, in
    the same change. Raises InputError for an attribute that contradicts itself or the vocabulary,
    facts with a value that it does not allow, and when nothing would change.
    """
    return set_vocabulary(store, [attribute], by=by)


def set_vocabulary(
    store: HasConnections,
    attributes: Sequence[Attribute] = (),
    *,
    replaces: bool = False,
    strict: bool | None = None,
    by: str = "",
) -> Change:
    """Set several attributes as `set_attribute` does, as one change.

    Arguments:
        store: the memory.
        attributes: the attributes to set.
        replaces: from now on no other attributes are in use, not even the default ones.
        strict: facts with other attributes are not stored; None does not change this.
        by: the author, for the journal.
    """
    return _edit(
        store,
        lambda definition, used: with_attributes(
            definition, attributes, replaces=replaces, strict=strict
        ),
        f"attributes set by {by or 'user'}: {_set_in_short(attributes, replaces, strict)}",
    )


def rename_attribute(store: HasConnections, name: str, new_name: str, by: str = "") -> Change:
    """Give an attribute and its facts another name; the old one goes on meaning it.

    The attribute may exist only in facts. Raises InputError for an unknown name, and for a new name
    that already means something else.
    """
    return _edit(
        store,
        lambda definition, used: renamed(definition, name, new_name, used),
        f"attribute renamed by {by or 'user'}: {name} to {new_name}",
    )


def merge_attributes(
    store: HasConnections, names: Sequence[str], into: str, by: str = ""
) -> Change:
    """Make several attributes one: their names become other names of `into`, with all facts.

    Facts with other names of `into`, from before it had these names, get its name. Raises
    InputError for an unknown name, for facts with a value that `into` does not allow, and when
    nothing would change.
    """
    return _edit(
        store,
        lambda definition, used: merged(definition, names, into, used),
        f"attributes merged by {by or 'user'}: {_in_short(names)} into {into}",
        [into],
    )


def remove_attribute(store: HasConnections, name: str, by: str = "") -> Change:
    """Take an attribute out of the vocabulary; its facts are not changed.

    If the application had changed a default attribute, the default one is used again. Raises
    InputError for a name that the vocabulary lacks.
    """
    return _edit(
        store,
        lambda definition, used: removed(definition, name),
        f"attribute removed by {by or 'user'}: {name}",
    )


def _edit(
    store: HasConnections, edit: vocabulary_table.Edit, cause: str, names: Sequence[str] = ()
) -> Change:
    with store.transaction() as conn:
        return journal.change(conn, vocabulary_table.edit(conn, cause, edit, names))


def _set_in_short(attributes: Sequence[Attribute], replaces: bool, strict: bool | None) -> str:
    """What a change of the vocabulary sets, for its cause."""
    parts = [_in_short([attribute.name for attribute in attributes])] if attributes else []
    if replaces:
        parts.append("no others")
    if strict is not None:
        parts.append("strict" if strict else "not strict")
    return ", ".join(parts)


def _in_short(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_NAMED_ATTRIBUTES])
    further = len(names) - _NAMED_ATTRIBUTES
    return f"{listed} and {further} more" if further > 0 else listed
