"""The models: the packaged one for real, hosted ones over HTTP on localhost, errors in one line."""

import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.clients.cache import Cache
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import LMServerError

from memory import Memory, open_store
from memory.errors import InputError, ModelError
from memory.models import Model, load_model
from memory.models.bounded_lm import BoundedLM, calling_thread
from memory.models.costs import Cost, spending
from memory.models.gguf import files
from memory.models.gguf.server import ModelCopy
from memory.models.model_errors import explain
from memory.program import MemoryProgram
from memory.program.signatures.further import ReplyInChat
from memory.program.streaming import stream
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


def test_a_packaged_model_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "find_spec", lambda _: None)
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

TURN = "[12] (Fri 09 Jun 2017) Anna O'Neil: I adopted a beagle, it's called Biscuit."


@pytest.fixture(scope="module")
def local() -> Model:
    return load_model("local-base")


@contextmanager
def its_server(model: Model) -> Iterator[ModelCopy]:
    """llama.cpp that runs a model, alone."""
    with model.lm.engine._server(threading.Event()) as server:
        yield server


def predicted(module: str, **inputs: str) -> str:
    """What the model in use says as one of a small model's modules."""
    predict = getattr(MemoryProgram("brief"), module).predict
    return str(next(iter(predict(**inputs).values())))


@pytest.mark.slow
def test_nobody_can_reach_the_packaged_model_from_outside(local: Model):
    with its_server(local) as model:
        address = model.address
    assert address.startswith("unix:")
    with socket.socket(socket.AF_UNIX) as knock, pytest.raises(FileNotFoundError):
        knock.connect(address.removeprefix("unix://"))


@pytest.mark.slow
def test_a_prompt_that_is_too_long_is_a_model_error(local: Model):
    with (
        pytest.raises(ModelError, match=r"tokens here; set MEMORY_GGUF_CONTEXT, or give a smaller"),
        local.active(),
    ):
        predicted("answer", evidence="word " * 12_000, question="?")


@pytest.mark.slow
def test_the_same_request_has_the_same_answer_whatever_is_asked_before_and_beside_it(local: Model):
    """Beginnings of prompts are kept: that may not show."""

    def tell(number: int) -> str:
        asked = f"Which pet has Anna had for {number} years?"
        with local.active():
            return predicted("answer", evidence=TURN.replace("12", str(number)), question=asked)

    numbers = [12, 13, 14, 120, 121]
    in_order = [tell(number) for number in numbers]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tell, reversed(numbers))) == in_order[::-1]
