"""A question, read without a model: whom it names, in whatever form, and which days it means."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.search.question import (
    Query,
    SpeakerNames,
    _is_pet_form,
    _misspells,
    _shortens,
    packed_date,
    read_question,
)
from memory.text.words import STOP_WORDS, words

PEOPLE = (
    *(
        "Melanie Oak",
        "Will",
        "Jo",
        "dr. Müller",
        "李雷",
        "Natasha",
        "김민수",
        "ゆき",
        "สมชาย",
        "Николай",
    ),
    *("น้ำ", "أحمد", "Zoë", "The Bot", "user_42", "さくら", "서연"),
)
THURSDAY = 20171019


def named(*people: str) -> SpeakerNames:
    names = SpeakerNames()
    for number, person in enumerate(people, 1):
        names.add(person, number)
    return names


def query(text: str, *people: str, newest: int = THURSDAY) -> Query:
    return read_question(text, named(*people), newest)


# ------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("question", "people"),
    [
        ("What does Melanie like?", ["Melanie Oak"]),
        ("what does melanie like", ["Melanie Oak"]),
        ("WHAT ABOUT MELANIE'S DOG", ["Melanie Oak"]),
        ("What is Mel's plan?", ["Melanie Oak"]),
        ("Did Lanie call?", ["Melanie Oak"]),
        ("Where is Tasha?", ["Natasha"]),
        ("Where is Nat?", ["Natasha"]),
        ("What does Ms Oak do?", ["Melanie Oak"]),
        ("Did Oak and Jo meet Natasha?", ["Melanie Oak", "Jo", "Natasha"]),
        ("Did Will call?", ["Will"]),
        ("MÜLLER? muller!", ["dr. Müller"]),
        ("Is zoe at home", ["Zoë"]),
        ("what did the bot say", ["The Bot"]),
        ("who is user_42", ["user_42"]),
        ("李雷 在哪里", ["李雷"]),
        ("李雷和大家去哪里了？", ["李雷"]),
        ("김민수는 어디 살아?", ["김민수"]),
        ("민수가 뭐라고 했어?", ["김민수"]),
        (unicodedata.normalize("NFD", "민수가 뭐라고 했어?"), ["김민수"]),
        ("서연이는 뭐 해?", ["서연"]),
        ("ゆきはどこに住んでいますか", ["ゆき"]),
        ("สมชายอยู่ที่ไหน", ["สมชาย"]),
        ("น้ำชอบกินอะไร", ["น้ำ"]),
        ("Куда поехал Николай?", ["Николай"]),
        ("Что сказали Николаю?", ["Николай"]),
        ("أين احمد؟", ["أحمد"]),
    ],
)
def test_a_question_names_people_in_whatever_form(question: str, people: list[str]) -> None:
    assert {PEOPLE[n - 1] for n in query(question, *PEOPLE).speakers} == set(people)


@pytest.mark.parametrize(
    "typo", ["Natasja", "natasja", "Natsha", "Nattasha", "Natahsa", "natahsa", "Natash", "Natashaa"]
)
def test_one_wrong_letter_still_names_somebody(typo: str) -> None:
    assert query(f"Where did {typo} go?", *PEOPLE).speakers == {PEOPLE.index("Natasha") + 1}


@pytest.mark.parametrize(
    "question",
    [
        "did they mel",  # the beginning of a name counts only with a capital
        "Is Oa here?",  # and with three letters
        "what is the melody",
        "What will happen to JOB?",
        "Is Nathalia here?",  # two letters are another name
        "Batasha",  # the first letter is never wrong
        "アリくら",  # no family name is left out of what is not Chinese or Korean
        "猫はどこ？",
        "",
    ],
)
def test_other_words_name_nobody(question: str) -> None:
    assert query(question, *PEOPLE).speakers == set()


NAME = st.text(st.characters(categories=["L", "Nd"]), min_size=3, max_size=12)


@given(st.lists(NAME, min_size=1, max_size=4))
def test_anybody_named_as_the_memory_names_them_is_found(people: list[str]) -> None:
    for number, person in enumerate(people, 1):
        if words(person) and not STOP_WORDS & {*words(person)}:
            assert number in query(f"Where is {person}?", *people).speakers


SHORT_NAME = st.text("ABabiney", min_size=1, max_size=6)


@given(st.lists(SHORT_NAME, min_size=1, max_size=12, unique=True), SHORT_NAME)
def test_no_name_is_left_out_however_it_is_written(people: list[str], word: str) -> None:
    """Few names are compared with a word; here all of them are, one by one."""
    names, form = named(*people), word.lower()
    expected = {n for n, name in enumerate(people, 1) if name.lower() == form}
    if not expected and len(form) >= 3 and form not in STOP_WORDS:
        capital = word[0].isupper()
        forms = [(n, name.lower()) for n, name in enumerate(people, 1)]
        expected = {n for n, name in forms if _shortens(form, name, 3 if capital else 4)} or {
            n
            for n, name in forms
            if _misspells(form, name, 4 if capital else 5) or (capital and _is_pet_form(form, name))
        }
    if form not in STOP_WORDS:
        assert names._bearers(word) == expected


# ------------------------------------------------------------ chats with an assistant


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("Where do I live now?", "Anna"),
        ("Which trip came first?", "Anna"),
        ("Can you recommend a hotel for my trip?", "Anna"),  # it asks for what is good for her
        ("What did you recommend for dinner?", "Assistant"),
        ("Remind me what you told Anna about tyres.", "Assistant"),
        ("Which of your recipes had saffron?", "Assistant"),
        ("We spoke of it in our last conversation.", "Assistant"),
        ("What does Anna drive?", ""),  # she is named
    ],
)
def test_a_question_to_an_assistant_means_somebody_without_a_name(
    question: str, meant: str
) -> None:
    people = ("Anna", "Assistant")
    read = query(question, *people)
    assert {people[n - 1] for n in read.implied} == ({meant} if meant else set())
    assert not (read.implied and read.speakers)


@pytest.mark.parametrize("name", ["assistant", "AI", "ChatGPT", "Claude", "AI assistant", "bot"])
def test_an_assistant_is_known_by_its_name(name: str) -> None:
    assert query("Where do I live?", "Anna", name).implied == {1}


@pytest.mark.parametrize(
    ("question", "asks_time"),
    [
        ("Which came first, the car or the bike?", True),
        ("How many weeks ago did I move?", True),
        ("What is the order of the three trips?", True),
        ("What did I order?", False),
        ("How many plants do I have?", False),
    ],
)
def test_a_question_for_an_order_asks_for_times(question: str, asks_time: bool) -> None:
    assert query(question).asks_time == asks_time


# ------------------------------------------------------------ words


# ------------------------------------------------------------ dates


@pytest.mark.parametrize(
    ("question", "dates"),
    [
        ("on 8 May 2017", [(2017, 5, 8)]),
        ("on May 8th, 2017", [(2017, 5, 8)]),
        ("on the 3rd of june", [(0, 6, 3)]),
        ("on the ３rd of june ２０１７", [(2017, 6, 3)]),
        ("in June or July", [(0, 6, 0), (0, 7, 0)]),
        ("in May 2017", [(2017, 5, 0)]),
        ("in 2016", [(2016, 0, 0)]),
        ("since 2017-05-08", [(2017, 5, 8)]),
        ("may I march on?", []),
        ("in room 12345", []),
        ("PIN 0000", []),
    ],
)
def test_a_question_names_dates(question: str, dates: list[tuple[int, int, int]]) -> None:
    assert list(query(question).dates) == dates


@pytest.mark.parametrize(
    ("question", "inside", "outside"),
    [
        ("today", [20171019], [20171018, 20171020]),
        ("yesterday", [20171018], [20171017, 20171019]),
        ("Yesterday", [20171018], [20171019]),
        ("last Tuesday", [20171017], [20171016, 20171018, 20171010]),
        ("last Thursday", [20171012], [20171019, 20171005]),
        ("last Friday", [20171013], [20171020]),
        ("last weekend", [20171014, 20171015], [20171013, 20171016, 20171008]),
        ("last week", [20171009, 20171015], [20171008, 20171016]),
        ("this week", [20171016, 20171019], [20171015, 20171023]),
        ("last month", [20170901, 20170930], [20170831, 20171001]),
        ("this month", [20171001, 20171019], [20170930]),
        ("last year", [20160101, 20161231], [20151231, 20170102]),
        ("last summer", [20170615, 20170815], [20160715, 20170515, 20171001]),
        ("last autumn", [20161015], [20171019, 20160715]),
        ("last winter", [20170115], [20171019, 20160115]),
        ("3 months ago", [20170721], [20171019, 20170601, 20170901]),
        ("two years ago", [20151019], [20171019, 20140101]),
        ("a day ago", [20171018], [20171019, 20171017]),
        ("two weeks before 9 June 2017", [20170526], [20170609, 20170601, 20170510]),
        ("a week after June 9, 2017", [20170616], [20170609, 20170602]),
        ("ten days before 2024-03-05", [20240224], [20240305, 20240220]),
    ],
)
def test_a_question_means_days(question: str, inside: list[int], outside: list[int]) -> None:
    spans = query(f"What happened {question}?").spans
    assert all(any(a <= day <= b for a, b, _ in spans) for day in inside), spans
    assert not any(a <= day <= b for a, b, _ in spans for day in outside), spans


@pytest.mark.parametrize(
    ("today", "question", "inside", "outside"),
    [
        (20170715, "last summer", 20160715, 20170715),
        (20170215, "last summer", 20160715, 20170215),
        (20170215, "last winter", 20170115, 20151215),
        (20171215, "last winter", 20170115, 20171215),
        (20240229, "last year", 20230228, 20240229),
        (20240301, "yesterday", 20240229, 20240301),
        (20180101, "last month", 20171215, 20180102),
        (20170310, "last month", 20170228, 20170301),
        (20190101, "last year", 20181231, 20190101),
        (20240501, "last winter", 20240229, 20240301),
        (20171215, "last autumn", 20171130, 20171201),
        (20171023, "last Monday", 20171016, 20171023),
        (20171022, "last Sunday", 20171015, 20171022),
    ],
)
def test_today_is_the_day_of_the_newest_turn(
    today: int, question: str, inside: int, outside: int
) -> None:
    [(first, last, _)] = query(f"What was said {question}?", newest=today).spans
    assert first <= inside <= last
    assert not first <= outside <= last


@pytest.mark.parametrize(
    ("question", "dates", "spans"),
    [
        ("last week (2026-11-09 to 2026-11-15)", (), ((20261109, 20261115, 2),)),
        ("last summer (2026-06-01 to 2026-08-31)", (), ((20260601, 20260831, 1),)),
        ("yesterday (2026-11-20)", ((2026, 11, 20),), ()),
        ("two months ago (2026-09)", ((2026, 9, 0),), ()),
        ("last week (2026-99-09 to 2026-11-15)", (), ()),
    ],
)
def test_words_with_their_dates_behind_them_mean_these_whatever_the_newest_turn(
    question: str, dates: tuple[object, ...], spans: tuple[object, ...]
) -> None:
    read = query(f"What did Anna do {question}?")
    assert (read.dates, read.spans) == (dates, spans)
    assert not {"2026", "11", "to"} & set(read.words), "no turn is found by such numbers"


@pytest.mark.parametrize("today", [0, 20170000, 20171000, 20170231, 20179999])
def test_without_a_day_there_is_no_yesterday(today: int) -> None:
    assert all(
        first // 10_000 and last // 10_000
        for first, last, _ in query("yesterday, last week, 2 weeks ago", newest=today).spans
    )


@pytest.mark.parametrize("today", [10101, 10229, THURSDAY, 99991231])
@pytest.mark.parametrize(
    "question",
    [
        *("999 years ago", "999 years before 0001-01-01", "999 years after 9999-12-31"),
        *("yesterday", "last week", "last weekend", "last month", "last year", "last winter"),
    ],
)
def test_a_question_may_go_beyond_the_calendar(question: str, today: int) -> None:
    for first, last, _ in query(question, newest=today).spans:
        assert 10101 <= first <= last <= 99991231


@pytest.mark.parametrize(
    ("said_at", "packed"),
    [
        ("2017-05-08T13:56", 20170508),
        ("2017-05", 20170500),
        ("2017", 20170000),
        ("in 2017", 0),
        ("12345", 0),
        ("", 0),
    ],
)
def test_a_date_is_packed_as_exactly_as_it_is_known(said_at: str, packed: int) -> None:
    assert packed_date(said_at) == packed
