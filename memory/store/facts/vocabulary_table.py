"""The vocabulary of a namespace: its rows, its setting, its edits, and the facts that they move.

A change is one change of the journal: the rows, the setting and the facts are undone together.
Functions that take a connection run inside the caller's transaction.
"""

import json
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

from memory.errors import InputError
from memory.records import Change
from memory.sql import quoted
from memory.store.changes import journal, journaled_rows
from memory.store.configuration.setting_values import is_own_value
from memory.store.database import Connection, Cursor, HasConnections, Restatement
from memory.system.logs import clean_logger
from memory.vocabulary import (
    Attribute,
    Definition,
    Vocabulary,
    merged,
    removed,
    renamed,
    with_attributes,
)
from memory.vocabulary.attributes import MOST_ATTRIBUTES

_log = clean_logger("memory.store")

SETTING = "vocabulary"
_TABLE = "attributes"
_COLUMNS, _ = journaled_rows.TABLES[_TABLE]
_NAMED_FACTS = 3  # that a message lists
# A definition and the names that facts have -> the definition to be.
Edit = Callable[[Definition, Collection[str]], Definition]


def read_definition(conn: Connection) -> Definition:
    """The stored vocabulary."""
    with conn.together():
        rows, settings = ask_definition(conn)
    return definition_of(rows, settings)


def ask_definition(conn: Connection) -> tuple[Cursor, Cursor]:
    """The statements of `read_definition`, to be sent together with others."""
    rows = conn.read_rows(_TABLE, _COLUMNS, ["name"])
    return rows, conn.run("settings_of_name", name=SETTING)


def definition_of(rows: Cursor, settings: Cursor) -> Definition:
    """The definition that `ask_definition` asked for."""
    values = [value for _, _, value, _ in settings.fetchall()]
    return _definition(tuple(map(tuple, rows.fetchall())), values[-1] if values else "{}")


# Each write and many a question asks for it, and mostly it is the same.
@lru_cache(maxsize=64)
def _definition(rows: tuple[tuple[str, ...], ...], setting: str) -> Definition:
    attributes = [_attribute(*row) for row in rows[:MOST_ATTRIBUTES]]
    state = json.loads(setting)
    if not is_own_value(SETTING, state):
        state = {}
    return Definition(
        tuple(attribute for attribute in attributes if attribute),
        state.get("base", "default"),
        state.get("strict", False),
        tuple(state.get("without", ())),
    )


@lru_cache(maxsize=MOST_ATTRIBUTES)
def _attribute(
    name: str, other_names: str, kind: str, allowed_values: str, instruction: str, templates: str
) -> Attribute | None:
    """The attribute of a row; None, with a warning, for an invalid row, which a file may hold."""
    try:
        further = _further(templates)
        return Attribute(
            name,
            further.pop("kind", kind),
            _texts(json.loads(other_names)),
            _texts(json.loads(allowed_values)),
            instruction,
            **further,
        ).checked()
    except (InputError, ValueError, TypeError, AttributeError, RecursionError):
        _log.warning("the attribute %r is not as sql-memory writes it: left out", name)
        return None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(value)


def _further(text: str) -> dict[str, Any]:
    """The form, the templates and everything else without its own column, in stored form."""
    fields = json.loads(text)
    return {name: tuple(of) if isinstance(of, list) else of for name, of in fields.items()}


def edit(conn: Connection, cause: str, change: Edit, names: Sequence[str] = ()) -> int:
    """Change the vocabulary and move the facts of the attributes that it changes.

    This includes attributes with these names: facts of an older memory may have other names.

    Returns the id of the change. Raises InputError when nothing would change, and for a fact with
    a value that its attribute does not allow.
    """
    before = read_definition(conn)
    used = [name for (name,) in conn.run("attributes_of_facts").fetchall()]
    after = change(before, used)
    named = map(after.vocabulary.canonical, names)
    touched = [attribute for attribute in after.own if attribute not in before.own]
    touched += [attribute for attribute in named if attribute and attribute not in touched]
    moves = _moves(conn, after.vocabulary, touched, used)
    if after == before and not moves:
        raise InputError("the vocabulary is so already; nothing was changed")
    change_id = journal.begin(conn, cause, _statement(after.vocabulary, touched, used))
    _put(conn, change_id, before, after)
    conn.facts.restate(moves)
    return change_id


