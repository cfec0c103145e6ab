"""The ranking: what each feature sees, how an index grows, and that large memories lose nothing."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memory.records import Hit, Turn
from memory.search import features, ranking
from memory.search.embed import sign_codes
from memory.search.index import Index, Piece, UnreadVectors, by_speakers
from memory.search.turn_columns import SessionEnd, describe_turns
from memory.search.word_matches import Counts, WordMatches

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
    grown, tails = Index(), dict[str, SessionEnd]()
    speakers = {name: n for n, name in enumerate(dict.fromkeys(t.speaker for t in turns), 1)}
    for name, number in speakers.items():
        grown.names.add(name, number)
    vectors = np.zeros((len(turns), 64), np.float32) if vectors is None else vectors
    stored: dict[int, NDArray[np.int8]] = {}

    def read(pieces: Sequence[Piece]) -> list[NDArray[np.int8]]:
        return [stored[first] for first, _, _ in pieces]

    for start, stop in pairwise([*sorted({0, *cuts}), len(turns)]):
        numbered = [replace(turns[n], id=STEP * (n + 1)) for n in range(start, stop)]
        rows, eight_bit = describe_turns(numbered, vectors[start:stop], tails, speakers)
        blocks = [block for block in np.array_split(np.arange(len(numbered)), 2) if len(block)]
        later = {int(rows["id"][block[0]]): eight_bit[block] for block in blocks}
        stored |= later
        unread = UnreadVectors({first: (first, len(v), 0) for first, v in later.items()})
        grown.read_pieces = read
        if numbered:
            grown.extend(rows, sign_codes(eight_bit), unread if lazy else eight_bit)
    return grown


def turns_of(*texts: str, speaker: str = "Anna", session: str = "s", at: str = "") -> list[Turn]:
    return [Turn(speaker, text, session, at) for text in texts]


def match(*exact: int, related: Sequence[int] = (), examples: Sequence[int] = ()) -> WordMatches:
    return WordMatches(*(np.array(turns, np.int64) for turns in (exact, related, examples)))


def rank(
    ranked: Index,
    question: str,
    *matches: WordMatches,
    vector: NDArray[np.float32] = NOTHING,
    k: int = 10_000,
) -> list[Hit]:
    return ranking.rank(ranked, ranked.query(question), vector, matches, k)


def shares(
    name: str,
    ranked: Index,
    question: str,
    *matches: WordMatches,
    vector: NDArray[np.float32] = NOTHING,
) -> list[float]:
    """What a feature gave each turn, in the order of ids."""
    hits = sorted(rank(ranked, question, *matches, vector=vector), key=lambda hit: hit.turn_id)
    assert len(hits) == ranked.count
    return [round(float(hit.shares[name]), 4) for hit in hits]


def ids(hits: Sequence[Hit]) -> list[int]:
    return [hit.turn_id for hit in hits]


# ------------------------------------------------------------ the features


def test_meaning_is_near_the_turn_and_what_was_said_around_it() -> None:
    turns = [*turns_of("a", "b", "c", "d", "e", session="x"), *turns_of("f", session="y")]
    vectors = np.stack([NORTH, NORTH, EAST, NORTH, NORTH, NORTH])
    values = shares("meaning", index(turns, vectors), "cat", vector=EAST)
    assert values[2] == max(values)
    assert values[3] > values[4] > values[5] == 0  # a reply is about what was said before it


def test_the_named_speaker_the_named_date_and_the_form_of_a_turn_count() -> None:
    ranked = index(
        [
            Turn("Anna", "I moved last week.", "s", "2017-05-08T13:56"),
            Turn("Ben", "Where to?", "s", "2017-05"),
            Turn("Cleo", "ok", "s", "in spring"),
        ]
    )
    when = "When in May 2017, on May 8, did Anna and Ben talk?"
    anna, ben, cleo = shares("speaker", ranked, when)
    assert anna == ben > cleo == 0
    day, month, unknown = shares("date", ranked, when)
    assert day > month > unknown == 0
    assert not any(shares("date", ranked, "in June"))
    assert not any(shares("date", ranked, "on 8 May 2022"))
    assert [value > 0 for value in shares("time", ranked, when)] == [True, False, False]
    assert not any(shares("time", ranked, "Where did Anna move?"))
    assert [value != 0 for value in shares("asks", ranked, when)] == [False, True, False]
    four_words, two_words, one_word = shares("length", ranked, when)
    assert four_words > two_words > one_word > 0


@pytest.mark.parametrize("text", ["真的吗？", "هل هذا صحيح؟", "Really?  "])
def test_a_question_is_known_by_its_mark_in_any_script(text: str) -> None:
    question, statement = shares("asks", index(turns_of(text, "Yes.")), "cat")
    assert question != 0 == statement


@pytest.mark.parametrize("cuts", [[], [1]])
def test_in_a_session_with_an_assistant_the_turns_own_rare_words_count(cuts: list[int]) -> None:
    with_assistant = [Turn("Anna", "A cat.", "a"), Turn("Assistant", "A cat and a dog!", "a")]
    ranked = index([*with_assistant, *turns_of("A cat and a dog.", *"xyz")], cuts=cuts)
    words = match(10, 20, 30), match(20, 30)
    one, two, between_people, *_ = shares("own_words", ranked, "a cat or a dog", *words)
    assert two > 2 * one > 0 == between_people
    assert not any(shares("own_words", ranked, "cat", match(related=[10, 20])))


def talk(turns: int, *texts: str, speaker: str = "user", at: str = "2017-05-08") -> list[Turn]:
    """A session with an assistant that begins with these texts and has so many turns."""
    beginning = [Turn(speaker, text, "a", at) for text in texts]
    return [*beginning, *[Turn("assistant", "Fine.", "a", at)] * (turns - len(beginning))]


@pytest.mark.parametrize(("turns", "part"), [(2, 0.0), (20, 0.0), (40, 0.5), (60, 1.0), (100, 1.0)])
@pytest.mark.parametrize(
    ("name", "question", "of_talks"),
    [("date", "on 8 May 2017", features.DATE_SHARES), ("time", "When?", features.TIME_SHARES)],
)
def test_in_a_talk_with_an_assistant_dates_and_times_count_less_the_longer_it_is(
    name: str, question: str, of_talks: tuple[float, float], turns: int, part: float
) -> None:
    text = "I went there yesterday."
    [person] = shares(name, index(turns_of(text, at="2017-05-08")), question)
    user, *_ = shares(name, index(talk(turns, text)), question)
    short, long = of_talks
    assert 0 < user == pytest.approx((short + part * (long - short)) * person, abs=1e-3)


# ------------------------------------------------------------ the ranking


def test_the_shares_of_a_hit_sum_to_its_score() -> None:
    turns = [
        Turn("Anna", f"I was at {n} last week?", str(n % 3), f"2017-05-{n + 10}") for n in range(9)
    ]
    vectors = np.random.default_rng(1).normal(size=(9, 64)).astype(np.float32)
    matches = [match(10, 50, 100), match(20, related=[30], examples=[40])]
    ranked = index([*turns, Turn("Assistant", "Fine.")], np.vstack([vectors, vectors[:1]]))
    questions = ("When was Anna at 3 in May?", "When was I at 3?")
    hits = [hit for asked in questions for hit in rank(ranked, asked, *matches, vector=EAST)]
    for hit in hits:
        assert sum(hit.shares.values()) == pytest.approx(hit.score)
    assert {name for hit in hits for name, share in hit.shares.items() if share} == {
        *ranking.FEATURE_WEIGHTS
    }


def test_many_speakers_are_found_as_few_are() -> None:
    speakers = np.array([0, 3, 1, 9, 3, 12], np.int32)
    few = by_speakers(speakers, [3, 9])
    assert few.tolist() == [False, True, False, True, True, False]
    many = by_speakers(speakers, [3, 9, 20, 21, 22, 23])
    assert many.tolist() == few.tolist()


def test_equal_turns_are_ranked_newest_first() -> None:
    ranked = index([turn for name in "abcdef" for turn in turns_of("the same", session=name)])
    assert ids(rank(ranked, "cat", match(), k=4)) == [60, 50, 40, 30]


def test_turns_that_another_process_added_meanwhile_are_left_for_the_next_search() -> None:
    ranked = index(turns_of("a cat", "a dog"))
    assert ids(rank(ranked, "cat", match(10, 30))) == [10, 20]


def test_a_word_of_turns_not_known_yet_never_counts_against_a_turn() -> None:
    ranked = index([turn for name in "ab" for turn in turns_of("a cat", session=name)])
    for unknown in range(30, 200, 10):
        matches = [match(10, *range(30, unknown, 10)), match(20)]
        values = shares("words", ranked, "cat dog", *matches)
        assert 0 <= min(values) <= max(values) <= ranking.FEATURE_WEIGHTS["words"]


# ------------------------------------------------------------ growth


def test_vectors_in_blocks_are_read_when_needed_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 0)
    monkeypatch.setattr(ranking, "CHOSEN_GROUPS", 1)
    monkeypatch.setattr(ranking, "SPREAD_TURNS", 1)
    ranked, tails = Index(), dict[str, SessionEnd]()
    reads: list[int] = []
    stored: dict[int, NDArray[np.int8]] = {}

    def read(pieces: Sequence[Piece]) -> list[NDArray[np.int8]]:
        reads.extend(first for first, _, _ in pieces)
        return [stored[first] for first, _, _ in pieces]

    for start in range(0, 640, 64):
        piece = [Turn("Anna", "x", str(n), id=n + 1) for n in range(start, start + 64)]
        rows, eight_bit = describe_turns(piece, np.tile(NORTH, (64, 1)), tails, {"Anna": 1})
        stored[start] = eight_bit
        ranked.read_pieces = read
        unread = UnreadVectors({start + 1: (start, 64, 0)})
        ranked.extend(rows, sign_codes(eight_bit), unread)
    assert reads == []
    hits = [rank(ranked, "cat", match(200), vector=EAST) for _ in range(2)]
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
        Turn(f"P{n % 7}", f"x{n}" + " and" * 30, str(TALK[n]), "2017-05-08") for n in range(MANY)
    ]
    turns[2468] = replace(turns[2468], said_at="2021-11-30")
    return index(turns, vectors.astype(np.float32), cuts=[1024, 2048, 5000])


@pytest.fixture
def sparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory this large is not ranked whole, and few of it are looked at."""
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 4_000)
    monkeypatch.setattr(ranking, "CHOSEN_GROUPS", 96)


