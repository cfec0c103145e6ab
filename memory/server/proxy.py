"""The proxy: any OpenAI-compatible server, with the memory added to each request.

A request goes on with one more system message, its answer comes back byte for byte, and what was
said is stored when the answer has gone through. A memory that fails or is slow costs the memory,
never the answer: the header `x-memory` says so.
"""

import asyncio
import json
import os
import re
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import httpx
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from memory.errors import InputError, MemoryFault
from memory.evidence.prompt_block import Injected, inject
from memory.search.embed import load_embedder
from memory.server.connections import STATE, Connection
from memory.server.guard import AllowedHosts
from memory.server.handles import Handles, NoNamespaceError
from memory.server.proxy_messages import (
    CHAT,
    MESSAGES,
    PROTOCOLS,
    RESPONSES,
    Answer,
    Conversation,
    read_answer,
    read_conversation,
    with_block,
)
from memory.server.proxy_storing import store_exchange
from memory.server.tokens import PREFIX, Grant, Tokens
from memory.store import Store
from memory.store.turns.expiry import moment_of_expiry
from memory.store.turns.traces import record_trace
from memory.store.turns.turn_validation import local_now, refuse_minted
from memory.system.logs import clean_logger
from memory.text.characters import is_visible
from memory.text.tokens import packaged_tokens

# Headers of ours; none is sent on.
NAMESPACE = "x-memory-namespace"
SESSION = "x-memory-session"
SPEAKER = "x-memory-speaker"
OFF_THE_RECORD = "x-memory-off-the-record"  # yes: this request is answered and leaves nothing
EXPIRES = "x-memory-expires"  # when both sides are forgotten: a date, a time, 12h or 7d
STATUS = "x-memory"
STORED = "x-memory-stored"
_NO = ("", "no", "0", "false")
_KEYS = ("authorization", "x-api-key", "api-key")
# Headers of the servers' protocols; clients' cookies and addresses are not passed on.
_SENT_ON = (
    *_KEYS,
    *("accept", "content-type", "user-agent", "idempotency-key", "x-request-id"),
    *("openai-organization", "openai-project", "openai-beta", "http-referer", "x-title"),
)
_SENT_ON_PREFIXES = ("anthropic-", "x-stainless-")
# What an answer's headers may say to a client. A browser keeps a site's cookies and policies, and a
# host's apply to our page there, too.
_PASSED_ON = frozenset({
    *("content-type", "content-length", "content-encoding", "content-language", "cache-control"),
    *("etag", "expires", "last-modified", "retry-after", "request-id", "vary"),
})  # fmt: skip
_PASSED_ON_PREFIXES = ("x-", "openai-", "anthropic-", "ratelimit-", "llm_provider-")
_STATUSES = range(200, 600)  # of answers; a redirect is not an answer
# Requests to a model; this machine's key is used for nothing else.
_POSTS = frozenset(
    {CHAT, "completions", RESPONSES, "embeddings", MESSAGES, f"{MESSAGES}/count_tokens"}
)
_GETS = re.compile(r"models(?:/\w[\w.:@-]*){0,3}", re.ASCII)
BUDGET = 1_000  # tokens of a block
MEMORY_SECONDS = 2.0  # a request waits no longer for its memory
LARGEST_BODY = 100_000_000  # bytes; pictures come in it
LARGEST_BODIES = 2 * LARGEST_BODY  # bytes of all requests that are being received
BODY_SECONDS, WHOLE_BODY_SECONDS = 30.0, 300.0  # between two pieces of a body, and for all of it
_LARGEST_ANSWER = 4_000_000  # bytes of an answer that are looked at for its text
AFTER_ANSWER = "after the answer"  # of STORED: a header of a stream is sent before its text
# A model may think for minutes before its first word.
_TIMEOUT = httpx.Timeout(600.0, connect=10.0)

_WARMING = "whether the embedder understands vectors"
_NOTHING = Injected(text="", memories=(), prompt="", turn_ids=(), tokens=0)

_log = clean_logger("memory.proxy")


