"""Feasts that name a day."""

from datetime import date

import pytest

from memory.program.feast_days import feast_days


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("We were at hers on Christmas Day.", date(2024, 12, 25)),
        ("I ran on Boxing Day.", date(2024, 12, 26)),
        ("We all met on Easter Sunday.", date(2025, 4, 20)),
        ("Good Friday was quiet.", date(2025, 4, 18)),
    ],
)
def test_a_feast_is_the_last_one_by_the_day_it_was_said(text: str, day: date) -> None:
    assert list(feast_days(text, date(2025, 5, 5))) == [day]
