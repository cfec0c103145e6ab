"""Exports that are written to fill the memory or the disk are refused by the limit's name."""

import gc
import json
import sqlite3
import tracemalloc
import weakref
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from memory import InputError
from memory.exchange import input_files, json_files, read_export
from memory.records import Skipped, Turn
from memory.system import bounded_json


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("line.jsonl", '{"speaker": "Anna", "text": "' + "a" * 3_000_000 + '"}\n'),
        ("value.json", '[{"speaker": "Anna", "text": "' + "a" * 3_000_000),
        ("cell.csv", "speaker,text\nAnna," + "a" * 3_000_000),
    ],
)
def test_a_line_or_value_that_is_too_long_is_refused(
    name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "LONGEST_VALUE", 2_000_000)
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match="2,000,000 characters"):
        list(read_export(path).items)


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b" " * 2_000_000)
    with pytest.raises(InputError, match="2,000,000 bytes"):
        read_export(path)


def test_a_database_with_a_view_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long_term_memory.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(
            "CREATE VIEW long_term_memory AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT"
            " i + 1 FROM n) SELECT i AS id, 'A' AS name, 'a' AS message, '2023' AS timestamp FROM n"
        )
    with pytest.raises(InputError, match="long_term_memory"):
        read_export(path)


def test_lines_on_the_border_of_two_pieces_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_files, "_CHUNK", 7)
    path = tmp_path / "lines.jsonl"
    texts = ["a" * n for n in range(1, 30)]
    path.write_text("\n".join(json.dumps({"speaker": "Anna", "text": text}) for text in texts))
    turns = [item for item in read_export(path).items if isinstance(item, Turn)]
    assert [turn.text for turn in turns] == texts


def telegram(messages: int, **more: object) -> dict[str, object]:
    """A chat of Telegram, with texts of about 100 characters."""
    said = [
        {
            "id": n,
            "type": "message",
            "date": "2025-07-11T15:36:11",
            "from": "Mino",
            "text": "a" * 99,
        }
        for n in range(messages)
    ]
    return {"name": "Mino", "type": "personal_chat", "id": 7, "messages": said, **more}


@pytest.mark.parametrize("is_of_all", [False, True])
def test_telegrams_chats_may_be_larger_than_a_value_and_are_not_held_in_memory(
    is_of_all: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "LONGEST_VALUE", 200_000)
    monkeypatch.setattr(input_files, "_CHUNK", 10_000)
    path = tmp_path / "result.json"
    chats = {"chats": {"about": "", "list": [telegram(2_000), telegram(2_000, id=8)]}}
    peaks = []
    for export in (chats if is_of_all else telegram(4_000), telegram(100)):
        path.write_text(json.dumps(export))
        tracemalloc.start()
        sources = {item.source for item in read_export(path).items if isinstance(item, Turn)}
        peaks.append(tracemalloc.get_traced_memory()[1] - 300 * len(sources))
        tracemalloc.stop()
        assert len(sources) in (4_000, 100)
    assert {source.split(":")[1] for source in sources} == {"7"}
    assert peaks[0] < peaks[1] + 200_000


@pytest.mark.parametrize("order", [("id", "name", "messages"), ("messages", "name", "id")])
def test_telegrams_chat_has_its_id_wherever_the_file_says_it(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    chat = telegram(2)
    chats = {"list": [{key: chat[key] for key in order}]}
    for number, export in enumerate([{"type": "a", **chats["list"][0]}, {"chats": chats}]):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(export))
        turns = [item for item in read_export(path).items if isinstance(item, Turn)]
        assert [turn.source for turn in turns] == ["telegram:7:0", "telegram:7:1"]
        assert {turn.session for turn in turns} == {"Mino 2025-07-11"}


def test_of_a_telegram_export_that_is_cut_off_what_is_there_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(telegram(50))[:5_000])
    items = list(read_export(path).items)
    assert len([item for item in items if isinstance(item, Turn)]) > 20
    assert isinstance(items[-1], Skipped)
    assert "cut off or damaged" in items[-1].why


@pytest.mark.parametrize(
    "content",
    [
        '[{"speaker": "Anna", "text": "a", %s}]',
        '{"guild": {}, "channel": {}, "messages": [], %s}',
        '{"speaker": "Anna", "text": "a", %s}\n',
    ],
)
def test_an_object_with_too_many_members_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content % ", ".join(f'"k{n}": 1' for n in range(bounded_json.MOST_MEMBERS + 1)))
    with pytest.raises(InputError, match="more than 100,000 members"):
        list(read_export(path).items)


def test_a_value_with_too_many_values_in_it_is_refused_and_its_text_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_json, "MOST_MARKS", 500_000)
    path = tmp_path / "lists.json"
    path.write_text('[{"title": "a", "mapping": {}, "a": [' + "{}," * 1_500_000 + "{}]}]")
    with pytest.raises(InputError, match="more than 500,000"):
        list(read_export(path).items)
    path.write_text('[{"speaker": "Anna", "text": "' + 'he said \\": and so on. ' * 300_000 + '"}]')
    assert len([item for item in read_export(path).items if isinstance(item, Turn)]) == 2


def test_the_list_of_an_archive_is_read_once_and_bounded_and_the_archive_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "slack.zip"
    message = '[{"type": "message", "user": "U1", "text": "hi", "ts": "1767261600.%06d"}]'
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(200):
            archive.writestr(f"general/{number}.json", message % number)
        archive.writestr("users.json", '[{"id": "U1", "name": "zoe"}]')
    archives: list[weakref.ref[zipfile.ZipFile]] = []
    read = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]

    def watched(archive: zipfile.ZipFile) -> None:
        archives.append(weakref.ref(archive))
        read(archive)

    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", watched)
    gc.disable()  # which would close it some time
    try:
        assert len(list(read_export(path).items)) == 200
        assert [archive() for archive in archives] == [None]
    finally:
        gc.enable()
    monkeypatch.setattr(input_files, "LONGEST_LIST", 1_000)
    with pytest.raises(InputError, match="more than 1,000"):
        read_export(path)


def test_an_archive_whose_small_files_unpack_to_far_more_than_it_is_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"general/{number}.json", b" " * 900_000)
    with pytest.raises(InputError, match="18,000,000 bytes"):
        read_export(path)
