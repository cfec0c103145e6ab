"""Whether an answer was said: word for word in the turns that it rests on, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import Turn
from memory.program.grounding import coverage, ground, suits, supporting_turns
from memory.program.messages import is_evidence

TURNS = [
    Turn(speaker, text, said_at=said_at, id=number)
    for number, (speaker, text, said_at) in enumerate(
        [
            ("Anna", "My sister Ingrid is getting married in June!", "2026-10-02"),
            ("Anna", "We get to stay if we stop at nine, said Marit.", "2026-10-02"),
            ("Ben", "I started at Nordlys Energy last Monday.", "2026-10-07"),
            ("Ben", "We planted basil and thai chili on the balcony.", "2026-05-02"),
            ("Anna", "I signed up for the Oslo half marathon.", "2026-10-09"),
        ],
        start=1,
    )
]


@pytest.mark.parametrize(
    ("question", "answer", "turn_ids"),
    [
        ("Which race did Anna sign up for?", "the Oslo half marathon", [5]),
        ("When did Ben start at Nordlys?", "5 October 2026", [3]),  # "last Monday", resolved
        ("When do we have to stop?", "stopping at 9", [2]),  # another form; a number in digits
        ("What did Ben plant?", "basil, thai chili", [4]),
        ("What was planted, and who is getting married?", "basil, Ingrid", [4, 1]),
        ("What did Ben plant?", "tomatoes", []),
        ("What did Ben plant?", "basil, tomatoes", []),
        ("Does Anna have a dog?", "Likely yes, she runs the Oslo half marathon", []),
        ("What is my brother called?", "Ingrid", []),  # no turn tells of a brother
        ("Who signed me up for the marathon?", "Anna", []),  # Anna asks
        ("Who signed up for the marathon?", "Anna", [5]),
        ("How old is the marathon?", "9 October 2026", []),  # no date was asked for
        ("Who gets married?", "?", []),
    ],
)
def test_an_answer_is_supported_by_turns_that_say_it_and_fit(
    question: str, answer: str, turn_ids: list[int]
) -> None:
    supporting = supporting_turns(answer, question, TURNS)
    assert [turn.id for turn in supporting] == turn_ids


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_turn_supports_what_it_does_not_say(question: str, answer: str) -> None:
    for turn in supporting_turns(answer, question, TURNS):
        assert turn in TURNS
    assert supporting_turns(answer + " qxzjk", question, TURNS) == []


def test_coverage_counts_telling_words_without_names() -> None:
    assert coverage("Which race did Anna sign up for?", TURNS[4], ["Anna"]) == 0.5
    assert coverage("What is Anna called?", TURNS[4], ["Anna"]) == 0.0


@pytest.mark.parametrize(
    ("question", "answer", "text", "turn_ids"),
    [
        ("Which race did Anna sign up for?", "the Oslo half marathon", None, [5]),
        ("What did Ben plant?", "tomatoes", "No information available", []),
        ("Which hospital was my mum in?", "Pune", "No information available", []),
        ("What did Ben plant?", "No information available", None, []),
        ("What did Ben plant on the balcony?", "the balcony", "No information available", []),
    ],
)
def test_what_was_not_said_is_no_answer(
    question: str, answer: str, text: str | None, turn_ids: list[int]
) -> None:
    likely = [TURNS[turn_ids[0] - 1], *TURNS] if turn_ids else TURNS
    grounded, turns = ground(answer, question, likely)
    assert grounded == (answer if text is None else text)
    assert [turn.id for turn in turns] == turn_ids


def test_without_turns_nothing_is_said() -> None:
    assert ground("Oslo", "Where?", []) == ("No information available", [])


@pytest.mark.parametrize(
    "text",
    [
        "I find nothing about that in what I was told.",
        "I'm sorry, but I don't know where you work.",
        "You haven't told me that yet.",
        "Where do I work?",
        'I remember what you said: "I work at Nordlys."',
    ],
)
def test_questions_quotations_and_refusals_are_no_evidence(text: str) -> None:
    assert not is_evidence(text)


@pytest.mark.parametrize(
    "text",
    [
        "I have no car.",
        "I never told my mother that I smoke.",
        "I don't know many people in Bergen, but I joined a choir.",
        "I sing in a choir now. Do you sing?",
    ],
)
def test_what_tells_something_is_evidence(text: str) -> None:
    assert is_evidence(text)


@pytest.mark.parametrize(
    ("question", "answer", "text"),
    [
        ("What did Ben plant?", "basil, tomatoes and thai chili", "basil, thai chili"),
        ("What did Ben plant on the balcony?", "grew thai chili", "thai chili"),
        ("What did Ben plant?", "Likely tomatoes, on the balcony", "No information available"),
    ],
)
def test_of_an_answer_the_part_that_was_said_is_left(question: str, answer: str, text: str) -> None:
    assert ground(answer, question, [TURNS[3], *TURNS])[0] == text


def test_what_a_turn_is_about_may_stand_beside_it() -> None:
    reply = Turn("Ben", "It was Matt Patterson!", id=2)
    question = "Who played at the concert?"
    assert ground("Matt Patterson", question, [reply])[1] == []
    assert ground("Matt Patterson", question, [reply], lambda turn: "Which concert?") == (
        "Matt Patterson",
        [reply],
    )


@pytest.mark.parametrize(
    ("question", "text", "quoted"),
    [
        ("How old is my grandmother?", "I wrote a song about my grandmother.", False),
        ("How old is my grandmother?", "My grandmother turned ninety.", True),
        ("What is my wife's name?", "Got a knife from my wife.", False),
        ("What is my wife's name?", "Got a knife from my wife Rosa.", True),
        ("When did the pipe break at the dentist?", "The pipe broke at the dentist.", False),
        ("When did my visa arrive?", "My visa arrived on Thursday.", True),
        ("What do I study?", "My neighbour studies law.", False),
        ("What do I study?", "I study law.", True),
        ("Where do I keep my boat?", "My boat is kept at the harbour.", True),
    ],
)
def test_what_cannot_answer_the_question_is_not_quoted(
    question: str, text: str, quoted: bool
) -> None:
    assert suits(text, question) == quoted


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("What does Ines weigh?", "I weigh 61 kilos. Ines laughed.", "No information available"),
        ("What does Ines weigh?", "I hear that Ines weighs 61 kilos.", "61"),
        ("What does Anna weigh?", "I weigh 61 kilos. Ines laughed.", "61"),
        ("How much did the quilt sell for?", "The quilt is 61 kilos.", "No information available"),
        ("How much did the quilt sell for?", "The quilt sold for 61 pounds.", "61"),
    ],
)
def test_what_a_speaker_says_of_themselves_answers_nothing_about_another(
    question: str, text: str, answer: str
) -> None:
    said = "61 kilos" if "quilt is" in text else "61"
    assert ground(said, question, [Turn("Anna", text, id=1)])[0] == answer


def test_a_length_is_no_sentence() -> None:
    turn = Turn("Anna", "She's over it, we have two guinea pigs since yesterday.", id=1)
    assert ground("xyzzy", "How long did we have two guinea pigs?", [turn])[0] == (
        "No information available"
    )
