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


_MORE = (
    ("Sigrun", "2024-03-01", "My Danish test is on the 9th."),
    ("Tadeo", "2024-04-01", "Do you have the result of the test?"),
    ("Sigrun", "2024-04-01", "Yes, I passed with 91 points!"),
    ("Tadeo", "2024-04-02", "Rauno's christening is in May."),
    ("Tadeo", "2024-06-01", "Petra gave a short speech at the christening."),
    ("Sigrun", "2024-06-02", "My back ache has started again."),
    ("Tadeo", "2024-06-03", "I cut down the walnut tree on Monday."),
    ("Sigrun", "2024-06-04", "I let my share in the sailing boat go."),
    ("Tadeo", "2024-06-05", "I was going to row in Varberg in June, but I hurt my wrist."),
    ("Sigrun", "2024-06-06", "That's in our week on Gotland, so we cancelled the hotel."),
    ("Tadeo", "2024-12-28", "Our ferry was cancelled, so we ate pizza here."),
    ("Sigrun", "2024-12-29", "We had a quiet Christmas in Umea."),
    ("Tadeo", "2024-12-30", "I walk without the crutches now."),
    ("Sigrun", "2024-12-30", "Narvik isn't happening, the twins are ill."),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # What was spoken of is known: "the test", "I passed".
        ("Did Sigrun pass her Danish test?", "Yes 2024-04-01"),
        # "gave a speech" is "spoke", at a christening that was spoken of before.
        ("Did Petra speak at Rauno's christening?", "Yes 2024-06-01"),
        # What somebody has, and what is gone.
        ("Does Sigrun suffer from back ache?", "Yes 2024-06-02"),
        ("Is the walnut tree still standing behind the shed?", "No 2024-06-03"),
        ("Does Sigrun still own part of the sailing boat?", "No 2024-06-04"),
        # It was to be, but was not.
        ("Did Tadeo row in Varberg in June 2024?", "No 2024-06-05"),
        ("Did the two families go to Gotland together?", "No 2024-06-06"),
        ("Did Sigrun's family go to Narvik for her birthday?", "No 2024-12-30"),
        # A feast, elsewhere or without the ferry.
        ("Did Tadeo spend Christmas 2024 with the Holms?", "No 2024-12-28"),
        ("Did Sigrun spend Christmas 2024 in Kiruna?", "No 2024-12-29"),
        ("Can Tadeo walk without crutches?", "Yes 2024-12-30"),
        ("Has Tadeo been to Narvik?", None),
        ("Does Tadeo suffer from back ache?", None),
        ("Is the walnut tree still ill?", None),
    ],
)
def test_what_was_spoken_of_before_is_known(
    store: Store, question: str, answer: str | None
) -> None:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _MORE])
    decided = answer_yes_or_no(question, TODAY, read=store.read)
    days = {turn.id: turn.said_at for turn in store.turns(1, 99)}

    told = f"{decided.text.partition(':')[0]} {days[decided.turn_ids[0]]}" if decided else None
    assert told == answer
