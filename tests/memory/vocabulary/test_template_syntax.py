"""The syntax of templates: what is one, what is none and why, and which words a match has."""

import pytest

from memory import InputError
from memory.vocabulary import Attribute, default_vocabulary, read_vocabulary
from memory.vocabulary.attributes import TEMPLATE_FIELDS
from memory.vocabulary.template_syntax import (
    Group,
    Placeholder,
    check_template,
    literals,
    parse,
)

ORDER = Attribute(
    "order_number",
    "one value",
    form="code",
    says=("my order number is {value}", "order {value} is mine"),
    ends=("I cancelled order {value}",),
    asks=("what is {who}'s order number",),
    asks_count=("how many orders does {who} have",),
    asks_date=("when did {who} order {value}",),
    asks_first=("what did {who} order first",),
    asks_last=("what did {who} order last",),
)


def test_words_placeholders_and_groups_are_parsed() -> None:
    words = parse("(I|we) [now] live in {value:place}, né[e] l'{who}")
    assert words[0] == (Group(((("I",),), (("we",),)), is_optional=False),)
    assert words[1] == (Group(((("now",),),), is_optional=True),)
    assert words[4] == (Placeholder("value", "place"), ",")
    assert words[5] == ("né", Group(((("e",),),), is_optional=True))
    assert words[6] == ("l'", Placeholder("who"))


@pytest.mark.parametrize(
    ("template", "field", "message"),
    [
        ("", "says", "a template is empty"),
        ("I live here", "says", "it needs {value}"),
        ("{value}", "says", "it needs a word that is always there"),
        ("[my] {value}", "says", "it needs a word that is always there"),
        ("my [order is {value}", "says", "'[' is not closed"),
        ("my (order is {value}]", "says", "'(' is closed by ']'"),
        ("my order) is {value}", "says", "has nothing to close"),
        ("my order is {value", "says", "opens no placeholder"),
        ("my order is value}", "says", "has nothing to close"),
        ("my (order|) is {value}", "says", "a group has an empty part"),
        ("my order is {number}", "says", "says has no {number}; it may have {value}"),
        ("from {value} to {value}", "says", "{value} occurs twice"),
        ("my order is {value:numbr}", "says", "there is no form 'numbr'; the forms are name"),
        ("my order is {value} {who} {number}", "says", "says has no {number}"),
        ("my order is " + "x" * 300 + " {value}", "says", "at most 300 are allowed"),
    ],
)
def test_what_is_no_template_is_refused_in_one_line(
    template: str, field: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        Attribute("order_number", **{field: (template,)}).checked()  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_form_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(InputError, match="there is no form 'thing'"):
        Attribute("order_number", form="thing").checked()


def test_an_end_needs_no_value_and_spaces_do_not_matter() -> None:
    assert check_template("  I quit   my job ", "ends") == "I quit my job"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("I [now] live in {value}", [{"i", "live", "in"}]),
        ("(mein|meine) {value}", [{"mein"}, {"meine"}]),
        ("mein[e] {value}", [{"mein"}, {"meine"}]),
        (
            "(in future|as of now)[,] {value}",
            [{"in", "future"}, {"in", "future,"}, {"as", "of", "now"}, {"as", "of", "now,"}],
        ),
        ("l'{value}", []),
        ("{value:pet}", []),  # "a dog called Rex" has any animal
        ("please {value:standing_order}", [{"please"}]),
    ],
)
def test_the_words_that_a_match_has_in_any_case(template: str, words: list[set[str]]) -> None:
    found = literals(template)
    assert len(found) == len(words)
    assert all(known in found for known in words)


def test_templates_travel_with_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import json

    file = tmp_path / "shop.json"
    entry = {"kind": ORDER.kind, "form": ORDER.form, **ORDER.templates}
    file.write_text(json.dumps({"attributes": {ORDER.name: entry}}))
    assert read_vocabulary(file).attributes == (ORDER,)


def test_a_template_may_stand_in_a_file_of_toml(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "shop.toml"
    file.write_text('[attributes.order]\nkind = "many"\nsays = ["my order is {value:code}"]\n')
    [order] = read_vocabulary(file).attributes
    assert order.says == ("my order is {value:code}",)
    file.write_text('[attributes.order]\nkind = "many"\nsays = ["my order is"]\n')
    with pytest.raises(InputError, match=r"shop\.toml: attribute order: says: .* needs \{value\}"):
        read_vocabulary(file)


def test_the_default_has_templates_for_what_people_say_most_plainly() -> None:
    attributes = default_vocabulary().attributes
    with_phrases = {attribute.name for attribute in attributes if attribute.says}
    assert with_phrases >= {"name", "lives_in", "works_as", "has_pet", "diet", "allergic_to"}
    assert with_phrases.isdisjoint({"likes", "dislikes", "hobby"})
    assert tuple(ORDER.templates) == TEMPLATE_FIELDS
