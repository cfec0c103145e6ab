"""Digest all namespaces, one after the other or spread over machines."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from memory.api import Memory
from memory.cli.options import open_memory
from memory.cli.output import LONGEST_REASON, left_out_text, read_line
from memory.digest.windows import Digest, digest_cause, effects_of
from memory.errors import InputError, StoreError
from memory.evidence.messages import WITHOUT_MODEL
from memory.models.costs import Cost, spending
from memory.models.model import Model
from memory.program.program import program_for
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.namespaces import home, names
from memory.system.machines import over_machines
from memory.system.terminal import clean_line, count, print_clean, progress
from memory.worker.waiting import digest_whole, waiting


@dataclass(frozen=True)
class NamespaceDigest:
    """The digest of a namespace; `error` if it could not be opened or written.

    `waiting` counts the windows still to digest.
    """

    name: str
    digest: Digest = field(default_factory=Digest)
    cost: Cost = field(default_factory=Cost)
    waiting: int = 0
    error: str = ""


@dataclass(frozen=True)
class Due:
    """A namespace with turns that wait, and its newest change before any of them is digested."""

    name: str
    newest_change: int


@dataclass(frozen=True, eq=False)
class Digester:
    """Digests a namespace, also on another machine with the same home.

    `whole` includes the windows that a lost machine was working on, and counts the ones that it had
    stored: they are in the journal, while its sums are lost.
    """

    home: str
    model: Model
    replay: bool
    whole: bool

    def __call__(self, due: Due) -> NamespaceDigest:
        name = due.name
        os.environ["MEMORY_HOME"] = self.home
        try:
            with open_memory(name, None) as store, spending(self.model) as spent:
                memory = Memory(store, model=self.model)
                digest = (digest_whole if self.whole else Memory.digest)(memory, self.replay)
                if self.whole:
                    digest = _with_journaled(digest, store, self.model, due.newest_change)
                left = waiting(store, self.model, replay=True).cost.calls
        except (StoreError, InputError) as error:
            return NamespaceDigest(name, error=clean_line(str(error)))
        return NamespaceDigest(name, digest, spent.cost, left)


def digest_all(model: Model, replay: bool, over: str) -> None:
    """Digest every namespace with turns that wait; print a line for each, and the totals.

    Raises InputError without a namespace and ModelError when the model cannot be used. When a
    namespace fails, the others are digested and StoreError is raised at the end.
    """
    if not program_for(model).stores_facts:
        read_all()
        return
    broken = []
    forecast = Cost()
    turns = 0
    due = []
    for name in names():
        try:
            with open_memory(name, None, read_only=True) as store:
                ahead = waiting(store, model, replay=replay)
                newest = store.changes(limit=1)
        except StoreError as error:
            broken.append(NamespaceDigest(name, error=clean_line(str(error))))
            continue
        if ahead.turns:
            due.append(Due(name, newest[-1].id if newest else 0))
            turns += ahead.turns
            forecast += ahead.cost
    if not names():
        raise InputError(f"there is no namespace in {home()}")
    location = f" at {model.server}; about {forecast} without repairs" if model.server else ""
    waiting_turns = f"{count(turns, 'turn')} of {count(len(due), 'namespace')}"
    print_clean(f"{waiting_turns} to digest by {model.name}{location}", error=True)
    here = os.environ.get("MEMORY_HOME") or str(home())
    digester = Digester(here, model, replay=replay, whole=bool(over))
    done: list[NamespaceDigest] = []
    try:
        with progress() as bar:
            task = bar.add_task("digesting", total=len(due))
            for result in _digests(digester, due, over):
                done.append(result)
                bar.advance(task)
                _print_digest(result)
    finally:
        _print_sums(done, model)
    for result in broken:
        _print_digest(result)
    failed = [result.name for result in (*done, *broken) if result.error]
    if failed:
        raise StoreError(f"{count(len(failed), 'namespace')} could not be digested, see above")


def read_all() -> None:
    """Match the turns of every namespace with the templates; print a line for each."""
    for name in names():
        with open_memory(name, None) as store:
            print_clean(f"{clean_line(name)}: {read_line(Memory(store).digest())}")
    print_clean(WITHOUT_MODEL)


def _with_journaled(digest: Digest, store: Store, model: Model, after: int) -> Digest:
    """A digest with the windows and facts of all of this model's digests after a change."""
    cause = digest_cause(model)
    changes = [
        change for change in store.changes(after=after) if change.window and change.cause == cause
    ]
    effects = [effects_of(edits_of(store, change.id)) for change in changes]
    sums = sum(effects, Digest())
    return replace(
        digest,
        stored=len(changes),
        facts=sums.facts,
        ended=sums.ended,
        removed=sums.removed,
        rewritten=sums.rewritten,
    )


def _digests(digester: Digester, due: list[Due], over: str) -> Iterable[NamespaceDigest]:
    if not over:
        return map(digester, due)
    cpus = digester.model.pace.cpus
    return (result for _, result in over_machines(digester, due, over, cpus=cpus, cancels=True))


def _print_digest(result: NamespaceDigest) -> None:
    name = clean_line(result.name)
    if result.error:
        print_clean(f"{name}: {result.error}", error=True)
        return
    windows = f"{result.digest.stored} stored, {result.digest.failed} failed"
    facts = result.digest.changed_text
    left_out = result.digest.left_out
    further = f"; {left_out_text(left_out)}" if left_out else ""
    digest = result.digest
    if digest.characters_read < digest.characters_given:
        of_given = f"{digest.characters_read:,} of {digest.characters_given:,} characters"
        further += f"; {of_given} of people's own messages were read"
    print_clean(f"{name}: windows: {windows}, {result.waiting} waiting; {facts}{further}")
    for part in result.digest.refused:
        print_clean(f"{name}: not stored of {clean_line(part)[:LONGEST_REASON]}")
    for part in result.digest.undecided:
        print_clean(
            f"{name}: held of {clean_line(part)[:LONGEST_REASON]}; to decide:"
            f" memory digest --namespace {name} --apply TURNS, or --skip TURNS"
        )


def _print_sums(done: list[NamespaceDigest], model: Model) -> None:
    sums = sum((result.digest for result in done), Digest())
    cost = sum((result.cost for result in done), Cost())
    print_clean(
        f"{count(len(done), 'namespace')}, {count(sums.stored, 'window')} stored,"
        f" {sums.changed_text} by {model.name}: {cost}"
    )
