"""MCP over HTTP at /mcp/NAMESPACE: one MCP server for each namespace and token.

/mcp/NAMESPACE?also=NAME&also=NAME reads more namespaces with it.

A session of the 2025-11-25 protocol survives a restart of the server: its id is signed with the
token that opened it. One that this process does not know is served without state, request by
request, where the signature is right; its client never learns of the restart.
"""

import hmac
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from time import monotonic

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from memory.errors import InputError, StoreError
from memory.operations import Right
from memory.server.fault_messages import fault_message, unavailable
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.server.mcp_stdio import sound_json
from memory.server.tokens import Grant
from memory.store.files.united import refuse_repeated

# A session takes some kilobytes; if its client forgets it, it ends after this time.
_IDLE_SECONDS = 30 * 60
_SAFE_SECONDS = _IDLE_SECONDS - 60  # after which it may have ended
_MOST_SESSIONS = 1_000  # for each token and namespace
# Each takes 0.6 MB, and a token of ten memories can ask for millions of lists of them.
MOST_SERVERS = 100
_SESSION = "mcp-session-id"
_SIGNATURE = 32  # characters at the end of a session's id, behind a dot
_Key = tuple[tuple[str, ...], str, tuple[Right, ...]]  # namespaces, token, rights


class McpOverHttp:
    """Answer MCP requests, each with the server for its namespace and its token's rights.

    A session belongs to one token and one list of namespaces; another token cannot use it. What is
    written goes to the first of them, and the token needs the right to read each.
    """

    def __init__(self, handles: Handles, rights: Sequence[Right], groups: Sequence[str]) -> None:
        self._handles = handles
        self._rights = rights
        self._groups = groups
        self._managers: OrderedDict[_Key, _Managers] = OrderedDict()
        self._making = anyio.Lock()
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the servers for as long as requests are answered."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            yield
            tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        namespace = scope["path_params"]["namespace"].rstrip("/")
        grant: Grant = scope["state"]["grant"]
        rights = tuple(right for right in self._rights if grant.allows(namespace, right))
        also = QueryParams(scope["query_string"]).getlist("also")
        # Before any of them is looked for: a refusal does not tell whether there is one.
        refused = [] if rights else [namespace]
        if also:
            refused += [name for name in (namespace, *also) if not grant.allows(name, "read")]
        if refused:
            refusal = f"the token {grant.name!r} may not use the namespace {refused[0]!r}\n"
            await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        try:
            await self._handles.run_on_store(namespace, lambda store: store.read_only)
            refuse_repeated([namespace, *also])
            self._handles.refuse_missing(also)
        except InputError as fault:
            reason = str(fault).partition(";")[0]
            await PlainTextResponse(f"{reason}\n", 404)(scope, receive, send)
            return
        except StoreError as fault:  # not 404, which tells a client that its session is over
            unavailable(scope, fault)
            await PlainTextResponse(f"{fault_message(fault)}\n", 503)(scope, receive, send)
            return
        key = ((namespace, *also), grant.name, rights)
        async with self._managers_of(key) as managers:
            sound = await _sound_body(scope, receive) if scope["method"] == "POST" else receive
            await managers.answer(_Signer(scope, key), scope, sound, send)

    @asynccontextmanager
    async def _managers_of(self, key: _Key) -> AsyncIterator["_Managers"]:
        """What answers a request, which does not end before the block does."""
        async with self._making:
            if key not in self._managers:
                assert self._tasks is not None
                self._managers[key] = await self._tasks.start(self._serve, key)
            managers = self._managers[key]
            self._managers.move_to_end(key)
            managers.requests += 1
            self._end_oldest()
        try:
            yield managers
        finally:
            managers.requests -= 1

    def _end_oldest(self) -> None:
        """End the least recently used servers that no one waits for; their sessions go on."""
        idle = [key for key, managers in self._managers.items() if not managers.requests]
        for key in idle[: max(len(self._managers) - MOST_SERVERS, 0)]:
            self._managers.pop(key).is_over.set()

    async def _serve(self, key: _Key, *, task_status: TaskStatus["_Managers"]) -> None:
        """Run one server until it is over; the task that began its sessions must also end them."""
        (namespace, *also), _, rights = key
        managers = []
        for is_stateless in (False, True):
            server = mcp_server(
                self._handles, namespace, also=also, rights=rights, groups=self._groups
            )
            server.streamable_http_app(
                # The guard around the whole server checks hosts and origins.
                transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
                session_idle_timeout=_IDLE_SECONDS,
                max_sessions=_MOST_SESSIONS,
                stateless_http=is_stateless,
            )
            managers.append(server.session_manager)
        with_state, without_state = managers
        async with with_state.run(), without_state.run():
            started = _Managers(with_state, without_state)
            task_status.started(started)
            await started.is_over.wait()


