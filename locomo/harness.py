"""Memories built once for each conversation, and questions asked of them: one result each."""

import contextlib
import hashlib
import json
import re
import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from threading import Event
from typing import Literal

import dspy
from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from locomo.dataset.format import Conversation, Question
from locomo.json_lines import JsonLines
from locomo.metrics import recall, score
from locomo.parallel import run_over, run_parallel
from memory import Hit, InputError, Memory, MemoryProgram, Rows, Store, open_store
from memory.api import Digest
from memory.errors import ModelError, UnusableAnswer
from memory.files import write_whole
from memory.program import Model
from memory.program.costs import rendered_prompt
from memory.prompt import Context, assemble, spoken_date
from memory.rerank import Reranker
from memory.terminal import clean_line
from memory.waiting import digest_whole

System = Literal["baseline", "plain", "memory"]
AnswerKey = tuple[System, str, int]  # the system, the conversation's id, the question's index
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

    system: System
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
    """What answers a question: the model, the program, and how many tokens of memory it sees.

    A reranker orders the best turns anew, None where the ranking's own order stands.
    """

    model: Model
    program: MemoryProgram
    budget: int
    reranker: Reranker | None = None

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
    conversation: Conversation,
    model: Model,
    program: MemoryProgram,
    cache: Path,
    embedder: str = EMBEDDER,
) -> Path:
    """Where a conversation's memory lies: other inputs of its building make another memory."""
    # Not the whole program: memories are kept when only another module's prompt has changed.
    made_by = fingerprint(
        conversation.id,
        [asdict(turn) for turn in conversation.turns],
        model.weights["store"],
        model.api_base,
        model.window,
        rendered_prompt(model, program.store),
        embedder,
    )
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", conversation.id)[:60]
    return cache / f"{name}-{made_by}.db"


def is_built(path: Path) -> bool:
    """Whether the memory at a path was built to its end."""
    return path.exists() and path.with_suffix(".json").exists()


def build_memory(
    conversation: Conversation,
    model: Model,
    program: MemoryProgram,
    cache: Path,
    progress: Callable[[int], None] = lambda windows: None,
    embedder: str = EMBEDDER,
) -> BuiltMemory:
    """Add and digest a conversation, or find the memory that was built from equal inputs before.

    An interrupted build goes on where it stopped, and what it cost so far counts. `progress` is
    told the windows done so far; what it raises interrupts the build.
    """
    path = memory_path(conversation, model, program, cache=cache, embedder=embedder)
    card, part = path.with_suffix(".json"), path.with_suffix(".part.json")
    if is_built(path):
        return replace(_BUILT.validate_json(card.read_bytes()), path=path)
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

        memory = Memory(store, model=model, program=program)
        if not store.turns(1, 1):
            memory.add(conversation.turns)
        done = digest_whole(memory, progress=after_window)
        facts = int(store.read("SELECT count(*) AS n FROM facts").rows[0][0])
        built = replace(so_far(done.calls), facts=facts, failed=len(store.pending()))
    write_whole(card, _BUILT.dump_json(built))
    part.unlink()
    return built


def turn_memories(
    conversations: Sequence[Conversation], cache: Path, bar: Progress
) -> dict[str, BuiltMemory]:
    """Memories of turns alone, by conversation, found in the cache or made: no model is asked."""
    cache.mkdir(parents=True, exist_ok=True)
    memories: dict[str, BuiltMemory] = {}
    task = bar.add_task("adding turns", total=len(conversations))
    for conversation in conversations:
        turns = [asdict(turn) for turn in conversation.turns]
        path = cache / f"turns-{fingerprint(conversation.id, turns)}.db"
        with open_store(path) as store:
            if not store.turns(1, 1):  # `add` is one transaction: all turns are there, or none
                store.add(conversation.turns)
        memories[conversation.id] = BuiltMemory(conversation.id, path, len(conversation.turns))
        bar.advance(task)
    return memories


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
            conversation=conversation,
            model=setup.model,
            program=setup.program,
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
        return memory_path(
            conversation,
            self.setup.model,
            self.setup.program,
            cache=self.cache,
            embedder=self.embedder,
        )

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
        return build_memory(
            conversation,
            self.setup.model,
            self.setup.program,
            cache=self.cache,
            embedder=self.embedder,
        )


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
        waits=not builder.setup.model.packaged,
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
    if not model.packaged:
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
    if console and not model.packaged and name not in ("", model.lm.model, _bare(model.name)):
        line = f"{model.server} calls its model {name[:200]!r}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _bare(name: str) -> str:
    """A model's name without its provider."""
    return name.partition("/")[2]


