"""A small model as the team of a memory: it stores, retrieves and answers, beside less of that.

python -m tests.benchmarks.small_team FILE [--locomo FILE] [--data DATA] [--questions N]
    [--arms A,B] [--stored-by MODEL] [--adapter FOLDER] [--minutes N] [--out FOLDER]

FILE is the GGUF file of a model of up to 3 billion parameters. The same model answers each
question from (a) the newest turns, (b) the six best turns of SQLite's FTS5 in a prompt of four
lines, (c) the ranking in a memory without facts, (d) the same with facts of templates, which decide
where a question has their form, and (e) with what the model itself stored, a turn a call, and
SELECTs that it chose. `--stored-by` lets another model store for (e), with an adapter or without.

Without DATA there are 120 questions: the 20 of data/first_run.json, 40 of the chats of friends and
60 of the first eight sessions of four conversations of LoCoMo, where its file is there. They come
in an order drawn by a seed in which the three take turns by their sizes, and each is asked in all
arms before the next one: whatever part of a run is done is a fair table. (a) is asked each fourth.

An answer is right that has all telling words of the right one, with dates and numbers in one form;
of what was never told an abstention is. Answers and stored turns are kept in FOLDER: a second run
goes on where the first one ended.
"""

import json
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Protocol

import dspy
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import ABSTENTION, Conversation, Question, load_conversations
from locomo.metrics import abstained, gold, score
from locomo.tracking.runs import run_data, run_where_tracked
from memory import Answer, Memory, Store, load_model, open_store
from memory.errors import UnusableAnswer
from memory.evidence.layout import lay_out
from memory.evidence.reader import MemoryReader
from memory.models import Model
from memory.program import protocol
from memory.program.opened import OpenedMemory
from memory.program.predict import called
from memory.text.dates import MONTHS, is_iso_date, short_day
from memory.text.words import forms_of, is_among, telling_words, words

DATA = Path(__file__).parents[2] / "data"
FIRST_RUN = DATA / "first_run.json"
LOCOMO_IDS = ("conv-26", "conv-30", "conv-43", "conv-47")
LOCOMO_SESSIONS = 8
# Of each conversation of LoCoMo: questions with an answer, and of what was said of somebody else.
LOCOMO_QUESTIONS, LOCOMO_ADVERSARIAL = 12, 3
FRIENDS_QUESTIONS = 40
SEED = 238
ARMS = ("fts5", "ranking", "templates", "newest", "team")
NEWEST_EVERY = 4  # it answers next to nothing, and takes as long as the others
FTS_TURNS = 6
FOUR_LINES = """Answer the question from what was said.
Use a few of its words.
If it does not say, write: No information available
Answer:"""
# Of a 1.5 billion model on one free core (the log).
TURN_SECONDS, ANSWER_SECONDS, SELECT_SECONDS = 3.0, 8.0, 5.0

console = Console(soft_wrap=True)

# A question and what it is about.
Asked = tuple[Conversation, Question]


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
    is_never_told: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """Which question it answers."""
        return self.conversation, self.index


def outcome_of(answer: str, question: Question) -> str:
    """ "right", "wrong" or "abstained"; of what was never told an abstention is right."""
    if question.category == ABSTENTION:
        return "right" if abstained(answer) else "wrong"
    if abstained(answer) or not answer:
        return "abstained"
    said = forms_of(words(_in_one_form(answer)))
    wanted = _in_one_form(gold(question))
    telling = telling_words(wanted) or words(wanted)
    return "right" if all(is_among(word, said) for word in telling) else "wrong"


_ISO = re.compile(r"\b\d{4}-\d\d(?:-\d\d)?\b")
_MONTH = re.compile(rf"\b({'|'.join(month[:3] for month in MONTHS)})[a-z]*\b", re.IGNORECASE)
_DAY = re.compile(r"\b0?(\d{1,2})(?:st|nd|rd|th)?\b")


def _in_one_form(text: str) -> str:
    """A text with dates as "8 may 2017", however they were written."""
    spoken = _ISO.sub(lambda iso: short_day(iso[0]) if is_iso_date(iso[0]) else iso[0], text)
    return _DAY.sub(r"\1", _MONTH.sub(lambda month: month[0][:3], spoken))


def chosen_questions(
    locomo: Path | None, data: Path | None = None, seed: int = SEED
) -> list[Asked]:
    """The questions with their conversations, in the order in which they are asked.

    Those of `data` where it is given, else of the three sets. Conversations or sets take turns by
    their sizes.
    """
    if data:
        return _in_turns([[(c, q) for q in c.questions] for c in load_conversations(data)])
    drawn = random.Random(seed)
    first = [(c, question) for c in load_conversations(FIRST_RUN) for question in c.questions]
    friends = _in_turns(
        [[(c, q) for q in drawn.sample(c.questions, len(c.questions))]
         for c in load_conversations(DATA / "friends")]
    )[:FRIENDS_QUESTIONS]  # fmt: skip
    of_locomo = _in_turns(
        [_of_locomo(c, drawn) for c in load_conversations(locomo) if c.id in LOCOMO_IDS]
        if locomo
        else []
    )
    drawn.shuffle(first)
    return _in_turns([first, friends, of_locomo])


