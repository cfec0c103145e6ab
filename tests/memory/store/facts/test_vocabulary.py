"""A store keeps the facts of its vocabulary: under its names, with its values."""

from pathlib import Path

import pytest

from memory import InputError, Memory, SqlError, Store, Turn, open_store
from memory.facts import add, correct, supersede
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import set_setting
from memory.store.facts.vocabulary_table import (
    merge_attributes,
    remove_attribute,
    rename_attribute,
    set_attribute,
    set_vocabulary,
    vocabulary_of,
)
from memory.store.waiting.pending_windows import claim_window
from memory.vocabulary import Attribute, Vocabulary
from tests.conftest import INSERT
from tests.support.scripted import scripted_model, sql

BOTH_STORES = "slow"


URGENCY = Attribute(
    "urgency", "one value", other_names=("priority",), allowed_values=("low", "high")
)
ORDER = Attribute(
    "order_number",
    form="code",
    says=("my order number is {value}",),
    ends=("I cancelled order {value}",),
    asks=("what is {who}'s order number",),
)
OSLO = "('Anna', 'lives_in', 'Oslo', '', 1)"


def facts(store: Store) -> list[tuple[str, str, str]]:
    return [(fact.subject, fact.attribute, fact.value) for fact in store.facts()]


# ---------------------------------------------------------------------------- other names


def test_a_fact_is_stored_under_the_name_of_its_attribute(store: Store) -> None:
    change = store.write(
        INSERT + "('Anna', 'has_read', 'Emma', '', 1), ('Anna', 'Allergic To', 'nuts', '', 1),"
        " ('Anna', 'crates_a_day', '12', '', 1)",
        cause="test",
    )
    assert facts(store) == [
        ("Anna", "read", "Emma"),
        ("Anna", "allergic_to", "nuts"),
        ("Anna", "crates_a_day", "12"),
    ]
    assert "'read'" in change.statement
    assert "has_read" not in change.statement


def test_two_names_of_one_attribute_do_not_say_a_thing_twice(store: Store) -> None:
    store.write(
        INSERT + "('Anna', 'read', 'Emma', '', 1), ('Anna', 'has_read', 'Emma', '', 1)",
        cause="test",
    )
    assert facts(store) == [("Anna", "read", "Emma")]


def test_an_update_sets_the_name_of_the_attribute_and_finds_the_fact_by_another(
    store: Store,
) -> None:
    store.write(INSERT + "('Anna', 'lives_in', 'Oslo', '', 1)", cause="test")
    store.write("UPDATE facts SET ended_on = '2020' WHERE attribute = 'home'", cause="test")
    assert store.facts()[0].ended_on == "2020"
    store.write("UPDATE facts SET attribute = 'job' WHERE attribute IN ('home')", cause="test")
    assert facts(store) == [("Anna", "works_as", "Oslo")]
    store.write("DELETE FROM facts WHERE attribute = 'occupation'", cause="test")
    assert facts(store) == []


def test_a_computed_name_is_that_of_the_attribute(store: Store) -> None:
    store.write(INSERT + "('Anna', 'lives_in', 'Oslo', '', 1)", cause="test")
    with pytest.raises(SqlError, match="'LIVES_IN'"):
        store.write("UPDATE facts SET attribute = upper(attribute) WHERE id = 1", cause="test")
    assert facts(store) == [("Anna", "lives_in", "Oslo")]


@pytest.mark.few(4)
@pytest.mark.parametrize("name", ["has_read", "read", "Finished Reading"])
@pytest.mark.parametrize("condition", ["f.attribute = '{}'", "attribute IN ('x', '{}')"])
def test_a_question_finds_the_facts_by_any_name(store: Store, name: str, condition: str) -> None:
    store.write(INSERT + "('Anna', 'read', 'Emma', '', 1)", cause="test")
    rows = store.read(f"SELECT f.value FROM facts f WHERE {condition.format(name)}")
    assert rows.rows == (("Emma",),)
    assert not store.read(f"SELECT value FROM facts f WHERE NOT {condition.format(name)}").rows


# ------------------------------------------------------------------------------ a digest


def test_a_model_is_shown_the_attributes_that_its_window_speaks_of(store: Store) -> None:
    pairs = [
        (
            ["allergic_to (many): one thing a fact"],
            sql(INSERT + "('Anna', 'has_allergy', 'nuts', '', 6)"),
        )
    ]
    store.write("-- none", cause="test", window=(1, 5))
    store.add([Turn("Anna", "I am allergic to nuts.")])
    model = scripted_model(pairs)
    Memory(store, model=model).digest()
    model.lm.assert_done()
    assert facts(store) == [("Anna", "allergic_to", "nuts")]


