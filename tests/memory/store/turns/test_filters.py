"""Searches among some turns only: their hits are those of a memory that holds these turns alone."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from memory import InputError, Memory, SqlError, Store, Turn, open_store
from memory.records import Hit
from memory.search import index, ranking
from memory.store.files.united_search import search_several
from memory.store.postgres import word_lists
from memory.store.sqlite import full_text
from memory.store.turns import filtered_turns
from memory.store.turns.tags import set_tags
from memory.text.turn_filter import passes, read_filter
from tests.conftest import SAID

BOTH_STORES = "slow"

SESSIONS = 40
WORDS = re.findall(
    "[A-Za-z]+",
    "garden kitchen Oslo Bergen train ticket doctor violin concert dog cat rain winter recipe bread"
    " exam teacher friend wedding house flat rent boat lake forest mushroom camera photo",
)
QUESTIONS = [
    "Where did Anna buy the train ticket to Oslo?",
    "When was the wedding of Ben at the lake in May 2021?",
    "What did Cleo cook last week?",
    "pets",
    "violin concert rain",
    "Who is the teacher of Dora, and which exam?",
]


def conversation() -> list[Turn]:
    """Interleaved sessions, so that neighbours in the memory are of different ones."""
    random = np.random.default_rng(7)
    turns = []
    for n in range(SESSIONS * 10):
        session = n // 100 * 10 + n % 10  # ten at a time
        speakers = ("Anna", "Ben") if session % 2 else ("Cleo", "Dora")
        text = " ".join(random.choice(WORDS, random.integers(2, 9)))
        turns.append(
            Turn(
                speakers[int(random.integers(2))],
                text + random.choice(["?", ".", ""]),
                session=f"s{session}",
                said_at=f"2021-{1 + n // 100:02}-{1 + session % 28:02}",
                source=f"source {n % 7}",
                kind="document" if session % 5 == 0 else "message",
            )
        )
    return turns


@pytest.fixture
def new_store(database: str, tmp_path: Any) -> Iterator[Callable[[Sequence[Turn]], Store]]:
    """Makes memories of turns."""
    opened: list[Store] = []

    def new(turns: Sequence[Turn]) -> Store:
        if database == "postgres":
            from tests.support.postgres_server import new_namespace

            address = new_namespace()
        else:
            address = str(tmp_path / f"{len(opened)}.db")
        opened.append(open_store(address))
        opened[-1].add(turns)
        return opened[-1]

    yield new
    for store in opened:
        store.close()


def hits_of(
    store: Store, question: str, ids: Sequence[int] | None = None, **arguments: Any
) -> list[tuple[int, float, Any]]:
    """Hits with their shares; `ids` are what the turns of this memory are called in another."""
    hits: list[Hit] = store.search(question, 400, **arguments)
    return [
        (ids[hit.turn_id - 1] if ids else hit.turn_id, hit.score, dict(hit.shares)) for hit in hits
    ]


# ------------------------------------------------------------ as a memory of these turns alone

WHOLE_SESSIONS = {
    "a session": ({"session": "s12"}, lambda turn: turn.session == "s12"),
    "sessions": (
        {"session": ["s1", "s2", "s30", "s39"]},
        lambda turn: turn.session in ("s1", "s2", "s30", "s39"),
    ),
    "speakers": ({"speaker": ["Anna", "Ben"]}, lambda turn: turn.speaker in ("Anna", "Ben")),
    "a kind": ({"kind": "document"}, lambda turn: turn.kind == "document"),
    "dates": (
        {"since": "2021-02", "until": "2021-03-31"},
        lambda turn: turn.said_at[:7] in ("2021-02", "2021-03"),
    ),
    "several": (
        {"kind": "message", "since": "2021-03", "speaker": ["Anna", "Ben"]},
        lambda turn: (
            turn.kind == "message" and turn.said_at >= "2021-03" and turn.speaker in ("Anna", "Ben")
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("ranked_whole", [4096, 50], ids=["whole", "by groups"])
@pytest.mark.parametrize("name", WHOLE_SESSIONS)
def test_whole_sessions_are_ranked_as_if_alone(
    new_store: Callable[[Sequence[Turn]], Store],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    ranked_whole: int,
) -> None:
    monkeypatch.setattr(ranking, "MAX_RANKED_WHOLE", ranked_whole)
    monkeypatch.setattr(ranking, "CHOSEN_GROUPS", 5)
    monkeypatch.setattr(ranking, "SPREAD_TURNS", 20)
    given, passes = WHOLE_SESSIONS[name]
    turns = conversation()
    ids = [n for n, turn in enumerate(turns, 1) if passes(turn)]
    store = new_store(turns)
    alone = new_store([turns[n - 1] for n in ids])
    insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
    store.write(f"{insert} ('Anna', 'owns', 'a yacht', {ids[3]}), ('Ben', 'owns', 'x', 1)", "test")
    alone.write(f"{insert} ('Anna', 'owns', 'a yacht', 4)", "test")
    for question in (*QUESTIONS, "a yacht"):
        filtered = hits_of(store, question, filter=given)
        assert filtered == hits_of(alone, question, ids)
        assert len(filtered) == len(ids) or ranked_whole == 50


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"tags": {"n": 3}}, 2),
        ({"tags": {"n": [3, "4"]}}, 3),
        ({"tags": {"n": {"gte": 3}}}, 4),
        ({"tags": {"n": {"gt": 3, "lt": 10}}}, 2),
        ({"tags": {"due": {"gte": "2026-02", "lte": "2026-03-31"}}}, 1),
        ({"tags": {"topic": {"contains": "PORT"}}}, 3),
        ({"tags": {"topic": {"contains": ""}}}, 3),
        ({"tags": {"topic": {"not": "sport"}}}, 5),
        ({"tags": {"topic": {"not": ["sport", "food"]}}, "speaker": "Ben"}, 3),
        ({"since": "2026-01-02", "until": "2026-01"}, 4),
        ({"since": "2026-01-03"}, 2),
        ({"session": ["a", "b"], "kind": "tool"}, 1),
    ],
)
def test_a_search_and_a_look_at_the_turns_agree_on_what_passes(
    new_store: Callable[[Sequence[Turn]], Store], given: dict[str, Any], count: int
) -> None:
    turns = [
        Turn("Anna", "Tea.", "a", "2026-01-01", tags={"n": 3, "topic": ["sport", "food"]}),
        Turn("Anna", "Tea.", "a", "2026-01", tags={"n": [3.0, 12]}),
        Turn("Anna", "Tea.", "b", "2026-01-02", kind="tool", tags={"n": "4"}),
        Turn("Ben", "Tea.", "b", "2026-01-02T23:59", tags={"n": "ten", "topic": "transport"}),
        Turn("Ben", "Tea.", "c", "2026", tags={"n": 2, "due": "2026-03-01"}),
        Turn("Ben", "Tea.", "c", "", tags={"n": 100, "topic": "sport"}),
        Turn("Ben", "Tea.", "c", "one May evening"),
    ]
    store = new_store(turns)
    wanted = read_filter(given)
    assert wanted is not None
    ids = {turn.id for turn in store.turns() if passes(turn, wanted)}
    assert {hit.turn_id for hit in store.search("tea", 50, given)} == ids
    assert len(ids) == count
    # What was read for the filter is not kept when a tag changes.
    set_tags(store, [1], {"n": 7, "topic": "work"})
    ids = {turn.id for turn in store.turns() if passes(turn, wanted)}
    assert {hit.turn_id for hit in store.search("tea", 50, given)} == ids


def test_turns_added_later_pass_too(new_store: Callable[[Sequence[Turn]], Store]) -> None:
    turns = conversation()
    store = new_store(turns[:300])
    filters: list[dict[str, Any]] = [
        {"source": "source 3"},
        {"kind": "message"},
        {"speaker": "Anna"},
        {"session": "s12"},
        {"until": "2021"},
    ]
    for given in filters:
        store.search("violin", filter=given)
    store.add(turns[300:])
    fresh = new_store(turns)
    for given in filters:
        assert hits_of(store, "violin in Oslo", filter=given) == hits_of(
            fresh, "violin in Oslo", filter=given
        )


def test_what_is_kept_for_filters_is_bounded(
    new_store: Callable[[Sequence[Turn]], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtered_turns, "MOST_VALUES", 2)
    store = new_store(conversation())
    expected = [hits_of(store, "rain", filter={"source": f"source {n}"}) for n in range(7)]
    again = [hits_of(store, "rain", filter={"source": f"source {n}"}) for n in range(7)]
    assert again == expected
    filtered = store._filtered_turns  # type: ignore[attr-defined]
    assert len(filtered._ids) == len(filtered._read_to) == 2
    assert len(filtered._selections) == filtered_turns.MOST_SELECTIONS


def test_a_filtered_search_finds_its_turns_after_others_were_forgotten(
    new_store: Callable[[Sequence[Turn]], Store],
) -> None:
    turns = conversation()
    store = new_store(turns)
    store.search("violin", filter={"session": "s12"})
    gone = [n for n, turn in enumerate(turns, 1) if turn.session in ("s11", "s12")][:7]
    store.forget(gone)
    left = {n for n, turn in enumerate(turns, 1) if turn.session == "s12"} - {*gone}
    assert {
        turn_id for turn_id, _, _ in hits_of(store, "violin", filter={"session": "s12"})
    } == left


def test_a_frequent_word_is_found_in_old_turns_too(
    new_store: Callable[[Sequence[Turn]], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_text, "MAX_EXACT", 5)
    for module in (full_text, word_lists):
        monkeypatch.setattr(module, "MOST_FACTS", 5)
        monkeypatch.setattr(module, "MAX_RELATED", 5)
    old = [
        Turn("Anna", "Where is Oslo?", "old", "2017-05-07"),
        Turn("Ben", "In Norway.", "old", "2017-05-08"),
        Turn("Ben", "I like trains.", "old", "2017-05-08"),
    ]
    store = new_store([*old, *(Turn("Anna", "Oslo, Oslo", "new", "2020") for _ in range(20))])
    store.write(
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Ben', 'rides', 'bus', 3)"
        + ", ('Ben', 'rides', 'bus', 9)" * 9,
        "test",
    )
    hits = store.search("Oslo", 3, {"speaker": "Ben"})
    assert hits[0].turn_id == 2  # the answer to what has the word
    assert hits[0].shares["words"] > 0
    assert store.search("bus", 3, {"speaker": "Ben"})[0].turn_id == 3


def holders_of(store: Store, word: str, **conditions: Any) -> set[int]:
    """The turns that hold a word, as the ranking is told."""
    with store.searched(read_filter(conditions)) as searched:
        assert searched is not None
        [match] = searched.matches(searched.index.query(word, searched.selection))
        return {*match.exact.tolist()}


def test_of_a_frequent_word_no_turn_is_hidden_by_newer_ones(
    new_store: Callable[[Sequence[Turn]], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_text, "MAX_EXACT", 5)
    monkeypatch.setattr(index, "MOST_WORDS", 2)
    turns = [Turn("Anna", f"Oslo {WORDS[n % 3]}", f"s{n % 2}", "2020") for n in range(30)]
    store = new_store(turns)
    assert holders_of(store, "Oslo") == {*range(1, 31)}
    assert len(store.search("Oslo", 50)) == 30
    for word in WORDS[:3]:  # more frequent words than are kept
        expected = {n for n, turn in enumerate(turns, 1) if word in turn.text}
        assert holders_of(store, word) == expected
        assert holders_of(store, word) == expected

    store.add([Turn("Anna", "a garden, not there", "s1"), Turn("Ben", "Oslo again", "s1")])
    assert holders_of(store, "Oslo") == {*range(1, 31), 32}
    near = holders_of(store, "Oslo", session=["s1"])
    assert {*range(2, 31, 2), 32} <= near  # and neighbours of such turns
    store.forget([4, 30])
    assert holders_of(store, "Oslo") == {*range(1, 33)} - {4, 30, 31}


def other_words_of(store: Store, word: str, **conditions: Any) -> tuple[set[int], set[int]]:
    """The turns with a word of like meaning, and with an example, as the ranking is told."""
    with store.searched(read_filter(conditions)) as searched:
        assert searched is not None
        [match] = searched.matches(searched.index.query(word, searched.selection))
        return {*match.related.tolist()}, {*match.examples.tolist()}


def test_no_turn_is_hidden_by_newer_ones_with_a_word_of_like_meaning(
    new_store: Callable[[Sequence[Turn]], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "pets" is like "dogs", and dogs, hamsters and kittens are examples."""
    for module in (full_text, word_lists):
        monkeypatch.setattr(module, "MAX_RELATED", 5)
    store = new_store([Turn("Anna", text, "old") for text in ["a hamster", *["kittens"] * 3]])
    store.add([Turn("Ben", "my dogs", "new") for _ in range(4)])
    assert other_words_of(store, "pets") == ({5, 6, 7, 8}, {*range(1, 9)})


