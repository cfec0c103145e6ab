"""Speed and size of one memory as it grows to a million turns, and of many small ones.

python -m tests.benchmarks.scale [--turns N ...] [--namespaces N ...] [--folder DIR] [--json OUT]
python -m tests.benchmarks.scale --calls N ... [--facts N ...] [--store ADDRESS|local]: each call
python -m tests.benchmarks.scale --store ADDRESS|local [--turns N ...] [--namespaces N ...]
    [--clients N ...]: Postgres beside SQLite; 0 leaves a part out

The turns are made up, with words as frequent as in chats; needles (the conversations of
data/sample.json, of which questions with known answers are asked) are strewn over them. What
a fresh process does is measured in one.
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.metrics import recall
from memory import InputError, Store, Turn, open_store
from memory.errors import StoreError
from memory.search.embed import related
from memory.store.waiting.pending_windows import claim_window
from memory.system.files import write_whole
from memory.text.words import STOP_WORDS, words
from tests.benchmarks.scale_calls import measure_calls
from tests.benchmarks.scale_store import (
    TURNS_OF_NAMESPACE,
    database_of,
    files,
    measure_store,
    namespace_of,
    rows_table,
)

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
BATCH = 1_000
SMALL = 1_000  # turns of each of many namespaces
VOCABULARY = 30_000
ZIPF = 1.05  # the exponent: the 150 commonest words are half of all words, as in chats
OFTEN_SAID = 0.15  # share of words that are what a session is about
SPEAKERS = ("Abena", "Bogdan", "Chiara", "Dmitri", "Eirini", "Farid", "Gudrun", "Hamza", "Keiko")
ONSETS = ("b", "br", "ch", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t")
QUESTIONS, WARMING = 300, 50
ADDS, ADDS_SEARCHED = 300, 50
WINDOWS, WINDOW_FACTS = 100, 16
DEEP = 50


@cache
def vocabulary() -> NDArray[np.object_]:
    """VOCABULARY words, the commonest first: of our texts, words of like meaning, made-up ones.

    Words of like meaning are there because a search looks for them too.
    """
    texts = [turn.text for one in load_conversations(SAMPLE) for turn in one.turns]
    texts += [
        file.read_text("utf-8") for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    ]
    counts = Counter(word for text in texts for word in words(text) if word.isalpha())
    common = [word for word, _ in counts.most_common()]
    kept = dict.fromkeys(common)
    kept |= dict.fromkeys(near for word in common[:500] for near in related(word))
    random = np.random.default_rng(0)
    syllables = [onset + vowel for onset in ONSETS for vowel in "aeiou"]
    while len(kept) < VOCABULARY:
        made = "".join(random.choice(syllables, random.integers(2, 4)))
        kept[made + str(random.choice(["", "n", "l", "ing", "s", "ed", "er"]))] = None
    return np.array([*kept][:VOCABULARY], object)


@cache
def _shares() -> NDArray[np.float64]:
    """Running sum of the words' frequencies, 0 to 1 (Zipf's law as Mandelbrot corrected it)."""
    frequencies = 1 / (np.arange(VOCABULARY) + 2.7) ** ZIPF
    running: NDArray[np.float64] = np.cumsum(frequencies)
    running /= running[-1]
    return running


def chat(seed: int, speakers: Sequence[str] = ()) -> Iterator[Turn]:
    """Turns without end, the same for the same seed: 2 to 6 speakers, sessions of 10 to 60 turns.

    The speakers are those given, if any. A turn has 3 to 40 words, and dates advance from session
    to session by some hours.
    """
    random = np.random.default_rng(seed)
    known, shares = vocabulary(), _shares()
    speakers = speakers or random.choice(SPEAKERS, random.integers(2, 7), replace=False).tolist()
    clock = datetime(2020, 1, 1)
    for session in itertools.count(1):
        clock += timedelta(minutes=int(random.integers(60, 720)))
        lengths = np.clip(random.lognormal(2.3, 0.7, random.integers(10, 61)).astype(int), 3, 40)
        ranks = np.searchsorted(shares, random.random(lengths.sum()))
        topic = np.searchsorted(shares, random.uniform(shares[200], 1, 12))
        ranks = np.where(
            random.random(len(ranks)) < OFTEN_SAID, random.choice(topic, len(ranks)), ranks
        )
        said = known[ranks].tolist()
        ends = np.cumsum(lengths).tolist()
        who = random.integers(len(speakers), size=len(ends)).tolist()
        marks = random.choice(["", ".", ".", "!", "?"], len(ends)).tolist()
        date = clock.isoformat(timespec="minutes")
        for begin, end, speaker, mark in zip([0, *ends], ends, who, marks, strict=False):
            text = " ".join(said[begin:end]).capitalize() + mark
            yield Turn(speakers[speaker], text, f"session_{session}", date)


def ask(turn: Turn, random: np.random.Generator) -> str:
    """A question with 3 to 6 of a turn's words, some with its speaker, its date or "when"."""
    telling = list(dict.fromkeys(word for word in words(turn.text) if word not in STOP_WORDS))
    telling = random.permutation(telling)[: random.integers(3, 7)].tolist()
    who = turn.speaker if random.random() < 0.4 else "they"
    start = str(random.choice(["What did {} say about", "Why does {} like", "When did {} see"]))
    date = f" on {turn.said_at[:10]}" if random.random() < 0.15 else ""
    return f"{start.format(who)} {' '.join(telling)}{date}?"


