"""What a digest asks of a model, and its own CPU, for 100,000 tokens of conversation.

    python -m tests.benchmarks.digest_cost FILE [--conversations 10] [--window 48]
        [--prompts brief]

Conversations in any format of `locomo.dataset` are digested by a stand-in for a model. It stores up
to two facts of twelve words of each turn that is not an assistant's, about as many as a strong
model stored of BEAM's chats, and in each twelfth a word that no turn says: such rows are refused,
and asked for again. So prompts have a catalog, known facts and repeats, whose tokens are counted
apart.
"""

import re
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import dspy
import typer
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import load_conversations
from memory import Memory, open_store
from memory.models import load_model
from memory.records import FormChoice
from memory.sql import quoted
from memory.text.speakers import is_assistant
from memory.text.tokens import count_tokens

_FIELD = re.compile(r"^\[\[ ## (\w+) ## \]\]$", re.MULTILINE)
_TURN = re.compile(r"^\[(\d+)\] (?:\([^)]*\) )?([^:\n]+): (.*)$", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_VALUE_WORDS = 12
_LEAST_WORDS = 5  # of a sentence that becomes a fact
_FACTS_OF_TURN = 2
_REFUSED = 12  # each so many rows have a word that no turn says
_OF = 100_000  # tokens of conversation


class _StandIn:
    """A DSPy engine that stores what each turn begins with, and counts what it was sent."""

    def __init__(self) -> None:
        self.tokens: Counter[str] = Counter()
        self.calls = 0
        self.repeats = 0

    def complete(self, request: Request) -> Response:
        prompt = request.messages[-1].text or ""
        fields = _FIELD.split(prompt)[1:]
        inputs = dict(zip(fields[::2], fields[1::2], strict=True))
        is_repeat = bool(inputs["feedback"].split("Respond with")[0].strip())
        sizes = {name: count_tokens(text) for name, text in inputs.items()}
        sizes["rules"] = count_tokens(str(request.system or ""))
        for name, size in sizes.items():
            self.tokens["repeats" if is_repeat else name] += size
        self.calls += 1
        self.repeats += is_repeat
        sql = insert_of(inputs["window"]) if is_repeat else _facts_of(inputs["window"])
        answer = f"[[ ## sql ## ]]\n{sql}\n\n[[ ## completed ## ]]"
        return Response(
            id=None,
            model="stand-in",
            message=Message.assistant([TextPart(answer)]),
            finish_reason="stop",
            usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )


def _facts_of(turns: str) -> str:
    """SQL that stores the first sentences of each turn that is not an assistant's."""
    rows = list[str]()
    for turn_id, speaker, text in _TURN.findall(turns):
        sentences = [part.split() for part in _SENTENCE.split(text)]
        telling = [part for part in sentences if len(part) >= _LEAST_WORDS]
        for words in [] if is_assistant(speaker) else telling[:_FACTS_OF_TURN]:
            attribute = re.sub(r"\W+", "_", " ".join(words[1:3])).strip("_").lower() or "says"
            strange = ["xylophones"] if len(rows) % _REFUSED == _REFUSED - 1 else []
            value = " ".join([*words[:_VALUE_WORDS], *strange])
            rows.append(f"({quoted(speaker)}, {quoted(attribute)}, {quoted(value)}, {turn_id})")
    if not rows:
        return "-- none"
    return f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {', '.join(rows)};"


def insert_of(turns: str) -> str:
    """SQL that stores the beginning of each turn that is not an assistant's as a fact."""
    rows = []
    for turn_id, speaker, text in _TURN.findall(turns):
        if not is_assistant(speaker):
            words = text.split()
            attribute = re.sub(r"\W", "", words[0]).lower() or "says"
            value = " ".join(words[:_VALUE_WORDS])
            rows.append(f"({quoted(speaker)}, {quoted(attribute)}, {quoted(value)}, {turn_id})")
    if not rows:
        return "-- none"
    return f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {', '.join(rows)};"


def main(
    data: Path,
    conversations: Annotated[int, typer.Option(min=1, help="the first so many")] = 10,
    window: Annotated[int | None, typer.Option(min=1, help="turns of a call at most")] = None,
    prompts: Annotated[FormChoice, typer.Option(help="the form of the prompts")] = "full",
) -> None:
    """Print calls and tokens, by part of the prompt, for 100,000 tokens of conversation."""
    engine = _StandIn()
    hosted = load_model("openai/stand-in", prompts=prompts)
    model = replace(
        hosted,
        lm=dspy.LM("local/stand-in", engine=engine, cache=False, num_retries=0),
        limits=replace(hosted.limits, window=window or hosted.limits.window),
    )
    tokens, facts, cpu_s = 0, 0, 0.0
    chats = load_conversations(data)[:conversations]
    for chat in track(chats, description="digesting", console=Console(stderr=True)):
        tokens += sum(count_tokens(turn.text) for turn in chat.turns)
        with (
            tempfile.TemporaryDirectory(prefix="cost-") as folder,
            open_store(Path(folder) / "memory.db") as store,
        ):
            store.add(chat.turns)
            memory = Memory(store, model=model)
            began = time.process_time()
            memory.digest()
            cpu_s += time.process_time() - began
            facts += int(str(store.read("SELECT COUNT(*) AS facts FROM facts").rows[0][0]))
    table = Table("of 100,000 tokens", "digest", "share", "of a chat")
    total = engine.tokens.total()
    table.add_row("CPU seconds", f"{cpu_s * _OF / tokens:.1f}")
    table.add_row("calls", f"{engine.calls * _OF / tokens:.1f}")
    table.add_row("calls: repeats", f"{engine.repeats * _OF / tokens:.1f}")
    for name, count in engine.tokens.most_common():
        share = f"{count / total:.2f}"
        of_chat = f"{count / len(chats):,.0f}"
        table.add_row(f"tokens: {name}", f"{count * _OF / tokens:,.0f}", share, of_chat)
    table.add_row("tokens", f"{total * _OF / tokens:,.0f}", "1.00", f"{total / len(chats):,.0f}")
    table.add_row("facts stored", f"{facts * _OF / tokens:.0f}", "", f"{facts / len(chats):.0f}")
    Console().print(f"{len(chats)} conversations, {tokens:,} tokens")
    print_table(Console(), table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
