"""What each path through the product costs: calls, statements, CPU, and which room takes it.

    python -m tests.benchmarks.paths [--data FILE] [--turns N ...] [--with PEER ...] [--rooms]

The memory holds the turns of FILE's conversations, again and again in sessions of their own until
there are enough: the words are those of real chats, since a small vocabulary of random words makes
a full-text index look slow. Beside them SQLite's FTS5 alone answers the same questions by bm25.

Calls are those of Python functions in `memory/`, statements those that SQLite runs; both are
counted once, in a second run. CPU is the median of this process, in milliseconds. Bounds are
ratios of two medians of one run, so that another machine can check them.
"""

import cProfile
import gc
import pstats
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import dspy
import typer
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console
from rich.table import Table

import memory as package
from locomo.commands import print_table, run_command
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.others.peers import PEERS
from locomo.retrieval.baselines import FullText
from memory import InputError, Memory, Turn, open_store
from memory import facts as fact_edits
from memory.models import load_model
from tests.benchmarks.digest_cost import insert_of

ROOT = Path(__file__).parents[2]
PRODUCT = Path(package.__file__).parent
SIZES = (1_000, 10_000)
BATCH = 100  # turns of one call of `add`
WINDOW = 24  # turns of a digest
ROUNDS, WARMING = 40, 10  # calls of each path, and calls before these
LIBRARIES = "libraries"  # the room of what is called by none of ours
# The largest ratio that a path may have to another, from SIZES[0] and from SIZES[1] turns on.
BOUNDS = (
    ("search", "FTS5 search", (3.0, 1.0)),
    ("context", "search", (1.5, 1.5)),
    ("context, a fact has ended", "context, a fact holds", (1.2, 1.2)),
    ("add one turn", "store.add one turn", (1.5, 1.5)),
)

Path_ = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """What one call of a path takes: CPU in ms, its shares by room, calls, statements."""

    cpu_ms: float
    calls: int
    statements: int
    rooms: Counter[str]


# --- what is measured -------------------------------------------------------------------------


def turns_of(conversations: Sequence[Conversation]) -> Iterator[Turn]:
    """The turns without end: each repetition of a conversation has sessions of its own."""
    for copy in count():
        for one in conversations:
            for turn in one.turns:
                yield replace(turn, session=f"{one.id} {copy} {turn.session}", source="", id=0)


class _StandIn:
    """A model's engine that stores the beginning of each turn, and counts its own CPU."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    def complete(self, request: Request) -> Response:
        began = time.process_time()
        turns = (request.messages[-1].text or "").partition("[[ ## turns ## ]]")[2]
        answer = f"[[ ## sql ## ]]\n{insert_of(turns)}\n\n[[ ## completed ## ]]"
        response = Response(
            id=None,
            model="stand-in",
            message=Message.assistant([TextPart(answer)]),
            finish_reason="stop",
            usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )
        self.cpu_s += time.process_time() - began
        return response


def paths(
    folder: Path, turns: int, conversations: Sequence[Conversation]
) -> Iterator[tuple[str, Path_, "_StandIn | None"]]:
    """Each path with its name, and the stand-in whose CPU is not the path's."""
    said = turns_of(conversations)
    questions = cycle(
        question.text
        for one in conversations
        for question in one.questions
        if question.category != ABSTENTION
    )
    engine = _StandIn()
    hosted = load_model("openai/stand-in")
    lm = dspy.LM("local/stand-in", engine=engine, cache=False, num_retries=0)
    model = replace(hosted, lm=lm, limits=replace(hosted.limits, window=WINDOW))

    with open_store(folder / "memory.db") as store, closing(FullText(str(folder / "fts"))) as fts:
        filled = list(islice(said, turns))
        for first in range(0, turns, 1_000):
            store.add(filled[first : first + 1_000])
        fts.add(filled)
        with Memory(store, model="local") as memory:
            yield "FTS5 search", lambda: fts.search(next(questions), 10), None
            yield "search", lambda: memory.search(next(questions)), None
            yield "context", lambda: memory.context(next(questions)), None
            yield "store.add one turn", lambda: store.add([next(said)]), None
            yield "add one turn", lambda: memory.add([next(said)]), None
            yield f"add {BATCH} turns", lambda: memory.add(list(islice(said, BATCH))), None
            yield from _of_facts(memory)
            asked = "SELECT id, subject, value FROM facts WHERE id = 1"
            yield "a fact by its number", lambda: fact_edits.fact_of(store, 1), None
            yield "a model's SELECT of it", lambda: store.read(asked), None
        yield "open and close", lambda: open_store(folder / "memory.db").close(), None
        numbers = count()
        new = lambda: open_store(folder / f"new {next(numbers)}.db").close()  # noqa: E731
        yield "a new memory", new, None
    with Memory(folder / "digested.db", model=model) as memory:
        memory.add(list(islice(turns_of(conversations), WINDOW * 2 * (ROUNDS + WARMING + 15))))
        digest = lambda: memory.digest(max_calls=1)  # noqa: E731
        yield f"digest of {WINDOW} turns", digest, engine


