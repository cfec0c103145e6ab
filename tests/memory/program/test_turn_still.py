"""Whether something still is so: what a newer turn says has ended, or goes on."""

import pytest

from memory import Store, Turn
from memory.program.turn_still import answer_still

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    ("Oda", "2025-01-11", "I drive the old Saab to work, it starts when it likes."),
    ("Oda", "2025-02-01", "We sold the Saab on Friday, don't cry."),
    ("Pelle", "2025-02-08", "I smoke two a day now."),
    ("Pelle", "2025-03-02", "Still not one cigarette, four weeks!"),
    ("Pelle", "2025-03-09", "Hedda practises the oboe every day."),
    ("Oda", "2025-03-09", "Really? She's dropped the oboe."),
    ("Oda", "2025-04-06", "Malte and me have split up."),
    ("Pelle", "2025-05-01", "I quit chess."),
    ("Pelle", "2025-09-01", "Chess again on Tuesdays, I came back to it."),
    ("Oda", "2025-10-01", "I work at the bakery on Kiln Lane."),
    ("Oda", "2026-02-01", "From 1 March I work at the museum in Lund."),
    ("Pelle", "2026-02-02", "My brother sold his canoe."),
    ("Pelle", "2026-02-03", "I might sell the piano. Have you still got yours?"),
    ("Oda", "2026-03-03", "I love the green lamp that you left here, the lamp is the best."),
    ("Oda", "2026-03-04", "Jonna's the new caretaker. The old one, Krister, retired."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Does Oda still drive the Saab?", "No (Oda, 1 February 2025: “We sold the Saab"),
        ("Has Oda still got the old Saab?", "No"),
        ("Does Pelle smoke any more?", "No (Pelle, 2 March 2025: “Still not one cigarette"),
        ("Does Hedda still play the oboe?", "No (Oda, 9 March 2025: “She's dropped the oboe"),
        ("Is Oda still with Malte?", "No"),
        ("Is Krister still the caretaker?", "No"),
        # The newest decides.
        ("Does Pelle still play chess?", "Yes (Pelle, 1 September 2025"),
        # Homes and work by the state in force.
        ("Does Oda still work at the bakery?", "No: the museum in Lund"),
        ("Does Oda still work at the museum?", "Yes: the museum in Lund"),
        # Another's, a wish, a question, what "you" did, and what nobody told.
        ("Does Pelle still have the canoe?", None),
        ("Does Pelle still have the piano?", None),
        ("Does Oda still have the green lamp?", None),
        ("Does Oda still play chess?", None),
        ("Does Pelle still avoid sugar?", None),
        ("Does Hedda still drive the Saab?", None),
        ("Does Oda drive the Saab?", None),
        ("Why does Oda still drive the Saab?", None),
    ],
)
def test_what_ended_or_goes_on_is_read_from_the_newest_turn_that_says_so(
    told: Store, question: str, answer: str | None
) -> None:
    read = answer_still(question, TODAY, read=told.read)
    if answer is None:
        assert read is None
    else:
        assert read is not None
        assert read.text.startswith(answer)
        assert read.turn_ids
