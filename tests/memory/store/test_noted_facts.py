"""What rules read in turns becomes facts, once, and gives way to persons and to larger models."""

import pytest

from memory import Store, Turn, open_store
from memory.facts import correct, end, fact_line, remove, supersede
from memory.statements import End, Over, Statement
from memory.store.noted_facts import TurnStatements
from tests.conftest import INSERT

BOTH_STORES = True

LIVES_IN_OSLO = "Anna lives_in: Oslo"


def say(
    store: Store, text: str, said_at: str, *statements: Statement, speaker: str = "Anna"
) -> int:
    """Add a turn, and store what rules have read in it."""
    [turn_id] = store.add([Turn(speaker, text, said_at=said_at)])
    note(store, turn_id, *statements)
    return turn_id


def note(store: Store, turn_id: int, *statements: Statement) -> None:
    unread = store.unread_turns(1_000)
    notes = [TurnStatements(store.turn(turn_id), statements)]
    assert store.note(notes, unread.after, turn_id) is not None


def anna(attribute: str, value: str, happened_on: str = "", *ends: End) -> Statement:
    return Statement("Anna", attribute, value, happened_on, ends)


def lines(store: Store) -> list[str]:
    """The facts without their ids."""
    return [fact_line(fact).rpartition(" (")[0] for fact in store.facts()]


def test_a_turn_is_one_change_and_stays_undigested(store: Store) -> None:
    turn_id = say(
        store, "I live in Oslo and have a cat.", "", anna("home", "Oslo"), anna("has_pet", "a cat")
    )
    assert lines(store) == ["Anna lives_in: Oslo", "Anna has_pet: a cat"]
    [change] = store.changes()
    assert (change.cause, change.window) == (f"stated in turn {turn_id}", None)
    assert "happened_on" not in change.statement  # no date was said
    assert store.claim(100) == (1, turn_id)
    assert {fact.turn_id for fact in store.facts()} == {turn_id}
    assert store.noted([1, 2, 3]) == {1, 2}


def test_each_turn_is_read_once_whoever_else_reads_it(store: Store, address: str) -> None:
    unread = store.unread_turns(2)
    assert (unread.after, unread.last, [turn.id for turn in unread.turns]) == (0, 2, [1, 2])
    notes = [TurnStatements(unread.turns[0], (anna("lives_in", "Oslo"),))]
    with open_store(address) as other:
        assert other.note(notes, 0, 2) is not None
    assert store.note(notes, 0, 2) is None
    assert lines(store) == [LIVES_IN_OSLO]
    assert store.unread_turns(100).after == 2
    note(store, 3, anna("likes", "tea"))
    assert len(store.settings("last turn read for facts")) == 1


def test_a_new_value_ends_the_one_before_on_its_date(store: Store) -> None:
    say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    say(store, "I moved to Porto.", "2025-03-10", anna("lives_in", "Porto", "2025-03-03"))
    say(store, "I moved to Faro.", "2026-01-02", anna("lives_in", "Faro"))
    assert lines(store) == [
        "Anna lives_in: Oslo until 2025-03-03",
        "Anna lives_in: Porto since 2025-03-03 until 2026-01-02",
        "Anna lives_in: Faro",
    ]


def test_a_repeated_state_is_not_stored_again_but_its_date_is(store: Store) -> None:
    say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    changes = len(store.changes())
    say(store, "I live in Oslo.", "2024-06-01", anna("lives_in", "oslo"))
    assert len(store.changes()) == changes
    say(store, "I moved to Oslo in 2019.", "2024-07-01", anna("lives_in", "Oslo", "2019"))
    assert lines(store) == ["Anna lives_in: Oslo since 2019"]
    say(store, "I have nuts.", "2024-07-02", anna("allergic_to", "nuts"))
    say(store, "Nuts again!", "2024-07-03", anna("allergic_to", "nuts"))
    assert lines(store)[1:] == ["Anna allergic_to: nuts"]


def test_an_event_is_stored_again_on_another_day(store: Store) -> None:
    ran = anna("went_running", "5 km")
    say(store, "I ran.", "2024-05-01", ran)
    say(store, "I ran today!", "2024-05-01 20:00", ran)
    say(store, "I ran on the 1st.", "2024-05-09", anna("went_running", "5 km", "2024-05-01"))
    assert len(lines(store)) == 1
    say(store, "I ran.", "2024-05-10", ran)
    assert len(lines(store)) == 2


