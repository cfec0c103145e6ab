"""Checks published figures: runs the commands of a document again and compares what they print.

    python -m locomo.published [DOCUMENT] [--only WORDS] [--log FILE]

In the document a block of one command, marked `<!-- run by locomo.published -->`, is followed by a
table. The command must print it, perhaps with more rows and columns. It may name a file of data by
a variable, such as "$LOCOMO".
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from locomo.commands import run_command
from locomo.harness import fingerprint
from locomo.json_lines import JsonLines
from memory import InputError

MARKER = "<!-- run by locomo.published -->"
TOLERANCE = 0.002  # another machine's sums may swap two turns of nearly one score
_NUMBER = re.compile(r"\d*\.\d+|\d[\d,]*")
_VARIABLE = re.compile(r"\$(\w+)")

Rows = list[list[str]]  # a table; the names of its columns are the first row
app = typer.Typer(add_completion=False)


@dataclass
class Published:
    """A document's command and the table that it should print."""

    line: int
    command: str
    table: Rows

    def missing(self) -> list[str]:
        """The variables that the command names and the environment lacks."""
        return [name for name in _VARIABLE.findall(self.command) if not os.environ.get(name)]


@dataclass(frozen=True)
class Printed:
    """What a command printed, by the code that `made_from` is a hash of."""

    made_from: str
    command: str
    output: str


@app.command()
def check(
    document: Annotated[Path, Argument(help="A document in Markdown.")] = Path("docs/figures.md"),
    only: Annotated[str, Option(help="Only commands with these words.")] = "",
    log: Annotated[
        Path | None, Option(help="Keep what is printed here: with it, go on after Ctrl-C.")
    ] = None,
    minutes: Annotated[float, Option(min=0.01, help="The longest that one command may take.")] = 60,
    tolerance: Annotated[
        float, Option(min=0, help="By how much a figure with a point may differ.")
    ] = TOLERANCE,
) -> None:
    """Run a document's commands again and compare the tables they print with those published.

    Ends with 1 if a figure drifted or a command failed. One whose data the environment does not
    name is skipped.
    """
    try:
        published = [entry for entry in read(document.read_text("utf-8")) if only in entry.command]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {document}: {error}") from error
    if not published:
        raise InputError(f"{document} has no block marked {MARKER} with {only!r}")
    records = JsonLines(log, Printed, key=_key, resume=True) if log else None
    console = Console(highlight=False, markup=False, soft_wrap=True)
    counts = {"same": 0, "drifted": 0, "skipped": 0}
    for number, entry in enumerate(published, 1):
        console.print(f"{number}/{len(published)}, line {entry.line}: {entry.command}")
        if missing := entry.missing():
            counts["skipped"] += 1
            console.print(f"  skipped: {' and '.join(missing)} is not set")
            continue
        complaints = _complaints(entry, records, seconds=60 * minutes, tolerance=tolerance)
        counts["drifted" if complaints else "same"] += 1
        for line in complaints or ["same"]:
            console.print(f"  {line}")
    console.print(", ".join(f"{count} {name}" for name, count in counts.items()))
    if counts["drifted"]:
        raise typer.Exit(1)


def _key(printed: Printed) -> tuple[str, str]:
    return printed.made_from, printed.command


def _complaints(
    published: Published,
    records: JsonLines[tuple[str, str], Printed] | None,
    *,
    seconds: float,
    tolerance: float,
) -> list[str]:
    """What differs by now, in lines; the command's failure if it has one."""
    command = os.path.expandvars(published.command)
    key = (fingerprint(), command)
    if records is not None and key in records.records:
        output = records.records[key].output
    else:
        program, *arguments = shlex.split(command)
        if program != "python":
            raise InputError(f"line {published.line}: a command begins with python")
        try:
            done = subprocess.run(
                [sys.executable, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                timeout=seconds,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return [f"failed: {error}"]
        output = done.stdout
        if records is not None:
            records.add(Printed(*key, output))
    printed = [*tables(output.splitlines())]
    return drift(published.table, printed, tolerance)


# --- reading ----------------------------------------------------------------------------------


def read(text: str) -> list[Published]:
    """The marked commands of a document in Markdown, each with the table that follows.

    Raises InputError for a marked block that has no command or no table.
    """
    entries = []
    lines = text.splitlines()
    for start in (number for number, line in enumerate(lines) if line == MARKER):
        try:
            opening = lines.index("```sh", start)
            closing = lines.index("```", opening)
        except ValueError:
            raise InputError(f"line {start + 1}: no block of sh follows {MARKER}") from None
        command = " ".join(line.rstrip("\\").strip() for line in lines[opening + 1 : closing])
        end = next((n for n in range(closing + 1, len(lines)) if lines[n].startswith("#")), None)
        table = next(tables(lines[closing + 1 : end]), None)
        if not command or table is None:
            raise InputError(f"line {start + 1}: a command with a table is expected here")
        entries.append(Published(opening + 2, command, table))
    return entries


def tables(lines: Sequence[str]) -> Iterator[Rows]:
    """The tables of Markdown among these lines."""
    table: Rows = []
    for line in [*(line.strip() for line in lines), ""]:
        if line.startswith("|"):
            cells = [cell.strip().strip("*") for cell in line.strip("|").split("|")]
            if not all(set(cell) <= set("-:") and cell for cell in cells):
                table.append(cells)
        elif table:
            yield table
            table = []


# --- comparing --------------------------------------------------------------------------------


def drift(published: Rows, printed: Sequence[Rows], tolerance: float = TOLERANCE) -> list[str]:
    """How a published table differs from the printed one, in lines; none if it matches.

    Rows are found by their first cell and the cells without a figure, in order.
    """
    columns, *rows = published
    candidates = [table for table in printed if set(columns) <= set(table[0])]
    if not candidates:
        return [f"no table with the columns {', '.join(columns)} is printed"]
    differences = []
    for table in candidates:
        places = [table[0].index(name) for name in columns]
        chosen = [[row[place] for place in places] for row in table[1:]]
        differences.append(_differences(columns, rows, chosen, tolerance))
    return min(differences, key=len)


def _differences(columns: Sequence[str], rows: Rows, printed: Rows, tolerance: float) -> list[str]:
    lines: list[str] = []
    remaining = iter(printed)
    for row in rows:
        names = [(n, cell) for n, cell in enumerate(row) if n == 0 or not _NUMBER.search(cell)]
        now = next((new for new in remaining if all(new[n] == cell for n, cell in names)), None)
        if now is None:
            return [*lines, f"no row {' '.join(row)} is printed, or not in this place"]
        lines += [
            f"{row[0]}, {column}: published {before}, now {after}"
            for column, before, after in zip(columns, row, now, strict=True)
            if not _is_same(before, after, tolerance)
        ]
    return lines


def _is_same(before: str, after: str, tolerance: float) -> bool:
    """Whether two cells say the same: the words and whole numbers, and nearly the others."""
    if _NUMBER.sub("", before) != _NUMBER.sub("", after):
        return False
    for old, new in zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True):
        margin = tolerance if "." in old else 0
        # Half a unit of the fourth place: figures of three places are not exact in binary.
        if abs(float(old.replace(",", "")) - float(new.replace(",", ""))) > margin + 5e-5:
            return False
    return True


if __name__ == "__main__":
    run_command(app, "what was printed is kept with --log")