def test_a_strict_vocabulary_stores_nothing_else_and_the_digest_says_so(store: Store) -> None:
    set_vocabulary(store, [URGENCY], replaces=True, strict=True)
    pairs = [
        (
            ["No other attributes are stored", "urgency (one value: low, high)"],
            sql(
                INSERT + "('Anna', 'priority', 'HIGH', '', 1), ('Anna', 'lives_in', 'Oslo', '', 1),"
                " ('Ben', 'mood', 'fine', '', 2)"
            ),
        )
    ]
    model = scripted_model(pairs)
    digest = Memory(store, model=model).digest()
    model.lm.assert_done()
    assert facts(store) == [("Anna", "urgency", "high")]
    assert digest.left_out == ("lives_in", "mood")
    assert (digest.stored, digest.facts) == (1, 1)
    assert not store.pending()


def test_a_window_of_which_nothing_fits_counts_as_digested(store: Store) -> None:
    set_vocabulary(store, [URGENCY], replaces=True, strict=True)
    change = store.write(INSERT + OSLO, cause="test", window=(1, 5))
    assert (change.facts, change.left_out) == (0, ("lives_in",))
    assert claim_window(store, 16) is None


def test_a_model_repairs_a_value_that_is_not_allowed(store: Store) -> None:
    set_attribute(store, URGENCY)
    refusal = "urgency is one of low, high, not 'at once'"
    pairs = [
        ([""], sql(INSERT + "('Anna', 'priority', 'at once', '', 1)")),
        ([refusal], sql(INSERT + "('Anna', 'urgency', 'high', '', 1)")),
    ]
    model = scripted_model(pairs)
    Memory(store, model=model).digest()
    model.lm.assert_done()
    assert facts(store) == [("Anna", "urgency", "high")]


# ------------------------------------------------------------------------- allowed values


def test_an_update_cannot_set_a_value_that_is_not_allowed(store: Store) -> None:
    set_attribute(store, URGENCY)
    store.write(INSERT + "('Anna', 'urgency', 'high', '', 1)", cause="test")
    for value in ("at once", "LOW"):
        with pytest.raises(SqlError, match="'low', 'high'"):
            store.write(f"UPDATE facts SET value = '{value}' WHERE id = 1", cause="test")
    assert facts(store) == [("Anna", "urgency", "high")]
    store.write("UPDATE facts SET value = 'low' WHERE id = 1", cause="test")
    assert facts(store) == [("Anna", "urgency", "low")]


def test_an_update_cannot_set_an_attribute_that_a_strict_vocabulary_lacks(store: Store) -> None:
    store.write(INSERT + OSLO, cause="test")
    set_vocabulary(store, [URGENCY], replaces=True, strict=True)
    with pytest.raises(SqlError, match="which is strict"):
        store.write("UPDATE facts SET attribute = 'mood' WHERE id = 1", cause="test")
    # What was stored before may be ended.
    store.write("UPDATE facts SET ended_on = '2020' WHERE attribute = 'lives_in'", cause="test")
    assert store.facts()[0].ended_on == "2020"


def test_values_of_earlier_facts_must_fit_too(store: Store) -> None:
    store.write(
        INSERT + "('Anna', 'priority', 'HIGH', '', 1), ('Ben', 'priority', 'soon', '', 2)",
        cause="test",
    )
    with pytest.raises(InputError, match="'soon'"):
        set_attribute(store, URGENCY)
    assert vocabulary_of(store).canonical("urgency") is None
    store.write("UPDATE facts SET value = 'low' WHERE id = 2", cause="test")
    set_attribute(store, URGENCY)
    assert facts(store) == [("Anna", "urgency", "high"), ("Ben", "urgency", "low")]


# ------------------------------------------------------------- changes of the vocabulary


