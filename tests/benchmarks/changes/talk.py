"""Which earlier turns of real talk are shown with a later one, as if it had changed them; no model.

    python -m tests.benchmarks.changes.talk CHATS... [--most 16] [--show]

CHATS are LoCoMo's, LongMemEval's or BEAM's files. Each chat becomes a memory, and every earlier
turn that would get a later one as its newer word counts as a mark, whatever a block would show.
Nearly all real talk changes nothing: read with `--show` which marks are true.
"""

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import Conversation, load_conversations
from memory import open_store
from memory.facts.additions import add_turns
from memory.facts.latest_word import latest_of_turns
from memory.facts.restated import restated


def marks_of(conversation: Conversation) -> Iterator[str]:
    """The marks of a chat: the earlier turn, and what is shown with it."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "m.db") as store:
        turns = store.turns_by_id(add_turns(store, conversation.turns))
        later = {key: word.text for key, word in latest_of_turns(store, turns).items()}
        for key, again in restated(turns, "").items():
            if again.is_news:
                later.setdefault(key, again.mark)
        for turn in turns:
            if turn.id in later:
                yield f"{conversation.id} {turn.id}: {turn.text[:300]!r}\n    {later[turn.id]}"


def main(
    files: Annotated[list[Path], typer.Argument(help="chats of LoCoMo, LongMemEval or BEAM")],
    most: Annotated[int, typer.Option(help="chats of each file")] = 16,
    show: Annotated[bool, typer.Option(help="print the marks")] = False,
) -> None:
    """Print the number of marks by file."""
    table = Table("talk", "chats", "turns", "marks")
    for file in files:
        conversations = [*islice(load_conversations(file), most)]
        marks = [mark for conversation in conversations for mark in marks_of(conversation)]
        if show:
            print("\n".join(marks))
        turns = sum(len(conversation.turns) for conversation in conversations)
        table.add_row(file.name, *map(str, (len(conversations), turns, len(marks))))
    print_table(Console(), table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
