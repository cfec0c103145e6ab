"""Builds a memory for each conversation once; the record of one answered question."""

import contextlib
import hashlib
import json
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Event

from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from locomo.choices import EMBEDDER
from locomo.dataset.format import Conversation
from locomo.json_lines import JsonLines
from locomo.metrics import RubricScores
from locomo.parallel import run_over, run_parallel
from memory import InputError, Memory, MemoryProgram, Store, Turn, open_store
from memory.digest import Digest
from memory.errors import ModelError
from memory.evidence import refuse_budget
from memory.models import Cost, Model, Step, spending
from memory.program import BENCHMARK_COST, NO_SQL, program_for, rendered_prompt
from memory.records import SqlUse
from memory.system import clean_line, count, folder_lock, write_whole
from memory.worker import digest_whole

AnswerKey = tuple[str, str, int]  # the system's name, the conversation's id, the question's index
# Tokens reserved for instructions, examples, question and answer, which share a model's context
# with the memory.
PROMPT_TOKENS = 512
_LONGEST_BUILD = 86_400.0  # seconds to wait for another run that builds the same memory
STORING_TRIES = 2  # a window that could not be stored is tried once more


@dataclass(frozen=True)
class BuiltMemory:
    """A conversation's memory and its cost: model calls, tokens, US dollars, seconds.

    `dollars` is None if the price is unknown.
    """

    conversation: str
    path: Path
    turns: int
    facts: int = 0
    failed: int = 0
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = None


@dataclass(frozen=True)
class Result:
    """One question, answered by one system.

    Attributes:
        recall: share of the evidence turns that the model saw; None if the question names none.
        tokens: of memory that the model saw.
        cited: sources of the turns that the answer cites.
        without_fact: evidence turns that the model did not see and that no fact names.
        unusable: why no answer could be read; such an answer is neither right nor an abstention.
        verdicts: each judge's verdict; None if it could not be read.
        rubric: the lines that an answer is judged by, in BEAM.
        rubric_scores: the points of each line, by the judge's model.
        steps: what each step took and brought.
        dollars: what the model's calls cost; None if the price is unknown.
        evidence: sources of the turns that the benchmark names as evidence.
        shown: numbers of the turns that the model saw, as in `1-3 9`.
        facts: how many lines of what the model saw are facts, or turns that facts mark.
    """

    system: str
    conversation: str
    index: int
    category: int
    question: str
    gold: str
    answer: str
    score: float
    recall: float | None
    seconds: float
    tokens: int = 0
    calls: int = 0
    sql: tuple[str, ...] = ()
    rows: int = 0
    cited: tuple[str, ...] = ()
    without_fact: tuple[str, ...] = ()
    unusable: str = ""
    question_type: str = ""
    verdicts: dict[str, bool | None] = field(default_factory=dict)
    rubric: tuple[str, ...] = ()
    rubric_scores: dict[str, RubricScores] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    dollars: float | None = None
    evidence: tuple[str, ...] = ()
    shown: str = ""
    facts: int = 0

    @property
    def key(self) -> AnswerKey:
        """Identifies the system and the question."""
        return self.system, self.conversation, self.index


def runs_of(numbers: Iterable[int]) -> str:
    """Numbers as `Result.shown` has them: a budget of 20,000 tokens holds some 400 turns."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


@dataclass(frozen=True)
class Setup:
    """A model with a program, which stores memories and answers from them.

    `budget` is the number of tokens of memory that the answering model may see.
    SELECTs are written for questions as `sql` has it. With `turns_only` memories hold no facts: the
    model stores nothing.
    """

    model: Model
    program: MemoryProgram
    budget: int
    turns_only: bool = False
    wrong_answer_cost: float = BENCHMARK_COST
    sql: SqlUse = "when it pays"

    @property
    def benchmark_program(self) -> MemoryProgram:
        """The program as the benchmark asks it: its cost of a wrong answer, its use of SELECTs."""
        return self.program.with_sql(self.sql).at_cost(self.wrong_answer_cost)

    @property
    def stores_facts(self) -> bool:
        """Whether the model writes the facts; else templates store them."""
        return not self.turns_only and bool(program_for(self.model, self.program).stores_facts)

    @property
    def stored_by(self) -> str:
        """The weights that store, or "templates"."""
        return self.model.weights["store"] if self.stores_facts else "templates"

    def check(self) -> None:
        """Raise InputError if the budget exceeds the model's context, or fits no turn."""
        refuse_budget(self.budget)
        if self.budget > self.model.limits.context - PROMPT_TOKENS:
            raise InputError(
                f"a budget of {self.budget} tokens is more than {self.model.name} can read with"
                f" its instructions; give at most {self.model.limits.context - PROMPT_TOKENS}"
            )


