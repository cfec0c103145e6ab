"""Rerankers by name: another order of the best turns, and the ranking's own when they fail."""

import logging
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from memory import InputError, Memory, Store, Turn, memory_tools, open_store
from memory.errors import ModelError
from memory.search import rerank
from memory.search.rerank import RERANKED_TURNS, Reranker, load_reranker
from memory.system import counting_loop
from tests.conftest import SAID
from tests.support.embedding_server import KEY, error
from tests.support.reranking_server import PROVIDERS, RerankingServer, reranking
from tests.support.scripted import answer, scripted_model, sql
from tests.support.tiny_models import save_tiny_bert

BOTH_STORES = "slow"

QUESTION = "Which cat does Anna have?"
COHERE = "cohere/rerank-v3.5"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RerankingServer]:
    with reranking(monkeypatch) as served:
        yield served


def by_length(question: str, passages: Sequence[str]) -> list[float]:
    return [-len(passage) for passage in passages]


def turn_ids(store: Store, reranker: Reranker, k: int = 10) -> list[int]:
    return [hit.turn_id for hit in reranker.search(store, QUESTION, k)]


def own_order(store: Store) -> list[int]:
    return [hit.turn_id for hit in store.search(QUESTION, 10)]


# --- the order ----------------------------------------------------------------------------------


def test_the_best_turns_stand_in_the_order_of_the_scores(store: Store) -> None:
    ids = turn_ids(store, Reranker("length", by_length))
    lengths = [len(rerank._passage(QUESTION, store.turn(turn_id))) for turn_id in ids]
    assert lengths == sorted(lengths)
    assert ids != own_order(store)
    assert turn_ids(store, Reranker("length", by_length), k=2) == ids[:2]


def test_turns_behind_the_best_and_equals_keep_the_order_of_the_ranking(address: str) -> None:
    with open_store(address) as memory:
        memory.add([Turn("Anna", f"My cat is {n} years old.") for n in range(RERANKED_TURNS + 9)])
        own = memory.search(QUESTION, RERANKED_TURNS + 9)
        reversed_best = Reranker("last first", lambda _, passages: [*range(len(passages))])
        hits = reversed_best.search(memory, QUESTION, RERANKED_TURNS + 9)
        assert hits == [*own[:RERANKED_TURNS][::-1], *own[RERANKED_TURNS:]]
        assert [hit.shares for hit in hits[:1]] == [own[RERANKED_TURNS - 1].shares]
        equal = Reranker("equal", lambda _, passages: [0.5] * len(passages))
        assert equal.search(memory, QUESTION, 50) == own


