"""The amount that a text begins with, and sums that are exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.text.amounts import ExactSum, number

AMOUNTS: dict[str, float | None] = {
    # grouped, decimal, with a currency
    "1,900 euros rent": 1900,
    "$1,200.50/month": 1200.5,
    "1.900 euros": 1900,
    "1 900 euros": 1900,
    "1'900.50 CHF": 1900.5,
    "€ 1.200,50": 1200.5,
    "1,00,000 rupees": 100_000,
    "12.345.678": 12_345_678,
    "3.14159": 3.14159,
    "0.500 litres": 0.5,
    "0,125": 0.125,
    "1234.567": 1234.567,
    ".5 litres": 0.5,
    "US$500": 500,
    "USD 1,200": 1200,
    "20 $": 20,
    # signs, openings, percent
    "-3 degrees": -3,
    "\u22125 °C": -5,
    "minus three": -3,
    "-$50": -50,
    "$-50": -50,
    "+5": 5,
    "-0": 0,
    "10%": 10,
    "about 50 euros": 50,
    "at least 3 cats": 3,
    "~20 km": 20,
    # what is behind
    "1.5k followers": 1500,
    "2M followers": 2_000_000,
    "2m tall": 2,
    "$2m": 2_000_000,
    "5km": 5,
    "3rd floor": 3,
    "1.5 million dollars": 1_500_000,
    "3 dozen": 36,
    "5 cents": 5,
    "1½ cups": 1.5,
    "½ cup": 0.5,
    "2 and a half": 2.5,
    "1.5e3": 1500,
    "3 to 5 days": 3,
    "3-5 days": 3,
    "1, 2 and 3": 1,
    # words
    "two": 2,
    "Twenty-five": 25,
    "two-bedroom flat": 2,
    "one hundred and five": 105,
    "a hundred and twenty euros": 120,
    "three thousand five hundred": 3500,
    "one million two hundred thousand": 1_200_000,
    "two and a half hours": 2.5,
    "half an hour": 0.5,
    "half a million": 500_000,
    "a dozen eggs": 12,
    "zweihundert Euro": 200,
    "einundzwanzig": 21,
    "tausend Euro": 1000,
    "soixante-dix": 70,
    "quatre-vingt-dix-sept": 97,
    "veintidós años": 22,
    # no amounts
    "": None,
    "none": None,
    "a dog": None,
    "an hour": None,
    "half marathon": None,
    "Thousand Oaks": None,
    "Sept 14": None,
    "once a week": None,
    "#5": None,
    "- 3 eggs": None,
    "2023-05-07": None,
    "2023-05": None,
    "7.5.2023": None,
    "10:30 am": None,
    "3/4 cup": None,
    "1 1/2 cups": None,
    "8/10": None,
    "5'10\"": None,
    "1,2,3": None,
    "1e999": None,
    "1e5x": None,
    "\uff12\uff10": None,
    "9" * 31: None,
}


@pytest.mark.few(4)
@pytest.mark.parametrize("text", AMOUNTS)
def test_the_amount_that_a_text_begins_with(text: str) -> None:
    assert number(text) == AMOUNTS[text]


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary()))
def test_it_never_fails(value: object) -> None:
    amount = number(value)
    assert amount is None or isinstance(amount, float)


@given(st.integers(-999_999, 999_999), st.sampled_from([",", ".", "'", " ", ""]))
def test_a_grouped_number_is_itself(whole: int, mark: str) -> None:
    text = f"{whole:,}".replace(",", mark)
    assert number(f"{text} euros") == whole


@given(st.lists(st.integers(-10_000, 10_000).map(lambda cents: cents / 100)))
def test_a_sum_is_exact_in_any_order(amounts: list[float]) -> None:
    forward, backward = ExactSum(), ExactSum()
    for amount in amounts:
        forward.step(amount)
    for amount in reversed(amounts):
        backward.step(amount)
    assert forward.value() == backward.value()
    cents = sum(round(100 * amount) for amount in amounts)
    assert forward.value() == (cents / 100 if amounts else None)


def test_a_window_moves_over_a_sum() -> None:
    moving = ExactSum()
    for amount in (0.1, 0.2, None, "x"):
        moving.step(amount)
    moving.inverse(0.1)
    assert moving.value() == 0.2
    moving.inverse(0.2)
    assert moving.value() is None
    for huge in (float("inf"), float("-inf"), 1e308, 10**400):
        moving.step(huge)
    assert moving.value() == float("inf")
