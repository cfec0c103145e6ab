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
# The adapter that DSPy takes where none is set; of 3.5 it is another one.
OTHER_DEFAULT = """
import dspy.predict.predict

dspy.predict.predict.ChatAdapter = dspy.XMLAdapter
"""
PROMPTS = """
import dspy
from memory import AskMemory, Memory, StoreTurns
from tests.support.scripted import ScriptedLM, answer, sql

storing = ScriptedLM([([], sql("-- none"))])
asking = ScriptedLM([([], sql("-- none")), *[([], answer("Oslo", "1"))] * 2])
with Memory("anna", model=asking) as memory:
    memory.add("I moved to Oslo.", said_at="2026-11-28")
    with dspy.context(lm=storing):
        StoreTurns()(memory="anna")
    with dspy.context(lm=asking):
        AskMemory()(question="Where did I move to?", memory="anna")
    memory.ask("Where did I move to?")
print(*storing.script.prompts, *asking.script.prompts, sep="\\n---\\n")
"""
IMPORTED = """
import sys
import dspy
from memory import AskMemory, Memory, StoreTurns, load_model, load_program
from memory.program import answer_score

{what}
print(*(name for name in ("litellm", "openai") if name in sys.modules))
"""
ASKED_AND_SAVED = """
from tests.support.scripted import ScriptedLM, answer, sql

said = [], answer("Oslo", "1")
lm = ScriptedLM([said, ([], sql("-- none")), said])  # Evaluate asks for SELECTs, too
with Memory("anna", model=lm) as memory:
    memory.add("I moved to Oslo.")
    memory.ask("Where did I move to?")
example = dspy.Example(question="Where did I move to?", memory="anna", answer="Oslo")
ask = AskMemory()
ask.set_lm(lm)
devset = [example.with_inputs("question", "memory")]
assert dspy.Evaluate(devset=devset, metric=answer_score, display_progress=False)(ask).score == 100
AskMemory().save("plain.json")
load_program("plain.json")
"""


def test_nothing_that_dspy_calls_deprecated_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    assert run(STORED_AND_ASKED) == "Oslo\n"


def test_prompts_do_not_depend_on_the_adapter_that_dspy_takes_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = []
    for index, before in enumerate(("", OTHER_DEFAULT)):
        monkeypatch.setenv("MEMORY_HOME", str(tmp_path / str(index)))
        prompts.append(run(before + PROMPTS))
    assert prompts[0].count("[[ ## question ## ]]") == 3
    assert prompts[0] == prompts[1]


@pytest.mark.parametrize(
    "what",
    [
        "AskMemory(), StoreTurns()",
        ASKED_AND_SAVED,
        "load_model('local')",
        "load_model('openai/gpt-4o-mini')",
        "dspy.LM('openai/gpt-4o-mini')",
    ],
    ids=["modules", "a scripted LM", "the packaged model", "a hosted model", "DSPy's LM"],
)
def test_no_client_of_a_provider_is_imported_before_a_hosted_model_is_called(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    assert run(f"import os\nos.chdir({str(tmp_path)!r})\n{IMPORTED.format(what=what)}") == "\n"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
