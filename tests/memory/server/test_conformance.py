"""Clients and suites of others: the inspector, and both conformance suites, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.store.namespaces import create
from tests.support.node import run_node
from tests.support.server_process import server_process

EXPECTED = Path(__file__).parents[2] / "support" / "conformance"
INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a namespace's MCP that wants no token."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(home))
        with open_store(create("anna")) as store:
            store.add([Turn("Anna", "I moved to Oslo.")])
        log = home.with_name("served.log")
        with server_process(log, "tests.support.tokenless_server", "anna") as served:
            yield served.line


@pytest.mark.parametrize(
    ("suite", "options"),
    [("2025", []), ("2026", ["--requirements", "2026-07-28"])],
)
def test_a_conformance_suite_finds_what_is_expected(
    suite: str, options: list[str], address: str
) -> None:
    script = f"conformance-{suite}/dist/index.js"
    baseline = ["--expected-failures", str(EXPECTED / f"{suite}.yml")]
    done = run_node(script, "server", "--url", address, *options, *baseline)
    assert done.returncode == 0, done.stdout[-3_000:]
    assert "✓ dns-rebinding-protection" in done.stdout


def test_the_inspector_lists_the_tools_without_a_remark(address: str) -> None:
    options = ["--cli", address, "--transport", "http"]
    done = run_node(INSPECTOR, *options, "--method", "tools/list", "--strict")
    assert done.returncode == 0, done.stderr
    assert '"ask_memory"' in done.stdout
    assert not done.stderr


def test_the_inspector_sees_an_error_as_one(address: str) -> None:
    call = ["--method", "tools/call", "--tool-name", "query_memory"]
    done = run_node(
        INSPECTOR,
        *["--cli", address, "--transport", "http", *call],
        *["--tool-arg", "select=DELETE FROM turns"],
    )
    assert done.returncode == 5, done.stdout + done.stderr
    assert "here only a SELECT is allowed" in done.stdout
