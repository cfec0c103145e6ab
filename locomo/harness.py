"""Memories built once for each conversation, and questions asked of them: one result each."""

import contextlib
import hashlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from threading import Event

import dspy
from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from locomo.dataset.format import Conversation
from locomo.json_lines import JsonLines
from locomo.parallel import run_over, run_parallel
from memory import InputError, Memory, MemoryProgram, open_store
from memory.digest import Digest
from memory.errors import ModelError
from memory.files import write_whole
from memory.program import Model
from memory.program.costs import rendered_prompt
from memory.prompt import assemble
from memory.rerank import Reranker
from memory.terminal import clean_line
from memory.waiting import digest_whole

AnswerKey = tuple[str, str, int]  # the system's name, the conversation's id, the question's index
# Tokens set aside for instructions, examples, question and answer, which must fit a model's
# context beside the memory.
PROMPT_TOKENS = 512
EMBEDDER = "wordllama"  # the packaged one


@dataclass(frozen=True)
class BuiltMemory:
    """One conversation's memory, and what it cost: model calls, their tokens, seconds."""

    conversation: str
    path: Path
    turns: int
    facts: int = 0
    failed: int = 0
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """One question answered by one system.

    `recall` is of evidence turns in what was shown (None: the question names none), `tokens` the
    memory shown, `cited` the sources of the turns that the answer names, `not_stored` the evidence
    turns that were not shown and that no fact names, `best_score` what the ranking gave to the best
    turn; `unusable` is why there is no answer that can be read, which is neither right nor an
    abstention; `verdicts` maps a judge to its opinion (None: unreadable).
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
    not_stored: tuple[str, ...] = ()
    best_score: float = 0.0
    unusable: str = ""
    question_type: str = ""
    verdicts: dict[str, bool | None] = field(default_factory=dict)

    @property
    def key(self) -> AnswerKey:
        """What makes two results answers to the same question by the same system."""
        return self.system, self.conversation, self.index


@dataclass(frozen=True)
class Setup:
    """A model with a program, which stores memories and answers from them.

    `budget` is how many tokens of memory an answer may see. A reranker orders the best turns anew,
    None where the ranking's own order stands. With `turns_only` memories hold no facts: the model
    stores nothing.
    """

    model: Model
    program: MemoryProgram
    budget: int
    reranker: Reranker | None = None
    turns_only: bool = False

    def check(self) -> None:
        """Raise InputError for a budget above the model's context, or too small for one turn."""
        assemble([], [], self.budget)
        if self.budget > self.model.context - PROMPT_TOKENS:
            raise InputError(
                f"a budget of {self.budget} tokens is more than {self.model.name} can read beside"
                f" its instructions; give at most {self.model.context - PROMPT_TOKENS}"
            )


_BUILT = TypeAdapter(BuiltMemory)


def fingerprint(*parts: object) -> str:
    """A short hash of these parts and of the memory's own code: what made something."""
    digest = hashlib.sha256()
    package = Path(str(files("memory")))
    for path in sorted(p for p in package.rglob("*") if p.suffix != ".pyc" and p.is_file()):
        digest.update(path.read_bytes())
    for part in parts:
        digest.update(json.dumps(part, sort_keys=True, default=str).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


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
            model.weights["store"],
            model.api_base,
            model.window,
            rendered_prompt(model, setup.program.store),
        ]
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", conversation.id)[:60]
    return cache / f"{name}-{fingerprint(*made_from)}.db"


def is_built(path: Path) -> bool:
    """Whether the memory at a path was built to its end."""
    return path.exists() and path.with_suffix(".json").exists()


