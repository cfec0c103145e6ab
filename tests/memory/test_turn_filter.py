"""What a filter may say, and how it is refused."""

import json
from typing import Any

import pytest

from memory import InputError
from memory.text.turn_filter import FILTER_EXAMPLE, TurnFilter, filter_of_pairs, read_filter


def test_an_object_its_json_and_the_filter_itself_are_the_same_filter() -> None:
    expected = TurnFilter(speaker=("Anna",), since="2017-05", tags=(("project", ("move",)),))
    assert read_filter(FILTER_EXAMPLE) == expected
    assert read_filter(json.loads(FILTER_EXAMPLE)) == expected
    assert read_filter(expected) is expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speakers": "Anna"}, "speaker, session, kind, source, since, until, tags"),
        ({"x" * 500: "Anna"}, "unknown filter"),
        ({"speaker": 3}, "filter speaker is a text or a list of texts"),
        ({"speaker": []}, "filter speaker is a text or a list of texts"),
        ({"session": ["a", None]}, "filter session is a text or a list of texts"),
        ({"session": {"a": 1}}, "filter session is a text or a list of texts"),
        ({"kind": "letter"}, "is not message, document, tool"),
        ({"since": "May"}, "filter since is a date as in 2017-05-08"),
        ({"since": "2017-02-30"}, "filter since is a date as in 2017-05-08"),
        ({"until": ["2017"]}, "filter until is a date as in 2017-05-08"),
        ({"until": 2017}, "filter until is a date as in 2017-05-08"),
        ({"tags": "move"}, "filter tags is an object"),
        ({"tags": {1: "move"}}, "filter tags is an object"),
        ({"tags": {"project": []}}, "filter tags.project has no value"),
        ({"tags": {"project": {"near": 1}}}, "gt, gte, lt, lte, contains, in, not"),
        ({"tags": {"project": {"gte": [1]}}}, "filter tags.project has no 'gte' with [1]"),
        ({"tags": {"project": [{"a": 1}]}}, "as JSON text: json.dumps(value)"),
        ("session = 'private'", "a filter is JSON such as"),
        ("[1]", "a filter is JSON such as"),
        ("[" * 100_000, "a filter is JSON such as"),
        ('{"speaker": NaN}', "filter speaker is a text"),
        (["speaker"], "a filter is an object such as"),
    ],
)
def test_what_is_no_filter_is_refused_in_one_line(given: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read_filter(given)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_condition_of_a_tag_compares_or_leaves_out() -> None:
    given = {"n": {"gte": 2, "lt": 5}, "topic": {"not": "sport", "contains": "Mu"}}
    assert read_filter({"tags": given}) == TurnFilter(
        compared=(("n", "gte", 2), ("n", "lt", 5), ("topic", "contains", "Mu")),
        without_tags=(("topic", ("sport",)),),
    )


def test_pairs_of_a_command_are_a_filter() -> None:
    pairs = ["speaker=Anna", "speaker=Ben", "until=2017", "tags.project=a=b", "tags.project=c"]
    expected = {"speaker": ["Anna", "Ben"], "until": "2017", "tags": {"project": ["a=b", "c"]}}
    assert filter_of_pairs(pairs) == read_filter(expected)
    assert filter_of_pairs([]) is None


@pytest.mark.parametrize("pair", ["Anna", "mood=good", "tags=x", "since=May", "kind=letter", "=x"])
def test_other_pairs_are_refused(pair: str) -> None:
    with pytest.raises(InputError):
        filter_of_pairs([pair])


def test_a_date_is_given_once() -> None:
    with pytest.raises(InputError, match="twice"):
        filter_of_pairs(["since=2017", "since=2018"])
