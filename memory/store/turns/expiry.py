"""Turns that expire: said with a moment from which the memory forgets them, with all that they say.

The moment is the tag FORGET_AFTER of the turn, in UTC, so a change sets it, an undo removes it, and
an export carries it. A store looks for expired turns before it reads anything, and forgets them
(`ExpiredTurns`, `DatabaseStore._forget_expired`).
"""

import json
import re
import time as clock
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import inf
from threading import RLock
from typing import Any

from memory.errors import InputError, StoreError
from memory.records import Change, Fact, Record, Turn
from memory.store.changes.history import edits_of
from memory.store.changes.points_in_time import last_moment
from memory.store.configuration import settings
from memory.store.configuration.setting_values import EXPIRY, TIMEZONE, is_own_value
from memory.store.configuration.settings import settings_of
from memory.store.database import Connection, HasConnections
from memory.store.forgetting.preview import forget_without_preview
from memory.store.protocol import Store
from memory.store.turns.tags import replace_tags, tagged_turns
from memory.store.turns.turn_validation import FORGET_AFTER, in_local_zone
from memory.system.home import save_receipts
from memory.system.logs import clean_logger
from memory.text.turn_filter import tag_texts
from memory.text.written_dates import clean_date, zone_called
from memory.vocabulary import name_key

NEVER = "never"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PERIOD = re.compile(r"([1-9]\d{0,5}) ?(m|h|d|w|minutes?|hours?|days?|weeks?)")
_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10_080}
_SCOPES = ("session", "attribute", "tag")

Expiry = str | date | timedelta


@dataclass(frozen=True)
class Expiring(Record):
    """A turn that will be forgotten, and from which moment on (UTC)."""

    turn: Turn
    forget_after: str


def expiry_text(expires: Expiry) -> str:
    """What a caller gives as the moment of a turn, as text for the tag FORGET_AFTER."""
    if isinstance(expires, timedelta):
        return _written(_now() + expires)
    return expires.isoformat() if isinstance(expires, date) else expires


