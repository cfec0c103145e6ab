"""Does SQL beat a ranking? True, stored and no facts, brought up by a ranking, SELECTs or a choice.

python -m tests.benchmarks.sql_gain MODEL [--questions N] [--arms A,B] [--every N] [--out FILE]

MODEL is `gguf:FILE`, `gguf:packaged`, PROVIDER/MODEL, or `none` to print what FILE has. The hundred
questions of data/everyday/sql_questions.json are about nine chats, whose true facts were written
down: lists, counts, sums, first and last, durations, and what was true on a day. Each has a SELECT
over these facts that gives its answer. Nothing answers twenty more. An arm is what is stored and
how it is found:

    nothing/ranking    turns by the ranking, and the model answers
    true/choice        true facts; the model chooses attributes and a shape, and code answers alone
    stored/choice      the same with facts that code quotes of each clause that the gate leaves open
    true/selects       true facts; the model writes SELECTs, and answers from rows and turns
    stored/selects     the same with quoted facts
    true/templates     true facts; a template reads the question, and no model is asked
    stored/templates   the same with quoted facts

"choice, else ranking" is the code's answer where rows decide, else the ranking's. Conversations
and kinds take turns, and each arm gets the same eight questions before the next eight, so any
beginning of a run is a fair table. SELECTs take a long prompt, so they get each `--every`th
question. An answer is right if it holds one text of every list in `must` and none of `must_not`; of
what was never told, an abstention is. Answers are kept in `--out`, and a second run goes on there.
Intervals are of 95 %, over conversations.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import dspy
import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from locomo.commands import number_table, print_table, run_command
from locomo.dataset.format import ABSTENTION, Conversation, Question, parse_conversation
from locomo.examples.copying import copies_of
from locomo.json_lines import JsonLines, read_lines
from locomo.metrics import paired_bootstrap, resampled_interval
from locomo.tracking.runs import run_data, run_where_tracked
from memory import (
    Answer,
    Fact,
    InputError,
    Memory,
    MemoryProgram,
    Store,
    load_model,
    open_store,
)
from memory.errors import UnusableAnswer
from memory.models import Model
from memory.models.sizes import SMALL_BUDGET
from memory.program import shown_turn, turns_before
from memory.program.brief import ChooseRows, TemplateRows
from memory.program.heart import RetrieveRows
from memory.records import ABSTAIN
from memory.sql import quoted
from tests.benchmarks import small_team
from tests.benchmarks.everyday import outcome

DATA = Path(__file__).parents[2] / "data" / "everyday"
QUESTIONS = DATA / "sql_questions.json"
KINDS = ("list", "count", "count_in_month", "sum", "first_last", "how_long", "then", "never_told")
BASELINE = "nothing/ranking"
ARMS = (
    *(BASELINE, "true/choice", "stored/choice", "true/selects", "stored/selects"),
    *("true/templates", "stored/templates"),
)
BLOCK = 8  # questions of one arm in a row: they share the beginning of the prompt in the cache
SEED = 103
_FACTS_A_CHANGE = 50  # a statement has 20,000 characters at most

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Line:
    """One answer; `by_rows` says that code answered from rows."""

    arm: str
    conversation: str
    kind: str
    question: str
    gold: str
    answer: str
    outcome: str
    by_rows: bool
    sql: tuple[str, ...]
    tokens: int
    calls: int
    cpu_seconds: float

    @property
    def key(self) -> tuple[str, str, str]:
        """Which answer it is."""
        return self.arm, self.conversation, self.question


@dataclass(frozen=True)
class Asked:
    """A question of a conversation, and the score's texts."""

    conversation: Conversation
    question: Question
    kind: str
    must: Sequence[Sequence[str]]
    must_not: Sequence[str]
    select: str  # "" if nothing answers it
    rows: Sequence[Sequence[Any]]  # what the SELECT gives, where no text of `must` says so


