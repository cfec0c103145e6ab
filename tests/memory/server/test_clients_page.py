"""docs/clients.md: its configurations are sound, and name commands and options that there are."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from memory.__main__ import app
from memory.operations.tools import GROUPS
from memory.server.json_api import ENDPOINTS

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(json|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def configured(kind: str, block: str) -> dict[str, Any]:
    """The one server of a configuration."""
    values = json.loads(block) if kind == "json" else tomllib.loads(block)
    [servers] = [values[key] for key in values if key != "inputs"]
    server: dict[str, Any] = servers["memory"]
    return server


@pytest.mark.parametrize(("kind", "block"), BLOCKS)
def test_a_configuration_starts_a_server_or_names_its_address(kind: str, block: str) -> None:
    server = configured(kind, block)
    if "url" in server:
        assert re.fullmatch(r"http://127\.0\.0\.1:8765/mcp/\w+", server["url"])
        return
    assert server["command"] == "memory"
    group, command, *options = server["args"]
    parsed = typer.main.get_command(app).commands[group].commands[command]  # type: ignore[attr-defined]
    parsed.make_context(command, options)  # raises for an option that is not there


def test_every_client_has_a_configuration() -> None:
    assert len(BLOCKS) == 8


def test_the_page_names_every_tool_and_every_endpoint() -> None:
    for group, names in GROUPS.items():
        if group != "refine":
            assert all(f"`{name}" in PAGE or f"{name}(" in PAGE for name in names), group
        assert group == "core" or group in PAGE
    for endpoint in ENDPOINTS:
        assert f"{endpoint.method} {endpoint.path.replace('{id}', 'ID')}" in PAGE
