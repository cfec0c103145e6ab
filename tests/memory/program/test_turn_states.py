"""Where somebody lives and works, read from turns: whose it is, whether it still is, and before."""

import pytest

from memory import Store, Turn
from memory.program.turn_states import answer_by_states

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    ("Runa", "2025-01-10", "I'm still at the bakery on Kiln Lane, up at four."),
    (
        "Tjark",
        "2025-01-10",
        "My cousin Meike has moved to Bremen. She lives above a chemist there.",
    ),
    ("Runa", "2025-01-10", "Since when?"),
    ("Tjark", "2025-01-10", "Since November. Before that she was in Emden for years."),
    ("Tjark", "2025-03-02", "I live in Husum and work at the library by the harbour."),
    ("Runa", "2025-04-06", "From 1 May I'm at the museum, the job came through!"),
    ("Tjark", "2025-08-11", "We found a flat! Flensburg, two rooms and a stove."),
    ("Runa", "2025-09-01", "My brother works at the brewery now."),
    ("Tjark", "2025-10-05", "Meike teaches at the music school in Bremen now."),
    ("Gesa", "2025-11-03", "I work at the town hall."),
    ("Gesa", "2026-02-01", "I've handed in my notice."),
    ("Gesa", "2026-02-02", "Do you still live in Husum?"),
    ("Gesa", "2026-03-01", "I live in fear of my landlady."),
    ("Gesa", "2026-04-01", "I'm at the hospital, my foot again."),
    ("Wiebke", "2025-05-04", "I moved to Jever in May 2024."),
    ("Wiebke", "2025-06-02", "I'm back in Aurich until Friday."),
    ("Okko", "2025-05-12", "We live in Leer."),
    ("Okko", "2025-06-12", "I'm back in Norden for good, Leer was too loud."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # Told by another, who says "she" next; the house says less than the town.
        ("Where does Meike live now?", "Bremen"),
        ("Where did Meike live before Bremen?", "Emden"),
        ("What is Meike's job?", "teaches at the music school in Bremen"),
        (
            "Where does Runa work?",
            "the museum, since 1 May 2025; before that the bakery on Kiln Lane",
        ),
        ("Where did Runa work before the museum?", "the bakery on Kiln Lane"),
        ("Where did Runa work in March 2025?", "the bakery on Kiln Lane"),
        ("Where does Tjark live?", "Flensburg; before that Husum"),
        ("Where did Tjark live in May 2025?", "Husum"),
        # Who is back until Friday is on a visit.
        (
            "Where does Wiebke live now?",
            "Jever, since May 2024",
        ),
        ("Where does Okko live?", "Norden; before that Leer"),
        # Her brother's work is not hers, and a day at the hospital is no work.
        ("Where does Gesa live?", None),
        ("Where does Gesa work now?", None),  # who has handed in her notice
        ("Where does Tjark work?", "the library by the harbour"),
        ("Where does Femke work?", None),
        ("What does Runa do for a living?", None),  # where, and not what
        # More is asked than the state.
        ("Where does Runa's brother live?", None),
        ("Where did Tjark live with Meike?", None),
        ("Where has Tjark lived?", None),
        ("Where will Tjark live next year?", None),
    ],
)
def test_a_state_is_read_from_the_turns_of_whoever_tells_it(
    told: Store, question: str, answer: str | None
) -> None:
    read = answer_by_states(question, TODAY, read=told.read)
    if answer is None:
        assert read is None
    else:
        assert read is not None
        assert read.text.startswith(answer)


def test_a_state_quotes_its_turn_and_shows_the_select_that_found_it(told: Store) -> None:
    read = answer_by_states("Where does Meike live?", TODAY, read=told.read)
    assert read is not None
    assert "(Tjark, 10 January 2025: “My cousin Meike has moved to Bremen.”)" in read.text
    assert told.turn(read.turn_ids[0]).text.startswith("My cousin Meike")
    assert "FROM search(" in read.sql[0]
    assert [row[0] for row in told.read(read.sql[0]).rows] == list(read.turn_ids)
    assert [row[0] for row in read.rows[0].rows] == list(read.turn_ids)


@pytest.mark.parametrize(
    ("announced", "later", "answer"),
    [
        ("I live in Lund, near the park.", "We moved on 3 May, at last.", None),
        ("We signed for a flat in Lund.", "Moved! Everything is in boxes.", "Lund"),
        ("I'm moving to Lund in August.", "Nothing new here.", None),  # it is June
        ("I used to live in Lund.", "Nothing new here.", None),
        ("Then home by ferry on 2 May.", "Nothing new here.", None),
        ("If I lived in Lund I'd cycle.", "Nothing new here.", None),
    ],
)
def test_what_a_move_leaves_behind_is_not_told_as_if_it_held(
    store: Store, announced: str, later: str, answer: str | None
) -> None:
    store.add(
        [
            Turn("Ylva", announced, session="1", said_at="2026-04-02"),
            Turn("Ylva", later, session="2", said_at="2026-05-10"),
        ]
    )
    read = answer_by_states("Where does Ylva live?", TODAY, read=store.read)
    assert (read.text.partition(" (")[0] if read else None) == answer


