"""The hybrid ranking: what each feature sees, and that no memory or question breaks it."""

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from memory.embed import embed
from memory.model import Hit, Turn
from memory.search import MAX_WORDS, WEIGHTS, WINDOW, Index, Query
from memory.store.sqlite import SqliteStore
from tests.conftest import INSERT

NOTHING = np.zeros(4, np.float32)


def index(turns: Sequence[Turn], vectors: NDArray[np.float32] | None = None) -> Index:
    """An index of these turns, with ids 10, 20, 30 ... (ids may have gaps)."""
    made = Index()
    add(made, turns, 1, vectors)
    return made


def add(
    to: Index, turns: Sequence[Turn], first: int, vectors: NDArray[np.float32] | None = None
) -> None:
    numbered = [
        Turn(t.speaker, t.text, t.session, t.said_at, id=10 * n) for n, t in enumerate(turns, first)
    ]
    to.extend(numbered, np.zeros((len(turns), 4), np.float32) if vectors is None else vectors)


def said(*texts: str, speaker: str = "Anna", session: str = "s", at: str = "") -> list[Turn]:
    return [Turn(speaker, text, session, at) for text in texts]


def feature(
    name: str,
    of: Index,
    question: str,
    *scores: dict[int, float],
    vector: NDArray[np.float32] = NOTHING,
) -> list[float]:
    table = of.features(of.query(question), vector, scores)
    assert table.shape[1] == len(WEIGHTS)
    return [round(float(value), 3) for value in table[:, list(WEIGHTS).index(name)]]


def ids(hits: Sequence[Hit]) -> list[int]:
    return [hit.turn_id for hit in hits]


# ------------------------------------------------------------ the question


@pytest.fixture
def group() -> Index:
    names = ["Melanie Oak", "Will", "Jo", "dr. Müller", "李雷"]
    return index([Turn(name, "hi") for name in names])


@pytest.mark.parametrize(
    ("question", "speakers"),
    [
        ("What does Melanie like?", (0,)),
        ("what does melanie like", (0,)),
        ("What is Mel's plan?", (0,)),
        ("did they mel", ()),  # the beginning of a name counts only with a capital
        ("Is Oa here?", ()),  # and with three letters
        ("what is the melody", ()),
        ("Did Oak and Jo meet?", (0, 2)),
        ("What will happen to JOB?", ()),
        ("Did Will call?", (1,)),
        ("MÜLLER?", (3,)),
        ("李雷 在哪里", (4,)),
    ],
)
def test_a_question_names_speakers(group: Index, question: str, speakers: tuple[int]) -> None:
    assert group.query(question).speakers == speakers


def test_names_and_stop_words_are_not_searched_for(group: Index) -> None:
    query = group.query("What did Melanie's dog_sitter say to Jo about the Dog?")
    assert query.words == ("dog", "sitter", "say")
    assert "Melanie" not in query.plain
    assert "Jo" not in query.plain


def test_a_name_is_a_word_where_nothing_else_is_asked(group: Index) -> None:
    query = group.query("Who is Melanie?")
    assert (query.words, query.plain) == (("melanie",), "Who is Melanie?")


def test_a_long_question_has_a_bounded_number_of_words(group: Index) -> None:
    assert len(group.query(" ".join(f"w{n}" for n in range(10_000))).words) == MAX_WORDS


@pytest.mark.parametrize(
    ("question", "dates"),
    [
        ("on 8 May 2023", [(2023, 5, 8)]),
        ("on May 8th, 2023", [(2023, 5, 8)]),
        ("on the 3rd of june", [(0, 6, 3)]),
        ("in June or July", [(0, 6, 0), (0, 7, 0)]),
        ("in May 2023", [(2023, 5, 0)]),
        ("in 2022", [(2022, 0, 0)]),
        ("since 2023-05-08", [(2023, 5, 8)]),
        ("may I march on?", []),
        ("in auguſt, room 12345", []),
    ],
)
def test_a_question_names_dates(
    group: Index, question: str, dates: list[tuple[int, int, int]]
) -> None:
    assert list(group.query(question).dates) == dates


