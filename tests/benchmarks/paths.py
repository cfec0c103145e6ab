"""What each path through the product costs: calls, statements, CPU, and which room takes it.

    python -m tests.benchmarks.paths [--data FILE] [--turns N ...] [--with PEER ...] [--rooms]
        [--store local]

The memory holds the turns of FILE's conversations, again and again in sessions of their own until
there are enough: the words are those of real chats, since a small vocabulary of random words makes
a full-text index look slow. Beside them SQLite's FTS5 alone answers the same questions by bm25.

Calls are those of Python functions in `memory/`, statements those that SQLite runs; both are
counted once, in a second run. CPU is the median of this process, in milliseconds. Bounds are
ratios of two medians of one run, so that another machine can check them. With `--store` the memory
is in Postgres ("local": a server of its own): round trips are counted in place of statements, and
the time on the clock includes the server's work.
"""

import cProfile
import gc
import os
import pstats
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import dspy
import psutil
import typer
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console
from rich.table import Table

import memory as package
from locomo.commands import print_table, run_command
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.others.peers import PEERS, QUIET
from locomo.retrieval.baselines import FullText
from memory import InputError, Memory, Turn, open_store
from memory import facts as fact_edits
from memory.models import load_model
from tests.benchmarks.digest_cost import insert_of
from tests.benchmarks.scale_store import bytes_of, database_of, namespace_of
from tests.support.round_trips import protocol_messages, round_trips

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
    ("search", "mem0 search", (1.0, 1.0)),
    ("search", "Chroma search", (1.0, 1.0)),
)

Path_ = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """What one call of a path takes: CPU and time on the clock in ms, calls, statements.

    Statements of a memory in Postgres are round trips; `rooms` has the share of CPU of each room.
    """

    cpu_ms: float
    clock_ms: float
    calls: int = 0
    statements: int = 0
    rooms: Counter[str] = field(default_factory=Counter)


@dataclass
class Size:
    """What turns take: bytes on disk, and by how many the process grew with them."""

    turns: int = 0
    disk: int = 0
    process: int = 0


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


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
    folder: Path,
    turns: int,
    conversations: Sequence[Conversation],
    *,
    sizes: dict[str, Size],
    database: str = "",
) -> Iterator[tuple[str, Path_, "_StandIn | None"]]:
    """Each path with its name, and the stand-in whose CPU is not the path's.

    `sizes` gets what the turns take. `database` is one of Postgres; without it, files in `folder`.
    """
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

    def address(name: str) -> str:
        return namespace_of(database) if database else str(folder / name)

    main = address("memory.db")
    # Not counted: what the embedder and the first search of a process load.
    with open_store(address("first.db")) as store:
        store.add(list(islice(turns_of(conversations), 1)))
        store.search("anything")
    before_disk, before = bytes_of(main) if database else 0, _resident()
    with open_store(main) as store, closing(FullText(str(folder / "fts"))) as fts:
        for first in range(0, turns, 1_000):
            part = list(islice(said, min(1_000, turns - first)))
            store.add(part)
            fts.add(part)
        del part
        with Memory(store, model="local") as memory:
            yield "FTS5 search", lambda: fts.search(next(questions), 10), None
            yield "search", lambda: memory.search(next(questions)), None
            sizes["ours"] = Size(turns, bytes_of(main) - before_disk, _resident() - before)
            sizes["FTS5"] = Size(turns, (folder / "fts").stat().st_size)
            yield "context", lambda: memory.context(next(questions)), None
            yield "FTS5 add one turn", lambda: fts.add([next(said)]), None
            yield "store.add one turn", lambda: store.add([next(said)]), None
            yield "add one turn", lambda: memory.add([next(said)]), None
            yield f"add {BATCH} turns", lambda: memory.add(list(islice(said, BATCH))), None
            yield from _of_facts(memory)
            asked = "SELECT id, subject, value FROM facts WHERE id = 1"
            yield "a fact by its number", lambda: fact_edits.fact_of(store, 1), None
            yield "a model's SELECT of it", lambda: store.read(asked), None
        yield "open and close", lambda: open_store(main).close(), None
        numbers = count()
        new = lambda: open_store(address(f"new {next(numbers)}.db")).close()  # noqa: E731
        yield "a new memory", new, None
    with Memory(address("digested.db"), model=model) as memory:
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


