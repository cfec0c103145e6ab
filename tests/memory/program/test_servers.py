"""Servers as they are: each oddity ends in the right answer, or in one line of advice."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.errors import ModelError, PromptTooLong, UnusableAnswer
from memory.evidence.lines import LEAST_BUDGET
from memory.models import bounded_lm, load_model
from memory.records import Summary
from memory.store.turns.summaries import set_summary
from memory.system import counting_loop
from tests.support.odd_server import Behaviour, Request, Sent, odd_server, spoken, streamed, whole

QUESTION = "Where does Anna live?"

WHEN_IT_PAYS = True


def refusal(message: str, status: int = 400, code: str | None = None, **headers: str) -> Sent:
    error = {"message": message, "type": "invalid_request_error", "code": code}
    return Sent({"error": error}, status, {k.replace("_", "-"): v for k, v in headers.items()})


def refuses(setting: str, sent: Sent) -> Behaviour:
    return lambda request: sent if request.get(setting) is not None else None


def holds(tokens: int, sent: Sent, counts_answers: bool = False) -> Behaviour:
    """A server that takes so many tokens, of four characters each."""

    def behaviour(request: Request) -> Sent | None:
        size = sum(len(str(message["content"])) for message in request["messages"]) // 4
        if counts_answers:
            size += request.get("max_completion_tokens") or request["max_tokens"]
        return sent if size > tokens else None

    return behaviour


def at_first(sent: Sent) -> Behaviour:
    answers = [sent]
    return lambda _: answers.pop() if answers else None


def says(change: Callable[[str], Sent]) -> Behaviour:
    return lambda request: change(spoken(request))


UNKNOWN_FIELD = {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"]}]}
VLLM_ROOM = (
    "'max_completion_tokens' is too large: 3000. This model's maximum context length is 4096 tokens"
    " and your request has 2500 input tokens (3000 > 4096 - 2500)."
)
NGINX = b"<html><head><title>413 Request Entity Too Large</title></head></html>"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Asks a server that behaves so, about sixty turns."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")

    def asked(behaviour: Behaviour, *, by_environment: bool = False) -> str:
        with odd_server(behaviour) as server:
            if by_environment:
                monkeypatch.setenv("OPENAI_API_BASE", server.address)
            address = None if by_environment else server.address
            model = load_model("openai/m", api_base=address, retries=1)
            with Memory(tmp_path / "anna.db", model) as memory:
                tell(memory, 60)
                return memory.ask(QUESTION).text

    return asked


def tell(memory: Memory, turns: int) -> None:
    park = "where I walk the dog by the river every day, in any weather"
    memory.add([Turn("Anna", f"I live in Oslo near park {i}, {park}.") for i in range(turns)])


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "behaviour",
    [
        refuses("max_completion_tokens", Sent(UNKNOWN_FIELD, 422)),
        refuses("max_completion_tokens", refusal("Unknown argument: max_completion_tokens")),
        refuses("temperature", refusal("'temperature' does not support 0.0 with this model")),
        holds(1_500, refusal("maximum context length is 1500 tokens", code="400")),
        holds(1_500, refusal("too long", code="context_length_exceeded")),
        holds(1_500, Sent(NGINX, 413, {"content-type": "text/html"})),
        holds(4_096, refusal(VLLM_ROOM), counts_answers=True),
        says(lambda text: replace(whole(text), zipped=True)),
        says(lambda text: whole(text[: text.index("Oslo") + 4], "length")),
    ],
    ids=["unknown field", "limit", "temperature", "context", "code", "413", "room", "gzip", "cut"],
)
def test_the_answer_comes_in_spite_of(ask: Callable[..., str], behaviour: Behaviour):
    assert ask(behaviour) == "Oslo"


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch, form: str
):
    waits: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float, *rest: object) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", slept)
    until = "40" if form == "seconds" else formatdate(time.time() + 40, usegmt=True)
    assert ask(at_first(refusal("slow down", 429, "rate_limit_exceeded", retry_after=until)))
    assert 30 < max(waits) <= 40


BUSY = {"error": {"message": "upstream busy", "code": 502}}
CALL = {
    "id": "c",
    "type": "function",
    "function": {"name": "answer", "arguments": '{"answer": "Os'},
}


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (lambda _: Sent(BUSY), ModelError, ["try again later (upstream busy)"]),
        (lambda _: Sent({"error": "no model"}), UnusableAnswer, ["answered nothing", "ask again"]),
        (lambda _: whole(""), UnusableAnswer, ["answered nothing", "ask again"]),
        (lambda _: whole(None), UnusableAnswer, ["answered nothing", "ask again"]),
        (lambda _: Sent({"choices": []}), UnusableAnswer, ["answered nothing", "ask again"]),
        (lambda _: whole("", "length"), UnusableAnswer, ["thoughts alone", "another model"]),
        (
            lambda _: whole(None, reasoning_content="Anna lives in Oslo."),
            UnusableAnswer,
            ["thoughts alone", "switch its thinking off"],
        ),
        (lambda _: whole("<think>Anna", "length"), UnusableAnswer, ["switch its thinking off"]),
        (lambda _: whole(None, tool_calls=[CALL]), UnusableAnswer, ["answered nothing"]),
        (says(lambda text: replace(whole(text), cut_after=60)), ModelError, ["broke off"]),
        (
            lambda _: Sent(NGINX, 413),
            PromptTooLong,
            [f"even with {LEAST_BUDGET} tokens", "larger context", "another model"],
        ),
    ],
    ids=[
        *("error with 200", "text with 200", "empty", "null", "no choice", "empty at its limit"),
        *("reasoning alone", "thought alone", "broken call", "broken off", "413 always"),
    ],
)
def test_what_to_do_is_said_in_one_line(
    ask: Callable[..., str], behaviour: Behaviour, error: type[ModelError], words: list[str]
):
    with pytest.raises(error) as caught:
        ask(behaviour)
    said = str(caught.value)
    assert all(word in said for word in words), said
    assert "\n" not in said


@pytest.mark.slow
def test_a_longer_wait_than_a_call_may_take_is_told(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "3")  # the server is asked, then waited for
    monkeypatch.setattr(bounded_lm, "_DOWN_SECONDS", (0.05,))
    with pytest.raises(ModelError, match=r"in 3 seconds.* \(it asks to wait 3,600 seconds\)"):
        ask(lambda _: refusal("slow down", 429, "rate_limit_exceeded", retry_after="3600"))


def test_an_address_whose_path_is_missing_is_tried_with_it(tmp_path: Path):
    with odd_server(lambda _: None) as server:
        bare = server.address.removesuffix("/v1")
        with Memory(tmp_path / "anna.db", load_model("openai/m", api_base=bare)) as memory:
            tell(memory, 1)
            assert memory.ask(QUESTION).text == "Oslo"
            assert memory.ask(QUESTION).text == "Oslo"
        assert server.paths == ["/chat/completions", *["/v1/chat/completions"] * 2]


def test_an_address_whose_path_is_missing_is_named_where_any_path_is_answered(tmp_path: Path):
    nothing = Sent({"error": "Unexpected endpoint. Returning 200 anyway"})
    with odd_server(lambda _: nothing, roots=("", "/v1")) as server:
        bare = server.address.removesuffix("/v1")
        with Memory(tmp_path / "anna.db", load_model("openai/m", api_base=bare)) as memory:
            tell(memory, 1)
            with pytest.raises(UnusableAnswer, match=f"answered nothing; is it {bare}/v1\\?"):
                memory.ask(QUESTION)


def test_ollama_is_given_the_context_that_a_prompt_needs(tmp_path: Path):
    said = {"role": "assistant", "content": "[[ ## answer ## ]]\nOslo\n\n[[ ## turns ## ]]\n1"}
    whole_answer = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": True}
    counts = {"done_reason": "stop", "prompt_eval_count": 900, "eval_count": 9}
    sent = Sent({**whole_answer, **counts, "message": said})
    with odd_server(lambda _: sent, roots=("",), path="/api/chat") as server:
        bare = server.address.removesuffix("/v1")
        with Memory(tmp_path / "anna.db", load_model("ollama_chat/m:70b", api_base=bare)) as memory:
            tell(memory, 1)
            assert memory.ask(QUESTION).text == "Oslo"
        [request] = server.requests
    assert request["options"]["num_ctx"] == 16_384


def cuts(tokens: int, request: Request) -> Sent:
    """What a server says that reads so many tokens of a prompt and leaves out the rest."""
    size = sum(len(str(message["content"])) for message in request["messages"]) // 4
    sent = whole(spoken(request))
    usage = {"prompt_tokens": min(size, tokens), "completion_tokens": 9, "total_tokens": 9}
    return replace(sent, body={**sent.body, "usage": usage})


def test_a_prompt_that_was_cut_is_told_and_a_shorter_one_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with odd_server(partial(cuts, 2_048)) as server:
        model = load_model("openai/m", api_base=server.address)
        with Memory(tmp_path / "anna.db", model) as memory:
            tell(memory, 200)
            before = memory.budget
            assert memory.ask(QUESTION).text == "Oslo"
            assert LEAST_BUDGET < memory.budget < before
    assert "takes shorter prompts" in caplog.text


@pytest.mark.slow
def test_what_a_server_refused_is_not_sent_to_it_again(tmp_path: Path):
    refused: list[Request] = []

    def behaviour(request: Request) -> Sent | None:
        if request.get("temperature") is not None:
            sent: Sent | None = refusal("'temperature' is fixed")
        else:
            sent = holds(1_700, refusal("maximum context length is 1700 tokens"))(request)
        if sent:
            refused.append(request)
        return sent

    with odd_server(behaviour) as server:
        model = load_model("openai/m", api_base=server.address)
        with Memory(tmp_path / "anna.db", model) as memory:
            tell(memory, 60)
            budget = memory.budget
            memory.ask(QUESTION)
            assert refused
            refused.clear()
            memory.ask(QUESTION)
            assert not refused
            assert LEAST_BUDGET < memory.budget < budget


# Digests


@pytest.mark.slow
def test_a_window_of_one_turn_that_is_too_long_waits_with_what_to_do(tmp_path: Path):
    with (
        odd_server(lambda _: Sent(NGINX, 413)) as server,
        Memory(tmp_path / "anna.db", load_model("openai/m", api_base=server.address)) as memory,
    ):
        tell(memory, 30)
        with pytest.raises(PromptTooLong, match="even with 250 tokens of turns; give its server"):
            memory.digest()
        waiting = memory.store.pending()[0]
        assert (waiting.first_turn, waiting.last_turn, waiting.attempts) == (1, 1, 1)
        assert "larger context" in waiting.error


def test_a_summary_that_is_too_long_to_be_told_waits(tmp_path: Path):
    too_long = refusal("maximum context length is 9 tokens")

    def behaviour(request: Request) -> Sent | None:
        is_window = "[[ ## sql ## ]]" in str(request["messages"][0]["content"])
        return None if is_window else too_long

    with (
        odd_server(behaviour) as server,
        Memory(tmp_path / "anna.db", load_model("openai/m", api_base=server.address)) as memory,
    ):
        [turn_id] = memory.add([Turn("Anna", "Day 1", said_at="2026-01-01")])
        to_tell = Summary(turn_id, turn_id, "session", "")
        set_summary(memory.store, to_tell)
        assert memory.digest().stored == 1
        assert "[[ ## summary ## ]]" in str(server.requests[-1]["messages"])
        assert memory.store.summaries() == [to_tell]


@pytest.mark.few(1)
@pytest.mark.parametrize("answer", [whole(""), whole(None, reasoning_content="INSERT INTO facts")])
def test_a_window_without_an_answer_says_so(tmp_path: Path, answer: Sent):
    with (
        odd_server(lambda _: answer) as server,
        Memory(tmp_path / "anna.db", load_model("openai/m", api_base=server.address)) as memory,
    ):
        memory.add(Turn("Anna", "My cat is Miso."))
        assert memory.digest().failed == 1
        assert memory.store.pending()[0].error.endswith("from the answer: it says nothing")


# Replies in pieces


def reply(path: Path, behaviour: Behaviour, pieces: list[str], turns: int = 5) -> None:
    with (
        odd_server(behaviour) as server,
        Memory(path, load_model("openai/m", api_base=server.address, retries=1)) as memory,
    ):
        tell(memory, turns)
        pieces += memory.reply(Turn("Anna", "Where do I live?"))


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "behaviour",
    [
        lambda _: None,
        says(lambda text: replace(streamed(text), zipped=True)),
        says(lambda text: streamed(text, finish=None)),
        refuses("max_completion_tokens", Sent(UNKNOWN_FIELD, 422)),
        refuses("temperature", refusal("'temperature' does not support 0.0 with this model")),
    ],
    ids=["usage alone", "gzip", "no end", "unknown field", "temperature"],
)
def test_the_reply_comes_in_spite_of(tmp_path: Path, behaviour: Behaviour):
    pieces: list[str] = []
    reply(tmp_path / "anna.db", behaviour, pieces)
    assert "".join(pieces) == "How nice!"


def test_a_reply_to_a_prompt_that_is_too_long_is_asked_for_again(tmp_path: Path):
    pieces: list[str] = []
    behaviour = holds(1_500, refusal("maximum context length is 1500 tokens"))
    reply(tmp_path / "anna.db", behaviour, pieces, turns=60)
    assert "".join(pieces) == "How nice!"


WALK = "How nice that you walk your dog in the park, by the river, and in any weather!"


def cut_within(request: Request) -> Sent | None:
    """A reply whose connection is closed in the middle of what it says."""
    if not request.get("stream"):
        return None
    sent = streamed(spoken(request).replace("How nice!", WALK), piece=6)
    return replace(sent, cut_after=len(sent.data) // 2)


def test_a_stream_that_is_cut_gives_what_came_and_says_so(tmp_path: Path):
    pieces: list[str] = []
    with pytest.raises(ModelError, match="broke off in its answer; ask again"):
        reply(tmp_path / "anna.db", cut_within, pieces)
    said = "".join(pieces)
    assert said
    assert said != WALK
    assert WALK.startswith(said)


def test_an_answer_without_end_is_ended_in_one_line(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting_loop, "MOST_BYTES", 2**20)
    with pytest.raises(ModelError, match=r"sent more than \d+ MB for one answer") as error:
        ask(lambda _: Sent(b" " * 2**22))
    assert len(str(error.value).splitlines()) == 1


def test_nor_is_a_packed_one_unpacked_beyond_that(ask: Callable[..., str]) -> None:
    with pytest.raises(ModelError, match=r"sent more than 64 MB for one answer"):
        ask(lambda _: Sent(b" " * 2**27, zipped=True))
    assert ask(lambda request: replace(whole(spoken(request)), zipped=True))


def test_each_call_has_that_room_for_itself(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting_loop, "MOST_BYTES", 2**20)
    padded = [b" " * 600_000]

    def behaviour(request: Request) -> Sent:
        return Sent(padded[0] + whole(spoken(request)).data)

    assert ask(behaviour)
    assert ask(behaviour)