# ------------------------------------------------------------ the features


def test_words_count_for_the_neighbours_in_the_same_session_only() -> None:
    one, other = said(*"abcdefghij", session="one"), said(*"abcdefghij", session="other")
    alternating = [turn for pair in zip(one, other, strict=True) for turn in pair]
    of = index(alternating)
    scores = feature("words", of, "cat", {10 * (2 * 4 + 1): 3.0})  # the fifth turn of `one`
    assert not any(scores[1::2])
    near = WINDOW[::-1]  # the turn after takes what was said before it
    assert scores[0:18:2] == [round(float(w / (w + 0.6)), 3) for w in near]
    assert scores[18] == 0


def test_two_words_near_a_turn_beat_one_word_twice() -> None:
    apart = [turn for name in "xy" for turn in said("a", "b", session=name)]
    both, twice = {10: 2.0, 30: 2.0, 40: 2.0}, {20: 2.0}
    words = feature("words", index(apart), "cat dog", both, twice)
    assert max(words[:2]) > max(words[2:])


def test_a_session_is_as_good_as_its_best_turn() -> None:
    of = index([*said("a", "b", session="x"), *said("c", "d", session="y")])
    scores = feature("session", of, "cat dog", {10: 2.0, 30: 2.0}, {20: 4.0})
    assert scores[0] == scores[1] == 1
    assert 0 < scores[2] == scores[3] < 1


def test_meaning_is_the_cosine_with_the_turn_and_its_neighbours() -> None:
    east, north = np.eye(4, dtype=np.float32)[:2]
    turns = [*said("a", "b", session="x"), *said("c", session="y")]
    of = index(turns, np.stack([east, north, 0 * east]))
    before, after = WINDOW[5], WINDOW[3]
    expected = [1 / np.hypot(1, before), after / np.hypot(1, after), 0]
    assert feature("meaning", of, "cat", vector=east) == [round(float(e), 3) for e in expected]


def test_the_named_speaker_the_named_date_and_the_form_of_a_turn_count() -> None:
    of = index(
        [
            Turn("Anna", "I moved last week.", "s", "2023-05-08T13:56"),
            Turn("Ben", "Where to?", "s", "2023-05"),
            Turn("Cleo", "ok", "s", "in spring"),
        ]
    )
    when = "When in May 2023, on May 8, did Anna and Ben talk?"
    assert feature("speaker", of, when) == [1, 1, 0]
    assert feature("date", of, when) == [2, 1, 0]
    assert feature("date", of, "in June") == [0, 0, 0]
    assert feature("date", of, "on 8 May 2022") == [0, 0, 0]
    assert feature("time", of, when) == [1, 0, 0]
    assert feature("time", of, "Where did Anna move?") == [0, 0, 0]
    assert feature("asks", of, when) == [0, 1, 0]
    assert feature("length", of, when) == [round(float(np.log1p(n)), 3) for n in (4, 2, 1)]


def test_length_is_capped_so_that_documents_do_not_win_by_size() -> None:
    short, long = feature("length", index(said("a " * 100, "a " * 10_000)), "cat")
    assert short == long


# ------------------------------------------------------------ the ranking


def test_equal_turns_are_ranked_newest_first() -> None:
    of = index([turn for name in "abcdef" for turn in said("the same", session=name)])
    assert ids(of.rank(of.query("cat"), NOTHING, [{}], 4)) == [60, 50, 40, 30]


def test_turns_that_another_process_added_meanwhile_are_left_for_the_next_search() -> None:
    of = index(said("a cat", "a dog"))
    assert ids(of.rank(of.query("cat"), NOTHING, [{10: 1.0, 30: 9.0}], 5)) == [10, 20]


def test_an_empty_memory_has_no_hits() -> None:
    of = Index()
    assert of.rank(of.query("Where is Anna?"), NOTHING, [], 5) == []