def test_a_set_attribute_takes_the_facts_of_its_other_names_and_an_undo_gives_them_back(
    store: Store,
) -> None:
    store.write(INSERT + "('Anna', 'priority', 'high', '', 1), " + OSLO, cause="test")
    before = store.facts()
    change = set_attribute(store, URGENCY, by="Ben")
    assert (change.cause, change.facts) == ("attributes set by Ben: urgency", 1)
    assert "SET attribute = 'urgency' WHERE attribute = 'priority'" in change.statement
    assert facts(store) == [("Anna", "urgency", "high"), ("Anna", "lives_in", "Oslo")]
    assert vocabulary_of(store).own == {"urgency"}
    [edit] = edits_of(store, change.id)
    assert edit.before
    assert edit.before.attribute == "priority"

    undo = store.undo(change.id)
    assert store.facts() == before
    assert vocabulary_of(store).canonical("urgency") is None
    store.undo(undo.id)
    assert vocabulary_of(store).canonical("priority") == URGENCY
    assert facts(store)[0] == ("Anna", "urgency", "high")


def test_templates_of_an_attribute_are_stored_dumped_undone_and_merged(
    store: Store, tmp_path: Path
) -> None:
    change = set_attribute(store, ORDER)
    assert vocabulary_of(store).canonical("order_number") == ORDER
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(store.dump())
        assert vocabulary_of(copy).canonical("order_number") == ORDER
    other = Attribute("ticket", says=("my ticket is {value}",))
    later = [set_attribute(store, other), merge_attributes(store, ["ticket"], into="order_number")]
    merged = vocabulary_of(store).canonical("ticket")
    assert merged
    assert merged.says == (*ORDER.says, *other.says)
    assert (merged.form, merged.asks) == (ORDER.form, ORDER.asks)
    for edit in reversed(later):
        store.undo(edit.id)
    renaming = rename_attribute(store, "order_number", "order")
    renamed = vocabulary_of(store).canonical("order")
    assert renamed
    assert renamed.says == ORDER.says
    store.undo(renaming.id)
    store.undo(change.id)
    assert vocabulary_of(store).canonical("order_number") is None


def test_an_attribute_logged_by_an_older_version_is_undone(store: Store) -> None:
    """Before templates the log had no column for them."""
    change = set_attribute(store, URGENCY)
    records = [
        {**record, "after": record["after"].replace(', "templates": "{}"', "")}
        if record["table"] == "rows_log"
        else {name: value for name, value in record.items() if name != "templates"}
        for record in store.dump()
    ]
    assert any("urgency" in str(record) for record in records)
    assert "templates" not in str([r for r in records if r["table"] in ("rows_log", "attributes")])
    store.undo(change.id)
    with open_store(f"{store.address} older") as older:
        older.load(records)
        assert vocabulary_of(older).canonical("urgency") == URGENCY
        older.undo(change.id)
        assert vocabulary_of(older).canonical("urgency") is None


def test_a_renamed_attribute_takes_its_facts_and_the_old_name_goes_on_meaning_it(
    store: Store,
) -> None:
    store.write(INSERT + OSLO + ", ('Ben', 'crates_a_day', '12', '', 2)", cause="test")
    first = rename_attribute(store, "home", "residence")
    second = rename_attribute(store, "crates a day", "crates")
    assert facts(store) == [("Anna", "residence", "Oslo"), ("Ben", "crates", "12")]
    store.write(INSERT + "('Ben', 'lives_in', 'Bergen', '', 2)", cause="test")
    assert facts(store)[-1] == ("Ben", "residence", "Bergen")
    residence = vocabulary_of(store).canonical("home")
    assert residence
    assert (residence.name, residence.kind) == ("residence", "one value")
    store.undo(second.id)
    store.undo(first.id)
    assert facts(store)[:2] == [("Anna", "lives_in", "Oslo"), ("Ben", "crates_a_day", "12")]
    assert vocabulary_of(store).name_of("home") == "lives_in"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hobbby", "sport", "there is no attribute 'hobbby'; similar: hobby"),
        ("hobby", "Job", "means the attribute works_as already; merge hobby into it"),
        ("hobby", "crates", "facts have the attribute 'crates' already; merge"),
        ("hobby", " ", "the name of an attribute is empty"),
        ("hobby", "hobby", "is named hobby already"),
    ],
)
def test_a_rename_that_cannot_be_is_one_clear_line(
    store: Store, old: str, new: str, message: str
) -> None:
    store.write(INSERT + "('Ben', 'crates', '12', '', 2)", cause="test")
    with pytest.raises(InputError) as caught:
        rename_attribute(store, old, new)
    assert message in str(caught.value)
    assert store.changes()[-1].id == 1


