"""The OpenAPI document as programs use it: a TypeScript client made of it compiles under strict."""

import json
import shutil
from pathlib import Path

import pytest

from memory.server.json_api import document
from tests.support.node import run_node

CLIENT = Path(__file__).parents[2] / "support" / "api_client.ts"
pytestmark = pytest.mark.slow


def test_a_typescript_client_of_the_api_compiles_under_strict(tmp_path: Path) -> None:
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(document()), "utf-8")
    generated = tmp_path / "api.d.ts"
    made = run_node("openapi-typescript/bin/cli.js", str(described), "-o", str(generated))
    assert made.returncode == 0, made.stdout + made.stderr
    shutil.copy(CLIENT, tmp_path / "client.ts")
    options = ["--strict", "--noEmit", "--target", "es2022", "--moduleResolution", "bundler"]
    options += ["--module", "esnext", "--typeRoots", str(tmp_path / "none")]
    compiled = run_node("typescript/bin/tsc", *options, str(tmp_path / "client.ts"))
    assert compiled.returncode == 0, compiled.stdout
