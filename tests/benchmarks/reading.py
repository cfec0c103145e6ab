"""What the templates read in real talk, by attribute, how often that is so, and what it decides.

    python -m tests.benchmarks.reading FILE_OR_FOLDER... [--unmatched] [--show]

For each attribute: its templates of statements, those that matched a clause, the matches, how many
of the judged ones are so, and the facts, latest words and standing orders that came of them. A
match is judged where the conversation has rows for each turn, as those of `data/rows`: it is so if
the turn's rows have the words of its value. Templates without a match are printed on request, and
so are the matches of templates with their turns, for a person to read. Of a folder all files below
it are read, and those without conversations named.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.beam import is_beam
from locomo.dataset.format import parse_conversation, read_records
from memory import InputError, open_store
from memory.facts.additions import add_turns
from memory.facts.latest_word import latest_words
from memory.facts.standing import standing_facts
from memory.text.words import forms_of, is_among, telling_words, words
from memory.vocabulary.files import default_vocabulary
from memory.vocabulary.templates import Found, templates_of

_FIELDS = {"sample_id", "conversation"}  # of a conversation; `data` has other tables, too


@dataclass
class Counts:
    """What was counted, by attribute, and which templates matched."""

    turns: int = 0
    matches: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    so: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    later: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    templates: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def add(self, record: dict[str, Any], where: str) -> None:
        """Count a conversation. Raises InputError, which begins with `where`."""
        conversation = parse_conversation(record, where)
        rows = record.get("rows")
        self.turns += len(conversation.turns)
        for turn in conversation.turns:
            for found in templates_of(default_vocabulary()).read(turn).found:
                of_turn = rows.get(turn.source, {}).get("facts", ()) if rows else None
                self._add(found, of_turn)
                self.shown += _lines(found, f"{where} {turn.source}, {turn.speaker}: {turn.text}")
        with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "chat.db") as store:
            add_turns(store, conversation.turns)
            facts = store.facts()
            self.facts.update(fact.attribute for fact in facts)
            later = latest_words(store, facts)
            self.later.update(fact.attribute for fact in facts if fact.id in later)
            self.orders.update(fact.attribute for fact in standing_facts(store))

    def _add(self, found: Found, rows: Any) -> None:
        for assertion in found.assertions:
            self.matches[assertion.attribute] += 1
            self.templates[assertion.attribute, found.template] += 1
            if rows is not None:
                self.judged[assertion.attribute] += 1
                forms = forms_of(word for row in rows for word in words(str(row)))
                is_so = all(is_among(word, forms) for word in telling_words(assertion.value))
                self.so[assertion.attribute] += is_so


def _lines(found: Found, turn: str) -> Iterator[str]:
    """What a template has read, each with the turn."""
    for one in found.assertions if found.template else ():
        ends = "ends " if one.is_end else ""
        date = f" | {one.happened_on}" if one.happened_on else ""
        yield f"{one.subject} | {ends}{one.attribute} | {one.value}{date}\n    {turn}"


def records_of(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The conversations of a file, or of all files below a folder, each with its file's name."""
    if not source.is_dir() or is_beam(source):
        yield from ((str(source), record) for record in read_records(source))
        return
    for file in sorted(source.rglob("*.json")):
        try:
            records = [record for record in read_records(file) if record.keys() >= _FIELDS]
        except InputError:
            records = []
        if not records:
            print(f"{file} has no conversations", file=sys.stderr)
        yield from ((str(file), record) for record in records)


def main(
    sources: Annotated[list[Path], typer.Argument(help="chats, or folders of them")],
    unmatched: Annotated[bool, typer.Option(help="print the templates without a match")] = False,
    show: Annotated[bool, typer.Option(help="print what templates read, with the turns")] = False,
) -> None:
    """Print what the templates of each attribute read and decide."""
    counts = Counts()
    for source in sources:
        for where, record in records_of(source):
            counts.add(record, where)
    if show:
        print(*counts.shown, sep="\n")
    names = ("attribute", "templates", "matched", "matches", "so", "facts", "later", "orders")
    table = Table(*names, title=f"{counts.turns:,} turns")
    idle = idle_templates = 0
    for attribute in default_vocabulary().attributes:
        name = attribute.name
        templates = [*attribute.says, *attribute.ends]
        matched = [template for template in templates if (name, template) in counts.templates]
        if unmatched:
            print(*(f"{name}: {each}" for each in templates if each not in matched), sep="\n")
        if not matched:
            idle += bool(templates)
            idle_templates += len(templates)
            continue
        judged = counts.judged[name]
        so = f"{counts.so[name]} of {judged}" if judged else "not judged"
        figures = (counts.matches[name], so)
        decided = (counts.facts[name], counts.later[name], counts.orders[name])
        table.add_row(name, *map(str, (len(templates), len(matched), *figures, *decided)))
    print_table(Console(), table)
    print(f"{idle} other attributes with {idle_templates} templates: no match")
    print(
        f"{counts.matches.total():,} matches, {counts.so.total()} so of {counts.judged.total()}"
        f" judged; {counts.facts.total():,} facts, {counts.later.total()} latest words,"
        f" {counts.orders.total()} standing orders"
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