def test_merged_attributes_are_one_with_all_facts(store: Store) -> None:
    store.write(
        INSERT + "('Anna', 'dog', 'Rex', '', 1), ('Anna', 'owns_cat', 'Miso', '', 1),"
        " ('Ben', 'pet', 'Bo', '', 2)",
        cause="test",
    )
    change = merge_attributes(store, ["dog", "Owns Cat"], into="pet")
    assert facts(store) == [
        ("Anna", "has_pet", "Rex"),
        ("Anna", "has_pet", "Miso"),
        ("Ben", "has_pet", "Bo"),
    ]
    assert vocabulary_of(store).name_of("dog") == vocabulary_of(store).name_of("pet") == "has_pet"
    store.undo(change.id)
    assert [fact.attribute for fact in store.facts()] == ["dog", "owns_cat", "has_pet"]
    assert vocabulary_of(store).canonical("dog") is None


def test_attributes_of_the_default_can_be_merged(store: Store) -> None:
    merge_attributes(store, ["wife", "husband"], into="married_to")
    store.write(INSERT + "('Anna', 'husband', 'Ben', '', 1)", cause="test")
    assert facts(store) == [("Anna", "married_to", "Ben")]
    with pytest.raises(InputError, match="so already"):
        merge_attributes(store, ["wife"], into="spouse")
    with pytest.raises(InputError, match="name the attributes"):
        merge_attributes(store, [], into="spouse")


def test_facts_of_an_older_memory_are_found_and_get_the_name_by_a_merge(store: Store) -> None:
    """Stored as before there was a vocabulary."""
    removal = remove_attribute(store, "read")
    store.write(
        INSERT
        + "('Anna', 'has_read', 'Emma', '', 1), ('Anna', 'Finished_Reading', 'Ulysses', '', 1)",
        cause="test",
    )
    store.undo(removal.id)
    assert facts(store)[0] == ("Anna", "has_read", "Emma")
    found = store.read("SELECT value FROM facts WHERE attribute = 'read'").rows
    assert found == (("Emma",),)  # a spelling of its own is not
    change = merge_attributes(store, ["has_read"], into="read")
    assert {fact.attribute for fact in store.facts()} == {"read"}
    assert vocabulary_of(store).own == frozenset()
    store.undo(change.id)
    assert facts(store)[0] == ("Anna", "has_read", "Emma")


def test_names_with_quotes_are_only_names(store: Store) -> None:
    names = ("o'clock", 'a"b', "50%", "a\\b", "%s", ":x", "'; DROP TABLE facts; --")
    set_attribute(store, Attribute("strange", other_names=names))
    for number, name in enumerate(names):
        quoted = name.replace("'", "''")
        store.write(INSERT + f"('Anna', '{quoted}', '{number}', '', 1)", cause="test")
        rows = store.read(f"SELECT value FROM facts WHERE attribute = '{quoted}' ORDER BY id").rows
        assert rows[-1] == (str(number),)
    assert {fact.attribute for fact in store.facts()} == {"strange"}
    store.write("DELETE FROM facts WHERE attribute = 'Strange'", cause="test", by_person=True)
    assert store.facts() == []


def test_a_removed_attribute_leaves_its_facts_and_comes_back_with_an_undo(store: Store) -> None:
    store.write(INSERT + OSLO, cause="test")
    of_default = remove_attribute(store, "home")
    assert vocabulary_of(store).canonical("lives_in") is None
    assert facts(store) == [("Anna", "lives_in", "Oslo")]
    set_attribute(store, Attribute("lives_in", "many"))
    assert vocabulary_of(store).own == {"lives_in"}
    remove_attribute(store, "lives_in")
    assert vocabulary_of(store).name_of("home") == "lives_in"  # that of the default
    with pytest.raises(InputError, match="there is no attribute 'homme'"):
        remove_attribute(store, "homme")
    with pytest.raises(InputError, match="has changed since"):
        store.undo(of_default.id)


def test_a_vocabulary_in_the_place_of_all_others_is_undone_as_one(store: Store) -> None:
    before = vocabulary_of(store)
    mood = Attribute("mood", "event", instruction="how somebody feels")
    change = set_vocabulary(store, [mood, URGENCY], replaces=True, strict=True)
    assert vocabulary_of(store) == Vocabulary((mood, URGENCY), True, frozenset({"mood", "urgency"}))
    with pytest.raises(InputError, match="so already"):
        set_vocabulary(store, [mood, URGENCY], replaces=True, strict=True)
    assert len(store.changes()) == 1
    undo = store.undo(change.id)
    assert vocabulary_of(store) == before
    store.undo(undo.id)
    assert vocabulary_of(store).strict


