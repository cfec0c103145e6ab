"""How commands print: lines that steer no terminal, tables, JSON, and changes as a diff."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from memory.cli.options import DEFAULT
from memory.model import Change, Edit, Fact, Rows
from memory.store.points_in_time import Diff, differences
from memory.terminal import clean_line

_LONGEST_LINE = 160


def print_lines(lines: Iterable[str], indent: str = "") -> None:
    """Lines of a list, each cut where it is long."""
    for line in map(clean_line, lines):
        cut = line[: _LONGEST_LINE - 1] + "\N{HORIZONTAL ELLIPSIS}"
        print(indent + (line if len(line) <= _LONGEST_LINE else cut))


def print_json(value: dict[str, Any]) -> None:
    """One record on a line, for programs."""
    print(json.dumps(value, ensure_ascii=False))


def print_rows(rows: Rows) -> None:
    """A table where somebody looks at it, else lines."""
    cells = [["" if cell is None else clean_line(str(cell)) for cell in row] for row in rows.rows]
    if not sys.stdout.isatty():
        for row in [list(rows.columns), *cells]:
            print(" | ".join(row))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(*map(escape, rows.columns))
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def change_line(change: Change) -> str:
    """Number, time, size and cause of a change."""
    window = f", turns {change.window[0]}-{change.window[1]}" if change.window else ""
    undone = f", undone {change.undone_at}" if change.undone_at else ""
    facts = "1 fact" if change.facts == 1 else f"{change.facts} facts"
    return f"{change.id}  {change.at}  {facts}  {clean_line(change.cause)}{window}{undone}"


def undo_line(changes: Sequence[Change], namespace: str, file: Path | None) -> str:
    """The numbers of changes just made, and the command that takes the last one back."""
    named = ["--file", str(file)] if file else ["--namespace", namespace]
    where = [] if named[1] == DEFAULT else named
    command = shlex.join(["python", "-m", "memory", "undo", str(changes[-1].id), *where])
    made = ", ".join(str(change.id) for change in changes)
    return f"change{'s' * (len(changes) > 1)} {made}; to undo: {command}"


def edit_lines(edits: Iterable[Edit]) -> Iterator[str]:
    """Edits as the lines of a diff."""
    both = [(edit.before, edit.after) for edit in edits]
    before, after = [one for one, _ in both if one], [one for _, one in both if one]
    return diff_lines(differences(before, after))


def diff_lines(found: Diff) -> Iterator[str]:
    """Facts added with +, removed with -, changed with ~."""
    for fact in found.added:
        yield f"+ {_fact_line(fact)}"
    for fact in found.removed:
        yield f"- {_fact_line(fact)}"
    for before, after in found.changed:
        yield f"~ {_fact_line(before)} -> {_new_words(before, after)}"


def _fact_line(fact: Fact) -> str:
    since = f" since {fact.happened_on}" if fact.happened_on else ""
    until = f" until {fact.ended_on}" if fact.ended_on else ""
    return (
        f"{fact.subject} {fact.attribute}: {fact.value}{since}{until}"
        f" (fact {fact.id}, turn {fact.turn_id})"
    )


def _new_words(before: Fact, after: Fact) -> str:
    """What is new of a fact: its end alone where nothing else changed, often its value alone."""
    if (before.subject, before.attribute) != (after.subject, after.attribute):
        return _fact_line(after)
    said = [after.value] if after.value != before.value else []
    for word, old, new in (
        ("since", before.happened_on, after.happened_on),
        ("until", before.ended_on, after.ended_on),
        ("turn", str(before.turn_id), str(after.turn_id)),
    ):
        if new != old:
            said.append(f"{word} {new}" if new else f"not {word} {old}")
    return " ".join(said)
