"""How long somebody lived, worked, stayed or did without, counted from two told days."""

import pytest

from memory import Store, Turn
from memory.program.turn_lengths import answer_how_long

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    # Whoever replies "since May" to a question about it says when it began.
    ("Oda", "2025-01-11", "Still at the Lantern? How long is it by now?"),
    ("Pelle", "2025-01-11", "since the third of May last year, Oda"),
    ("Pelle", "2025-03-02", "The Lantern's closing. Last day is the 14th."),
    ("Pelle", "2025-03-20", "I start at Brandt and Sons on Monday week, the 31st."),
    ("Pelle", "2024-09-02", "I start at the Cliff garden centre on the fifth of September."),
    ("Pelle", "2024-11-10", "I finished The Salt Ledger out here last night."),  # no night at work
    ("Pelle", "2025-01-06", "I hung up my boots on Friday, that was my last day."),
    # The day stands in the next sentence, or in the next turn.
    ("Oda", "2025-04-06", "Jonna and me moved in together. The 29th of March, in the rain."),
    ("Oda", "2025-09-07", "I moved out of Jonna's on the 2nd. Don't ask."),
    # Where somebody comes from is not where they stay.
    ("Pelle", "2025-04-05", "My cousin Hedda came from Kalmar yesterday."),
    ("Pelle", "2025-04-07", "Hedda went home this morning."),
    ("Oda", "2025-05-04", "My uncle came on the ferry from Turku yesterday."),
    ("Oda", "2025-05-25", "My uncle flew home this morning, the sofa is mine again."),
    ("Pelle", "2025-06-01", "No sugar since 20 May. I am a saint."),
    ("Oda", "2025-10-05", "I'm seeing Malte. Since September, the 6th."),
    ("Pelle", "2025-11-02", "Hedda left the choir, she started at the pool."),
    ("Pelle", "2026-01-03", "I might quit Brandt and Sons in March."),
    ("Oda", "2026-02-01", "Hedda moved to Malmö on 3 January."),
    (
        "Oda",
        "2026-02-08",
        "I moved into Gränd 4 on 12 January, my cousin left Gränd on 30 January.",
    ),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (
            "How long did Pelle work at the Lantern?",
            "10 months and 11 days, from 3 May 2024 to 14 March 2025",
        ),
        (
            "How long did Oda and Jonna live together?",
            "5 months and 4 days, from 29 March 2025 to 2 September 2025",
        ),
        (
            "How long did Pelle work at the Cliff garden centre?",
            "3 months and 29 days, from 5 September 2024 to 3 January 2025",
        ),
        ("How long did Oda's uncle stay?", "22 days"),
        ("How long did Hedda stay with Pelle?", "3 days, from 4 April 2025 to 7 April 2025"),
        ("How long has Pelle been without sugar?", "1 year and 1 month, since 20 May 2025"),
        ("How long had Pelle been off sugar by 20 June 2025?", "31 days, since 20 May 2025"),
        ("How long had Oda and Malte been together on 20 October 2025?", "44 days"),
        ("Since when has Hedda lived in Malmö?", "5 months and 27 days, since 3 January 2026"),
        # Without an end it lasts, and is not over; a wish is none.
        ("How long did Pelle work at Brandt and Sons?", None),
        # What nobody told, of another or of something else.
        ("How long did Oda work at the Lantern?", None),
        ("How long did Pelle live in Malmö?", None),
        ("How long has Oda been off sugar?", None),
        ("How long has Pelle been off coffee?", None),
        # Another left the place.
        ("How long did Oda live in Gränd?", None),
        ("How long is the sofa?", None),
        ("Where does Oda live?", None),
    ],
)
def test_a_length_is_counted_from_the_days_on_which_it_began_and_ended(
    told: Store, question: str, answer: str | None
) -> None:
    read = answer_how_long(question, TODAY, read=told.read)
    if answer is None:
        assert read is None
    else:
        assert read is not None
        assert read.text.startswith(answer)


def test_both_sentences_are_quoted_and_cited(told: Store) -> None:
    read = answer_how_long("How long did Oda and Jonna live together?", TODAY, read=told.read)
    assert read is not None
    assert "Jonna and me moved in together. The 29th of March" in read.text
    assert "I moved out of Jonna's on the 2nd." in read.text
    assert len(read.turn_ids) == 2
