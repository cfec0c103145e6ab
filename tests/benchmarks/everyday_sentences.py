"""False and found facts by templates in sentences that were written with their facts.

    python -m tests.benchmarks.everyday_sentences [FILE...]

A file has sentences by the kind of talk, each with the facts that are right for it
(tests/memory/vocabulary/templates/everyday.toml, the default, says how). Prints false and missed
facts, and a table.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table
from tests.support.written_facts import Outcome, outcome, sentences

_FILE = Path(__file__).parents[1] / "memory" / "vocabulary" / "templates" / "everyday.toml"


def outcomes(path: Path) -> dict[str, list[Outcome]]:
    """Each sentence of a file with what the templates make of it, by the kind of talk."""
    return {
        kind: [outcome(text, facts) for text, facts in of_kind.items()]
        for kind, of_kind in sentences(path).items()
    }


def table(by_kind: dict[str, list[Outcome]]) -> Table:
    """A line for each kind of talk and one for all."""
    result = Table("talk", "sentences", "right", "missed", "false")
    everything = [result for of_kind in by_kind.values() for result in of_kind]
    for kind, of_kind in (*by_kind.items(), ("all", everything)):
        counts = [sum(len(getattr(one, name)) for one in of_kind) for name in result_names()]
        result.add_row(kind.replace("_", " "), str(len(of_kind)), *map(str, counts))
    return result


def result_names() -> tuple[str, ...]:
    """The columns of the table that count facts."""
    return ("right", "missed", "false")


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="sentences with their facts")] = None,
) -> None:
    """Print what is false or missed, and the table."""
    for path in files or [_FILE]:
        by_kind = outcomes(path)
        for name in ("false", "missed"):
            for result in (one for of_kind in by_kind.values() for one in of_kind):
                for fact in getattr(result, name):
                    print(f"{name}: {fact}\n    {result.text}")
        print_table(Console(), table(by_kind))


if __name__ == "__main__":
    typer.run(main)
