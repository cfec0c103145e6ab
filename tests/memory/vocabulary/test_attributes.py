"""Attributes: which names mean one, what contradicts itself, and which a window needs."""

import json
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import InputError
from memory.text.tokens import count_tokens
from memory.vocabulary import (
    KINDS,
    Attribute,
    Vocabulary,
    attribute_lines,
    check_attributes,
    combined,
    default_vocabulary,
    name_key,
    read_vocabulary,
)
from memory.vocabulary.files import DEFAULT
from memory.vocabulary.need import DEFAULT_TOKENS, OWN_TOKENS

URGENCY = Attribute(
    "urgency",
    "one value",
    other_names=("priority",),
    allowed_values=("low", "high"),
    instruction="how soon a customer needs an answer",
)


def own(*attributes: Attribute) -> Vocabulary:
    return combined(default_vocabulary().attributes, attributes)


# ------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["allergic_to", "allergic to", "Allergic To", "allergic-to", "ALLERGIC_TO", "allergy"]
)
def test_case_spaces_and_underscores_do_not_matter(name: str) -> None:
    attribute = default_vocabulary().canonical(name)
    assert attribute
    assert attribute.name == "allergic_to"


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("has_read", "read"), ("finished_reading", "read"), ("home", "lives_in"), ("job", "works_as")],
)
def test_other_names_mean_the_attribute(name: str, attribute: str) -> None:
    assert default_vocabulary().name_of(name) == attribute


# They say more than the attribute they resemble, or something else.
@pytest.mark.parametrize(
    "name",
    ["wife", "son", "born", "learned", "moved", "owns_dog", "married", "gift", "crates_a_day"],
)
def test_what_says_something_else_keeps_its_name(name: str) -> None:
    assert default_vocabulary().name_of(name) in (name, f"has_{name}")


def test_a_name_in_another_script_is_known_by_its_spelling() -> None:
    vocabulary = own(Attribute("宠物", other_names=("पालतू",)))
    assert vocabulary.name_of("पालतू") == "宠物"
    assert vocabulary.name_of("पालती") == "पालती"  # the signs of vowels tell words apart


@given(st.from_regex("[a-z _-]{1,20}", fullmatch=True))
def test_a_name_means_the_same_in_any_spelling(name: str) -> None:
    assert name_key(name.upper().replace("_", " ")) == name_key(name.replace("-", ""))


# --------------------------------------------------------------------------- the default


def test_the_default_has_each_kind_and_no_name_twice() -> None:
    attributes = default_vocabulary().attributes
    assert 60 <= len(attributes) <= 120
    assert {attribute.kind for attribute in attributes} == {*KINDS}
    # It is loaded without the checks of a file that an application brings.
    assert check_attributes(attributes) == attributes
    assert combined(read_vocabulary(DEFAULT).attributes, ()).attributes == attributes
    kinds = {attribute.name: attribute.kind for attribute in attributes}
    assert kinds["lives_in"] == kinds["works_at"] == kinds["age"] == "one value"
    assert kinds["has_pet"] == kinds["allergic_to"] == "many"
    assert kinds["goal"] == kinds["plans"] == kinds["appointment"] == kinds["deadline"] == "plan"
    assert kinds["read"] == kinds["travelled_to"] == kinds["bought"] == "event"


def test_an_attribute_of_the_application_takes_the_place_of_the_default_one() -> None:
    residence = Attribute("residence", "many", other_names=("lives_in",))
    vocabulary = own(residence)
    assert vocabulary.canonical("lives in") == residence
    assert vocabulary.canonical("home") is None  # with the default one, its other names are gone
    assert vocabulary.own == {"residence"}


def test_another_name_of_the_default_gives_way_to_the_application() -> None:
    vocabulary = own(Attribute("job", "many"))
    assert vocabulary.name_of("job") == "job"
    assert vocabulary.name_of("occupation") == "works_as"


