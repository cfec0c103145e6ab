"""Answers from turns about people's lives, each class with cases: right, or no answer at all."""

import pytest
from memory.program.grounding import ground

from memory import Turn

NOTHING = "No information available"

Said = tuple[str, str, str]  # who, what, when


def answered(question: str, picked: str, *said: Said) -> str:
    """What is answered when a model picked this from what was said, best turns first.

    Ids follow the dates, as in a memory.
    """
    turns = [
        Turn(speaker, text, said_at=day, session=day)
        for speaker, text, day in sorted(said, key=lambda each: each[2])
    ]
    numbered = {
        (turn.speaker, turn.text): Turn(
            turn.speaker, turn.text, said_at=turn.said_at, session=turn.session, id=number
        )
        for number, turn in enumerate(turns, start=1)
    }
    return ground(picked, question, [numbered[speaker, text] for speaker, text, _ in said])[0]


COUNTS = [
    ("How many cats does Ida have?", "three", "I have three cats and a parrot.", "three"),
    ("How many cats does Ida have?", "two", "I have two big black cats.", "two"),
    ("How many cats does Ida have?", "6", "Six kittens! So now there are my cats.", NOTHING),
    ("How many cats does Ida have?", "cats", "My cats sleep all day.", NOTHING),
    ("How many times did Ida ring the bank?", "four", "I rang the bank at four.", NOTHING),
    ("How many times did Ida ring the bank?", "three", "I rang the bank three times.", "three"),
    ("How many times was Ida at the vet?", "three", "vet number three today", "three"),
    ("How often does Ida swim?", "twice a week", "I swim twice a week.", "twice a week"),
    ("How often has Ida been home?", "four days", "I was home and slept for four days.", NOTHING),
    ("How often did Ida win?", "one ear", "One ear is bigger. And I won a hamper.", NOTHING),
    ("How often does Ida swim?", "metres", "I swim forty metres.", NOTHING),
    ("How many lessons had Ida taken by March 2024?", "two", "I took two lessons.", NOTHING),
    ("How often did Ida swim in June 2024?", "2", "I had 2 swims.", NOTHING),
]


@pytest.mark.parametrize(("question", "picked", "text", "answer"), COUNTS)
def test_a_count_is_a_number_of_what_is_asked(
    question: str, picked: str, text: str, answer: str
) -> None:
    assert answered(question, picked, ("Ida", text, "2024-07-01")) == answer


AGES = [
    ("How old is Ida's son?", "7", "My son Per is 7 and my ex Odd is 44.", "7"),
    ("How old is Ida's son?", "44", "My son Per is 7 and my ex Odd is 44.", NOTHING),
    ("How old is aunt Liv?", "79", "Aunt Liv brings a date. Arne, he's 79!", NOTHING),
    ("How old is aunt Liv?", "81", "Aunt Liv is 81 and dances.", "81"),
    ("How old is Ida?", "34", "I turned 34 today.", "34"),
    ("How old is the dog?", "last spring", "We got the dog last spring.", NOTHING),
    ("How old is the cat?", "320 euros", "The cat had to see the vet, 320 euros!", NOTHING),
    ("How old is my grandmother?", "90", "My sister is 12, my grandmother is 90.", "90"),
    ("How old is my grandmother?", "12", "My sister is 12, my grandmother is 90.", NOTHING),
]


def test_what_somebody_pays_is_an_amount() -> None:
    said = ("Ida", "Yes, bought a bike from Per next door. 900.", "2024-07-01")
    assert (
        answered("What did Ida pay for the bike?", "Yes, bought a bike from Per.", said) == NOTHING
    )
    assert answered("What did Ida pay for the bike?", "900", said) == "900"


@pytest.mark.parametrize(("question", "picked", "text", "answer"), AGES)
def test_an_age_is_that_of_whom_the_question_names(
    question: str, picked: str, text: str, answer: str
) -> None:
    assert answered(question, picked, ("Ida", text, "2024-07-01")) == answer


