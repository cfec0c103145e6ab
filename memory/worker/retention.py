"""How long turns stay: two settings of a memory, which a worker applies once a day."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

from memory.errors import InputError
from memory.records import Forgotten, Setting, Task
from memory.store import Store
from memory.store.configuration.setting_values import RETENTION_DAYS, RETENTION_KEEPS_FACTS
from memory.store.configuration.settings import settings_of
from memory.store.forgetting.preview import forget_without_preview, receipts_due, said_before

MOST_DAYS = 36_500
_LONGEST_GAP = 8 * 86_400.0  # seconds; a worker that is run once a week looks in time
_LAST_ZONE = timezone(timedelta(hours=-12))  # where each day ends last


def day_before(days: int, now: datetime | None = None) -> str:
    """The day that is this many days ago in every time zone; turns before it are older.

    A turn has the date of its place, and a day that has begun in UTC lasts twelve hours longer in
    the west. Raises InputError for a number out of range.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InputError(f"turns are older than 1 to {MOST_DAYS:,} days, not {days}")
    west = (now or datetime.now(UTC)).astimezone(_LAST_ZONE)
    return (west - timedelta(days=days)).date().isoformat()


def has_jumped(store: Store, task: Task, now: float) -> bool:
    """Whether the clock (Unix seconds) is far ahead of all that tells a worker the time.

    That is its last look at this memory, and the moment at which the setting was made. A clock
    wrong by years would have all turns forgotten, so a second look on a later day must agree:
    `task.position` is the day of the first (`day_number`).
    """
    history = settings_of(store, RETENTION_DAYS)
    set_at = datetime.fromisoformat(history[-1].set_at).timestamp() if history else 0.0
    has_agreed = 0 < task.position < day_number(now)
    return now - max(task.served_at, set_at) > _LONGEST_GAP and not has_agreed


def day_number(now: float) -> int:
    """The number of a day, since 1970."""
    return int(now // 86_400)


def carry_out(store: Store, now: float | None = None) -> list[Forgotten]:
    """Forget the turns that are older than the memory's setting allows; returns the receipts.

    All of them go in one transaction, like everything forgotten. A forgetting that was interrupted
    is finished; without `now` (Unix seconds) that is all.
    """
    turn_ids = [] if now is None else _old_turns(store, datetime.fromtimestamp(now, UTC))
    if not turn_ids and not receipts_due(store):
        return []
    # A newer reply that quotes an old turn has its own day to go.
    return forget_without_preview(store, turn_ids, replies=False)


def _old_turns(store: Store, now: datetime) -> list[int]:
    days = _newest(settings_of(store, RETENTION_DAYS))
    if not isinstance(days, int) or days < 1:
        return []
    keeps_facts = _newest(settings_of(store, RETENTION_KEEPS_FACTS)) is True
    day = day_before(min(days, MOST_DAYS), now)
    turns = said_before(store, store.turns(), day, keeps_facts)
    return [turn.id for turn in turns]


def _newest(settings: Iterable[Setting]) -> object:
    return next((setting.value for setting in reversed([*settings])), None)
