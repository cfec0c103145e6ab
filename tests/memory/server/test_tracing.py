"""Spans of OpenTelemetry: one trace from a request to its SQL and its model, without any words."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from memory import Turn, open_store
from memory.server.tokens import Tokens
from memory.store import Store, namespaces
from memory.system import tracing
from tests.support.answering_server import answering_server
from tests.support.otlp_receiver import OtlpReceiver, attributes, receiving_spans
from tests.support.server_process import server_process
from tests.support.serving import serving, token

WORDS = ("zebra", "Quito", "anna")  # of turns, questions and names of memories
QUESTION = "Who saw the zebra in Quito?"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with receiving_spans() as served:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", served.address)
        yield served
        tracing.end()


def assert_one_tree(trace: dict[str, list[object]]) -> None:
    """Every span but the first stands below another one of the trace."""
    spans = [span for of_name in trace.values() for span in of_name]
    numbers = {span.span_id for span in spans}  # type: ignore[attr-defined]
    outer = [span for span in spans if span.parent_span_id not in numbers]  # type: ignore[attr-defined]
    assert len(outer) == 1


def assert_no_words(receiver: OtlpReceiver) -> None:
    sent = b"".join(receiver.bodies)
    assert sent
    assert [word for word in WORDS if word.encode() in sent] == []


def test_a_request_and_its_sql_are_one_trace_without_words(receiver: OtlpReceiver) -> None:
    tracing.begin()
    with serving(signed_in=False) as client:
        mine = token("anna")
        turn = {"text": "Ben saw a zebra in Quito.", "speaker": "Ben"}
        assert client.post("/api/anna/turns", headers=mine, json=turn).status_code == 200
        assert client.get(f"/api/anna/search?query={QUESTION}", headers=mine).is_success
        refused = client.post("/api/anna/forget", headers=token("anna"), json={"turn_ids": [1]})
        assert refused.status_code == 403
    added, searched, forgotten = receiver.traces()
    [request] = added["POST /api/{namespace}/turns"]
    assert attributes(request)["http.response.status_code"] == 200
    assert {"transaction", "insert turns"} <= added.keys() or "insert_turn" in added
    assert {"GET /api/{namespace}/search", "read transaction"} <= searched.keys()
    assert forgotten.keys() == {"POST /api/{namespace}/forget"}
    for trace in (added, searched, forgotten):
        assert_one_tree(trace)
    assert_no_words(receiver)


def test_a_trace_goes_on_with_that_of_the_request(receiver: OtlpReceiver) -> None:
    tracing.begin()
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with serving(signed_in=False) as client:
        headers = token("anna") | {"traceparent": f"00-{trace}-{parent}-01"}
        assert client.get("/api/anna/facts", headers=headers).is_success
    [spans] = receiver.traces()
    [request] = spans["GET /api/{namespace}/facts"]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (trace, parent)


def test_a_tool_called_over_mcp_is_in_the_trace_of_its_request(receiver: OtlpReceiver) -> None:
    tracing.begin()
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "recall", "arguments": {"query": QUESTION}},
    }
    with serving(signed_in=False) as client:
        headers = token("anna") | {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2025-11-25",
        }
        start = call | {
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        }
        opened = client.post("/mcp/anna", headers=headers, json=start)
        assert opened.status_code == 200
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        answer = client.post("/mcp/anna", headers=headers, json=call | {"id": 2})
        assert answer.status_code == 200
    *_, called = receiver.traces()
    assert {"POST /mcp/{namespace}", "read transaction"} <= called.keys()
    assert_one_tree(called)
    assert_no_words(receiver)


def test_an_error_is_told_by_its_kind_alone(receiver: OtlpReceiver, store: Store) -> None:
    tracing.begin()
    with pytest.raises(ValueError, match="zebra"), tracing.root("work"):
        raise ValueError("a zebra")
    tracing.end()
    [span] = receiver.spans
    assert attributes(span)["error.type"] == "ValueError"
    assert span.status.code == 2
    assert_no_words(receiver)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_nothing_is_traced_unless_it_is_asked_for(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    tracing.begin()
    assert tracing.tracer is None
    assert tracing.root("work") is tracing.span("work")


def test_without_the_packages_the_server_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.WARNING):
        tracing.begin()
    assert tracing.tracer is None
    assert "pip install '.[otel]' in the clone" in caplog.text


def test_importing_the_memory_does_not_load_opentelemetry() -> None:
    code = (
        "import memory, memory.system.tracing, sys; memory.Memory, memory.Store;"
        " assert 'opentelemetry' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_question_to_a_server_is_one_trace_down_to_the_call_of_its_model(
    receiver: OtlpReceiver, tmp_path: Path
) -> None:
    with open_store(namespaces.existing("anna")) as store:
        # More than a prompt has room for: where all fits, no SELECT is asked for.
        told = "I saw a zebra in Quito, number {}, and it walked by the road for a long while. " * 6
        store.add([Turn("Ben", told.format(*[n] * 6), said_at="2026-05-01") for n in range(90)])
    headers = {"authorization": f"Bearer {Tokens().create('one', ['anna'], ['read'])}"}
    with answering_server() as address:
        line = ["memory", "serve", "--port", "0", "--model", "openai/gpt-x", "--api-base", address]
        with server_process(tmp_path / "log", *line, "--log-json") as server:
            answer = httpx2.post(
                f"{server.address}/api/anna/ask",
                headers=headers,
                content=json.dumps({"question": "How often did Ben see a zebra in Quito?"}),
                timeout=120,
            )
            assert answer.status_code == 200, answer.text
    [trace] = receiver.traces()
    assert_one_tree(trace)  # type: ignore[arg-type]
    call = trace["chat gpt-x"][-1]
    assert attributes(call)["gen_ai.usage.input_tokens"] == 70
    assert attributes(call)["gen_ai.usage.output_tokens"] == 30
    assert {"POST /api/{namespace}/ask", "read transaction", "select of a model"} <= trace.keys()
    assert_no_words(receiver)
    [logged] = [
        line
        for line in map(json.loads, (tmp_path / "log").read_text("utf-8").splitlines()[-1:])
        if "trace" in line
    ]
    assert logged["trace"] == call.trace_id.hex()
