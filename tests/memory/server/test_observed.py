"""A server seen from outside: health, lines of log."""

import io
import json
import logging
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from memory.errors import StoreError
from memory.server import observed
from memory.server.handles import Handles
from memory.server.tokens import Tokens
from memory.store import namespaces
from tests.support.serving import serving, token

SEARCH = "/api/anna/search?query=cat"


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


def test_an_answer_503_is_logged_with_its_cause(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("postgresql://db: all connections were in use", cause="connections")

    with serving() as client:
        mine = token("anna")
        with monkeypatch.context() as patch:
            patch.setattr(Handles, "_opened", fail)
            assert client.get(SEARCH, headers=mine).status_code == 503
            assert client.get("/m/anna/facts").status_code == 503
            assert client.post("/mcp/anna", json={}, headers=mine).status_code == 503
            patch.setattr(Tokens, "is_fresh", lambda *_: False)
            patch.setattr(Tokens, "find", fail)
            assert client.get(SEARCH, headers=mine).status_code == 503
    logged = [json.loads(text) for text in lines.getvalue().splitlines()]
    failed = [each for each in logged if each.get("status") == 503]
    assert [each["cause"] for each in failed] == ["connections"] * 4
    assert {each["level"] for each in failed} == {"warning"}
