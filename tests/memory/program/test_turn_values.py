"""Values that change with time: which weekday, which kind of thing, on what date, how much."""

import pytest

from memory import Store, Turn
from memory.program.turn_values import answer_by_values

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    ("Runa", "2025-01-12", "My pottery class is on Mondays, in the old mill."),
    ("Runa", "2025-03-09", "From now on the pottery class is on Thursdays instead of Mondays."),
    ("Tjark", "2025-02-02", "My daughter Fenja had her first cello lesson."),
    ("Tjark", "2025-05-04", "Fenja has stopped the cello."),
    ("Tjark", "2025-05-11", "Fenja had her first oboe lesson, the cat is appalled."),
    ("Gesa", "2025-02-09", "My knee operation will be on 6 May."),
    ("Gesa", "2025-05-11", "They did the knee operation on 20 May after all? No, it will be."),
    ("Gesa", "2025-04-27", "The knee operation is moved to 20 May."),
    ("Okko", "2025-01-19", "I weigh 91 kilos."),
    ("Okko", "2025-03-16", "I was 88 kilos on the scale at the gym."),
    ("Okko", "2025-06-15", "I weigh 84 now."),
    ("Wiebke", "2025-03-02", "I took over the back room."),
    ("Wiebke", "2025-03-09", "The landlord has found somebody for the front room."),
    ("Meike", "2025-03-02", "I bought a bike, but I still go by tram."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("On which day is Runa's pottery class now?", "Thursday"),
        ("On which day was Runa's pottery class in February 2025?", "Monday"),
        ("Which instrument is Fenja learning now?", "oboe"),
        ("Which instrument was Fenja learning in March 2025?", "cello"),
        ("How did the date of Gesa's knee operation change?", "6 May 2025; then 20 May 2025"),
        ("How did Okko's weight change?", "91; then 88; then 84"),
        ("Which room does Wiebke have now?", "back room"),
        ("How does Meike get to work now?", "tram"),
    ],
)
def test_the_value_of_a_time_is_told(told: Store, question: str, answer: str) -> None:
    value = answer_by_values(question, TODAY, read=told.read)
    assert value is not None
    assert value.text.partition(" (")[0] == answer


@pytest.mark.parametrize(
    "question",
    [
        "On which day is Runa's yoga class now?",
        "Which instrument is Okko learning now?",
        "How did Gesa's weight change?",
        "Which instrument did Fenja break?",
    ],
)
def test_what_nobody_told_is_left_to_others(told: Store, question: str) -> None:
    assert answer_by_values(question, TODAY, read=told.read) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How did the days of Ylva's pottery course change?", "Monday; then Friday"),
        ("On which day does Ylva's choir rehearse now?", "Wednesday"),
        ("How many days a week does Ylva work at the depot now?", "3"),
        ("How many days a week did Ylva work at the depot in January 2026?", "2"),
        ("For which date is the fair of Ylva and Egil planned now?", "9 August 2026"),
        # What was on a past day was no plan.
        ("How did the date of Ylva's jumble sale change?", None),
    ],
)
def test_usual_days_and_planned_dates_are_told(
    store: Store, question: str, answer: str | None
) -> None:
    told_by_day = (
        ("2026-01-05", "The pottery course is on Mondays."),
        ("2026-01-06", "I'm at the depot on Tuesdays and Fridays."),
        ("2026-02-02", "The pottery course is on Fridays now."),
        ("2026-02-09", "Our choir is now on Wednesdays, because nobody could make Mondays."),
        ("2026-03-02", "I do three days a week at the depot now."),
        ("2026-04-06", "Our fair will be on 2 August."),
        ("2026-05-04", "Our fair is a week later now, on 9 August."),
        ("2026-05-11", "The jumble sale on 9 May was a mess."),
        ("2026-05-18", "The next jumble sale will be on 1 July."),
    )
    store.add([Turn("Ylva", text, session=day, said_at=day) for day, text in told_by_day])
    value = answer_by_values(question, TODAY, read=store.read)
    assert (value.text.partition(" (")[0] if value else None) == answer
