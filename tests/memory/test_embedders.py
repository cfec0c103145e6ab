"""Embedders by name: a provider's answers are checked, and a memory keeps to one embedder."""

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
from memory.system import counting_loop
from tests.conftest import SAID
from tests.support.embedding_server import (
    KEY,
    SMALL,
    TALK,
    WIDE,
    Server,
    embedded_memory,
    error,
    serving,
    stored_columns,
    vector,
)
from tests.support.tiny_models import save_tiny_bert

BOTH_STORES = "slow"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as served:
        yield served


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "gpt", "/x", "openai/", "sentence-transformers/"])
def test_a_name_without_provider_or_model_is_refused_before_a_file_is_made(
    path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="names no provider"):
        load_embedder(name)
    if name:
        with pytest.raises(InputError, match="names no provider"):
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


# --- a provider's model -------------------------------------------------------------------------


def test_vectors_are_unit_rows_in_the_order_of_the_texts(server: Server) -> None:
    texts = [*(f"text {n}" for n in range(200)), "", " \n", "x \ud800"]
    rows = load_embedder(SMALL)(texts)
    expected = np.array([vector(text, 16) for text in texts[:200]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(rows[:200], expected, atol=1e-6)
    assert (rows.shape, rows.dtype) == ((203, 16), np.float32)
    assert not rows[200:202].any()
    assert sum(server.requests) == 201
    assert max(server.requests) <= 96


def test_a_text_beyond_the_limit_is_cut_not_refused(server: Server) -> None:
    load_embedder(SMALL)(["word " * 20_000])
    assert 30_000 < len(server.paid[0]) < 50_000


@pytest.mark.parametrize(
    "failure",
    [
        (429, error("rate_limit")),
        (503, error("busy")),
        pytest.param((500, error("boom")), marks=pytest.mark.slow),
        pytest.param(None, marks=pytest.mark.slow),
    ],
)
def test_what_passes_is_tried_again(server: Server, failure: tuple[int, object] | None) -> None:
    server.plan = [failure] * 4  # the client beneath tries twice more by itself
    assert load_embedder(SMALL)(["hello"]).shape == (1, 16)


def test_a_server_that_asks_for_a_long_wait_is_not_waited_for(server: Server) -> None:
    server.plan = [(429, error("rate_limit"))] * 50
    server.retry_after = "100000"
    with pytest.raises(ModelError, match=r"^openai/small-16 asks to wait 100,000 seconds$"):
        load_embedder(SMALL)(["hello"])
    server.retry_after = "9" * 5_000
    with pytest.raises(ModelError, match=r"asks to wait 999,999,999,999 seconds"):
        load_embedder(SMALL)(["hello"])


def row(*numbers: float, index: int = 0) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": numbers}


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (401, error("invalid_api_key", f"Incorrect API key: {KEY}"), "check OPENAI_API_KEY"),
        (404, error("model_not_found", "no such model"), "does not exist at .*no such model"),
        (400, error("bad", f"not with {KEY}\nand so on"), r"gave no vectors \(not with \*\*\*"),
        (200, b"garbage", "gave no vectors"),
        (200, {}, "something else than vectors"),
        (200, {"data": []}, "answered 2 texts with 0 vectors"),
        (200, {"data": [row(1.0, 0.0)]}, "answered 2 texts with 1 vectors"),
        (200, {"data": [row(1.0, 0.0), row(1.0, index=1)]}, "something else"),
        (200, {"data": [row(), row(index=1)]}, "something else"),
        (200, {"data": [row(1.0), row(float("nan"), index=1)]}, "no finite numbers"),
        (429, error("rate_limit"), "still limits the rate"),
    ],
)
def test_a_wrong_answer_is_one_line_without_the_key(
    server: Server, status: int, body: object, complaint: str
) -> None:
    server.plan = [(status, body)] * 50
    with pytest.raises(ModelError, match=complaint) as caught:
        load_embedder(SMALL)(["one", "two"])
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.requests) <= 3 * (embed.REQUEST_RETRIES + 1)


def test_an_answer_without_end_is_ended(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_loop, "MOST_BYTES", 2**20)
    server.plan = [(200, b" " * 2**23)]
    with pytest.raises(ModelError, match=r"sent more than \d+ MB for one answer"):
        load_embedder(SMALL)(["hello"])
    assert len(server.requests) == 1
    assert load_embedder(SMALL)(["hello"]).shape == (1, 16)


def test_vectors_come_unpacked_so_that_many_have_room(server: Server) -> None:
    """A packed answer is taken for the largest that it can become."""
    texts = [f"text {number}" for number in range(32)]
    server.packs = lambda accepted: "gzip" in accepted
    assert load_embedder("openai/many-1024")(texts).shape == (32, 1024)
    server.packs = lambda _: True
    with pytest.raises(ModelError, match="sent more than 64 MB"):
        load_embedder("openai/many-1024")(texts)


def test_a_server_that_does_not_answer_in_time_is_left(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_embedder(SMALL)(["warm"])
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.3")
    server.slow_s = 8.0  # a test that waits for it fails: the answer is a good one
    with pytest.raises(ModelError, match=r"0\.3 seconds"):
        load_embedder(SMALL)(["hello"])


def test_a_missing_key_is_named_and_nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="needs a key: set OPENAI_API_KEY"):
        load_embedder(SMALL)(["hello"])


# --- the memory's embedder ----------------------------------------------------------------------


def test_a_memory_goes_on_with_the_embedder_it_began_with(server: Server, address: str) -> None:
    embedded_memory(address, SMALL, SAID)
    with (
        open_store(address) as store,
        open_store(address, read_only=True, embedder=SMALL) as reading,
    ):
        assert store.vectors.embedder == reading.vectors.embedder == SMALL
        assert store.search("cat", 3) == reading.search("cat", 3) != []
        assert server.paid[len(SAID) :] == ["cat", "cat"]
        assert store.search(" \n", 1) != []  # a blank is not paid


def test_another_embedder_is_refused_with_the_command_that_changes_it(
    address: str, memory_options: list[str]
) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    for use in (
        lambda: open_store(address, embedder=SMALL),
        lambda: Memory(address, embedder=SMALL),
    ):
        with pytest.raises(InputError, match="not by openai/small-16") as caught:
            use()
        command = shlex.join(["memory", "admin", "embed", *memory_options])
        assert f"{command} --embedder {SMALL}" in str(caught.value)
    with (
        open_store(address, embedder=embed.PACKAGED_EMBEDDER) as store,
        pytest.raises(InputError, match="wordllama, not openai"),
    ):
        Memory(store, embedder=SMALL)


def test_of_two_who_begin_a_memory_the_second_is_refused(server: Server, address: str) -> None:
    with open_store(address, embedder=SMALL) as second:
        embedded_memory(address, WIDE)
        with pytest.raises(InputError, match="not by openai/small-16"):
            second.add(SAID)
        assert len(second.turns()) == len(TALK)
    assert len(server.paid) == len(TALK)


def test_vectors_of_another_width_are_refused(server: Server, address: str) -> None:
    embedded_memory(address, SMALL)
    before = stored_columns(address)
    server.width = 24
    with open_store(address) as store:
        store.add(SAID)  # these turns wait
        with pytest.raises(ModelError, match="24 numbers"):
            store.search("cat")
    assert stored_columns(address) == before
