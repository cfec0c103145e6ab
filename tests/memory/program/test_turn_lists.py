"""Lists and counts read from turns at the time of the question, and what keeps them from being."""

import pytest

from memory import Store, Turn
from memory.program.grounding import PERHAPS_MORE, as_a_part, without_part
from memory.program.turn_lists import TurnList, answer_by_turns, best_list

BOTH_STORES = "slow"
TODAY = "2026-04-30"
_TOLD = (
    ("Jonna", "2026-01-11", "Went climbing on Thursday, my arms are jelly."),
    ("Petter", "2026-01-11", "I climbed last in school. Never again."),
    ("Jonna", "2026-01-25", "Climbed again on Friday and today, finally the blue wall."),
    ("Jonna", "2026-02-08", "I want to go climbing tomorrow, if the hall is open."),
    ("Jonna", "2026-02-10", "I didn't climb after all, the hall was closed."),
    ("Jonna", "2026-02-22", "Did you climb in Flen last summer?"),
    ("Petter", "2026-02-22", "I finished The Glass Ferry on Sunday, and read Kestrel Road too."),
    ("Jonna", "2026-03-15", "I climbed on the 3rd and the 12th, that was it for March."),
    ("Petter", "2026-03-29", "Vidar asked me for The Long Hedge, he starts it tonight."),
    ("Petter", "2026-04-02", "Just finished Winter Orchards in the bath."),
    ("Petter", "2026-04-05", "We had three sailing trips so far: Vaxholm, Dalarö and Nynäshamn."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # Neither the plan, nor what was denied, asked, or done by another.
        (
            "How often did Jonna go climbing?",
            "5 (8 January 2026; 23 January 2026; 25 January 2026; 3 March 2026; 12 March 2026)",
        ),
        (
            "How often did Jonna climb in January?",
            "3 (8 January 2026; 23 January 2026; 25 January 2026)",
        ),
        ("When did Jonna climb for the first time?", "8 January 2026"),
        ("When did Jonna last go climbing?", "12 March 2026"),
        (
            "Which books has Petter read?",
            "The Glass Ferry; Kestrel Road; Winter Orchards; perhaps more",
        ),
        ("How often did Vidar go climbing?", None),
        ("Which books has Vidar read?", None),
        ("How often did Jonna go skiing?", None),
        ("How often will Jonna go climbing in May?", None),
    ],
)
def test_a_list_is_read_from_the_turns_with_its_words(
    told: Store, question: str, answer: str | None
) -> None:
    read = answer_by_turns(question, TODAY, read=told.read)
    assert (read.text if read else None) == answer


def test_a_list_cites_its_turns_and_shows_the_select_that_found_them(told: Store) -> None:
    read = answer_by_turns("How often did Jonna climb in March?", TODAY, read=told.read)
    assert read is not None
    assert read.text == "2 (3 March 2026; 12 March 2026)"
    assert read.turn_ids == (13,)
    assert "FROM search('climb" in read.sql[0]
    assert [row[0] for row in told.read(read.sql[0]).rows] == [13]
    assert read.rows[0].rows[0][0] == 13


def test_a_count_that_an_ordinal_exceeds_is_not_whole(store: Store) -> None:
    store.add(
        [
            Turn("Jonna", "My driving lesson was on Monday.", session="a", said_at="2026-01-11"),
            Turn("Jonna", "Third driving lesson on Friday!", session="b", said_at="2026-02-08"),
        ]
    )
    read = answer_by_turns("How many driving lessons did Jonna have?", TODAY, read=store.read)
    assert read is None  # of one of three nobody told


def test_a_day_that_is_told_twice_counts_once(store: Store) -> None:
    store.add(
        [
            Turn("Jonna", "I went swimming on Friday.", session="a", said_at="2026-01-11"),
            Turn("Jonna", "I swam on the 9th, as I said.", session="b", said_at="2026-01-12"),
            Turn("Jonna", "And again on Sunday.", session="b", said_at="2026-01-12"),
        ]
    )
    read = best_list("How often did Jonna go swimming?", TODAY, read=store.read)
    assert read is not None
    assert read.text == "2 (9 January 2026; 11 January 2026)"


