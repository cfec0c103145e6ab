"""Statements of the shared modules as Postgres reads them: the namespace in each table reference.

They are a closed set, all in one spelling, so replacing pieces of their text is enough. A table
that this overlooks would not be found by Postgres: nothing of ours is on the search path.
"""

import re
from functools import lru_cache

TABLES = (  # each names only tables before it
    *("turns", "facts", "changes", "facts_log", "pending", "settings", "shown", "speakers"),
    *("recent", "blocks", "pieces", "staged_vectors", "word_lists"),
)
_TABLE = rf"(?P<table>{'|'.join(sorted(TABLES, key=len, reverse=True))})\b"
_SOURCE = re.compile(rf"\b(?P<before>FROM|JOIN)\s+{_TABLE}(?:\s+AS\s+(?P<alias>\w+))?")
_INSERT = re.compile(rf"^INSERT INTO {_TABLE} \((?P<columns>[^)]*)\) VALUES \(")
_UPDATE = re.compile(rf"^UPDATE {_TABLE} SET (?P<values>.*?)(?: WHERE (?P<where>.*))?$", re.DOTALL)
_DELETE = re.compile(rf"^DELETE FROM {_TABLE}(?: WHERE (?P<where>.*))?$", re.DOTALL)
_UNNUMBERED = re.compile(r"INSERT INTO (facts|changes|facts_log|settings) \((?!id\b)")
_FACTS_WRITE = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) facts\b")
_FUNCTION = re.compile(r"\b(json_array|json_extract|glob)\(")
_VALUES = re.compile(r"\?(, \?)*\)")
_NAMESPACE = "\0"  # stands for the parameter until all others are numbered


def numbered_table(statement: str) -> str | None:
    """The table into which a statement inserts a row that is to get the next number as its id."""
    match = _UNNUMBERED.match(statement)
    return match[1] if match else None


def writes_facts(statement: str) -> bool:
    return _FACTS_WRITE.match(statement) is not None


@lru_cache(2_048)
def translated(statement: str) -> tuple[str, bool]:
    """The statement with numbered parameters, and whether the namespace is its last one."""
    text = statement.strip()
    text = text.replace("json_each(?)", "json_array_elements_text(CAST(? AS json))")
    text = _FUNCTION.sub(r"memory.\1(", text)
    if match := _INSERT.match(text):
        values = text[match.end() :]
        text = (
            f"INSERT INTO memory.{match['table']} (namespace, {match['columns']})"
            f" VALUES ({_NAMESPACE}, {_with_sources(values)}"
        )
    elif match := _UPDATE.match(text):
        where = _with_sources(match["where"] or "true")
        text = (
            f"UPDATE memory.{match['table']} SET {_with_sources(match['values'])}"
            f" WHERE {match['table']}.namespace = {_NAMESPACE} AND ({where})"
        )
    elif match := _DELETE.match(text):
        where = _with_sources(match["where"] or "true")
        text = (
            f"DELETE FROM memory.{match['table']}"
            f" WHERE {match['table']}.namespace = {_NAMESPACE} AND ({where})"
        )
    else:
        text = _with_sources(text)
    pieces = text.split("?")
    numbered = "".join(
        f"{piece}${number}" if number < len(pieces) else piece
        for number, piece in enumerate(pieces, 1)
    )
    return numbered.replace(_NAMESPACE, f"${len(pieces)}"), _NAMESPACE in text


def copied(statement: str) -> str:
    """The COPY that takes the rows of a plain INSERT, each behind its namespace; "" for no such."""
    match = _INSERT.match(statement)
    if match is None or not _VALUES.fullmatch(statement, match.end()):
        return ""
    return f"COPY memory.{match['table']} (namespace, {match['columns']}) FROM STDIN"


def _with_sources(text: str) -> str:
    """The text with each table that it reads as the rows of the one namespace."""

    def source(match: re.Match[str]) -> str:
        rows = f"(SELECT * FROM memory.{match['table']} WHERE namespace = {_NAMESPACE})"
        return f"{match['before']} {rows} AS {match['alias'] or match['table']}"

    return _SOURCE.sub(source, text)
