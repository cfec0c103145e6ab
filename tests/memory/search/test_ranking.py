"""The ranking: what each feature sees, how an index grows, and that large memories lose nothing."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memory.model import Hit, Turn
from memory.search import ranking
from memory.search.ranking import Index, WordMatches
from memory.search.turn_columns import SessionEnd, describe_turns, sign_codes

NOTHING = np.zeros(64, np.float32)
EAST, NORTH = np.eye(64, dtype=np.float32)[:2]
STEP = 10  # ids are 10, 20, 30 ...: they may have gaps


def index(
    turns: Sequence[Turn],
    vectors: NDArray[np.float32] | None = None,
    cuts: Sequence[int] = (),
    lazy: bool = False,
) -> Index:
    """An index of these turns, made in pieces that begin at `cuts`; lazy ones in two blocks."""
    made, tails = Index(), dict[str, SessionEnd]()
    speakers = {name: n for n, name in enumerate(dict.fromkeys(t.speaker for t in turns), 1)}
    for name, number in speakers.items():
        made.names.add(name, number)
    vectors = np.zeros((len(turns), 64), np.float32) if vectors is None else vectors
    for start, stop in pairwise([*sorted({0, *cuts}), len(turns)]):
        said = [replace(turns[n], id=STEP * (n + 1)) for n in range(start, stop)]
        rows, eight_bit = describe_turns(said, vectors[start:stop], tails, speakers)
        blocks = [block for block in np.array_split(np.arange(len(said)), 2) if len(block)]
        later = {int(rows["id"][b[0]]): partial(eight_bit.__getitem__, b) for b in blocks}
        if said:
            made.extend(rows, sign_codes(eight_bit), later if lazy else eight_bit)
    return made


def said(*texts: str, speaker: str = "Anna", session: str = "s", at: str = "") -> list[Turn]:
    return [Turn(speaker, text, session, at) for text in texts]


def held(*exact: int, related: Sequence[int] = (), examples: Sequence[int] = ()) -> WordMatches:
    return WordMatches(*(np.array(turns, np.int64) for turns in (exact, related, examples)))


def rank(
    of: Index,
    question: str,
    *found: WordMatches,
    vector: NDArray[np.float32] = NOTHING,
    k: int = 10_000,
) -> list[Hit]:
    return of.rank(of.query(question), vector, found, k)


def shares(
    name: str, of: Index, question: str, *found: WordMatches, vector: NDArray[np.float32] = NOTHING
) -> list[float]:
    """What a feature gave each turn, in the order of ids."""
    hits = sorted(rank(of, question, *found, vector=vector), key=lambda hit: hit.turn_id)
    assert len(hits) == of.count
    return [round(float(hit.shares[name]), 4) for hit in hits]


def ids(hits: Sequence[Hit]) -> list[int]:
    return [hit.turn_id for hit in hits]


# ------------------------------------------------------------ the features


def test_words_count_for_the_neighbours_in_the_same_session_only() -> None:
    one, other = said(*"abcdefghijk", session="one"), said(*"abcdefghijk", session="other")
    alternating = [turn for pair in zip(one, other, strict=True) for turn in pair]
    given = shares("words", index(alternating), "cat", held(STEP * (2 * 5 + 1)))
    assert not any(given[1::2])
    near = given[0::2]
    assert near[5] == max(near)
    assert near[0] == near[10] == 0
    assert (
        0 < near[1] <= near[2] <= near[3] <= near[4] < near[5] > near[6] >= near[7] >= near[8] > 0
    )


def test_two_words_near_a_turn_beat_one_word_twice() -> None:
    of = index([turn for name in "xy" for turn in said("a", "b", session=name)])
    both, twice = held(10, 30, 40), held(20)
    given = shares("words", of, "cat dog", both, twice)
    assert max(given[:2]) > max(given[2:])


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    of = index([turn for name in "abcdefgh" for turn in said("x", session=name)])
    given = shares("words", of, "cat dog", held(10), held(20, 30, 40, 50, 60))
    assert given[0] > given[1] > given[7] == 0


def test_a_word_of_like_meaning_counts_less_than_the_word_itself() -> None:
    of = index([turn for name in "abc" for turn in said("x", session=name)])
    exact, alike, neither = shares("words", of, "cat", held(10, related=[10, 20]))
    assert exact > alike > neither == 0


def test_an_example_of_what_is_asked_for_counts() -> None:
    of = index([turn for name in "ab" for turn in said("x", session=name)])
    example, neither = shares("kind", of, "pets", held(examples=[10]))
    assert example > neither == 0


def test_a_session_is_as_good_as_its_best_turn() -> None:
    of = index([*said("a", "b", session="x"), *said("c", "d", session="y"), *said("e")])
    given = shares("session", of, "cat dog", held(10, 30), held(20))
    assert given[0] == given[1] > given[2] == given[3] > given[4] == 0


def test_meaning_is_near_the_turn_and_what_was_said_around_it() -> None:
    turns = [*said("a", "b", "c", "d", "e", session="x"), *said("f", session="y")]
    vectors = np.stack([NORTH, NORTH, EAST, NORTH, NORTH, NORTH])
    given = shares("meaning", index(turns, vectors), "cat", vector=EAST)
    assert given[2] == max(given)
    assert given[3] > given[4] > given[5] == 0  # a reply is about what was said before it


def test_a_turn_without_meaning_is_near_nothing() -> None:
    assert not any(shares("meaning", index(said("", "?!")), "cat", vector=EAST))


def test_the_named_speaker_the_named_date_and_the_form_of_a_turn_count() -> None:
    of = index(
        [
            Turn("Anna", "I moved last week.", "s", "2023-05-08T13:56"),
            Turn("Ben", "Where to?", "s", "2023-05"),
            Turn("Cleo", "ok", "s", "in spring"),
        ]
    )
    when = "When in May 2023, on May 8, did Anna and Ben talk?"
    anna, ben, cleo = shares("speaker", of, when)
    assert anna == ben > cleo == 0
    day, month, unknown = shares("date", of, when)
    assert day > month > unknown == 0
    assert not any(shares("date", of, "in June"))
    assert not any(shares("date", of, "on 8 May 2022"))
    assert [value > 0 for value in shares("time", of, when)] == [True, False, False]
    assert not any(shares("time", of, "Where did Anna move?"))
    assert [value != 0 for value in shares("asks", of, when)] == [False, True, False]
    four, two, one = shares("length", of, when)
    assert four > two > one > 0


@pytest.mark.parametrize("text", ["真的吗？", "هل هذا صحيح؟", "Really?  "])
def test_a_question_is_known_by_its_mark_in_any_script(text: str) -> None:
    question, statement = shares("asks", index(said(text, "Yes.")), "cat")
    assert question != 0 == statement


def test_days_that_a_question_means_count() -> None:
    days = ["2023-10-11", "2023-10-17", "2023-10-18", "2023-10-19"]
    of = index([turn for day in days for turn in said("x", session=day, at=day)])
    assert [value > 0 for value in shares("date", of, "yesterday")] == [0, 0, 1, 0]
    assert [value > 0 for value in shares("date", of, "last Tuesday")] == [0, 1, 0, 0]


def test_a_day_that_is_meant_counts_no_less_than_the_day_it_is_told_by() -> None:
    days = ["2023-10-11", "2023-10-17", "2023-10-18"]
    of = index([turn for day in days for turn in said("x", session=day, at=day)])
    meant, other, named = shares("date", of, "a week before 18 October 2023")
    assert meant > other
    assert meant >= named


def test_length_is_capped_so_that_documents_do_not_win_by_size() -> None:
    short, long = shares("length", index(said("a " * 100, "a " * 10_000)), "cat")
    assert short == long


# ------------------------------------------------------------ the ranking


def test_the_shares_of_a_hit_sum_to_its_score() -> None:
    turns = [
        Turn("Anna", f"I was at {n} last week?", str(n % 3), f"2023-05-{n + 10}") for n in range(9)
    ]
    vectors = np.random.default_rng(1).normal(size=(9, 64)).astype(np.float32)
    found = [held(10, 50), held(20, related=[30], examples=[40])]
    hits = rank(index(turns, vectors), "When was Anna at 3 in May?", *found, vector=EAST)
    for hit in hits:
        assert sum(hit.shares.values()) == pytest.approx(hit.score)
    assert {name for hit in hits for name, share in hit.shares.items() if share} == {
        *ranking.FEATURE_WEIGHTS
    }


def test_equal_turns_are_ranked_newest_first() -> None:
    of = index([turn for name in "abcdef" for turn in said("the same", session=name)])
    assert ids(rank(of, "cat", held(), k=4)) == [60, 50, 40, 30]


def test_turns_that_another_process_added_meanwhile_are_left_for_the_next_search() -> None:
    of = index(said("a cat", "a dog"))
    assert ids(rank(of, "cat", held(10, 30))) == [10, 20]


def test_a_word_of_turns_not_known_yet_never_counts_against_a_turn() -> None:
    of = index([turn for name in "ab" for turn in said("a cat", session=name)])
    for unknown in range(30, 200, 10):
        found = [held(10, *range(30, unknown, 10)), held(20)]
        given = shares("words", of, "cat dog", *found)
        assert 0 <= min(given) <= max(given) <= ranking.FEATURE_WEIGHTS["words"]


def test_an_empty_memory_has_no_hits() -> None:
    assert rank(Index(), "Where is Anna?", held()) == []


# ------------------------------------------------------------ growth

SESSIONS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@given(SESSIONS, st.lists(st.integers(1, 29), max_size=6), st.booleans())
def test_an_index_that_grew_equals_one_made_at_once(
    sessions: list[str], cuts: list[int], lazy: bool
) -> None:
    turns = [Turn(name, f"I was at {n}?", name) for n, name in enumerate(sessions)]
    vectors = np.random.default_rng(len(turns)).normal(size=(len(turns), 64)).astype(np.float32)
    inside = [cut for cut in cuts if cut < len(turns)]
    whole, grown = index(turns, vectors), index(turns, vectors, inside, lazy)
    third = held(*range(STEP, STEP * len(turns) + 1, 3 * STEP))
    for question in ("When did a see 3?", "c"):
        expected = rank(whole, question, third, vector=vectors[0])
        assert rank(grown, question, third, vector=vectors[0]) == expected
        assert len(expected) == len(turns)


def test_vectors_in_blocks_are_read_when_needed_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 0)
    monkeypatch.setattr(ranking, "CHOSEN_GROUPS", 1)
    monkeypatch.setattr(ranking, "SPREAD_TURNS", 1)
    of, reads, tails = Index(), list[int](), dict[str, SessionEnd]()
    for start in range(0, 640, 64):
        piece = [Turn("Anna", "x", str(n), id=n + 1) for n in range(start, start + 64)]
        rows, eight_bit = describe_turns(piece, np.tile(NORTH, (64, 1)), tails, {"Anna": 1})

        def read(vectors: NDArray[np.int8] = eight_bit, block: int = start) -> NDArray[np.int8]:
            reads.append(block)
            return vectors

        of.extend(rows, sign_codes(eight_bit), {start + 1: read})
    assert reads == []
    hits = [rank(of, "cat", held(200), vector=EAST) for _ in range(2)]
    assert 192 in reads  # where turn 200 is
    assert len(set(reads)) == len(reads) < 10
    assert hits[0] == hits[1]


# ------------------------------------------------------------ large memories

MANY = 6_000
FAR = (np.random.default_rng(2).integers(0, 2, 64) * 0.25 - 0.125).astype(np.float32)
TALK = np.arange(MANY) // 1_000 * 10 + np.arange(MANY) % 10


@pytest.fixture(scope="module")
def large() -> Index:
    """Talks of 100 turns about one thing each, ten at a time, all far from FAR."""
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(60, 64))[TALK] + chance.normal(size=(MANY, 64))
    vectors -= np.outer(vectors @ FAR, FAR)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[4321] = FAR
    turns = [
        Turn(f"P{n % 7}", f"x{n}" + " and" * 30, str(TALK[n]), "2023-05-08") for n in range(MANY)
    ]
    turns[2468] = replace(turns[2468], said_at="2021-11-30")
    return index(turns, vectors.astype(np.float32), cuts=[1024, 2048, 5000])


@pytest.fixture
def sparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory this large is not ranked whole, and few of it are looked at."""
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 4_000)
    monkeypatch.setattr(ranking, "CHOSEN_GROUPS", 96)


