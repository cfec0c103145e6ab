"""The models: the packaged one for real, hosted ones over HTTP on localhost, errors in one line."""

import asyncio
import io
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.clients.cache import Cache
from dspy.lm15 import Config, Message, Request
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import LMServerError

from memory import Memory, Store, Turn, open_store
from memory.errors import InputError, ModelError, SqlError
from memory.evidence.reader import MemoryReader
from memory.models import Model, llama, load_model
from memory.models.bounded_lm import BoundedLM, calling_thread
from memory.models.costs import Cost, priced, spending
from memory.models.grammar import insert_fact, select_rows
from memory.models.local import ABSTAIN_WORD, LocalEngine, SmallModelAdapter
from memory.models.model_errors import explain
from memory.models.small_prompts import SMALL
from memory.program import MemoryProgram
from memory.program.opened import OpenedMemory
from memory.program.protocol import Question
from memory.program.signatures.forms import WriteFact
from memory.program.signatures.full import WriteFacts, WriteQuery
from memory.program.signatures.further import ReplyInChat
from memory.program.streaming import stream
from memory.records import ABSTAIN
from memory.sql import check_select, check_writes, split
from tests.conftest import MOVED
from tests.conftest import SAID as SAID_TURNS
from tests.support.scripted import sql

SAID = "[[ ## reply ## ]]\nhello\n\n[[ ## completed ## ]]"
KEY = "sk-verysecret123"


class Server:
    """Speaks OpenAI's protocol: one planned (status, body) a request; None hangs up.

    A planned function answers by itself.
    """

    def __init__(self) -> None:
        self.plan: list[tuple[int, object] | Callable[[BaseHTTPRequestHandler], None] | None] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                planned = outer.plan.pop(0)
                if planned is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if callable(planned):
                    with suppress(OSError):  # the client has closed the connection
                        planned(self)
                    self.close_connection = True
                    return
                status, body = planned
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("retry-after", "0")
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"


