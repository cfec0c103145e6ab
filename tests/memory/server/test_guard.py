"""The guard: hosts, origins, other sites' pages, limits, and the headers of every answer."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from memory.server import guard
from tests.support.serving import ADDRESS, PORT, serving


@pytest.fixture
def client() -> Iterator[TestClient]:
    with serving() as signed_in:
        yield signed_in


@pytest.mark.few(1)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_called_by_its_names_and_the_port(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": f"{host}:{PORT}"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1:1", ""])
def test_another_host_is_refused_with_the_flag_that_would_allow_it(
    client: TestClient, host: str
) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "--allowed-host" in answer.text


@pytest.mark.parametrize("path", ["/", "/mcp/anna", "/api/anna/turns", "/sign-in"])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
def test_another_origin_is_refused_with_the_flag_that_would_allow_it(
    client: TestClient, origin: str, path: str
) -> None:
    answer = client.get(path, headers={"origin": origin})
    assert answer.status_code == 403
    assert "--allowed-origin" in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin", "origin": ADDRESS}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),  # told to send no referrer
        ({"origin": ADDRESS}, 200),  # a browser without Fetch metadata
        ({"sec-fetch-site": "cross-site", "origin": ADDRESS}, 403),
        ({"sec-fetch-site": "same-site", "origin": ADDRESS}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_the_page_itself_sends_what_changes_something(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/sign-out", headers=headers).status_code == status


def test_a_link_of_another_site_opens_and_its_pictures_do_not(client: TestClient) -> None:
    cross = {"sec-fetch-site": "cross-site"}
    assert client.get("/", headers={**cross, "sec-fetch-mode": "navigate"}).status_code == 200
    assert client.get("/", headers={**cross, "sec-fetch-mode": "no-cors"}).status_code == 403


@pytest.mark.parametrize("path", ["/", "/no-such-page", "/mcp/anna", "/sign-in?token=x"])
def test_every_answer_has_the_headers_of_the_guard(client: TestClient, path: str) -> None:
    answer = client.get(path)
    for name, value in guard.HEADERS.items():
        assert answer.headers[name] == value
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_body_that_is_too_large_is_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LARGEST_BODY", 1_000)
    same = {"sec-fetch-site": "same-origin"}
    assert client.post("/", content=b"x" * 1_000, headers=same).status_code == 405
    answer = client.post("/", content=b"x" * 1_001, headers=same)
    assert answer.status_code == 413
    assert "1,000 bytes" in answer.text


def test_a_body_that_says_its_length_twice_is_refused_and_the_connection_closed(
    client: TestClient,
) -> None:
    """A proxy in between may believe the other length, and read a request in the rest."""
    chunked = {"content-length": "4", "transfer-encoding": "chunked"}
    for path in ("/m/anna/ask", "/api/anna/turns", "/mcp/anna", "/sign-in"):
        response = client.post(path, headers=chunked, content=b"0\r\n\r\nGET / HTTP/1.1")
        assert response.status_code == 400
        assert "not both" in response.text
        assert response.headers["connection"] == "close"


def test_a_client_that_asks_too_often_waits(client: TestClient) -> None:
    with serving(requests_a_second=1) as hasty:
        assert [hasty.get("/").status_code for _ in range(4)] == [200, 200, 429, 429]
    assert client.get("/").status_code == 200