def test_an_older_statement_does_not_end_the_state_in_force(store: Store) -> None:
    say(store, "I live in Porto.", "2025-03-10", anna("lives_in", "Porto"))
    say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    say(store, "I lived in Faro in 2020.", "2025-04-01", anna("lives_in", "Faro", "2020"))
    assert lines(store) == [
        "Anna lives_in: Porto",
        "Anna lives_in: Oslo until 2025-03-10",
        "Anna lives_in: Faro since 2020 until 2024-05-01",
    ]


def test_who_has_died_is_nobody_s_pet_or_partner_any_more(store: Store) -> None:
    say(
        store,
        "We have a cat, Biscuit, and a dog called Biscotti.",
        "2024-05-01",
        anna("has_pet", "Biscuit, a cat"),
        anna("has_pet", "Biscotti, a dog"),
        anna("met", "Biscuit"),
    )
    died = Statement("Biscuit", "died", "died", "2024-07-05", (End("*"),))
    say(store, "Biscuit died.", "2024-07-06", died, speaker="Ben")
    assert lines(store) == [
        "Anna has_pet: Biscuit, a cat until 2024-07-05",
        "Anna has_pet: Biscotti, a dog",
        "Anna met: Biscuit",
        "Biscuit died: died since 2024-07-05",
    ]


def test_where_and_when_who_has_died_was_born_stays_true(store: Store) -> None:
    lasting = [anna("born_on", "3 May 1940"), anna("born_in", "Porto"), anna("worked_at", "mill")]
    say(store, "She was born in Porto on 3 May 1940.", "2024-05-01", *lasting)
    say(store, "She died.", "2024-07-01", anna("died", "died", "2024-06-30", End("*")))
    assert [line for line in lines(store) if "until" in line] == []


def test_what_is_over_with_a_statement_ends_with_it(store: Store) -> None:
    say(
        store,
        "I work at the bakery, own a red bike and a car, and ran.",
        "2024-05-01",
        anna("works_at", "bakery"),
        anna("owns", "red bikes"),
        anna("owns", "a car"),
        anna("birthday", "3 May"),
        anna("went_running", "5 km"),
    )
    say(store, "Sold my bike.", "2024-06-01", anna("sold", "my bike", "", End("owns", "bike")))
    assert [line for line in lines(store) if "until" in line] == [
        "Anna owns: red bikes until 2024-06-01"
    ]
    say(store, "She died.", "2024-07-01", anna("died", "died", "2024-06-30", End("*")))
    assert [line for line in lines(store) if "until" in line] == [
        "Anna works_at: bakery until 2024-06-30",
        "Anna owns: red bikes until 2024-06-01",
        "Anna owns: a car until 2024-06-30",
    ]


@pytest.mark.parametrize("act", ["correct", "remove", "undo", "end"])
def test_what_a_person_took_away_is_not_noted_again(store: Store, act: str) -> None:
    say(store, "I like tea.", "2024-05-01", anna("likes", "tea"))
    if act == "correct":
        correct(store, 1, value="coffee")
    elif act == "remove":
        remove(store, 1)
    elif act == "end":
        end(store, 1)
    else:
        store.undo(store.changes()[-1].id)
    before = lines(store)
    say(store, "I like tea.", "2024-05-02", anna("likes", "tea"))
    assert lines(store) == before
    say(store, "I like tea again.", "2999-01-01", anna("likes", "tea"))
    assert len(lines(store)) == len(before) + 1  # said after the person did it


def test_what_persons_took_from_facts_is_told(store: Store) -> None:
    turn_id = say(
        store,
        "I like tea, rum and chess.",
        "2024-05-01",
        *(anna("likes", value) for value in ("tea", "rum", "chess")),
    )
    assert store.removals() == []
    correct(store, 1, value="coffee")
    removed = remove(store, 2)
    end(store, 3)
    taken = [(removal.subject, removal.value, removal.turn_id) for removal in store.removals()]
    assert taken == [("Anna", "rum", turn_id), ("Anna", "tea", turn_id)]
    store.undo(removed.id)  # it is there again
    assert [removal.value for removal in store.removals()] == ["tea"]
    store.write(f"{INSERT}('Anna', 'likes', 'tea', '', 1)", cause="digest by a larger model")
    assert store.removals() == []


