"""What turns assert becomes facts, once, and gives way to persons; a digest adds to it."""

from datetime import date, timedelta

import pytest

from memory import Store, Turn, open_store
from memory.facts import correct, edit, end, remove, supersede
from memory.facts.additions import add_turns, record_assertions
from memory.records import Assertion, TurnAssertions
from memory.store.facts.entity_edits import remove_alias
from memory.store.facts.fact_reads import by_template, current_facts
from memory.store.facts.vocabulary_table import set_attribute
from memory.store.waiting.pending_windows import claim_window
from memory.vocabulary.fact_lines import fact_line
from tests.conftest import INSERT

BOTH_STORES = "slow"

# Months after what is done in a test, and not so late that the clock must be wrong.
LATER = (date.today() + timedelta(days=200)).isoformat()


def say(
    store: Store, said_at: str, *assertions: Assertion, speaker: str = "Anna", text: str = "..."
) -> int:
    """Add a turn, and record what it asserts."""
    [turn_id] = store.add([Turn(speaker, text, said_at=said_at)])
    record(store, turn_id, *assertions)
    return turn_id


def record(store: Store, turn_id: int, *assertions: Assertion) -> int:
    """Record what a turn asserts; the number of changes that made."""
    return len(store.record([TurnAssertions(store.turn(turn_id), assertions)]))


def anna(attribute: str, value: str, happened_on: str = "") -> Assertion:
    return Assertion("Anna", attribute, value, happened_on)


def over(attribute: str, value: str = "", happened_on: str = "") -> Assertion:
    return Assertion("Anna", attribute, value, happened_on, is_end=True)


def lines(store: Store) -> list[str]:
    """The facts without their ids."""
    return [fact_line(fact).rpartition(" (")[0] for fact in store.facts()]


def test_a_turn_is_one_change_and_stays_undigested(store: Store) -> None:
    turn_id = say(store, "", anna("home", "Oslo"), anna("has_pet", "a cat"))
    assert lines(store) == ["Anna lives_in: Oslo", "Anna has_pet: a cat"]
    [change] = store.changes()
    assert (change.cause, change.window) == (f"stated in turn {turn_id}", None)
    assert "happened_on" not in change.statement  # no date was said
    assert claim_window(store, 100) == (1, turn_id)
    assert {fact.turn_id for fact in store.facts()} == {turn_id}
    assert by_template(store, [1, 2, 3]) == {1, 2}


def test_what_a_turn_asserts_is_recorded_once_whoever_does_it_again(
    store: Store, address: str
) -> None:
    turn_id = say(store, "", anna("lives_in", "Oslo"))
    with open_store(address) as other:
        assert record(other, turn_id, anna("lives_in", "Oslo")) == 0
    remove(store, 1)
    assert record(store, turn_id, anna("lives_in", "Oslo")) == 0
    assert lines(store) == []
    # What the vocabulary has had a template for since is recorded.
    assert record(store, turn_id, anna("lives_in", "Oslo"), anna("likes", "tea")) == 1
    assert lines(store) == ["Anna likes: tea"]


