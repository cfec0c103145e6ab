"""Changes sent to the addresses that an administrator named: signed, in order, until they arrive.

The journal is the outbox: the ids of a memory's changes grow with their commits, so the last id
that an address took says what is left to send. A message is one change. It is signed like Standard
Webhooks (standardwebhooks.com): HMAC-SHA256 over `ID.TIME.BODY`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import ssl
import time
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from memory.errors import InputError
from memory.records import Change
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.worker.addresses import ForbiddenAddress, address_of, read_receiver

SECRET_VARIABLE = "MEMORY_FEED_SECRET"  # noqa: S105 - a name
_LEAST_SECRET = 24  # bytes, as Standard Webhooks has it
# For a whole message: a byte now and then does not extend it, and a worker stops within ten seconds
# of being asked to.
_SECONDS = 8.0
_MOST_AT_ONCE = 100  # changes of a memory, then others have their turn,
_SECONDS_AT_ONCE = 30.0  # or this long


class NotTakenError(Exception):
    """A receiver did not take a change; it is sent again later."""


@dataclass(frozen=True)
class Receiver:
    """An address that gets the changes of all memories."""

    url: str
    secret: bytes = field(repr=False)
    private: bool = False
    trusted: ssl.SSLContext = field(repr=False, compare=False, kw_only=True)

    @property
    def task(self) -> str:
        """The name of its task in each memory."""
        return f"feed {self.url}"


def receivers(urls: list[str], private: bool) -> list[Receiver]:
    """The receivers of these addresses. Raises InputError, also for a missing secret."""
    if not urls:
        return []
    secret = read_secret(os.environ.get(SECRET_VARIABLE, ""))
    made = []
    for url in dict.fromkeys(urls):
        read_receiver(url, private)
        # Without an environment httpx would ignore SSL_CERT_FILE and SSL_CERT_DIR.
        made.append(Receiver(url, secret, private, trusted=httpx.create_ssl_context()))
    return made


def read_secret(text: str) -> bytes:
    """The key of signatures: `whsec_` and base64, or any text. Raises InputError if it is short."""
    try:
        coded = text.removeprefix("whsec_")
        key = base64.b64decode(coded, validate=True) if coded != text else text.encode()
    except Base64Error:
        key = b""
    if len(key) < _LEAST_SECRET:
        raise InputError(
            f"--feed signs what it sends: set {SECRET_VARIABLE} to whsec_ and the base64 of"
            f" {_LEAST_SECRET} random bytes or more"
        )
    return key


def send_changes(
    store: Store,
    name: str,
    receiver: Receiver,
    position: int,
    moved: Callable[[int], None],
    goes_on: Callable[[], bool],
) -> int:
    """Send the changes of a memory after a position, oldest first; returns how many were taken.

    `moved` notes each of these. Raises NotTakenError for the first that was not taken; its
    successors wait.
    """
    changes = store.changes(after=position, limit=_MOST_AT_ONCE)
    sent = 0
    end = time.monotonic() + _SECONDS_AT_ONCE
    for change in changes:
        if not goes_on() or time.monotonic() > end:
            break
        _send(receiver, name, change, message(store, name, change))
        moved(change.id)
        sent += 1
    return sent


def message(store: Store, name: str, change: Change) -> dict[str, Any]:
    """A change as sent: with what it did to each fact."""
    edits = [
        {
            "fact_id": edit.fact_id,
            "before": asdict(edit.before) if edit.before else None,
            "after": asdict(edit.after) if edit.after else None,
        }
        for edit in edits_of(store, change.id)
    ]
    return {"memory": name, "change": {**asdict(change), "edits": edits}}


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """The signature of a message, as its header holds it."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _send(receiver: Receiver, name: str, change: Change, content: dict[str, Any]) -> None:
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    # The same for each attempt: a receiver may have taken it before its answer was lost.
    message_id = f"change_{hashlib.sha256(name.encode()).hexdigest()[:16]}_{change.id}"
    timestamp = str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "user-agent": "sql-memory",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(receiver.secret, message_id, timestamp, body),
    }
    url = httpx.URL(receiver.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        # To the address that was checked: a second look-up could give another one.
        ip = address_of(url.host, port, receiver.private)
        headers["host"] = url.netloc.decode()
        status = asyncio.run(
            asyncio.wait_for(
                _status(receiver, url.copy_with(host=ip), body, headers, url.host), _SECONDS
            )
        )
    except TimeoutError as error:
        raise NotTakenError(f"not answered within {_SECONDS:.0f} s") from error
    except (ForbiddenAddress, OSError) as error:
        raise NotTakenError(str(error)) from error
    except httpx.HTTPError as error:
        raise NotTakenError(f"{type(error).__name__}: {error}") from error
    if not 200 <= status < 300:
        raise NotTakenError(f"answered {status}")


async def _status(
    receiver: Receiver, url: httpx.URL, body: bytes, headers: dict[str, str], name: str
) -> int:
    """The status that a receiver answers; the rest of its answer is not read."""
    # Not by a proxy of the environment, which would look the name up by itself.
    async with (
        httpx.AsyncClient(
            timeout=_SECONDS, follow_redirects=False, trust_env=False, verify=receiver.trusted
        ) as client,
        client.stream(
            "POST", url, content=body, headers=headers, extensions={"sni_hostname": name}
        ) as response,
    ):
        return response.status_code