def _of_facts(memory: Memory) -> Iterator[tuple[str, Path_, None]]:
    """A question that rows answer, and a context where a fact that it brings up has ended."""
    [turn_id] = memory.add([Turn("Anna", "I live in Oslo.", "the last session")])
    question = "Where does Anna live?"
    assert memory.ask(question).basis == "rows"
    yield "ask, from rows", lambda: memory.ask(question), None
    yield "context, a fact holds", lambda: memory.context(question), None
    change = fact_edits.add(
        memory.store, subject="Anna", attribute="works_as", value="a nurse", turn_id=turn_id
    )
    fact_edits.end(memory.store, change.facts)
    yield "context, a fact has ended", lambda: memory.context(question), None


# --- measuring --------------------------------------------------------------------------------


def _trace_all(note: Callable[[str], None] | None) -> None:
    """Set what is called with each statement of the open connections; None for nothing."""
    for connection in [one for one in gc.get_objects() if isinstance(one, sqlite3.Connection)]:
        with suppress(sqlite3.ProgrammingError):  # closed
            connection.set_trace_callback(note)


@contextmanager
def counted_statements() -> Iterator[Counter[str]]:
    """Counts what SQLite runs inside the block, on all connections of the process."""
    statements: Counter[str] = Counter()

    def note(statement: str) -> None:
        if not statement.startswith("--"):  # of a trigger or of a full-text index itself
            statements["all"] += 1

    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(note)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    _trace_all(note)
    try:
        yield statements
    finally:
        sqlite3.connect = connect
        _trace_all(None)


def counted_calls(work: Path_) -> int:
    """How many functions in `memory/` a call of this calls."""
    calls = 0

    def note(frame: Any, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(f"{PRODUCT}/")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def shares_by_room(work: Path_, rounds: int) -> Counter[str]:
    """The share of CPU that each room of `memory/` takes, with what C functions take for it."""
    profile = cProfile.Profile(time.process_time)
    for _ in range(rounds):
        profile.runcall(work)
    rooms: Counter[str] = Counter()
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, _, _), (_, _, own, _, callers) in stats.items():
        if file.startswith(f"{PRODUCT}/"):
            rooms[Path(file).relative_to(PRODUCT).parts[0]] += own
        else:
            for (caller, _, _), (_, _, own_of_caller, _) in callers.items():
                is_ours = caller.startswith(f"{PRODUCT}/")
                room = Path(caller).relative_to(PRODUCT).parts[0] if is_ours else LIBRARIES
                rooms[room] += own_of_caller
    whole = rooms.total() or 1.0
    return Counter({room: seconds / whole for room, seconds in rooms.items()})


