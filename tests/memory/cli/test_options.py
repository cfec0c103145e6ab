"""What all commands share: which memory they are about, consent, any stdout, what comes first."""

import io
import json
import subprocess
import sys
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, __main__
from memory.__main__ import COMMANDS as LISTED
from memory.__main__ import HIDDEN
from memory.cli import context
from memory.evidence.prompt_block import inject
from memory.store import namespaces, open_store
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, MOVED
from tests.support.commands import run

BOTH_STORES = "slow"

COMMANDS = [
    *(
        ["search", "Oslo"],
        ["admin", "sql", "SELECT 1"],
        ["facts"],
        ["facts", "audit"],
        ["admin", "settings"],
    ),
    *(["forget", "--turn", "1"], ["context", "Oslo?"], ["undo"], ["facts", "log"]),
    *(["admin", "backup", "b.db"], ["export", "a.csv"], ["import", __file__]),
    *(["facts", "attributes"], ["facts", "attributes", "remove", "job"]),
    *(["facts", "list"], ["facts", "edit", "1", "--delete"], ["facts", "diff", "1"]),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_two_memories_are_refused_whichever_is_named_first(
    command: list[str], store: SqliteStore, path: Path
) -> None:
    run(*command, "--db", path, "-n", "anna", says="two memories; give one")
    run(*command, "--namespace", "default", "--db", path, says="two memories; give one")


def test_a_file_goes_before_the_namespace_of_the_environment(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_NAMESPACE", "anna")
    assert "Miso" in run("search", "my cat Miso", "--db", path)


def test_all_namespaces_are_exported_or_the_named_one(home: str, tmp_path: Path) -> None:
    namespaces.create("anna")
    run("export", tmp_path, "--all", "-n", "anna", says="leave --namespace and --db out")


@pytest.mark.parametrize("option", [["Oslo"], ["--all"], ["--as-of", "2023"]])
def test_why_goes_with_no_choice_of_facts(
    option: list[str], store: Store, memory_options: list[str]
) -> None:
    store.write(CAT, cause="test")
    assert "cat Miso" in run("facts", "--why", "1", *memory_options)
    run("facts", "--why", "1", *option, *memory_options, says="--why shows one fact")


def test_a_no_is_not_told_to_say_yes(store: Store, memory_options: list[str]) -> None:
    run("forget", "--turn", "1", *memory_options, given="n\n", says="^nothing was changed$")
    run("forget", "--turn", "1", *memory_options, given="", says="answer y, or give --yes$")


def test_the_first_use_says_what_makes_a_memory(home: str) -> None:
    run("ask", "Where do I live?", says="no namespace 'default'")
    namespaces.create("defaults")
    run("search", "Oslo", says="did you mean 'defaults'")


def test_a_search_without_a_turn_says_so(
    address: str, memory_options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    open_store(address).close()
    assert run("search", "Oslo", *memory_options) == ""
    with pytest.raises(SystemExit):
        __main__.app(["search", "Oslo", *memory_options])
    assert (
        capsys.readouterr().err
        == "no turns in this memory yet; `memory add` and `memory import` store some\n"
    )


# ------------------------------------------------------------------------ what stdout can hold

SHOWING = [
    *(["search", "\N{RAINBOW}"], ["admin", "sql", "SELECT speaker, text FROM turns"], ["facts"]),
    *(
        ["facts", "--why", "1"],
        ["facts", "log", "1"],
        ["facts", "audit"],
        ["admin", "settings"],
        ["context", "\N{RAINBOW}?"],
    ),
    *(
        ["facts", "diff", "0"],
        ["search", "x", "--json"],
        ["facts", "--json"],
        ["--help"],
        ["add", "--help"],
    ),
    *(
        ["add", "na\xefve", "--speaker", "Zo\xeb"],
        ["export", "\u010d.csv"],
        ["admin", "namespaces", "list"],
    ),
    *(["undo"], ["forget", "--turn", "1", "--yes"]),
]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", SHOWING, ids="_".join)
def test_every_command_prints_to_a_stdout_of_few_characters(
    command: list[str],
    encoding: str,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store(path) as store:
        store.add([Turn("Zo\xeb", "My \N{RAINBOW} is \u010derven\xe1.")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            " VALUES ('Zo\xeb', 'likes', '\N{RAINBOW}', 1)",
            cause="\u010dau",
        )
    if "--help" not in command and command[1:2] != ["namespaces"]:
        command = [*command, "--db", str(path)]
    written = io.BytesIO()
    monkeypatch.setattr("sys.argv", ["memory", *command])
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    with pytest.raises(SystemExit) as end:
        __main__.run()
    assert end.value.code in (0, None)
    shown = written.getvalue().decode(encoding)
    if "--json" in command:
        assert "\N{RAINBOW}" in json.dumps(json.loads(shown), ensure_ascii=False)


@pytest.mark.slow
def test_a_process_whose_stdout_is_ascii_ends_well(store: SqliteStore, path: Path) -> None:
    store.add([Turn("Zo\xeb", "Na\xefve \N{RAINBOW}")])
    done = subprocess.run(
        [sys.executable, "-m", "memory", "search", "rainbow na\xefve", "-k", "1", "--db", path],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"[6] Zo\\xeb: Na\\xefve \\U0001f308\n"


@pytest.mark.slow
@pytest.mark.parametrize("console", ["ascii", "cp1252"])
def test_what_is_piped_in_is_utf_8_whatever_the_console_is(path: Path, console: str) -> None:
    def added(text: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "memory", "add", "-", "--speaker", "Ben", "--db", path],
            env={"PYTHONIOENCODING": console, "PATH": ""},
            input=text,
            capture_output=True,
            check=False,
        )

    refused = added("na\xefve".encode("cp1252"))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.startswith(b"error: standard input is not UTF-8 at byte 3; convert it")
    assert not path.exists()
    assert added("na\xefve \N{RAINBOW}".encode()).returncode == 0
    with open_store(path) as store:
        assert [turn.text for turn in store.turns()] == ["na\xefve \N{RAINBOW}"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    run("add", "Hello.", "--db", tmp_path / "no" / "x.db", says="is not there")
    assert not (tmp_path / "no").exists()


# ------------------------------------------------------------------------------ the groups


def test_facts_alone_lists(store: Store, memory_options: list[str]) -> None:
    store.write(MOVED, cause="test")
    listed = run("facts", "list", *memory_options)
    assert "Oslo" in listed
    assert run("facts", *memory_options) == run("facts", "Oslo", *memory_options) == listed


@pytest.mark.parametrize("name", ["edit", "log", "diff", "revert", "embed", "migrate", "settle"])
def test_a_command_of_a_group_is_answered_with_its_group(name: str) -> None:
    run(name, "1", says=f"^`memory {name}` is no command: .*`memory (facts|admin) {name}\\b")


def test_the_command_context_has_the_options_of_the_method() -> None:
    memories = {"namespaces", "db"}
    options = {*signature(context.context).parameters} - memories - {"as_json", "message"}
    method = {*signature(Memory.context).parameters} - {"self", "messages", "user_id", "also"}
    # `session` as add calls it, too; what a block leaves out is chosen in Python and by the API.
    assert options == method - {"run_id", "gate", "profile"}
    # The weights of the ranking belong to the memory's program.
    of_the_block = {*signature(inject).parameters} - {"store", "messages", "weights"}
    assert options == of_the_block - {"gate", "profile"}


def test_the_program_says_its_version() -> None:
    assert run("--version") == f"sql-memory {version('sql-memory')}\n"


def test_help_lists_sixteen_commands_and_those_that_settings_name_run_as_before() -> None:
    listed = run("--help")
    assert sum(map(len, LISTED.values())) == 16
    assert all(f"\u2502 {name} " in listed for names in LISTED.values() for name in names)
    for name in HIDDEN:
        assert f"\u2502 {name} " not in listed
        assert f"{name} [OPTIONS] " in run(name, "--help")
        assert f"\u2502 {name} " in run("serve", "--help")


def test_the_options_of_the_page_are_refused_before_another_server() -> None:
    run("serve", "--port", "0", "mcp", says="`memory serve mcp`")
