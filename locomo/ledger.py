"""The ledger of a run: it writes every paid model call to disk at once, and enforces a budget.

DSPy asks `dspy.cache` before each call of a model and gives it each answer. The ledger is such a
cache: it records answers, replays earlier ones from disk, and refuses calls beyond the budget.
"""

import copy
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import dspy
from dspy.clients.cache import Cache
from dspy.clients.call_result import attributes
from dspy.clients.legacy_outputs import plain
from pydantic import TypeAdapter

from locomo.json_lines import append_whole
from memory import InputError
from memory.models import calling_thread, is_local_lm
from memory.system import create_private, tighten

PATIENCE_S = 10.0
_SECRET = re.compile("key|token$|secret|password|header|credential|base|url", re.IGNORECASE)


@dataclass(frozen=True)
class Budget:
    """The most that may be spent (None: no bound); minutes count from the start of a session."""

    calls: int | None = None
    minutes: float | None = None
    dollars: float | None = None


@dataclass(frozen=True)
class Spent:
    """The spending of the whole run; only `seconds` and `replayed` calls are of this session.

    `unpriced` calls have no known price and count no dollars, `replayed` came from disk.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0
    replayed: int = 0


class BudgetSpent(BaseException):
    """The budget is spent; the text says why. A BaseException: no `except Exception` hides it."""


@dataclass(frozen=True)
class _Call:
    """A line of the file; `key` is a hash of the request, which is None if it is not kept."""

    key: str
    model: str
    tokens_in: int
    tokens_out: int
    dollars: float | None
    record: dict[str, Any]
    request: dict[str, Any] | None = None


class Ledger(Cache):
    """The calls of a run in FOLDER/calls.jsonl, and what is left of its budget.

    It serves threads, not coroutines: DSPy does not report a call that fails, so the call's place
    in the budget is free only when its thread asks again or ends. Each thread may exceed the
    dollars by one call. Threads that ask the same at once all pay, because DSPy itself asks again
    what takes too long. `ended` is set once no further call starts.
    """

    def __init__(
        self,
        folder: Path,
        budget: Budget = Budget(),
        resume: bool = False,
        with_requests: bool = True,
        began: float | None = None,
    ) -> None:
        """Open the ledger of a folder, which is of one set of settings: addresses do not count.

        A line holds the request too, or only its hash. With `resume`, what earlier sessions asked
        is answered from their file and counts as spent; otherwise that file becomes
        calls.old.jsonl, in place of an older one. Minutes count from `began`, of time.monotonic, or
        from now.
        Raises InputError when the folder cannot be written or its calls.jsonl is not a ledger.
        """
        super().__init__(enable_disk_cache=False, enable_memory_cache=False, disk_cache_dir=None)
        self._path = folder / "calls.jsonl"
        self.budget = budget
        self._with_requests = with_requests
        self._reserved = Budget()
        self._opened = time.monotonic() if began is None else began
        self._spent = Spent()
        self._begun: set[threading.Thread] = set()
        self._asking: set[threading.Thread] = set()
        self._left_over: set[threading.Thread] = set()
        self._refused = self._failed = ""
        self.ended = threading.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            create_private(self._path)
            tighten(self._path)
            self._path.open("ab").close()
            calls = _read(self._path)
            if calls and not resume:
                calls = []
                self._path.replace(folder / "calls.old.jsonl")
                create_private(self._path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no ledger of calls"
            raise InputError(f"{self._path} cannot be used: {why}; name another folder") from error
        for call in calls:
            self._keep(call)

    def _keep(self, call: _Call) -> None:
        # The first answer stays: a request that was replayed once is answered alike ever after.
        self.memory_cache.setdefault(call.key, call.record)
        self._spent = _with(self._spent, call)

    @property
    def spent(self) -> Spent:
        """The spending so far; thread-safe."""
        with self._lock:
            return replace(self._spent, seconds=time.monotonic() - self._opened)

    def get(self, request: dict[str, Any], ignored: list[str] | None = None) -> Any:
        """The answer of an earlier call; None starts a new call. Raises BudgetSpent."""
        key = self.cache_key(request, ignored)
        thread = calling_thread()
        with self._lock:
            self._asking.add(thread)
            self._begun.discard(thread)  # it asks again, so its earlier call has failed
            record = self.memory_cache.get(key)
            if record is None:
                self._begin(thread)
                return None
            self._spent = replace(self._spent, replayed=self._spent.replayed + 1)
        # What came through litellm was an object; DSPy reads this one in the same way.
        return copy.deepcopy(record) if "_dspy_format" in record else attributes(record)

    def _begin(self, thread: threading.Thread) -> None:
        if thread in self._left_over:
            raise BudgetSpent("what was kept is not for work that was stopped")
        if self.ended.is_set():
            raise BudgetSpent(self._failed or "the ledger is closed")
        self._begun = {begun for begun in self._begun if begun.is_alive()}
        calls = self._spent.calls + len(self._begun)
        minutes = (time.monotonic() - self._opened) / 60
        used = {"calls": calls, "minutes": minutes, "dollars": self._spent.dollars}
        for unit, limit in vars(self.budget).items():
            reserved = getattr(self._reserved, unit) or 0
            if limit is not None and used[unit] >= limit - reserved and not self._refused:
                self._refused = f"{limit:g} {unit} are spent"
                if reserved:
                    self._refused += f", but for {reserved:g} kept for later"
        if self._refused:
            raise BudgetSpent(self._refused)
        self._begun.add(thread)

    def put(self, request: Any, value: Any, ignored: list[str] | None = None, *_: object) -> None:
        """Record an answer; on return it is on disk. Raises BudgetSpent if it cannot be written."""
        key = self.cache_key(request, ignored)
        model = request.get("model") or request["request"]["model"]
        with self._lock:
            self._begun.discard(calling_thread())
            call = _call(key, model, value)
            self._keep(call)
            if self._with_requests:
                call = replace(call, request=_without_secrets(request))
            try:
                append_whole(self._path, json.dumps(vars(call), default=str).encode() + b"\n")
            except OSError as error:
                self._failed = f"{self._path} cannot be written ({error.strerror})"
                self.ended.set()
                raise BudgetSpent(self._failed) from error

    @contextmanager
    def reserve(self, share: Budget) -> Iterator[None]:
        """Reserve a share for later: calls in the block stop for good when the rest is spent.

        Threads that outlive the block, such as a stopped optimizer's, get no part of the share.
        """
        self._reserved = share
        try:
            yield
        finally:
            with self._lock:
                self._reserved, self._refused = Budget(), ""
                self._left_over = set(threading.enumerate()) - {threading.current_thread()}

    @contextmanager
    def active(self) -> Iterator[None]:
        """Models with cache=True ask this ledger inside, and afterwards what they asked before.

        The ledger is closed at the end, and threads that an optimizer left behind are waited for,
        PATIENCE_S at most: what they are paying for is kept.
        """
        before = dspy.cache
        dspy.cache = self
        try:
            yield
        finally:
            self.close()
            patience = time.monotonic() + PATIENCE_S
            for thread in self._asking - {threading.current_thread(), threading.main_thread()}:
                thread.join(max(patience - time.monotonic(), 0))
            dspy.cache = before

    def close(self) -> None:
        """Start no further call. Answers of running calls are still recorded."""
        self.ended.set()


def _call(key: str, model: str, value: Any) -> _Call:
    """The line of an answer: of DSPy's own record, or of the object that litellm gave."""
    record = plain(value)
    if "_dspy_format" not in record:
        price = getattr(value, "_hidden_params", {}).get("response_cost")
        record = {**record, "cost": price, "_hidden_params": {"response_cost": price}}
    usage = record.get("usage") or {}
    return _Call(
        key=key,
        model=model,
        tokens_in=usage.get("prompt_tokens") or usage.get("input_tokens") or 0,
        tokens_out=usage.get("completion_tokens") or usage.get("output_tokens") or 0,
        dollars=0.0 if is_local_lm(model) else record.get("cost"),
        record=record,
    )