def moment_of_expiry(text: str, zone: tzinfo | None = None) -> str:
    """The moment, in UTC, that a text means: a date, a time, or how long from now.

    A date lasts until it has ended in the zone (default: this machine's): "until Friday" is all of
    Friday. Raises InputError for another text, and for a moment that has passed.
    """
    now = _now()
    if _MOMENT.fullmatch(text):  # of an export: it may have passed since
        return text
    if period := _PERIOD.fullmatch(text.strip()):
        return _written(now + timedelta(minutes=int(period[1]) * _MINUTES[period[2][0]]))
    day = clean_date(text)
    if not day:
        raise InputError(
            f"{text!r:.60} does not say when to forget: write a date (2026-12-04, all of which"
            " counts), a time with its zone, or how long (30m, 12h, 7d, 2w)"
        )
    if len(day) <= len("2017-05-08"):
        moment = datetime.combine(last_moment(day), time()) + timedelta(days=1)
    else:
        moment = datetime.fromisoformat(day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone else in_local_zone(moment)
    if moment <= now:
        raise InputError(f"{text!r:.60} has passed: nothing was stored")
    return _written(moment)


def with_moments(
    turns: Sequence[Turn], zones: Sequence[str], periods: Sequence[str]
) -> Sequence[Turn]:
    """New turns, the expiring ones with their moments in UTC.

    `zones` and `periods` are the values of the settings TIMEZONE and EXPIRY as JSON, the newest
    first. The second says how long the turns of a session or with a tag stay, if they say nothing
    themselves; the shortest period counts. Raises InputError as `moment_of_expiry` does.
    """
    if not periods and not any(FORGET_AFTER in turn.tags for turn in turns):
        return turns
    zone = zone_called(_value(zones, TIMEZONE))
    rules = _value(periods, EXPIRY) or {}
    return [_with_moment(turn, zone, rules) for turn in turns]


def _value(rows: Sequence[str], name: str) -> Any:
    """The newest value of a setting that is one, as a file may hold anything."""
    values = map(json.loads, rows)
    return next((value for value in values if is_own_value(name, value)), None)


def _with_moment(turn: Turn, zone: tzinfo | None, periods: Mapping[str, str]) -> Turn:
    own = turn.tags.get(FORGET_AFTER)
    if own is not None:
        texts = [text for text in tag_texts(own, FORGET_AFTER) if text != NEVER]
        moments = [moment_of_expiry(text, zone) for text in texts]
    else:
        moments = [
            moment_of_expiry(period) for rule, period in periods.items() if _is_for(turn, rule)
        ]
    tags = {key: value for key, value in turn.tags.items() if key != FORGET_AFTER}
    return replace(turn, tags=tags | {FORGET_AFTER: min(moments)} if moments else tags)


def _is_for(turn: Turn, rule: str) -> bool:
    scope, _, name = rule.partition(" ")
    if scope == "session":
        return turn.session == name
    key, _, value = name.partition("=")
    return scope == "tag" and value in tag_texts(turn.tags.get(key, ()), key)


def read_periods(rules: Mapping[str, str]) -> Mapping[str, str]:
    """The setting EXPIRY, checked. Raises InputError for a rule that is none."""
    for rule, period in rules.items():
        scope, _, name = rule.partition(" ")
        if scope not in _SCOPES or not name or (scope == "tag" and "=" not in name):
            raise InputError(
                f'{rule!r:.60} is no rule of {EXPIRY}: write {{"session scratch": "12h",'
                ' "tag kind=code": "1d", "attribute door_code": "7d"}'
            )
        if not _PERIOD.fullmatch(period):
            raise InputError(f"{period!r:.60} is no time to stay; write 30m, 12h, 7d or 2w")
    return rules


def periods_of_attributes(store: HasConnections) -> dict[str, str]:
    """How long turns stay whose facts have an attribute, by `name_key` of it."""
    rules: Mapping[str, str] = _newest(store, EXPIRY, {})
    split = [(rule.partition(" "), period) for rule, period in rules.items()]
    return {name_key(name): period for (scope, _, name), period in split if scope == "attribute"}


def set_expiry(
    store: HasConnections, turn_ids: Collection[int], expires: Expiry, by: str = ""
) -> Change:
    """Have turns forgotten after a moment, with all that they say, or never ("never").

    A change that can be undone until then. Raises InputError for a turn that is not there, for what
    is no moment, and if nothing would change.
    """
    text = expiry_text(expires)
    moments = set() if text == NEVER else {moment_of_expiry(text, _zone_of(store))}
    return replace_tags(store, turn_ids, {FORGET_AFTER: moments}, by)


def expire_by_attribute(store: HasConnections, changes: Iterable[int]) -> None:
    """Give the turns of facts that changes added the moment of their attributes, by EXPIRY."""
    periods = periods_of_attributes(store)
    if not periods:
        return
    moments: dict[int, list[str]] = {}
    for fact in _added_by(store, changes):
        if period := periods.get(name_key(fact.attribute)):
            moments.setdefault(fact.turn_id, []).append(moment_of_expiry(period))
    with store.reading() as conn:
        known = {turn_id for turn_id, _ in _moments(conn)}
    for turn_id in moments.keys() - known:
        replace_tags(store, [turn_id], {FORGET_AFTER: {min(moments[turn_id])}}, f"setting {EXPIRY}")


def sets_expiry(store: HasConnections, change_id: int) -> bool:
    """Whether a change says when turns are forgotten, or that they are not."""
    with store.reading() as conn:
        rows = conn.run("rows_of_change", change_id=change_id).fetchall()
    images = [
        json.loads(image) for _, table, *pair in rows if table == "tags" for image in pair if image
    ]
    return any(image["key"] == FORGET_AFTER for image in images)


def _added_by(store: HasConnections, changes: Iterable[int]) -> list[Fact]:
    edits = [edit for change_id in changes for edit in edits_of(store, change_id)]
    return [edit.after for edit in edits if edit.after and edit.before is None]


def expiring_turns(store: HasConnections) -> list[Expiring]:
    """The turns that will be forgotten, the next one first."""
    with store.reading() as conn:
        moments = dict(_moments(conn))
        turns = tagged_turns(conn, moments)
    turns.sort(key=lambda turn: (moments[turn.id], turn.id))
    return [Expiring(turn, moments[turn.id]) for turn in turns]


def expired_turns(conn: Connection) -> list[int]:
    """The turns whose moment has come."""
    return [turn_id for turn_id, moment in _moments(conn, until=_written(_now()))]


def next_expiry(conn: Connection) -> float:
    """When the next turn expires, in Unix seconds; infinite if none will."""
    (value,) = conn.run("next_expiry", key=FORGET_AFTER).fetchone()
    # What is no moment is looked at every time: `expired_turns` leaves it out.
    is_moment = value is not None and _MOMENT.fullmatch(value)
    return datetime.fromisoformat(value).timestamp() if is_moment else 0.0 if value else inf


def _moments(conn: Connection, until: str = "") -> list[tuple[int, str]]:
    rows = conn.run("expiries", key=FORGET_AFTER, until=until or "9").fetchall()
    # A tag that someone wrote otherwise, as an older version or another program may have, is none.
    return [(turn_id, value) for turn_id, value in rows if _MOMENT.fullmatch(value)]


def _zone_of(store: HasConnections) -> tzinfo | None:
    return zone_called(_newest(store, TIMEZONE, None))


def _newest(store: HasConnections, name: str, default: Any) -> Any:
    history = settings.settings_of(store, name)
    return history[-1].value if history else default


def _now() -> datetime:
    return datetime.fromtimestamp(clock.time(), UTC)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_log = clean_logger("memory.store")
LOOK_SECONDS = 1.0  # another process may have given turns a moment since


class ExpiredTurns:
    """The look of one store for expired turns; all threads of the store share it."""

    def __init__(self) -> None:
        self._next_look = 0.0  # Unix seconds
        self._is_first = True
        self._is_looking = False
        self._lock = RLock()

    @property
    def are_to_look_for(self) -> bool:
        """Whether a look may find some."""
        # If the next look is further ahead than any is put off, the clock has gone back.
        return not self._next_look - LOOK_SECONDS <= clock.time() < self._next_look

    def look_again(self) -> None:
        """Look before the next read: turns were added that may have expired already."""
        self._next_look = 0.0

    def forget(self, store: Store, remove: Callable[[], None]) -> None:
        """Forget the turns that have expired, by `remove`; other threads wait for it.

        The first look of a store also overwrites their bytes and keeps the receipts, also of what
        other stores have removed. Raises StoreError if a store for reading finds some, and no other
        may write.
        """
        with self._lock:
            # Another thread has just looked, or this look reads the store itself.
            if self._is_looking or not self.are_to_look_for:
                return
            self._is_looking = True
            try:
                now = clock.time()
                with store.reading() as conn:
                    coming = next_expiry(conn)
                    # A tag of another form is no moment: no read waits to write for it.
                    is_due = coming <= now and bool(expired_turns(conn))
                if is_due:
                    remove()
                if self._is_first and not store.read_only:
                    self._finish(store)
                self._is_first = False
                self._next_look = now + LOOK_SECONDS
                if coming > now:
                    self._next_look = min(self._next_look, coming)
            finally:
                self._is_looking = False

    def _finish(self, store: Store) -> None:
        """Overwrite the bytes of expired turns. A worker does what fails here."""
        due = [setting.value for setting in settings_of(store, "forgetting")]
        if not any(value.get("expired") for value in due):
            return
        try:
            save_receipts(store.location, forget_without_preview(store))
        except StoreError as error:
            _log.warning("the bytes of expired turns are still to be overwritten: %s", error)
