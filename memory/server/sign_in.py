"""Sign-in to the page: a link that works once, then a session with its own secret."""

import secrets
from hashlib import sha256
from hmac import compare_digest
from time import monotonic

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

SESSION_SECONDS = 14 * 24 * 3600.0  # a session ends after this time without a request


class SignIn:
    """The sign-in link of a server, and its sessions.

    All of it is in memory, so sessions end with the server. Of a session only its SHA-256 is held.
    """

    def __init__(self) -> None:
        self.link_token = secrets.token_urlsafe(32)
        self._used = False
        self._last_seen: dict[str, float] = {}  # digest of a session -> monotonic seconds

    def redeem(self, token: str) -> str | None:
        """A new session for the link's token; None if the token is wrong or was used before."""
        if self._used or not compare_digest(token.encode(), self.link_token.encode()):
            return None
        self._used = True
        session = secrets.token_urlsafe(32)
        self._last_seen[_digest(session)] = monotonic()
        return session

    def holds(self, session: str) -> bool:
        """Whether this is a valid session; extends it by SESSION_SECONDS from now."""
        digest = _digest(session)
        seen = self._last_seen.get(digest)
        if seen is None or monotonic() - seen > SESSION_SECONDS:
            self._last_seen.pop(digest, None)
            return False
        self._last_seen[digest] = monotonic()
        return True

    def sign_out(self, session: str) -> None:
        """End a session."""
        self._last_seen.pop(_digest(session), None)


def _digest(session: str) -> str:
    return sha256(session.encode("utf-8", "surrogateescape")).hexdigest()


def sign_in_routes(sign_in: SignIn, cookie: str) -> list[Route]:
    """The routes to sign in, which sets a cookie of this name, and to sign out."""

    async def redeem(request: Request) -> Response:
        session = sign_in.redeem(request.query_params.get("token", ""))
        if session is None:
            return PlainTextResponse(
                "This sign-in link was used before, or belongs to another server. The server prints"
                " a new link at each start.\n",
                403,
            )
        response = RedirectResponse("/", 303)
        response.set_cookie(
            cookie,
            session,
            max_age=int(SESSION_SECONDS),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def sign_out(request: Request) -> Response:
        sign_in.sign_out(request.cookies.get(cookie, ""))
        response = PlainTextResponse("Signed out.\n")
        response.delete_cookie(cookie, httponly=True, samesite="strict")
        return response

    return [
        Route("/sign-in", redeem, methods=["GET"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]
