"""Third-party Node programs for tests; the tests are skipped with a reason if they are missing.

Install them beside this repository or anywhere, and name their folder:

    npm install node@22 @modelcontextprotocol/inspector@2.12.0 \\
        conformance-2025@npm:@modelcontextprotocol/conformance@0.1.16 \\
        conformance-2026@npm:@modelcontextprotocol/conformance@0.2.0-alpha.12
    NODE_MODULES=$PWD/node_modules uv run pytest
"""

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("NODE_MODULES", Path(__file__).parents[2] / "node_modules"))
_NODE = FOLDER / ".bin" / "node"


def run_node(
    script: str, *arguments: str, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a script of an installed package: `package/path.js`."""
    path = FOLDER / script
    for needed in (_NODE, path):
        if not needed.exists():
            pytest.skip(f"{needed} is not installed; tests/support/node.py says how")
    return subprocess.run(
        [str(_NODE), str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
