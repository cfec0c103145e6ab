"""The product's own reads of turns: pages, sessions, speakers, dates and characters."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from memory import Memory, Store, Turn, open_store
from memory.sql import quoted
from memory.store.facts import fact_reads
from memory.store.files.united import unite
from memory.store.turns import turn_reads
from memory.store.turns.tags import replace_tags
from memory.vocabulary.entities import spellings
from tests.conftest import INSERT

BOTH_STORES = True
MANY = 203  # more than the rows that a model's SELECT may return


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as store:
        store.add(
            [
                Turn("Anna", "Shall we hike?", "may", "2023-05-08T10:00"),
                Turn("Ben", "Let us.", "may", "2023-05", tags={"topic": "hike"}),
                Turn("Anna", "It's 'fine'; I bought boots.", "june 'x'", "2023-06-01"),
                Turn("Zoë", "Bonjour.", "june 'x'", "one evening"),
                Turn("Anna", "A manual.", "notes.md", source="notes.md@0aaa:1", kind="document"),
            ]
        )
        yield store


def ids(turns: list[Turn]) -> list[int]:
    return [turn.id for turn in turns]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"speakers": ["Anna"]}, [1, 3, 5]),
        ({"speakers": ["Anna", "Zoë"], "sessions": ["june 'x'"]}, [3, 4]),
        ({"tag": "topic", "tag_values": ["hike", "food"]}, [2]),
        ({"tag": "topic", "tag_values": ["food"]}, []),
        ({"since": "2023-05-08"}, [1, 2, 3, 4]),  # "one evening" is later in the alphabet
        ({"since": "2023-06"}, [3, 4]),
        ({"until": "2023-05"}, [1, 2]),
        ({"since": "2023", "until": "2023-05-08"}, [1, 2]),
        ({"before": 3}, [1, 2]),
        ({"before": 5, "limit": 2}, [3, 4]),
        ({"after": 1, "limit": 2}, [2, 3]),
        ({"after": 2, "sessions": ["may"]}, []),
        ({"before": 2, "sessions": ["may"]}, [1]),
    ],
)
def test_a_page_has_the_turns_that_pass_its_filter(
    store: Store, conditions: dict[str, Any], expected: list[int]
) -> None:
    assert ids(turn_reads.passing_turns(store, **{"limit": 9, **conditions})) == expected


def test_a_page_of_a_filter_is_what_its_select_has(store: Store) -> None:
    select = "SELECT id FROM turns WHERE speaker = 'Anna' AND said_at <> '' ORDER BY id"
    page = turn_reads.passing_turns(store, speakers=["Anna"], since="0", limit=9)
    assert tuple((turn.id,) for turn in page) == store.read(select).rows


def test_the_turns_after_one_are_found_over_a_gap(store: Store) -> None:
    store.forget([2, 3])
    assert ids(turn_reads.turns_after(store, 1, 2)) == [4, 5]
    assert turn_reads.last_turn(store) == 5


def test_sessions_are_listed_by_where_they_begin(store: Store) -> None:
    assert turn_reads.sessions_before(store, 2) == [("notes.md", 5, 1), ("june 'x'", 3, 2)]
    assert turn_reads.sessions_before(store, 2, before=3) == [("may", 1, 2)]
    assert turn_reads.count_turns_of_session(store, "june 'x'") == 2
    assert turn_reads.count_turns_of_session(store, "july") == 0


def test_the_last_session_is_the_one_with_the_latest_date_but_the_running_one(store: Store) -> None:
    store.add([Turn("Anna", "Now.", "running", "2024-01-01")])
    last = turn_reads.last_session(store, without="june 'x'", among=9, limit=2)
    assert ids(last) == [6]
    last = turn_reads.last_session(store, without="running", among=4, limit=1)
    assert (ids(last), last[0].session) == ([4], "june 'x'")  # "one evening" sorts last
    store.forget([4, 3])
    last = turn_reads.last_session(store, without="running", among=9, limit=2)
    assert (ids(last), last[1].tags) == ([1, 2], {"topic": "hike"})
    assert turn_reads.last_session(store, without="running", among=1, limit=2) == []


def test_the_messages_before_a_turn_are_those_of_its_session(store: Store) -> None:
    store.add([Turn("tool", "{}", "may", kind="tool"), Turn("Anna", "Go!", "may")])
    before = [("Ben", "Let us."), ("Anna", "Shall we hike?")]
    assert turn_reads.messages_before(store, 7, 9) == before
    assert turn_reads.messages_before(store, 7, 1) == before[:1]


def test_hidden_turns_are_left_out_and_none_is_cut_at_the_rows_of_a_model(store: Store) -> None:
    store.add([Turn("key", str(n), "docs [1]", kind="document") for n in range(MANY)])
    replace_tags(store, [3, 7], {"hidden": {"yes"}}, "")
    replace_tags(store, [1], {"item": {"yes"}}, "")
    assert ids(turn_reads.visible_turns(store, "hidden", session="may", marked="item")) == [1]
    seen = turn_reads.visible_turns(store, "hidden", session="june 'x'")
    assert ids(seen) == [4]
    assert ids(turn_reads.visible_turns(store, "hidden", session="may", newest=1)) == [2]
    seen = turn_reads.visible_turns(store, "hidden", session="docs [1]", speaker="key")
    assert len(seen) == MANY - 1
    assert turn_reads.visible_turns(store, "hidden", session="docs [1]", speaker="lock") == []
    assert turn_reads.visible_turns(store, "hidden", session="docs [", is_prefix=True) == seen
    assert turn_reads.visible_turns(store, "hidden", session="d_cs %", is_prefix=True) == []
    assert turn_reads.visible_turns(store, "hidden", session="DOCS [", is_prefix=True) == []
    assert turn_reads.visible_turns(store, "hidden", session="may", is_prefix=True) == []


def test_versions_of_a_document_are_in_the_order_in_which_they_came(store: Store) -> None:
    store.add(
        [
            Turn("a", "Two.", "notes.md", source=f"notes.md@{version}:{n}", kind="document")
            for version in ("0bbb", "0aaa")
            for n in (2, 3)
        ]
    )
    versions = turn_reads.versions_of_document(store, "notes.md", 4)
    assert versions == ["notes.md@0aaa", "notes.md@0bbb"]


def test_speakers_are_counted(store: Store) -> None:
    assert turn_reads.speakers_by_messages(store, 2) == [("Anna", 2), ("Ben", 1)]
    assert turn_reads.speakers_by_turns(store)[0] == ("Anna", 3)
    assert turn_reads.speakers_spelled(store, ["anna", "Zoë", "Ben"]) == ["Ben", "Zoë"]
    assert turn_reads.speakers_named(store, spellings(["ANNA"])) == ["Anna"]
    assert turn_reads.count_names(store) == (0, 3)


def test_dates_are_counted_where_they_are_iso(store: Store) -> None:
    assert turn_reads.turns_by_period(store, 7, 9) == [("2023-05", 2), ("2023-06", 1)]
    assert turn_reads.turns_by_period(store, 4, 1) == [("2023", 3)]
    assert turn_reads.liveliest_days(store, 9) == [("2023-05-08", 1), ("2023-06-01", 1)]
    assert turn_reads.span_of_dates(store) == ("2023-05", "2023-06-01")
    assert turn_reads.date_of_last_message(store) == "one evening"


def test_a_new_memory_has_no_dates_and_no_last_turn(path: Path) -> None:
    with open_store(path) as store:
        assert turn_reads.span_of_dates(store) == ("", "")
        assert turn_reads.date_of_last_message(store) is None
        assert turn_reads.last_turn(store) == 0
        assert turn_reads.last_session(store, without="", among=9, limit=9) == []
        assert turn_reads.passing_turns(store, limit=9) == []
        assert not fact_reads.has_facts(store)


def test_long_turns_are_counted_by_what_a_digest_reads_of_them(store: Store) -> None:
    store.add([Turn("ChatGPT", "a" * 90), Turn("Anna", "b" * 90), Turn("claude", "c" * 9)])
    read = turn_reads.characters_read(store, 6, 8, turn_reads.Outlines())
    assert read == (3, 189)
    outlines = turn_reads.Outlines(["chatgpt", "claude"], outline=20, longest=50)
    assert turn_reads.characters_read(store, 6, 8, outlines) == (3, 20 + 50 + 9)
    assert turn_reads.characters_read(store, 9, 9, outlines) == (0, 0)


def test_decisions_come_with_the_reasons_that_their_speakers_gave(store: Store) -> None:
    rows = [
        ("Anna", "decided", "hike", 1),
        ("hike", "because", "it's sunny", 3),
        ("hike", "because", "the manual says so", 5),
        ("Anna", "decided", "swim", 2),
        ("Anna", "decided", "boots", 3),
    ]
    values = ", ".join(
        f"('{subject}', '{attribute}', {quoted(value)}, NULL, {turn_id})"
        for subject, attribute, value, turn_id in rows
    )
    store.write(f"{INSERT}{values}", "test", by_person=True)
    decisions = fact_reads.newest_with_reasons(store, "decided", "because", ["Anna"], 9)
    assert decisions == [("boots", 3, ""), ("hike", 1, "it's sunny")]
    assert fact_reads.newest_with_reasons(store, "decided", "because", [], 9) == []


def test_the_turns_with_a_value_about_an_entity_are_all_of_them(store: Store) -> None:
    store.write(
        f"{INSERT}('Ben', 'knows', 'Anna', NULL, 2), ('Zoë', 'knows', 'Anna', NULL, 4)", "t"
    )
    store.write(f"{INSERT}('Anna', 'likes', 'tea', NULL, 3)", "test")
    [(entity,)] = {*store.read("SELECT value_entity FROM facts WHERE subject = 'Ben'").rows}
    assert fact_reads.turns_with_value_about(store, entity) == {2, 4}


def test_several_memories_are_asked_for_facts_and_speakers(store: Store, tmp_path: Path) -> None:
    with Memory(tmp_path / "team.db") as team:
        numbers = count(1)
        team.add([Turn("Mum", f"Call {next(numbers)}.") for _ in range(2)])
        both = unite({"anna": store, "team": team.store})
        assert turn_reads.speakers_named(both, spellings(["mum", "anna"])) == ["Anna", "Mum"]
        assert not fact_reads.has_facts(both)
        team.store.write(f"{INSERT}('Mum', 'lives_in', 'Ulm', NULL, 1)", "test")
        assert fact_reads.has_facts(both)