YES_OR_NO = [
    (
        "Is Ida allergic to nuts?",
        "I'm allergic to nuts, sadly.",
        "Yes: I'm allergic to nuts, sadly.",
    ),
    ("Is Ida allergic to nuts?", "I'm not allergic to nuts.", "No: I'm not allergic to nuts."),
    ("Is Ida allergic to nuts?", "Per is allergic to nuts.", NOTHING),
    ("Is Ida allergic to nuts?", "I might be allergic to nuts.", NOTHING),
    ("Is Ida allergic to mango?", "I'm allergic to nuts.", NOTHING),
    ("Does Ida still eat meat?", "I gave up meat in May.", "No: I gave up meat in May."),
    ("Does Ida still eat no meat?", "I eat meat again.", "No: I eat meat again."),
    ("Does Ida still avoid dairy?", "I eat dairy again.", "No: I eat dairy again."),
    ("Does Ida still have the boat?", "I sold the boat.", "No: I sold the boat."),
    ("Did it rain on the hike?", "The hike was great. It did not rain.", NOTHING),
    (
        "Did it rain on the hike?",
        "It did not rain on the hike.",
        "No: It did not rain on the hike.",
    ),
    ("Did Ida visit Rome?", "I will visit Rome.", NOTHING),
    ("Did Ida visit Rome?", "We visited Rome.", "Yes: We visited Rome."),
    # A word that ends in "nt" denies nothing.
    ("Is Ida pregnant?", "I'm pregnant, due in May.", "Yes: I'm pregnant, due in May."),
    ("Did Ida rent the flat?", "I rent the flat out.", "Yes: I rent the flat out."),
    ("Did Ida rent the flat?", "I didn't rent the flat.", "No: I didn't rent the flat."),
    ("Does Ida still smoke?", "I smoke.", NOTHING),
    ("Does Ida still smoke?", "I smoke again.", "Yes: I smoke again."),
    ("Does Ida like Rome?", "I bought a map of Rome.", NOTHING),
]


@pytest.mark.parametrize(("question", "text", "answer"), YES_OR_NO)
def test_yes_or_no_is_read_from_one_clause_or_left_open(
    question: str, text: str, answer: str
) -> None:
    assert answered(question, "Likely yes, so it seems", ("Ida", text, "2024-07-01")) == answer


def test_the_newest_turn_says_whether_something_still_is() -> None:
    older = ("Ida", "I don't eat eggs any more.", "2024-03-01")
    newer = ("Ida", "I'm eating eggs again.", "2024-09-01")
    answer = answered("Does Ida eat eggs now?", "Likely no", older, newer)
    assert answer == "Yes: I'm eating eggs again."


DATES = [
    # A day without a year that has passed by is next year's, if the question is about what comes.
    ("When will Ida marry?", "6 March 2024", "We marry on 6 March.", "2024-10-15", "6 March 2025"),
    ("When will Ida marry?", "6 March 2024", "We marry on 6 March.", "2024-01-15", "6 March 2024"),
    ("When did Ida marry?", "6 March 2024", "We married on 6 March.", "2024-01-15", "6 March 2023"),
    ("When did Ida marry?", "6 March 2024", "We married on 6 March.", "2024-10-15", "6 March 2024"),
    # A weekday is the last one.
    ("When did Ida call?", "30 June 2024", "I called on Friday.", "2024-06-30", "28 June 2024"),
    (
        "When did Ida call?",
        "30 June 2024",
        "I called today, not Friday.",
        "2024-06-30",
        "30 June 2024",
    ),
    ("When did Ida call?", "30 June 2024", "I called.", "2024-06-30", "30 June 2024"),
    (
        "On which day in June will Ida come?",
        "6 March 2025",
        "I come 6 March.",
        "2024-10-15",
        NOTHING,
    ),
    # The day of one date with the month of another is no date.
    ("When will Ida marry?", "15 March 2025", "Married 6 March!", "2024-10-15", NOTHING),
]


@pytest.mark.parametrize(("question", "picked", "text", "day", "answer"), DATES)
def test_a_date_is_one_that_a_turn_tells(
    question: str, picked: str, text: str, day: str, answer: str
) -> None:
    assert answered(question, picked, ("Ida", text, day)) == answer


def test_the_turn_that_has_the_verb_tells_the_day() -> None:
    failed = ("Ida", "I failed the sailing exam today.", "2024-03-16")
    passed = ("Ida", "I PASSED. yesterday. At last!", "2024-04-21")
    answer = answered("When did Ida pass the sailing exam?", "16 March 2024", failed, passed)
    assert answer == "20 April 2024"


PEOPLE = [
    ("Who will Ida marry?", "Tom", "Tom and I will marry in May!", "Tom"),
    ("Who will Ida marry?", "Ida", "Tom and I will marry in May!", NOTHING),
    ("Who is Ida's dentist?", "a tooth", "My dentist pulled a tooth.", NOTHING),
    ("Who is Ida's dentist?", "my neighbour", "My neighbour is my dentist.", "my neighbour"),
    ("Who taught Ida chess?", "Ragna", "Ragna taught me chess.", "Ragna"),
    ("Who taught Ida chess?", "Ragna", "Ragna came for tea.", NOTHING),
    ("Who was Ida at the opera with?", "Tosca", "We went to the opera, Tosca.", NOTHING),
    ("Who was Ida at the opera with?", "Tom", "My uncle Tom took me to the opera.", "Tom"),
    ("What is the name of Ida's piano teacher?", "Duke", "I play the piano, Duke sings.", NOTHING),
    ("What is the name of Ida's dog?", "Duke", "My dog Duke sings.", "Duke"),
    ("Who did Ida marry?", "Ragna", "Married! Ragna danced until four.", NOTHING),
    ("Who did Ida marry?", "Tom", "Married! Tom gave me a ring.", "Tom"),
]


