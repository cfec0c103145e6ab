"""The syntax of templates: what is one, what is none and why, and which texts match."""

import re
from itertools import islice

import pytest

from memory import InputError
from memory.vocabulary import Attribute, default_vocabulary, read_vocabulary
from memory.vocabulary.attributes import TEMPLATE_FIELDS
from memory.vocabulary.template_syntax import (
    Placeholder,
    check_template,
    spellings,
)
from memory.vocabulary.templates.patterns import pattern, table_of, words_of
from memory.vocabulary.templates.words import language_words

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


@pytest.mark.parametrize(
    ("template", "texts", "others"),
    [
        ("(I|we) [now] live in {value}", ["we live in Rome", "I now live in Rome"], ["we live in"]),
        ("né[e] l'{value}", ["né l'Or", "née l'Or"], ["né e l'Or"]),
        ("(so [far]|by now) I sing", ["so I sing", "so far I sing", "by now I sing"], ["so far"]),
        ("[a|an] {value} [(called|named) {text}]", ["a cat", "a cat called Miso", "cat"], [""]),
        ("my (PIN|password) is {value}", ["my PIN is 7", "my password is 7"], ["my is 7"]),
        ("I met [Pete] {value}", ["I met Pete Bo", "I met Bo"], ["I met"]),
        ("{who}'s code (is|was) <{value}>.", ["Bo's code is <7>."], ["Bo's code is 7"]),
    ],
)
def test_a_template_matches_the_texts_in_its_form(
    template: str, texts: list[str], others: list[str]
) -> None:
    assert [text for text in texts if pattern(template).match(text) is None] == []
    assert [text for text in others if pattern(template).match(text)] == []


def test_the_words_at_a_placeholder_are_found_with_its_form() -> None:
    match = pattern("I [now] work (at|for) {value:name} [{date}]").match("I work at Lidl in May")
    assert match is not None
    assert match.texts[0] == (Placeholder("value", "name"), "Lidl")
    assert match.literal_words == 3


def test_no_template_is_left_out_that_matches() -> None:
    known = language_words()
    templates = [
        template
        for attribute in default_vocabulary().attributes
        for template in (*attribute.says, *attribute.ends, *attribute.asks)
    ]
    templates += [*known.retractions, *known.heads]
    table = table_of(templates)
    for template in templates:
        for text in islice(spellings(re.sub(r"\{[^{}]*\}", "Oslo", template)), 40):
            assert pattern(template).match(text), text
            for short, long in [("", ""), *known.contractions.items()]:
                written = re.sub(rf"\b{re.escape(long)}\b", short, text) if long else text.upper()
                if pattern(template).match(written):
                    found = table.candidates(words_of(written))
                    assert template in [row.template for row in found], written


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
