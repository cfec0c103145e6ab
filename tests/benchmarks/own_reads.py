"""What the product's own reads cost: the CPU of a context, the calls and the walk of a question.

    python -m tests.benchmarks.own_reads [--rounds N]

The memory has 300 turns of a chat, and five where calls are counted: calls of functions in
`memory/` while a question is answered by a scripted model that writes no SELECT. A turn that the
question brings up has a fact that has ended.

A walk is drawn from a run: the functions of `memory/` under which at least 2 % of the run's calls
lie, in the order in which they are first entered. Functions of one room in a row are one stay.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import median
from types import CodeType, FrameType
from typing import Annotated, Any

import sqlglot
import typer
from rich.console import Console
from rich.table import Table

import memory as package
from locomo.commands import run_command
from memory import Memory, Turn
from memory import facts as fact_edits
from tests.conftest import INSERT
from tests.support.scripted import answer, scripted_model, sql

QUESTION = "Which city does Anna live in?"
TURNS = 300
FEW_TURNS = 5  # where calls are counted: those of a prompt's lines are few then
PRODUCT = Path(package.__file__).parent
SHARE_OF_WALK = 0.02  # of a run's calls, below which a function is not drawn
_ALL_CALLS = compile("", "all calls", "exec")
console = Console()


def filled(path: Path, turns: int, has_ended: bool) -> Memory:
    """A memory of this many turns in which Anna lives in Oslo, or lived there if `has_ended`."""
    memory = Memory(path, model="local")
    memory.add(
        [
            Turn("Anna", f"The {n}th tram was late again, we talked of it.", f"day {n // 20}")
            for n in range(turns - 1)
        ]
    )
    [turn_id] = memory.add([Turn("Anna", "The city that I live in is Oslo.", "day 15")])
    change = fact_edits.add(
        memory.store, subject="Anna", attribute="lives_in", value="Oslo", turn_id=turn_id
    )
    if has_ended:
        fact_edits.end(memory.store, change.facts)
    return memory


def cpu_ms(work: Callable[[], Any]) -> float:
    """The CPU of this process for one call, in milliseconds."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1000


def medians(rounds: int, *works: Callable[[], Any]) -> list[float]:
    """The median CPU of each, in milliseconds, called in turn."""
    for work in works:
        work()  # loads what the first call loads
    times = [[cpu_ms(work) for work in works] for _ in range(rounds)]
    return [median(row) for row in zip(*times, strict=True)]


def counted_calls(work: Callable[[], Any]) -> Counter[str]:
    """Calls of functions by their folder in `memory/`; "parses" are those of `sqlglot.parse`."""
    calls: Counter[str] = Counter()
    parsers = {sqlglot.parse.__code__, sqlglot.parse_one.__code__}

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            path = Path(frame.f_code.co_filename)
            calls["parses"] += frame.f_code in parsers
            if path.is_relative_to(PRODUCT):
                calls["memory"] += 1
                calls[path.relative_to(PRODUCT).parts[0]] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def question_calls(memory: Memory) -> Counter[str]:
    """The calls of a question that a scripted model answers, the fewer of the last two of four.

    A cache of texts that is full is emptied, in the middle of a question too, and the next one then
    fills it again. Every few seconds a question also looks for turns that have expired.
    """
    script = [([], answer("Oslo", str(FEW_TURNS)))] * 4
    model = scripted_model(script)
    asked = Memory(memory.store, model=model)
    asked.ask(QUESTION)
    asked.ask(QUESTION)
    counted = [counted_calls(lambda: asked.ask(QUESTION)) for _ in range(2)]
    return min(counted, key=lambda calls: calls["memory"])


def stays(work: Callable[[], Any]) -> int:
    """The stays of a walk: how often it enters a room, the same one again too."""
    first_entered: dict[CodeType, None] = {}
    calls_under: Counter[CodeType] = Counter()

    def note(frame: FrameType | None, event: str, _: Any) -> None:
        if event != "call" or frame is None or not _is_ours(frame.f_code):
            return
        first_entered.setdefault(frame.f_code)
        callers = set()
        while frame is not None:
            if _is_ours(frame.f_code):
                callers.add(frame.f_code)
            frame = frame.f_back
        calls_under.update(callers)
        calls_under[_ALL_CALLS] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    least = SHARE_OF_WALK * calls_under.pop(_ALL_CALLS)
    rooms = [
        Path(code.co_filename).parent
        for code in first_entered
        if calls_under[code] >= least and not code.co_name.startswith("<")
    ]
    return sum(1 for _ in groupby(rooms))


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(str(PRODUCT))


def walks(memory: Memory) -> dict[str, int]:
    """The stays of a context, of a question to a hosted model and of a digest of one window."""
    reply = ([], answer("Oslo", str(FEW_TURNS)))
    asked = Memory(memory.store, model=scripted_model([reply] * 2))
    asked.ask(QUESTION)
    memory.context(QUESTION)
    insert = f"{INSERT}('Anna', 'likes', 'trams', NULL, 1)"
    digesting = Memory(memory.store, model=scripted_model([([], sql(insert))]))
    return {
        "context": stays(lambda: memory.context(QUESTION)),
        "question": stays(lambda: asked.ask(QUESTION)),
        "digest": stays(digesting.digest),
    }


def main(rounds: Annotated[int, typer.Option(help="Calls of each.")] = 200) -> None:
    with tempfile.TemporaryDirectory() as folder:
        without = filled(Path(folder) / "without.db", TURNS, has_ended=False)
        ended = filled(Path(folder) / "ended.db", TURNS, has_ended=True)
        context, context_ended, named, models = medians(
            rounds,
            lambda: without.context(QUESTION),
            lambda: ended.context(QUESTION),
            lambda: fact_edits.fact_of(ended.store, 1),
            lambda: ended.store.read("SELECT id, subject, value FROM facts WHERE id = 1"),
        )
        few = filled(Path(folder) / "few.db", FEW_TURNS, has_ended=True)
        calls = question_calls(few)
        of_walks = walks(few)
        for opened in (without, ended, few):
            opened.close()
    table = Table("", "", title=f"{TURNS} turns, medians of {rounds} calls in turn")
    table.add_row("context, no fact has ended", f"{context:.2f} ms CPU")
    table.add_row("context, a fact has ended", f"{context_ended:.2f} ms CPU")
    table.add_row("the second by the first", f"{context_ended / context:.2f}")
    table.add_row("a fact by its number", f"{named:.2f} ms CPU")
    table.add_row("the same as a model's SELECT", f"{models:.2f} ms CPU")
    table.add_row("calls of a question without a model's SQL", f"{calls['memory']:,}")
    table.add_row("of them in memory/sql", f"{calls['sql']:,}")
    table.add_row("statements that sqlglot parsed for it", f"{calls['parses']}")
    for trip, number in of_walks.items():
        table.add_row(f"stays in rooms, {trip}", f"{number}")
    console.print(table)


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