def test_a_word_of_like_meaning_that_many_turns_hold_is_left_out(
    new_store: Callable[[Sequence[Turn]], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (full_text, word_lists):
        monkeypatch.setattr(module, "MAX_RELATED", 5)
    store = new_store([Turn("Anna", "a hamster", "old"), *[Turn("Anna", "my dog", "old")] * 4])
    insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'has', "
    assert other_words_of(store, "pets") == ({2, 3, 4, 5}, {1, 2, 3, 4, 5})

    store.add([Turn("Anna", "my dogs", "old"), Turn("Ben", "a violin", "new")])
    store.write(f"{insert}'a dog', 7), ('Anna', 'has', 'kittens', 7)", "test")
    assert other_words_of(store, "pets") == (set(), {1, 7})
    assert other_words_of(store, "pets") == (set(), {1, 7})  # as it is known by now
    store.add([Turn("Ben", "dogs", "new")])
    assert other_words_of(store, "pets") == (set(), {1, 7})
    # Within a filter, what its turns hold counts.
    assert other_words_of(store, "pets", session="new") == ({7, 8}, {7, 8})
    store.add([Turn("Ben", "a violin", "new")] * 4)
    assert other_words_of(store, "pets", session="new") == ({7, 8}, {7, 8})
    store.forget([2, 3])
    assert other_words_of(store, "pets") == ({4, 5, 6, 7, 8}, {1, 4, 5, 6, 7, 8})


# ------------------------------------------------------------ which turns pass

DATED = [
    Turn("Anna", "a violin", "a", "2017-05-08T13:56", source="x"),
    Turn("Anna", "a violin", "a", "2017-05", source="x"),
    Turn("Ben", "a violin", "b", "2017", source="y"),
    Turn("Ben", "a violin", "b", "", source=""),
    Turn("anna", "a violin", "", "in spring", source=""),
    Turn("Ben", "a violin", "b", "2017-06-01", source="y", kind="tool"),
]


@pytest.mark.few(12)
@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({"since": "2017-05-08"}, {1, 2, 3, 6}),
        ({"since": "2017-05-09"}, {2, 3, 6}),
        ({"since": "2017-06"}, {3, 6}),
        ({"until": "2017-05-07"}, {2, 3}),
        ({"until": "2017-05"}, {1, 2, 3}),
        ({"until": "2016"}, set()),
        ({"since": "2017-05-08", "until": "2017-05-08"}, {1, 2, 3}),
        ({"since": "2018"}, set()),
        ({"speaker": "Anna"}, {1, 2}),
        ({"speaker": ["Anna", "anna", "Nobody"]}, {1, 2, 5}),
        ({"session": ""}, {5}),
        ({"session": ["a", "none"]}, {1, 2}),
        ({"session": "none"}, set()),
        ({"source": ""}, {4, 5}),
        ({"source": ["x", "y"], "kind": "message"}, {1, 2, 3}),
        ({"kind": ["tool", "document"]}, {6}),
        ({"speaker": "A\ud800nna\0"}, set()),
    ],
)
def test_a_turn_passes_by_what_it_is(
    new_store: Callable[[Sequence[Turn]], Store], given: dict[str, Any], ids: set[int]
) -> None:
    store = new_store(DATED)
    assert {hit.turn_id for hit in store.search("violin", 10, given)} == ids


