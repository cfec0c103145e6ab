"""How long ago something was said, in words: across years, time zones and changing clocks."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.evidence.ago import time_difference

OSLO = ZoneInfo("Europe/Oslo")


@pytest.mark.parametrize(
    ("said_at", "now", "words"),
    [
        ("", "2018-05-11T12:00", "at an unknown time"),
        ("yesterday", "2018-05-11T12:00", "at an unknown time"),
        ("0001-01-01T00:00+14:00", "2018-05-11T12:00", "at an unknown time"),
        ("2018-05-11T11:59:30", "2018-05-11T12:00", "just now"),
        ("2018-05-11T12:00:30", "2018-05-11T12:00", "just now"),  # clocks differ a little
        ("2018-05-11T11:55", "2018-05-11T12:00", "5 minutes ago"),
        ("2018-05-11 10:59:59", "2018-05-11T12:00", "1 hour ago"),
        ("2018-05-10T23:00", "2018-05-11T12:00", "13 hours ago"),
        ("2018-05-11T09:00Z", "2018-05-11T12:00", "1 hour ago"),  # Oslo's summer is +02:00
        ("2018-05-11T09:00:00.0", "2018-05-11T12:00", "1 hour ago"),  # without a zone: in UTC
        ("2018-05-11T08:00-04:00", "2018-05-11T14:00", "just now"),
        ("2018-05-08T12:00", "2018-05-11T12:00", "3 days ago"),
        ("2018-05-08T12:01", "2018-05-11T12:00", "2 days ago"),
        ("2017-12-31T23:59", "2018-01-01T00:01", "2 minutes ago"),
        ("2017-12-31", "2018-01-01T00:01", "1 day ago"),
        ("2018-05-11", "2018-05-11T00:00", "today"),
        ("2018-04-12", "2018-05-11T23:59", "29 days ago"),
        ("2018-04-11", "2018-05-11T00:00", "1 month ago"),
        ("2018-01-31", "2018-03-01T12:00", "1 month ago"),
        ("2017-03-15", "2017-05-15T12:00", "2 months ago"),  # 61 days, over two short months
        ("2024-02-29", "2025-02-28T12:00", "11 months ago"),
        ("2024-02-29", "2025-03-01T12:00", "1 year ago"),
        ("2017-03-08", "2018-05-11T12:00", "1 year, 2 months ago"),
        ("2018-05", "2018-05-11T12:00", "this month"),
        ("2017-12", "2018-01-01T12:00", "1 month ago"),
        ("2018", "2018-05-11T12:00", "this year"),
        ("2017", "2018-01-01T12:00", "1 year ago"),
        ("2018-05-14", "2018-05-11T12:00", "in 3 days"),
        ("2018-05-11T12:10", "2018-05-11T12:00", "in 10 minutes"),
        ("2026", "2024-05-11T12:00", "in 2 years"),
        # Clocks went forward on 31 March 2018 at 02:00, and back on 27 October at 03:00.
        ("2024-03-31T01:30", "2024-03-31T03:30", "1 hour ago"),
        ("2024-03-30T12:00", "2024-03-31T12:00", "1 day ago"),  # 23 hours went by
        ("2018-10-27T00:30Z", "2018-10-27T02:15+01:00", "45 minutes ago"),  # the wall says -15
        ("2018-01-11T12:00", "2018-05-11T12:00", "4 months ago"),  # winter to summer
    ],
)
@pytest.mark.parametrize("machine", [True, False], ids=["this machine", "given"])
def test_how_long_ago_in_words(
    said_at: str, now: str, words: str, machine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Oslo" if machine else "Asia/Tokyo")
    time.tzset()
    if re.fullmatch(r"\S+[T ]\d\d:\d\d(:\d\d)?", said_at):  # the table tells Oslo's time
        said_at = datetime.fromisoformat(said_at).replace(tzinfo=OSLO).isoformat()
    moment = datetime.fromisoformat(now)
    if moment.tzinfo:  # which of the two hours is meant
        moment = moment.astimezone(OSLO)
        moment = moment.replace(tzinfo=None) if machine else moment
    try:
        assert time_difference(said_at, moment if machine else moment.replace(tzinfo=OSLO)) == words
    finally:
        monkeypatch.undo()
        time.tzset()


MOMENTS = st.datetimes(datetime(1971, 1, 2), datetime(2037, 12, 30))
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "month": 2_629_746, "year": 31_556_952}


def size(words: str) -> float:
    """Roughly how many seconds a time in words stands for, negative ahead."""
    if words in {"just now", "today"}:
        return 0
    parts = words.removesuffix(" ago").removeprefix("in ").split(", ")
    seconds = sum(int(p.split()[0]) * _SECONDS[p.split()[1].rstrip("s")] for p in parts)
    return -seconds if words.startswith("in ") else seconds


@given(
    MOMENTS, MOMENTS, st.integers(-14, 14), st.sampled_from(["UTC", "Europe/Oslo", "Asia/Tokyo"])
)
def test_the_same_moment_is_as_long_ago_in_whatever_zone_it_is_told(
    then: datetime, now: datetime, hours: int, zone: str
) -> None:
    local, aware = now.replace(tzinfo=ZoneInfo(zone)), then.replace(tzinfo=UTC)
    words = time_difference(aware.isoformat(), local)
    elsewhere = aware.astimezone(timezone(timedelta(hours=hours)))
    assert time_difference(elsewhere.isoformat(), local) == words
    # Right to the unit before: 1 month is 28 to 31 days, and a day 23 to 25 hours.
    passed = (local - aware).total_seconds()
    slack = 3 * 86400 + 3600 + (2_629_746 if "year" in words or "month" in words else 0)
    assert abs(size(words)) <= abs(passed) + 4 * 86400
    assert abs(passed - size(words)) <= slack + 86400
