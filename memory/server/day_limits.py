"""Each user's limits for a day on a server (UTC): turns, characters, calls and tokens of models.

Turns are counted before they are added, so that processes counting at the same moment cannot exceed
a limit; turns that were not stored are subtracted again. A question counts one call in advance, and
its actual use once it is answered, in the background: a request waits for one count.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from memory.errors import InputError, StoreError
from memory.records import Turn
from memory.store import postgres_module
from memory.store.configuration.day_usage import UNBOUNDED, DayUsage, FileDayUsage, Usage
from memory.system.home import USED, home, home_address

# Whose request is answered; "" for the page, which is used by the person who runs the server.
current_user: ContextVar[str] = ContextVar("user", default="")
_stored: ContextVar[list[Turn] | None] = ContextVar("stored", default=None)
_bill: ContextVar["Bill | None"] = ContextVar("bill", default=None)
_NOUNS = {"calls": "model calls", "tokens": "tokens of models"}

_log = logging.getLogger("memory.day_limits")


@dataclass(frozen=True)
class DayLimits:
    """At most this many of each in a day; None for no limit."""

    turns: int | None = None
    characters: int | None = None
    calls: int | None = None
    tokens: int | None = None

    @property
    def has_any(self) -> bool:
        """Whether there is a limit."""
        return any(limit is not None for limit in asdict(self).values())

    def before(self, needed: Mapping[str, int]) -> Usage:
        """What may have been used at most where so much of some is needed."""
        limits = asdict(self)
        most = {
            name: limits[name] - amount
            for name, amount in needed.items()
            if limits[name] is not None
        }
        return replace(UNBOUNDED, **most)


class DayLimitError(InputError):
    """A user may do no more of something today; the next day begins in `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass
class Bill:
    """What the models of one request took; `is_begun` once a call of it was counted."""

    is_begun: bool = False
    calls: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class DayUse:
    """A limit's use today by all users together, how many used it, and who reached it."""

    total: int
    users: int
    at_limit: int


def open_day_usage() -> DayUsage:
    """The counts of the memories of MEMORY_HOME."""
    if home_address():
        usage: DayUsage = postgres_module("day_usage").DatabaseDayUsage(home_address())
        return usage
    return FileDayUsage(home() / USED)


class DayMeter:
    """Counts each user's use in a day, and refuses requests beyond the limits.

    Only limited use is counted, and only for requests of a user.
    """

    def __init__(self, limits: DayLimits, usage: DayUsage) -> None:
        self.limits = limits
        self.refused: Counter[str] = Counter()  # by limit
        self._usage = usage
        self._lock = Lock()
        self._unpaid: dict[str, Usage] = defaultdict(Usage)  # what the background still counts
        self._background = ThreadPoolExecutor(1, thread_name_prefix="memory-usage")

    @contextmanager
    def adding(self, turns: Sequence[Turn]) -> Iterator[list[Turn]]:
        """See `TurnMeter`. Blocks within a block are a part of it: all is counted at once."""
        user, around = current_user.get(), _stored.get()
        is_limited = self.limits.turns is not None or self.limits.characters is not None
        stored: list[Turn] = []
        if around is not None or not user or not is_limited:
            yield stored
            if around is not None:
                around += stored
            return
        more = _size(turns)
        self._count(user, more, {"turns": more.turns, "characters": more.characters})
        token = _stored.set(stored)
        try:
            yield stored
        finally:
            _stored.reset(token)
            if (unused := _size(stored) - more) != Usage():
                self._count_later(user, unused)

    def begin_asking(self) -> None:
        """Let a user ask a model. Raises DayLimitError if the calls or tokens of today are used.

        Within a request the first of these counts.
        """
        user, bill = current_user.get(), _bill.get()
        is_limited = self.limits.calls is not None or self.limits.tokens is not None
        if not user or not is_limited or (bill and bill.is_begun):
            return
        # How many tokens it takes is known afterwards; one at least must be left.
        self._count(user, Usage(calls=1), {"calls": 1, "tokens": 1})
        if bill:
            bill.is_begun = True

    @contextmanager
    def asking(self) -> Iterator[Bill]:
        """Count what the block writes into the bill of it, in the background."""
        bill = Bill()
        token = _bill.set(bill)
        try:
            yield bill
        finally:
            _bill.reset(token)
            if user := current_user.get() if bill.is_begun else "":
                self._count_later(user, Usage(calls=bill.calls - 1, tokens=bill.tokens))

    def used(self) -> dict[str, DayUse]:
        """What all users have used of each limit today, by the limit's name."""
        users = [asdict(usage) for usage in self._usage.of_all().values()]
        return {
            name: DayUse(
                total=sum(used[name] for used in users),
                users=sum(used[name] > 0 for used in users),
                at_limit=sum(used[name] >= limit for used in users),
            )
            for name, limit in asdict(self.limits).items()
            if limit is not None
        }

    def close(self) -> None:
        """Wait for outstanding counts."""
        self._background.shutdown()
        self._usage.close()

    def _count(self, user: str, more: Usage, needed: Mapping[str, int]) -> None:
        with self._lock:
            unpaid = self._unpaid.get(user, Usage())
        most_before = self.limits.before(needed)
        to_come = Usage(*(max(number, 0) for number in astuple(unpaid)))
        if self._usage.count(user, more, most_before - to_come):
            return
        if unpaid != Usage():
            # It may have been counted since: once nothing waits, the use is known.
            self._wait_for_counts()
            if self._usage.count(user, more, most_before):
                return
        used = asdict(self._usage.of_user(user))
        name = next((n for n in needed if used[n] > asdict(most_before)[n]), next(iter(needed)))
        with self._lock:
            self.refused[name] += 1
        raise _refusal(name, asdict(self.limits)[name], used[name], needed[name])

    def _wait_for_counts(self) -> None:
        with suppress(RuntimeError):  # the server ends, and counts at once
            self._background.submit(lambda: None).result()

    def _count_later(self, user: str, more: Usage) -> None:
        """Count in the background, as of now for this process."""
        with self._lock:
            self._unpaid[user] += more

        def count() -> None:
            try:
                self._usage.count(user, more)
            except StoreError as fault:
                _log.warning("%s was not counted for a user: %s", more, fault)
            finally:
                with self._lock:
                    self._unpaid[user] -= more
                    if self._unpaid[user] == Usage():
                        del self._unpaid[user]

        try:
            self._background.submit(count)
        except RuntimeError:  # the server ends
            count()


def _size(turns: Sequence[Turn]) -> Usage:
    return Usage(turns=len(turns), characters=sum(len(turn.text) for turn in turns))


def _refusal(name: str, limit: int | None, used: int, needed: int) -> DayLimitError:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = int((midnight - now).total_seconds()) + 1
    beyond = f", and this has {needed:,}" if needed > 1 else ""
    return DayLimitError(
        f"the limit of a day is {limit or 0:,} {_NOUNS.get(name, name)}: {used:,} are used{beyond};"
        f" try again after 00:00 UTC, in {seconds // 3600} h {seconds % 3600 // 60} min",
        seconds,
    )
