"""A time keeps its offset from UTC at every door; the setting `timezone` is for times without one.

"Yesterday" is the day before the speaker's own day: at eight in the morning in Tokyo, where it is
still the day before in UTC, as well.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from memory import Memory, Turn, open_store
from memory.__main__ import app
from memory.errors import InputError
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import create, existing
from memory.store.turns.turn_validation import local_now
from memory.text.written_dates import clean_date, in_zone
from tests.support.mcp_clients import text_of, use
from tests.support.page_client import page_client
from tests.support.scripted import scripted_model
from tests.support.serving import serving, token

TEXT = "I moved to Bergen yesterday."
IN_TOKYO = "2024-05-02T08:00:00+09:00"
IN_UTC = "2024-05-01T23:00:00Z"
EPOCH = 1714604400  # the same moment, since 1970


def by_sdk(said_at: str, folder: Path) -> None:
    with Memory(existing("anna"), model=scripted_model([])) as memory:
        memory.add(TEXT, said_at=datetime.fromisoformat(said_at))


def by_command(said_at: str, folder: Path) -> None:
    told = ["add", TEXT, "--speaker", "Anna", "--said-at", said_at, "-n", "anna"]
    assert CliRunner().invoke(app, told).exit_code == 0


def _imported(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    assert CliRunner().invoke(app, ["import", str(file), "-n", "anna"]).exit_code == 0


def by_table(said_at: str, folder: Path) -> None:
    _imported(folder / "a.csv", f"speaker,text,said_at\nAnna,{TEXT},{said_at}\n")


def by_json_lines(said_at: str, folder: Path) -> None:
    line = {"speaker": "Anna", "text": TEXT, "said_at": said_at}
    _imported(folder / "a.jsonl", json.dumps(line) + "\n")


def by_messages(said_at: str, folder: Path) -> None:
    message = {"role": "user", "content": TEXT, "timestamp": said_at}
    _imported(folder / "a.json", json.dumps([{"messages": [message]}]))


def by_json_api(said_at: str, folder: Path) -> None:
    with serving(scripted_model([]), signed_in=False) as client:
        new = {"text": TEXT, "speaker": "Anna", "said_at": said_at}
        told = client.post("/api/anna/turns", json=new, headers=token("anna"))
    assert told.status_code == 200


def by_mcp(said_at: str, folder: Path) -> None:
    handles = Handles(scripted_model([]))
    try:
        turns = [{"text": TEXT, "speaker": "Anna"}]
        use(
            mcp_server(handles, "anna"),
            lambda client: text_of(client, "remember", turns=turns, said_at=said_at),
        )
    finally:
        handles.close()


def by_page(said_at: str, folder: Path) -> None:
    with page_client() as client:
        new = {"speaker": "Anna", "text": TEXT, "said_at": said_at}
        client.post("/m/anna/turns", data=new)


DOORS: list[Callable[[str, Path], None]] = [
    *(by_sdk, by_command, by_table, by_json_lines, by_messages, by_json_api, by_mcp, by_page)
]


@pytest.fixture
def memory_of_anna(home: str) -> str:
    with open_store(create("anna")) as store:
        Settings(store).set("user", "Anna")
    return home


def stored() -> tuple[str, str]:
    """When the only turn was said, and the day that its fact gives."""
    with open_store(existing("anna"), read_only=True) as store:
        [turn] = store.turns()
        [fact] = [fact for fact in store.facts() if fact.attribute == "lives_in"]
    return turn.said_at, fact.happened_on


@pytest.mark.few(3)
@pytest.mark.parametrize("tell", DOORS)
def test_an_offset_is_kept(
    memory_of_anna: str, tmp_path: Path, tell: Callable[[str, Path], None]
) -> None:
    tell(IN_TOKYO, tmp_path)
    assert stored() == (IN_TOKYO, "2024-05-01")


@pytest.mark.few(4)
@pytest.mark.parametrize("tell", DOORS)
@pytest.mark.parametrize("said_at", [IN_UTC, "2024-05-02T08:00:00"])
def test_the_setting_gives_a_zone_to_times_in_utc_and_to_those_without_one(
    memory_of_anna: str, tmp_path: Path, tell: Callable[[str, Path], None], said_at: str
) -> None:
    with open_store(existing("anna")) as store:
        Settings(store).set("timezone", "Asia/Tokyo")
    tell(said_at, tmp_path)
    assert stored() == (IN_TOKYO, "2024-05-01")


def test_an_import_gives_the_zone_to_a_new_memory(home: str, tmp_path: Path) -> None:
    message = {
        "id": "m1",
        "author": {"role": "user"},
        "create_time": float(EPOCH),
        "content": {"content_type": "text", "parts": [TEXT]},
    }
    nodes = {
        "root": {"id": "root", "parent": None, "children": ["m1"], "message": None},
        "m1": {"id": "m1", "parent": "root", "children": [], "message": message},
    }
    chat = {"title": "Moving", "create_time": EPOCH, "mapping": nodes, "current_node": "m1"}
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([{**chat, "conversation_id": "c1"}]), "utf-8")
    told = ["import", str(file), "--speaker", "Anna", "-n", "anna"]
    refused = CliRunner().invoke(app, [*told, "--timezone", "Mars"])
    assert "'Mars' is no time zone" in str(refused.exception)
    assert CliRunner().invoke(app, [*told, "--timezone", "Asia/Tokyo"]).exit_code == 0
    assert stored() == (IN_TOKYO, "2024-05-01")
    with open_store(existing("anna"), read_only=True) as store:
        assert Settings(store).get("timezone") == "Asia/Tokyo"


def test_a_zone_that_is_none_is_refused_and_one_in_a_file_changes_nothing(
    memory_of_anna: str,
) -> None:
    with open_store(existing("anna")) as store:
        for name in ("Mars/Olympus", "../etc/passwd", "America", ""):
            with pytest.raises(InputError, match="no time zone"):
                Settings(store).set("timezone", name)
        set_setting(store, "timezone", ["Mars"])
        store.add([Turn("Anna", "Hello.", said_at=IN_UTC)])
        Settings(store).set("timezone", None)
        store.add([Turn("Anna", "Hello again.", said_at=IN_UTC)])
        assert [turn.said_at for turn in store.turns()] == [IN_UTC, IN_UTC]


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),
    st.sampled_from([None, *range(-12 * 60, 14 * 60 + 1, 30)]),
    st.sampled_from(["Asia/Tokyo", "America/New_York", "Europe/London", "UTC"]),
)
def test_a_zone_changes_how_a_moment_is_told_and_not_when_it_was(
    moment: datetime, offset: int | None, name: str
) -> None:
    zone = ZoneInfo(name)
    moment = moment.replace(microsecond=0)
    given = moment if offset is None else moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    told = datetime.fromisoformat(in_zone(given.isoformat(), zone))
    if offset is None:
        assert told.replace(tzinfo=None) == moment
        assert told.utcoffset() == moment.replace(tzinfo=zone).utcoffset()
        return
    assert told == given
    assert told.utcoffset() == (given.astimezone(zone) if offset == 0 else given).utcoffset()
    assert in_zone(told.isoformat(), zone) == clean_date(told.isoformat())


@pytest.mark.parametrize("said_at", ["", "2024", "2024-05", "2024-05-02", "one May evening"])
def test_what_has_no_time_is_in_no_zone(said_at: str) -> None:
    assert in_zone(said_at, ZoneInfo("Asia/Tokyo")) == said_at


def test_a_zone_a_day_away_from_utc_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """POSIX lets TZ name one, and Python's times have none."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "<-25>25")
        time.tzset()
        moment = datetime.fromisoformat(local_now())
    time.tzset()
    assert moment.utcoffset() == timedelta(0)
    assert abs((moment - datetime.now(moment.tzinfo)).total_seconds()) < 600
