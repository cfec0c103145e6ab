"""The commands of the vocabulary."""

import json
from pathlib import Path

import pytest

from memory import Store
from memory.cli.output import left_out_text
from memory.store.facts.fact_reads import count_attributes
from memory.store.facts.vocabulary_table import set_vocabulary, vocabulary_of
from tests.conftest import CAT, INSERT
from tests.support.commands import run
from tests.support.scripted import patch_load_model, scripted_model, sql

BOTH_STORES = "slow"

SHOP = """
[attributes.urgency]
kind = "one value"
other_names = ["priority"]
allowed_values = ["low", "high"]
instruction = "how soon a customer needs an answer"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.toml"
    file.write_text(SHOP)
    return file


def test_attributes_are_listed_with_their_facts(store: Store, memory_options: list[str]) -> None:
    store.write(f"{CAT}; {INSERT}('Ben', 'crates', '12', '', 1)", cause="test")
    lines = run("facts", "attributes", *memory_options).splitlines()
    assert lines[0].split()[:4] == ["attribute", "kind", "values", "facts"]
    [pet] = [line for line in lines if line.startswith("has_pet ")]
    assert pet.split()[:4] == ["has_pet", "many", "1", "default"]
    assert lines[-1].split() == ["crates", "1", "facts", "only"]
    [record] = run("facts", "attributes", "list", "Has Pet", "--json", *memory_options).splitlines()
    assert json.loads(record)["facts"] == 1
    assert json.loads(record)["by"] == "default"


def test_a_file_is_loaded_and_undone(store: Store, memory_options: list[str], shop: Path) -> None:
    store.write(f"{CAT}; {INSERT}('Anna', 'Priority', 'HIGH', '', 1)", cause="test")
    printed = run("facts", "attributes", "load", shop, "--replace", "--strict", *memory_options)
    assert "1 fact  attributes set by user: urgency, no others, strict" in printed
    assert store.facts()[1].attribute == "urgency"
    [line] = run("facts", "attributes", "list", "urg", *memory_options).splitlines()[1:]
    assert line.split() == ["urgency", "one", "value", "low,", "high", "1", "you", "priority"]
    run("undo", "2", *memory_options)
    assert not vocabulary_of(store).strict
    assert store.facts()[1].attribute == "Priority"


def test_what_is_left_out_of_set_stays(store: Store, memory_options: list[str], shop: Path) -> None:
    run("facts", "attributes", "load", shop, *memory_options)
    run(
        "facts",
        "attributes",
        "set",
        "priority",
        "--other-name",
        "rush",
        "--kind",
        "event",
        *memory_options,
    )
    urgency = vocabulary_of(store).canonical("rush")
    assert urgency
    assert (urgency.name, urgency.kind, urgency.allowed_values) == (
        "urgency",
        "event",
        ("low", "high"),
    )
    run("facts", "attributes", "set", "--strict", *memory_options)
    assert vocabulary_of(store).strict


@pytest.mark.slow
def test_attributes_are_renamed_merged_and_removed(store: Store, memory_options: list[str]) -> None:
    store.write(f"{CAT}; {INSERT}('Ben', 'dog', 'Rex', '', 1)", cause="test")
    run("facts", "attributes", "merge", "dog", "--into", "pet", *memory_options)
    run("facts", "attributes", "rename", "pet", "animal", *memory_options)
    assert {fact.attribute for fact in store.facts()} == {"animal"}
    run("facts", "attributes", "remove", "dog", *memory_options)
    assert vocabulary_of(store).name_of("dog") == "dog"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("rename hobbby sport", "no attribute 'hobbby'; similar: hobby"),
        ("merge wife --into husbandd", "no attribute 'husbandd'; similar: husband"),
        ("remove crates", "no attribute 'crates'"),
        ("set", "the name of an attribute is empty"),
        ("set --kind many", "the name of an attribute is empty"),
        ("set mood --kind state", "'one value', 'many', 'event'"),
        ("set mood --other-name job", "nothing"),
        ("load shop.yaml", "must end in .toml or .json"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    store: Store, memory_options: list[str], command: str, says: str
) -> None:
    if says == "nothing":  # another name of the default gives way
        run("facts", "attributes", *command.split(), *memory_options)
        assert vocabulary_of(store).name_of("job") == "mood"
    else:
        run("facts", "attributes", *command.split(), *memory_options, says=says)
        assert store.changes() == []


def test_a_digest_says_what_a_strict_vocabulary_left_out(
    store: Store, memory_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_vocabulary(store, strict=True)
    facts = ", ".join(
        f"('Anna', '{name}', '{value}', '', 1)"
        for name, value in (("crates", "moved"), ("crates", "Oslo"), ("job", "moved to Oslo"))
    )
    model = scripted_model([([], sql(INSERT + facts))])
    patch_load_model(monkeypatch, lambda name, *_, **settings: model)
    printed = run("digest", *memory_options)
    assert "crates (2)" in printed
    assert [fact.attribute for fact in store.facts()] == ["works_as"]


def test_what_was_left_out_is_named_in_short() -> None:
    names = ["mood"] * 3 + [f"code_{number}" for number in range(7)] + ["x" * 100]
    text = left_out_text(names)
    assert text.startswith("11 facts left out, not in the vocabulary: mood (3), code_0, ")
    assert text.endswith(" and 4 more")


def test_more_attributes_than_a_select_returns_are_counted(store: Store) -> None:
    for first in (0, 150):
        rows = [f"('Anna', 'code_{number}', 'x', '', 1)" for number in range(first, first + 150)]
        store.write(INSERT + ", ".join(rows), cause="test")
    counts = count_attributes(store)
    assert len(counts) == 300
    assert {*counts.values()} == {1}


def test_templates_are_set_and_tried(store: Store, memory_options: list[str]) -> None:
    run(
        "facts", "attributes", "set", "order_number", "--form", "code",
        "--says", "my order number is {value}", "--asks", "which order is {who}'s",
        *memory_options,
    )  # fmt: skip
    run(
        "facts",
        "attributes",
        "set",
        "order_number",
        "--says",
        "order {value} is mine",
        *memory_options,
    )
    order = vocabulary_of(store).canonical("order_number")
    assert order
    assert order.says == ("my order number is {value}", "order {value} is mine")
    changes = len(store.changes())

    def tried(text: str) -> list[str]:
        printed = run("facts", "attributes", "try", text, "--speaker", "Anna", *memory_options)
        return printed.splitlines()

    assert tried("My order number is A-1047!") == [
        "stores Anna order_number: A-1047",
        "  template: my order number is {value}",
    ]
    assert tried("My order number is lost.") == [
        "stores nothing: no template matches the whole clause: 'My order number is lost.'"
    ]
    assert tried("Translate: order A-1047 is mine.")[0].startswith(
        "stores nothing: it asks to treat a text"
    )
    assert tried("My sister Elena moved to Rome.")[:2] == [
        "stores Anna has_sister: Elena",
        "stores Elena lives_in: Rome",
    ]
    assert tried("We broke up.")[0] == "ends Anna partner"
    assert tried("Which order is Bo's?") == [
        "asks the values of order_number of Bo",
        "  template: which order is {who}'s",
    ]
    assert len(store.changes()) == changes