def needles(conversations: Sequence[Conversation]) -> Iterator[list[Turn]]:
    """The sessions of conversations, with names that say which conversation they are of."""
    for one in conversations:
        for session, turns in itertools.groupby(one.turns, lambda turn: turn.session):
            yield [
                replace(turn, session=f"{one.id} {session}", source=f"{one.id} {turn.source}")
                for turn in turns
            ]


def strewn(chatter: Iterator[Turn], needles: Sequence[list[Turn]], count: int) -> Iterator[Turn]:
    """`count` turns: all of the needles, evenly apart, in the chatter."""
    apart = (count - sum(map(len, needles))) // (len(needles) + 1)
    parts = ((itertools.islice(chatter, apart), needle) for needle in needles)
    whole = itertools.chain(itertools.chain.from_iterable(itertools.chain(*parts)), chatter)
    return itertools.islice(whole, count)


@dataclass(frozen=True)
class Grown:
    """A namespace that was filled: seconds spent in `add`, bytes, questions, ids by source."""

    seconds: float
    size: int
    questions: list[str]
    ids: dict[str, int]


def grow(path: Path, turns: Iterator[Turn], every: int, advance: Callable[[int], object]) -> Grown:
    """Fill a new namespace in batches; about one turn in `every` gives a question."""
    random = np.random.default_rng(every)
    questions: list[str] = []
    ids: dict[str, int] = {}
    start = time.perf_counter()
    with open_store(path) as store:
        seconds = time.perf_counter() - start
        while batch := list(itertools.islice(turns, BATCH)):
            start = time.perf_counter()
            numbers = store.add(batch)
            seconds += time.perf_counter() - start
            chosen = np.flatnonzero(random.random(len(batch)) < 1 / every)
            questions += [ask(batch[n], random) for n in chosen]
            ids |= {turn.source: n for turn, n in zip(batch, numbers, strict=True) if turn.source}
            advance(len(batch))
    return Grown(seconds, sum(file.stat().st_size for file in path.parent.glob(path.name + "*")),
                 questions, ids)  # fmt: skip


# ---------------------------------------------------------------- in a process of its own


