"""Threads that share one memory and do all that a memory does, and what went wrong with them.

The model is a slow server that answers at once in all modules: readers must not wait for it.
"""

import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from memory import Memory, Turn
from memory.models import Model
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.turns.tags import set_tags
from tests.support.scripted import model_over

MODEL_SECONDS = 0.05
HANG_SECONDS = 120.0  # after the end a thread that is still at work hangs
WORDS = ("garden", "moving", "trip", "tea", "job", "bicycle", "sister", "piano")
_NUMBERS = count(1)
RETRIEVE = "SELECT t.text FROM search('garden trip', 5) s JOIN turns t ON t.id = s.turn_id"


class SlowServer:
    """A DSPy engine that answers in every module after a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def complete(self, request: Request) -> Response:
        time.sleep(self.seconds)
        prompt = request.messages[-1].text or ""
        sql = RETRIEVE
        if "[[ ## window ## ]]" in prompt.partition("Respond with")[0]:
            ids = re.findall(r"^\[(\d+)\]", prompt.rpartition("[[ ## window ## ]]")[2], re.M)
            sql = (
                "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
                f" ('Anna', 'likes', 'thing {ids[0]}', {ids[0]})"
            )
        text = f"[[ ## sql ## ]]\n{sql}\n\n[[ ## answer ## ]]\nA garden\n\n[[ ## turns ## ]]\n1\n"
        return Response(
            id=None,
            model="slow",
            message=Message.assistant([TextPart(f"{text}\n[[ ## completed ## ]]")]),
            finish_reason="stop",
            usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )


def slow_model(seconds: float = MODEL_SECONDS) -> Model:
    """A hosted model that takes so long for every call."""
    return model_over(SlowServer(seconds), "slow", window=4)


@dataclass
class Crowd:
    """What a crowd did: acts by name, the errors, and the threads that did not end."""

    acts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)  # seconds
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, act: str, seconds: float) -> None:
        """Count an act that is done."""
        with self._lock:
            self.acts[act] += 1
            self.slowest[act] = max(self.slowest.get(act, 0.0), seconds)


class _Member:
    """One thread: its own session, facts and changes, in a memory that all share."""

    def __init__(self, memory: Memory, number: int, folder: Path) -> None:
        self.memory = memory
        self.store = memory.store
        self.name = f"thread {number}"
        self.random = Random(number)
        self.folder = folder
        self.said = 0
        self.ids: list[int] = []
        self.copies = 0

    def add(self) -> None:
        turns = []
        for _ in range(self.random.randint(1, 3)):
            self.said += 1
            words = " ".join(self.random.sample(WORDS, 3))
            turns.append(Turn("Anna", f"{self.said}: I like {words}.", self.name))
        ids = self.memory.add(turns)
        assert ids == sorted(ids), ids
        assert not self.ids or ids[0] > self.ids[-1], (ids, self.ids)
        self.ids += ids

    def search(self) -> None:
        self.memory.search(self.random.choice(WORDS), 5)

    def search_filtered(self) -> None:
        self.memory.search("piano", 5, filter={"session": [self.name]})

    def search_own(self) -> None:
        """What this thread added is found by it at once."""
        if self.ids:
            found = self.store.search("garden", 1000, filter={"session": [self.name]})
            assert {hit.turn_id for hit in found} <= {*self.ids}
            assert self.store.turn(self.ids[-1]).session == self.name

    def ask(self) -> None:
        self.memory.ask(f"Who likes the {self.random.choice(WORDS)}?")

    def select(self) -> None:
        self.memory.read(RETRIEVE)

    def write(self) -> None:
        if self.ids:
            change = self.store.write(
                "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
                f" ('{self.name}', 'likes', 'number {self.said}', {self.ids[-1]})",
                cause="crowd",
            )
            if self.random.random() < 0.5:
                self.store.undo(change.id)

    def facts(self) -> None:
        self.store.facts()
        self.store.changes(limit=5)
        self.store.catalog(500)

    def tag(self) -> None:
        if self.ids:
            set_tags(self.store, [self.ids[-1]], {"topic": str(next(_NUMBERS))})
            self.store.search("tea", 3, filter={"tags": {"topic": "1"}})

    def setting(self) -> None:
        set_setting(self.store, "crowd", self.said)
        settings_of(self.store, "crowd")

    def context(self) -> None:
        self.memory.context(f"I was in the {self.random.choice(WORDS)}")

    def digest(self) -> None:
        self.memory.digest(max_calls=1)

    def forget(self) -> None:
        if len(self.ids) > 3:
            self.store.forget([self.ids.pop(self.random.randrange(len(self.ids)))])

    def dump(self) -> None:
        sum(1 for _ in self.store.dump())

    def back_up(self) -> None:
        self.copies += 1
        copy = self.folder / f"{self.name} {self.copies}.db"
        self.store.backup(copy)
        copy.unlink()


# How often each act is drawn.
ACTS: dict[Callable[[_Member], None], int] = {
    _Member.add: 20,
    _Member.search: 20,
    _Member.search_filtered: 5,
    _Member.search_own: 5,
    _Member.ask: 10,
    _Member.select: 8,
    _Member.write: 8,
    _Member.facts: 6,
    _Member.tag: 4,
    _Member.setting: 4,
    _Member.context: 4,
    _Member.digest: 3,
    _Member.forget: 2,
    _Member.dump: 1,
    _Member.back_up: 1,
}


def let_work(memory: Memory, folder: Path, threads: int, is_over: Callable[[int], bool]) -> Crowd:
    """Let threads share a memory until each is over, by the number of its acts; they end together.

    `faults` also tells where the order of one thread's turns is lost, or the file is damaged.
    """
    crowd = Crowd()
    members = [_Member(memory, number, folder) for number in range(threads)]
    start = threading.Barrier(threads)

    def work(member: _Member) -> None:
        start.wait()
        done = 0
        while not is_over(done):
            [act] = member.random.choices([*ACTS], [*ACTS.values()])
            begin = time.monotonic()
            try:
                act(member)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the crowd reports it
                lines = "".join(traceback.format_exception(error)[-4:])
                crowd.faults.append(f"{act.__name__}: {type(error).__name__}: {error}\n{lines}")
            done += 1
            crowd.note(act.__name__, time.monotonic() - begin)

    working = [threading.Thread(target=work, args=(each,), daemon=True) for each in members]
    for thread in working:
        thread.start()
    _join(working, crowd)
    if not crowd.hung:
        crowd.faults += _lost_order(memory, members) + memory.store.check()
    return crowd


def _join(working: Sequence[threading.Thread], crowd: Crowd) -> None:
    """Wait for all threads; where none of them does anything any more, those left hang."""
    acts, since = 0, time.monotonic()
    while any(thread.is_alive() for thread in working):
        for thread in working:
            thread.join(0.2)
        if crowd.acts.total() != acts:
            acts, since = crowd.acts.total(), time.monotonic()
        elif time.monotonic() - since > HANG_SECONDS:
            frames = sys._current_frames()
            crowd.hung = [
                "".join(traceback.format_stack(frames[thread.ident]))
                for thread in working
                if thread.is_alive() and thread.ident in frames
            ]
            return


def _lost_order(memory: Memory, members: Sequence[_Member]) -> list[str]:
    """Threads whose turns are not there once and in the order in which they added them."""
    turns = memory.store.turns()
    faults = []
    for member in members:
        stored = [turn for turn in turns if turn.session == member.name]
        numbers = [int(turn.text.partition(":")[0]) for turn in stored]
        if [turn.id for turn in stored] != member.ids or numbers != sorted({*numbers}):
            faults.append(f"{member.name}: turns {[turn.id for turn in stored]} of {member.ids}")
    return faults
