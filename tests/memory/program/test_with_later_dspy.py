"""What the next DSPy takes away is not used, and what it makes optional is not imported."""

import subprocess
import sys
from pathlib import Path

import pytest

STORED_AND_ASKED = """
import warnings
import dspy
from memory import AskMemory, Memory, StoreTurns
from tests.support.scripted import ScriptedLM, answer, sql

for kind in (DeprecationWarning, FutureWarning, PendingDeprecationWarning):
    warnings.simplefilter("error", kind)
with Memory("anna") as memory:
    memory.add("I moved to Oslo.")
with dspy.context(lm=ScriptedLM([([], sql("-- none"))])):
    StoreTurns()(memory="anna")
with dspy.context(lm=ScriptedLM([([], sql("-- none")), ([], answer("Oslo", "1"))])):
    print(AskMemory()(question="Where did I move to?", memory="anna").answer)
"""
IMPORTED = """
import sys
from memory import AskMemory, StoreTurns

AskMemory(), StoreTurns()
print(*(name for name in ("litellm", "openai") if name in sys.modules))
"""


def test_nothing_that_dspy_calls_deprecated_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    assert run(STORED_AND_ASKED) == "Oslo\n"


def test_the_modules_import_no_client_of_a_provider() -> None:
    assert run(IMPORTED) == "\n"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
