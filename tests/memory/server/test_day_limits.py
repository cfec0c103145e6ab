"""Limits of a day for each user: turns, characters, calls and tokens, the same in every process."""

import asyncio
import os
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dspy
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.errors import StoreError
from memory.server.day_limits import (
    DayLimitError,
    DayLimits,
    DayMeter,
    current_user,
    open_day_usage,
)
from memory.server.handles import Handles
from memory.server.tokens import Grant, Tokens
from memory.store import Store
from memory.store.configuration.day_usage import UNBOUNDED, FileDayUsage, Usage
from memory.store.namespaces import create
from memory.system.home import home, home_address
from tests.support.mcp_clients import text_of, use
from tests.support.scripted import answer, scripted_model, sql
from tests.support.server_process import server_process
from tests.support.serving import serving, token

BOTH_STORES = "slow"
DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def ben(home: str) -> None:
    """A second memory beside anna's."""
    with open_store(create("ben")):
        pass


def add(client: TestClient, bearer: dict[str, str], *texts: str, name: str = "anna") -> Any:
    body = {"turns": [{"text": text} for text in texts]}
    return client.post(f"/api/{name}/turns/batch", json=body, headers=bearer)


def turns(client: TestClient, bearer: dict[str, str], name: str = "anna") -> int:
    return len(client.get(f"/api/{name}/turns", headers=bearer).json()["turns"])


def test_turns_beyond_a_day_are_refused_with_the_seconds_to_wait() -> None:
    with serving(signed_in=False, day_limits=DayLimits(turns=3)) as client:
        anna, ben = token("anna"), token("ben")
        before = turns(client, anna)
        assert add(client, anna, "One.").status_code == 200
        refused = add(client, anna, "Two.", "Three.", "Four.")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= DAY_SECONDS + 1
        error = refused.json()["error"]
        assert error["kind"] == "DayLimit"
        assert re.fullmatch(
            r"the limit of a day is 3 turns: 1 are used, and this has 3;"
            r" try again after 00:00 UTC, in \d+ h \d+ min",
            error["message"],
        )
        assert turns(client, anna) == before + 1, "all of them or none"
        assert add(client, anna, "Two.", "Three.").status_code == 200
        assert add(client, anna, "Four.").status_code == 429
        # A fact without a turn stores one.
        fact = {"subject": "Anna", "attribute": "plays", "value": "chess"}
        assert client.post("/api/anna/facts", json=fact, headers=anna).status_code == 429
        # Reading goes on, and others are not concerned.
        assert client.get("/api/anna/search?query=cat", headers=anna).status_code == 200
        assert add(client, ben, "One.", name="ben").status_code == 200


def test_characters_are_limited_and_turns_known_already_are_taken_back() -> None:
    with serving(signed_in=False, day_limits=DayLimits(characters=14)) as client:
        anna = token("anna")
        for _ in range(3):  # the same source: stored once
            new = {"text": "Six...", "source": "s1"}
            assert client.post("/api/anna/turns", json=new, headers=anna).status_code == 200
        assert add(client, anna, "Nine.....").status_code == 429
        assert add(client, anna, "Eight...").status_code == 200


def test_all_tokens_of_one_memory_are_one_user() -> None:
    made = [
        Grant("phone", ("anna",), ("write",)),
        Grant("laptop", ("anna",), ("read",), made_by="phone"),
    ]
    assert {grant.user for grant in made} == {"memory anna"}
    application = Grant("app", ("*",), ("write",))
    replaced = Grant("app (replaced)", ("*",), ("write",))
    both = Grant("both", ("anna", "ben"), ("write",))
    assert application.user == replaced.user == "token app"
    assert both.user == "token both"
    with serving(signed_in=False, day_limits=DayLimits(turns=1)) as client:
        assert add(client, token("anna"), "One.").status_code == 200
        assert add(client, token("anna"), "Two.").status_code == 429
        assert add(client, token("anna", "ben"), "One.").status_code == 200


def test_the_page_has_no_limits_of_a_day() -> None:
    with serving(day_limits=DayLimits(turns=1, calls=1)) as client:
        for number in range(3):
            said = {"text": f"Line {number}.", "speaker": "Anna"}
            added = client.post(
                "/m/anna/turns", data=said, headers={"sec-fetch-site": "same-origin"}
            )
            assert added.status_code in (200, 303)