def test_a_new_place_of_work_leaves_the_old_job_behind(store: Store) -> None:
    store.add([Turn("Ylva", "I'm a baker at the mill.", session="1", said_at="2026-01-02")])
    job = answer_by_states("What is Ylva's job?", TODAY, read=store.read)
    assert job is not None
    assert job.text.startswith("baker (")
    store.add([Turn("Ylva", "I got a job at the library!", session="2", said_at="2026-03-02")])
    assert answer_by_states("What is Ylva's job?", TODAY, read=store.read) is None


@pytest.mark.parametrize("day", ["", "2025", "2025-03", "2025-03-04", "2025-03/2025-05"])
def test_turns_of_a_month_or_of_no_day_are_read_alike(store: Store, day: str) -> None:
    said = (
        "I'm moving to Bergen next month.",
        "We moved again, same town.",
        "I started at the bakery today.",
        "Quit my job yesterday. New job next week!",
    )
    store.add([Turn("Ann", "I live in Oslo.", said_at="2025-01-01")])
    store.add([Turn("Ann", text, said_at=day) for text in said])

    for question in ("Where does Ann live?", "Where does Ann work?", "Where did Ann live before?"):
        answer_by_states(question, TODAY, read=store.read)


_FURTHER = (
    ("Signe", "2025-01-12", "I'm back home in Larvik after a week with my aunt."),
    ("Signe", "2025-05-11", "We moved here to Hamar on the 3rd, from Larvik."),
    ("Bodil", "2025-01-12", "I've been six years at the mill in Moss and it's never been so cold."),
    ("Bodil", "2025-03-09", "I got the council job! I start on the 17th."),
    ("Signe", "2025-02-02", "My brother Eirik Dahl visited. He moved to Voss in January."),
    ("Eirik", "2025-02-03", "I wash pots at the hotel in Voss on weekdays."),
    ("Eirik", "2025-06-15", "I changed to the bakery on the square, no more pots."),
    ("Torunn", "2025-04-06", "The flat is lovely. We've been in Asker since Friday."),
    (
        "Torunn",
        "2025-07-06",
        "Here in Rome everything melts, we fly home on a holiday flight soon.",
    ),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where was Signe's home in March 2025?", "Larvik"),
        ("Where did Signe live before she moved?", "Larvik"),
        # What was before is no part of now.
        ("Which town does Signe live in now?", "Hamar, since 3 May 2025"),
        ("Where did Bodil work in February 2025?", "the mill in Moss"),
        ("Who does Bodil work for now?", "council"),
        # One who is named in full is told of by the first name.
        ("Where does Eirik Dahl live now?", "Voss, since January 2025"),
        ("Where did Eirik Dahl work in May 2025?", "the hotel in Voss"),
        ("Where does Eirik work now?", "the bakery on the square"),
        ("Which town does Torunn live in now?", "Asker, since 4 April 2025"),
    ],
)
def test_a_state_is_read_from_what_is_said_by_the_way(
    store: Store, question: str, answer: str
) -> None:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _FURTHER])
    told_state = answer_by_states(question, TODAY, read=store.read)
    assert told_state is not None
    assert told_state.text.partition(" (")[0] == answer


def test_states_are_told_one_after_another(told: Store) -> None:
    changed = answer_by_states("How has Runa's work changed since 2025?", TODAY, read=told.read)
    assert changed is not None
    assert "bakery on Kiln Lane" in changed.text.partition("; then ")[0]
    assert "museum, since 1 May 2025" in changed.text.partition("; then ")[2]
    # Who has always been at one place has changed nothing.
    assert answer_by_states("How has Tjark's work changed?", TODAY, read=told.read) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where did Runa work before May 2025?", "the bakery on Kiln Lane"),
        ("Where did Tjark live in the spring of 2025?", "Husum"),
        ("Where did Tjark live in the autumn of 2025?", "Flensburg"),
    ],
)
def test_a_season_and_the_time_before_a_month_are_spans(
    told: Store, question: str, answer: str
) -> None:
    told_state = answer_by_states(question, TODAY, read=told.read)
    assert told_state is not None
    assert told_state.text.partition(" (")[0] == answer


