"""The types of the package as its users' checkers see them: over every example that is printed.

Pyright runs where the group `types` is installed, as in CI.
"""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.snippets import ROOT, documents, snippets

pytestmark = pytest.mark.slow

# mem0's calls, which run here: their names are not in our types.
_OF_OTHERS = {Path("docs/guides/from-mem0.md")}
# A block may go on from the one above it, or stand inside an `async def`; and not every library
# that an example uses has types.
_MYPY_OFF = ["name-defined", "top-level-await", "import-untyped", "import-not-found"]
# Other libraries' types take minutes to read; pyright reads them.
_MYPY = """
[mypy]
strict = True
follow_imports = skip
disallow_subclassing_any = False
disallow_untyped_decorators = False
[mypy-memory.*]
follow_imports = silent
"""
# Strict pyright faults these libraries' own types, which are open or say less than they take.
_LOOSE = re.compile(
    r"(from|import) (agents|dspy|fastapi|lang|litellm|mlflow|openai)|AskMemory|builder\."
)


def _examples() -> dict[str, str]:
    """The text of each printed block of Python that uses the package, and of each example."""
    texts = {f"example_{path.name}": path.read_text("utf-8") for path in ROOT.glob("examples/*.py")}
    for document in set(documents()) - _OF_OTHERS:
        for snippet in snippets(document):
            if snippet.language == "python" and "memory" in snippet.text:
                name = re.sub(r"\W", "_", f"{document.with_suffix('')}_{snippet.line}")
                texts[f"{name}.py"] = snippet.text
    return texts


def _faults(folder: Path, checker: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", checker, *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_example_that_is_printed_passes_a_strict_mypy(tmp_path: Path) -> None:
    for name, text in _examples().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "mypy.ini").write_text(_MYPY)
    off = [f"--disable-error-code={code}" for code in _MYPY_OFF]
    out = _faults(tmp_path, "mypy", *off, ".")
    assert out.returncode == 0, out.stdout + out.stderr


@pytest.mark.skipif(not find_spec("basedpyright"), reason="the group `types` is not installed")
def test_every_example_of_ours_alone_passes_a_strict_pyright(tmp_path: Path) -> None:
    for name, text in _examples().items():
        if not _LOOSE.search(text):
            (tmp_path / name).write_text(text)
    config = {"typeCheckingMode": "strict", "reportUndefinedVariable": "none"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    out = _faults(tmp_path, "basedpyright", "--outputjson", "--pythonpath", sys.executable)
    faults = [
        f"{Path(fault['file']).name}:{fault['range']['start']['line'] + 1}: {fault['message']}"
        for fault in json.loads(out.stdout)["generalDiagnostics"]
        if fault["severity"] == "error"
    ]
    assert not faults, "\n".join(faults)