@app.command()
def main(
    model: Annotated[str, typer.Argument(help="gguf:FILE, gguf:packaged, PROVIDER/MODEL, or none")],
    questions: Annotated[int, typer.Option(help="the first of them", min=1)] = 120,
    arms: Annotated[str, typer.Option(help="with commas")] = ",".join(ARMS),
    every: Annotated[int, typer.Option(help="of the questions for SELECTs", min=1)] = 4,
    num_threads: Annotated[int, typer.Option(help="a served model's questions at once")] = 1,
    out: Annotated[Path, typer.Option(help="where answers are kept")] = Path("sql-gain.jsonl"),
) -> None:
    """Print how often each arm is right, wrong and silent, and its gain over the ranking."""
    console = Console(soft_wrap=True)
    if unknown := [arm for arm in arms.split(",") if arm not in ARMS]:
        raise InputError(f"there is no arm {unknown[0]!r:.60}; there are {', '.join(ARMS)}")
    chosen = asked_questions()[:questions]
    wanted = [
        (arm, asked)
        for first in range(0, len(chosen), BLOCK)
        for arm in arms.split(",")
        for number, asked in enumerate(chosen[first : first + BLOCK], first)
        if "selects" not in arm or number % every == 0
    ]
    data = [run_data(file, "evaluation") for file in (QUESTIONS, *_chats())]
    params = {"model": model, "questions": len(chosen), "arms": arms, "every": every}
    name = f"SQL or ranking, {model}"
    if model == "none":
        lines = _read(out, chosen)
    else:
        with run_where_tracked("sql gain", params, name, data=data, output=out) as tracked:
            _ask(wanted, load_model(model), out, num_threads)
            lines = _read(out, chosen)
            if tracked:
                tracked.log_metrics(small_team.right_shares(lines))
                tracked.log_artifact(str(out))
    print_table(console, result_table(lines))


def _read(out: Path, chosen: Sequence[Asked]) -> list[Line]:
    if not out.exists():
        raise InputError(f"{out} does not exist; give the --out of a run")
    asked_now = {(asked.conversation.id, asked.question.text) for asked in chosen}
    return [line for line in read_lines(out, TypeAdapter(Line)) if line.key[1:] in asked_now]


def asked_questions() -> list[Asked]:
    """The questions of SQL's kinds, so that conversations and kinds take turns."""
    drawn = random.Random(SEED)
    by_conversation = [_of(file, drawn) for file in _chats()]
    return [
        asked
        for place in range(max(map(len, by_conversation)))
        for of_conversation in by_conversation
        for asked in of_conversation[place : place + 1]
    ]


def _chats() -> list[Path]:
    """The file of each chat that has questions."""
    named = {entry["sample_id"] for entry in json.loads(QUESTIONS.read_text("utf-8"))}
    return [file for file in sorted(DATA.glob("*/*.json")) if file.stem in named]


def _of(file: Path, drawn: random.Random) -> list[Asked]:
    """The questions about a chat; what its own questions have is not written down twice."""
    [record] = json.loads(file.read_text("utf-8"))
    of_chat = {question["question"]: question for question in record["qa"]}
    record["qa"] = [
        {**of_chat.get(entry["question"], {}), **entry}
        for entry in json.loads(QUESTIONS.read_text("utf-8"))
        if entry["sample_id"] == record["sample_id"]
    ]
    conversation = parse_conversation(record, str(file))
    by_kind: dict[str, list[Asked]] = {}
    for question, entry in zip(conversation.questions, record["qa"], strict=True):
        asked = Asked(
            conversation,
            question,
            entry["kind"],
            entry.get("must", ()),
            entry.get("must_not", ()),
            entry.get("select", ""),
            entry.get("rows", ()),
        )
        by_kind.setdefault(asked.kind, []).append(asked)
    kinds = sorted(by_kind)
    drawn.shuffle(kinds)  # else the beginning of a run would have one kind
    for of_kind in by_kind.values():
        drawn.shuffle(of_kind)
    return [
        asked
        for place in range(max(map(len, by_kind.values())))
        for kind in kinds
        for asked in by_kind[kind][place : place + 1]
    ]


def true_facts() -> dict[str, list[dict[str, Any]]]:
    """The facts that the chats tell, by conversation."""
    facts: dict[str, list[dict[str, Any]]] = json.loads((DATA / "facts.json").read_text())
    for file in sorted(DATA.glob("*/facts/*.json")):
        told = json.loads(file.read_text())
        facts[told["sample_id"]] = told["facts"]
    return facts


