"""Points in the life of a memory, read and compared, and what two of them differ in."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from memory import Fact, InputError
from memory.evidence.ago import time_difference
from memory.store.changes.points_in_time import (
    Diff,
    date_keys,
    differences,
    has_happened,
    read_moment,
    read_point,
    time_of_question,
)
from memory.text.written_dates import date_key


@pytest.mark.parametrize(
    ("text", "point"),
    [
        (12, 12),
        (2017, 2017),
        ("12", 12),
        (" #12 ", 12),
        ("999", 999),
        ("3000", 3000),
        ("10000", 10000),
        ("#2017", 2017),
        ("2017", "2017"),
        ("2017-06", "2017-06"),
        ("2024-02-29", "2024-02-29"),
        ("2017-06-01 14:30", "2017-06-01T14:30"),
        ("2017-06-01T14:30:05.25Z", "2017-06-01T14:30:05.25"),
        ("2017-06-01T01:30+02:00", "2017-05-31T23:30"),
        ("2017-12-31T23-0130", "2018-01-01T00"),
    ],
)
def test_a_point_is_a_change_or_a_moment(text: str | int, point: str | int) -> None:
    assert read_point(text) == point


@pytest.mark.parametrize(
    "text",
    [
        *("", "#", "-1", "yesterday", "2023-6", "2023-13", "2023-02-29", "2023-06-01T25:00"),
        *("2017-06-01 or so", "12345-01-01", "9" * 30, "1e3", "٣"),
    ],
)
def test_what_is_no_point_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"is no point.*2017-06-01"):
        read_point(text)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
def test_a_question_about_the_past_is_asked_at_that_moment_wherever_this_machine_is(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        asked_at = time_of_question("2024-10-27T03:10+02:00")
        ago = time_difference("2024-10-27T00:50Z", asked_at)
        day = time_of_question("2024-10-27")
        in_an_hour = datetime.now(UTC) + timedelta(hours=1)
        ahead = time_of_question(in_an_hour.isoformat(timespec="seconds"))
        seconds_ahead = ahead.timestamp() - time.time()
    finally:
        monkeypatch.undo()
        time.tzset()

    assert ago == "20 minutes ago"
    assert day == datetime(2024, 10, 27)
    assert seconds_ahead <= 0


def test_a_change_is_no_moment() -> None:
    with pytest.raises(InputError, match="'#3' is a change"):
        read_moment("#3")


@pytest.mark.parametrize(
    ("said_at", "moment", "there"),
    [
        ("2017-06-01T23:59:59", "2017-06-01", True),
        ("2017-06-02", "2017-06-01", False),
        ("2017-06-30", "2017-06", True),
        ("2017-06", "2017-06-01", True),  # from the beginning of its date
        ("2017-07", "2017-06-30", False),
        ("2017-06-01T14:30:59.9", "2017-06-01T14:30", True),
        ("2017-06-01T14:31", "2017-06-01T14:30", False),
        ("2017-06-02T01:30:00+02:00", "2017-06-01", True),
        ("2017-06-01T23:30:00-05:00", "2017-06-01", False),
        ("2017-06-01T25:30+02:00", "2017-06-01", True),  # no such hour, but such a day
        ("the day after the storm", "2017", True),
        ("20170608", "2016", True),  # not ISO: as good as undated
    ],
)
def test_dates_are_compared_as_exactly_as_they_are_known(
    said_at: str, moment: str, there: bool
) -> None:
    assert has_happened(date_key(said_at), read_moment(moment)) is there


def test_an_undated_turn_counts_as_said_with_the_dated_one_before() -> None:
    assert [*date_keys(["", "2017-05", "soon", "2017-04-01T08:00", ""])] == [
        *("", "2017-05", "2017-05", "2017-04-01T08:00", "2017-04-01T08:00")
    ]


def test_a_difference_is_told_fact_by_fact() -> None:
    oslo, cat = Fact("Anna", "lives_in", "Oslo", 1, id=1), Fact("Anna", "has_pet", "cat", 3, id=2)
    ended, dog = replace(oslo, ended_on="2018"), replace(cat, value="dog", id=3)
    assert differences([oslo, cat], [ended, dog]) == Diff((dog,), (cat,), ((oslo, ended),))
    assert differences([oslo], [oslo]) == Diff()
