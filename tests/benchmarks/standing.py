"""Which standing instructions and preferences are shown with BEAM's questions; no model.

    python -m tests.benchmarks.standing FILE [--memories FOLDER] [--print]

The user's turns of each chat are stored, and templates read what they want of answers. Each
question then gets those of its asker that have room. Right is what a turn of the question's own
evidence wants, for a question about an instruction or a preference. Anything else that such a
question shows is `beside`, and with any other question whatever is shown.
"""

import tempfile
from collections import Counter, defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import Conversation, Question, load_conversations
from memory import Store, open_store
from memory.evidence.standing import Standing
from memory.evidence.wishes import applying, wishes_of
from memory.facts.additions import add_turns
from memory.text.speakers import is_assistant

_OWN = ("instruction_following", "preference_following")


def main(
    data: Path,
    memories: Annotated[
        Path | None, typer.Option(help="keeps the memories here, or takes them from here")
    ] = None,
    prints: Annotated[bool, typer.Option("--print", help="what each question shows")] = False,
) -> None:
    """Print by kind of question what was read, shown rightly, and shown beside."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    console = Console(soft_wrap=True)
    folder = nullcontext(memories) if memories else tempfile.TemporaryDirectory()
    with folder as home:
        for chat in track(load_conversations(data), console=Console(stderr=True)):
            with open_store(Path(home) / f"{chat.id}.db") as store:
                _store_turns(store, chat)
                sources = {turn.id: turn.source for turn in store.turns()}
                wishes = {sources[fact.turn_id] for fact in wishes_of(store)}
                for question in chat.questions:
                    standing = applying(store, question.text, question.asker)
                    of_lines = [sources[fact.turn_id] for fact in standing.facts]
                    _count(counts[question.question_type], question, wishes, of_lines)
                    if prints and of_lines:
                        _print(console, chat, question, standing, of_lines)
    table = Table("question", "n", "read", "right", "beside", "lines beside")
    for kind, count in sorted(counts.items()):
        own = [str(count[name]) if kind in _OWN else "-" for name in ("read", "right")]
        table.add_row(kind, str(count["n"]), *own, str(count["beside"]), str(count["lines"]))
    print_table(console, table)


def _store_turns(store: Store, chat: Conversation) -> None:
    if not store.turns(1, 1):
        add_turns(store, [turn for turn in chat.turns if not is_assistant(turn.speaker)])


def _count(count: Counter[str], question: Question, wishes: set[str], of_lines: list[str]) -> None:
    own = {*question.evidence} if question.question_type in _OWN else set[str]()
    beside = [source for source in of_lines if source not in own]
    count["n"] += 1
    count["read"] += bool(own & wishes)
    count["right"] += bool(own & {*of_lines})
    count["beside"] += bool(beside)
    count["lines"] += len(beside)


def _print(
    console: Console,
    chat: Conversation,
    question: Question,
    standing: Standing,
    of_lines: list[str],
) -> None:
    console.print(f"\n{chat.id} {question.index} {question.question_type}: {question.text}")
    for source, line in zip(of_lines, standing.lines, strict=True):
        mark = "*" if question.question_type in _OWN and source in question.evidence else " "
        console.print(f"  {mark} {line}", markup=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
