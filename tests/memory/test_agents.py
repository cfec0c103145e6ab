"""The code of docs/using.md runs as it stands there, agents of three frameworks included."""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import memory.__main__
from memory import Turn, open_store
from tests.conftest import INSERT, MOVED, SAID
from tests.support.scripted import Pairs, ScriptedLM, scripted_model, sql
from tests.support.scripted_steps import Actor, Call, Steps

DOC = Path(__file__).parents[2] / "docs" / "using.md"
# Heading -> the code below it.
CODE = {
    heading: code
    for heading, text in re.findall(
        r"^##+ (.*)\n((?:(?!^##).*\n)*)", DOC.read_text("utf-8"), re.MULTILINE
    )
    for code in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code runs in a folder of its own; nothing is reached over the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def run(heading: str, monkeypatch: pytest.MonkeyPatch, pairs: Pairs = (), **names: Any) -> None:
    """Run the code below a heading; the memory's model says what the script says."""
    model = scripted_model(pairs)
    monkeypatch.setattr("memory.program.load_model", lambda name, api_base=None: model)
    exec(compile(CODE[heading], heading, "exec"), {"__name__": "code", **names})  # noqa: S102
    assert isinstance(model.lm, ScriptedLM)
    model.lm.assert_done()


# ---------------------------------------------------------------- agents of frameworks

MOVED_SAID, ASKED = "I moved to Oslo.", "Where did I move to?"


# What each model is shown last, and what it does then, in a first process and in a second one.
FIRST: Steps = [
    (MOVED_SAID, Call("remember", {"text": MOVED_SAID, "speaker": "Anna"})),
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
    run("LangGraph", patch, message=message)
    return actor


def in_agents_sdk(steps: Steps, message: str, patch: pytest.MonkeyPatch) -> Actor:
    from agents import set_tracing_disabled
    from agents.models.multi_provider import MultiProvider

    from tests.support.scripted_agents import ScriptedAgentsModel

    set_tracing_disabled(True)
    actor = Actor(steps)
    patch.setattr(MultiProvider, "get_model", lambda self, name: ScriptedAgentsModel(actor))
    run("OpenAI Agents SDK", patch, message=message)
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
    run("DSPy ReAct", patch, pairs, message=message)
    return Actor(steps, done=len(steps))


@pytest.mark.parametrize("framework", [in_langgraph, in_agents_sdk, in_react])
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


def test_ten_lines_make_an_agent_that_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    heading = "Ten lines to an agent that remembers"
    reply = "[[ ## reply ## ]]\n{}\n\n[[ ## turns ## ]]\n\n[[ ## completed ## ]]"
    first = [([MOVED_SAID], sql("-- none")), ([MOVED_SAID], reply.format("How nice!"))]
    run(heading, monkeypatch, first, message=MOVED_SAID)
    shown = [f") Anna: {MOVED_SAID}", ") Miku: How nice!", f") Anna: {ASKED}"]
    second = [([ASKED], sql("-- none")), (shown, reply.format("In Oslo."))]
    run(heading, monkeypatch, second, message=ASKED)
    with open_store("anna.db", read_only=True) as store:
        assert [turn.speaker for turn in store.turns()] == ["Anna", "Miku"] * 2


# ------------------------------------------------------------------- the rest of the page

OTHER = {
    "A memory in a prompt of your own": 'Anna said:\n"I moved to Oslo last Saturday!"',
    "Many users": "['Anna 🌸']",
    "Counting and listing": "('times',) ((1,),)",
    "The past, corrections, undo": "value='Oslo', turn_id=1",
    "Forgetting": "(4, 5)",
    "Async servers": "I moved to Oslo last Saturday!\nSmall, but my cat Miso",
    "Documents, tool uses, settings": "7 [Setting(name='volume', value=7",
}


def test_all_code_of_the_page_is_run() -> None:
    agents = {"LangGraph", "OpenAI Agents SDK", "DSPy ReAct"}
    hosted = {"Rerankers by name"}  # its code asks a provider
    assert set(CODE) - hosted == {"Ten lines to an agent that remembers", *agents, *OTHER}


@pytest.mark.parametrize("heading", OTHER)
def test_the_code_of_the_page_runs_and_prints_what_it_promises(
    heading: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("manual.md").write_text("# Manual\n\nPress the red button to stop.\n", "utf-8")
    with open_store("anna.db") as store:
        store.add(SAID)
        store.write(f"{MOVED}; {INSERT}('Anna', 'went_running', 'x', '2017-05-09', 2)", "t", (1, 5))
    run(heading, monkeypatch, message=ASKED, message_turn=Turn("Anna", "Hello."))
    assert OTHER[heading] in capsys.readouterr().out


def test_the_page_names_every_command() -> None:
    table = DOC.read_text("utf-8").split("## All commands")[1]
    named = {word for cell in re.findall(r"^\| (`.*?) \|", table, re.M) for word in cell.split("`")}
    commands = {command.name for command in memory.__main__.app.registered_commands}
    groups = {group.name for group in memory.__main__.app.registered_groups}
    assert {name for name in commands | groups if name} <= {n.split(" ")[0] for n in named}