def test_questions_beyond_a_days_calls_are_refused() -> None:
    script = [([], sql("SELECT 1 AS n")), ([], answer("Oslo", "1"))]
    question = {"question": "Where does Anna live?"}
    with serving(scripted_model(script), signed_in=False, day_limits=DayLimits(calls=2)) as client:
        anna = token("anna")
        assert client.post("/api/anna/ask", json=question, headers=anna).status_code == 200
        refused = client.post("/api/anna/ask", json=question, headers=anna)
        assert refused.status_code == 429
        assert "2 model calls: 2 are used;" in refused.json()["error"]["message"]
        assert client.get("/api/anna/export", headers=anna).status_code == 200, "asks no model"


def test_tokens_of_models_count_once_they_are_known() -> None:
    handles = Handles(scripted_model([]), day_limits=DayLimits(tokens=100))

    def ask(store: Store) -> None:
        handles.memory_of(store)
        usage = {"prompt_tokens": 70, "completion_tokens": 5}
        dspy.settings.usage_tracker.add_usage("model", usage)

    async def work() -> None:
        current_user.set("memory anna")
        for _ in range(2):  # what is under way is finished
            await handles.run_slow_on_store("anna", ask)
        with pytest.raises(DayLimitError, match="100 tokens of models: 150 are used"):
            await handles.run_slow_on_store("anna", ask)

    asyncio.run(work())
    handles.close()
    assert open_day_usage().of_all() == {"memory anna": Usage(calls=2, tokens=150)}


def test_what_is_being_counted_meanwhile_counts_once() -> None:
    class Slow(FileDayUsage):
        def count(self, user: str, more: Usage, most_before: Usage = UNBOUNDED) -> bool:
            if most_before != UNBOUNDED:  # the bill of the question before has come by then
                meter._background.submit(lambda: None).result()
            return super().count(user, more, most_before)

    meter = DayMeter(DayLimits(tokens=100), Slow(home() / "used"))
    current_user.set("memory anna")
    for _ in range(2):  # 75 tokens are fewer than 100
        with meter.asking() as bill:
            meter.begin_asking()
            bill.calls, bill.tokens = 1, 75
    with pytest.raises(DayLimitError, match="150 are used"), meter.asking():
        meter.begin_asking()
    meter.close()


def test_what_fails_is_not_counted() -> None:
    handles = Handles(scripted_model([]), day_limits=DayLimits(turns=5, calls=5))

    def fail(store: Store) -> None:
        handles.memory_of(store)
        with handles.adding([Turn("Anna", "One."), Turn("Anna", "Two.")]):
            store.add([Turn("Anna", "One.")])
            raise ArithmeticError

    async def work() -> None:
        current_user.set("memory anna")
        with pytest.raises(ArithmeticError):
            await handles.run_slow_on_store("anna", fail)

    asyncio.run(work())
    handles.close()
    assert open_day_usage().of_all() == {"memory anna": Usage(turns=1, characters=4)}


def test_two_servers_of_the_same_memories_agree() -> None:
    with ExitStack() as servers:
        first, second = (
            servers.enter_context(serving(signed_in=False, day_limits=DayLimits(turns=3)))
            for _ in range(2)
        )
        anna = token("anna")
        assert add(first, anna, "One.", "Two.").status_code == 200
        assert add(second, anna, "Three.", "Four.").status_code == 429
        assert add(second, anna, "Three.").status_code == 200
        assert add(first, anna, "Four.").status_code == 429


def test_the_first_count_waits_for_others_that_begin_too(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    class LockedOnce(sqlite3.Connection):
        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
            if sql == "PRAGMA journal_mode = WAL" and not refused:
                # As SQLite does, at once, where two connections change the mode.
                refused.append(sqlite3.OperationalError("database is locked"))
                refused[0].sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise refused[0]
            return super().execute(sql, *arguments)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=LockedOnce))
    usage = FileDayUsage(home() / "used")
    assert usage.count("memory anna", Usage(turns=1))
    usage.close()
    assert refused


def test_a_limit_is_not_passed_by_many_at_the_same_moment() -> None:
    meters = [DayMeter(DayLimits(turns=7), open_day_usage()) for _ in range(2)]

    def add_one(number: int) -> bool:
        current_user.set("memory anna")
        turn = Turn("Anna", "One.")
        try:
            with meters[number % 2].adding([turn]) as stored:
                stored.append(turn)
        except DayLimitError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        admitted = [*threads.map(add_one, range(40))]
    for meter in meters:
        meter.close()
    assert sum(admitted) == 7
    assert open_day_usage().of_user("memory anna").turns == 7