def test_what_a_person_corrected_is_not_ended_by_what_was_said_before(store: Store) -> None:
    say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    supersede(store, 1, "Bergen")
    say(store, "I moved to Faro.", "2025-01-01", anna("lives_in", "Faro"))
    say(store, "I gave it up.", "2025-02-01", anna("gave_up", "it", "", End("lives_in")))
    assert [line for line in lines(store) if "lives_in" in line and "until" not in line] == [
        f"Anna lives_in: Bergen since {store.facts()[1].happened_on}"
    ]
    say(store, "I moved to Faro.", "2999-01-01", anna("lives_in", "Faro"))
    assert "Anna lives_in: Faro" in lines(store)


def test_a_digest_takes_back_what_was_noted_of_its_turns(store: Store) -> None:
    first = say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    second = say(
        store, "I moved to Porto.", "2025-03-10", anna("lives_in", "Porto"), anna("likes", "tea")
    )
    third = say(store, "I like rum.", "2025-03-11", anna("likes", "rum"))
    correct(store, 3, value="green tea")  # a person's by now
    digested = store.write(
        f"{INSERT}('Anna', 'lives_in', 'Porto, Portugal', '', {second})",
        cause="digest by a larger model",
        window=(second, second),
    )
    assert lines(store) == [
        "Anna lives_in: Oslo",  # open again
        "Anna likes: green tea",
        "Anna likes: rum",
        "Anna lives_in: Porto, Portugal",
    ]
    store.undo(digested.id)
    assert lines(store) == [
        "Anna lives_in: Oslo until 2025-03-10",
        "Anna lives_in: Porto",
        "Anna likes: green tea",
        "Anna likes: rum",
    ]
    assert first < second < third


def test_a_digest_may_end_what_it_opened_again(store: Store) -> None:
    say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    values = [anna("likes", f"tea number {number}") for number in range(12)]
    turn_id = say(store, "I moved.", "2025-03-10", anna("lives_in", "Porto"), *values)
    store.write(
        "UPDATE facts SET ended_on = '2025-03' WHERE subject = 'Anna' AND value = 'Oslo';"
        f" {INSERT}('Anna', 'lives_in', 'Porto', '2025-03', {turn_id})",
        cause="digest by a larger model",
        window=(turn_id, turn_id),
    )
    assert lines(store) == [
        "Anna lives_in: Oslo until 2025-03",
        "Anna lives_in: Porto since 2025-03",
    ]


def test_digested_turns_are_not_read(store: Store) -> None:
    store.write("-- none", cause="digest by a larger model", window=(1, 3))
    assert [turn.id for turn in store.unread_turns(100).turns] == [4, 5]
    notes = [TurnStatements(store.turn(2), (anna("likes", "tea"),))]
    assert store.note(notes, 0, 5) == []


def test_forgetting_a_turn_takes_back_what_it_ended(store: Store) -> None:
    say(store, "I live in Oslo.", "2024-05-01", anna("lives_in", "Oslo"))
    turn_id = say(store, "I left.", "2025-03-10", anna("left", "Oslo", "2025", End("lives_in")))
    assert lines(store)[0] == "Anna lives_in: Oslo until 2025"
    store.forget([turn_id])
    assert lines(store) == [LIVES_IN_OSLO]


def test_what_is_over_ends_where_it_is_named_and_is_no_fact(store: Store) -> None:
    say(store, "I have a canoe.", "2024-05-01", anna("owns", "red canoe"), anna("plays", "chess"))
    [turn_id] = store.add([Turn("Anna", "The canoe is gone.", said_at="2025-03-10")])
    unread = store.unread_turns(1_000)
    over = (Over("Anna", "canoe", "possession"), Over("Anna", "kayak", "possession"))
    note_endings = TurnStatements(store.turn(turn_id), (), over)
    assert store.note([note_endings], unread.after, turn_id)
    assert lines(store) == ["Anna owns: red canoe until 2025-03-10", "Anna plays: chess"]
    store.undo(store.changes()[-1].id)
    assert lines(store)[0] == "Anna owns: red canoe"


def test_what_a_person_wrote_since_is_not_over(store: Store) -> None:
    say(store, "I have a canoe.", "2024-05-01", anna("owns", "canoe"))
    correct(store, store.facts()[0].id, value="blue canoe")
    [turn_id] = store.add([Turn("Anna", "The canoe is gone.", said_at="2024-06-01")])
    unread = store.unread_turns(1_000)
    over = TurnStatements(store.turn(turn_id), (), (Over("Anna", "canoe", "possession"),))
    store.note([over], unread.after, turn_id)
    assert lines(store) == ["Anna owns: blue canoe"]
