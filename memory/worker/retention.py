"""How long turns stay: two settings of a memory, which a worker carries out once a day."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

from memory.errors import InputError
from memory.records import Forgotten, Setting
from memory.settings import RETENTION_DAYS, RETENTION_KEEPS_FACTS
from memory.store import Store
from memory.store.forgetting.preview import forget_without_preview, receipts_due, said_before
from memory.store.settings import settings_of

MOST_DAYS = 36_500
_LAST_ZONE = timezone(timedelta(hours=-12))  # where each day ends last


def day_before(days: int, now: datetime | None = None) -> str:
    """The day that was so many days ago wherever one was; what was said before it is older.

    A turn has the date of where it was said, and a day that has begun in UTC goes on for twelve
    hours in the west. Raises InputError for a number that is none of days.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InputError(f"turns are older than 1 to {MOST_DAYS:,} days, not {days}")
    west = (now or datetime.now(UTC)).astimezone(_LAST_ZONE)
    return (west - timedelta(days=days)).date().isoformat()


def carry_out(store: Store) -> list[Forgotten]:
    """Forget the turns that are older than the memory's setting allows; returns the receipts.

    All of them go in one transaction, as everything that is forgotten. A forgetting that was
    interrupted is finished.
    """
    turn_ids = _old_turns(store)
    if not turn_ids and not receipts_due(store):
        return []
    return forget_without_preview(store, turn_ids)


def _old_turns(store: Store) -> list[int]:
    days = _newest(settings_of(store, RETENTION_DAYS))
    if not isinstance(days, int) or days < 1:
        return []
    keeps_facts = _newest(settings_of(store, RETENTION_KEEPS_FACTS)) is True
    turns = said_before(store, store.turns(), day_before(min(days, MOST_DAYS)), keeps_facts)
    return [turn.id for turn in turns]


def _newest(settings: Iterable[Setting]) -> object:
    return next((setting.value for setting in reversed([*settings])), None)