def _total_tokens(usage: dict[str, dict[str, object]]) -> int:
    return sum(int(str(of_model.get("total_tokens") or 0)) for of_model in usage.values())


def ask_memory(
    conversation: Conversation,
    question: Question,
    setup: Setup,
    path: Path,
    kind: type[Memory] = Memory,
) -> Result:
    """One question to the memory program, over its own read-only handle."""
    start = time.monotonic()
    with open_store(path, read_only=True) as store:
        memory = kind(
            store,
            model=setup.model,
            program=setup.program,
            budget=setup.budget,
            reranker=setup.reranker,
        )
        try:
            answer = memory.ask(question.text, asker=question.asker, now=_now(question))
            unusable = ""
        except UnusableAnswer as error:
            answer, unusable = error.answer, str(error)
        sources = {n: turn.source for n, turn in enumerate(conversation.turns, 1)}
        result = result_of(
            conversation,
            question,
            system="memory",
            answer=answer.text,
            turn_ids=answer.shown,
            start=start,
        )
        ids = {source: n for n, source in sources.items()}
        best = store.search(question.as_asked, 1)
        hidden = [source for source in question.evidence if ids[source] not in answer.shown]
        return replace(
            result,
            tokens=answer.tokens,
            calls=answer.calls,
            unusable=unusable,
            sql=answer.sql,
            rows=sum(len(result_rows.rows) for result_rows in answer.rows),
            cited=tuple(sources[turn_id] for turn_id in answer.turns),
            not_stored=tuple(source for source in hidden if not _facts_of(store, ids[source])),
            best_score=round(best[0].score, 4) if best else 0.0,
        )


def _now(question: Question) -> datetime | None:
    return datetime.fromisoformat(question.question_date) if question.question_date else None


def ask_baseline(conversation: Conversation, question: Question, setup: Setup) -> Result:
    """The same answering module without a memory: the newest turns that the budget holds."""
    start = time.monotonic()
    numbered = [replace(turn, id=n) for n, turn in enumerate(conversation.turns, 1)]
    context = assemble([], reversed(numbered), setup.budget)
    with setup.model.active():
        answered = setup.program.answer(
            # As a memory asks: the packaged model is not shown who asks.
            question=question.as_asked if setup.model.packaged else question.text,
            memory=context.text,
            turn_ids=context.turn_ids,
            asker=question.asker,
            today=spoken_date(question.question_date),
        )
    result = result_of(
        conversation,
        question,
        system="baseline",
        answer=answered.answer,
        turn_ids=context.turn_ids,
        start=start,
    )
    return replace(result, tokens=context.tokens, calls=answered.calls, unusable=answered.unusable)


def result_of(
    conversation: Conversation,
    question: Question,
    system: System,
    answer: str,
    turn_ids: Sequence[int],
    start: float,
) -> Result:
    """An answer with its scores: `turn_ids` were shown, `start` is when it began (monotonic)."""
    sources = {conversation.turns[turn_id - 1].source for turn_id in turn_ids}
    return Result(
        system=system,
        conversation=conversation.id,
        index=question.index,
        category=question.category,
        question_type=question.question_type,
        question=question.text,
        gold=question.answer,
        answer=answer.encode("utf-8", "replace").decode(),  # a lone surrogate goes in no file
        score=score(answer, question),
        recall=recall(sources, question.evidence) if question.evidence else None,
        seconds=round(time.monotonic() - start, 3),
    )


def _facts_of(store: Store, turn_id: int) -> int:
    rows = store.read(f"SELECT count(*) AS n FROM facts WHERE turn_id = {turn_id}")
    return int(rows.rows[0][0])


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


_FACT = ("turn_id", "subject", "attribute", "value", "happened_on", "ended_on")


class FactsOnly(Memory):
    """A memory whose answering model is shown facts, those of the best turns first, and no turn."""

    def gather(
        self,
        question: str,
        rows: Sequence[Rows] = (),
        without: Collection[int] = (),
        hits: Sequence[Hit] | None = None,
    ) -> Context:
        """The rows that were retrieved and the facts, ranked by their turns, within the budget."""
        facts = tuple(
            tuple(getattr(fact, column) for column in _FACT) for fact in self.store.facts()
        )
        all_turns = {turn.id for turn in self.store.turns()}
        return super().gather(question, [*rows, Rows(_FACT, facts)], without=all_turns, hits=hits)