def test_a_new_value_ends_the_one_before_on_its_date(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    say(store, "2025-03-10", anna("lives_in", "Porto", "2025-03-03"))
    say(store, "2026-01-02", anna("lives_in", "Faro"))
    assert lines(store) == [
        "Anna lives_in: Oslo until 2025-03-03",
        "Anna lives_in: Porto since 2025-03-03 until 2026-01-02",
        "Anna lives_in: Faro",
    ]


def test_of_two_values_in_one_turn_nobody_can_tell_which(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"), anna("lives_in", "Porto"))
    assert lines(store) == ["Anna lives_in: Oslo"]


def test_a_repeated_state_is_not_stored_again_but_its_date_is(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    changes = len(store.changes())
    say(store, "2024-06-01", anna("lives_in", "oslo"))
    assert len(store.changes()) == changes
    say(store, "2024-07-01", anna("lives_in", "Oslo", "2019"))
    assert lines(store) == ["Anna lives_in: Oslo since 2019"]
    say(store, "2024-07-02", anna("allergic_to", "nuts"))
    say(store, "2024-07-03", anna("allergic_to", "nuts"))
    assert lines(store)[1:] == ["Anna allergic_to: nuts"]


def test_an_attribute_of_many_values_has_all_of_them(store: Store) -> None:
    say(store, "2024-05-01", anna("likes", "tea"), anna("likes", "rum"))
    say(store, "2024-05-02", anna("likes", "chess"))
    assert lines(store) == ["Anna likes: tea", "Anna likes: rum", "Anna likes: chess"]


def test_an_event_is_stored_again_on_another_day(store: Store) -> None:
    ran = anna("went_running", "5 km")
    say(store, "2024-05-01", ran)
    say(store, "2024-05-01 20:00", ran)
    say(store, "2024-05-09", anna("went_running", "5 km", "2024-05-01"))
    assert len(lines(store)) == 1
    say(store, "2024-05-10", ran)
    assert len(lines(store)) == 2


def test_what_was_said_last_is_true_whenever_it_is_added(store: Store) -> None:
    say(store, "2025-03-10", anna("lives_in", "Porto"))
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    say(store, "2024-03-01T10:00", anna("lives_in", "Bergen", "2024-02"))
    say(store, "2025-04-01", anna("lives_in", "Faro", "2020"))
    assert lines(store) == [
        "Anna lives_in: Porto until 2025-04-01",
        "Anna lives_in: Oslo until 2025-03-10",
        "Anna lives_in: Bergen since 2024-02 until 2024-05-01",
        "Anna lives_in: Faro since 2020",
    ]


@pytest.mark.parametrize(
    ("first", "second", "since", "end"),
    [
        ("2026-11-27T10:00", "2026-11-27T11:00", "2026-11-26", "2026-11-27"),  # yesterday
        ("2026-12-02", "2026-12-05", "2026-11-28", "2026-12-05"),  # last week
        ("2026-11-27", "2026-12-05", "2026-11-21", "2026-12-05"),  # two weeks ago
        ("2026-11-20", "2026-12-05", "2026-12-01", "2026-12-01"),
        ("2026-11-20", "2026-11-20", "2026-10", "2026-11-20"),  # last month
    ],
)
def test_a_date_says_since_when_and_not_what_was_said_first(
    store: Store, first: str, second: str, since: str, end: str
) -> None:
    say(store, first, anna("lives_in", "Berlin"))
    say(store, second, anna("lives_in", "Bonn", since))
    assert lines(store) == [
        f"Anna lives_in: Berlin until {end}",
        f"Anna lives_in: Bonn since {since}",
    ]


def test_of_undated_turns_the_one_added_last_is_true(store: Store) -> None:
    for town in ("Oslo", "Porto", "Faro"):
        say(store, "", anna("lives_in", town))
    assert [line for line in lines(store) if "until" not in line] == ["Anna lives_in: Faro"]


def test_opposite_opinions_end_each_other(store: Store) -> None:
    say(store, "2025-03-10", anna("likes", "tea"), anna("likes", "rum"))
    say(store, "2025-04-10", anna("dislikes", "Tea"))
    say(store, "2025-02-10", anna("dislikes", "rum"))  # said earlier, added later
    say(store, "2025-05-10", anna("likes", "tea"))
    assert lines(store) == [
        "Anna likes: tea until 2025-04-10",
        "Anna likes: rum",
        "Anna dislikes: Tea until 2025-05-10",
        "Anna dislikes: rum until 2025-03-10",
        "Anna likes: tea",
    ]
    assert [fact.value for fact in current_facts(store)] == ["rum", "tea"]


def test_an_end_of_last_week_is_of_what_was_named_yesterday(store: Store) -> None:
    say(store, "2024-05-01", anna("works_at", "Acme"))
    say(store, "2024-05-02", over("works_at", happened_on="2024-04-25"))
    assert lines(store) == ["Anna works_at: Acme until 2024-05-02"]


def test_an_end_ends_the_value_that_it_names_or_all(store: Store) -> None:
    say(store, "2024-05-01", anna("diet", "vegan"), anna("likes", "tea"), anna("likes", "rum"))
    say(store, "2024-06-01", over("likes", "TEA"), over("likes", "gin"))
    say(store, "2024-07-01", over("diet", happened_on="2024-06-20"))
    assert lines(store) == [
        "Anna diet: vegan until 2024-06-20",
        "Anna likes: tea until 2024-06-01",
        "Anna likes: rum",
    ]
    say(store, "2024-08-01", anna("likes", "tea"))  # again
    assert lines(store)[-1] == "Anna likes: tea"


def test_an_end_told_later_of_an_earlier_day_leaves_what_began_since(store: Store) -> None:
    say(store, "2024-05-01", anna("works_at", "Acme"))
    say(store, "2024-05-02", over("works_at", happened_on="2023-01"))
    assert lines(store) == ["Anna works_at: Acme"]


def test_a_turn_may_end_one_value_and_begin_another(store: Store) -> None:
    say(store, "2024-05-01", anna("works_at", "Acme"))
    say(store, "2024-06-01", over("works_at"), anna("works_at", "Initech"))
    assert lines(store) == ["Anna works_at: Acme until 2024-06-01", "Anna works_at: Initech"]


def test_a_value_that_the_vocabulary_does_not_allow_is_left_out(store: Store) -> None:
    from memory.vocabulary import Attribute

    set_attribute(store, Attribute("size", allowed_values=("small", "large")))
    say(store, "", anna("size", "LARGE"), anna("size", "huge"))
    assert lines(store) == ["Anna size: large"]


def test_two_of_one_name_are_two(store: Store) -> None:
    for speaker, town in (("Anna", "Rome"), ("Tom", "Oslo")):
        [turn_id] = store.add([Turn(speaker, "...", said_at="2024-05-01")])
        lives = Assertion("Elena", "lives_in", town)
        entity = f"Elena ({speaker}'s sister)"
        names = [("my sister", entity), ("Elena", entity)]
        store.record([TurnAssertions(store.turn(turn_id), [lives], names)])
    assert lines(store) == ["Elena lives_in: Rome", "Elena lives_in: Oslo"]
    # "My sister moved to Porto": Anna's.
    say(store, "2024-06-01", Assertion("Anna's sister", "lives_in", "Porto"))
    assert lines(store) == [
        "Elena lives_in: Rome until 2024-06-01",
        "Elena lives_in: Oslo",
        "Anna's sister lives_in: Porto",
    ]


def test_a_name_that_a_person_took_back_stays_so(store: Store) -> None:
    [turn_id] = store.add([Turn("Anna", "My sister Elena sings.")])
    named = TurnAssertions(store.turn(turn_id), (), [("Elena", "Elena (Anna's sister)")])
    assert [change.cause for change in store.record([named])] == [f"names in turn {turn_id}"]
    remove_alias(store, "Elena", "Elena (Anna's sister)")
    assert store.record([named]) == []


# --- what persons do ------------------------------------------------------------------------------


@pytest.mark.few(4)
@pytest.mark.parametrize("act", ["correct", "remove", "undo", "end"])
def test_what_a_person_took_away_is_not_stored_again_unless_it_is_said_again(
    store: Store, act: str
) -> None:
    say(store, "2024-05-01", anna("likes", "tea"))
    if act == "correct":
        correct(store, 1, value="coffee")
    elif act == "remove":
        remove(store, 1)
    elif act == "end":
        end(store, 1)
    else:
        store.undo(store.changes()[-1].id)
    before = lines(store)
    say(store, "2024-05-02", anna("likes", "tea"))
    assert lines(store) == before
    say(store, LATER, anna("likes", "tea"))  # months after the person did it
    assert len(lines(store)) == len(before) + 1


def test_what_a_person_corrected_is_not_ended_by_what_was_said_before(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    supersede(store, 1, "Bergen")
    since = store.facts()[1].happened_on
    say(store, "2025-01-01", anna("lives_in", "Faro"))
    say(store, "2025-02-01", over("lives_in"))
    assert [line for line in lines(store) if "until" not in line] == [
        f"Anna lives_in: Bergen since {since}"
    ]
    say(store, LATER, anna("lives_in", "Faro"))
    assert "Anna lives_in: Faro" in lines(store)


def test_a_correction_of_one_value_is_not_undone_by_an_old_turn(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    correct(store, 1, value="Moss")
    assert by_template(store, [1]) == set()
    say(store, "2024-05-03", anna("lives_in", "Oslo"))
    assert lines(store) == ["Anna lives_in: Moss"]


# --- a digest of the same turns -------------------------------------------------------------------


def test_a_digest_adds_to_what_its_turns_asserted(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    second = say(store, "2025-03-10", anna("lives_in", "Porto"), anna("likes", "tea"))
    digested = store.write(
        f"{INSERT}('Anna', 'hobby', 'rowing', '', {second})",
        cause="digest by a larger model",
        window=(second, second),
    )
    before = [
        "Anna lives_in: Oslo until 2025-03-10",
        "Anna lives_in: Porto",
        "Anna likes: tea",
    ]
    assert lines(store) == [*before, "Anna hobby: rowing"]
    store.undo(digested.id)
    assert lines(store) == before


def test_a_digest_may_date_an_end_that_a_template_read_in_its_turns(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    turn_id = say(store, "2025-03-10", anna("lives_in", "Porto"))
    store.write(
        "UPDATE facts SET ended_on = '2025-03-01' WHERE subject = 'Anna' AND value = 'Oslo';"
        f" {INSERT}('Anna', 'lives_in', 'porto', '2025-03-01', {turn_id})",
        cause="digest by a larger model",
        window=(turn_id, turn_id),
    )
    assert lines(store) == [
        "Anna lives_in: Oslo until 2025-03-01",
        "Anna lives_in: Porto since 2025-03-01",
    ]


def test_what_digested_turns_assert_is_not_recorded(store: Store) -> None:
    store.write("-- none", cause="digest by a larger model", window=(1, 3))
    assert record(store, 2, anna("likes", "tea")) == 0
    assert record(store, 4, anna("likes", "tea")) == 1


def test_forgetting_a_turn_takes_back_what_it_ended(store: Store) -> None:
    say(store, "2024-05-01", anna("lives_in", "Oslo"))
    turn_id = say(store, "2025-03-10", over("lives_in", happened_on="2025"))
    assert lines(store)[0] == "Anna lives_in: Oslo until 2025"
    store.forget([turn_id])
    assert lines(store) == ["Anna lives_in: Oslo"]


def test_nothing_is_recorded_where_one_statement_is_refused(store: Store) -> None:
    from memory import SqlError

    fine, long = store.add([Turn("Anna", "..."), Turn("Anna", "...")])
    asserted = [
        TurnAssertions(store.turn(fine), [anna("likes", "tea")]),
        TurnAssertions(store.turn(long), [anna("likes", "x" * 100_000)]),
    ]
    with pytest.raises(SqlError):
        store.record(asserted)
    assert store.facts() == []


@pytest.mark.parametrize(("said_at", "is_back"), [("2024-09-02", True), ("2024-03-01", False)])
def test_a_fact_that_was_deleted_comes_back_when_it_is_said_again_later(
    store: Store, said_at: str, is_back: bool
) -> None:
    """A person deletes today what was said in dialogues of the past; what comes in is new."""
    add_turns(store, [Turn("Ana", "I'm allergic to nuts.", said_at="2024-03-01")])
    remove(store, store.facts()[0].id)
    add_turns(store, [Turn("Ana", "I'm allergic to nuts.", said_at=said_at)])
    assert [fact.value for fact in store.facts()] == (["nuts"] if is_back else [])


def test_a_deleted_fact_stays_away_whatever_turns_of_before_say(store: Store) -> None:
    turns = [Turn("Ana", "I'm allergic to nuts.", said_at=f"2024-0{n}-01") for n in (3, 9)]
    add_turns(store, turns)
    remove(store, store.facts()[0].id)
    record_assertions(store)
    assert not [fact for fact in store.facts() if fact.subject == "Ana"]


def test_a_corrected_fact_stays_corrected_whatever_comes_in(store: Store) -> None:
    add_turns(store, [Turn("Ana", "I'm allergic to nuts.", said_at="2024-03-01")])
    edit(store, store.facts()[0].id, "was wrong", value="milk")
    add_turns(store, [Turn("Ana", "I'm allergic to nuts.", said_at="2024-09-01")])
    assert [fact.value for fact in store.facts()] == ["milk"]