def fill(store: Store, conversation: Conversation, stored: str) -> None:
    """Add the turns, and the facts that an arm has: "nothing", "true" or "stored"."""
    ids = store.add(conversation.turns)
    id_of = {turn.source: id_ for turn, id_ in zip(conversation.turns, ids, strict=True)}
    facts: list[Fact] = []
    if stored == "true":
        facts = [
            Fact(
                fact["subject"],
                fact["attribute"],
                fact["value"],
                turn_id=id_of[fact["turn"]],
                happened_on=fact["happened_on"] or "",
                ended_on=fact["ended_on"] or "",
            )
            for fact in true_facts()[conversation.id]
        ]
    elif stored == "stored":
        gate = MemoryProgram("brief").store.gate
        for turn in store.turns():
            line = shown_turn(turn, turns_before(store, turn))
            if gate is None or (line and gate.decision(line) != "skip"):
                facts += copies_of(turn, store, "by grammar")
    for start in range(0, len(facts), _FACTS_A_CHANGE):
        rows = ", ".join(map(_row, facts[start : start + _FACTS_A_CHANGE]))
        store.write(
            "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id)"
            f" VALUES {rows}",
            cause=stored,
        )


def _row(fact: Fact) -> str:
    texts = (fact.subject, fact.attribute, fact.value)
    days = (quoted(day) if day else "NULL" for day in (fact.happened_on, fact.ended_on))
    return f"({', '.join([*map(quoted, texts), *days, str(fact.turn_id)])})"


class Nothing(dspy.Module):
    """Answers nothing: what no rows decide stays open."""

    def forward(self, evidence: str) -> dspy.Prediction:
        """An abstention, without a call."""
        return dspy.Prediction(answer=ABSTAIN, turns=[], calls=0)


def program_of(arm: str) -> MemoryProgram:
    """The program of an arm: all answer with the same prompt, and differ in what they look up."""
    program = MemoryProgram("brief")  # a large model's form would show these short chats whole
    match arm.partition("/")[2]:
        case "ranking":
            return program.with_sql("never")
        case "selects":
            return program.asking(retrieve=RetrieveRows(), sql="always")
        case "templates":
            return program.asking(retrieve=TemplateRows(), answer=Nothing())
        case _:
            return program.asking(retrieve=ChooseRows(), answer=Nothing())


def _ask(wanted: Sequence[tuple[str, Asked]], model: Model, out: Path, num_threads: int) -> None:
    lines = JsonLines(out, Line, key=lambda line: line.key, resume=True, made_by=model.name)
    waiting = [
        (arm, asked)
        for arm, asked in wanted
        if (arm, asked.conversation.id, asked.question.text) not in lines.records
    ]
    with TemporaryDirectory(prefix="sql-gain-") as home, ThreadPoolExecutor(num_threads) as pool:
        places = {}
        for arm, asked in waiting:
            stored = arm.partition("/")[0]
            place = Path(home) / f"{asked.conversation.id}-{stored}.db"
            if place not in places.values():
                with open_store(place) as store:
                    fill(store, asked.conversation, stored)
            places[arm, asked.conversation.id] = place

        def answer(job: tuple[str, Asked]) -> Line:
            arm, asked = job
            line = _line(arm, asked, model, places[arm, asked.conversation.id])
            # Of several questions at once the process's CPU is no one's.
            return line if num_threads == 1 else replace(line, cpu_seconds=0.0)

        for number, line in enumerate(pool.map(answer, waiting), 1):
            lines.add(line)
            print(f"{number}/{len(waiting)} {line.arm} {line.kind}: {line.outcome}", flush=True)


def _line(arm: str, asked: Asked, model: Model, place: Path) -> Line:
    began = time.process_time()
    question = asked.question
    with Memory(place, model, program=program_of(arm), budget=SMALL_BUDGET) as memory:
        try:
            # A chat whose questions have no date is asked about on its last day.
            now = question.question_date or asked.conversation.turns[-1].said_at
            answer = memory.ask(question.text, asker=question.asker, now=now)
        except UnusableAnswer:
            answer = Answer("", (), sql=(), rows=(), tokens=0, shown=(), calls=1)
    by_rows = answer.basis == "rows"
    return Line(
        arm,
        asked.conversation.id,
        asked.kind,
        question.text,
        str(question.answer),
        answer.text,
        _outcome("" if answer.basis in ("quotes", "none") else answer.text, asked),
        by_rows,
        tuple(answer.sql),
        answer.tokens,
        answer.calls,
        round(time.process_time() - began, 2),
    )


