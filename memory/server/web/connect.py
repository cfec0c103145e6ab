"""Connecting agents: what to copy into their settings, and tokens for MCP and the JSON API."""

import json
import os
from collections.abc import Sequence
from typing import Any

from memory.errors import InputError
from memory.server.tokens import ALL_NAMESPACES, RIGHTS, Tokens
from memory.server.web.page_request import (
    Page,
    PageRequest,
    PageResponse,
    PageRoute,
    Redirect,
    segment_of,
)
from memory.store import Store
from memory.system.home import home_address


def connect(request: PageRequest, store: Store) -> PageResponse:
    """The configurations to copy, and the tokens that open this memory."""
    return _page(request)


def create_token(request: PageRequest, store: Store) -> PageResponse:
    """Create a token of this memory, and show it: this once."""
    request.refuse_read_only()
    rights = request.inputs.values.get("right", ())
    if not rights:
        raise InputError("choose at least one right")
    days = request.inputs.optional_number("days")
    token = Tokens().create(request.inputs.text("name"), [request.namespace], rights, days)
    return _page(request, token)


def revoke_token(request: PageRequest, store: Store) -> PageResponse:
    """Revoke a token of this memory; it opens nothing from then on."""
    request.refuse_read_only()
    name = request.inputs.text("name")
    if name not in [grant.name for grant in _grants(request.namespace)]:
        raise InputError(f"this memory has no token {name!r}")
    Tokens().revoke(name)
    return Redirect(request.address("connect") + "#tokens")


def _page(request: PageRequest, token: str = "") -> Page:
    name = request.namespace
    command: dict[str, Any] = {"command": "memory", "args": ["serve", "mcp", "-n", name]}
    if home := os.environ.get("MEMORY_HOME", ""):
        # A database's address may have its password.
        command["env"] = {"MEMORY_HOME": "ADDRESS" if home_address() else home}
    address = f"{request.origin}/mcp/{segment_of(name)}"
    bearer = {"Authorization": f"Bearer {token or 'TOKEN'}"}
    values = {
        "configurations": [
            ("A program that starts its own server", _json(command)),
            ("Over this server, with a token", _json({"url": address, "headers": bearer})),
        ],
        "grants": _grants(name),
        "rights": RIGHTS,
        "everything": ALL_NAMESPACES,
        "token": token,
    }
    return Page("connect.html", values)


def _json(server: Any) -> str:
    return json.dumps({"mcpServers": {"memory": server}}, ensure_ascii=False, indent=1)


def _grants(namespace: str) -> Sequence[Any]:
    """The tokens that open a memory, including tokens for all memories."""
    return [
        grant
        for grant in Tokens().grants()
        if namespace in grant.namespaces or ALL_NAMESPACES in grant.namespaces
    ]


PAGES: list[PageRoute] = [
    ("GET", "/connect", connect),
    ("POST", "/tokens", create_token),
    ("POST", "/tokens/revoke", revoke_token),
]