def _without_secrets(request: dict[str, Any]) -> dict[str, Any]:
    """A request without keys, headers and addresses of the server."""
    return {
        name: _without_secrets(value) if isinstance(value, dict) else value
        for name, value in request.items()
        if not _SECRET.search(name)
    }


def spent_before(folder: Path) -> Spent:
    """What earlier sessions of a run have spent; nothing where its file cannot be read."""
    try:
        calls = _read(folder / "calls.jsonl")
    except (OSError, ValueError):  # the ledger says why when it is opened
        return Spent()
    return reduce(_with, calls, Spent())


def _with(spent: Spent, call: _Call) -> Spent:
    return replace(
        spent,
        calls=spent.calls + 1,
        tokens_in=spent.tokens_in + call.tokens_in,
        tokens_out=spent.tokens_out + call.tokens_out,
        dollars=spent.dollars + (call.dollars or 0.0),
        unpriced=spent.unpriced + (call.dollars is None),
    )


def _read(path: Path) -> list[_Call]:
    """The calls in a file; a last line that a kill has torn is cut away. Raises ValueError."""
    data = path.read_bytes()
    *lines, torn = data.split(b"\n")
    # Strict, unlike JsonLines: what was paid for must not be left out of the sum unnoticed.
    calls = TypeAdapter(list[_Call]).validate_python([json.loads(line) for line in lines])
    if not b'{"key": "'.startswith(torn[:9]):
        raise ValueError(torn)
    os.truncate(path, len(data) - len(torn))
    return calls
