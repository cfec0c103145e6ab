"""From what was measured, on paper: what so many users take in a month, with each formula."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from tests.benchmarks.day.traffic import DAY_SECONDS

DAYS = 30
Kind = Literal["measured", "assumed", "computed"]


@dataclass(frozen=True)
class Line:
    """A number of the table: where it comes from, and how it was computed."""

    name: str
    value: float
    kind: Kind
    how: str


@dataclass(frozen=True)
class Assumptions:
    """What is not measured but assumed; each can be given anew.

    Attributes:
        users: how many people are computed for.
        turns, questions: of each user in a day.
        peak: requests in the busiest hour, as a multiple of the average.
        busy: the share of a core that may be used at the peak.
        cores: of one server.
        model_seconds: of one call of a model.
        read_price, written_price: dollars for a million tokens.
        price_source: whose price, and from where.
        shard_tb: terabytes that one Postgres holds.
        process_connections: of one process to the database.
        kept_days: how many days' turns are on disk.
        question_threads: of a server's process, which each wait for one question's model.
        worker_memories: `--concurrency` of a worker.
        address_connections: of clients of one address, a proxy's too, to a server's process.
        max_connections: of Postgres, as it comes.
    """

    users: int = 1_000_000
    turns: int = 60
    questions: int = 20
    peak: float = 3.0
    busy: float = 0.6
    cores: int = 16
    model_seconds: float = 2.0
    read_price: float = 0.40
    written_price: float = 1.60
    price_source: str = ""
    shard_tb: float = 4.0
    process_connections: int = 8
    kept_days: int = 365
    question_threads: int = 32
    worker_memories: int = 4
    address_connections: int = 250
    max_connections: int = 100


@dataclass(frozen=True)
class Measured:
    """What one run measured, for one unit of each kind of work.

    Attributes:
        request_cpu_ms: of the servers' processes, for a turn or a question in their mixture.
        database_cpu_ms: of Postgres for a request, its share of digests included; 0 with files.
        window_cpu_ms: of a worker.
        disk_bytes_a_turn: with indexes, facts and the journal.
        window_read, window_written: tokens; of a question those of all its calls.
        look_cpu_ms: of a worker without work, a second and memory.
    """

    request_cpu_ms: float
    database_cpu_ms: float
    window_cpu_ms: float
    windows_a_turn: float
    disk_bytes_a_turn: float
    window_read: float
    window_written: float
    question_calls: float
    question_read: float
    question_written: float
    look_cpu_ms: float


def on_paper(measured: Measured, assumed: Assumptions) -> list[Line]:
    """Each number with where it comes from; servers, database, model calls and dollars."""
    a, m = assumed, measured
    lines: list[Line] = []

    def line(name: str, value: float, kind: Kind, how: str) -> float:
        lines.append(Line(name, value, kind, how))
        return value

    users = line("users", a.users, "assumed", "--paper-users")
    turns = line("turns a day, of each", a.turns, "assumed", "--turns-a-day")
    questions = line("questions a day, of each", a.questions, "assumed", "--questions")
    peak = line("peak hour / average", a.peak, "assumed", "--peak")
    busy = line("share of a core used at the peak", a.busy, "assumed", "--busy")
    request = line("server CPU, ms a request", m.request_cpu_ms, "measured", "CPU / requests")
    window = line("worker CPU, ms a window", m.window_cpu_ms, "measured", "CPU / windows")
    database = line("Postgres CPU, ms a request", m.database_cpu_ms, "measured", "CPU / requests")
    of_turn = line("windows a turn", m.windows_a_turn, "measured", "windows / turns")

    requests = line(
        "requests a second at the peak",
        users * (turns + questions) / DAY_SECONDS * peak,
        "computed",
        "users x (turns + questions) / 86,400 x peak",
    )
    windows = line(
        "windows a second at the peak",
        users * turns * of_turn / DAY_SECONDS * peak,
        "computed",
        "users x turns x windows a turn / 86,400 x peak",
    )
    answers = line(
        "questions a second at the peak",
        users * questions / DAY_SECONDS * peak,
        "computed",
        "users x questions / 86,400 x peak",
    )
    server_cores = line(
        "cores for servers", requests * request / 1000 / busy, "computed", "requests x ms / busy"
    )
    worker_cores = line(
        "cores for workers", windows * window / 1000 / busy, "computed", "windows x ms / busy"
    )
    database_cores = line(
        "cores for Postgres",
        requests * database / 1000 / busy,
        "computed",
        "requests x ms / busy, digests included",
    )
    line(
        f"machines of {a.cores} cores for servers and workers",
        ceil((server_cores + worker_cores) / a.cores),
        "computed",
        "cores / cores of a machine",
    )
    seconds = line("seconds of a model's call", a.model_seconds, "assumed", "--model-seconds")
    at_once = line(
        "questions under way at the peak",
        answers * m.question_calls * seconds,
        "computed",
        "questions a second x calls x seconds (Little's law)",
    )
    line(
        "windows under way at the peak",
        windows * seconds,
        "computed",
        "windows a second x seconds",
    )
    processes = line(
        "processes of servers and workers",
        ceil(server_cores + worker_cores),
        "computed",
        "one for each core",
    )
    line(
        "connections to Postgres",
        processes * a.process_connections,
        "computed",
        f"processes x {a.process_connections}",
    )
    line(
        "threads that wait for a model, of one process",
        at_once / processes,
        "computed",
        "questions under way / processes",
    )
    disk = line("bytes a turn", m.disk_bytes_a_turn, "measured", "disk / turns, facts included")
    terabytes = line(
        f"TB after {a.kept_days} days",
        users * turns * a.kept_days * disk / 1e12,
        "computed",
        "users x turns x days x bytes",
    )
    line(
        "Postgres servers (Citus) by disk",
        ceil(terabytes / a.shard_tb),
        "computed",
        f"TB / {a.shard_tb:g} TB each",
    )
    line(
        "Postgres servers (Citus) by CPU",
        ceil(database_cores / a.cores),
        "computed",
        "cores / cores of a machine",
    )
    line("tokens read for a window", m.window_read, "measured", "by the model's server")
    line("tokens written for a window", m.window_written, "measured", "by the model's server")
    line("model calls of a question", m.question_calls, "measured", "by the model's server")
    line("tokens read for a question", m.question_read, "measured", "by the model's server")
    line("tokens written for a question", m.question_written, "measured", "by the model's server")
    day_windows, day_questions = users * turns * of_turn, users * questions
    line(
        "model calls a day",
        day_windows + day_questions * m.question_calls,
        "computed",
        "windows + questions x calls",
    )
    line("$ for a million tokens read", a.read_price, "assumed", a.price_source)
    line("$ for a million tokens written", a.written_price, "assumed", a.price_source)
    digests = line(
        "$ a month for digests",
        day_windows * dollars(m.window_read, m.window_written, a) * DAYS,
        "computed",
        "windows x tokens x price x 30",
    )
    answered = line(
        "$ a month for questions",
        day_questions * dollars(m.question_read, m.question_written, a) * DAYS,
        "computed",
        "questions x tokens x price x 30",
    )
    line("$ a month of one user", (digests + answered) / users, "computed", "sum / users")
    return lines


def limits(measured: Measured, assumed: Assumptions) -> list[Line]:
    """For how many users each thing is enough, the least first: what breaks first."""
    a, m = assumed, measured
    each = a.peak / DAY_SECONDS  # of a second at the peak
    asks = a.questions * each
    windows = a.turns * m.windows_a_turn * each
    requests = (a.turns + a.questions) * each
    enough: dict[str, tuple[float, float, str]] = {
        "threads for questions of one server process": (
            a.question_threads,
            asks * m.question_calls * a.model_seconds,
            f"{a.question_threads} threads, calls of {a.model_seconds:g} s",
        ),
        "one core of one server process": (
            a.busy,
            requests * m.request_cpu_ms / 1_000,
            f"{a.busy:.0%} of a core",
        ),
        "memories at a time of one worker": (
            a.worker_memories,
            windows * a.model_seconds,
            f"--concurrency {a.worker_memories}, calls of {a.model_seconds:g} s",
        ),
        "one core of one worker": (
            a.busy,
            windows * m.window_cpu_ms / 1_000,
            f"{a.busy:.0%} of a core",
        ),
        "looks of one worker at all memories": (
            a.busy,
            m.look_cpu_ms / 1_000,
            f"{a.busy:.0%} of a core, in proportion to the memories",
        ),
        "connections of one address to one server process": (
            a.address_connections,
            asks * m.question_calls * a.model_seconds,
            f"{a.address_connections} connections, of those who wait for an answer",
        ),
    }
    if m.database_cpu_ms:
        cores = (requests * m.request_cpu_ms + windows * m.window_cpu_ms) / 1_000 / a.busy
        enough["connections to one Postgres as it comes"] = (
            a.max_connections // a.process_connections,
            cores,
            f"{a.max_connections} connections, {a.process_connections} a process, one of each core",
        )
        enough["one Postgres by its cores"] = (
            a.cores * a.busy,
            requests * m.database_cpu_ms / 1_000,
            f"{a.busy:.0%} of {a.cores} cores",
        )
    lines = [
        Line(f"enough for so many users: {name}", most / of_user, "computed", how)
        for name, (most, of_user, how) in enough.items()
        if of_user
    ]
    return sorted(lines, key=lambda line: line.value)


def dollars(read: float, written: float, assumed: Assumptions) -> float:
    """The price of so many tokens."""
    return (read * assumed.read_price + written * assumed.written_price) / 1e6


def by_name(lines: list[Line]) -> Mapping[str, float]:
    """The values by their names."""
    return {line.name: line.value for line in lines}