def _of_locomo(conversation: Conversation, drawn: random.Random) -> list[Asked]:
    """Questions about the first sessions of a conversation, which is cut behind these."""
    turns = tuple(
        turn
        for turn in conversation.turns
        if int(turn.source.partition(":")[0].removeprefix("D")) <= LOCOMO_SESSIONS
    )
    sources = {turn.source for turn in turns}
    about = [q for q in conversation.questions if q.evidence and {*q.evidence} <= sources]
    answered = [question for question in about if question.category != ABSTENTION]
    adversarial = [question for question in about if question.category == ABSTENTION]
    questions = [
        *drawn.sample(answered, LOCOMO_QUESTIONS),
        *drawn.sample(adversarial, LOCOMO_ADVERSARIAL),
    ]
    drawn.shuffle(questions)
    cut = replace(conversation, turns=turns, questions=tuple(questions))
    return [(cut, question) for question in questions]


def _in_turns(lists: Sequence[Sequence[Asked]]) -> list[Asked]:
    """All items, so that of any beginning each list has its share."""
    placed = [
        ((at + 0.5) / len(items), number, item)
        for number, items in enumerate(lists)
        for at, item in enumerate(items)
    ]
    return [item for _, _, item in sorted(placed, key=lambda place: place[:2])]


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
        [text] = model.lm(f"{head}\n{lines}\n{question.text}\n{last}")
    spoken = text if isinstance(text, str) else text["text"]
    return spoken.strip().split("\n")[0], dspy.clients.base_lm.GLOBAL_HISTORY[-1]["usage"][
        "prompt_tokens"
    ]


def _newest(store: Store, question: Question, model: Model, memory: Memory) -> Answer:
    block = lay_out([], reversed(store.turns()), model.limits.budget)
    shown = protocol.Shown(block.text)
    shown.turn_ids = block.turn_ids
    with model.active():
        prediction = called(
            memory.program.ask.answer,
            question=protocol.Question(question.text, today=question.question_date),
            evidence=shown,
            memory=OpenedMemory(MemoryReader(store)),
            asker="",
            today=question.question_date,
            catalog="",
        )
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
        outcome_of(answer.text, question),
        score(answer.text, question),
        round(time.monotonic() - began, 1),
        round(time.process_time() - cpu, 1),
        answer.tokens,
        answer.calls,
        len(answer.sql),
        cited,
        tuple(question.evidence),
        question.category == ABSTENTION,
    )


def _memory(
    arm: str, folder: Path, conversation: Conversation, model: Model, storing: Model
) -> Memory:
    """The memory of an arm: turns alone, turns with templates, or what a model stored."""
    kind = {"templates": "templates", "team": "team"}.get(arm, "turns")
    path = folder / f"{conversation.id}-{kind}.db"
    is_new = not path.exists()
    if kind == "turns":
        with open_store(path) as store:
            if is_new:
                store.add(conversation.turns)
        return Memory(path, model)
    if is_new or kind == "team":
        with Memory(path, storing) as memory:
            if is_new:
                memory.add(conversation.turns)
            if kind == "team":  # all of it, or what an interrupted run has left
                done = memory.digest(progress=lambda so_far: console.print(so_far.stored, end=" "))
                if done.calls:
                    console.print(f"\nstored: {done}")
    return Memory(path, model)


def _known(path: Path) -> Iterator[Line]:
    for text in path.read_text("utf-8").splitlines() if path.exists() else ():
        record = json.loads(text)
        record["cited"], record["evidence"] = tuple(record["cited"]), tuple(record["evidence"])
        yield Line(**record)


def _report(lines: Sequence[Line]) -> None:
    columns = "arm n right wrong abstained never-told F1 exact tokens calls SELECTs seconds CPU"
    table = Table(*columns.split())
    for arm in ARMS:
        of_arm = [line for line in lines if line.arm == arm]
        if not of_arm:
            continue
        outcomes = Counter(line.outcome for line in of_arm)
        right = [line for line in of_arm if line.outcome == "right" and line.cited]
        exact = sum({*line.cited} == {*line.evidence} for line in right)
        never_told = [line for line in of_arm if line.is_never_told]
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
            f"{sum(line.outcome == 'right' for line in never_told)}/{len(never_told)}",
            f"{mean(line.f1 for line in of_arm):.2f}",
            f"{exact}/{len(right)}",
            *(f"{mean(map(number, of_arm)):.1f}" for number in numbers),
        )
    console.print(table)
    for product in ("templates", "team"):
        for other in ("fts5", "ranking", "newest"):
            if text := ratio_line(lines, product, other):
                console.print(text)


class Answered(Protocol):
    """An answer of an arm."""

    @property
    def arm(self) -> str: ...

    @property
    def outcome(self) -> str: ...


