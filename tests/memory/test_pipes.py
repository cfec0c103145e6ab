"""A named pipe in the place of a file is refused at once: whoever waits for it waits for ever."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memory import InputError
from memory.agents.connections import _content
from memory.evidence.ltm import load_config
from memory.exchange.importer import ExportFiles
from memory.exchange.imports import dump_records
from memory.exchange.ltm import EMBEDDINGS, vector_notes
from memory.exchange.transcripts import AGENTS, read_transcript
from memory.models.adapter_card import CARD, read_card
from memory.models.gguf.header import file_sha256, read_gguf
from memory.program.saved import load_program
from memory.store.sqlite.foreign_database import foreign_rows
from memory.system.files import write_whole
from memory.vocabulary.files import read_vocabulary

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes that are files")

READERS: dict[str, Callable[[Path], object]] = {
    "vocabulary.toml": read_vocabulary,
    "vocabulary.json": read_vocabulary,
    "program.json": load_program,
    "model.gguf": read_gguf,
    "fetched.gguf": file_sha256,
    CARD: lambda path: read_card(path.parent),
    "ltm_config.json": load_config,
    "dump.jsonl": lambda path: list(dump_records(path)),
    "transcript.jsonl": lambda path: read_transcript(AGENTS["claude-code"], path),
    "extension.db": lambda path: list(foreign_rows(path, "SELECT 1")),
    "settings.json": _content,
}


def error_of(read: Callable[[Path], object], pipe: Path) -> BaseException | None:
    """What a reader raises, within a time; one that waits for the pipe is let go."""
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(read, pipe)
        try:
            return future.exception(timeout=30)
        finally:
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_no_file(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    error = error_of(READERS[name], tmp_path / name)
    assert isinstance(error, InputError)
    assert str(error).splitlines() == [f"{tmp_path / name}: no regular file"]


def test_a_pipe_beside_a_database_of_the_extension_is_a_broken_vector_file(tmp_path: Path) -> None:
    (tmp_path / EMBEDDINGS).mkdir()
    pipe = tmp_path / EMBEDDINGS / ".zarray"
    os.mkfifo(pipe)
    export = ExportFiles(tmp_path / "ltm.db")
    export.path.touch()
    notes: list[str] = []
    assert error_of(lambda _: notes.extend(vector_notes(export, 1)), pipe) is None
    assert "is broken" in notes[0]


def test_no_file_takes_the_place_of_a_pipe_or_a_device(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.csv", tmp_path / "link.csv"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, link, Path("/dev/no-file-of-this-name")):  # no real one: root might lose it
        with pytest.raises(InputError, match="no regular file"):
            write_whole(path, b"text")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert not list(tmp_path.glob(".*"))
