"""Embedders by name: each works on this machine, and a memory keeps to one."""

import shlex
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from memory import InputError, Memory, open_store
from memory.errors import ModelError
from memory.search import embed
from memory.search.embed import load_embedder
from tests.conftest import SAID
from tests.support.local_embedder import (
    SMALL,
    TALK,
    WIDE,
    Models,
    embedded_memory,
    loading,
    stored_columns,
)
from tests.support.tiny_models import save_tiny_bert

BOTH_STORES = "slow"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    with loading(monkeypatch) as loaded:
        yield loaded


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "gpt", "/x", "openai/small", "sentence-transformers/"])
def test_a_name_of_no_embedder_here_is_refused_before_a_file_is_made(path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not one of this machine"):
        load_embedder(name)
    if name:
        with pytest.raises(InputError, match="is not one of this machine"):
            open_store(path, embedder=name)
        assert not path.exists()


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="it is installed")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(InputError, match="uv sync --extra sentence-transformers"):
        load_embedder("sentence-transformers/all-MiniLM-L6-v2")


def test_a_local_model_is_asked_for_files_on_this_machine_only(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sentence_transformers.py").write_text(
        "class SentenceTransformer:\n"
        "    def __init__(self, name, local_files_only=False):\n"
        "        assert local_files_only\n"
        "        if name != '/models/tiny': raise OSError('not there')\n"
        "    def encode(self, texts, show_progress_bar):\n"
        "        return [[len(text), 2.0] for text in texts]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    with open_store(address, embedder="sentence-transformers//models/tiny") as store:
        assert store.search("cat", 1) == []
        store.add(SAID)
        assert store.search("cat", 1)[0].turn_id == 3
    for model, advice in {
        "other/tiny": "is not on this machine; .* hf download other/tiny$",
        "tiny": "is not on this machine; .* hf download sentence-transformers/tiny$",
        "/models/none": "there is no folder /models/none",
        str(tmp_path): "holds no model of sentence-transformers .not there.",
    }.items():
        with pytest.raises(ModelError, match=advice):
            load_embedder(f"sentence-transformers/{model}")(["a"])
    sys.modules.pop("sentence_transformers")  # monkeypatch would bring the stand-in back


@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="needs the extra")
def test_a_tiny_model_makes_the_vectors_of_a_memory(
    path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel

    save_tiny_bert(BertModel, tmp_path / "bert")
    folder = str(tmp_path / "tiny")
    SentenceTransformer(str(tmp_path / "bert"), device="cpu").save(folder)
    name = f"sentence-transformers/{folder}"
    with open_store(path) as store:
        store.add(SAID)
        capfd.readouterr()
        store.vectors.reembed(name)
    assert capfd.readouterr().err == ""  # no bar
    with open_store(path) as store:  # the memory knows its embedder
        assert store.vectors.embedder == name
        assert store.search("Anna cat", 3) != []
        with store.searched() as searched:
            assert searched is not None
            vector = searched.embed("Anna cat")
    expected = SentenceTransformer(folder, device="cpu").encode(["Anna cat"])[0]
    assert np.allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)

    (tmp_path / "nothing").mkdir()
    with pytest.raises(ModelError, match="sentence-transformers"):
        load_embedder(f"sentence-transformers/{tmp_path / 'nothing'}")(["a"])


# --- the memory's embedder ----------------------------------------------------------------------


def test_a_memory_goes_on_with_the_embedder_it_began_with(models: Models, address: str) -> None:
    embedded_memory(address, SMALL, SAID)
    with (
        open_store(address) as store,
        open_store(address, read_only=True, embedder=SMALL) as reading,
    ):
        assert store.vectors.embedder == reading.vectors.embedder == SMALL
        assert store.search("cat", 3) == reading.search("cat", 3) != []
        assert models.embedded[len(SAID) :] == ["cat", "cat"]


def test_another_embedder_is_refused_with_the_command_that_changes_it(
    models: Models, address: str, memory_options: list[str]
) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    for use in (
        lambda: open_store(address, embedder=SMALL),
        lambda: Memory(address, embedder=SMALL),
    ):
        with pytest.raises(InputError, match="not by sentence-transformers/small-16") as caught:
            use()
        command = shlex.join(["memory", "admin", "embed", *memory_options])
        assert f"{command} --embedder {SMALL}" in str(caught.value)
    with (
        open_store(address, embedder=embed.PACKAGED_EMBEDDER) as store,
        pytest.raises(InputError, match="wordllama, not sentence"),
    ):
        Memory(store, embedder=SMALL)


def test_of_two_who_begin_a_memory_the_second_is_refused(models: Models, address: str) -> None:
    with open_store(address, embedder=SMALL) as second:
        embedded_memory(address, WIDE)
        with pytest.raises(InputError, match="not by sentence-transformers/small-16"):
            second.add(SAID)
        assert len(second.turns()) == len(TALK)
    assert len(models.embedded) == len(TALK)


def test_vectors_of_another_width_are_refused(models: Models, address: str) -> None:
    embedded_memory(address, SMALL)
    before = stored_columns(address)
    models.width = 24
    with open_store(address) as store:
        for use in (lambda: store.add(SAID), lambda: store.search("cat")):
            with pytest.raises(ModelError, match="24 numbers"):
                use()
    assert stored_columns(address) == before
