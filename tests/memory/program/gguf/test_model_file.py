"""A GGUF file as a model to run: what it says of itself, what is refused, what fits into memory."""

import os
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import InputError
from memory.models.gguf.files import packaged_gguf
from memory.models.gguf.model_file import ModelFile, context_of, read_model, threads
from tests.support.gguf_files import CHAT_MODEL, write_gguf


def test_a_file_says_its_context_its_parameters_and_what_a_token_takes(tmp_path: Path) -> None:
    model = read_model(write_gguf(tmp_path / "tiny.gguf", CHAT_MODEL, numbers=1000))
    assert (model.name, model.context_length, model.parameters) == ("Tiny", 4096, 1000)
    # 2 layers, 2 heads that are cached, 16 wide, keys and values, of 2 bytes each
    assert model.token_bytes == 2 * 2 * 16 * 2 * 2


def test_the_packaged_model_is_such_a_file() -> None:
    model = read_model(packaged_gguf())
    assert model.context_length == 8192
    assert round(model.parameters / 1e6, 1) == 134.5
    assert model.bytes == packaged_gguf().stat().st_size


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"general.type": "adapter"}, "it holds something else"),
        ({"general.architecture": None}, "it holds something else"),
        ({"general.architecture": "nomic-bert"}, "it makes vectors, not text"),
        ({"llama.pooling_type": 1}, "it makes vectors, not text"),
        ({"llama.context_length": None}, "how long its context is"),
        ({"tokenizer.ggml.model": None}, "no tokenizer"),
        ({"tokenizer.chat_template": None}, "no chat template"),
        ({"split.count": 3}, "one of 3 parts"),
    ],
)
def test_what_is_no_chat_model_is_refused_in_one_line(
    changed: Mapping[str, Any], why: str, tmp_path: Path
) -> None:
    file = write_gguf(tmp_path / "odd.gguf", {**CHAT_MODEL, **changed})
    with pytest.raises(InputError) as refused:
        read_model(file)
    assert why in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_file_that_is_missing_cut_or_something_else_is_refused(tmp_path: Path) -> None:
    for content, why in [
        (b"", "no GGUF file, or it is cut"),
        (b"hello" * 100, "no GGUF file, or it is cut"),
        (packaged_gguf().read_bytes()[:1000], "no GGUF file, or it is cut"),
        (packaged_gguf().read_bytes()[:-1000], "it is cut; copy or download it again"),
    ]:
        (tmp_path / "bad.gguf").write_bytes(content)
        with pytest.raises(InputError, match=why):
            read_model(tmp_path / "bad.gguf")
    with pytest.raises(InputError, match="No such file"):
        read_model(tmp_path / "none.gguf")
    with pytest.raises(InputError, match=r"is a folder; give the \.gguf file"):
        read_model(tmp_path)
    with pytest.raises(InputError, match="has no weights"):
        read_model(write_gguf(tmp_path / "empty.gguf", CHAT_MODEL, numbers=0))


@given(st.data())
def test_a_damaged_header_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = write_gguf(Path(folder) / "tiny.gguf", CHAT_MODEL)
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(content)
        with suppress(InputError):
            read_model(file)


MODEL = ModelFile(Path("m.gguf"), "m", 32_768, 1_500_000_000, 1_000_000_000, 100_000)


def test_the_context_is_that_of_the_file_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_GGUF_GB", "100")
    assert context_of(MODEL) == 8_192
    assert context_of(replace(MODEL, context_length=4_096)) == 4_096
    assert context_of(replace(MODEL, token_bytes=0)) == 8_192  # a header that says nothing of it
    monkeypatch.setenv("MEMORY_GGUF_CONTEXT", "20000")
    assert context_of(MODEL) == 20_000
    monkeypatch.setenv("MEMORY_GGUF_CONTEXT", "many")
    with pytest.raises(InputError, match="MEMORY_GGUF_CONTEXT is 'many'"):
        context_of(MODEL)


def test_the_context_shrinks_to_the_memory_and_is_refused_below_2048_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORY_GGUF_GB", "1.6")  # 1.0 of weights, .3 beside them, .3 of cache
    assert context_of(MODEL) == 3_000
    monkeypatch.setenv("MEMORY_GGUF_GB", "1.4")
    with pytest.raises(InputError, match=r"needs 1\.5 GB of memory, and 1\.4 GB may be used here"):
        context_of(MODEL)
    monkeypatch.setenv("MEMORY_GGUF_GB", "-1")
    with pytest.raises(InputError, match="give gigabytes"):
        context_of(MODEL)


def test_threads_are_the_cores_or_what_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads() >= 1
    monkeypatch.setenv("MEMORY_GGUF_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("MEMORY_GGUF_THREADS", "0")
    with pytest.raises(InputError, match="MEMORY_GGUF_THREADS"):
        threads()


def test_a_header_that_claims_more_than_there_is_takes_neither_memory_nor_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "large.gguf"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    a_long_text = head + struct.pack("<Q", 2**40)
    a_long_list = head + struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 4, 2**62)
    for content, length in ((a_long_text, 2**41), (a_long_list, 100)):
        path.write_bytes(content)
        os.truncate(path, length)  # of the first, no block but one is on the disk
        with pytest.raises(InputError, match="no GGUF file, or it is cut"):
            read_model(path)
