"""MCP over stdin and stdout, and messages whose text no database and no JSON reader takes."""

import json
import os
import re
import sys
from io import TextIOWrapper
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from memory.text.characters import sound_text

# An escape of half a surrogate pair, or what looks like one behind an escaped backslash.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def serve_stdio(server: MCPServer[Any]) -> None:
    """Answer a client on this process's stdin and stdout until stdin ends."""
    anyio.run(_serve, server)


async def _serve(server: MCPServer[Any]) -> None:
    lowlevel = server._lowlevel_server
    # As the SDK does with its own reader: what runs in this process cannot read the client's lines.
    lines = _SoundLines(os.fdopen(os.dup(sys.stdin.fileno()), "rb"), "utf-8", errors="replace")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    async with stdio_server(stdin=anyio.wrap_file(lines)) as (incoming, outgoing):
        await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())


class _SoundLines(TextIOWrapper):
    """Lines of JSON, each as the SDK's reader takes it."""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        return sound_json(super().readline(size))


def sound_json(text: str) -> str:
    """JSON text without halves of surrogate pairs, which cut-off emoji leave: U+FFFD for each.

    The SDK's reader refuses the whole message, and its client would wait for an answer. Anything
    but JSON comes back unchanged.
    """
    if not _SURROGATE.search(text):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return sound_text(json.dumps(value, ensure_ascii=False)) + "\n"