# ------------------------------------------------------------ every door


def test_sql_finds_what_a_condition_after_the_search_misses(
    new_store: Callable[[Sequence[Turn]], Store],
) -> None:
    public = [Turn("Anna", f"The move to Oslo, part {n}", "public") for n in range(300)]
    store = new_store([Turn("Anna", "We move to Oslo", "private"), *public])
    select = "SELECT t.id FROM search('move to Oslo', 20{}) s JOIN turns t ON t.id = s.turn_id"
    after = f"{select.format('')} WHERE t.session = 'private'"
    assert store.read(after).rows == ()
    before = select.format(""", '{"session": "private"}'""")
    assert store.read(before).rows == ((1,),)
    both = store.read(
        f"SELECT a.id FROM ({before}) a JOIN search('Oslo', 5, '{{\"speaker\": \"Anna\"}}') b"
        " ON a.id = b.turn_id"
    )
    assert both.columns == ("id",)


def test_an_unknown_filter_is_refused(new_store: Callable[[Sequence[Turn]], Store]) -> None:
    store = new_store(SAID)
    known = "speaker, session, kind, source, since, until, tags"
    with pytest.raises(InputError, match=known):
        store.search("Oslo", 10, {"mood": "good"})
    with pytest.raises(InputError, match=known):
        Memory(store).search("Oslo", filter={"mood": "good"})
    with pytest.raises(SqlError, match=known):
        store.read("""SELECT turn_id FROM search('Oslo', 10, '{"mood": "good"}')""")