@pytest.fixture
def set_today(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the day that counts are of."""
    modules = ["memory.store.configuration.day_usage"]
    if home_address():
        modules.append("memory.store.postgres.day_usage")

    def set_today(day: str) -> None:
        for module in modules:
            monkeypatch.setattr(f"{module}.today", lambda: day)

    return set_today


def test_the_next_day_begins_at_nothing(set_today: Callable[[str], None]) -> None:
    set_today("2026-01-01")
    usage = open_day_usage()
    assert usage.count("memory anna", Usage(turns=2), Usage(2**62, 0, 0, 0))
    assert not usage.count("memory anna", Usage(turns=1), Usage(turns=1))
    set_today("2026-01-02")
    assert usage.of_all() == {}
    assert usage.count("memory anna", Usage(turns=1))
    usage.close()


def test_a_clock_that_goes_back_finds_the_counts_of_that_day(
    set_today: Callable[[str], None],
) -> None:
    set_today("2026-01-05")
    usage = open_day_usage()
    two, most = Usage(turns=2), replace(UNBOUNDED, turns=0)
    for day in ("2026-01-05", "2200-01-01", "1970-01-01"):
        set_today(day)
        assert usage.count("memory anna", two, most)
        assert not usage.count("memory anna", two, most)
    set_today("2026-01-05")
    assert not usage.count("memory anna", two, most), "this day's turns are used"

    for number in range(6, 20):
        set_today(f"2026-01-{number:02}")
        assert usage.count("memory anna", two, most)
    set_today("2026-01-05")
    assert usage.of_all() == {}, "days that are long over are gone"
    usage.close()


def _write_text(path: Path) -> None:
    path.write_text("no database " * 1000)


def _damage_pages(path: Path) -> None:
    usage = FileDayUsage(path)
    for number in range(300):
        usage.count(f"user {number}", Usage(turns=1))
    usage.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"x" * (len(content) - 4096))


def _write_other_columns(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE used (day, name)")


def _write_other_values(path: Path) -> None:
    usage = FileDayUsage(path)
    usage.count("memory anna", Usage(turns=1))
    usage.close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE used SET turns = 'many'")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "damage",
    [
        _write_text,
        _damage_pages,
        _write_other_columns,
        _write_other_values,
        pytest.param(
            lambda path: os.mkfifo(path),
            id="pipe",
            marks=pytest.mark.skipif(os.name != "posix", reason="pipes that are files"),
        ),
    ],
)
def test_counts_that_cannot_be_read_admit_nobody_until_the_file_is_gone(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "used-today"
    damage(path)
    usage = FileDayUsage(path)
    for _ in range(2):
        with pytest.raises(StoreError, match="delete this, and they begin anew"):
            usage.count("memory anna", Usage(turns=1), UNBOUNDED)
    for file in tmp_path.glob("used-today*"):
        file.unlink()
    assert usage.count("memory anna", Usage(turns=1), Usage())
    assert not usage.count("memory anna", Usage(turns=1), Usage())
    usage.close()


def test_metrics_show_what_is_used_and_refused() -> None:
    with serving(signed_in=False, day_limits=DayLimits(turns=2, tokens=50)) as client:
        anna, ben = token("anna"), token("ben")
        numbers = token("*", rights="metrics")
        add(client, anna, "One.", "Two.")
        add(client, ben, "One.", name="ben")
        before = client.get("/metrics", headers=numbers).text
        assert add(client, anna, "Three.").status_code == 429
        text = client.get("/metrics", headers=numbers).text
    assert 'memory_day_used{limit="turns"} 3.0' in text
    assert 'memory_day_used{limit="tokens"} 0.0' in text
    assert 'memory_day_users{limit="turns",share="some"} 2.0' in text
    assert 'memory_day_users{limit="turns",share="all"} 1.0' in text
    line = r'memory_day_refused_total{limit="turns"} (\S+)'
    refused = [float((re.findall(line, each) or ["0"])[0]) for each in (before, text)]
    assert refused[1] - refused[0] == 1
    assert "anna" not in text


@pytest.mark.slow
def test_a_tool_of_an_agent_says_what_the_limit_is(tmp_path: Path) -> None:
    bearer = Tokens().create("agent", ["anna"], ["read", "write"])
    line = ["memory", "serve", "--port", "0", "--turns-a-day", "1"]
    with server_process(tmp_path / "log", *line) as server:

        async def work(client: Client) -> tuple[str, str]:
            first = await text_of(client, "remember", turns=[{"text": "Tea at four."}])
            return first, await text_of(client, "remember", turns=[{"text": "Tea at five."}])

        headers = {"authorization": f"Bearer {bearer}"}
        connection = streamable_http_client(
            f"{server.address}/mcp/anna",
            http_client=httpx2.AsyncClient(headers=headers, timeout=60),
        )
        first, second = use(connection, work)
    assert first.startswith("Remembered")
    assert "error: " in second
    assert "the limit of a day is 1 turns: 1 are used" in second
