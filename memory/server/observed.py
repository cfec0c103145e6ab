"""A server seen from outside: health, and a line of log for each request."""

import asyncio
import json
import logging
import os
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib.metadata import version
from secrets import token_hex
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory.errors import MemoryFault, StoreError
from memory.server.fault_messages import CAUSE, cause_of, fault_message
from memory.server.tokens import Grant
from memory.store import namespaces
from memory.system.home import home, home_address
from memory.system.logs import clean_logger

LIVE, READY = "/health/live", "/health/ready"
REQUEST_ID = "x-request-id"
VERSION = "x-memory-version"  # as the API's document says it to everybody
_SOUND_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READY_SECONDS = 1.0  # anybody may ask: the database is asked no more often
_CLIENT_GONE = 499
_UNAVAILABLE = 503

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_log = clean_logger("memory.requests")


class Observed:
    """ASGI middleware around the whole server.

    `/health/live` and `/health/ready` are answered to everybody, under any host name, as whatever
    looks after the server knows its number alone. They say nothing else but the version.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._fault = ""
        self._looked_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in (LIVE, READY):
            fault = await self._ready_fault() if scope["path"] == READY else ""
            headers = {VERSION: version("sql-memory")}
            answer = PlainTextResponse(f"{fault or 'ok'}\n", 503 if fault else 200, headers)
            await answer(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SOUND_ID.fullmatch(given) else token_hex(8)
        _request_id.set(request_id)
        status, start = _CLIENT_GONE, monotonic()

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            status = 500
            raise
        finally:
            _log_request(scope, status, monotonic() - start)

    async def _ready_fault(self) -> str:
        """Why this server can answer nothing; "" if it can."""
        if monotonic() - self._looked_at > _READY_SECONDS:
            self._looked_at = monotonic()
            self._fault = await asyncio.to_thread(_fault)
        return self._fault


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    route = _route(scope) or "other"
    state = scope.get("state", {})
    grant: Grant | None = state.get("grant")
    fields = {
        "method": scope["method"] if route != "other" else "other",
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "token": grant.name if grant else "",
    }
    if status != _UNAVAILABLE:
        _log.info("request", extra={"fields": fields})
        return
    cause = cause_of(state.get(CAUSE, "unknown"))
    fields["cause"] = cause
    _log.warning("answered 503: %s", cause, extra={"fields": fields})


def _fault() -> str:
    try:
        namespaces.exists("ready")
        if not home_address() and home().exists() and not os.access(home(), os.W_OK):
            raise StoreError("the folder of the memories cannot be written to")
    except MemoryFault as fault:
        fields = {"fault": fault_message(fault), "cause": cause_of(fault)}
        _log.warning("not ready: %s", fields["cause"], extra={"fields": fields})
        return "not ready; the log says why"
    return ""


def _route(scope: Scope) -> str:
    """The path with names in place of their values; "" if it is not one of ours."""
    if "endpoint" not in scope:
        return ""
    if "route" in scope:  # FastAPI's
        return str(scope["route"].path_format)
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        before, _, after = (
            path.rpartition(str(value)) if name == "id" else path.partition(str(value))
        )
        path = f"{before}{{{name}}}{after}"
    return path


# --- logs -------------------------------------------------------------------------------------


class JsonLines(logging.Formatter):
    """A record as a line of JSON with the request's id. Of an error its kind and where it arose.

    Not its message: that may quote what someone said.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := _request_id.get():
            line["request"] = request_id
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["where"] = [f"{frame.name} {frame.lineno}" for frame in frames]
        return json.dumps(line, ensure_ascii=False)


def log_json() -> None:
    """Have what this process logs written to stderr as lines of JSON, a line for each request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(logging.INFO)