@pytest.mark.parametrize(("question", "picked", "text", "answer"), PEOPLE)
def test_a_question_for_a_person_is_answered_by_one(
    question: str, picked: str, text: str, answer: str
) -> None:
    assert answered(question, picked, ("Ida", text, "2024-07-01")) == answer


PLACES = [
    ("Where did Lone marry?", "xyzzy", "Lone marries and I have to do a speech.", NOTHING),
    ("Where did Lone marry?", "Odense", "Lone married in Odense.", "Odense"),
    ("Where does Ida keep the boat?", "the harbour", "I keep it at the harbour.", "the harbour"),
    ("Where does Ida keep the boat?", "Odense", "I was in Odense last week.", NOTHING),
    (
        "On which street in Aarhus is Lone's shop?",
        "Elm Road",
        "We have a shop on Elm Road.",
        NOTHING,
    ),
    ("What did Grandpa give Ida?", "eleven weeks", "I give it eleven weeks.", NOTHING),
    ("What is Lone's job?", "baker", "The baker is closed.", NOTHING),
]


@pytest.mark.parametrize(("question", "picked", "text", "answer"), PLACES)
def test_what_is_said_of_others_answers_nothing(
    question: str, picked: str, text: str, answer: str
) -> None:
    assert answered(question, picked, ("Ida", text, "2024-07-01")) == answer


REPLACED = [
    ("Where does Ida work?", "the bakery", "I work at the bakery.", "I quit, last day was Friday."),
    (
        "Where does Ida work?",
        "the bakery",
        "I work at the bakery.",
        "I start at a school on Monday.",
    ),
    ("What is Ida's job?", "baker", "My job is baker.", "I changed jobs in June."),
    (
        "Where does Ida live?",
        "Bergen",
        "I live in Bergen.",
        "We found a flat in Oslo, keys on Monday.",
    ),
    ("Where does Ida live now?", "Bergen", "I live in Bergen.", "We moved on 27 July in the end."),
    ("Who is Ida's boyfriend?", "Tom", "My boyfriend Tom cooks.", "Tom and I split up."),
]


@pytest.mark.parametrize(("question", "picked", "text", "change"), REPLACED)
def test_a_state_that_may_have_been_replaced_is_not_told_as_if_it_held(
    question: str, picked: str, text: str, change: str
) -> None:
    older = ("Ida", text, "2024-03-01")
    assert answered(question, picked, older) == picked
    assert answered(question, picked, older, ("Ida", change, "2024-07-01")) == NOTHING
    # What happened to somebody else, or before, replaces nothing.
    assert answered(question, picked, older, ("Ben", change, "2024-07-01")) == picked
    assert answered(question, picked, older, ("Ida", change, "2024-01-01")) == picked


def test_what_was_true_then_is_told_of_then() -> None:
    older = ("Ida", "I live in Bergen.", "2024-03-01")
    newer = ("Ida", "We moved to Oslo.", "2024-07-01")
    assert answered("Where did Ida live in 2023?", "Bergen", older, newer) == "Bergen"


def test_the_newest_amount_is_told() -> None:
    older = ("Ida", "The rent is 620 a month.", "2024-03-01")
    newer = ("Ida", "rent goes to 655 from July.", "2024-06-01")
    assert answered("How much rent does Ida pay a month?", "620", older, newer) == "655"
    assert answered("How much rent did Ida pay in May?", "620", older, newer) == "620"


LISTS = [
    ("What is Ida allergic to?", "cats", "I'm allergic to cats and dogs.", "cats and dogs"),
    ("What is Ida allergic to?", "cats", "I'm allergic to cats and I hate it.", "cats"),
    ("What does Ida play?", "bass", "I play bass, Per drums and Liv sings.", "bass"),
    ("What is Ida allergic to?", "manipul", "A man is allergic to rye.", NOTHING),
]


@pytest.mark.parametrize(("question", "picked", "text", "answer"), LISTS)
def test_of_a_list_the_rest_is_told_too(question: str, picked: str, text: str, answer: str) -> None:
    assert answered(question, picked, ("Ida", text, "2024-07-01")) == answer