def _outcome(answer: str, asked: Asked) -> str:
    if not answer:
        return "right" if asked.question.category == ABSTENTION else "abstained"
    return outcome(answer, asked.question.category, asked.must, asked.must_not)


# --- the table ------------------------------------------------------------------------------------


def with_ranking(lines: Sequence[Line]) -> Iterator[Line]:
    """The answers of choices, and the ranking's where no rows decide."""
    ranking = {line.key[1:]: line for line in lines if line.arm == BASELINE}
    for line in lines:
        turns = ranking.get(line.key[1:])
        if not line.arm.endswith("/choice") or turns is None:
            continue
        both = replace(line, arm=f"{line.arm}, else ranking")
        if not line.by_rows:
            calls, seconds = line.calls + turns.calls, line.cpu_seconds + turns.cpu_seconds
            both = replace(both, outcome=turns.outcome, calls=calls, cpu_seconds=seconds)
        yield both


def result_table(lines: Sequence[Line]) -> Table:
    """Each arm's answers to what was told and to what was not, and its gain over the ranking."""
    every = [*lines, *with_ranking(lines)]
    order = [name for arm in ARMS for name in (arm, f"{arm}, else ranking")]
    columns = ("questions", "right", "wrong", "none", "right, of all", "minus ranking")
    table = number_table(
        "SQL or a ranking", ("stored", "found by"), (*columns, "never told: none", "calls", "CPU s")
    )
    baseline = {line.key[1:]: line for line in lines if line.arm == BASELINE}
    for arm in order:
        of_arm = [line for line in every if line.arm == arm]
        told = [line for line in of_arm if line.kind != "never_told"]
        if not told:
            continue
        counts = Counter(line.outcome for line in told)
        right = [float(line.outcome == "right") for line in told]
        never_told = [line for line in of_arm if line.kind == "never_told"]
        silent = sum(line.outcome == "right" for line in never_told)
        table.add_row(
            *arm.split("/"),
            str(len(told)),
            *(str(counts[name]) for name in ("right", "wrong", "abstained")),
            f"{fmean(right):.2f}{_interval(_share_interval(told))}",
            "" if arm == BASELINE else _gain(told, baseline),
            f"{silent} of {len(never_told)}",
            f"{fmean(line.calls for line in of_arm):.1f}",
            f"{fmean(line.cpu_seconds for line in of_arm):.1f}",
        )
    return table


def _share_interval(lines: Sequence[Line]) -> tuple[float, float]:
    """The interval of the share of right answers, within 0 and 1."""
    by_conversation: dict[str, list[float]] = {}
    for line in lines:
        by_conversation.setdefault(line.conversation, []).append(float(line.outcome == "right"))

    def share(conversations: Sequence[str]) -> float:
        return fmean(right for name in conversations for right in by_conversation[name])

    return resampled_interval([*by_conversation], share, (0, 1)) or (0.0, 1.0)


def _gain(lines: Sequence[Line], baseline: Mapping[tuple[str, str], Line]) -> str:
    both = [line for line in lines if line.key[1:] in baseline]
    if not both:
        return ""
    right = [float(line.outcome == "right") for line in both]
    before = [float(baseline[line.key[1:]].outcome == "right") for line in both]
    interval = paired_bootstrap(right, before, clusters=_clusters(both))
    return f"{fmean(right) - fmean(before):+.2f}{_interval(interval, '+.2f')}"


def _clusters(lines: Sequence[Line]) -> list[str]:
    return [line.conversation for line in lines]


def _interval(bounds: tuple[float, float], form: str = ".2f") -> str:
    low, high = bounds
    return f" [{low:{form}}, {high:{form}}]"


if __name__ == "__main__":
    run_command(app, "answers are kept in --out")