def test_a_count_of_many_shows_some_of_them(store: Store) -> None:
    days = [f"2026-03-{day:02}" for day in range(1, 15)]
    store.add([Turn("Jonna", "I went climbing today.", session=day, said_at=day) for day in days])
    read = answer_by_turns("How often did Jonna go climbing?", TODAY, read=store.read)
    assert read is not None
    assert read.text.startswith("14 (1 March 2026; ")
    assert read.text.endswith("12 March 2026; ...)")


_HOUSE = (
    (
        "Hedda",
        "2026-03-02",
        "I pulled up the carpet in the front room, the attic and on the stairs.",
    ),
    ("Orrin", "2026-03-09", "I bought a lamp, two chairs and a brass bell at the flea market."),
    ("Hedda", "2026-03-09", "I would have bought a mirror, a rug and a clock at the flea market."),
    ("Orrin", "2026-03-16", "I want to buy a piano at the flea market next."),
    ("Hedda", "2026-03-23", "Planted 64 tulips under the window, my knees are done."),
)


@pytest.fixture
def house(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _HOUSE])
    return store


def listed(store: Store, question: str) -> str | None:
    """What is answered, whether it is told as the whole or as a part."""
    read = answer_by_turns(question, TODAY, read=store.read)
    return read.text.removesuffix(f"; {PERHAPS_MORE}") if read else None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # What stands behind the verb, without the plan and what the other one did not do.
        ("What did Orrin buy at the flea market?", "lamp; two chairs; brass bell"),
        ("In which rooms did Hedda pull up the carpet?", "front room; attic; stairs"),
        ("How many tulips did Hedda plant in March?", "64"),
        ("What did Hedda buy at the flea market?", None),
        ("How many tulips did Orrin plant in March?", None),
    ],
)
def test_the_question_itself_says_what_to_look_for(
    house: Store, question: str, answer: str | None
) -> None:
    assert listed(house, question) == answer


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("I fixed the sign and the gate.", "What did Orrin fix?", "sign; gate"),
        ("I broke my rod. And my glasses. Same fish.", "What did Orrin break?", "rod; glasses"),
        ("I broke my rod. And Hedda laughed.", "What did Orrin break?", None),
        (
            "I caught a pike last Sunday, and two perch the Sunday before.",
            "What did Orrin catch?",
            "pike; two perch",
        ),
    ],
)
def test_two_things_are_told_in_one_breath(
    house: Store, text: str, question: str, answer: str | None
) -> None:
    house.add([Turn("Orrin", text, session="b", said_at="2026-04-02")])
    assert listed(house, question) == answer


def test_what_is_read_to_its_end_is_listed(store: Store) -> None:
    for day, text in (
        (
            "2025-03-02",
            "Finished two books, The Salt Ledger and Tarn. And I'm halfway in Ebb.",
        ),
        ("2025-04-02", "Finished Ebb too, finally. Started Night Ferry."),
    ):
        store.add([Turn("Mara", text, said_at=day, session=day)])

    def answer(question: str) -> str | None:
        decided = answer_by_turns(question, "2025-12-01", read=store.read)
        return decided and decided.text

    assert answer("What books has Mara read?") == "The Salt Ledger; Tarn; Ebb; perhaps more"
    assert (
        answer("Which books did Mara read in March 2025?") == "The Salt Ledger; Tarn; perhaps more"
    )
    assert answer("What is Mara reading now?") is None


@pytest.mark.parametrize(
    ("turns", "answer"),
    [
        (("Hedda: What did you repair?", "Orrin: The gate and the bench."), "gate; bench"),
        (("Hedda: What did you repair?", "Orrin: Nothing at all."), None),
        (("Hedda: What will you repair?", "Orrin: The gate and the bench."), None),
        (("Orrin: What did you repair?", "Hedda: The gate and the bench."), None),
    ],
)
def test_an_answer_is_read_with_its_question(
    house: Store, turns: tuple[str, ...], answer: str | None
) -> None:
    spoken = [turn.partition(": ") for turn in turns]
    house.add([Turn(who, text, session="b", said_at="2026-04-02") for who, _, text in spoken])
    assert listed(house, "What did Orrin repair?") == answer