def cost_of(work: Path_, stand_in: _StandIn | None, rounds: int, in_postgres: bool = False) -> Cost:
    """What a path takes; the first calls, which load and compile what is used, are not counted."""
    for _ in range(WARMING):
        work()
    times, clock = [], []
    for _ in range(rounds):
        others = stand_in.cpu_s if stand_in else 0.0
        began, clock_began = time.process_time(), time.perf_counter()
        work()
        spent, clock_spent = time.process_time() - began, time.perf_counter() - clock_began
        of_stand_in = stand_in.cpu_s - others if stand_in else 0.0
        times.append(spent - of_stand_in)
        clock.append(clock_spent - of_stand_in)
    return Cost(
        1000 * median(times),
        1000 * median(clock),
        calls=int(median(counted_calls(work) for _ in range(5))),
        statements=_counted(work, in_postgres),
        rooms=shares_by_room(work, 5),
    )


def _counted(work: Path_, in_postgres: bool) -> int:
    """Round trips to Postgres, or statements of SQLite, that a call takes."""
    if in_postgres:
        with protocol_messages() as messages:
            for _ in range(5):
                work()
        return round_trips(messages) // 5
    with counted_statements() as statements:
        for _ in range(5):
            work()
    return statements["all"] // 5


# --- the tables -------------------------------------------------------------------------------


def cost_table(costs: dict[str, Cost], rooms: bool, in_postgres: bool = False) -> Table:
    """A row for each path; with `rooms`, what each room takes of its CPU, in ms."""
    counted = "round trips" if in_postgres else "statements"
    table = Table("path", "CPU ms", "by FTS5", "calls", counted, "clock ms")
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
            f"{cost.clock_ms:.2f}",
            *([", ".join(largest)] if rooms else []),
        )
    return table


def bound_table(costs: dict[int, dict[str, Cost]]) -> Table:
    """The ratios that have a bound, and whether they keep it."""
    table = Table("turns", "path", "beside", "at most", "kept", "ratio")
    for turns, of_size in costs.items():
        for path, other, bounds in BOUNDS:
            if not {path, other} <= of_size.keys():
                continue
            bound = bounds[turns >= SIZES[1]]
            ratio = of_size[path].cpu_ms / of_size[other].cpu_ms
            kept = "yes" if ratio <= bound else "no"
            table.add_row(f"{turns:,}", path, other, f"{bound:g}", kept, f"{ratio:.2f}")
    return table


