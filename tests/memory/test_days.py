"""Days as data: what a turn says of a day is found on that day, and listed when it is due."""

import asyncio
import json
from pathlib import Path

import pytest

from memory import AsyncMemory, InputError, Memory, Turn, facts
from memory.agents.blocks import start_block
from memory.store.turns.tags import days_of_turn, record_days
from memory.text import dates
from memory.text.dates import asked_days, told_days
from tests.support.commands import run

WEDNESDAY = "2026-11-18T18:00:00"


def _days(text: str, said_at: str = WEDNESDAY) -> list[str]:
    return [
        str(first) if first == last else f"{first}/{last}"
        for first, last in told_days(text, said_at)
    ]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Dentist tomorrow at 9.", ["2026-11-19"]),
        ("Dentist tomorrow after work", ["2026-11-19"]),
        ("Meeting on Friday at 3", ["2026-11-20"]),
        ("Dinner with Lea Friday, 7pm", ["2026-11-20"]),
        ("Call me Tuesday next week", ["2026-11-24"]),
        ("Friday next week is the party", ["2026-11-27"]),
        ("On Wednesday I fly", ["2026-11-25"]),
        ("The concert is in 12 days", ["2026-11-30"]),
        ("The party is on 20 November", ["2026-11-20"]),
        ("My flight is Dec 3, 2026", ["2026-12-03"]),
        ("The rent is due on 4 January", ["2027-01-04"]),
        ("this weekend we go hiking", ["2026-11-21/2026-11-22"]),
        ("I saw Anna on Friday", ["2026-11-13"]),
        ("I read the report on Friday", ["2026-11-13"]),
        ("I'll read the report on Friday", ["2026-11-20"]),
        ("I met him on 3 May", ["2026-05-03"]),
        ("I worked a lot today", []),
        ("This week was awful.", []),
        ("In 3 days I finished the book", []),
        ("Every Friday I swim", []),
        ("It feels like yesterday", []),
        ("On 31 June we meet", []),
    ],
)
def test_a_text_speaks_of_days(text: str, days: list[str]) -> None:
    assert _days(text) == days


def test_a_question_names_days() -> None:
    def asked(question: str) -> list[str]:
        return [str(first) for first, _ in asked_days(question, WEDNESDAY)]

    assert asked("What do I have today?") == ["2026-11-18"]
    assert asked("What is on Friday?") == ["2026-11-13", "2026-11-20"]
    assert asked("What did I do last week (2026-11-09 to 2026-11-15)?") == ["2026-11-09"]
    assert asked("What is planned this year?") == []


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    memory = Memory(tmp_path / "ada.db")
    memory.add(("Ada", "Dentist tomorrow at 9."), said_at=WEDNESDAY)
    memory.add(
        [("Ada", f"Report {n} is done, work was long.") for n in range(30)], said_at=WEDNESDAY
    )
    memory.add(("Ada", "What do I have tomorrow?"), said_at=WEDNESDAY)
    return memory


def test_what_was_said_for_a_day_is_found_on_it_and_later(memory: Memory) -> None:
    for question, now in (
        ("What do I have today?", "2026-11-19T07:00"),
        ("Anything planned for today?", "2026-11-19T07:00"),
        ("What did I have on 19 November?", "2026-12-05"),
        ("What is there this week?", "2026-11-16"),
    ):
        assert "Dentist" in memory.context(question, speaker="Ada", now=now).text, question
        assert "Dentist" in memory.ask(question, speaker="Ada", now=now).text, question
    hits = memory.search("on 19 November 2026", 1, {"speaker": "Ada"})
    assert [hit.text for hit in hits] == ["Dentist tomorrow at 9."]
    assert memory.search("on 19 November 2026", 1, {"speaker": "Ben"}) == []


def test_what_is_due_is_listed_once_until_its_day_is_over(memory: Memory, tmp_path: Path) -> None:
    [due] = memory.upcoming(now="2026-11-18")
    assert (due.day, due.turn.id) == ("2026-11-19", 1)
    assert due.line == "19 Nov 2026: Ada: Dentist tomorrow at 9. (said 18 Nov 2026)"
    assert asyncio.run(AsyncMemory(memory).upcoming(now="2026-11-19")) == [due]
    assert memory.upcoming(now="2026-11-20") == memory.upcoming(0, now="2026-11-18") == []
    with pytest.raises(InputError, match="days must be"):
        memory.upcoming(-1)