def test_what_may_be_a_part_is_told_as_one(house: Store) -> None:
    house.add([Turn("Orrin", "I fixed the sign and the gate.", session="b", said_at="2026-04-02")])
    read = answer_by_turns("What did Orrin fix?", TODAY, read=house.read)
    assert read is not None
    assert read.text == "sign; gate; perhaps more"


def test_what_is_told_again_or_measures_is_not_counted(store: Store) -> None:
    for text in (
        "I have swum twice already this month. I was in again on the 2nd, and on the 12th.",
        "Ran a 5 mile race on the 30th of June.",
    ):
        store.add([Turn("Mara", text, said_at="2025-07-13", session="1")])

    def counted(question: str) -> str | None:
        count = best_list(question, "2025-12-01", read=store.read)
        return count and count.text

    swims = counted("How many times did Mara swim in July 2025?")
    assert swims == "2 (2 July 2025; 12 July 2025)"
    assert counted("How many races did Mara run in June 2025?") != "5"


def test_one_thing_is_no_list(house: Store) -> None:
    house.add([Turn("Orrin", "I repaired the gate.", session="b", said_at="2026-04-02")])
    assert answer_by_turns("What did Orrin repair?", TODAY, read=house.read) is None


def test_what_is_still_ahead_is_no_event(store: Store) -> None:
    store.add(
        [
            Turn("Jonna", "I went to Bergen on Monday.", session="a", said_at="2026-03-04"),
            Turn("Jonna", "I was in Bergen on Tuesday.", session="b", said_at="2026-03-12"),
            Turn("Jonna", "I've got to go to Bergen Friday.", session="c", said_at="2026-03-16"),
        ]
    )
    read = answer_by_turns("How often did Jonna go to Bergen?", TODAY, read=store.read)
    assert read is not None
    assert read.text == "2 (2 March 2026; 10 March 2026)"


def test_a_number_before_what_is_counted_is_told(store: Store) -> None:
    text = "Ordered the photo book, 64 pages of us."
    store.add([Turn("Jonna", text, session="a", said_at="2026-03-04")])
    read = answer_by_turns("How many pages are in the photo book?", TODAY, read=store.read)
    assert read is not None
    assert read.text == "64"


def test_of_several_ordinals_the_last_one_counts(store: Store) -> None:
    store.add(
        [
            Turn("Jonna", "Had my first physio today.", session="a", said_at="2026-03-02"),
            Turn("Jonna", "Second and third physio done today.", session="b", said_at="2026-03-12"),
        ]
    )
    read = best_list("How many times was Jonna at the physio?", TODAY, read=store.read)
    assert read is not None
    assert read.text.startswith("3 ")


@pytest.mark.parametrize(
    ("features", "certainty", "is_likely", "is_part"),
    [
        (["items asked list"], 0.91, True, False),
        (["items asked list"], 0.85, False, True),
        (["events asked when"], 0.85, False, True),
        (["deed", "deed asked list"], 0.4, False, False),
        (["events asked count"], 0.75, True, False),
        (["events asked first"], 0.75, False, False),
        (["items title", "items asked count"], 0.8, False, False),
    ],
)
def test_a_list_is_whole_where_it_is_nearly_certain(
    features: list[str],
    certainty: float,
    is_likely: bool,
    is_part: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TurnList, "certainty", certainty)
    told = TurnList("the gate; the sign", (), dict.fromkeys(features, 1.0))
    assert (told.is_likely, told.is_part) == (is_likely, is_part)


def test_a_part_is_known_by_its_end() -> None:
    for items in ("the gate", "the gate; the sign", "more, perhaps"):
        assert without_part(as_a_part(items)) == items