def test_a_large_memory_is_not_ranked_whole(large: Index, sparing: None) -> None:
    common = held(*range(10, 10 * MANY, 20))
    assert 0 < len(rank(large, "cat", common, vector=EAST)) < MANY / 3


@pytest.mark.parametrize(
    ("question", "place"), [("cat", 1357), ("on 30 November 2021", 2468), ("like that", 4321)]
)
def test_of_a_large_memory_the_right_turn_is_found(
    large: Index, sparing: None, question: str, place: int
) -> None:
    words = [held(*range(10, 10 * MANY, 20)), held(10 * (1357 + 1))] if place == 1357 else []
    vector = FAR if place == 4321 else NOTHING
    assert rank(large, question, *words, vector=vector)[0].turn_id == 10 * (place + 1)


def test_a_large_memory_is_ranked_as_if_whole(
    large: Index, sparing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(5)
    kept = []
    for talk in range(0, 60, 3):
        about = np.flatnonzero(talk == TALK)
        words = [held(*(10 * (chance.choice(about, size) + 1))) for size in (2, 8, 20)]
        words.append(held(*(10 * (chance.choice(MANY, 900) + 1))))
        near = large._vectors[about[50] + 1].astype(np.float32)
        vector = near / np.linalg.norm(near)
        monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 4_000)
        some = ids(rank(large, "P3 on cats", *words, vector=vector, k=10))
        monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", MANY)
        every = ids(rank(large, "P3 on cats", *words, vector=vector, k=10))
        kept.append(len({*some} & {*every}))
    assert np.mean(kept) >= 8, kept


