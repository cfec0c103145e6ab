"""What is left after forgetting: 150 cases in ten families, without a judge.

    python -m tests.benchmarks.forgetting [--family NAME] [--wrong]

Each case is a memory of its own: some turns are added, some of them forgotten by one call, and then
what should be gone is looked for in turns, facts, a search, a block, days that are due, pins and
the bytes of the file. What should stay is compared word for word.
"""

import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory import InputError, Memory

CASES = Path(__file__).with_name("cases.toml")
SAID_AT = "2026-11-18T18:00:00"


@dataclass(frozen=True)
class Case:
    """Turns, the call that forgets some of them, and the texts that must be gone or stay."""

    family: str
    turns: tuple[tuple[str, str], ...]
    forget: dict[str, Any]
    gone: tuple[str, ...]
    kept: tuple[str, ...]
    pinned: bool


def cases(family: str = "") -> Iterator[Case]:
    """The cases of the file, of one family or of all."""
    for table in tomllib.loads(CASES.read_text("utf-8"))["family"]:
        if family in ("", table["name"]):
            for words in table["rows"]:

                def filled(text: Any, words: list[str] = words) -> Any:
                    return text.format(*words) if isinstance(text, str) else text

                yield Case(
                    table["name"],
                    tuple((filled(speaker), filled(text)) for speaker, text in table["said"]),
                    {name: filled(value) for name, value in table["forget"].items()},
                    tuple(map(filled, table["gone"])),
                    tuple(map(filled, table["kept"])),
                    table.get("pinned", False),
                )


def left_and_lost(case: Case, folder: Path) -> tuple[list[str], list[str]]:
    """Where texts that should be gone are left, and the texts that should have stayed."""
    path = folder / "case.db"
    with Memory(path) as memory:
        memory.add([*case.turns], said_at=SAID_AT)
        if case.pinned:
            memory.pin(1)
        memory.context(case.turns[0][1], gate=False)
        with suppress(InputError):  # it finds no turn: then all remains
            memory.forget(**case.forget)
        texts = [turn.text for turn in memory]
        shown = {
            "turns": texts,
            "facts": [str(fact) for fact in memory.facts(ended=True)],
            "search": [hit.text for word in case.gone for hit in memory.search(word)],
            "block": [memory.context(word, gate=False).text for word in case.gone],
            "due": [item.line for item in memory.upcoming(now=SAID_AT)],
            "pins": [turn.text for turn in memory.pinned()],
        }
    remains = [
        place
        for place, lines in shown.items()
        if any(word in line for word in case.gone for line in lines)
    ]
    for file in folder.glob("case.db*"):
        if any(word.encode() in file.read_bytes() for word in case.gone):
            remains.append("bytes")
    return remains, [text for text in case.kept if text not in texts]


def main(
    family: Annotated[str, typer.Option(help="Only this family.")] = "",
    wrong: Annotated[bool, typer.Option(help="Print the cases that go wrong.")] = False,
) -> None:
    """Forget in each case, and count what is left and what was lost."""
    number, gone, kept = Counter[str](), Counter[str](), Counter[str]()
    for case in cases(family):
        with tempfile.TemporaryDirectory() as folder:
            remains, lost = left_and_lost(case, Path(folder))
        number[case.family] += 1
        gone[case.family] += not remains
        kept[case.family] += not lost
        if wrong and (remains or lost):
            print(case.family, case.turns[0], case.forget, "left in", remains, "lost", lost)
    table = Table("what is forgotten", "cases", "gone everywhere", "the rest kept")
    for name in number:
        table.add_row(name, *map(str, (number[name], gone[name], kept[name])))
    table.add_row("all", *map(str, (number.total(), gone.total(), kept.total())))
    print_table(Console(), table)


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
