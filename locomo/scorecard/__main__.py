"""A scorecard of this memory, without a language model, a key or a network.

python -m locomo.scorecard [--data FILE] [--only SECTION] [--store ADDRESS]

Each row is done with its own memory through `memory.Memory` and read back; nothing of it is
asserted. Times are this machine's; everything else is the same in each run.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from typer import Option

from locomo.commands import print_table, run_command
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.scorecard.chatter import chatter
from locomo.scorecard.contradictions import CASES, WAYS, contradict, contradictions_table
from locomo.scorecard.costs import (
    readable_table,
    size_on_disk,
    size_table,
    time_to_readable,
    times_table,
)
from locomo.scorecard.evidence import (
    FACTORS,
    blocks_shown,
    filled_contexts,
    noise_table,
    recalled_in_noise,
    tokens_table,
)
from locomo.scorecard.forgetting import forget_everywhere, forgetting_table
from locomo.scorecard.scratch import Scratch, scratch
from memory import InputError, Turn
from memory.system import progress_bar

_SAMPLE = Path(__file__).parents[2] / "data" / "sample.json"
_MORE_TURNS = 3_000  # of chatter, in the larger of the two memories that are weighed and timed
T = TypeVar("T")
app = typer.Typer(add_completion=False)


class Section(StrEnum):
    """A part of the scorecard."""

    FORGETTING = "forgetting"
    CONTRADICTIONS = "contradictions"
    READABLE = "readable"
    BYTES = "bytes"
    TOKENS = "tokens"
    NOISE = "noise"


@app.command()
def scorecard(
    data: Annotated[
        list[Path] | None,
        Option(
            help="A file in LoCoMo's format; may be given again.", show_default="data/sample.json"
        ),
    ] = None,
    only: Annotated[
        list[Section] | None, Option(help="Only this section; may be given again.")
    ] = None,
    store: Annotated[
        str,
        Option(
            metavar="ADDRESS",
            help="A database of Postgres in place of files of SQLite: memories are made there and"
            " deleted.",
        ),
    ] = "",
) -> None:
    """Measure what a memory forgets, contradicts, takes, shows and loses, without a model."""
    sections = [section for section in Section if not only or section in only]
    conversations = [*chain.from_iterable(map(load_conversations, data or [_SAMPLE]))]
    _refuse_unusable(conversations, sections)
    console = Console()
    # On stderr, so that only the tables are piped on.
    with (
        scratch(store) as home,
        progress_bar(Console(stderr=True), transient=True) as progress,
    ):
        for section in sections:
            for table in _MEASURES[section](home, conversations, progress):
                print_table(console, table)


def _refuse_unusable(conversations: Sequence[Conversation], sections: Sequence[Section]) -> None:
    """Raise InputError, before any work, for data that a section cannot be measured with."""
    ids = [conversation.id for conversation in conversations]
    if repeated := [id_ for id_ in ids if ids.count(id_) > 1]:
        raise InputError(f"the conversation {repeated[0]!r} is given twice; give it once")
    if {Section.TOKENS, Section.NOISE} & {*sections} and not any(
        question.evidence and question.category != ABSTENTION
        for conversation in conversations
        for question in conversation.questions
    ):
        raise InputError(
            "no question of these conversations names its evidence; give --only for the sections"
            f" without questions: {', '.join(list(Section)[:4])}"
        )
    if Section.NOISE in sections:
        for conversation in conversations:
            chatter(max(FACTORS) * len(conversation.turns), without=[conversation.id])


# --- sections ---------------------------------------------------------------------------------


def _forgetting(
    home: Scratch, conversations: Sequence[Conversation], progress: Progress
) -> list[Table]:
    [traces] = [forget_everywhere(home) for _ in _steps(progress, Section.FORGETTING, [None])]
    return [forgetting_table(traces)]


def _contradictions(
    home: Scratch, conversations: Sequence[Conversation], progress: Progress
) -> list[Table]:
    pairs = [(way, case) for way in WAYS for case in CASES]
    outcomes = [
        contradict(home, way, case) for way, case in _steps(progress, Section.CONTRADICTIONS, pairs)
    ]
    return [contradictions_table(outcomes)]


def _readable(
    home: Scratch, conversations: Sequence[Conversation], progress: Progress
) -> list[Table]:
    measured = [
        time_to_readable(home, turns)
        for turns in _steps(progress, Section.READABLE, _two_sizes(conversations))
    ]
    return [readable_table(measured), times_table(measured)]


def _bytes(home: Scratch, conversations: Sequence[Conversation], progress: Progress) -> list[Table]:
    sizes = [
        size_on_disk(home, turns)
        for turns in _steps(progress, Section.BYTES, _two_sizes(conversations))
    ]
    return [size_table(sizes)]


def _tokens(
    home: Scratch, conversations: Sequence[Conversation], progress: Progress
) -> list[Table]:
    blocks, filled = [], []
    for conversation in _steps(progress, Section.TOKENS, conversations):
        blocks += blocks_shown(home, conversation)
        filled.append(filled_contexts(conversation))
    return [tokens_table(blocks, filled)]


def _noise(home: Scratch, conversations: Sequence[Conversation], progress: Progress) -> list[Table]:
    recalls = [
        noisy
        for conversation in _steps(progress, Section.NOISE, conversations)
        for noisy in recalled_in_noise(home, conversation)
    ]
    return [noise_table(recalls)]


_MEASURES: dict[Section, Callable[[Scratch, Sequence[Conversation], Progress], list[Table]]] = {
    Section.FORGETTING: _forgetting,
    Section.CONTRADICTIONS: _contradictions,
    Section.READABLE: _readable,
    Section.BYTES: _bytes,
    Section.TOKENS: _tokens,
    Section.NOISE: _noise,
}


def _steps(progress: Progress, section: Section, items: Sequence[T]) -> Iterator[T]:
    """The items, each a step of the section's progress."""
    task = progress.add_task(section, total=len(items))
    for item in items:
        yield item
        progress.advance(task)


def _two_sizes(conversations: Sequence[Conversation]) -> list[list[Turn]]:
    """The turns of all conversations in one memory, and these with chatter of others."""
    turns = [turn for conversation in conversations for turn in conversation.turns]
    ids = [conversation.id for conversation in conversations]
    return [turns, [*turns, *chatter(_MORE_TURNS, without=ids)]]


if __name__ == "__main__":
    run_command(app, "what it made is deleted")
