"""Clients of an MCP server for tests that are not coroutines."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mcp import Client, StdioServerParameters

T = TypeVar("T")
# Both protocols: 2026-07-28, and the handshake of 2025-11-25.
MODES = ("auto", "legacy")
# What begins a session of the older one, for tests that send messages by themselves.
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def use(server: Any, work: Callable[[Client], Awaitable[T]], mode: str = "auto") -> T:
    """What some work with a client gives; `server` is an MCPServer, parameters or a transport."""

    async def run() -> T:
        async with Client(server, mode=mode) as client:
            return await work(client)

    return asyncio.run(run())


def stdio(*arguments: str, home: str, **environment: str) -> StdioServerParameters:
    """`memory serve mcp` with these arguments over the memories of a folder."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "memory", "serve", "mcp", *arguments],
        env={**os.environ, "MEMORY_HOME": str(home), **environment},
    )


async def text_of(client: Client, tool: str, **arguments: Any) -> str:
    """What a tool gives back; an error begins with "error: "."""
    result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert content.type == "text"
    assert result.structured_content is None, "a result is sent once"
    return f"error: {content.text}" if result.is_error else content.text