def ok(text: str) -> tuple[int, object]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}
    choice["message"]["content"] = text
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return 200, {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def refused(status: int, code: str, message: str) -> tuple[int, object]:
    return status, {"error": {"code": code, "message": message, "type": code}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    served = Server()
    thread = threading.Thread(target=served.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield served
    served.http.shutdown()
    served.http.server_close()


def ask(model: Model) -> str:
    with model.active():
        return str(dspy.Predict("greeting -> reply")(greeting="hi").reply)


def test_a_server_of_ones_own_needs_no_key(server: Server):
    server.plan = [ok(SAID)]
    assert ask(load_model("openai/m", api_base=server.address)) == "hello"
    assert "sk-" not in server.headers[0]["authorization"]


def test_a_key_that_is_set_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.plan = [ok(SAID)]
    ask(load_model("openai/m", api_base=server.address))
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_key_does_not_travel_with_its_model(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    sent = pickle.dumps(load_model("openai/m", api_base=server.address))
    assert KEY.encode() not in sent
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-other-machine")
    server.plan = [ok(SAID)] * 2
    arrived = pickle.loads(sent)  # noqa: S301 - what was pickled just now
    for model in (arrived, arrived.uncached()):
        ask(model)
    assert {sent["authorization"] for sent in server.headers} == {"Bearer sk-of-the-other-machine"}


def test_a_rate_limit_is_tried_again(server: Server):
    server.plan = [refused(429, "rate_limit_exceeded", "slow down")] * 2 + [ok(SAID)]
    assert ask(load_model("openai/m", api_base=server.address)) == "hello"
    assert len(server.headers) == 3


def test_a_server_of_ones_own_is_asked_every_time(server: Server):
    for text in ("one", "two"):
        server.plan = [ok(SAID.replace("hello", text))]
        assert ask(load_model("openai/m", api_base=server.address)) == text


@pytest.mark.slow
def test_no_answer_is_kept_where_forget_does_not_reach(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dspy, "cache", Cache(True, True, str(tmp_path)))
    monkeypatch.setenv("OPENAI_API_BASE", server.address)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for text in ("one", "two"):
        server.plan = [ok(SAID.replace("hello", text))]
        assert ask(load_model("openai/m")) == text
    assert not any(b"[[ ## reply" in file.read_bytes() for file in tmp_path.rglob("*.*"))


@pytest.mark.slow
def test_a_digest_asks_anew_when_it_is_replayed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also with a model of somebody's own that answers from a cache."""
    monkeypatch.setattr(dspy, "cache", Cache(False, True, None))
    model = load_model("openai/m", api_base=server.address)
    model = replace(model, lm=model.lm.copy(cache=True))
    with open_store(tmp_path / "anna.db") as store:
        store.add(SAID_TURNS)
        server.plan = [ok(sql("DROP TABLE facts")), ok(sql("DROP TABLE turns")), ok("?")]
        assert Memory(store, model).digest().failed == 1
        assert Memory(store, model).digest().failed == 1, "answered by the cache"
        assert len(server.headers) == 3
        server.plan = [ok(sql(MOVED))]
        assert Memory(store, model).digest(replay=True).stored == 1


@pytest.mark.parametrize(
    ("planned", "words"),
    [
        (refused(401, "invalid_api_key", f"Incorrect API key: {KEY}"), ["OPENAI_API_KEY"]),
        (refused(429, "rate_limit_exceeded", "slow"), ["rate", "fewer threads"]),
        (refused(429, "insufficient_quota", "pay"), ["quota"]),
        (refused(400, "context_length_exceeded", "max is 10 tokens"), ["too long", "--budget"]),
        (refused(400, "400", "maximum context length is 10 tokens"), ["too long", "--budget"]),
        (refused(404, "model_not_found", "no model m"), ["does not exist", "check the name"]),
        (refused(500, "oops", f"boom\nTraceback with {KEY}"), ["later", "boom"]),
        (refused(418, "teapot", f"short and stout {KEY}"), ["no usable answer", "stout"]),
        (None, ["cannot reach", "--api-base"]),
        ((200, b"<html>"), ["no usable answer", "not JSON"]),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(server: Server, planned, words: list[str]):
    server.plan = [planned] * 2
    with pytest.raises(ModelError) as caught:
        ask(load_model("openai/m", api_base=server.address, retries=0))
    said = str(caught.value)
    assert all(word in said for word in words), said
    assert "\n" not in said
    assert KEY not in said


@pytest.mark.slow
def test_a_server_that_went_down_is_told_without_all_the_tries(server: Server):
    model = load_model("openai/m", api_base=server.address)  # five tries, 31 seconds
    server.http.shutdown()
    server.http.server_close()
    waits: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float, *rest: object) -> None:
        waits.append(seconds)
        await sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", slept)
        with pytest.raises(ModelError, match=r"cannot reach .*is it running.*nothing answers"):
            ask(model)
    assert sum(waits) < 8, "the longer waits between tries were cut off"


def test_an_address_without_its_path_is_named(server: Server):
    server.plan = [(404, {"detail": "Not Found"})] * 3
    bare = server.address.removesuffix("/v1")
    with pytest.raises(ModelError) as caught:
        ask(load_model("openai/m", api_base=bare, retries=0))
    assert str(caught.value).startswith(
        f"nothing is served at {bare} or {bare}/v1; check --api-base"
    )


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "openai/gpt-4o-mini needs a key: set OPENAI_API_KEY\n"),
        (("--api-base", "http://127.0.0.1:1/v1"), "nothing answers at http://127.0.0.1:1/v1 "),
        (("--api-base", "localhost"), "'localhost' is no address; write http"),
    ],
)
def test_a_missing_key_or_server_is_told_before_anything_is_imported(
    options: tuple[str, ...], told: str
):
    names = [name for name in os.environ if name.startswith("O")]
    environment = {k: v for k, v in os.environ.items() if k not in names}
    code = (
        "import sys\n"
        "from memory.__main__ import run\n"
        f"sys.argv = ['memory', 'ask', 'Where?', '--model', 'openai/gpt-4o-mini', *{options}]\n"
        "try: run()\n"
        "finally: print([name for name in ('dspy', 'litellm', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {told}")
    assert done.stdout == "[]\n"


def test_a_missing_key_names_its_variable(server: Server):
    with pytest.raises(ModelError, match="needs a key: set OPENAI_API_KEY"):
        ask(load_model("openai/gpt-4o-mini", retries=0))


def test_a_missing_key_is_said_before_a_provider_is_asked(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("M")]:
        monkeypatch.delenv(name)
    model = load_model("mistral/mistral-small")  # DSPy leaves it to litellm, which would ask
    monkeypatch.setattr(dspy.LM, "acall", None)
    with pytest.raises(ModelError, match="needs a key: set MISTRAL_API_KEY"):
        ask(model)


@pytest.mark.parametrize(
    "why",
    [
        "Cannot connect to host api.mistral.ai:443 ssl:default [Domain name not found]",
        "[Errno -2] Name or service not known",
    ],
)
def test_a_host_that_is_not_found_did_not_fail_on_its_side(why: str):
    text = explain(LMServerError(f"litellm.InternalServerError: {why}"), "mistral/small", None)
    assert text.startswith("cannot reach the provider of mistral/small: is this machine online?")


@pytest.mark.slow
def test_who_waits_long_is_told_so_once_a_minute(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.3")
    # `caplog` sees a record twice where a command that ran in this process set this log apart.
    logger, lines = logging.getLogger("memory.models"), io.StringIO()
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(lines)])
    caplog.set_level("INFO", logger=logger.name)
    secret = server.address.replace("://", "://user:secret@")
    model = load_model("openai/m", api_base=secret)
    for _ in range(2):
        server.plan = [hang]
        with pytest.raises(ModelError, match=r"in 0\.3 seconds"):
            ask(model)
    assert lines.getvalue() == (
        f"waiting for 127.0.0.1:{server.http.server_port}, 0.3 seconds at most\n"
    )


@pytest.mark.parametrize(
    ("name", "api_base", "words"),
    [
        ("gpt-4o-mini", None, "openai/gpt-4o-mini"),
        ("", None, "openai/MODEL"),
        ("openai/", None, "names no provider"),
        ("openai/m", "http://127.0.0.1:9/v1", "nothing answers at http://127.0.0.1:9/v1"),
        ("openai/m", "localhost:8000", "write http://HOST:PORT/v1"),
        ("local", "http://127.0.0.1:9/v1", "needs no --api-base"),
    ],
)
def test_a_name_that_cannot_work_is_refused_at_once(server, name: str, api_base, words: str):
    with pytest.raises(ModelError, match=words.replace("/", "[/]")):
        load_model(name, api_base=api_base)


def test_reasoning_models_choose_their_own_temperature():
    assert load_model("openai/gpt-5").lm.kwargs["temperature"] is None


def test_the_price_of_a_token_is_litellms_own_or_unknown(server: Server):
    assert load_model("openai/gpt-4o-mini").price == (1.5e-07, 6e-07)
    assert load_model("local").price == (0.0, 0.0)
    for name in ("openai/none", "ollama_chat/gpt-4o-mini", "openai/text-embedding-3-small/x"):
        assert load_model(name).price is None
    assert load_model("openai/gpt-4o-mini", api_base=server.address).price is None


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_a_server_that_the_environment_names_is_named_and_has_no_price(
    monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert load_model("openai/gpt-4o-mini").server == "openai"
    monkeypatch.setenv(variable, "http://me:secret@127.0.0.1:9/v1")
    model = load_model("openai/gpt-4o-mini")
    assert (model.server, model.price) == ("http://127.0.0.1:9/v1", None)
    assert load_model("local").price == (0.0, 0.0)


def test_what_a_model_is_asked_for_is_summed_up_in_all_threads(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    status, uncounted = ok(SAID)
    assert isinstance(uncounted, dict)
    server.plan = [ok(SAID), ok(SAID), (status, {**uncounted, "usage": None})]
    model = load_model("openai/gpt-4o-mini", api_base=server.address)
    with spending(model) as whole:
        ask(model)
        with spending(model) as part, ThreadPoolExecutor(1) as pool:
            pool.submit(copy_context().run, ask, model).result()
            ask(model)
        assert part.cost == Cost(calls=2, tokens_in=1, tokens_out=1, dollars=None)
    assert whole.cost == Cost(calls=3, tokens_in=2, tokens_out=2, dollars=None)


def test_costs_are_added_where_all_prices_are_known():
    model = load_model("openai/gpt-4o-mini")
    cost = priced(model, calls=2, tokens_in=1e6, tokens_out=1e5)
    assert str(cost + cost) == "4 calls, 2,000,000 + 200,000 tokens, $ 0.42"
    assert (cost + Cost(dollars=None)).price_text == "price unknown"
    assert Cost(1, 1, 1, 0.00021).price_text == "$ 0.0002"


def test_a_packaged_model_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(llama, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="run `memory setup`"):
        load_model("local")


# A server without an end

# Enough that a test which waits for the server fails; it is over when the client hangs up.
SLOW_S = 8.0


def head(handler: BaseHTTPRequestHandler, kind: str, **headers: str) -> None:
    handler.send_response(429 if headers else 200)
    handler.send_header("content-type", kind)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def trickle(handler: BaseHTTPRequestHandler) -> None:
    head(handler, "application/json")
    for _ in range(int(SLOW_S / 0.02)):
        handler.wfile.write(b" ")
        time.sleep(0.02)


def trickle_stream(handler: BaseHTTPRequestHandler) -> None:
    head(handler, "text/event-stream")
    delta = {"index": 0, "delta": {"role": "assistant", "content": "la "}}
    chunk = {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [delta]}
    for _ in range(int(SLOW_S / 0.02)):
        handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        time.sleep(0.02)


def hang(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.settimeout(SLOW_S)
    handler.connection.recv(1)  # until the client hangs up


def come_back_in_an_hour(handler: BaseHTTPRequestHandler) -> None:
    head(handler, "application/json", retry_after="3600")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("act", "through"),
    [
        (trickle, "lm15"),
        (hang, "lm15"),
        (come_back_in_an_hour, "lm15"),
        (trickle, "litellm"),
    ],
)
def test_a_call_ends_in_time_whatever_the_server_does(
    server: Server, act: Callable[..., None], through: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.3")
    model = load_model("openai/m", api_base=server.address)
    if through == "litellm":
        model = replace(model, lm=model.lm.copy(engine="litellm"))
    server.plan = [act]
    with pytest.raises(ModelError, match=r"in 0\.3 seconds.* set MEMORY_CALL_SECONDS .* at http"):
        ask(model)
    server.plan = [ok(SAID)]
    assert isinstance(model.lm, BoundedLM)
    model.lm.seconds = 60.0
    assert ask(model) == "hello", "the next call is none the worse"


def test_a_stream_ends_in_time_too(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.3")
    server.plan = [trickle_stream]
    model = load_model("openai/m", api_base=server.address)
    with pytest.raises(ModelError, match=r"in 0\.3 seconds"), model.active():
        list(stream(dspy.Predict(ReplyInChat), dict.fromkeys(ReplyInChat.input_fields, "x")))


def test_the_client_waits_as_long_as_a_call_may_take(monkeypatch: pytest.MonkeyPatch):
    """By itself it gives up on a server that sends nothing for 600 seconds."""
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "3000")
    assert load_model("openai/m").lm.kwargs["timeout"] == 3000


@pytest.mark.parametrize("text", ["soon", "0", "-3", "inf", "nan"])
def test_a_bound_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_CALL_SECONDS", text)
    with pytest.raises(InputError, match="give seconds, as in 300"):
        load_model("openai/m")


def test_a_call_knows_what_its_caller_knows(server: Server, monkeypatch: pytest.MonkeyPatch):
    """It runs in another thread; settings of the caller hold there, and its cache is told of it."""
    seen: list[object] = []

    class Listener(BaseCallback):
        def on_lm_start(self, call_id: str, instance: object, inputs: object) -> None:
            seen.append(calling_thread())

    class Watched(Cache):
        def get(self, *args: Any) -> Any:
            seen.append(calling_thread())
            return super().get(*args)

    monkeypatch.setattr(dspy, "cache", Watched(False, True, None))
    server.plan = [ok(SAID)]
    model = load_model("openai/m", api_base=server.address)
    with dspy.context(callbacks=[Listener()]):
        ask(replace(model, lm=model.lm.copy(cache=True)))
    assert seen == [threading.current_thread()] * 2


# The packaged model

SAID_BY_ANNA = Turn("Anna O'Neil", "I adopted a beagle, it's called Biscuit.", "1", "2017-06-09")
TURN = "[12] (Fri 09 Jun 2017) Anna O'Neil: I adopted a beagle, it's called Biscuit."
WHICH = Question("Which pet has Anna?")


@pytest.fixture(scope="module")
def local() -> Model:
    return load_model("local-base")


@pytest.mark.slow
def test_the_packaged_model_stores_retrieves_and_answers(local: Model, store: Store):
    program = MemoryProgram("tiny")
    assert program.retrieve is not None
    with local.active():
        stored = program.store(turns=[SAID_BY_ANNA])
        found = program.retrieve(WHICH, OpenedMemory(MemoryReader(store)))
        told = program.answer(WHICH, TURN)
        again = program.store(turns=[SAID_BY_ANNA])
    assert stored.calls == found.calls == 1
    assert again.sql == stored.sql, "the same request, the same answer"
    assert "'Anna O''Neil'" in stored.sql
    assert stored.sql.endswith(", 1);")
    assert len(found.sql) == 2
    assert set(told.turns) <= {12}


@pytest.mark.slow
def test_nobody_can_reach_the_packaged_model_from_outside(local: Model):
    with llama.copy_of_the_model((), 1) as model:
        address = model.address
    assert address.startswith("unix:")
    with socket.socket(socket.AF_UNIX) as knock, pytest.raises(FileNotFoundError):
        knock.connect(address.removeprefix("unix://"))


@pytest.mark.slow
def test_bytes_that_are_no_letter_are_left_out(local: Model):
    """Without a grammar a model may write them: the first here is `a`, the second the byte 80."""
    asked = [{"role": "user", "content": "?"}]
    chosen = {"logit_bias": [[81, 99.0], [218, 50.0]], "presence_penalty": 99.0, "max_tokens": 2}
    with llama.copy_of_the_model((), 1) as model:
        assert model.say(asked, (0, None), temperature=0.0, **chosen).text == "a"


@pytest.mark.slow
def test_a_prompt_that_is_too_long_is_a_model_error(local: Model):
    with (
        pytest.raises(ModelError, match=r"2,048 tokens here; give a smaller --budget"),
        local.active(),
    ):
        MemoryProgram("tiny").answer.predict(
            evidence="word " * 4_000, question="?", asker="", today=""
        )


def test_an_optimized_predictor_keeps_its_instruction_and_examples():
    demo = {"window": "[1] A: b", "catalog": "", "feedback": "", "sql": "-- none"}
    changed = WriteFacts.with_instructions("Be brief.")
    inputs = {"window": TURN, "catalog": "left out", "feedback": ""}
    plain = SmallModelAdapter().format(WriteFact, [], inputs)
    tuned = SmallModelAdapter().format(changed, [demo], inputs)
    assert [m["content"] for m in tuned] == ["Be brief.", "[1] A: b", "-- none", TURN]
    small = SMALL[tuple(WriteFacts.fields)]
    assert plain[0]["content"] == small.instructions
    assert len(plain) == 2 + 2 * len(small.demos)


def test_other_signatures_are_served_as_usual(server: Server):
    server.plan = [ok(SAID)]
    hosted = load_model("openai/m", api_base=server.address)
    with dspy.context(lm=hosted.lm, adapter=SmallModelAdapter()):
        assert dspy.Predict("greeting -> reply")(greeting="hi").reply == "hello"


HOSTILE = (
    'say "hi" \'; DROP TABLE facts; -- h\u00e9llo \U0001f389 \u05e9\u05dc\u05d5\u05dd nul\x00 x a\\'
)


@pytest.mark.slow
@pytest.mark.parametrize("text", [HOSTILE, "", "?"])
def test_a_grammar_holds_whatever_was_said(local: Model, text: str):
    """llama.cpp ignores a grammar it cannot read: an answer that follows it shows that it could."""
    store, retrieve = (SMALL[tuple(s.fields)] for s in (WriteFacts, WriteQuery))
    engines = (
        LocalEngine(insert_fact(f"[1] Al: {text}"), store.opening),
        LocalEngine(select_rows(text), retrieve.opening, retrieve.closing),
    )
    for engine in engines:
        request = Request(
            model="local/smollm2",
            system="You are a poet.",
            messages=(Message.user("Write a poem."),),
            config=Config(max_tokens=200),
        )
        said = engine.complete(request).message.text or ""
        for statement in split(said):
            if statement.text.startswith("SELECT"):
                check_select(statement)
            else:
                assert len(check_writes(statement.text)) == 1
        assert said.endswith(";")


@pytest.mark.slow
def test_small_talk_may_be_declined(local: Model):
    with local.active():
        stored = MemoryProgram("tiny").store(turns=[Turn("Tom", "Nice to hear from you.")])
    assert (stored.sql, stored.calls, stored.facts) == ("-- none", 1, [])


@pytest.mark.slow
def test_the_same_request_has_the_same_answer_whatever_is_asked_before_and_beside_it(local: Model):
    """Beginnings of prompts are kept and there are two copies of the model: neither may show."""

    def tell(number: int) -> str:
        program = MemoryProgram("tiny")
        with local.active():
            if number % 3:
                turn = Turn("Anna O'Neil", f"I adopted a beagle, it's called Biscuit {number}.")
                return str(program.store(turns=[turn]).sql)
            asked = f"Which pet has Anna had for {number} years?"
            return str(program.answer(asked, TURN.replace("12", str(number))).answer)

    numbers = [12, 13, 14, 120, 121]
    in_order = [tell(number) for number in numbers]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tell, reversed(numbers))) == in_order[::-1]


class Brief(SmallModelAdapter):
    """A prompt that is soon read; any text is an answer, for this model keeps to no form."""

    def format(self, *_: object) -> list[dict[str, str]]:
        return [{"role": "system", "content": "Talk."}, {"role": "user", "content": "Of what?"}]

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, str]:
        return dict.fromkeys(signature.output_fields, completion)


@pytest.mark.slow
def test_a_rollout_of_the_packaged_model_can_be_repeated_and_differs_from_others(local: Model):
    def rollout(number: int) -> tuple[str, str]:
        """What a module of ours says, and one whose signature has no small prompt."""
        lm = local.lm.copy(rollout_id=number, temperature=1.0, max_tokens=8)
        with dspy.context(lm=lm, adapter=Brief()):
            told = MemoryProgram("tiny").answer("", "")
            return told.answer, dspy.Predict("said -> words")(said="").words

    (ours, stock), (others, other_stock), again = (rollout(number) for number in (1, 2, 1))
    assert again == (ours, stock)
    assert ours != others
    assert stock != other_stock


@pytest.mark.slow
def test_at_temperature_0_a_rollout_is_as_any_other(local: Model):
    """At temperature 1 this rollout declines to store the turn."""
    lm = local.lm.copy(rollout_id=1)
    with pytest.warns(UserWarning, match="no effect"), dspy.context(lm=lm, adapter=local.adapter):
        assert "beagle" in MemoryProgram("tiny").store(turns=[SAID_BY_ANNA]).sql


@pytest.mark.slow
def test_an_answer_cut_short_is_not_closed(local: Model):
    request = Request(
        model="local/smollm2",
        system="You are a poet.",
        messages=(Message.user("Write a poem."),),
        config=Config(max_tokens=3),
    )
    said = LocalEngine(select_rows("cello"), "SELECT '", "', 10) END").complete(request)
    assert "END" not in (said.message.text or "")


def test_demos_of_the_small_prompts_are_sql_that_may_run():
    for small in SMALL.values():
        for demo in small.demos:
            for statement in split(demo["sql"]) if "sql" in demo else ():
                try:
                    check_writes(statement.text)
                except SqlError:
                    check_select(statement)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Hi! How are you? I moved to Oslo. Guess why?", ["Hi!", "I"]),
        ("I moved to Oslo", ["I"]),
        ("Why? Really?", ["Why?", "Really?"]),
    ],
)
def test_a_question_is_no_fact_where_anything_else_is_said(text: str, values: list[str]):
    rules = dict(line.split(" ::= ") for line in insert_fact(f"[1] Al: {text}").splitlines())
    starts = [
        rules[name].partition('"')[2].partition('"')[0] for name in rules["value"].split(" | ")
    ]
    assert starts == values


@pytest.mark.slow
def test_the_word_that_training_biases_is_the_first_of_an_abstention():
    asked = [{"role": "system", "content": ""}, {"role": "user", "content": "Where is Oslo?"}]
    with llama.copy_of_the_model((), 1) as model:
        bias = [[int(ABSTAIN_WORD), 100.0]]
        answer = model.say(asked, (0, None), max_tokens=1, temperature=0.0, logit_bias=bias)
    assert answer.text == ABSTAIN.split()[0]
