"""Sign-in to the page: a link that works once, then a session with its own secret."""

import asyncio
import secrets
from hashlib import sha256
from hmac import compare_digest
from time import monotonic, time
from typing import Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from memory.server.tokens import FRESH_SECONDS
from memory.server.web.markup import html
from memory.store import postgres_module
from memory.system.home import home_address

SESSION_SECONDS = 14 * 24 * 3600.0  # a session ends after this time without a request
LINK_SECONDS = 24 * 3600.0  # a link in a database, which outlives its server
_EXTENDED_AFTER = 3600.0  # a session in a database is written no more often
_MOST_SEEN = 20_000


class SignIn(Protocol):
    """The sign-in link of a server, and its sessions."""

    link_token: str

    def redeem(self, token: str) -> str | None:
        """A new session for the link's token; None if the token is wrong or was used before."""

    def holds(self, session: str) -> bool:
        """Whether this is a valid session; extends it by SESSION_SECONDS from now."""

    def is_fresh(self, session: str) -> bool:
        """Whether `holds` answers at once, without asking a database."""

    def sign_out(self, session: str) -> None:
        """End a session."""


def open_sign_in(new_link: bool = True) -> SignIn:
    """Links and sessions of this process, or in the database of MEMORY_HOME, for all servers."""
    return DatabaseSignIn(home_address(), new_link) if home_address() else LocalSignIn()


class LocalSignIn:
    """Links and sessions in memory, which end with the server. Only digests are held."""

    def __init__(self) -> None:
        self.link_token = secrets.token_urlsafe(32)
        self._used = False
        self._last_seen: dict[str, float] = {}  # digest of a session -> monotonic seconds

    def redeem(self, token: str) -> str | None:
        """See `SignIn`."""
        if self._used or not compare_digest(token.encode(), self.link_token.encode()):
            return None
        self._used = True
        session = secrets.token_urlsafe(32)
        self._last_seen[_digest(session)] = monotonic()
        return session

    def holds(self, session: str) -> bool:
        """See `SignIn`."""
        digest = _digest(session)
        seen = self._last_seen.get(digest)
        if seen is None or monotonic() - seen > SESSION_SECONDS:
            self._last_seen.pop(digest, None)
            return False
        self._last_seen[digest] = monotonic()
        return True

    def is_fresh(self, session: str) -> bool:
        """See `SignIn`."""
        return True

    def sign_out(self, session: str) -> None:
        """See `SignIn`."""
        self._last_seen.pop(_digest(session), None)


class DatabaseSignIn:
    """Links and sessions in a Postgres database: any server on it takes them, even after a restart.

    Only digests are held. A link works once, for a day; a session that was ended elsewhere is valid
    for FRESH_SECONDS more.
    """

    def __init__(self, address: str, new_link: bool = True) -> None:
        self._access = postgres_module("access")
        read_address = postgres_module("address").read_address
        self._address = read_address(address, needs_namespace=False)
        self._seen: dict[str, float] = {}  # digest of a session -> monotonic seconds
        self.link_token = secrets.token_urlsafe(32) if new_link else ""
        if new_link:
            self._change("link", {_digest(self.link_token): {"at": time()}}, LINK_SECONDS)

    def redeem(self, token: str) -> str | None:
        """See `SignIn`."""
        digest = _digest(token)
        links: list[dict[str, float]] = []

        def take(records: dict[str, dict[str, float]]) -> None:
            if digest in records:
                links.append(records.pop(digest))

        if self._access.find(self._address, "link", digest):
            self._access.change(self._address, "link", take)
        if not links or time() - links[0]["at"] > LINK_SECONDS:
            return None
        session = secrets.token_urlsafe(32)
        self._change("session", {_digest(session): {"at": time()}}, SESSION_SECONDS)
        return session

    def holds(self, session: str) -> bool:
        """See `SignIn`."""
        digest = _digest(session)
        if self.is_fresh(session):
            return True
        self._seen.pop(digest, None)
        record = self._access.find(self._address, "session", digest)
        if record is None or time() - record["at"] > SESSION_SECONDS:
            return False
        if time() - record["at"] > _EXTENDED_AFTER:
            self._change("session", {digest: {"at": time()}}, SESSION_SECONDS)
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        self._seen[digest] = monotonic()
        return True

    def is_fresh(self, session: str) -> bool:
        """See `SignIn`."""
        seen = self._seen.get(_digest(session))
        return seen is not None and monotonic() - seen < FRESH_SECONDS

    def sign_out(self, session: str) -> None:
        """See `SignIn`."""
        self._seen.pop(_digest(session), None)
        digest = _digest(session)
        self._access.change(self._address, "session", lambda records: records.pop(digest, None))

    def _change(self, kind: str, new: dict[str, dict[str, float]], seconds: float) -> None:
        """Add records, and remove the ones that are too old."""

        def change(records: dict[str, dict[str, float]]) -> None:
            old = [key for key, record in records.items() if time() - record["at"] > seconds]
            for digest in old:
                del records[digest]
            records.update(new)

        self._access.change(self._address, kind, change)


def _digest(session: str) -> str:
    return sha256(session.encode("utf-8", "surrogateescape")).hexdigest()


def sign_in_routes(sign_in: SignIn, cookie: str) -> list[Route]:
    """The routes to sign in, which sets a cookie of this name, and to sign out."""

    async def redeem(request: Request) -> Response:
        if request.method == "HEAD":  # of a preview of the link, which must not use it up
            return Response()
        session = await asyncio.to_thread(sign_in.redeem, request.query_params.get("token", ""))
        if session is None:
            return HTMLResponse(html("sign_in.html", {"used": True}), 403)
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
        await asyncio.to_thread(sign_in.sign_out, request.cookies.get(cookie, ""))
        response = PlainTextResponse("Signed out.\n")
        response.delete_cookie(cookie, httponly=True, samesite="strict")
        return response

    return [
        Route("/sign-in", redeem, methods=["GET"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]