class _Managers:
    """The sessions of one namespace and token, and what answers sessions of an earlier process."""

    def __init__(
        self, with_state: StreamableHTTPSessionManager, without_state: StreamableHTTPSessionManager
    ) -> None:
        self.requests = 0  # under way
        self.is_over = anyio.Event()
        self._with_state = with_state
        self._without_state = without_state
        # Sessions of this process -> seconds when they were last used; the manager ends the ones
        # idle for long, and their clients go on without state.
        self._last_used: OrderedDict[str, float] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()  # by their clients

    async def answer(self, signer: "_Signer", scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request in its session, or outside of any where its process is gone."""

        async def send_signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if session := headers.get(_SESSION):
                    self._use(session)
                    headers[_SESSION] = signer.signed(session)
            await send(message)

        given = Headers(scope=scope).get(_SESSION, "")
        session = signer.session_of(given)
        if not session or session in self._ended:
            # A new session, or an id that the manager does not know and refuses.
            await self._with_state.handle_request(scope, receive, send_signed)
            return
        is_end = scope["method"] == "DELETE"
        if is_end:
            self._ended[session] = None
            if len(self._ended) > _MOST_SESSIONS:
                self._ended.popitem(last=False)
        if self._is_open(session):
            self._use(session)
            inner = _with_session(scope, session)
            await self._with_state.handle_request(inner, receive, send_signed)
        elif is_end:
            await Response()(scope, receive, send)
        else:
            inner = _with_session(scope, "")
            await self._without_state.handle_request(inner, receive, send)

    def _use(self, session: str) -> None:
        self._last_used.pop(session, None)
        self._last_used[session] = monotonic()
        if len(self._last_used) > 2 * _MOST_SESSIONS:
            self._last_used.popitem(last=False)

    def _is_open(self, session: str) -> bool:
        last_used = self._last_used.get(session)
        return last_used is not None and monotonic() - last_used < _SAFE_SECONDS


async def _sound_body(scope: Scope, receive: Receive) -> Receive:
    """The request's messages, with a body that the SDK's reader takes."""
    body = await Request(scope, receive).body()
    text = body.decode("utf-8", "replace")
    first = [{"type": "http.request", "body": sound_json(text).encode(), "more_body": False}]

    async def receive_sound() -> Message:
        return first.pop() if first else await receive()

    return receive_sound


def _with_session(scope: Scope, session: str) -> Scope:
    """The request with this session id instead of the one it has; without one for an empty id."""
    name = _SESSION.encode()
    headers = [header for header in scope["headers"] if header[0] != name]
    if session:
        headers.append((name, session.encode("latin-1")))
    return {**scope, "headers": headers}


class _Signer:
    """Ids of sessions with a signature of the token, the namespaces and the rights."""

    def __init__(self, scope: Scope, key: _Key) -> None:
        # The guard has checked the token; without a guard there is no token, and nothing to
        # protect.
        token = Headers(scope=scope).get("authorization", "").partition(" ")[2].strip()
        self._key = sha256(b"mcp session " + token.encode("utf-8", "surrogateescape")).digest()
        self._about = json.dumps([key[0], key[2]])

    def signed(self, session: str) -> str:
        """The id with its signature."""
        text = f"{session} {self._about}".encode()
        return f"{session}.{hmac.new(self._key, text, sha256).hexdigest()[:_SIGNATURE]}"

    def session_of(self, signed: str) -> str:
        """The id without its signature; "" if that is wrong."""
        session = signed.rpartition(".")[0]
        is_right = hmac.compare_digest(self.signed(session).encode(), signed.encode())
        return session if is_right else ""


def mcp_route(servers: McpOverHttp) -> Route:
    """The route of MCP. A namespace's name may contain slashes."""
    return Route("/mcp/{namespace:path}", servers)
