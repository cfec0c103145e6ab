"""Records on disk: every one survives a kill, and what cannot be gone on with says so."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from locomo.json_lines import JsonLines, append_whole
from memory import InputError


@dataclass(frozen=True)
class Visit:
    """A record of this test: where, and how many."""

    place: str
    guests: int


def visits(path: Path, resume: bool = True, made_by: str = "") -> JsonLines[str, Visit]:
    return JsonLines(path, Visit, key=lambda visit: visit.place, resume=resume, made_by=made_by)


@pytest.mark.parametrize("made_by", ["", "options"])
def test_records_are_on_disk_when_they_are_added_and_the_last_of_a_key_counts(
    tmp_path: Path, made_by: str
) -> None:
    lines = visits(tmp_path / "visits.jsonl", made_by=made_by)
    for visit in (Visit("Oslo", 1), Visit("Ba\u2028ri \ud83d", 2), Visit("Oslo", 3)):
        lines.add(visit)
        assert len(visits(tmp_path / "visits.jsonl", made_by=made_by).records) > 0
    again = visits(tmp_path / "visits.jsonl", made_by=made_by)
    assert list(again.records.values()) == [Visit("Oslo", 3), Visit("Ba\u2028ri ?", 2)]
    assert visits(tmp_path / "visits.jsonl", resume=False).records == {}


def test_a_record_after_a_line_that_a_kill_cut_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "visits.jsonl"
    visits(path).add(Visit("Oslo", 1))
    path.write_bytes(path.read_bytes() + '{"place": "Zü'.encode()[:-1])
    visits(path).add(Visit("Bari", 2))
    assert visits(path).records.keys() == {"Oslo", "Bari"}


def test_a_file_that_something_else_made_is_not_gone_on_with_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "visits.jsonl"
    visits(path, made_by="these options").add(Visit("Oslo", 1))
    before = path.read_bytes()
    with pytest.raises(InputError, match="comes from other options"):
        visits(path, made_by="those options")
    assert path.read_bytes() == before


def test_a_record_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    lines = visits(tmp_path / "visits.jsonl")
    (tmp_path / "visits.jsonl").unlink()
    (tmp_path / "visits.jsonl").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*visits\.jsonl"):
        lines.add(Visit("Oslo", 1))


def test_a_line_that_does_not_fit_the_disk_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "visits.jsonl"
    path.write_bytes(b"whole\n")
    usual = Path.open

    def full(self: Path, *arguments: Any) -> IO[Any]:
        with usual(self, "ab") as file:
            file.write(b"ha")
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            append_whole(path, b"half\n")
    assert path.read_bytes() == b"whole\n"