def _put(conn: Connection, change_id: int, before: Definition, after: Definition) -> None:
    old = {attribute.name: _row(attribute) for attribute in before.own}
    new = {attribute.name: _row(attribute) for attribute in after.own}
    stored = journaled_rows.JournaledRows(conn, change_id, _TABLE)
    for name, row in old.items():
        if name not in new:
            stored.drop(row)
    for name, row in new.items():
        if old.get(name) != row:
            stored.put(row, instead_of=old.get(name))
    if _state(before) != _state(after):
        journaled_rows.put_setting(conn, change_id, SETTING, _state(before), _state(after))


def _moves(
    conn: Connection,
    vocabulary: Vocabulary,
    touched: Sequence[Attribute],
    used: Sequence[str],
) -> list[Restatement]:
    """The facts to restate: facts with a touched attribute."""
    names = _names(vocabulary, touched, used)
    if not names:
        return []
    moves = []
    outside = []
    for fact_id, subject, name, value in conn.run("facts_of_attributes", names=names).fetchall():
        attribute = vocabulary.canonical(name)
        assert attribute is not None
        allowed = attribute.allowed(value)
        if allowed is None:
            outside.append((fact_id, attribute, value))
        elif (name, value) != (attribute.name, allowed):
            moves.append((fact_id, subject, attribute.name, allowed))
    if outside:
        attribute = outside[0][1]
        raise InputError(
            f"facts have values that {attribute.name} does not allow"
            f" ({', '.join(attribute.allowed_values)}): {_first(outside)}; edit them first"
        )
    return moves


def _first(outside: Sequence[tuple[int, Attribute, str]]) -> str:
    listed = [f"fact {number} {value!r:.60}" for number, _, value in outside[:_NAMED_FACTS]]
    further = len(outside) - len(listed)
    return ", ".join(listed) + (f" and {further} more" if further else "")


def _names(vocabulary: Vocabulary, touched: Sequence[Attribute], used: Sequence[str]) -> list[str]:
    """The names, as facts have them, of attributes."""
    return [name for name in used if vocabulary.canonical(name) in touched]


def _statement(vocabulary: Vocabulary, touched: Sequence[Attribute], used: Sequence[str]) -> str:
    """What happens to facts, as SQL for the journal: a line for each name that goes."""
    lines = []
    for name in used:
        attribute = vocabulary.canonical(name)
        if attribute in touched and attribute is not None and attribute.name != name:
            lines.append(
                f"UPDATE facts SET attribute = {quoted(attribute.name)}"
                f" WHERE attribute = {quoted(name)}"
            )
    return ";\n".join(lines) or "-- none"


def _row(attribute: Attribute) -> dict[str, Any]:
    further = {
        "form": attribute.form,
        "opposite": attribute.opposite,
        "profile": attribute.profile,
        "one_of": attribute.one_of,
    }
    # The column takes the first three kinds only: memories of before have it so.
    is_plan = attribute.kind == "plan"
    further |= {"kind": attribute.kind if is_plan else ""}
    return {
        "name": attribute.name,
        "other_names": json.dumps(attribute.other_names, ensure_ascii=False),
        "kind": "many" if is_plan else attribute.kind,
        "allowed_values": json.dumps(attribute.allowed_values, ensure_ascii=False),
        "instruction": attribute.instruction,
        "templates": json.dumps(
            {name: text for name, text in further.items() if text} | attribute.templates,
            ensure_ascii=False,
        ),
    }


def _state(definition: Definition) -> dict[str, Any]:
    return {
        "base": definition.base,
        "strict": definition.strict,
        "without": [*definition.without],
    }


_NAMED_ATTRIBUTES = 5  # in the cause of a change of the vocabulary


def vocabulary_of(store: HasConnections) -> Vocabulary:
    """The attributes in use: the application's own, and the default ones."""
    with store.reading() as conn:
        return read_definition(conn).vocabulary


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


def _edit(store: HasConnections, change: Edit, cause: str, names: Sequence[str] = ()) -> Change:
    with store.transaction() as conn:
        return journal.change(conn, edit(conn, cause, change, names))


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