def _tell(store: Store, *told_by_day: tuple[str, str]) -> None:
    store.add([Turn("Ylva", text, session=day, said_at=day) for day, text in told_by_day])


@pytest.mark.parametrize(
    ("told_first", "told_later", "before", "now"),
    [
        # What ends was so until then.
        (
            "I gave notice at Corven Foods.",
            "I started at the brewery on 2 February.",
            "Corven Foods",
            "the brewery",
        ),
        (
            "My last day at the nursery is 30 January.",
            "My first day at the museum was 2 February.",
            "the nursery",
            "the museum",
        ),
        # An offer says where "there" is, and what "the job" was.
        (
            "I work at the depot. I have an interview at the gallery on Friday.",
            "The gallery has said yes! I started there on 2 February.",
            "the depot",
            "The gallery",
        ),
        (
            "I work at the depot. I've applied for a job at a firm called Marsh and Lowe.",
            "I got the job! I started on 2 February.",
            "the depot",
            "Marsh and Lowe",
        ),
        # A role with a place, where no job is known by the word.
        (
            "I work at the depot.",
            "From 2 February I'm a deckhand on the ferry.",
            "the depot",
            "the ferry",
        ),
    ],
)
def test_work_is_told_by_what_ends_and_by_what_was_hoped_for(
    store: Store, told_first: str, told_later: str, before: str, now: str
) -> None:
    _tell(store, ("2026-01-05", told_first), ("2026-02-07", told_later))
    then = answer_by_states("Where did Ylva work in January 2026?", TODAY, read=store.read)
    assert then is not None
    assert then.text.startswith(before)
    newest = answer_by_states("Where does Ylva work now?", TODAY, read=store.read)
    assert newest is not None
    assert newest.text.startswith(now)


@pytest.mark.parametrize(
    ("told_first", "told_later", "now"),
    [
        ("Hello from Lund, it snows.", "Hello from Visby, it rains.", "Visby"),
        ("I live in Lund.", "We live in Visby now. We moved on the 3rd.", "Visby, since"),
        ("I live in Lund.", "I'm writing to you from Visby. I moved on the 3rd.", "Visby, since"),
        ("I live in Lund.", "The van was late, but I had my first night in Visby.", "Visby"),
        ("I live in Lund.", "The keys came and we slept here in Visby.", "Visby"),
        ("We gave up the flat in Lund.", "Our own cabin at Visby is cold.", "Visby"),
        ("I live in Lund.", "We left Lund for Visby in February.", "Visby, since February 2026"),
        ("I live in Lund with my two sons.", "I've left Lund for Visby.", "Visby"),
        ("I live in Lund with my two sons.", "We left Kiruna for Visby.", "Lund (Ylva"),
        # Who leaves home on a trip lives there still.
        ("I live in Lund.", "I left Lund for Visby on Friday.", "Lund"),
        ("I live in Lund.", "We left Lund for Visby at six, the ferry was full.", "Lund"),
        ("I live in Lund.", "We left Lund for Visby for a week.", "Lund"),
        # A greeting alone may be sent from a holiday, and a home for the old is nobody's own.
        ("I live in Lund.", "Hello from Visby, it rains.", "Lund"),
        ("I live in Lund.", "We sang in the nursing home in Visby.", "Lund"),
    ],
)
def test_a_home_is_told_by_the_way(
    store: Store, told_first: str, told_later: str, now: str
) -> None:
    _tell(store, ("2026-01-05", told_first), ("2026-02-07", told_later))
    newest = answer_by_states("Where does Ylva live now?", TODAY, read=store.read)
    assert newest is not None
    assert newest.text.startswith(now)


@pytest.mark.parametrize("text", ["I left Lund on 2 February.", "I have left Lund for good."])
def test_who_has_left_a_home_lives_there_no_more(store: Store, text: str) -> None:
    _tell(store, ("2026-01-05", "I live in Lund."), ("2026-02-07", text))
    assert answer_by_states("Where does Ylva live now?", TODAY, read=store.read) is None


def test_a_part_of_a_town_is_asked_for(store: Store) -> None:
    _tell(store, ("2026-01-05", "I live in Haga now."))
    part = answer_by_states("In which part of Lund does Ylva live now?", TODAY, read=store.read)
    assert part is not None
    assert part.text.startswith("Haga")


@pytest.mark.parametrize(
    "text",
    [
        "I left the hotel at noon and took the ferry.",
        "I started with Visby, and spent three hours there.",
        "I've finished The Mill for my book club.",
    ],
)
def test_what_is_left_or_begun_may_be_no_work(store: Store, text: str) -> None:
    _tell(store, ("2026-01-05", text))
    assert answer_by_states("Where did Ylva work in March 2026?", TODAY, read=store.read) is None