SESSIONS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@given(SESSIONS, st.data())
@settings(deadline=None)
def test_an_index_that_grew_equals_one_made_at_once(
    sessions: list[str], data: st.DataObject
) -> None:
    turns = [Turn(name, f"I was at {n}?", name) for n, name in enumerate(sessions)]
    vectors = np.random.default_rng(len(turns)).normal(size=(len(turns), 4)).astype(np.float32)
    grown, start = Index(), 0
    while start < len(turns):
        stop = data.draw(st.integers(start + 1, len(turns)))
        add(grown, turns[start:stop], start + 1, vectors[start:stop])
        start = stop
    scores = {10 * n: float(n) for n in range(1, len(turns) + 1, 3)}
    query, vector = grown.query("When did a see 3?"), vectors[0]
    expected = index(turns, vectors).features(query, vector, [scores])
    assert np.allclose(grown.features(query, vector, [scores]), expected)


TURNS = st.builds(
    Turn,
    speaker=st.text(max_size=8) | st.sampled_from(["Anna", "The Bot"]),
    text=st.text(max_size=60),
    session=st.sampled_from(["", "1", "2"]),
    said_at=st.text(max_size=12) | st.dates().map(str),
)


@given(st.lists(TURNS, max_size=12), st.text(max_size=80), st.integers(-1, 20))
@settings(deadline=None)  # the first call loads the model
def test_any_memory_and_any_question_give_a_ranking(
    turns: list[Turn], question: str, k: int
) -> None:
    of = index(turns, embed([turn.text for turn in turns])) if turns else Index()
    query = of.query(question)
    scores = [{10 * n: 1.0 for n in range(1, len(turns) + 1, 2)} for _ in query.words]
    [vector] = embed([query.plain])
    hits = of.rank(query, vector, scores, k)
    assert len(set(ids(hits))) == len(hits) == min(max(k, 0), len(turns))
    assert all(better.score >= worse.score for better, worse in pairwise(hits))
    assert np.all(np.isfinite([hit.score for hit in hits]))
    assert hits == of.rank(query, vector, scores, k)


def test_a_search_of_700_turns_takes_less_than_3_ms() -> None:
    texts = [f"Number {n} went to town {n % 50} last week" for n in range(700)]
    turns = [Turn(f"P{n % 2}", text, f"s{n // 25}", "2023-05-08") for n, text in enumerate(texts)]
    vectors = embed(texts)
    of = index(turns, vectors)
    scores: list[dict[int, float]] = [{10 * n: 1.0 + n for n in range(1, 700, 3)}] * 6
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        of.rank(of.query("When did P1 go to town 7 in May?"), vectors[0], scores, 50)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.003


# ------------------------------------------------------------ with the store


@pytest.mark.parametrize(
    ("question", "turn"),
    [
        ("Where did Anna move to?", 1),
        ("Anna's cat", 3),
        ("What pet did Ben adopt in June?", 4),
        ("ALLERGY to dogs: who is allergic?", 5),
    ],
)
def test_a_question_finds_its_turn(store: SqliteStore, question: str, turn: int) -> None:
    assert ids(store.search(question, 1)) == [turn]


@pytest.mark.parametrize(
    "question", ["", "?!", "who is it", "\0", "\ud800", "🎉", '"cat" OR *', "猫"]
)
def test_a_question_without_known_words_ranks_all_turns(store: SqliteStore, question: str) -> None:
    assert sorted(ids(store.search(question, 50))) == [1, 2, 3, 4, 5]


def test_a_fact_is_a_further_key_to_its_turn(store: SqliteStore) -> None:
    assert ids(store.search("ZX81", 1)) != [1]
    store.write(INSERT + "('Anna', 'owns', 'a ZX81', NULL, 1)", cause="test")
    assert ids(store.search("ZX81", 1)) == [1]


def test_a_turn_is_found_as_soon_as_it_is_stored(store: SqliteStore) -> None:
    store.search("parrot")
    [added] = store.add([Turn("Ben", "My parrot is called Polly.", "session_3")])
    assert ids(store.search("parrot", 1)) == [added]


def test_a_query_is_a_plain_value() -> None:
    assert Index().query("cats") == Query(("cats",), "cats", (), (), False)