def built_memory(path: Path) -> BuiltMemory:
    """The memory at a path, which was built to its end, with what it cost."""
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
    """
    path = memory_path(conversation, setup, cache, embedder)
    card, part = path.with_suffix(".json"), path.with_suffix(".part.json")
    if is_built(path):
        return built_memory(path)
    begun = BuiltMemory(conversation.id, path, len(conversation.turns))
    if path.exists() and part.exists():
        begun = replace(_BUILT.validate_json(part.read_bytes()), path=path)
    write_whole(part, _BUILT.dump_json(begun))
    start = time.monotonic()
    with open_store(path, embedder=embedder) as store, dspy.track_usage() as usage:

        def so_far(calls: int) -> BuiltMemory:
            tokens = _total_tokens(usage.get_total_tokens())
            seconds = round(begun.seconds + time.monotonic() - start, 2)
            calls, tokens = begun.calls + calls, begun.tokens + tokens
            return replace(begun, calls=calls, tokens=tokens, seconds=seconds)

        def after_window(digest: Digest) -> None:
            write_whole(part, _BUILT.dump_json(so_far(digest.calls)))
            progress(digest.stored + digest.failed)

        memory = Memory(store, model=setup.model, program=setup.program)
        if not store.turns(1, 1):
            memory.add(conversation.turns)
        done = Digest() if setup.turns_only else digest_whole(memory, progress=after_window)
        facts = int(store.read("SELECT count(*) AS n FROM facts").rows[0][0])
        built = replace(so_far(done.calls), facts=facts, failed=len(store.pending()))
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
    """Every conversation's memory by its id, several at a time, each with a line on the bar.

    The first that fails, or Ctrl-C, ends the others after the window that they are at. `over`
    machines they are built in the folder `cache`, which all of them must see.
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
    """The job that builds a conversation's memory, with a line on the bar.

    It ends after the window that it is at when `ended` is set.
    """
    windows = -(-len(conversation.turns) // setup.model.window)
    line = bar.add_task(f"storing {escape(conversation.id)}", total=windows)

    def progress(done: int) -> None:
        if ended.is_set():
            raise KeyboardInterrupt  # like the user's own: what is stored so far is kept
        bar.update(line, completed=done)

    def build() -> BuiltMemory:
        built = build_memory(
            conversation,
            setup,
            cache=cache,
            progress=progress,
            embedder=embedder,
        )
        bar.update(line, completed=windows)  # also when it was there already
        return built

    return build


@dataclass(frozen=True, eq=False)
class _Builder:
    """Builds memories on other machines, in a folder that they share with this one."""

    setup: Setup
    cache: Path
    embedder: str

    def path(self, conversation: Conversation) -> Path:
        """Where a conversation's memory lies."""
        return memory_path(conversation, self.setup, self.cache, self.embedder)

    def begin(self, conversation: Conversation) -> None:
        """Leave the mark by which a machine knows that it sees the folder."""
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
    """As `build_memories`, over machines."""
    window = builder.setup.model.window
    windows = {c.id: -(-len(c.turns) // window) for c in conversations}
    lines = {
        id_: bar.add_task(f"storing {escape(id_)}", total=total) for id_, total in windows.items()
    }
    for conversation in conversations:
        builder.begin(conversation)

    def show_progress() -> None:
        for conversation in conversations:
            part = builder.path(conversation).with_suffix(".part.json")
            with contextlib.suppress(OSError):  # it is whole by now
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
    """The instructions, demos and weights of a program, as data."""
    return program.dump_state(json_mode=True), program.feature_weights


def name_server(model: Model, console: Console) -> None:
    """Print where a hosted model is asked: a wrong port may be somebody else's server."""
    if model.server:
        line = f"asking {model.name} at {model.server}"
        console.print(clean_line(line), markup=False, highlight=False, soft_wrap=True)


def probe(model: Model, console: Console | None = None) -> None:
    """Ask a model for a word: a wrong name or key shows here, before anything is made.

    With a console, a server that calls its model by another name is told of.
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


def _total_tokens(usage: dict[str, dict[str, object]]) -> int:
    return sum(int(str(of_model.get("total_tokens") or 0)) for of_model in usage.values())


AnswerLog = JsonLines[AnswerKey, Result]


def answer_log(path: Path, resume: bool) -> AnswerLog:
    """The answers on disk: what was answered is not asked again. Raises InputError."""
    return JsonLines(
        path,
        Result,
        key=lambda result: result.key,
        resume=resume,
        keep=lambda result: not result.unusable,
    )