def right_shares(lines: Sequence[Answered]) -> dict[str, float]:
    """The share of right answers of each arm."""
    outcomes: dict[str, list[bool]] = {}
    for line in lines:
        outcomes.setdefault(line.arm, []).append(line.outcome == "right")
    return {f"right/{arm}": mean(of_arm) for arm, of_arm in outcomes.items()}


def ratio_line(lines: Sequence[Line], arm: str, other: str) -> str:
    """How many times as many right answers an arm has as another, of the questions of both.

    The 95 % interval is of resamples of whole conversations; "" where there is no such question.
    """
    of_arm = {line.key: line for line in lines if line.arm == arm}
    of_other = {line.key: line for line in lines if line.arm == other}
    both = sorted(of_arm.keys() & of_other.keys())
    if not both:
        return ""
    ids = sorted({conversation for conversation, _ in both})
    counts = np.zeros((len(ids), 2))
    for key in both:
        counts[ids.index(key[0])] += [
            of_arm[key].outcome == "right",
            of_other[key].outcome == "right",
        ]
    drawn = np.random.default_rng(0).integers(len(ids), size=(2_000, len(ids)))
    sums = counts[drawn].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / np.maximum(sums[:, 1], 1), [2.5, 97.5])
    right, right_of_other = counts.sum(axis=0)
    wrong = [sum(of[key].outcome == "wrong" for key in both) for of in (of_arm, of_other)]
    return (
        f"{arm} / {other}: {right:.0f} / {right_of_other:.0f} right of {len(both)} ="
        f" {right / max(right_of_other, 1):.2f} [{low:.2f}, {high:.2f}], wrong {wrong[0]} and"
        f" {wrong[1]}, {len(ids)} conversations"
    )


def main(
    file: Annotated[Path, typer.Argument(help="a GGUF file")],
    locomo: Annotated[Path, typer.Option(help="LoCoMo's file")] = DATA / "locomo10.json",
    data: Annotated[
        Path | None, typer.Option(help="other conversations with questions than the three sets")
    ] = None,
    questions: Annotated[int, typer.Option(help="the first of them", min=1)] = 120,
    arms: Annotated[str, typer.Option(help="with commas")] = ",".join(ARMS),
    stored_by: Annotated[str, typer.Option(help="the model that stores for team; else FILE")] = "",
    adapter: Annotated[Path | None, typer.Option(help="a LoRA of the model that stores")] = None,
    minutes: Annotated[float, typer.Option(help="after which no answer is begun", min=0)] = 0.0,
    out: Annotated[Path, typer.Option(help="a folder")] = Path("small-team"),
) -> None:
    """Compare what a small model answers with less and more of a memory."""
    if not (data or locomo.is_file()):
        console.print(f"{locomo} is no file: LoCoMo's questions are left out")
    chosen = chosen_questions(locomo if locomo.is_file() else None, data)[:questions]
    path = out / "answers.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    lines = [*_known(path)]
    known = {(line.arm, *line.key) for line in lines}
    waiting = [
        (arm, conversation, question)
        for number, (conversation, question) in enumerate(chosen)
        for arm in arms.split(",")
        if (arm, conversation.id, question.index) not in known
        and (arm != "newest" or number % NEWEST_EVERY == 0)
    ]
    to_store = {c.id: len(c.turns) for arm, c, _ in waiting if arm == "team"}
    turns = sum(n for id, n in to_store.items() if not (out / f"{id}-team.db").exists())
    seconds = turns * TURN_SECONDS + len(waiting) * ANSWER_SECONDS
    seconds += sum(arm == "team" for arm, _, _ in waiting) * SELECT_SECONDS
    console.print(
        f"{len(waiting)} answers, {len(lines)} known: about {seconds / 60:.0f} minutes on a free"
        f" core, of them {turns * TURN_SECONDS / 60:.0f} for storing {turns} turns; Ctrl-C keeps"
        " what is done"
    )
    model = load_model(f"gguf:{file}")
    storing = load_model(stored_by, adapter=adapter) if stored_by else model
    ends_at = time.monotonic() + minutes * 60 if minutes else float("inf")
    used = [data] if data else [FIRST_RUN, DATA / "friends", locomo]
    record = run_where_tracked(
        "small team",
        {"model": model.name, "stored_by": storing.name, "arms": arms, "questions": len(chosen)},
        f"small team of {model.name}",
        data=[run_data(file, "evaluation") for file in used if file.exists()],
        output=path,
    )
    with record as tracked, path.open("a", encoding="utf-8") as log:
        for arm, conversation, question in waiting:
            if time.monotonic() > ends_at:
                console.print(f"{minutes:g} minutes are over")
                break
            with _memory(arm, out, conversation, model, storing) as memory:
                line = _asked(arm, memory, question, conversation, model)
            lines.append(line)
            log.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
            log.flush()
            console.print(f"{arm} {line.outcome}: {line.question} {line.answer[:80]!r}")
        if tracked:
            tracked.log_metrics(right_shares(lines))
            tracked.log_artifact(str(path))
    _report([line for line in lines if line.arm in arms.split(",")])


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
