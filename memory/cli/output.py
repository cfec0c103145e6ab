"""How commands print: lines without control characters, tables, JSON, changes as a diff."""

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory.cli.options import DEFAULT
from memory.evidence.lines import cell_text
from memory.records import Change, Edit, Fact, Pending, Rows, Withheld
from memory.store.changes.points_in_time import Diff, differences
from memory.system.terminal import clean_line, count, print_clean
from memory.text.characters import escaped
from memory.vocabulary.fact_lines import fact_line

if TYPE_CHECKING:  # with the parser of SQL
    from memory.digest.windows import Digest

_MAX_LINE_CHARACTERS = 160
_NAMED_ATTRIBUTES = 5  # of the ones that a strict vocabulary left out
_WIDEST_COLUMN = 40  # characters; a longer cell pushes the rest of its row to the right


def cut_lines(lines: Iterable[str], indent: str = "") -> Iterator[str]:
    """The lines of a list, long ones cut."""
    for line in map(clean_line, lines):
        if len(line) > _MAX_LINE_CHARACTERS:
            line = line[: _MAX_LINE_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
        yield indent + line


def print_lines(lines: Iterable[str], indent: str = "") -> None:
    """Print the lines of a list, and cut long ones."""
    for line in cut_lines(lines, indent):
        print_clean(line)


def withheld_line(withheld: Withheld) -> str:
    """`withheld: 2 secrets, 1 private passage`; empty if nothing was."""
    counts = [(withheld.secrets, "secret"), (withheld.private, "private passage")]
    parts = [count(number, noun) for number, noun in counts if number]
    return f"withheld: {', '.join(parts)}" if parts else ""


def withheld_json(withheld: Withheld) -> dict[str, Any]:
    """The same as a field of JSON; no field if nothing was withheld."""
    return {"withheld": asdict(withheld)} if withheld != Withheld() else {}


def print_json(value: dict[str, Any]) -> None:
    """Print a record as JSON on one line, valid in any encoding of stdout."""
    print_clean(json_line(value))


def json_line(value: dict[str, Any]) -> str:
    """A record as JSON without control characters, in characters that stdout can encode."""
    encoding = sys.stdout.encoding or ""
    as_ascii = not encoding.lower().startswith("utf")
    try:
        text = json.dumps(value, ensure_ascii=as_ascii, allow_nan=False)
    except ValueError:  # a number that JSON does not have
        value = json.loads(json.dumps(value), parse_constant=lambda name: None)
        text = json.dumps(value, ensure_ascii=as_ascii)
    # JSON escapes the control characters of ASCII only; terminals obey these too.
    return escaped(text)


def print_rows(rows: Rows) -> None:
    """Print a table on a terminal, elsewhere plain columns with two spaces between."""
    cells = [
        ["" if cell is None else clean_line(cell_text(cell)) for cell in row] for row in rows.rows
    ]
    columns = list(map(clean_line, rows.columns))
    if not sys.stdout.isatty():
        lines = [columns, *cells]
        widths = [min(max(map(len, column)), _WIDEST_COLUMN) for column in zip(*lines, strict=True)]
        for row in lines:
            print_clean("  ".join(map(str.ljust, row, widths)).rstrip())
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(*map(escape, columns))
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


LONGEST_REASON = 400  # characters about a fact that a digest did not store, and why


def read_line(digest: "Digest") -> str:
    """What rules did: `60 turns read, 34 facts changed`."""
    return f"{count(digest.read, 'turn')} read, {count(digest.facts, 'fact')} changed"


def change_line(change: Change) -> str:
    """The number, time, size and cause of a change."""
    window = f", turns {change.window[0]}-{change.window[1]}" if change.window else ""
    undone = f", undone {change.undone_at}" if change.undone_at else ""
    facts = count(change.facts, "fact")
    if change.rows and not change.facts:  # of names, tags and attributes
        facts = count(change.rows, "row")
    return f"{change.id}  {change.at}  {facts}  {clean_line(change.cause)}{window}{undone}"


def left_out_text(attributes: Sequence[str]) -> str:
    """The facts that a strict vocabulary left out: `3 facts left out, not in the vocabulary: ...`.

    `attributes` are theirs, one for each fact; the commonest are named.
    """
    names = Counter(map(clean_line, attributes))
    commonest = [
        f"{name[:_WIDEST_COLUMN]} ({number})" if number > 1 else name[:_WIDEST_COLUMN]
        for name, number in names.most_common(_NAMED_ATTRIBUTES)
    ]
    further = f" and {len(names) - len(commonest)} more" if len(names) > len(commonest) else ""
    facts = count(len(attributes), "fact")
    return f"{facts} left out, not in the vocabulary: {', '.join(commonest)}{further}"


def fold_small_digests(changes: Iterable[Change]) -> list[list[Change]]:
    """Changes in groups: digests of one turn by the same model together, others alone."""
    runs: list[list[Change]] = []
    for change in changes:
        if _is_small_digest(change) and runs and _is_small_digest(runs[-1][-1], change.cause):
            runs[-1].append(change)
        else:
            runs.append([change])
    return runs


def _is_small_digest(change: Change, cause: str = "") -> bool:
    """Whether a change digested one turn, has this cause (if given) and is not undone."""
    if change.window is None or change.undone_at or (cause and change.cause != cause):
        return False
    return change.window[0] == change.window[1]


def run_line(changes: Sequence[Change]) -> str:
    """One line for a run of `fold_small_digests`, the newest change first."""
    if len(changes) == 1:
        return change_line(changes[0])
    newest, oldest = changes[0], changes[-1]
    facts = count(sum(change.facts for change in changes), "fact")
    return (
        f"{oldest.id}-{newest.id}  {oldest.at} to {newest.at}  {facts}  {clean_line(newest.cause)},"
        f" one turn each; `memory facts log --facts` lists them"
    )


def undo_line(changes: Sequence[Change], namespace: str, db: Path | None) -> str:
    """The numbers of new changes, and the command that undoes the last one."""
    command = command_line("undo", str(changes[-1].id), namespace=namespace, db=db)
    numbers = ", ".join(str(change.id) for change in changes)
    return f"change{'s' if len(changes) > 1 else ''} {numbers}; to undo: {command}"


def held_lines(windows: Iterable[Pending], namespace: str, db: Path | None) -> Iterator[str]:
    """The windows whose SQL waits for a person, with the commands that apply or skip it."""
    for window in windows:
        if not window.statement:
            continue
        turns = f"{window.first_turn}-{window.last_turn}"
        yield f"turns {turns} are {clean_line(window.error)}"
        for line in window.statement.splitlines():
            yield f"    {clean_line(line)}"
        for option, verb in (("--apply", "to apply it"), ("--skip", "to skip it")):
            command = command_line("digest", option, turns, namespace=namespace, db=db)
            yield f"  {verb}: {command}"


def command_line(*words: str, namespace: str, db: Path | None) -> str:
    """A command for this memory, ready to type."""
    if db:
        options = ["--db", str(db)]
    elif namespace != DEFAULT:
        options = ["--namespace", namespace]
    else:
        options = []
    return shlex.join(["memory", *words, *options])


def edit_lines(edits: Iterable[Edit]) -> Iterator[str]:
    """Edits as the lines of a diff."""
    edits = list(edits)
    before = [edit.before for edit in edits if edit.before]
    after = [edit.after for edit in edits if edit.after]
    return diff_lines(differences(before, after))


def diff_lines(difference: Diff) -> Iterator[str]:
    """Added facts with +, removed with -, changed with ~."""
    for fact in difference.added:
        yield f"+ {fact_line(fact)}"
    for fact in difference.removed:
        yield f"- {fact_line(fact)}"
    for before, after in difference.changed:
        yield f"~ {fact_line(before)} -> {_changed_fields(before, after)}"


def _changed_fields(before: Fact, after: Fact) -> str:
    """The changed fields of a fact; the whole fact when its subject or attribute changed."""
    if (before.subject, before.attribute) != (after.subject, after.attribute):
        return fact_line(after)
    fields = [after.value] if after.value != before.value else []
    for name, old, new in (
        ("since", before.happened_on, after.happened_on),
        ("until", before.ended_on, after.ended_on),
        ("turn", str(before.turn_id), str(after.turn_id)),
    ):
        if new != old:
            fields.append(f"{name} {new}" if new else f"not {name} {old}")
    return " ".join(fields)
