"""The memory put into checkouts of other benchmarks: an adapter's file, and lines that list it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from memory import InputError
from memory.system import write_whole


@dataclass(frozen=True)
class Listing:
    """Where a benchmark lists its systems: our lines are written behind each of theirs.

    `theirs` is a regular expression of a whole line, `ours` what it becomes (`\\1` is a group).
    """

    path: str
    theirs: str
    ours: str

    def added_to(self, text: str) -> tuple[str, int]:
        """The text with our lines, once, and how many lines of theirs it has."""
        present = {" ".join(line.split()) for line in text.splitlines()}

        def with_ours(line: re.Match[str]) -> str:
            ours = line.expand(self.ours)
            is_there = " ".join(ours.partition("\n")[0].split()) in present
            return line[0] if is_there else f"{line[0]}{ours}\n"

        return re.subn(rf"^{self.theirs}\n", with_ours, text, flags=re.MULTILINE)


@dataclass(frozen=True)
class Adapter:
    """What makes the memory a system of a benchmark.

    Attributes:
        benchmark: its name.
        made_for: the commit of it that `listings` were written for.
        source: the adapter's file, next to this one.
        target: its place in a checkout.
        use: what to do next.
    """

    benchmark: str
    made_for: str
    source: str
    target: str
    listings: tuple[Listing, ...]
    use: str

    def install(self, checkout: Path) -> list[Path]:
        """Add the memory to a checkout; returns the changed files, none if it has it already.

        Raises InputError for another folder, and for a version that lists its systems otherwise;
        nothing is changed then.
        """
        adapter = Path(__file__).with_name(self.source).read_text("utf-8")
        wanted = {checkout / self.target: adapter}  # first: a listed system must exist
        for listing in self.listings:
            path = checkout / listing.path
            if not path.is_file():
                raise InputError(f"{checkout} is no checkout of {self.benchmark}: it has no {path}")
            text, count = listing.added_to(wanted.get(path) or path.read_text("utf-8"))
            if not count:
                version = f"this is made for commit {self.made_for} of {self.benchmark}"
                raise InputError(f"{path} lists its systems otherwise; {version}")
            wanted[path] = text
        changed = []
        for path, text in wanted.items():
            if not path.is_file() or path.read_text("utf-8") != text:
                path.parent.mkdir(exist_ok=True)
                write_whole(path, text.encode())
                changed.append(path)
        return changed

    def command(self) -> typer.Typer:
        """A command line that installs it."""
        app = typer.Typer(add_completion=False)

        @app.command(help=f"Make the memory a system of {self.benchmark}; twice changes nothing.")
        def main(checkout: Annotated[Path, typer.Argument(help="The benchmark's folder.")]) -> None:
            for path in self.install(checkout):
                print(f"changed: {path}")
            print(self.use)

        return app
