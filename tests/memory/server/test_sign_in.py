"""Signing in: a link that works once, and a session that only the page takes."""

import pytest

from memory.server import sign_in
from memory.server.sign_in import LocalSignIn
from tests.support.serving import PORT, serving

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def test_the_link_works_once_and_its_token_is_not_the_session() -> None:
    with serving(signed_in=False) as client:
        assert client.get("/").status_code == 401
        link = f"/sign-in?token={client.headers.pop('x-link-token')}"
        assert client.get("/sign-in?token=wrong").status_code == 403
        preview = client.head(link)
        assert (preview.status_code, "set-cookie" in preview.headers) == (200, False)
        answer = client.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"sql-memory-session-{PORT}=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert link.partition("=")[2] not in cookie
        assert client.get("/").status_code == 200
        again = client.get(link)
        assert (again.status_code, "set-cookie" in again.headers) == (403, False)
        assert client.get("/").status_code == 200, "whoever is signed in stays so"


def test_a_session_ends_when_somebody_signs_out() -> None:
    with serving() as client:
        [(name, session)] = client.cookies.items()
        assert client.post("/sign-out", headers=SAME_ORIGIN).status_code == 200
        assert client.get("/", headers={"cookie": f"{name}={session}"}).status_code == 401


def test_a_session_that_nobody_used_for_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = LocalSignIn()
    session = sessions.redeem(sessions.link_token)
    assert session
    assert sessions.holds(session)
    monkeypatch.setattr(sign_in, "SESSION_SECONDS", -1.0)
    assert not sessions.holds(session)


@pytest.mark.parametrize("path", ["/mcp/anna", "/api/anna/turns"])
def test_the_cookie_opens_nothing_for_programs(path: str) -> None:
    with serving() as client:
        answer = client.post(path, json={}, headers=SAME_ORIGIN)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "memory admin tokens create" in answer.text