def test_a_passage_says_when_and_by_whom_and_is_cut_to_what_is_asked_for(address: str) -> None:
    shown: list[str] = []

    def judge(question: str, passages: Sequence[str]) -> list[float]:
        shown.extend(passages)
        question.encode()  # no lone surrogate is left
        return [0.0] * len(passages)

    with open_store(address) as memory:
        long_text = "Well then.\n" * 900 + "My cat\nis old. " + "So it is. " * 900
        memory.add([SAID[2], Turn("Ben", long_text)])
        assert len(Reranker("shown", judge).search(memory, "Which cat? \ud800")) == 2
    short, long = sorted(shown, key=len)
    assert short == "(Mon 08 May 2017) Anna: Small, but my cat Miso loves the window."
    assert long.startswith("Ben: Well then.")
    assert "My cat is old." in long
    assert len(long) < 3_000


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt", "/x", "cohere/", "sentence-transformers/"])
def test_a_name_without_provider_or_model_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError, match="names no provider"):
        load_reranker(name)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_missing_key_is_named_before_anything_is_asked(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in ("API_BASE", "API_KEY"):
        monkeypatch.delenv(f"{provider.upper()}_{ending}", raising=False)
    with pytest.raises(ModelError, match=f"needs a key: set {provider.upper()}_API_KEY"):
        load_reranker(f"{provider}/best")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_hosted_reranker_is_asked_once_with_its_key(
    server: RerankingServer, store: Store, provider: str
) -> None:
    by_hand = turn_ids(store, Reranker("length", by_length))
    assert turn_ids(store, load_reranker(f"{provider}/best")) == by_hand != own_order(store)
    assert server.questions == [QUESTION]
    assert sorted(server.passages[0])[0].startswith("(Mon 08 May 2017) Anna: I moved")
    [(address, key)] = server.addresses
    assert address in ("/v1/rerank", "/v2/rerank")
    assert key.lower() == f"bearer {KEY}-{provider}"


# --- what goes wrong ----------------------------------------------------------------------------


def result(index: object, score: object = 0.5) -> dict[str, object]:
    return {"index": index, "relevance_score": score}


FIVE = [result(place) for place in range(5)]


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (200, {"results": FIVE[:4]}, "returned 4 scores for 5 passages"),
        (200, {"results": [*FIVE, result(5)]}, "returned 6 scores for 5 passages"),
        (200, {"results": [*FIVE[:4], result(0)]}, "5 passages, not one each"),
        (200, {"results": [*FIVE[:4], result(-1)]}, "5 passages, not one each"),
        (200, {"results": [*FIVE[:4], result(4, float("nan"))]}, "not finite"),
        (200, {"results": [*FIVE[:4], result(4, "high")]}, COHERE),
        (200, {"results": [{"index": 0}]}, COHERE),
        (200, {"results": None}, COHERE),
        (200, [], COHERE),
        (200, b"garbage", COHERE),
        (401, error("invalid_api_key", f"Incorrect API key: {KEY}-cohere"), "check COHERE_API_KEY"),
        (404, error("not_found", "no such model"), COHERE),
        (429, error("rate_limit"), "limits the rate"),
        (500, error("boom", f"not with {KEY}-cohere\nand so on"), COHERE),
        (503, b"busy", COHERE),
    ],
)
def test_after_a_wrong_answer_the_order_of_the_ranking_stands_and_one_line_says_so(
    server: RerankingServer,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: object,
    complaint: str,
) -> None:
    server.plan = [(status, body)] * 9
    assert turn_ids(store, load_reranker(COHERE)) == own_order(store)
    [line] = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    assert line.startswith("using the ranking's order: ")
    assert complaint in line
    assert KEY not in line
    assert "\n" not in line
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_scores_without_end_are_ended(
    server: RerankingServer,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    provider: str,
) -> None:
    monkeypatch.setattr(counting_loop, "MOST_BYTES", 2**20)
    server.plan = [(200, b" " * 2**23)]
    assert turn_ids(store, load_reranker(f"{provider}/best")) == own_order(store)
    assert f"{provider}/best sent more than" in caplog.messages[-1]
    assert len(server.requests) == 1