# ----------------------------------------------------------------------- contradictions


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ([Attribute(" ")], "the name of an attribute is empty"),
        ([Attribute("a" * 61)], "61 characters"),
        ([Attribute("a\nb")], "cannot be printed"),
        ([Attribute("a", "state")], "'state'; the kinds are 'one value', 'many', 'event'"),  # type: ignore[arg-type]
        ([Attribute("a", other_names=("",))], "attribute a: another name is empty"),
        ([Attribute("a", allowed_values=("x", "X "))], "allows the value 'x' twice"),
        ([Attribute("a", allowed_values=("",))], "attribute a: a value is empty"),
        ([Attribute("a_b"), Attribute("A b")], "the attribute A b occurs twice"),
        (
            [Attribute("a", other_names=("c",)), Attribute("b", other_names=("C",))],
            "the name 'C' means two attributes, a and b",
        ),
        (
            [Attribute("a", other_names=("b",)), Attribute("b")],
            "the name 'b' means two attributes, a and b",
        ),
        ([Attribute("a", instruction="x" * 301)], "attribute a: the instruction has 301"),
    ],
)
def test_what_contradicts_itself_is_one_clear_line(
    attributes: Sequence[Attribute], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_attributes(attributes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_its_own_name_in_another_spelling_is_none_of_the_other_names() -> None:
    [attribute] = check_attributes([Attribute("has_pet", other_names=("has pet", "pet", "Pet"))])
    assert attribute.other_names == ("pet",)


def test_a_value_is_allowed_in_any_case_and_stored_as_listed() -> None:
    assert URGENCY.allowed(" HIGH ") == "high"
    assert URGENCY.allowed("higher") is None
    assert Attribute("age").allowed("any") == "any"


# ------------------------------------------------------------------------------ files

TOML = """
strict = true
[attributes.urgency]
kind = "one value"
other_names = ["priority"]
allowed_values = ["low", "high"]
instruction = "how soon a customer needs an answer"
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [("shop.toml", TOML), ("shop.json", json.dumps(tomllib.loads(TOML)))],
)
def test_a_file_is_toml_or_json(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    content = read_vocabulary(tmp_path / name)
    assert (content.attributes, content.strict) == ((URGENCY,), True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[attributes.a]\nkind = 'state'", "attributes.a.kind"),
        ("a.toml", "[attributes.a]", "attributes.a.kind"),
        ("a.toml", "[attributes.a]\nkind = 'many'\n[attributes.a]", "cannot read"),
        ("a.toml", "[attributes.a]\nkind = 'many'\ncolour = 'red'", "attributes.a.colour"),
        ("a.toml", "strict = true", "'attributes'"),
        ("a.toml", "[attributes]", "'attributes'"),
        ("a.toml", "[attributes.' ']\nkind = 'many'", "the name of an attribute is empty"),
        ("a.json", "[]", "Input should be"),
        ("a.json", '{"attributes": {"a": {"kind": "many"}, "a": {"kind": "event"}}}', "'a' is"),
        ("a.json", "[" * 100_000, "cannot read the vocabulary"),
        ("a.yaml", "", "must end in .toml or .json"),
        ("missing.toml", None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        read_vocabulary(tmp_path / name)
    assert message in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------ what a window needs


def test_a_window_is_shown_the_attributes_that_it_speaks_of() -> None:
    lines = attribute_lines(default_vocabulary(), "Anna: I am allergic to nuts, and so is my pet.")
    names = [line.partition(" ")[0] for line in lines.splitlines()]
    assert names[:2] == ["allergic_to", "has_pet"]
    assert "speaks" not in names


def test_a_window_that_speaks_of_none_is_shown_none_of_the_default() -> None:
    assert attribute_lines(default_vocabulary(), "Ben: Brilliant!") == ""


def test_the_attributes_of_the_application_are_always_shown() -> None:
    lines = attribute_lines(own(URGENCY), "Ben: Brilliant!")
    assert lines == "urgency (one value: low, high): how soon a customer needs an answer"


def test_a_strict_vocabulary_says_so() -> None:
    lines = attribute_lines(Vocabulary((URGENCY,), True, frozenset({"urgency"})), "Ben: Hi")
    assert lines.splitlines()[0] == "No other attributes are stored: leave out what none fits."


def test_the_lines_are_bounded_and_what_fits_best_comes_first() -> None:
    many = [Attribute(f"code_{n + 1_000}", instruction="xyz " + "qqq " * 60) for n in range(200)]
    vocabulary = own(*many, URGENCY)
    everything = " ".join(name for a in default_vocabulary().attributes for name in a.names)
    lines = attribute_lines(vocabulary, f"a customer: {everything}")
    assert lines.startswith("urgency")
    assert count_tokens(lines) <= OWN_TOKENS + DEFAULT_TOKENS


@pytest.mark.slow
def test_a_file_of_the_largest_size_is_refused_in_the_time_that_reading_it_takes(
    tmp_path: Path,
) -> None:
    """Each name was counted among all others: 90,000 names took minutes."""
    path = tmp_path / "many.json"
    path.write_text(json.dumps({f"a{n}": 1 for n in range(75_000)}))
    begun = time.process_time()
    with pytest.raises(InputError, match="attributes"):
        read_vocabulary(path)
    attribute = {"kind": "many", "allowed_values": [str(n) for n in range(90_000)]}
    path.write_text(json.dumps({"attributes": {"x": attribute}}))
    with pytest.raises(InputError, match="more than 200 values"):
        read_vocabulary(path)
    assert time.process_time() - begun < 10
