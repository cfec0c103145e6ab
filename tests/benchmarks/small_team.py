"""A small model as the team of a memory: it stores, retrieves and answers, beside less of that.

python -m tests.benchmarks.small_team FILE [--data DATA] [--questions N] [--arms A,B] [--out FOLDER]

FILE is the GGUF file of a model of up to 3 billion parameters. The same model answers each
question from (a) the newest turns, (b) the six best turns of SQLite's FTS5 in a prompt of four
lines, (c) the ranking in a memory without facts, (d) the same with facts of templates, which decide
where a question has their form, and (e) with what the model itself stored, a turn a call, and
SELECTs that it chose.
An answer is right that has all words of the right one; of what was never told an abstention is.
Answers and stored turns are kept in FOLDER: a second run goes on where the first one ended.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Annotated

import dspy
import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import ABSTENTION, Conversation, Question, load_conversations
from locomo.metrics import abstained, gold, score, stems
from memory import Answer, Memory, Store, load_model, open_store
from memory.errors import UnusableAnswer
from memory.evidence.layout import lay_out
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.models import Model
from memory.text.words import words

FIRST_RUN = Path(__file__).parents[2] / "data" / "first_run.json"
ARMS = ("newest", "fts5", "ranking", "templates", "team")
FTS_TURNS = 6
FOUR_LINES = """Answer the question from what was said.
Use a few of its words.
If it does not say, write: No information available
Answer:"""
# Of a 1.5 billion model on one free core (the log).
TURN_SECONDS, ANSWER_SECONDS, SELECT_SECONDS = 3.0, 10.0, 5.0

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Line:
    """One question answered one way; `cited` and `evidence` are sources of turns."""

    arm: str
    conversation: str
    index: int
    question: str
    gold: str
    answer: str
    outcome: str
    f1: float
    seconds: float
    cpu_seconds: float
    tokens: int
    calls: int
    selects: int
    cited: tuple[str, ...]
    evidence: tuple[str, ...]


def _outcome(answer: str, question: Question) -> str:
    if question.category == ABSTENTION:
        return "right" if abstained(answer) else "wrong"
    if abstained(answer) or not answer:
        return "abstained"
    return "right" if {*stems(gold(question))} <= {*stems(answer)} else "wrong"


def _said(text: str, turns: tuple[int, ...] = (), tokens: int = 0, calls: int = 1) -> Answer:
    return Answer(text, turns, sql=(), rows=(), tokens=tokens, shown=(), calls=calls)


def _four_lines(store: Store, question: Question, model: Model) -> tuple[str, int]:
    """An answer from FTS5's best turns, and the tokens of the call's prompt."""
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE turns USING fts5(line, tokenize='porter')")
    for turn in store.turns():
        row = (turn.id, f"{turn.speaker} ({turn.said_at[:10]}): {turn.text}")
        index.execute("INSERT INTO turns (rowid, line) VALUES (?, ?)", row)
    query = " OR ".join(f'"{word}"' for word in words(question.text))
    best = index.execute(
        "SELECT line FROM turns WHERE turns MATCH ? ORDER BY bm25(turns) LIMIT ?",
        (query, FTS_TURNS),
    )
    lines = "\n".join(line for (line,) in best)
    head, last = FOUR_LINES.rsplit("\n", 1)
    with model.active():
        [text] = model.lm(
            messages=[{"role": "user", "content": f"{head}\n{lines}\n{question.text}\n{last}"}]
        )
    spoken = text if isinstance(text, str) else text["text"]
    return spoken.strip().split("\n")[0], dspy.clients.base_lm.GLOBAL_HISTORY[-1]["usage"][
        "prompt_tokens"
    ]


def _newest(store: Store, question: Question, model: Model, memory: Memory) -> Answer:
    block = lay_out([], reversed(store.turns()), model.limits.budget)
    asked = UserQuestion(question.text, today=question.question_date)
    with model.active():
        prediction = memory.program.answer(asked, block, reader=MemoryReader(store))
    return _said(prediction.answer, tuple(prediction.turns), block.tokens)


def _answer(arm: str, memory: Memory, question: Question, model: Model) -> Answer:
    store = memory.store
    if arm == "fts5":
        text, tokens = _four_lines(store, question, model)
        return _said(text, tokens=tokens)
    if arm == "newest":
        return _newest(store, question, model, memory)
    if arm == "ranking":
        memory = Memory(store, model, program=memory.program.with_sql("never"))
    return memory.ask(question.text, now=question.question_date or None)


def _asked(
    arm: str, memory: Memory, question: Question, conversation: Conversation, model: Model
) -> Line:
    began, cpu = time.monotonic(), time.process_time()
    try:
        answer = _answer(arm, memory, question, model)
    except UnusableAnswer as error:
        answer = _said("", calls=1)
        console.print(f"{arm}: {error}")
    cited = tuple(memory.store.turn(turn).source for turn in answer.turns)
    return Line(
        arm,
        conversation.id,
        question.index,
        question.text,
        gold(question),
        answer.text,
        _outcome(answer.text, question),
        score(answer.text, question),
        round(time.monotonic() - began, 1),
        round(time.process_time() - cpu, 1),
        answer.tokens,
        answer.calls,
        len(answer.sql),
        cited,
        tuple(question.evidence),
    )


def _memory(arm: str, folder: Path, conversation: Conversation, model: Model) -> Memory:
    """The memory of an arm: turns alone, turns with templates, or what the model stored."""
    kind = {"templates": "templates", "team": "team"}.get(arm, "turns")
    path = folder / f"{conversation.id}-{kind}.db"
    is_new = not path.exists()
    if kind == "turns":
        with open_store(path) as store:
            if is_new:
                store.add(conversation.turns)
        return Memory(path, model)
    memory = Memory(path, model)
    if is_new:
        memory.add(conversation.turns)
    if kind == "team":
        done = memory.digest(progress=lambda so_far: console.print(so_far.stored, end=" "))
        if done.calls:
            console.print(f"\nstored: {done}")
    return memory


def _known(path: Path) -> Iterator[Line]:
    for text in path.read_text("utf-8").splitlines() if path.exists() else ():
        record = json.loads(text)
        record["cited"], record["evidence"] = tuple(record["cited"]), tuple(record["evidence"])
        yield Line(**record)


def _report(lines: Sequence[Line]) -> None:
    columns = "arm n right wrong abstained F1 exact tokens calls SELECTs seconds CPU"
    table = Table(*columns.split())
    for arm in ARMS:
        of_arm = [line for line in lines if line.arm == arm]
        if not of_arm:
            continue
        outcomes = Counter(line.outcome for line in of_arm)
        right = [line for line in of_arm if line.outcome == "right" and line.cited]
        exact = sum({*line.cited} == {*line.evidence} for line in right)
        numbers: list[Callable[[Line], float]] = [
            lambda line: line.tokens,
            lambda line: line.calls,
            lambda line: line.selects,
            lambda line: line.seconds,
            lambda line: line.cpu_seconds,
        ]
        table.add_row(
            arm,
            str(len(of_arm)),
            *(str(outcomes[name]) for name in ("right", "wrong", "abstained")),
            f"{mean(line.f1 for line in of_arm):.2f}",
            f"{exact}/{len(right)}",
            *(f"{mean(map(number, of_arm)):.1f}" for number in numbers),
        )
    console.print(table)


def main(
    file: Annotated[Path, typer.Argument(help="a GGUF file")],
    data: Annotated[Path, typer.Option(help="conversations with questions")] = FIRST_RUN,
    questions: Annotated[int, typer.Option(help="of each conversation at most", min=1)] = 20,
    arms: Annotated[str, typer.Option(help="with commas")] = ",".join(ARMS),
    out: Annotated[Path, typer.Option(help="a folder")] = Path("small-team"),
) -> None:
    """Compare what a small model answers with less and more of a memory."""
    conversations = load_conversations(data)
    path = out / "answers.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    lines = [*_known(path)]
    known = {(line.arm, line.conversation, line.index) for line in lines}
    chosen = arms.split(",")
    waiting = [
        (arm, conversation, question)
        for arm in chosen
        for conversation in conversations
        for question in conversation.questions[:questions]
        if (arm, conversation.id, question.index) not in known
    ]
    turns = sum(len(conversation.turns) for conversation in conversations)
    is_stored = all((out / f"{c.id}-team.db").exists() for c in conversations)
    storing = 0 if is_stored or "team" not in chosen else turns * TURN_SECONDS
    seconds = storing + len(waiting) * ANSWER_SECONDS
    seconds += sum(arm == "team" for arm, _, _ in waiting) * SELECT_SECONDS
    console.print(
        f"{len(waiting)} answers, {len(lines)} known: about {seconds / 60:.0f} minutes on a free"
        f" core, of them {storing / 60:.0f} for storing {turns} turns; Ctrl-C keeps what is done"
    )
    model = load_model(f"gguf:{file}")
    with path.open("a", encoding="utf-8") as log:
        for arm, conversation, question in waiting:
            with _memory(arm, out, conversation, model) as memory:
                line = _asked(arm, memory, question, conversation, model)
            lines.append(line)
            log.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
            log.flush()
            console.print(f"{arm} {line.outcome}: {line.question} {line.answer[:80]!r}")
    _report([line for line in lines if line.arm in chosen])


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
