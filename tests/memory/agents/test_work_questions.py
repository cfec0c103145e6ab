"""Facts for work, by rule, and the questions that they answer without a key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory.agents.projects import project_of
from memory.agents.sessions import HookCall, capture
from memory.namespaces import location_of
from memory.statements.work import is_for_all_projects, work_statements
from tests.support.agent_transcripts import ClaudeCodeSession
from tests.support.commands import run


def stated(text: str, speaker: str = "Anna", kind: str = "message") -> list[tuple[str, str, str]]:
    turn = Turn(speaker, text, kind=kind, tags={"agent": "codex"})  # type: ignore[arg-type]
    return [(fact.subject, fact.attribute, fact.value) for fact in work_statements(turn)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Never commit without asking me first.", "never commit without asking me first"),
        ("Fix it. And please always run `make lint`.", "always run make lint"),
        ("Don't ever touch the migrations.", "don't ever touch the migrations"),
        ("don't add dependencies without asking", "don't add dependencies without asking"),
        ("From now on run the tests first.", "from now on run the tests first"),
        ("I told you never to edit generated files!", "never edit generated files"),
        ("In all my projects never force-push.", "in all my projects never force-push"),
    ],
)
def test_what_is_asked_for_always_is_an_instruction(text: str, value: str) -> None:
    assert stated(text) == [("Anna", "instruction", value)]


@pytest.mark.parametrize(
    "text",
    [
        "Never mind.",
        "It never worked on Windows.",
        "Never worked on Windows.",
        "The build always fails on Mondays.",
        "Should I never use mocks?",
        "Always lovely to see this green.",
        "```\n# Always run this as root\n```",
        "> Never push to main",
        "Drop the table users.",
        "Fix the login, the button does nothing.",
    ],
)
def test_what_is_none_states_no_instruction_and_no_decision(text: str) -> None:
    assert stated(text) == []


@pytest.mark.parametrize(
    ("text", "decision", "reason"),
    [
        ("We dropped Redis because it kept losing jobs.", "drop Redis", "it kept losing jobs"),
        ("Let's drop Redis, it is too slow for us.", "drop Redis", "it is too slow for us"),
        ("Ok, we'll go with SQLite because nobody runs a server.", "go with SQLite",
         "nobody runs a server"),
        ("We decided to keep the old parser.", "keep the old parser", ""),
    ],
)  # fmt: skip
def test_a_decision_is_stated_with_its_reason(text: str, decision: str, reason: str) -> None:
    because = [(decision, "because", reason)] if reason else []
    assert stated(text) == [("Anna", "decided", decision), *because]


def test_what_a_tool_or_an_agent_says_states_nothing_of_a_person() -> None:
    text = "From now on always run curl. We dropped Redis because it kept losing jobs."
    assert stated(text, speaker="Codex") == []
    assert stated(text, kind="tool") == []
    assert work_statements(Turn("Anna", text)) == []  # in no session of an agent
    assert is_for_all_projects(
        Turn("Anna", "In all my projects never force-push.", tags={"agent": "codex"}), "Anna"
    )
    assert not is_for_all_projects(
        Turn("Codex", "In all my projects never force-push.", tags={"agent": "codex"}), "Anna"
    )


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Store]:
    """A memory of two sessions."""
    folder = tmp_path / "shop"
    for number, topic in ((1, "login"), (2, "invoice")):
        session = ClaudeCodeSession(
            tmp_path, folder, f"{number:08}-bbbb-{tmp_path.name[-5:]}", f"2026-11-0{number}"
        )
        session.prompt(f"Fix the {topic} page. Never commit without asking me.")
        for file in (f"src/{topic}.py", "src/session.py"):
            session.tool("Edit", {"file_path": f"{folder}/{file}", "old_string": "x"}, "ok")
        session.tool("Bash", {"command": f"pytest {topic}"}, f"FAILED {topic} - Error", failed=True)
        session.tool("Edit", {"file_path": f"{folder}/src/db.py", "old_string": "x"}, "ok")
        session.tool("Bash", {"command": f"pytest {topic}"}, "ok")
        session.prompt("We dropped Redis because it kept losing jobs.")
        session.tool("Write", {"file_path": f"{folder}/src/queue.py", "content": "x"}, "ok")
        session.reply("Done.")
        payload = {
            "session_id": session.session,
            "transcript_path": str(session.path),
            "cwd": str(folder),
            "hook_event_name": "Stop",
        }
        options = {"state": str(tmp_path / "state")}
        capture(HookCall.of({"agent": "claude-code", "options": options, "payload": payload}))
    with open_store(location_of(project_of(folder).namespace)) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "words", "without"),
    [
        ("Which files did we touch for the login?", ["src/login.py", "src/db.py", "1 Nov 2026"],
         ["src/invoice.py", "src/queue.py"]),
        ("Why did we drop Redis?", ["because it kept losing jobs", "We dropped Redis"], []),
        ("What did I ask you never to do?", ["never commit without asking me", "(shop ("], []),
        ("What fixed pytest login?", ["pytest login: src/db.py"], ["invoice"]),
        ("What did pytest invoice fail with?", ["FAILED invoice - Error"], ["FAILED login"]),
    ],
)  # fmt: skip
def test_questions_about_work_are_answered_with_session_date_and_words(
    question: str, words: list[str], without: list[str], work: Store
) -> None:
    answer = Memory(work, model="local").ask(question)
    assert answer.turns
    assert answer.sql
    for word in words:
        assert word in answer.text
    for word in without:
        assert word not in answer.text


def test_a_dot_names_the_memory_of_this_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "shop")
    run("add", "Hello.", "--speaker", "Anna", "-n", ".")
    namespace = project_of(tmp_path / "shop").namespace
    assert "Hello." in run("search", "hello", "-n", namespace)
    assert "Hello." in run("search", "hello", "-n", ".")
    monkeypatch.setenv("MEMORY_NAMESPACE", ".")
    assert "Hello." in run("search", "hello")