OF_A_SPEAKER = [
    # Tom's weight is not Ida's, though Ida speaks of weighing, too.
    (
        "How much does Ida weigh?",
        "80",
        [("Tom", "I weigh 80 kilos.", "2024-03-02"), ("Ida", "I joined a gym.", "2024-03-02")],
        NOTHING,
    ),
    (
        "How much does Ida weigh?",
        "64 kilos",
        [
            ("Ida", "I weigh 64 kilos.", "2024-02-02"),
            ("Tom", "I weigh 80 kilos.", "2024-03-02"),
        ],
        "64 kilos",
    ),
    # Her newer weight is.
    (
        "How much does Ida weigh now?",
        "64",
        [
            ("Ida", "I weigh 64 kilos since Easter.", "2024-02-02"),
            ("Ida", "I weighed myself. 61!", "2024-03-02"),
        ],
        "61",
    ),
    # What somebody has lost or left holds no more.
    ("What is Ida's job?", "baker", [("Ida", "I lost the baker job.", "2024-03-02")], NOTHING),
    ("What is Ida's job?", "baker", [("Ida", "I love my baker job.", "2024-03-02")], "baker"),
    # What came after is no answer to what was before.
    (
        "Where did Tom live before Ghent?",
        "no idea",
        [("Ida", "Tom lives in Ghent now.", "2024-03-02")],
        NOTHING,
    ),
    # A job is told as one, and a name is one that the question has not.
    ("What does Ida do for a living?", "okra", [("Ida", "I planted okra.", "2024-03-02")], NOTHING),
    (
        "What does Ida do for a living?",
        "nurse",
        [("Ida", "I live well as a nurse.", "2024-03-02")],
        "nurse",
    ),
    (
        "What is the name of Ida's school in Leeds?",
        "Leeds",
        [("Ida", "My school is in Leeds.", "2024-03-02")],
        NOTHING,
    ),
    ("What is Wim's surname?", "Nora", [("Ida", "Nora met Wim.", "2024-03-02")], NOTHING),
    ("What is Tom's surname?", "Reed", [("Ida", "Tom Reed rang.", "2024-03-02")], "Reed"),
    # What was planned is not how long it was.
    (
        "How long did Ida's mother stay?",
        "three months",
        [("Ida", "My mother arrives today and stays for three months.", "2024-03-02")],
        NOTHING,
    ),
    (
        "How long did Ida's mother stay?",
        "three months",
        [("Ida", "My mother went home, she stayed three months.", "2024-03-02")],
        "three months",
    ),
    # "Likely" answers what may be, and not what is.
    (
        "Which library does Tom like?",
        "Likely the library in Leith",
        [("Tom", "I like the library in Leith, likely.", "2024-03-02")],
        NOTHING,
    ),
]


@pytest.mark.parametrize(("question", "picked", "said", "answer"), OF_A_SPEAKER)
def test_an_answer_is_of_whom_and_when_it_is_asked(
    question: str, picked: str, said: list[Said], answer: str
) -> None:
    assert answered(question, picked, *said) == answer


@pytest.mark.parametrize(
    ("question", "picked", "text", "answer"),
    [
        # A verb beside the day says whether it had passed.
        (
            "When did Ida move in?",
            "5 June 2025",
            "I move in on 5 June, keys are ordered.",
            "5 June 2025",
        ),
        ("When did Ida move in?", "5 June 2024", "I moved in on 5 June.", "5 June 2024"),
        ("When will Ida marry?", "16 May 2025", "We marry on 16 May next year.", "16 May 2026"),
        ("When will Ida marry?", "February 2025", "We will marry in February.", "February 2026"),
        ("When did Ida marry?", "May 2025", "We married in May, in the rain.", "May 2024"),
    ],
)
def test_a_date_has_the_year_that_its_turn_means(
    question: str, picked: str, text: str, answer: str
) -> None:
    assert answered(question, picked, ("Ida", text, "2025-03-02")) == answer


def test_an_amount_is_of_what_is_measured() -> None:
    sold = ("Ida", "I sold the van to two Danes for 5,500 dollars.", "2024-09-01")
    assert answered("How much rent does Ida pay in Bath?", "5,500 dollars", sold).startswith(
        "No information"
    )
    assert answered("How much did Ida get for the van?", "5,500 dollars", sold) == "5,500 dollars"


def test_a_last_place_is_a_place() -> None:
    said = ("Ida", "In Nelson we walked; Tom starts a nursing course after it.", "2024-09-01")
    question = "What was the last place Ida walked in?"
    assert answered(question, "a nursing course", said).startswith("No information")
    assert answered(question, "Nelson", said) == "Nelson"


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("Which stews were cooked at Ida's?", True),
        ("What kinds of stew did Ida cook?", True),
        ("What does Ida cook?", False),
    ],
)
def test_what_may_be_one_of_several_is_told_as_a_part(question: str, more: bool) -> None:
    told = answered(question, "goulash", ("Ida", "I cooked goulash, a stew.", "2024-09-01"))
    assert told == ("goulash, perhaps more" if more else "goulash")
