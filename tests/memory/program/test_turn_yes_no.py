"""Whether something was done: what was called off or given up is a no, what was done a yes."""

import pytest

from memory import Store, Turn
from memory.program.turn_yes_no import answer_yes_or_no

BOTH_STORES = "slow"
TODAY = "2025-12-31"
_TOLD = (
    ("Sigrun", "2025-01-10", "I booked Malta for the 3rd of April, a whole week."),
    ("Tadeo", "2025-01-10", "Lovely. I want to see Prague in May."),
    ("Sigrun", "2025-03-20", "My boss needs me in April, so no Malta this spring."),
    ("Tadeo", "2025-06-01", "Prague was wonderful, we were there from the 9th to the 12th of May."),
    ("Sigrun", "2025-06-02", "I gave up on the marathon plan, my knees hurt."),
    ("Tadeo", "2025-06-03", "We made an offer on the cottage in Wells."),
    ("Tadeo", "2025-07-03", "The cottage fell through, another couple paid more."),
    ("Sigrun", "2025-07-04", "My brother Njal broke his arm. He never finished the canoe."),
    ("Tadeo", "2025-08-01", "Ylva's cast came off on Monday."),
    ("Sigrun", "2025-08-02", "I failed the sailing exam."),
    ("Sigrun", "2025-10-02", "I passed at last!"),
    ("Tadeo", "2025-10-03", "I sold the trombone to a neighbour."),
    ("Tadeo", "2025-10-04", "I'd signed up for the Ghent race, but I stayed at home with a cold."),
    ("Sigrun", "2025-11-01", "How was Lisbon?"),
    ("Tadeo", "2025-11-01", "We didn't go in the end."),
    ("Tadeo", "2025-11-02", "Have you painted the kitchen?"),
    ("Sigrun", "2025-11-02", "Not yet."),
    ("Sigrun", "2025-11-03", "I quit coffee on the 1st."),
    ("Sigrun", "2025-12-03", "I had a coffee in Bruges, my first coffee in weeks."),
    ("Tadeo", "2025-12-04", "I can't believe you are allergic to celery."),
    ("Tadeo", "2025-12-05", "I might buy a kayak."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # Planned, and called off, refused or given up.
        ("Did Sigrun go to Malta in April 2025?", "No 2025-03-20"),
        ("Did Sigrun run the marathon?", "No 2025-06-02"),
        ("Did Tadeo get the cottage in Wells?", "No 2025-07-03"),
        ("Did Tadeo run the Ghent race?", "No 2025-10-04"),
        ("Did Sigrun's brother finish the canoe?", "No 2025-07-04"),
        # Done.
        ("Did Tadeo go to Prague in May 2025?", "Yes 2025-06-01"),
        ("Has Tadeo sold the trombone?", "Yes 2025-10-03"),
        ("Is the cast off Ylva's leg?", "Yes 2025-08-01"),
        # The newest decides.
        ("Did Sigrun pass the sailing exam?", "Yes 2025-10-02"),
        # An ending that is asked about is a yes.
        ("Has Sigrun given up the marathon?", "Yes 2025-06-02"),
        ("Has Sigrun had any coffee since November 2025?", "Yes 2025-12-03"),
        # A reply to the same question.
        ("Did Tadeo go to Lisbon?", "No 2025-11-01"),
        ("Has Sigrun painted the kitchen?", "No 2025-11-02"),
        # Another time, another person, what is only possible, and what nobody told.
        ("Did Tadeo go to Prague in August 2025?", None),
        ("Did Tadeo go to Malta?", None),
        ("Did Tadeo buy a kayak?", None),
        ("Did Sigrun fly to Iceland?", None),
        ("Did Tadeo run the first or the second race?", None),
        ("When did Tadeo sell the trombone?", None),
    ],
)
def test_what_was_done_or_called_off_decides(
    told: Store, question: str, answer: str | None
) -> None:
    told_answer = answer_yes_or_no(question, TODAY, read=told.read)

    if answer is None:
        assert told_answer is None
    else:
        assert told_answer is not None
        yes_or_no, day = answer.split()
        turn = next(turn for turn in told.turns(1, 99) if turn.id in told_answer.turn_ids)
        assert told_answer.text.startswith(f"{yes_or_no}: ")
        assert told_answer.text.partition(": ")[2] in turn.text
        assert turn.said_at == day


def test_the_answer_rests_on_the_turn_it_quotes(told: Store) -> None:
    answer = answer_yes_or_no("Has Tadeo sold the trombone?", TODAY, read=told.read)

    assert answer is not None
    (row,) = answer.rows[0].rows
    assert "trombone" in str(row[-1])
    assert answer.turn_ids == (row[0],)


def test_what_is_told_later_than_the_day_of_the_question_decides_nothing(told: Store) -> None:
    assert answer_yes_or_no("Has Tadeo sold the trombone?", "2025-09-01", read=told.read) is None


def test_a_corrected_turn_is_not_read(told: Store) -> None:
    answer = answer_yes_or_no(
        "Has Tadeo sold the trombone?",
        TODAY,
        read=told.read,
        corrected=lambda turns: [turn for turn in turns if "trombone" not in turn.text],
    )

    assert answer is None