def test_a_vocabulary_that_contradicts_itself_changes_nothing(store: Store) -> None:
    set_attribute(store, URGENCY)
    before = vocabulary_of(store)
    with pytest.raises(InputError, match="'priority'"):
        set_vocabulary(store, [Attribute("rank", other_names=("priority",)), Attribute("mood")])
    assert vocabulary_of(store) == before
    with pytest.raises(InputError, match="set_vocabulary"):
        set_setting(store, "vocabulary", {"strict": True})


# ------------------------------------------------------------------------------- copies


def test_the_past_a_dump_and_a_backup_have_the_vocabulary(store: Store, tmp_path: Path) -> None:
    store.write(INSERT + "('Anna', 'priority', 'high', '', 1)", cause="test")
    before = store.changes()[-1].at
    set_vocabulary(store, [URGENCY], replaces=True, strict=True)
    now = vocabulary_of(store)
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(store.dump())
        assert vocabulary_of(copy) == now
        copy.undo(copy.changes()[-1].id)
        assert not vocabulary_of(copy).strict
        assert facts(copy) == [("Anna", "priority", "high")]
    store.backup(tmp_path / "backup.db")
    with open_store(tmp_path / "backup.db") as backup:
        assert vocabulary_of(backup) == now
    with store.as_of(before) as past:
        assert not vocabulary_of(past).strict
        assert vocabulary_of(past).canonical("urgency") is None
        assert [fact.attribute for fact in past.facts()] == ["priority"]


# ----------------------------------------------------------------------------- a person


def test_a_person_adds_and_edits_facts_in_the_words_of_the_vocabulary(store: Store) -> None:
    set_attribute(store, URGENCY)
    add(store, subject="Anna", attribute="Priority", value="HIGH", turn_id=1)
    assert facts(store) == [("Anna", "urgency", "high")]
    with pytest.raises(InputError, match="not 'soon'"):
        add(store, subject="Anna", attribute="urgency", value="soon", turn_id=1)
    with pytest.raises(InputError, match="one of low, high"):
        supersede(store, 1, "soon")
    with pytest.raises(InputError, match="one of low, high"):
        correct(store, 1, value="soon")
    assert store.count_turns() == 5  # no correction was stored
    supersede(store, 1, "Low")
    correct(store, 2, attribute="home", value="Oslo")
    assert facts(store) == [("Anna", "urgency", "high"), ("Anna", "lives_in", "Oslo")]


def test_a_person_is_told_of_what_a_strict_vocabulary_lacks(store: Store) -> None:
    store.write(INSERT + OSLO, cause="test")
    set_vocabulary(store, [URGENCY], replaces=True, strict=True)
    with pytest.raises(InputError, match="'mood'"):
        add(store, subject="Anna", attribute="mood", value="fine", turn_id=1)
    with pytest.raises(InputError, match="'lives_in'"):
        supersede(store, 1, "Bergen")
    assert (store.count_turns(), store.facts()[0].ended_on) == (5, "")
    correct(store, 1, value="Bergen")  # a fact of earlier days
    assert facts(store) == [("Anna", "lives_in", "Bergen")]


# ---------------------------------------------------------------------------- forgetting


def test_a_name_that_only_forgotten_facts_had_is_forgotten(store: Store) -> None:
    store.write(
        INSERT + "('Anna', 'dates_zylphia', 'since May', '', 1), ('Ben', 'owns_cat', 'Bo', '', 2)",
        cause="test",
    )
    merge_attributes(store, ["dates_zylphia", "owns_cat"], into="hobby")
    rename_attribute(store, "hobby", "pastime")
    store.forget([1])
    assert "zylphia" not in str([*store.dump()])
    pastime = vocabulary_of(store).canonical("pastime")
    assert pastime
    assert {"hobby", "hobbies", "owns_cat"} <= {*pastime.other_names}
    assert facts(store) == [("Ben", "pastime", "Bo")]
    for change in (3, 2):
        store.undo(change)
    assert facts(store) == [("Ben", "owns_cat", "Bo")]
    assert store.check() == []


def test_what_an_application_named_is_not_forgotten(store: Store) -> None:
    store.write(INSERT + "('Anna', 'urgency', 'high', '', 1)", cause="test")
    set_attribute(store, URGENCY)
    store.forget([1])
    assert vocabulary_of(store).canonical("priority") == URGENCY
