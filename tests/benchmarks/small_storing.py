"""What a small model stores of everyday chat: of 60 statements, of small talk, and what is true.

python -m tests.benchmarks.small_storing FILE [--adapter FOLDER] [--locomo FILE] [--turns N]
    [--seed N] [--out FOLDER]

FILE is the GGUF file of a model of up to 3 billion parameters, with `--adapter` as it was tuned. It
is shown the turns of `data/told_in_chat.json`, which names 60 statements and what they tell, and 20
turns of small talk; with LoCoMo's file also that many of its turns, drawn by the seed. A statement
is stored where a fact of its turn, besides those of templates, has one of its values and is about
whom it is. What was stored is kept in FOLDER: a second run goes on where the first one ended. At
the end rows are drawn by the seed with their turns, to be read: whether they are true no program
says.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Annotated, Any

import dspy
import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import Conversation, load_conversations, parse_conversation
from memory import Fact, Memory, load_model
from memory.evidence.messages import is_evidence
from memory.models import Model
from memory.vocabulary.entities import key
from tests.benchmarks.everyday import holds_all

TOLD = Path(__file__).parents[2] / "data" / "told_in_chat.json"
TURN_SECONDS = 3.0  # of a 1.5 billion model on one free core (the log)
SMALL_TALK = "small talk"

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Wanted:
    """What a turn tells: facts, each by whom it may be about and by its possible values."""

    facts: Sequence[dict[str, list[str]]]

    def is_among(self, stored: Sequence[Sequence[str]]) -> bool:
        """Whether one of the facts is stored, as (subject, attribute, value, date)."""
        return any(
            key(subject) in map(key, fact["subjects"])
            and holds_all(f"{attribute.replace('_', ' ')} {value}", [fact["values"]])
            for fact in self.facts
            for subject, attribute, value, _ in stored
        )


@dataclass(frozen=True)
class Line:
    """What was stored of a turn. `kind` is "told", SMALL_TALK or "talk"."""

    kind: str
    conversation: str
    source: str
    said: str
    templates: list[list[str]]
    rows: list[list[str]]
    left_out: dict[str, int]
    is_stored: bool
    by_templates: bool
    calls: int
    seconds: float
    cpu_seconds: float
    tokens_in: int
    tokens_out: int


def _told() -> Iterator[tuple[Conversation, dict[str, Wanted | None]]]:
    """The chats with what their turns tell; None for small talk."""
    for record in json.loads(TOLD.read_text("utf-8")):
        wanted: dict[str, Wanted | None] = dict.fromkeys(record["small_talk"])
        wanted.update((told["dia_id"], Wanted(told["facts"])) for told in record["told"])
        yield parse_conversation(record, record["sample_id"]), wanted


def _talk(
    path: Path, turns: int, seed: int
) -> Iterator[tuple[Conversation, dict[str, Wanted | None]]]:
    """Conversations of LoCoMo, and turns of each that say something."""
    conversations = load_conversations(path)
    for number, conversation in enumerate(conversations):
        said = [t.source for t in conversation.turns if is_evidence(t.text)]
        share = turns // len(conversations) + (number < turns % len(conversations))
        yield conversation, dict.fromkeys(Random(seed).sample(said, share))


def _cells(facts: Sequence[Fact]) -> list[list[str]]:
    return [[fact.subject, fact.attribute, fact.value, fact.happened_on] for fact in facts]


def _stored(
    memory: Memory, model: Model, source: str, conversation: str, wanted: Wanted | None, kind: str
) -> Line:
    """Store one turn."""
    [turn] = [turn for turn in memory.store.turns() if turn.source == source]
    templates = _cells([state.fact for state in memory.store.facts_of_turns([turn.id])])
    began, cpu = time.monotonic(), time.process_time()
    with model.active():
        done = memory.program.store(memory, first=turn.id, last=turn.id)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu
    rows = [cells for cells in _cells(done.facts) if cells not in templates]
    usage: dict[str, Any] = {}
    if done.calls:
        usage = dspy.clients.base_lm.GLOBAL_HISTORY[-1]["usage"]
    return Line(
        kind=kind,
        conversation=conversation,
        source=source,
        said=f"{turn.speaker}: {turn.text}",
        templates=templates,
        rows=rows,
        left_out=dict(done.get("left_out") or {}),
        is_stored=wanted.is_among(rows) if wanted else bool(rows),
        by_templates=wanted.is_among(templates) if wanted else bool(templates),
        calls=done.calls,
        seconds=round(seconds, 2),
        cpu_seconds=round(cpu_seconds, 2),
        tokens_in=usage.get("prompt_tokens", 0),
        tokens_out=usage.get("completion_tokens", 0),
    )


def _report(lines: Sequence[Line], draw: int, seed: int) -> None:
    table = Table(*["turns", "n", "stored", "by_templates", "calls", "rows", "left_out"])
    for kind in ("told", SMALL_TALK, "talk"):
        of_kind = [line for line in lines if line.kind == kind]
        table.add_row(
            kind,
            str(len(of_kind)),
            str(sum(line.is_stored for line in of_kind)),
            str(sum(line.by_templates for line in of_kind)),
            str(sum(line.calls for line in of_kind)),
            str(sum(len(line.rows) for line in of_kind)),
            str(sum(sum(line.left_out.values()) for line in of_kind)),
        )
    console.print(table)
    reasons: Counter[str] = Counter()
    for line in lines:
        reasons.update(line.left_out)
    console.print(f"left out: {dict(reasons.most_common())}")
    if called := [line for line in lines if line.calls]:
        console.print(
            f"a call: {median(line.cpu_seconds for line in called):.1f} CPU seconds in the middle,"
            f" {mean(line.cpu_seconds for line in called):.1f} on average, at most"
            f" {max(line.cpu_seconds for line in called):.1f};"
            f" {mean(line.tokens_in for line in called):.0f} +"
            f" {mean(line.tokens_out for line in called):.0f} tokens"
        )
    for is_talk in (False, True):
        rows = [(line, row) for line in lines if (line.kind == "talk") == is_talk
                for row in line.rows]  # fmt: skip
        for line, row in Random(seed).sample(rows, min(draw // 2, len(rows))):
            console.print(f"{line.said}\n    {' | '.join(row)}", markup=False, highlight=False)


def main(
    file: Annotated[Path, typer.Argument(help="a GGUF file")],
    locomo: Annotated[Path | None, typer.Option(help="LoCoMo's conversations")] = None,
    turns: Annotated[int, typer.Option(help="of LoCoMo", min=1)] = 60,
    draw: Annotated[int, typer.Option(help="rows to be read", min=2)] = 50,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 1,
    out: Annotated[Path, typer.Option(help="a folder")] = Path("small-storing"),
    adapter: Annotated[Path | None, typer.Option(help="a LoRA of the model")] = None,
) -> None:
    """Measure what a small model stores of everyday chat."""
    path = out / "stored.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    lines = [Line(**json.loads(text)) for text in _texts(path)]
    known = {(line.conversation, line.source) for line in lines}
    sets = [("told", *told) for told in _told()]
    if locomo is not None:
        sets += [("talk", *talk) for talk in _talk(locomo, turns, seed)]
    waiting = sum((c.id, source) not in known for _, c, wanted in sets for source in wanted)
    console.print(
        f"{waiting} turns, {len(lines)} known: about {waiting * TURN_SECONDS / 60:.0f} minutes on"
        " a free core; Ctrl-C keeps what is done"
    )
    model = load_model(f"gguf:{file}", adapter=adapter)
    with path.open("a", encoding="utf-8") as log:
        for kind, conversation, wanted in sets:
            memory_path = out / f"{conversation.id}.db"
            is_new = not memory_path.exists()
            with Memory(memory_path, model) as memory:
                if is_new:
                    memory.add(conversation.turns)
                for source, told in wanted.items():
                    if (conversation.id, source) in known:
                        continue
                    of = SMALL_TALK if kind == "told" and told is None else kind
                    line = _stored(memory, model, source, conversation.id, told, of)
                    lines.append(line)
                    log.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
                    log.flush()
                    console.print(".", end="")
    console.print()
    _report(lines, draw, seed)


def _texts(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
