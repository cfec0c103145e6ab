"""Facts that people told a character about themselves, asked back: right, wrong or abstained.

    python -m tests.benchmarks.personal_facts [FILE] [--model NAME]

Each conversation becomes a memory that the model digests; then each question is asked twice, by
`Memory.ask` and as the person's next message in the chat (`Memory.reply`). An answer is right when
it holds the gold answer, abstained when it says that memory does not say, and wrong
otherwise. Questions of category 5 were never answered in the chat: an abstention is right.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Conversation, Question, load_conversations
from locomo.metrics import abstained, normalize
from memory import Memory, Turn, load_model
from memory.program.messages import is_refusal

CHATS = Path(__file__).parents[2] / "data" / "personal_chats.json"
OUTCOMES = ("right", "wrong", "abstained")


def outcome(answer: str, question: Question) -> str:
    """One of OUTCOMES for an answer."""
    if abstained(answer) or is_refusal(answer):
        return "right" if question.category == ABSTENTION else "abstained"
    if question.category == ABSTENTION:
        return "wrong"
    # "Wednesdays" holds "Wednesday": both are normalized, a beginning of a word counts.
    plain = normalize(answer.replace("\u201c", '"'))
    has_gold = f" {normalize(question.answer)}" in f" {plain}"
    return "right" if has_gold else "wrong"


def answers(memory: Memory, conversation: Conversation, question: Question) -> dict[str, str]:
    """What `ask` and the chat say, by the name of the way."""
    person = conversation.turns[0].speaker
    character = next(turn.speaker for turn in conversation.turns if turn.speaker != person)
    reply = memory.reply(Turn(person, question.text), character=character)
    return {"ask": memory.ask(question.text).text, "chat": "".join(reply)}


def measure(
    file: Annotated[Path, typer.Argument(help="conversations in LoCoMo's format")] = CHATS,
    model: Annotated[str, typer.Option(help="local, or a litellm name")] = "local",
    turns_only: Annotated[bool, typer.Option("--turns-only", help="digest nothing")] = False,
) -> None:
    """Print what was wrong, and a table of outcomes."""
    counts: Counter[tuple[str, bool, str]] = Counter()
    console = Console()
    conversations = load_conversations(file)
    loaded = load_model(model)
    total = sum(len(conversation.questions) for conversation in conversations)
    with Progress(console=Console(stderr=True)) as bar, tempfile.TemporaryDirectory() as folder:
        task = bar.add_task("asking", total=total)
        for conversation in conversations:
            with Memory(Path(folder) / f"{conversation.id}.db", model=loaded) as memory:
                memory.add(conversation.turns)
                if not turns_only:
                    memory.digest()
                for question in conversation.questions:
                    for way, answer in answers(memory, conversation, question).items():
                        told = question.category != ABSTENTION
                        result = outcome(answer, question)
                        counts[way, told, result] += 1
                        if result == "wrong":
                            gold = question.answer or "(never told)"
                            line = f"{way}: {question.text} -> {answer} (gold: {gold})"
                            console.print(line, markup=False, highlight=False, soft_wrap=True)
                    bar.advance(task)
    table = Table("way", "questions", *OUTCOMES)
    for way in ("ask", "chat"):
        for told in (True, False):
            row = [counts[way, told, result] for result in OUTCOMES]
            table.add_row(way, "told" if told else "never told", *map(str, row))
    console.print(table)


if __name__ == "__main__":
    typer.run(measure)
