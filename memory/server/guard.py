"""What every request passes: hosts, origins, limits and who asks; what every answer carries."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory.server.sign_in import SignIn
from memory.server.tokens import Tokens

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What programs reach with a bearer token; all else is the page, which wants the cookie.
TOKEN_PATHS = ("/mcp/", "/api/")
# What is shown before somebody signed in. Static files are those of the package, as the document
# that describes the API.
OPEN_PATHS = ("/sign-in", "/api/openapi.json")
STATIC_FILES = "/static/"

LARGEST_BODY = 4_000_000  # bytes
LARGEST_UPLOAD = 500_000_000  # bytes, of a file that is imported
UPLOAD_SUFFIX = "/import"
BODY_SECONDS = 30.0  # between two pieces of a body
# A person types ten letters a second, and each may be a search.
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
class Places:
    """Where a server may be reached from: exact `Host` headers, and origins of pages."""

    hosts: tuple[str, ...]
    origins: tuple[str, ...]


def places(port: int, hosts: Sequence[str] = (), origins: Sequence[str] = ()) -> Places:
    """This machine's names with the port, and what else was allowed.

    A host may be given with its port or without; it is its own origin, by http and https.
    """
    names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    for host in hosts:
        names += [host, f"{host}:{port}"]
    own = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    return Places(tuple(names), (*own, *(origin.rstrip("/") for origin in origins)))


class Refusal(Exception):
    """A request that is not let through: an HTTP status, and a line that says what would help."""

    def __init__(self, status: int, advice: str, **headers: str) -> None:
        super().__init__(advice)
        self.status = status
        self.headers = headers


class Guard:
    """ASGI middleware around the whole server.

    A request for `/mcp/` or `/api/` must bring a bearer token; what that grants is in
    `scope["state"]["grant"]`, and the endpoint asks it. A cookie opens neither. All else must bring
    the cookie of a session.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed: Places,
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
            self._check(scope)
            limited = _limited(scope, receive)
        except Refusal as refusal:
            await _refused(scope, refusal)(scope, receive, send_with_headers)
            return
        await self._app(scope, limited, send_with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_site(scope, headers)
        path = scope["path"]
        if path in OPEN_PATHS or path.startswith(STATIC_FILES):
            client = _address(scope)
        elif path.startswith(TOKEN_PATHS):
            client = self._check_token(scope, headers)
        else:
            client = self._check_session(headers)
        if not self._rate.admits(client):
            raise Refusal(429, "too many requests; wait a second", retry_after="1")

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if host not in self._allowed.hosts:
            raise Refusal(
                421,
                f"this server does not answer for the host {host[:100]!r};"
                " `memory serve --allowed-host HOST` allows another one",
            )

    def _check_site(self, scope: Scope, headers: Headers) -> None:
        """Refuse what another site's page makes a browser send (Fetch metadata, and Origin)."""
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        # A browser that is told to send no referrer calls its own page's origin "null".
        is_own_page = site == "same-origin" and origin == "null"
        if origin is not None and origin not in self._allowed.origins and not is_own_page:
            raise Refusal(
                403,
                f"pages of {origin[:100]!r} may not ask this server;"
                " `memory serve --allowed-origin ORIGIN` allows another one",
            )
        if scope["path"].startswith(TOKEN_PATHS):
            return  # a page of another site has no token
        if scope["method"] in SAFE_METHODS:
            is_link = headers.get("sec-fetch-mode") == "navigate"
            refused = site in ("cross-site", "same-site") and not is_link
        elif site is not None:
            refused = site != "same-origin"
        else:
            refused = origin is None
        if refused:
            raise Refusal(403, "this request came from another site's page; open the page itself")

    def _check_token(self, scope: Scope, headers: Headers) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        grant = self._tokens.find(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            if not self._rate.admits(f"refused {_address(scope)}"):
                raise Refusal(429, "too many requests without a token", retry_after="1")
            raise Refusal(
                401,
                "a bearer token is needed: `memory admin tokens create NAME` makes one,"
                " and the client sends it as `Authorization: Bearer TOKEN`",
                www_authenticate="Bearer",
            )
        scope.setdefault("state", {})["grant"] = grant
        return f"token {grant.name}"

    def _check_session(self, headers: Headers) -> str:
        session = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        if not session or not self._sign_in.holds(session):
            raise Refusal(
                401,
                "nobody is signed in: open the sign-in link that `memory serve` printed;"
                " it works once, and a server that is started again prints another one",
            )
        return f"session {session}"


def _refused(scope: Scope, refusal: Refusal) -> Response:
    """A refusal as a line, or in the form of the API's errors."""
    headers = {name.replace("_", "-"): value for name, value in refusal.headers.items()}
    if scope["path"].startswith("/api/"):
        error = {"kind": "Refused", "message": str(refusal)}
        return JSONResponse({"error": error}, refusal.status, headers)
    return PlainTextResponse(f"{refusal}\n", refusal.status, headers)


def _limited(scope: Scope, receive: Receive) -> Receive:
    """`receive`, which ends with a request that is too large or too slow."""
    largest = LARGEST_UPLOAD if scope["path"].endswith(UPLOAD_SUFFIX) else LARGEST_BODY
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > largest:
        raise Refusal(413, f"at most {largest:,} bytes are taken here")
    received = 0
    is_whole = False

    async def limited() -> Message:
        nonlocal received, is_whole
        if is_whole:  # from now on the only message is that the client has gone
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
    """Requests a second of each client: a bucket that fills at that rate and holds two seconds."""

    def __init__(self, requests_a_second: float) -> None:
        self._rate = requests_a_second
        self._most = requests_a_second * _BURST_SECONDS
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, client: str) -> bool:
        """Whether one more request of this client is let through."""
        now = monotonic()
        level, since = self._buckets.pop(client, (self._most, now))
        level = min(level + (now - since) * self._rate, self._most)
        admitted = level >= 1
        self._buckets[client] = (level - 1 if admitted else level, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return admitted