def cost_of(work: Path_, stand_in: _StandIn | None, rounds: int) -> Cost:
    """What a path takes; the first calls, which load and compile what is used, are not counted."""
    for _ in range(WARMING):
        work()
    times = []
    for _ in range(rounds):
        others = stand_in.cpu_s if stand_in else 0.0
        began = time.process_time()
        work()
        spent = time.process_time() - began
        times.append(spent - (stand_in.cpu_s - others if stand_in else 0.0))
    calls = median(counted_calls(work) for _ in range(5))
    with counted_statements() as statements:
        for _ in range(5):
            work()
    return Cost(1000 * median(times), int(calls), statements["all"] // 5, shares_by_room(work, 5))


# --- the tables -------------------------------------------------------------------------------


def cost_table(costs: dict[str, Cost], rooms: bool) -> Table:
    """A row for each path; with `rooms`, what each room takes of its CPU, in ms."""
    table = Table("path", "CPU ms", "by FTS5", "calls", "statements")
    if rooms:
        table.add_column("CPU ms by room")
    alone = costs["FTS5 search"].cpu_ms
    for name, cost in costs.items():
        largest = [
            f"{room.removesuffix('.py')} {share * cost.cpu_ms:.2f}"
            for room, share in cost.rooms.most_common(6)
        ]
        table.add_row(
            name,
            f"{cost.cpu_ms:.2f}",
            f"{cost.cpu_ms / alone:.2f}",
            f"{cost.calls:,}",
            f"{cost.statements}",
            *([", ".join(largest)] if rooms else []),
        )
    return table


def bound_table(costs: dict[int, dict[str, Cost]]) -> Table:
    """The ratios that have a bound, and whether they keep it."""
    table = Table("turns", "path", "beside", "at most", "kept", "ratio")
    for turns, of_size in costs.items():
        for path, other, bounds in BOUNDS:
            bound = bounds[turns >= SIZES[1]]
            ratio = of_size[path].cpu_ms / of_size[other].cpu_ms
            kept = "yes" if ratio <= bound else "no"
            table.add_row(f"{turns:,}", path, other, f"{bound:g}", kept, f"{ratio:.2f}")
    return table


def peer_costs(name: str, turns: Sequence[Turn], questions: Sequence[str]) -> dict[str, float]:
    """CPU ms of another memory: a turn added (of batches), and a search."""
    with tempfile.TemporaryDirectory() as folder:
        system = PEERS[name].open(Path(folder))
        try:
            began = time.process_time()
            for first in range(0, len(turns), BATCH):
                system.add(turns[first : first + BATCH])
            adding = time.process_time() - began
            times = []
            for question in questions:
                began = time.process_time()
                system.search(question, 10)
                times.append(time.process_time() - began)
        finally:
            system.close()
    return {"add": 1000 * adding / len(turns), "search": 1000 * median(times)}


def main(
    data: Annotated[Path, typer.Option(help="In LoCoMo's format.")] = ROOT / "data" / "chats.json",
    turns: Annotated[list[int] | None, typer.Option(help="Sizes of the memory.")] = None,
    rounds: Annotated[int, typer.Option(min=5, help="Calls of each path.")] = ROUNDS,
    only: Annotated[str, typer.Option(help="Paths with this in their name, and FTS5.")] = "",
    rooms: Annotated[bool, typer.Option(help="Show what each room takes.")] = False,
    peers: Annotated[
        list[str] | None, typer.Option("--with", help=f"Also, if installed: {', '.join(PEERS)}.")
    ] = None,
) -> None:
    """Print what each path takes, at each size, and the ratios that have a bound."""
    if unknown := set(peers or ()) - set(PEERS):
        raise InputError(f"no system is called {min(unknown)!r}; there are {', '.join(PEERS)}")
    conversations = load_conversations(data)
    console, of_sizes = Console(), dict[int, dict[str, Cost]]()
    for size in turns or SIZES:
        costs: dict[str, Cost] = {}
        with tempfile.TemporaryDirectory(prefix="paths-") as folder:
            for name, work, stand_in in paths(Path(folder), size, conversations):
                if only in name or name == "FTS5 search":
                    costs[name] = cost_of(work, stand_in, rounds)
        of_sizes[size] = costs
        console.print(f"{size:,} turns, medians of {rounds} calls")
        print_table(console, cost_table(costs, rooms))
        for name in peers or ():
            asked = [question.text for one in conversations for question in one.questions][:rounds]
            said = list(islice(turns_of(conversations), size))
            of_peer = peer_costs(name, said, asked)
            console.print(f"{name}: " + ", ".join(f"{k} {v:.2f} ms" for k, v in of_peer.items()))
    if not only:
        print_table(console, bound_table(of_sizes))


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
