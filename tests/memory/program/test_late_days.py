"""The day on which something planned came about late, or was put off."""

import pytest

from memory import Store, Turn
from memory.program.turn_days import answer_when

TODAY = "2026-06-30"
_TOLD = (
    ("Pelle", "2026-01-04", "They've promised me a flat in Lysekil for the 20th of January."),
    ("Pelle", "2026-02-01", "The paint wasn't dry in time, so I first slept here on the 24th."),
    ("Pelle", "2026-02-01", "Lysekil is lovely in the snow."),
    ("Oda", "2026-02-08", "I'm going to marry Sixten in the chapel on 7 March."),
    ("Oda", "2026-03-15", "The priest was ill on the 7th, so she could only marry us on the 10th."),
    ("Pelle", "2026-03-22", "My cousin is bringing the organ pipes on the 28th."),
    ("Pelle", "2026-04-12", "My cousin came a week later than planned, on the 4th of April."),
    ("Oda", "2026-05-03", "I start at the weaving mill on 18 May."),
    ("Oda", "2026-06-28", "The bus broke down on the 20th, so I was late for the market."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When did Pelle move into the flat in Lysekil?", "24 January 2026"),
        ("When did Oda marry Sixten?", "10 March 2026"),
        ("When did Pelle's cousin bring the organ pipes?", "4 April 2026"),
        # What was late was something else.
        ("When did Oda start at the weaving mill?", "18 May 2026"),
    ],
)
def test_a_delay_tells_the_day(told: Store, question: str, answer: str) -> None:
    read = answer_when(question, TODAY, read=told.read)

    assert read is not None
    assert read.text == answer