def test_a_memory_of_the_past_is_filtered_too(
    new_store: Callable[[Sequence[Turn]], Store],
) -> None:
    store = new_store(SAID)
    with store.as_of("2017-05") as past:
        assert {hit.turn_id for hit in past.search("Oslo", 10, {"speaker": "Anna"})} == {1, 3}
        assert past.search("dog", 10, {"session": "session_2"}) == []


def test_a_program_searches_with_a_filter(new_store: Callable[[Sequence[Turn]], Store]) -> None:
    memory = Memory(new_store(SAID))
    assert {hit.turn_id for hit in memory.search("dog", filter={"speaker": "Ben"})} == {2, 4}


@pytest.mark.slow
def test_several_memories_are_searched_with_a_filter(
    new_store: Callable[[Sequence[Turn]], Store],
) -> None:
    turns = conversation()
    given = {"since": "2021-02", "speaker": ["Anna", "Ben"]}

    def passing(part: Sequence[Turn]) -> list[Turn]:
        return [
            turn for turn in part if turn.said_at >= "2021-02" and turn.speaker in ("Anna", "Ben")
        ]

    parts = [turns[:150], turns[150:], turns[:20]]  # nothing of the last passes
    stores = [new_store(part) for part in parts]
    alone = [new_store(passing(part)) for part in parts[:2]]
    for question in QUESTIONS:
        united = [
            (number, hit.score, stores[number].turn(hit.turn_id).text)
            for number, hit in search_several(stores, question, 20, given)
        ]
        assert united == [
            (number, hit.score, alone[number].turn(hit.turn_id).text)
            for number, hit in search_several(alone, question, 20)
        ]
    with pytest.raises(InputError, match="unknown filter"):
        search_several(stores, "Oslo", 5, {"mood": "good"})


def test_a_memory_over_several_searches_with_a_filter(
    new_store: Callable[[Sequence[Turn]], Store],
) -> None:
    stores = {"anna": new_store(SAID), "team": new_store(SAID)}
    over = Memory.over(stores)
    hits = over.search("dog", 10, {"speaker": "Ben", "since": "2017-06"})
    assert [(hit.memory, hit.turn_id) for hit in hits] == [("anna", 4), ("team", 4)]
    rows = over.read("""SELECT turn_id FROM search('dog', 9, '{"speaker": "Ben"}') ORDER BY 1""")
    assert rows.rows == (("anna", 2), ("anna", 4), ("team", 2), ("team", 4))
    with pytest.raises(InputError, match="unknown filter"):
        over.search("dog", 10, {"mood": "good"})