def peer_costs(
    name: str, turns: Sequence[Turn], questions: Sequence[str], seconds: float
) -> tuple[dict[str, Cost], Size]:
    """What another memory takes: a turn added (of batches), a search, and its turns.

    Adding stops after so many seconds: some take minutes for ten thousand turns.
    """
    peer = PEERS[name]
    os.environ.update(QUIET)
    costs: dict[str, list[tuple[float, float]]] = {"add": [], "search": []}

    def timed(of: str, work: Path_) -> None:
        began, clock = time.process_time(), time.perf_counter()
        work()
        costs[of].append((time.process_time() - began, time.perf_counter() - clock))

    # The rehearsal pays for imports and for loading the embedder.
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        closing(peer.open(Path(folder))) as system,
    ):
        system.add(turns[:2])
        system.search("anything", 2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        before = _resident()
        with closing(peer.open(Path(folder))) as system:
            stored, end = 0, time.perf_counter() + seconds
            while stored < len(turns) and time.perf_counter() < end:
                part = turns[stored : stored + BATCH]
                timed("add", lambda part=part: system.add(part))  # type: ignore[misc]
                stored += len(part)
            for question in questions:
                timed("search", lambda question=question: system.search(question, 10))  # type: ignore[misc]
            process = _resident() - before
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    cpu, clock = (median(pair[n] for pair in costs["search"]) for n in (0, 1))
    add_cpu, add_clock = (1000 * sum(pair[n] for pair in costs["add"]) / stored for n in (0, 1))
    return {
        f"{peer.title} search": Cost(1000 * cpu, 1000 * clock),
        f"{peer.title} add one turn": Cost(add_cpu, add_clock),
    }, Size(stored, disk, process)


def size_table(costs: dict[int, dict[str, Cost]], sizes: dict[int, dict[str, Size]]) -> Table:
    """What each memory takes at each size: CPU of a search, an added turn, a context; disk, RAM."""
    table = Table("memory", "turns", "search ms", "add ms", "context ms", "bytes a turn", "RAM MB")

    def cell(of_size: dict[str, Cost], path: str) -> str:
        return f"{of_size[path].cpu_ms:.2f}" if path in of_size else ""

    for turns, of_size in sizes.items():
        for name, size in of_size.items():
            before = "" if name == "ours" else f"{name} "
            table.add_row(
                name,
                f"{size.turns:,}",
                cell(costs[turns], f"{before}search"),
                cell(costs[turns], f"{before}add one turn"),
                cell(costs[turns], f"{before}context"),
                f"{size.disk / size.turns:,.0f}",
                f"{size.process / 1e6:.0f}" if size.process else "",
            )
    return table


def main(
    data: Annotated[Path, typer.Option(help="In LoCoMo's format.")] = ROOT / "data" / "chats.json",
    turns: Annotated[list[int] | None, typer.Option(help="Sizes of the memory.")] = None,
    rounds: Annotated[int, typer.Option(min=5, help="Calls of each path.")] = ROUNDS,
    only: Annotated[str, typer.Option(help="Paths with this in their name, and FTS5.")] = "",
    rooms: Annotated[bool, typer.Option(help="Show what each room takes.")] = False,
    peers: Annotated[
        list[str] | None, typer.Option("--with", help=f"Also, if installed: {', '.join(PEERS)}.")
    ] = None,
    peer_turns: Annotated[int, typer.Option(help="No size above this is added to them.")] = 10_000,
    peer_seconds: Annotated[float, typer.Option(help="How long each may add.")] = 120,
    store: Annotated[str, typer.Option(help="A database of Postgres; local: its own.")] = "",
) -> None:
    """Print what each path takes, at each size, and the ratios that have a bound."""
    if unknown := set(peers or ()) - set(PEERS):
        raise InputError(f"no system is called {min(unknown)!r}; there are {', '.join(PEERS)}")
    conversations = load_conversations(data)
    console, of_sizes = Console(), dict[int, dict[str, Cost]]()
    taken = dict[int, dict[str, Size]]()
    database = database_of(store) if store else ""
    for size in turns or SIZES:
        costs: dict[str, Cost] = {}
        sizes = taken[size] = {}
        with tempfile.TemporaryDirectory(prefix="paths-") as folder:
            for name, work, stand_in in paths(
                Path(folder), size, conversations, sizes=sizes, database=database
            ):
                if only in name or name == "FTS5 search":
                    in_postgres = bool(database) and "FTS5" not in name
                    costs[name] = cost_of(work, stand_in, rounds, in_postgres)
        of_sizes[size] = costs
        for name in peers or ():
            if not all(map(find_spec, PEERS[name].modules)):
                console.print(f"{PEERS[name].title}: not installed")
            elif size <= peer_turns:
                asked = [question.text for one in conversations for question in one.questions]
                said = list(islice(turns_of(conversations), size))
                of_peer, peer_size = peer_costs(name, said, asked[:rounds], peer_seconds)
                costs.update(of_peer)
                sizes[PEERS[name].title] = peer_size
        console.print(f"{size:,} turns, medians of {rounds} calls")
        print_table(console, cost_table(costs, rooms, bool(database)))
    if not only:
        print_table(console, size_table(of_sizes, taken))
        print_table(console, bound_table(of_sizes))


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
