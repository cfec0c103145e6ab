"""Checks on every request: host, origin, identity, limits; and headers on every response."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory.errors import StoreError
from memory.server.connections import STATE, Connection
from memory.server.fault_messages import fault_message, unavailable
from memory.server.sign_in import SignIn
from memory.server.tokens import Tokens
from memory.server.web.markup import html

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Paths for programs with a bearer token; all others are the page, which needs the cookie.
TOKEN_PATHS = ("/mcp/", "/api/")
# Paths that need no sign-in. The static files and the API's document come with the package.
SIGN_IN_PATH = "/sign-in"
# Where clients look for OAuth after a 401; they read JSON (RFC 7591 and 8414).
OAUTH_PATHS = ("/register", "/authorize", "/token")
OAUTH_METADATA = "/.well-known/"
_NO_OAUTH = (
    "this server has no OAuth: create a token with `memory admin tokens create NAME`, and configure"
    " the client to send it as `Authorization: Bearer TOKEN`"
)
OPEN_PATHS = (SIGN_IN_PATH, "/api/openapi.json")
STATIC_FILES = "/static/"

LARGEST_BODY = 4_000_000  # bytes
LARGEST_UPLOAD = 500_000_000  # bytes, of an imported file
UPLOAD_SUFFIX = "/import"
BODY_SECONDS = 30.0  # between two pieces of a body
# A fast typist sends ten keys a second, and each may be a search.
REQUESTS_A_SECOND = 100.0
_BURST_SECONDS = 2.0
_MOST_CLIENTS = 10_000  # whose requests are counted

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class AllowedHosts:
    """Allowed `Host` headers and `Origin` headers, exact."""

    hosts: tuple[str, ...]
    origins: tuple[str, ...]


def allowed_hosts(
    port: int, hosts: Sequence[str] = (), origins: Sequence[str] = ()
) -> AllowedHosts:
    """The names of this machine with the port, and additional hosts and origins.

    A host may include a port. Its own pages, by http and https, are allowed origins.
    """
    names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    for host in hosts:
        names += [host, f"{host}:{port}"]
    own_origins = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    return AllowedHosts(tuple(names), (*own_origins, *(origin.rstrip("/") for origin in origins)))


class Refusal(Exception):
    """A rejected request: an HTTP status, and a message that says what to do."""

    def __init__(self, status: int, advice: str, **headers: str) -> None:
        super().__init__(advice)
        self.status = status
        self.headers = headers


class Guard:
    """ASGI middleware around the whole server.

    A request for `/mcp/` or `/api/` needs a bearer token, never a cookie; its grant is in
    `scope["state"]["grant"]` for the endpoint to check. Any other request needs a session cookie.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed: AllowedHosts,
        sign_in: SignIn,
        tokens: Tokens,
        cookie: str,
        requests_a_second: float = REQUESTS_A_SECOND,
    ) -> None:
        self._app = app
        self._allowed = allowed
        self._sign_in = sign_in
        self._tokens = tokens
        self._cookie = cookie
        self._rate = _Rate(requests_a_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._check(scope)
            limited = _limited(scope, receive)
        except Refusal as refusal:
            await _refused(scope, refusal)(scope, receive, send_with_headers)
            return
        await self._app(scope, limited, send_with_headers)

    async def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        _refuse_two_lengths(headers)
        self._check_host(headers)
        if _is_oauth(scope["path"]):
            self._refuse_oauth(scope)
        self._check_site(scope, headers)
        path = scope["path"]
        connection: Connection | None = scope.get("state", {}).get(STATE)
        if path in OPEN_PATHS or path.startswith(STATIC_FILES):
            if connection and connection.is_extra and path != SIGN_IN_PATH:
                unavailable(scope, "clients")
                raise Refusal(503, "too many connections; try again", retry_after="1")
            client = _address(scope)
        else:
            is_for_programs = path.startswith(TOKEN_PATHS)
            try:
                client = await (
                    self._check_token(scope, headers)
                    if is_for_programs
                    else self._check_session(headers)
                )
            except StoreError as error:  # of the database that has tokens and sessions
                unavailable(scope, error)
                raise Refusal(503, fault_message(error), retry_after="1") from error
            if connection:
                connection.is_known = True
        if not self._rate.admits(client):
            raise Refusal(429, "too many requests; wait a second", retry_after="1")

    def _refuse_oauth(self, scope: Scope) -> None:
        """Say in the words of OAuth that there is none; it tells nothing of this server."""
        if not self._rate.admits(f"refused {_address(scope)}"):
            raise Refusal(429, "too many requests without a token", retry_after="1")
        raise Refusal(404 if scope["path"].startswith(OAUTH_METADATA) else 400, _NO_OAUTH)

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if host not in self._allowed.hosts:
            raise Refusal(
                421,
                f"the host {host[:100]!r} is not allowed;"
                " allow it with `memory serve --allowed-host HOST`",
            )

    def _check_site(self, scope: Scope, headers: Headers) -> None:
        """Reject requests from pages of other sites (Fetch metadata, and Origin)."""
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        # With "no-referrer", browsers send the origin of the same page as "null".
        is_own_page = site == "same-origin" and origin == "null"
        if origin is not None and origin not in self._allowed.origins and not is_own_page:
            raise Refusal(
                403,
                f"the origin {origin[:100]!r} is not allowed;"
                " allow it with `memory serve --allowed-origin ORIGIN`",
            )
        if scope["path"].startswith(TOKEN_PATHS):
            return  # pages of other sites have no token
        if scope["method"] in SAFE_METHODS:
            is_link = headers.get("sec-fetch-mode") == "navigate"
            refused = site in ("cross-site", "same-site") and not is_link
        elif site is not None:
            refused = site != "same-origin"
        else:
            refused = origin is None
        if refused:
            raise Refusal(
                403, "this request came from a page of another site; open this page directly"
            )

    async def _check_token(self, scope: Scope, headers: Headers) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        grant = None
        if scheme.lower() == "bearer":
            token = token.strip()
            find = self._tokens.find
            is_fresh = self._tokens.is_fresh(token)
            grant = find(token) if is_fresh else await asyncio.to_thread(find, token)
        if grant is None:
            if not self._rate.admits(f"refused {_address(scope)}"):
                raise Refusal(429, "too many requests without a token", retry_after="1")
            raise Refusal(
                401,
                "a bearer token is required: create one with `memory admin tokens create NAME`,"
                " and send it as `Authorization: Bearer TOKEN`",
                www_authenticate="Bearer",
            )
        scope.setdefault("state", {})["grant"] = grant
        return f"token {grant.name}"

    async def _check_session(self, headers: Headers) -> str:
        session = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        holds = self._sign_in.holds
        if not session or not (
            holds(session)
            if self._sign_in.is_fresh(session)
            else await asyncio.to_thread(holds, session)
        ):
            raise Refusal(
                401,
                "not signed in: open the sign-in link that `memory serve` printed;"
                " it works once, and the server prints a new one at each start",
            )
        return f"session {session}"


def _refuse_two_lengths(headers: Headers) -> None:
    """Refuse a body that says its length twice: a proxy may read another request in the rest.

    RFC 9112, section 6.3; the connection is closed, as what follows is not known.
    """
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Refusal(400, "send Content-Length or Transfer-Encoding, not both", connection="close")


def _is_oauth(path: str) -> bool:
    return path in OAUTH_PATHS or path.startswith(OAUTH_METADATA)


def _refused(scope: Scope, refusal: Refusal) -> Response:
    """A rejection as plain text, or as an error of the API."""
    headers = {name.replace("_", "-"): value for name, value in refusal.headers.items()}
    if _is_oauth(scope["path"]):
        oauth_error = {"error": "invalid_client_metadata", "error_description": str(refusal)}
        return JSONResponse(oauth_error, refusal.status, headers)
    if refusal.status == 401 and _is_page(scope):
        return HTMLResponse(html("sign_in.html", {"used": False}), 401, headers)
    if scope["path"].startswith("/api/"):
        error = {"kind": "Refused", "message": str(refusal)}
        return JSONResponse({"error": error}, refusal.status, headers)
    return PlainTextResponse(f"{refusal}\n", refusal.status, headers)


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page to show: not a program, and not htmx for a part."""
    headers = Headers(scope=scope)
    is_for_people = not scope["path"].startswith(TOKEN_PATHS) and "hx-request" not in headers
    return is_for_people and "text/html" in headers.get("accept", "")


def _limited(scope: Scope, receive: Receive) -> Receive:
    """`receive` with limits: it disconnects when the body is too large or too slow."""
    largest = LARGEST_UPLOAD if scope["path"].endswith(UPLOAD_SUFFIX) else LARGEST_BODY
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > largest:
        raise Refusal(413, f"the body is larger than {largest:,} bytes")
    received = 0
    is_whole = False

    async def limited() -> Message:
        nonlocal received, is_whole
        if is_whole:  # the only further message is a disconnect
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_SECONDS)
        except TimeoutError:
            return {"type": "http.disconnect"}
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > largest:
            return {"type": "http.disconnect"}
        return message

    return limited


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


class _Rate:
    """A rate limit for each client: a token bucket that holds two seconds of requests."""

    def __init__(self, requests_a_second: float) -> None:
        self._rate = requests_a_second
        self._most = requests_a_second * _BURST_SECONDS
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, client: str) -> bool:
        """Whether this client may send one more request."""
        now = monotonic()
        level, since = self._buckets.pop(client, (self._most, now))
        level = min(level + (now - since) * self._rate, self._most)
        admitted = level >= 1
        self._buckets[client] = (level - 1 if admitted else level, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return admitted