# ------------------------------------------------------------ whatever is given

TURNS = st.builds(
    Turn,
    speaker=st.text(max_size=8) | st.sampled_from(["Anna", "The Bot"]),
    text=st.text(max_size=60),
    session=st.sampled_from(["", "1", "2"]),
    said_at=st.text(max_size=12) | st.dates().map(str) | st.just("9999-99-99"),
)


@given(st.lists(TURNS, max_size=12), st.text(max_size=80), st.integers(-1, 20), st.booleans())
def test_any_memory_and_any_question_give_a_ranking(
    turns: list[Turn], question: str, k: int, lazy: bool
) -> None:
    vectors = np.random.default_rng(len(question)).normal(size=(len(turns), 64))
    of = index(turns, vectors.astype(np.float32), lazy=lazy)
    words = of.query(question).words
    found = [
        held(*range(10, 10 * len(turns), 20), related=[10, 990], examples=[20, 990]) for _ in words
    ]
    hits = rank(of, question, *found, vector=EAST, k=k)
    assert len(set(ids(hits))) == len(hits) == min(max(k, 0), len(turns))
    assert all(better.score >= worse.score for better, worse in pairwise(hits))
    assert np.all(np.isfinite([hit.score for hit in hits]))
    assert hits == rank(of, question, *found, vector=EAST, k=k)


def test_a_ranking_of_700_turns_takes_no_more_steps_than_one_of_140() -> None:
    """What loops over turns in Python would take milliseconds for a memory of this size."""
    steps_of_a_ranking(70)  # the first fills caches
    assert steps_of_a_ranking(700) == steps_of_a_ranking(140)


def steps_of_a_ranking(count: int) -> int:
    """How many functions a ranking of so many turns calls, Python's and C's."""
    turns = [Turn(f"P{n % 2}", "in town last week", str(n // 25), "2023-05") for n in range(count)]
    vectors = np.random.default_rng(1).normal(size=(count, 64)).astype(np.float32)
    of = index(turns, vectors)
    found = [held(*range(10, 10 * count, 30)) for _ in range(6)]
    events: list[str] = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        rank(of, "When did P1 go to town 7 in May?", *found, vector=EAST, k=50)
    finally:
        sys.setprofile(None)
    return sum(event in ("call", "c_call") for event in events)
