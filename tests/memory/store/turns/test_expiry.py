"""Turns with a moment of expiry: there until then, and from then on forgotten to the byte."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import InputError, Memory, Store, Turn, facts, open_store
from memory.operations import OPERATIONS, OpenMemory
from memory.store.configuration.declared_settings import Settings, refuse_of_person
from memory.store.forgetting.preview import receipts_due
from memory.store.turns.expiry import expiring_turns, set_expiry
from memory.store.turns.tags import remove_tags, set_tags
from memory.store.turns.turn_validation import FORGET_AFTER
from memory.store.waiting.work import count_waiting
from memory.system.home import RECEIPT
from tests.conftest import Wait
from tests.support.commands import run
from tests.support.postgres_server import new_namespace

BOTH_STORES = True

CODE = "The code of the door is Quackenbusch77."
HOUR, DAY = 3_600, 86_400


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address, "local") as opened:
        yield opened


def values(memory: Memory, attribute: str) -> list[str]:
    return [fact.value for fact in memory.facts() if fact.attribute == attribute]


def texts(store: Store) -> list[str]:
    return [turn.text for turn in store.turns()]


def test_a_turn_is_there_until_it_expires_and_nowhere_from_then_on(
    memory: Memory, wait: Wait
) -> None:
    memory.add([("Anna", CODE), ("Anna", "I live in Oslo.")], expires="12h")
    memory.add([("Anna", "I have a parrot.")])
    assert values(memory, "lives_in") == ["Oslo"]
    assert [expiring.turn.text for expiring in memory.expiring()] == [CODE, "I live in Oslo."]
    wait(11 * HOUR)
    assert CODE in [hit.text for hit in memory.search("code of the door")]
    wait(1 * HOUR)
    assert texts(memory.store) == ["I have a parrot."]
    assert [hit.text for hit in memory.search("code of the door Oslo")] in (
        [],
        ["I have a parrot."],
    )
    assert values(memory, "lives_in") == []
    assert "Oslo" not in "\n".join(map(str, memory.store.dump()))
    assert "Quackenbusch77" not in str(memory.context("What is the code of the door?"))
    assert memory.read("SELECT count(*) FROM turns WHERE text LIKE '%code%'").rows == ((0,),)
    assert memory.expiring() == []


@pytest.mark.parametrize(
    ("expires", "moment"),
    [
        ("2999-12-04", "2999-12-05T00:00:00Z"),
        (date(2999, 12, 4), "2999-12-05T00:00:00Z"),
        ("2999-12", "3000-01-01T00:00:00Z"),
        ("2999-12-04T10:00+02:00", "2999-12-04T08:00:00Z"),
        (datetime(2999, 12, 4, 10, tzinfo=UTC), "2999-12-04T10:00:00Z"),
    ],
)
def test_a_date_counts_whole_and_a_time_is_exact(memory: Memory, expires: Any, moment: str) -> None:
    Settings(memory.store).set("timezone", "UTC")
    memory.add(Turn("Anna", CODE), expires=expires)
    assert [expiring.forget_after for expiring in memory.expiring()] == [moment]


def test_a_date_ends_when_the_day_ends_where_the_people_are(memory: Memory) -> None:
    Settings(memory.store).set("timezone", "Asia/Tokyo")
    memory.add(Turn("Anna", CODE), expires="2999-12-04")
    assert [expiring.forget_after for expiring in memory.expiring()] == ["2999-12-04T15:00:00Z"]


def test_a_length_of_time_counts_from_now(memory: Memory) -> None:
    for expires in ("90 minutes", "2 hours", timedelta(days=1), "1w"):
        memory.add(Turn("Anna", f"{expires}: {CODE}"), expires=expires)
    moments = [datetime.fromisoformat(each.forget_after) for each in memory.expiring()]
    assert moments == sorted(moments)
    assert datetime.now(UTC) < moments[0] < datetime.now(UTC) + timedelta(minutes=91)
    assert moments[3] > datetime.now(UTC) + timedelta(days=6)


@pytest.mark.parametrize("expires", ["soon", "2017-05-08", "0d", "-3d", "until Friday", "12"])
def test_what_is_no_moment_to_come_stores_nothing(memory: Memory, expires: str) -> None:
    with pytest.raises(InputError, match=r"forget|passed"):
        memory.add(Turn("Anna", CODE), expires=expires)
    assert texts(memory.store) == []


def test_an_expiry_is_set_later_undone_and_taken_back(memory: Memory, wait: Wait) -> None:
    ids = memory.add([("Anna", CODE), ("Anna", "I have a parrot."), ("Anna", "It is green.")])
    change = memory.expire([*ids], "1d")
    memory.store.undo(change.id)
    assert memory.expiring() == []
    memory.expire([*ids], "1d")
    memory.expire(ids[1], "never")
    wait(2 * DAY)
    assert texts(memory.store) == ["I have a parrot."]
    with pytest.raises(InputError, match="no turn 1"):
        memory.expire(1, "1d")


def test_undoing_brings_back_nothing_that_has_expired(memory: Memory, wait: Wait) -> None:
    [turn_id] = memory.add(Turn("Anna", CODE))
    change = memory.expire(turn_id, "1d")
    wait(2 * DAY)
    memory.store.undo(change.id)
    assert texts(memory.store) == []


def test_the_replies_that_quote_an_expired_turn_go_with_it(memory: Memory, wait: Wait) -> None:
    memory.add(Turn("Anna", CODE), expires="1d")
    memory.add({"role": "assistant", "content": f"Noted: {CODE}"})
    wait(2 * DAY)
    assert texts(memory.store) == []


NUMBERS = " x ".join(map(str, range(2100, 9999, 7)))
LOCKER = "Your locker is number 2100."


@pytest.mark.parametrize(
    "said",
    [
        # Before the question, between it and its answer, after it, and twice.
        [("Mallory", NUMBERS), ("Anna", "Which locker?"), ("Assistant", LOCKER)],
        [("Anna", "Which locker?"), ("Mallory", NUMBERS), ("Assistant", LOCKER)],
        [("Anna", "Which locker?"), ("Anna", NUMBERS), ("Assistant", LOCKER)],
        [("Anna", "Which locker?"), *[("Anna", NUMBERS)] * 2, ("Assistant", LOCKER)],
        [("Anna", "Which locker?"), ("Assistant", LOCKER), ("Mallory", NUMBERS)],
        [("Mallory", NUMBERS), ("Anna", "Thanks."), ("Tool", LOCKER), ("Assistant", LOCKER)],
    ],
)
def test_an_expiry_takes_no_reply_to_anyone_else(
    memory: Memory, wait: Wait, said: list[tuple[str, str]]
) -> None:
    """Who may write may say when a turn ends, which must not end what another said."""
    for speaker, text in said:
        expires = {"expires": "1d"} if text == NUMBERS else {}
        kind = "tool" if speaker == "Tool" else "message"
        memory.add(Turn(speaker, text, session="chat", kind=kind), **expires)
    wait(2 * DAY)
    assert texts(memory.store) == [text for _, text in said if text != NUMBERS]


def test_an_expiry_takes_a_bounded_number_of_replies(memory: Memory, wait: Wait) -> None:
    memory.add(Turn("Anna", CODE), expires="1d")
    memory.add([Turn("Assistant", f"{n}: {CODE}") for n in range(9)])
    wait(2 * DAY)
    assert texts(memory.store) == [f"{n}: {CODE}" for n in range(4, 9)]


def test_a_fact_expires_and_the_one_before_holds_again(memory: Memory, wait: Wait) -> None:
    memory.add(Turn("Anna", "I live in Oslo."))
    [oslo] = facts.facts_named(memory.store, "Anna", "lives_in", "")
    facts.edit(memory.store, oslo.id, "changed", value="Bergen", expires="30d")
    facts.add(memory.store, subject="Anna", attribute="guest", value="Ben", expires="2d")
    assert values(memory, "lives_in") == ["Bergen"]
    wait(3 * DAY)
    assert values(memory, "guest") == []
    wait(30 * DAY)
    assert values(memory, "lives_in") == ["Oslo"]
    with pytest.raises(InputError, match="only a new value expires"):
        facts.edit(memory.store, oslo.id, "is over", expires="1d")


def test_settings_say_how_long_sessions_tags_and_attributes_stay(
    memory: Memory, wait: Wait
) -> None:
    rules = {"session scratch": "1d", "tag kind=code": "2d", "attribute lives_in": "4d"}
    Settings(memory.store).set("expiry", rules)
    memory.add(Turn("Anna", "A note."), session="scratch")
    memory.add(Turn("Anna", "A note that stays."), session="scratch", expires="never")
    memory.add(Turn("Anna", CODE), tags={"kind": "code"})
    memory.add(Turn("Anna", "I live in Oslo."))
    memory.add(Turn("Anna", "I have a parrot."))
    for days, gone in ((1, "A note."), (1, CODE), (2, "I live in Oslo.")):
        assert gone in texts(memory.store)
        wait(days * DAY + 1)
        assert gone not in texts(memory.store)
    assert texts(memory.store) == ["A note that stays.", "I have a parrot."]


@pytest.mark.parametrize(
    "rules",
    [{"scratch": "1d"}, {"session scratch": "soon"}, {"tag kind": "1d"}, {"session ": "1d"}],
)
def test_a_rule_that_is_none_is_refused(memory: Memory, rules: dict[str, str]) -> None:
    with pytest.raises(InputError, match="write"):
        Settings(memory.store).set("expiry", rules)


def test_no_model_sets_the_expiry_of_what_it_did_not_store(memory: Memory) -> None:
    [turn_id] = memory.add(Turn("Anna", CODE))
    with pytest.raises(InputError, match="person"):
        refuse_of_person("expiry")
    with pytest.raises(InputError, match="forget_after"):
        set_tags(memory.store, [turn_id], {"forget_after": "1d"})
    with pytest.raises(InputError, match="forget_after"):
        remove_tags(memory.store, [turn_id], ["forget_after"])
    assert OPERATIONS["expire"].right == "forget"


def test_operations_set_and_list_what_expires(memory: Memory, wait: Wait) -> None:
    opened = OpenMemory(memory.store, "Anna", lambda store: memory)
    OPERATIONS["add_turn"].call(opened, {"text": CODE, "speaker": "Anna", "expires": "1d"})
    OPERATIONS["add_turn"].call(opened, {"text": "I have a parrot.", "speaker": "Anna"})
    OPERATIONS["add_fact"].call(
        opened, {"subject": "Anna", "attribute": "guest", "value": "Ben", "expires": "1d"}
    )
    OPERATIONS["expire"].call(opened, {"turn_ids": [2], "expires": "2d"})
    listed = OPERATIONS["expiring"].call(opened, {})["expiring"]
    assert [each["turn"]["id"] for each in listed] == [1, 3, 2]
    wait(1.5 * DAY)
    assert texts(memory.store) == ["I have a parrot."]


def test_an_agent_remembers_until_a_moment(memory: Memory, wait: Wait) -> None:
    from memory.operations.tools import memory_tools

    remember = next(tool for tool in memory_tools(memory) if tool.__name__ == "remember")
    remember(turns=[{"text": CODE, "speaker": "Anna", "expires": "1d"}])
    assert texts(memory.store) == [CODE]
    wait(1.5 * DAY)
    assert texts(memory.store) == []


def test_commands_add_list_and_set_what_expires(memory_options: list[str], wait: Wait) -> None:
    run("add", CODE, "--speaker", "Anna", "--expires", "1d", *memory_options)
    run("add", "I have a parrot.", "--speaker", "Anna", *memory_options)
    run("admin", "call", "expire", "--turn-ids", "2", "--expires", "3d", *memory_options)
    listed = json.loads(run("admin", "call", "expiring", *memory_options))["expiring"]
    assert [each["turn"]["id"] for each in listed] == [1, 2]
    wait(2 * DAY)
    assert "Quackenbusch77" not in run("search", "code of the door", *memory_options)
    assert "parrot" in run("search", "parrot", *memory_options)


def test_a_store_for_reading_shows_nothing_that_has_expired(address: str, wait: Wait) -> None:
    with open_store(address) as store:
        store.add([Turn("Anna", CODE, tags={FORGET_AFTER: "1d"}), Turn("Anna", "A parrot.")])
    wait(2 * DAY)
    with open_store(address, read_only=True) as store:
        assert texts(store) == ["A parrot."]


def test_a_tag_that_is_no_moment_lets_no_read_wait_for_a_writer(address: str) -> None:
    """An older version or another program may have written it."""
    with open_store(address) as store, open_store(address) as other:
        store.add([Turn("Anna", CODE)])
        with store.transaction() as conn:
            conn.insert_rows("tags", ("turn_id", "key", "value"), [(1, str(FORGET_AFTER), "1 day")])
        with other.transaction():
            assert texts(store) == [CODE]
        with open_store(address, read_only=True) as reader:
            assert texts(reader) == [CODE]


def test_an_export_carries_the_moment(memory: Memory, tmp_path: Path, wait: Wait) -> None:
    memory.add(Turn("Anna", CODE), expires="1d")
    memory.add(Turn("Anna", "I have a parrot."))
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(memory.store.dump())
        assert len(expiring_turns(copy)) == 1
        turns = memory.store.turns()
        wait(2 * DAY)
        assert texts(copy) == ["I have a parrot."]
    with open_store(tmp_path / "late.db") as late:
        late.add(turns)  # from an export of before
        assert texts(late) == ["I have a parrot."]


def test_the_next_open_overwrites_the_bytes_and_keeps_the_receipt(
    path: Path, wait: Wait, home_folder: Path
) -> None:
    with open_store(path) as store:
        store.add([Turn("Anna", CODE, tags={FORGET_AFTER: "1d"}), Turn("Anna", "A parrot.")])
        wait(2 * DAY)
        assert texts(store) == ["A parrot."]
        assert [receipt.turns for receipt in receipts_due(store)] == [(1,)]
    with open_store(path) as store:
        assert texts(store) == ["A parrot."]
        assert receipts_due(store) == []
    for file in path.parent.glob("anna.db*"):
        assert b"uackenbusch77" not in file.read_bytes()
    [receipt] = [json.loads(file.read_text()) for file in path.parent.glob(f"{RECEIPT}*.json")]
    assert receipt["turns"] == [1]


def test_a_worker_sees_that_something_has_expired(memory: Memory, wait: Wait) -> None:
    memory.add(Turn("Anna", CODE), expires="1d")
    assert not count_waiting(memory.store, 3).has_expired
    assert count_waiting(memory.store, 3).next_expiry


_DAYS = st.one_of(st.none(), st.integers(1, 9))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), _DAYS, st.just(0)),
        st.tuples(st.just("expire"), _DAYS, st.integers(0, 9)),
        st.tuples(st.just("undo"), st.none(), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("reopen"), st.none(), st.just(0)),
    ),
    min_size=1,
    max_size=14,
)


@pytest.mark.slow
@given(steps=_STEPS)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_at_every_moment_exactly_what_has_not_expired_is_there(
    database: str, steps: list[tuple[str, int | None, int]]
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        address = new_namespace() if database == "postgres" else f"{folder}/anna.db"
        real, day = time.time, 0
        patch.setattr(time, "time", lambda: real() + day * DAY + day)
        ends: dict[int, float] = {}  # turn -> the day on which it expires
        words: dict[int, str] = {}
        undoable: list[tuple[int, int, float]] = []
        store = open_store(address)
        for step, days, number in steps:
            end = inf if days is None else day + days
            there = [turn_id for turn_id, last in ends.items() if last > day]
            if step == "add":
                word = f"Quackenbusch{len(words)}zyl"
                tags = {FORGET_AFTER: f"{days}d"} if days else {}
                [turn_id] = store.add([Turn("Anna", f"The code is {word}.", tags=tags)])
                ends[turn_id], words[turn_id] = end, word
            elif step == "expire" and there:
                turn_id = there[number % len(there)]
                with suppress(InputError):  # it never expired before either
                    change = set_expiry(store, [turn_id], f"{days}d" if days else "never")
                    undoable.append((change.id, turn_id, ends[turn_id]))
                    ends[turn_id] = end
            elif step == "undo" and undoable:
                change_id, turn_id, before = undoable.pop()
                if turn_id in there and before > day:
                    store.undo(change_id)
                    ends[turn_id] = before
            elif step == "wait":
                day += days or 0
            elif step == "reopen":
                store.close()
                store = open_store(address)
            there = [turn_id for turn_id, last in ends.items() if last > day]
            assert [turn.id for turn in store.turns()] == there
            assert {hit.turn_id for hit in store.search("code", 50)} == {*there}
            planned = {each.turn.id for each in expiring_turns(store)}
            assert planned == {turn_id for turn_id in there if ends[turn_id] < inf}
        left = "\n".join(map(str, store.dump()))
        store.close()
        open_store(address).close()  # overwrites
        for turn_id, word in words.items():
            assert (word in left) == (turn_id in there)
            if database == "sqlite":
                files = b"".join(file.read_bytes() for file in Path(folder).glob("anna.db*"))
                assert (word.encode() in files) == (turn_id in there)


def test_a_clock_that_has_gone_back_shows_nothing_longer(
    memory: Memory, address: str, wait: Wait
) -> None:
    wait(365 * DAY)
    memory.add("It is raining.")
    assert texts(memory.store) == ["It is raining."]  # a look, a year ahead
    wait(-365 * DAY)
    with Memory(address, "local") as other:
        other.add(CODE, expires="1h")
        wait(2 * HOUR)
        assert texts(memory.store) == ["It is raining."]
