"""The commands python -m locomo.dataset download, check and facts."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table
from typer import Argument, Option

from locomo.commands import number_table, print_table, run_command
from locomo.dataset.download import SOURCES, Benchmark, download
from locomo.dataset.format import CATEGORIES, Conversation, is_dated
from locomo.dataset.made_facts import made_facts
from memory import InputError
from memory.system import write_whole

if TYPE_CHECKING:
    from locomo.examples.rows_from_gold import RowCounts

app = typer.Typer(
    help="Files of benchmarks: fetch them, check them.", add_completion=False, no_args_is_help=True
)


@app.command("download")
def download_command(
    benchmark: Annotated[Benchmark, Argument(help="longmemeval is its S")] = "locomo",
    output: Annotated[Path | None, Option(show_default="data/, the benchmark's name")] = None,
    url: Annotated[str | None, Option(help="Another address of the same file.")] = None,
) -> None:
    """Fetch an official file; its size and sha256 are checked before it is kept."""
    source = SOURCES[benchmark]
    file = output or source.output
    size = download(replace(source, url=url or source.url), file)
    print(f"{file}: {size:,} bytes, sha256 {source.sha256}")
    print(source.licence)


@app.command("facts")
def facts_command(
    output: Annotated[Path, Argument(help="the file to write, in LoCoMo's format")],
    facts: Annotated[int, Option(help="how many, half of them overruled", min=10)] = 500,
    questions: Annotated[int, Option(help="about what was overruled", min=1)] = 50,
    hops: Annotated[int, Option(help="facts that an answer takes", min=1, max=2)] = 1,
    seed: int = 0,
) -> None:
    """Make numbered facts that later ones overrule, and ask for what holds."""
    record = made_facts(facts, questions, hops, seed)
    write_whole(output, json.dumps([record], indent=1).encode())
    print(f"{output}: {facts:,} facts, {questions:,} questions")


@app.command("check")
def check_command(paths: list[Path]) -> None:
    """Count the contents of files in LoCoMo's format, and check their gold, if they have any.

    That is SQL, which must run, and rows, whose words their turn must say. A folder means its
    *.json and the *.json of its subfolder `validation`. Exits with 2 on errors.
    """
    # Imported here: `locomo.examples` is built on this package, so it must not be loaded with it.
    from locomo.examples.check import Proof, errors_and_summary, prove, read_gold
    from locomo.examples.rows_from_gold import RowCounts, row_counts

    golds = read_gold(paths)
    with_sql = [gold for gold in golds if gold.store or gold.retrieve]
    bar = track(with_sql, "proving gold", console=Console(stderr=True), disable=not with_sql)
    proofs = {gold.conversation.id: prove(gold) for gold in bar}
    rows = [(gold.conversation.id, _counts(gold.conversation)) for gold in golds]
    if proofs:
        for name, counts in rows:
            proof = proofs.get(name, Proof())
            counts.update(facts=proof.facts, retrieve=proof.retrievals)
    title = ", ".join(map(str, paths))
    table = Table(title=title, caption=_CAPTION, box=SIMPLE, padding=0, pad_edge=False)
    table.add_column("conversation", no_wrap=bool(proofs))
    for column in rows[0][1]:
        table.add_column(column, justify="right")
    for name, counts in rows:
        table.add_row(name, *map(str, counts.values()))
    table.add_section()
    totals = (sum(column) for column in zip(*(c.values() for _, c in rows), strict=True))
    table.add_row("all", *map(str, totals))
    print_table(Console(), table)
    if labelled := [gold.rows for gold in golds if gold.rows]:
        counts_of = {rows.conversation.id: row_counts(rows) for rows in labelled}
        print_table(Console(), _rows_table(counts_of, RowCounts))
    if proofs:
        errors, summary = errors_and_summary(golds, proofs, paths)
        print(*errors, summary, sep="\n")
        if errors:
            raise InputError(f"{title}: errors in gold: {len(errors)}; correct the listed ones")


def _rows_table(counts_of: "Mapping[str, RowCounts]", kind: "type[RowCounts]") -> Table:
    """What the turns of conversations with gold rows say, and what of it can be quoted."""
    columns = [field.name.replace("_", " ") for field in fields(kind)]
    table = number_table("gold rows", ["conversation"], columns)
    for name, counts in counts_of.items():
        table.add_row(name, *map(str, astuple(counts)))
    totals = (sum(column) for column in zip(*map(astuple, counts_of.values()), strict=True))
    table.add_row("all", *map(str, totals))
    return table


_CAPTION = (
    "c1 to c5: questions by category. Left out: empty turns, dropped evidence (names no turn), "
    "dates of undated sessions (not readable)."
)


def _counts(conversation: Conversation) -> dict[str, int]:
    sessions = {turn.session: is_dated(turn) for turn in conversation.turns}
    categories = Counter(question.category for question in conversation.questions)
    return {
        "sessions": len(sessions),
        "undated": sum(not dated for dated in sessions.values()),
        "turns": len(conversation.turns),
        "empty": conversation.empty_turns,
        "questions": len(conversation.questions),
        **{f"c{category}": categories[category] for category in CATEGORIES},
        "dropped": conversation.dropped_evidence,
    }


if __name__ == "__main__":
    run_command(app)