_BUILT = TypeAdapter(BuiltMemory)


def fingerprint(*parts: object) -> str:
    """A short hash of these parts and of the code of `memory`."""
    digest = _digest_of_files(Path(str(files("memory")))).copy()
    for part in parts:
        digest.update(json.dumps(part, sort_keys=True, default=str).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


@cache
def _digest_of_files(package: Path) -> "hashlib._Hash":
    """Of a package; read once: a process runs the code that it started with."""
    digest = hashlib.sha256()
    for path in sorted(p for p in package.rglob("*") if p.suffix != ".pyc" and p.is_file()):
        digest.update(path.read_bytes())
    return digest


def memory_path(
    conversation: Conversation, setup: Setup, cache: Path, embedder: str = EMBEDDER
) -> Path:
    """The file of a conversation's memory; its name depends on everything that builds it."""
    made_from: list[object] = [
        conversation.id,
        [asdict(turn) for turn in conversation.turns],
        embedder,
    ]
    if not setup.turns_only:
        model = setup.model
        # Not the whole program: memories are kept when only another module's prompt has changed.
        made_from += [
            setup.stored_by,
            model.api_base,
            model.limits.window,
            rendered_prompt(model, setup.program.store),
        ]
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", conversation.id)[:60]
    return cache / f"{name}-{fingerprint(*made_from)}.db"


def is_built(path: Path) -> bool:
    """Whether the build of the memory at a path was completed, and stored every window."""
    has_card = path.exists() and path.with_suffix(".json").exists()
    return has_card and not built_memory(path).failed


def built_memory(path: Path) -> BuiltMemory:
    """The memory at a path after its build, with its cost; `failed` windows it lacks."""
    return replace(_BUILT.validate_json(path.with_suffix(".json").read_bytes()), path=path)


def build_memory(
    conversation: Conversation,
    setup: Setup,
    cache: Path,
    progress: Callable[[int], None] = lambda windows: None,
    embedder: str = EMBEDDER,
) -> BuiltMemory:
    """Add and digest a conversation, or open the memory that equal inputs built before.

    An interrupted build continues where it stopped, and its cost so far counts. `progress` gets
    the number of windows done so far; an exception that it raises interrupts the build.

    Windows that could not be stored are tried again, now and at the next call: such a memory counts
    as unbuilt. Raises ModelError if no answer held any SQL: the server may be the wrong one.
    """
    path = memory_path(conversation, setup, cache, embedder)
    if is_built(path):
        return built_memory(path)
    with _only_builder(path):
        return _built_here(path, conversation, setup, progress, embedder)


@contextmanager
def _only_builder(path: Path) -> Iterator[None]:
    """Keep other processes from building the memory at a path, and wait while one does."""
    lock = path.with_suffix(".lock")
    lock.mkdir(parents=True, exist_ok=True)
    with folder_lock(lock, is_exclusive=True, seconds=0) as is_free:
        if is_free:
            yield
            return
    print(f"another run builds {path}: waiting for it", file=sys.stderr)
    with folder_lock(lock, is_exclusive=True, seconds=_LONGEST_BUILD) as is_free:
        if not is_free:
            raise InputError(f"another run has been building {path} for a day: end it")
        yield


def _built_here(
    path: Path,
    conversation: Conversation,
    setup: Setup,
    progress: Callable[[int], None],
    embedder: str,
) -> BuiltMemory:
    if is_built(path):  # by the run that this one waited for
        return built_memory(path)
    card, part = path.with_suffix(".json"), path.with_suffix(".part.json")
    begun = BuiltMemory(conversation.id, path, len(conversation.turns))
    windows = -(-len(conversation.turns) // setup.model.limits.window)
    if path.exists() and part.exists():
        begun = replace(_BUILT.validate_json(part.read_bytes()), path=path)
    elif path.exists() and card.exists():
        begun = built_memory(path)
    write_whole(part, _BUILT.dump_json(begun))
    start = time.monotonic()
    with open_store(path, embedder=embedder) as store, spending(setup.model) as spent:

        def so_far(calls: int) -> BuiltMemory:
            cost = Cost(0, begun.tokens_in, begun.tokens_out, begun.dollars or 0.0) + spent.cost
            return replace(
                begun,
                calls=begun.calls + calls,
                tokens=cost.tokens_in + cost.tokens_out,
                tokens_in=cost.tokens_in,
                tokens_out=cost.tokens_out,
                dollars=cost.dollars,
                seconds=round(begun.seconds + time.monotonic() - start, 2),
            )

        def after_window(digest: Digest) -> None:
            write_whole(part, _BUILT.dump_json(so_far(digest.calls)))
            progress(min(windows, digest.stored + digest.failed + digest.read))

        memory = Memory(store, model=setup.model, program=setup.program)
        if not store.turns(1, 1):
            store.add(conversation.turns)
        done = Digest() if setup.turns_only else digest_whole(memory, progress=after_window)
        if store.pending():
            done += digest_whole(
                memory, replay=True, progress=lambda more: after_window(done + more)
            )
        facts = int(store.read("SELECT count(*) AS n FROM facts").rows[0][0])
        failed = store.pending()
        built = replace(so_far(done.calls), facts=facts, failed=len(failed))
    unread = [window for window in failed if window.error.startswith(NO_SQL)]
    if unread and sum(w.last_turn - w.first_turn + 1 for w in unread) == len(conversation.turns):
        raise ModelError(
            f"none of the {count(len(unread), 'window')} of {conversation.id} could be stored:"
            f" {unread[-1].error}. Is it the right model and server? The next run tries them again."
        )
    write_whole(card, _BUILT.dump_json(built))
    part.unlink()
    return built


def build_memories(
    conversations: Iterable[Conversation],
    setup: Setup,
    cache: Path,
    threads: int,
    bar: Progress,
    embedder: str = EMBEDDER,
    over: str = "",
) -> dict[str, BuiltMemory]:
    """Build the memories of conversations in parallel; returns them by conversation id.

    The first failure, or Ctrl-C, ends the other builds after their current window. `over` is the
    address of a Ray cluster; all its machines must see the folder `cache`.
    """
    if over:
        builder = _Builder(setup, cache.absolute(), embedder)
        return _build_over(list(conversations), builder, over=over, bar=bar)
    ended = Event()
    jobs = {
        conversation.id: building(
            conversation, setup, cache=cache, bar=bar, ended=ended, embedder=embedder
        )
        for conversation in conversations
    }
    built = run_parallel(list(jobs.values()), threads, ended=ended)
    return dict(zip(jobs, built, strict=True))


def building(
    conversation: Conversation,
    setup: Setup,
    *,
    cache: Path,
    bar: Progress,
    ended: Event,
    embedder: str = EMBEDDER,
) -> Callable[[], BuiltMemory]:
    """The job that builds a conversation's memory, with a line on the progress bar.

    When `ended` is set, the job ends after its current window.
    """
    windows = -(-len(conversation.turns) // setup.model.limits.window)
    part = ", turns alone" if setup.turns_only else ""
    line = bar.add_task(f"storing {escape(conversation.id)}{part}", total=windows)

    def progress(done: int) -> None:
        if ended.is_set():
            raise KeyboardInterrupt  # like the user's own Ctrl-C: stored windows are kept
        bar.update(line, completed=done)

    def build() -> BuiltMemory:
        built = build_memory(
            conversation,
            setup,
            cache=cache,
            progress=progress,
            embedder=embedder,
        )
        bar.update(line, completed=windows)  # also for a memory that existed already
        return built

    return build


@dataclass(frozen=True, eq=False)
class _Builder:
    """Builds memories on other machines, in a folder that all machines share."""

    setup: Setup
    cache: Path
    embedder: str

    def path(self, conversation: Conversation) -> Path:
        """The file of a conversation's memory."""
        return memory_path(conversation, self.setup, self.cache, self.embedder)

    def begin(self, conversation: Conversation) -> None:
        """Write a marker file, which tells another machine that it sees the same folder."""
        path = self.path(conversation)
        part = path.with_suffix(".part.json")
        if not is_built(path) and not part.exists():
            write_whole(
                part,
                _BUILT.dump_json(BuiltMemory(conversation.id, path, len(conversation.turns))),
            )

    def __call__(self, conversation: Conversation) -> BuiltMemory:
        path = self.path(conversation)
        if not is_built(path) and not path.with_suffix(".part.json").exists():
            raise InputError(
                f"{self.cache} is not the same folder on {socket.gethostname()}, or the code is not"
                " the same: --over needs both on all machines"
            )
        return build_memory(conversation, self.setup, cache=self.cache, embedder=self.embedder)


def _build_over(
    conversations: Sequence[Conversation], builder: _Builder, over: str, bar: Progress
) -> dict[str, BuiltMemory]:
    """`build_memories` on a Ray cluster."""
    window = builder.setup.model.limits.window
    windows = {c.id: -(-len(c.turns) // window) for c in conversations}
    lines = {
        id_: bar.add_task(f"storing {escape(id_)}", total=total) for id_, total in windows.items()
    }
    for conversation in conversations:
        builder.begin(conversation)

    def show_progress() -> None:
        for conversation in conversations:
            part = builder.path(conversation).with_suffix(".part.json")
            with contextlib.suppress(OSError):  # a completed build has removed the file
                bar.update(
                    lines[conversation.id], completed=_BUILT.validate_json(part.read_bytes()).calls
                )

    built = run_over(
        builder,
        conversations,
        over,
        waits=bool(builder.setup.model.server),
        cancels=True,
        idle=show_progress,
    )
    for memory in built:
        bar.update(
            lines[memory.conversation], completed=bar.tasks[lines[memory.conversation]].total
        )
    return {memory.conversation: memory for memory in built}


def program_state(program: MemoryProgram) -> object:
    """A program's instructions, demos and feature weights, as JSON data."""
    return program.dump_state(json_mode=True), program.feature_weights


@contextlib.contextmanager
def temporary_memory(turns: Sequence[Turn] = (), embedder: str | None = None) -> Iterator[Store]:
    """A memory of these turns, numbered from 1, and no facts; it is gone after the block."""
    with (
        tempfile.TemporaryDirectory(prefix="memory-") as folder,
        open_store(Path(folder) / "memory.db", embedder=embedder) as store,
    ):
        if turns:
            store.add(turns)
        yield store


def name_server(model: Model, console: Console) -> None:
    """Print a hosted model's server: with a wrong port it may be someone else's."""
    if model.server:
        line = f"asking {model.name} at {model.server}"
        console.print(clean_line(line), markup=False, highlight=False, soft_wrap=True)


def probe(model: Model, console: Console | None = None) -> None:
    """Ask a model to say yes, so that a wrong name or key shows before any work is done.

    With a console, print the model's name on the server if it differs.
    Raises ModelError, also for an answer without a word.
    """
    with model.active():
        answers = model.lm("Say yes.")
    text = str(answers[0] or "") if answers else ""
    if text.lstrip().startswith("{") or not re.search(r"[^\W\d_]", text):
        raise ModelError(
            f"{model.name} answers a probe with {clean_line(text)[:80]!r}: it was asked to say yes."
            " Is it a model for chat, and is --api-base right?"
        )
    name = clean_line(str(model.lm.history[-1]["response_model"] or "")) if model.lm.history else ""
    if console and model.server and name not in ("", model.lm.model, _bare(model.name)):
        line = f"{model.server} calls its model {name[:200]!r}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _bare(name: str) -> str:
    """A model's name without its provider."""
    return name.partition("/")[2]


AnswerLog = JsonLines[AnswerKey, Result]


def answer_log(path: Path, resume: bool) -> AnswerLog:
    """The answers on disk; with `resume` those in the file count. Raises InputError."""
    return JsonLines(
        path,
        Result,
        key=lambda result: result.key,
        resume=resume,
        keep=lambda result: not result.unusable,
    )
