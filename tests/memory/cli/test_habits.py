"""Commands that people type by habit: each runs, or is answered with the command to type."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from memory.__main__ import app
from memory.cli.habits import habits, hint
from memory.errors import InputError

# What is typed, and what the answer has to name; RUNS if the command runs. Written down before any
# of them was tried: the words of git, sqlite3, mem0, redis-cli and kubectl, and common ones.
RUNS = ""
HABITS = {
    # git
    "init": "memory add",
    "log": "memory facts log",
    "status": "memory admin namespaces list",
    "diff": "memory facts diff",
    "commit": "nothing",
    "push": "memory export",
    "pull": "memory import",
    "clone": "memory admin namespaces copy",
    "checkout": "memory facts revert",
    "branch": "memory admin namespaces",
    "revert 1": "memory undo",
    "rm 1": "memory forget --turn 1",
    "mv a b": "memory admin namespaces rename",
    "show 1": "memory facts list --why 1",
    "blame 1": "memory facts list --why 1",
    "tag": "memory admin tags",
    "stash": "memory admin backup",
    "config": "memory admin settings",
    "grep Oslo": RUNS,
    "help": RUNS,
    "help search": RUNS,
    "version": RUNS,
    "-v": RUNS,
    "search -h": RUNS,
    # sqlite3
    "select": "memory admin sql",
    "insert 'I moved.'": RUNS,
    "tables": "memory admin sql",
    ".tables": "memory admin sql",
    "schema": "memory admin sql",
    ".schema": "memory admin sql",
    "dump": "memory export",
    ".dump": "memory export",
    "query Oslo": "memory search",
    "vacuum": "nothing",
    "count": "memory admin namespaces list",
    "open anna.db": "--db",
    "backup b.db": RUNS,
    "sql 'SELECT 1'": RUNS,
    # mem0
    "list": "memory facts list",
    "get 1": "memory admin sql",
    "get-all": "memory export",
    "update 1 x": "memory facts edit 1",
    "delete 1": "memory forget --turn 1",
    "delete-all": "memory admin namespaces delete",
    "history": "memory facts log",
    "history 1": "memory facts log",
    "reset": "memory admin namespaces delete",
    "users": RUNS,
    "entity": "memory facts entities",
    # redis-cli
    "set 1 x": "memory facts edit 1",
    "del 1": "memory forget --turn 1",
    "keys": "memory facts list",
    "scan": "memory export",
    "expire 1 60": "--expires",
    "ttl 1": "--expires",
    "flushall": "memory admin namespaces delete",
    "flushdb": "memory admin namespaces delete",
    "dbsize": "memory admin namespaces list",
    "ping": "memory admin namespaces list",
    "info": "memory admin namespaces list",
    "monitor": "memory facts log",
    "save": "nothing",
    # kubectl
    "describe 1": "memory facts list --why 1",
    "create anna": "memory admin namespaces create",
    "apply": "memory import",
    "edit 1 x": "memory facts edit 1",
    "logs": "memory facts log",
    "exec": "memory admin sql",
    "explain 1": "memory facts list --why 1",
    "cp a b": "memory admin namespaces copy",
    "run": "memory serve",
    "label 1 x": "memory admin tags",
    # any
    "ls": "memory facts list",
    "cat 1": "memory admin sql",
    "find Oslo": RUNS,
    "recall Oslo": "memory search",
    "remember 'I moved.'": RUNS,
    "note 'I moved.'": RUNS,
    "store 'I moved.'": RUNS,
    "question 'Where do I live?'": RUNS,
    "talk": RUNS,
    "web": "memory serve",
    "ui": "memory serve",
    "start": "memory serve",
    "dashboard": "memory serve",
    "load f.json": "memory import",
    "clear": "memory admin namespaces delete",
    "wipe": "memory admin namespaces delete",
    "remove 1": "memory forget --turn 1",
    "erase 1": "memory forget --turn 1",
    "correct 1 x": "memory facts edit 1",
    "rename a b": "memory admin namespaces rename",
    "memories": RUNS,
    "people": RUNS,
    "profile": "memory facts list",
    "summary": "memory facts summaries",
    "extract": RUNS,
    "redo": "memory undo",
    "rollback": "memory undo",
    "stats": "memory admin namespaces list",
    "login": "memory admin tokens create",
    "model": "memory setup",
    "doctor": RUNS,
    "upgrade": "pip install",
    # with a subject
    "forget 1": "memory forget --turn 1",
    "forget Anna": "memory forget --about",
    "facts rm 1": "memory facts edit 1 --delete",
    "facts delete 1": "memory facts edit 1 --delete",
    "facts show 1": "memory facts list --why 1",
    "facts get 1": "memory facts list --why 1",
    "facts ls": RUNS,
    "facts update 1 x": "memory facts edit 1 --value",
    "facts end 1": "memory facts edit 1 --is-over",
    "facts history": "memory facts log",
    "facts undo": "memory undo",
    "admin namespaces ls": RUNS,
    "admin namespaces rm anna": "memory admin namespaces delete",
    "admin list": "memory admin namespaces list",
    "admin delete anna": "memory admin namespaces delete",
    # options
    "search Oslo --limit 1": RUNS,
    "search Oslo --top-k 1": RUNS,
    "search Oslo --speaker Tom": "--where speaker=",
    "search Oslo --user tom": "--namespace",
    "ask 'Where do I live?' --user-id tom": "--namespace",
    "facts list --format json": "--json",
    "search Oslo --file x.db": "--db",
    "search Oslo --database x.db": "--db",
    "forget --turn 1 --force": "--yes",
    "forget --turn 1 -f": "--yes",
    "forget --turn 1 -y": "--yes",
    "forget --turn 1 --dry-run": "--preview",
    "forget --id 1": "--turn",
    "forget --user Tom": "--speaker",
    "add 'I moved.' --user Tom": "--speaker",
    "ask 'Where do I live?' --verbose": "--why",
    "facts edit 1 --text Bergen": "--value",
    "search what is new": "quotes",
    "serch Oslo": "memory --help",
    # capitals, the command's own name, and words behind a command
    "GET 1": "memory facts list --why 1",
    "FLUSHALL": "memory admin namespaces delete",
    "memory add 'I moved.'": RUNS,
    "users rm anna": "memory admin namespaces delete anna",
    "serve start": "`memory serve`",
    "chat hi": "memory ask hi",
    "facts edit 1 Bergen": "memory facts edit 1 --value Bergen",
    "admin settings set user Anna": "memory admin settings user Anna",
    "set model x": "memory setup --model x",
    "purge": "memory forget --older-than",
    "forget --all": "memory admin namespaces delete",
    "log -n 5": "memory facts log`",
    "-n anna": "memory facts list -n",
    "add --file notes.md": "memory add FILE",
    "search --query Oslo": "memory search TEXT",
    "facts list --subject Anna": "memory facts list WORDS",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A memory of one turn and its fact, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    assert CliRunner().invoke(app, ["add", "I live in Oslo."]).exit_code == 0
    return tmp_path


def answer_to(typed: str) -> tuple[bool, str]:
    """Whether a command line runs, and what it prints or answers."""
    done = CliRunner().invoke(app, shlex.split(typed), input="")
    if isinstance(done.exception, InputError):
        return False, str(done.exception)
    assert done.exit_code == 0, f"{typed}: {done.output}"
    return True, done.output


@pytest.mark.usefixtures("home")
def test_each_habit_runs_or_is_answered_with_the_command() -> None:
    faults = []
    for typed, named in HABITS.items():
        has_run, printed = answer_to(typed)
        if has_run != (named == RUNS) or named not in printed:
            faults.append(f"{typed}: {printed.splitlines()[:1]}")
    assert not faults, "\n".join(faults)


COMMAND = re.compile(r"`memory ([^`]+)`")
# They do not end, ask a person, or need a network: their help proves that they are there.
HELP_ONLY = ("serve", "setup", "chat", "digest")


@pytest.mark.usefixtures("home")
def test_each_command_of_an_answer_is_one() -> None:
    faults = []
    for typed in habits()["hints"]:
        for words in (typed, f"{typed} 1 Oslo"):
            for command in COMMAND.findall(hint(shlex.split(words))):
                line = shlex.split(command)
                line += ["--help"] * (line[0] in HELP_ONLY)
                done = CliRunner().invoke(app, line, input="")
                is_refused = re.search("is no command|has no |takes one", str(done.exception))
                is_whole = "ID" not in line and "VALUE" not in line
                if is_whole and (isinstance(done.exception, SystemExit) or is_refused):
                    faults.append(f"{words}: memory {command}: {done.exception} {done.output}")
    assert not faults, "\n".join(faults)


def test_each_option_of_an_answer_is_one() -> None:
    root = typer.main.get_command(app)
    named = {option.rpartition(" ")[0] for option in habits()["options"]}
    options: dict[str, set[str]] = {}
    for name in named - {""}:
        command: Any = root
        for word in name.split():
            command = command.get_command(None, word)
        options[name] = {option for parameter in command.params for option in parameter.opts}
    faults = []
    for typed, line in habits()["options"].items():
        name, _, refused = typed.rpartition(" ")
        if line.startswith("`memory "):
            continue
        own = options[name] if name else set().union(*options.values())
        if (refused in own and name) or line.split("`")[1].split()[0] not in own:
            faults.append(typed)
    assert not faults


@pytest.mark.usefixtures("home")
def test_an_answer_names_the_memory_that_was_named() -> None:
    _, answer = answer_to("rm 7 --db 'my tom.db'")
    assert "`memory forget --turn 7 --db 'my tom.db'`" in answer
    _, answer = answer_to("facts show 3 -n anna")
    assert "`memory facts list --why 3 -n anna`" in answer


@pytest.mark.parametrize("typed", ["fact", "fcts", "search Oslo --namspace x", "contex Oslo"])
def test_nothing_is_suggested_for_its_letters(typed: str) -> None:
    has_run, answer = answer_to(typed)
    assert not has_run
    assert "Did you mean" not in answer
    assert "Possible" not in answer
    assert ", context, " in answer or "--namespace, -n" in answer


def test_a_refused_option_names_the_command_however_it_was_started() -> None:
    done = CliRunner().invoke(app, ["forget", "--nope"], prog_name="python -m memory")
    assert str(done.exception).startswith("memory forget has no --nope; it has --namespace, ")