@pytest.mark.slow
def test_a_large_memory_is_not_ranked_whole(large: Index, sparing: None) -> None:
    common = match(*range(10, 10 * MANY, 20))
    assert 0 < len(rank(large, "cat", common, vector=EAST)) < MANY / 3


@pytest.mark.parametrize(
    ("question", "turn_index"), [("cat", 1357), ("on 30 November 2021", 2468), ("like that", 4321)]
)
def test_of_a_large_memory_the_right_turn_is_found(
    large: Index, sparing: None, question: str, turn_index: int
) -> None:
    words = [match(*range(10, 10 * MANY, 20)), match(10 * (1357 + 1))] if turn_index == 1357 else []
    vector = FAR if turn_index == 4321 else NOTHING
    assert rank(large, question, *words, vector=vector)[0].turn_id == 10 * (turn_index + 1)


def test_a_large_memory_chooses_groups_with_an_assistant_by_their_own_words_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 100)
    monkeypatch.setattr(ranking, "CHOSEN_GROUPS", 1)
    speakers = [("user", "assistant")[n % 2] if n < 200 else "Ben" for n in range(400)]
    ranked = index([Turn(name, "x", str(n // 40)) for n, name in enumerate(speakers)])
    question = ranked.query("cat")
    assert 100 in ranking.candidates(
        ranked, question, NOTHING, [match(100, 300)], ranking.FEATURE_WEIGHTS
    )
    only_later = ranked.select(np.arange(401) > 210)
    assert 300 in ranking.candidates(
        ranked,
        question,
        NOTHING,
        [match(300)],
        ranking.FEATURE_WEIGHTS,
        counts=Counts(190, [1], [0]),
        selection=only_later,
    )


def test_a_large_memory_is_ranked_as_if_whole(
    large: Index, sparing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(5)
    overlaps = []
    for talk in range(0, 60, 3):
        about = np.flatnonzero(talk == TALK)
        words = [match(*(10 * (chance.choice(about, size) + 1))) for size in (2, 8, 20)]
        words.append(match(*(10 * (chance.choice(MANY, 900) + 1))))
        near = large._vectors[about[50] + 1].astype(np.float32)
        vector = near / np.linalg.norm(near)
        monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", 4_000)
        from_groups = ids(rank(large, "P3 on cats", *words, vector=vector, k=10))
        monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", MANY)
        from_all = ids(rank(large, "P3 on cats", *words, vector=vector, k=10))
        overlaps.append(len({*from_groups} & {*from_all}))
    assert np.mean(overlaps) >= 8, overlaps


# ------------------------------------------------------------ some of the turns


def expected_scores(
    ranked: Index,
    turns: Sequence[Turn],
    passing: Sequence[bool],
    question: str,
    matches: Sequence[WordMatches],
    vector: NDArray[np.float32],
) -> dict[int, float]:
    """The score of each turn that passes, by id: the formula, one turn after the other.

    Features that look at a turn alone are those of a ranking without a filter.
    """
    positions = np.flatnonzero(passing) + 1
    selection = ranked.select(np.array([False, *passing]))
    query = ranked.query(question, selection)
    at = [
        WordMatches(match.exact // STEP, match.related // STEP, match.examples // STEP)
        for match in matches
    ]
    columns = ranking.features_of(ranked, query, vector, matches).columns
    sessions: dict[str, list[int]] = {}
    for n, turn in enumerate(turns, 1):
        sessions.setdefault(turn.session, []).append(n)

    shares = np.zeros(len(turns) + 1)
    possible = 0.0
    for match in at:
        amounts = np.zeros(len(turns) + 1)
        for position in positions.tolist():
            session = sessions[turns[position - 1].session]
            place = session.index(position)
            for step, share in enumerate(features.NEIGHBOUR_SHARES.tolist(), -4):
                if 0 <= place + step < len(session):
                    near = session[place + step]
                    worth = 1.0 if near in match.exact else 0.5 if near in match.related else 0.0
                    amounts[position] += share * worth
        holders = sum(position in match.exact for position in positions)
        holders = holders or sum(position in match.related for position in positions)
        holders = holders or int(amounts.any())  # only neighbours have the word
        if holders:
            rarity = np.log(1 + (len(positions) - holders + 0.5) / (holders + 0.5))
            shares += rarity * amounts / (amounts + features.SATURATION)
            possible += rarity
    shares /= possible or 1.0
    best = {
        name: max((shares[n] for n in session if passing[n - 1]), default=0.0)
        for name, session in sessions.items()
    }
    cosines = ranked.cosines(np.arange(1, len(turns) + 1), vector)
    spread = float(cosines[positions - 1].std()) if len(positions) else 1.0
    spread = spread or 1.0

    scores = {}
    for position in positions.tolist():
        values = {name: column[position - 1] for name, column in columns.items()}
        values["words"] = shares[position]
        values["session"] = best[turns[position - 1].session] / (max(best.values()) or 1.0)
        values["meaning"] = cosines[position - 1] / spread
        scores[STEP * position] = sum(
            weight * values[name] for name, weight in ranking.FEATURE_WEIGHTS.items()
        )
    return scores


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=25),
    st.integers(0, 2**32 - 1),
)
def test_a_selection_that_cuts_sessions_keeps_its_neighbours_and_counts_alone(
    parts: list[tuple[str, bool]], seed: int
) -> None:
    random = np.random.default_rng(seed)
    turns = [
        Turn(f"P{random.integers(3)}", f"I was at {n}?"[random.integers(5) :], name, "2017-05-08")
        for n, (name, _) in enumerate(parts)
    ]
    passing = [passes for _, passes in parts]
    vectors = random.normal(size=(len(turns), 64)).astype(np.float32)
    ranked = index(turns, vectors)

    def some() -> list[int]:
        return [STEP * n for n in range(1, len(turns) + 1) if random.random() < 0.3]

    matches = [match(*some(), related=some(), examples=some()) for _ in range(3)]
    selection = ranked.select(np.array([False, *passing]))
    question = "Where was P1 in May, cat dog mouse?"
    hits = ranking.rank(
        ranked, ranked.query(question, selection), EAST, matches, 100, selection=selection
    )
    assert {hit.turn_id: hit.score for hit in hits} == pytest.approx(
        expected_scores(ranked, turns, passing, question, matches, EAST), rel=1e-4, abs=1e-4
    )
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_turn_is_found_by_what_was_asked_before_it() -> None:
    turns = [Turn("Ben", "Where did you move?", "s"), Turn("Anna", "Oslo.", "s")]
    turns += [Turn("Anna", "Nothing new.", f"t{n}") for n in range(9)]
    ranked = index(turns)
    selection = ranked.select(ranked.spoken_by(["Anna"]))
    hits = ranking.rank(
        ranked, ranked.query("move", selection), NOTHING, [match(10)], 3, selection=selection
    )
    assert ids(hits)[0] == 20


# ------------------------------------------------------------ whatever is given

TURNS = st.builds(
    Turn,
    speaker=st.text(max_size=8) | st.sampled_from(["Anna", "The Bot"]),
    text=st.text(max_size=60),
    session=st.sampled_from(["", "1", "2"]),
    said_at=st.text(max_size=12) | st.dates().map(str) | st.just("9999-99-99"),
)


@pytest.mark.slow
@given(st.lists(TURNS, max_size=12), st.text(max_size=80), st.integers(-1, 20), st.booleans())
def test_any_memory_and_any_question_give_a_ranking(
    turns: list[Turn], question: str, k: int, lazy: bool
) -> None:
    vectors = np.random.default_rng(len(question)).normal(size=(len(turns), 64))
    ranked = index(turns, vectors.astype(np.float32), lazy=lazy)
    words = ranked.query(question).words
    matches = [
        match(*range(10, 10 * len(turns), 20), related=[10, 990], examples=[20, 990]) for _ in words
    ]
    hits = rank(ranked, question, *matches, vector=EAST, k=k)
    assert len(set(ids(hits))) == len(hits) == min(max(k, 0), len(turns))
    assert all(better.score >= worse.score for better, worse in pairwise(hits))
    assert np.all(np.isfinite([hit.score for hit in hits]))
    assert hits == rank(ranked, question, *matches, vector=EAST, k=k)


def test_a_ranking_of_700_turns_takes_no_more_steps_than_one_of_140() -> None:
    """What loops over turns in Python would take milliseconds for a memory of this size."""
    steps_of_a_ranking(70)  # the first fills caches
    assert steps_of_a_ranking(700) == steps_of_a_ranking(140)


def steps_of_a_ranking(count: int) -> int:
    """How many functions a ranking of so many turns calls, Python's and C's."""
    turns = [Turn(f"P{n % 2}", "in town last week", str(n // 25), "2017-05") for n in range(count)]
    vectors = np.random.default_rng(1).normal(size=(count, 64)).astype(np.float32)
    ranked = index(turns, vectors)
    matches = [match(*range(10, 10 * count, 30)) for _ in range(6)]
    events: list[str] = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        rank(ranked, "When did P1 go to town 7 in May?", *matches, vector=EAST, k=50)
    finally:
        sys.setprofile(None)
    return sum(event in ("call", "c_call") for event in events)
