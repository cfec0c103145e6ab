"""What is stored of a model's facts: in a vocabulary's names and values, each text on a line."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from memory.sql.attribute_names import change_by_all_names
from memory.sql.checked import CheckedFacts, CheckedInsert, Value
from memory.sql.refusals import refuse, short
from memory.store.changes import journal
from memory.store.database import Connection
from memory.store.facts.fact_texts import LONGEST
from memory.text.characters import label
from memory.vocabulary import Attribute, Vocabulary


def in_vocabulary(
    writes: Sequence[CheckedFacts], vocabulary: Vocabulary
) -> tuple[tuple[CheckedFacts, ...], tuple[str, ...]]:
    """Statements in the words of a vocabulary, and the attributes of the facts it leaves out.

    Each text is one line that a reader sees (`as_label`). Facts are stored under the names of the
    vocabulary, and with values as it lists them; equal ones once. Raises SqlError for a value that
    is not allowed.
    """
    statements: list[CheckedFacts] = []
    left_out: list[str] = []
    for write in writes:
        if write.command != "insert":
            change = change_by_all_names(write, vocabulary.name_of, vocabulary.names_of)
            statements.append(change)
            continue
        insert = _insert(write, vocabulary, left_out)
        if insert.rows:
            statements.append(insert)
    return tuple(statements), tuple(left_out)


def _insert(write: CheckedInsert, vocabulary: Vocabulary, left_out: list[str]) -> CheckedInsert:
    """The INSERT of the rows that a vocabulary stores; adds the attributes of others."""
    rows: list[tuple[Value, ...]] = []
    for row in write.rows:
        cells = dict(zip(write.columns, row, strict=True))
        cells |= {column: as_label(column, str(cells[column])) for column in LONGEST}
        attribute = vocabulary.canonical(str(cells["attribute"]))
        if attribute is None and vocabulary.strict:
            left_out.append(str(cells["attribute"]))
            continue
        if attribute is not None:
            value = _allowed(attribute, str(cells["value"]))
            cells |= {"attribute": attribute.name, "value": value}
        renamed = tuple(cells.values())
        # Two names of one attribute may have said the same thing twice.
        if renamed == row or renamed not in rows:
            rows.append(renamed)
    return replace(write, rows=tuple(rows))


def as_label(column: str, text: str) -> str:
    """The stored form of a subject, an attribute or a value. Raises SqlError for an empty one."""
    line = label(text, LONGEST[column])
    if text and not line:
        refuse(f"the {column} '{short(ascii(text))}'", "write what a reader can see")
    return line


def restate_updated(conn: Connection, change_id: int) -> None:
    """Put what an UPDATE has set into the form to store: only the fact tells what a join of texts
    came to. Raises SqlError as `as_label`."""
    conn.facts.log()
    unclean = []
    for before, after in journal.net_images(conn, change_id):
        if after is not None and _texts(before) != _texts(after):
            texts = tuple(as_label(column, str(after[column])) for column in LONGEST)
            if texts != _texts(after):
                unclean.append((after["id"], *texts))
    if unclean:
        conn.facts.restate(unclean)


def check_updated(conn: Connection, change_id: int, vocabulary: Vocabulary) -> None:
    """Refuse a change that gave a fact an attribute or a value which the vocabulary does not allow.

    For what an UPDATE sets: only the fact tells which attribute a value is of. Raises SqlError.
    """
    for before, after in journal.net_images(conn, change_id):
        if after is not None and _says(before) != _says(after):
            _check_image(before, after, vocabulary)


def _check_image(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], vocabulary: Vocabulary
) -> None:
    name = str(after["attribute"])
    attribute = vocabulary.canonical(name)
    renamed = before is None or before["attribute"] != name
    if attribute is None:
        if renamed and vocabulary.strict:
            refuse(
                f"attribute '{short(name)}'",
                "not in this memory's vocabulary, which is strict: it has"
                f" {vocabulary.names_in_short}",
            )
        return
    if renamed and attribute.name != name:
        refuse(f"attribute '{short(name)}'", f"write '{attribute.name}'")
    if (value := str(after["value"])) != _allowed(attribute, value):
        refuse(f"'{short(value)}'", f"write it as {_listed(attribute)}")


def _texts(image: Mapping[str, Any] | None) -> tuple[str, ...]:
    return () if image is None else tuple(str(image[column]) for column in LONGEST)


def _says(image: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return () if image is None else (image["attribute"], image["value"])


def _allowed(attribute: Attribute, value: str) -> str:
    """The stored form of the value. Raises SqlError for a value that is not allowed."""
    allowed = attribute.allowed(value)
    if allowed is None:
        refuse(f"{attribute.name} '{short(value)}'", f"the value is one of {_listed(attribute)}")
    return allowed


def _listed(attribute: Attribute) -> str:
    return ", ".join(f"'{value}'" for value in attribute.allowed_values)
