"""A server seen from outside: health, metrics, lines of log."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from importlib.metadata import version

import dspy
import pytest

from memory.errors import SqlError, StoreError
from memory.server import observed
from memory.server.handles import Handles
from memory.server.tokens import Tokens
from memory.store import Store, namespaces
from tests.support.scripted import scripted_model
from tests.support.serving import serving, token

SEARCH = "/api/anna/search?query=cat"
COUNTED = 'memory_requests_total{method="GET",route="/api/{namespace}/search",status="200"}'


def value(text: str, metric: str) -> float:
    """The value of a metric; 0 where it was never counted."""
    found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_health_is_answered_to_everybody_under_any_name() -> None:
    with serving(signed_in=False) as client:
        for path in ("/health/live", "/health/ready"):
            answer = client.get(path, headers={"host": "10.1.2.3:8765"})
            assert (answer.status_code, answer.text) == (200, "ok\n")
            assert answer.headers["x-memory-version"] == version("sql-memory")


def test_a_server_without_its_database_is_alive_and_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> bool:
        raise StoreError("postgresql://owner@db/secret: no connection")

    monkeypatch.setattr(namespaces, "exists", fail)
    with serving(signed_in=False) as client:
        assert client.get("/health/live").status_code == 200
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert "db" not in answer.text


def test_metrics_count_requests_and_name_no_memory() -> None:
    with serving(signed_in=False) as client:
        mine, numbers = token("anna"), token("*", rights="metrics")
        before = client.get("/metrics", headers=numbers).text
        for _ in range(3):
            assert client.get(SEARCH, headers=mine).status_code == 200
        client.get("/api/anna/turns/1", headers=mine)
        client.get("/nothing/anna", headers=mine)
        after = client.get("/metrics", headers=numbers).text
    assert value(after, COUNTED) - value(before, COUNTED) == 3
    hit, miss = (f'memory_cache_total{{outcome="{name}"}}' for name in ("hits", "misses"))
    assert value(after, miss) - value(before, miss) == 1
    assert value(after, hit) - value(before, hit) == 3
    assert value(after, "memory_cache_memories") == 1
    assert value(after, "memory_cache_bytes") > 0
    assert 'route="/api/{namespace}/turns/{id}"' in after
    assert "anna" not in after


def test_metrics_are_for_a_token_with_that_right_which_opens_nothing_else() -> None:
    with serving(signed_in=False) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=token("*")).status_code == 403
        numbers = token("*", rights="metrics")
        assert client.get("/metrics", headers=numbers).status_code == 200
        assert client.get(SEARCH, headers=numbers).status_code == 403
        assert client.post("/mcp/anna", headers=numbers).status_code == 403


def test_calls_of_models_and_refused_statements_are_counted() -> None:
    handles = Handles(scripted_model([]))

    def ask(store: Store) -> None:
        usage = {"prompt_tokens": 70, "completion_tokens": 5}
        dspy.settings.usage_tracker.add_usage("model", usage)
        with pytest.raises(SqlError):
            store.read("DROP TABLE turns")

    before = handles.totals()
    asyncio.run(handles.run_slow_on_store("anna", ask))
    after = handles.totals()
    handles.close()
    assert (after.calls, after.tokens_in, after.tokens_out) == (1, 70, 5)
    assert after.refused_sql - before.refused_sql == 1


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged of requests."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(observed.JsonLines())
    logger = logging.getLogger("memory.requests")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_a_line_of_log_has_the_requests_id_and_nothing_that_was_said(lines: io.StringIO) -> None:
    with serving(signed_in=False) as client:
        mine = token("anna")
        answer = client.get(SEARCH, headers=mine | {"x-request-id": "proxy-17"})
        other = client.get(SEARCH, headers=mine | {"x-request-id": "two words"})
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert answer.headers["x-request-id"] == first["request"] == "proxy-17"
    assert other.headers["x-request-id"] == second["request"] != "two words"
    assert first["route"] == "/api/{namespace}/search"
    assert (first["status"], first["token"]) == (200, "token 1")
    assert "cat" not in lines.getvalue()
    assert mine["authorization"].split()[1] not in lines.getvalue()


def test_an_error_is_logged_without_its_message(lines: io.StringIO) -> None:
    try:
        int("Anna lives in Oslo")
    except ValueError:
        logging.getLogger("memory.requests").exception("failed")
    [line] = map(json.loads, lines.getvalue().splitlines())
    assert line["error"] == "ValueError"
    assert "Oslo" not in lines.getvalue()


def test_an_answer_503_is_logged_and_counted_with_its_cause(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("postgresql://db: all connections were in use", cause="connections")

    line = 'memory_unavailable_total{cause="connections"}'
    with serving() as client:
        mine, numbers = token("anna"), token("*", rights="metrics")
        before = client.get("/metrics", headers=numbers).text
        with monkeypatch.context() as patch:
            patch.setattr(Handles, "_opened", fail)
            assert client.get(SEARCH, headers=mine).status_code == 503
            assert client.get("/m/anna/facts").status_code == 503
            assert client.post("/mcp/anna", json={}, headers=mine).status_code == 503
            patch.setattr(Tokens, "is_fresh", lambda *_: False)
            patch.setattr(Tokens, "find", fail)
            assert client.get(SEARCH, headers=mine).status_code == 503
        after = client.get("/metrics", headers=numbers).text
    assert value(after, line) - value(before, line) == 4
    logged = [json.loads(text) for text in lines.getvalue().splitlines()]
    failed = [each for each in logged if each.get("status") == 503]
    assert [each["cause"] for each in failed] == ["connections"] * 4
    assert {each["level"] for each in failed} == {"warning"}
