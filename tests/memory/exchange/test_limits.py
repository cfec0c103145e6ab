"""Exports that are written to fill the memory or the disk are refused by the limit's name."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from memory import InputError
from memory.exchange import json_files, read_export
from memory.records import Turn


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
    with pytest.raises(InputError, match="line or value of more than 2,000,000 characters"):
        list(read_export(path).items)


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b" " * 2_000_000)
    with pytest.raises(InputError, match="unpacks to 2,000,000 bytes, more than 100 times"):
        read_export(path)


def test_a_database_with_a_view_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long_term_memory.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(
            "CREATE VIEW long_term_memory AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT"
            " i + 1 FROM n) SELECT i AS id, 'A' AS name, 'a' AS message, '2023' AS timestamp FROM n"
        )
    with pytest.raises(InputError, match=r"holds a view \(long_term_memory\), which may have no"):
        read_export(path)


def test_lines_on_the_border_of_two_pieces_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "_CHUNK", 7)
    path = tmp_path / "lines.jsonl"
    texts = ["a" * n for n in range(1, 30)]
    path.write_text("\n".join(json.dumps({"speaker": "Anna", "text": text}) for text in texts))
    turns = [item for item in read_export(path).items if isinstance(item, Turn)]
    assert [turn.text for turn in turns] == texts