class Refusal(Exception):
    """A request that is not sent on: a status, and a message that says what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ProxyOptions:
    """What a proxy does.

    Arguments:
        api_base: the address of the server, as clients call it: `https://api.openai.com/v1`.
        namespace: the memory of requests that name none; empty for none.
        stores, injects: whether requests and answers are stored, and memories added.
        needs_token: whether a request without a token of `memory admin tokens` is refused.
        budget: the most tokens of memories in a request, in tokens of the answering model if its
            name tells its vocabulary.
    """

    api_base: str
    namespace: str = ""
    stores: bool = True
    injects: bool = True
    needs_token: bool = False
    budget: int = BUDGET


@dataclass(frozen=True)
class _Exchange:
    """The part of a request and its answer that is stored.

    `conversation` is None if nothing of it is stored; `shown` and `facts` are the turns and the
    facts in its block. `said_at` is when the request came.
    """

    namespace: str
    protocol: str
    session: str
    speaker: str
    said_at: str
    conversation: Conversation | None
    shown: tuple[int, ...]
    facts: tuple[int, ...]
    expires: str


def proxy_application(
    options: ProxyOptions, handles: Handles, tokens: Tokens, allowed: AllowedHosts
) -> ASGIApp:
    """The proxy as an ASGI application; it closes the handles on shutdown."""
    proxy = _Proxy(options, handles, tokens, allowed)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            proxy.client = client
            await proxy.warm_up()
            try:
                yield
            finally:
                await proxy.finish()
                handles.close()

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[Route("/v1/{path:path}", proxy.answer, methods=methods)], lifespan=lifespan
    )


class _Proxy:
    client: httpx.AsyncClient

    def __init__(
        self, options: ProxyOptions, handles: Handles, tokens: Tokens, allowed: AllowedHosts
    ) -> None:
        self._options = options
        self._handles = handles
        self._tokens = tokens
        self._allowed = allowed
        self._storing: set[asyncio.Task[str]] = set()
        # One after another, as answers end: the first of a memory waits until that is made.
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._receiving = 0  # bytes of bodies

    async def warm_up(self) -> None:
        """Search once: the first request would wait for imports, the embedder and the index."""
        if not self._options.injects:
            return
        try:
            await asyncio.to_thread(load_embedder(), [_WARMING])
            await self._handles.run_on_store(
                self._options.namespace,
                lambda store: inject(store, _WARMING, budget=self._options.budget),
            )
        except MemoryFault as fault:
            # A request says so too; there may be no such memory yet.
            _log.info("nothing is warm: %s", type(fault).__name__)

    async def finish(self) -> None:
        """Wait until everything is stored."""
        await asyncio.gather(*self._storing, return_exceptions=True)

    async def answer(self, request: Request) -> Response:
        said_at = local_now()
        try:
            self._check_host(request.headers)
            grant = self._grant(request)
            path = _path(request)
            self._refuse_other_rights(grant, path)
            body = await self._body(request)
            protocol = path if request.method == "POST" and path in PROTOCOLS else ""
            conversation, fields = _conversation(protocol, body)
            namespace = self._namespace(request.headers, conversation, grant)
            expires = _expiry(request.headers)
            named = _session(request.headers)
        except Refusal as refusal:
            return _error(refusal.status, str(refusal))
        block, status = _NOTHING, "off"
        session = named or (conversation.session if conversation else "")
        task = conversation.task_of if conversation else ""
        may_read = bool(namespace) and _may(grant, namespace, "read")
        if conversation and not task and self._options.injects and may_read:
            block, status = await self._block(namespace, session, conversation, request.headers)
            if block.text:
                body = json.dumps(
                    with_block(protocol, fields, conversation.position, block.text)
                ).encode()
        try:
            upstream = await self._send(request, path, body)
        except httpx.HTTPError as error:
            # Its message may name the address, never a header.
            reason = type(error).__name__
            return _error(502, f"the model's server cannot be reached ({reason})", status)
        if upstream.is_redirect or upstream.status_code not in _STATUSES:
            await upstream.aclose()
            # A client that went there would send its key along, and a token of ours.
            return _error(
                502,
                f"the model's server answers {upstream.status_code}, which is no answer; where it"
                " sends you elsewhere, give its address as --api-base",
                status,
            )
        may_write = bool(namespace) and _may(grant, namespace, "write")
        if task or not (upstream.is_success and self._options.stores and may_write):
            conversation = None
        is_private = request.headers.get(OFF_THE_RECORD, "").lower() not in _NO
        if is_private:
            conversation = None
        exchange = _Exchange(
            namespace,
            protocol,
            session,
            speaker=request.headers.get(SPEAKER, ""),
            said_at=said_at,
            conversation=conversation,
            shown=() if is_private else block.turn_ids,
            facts=() if is_private else block.fact_ids,
            expires=expires,
        )
        pieces, stored = self._passed_on(upstream, exchange), "off"
        if task:
            stored = f"nothing: a task of {task}"
        elif is_private:
            stored = "nothing: off the record"
        elif conversation and _is_stream(upstream):
            stored = AFTER_ANSWER
        elif conversation:
            pieces, stored = await self._stored_first(upstream, exchange)
        return StreamingResponse(
            pieces,
            upstream.status_code,
            {**_answer_headers(upstream.headers), STATUS: status, STORED: stored},
        )

    # ------------------------------------------------------------------ who it is

    def _check_host(self, headers: Headers) -> None:
        """Refuse a name that another site was pointed at this machine by, and pages of others."""
        host = headers.get("host", "")
        if host not in self._allowed.hosts:
            raise Refusal(421, f"the host {host[:100]!r} is not allowed; give --allowed-host HOST")
        origin = headers.get("origin")
        if origin is not None and origin not in self._allowed.origins:
            raise Refusal(403, "pages of other sites may not call this proxy")

    def _grant(self, request: Request) -> Grant | None:
        """What the request's token grants; None for a request that may do without one."""
        keys = [_bare(request.headers.get(name, "")) for name in _KEYS]
        ours = [key for key in keys if key.startswith(PREFIX)]
        grant = self._tokens.find(ours[0]) if ours else None
        if grant is None and (ours or self._options.needs_token):
            raise Refusal(
                401,
                "a token of this memory is required as the API key: create one with"
                " `memory admin tokens create NAME`",
            )
        connection: Connection | None = request.scope.get("state", {}).get(STATE)
        if connection:
            connection.is_known = True
        return grant

    def _refuse_other_rights(self, grant: Grant | None, path: str) -> None:
        """Refuse a token that is for something else than talking: the key is this machine's."""
        rights = ("write",) if path in _POSTS else ("read", "write")
        if grant is not None and not any(right in grant.rights for right in rights):
            raise Refusal(
                403, f"the token {grant.name!r} may not ask a model; that needs the right write"
            )

    async def _body(self, request: Request) -> bytes:
        pieces = bytearray()
        loop = asyncio.get_running_loop()
        end = loop.time() + WHOLE_BODY_SECONDS
        try:
            async with asyncio.timeout(BODY_SECONDS) as deadline:
                async for piece in request.stream():
                    deadline.reschedule(min(loop.time() + BODY_SECONDS, end))
                    pieces += piece
                    self._receiving += len(piece)
                    if len(pieces) > LARGEST_BODY:
                        raise Refusal(413, f"the body is larger than {LARGEST_BODY:,} bytes")
                    if self._receiving > LARGEST_BODIES:
                        raise Refusal(503, "too much is being received; try again in a moment")
        except ClientDisconnect:
            raise Refusal(400, "the body is incomplete") from None
        except TimeoutError:
            raise Refusal(408, "the body took too long") from None
        finally:
            self._receiving -= len(pieces)
        return bytes(pieces)

    def _namespace(
        self, headers: Headers, conversation: Conversation | None, grant: Grant | None
    ) -> str:
        """Whose memory to use: the header's, the token's, the field `user`'s, the proxy's own.

        A token for one memory needs no name; otherwise the request names a memory that the token
        opens.
        """
        named = headers.get(NAMESPACE, "")
        user = conversation.user if conversation else ""
        if grant is None:
            return named or user or self._options.namespace
        only = [name for name in grant.namespaces if name != "*"]
        if named:
            if not grant.allows(named, "read") and not grant.allows(named, "write"):
                raise Refusal(403, f"the token {grant.name!r} does not open {named[:100]!r}")
            return named
        if len(grant.namespaces) == 1 and only:
            return only[0]
        is_open = user and (grant.allows(user, "read") or grant.allows(user, "write"))
        return user if is_open else ""

    # ------------------------------------------------------------------ the memory

    async def _block(
        self, namespace: str, session: str, conversation: Conversation, headers: Headers
    ) -> tuple[Injected, str]:
        """The block for a request, and the status to report."""

        budget = packaged_tokens(conversation.model, self._options.budget)

        def work(store: Store) -> Injected:
            return inject(
                store,
                conversation.messages,
                speaker=headers.get(SPEAKER, "") or conversation.speaker,
                session=session,
                budget=budget,
            )

        try:
            call = self._handles.run_on_store(namespace, work)
            block = await asyncio.wait_for(call, MEMORY_SECONDS)
        except NoNamespaceError:
            return _NOTHING, "empty"
        except TimeoutError:
            return _NOTHING, "failed: the memory is slow"
        except MemoryFault as fault:
            return _NOTHING, f"failed: {type(fault).__name__}"
        except Exception as error:  # noqa: BLE001
            # No fault of ours may cost the answer.
            _log.warning("a memory failed: %s", type(error).__name__)
            return _NOTHING, f"failed: {type(error).__name__}"
        return block, "added" if block.text else "empty"

    async def _store(self, exchange: _Exchange, answer: Answer) -> str:
        """Store both sides and say so, as STORED does; an obstacle is logged without the text."""
        namespace, conversation = exchange.namespace, exchange.conversation

        def work(store: Store) -> None:
            if not conversation:
                return
            reply_id = store_exchange(
                store,
                conversation,
                answer,
                session=exchange.session,
                speaker=exchange.speaker,
                said_at=exchange.said_at,
                expires=exchange.expires,
            )
            if reply_id:
                record_trace(store, reply_id, exchange.shown, exchange.facts)

        try:
            async with self._queues.setdefault(namespace, asyncio.Lock()):
                try:
                    await self._handles.run_on_store(namespace, work)
                except NoNamespaceError:
                    try:
                        await self._handles.create(namespace)
                    except InputError:
                        _log.info("another process created the memory, or its name is none")
                    await self._handles.run_on_store(namespace, work)
        except Exception as error:  # noqa: BLE001
            # No fault of ours may cost the answer.
            _log.warning("what was said is not stored: %s", type(error).__name__)
            return f"nothing: {type(error).__name__}"
        return "both" if is_visible(answer.text) else "the user's message"

    # ------------------------------------------------------------------ the model's server

    async def _send(self, request: Request, path: str, body: bytes) -> httpx.Response:
        options = self._options
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.startswith(_SENT_ON_PREFIXES) or name in _SENT_ON
            if PREFIX not in value
        }
        headers["accept-encoding"] = "identity"  # so that the answer's text can be read
        headers |= _upstream_key(path, headers)
        url = httpx.URL(f"{options.api_base.rstrip('/')}/{path}").copy_with(
            query=request.scope.get("query_string", b"") or None
        )
        built = self.client.build_request(request.method, url, headers=headers, content=body)
        return await self.client.send(built, stream=True)

    async def _passed_on(
        self, upstream: httpx.Response, exchange: _Exchange
    ) -> AsyncIterator[bytes]:
        """The bytes of an answer as they come; then, or if it is cut, both sides are stored."""
        seen = bytearray()
        try:
            async for piece in upstream.aiter_raw():
                if exchange.conversation and len(seen) < _LARGEST_ANSWER:
                    seen += piece
                yield piece
        finally:
            if exchange.conversation:
                self._begin_storing(upstream, exchange, bytes(seen))
            await upstream.aclose()

    async def _stored_first(
        self, upstream: httpx.Response, exchange: _Exchange
    ) -> tuple[AsyncIterator[bytes], str]:
        """The bytes of a whole answer; what it says is stored before they go out."""
        content = bytearray()
        pieces = upstream.aiter_raw()
        fault: httpx.HTTPError | None = None
        try:
            async for piece in pieces:
                content += piece
                if len(content) > _LARGEST_ANSWER:
                    break
        except httpx.HTTPError as error:
            fault = error
        storing = self._begin_storing(upstream, exchange, bytes(content))
        await asyncio.wait({storing}, timeout=MEMORY_SECONDS)
        stored = storing.result() if storing.done() else AFTER_ANSWER
        return _answer_of(content, pieces, upstream, fault), stored

    def _begin_storing(
        self, upstream: httpx.Response, exchange: _Exchange, seen: bytes
    ) -> asyncio.Task[str]:
        content = _unpacked(seen, upstream.headers.get("content-encoding", ""))
        storing = self._store(exchange, read_answer(exchange.protocol, content))
        # A separate task: the client may have gone, which cancels this one.
        task = asyncio.create_task(storing)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        return task