@pytest.mark.slow
def test_a_reranker_that_hangs_up_or_is_slow_is_left(
    server: RerankingServer,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.plan = [None]
    assert turn_ids(store, load_reranker(COHERE)) == own_order(store)
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.3")
    server.slow_s = 8.0  # a test that waits for it fails: the answer is a good one
    assert turn_ids(store, load_reranker(COHERE)) == own_order(store)
    assert "no whole answer in 0.3 seconds" in caplog.messages[-1]


def test_after_a_failure_it_rests_and_is_tried_again_later(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def failing(question: str, passages: Sequence[str]) -> list[float]:
        calls.append(question)
        if len(calls) in (1, 2):
            raise ModelError("it is \x1b[31mdown")
        return by_length(question, passages)

    reranker = Reranker("mine", failing)
    assert turn_ids(store, reranker) == turn_ids(store, reranker) == own_order(store)
    assert (len(calls), reranker.failures) == (1, 2)
    monkeypatch.setattr(reranker, "_retry_at", 0.1)
    assert turn_ids(store, reranker) == own_order(store)
    assert len(caplog.messages) == 1
    assert "\x1b" not in caplog.messages[0]
    monkeypatch.setattr(reranker, "_retry_at", 0.1)
    assert turn_ids(store, reranker) == turn_ids(store, Reranker("length", by_length))
    assert (len(calls), reranker.failures) == (3, 3)


@pytest.mark.parametrize("name", ["nobody/best", "openai/gpt-4o"])
def test_a_provider_without_rerankers_is_refused(
    store: Store,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(InputError, match=f"litellm knows no reranker {name}; write for example"):
        turn_ids(store, load_reranker(name))
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


# --- questions ----------------------------------------------------------------------------------


def test_a_memory_shows_its_model_the_turns_that_the_reranker_puts_first(
    store: Store,
) -> None:
    asked: list[str] = []

    def dogs_first(question: str, passages: Sequence[str]) -> list[float]:
        asked.append(question)
        return [float("Rufus" in passage) for passage in passages]

    script = [([], sql("SELECT 1 AS n")), (["[4]"], answer("a dog", "4"))]
    reranker = Reranker("dogs first", dogs_first)
    memory = Memory(store, model=scripted_model(script), budget=64, reranker=reranker)
    assert own_order(store)[0] != 4
    assert memory.search(QUESTION, 1)[0].turn_id == 4
    reply = memory.ask(QUESTION)
    assert reply.shown[0] == 4
    assert reply.citations[0].rank == 1
    assert asked == [QUESTION, QUESTION]  # once by `search`, once by `ask`


def test_a_tool_that_asks_the_memory_has_its_reranker(store: Store) -> None:
    script = [([], sql("SELECT 1 AS n")), (["[4]"], answer("a dog", "4"))]
    dogs_first = Reranker("dogs first", lambda _, passages: ["Rufus" in text for text in passages])
    memory = Memory(store, model=scripted_model(script), budget=64, reranker=dogs_first)
    [ask_memory] = [tool for tool in memory_tools(memory) if tool.__name__ == "ask_memory"]
    assert "a dog" in ask_memory(QUESTION)


def test_a_memory_takes_a_reranker_by_name(server: RerankingServer, store: Store) -> None:
    with Memory(store, model=scripted_model([]), reranker=COHERE) as memory:
        by_hand = turn_ids(store, Reranker("length", by_length))
        assert [hit.turn_id for hit in memory.search(QUESTION)] == by_hand
    with pytest.raises(InputError, match="names no provider"):
        Memory(store, model=scripted_model([]), reranker="best")


# --- a cross-encoder on this machine --------------------------------------------------------------


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="it is installed")
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test of this process may have imported a stand-in.
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    with pytest.raises(InputError, match="uv sync --extra sentence-transformers"):
        load_reranker("sentence-transformers/cross-encoder/ms-marco-MiniLM-L6-v2")


def test_a_cross_encoder_is_asked_for_files_on_this_machine_only(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sentence_transformers.py").write_text(
        "class CrossEncoder:\n"
        "    def __init__(self, name, local_files_only=False):\n"
        "        assert local_files_only\n"
        "        if name != '/models/tiny': raise OSError('not there')\n"
        "    def predict(self, pairs, show_progress_bar):\n"
        "        return [-len(passage) for question, passage in pairs]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    tiny = load_reranker("sentence-transformers//models/tiny")
    assert turn_ids(store, tiny) == turn_ids(store, Reranker("length", by_length))
    with pytest.raises(InputError, match="hf download other/tiny"):
        turn_ids(store, load_reranker("sentence-transformers/other/tiny"))
    sys.modules.pop("sentence_transformers")  # monkeypatch would bring the stand-in back


@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="needs the extra")
def test_a_tiny_cross_encoder_orders_turns(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import BertForSequenceClassification

    save_tiny_bert(BertForSequenceClassification, tmp_path, num_labels=1)
    reranker = load_reranker(f"sentence-transformers/{tmp_path}")
    capfd.readouterr()
    assert sorted(turn_ids(store, reranker)) == [1, 2, 3, 4, 5]
    assert reranker.failures == 0
    assert capfd.readouterr().err == ""  # no bar
    passages = [rerank._passage(QUESTION, turn) for turn in store.turns()]
    scores = reranker._judge(QUESTION, passages)
    ids = turn_ids(store, reranker)
    assert ids == sorted(ids, key=lambda turn_id: -scores[turn_id - 1])