def test_birthdays_and_facts_are_due(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ada.db")
    memory.add(("Ada", "My birthday is on 20 November."), said_at="2020-01-05")
    assert [each.day for each in memory.upcoming(now="2026-11-18")] == ["2026-11-20"]
    assert memory.upcoming(now="2026-11-21") == []


def test_a_change_of_plans_is_marked(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ada.db")
    memory.add(("Ada", "The dentist is on Friday."), said_at=WEDNESDAY)
    memory.add(("Ada", "The dentist is not on Friday anymore."), said_at="2026-11-18T19:00:00")
    due = memory.upcoming(now="2026-11-19")
    assert due[0].turn.id == 1
    assert len({each.turn.id for each in due}) == len(due)


def test_a_forgotten_turn_leaves_no_day_and_an_import_brings_it(
    memory: Memory, tmp_path: Path
) -> None:
    with Memory(tmp_path / "copy.db") as copy:
        copy.store.load(memory.store.dump())
        assert [each.turn.id for each in copy.upcoming(now="2026-11-18")] == [1]
        copy.add([Turn("Ben", "We meet tomorrow.", said_at=WEDNESDAY, tags={"room": "4"})])
        assert len(copy.upcoming(now="2026-11-18")) == 2
    with pytest.raises(InputError, match="the memory's own"):
        memory.add([Turn("Eve", "Hi", tags={"speaks_of": "2026-11-19"})])
    memory.forget(1)
    assert memory.upcoming(now="2026-11-18") == []
    with memory.store.reading() as conn:
        assert conn.run("turn_with_key", key="speaks_of").fetchone() is None


def test_turns_of_an_older_version_get_their_days(memory: Memory) -> None:
    with memory.store.transaction() as conn:
        conn.run("delete_tags_of_turns", turn_ids=[1])
    assert memory.upcoming(now="2026-11-18") == []
    for _ in range(2):
        memory.digest()
        assert [each.turn.id for each in memory.upcoming(now="2026-11-18")] == [1]


def test_two_processes_store_the_days_of_older_turns_once(memory: Memory) -> None:
    with memory.store.transaction() as conn:
        conn.run("delete_tags_of_turns", turn_ids=[1])
    read_before = [*memory]
    for _ in range(2):
        record_days(memory.store, read_before)
    assert [each.turn.id for each in memory.upcoming(now="2026-11-18")] == [1]


@pytest.mark.parametrize("said_at", ["0001-01-01T00:00:00", "9999-12-31"])
def test_the_calendar_ends_and_a_turn_there_is_stored(memory: Memory, said_at: str) -> None:
    turn_ids = memory.add(
        ("Ada", "The party is on 20 November, dentist tomorrow."), said_at=said_at
    )
    assert memory.store.turns_by_id(turn_ids)
    assert memory.context("What is on 20 November?", now=said_at[:10]).text


def test_each_date_of_a_long_text_is_read_with_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[int] = []
    monkeypatch.setattr(dates, "is_past_before", lambda before: lengths.append(len(before)))
    for words in ("1 may ", "on friday ", "tomorrow "):
        reads_before = reads = 0
        for length in (2_000, 8_000):
            lengths.clear()
            told_days(words * (length // len(words)), WEDNESDAY)
            reads_before, reads = reads, sum(lengths)
        assert reads <= 5 * reads_before, words
    days = " and ".join(f"{1 + n % 28} May {1900 + n}" for n in range(100))
    assert len(asked_days(days, WEDNESDAY)) <= 32


def test_a_birthday_told_by_another_day_counts_from_there_and_leap_days_come_each_year(
    tmp_path: Path,
) -> None:
    memory = Memory(tmp_path / "ada.db")
    memory.add(("Ada", "A list of birthdays."), said_at=WEDNESDAY)
    for subject, value in (("Bo", "tomorrow"), ("Eve", "29 February"), ("Tom", "1992-02-29")):
        facts.add(memory.store, turn_id=1, subject=subject, attribute="birthday", value=value)
    assert [each.day for each in memory.upcoming(now="2026-11-18")] == ["2026-11-19"]
    assert memory.upcoming(now="2026-12-20") == []
    for year in (2026, 2100):
        due = memory.upcoming(now=f"{year}-02-25")
        assert [each.day for each in due] == [f"{year}-02-28"] * 2


def test_assistants_and_quotations_speak_of_no_day(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ada.db")
    memory.add(
        [
            ("Assistant", "Your dentist is tomorrow."),
            ("Ada", "> Dentist tomorrow"),
            ("Ada", "Imagine the party was tomorrow."),
            ("Ada", "Can you remind me of the cake tomorrow?"),
        ],
        said_at=WEDNESDAY,
    )
    assert [days_of_turn(turn) != [] for turn in memory] == [False, False, False, True]


def test_the_command_and_an_agents_start_list_what_is_due(memory: Memory, tmp_path: Path) -> None:
    day = ("--now", "2026-11-18", "--db", str(tmp_path / "ada.db"))
    assert "Dentist tomorrow at 9." in run("upcoming", *day)
    listed = json.loads(run("upcoming", *day, "--json"))
    assert (listed["day"], listed["turn"]["id"]) == ("2026-11-19", 1)
    memory.add(("Ada", "The plumber comes tomorrow."))
    block = start_block(memory.store, None, session="s", speaker="Ada", tokens=1_500)
    assert "Due today and in the next days:\n- " in block
    assert "The plumber comes tomorrow." in block


def test_a_birthday_on_a_leap_day_is_due_each_year(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ada.db")
    memory.add(("Ada", "My birthday is 29 February."), said_at=WEDNESDAY)
    first_days = ("2027-02-25", "2028-02-25", "2100-02-25")
    due = [each.day for day in first_days for each in memory.upcoming(now=day)]
    assert due == ["2027-02-28", "2028-02-29", "2100-02-28"]
    for day in ("0001-01-01", "9999-12-31"):
        with pytest.raises(InputError, match="not a day"):
            memory.upcoming(now=day)
