"""What outlines keep of an assistant's long answers: `python -m tests.benchmarks.outlines FILE`.

Conversations in any format of `locomo.dataset` are outlined in windows, as a digest reads them.
Counts the numbers of two digits and more that outlines keep, without code, and their tokens; of the
words of right answers (a question's rubric) that only an assistant's evidence turns have, how many
are in the outlines of these; and how many of the evidence turns are shortened. No model is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import Conversation, load_conversations
from memory import Turn
from memory.evidence.outline import numbers_in, outlined, without_code
from memory.text.speakers import is_assistant
from memory.text.tokens import count_tokens
from memory.text.word_forms import forms_of, is_among, telling_words


@dataclass(frozen=True)
class Outlined:
    """A long answer and its outline."""

    turn: Turn
    outline: str


def main(
    data: Path,
    conversations: Annotated[int, typer.Option(min=1, help="the first so many")] = 10,
    window: Annotated[int, typer.Option(min=1, help="turns of a window")] = 48,
    show: Annotated[int, typer.Option(help="print so many outlines")] = 0,
) -> None:
    """Print what outlines keep, for each conversation and all."""
    console = Console(soft_wrap=True)
    rows = []
    for chat in load_conversations(data)[:conversations]:
        answers = [*_outlined(chat.turns, window)]
        rows.append((chat.id, [*_counts(chat, answers)]))
        for answer in answers[:: max(len(answers) // show, 1)] if show else ():
            console.print(f"{answer.turn.source}: {answer.outline}", markup=False, highlight=False)
    columns = ("answers", "tokens", "numbers", "kept", "words", "kept", "evidence")
    table = Table("chat", *columns)
    sums = [sum(counts) for counts in zip(*(counts for _, counts in rows), strict=True)]
    for name, counts in [*rows, ("all", sums)]:
        table.add_row(name, *map(str, counts))
    print_table(console, table)
    console.print(f"numbers {sums[3] / max(sums[2], 1):.3f}, words {sums[5] / max(sums[4], 1):.3f}")


def _outlined(turns: Sequence[Turn], window: int) -> Iterator[Outlined]:
    numbered = [replace(turn, id=number) for number, turn in enumerate(turns, 1)]
    for start in range(0, len(numbered), window):
        of_window = numbered[start : start + window]
        for turn, outline_turn in zip(of_window, outlined(of_window), strict=True):
            if is_assistant(turn.speaker) and turn.text != outline_turn.text:
                yield Outlined(turn, outline_turn.text)


def _counts(chat: Conversation, answers: Sequence[Outlined]) -> Iterator[int]:
    numbers = [numbers_in(without_code(answer.turn.text)) for answer in answers]
    in_outline = [numbers_in(answer.outline) for answer in answers]
    yield len(answers)
    yield sum(count_tokens(answer.outline) for answer in answers)
    yield sum(map(len, numbers))
    yield sum(len(of & by) for of, by in zip(numbers, in_outline, strict=True))

    by_source = {answer.turn.source: answer for answer in answers}
    words = words_kept = 0
    evidence: set[str] = set()
    for question in chat.questions:
        turns = [turn for turn in chat.turns if turn.source in question.evidence]
        cut = [by_source[turn.source] for turn in turns if turn.source in by_source]
        evidence.update(answer.turn.source for answer in cut)
        others = _forms(turn.text for turn in turns if turn.source not in by_source)
        whole = _forms(answer.turn.text for answer in cut) - others
        in_outlines = _forms(answer.outline for answer in cut)
        for word in dict.fromkeys(telling_words(" ".join(question.rubric))):
            if is_among(word, whole) and not is_among(word, others):
                words += 1
                words_kept += is_among(word, in_outlines)
    yield words
    yield words_kept
    yield len(evidence)


def _forms(texts: Iterator[str]) -> set[str]:
    return forms_of(telling_words(" ".join(texts)))


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
