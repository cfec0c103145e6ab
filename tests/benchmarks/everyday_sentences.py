"""False and found facts by templates in sentences that were written with their facts.

    python -m tests.benchmarks.everyday_sentences [FILE...]

A file has sentences by the kind of talk, each with the facts that are right for it: see
tests/memory/vocabulary/templates/sentences/everyday.toml, which is read by default. Prints false
and missed facts, and a table.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table
from tests.support.written_facts import SENTENCES, Outcome, outcomes


def table(by_kind: dict[str, list[Outcome]]) -> Table:
    """A line for each kind of talk and one for all."""
    result = Table("talk", "sentences", "right", "missed", "false")
    everything = [outcome for of_kind in by_kind.values() for outcome in of_kind]
    for kind, of_kind in (*by_kind.items(), ("all", everything)):
        right = sum(len(outcome.right) for outcome in of_kind)
        missed = sum(len(outcome.missed) for outcome in of_kind)
        false = sum(len(outcome.false) for outcome in of_kind)
        counts = map(str, (len(of_kind), right, missed, false))
        result.add_row(kind.replace("_", " "), *counts)
    return result


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="sentences with their facts")] = None,
) -> None:
    """Print what is false or missed, and the table."""
    for path in files or [SENTENCES / "everyday.toml"]:
        by_kind = outcomes(path)
        for outcome in (one for of_kind in by_kind.values() for one in of_kind):
            for fact in outcome.false:
                print(f"false: {fact}\n    {outcome.text}")
            for fact in outcome.missed:
                print(f"missed: {fact}\n    {outcome.text}")
        print_table(Console(), table(by_kind))


if __name__ == "__main__":
    typer.run(main)
