"""How long turns stay: two settings of a memory, which a worker carries out once a day."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from memory.errors import InputError
from memory.forgetting.forget import forget_without_preview, receipts_due, said_before
from memory.records import Forgotten, Setting
from memory.settings import RETENTION_DAYS, RETENTION_KEEPS_FACTS
from memory.store import Store
from memory.store.settings import settings_of

MOST_DAYS = 36_500


def day_before(days: int) -> str:
    """The day (UTC) that was so many days ago; what was said before it is older than that.

    Raises InputError for a number that is none of days.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InputError(f"turns are older than 1 to {MOST_DAYS:,} days, not {days}")
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


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
