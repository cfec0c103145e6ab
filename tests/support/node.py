"""Third-party Node programs for tests; the tests are skipped with a reason if they are missing.

Install them beside this repository or anywhere, and name their folder:

    npm install node@22 openai@6 @modelcontextprotocol/inspector@2.12.0 \\
        conformance-2025@npm:@modelcontextprotocol/conformance@0.1.16 \\
        conformance-2026@npm:@modelcontextprotocol/conformance@0.2.0-alpha.12 \\
        openapi-typescript@7 typescript@5
    NODE_MODULES=$PWD/node_modules uv run pytest
"""

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("NODE_MODULES", Path(__file__).parents[2] / "node_modules"))
_NODE = FOLDER / ".bin" / "node"
_OPENAI = FOLDER / "openai" / "index.mjs"
_OPENAI_CLIENT = Path(__file__).parent / "openai_client.mjs"


def run_node(
    script: str, *arguments: str, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a script of an installed package: `package/path.js`."""
    return _run(FOLDER / script, arguments, seconds)


def run_openai_client(address: str, question: str) -> subprocess.CompletedProcess[str]:
    """Ask a question with OpenAI's client for Node, whole and streamed; prints a JSON object."""
    _need(_OPENAI)
    return _run(_OPENAI_CLIENT, (_OPENAI.as_uri(), address, question), seconds=120)


def _run(
    path: Path, arguments: tuple[str, ...], seconds: float
) -> subprocess.CompletedProcess[str]:
    _need(_NODE)
    _need(path)
    return subprocess.run(
        [str(_NODE), str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _need(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path} is not installed; tests/support/node.py says how")