def _resident() -> int:
    """Bytes of memory of this process that are in RAM (Linux), 0 where nobody says."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


def _ms(call: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return 1000 * (time.perf_counter() - start)


def _wake(folder: Path) -> None:
    """Load the packages and the embedder, which is the same for every size of memory."""
    with open_store(folder / "empty.db") as store:
        store.add([Turn("Ann", "a garden")])
        store.search("garden")


def measure(
    path: str, questions: list[str], needles: list[str], added: list[str]
) -> dict[str, Any]:
    """Milliseconds of each call on a namespace, bytes in RAM, what was found for the needles."""
    empty = _resident()
    start = time.perf_counter()
    with open_store(path) as store:
        opened = 1000 * (time.perf_counter() - start)
        first, *others = questions
        first_ms = _ms(store.search, first)
        for question in others[ADDS_SEARCHED:][:WARMING]:
            store.search(question)
        search_ms = [_ms(store.search, question) for question in others[WARMING + ADDS_SEARCHED :]]
        resident = _resident() - empty if empty else 0
        ranked = [[str(hit.turn_id) for hit in store.search(q, DEEP)] for q in needles]
        turns = [Turn("Ann", text, "the last session", "2060-01-01T10:00") for text in added]
        add_ms = [_ms(store.add, [turn]) for turn in turns]
        after_ms = []
        for turn, question in zip(turns, others[:ADDS_SEARCHED], strict=False):
            store.add([turn])
            after_ms.append(_ms(store.search, question))
        windows = min(WINDOWS, store.count_turns() // WINDOW_FACTS)
        digest_ms = [_ms(_store_facts, store) for _ in range(windows)]
    return {
        "open_ms": [opened],
        "first_ms": [first_ms],
        "search_ms": search_ms,
        "resident": resident,
        "ranked": ranked,
        "add_ms": add_ms,
        "after_add_ms": after_ms,
        "digest_ms": digest_ms,
    }


def _store_facts(store: Store) -> None:
    """What a digest of a window writes, without the model: WINDOW_FACTS facts of its turns."""
    window = claim_window(store, WINDOW_FACTS)
    assert window is not None
    facts = [
        f"('Person {turn % 50}', 'attribute_{turn % 20}', 'thing {turn}', {turn})"
        for turn in range(window[0], window[1] + 1)
    ]
    columns = "subject, attribute, value, turn_id"
    statement = f"INSERT INTO facts ({columns}) VALUES {', '.join(facts)}"
    store.write(statement, cause="digest", window=window)


def visit(paths: list[str], questions: list[str]) -> dict[str, Any]:
    """Milliseconds to open each of many namespaces, and of its first search."""
    opened, first = [], []
    for path, question in zip(paths, questions, strict=True):
        start = time.perf_counter()
        with open_store(path) as store:
            opened.append(1000 * (time.perf_counter() - start))
            first.append(_ms(store.search, question))
    return {"open_ms": opened, "first_ms": first}


def work() -> None:
    """The job that stands on stdin, as one line of JSON on stdout."""
    job = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        _wake(Path(folder))
    found = measure(**job) if "needles" in job else visit(**job)
    print(json.dumps(found))


def in_fresh_process(**job: Any) -> dict[str, Any]:
    """What a process that was just started measured; it does not outlive this call."""
    line = [sys.executable, "-c", "from tests.benchmarks.scale import work; work()"]
    done = subprocess.run(line, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise StoreError(f"the measuring process ended: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# ---------------------------------------------------------------- the runs and their table


def one_namespace(folder: Path, count: int, advance: Callable[[int], object]) -> dict[str, Any]:
    """The figures of one namespace of `count` turns."""
    conversations = load_conversations(SAMPLE)
    # The needles' people say all the rest as well: their names alone find nothing.
    people = sorted({turn.speaker for one in conversations for turn in one.turns})
    turns = strewn(chat(count, people), [*needles(conversations)], count)
    every = max(count // (2 * (QUESTIONS + WARMING + ADDS_SEARCHED)), 1)
    grown = grow(folder / "memory.db", turns, every, advance)
    asked = [
        (question.text, [str(grown.ids[f"{one.id} {source}"]) for source in question.evidence])
        for one in conversations
        for question in one.questions
        if question.category != ABSTENTION and question.evidence
    ]
    random = np.random.default_rng(0)
    questions = random.permutation(grown.questions)[
        : 1 + ADDS_SEARCHED + WARMING + QUESTIONS
    ].tolist()
    found = in_fresh_process(
        path=str(folder / "memory.db"),
        questions=questions,
        needles=[text for text, _ in asked],
        added=[turn.text for turn in itertools.islice(chat(0), ADDS)],
    )
    ranked = [*zip(found.pop("ranked"), (evidence for _, evidence in asked), strict=True)]
    return {
        "turns": count,
        "turns_per_s": count / grown.seconds,
        **found,
        "disk_per_turn": grown.size / count,
        "resident_per_turn": found["resident"] / count,
        **{f"R@{k}": float(np.mean([recall(r[:k], e) for r, e in ranked])) for k in (10, DEEP)},
    }


def many_namespaces(folder: Path, count: int, advance: Callable[[int], object]) -> dict[str, Any]:
    """The figures of `count` namespaces of SMALL turns each in one folder."""
    paths = [folder / f"{n}.db" for n in range(count)]
    grown = []
    for n, path in enumerate(paths):
        grown.append(grow(path, itertools.islice(chat(n), SMALL), 20, advance))
    found = in_fresh_process(
        paths=[*map(str, paths)], questions=[one.questions[0] for one in grown]
    )
    return {
        "turns": count * SMALL,
        "namespaces": count,
        "turns_per_s": count * SMALL / sum(one.seconds for one in grown),
        **found,
        "disk_per_turn": sum(one.size for one in grown) / (count * SMALL),
    }


# What a line of the table says, and of which figure: the value itself, or a percentile of it.
_LINES: list[tuple[str, str, float | None, str]] = [
    ("ingest, turns/s", "turns_per_s", None, ",.0f"),
    ("open, ms", "open_ms", 50, ".1f"),
    ("first search, ms", "first_ms", 50, ".1f"),
    ("  p95", "first_ms", 95, ".1f"),
    ("search p50, ms", "search_ms", 50, ".2f"),
    ("  p95", "search_ms", 95, ".2f"),
    ("  p99", "search_ms", 99, ".2f"),
    ("add one turn p50, ms", "add_ms", 50, ".2f"),
    ("  p99", "add_ms", 99, ".2f"),
    ("  max", "add_ms", 100, ".2f"),
    ("search after it p50, ms", "after_add_ms", 50, ".2f"),
    ("  p95", "after_add_ms", 95, ".2f"),
    ("digest of a window p50, ms", "digest_ms", 50, ".2f"),
    ("  p95", "digest_ms", 95, ".2f"),
    ("bytes a turn on disk", "disk_per_turn", None, ",.0f"),
    ("bytes a turn in RAM", "resident_per_turn", None, ",.0f"),
    ("needles, R@10", "R@10", None, ".3f"),
    (f"needles, R@{DEEP}", f"R@{DEEP}", None, ".3f"),
]


def table(results: Sequence[dict[str, Any]]) -> Table:
    """A column for each run."""
    drawn = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    drawn.add_column("turns", no_wrap=True)
    for result in results:
        many = f" in {result['namespaces']:,}" if "namespaces" in result else ""
        drawn.add_column(f"{result['turns']:,}{many}", justify="right")
    for title, name, percentile, form in _LINES:
        cells = []
        for result in results:
            value = result.get(name)
            if value is not None and percentile is not None:
                value = (
                    np.percentile(value, percentile) if len(value) > 1 or percentile == 50 else None
                )
            cells.append("-" if value is None else format(value, form))
        drawn.add_row(title, *cells)
    return drawn


Sizes = Annotated[list[int], typer.Option(min=0, help="Size; can be repeated. 0: none.")]
Counts = Annotated[
    list[int], typer.Option(min=0, help=f"Many, of {SMALL:,} turns; in a --store, of 100.")
]
app = typer.Typer(add_completion=False)


@app.command()
def scale(
    turns: Sizes = [*SIZES],  # noqa: B006
    namespaces: Counts = [1_000],  # noqa: B006
    clients: Annotated[
        list[int], typer.Option(min=0, max=64, help="Threads of a --store; can be repeated.")
    ] = [1, 4, 16, 64],  # noqa: B006
    turns_of_each: Annotated[
        int, typer.Option(min=10, help="Turns of each of the namespaces in a --store.")
    ] = TURNS_OF_NAMESPACE,
    folder: Annotated[
        Path | None, typer.Option(help="Where memories are made, and removed.")
    ] = None,
    store: Annotated[
        str, typer.Option(help="postgresql://..., or local: a server of its own; beside SQLite.")
    ] = "",
    calls: Annotated[
        list[int], typer.Option(help="Instead: CPU of each call at so many turns; can be repeated.")
    ] = [],  # noqa: B006 (Typer copies it)
    facts: Annotated[
        list[int], typer.Option(help="With --calls: so many facts; can be repeated.")
    ] = [1_000],  # noqa: B006
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Print speed and size of one memory of each number of turns, and of many small ones."""
    if calls:
        _print_calls(store, calls, facts, json_file)
        return
    sizes = [size for size in turns if size]
    counts = [count for count in namespaces if count]
    if any(size < 500 for size in sizes):
        raise InputError("--turns: at least 500, or 0 for none")
    columns = (SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn())
    if store:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("turns and namespaces", total=2 * sum(sizes) + sum(counts))
            figures = measure_store(
                store,
                chat=chat,
                sizes=sizes,
                namespaces=counts,
                turns_of_each=turns_of_each,
                clients=[number for number in clients if number],
                advance=partial(progress.advance, task),
            )
        for title, rows in figures.items():
            if rows:
                Console().print(rows_table(title, rows))
        if json_file is not None:
            write_whole(json_file, json.dumps(figures).encode())
        return
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name one that exists")
    results = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        with tempfile.TemporaryDirectory() as temporary:
            _wake(Path(temporary))
        runs = [(one_namespace, size, size) for size in sizes]
        runs += [(many_namespaces, count, count * SMALL) for count in counts]
        for run, count, total in runs:
            task = progress.add_task(f"{total:,} turns", total=total)
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                results.append(run(Path(temporary), count, partial(progress.advance, task)))
    Console().print(table(results))
    if json_file is not None:
        write_whole(json_file, json.dumps(results).encode())


def _print_calls(
    store: str, sizes: Sequence[int], facts: Sequence[int], json_file: Path | None
) -> None:
    database = database_of(store) if store else ""
    rows = []
    with Progress(console=Console(stderr=True), transient=True) as progress, files() as new_file:
        task = progress.add_task("turns", total=sum(sizes) * len(facts))
        for size, count in itertools.product(sizes, facts):
            address = namespace_of(database) if database else new_file()
            advance = partial(progress.advance, task)
            rows.append(measure_calls(address, chat(1), size, count, advance))
    by_call = [{"CPU ms": name, **{str(n): row[name] for n, row in enumerate(rows, 1)}}
               for name in rows[0]]  # fmt: skip
    Console().print(rows_table(f"{'Postgres' if store else 'SQLite'}", by_call))
    if json_file is not None:
        write_whole(json_file, json.dumps(rows).encode())


if __name__ == "__main__":
    run_command(app, "nothing was written")
