"""What somebody corrected later, read from the turn that corrects it."""

import pytest

from memory import Store, Turn
from memory.program.turn_corrections import answer_by_corrections

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    ("Runa", "2025-03-02", "I sold the canoe to a man from Leer for 450 euros."),
    ("Tjark", "2025-03-02", "Good price!"),
    ("Runa", "2025-03-09", "I told you wrong about the canoe. It went for 420 euros, not 450."),
    ("Tjark", "2025-04-06", "My dog Bosse is seven already."),
    ("Runa", "2025-05-04", "How is Bosse?"),
    ("Tjark", "2025-05-04", "I gave you the wrong age. I found his papers and he's nine."),
    ("Gesa", "2025-06-01", "The harbour party is on Saturday the 21st."),
    ("Gesa", "2025-06-02", "Sorry, the wrong day. The harbour party is on Sunday the 22nd."),
    ("Gesa", "2025-07-06", "My uncle Onno broke his left wrist."),
    ("Gesa", "2025-07-13", "It was Onno's right wrist. I mixed it up."),
    ("Okko", "2025-08-03", "The rent is 610 now."),
    (
        "Okko",
        "2025-08-10",
        "I read the letter wrong. The rent is 595, not 610, you paid 15 too much.",
    ),
    ("Okko", "2025-09-07", "We had a table for 12 in the end, and the piano stayed."),
    ("Runa", "2025-10-05", "I sold the old van to two brothers from Emden for 5,500 euros."),
    (
        "Runa",
        "2025-10-26",
        "I have to correct something about the van. I said 5,500, but I gave them 500 back for the"
        " rust, so it was 5,000 euros.",
    ),
    ("Tjark", "2025-11-02", "I found a studio in Varel, on Hafenweg, for 690 euros a month."),
    ("Tjark", "2025-11-23", "I told you 690 euros, but I misread it, the contract says 720."),
    ("Gesa", "2025-11-30", "I ran the Jever 10K in 55:05."),
    ("Gesa", "2025-12-07", "I have to correct myself. The Jever results are out, it was 55:50."),
    ("Runa", "2026-01-04", "I've bought a kiln from my neighbour. I paid 3,600 euros."),
    (
        "Runa",
        "2026-01-18",
        "I told you the wrong price for the kiln. He took 200 off, so I paid 3,400 euros.",
    ),
    ("Tjark", "2026-01-25", "The regatta is on Sunday 5th July."),
    ("Tjark", "2026-01-25", "Sorry no, wrong calendar. The regatta is on the 12th of July."),
    ("Okko", "2026-02-01", "There were 52 people at the farewell, and Runa's dad danced."),
    ("Okko", "2026-02-08", "Mum counted again. There were 47 people at the farewell, I was wrong."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # What was wrong is not repeated.
        ("How much did Runa get for the canoe?", "420 euros (Runa, 9 March 2025)"),
        ("How old is Tjark's dog Bosse?", "nine (Tjark"),
        ("On which day was the harbour party?", "22 June 2025 (Gesa"),
        ("Which wrist did Onno break?", "right (Gesa"),
        ("How much rent does Okko pay?", "595 (Okko, 10 August 2025)"),
        # Of several values that which follows from the others; a thing by its short name, what is
        # measured left out, a time, whose it is where it was told first.
        ("How much did Runa get for her campervan?", "5,000 euros (Runa, 26 October 2025)"),
        ("What is the monthly rent of Tjark's studio on Hafenweg?", "720 (Tjark, 23 November"),
        ("What was Gesa's real time in the Jever 10K?", "55:50 (Gesa, 7 December 2025"),
        ("On which day is the regatta?", "12 July 2026 (Tjark"),
        ("What did Runa pay for the kiln?", "3,400 euros (Runa, 18 January 2026)"),
        ("How many people were at the farewell of Runa's dad?", "47 people (Okko"),
    ],
)
def test_a_value_is_told_as_it_was_corrected(told: Store, question: str, answer: str) -> None:
    corrected = answer_by_corrections(question, TODAY, read=told.read)
    assert corrected is not None
    assert corrected.text.startswith(answer)


@pytest.mark.parametrize(
    "question",
    [
        "How much did Runa get for the kayak?",
        "How much did Okko pay for the piano?",  # "12 in the end" is of a table
        "How many times did Runa sell a canoe?",
        "When was the first harbour party?",
    ],
)
def test_what_nobody_corrected_is_left_to_others(told: Store, question: str) -> None:
    assert answer_by_corrections(question, TODAY, read=told.read) is None


@pytest.mark.parametrize(
    ("told_first", "told_later", "answer"),
    [
        # Without words of correcting: the old amount stands beside the new one.
        (
            "I sold the loom for 380 euros.",
            "About the loom, there were 350 in the tin, and I'd told you 380.",
            "350 (Ylva, 9 March 2026)",
        ),
        (
            "I sold the loom for four hundred and fifty euros.",
            "About the loom, I counted four hundred euros, not four hundred and fifty.",
            "400 euros (Ylva, 9 March 2026)",
        ),
        (
            "I sold the loom for twenty-nine hundred.",
            "I bragged about twenty-nine hundred for the loom, but I took twenty-seven fifty.",
            "2,750 (Ylva, 9 March 2026)",
        ),
        # A day is no amount.
        (
            "The loom went for 1050.",
            "No. 1150, I read it wrong, 1050 was without the stool. They are late, so 14 June.",
            None,
        ),
        # Another amount of another size is of something else.
        ("I sold the loom for 380 euros.", "The loom went for 380, and I owe 2,000.", None),
    ],
)
def test_a_new_amount_beside_the_old_one_corrects_it(
    store: Store, told_first: str, told_later: str, answer: str | None
) -> None:
    store.add(
        [
            Turn("Ylva", told_first, session="1", said_at="2026-01-05"),
            Turn("Ylva", told_later, session="2", said_at="2026-03-09"),
        ]
    )
    question = "How much did Ylva get for the loom?"
    corrected = answer_by_corrections(question, TODAY, read=store.read)
    assert (corrected.text if corrected else None) == answer
