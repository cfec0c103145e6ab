"""Dates as people and programs write them are ISO text in a memory; nothing is guessed."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import Memory, Turn, open_store
from memory.text.written_dates import clean_date, is_later, written_date


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("1:56 pm on 8 May, 2023", "2023-05-08T13:56"),
        ("May 8, 2023", "2023-05-08"),
        ("8th of May 2023", "2023-05-08"),
        ("Monday, May 8, 2023 1:56:07 PM", "2023-05-08T13:56:07"),
        ("1 pm on 8 May 2023", "2023-05-08T13:00"),
        ("May 2023", "2023-05"),
        (" 08.05.2023 13:56 ", "2023-05-08T13:56"),
        ("8.5.23, 13:56", "2023-05-08T13:56"),
        ("05/05/2023", "2023-05-05"),
        ("08-25-23 13:56", "2023-08-25T13:56"),
        ("25/08/2023", "2023-08-25"),
        ("05.25.2023", "2023-05-25"),
        ("2023/05/08 13:56", "2023-05-08T13:56"),
        ("2023.05.08", "2023-05-08"),
        ("1683554167", "2023-05-08T13:56:07Z"),
        ("1683554167.25", "2023-05-08T13:56:07Z"),
        ("1683554167000", "2023-05-08T13:56:07Z"),
        ("Mon, 08 May 2023 13:56:07 +0200", "2023-05-08T13:56:07+02:00"),
        ("Mon, 08 May 2023 13:56:07 GMT", "2023-05-08T13:56:07+00:00"),
        ("Mon, 08 May 2023 13:56:07 XYZ", "2023-05-08T13:56:07"),
    ],
)
def test_a_date_is_read_as_exactly_as_it_is_written(text: str, iso: str) -> None:
    assert written_date(text) == iso


@pytest.mark.parametrize(
    "text",
    [
        *("", "one May evening", "8 May", "yesterday", "Monday", "13:56", "5", "-5", "12345678"),
        *(
            "05/08/2023",
            "08-05-2023",
            "5/8/23 13:56",
            "32.05.2023",
            "31.02.2023",
            "5.6",
            "1.2.3",
            "room 12.05.2023",
            "may I, in 2023?",
        ),
        *("version 1.10.2023-rc", "May 2023 or June 2023", "99999999999999999", "8 Mai 2023"),
        *("2023", "2023-05", "2023-05-08", "2023-05-08T13:56", "2024-13-45", "May " * 99 + "2023"),
    ],
)
def test_what_is_no_date_or_iso_already_is_not_read(text: str) -> None:
    assert written_date(text) == ""


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)),
    st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_each_form_of_a_moment_is_read_as_that_moment(moment: datetime, zone: timezone) -> None:
    moment = moment.replace(microsecond=0)
    there = moment.replace(tzinfo=zone)
    assert datetime.fromisoformat(written_date(format_datetime(there))) == there
    for form in ("%d.%m.%Y %H:%M:%S", "%B %d, %Y %I:%M:%S %p", "%c"):
        assert datetime.fromisoformat(written_date(moment.strftime(form))) == moment
    for form in ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S"):
        iso = written_date(moment.strftime(form))
        assert iso == (moment.isoformat() if moment.day > 12 or moment.day == moment.month else "")
    if abs(moment.timestamp()) >= 1e8:
        seconds = int(moment.replace(tzinfo=UTC).timestamp())
        since_1970 = datetime.fromisoformat(written_date(str(seconds)))
        assert since_1970 == moment.replace(tzinfo=UTC)


@given(st.text())
def test_no_text_fails_and_what_is_read_is_iso(text: str) -> None:
    iso = written_date(text)
    assert not iso or clean_date(iso)


@pytest.mark.parametrize(
    ("said_at", "is_before"),
    [
        ("2025-03-01T10:00", True),
        ("2025-03-02", True),  # on the day that somebody acts
        ("2025-03", True),
        ("2025-03-02T12:30", False),  # in the same minute
        ("2025-03-02T13:30+02:00", True),
        ("2025-03-02T11:30-02:00", False),
        ("one May evening", False),
        ("", False),
    ],
)
def test_who_acts_has_what_was_said_before_in_mind(said_at: str, is_before: bool) -> None:
    assert is_later("2025-03-02T12:30:15.250Z", said_at) == is_before


def test_a_memory_holds_iso_dates_whoever_adds_the_turn(tmp_path: Path) -> None:
    with open_store(tmp_path / "anna.db") as store:
        memory = Memory(store, model="local")
        memory.add(Turn("Anna", "I moved last Saturday.", said_at="1:56 pm on 8 May, 2023"))
        memory.add(Turn("Anna", "I did it again.", said_at="one May evening"))
        dates = [turn.said_at for turn in store.turns()]
        assert dates == ["2023-05-08T13:56", "one May evening"]
        rows = store.read("SELECT id FROM turns WHERE said_at LIKE '2023-05%'").rows
        assert rows == ((1,),)
