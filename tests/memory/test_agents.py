"""The agents of docs/guides/tools.md run as they are printed, with scripted models."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.scripted import Pairs, ScriptedLM, patch_load_model, scripted_model
from tests.support.scripted_steps import Actor, Call, Steps
from tests.support.snippets import Snippet, documents, run_python, snippets

GUIDE = Path("docs/guides/tools.md")
MARKER = "run by tests/memory/test_agents.py"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code runs in a folder of its own; nothing is reached over the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def snippet_with(line: str) -> Snippet:
    """The block of the guide that has a line like this."""
    [snippet] = [snippet for snippet in snippets(GUIDE) if line in snippet.text]
    assert snippet.marker == MARKER
    return snippet


def run(line: str, monkeypatch: pytest.MonkeyPatch, message: str, pairs: Pairs = ()) -> None:
    """Run a block of the guide; the memory's model says what the script says."""
    model = scripted_model(pairs)
    patch_load_model(monkeypatch, lambda name, *_, **settings: model)
    print(run_python(snippet_with(line), stdin=message).removeprefix("You: "), end="")
    assert isinstance(model.lm, ScriptedLM)
    model.lm.assert_done()


def test_every_agent_of_the_guide_is_run() -> None:
    marked = [path for path in documents() for part in snippets(path) if part.marker == MARKER]
    assert marked == [GUIDE] * 3


# ---------------------------------------------------------------- agents of frameworks

MOVED_SAID, ASKED = "I moved to Oslo.", "Where did I move to?"


# What each model is shown last, and what it does then, in a first process and in a second one.
FIRST: Steps = [
    (MOVED_SAID, Call("remember", {"turns": [{"text": MOVED_SAID, "speaker": "Anna"}]})),
    ("Remembered as turn 1.", "How nice!"),
]
SECOND: Steps = [
    (ASKED, Call("recall", {"query": "Anna lives in", "limit": 3})),
    (f") Anna: {MOVED_SAID}", Call("query_memory", {"select": "DELETE FROM turns"})),
    ("here only a SELECT is allowed", "In Oslo."),
]


def in_langgraph(steps: Steps, message: str, patch: pytest.MonkeyPatch) -> Actor:
    from tests.support.scripted_agents import ScriptedChat

    actor = Actor(steps)
    chat = SimpleNamespace(ChatOpenAI=lambda model: ScriptedChat(actor=actor))
    patch.setitem(sys.modules, "langchain_openai", chat)
    run("from langgraph.graph", patch, message)
    return actor


def in_agents_sdk(steps: Steps, message: str, patch: pytest.MonkeyPatch) -> Actor:
    from agents import set_tracing_disabled
    from agents.models.multi_provider import MultiProvider

    from tests.support.scripted_agents import ScriptedAgentsModel

    set_tracing_disabled(True)
    actor = Actor(steps)
    patch.setattr(MultiProvider, "get_model", lambda self, name: ScriptedAgentsModel(actor))
    run("from agents import", patch, message)
    return actor


def in_react(steps: Steps, message: str, patch: pytest.MonkeyPatch) -> Actor:
    def fields(**values: str) -> str:
        told = [f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()]
        return "\n\n".join([*told, "[[ ## completed ## ]]"])

    pairs: list[tuple[Sequence[str], str]] = []
    for expected, what in steps:
        call = what if isinstance(what, Call) else Call("finish", {})
        arguments = json.dumps(call.arguments)
        acts = fields(next_thought="so", next_tool_name=call.tool, next_tool_args=arguments)
        pairs.append(([expected], acts))
    pairs.append(([], fields(reasoning="so", reply=str(steps[-1][1]))))
    run("dspy.ReAct", patch, message, pairs)
    return Actor(steps, done=len(steps))


@pytest.mark.parametrize(
    "framework",
    [
        # Their libraries take seconds to import.
        pytest.param(in_langgraph, marks=pytest.mark.slow),
        pytest.param(in_agents_sdk, marks=pytest.mark.slow),
        in_react,
    ],
)
def test_what_an_agent_stored_in_one_run_it_recalls_in_the_next(
    framework: Callable[[Steps, str, pytest.MonkeyPatch], Actor],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for steps, message in ((FIRST, MOVED_SAID), (SECOND, ASKED)):
        actor = framework(steps, message, monkeypatch)
        assert actor.done == len(steps)
        assert len(actor.tools) in (0, 11)
    assert capsys.readouterr().out.splitlines() == ["How nice!", "In Oslo."]