async def _answer_of(
    content: bytearray,
    pieces: AsyncIterator[bytes],
    upstream: httpx.Response,
    fault: httpx.HTTPError | None,
) -> AsyncIterator[bytes]:
    """What was read of an answer, then the rest, or the fault that ended it."""
    try:
        yield bytes(content)
        if fault:
            raise fault
        async for piece in pieces:
            yield piece
    finally:
        await upstream.aclose()


def _is_stream(upstream: httpx.Response) -> bool:
    kind = str(upstream.headers.get("content-type", ""))
    return kind.startswith("text/event-stream")


def _unpacked(content: bytes, encoding: str) -> bytes:
    """What came of an answer; some servers pack it although they were asked not to."""
    if encoding not in ("gzip", "deflate"):
        return content
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, _LARGEST_ANSWER)
    except zlib.error:
        return b""


def _may(grant: Grant | None, namespace: str, right: str) -> bool:
    return grant is None or grant.allows(namespace, right)


def _bare(value: str) -> str:
    """A key without its scheme."""
    scheme, _, key = value.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else value.strip()


def _upstream_key(path: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The key of this machine's environment; without one, the client's own goes on."""
    if path.split("/")[0] == MESSAGES:
        key = os.environ.get("ANTHROPIC_API_KEY", "")
        return {"x-api-key": key} if key else {}
    key = os.environ.get("OPENAI_API_KEY", "")
    return {"authorization": f"Bearer {key}"} if key else {}


def _expiry(headers: Headers) -> str:
    """When a request's turns are forgotten, or "". A text that is no moment to come is refused."""
    text = headers.get(EXPIRES, "")
    try:
        return text and moment_of_expiry(text) and text
    except InputError as fault:
        raise Refusal(400, f"{EXPIRES}: {fault}") from fault


def _session(headers: Headers) -> str:
    """The session that a client names, or "". One that is the memory's own is refused."""
    text = headers.get(SESSION, "")
    try:
        refuse_minted(text, "")
    except InputError as fault:
        raise Refusal(400, f"{SESSION}: {fault}") from fault
    return text


def _path(request: Request) -> str:
    """The path after /v1/: one of the known paths to a model, spelled exactly."""
    path = str(request.path_params["path"])
    query = request.scope.get("query_string", b"")
    is_plain = b"%" not in request.scope.get("raw_path", b"") and PREFIX.encode() not in query
    is_known = path in _POSTS if request.method == "POST" else _GETS.fullmatch(path)
    if not is_plain or not is_known or request.method not in ("GET", "POST"):
        raise Refusal(404, "there is no such path; models are asked by POST, and listed by GET")
    return path


def _conversation(protocol: str, body: bytes) -> tuple[Conversation | None, dict[str, Any]]:
    """The conversation of a request, and its fields; none if it cannot be read."""
    try:
        fields = json.loads(body) if protocol else None
    except (ValueError, RecursionError):
        return None, {}
    conversation = read_conversation(protocol, fields)
    return conversation, dict(fields or {}) if conversation else {}


def _answer_headers(headers: httpx.Headers) -> dict[str, str]:
    """The headers of an answer that go to its client. Its bytes go on as they came."""
    return {
        name: value
        for name, value in headers.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        if value.isascii() and value.isprintable()  # clients could read no others
    }


def _error(status: int, message: str, memory: str = "off") -> Response:
    """An error in the form of OpenAI's, which its clients show."""
    error: dict[str, Any] = {"message": message, "type": "proxy_error", "code": None}
    return JSONResponse({"error": error}, status, {STATUS: memory})


def is_address(text: str) -> bool:
    """Whether this is the address of an HTTP server."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        return False
    return url.scheme in ("http", "https") and bool(url.host)


__all__: Sequence[str] = ("ProxyOptions", "is_address", "proxy_application")
