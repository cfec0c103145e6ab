"""What others wrote is printed without what a terminal would obey, by every command."""

import ast
import io
import json
import shlex
import sys
from pathlib import Path
from unicodedata import category

import pytest

import memory
from memory import Turn, __main__, open_store
from memory.models import Model
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import location_of
from memory.store.waiting.pending_windows import claim_window, fail_window
from memory.system.terminal import print_dim
from tests.support.coded_texts import CODES, add_document_and_facts
from tests.support.scripted import answer, patch_load_model, scripted_model, sql

BOTH_STORES = "slow"

NAMES = [f"Anna{CODES}", f"Ben{CODES}"]


@pytest.fixture
def hostile(database: str, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of a memory in whose every text, and in whose own name, are terminal codes."""
    monkeypatch.chdir(tmp_path)
    name = f"memory{CODES}"
    place, options = location_of(name), ["--namespace", name]
    if database == "sqlite":
        monkeypatch.setenv("MEMORY_HOME", str(tmp_path / f"home{CODES}"))
        place = tmp_path / f"{name}.db"
        options = ["--db", str(place)]
    with open_store(place) as store:
        turns = [
            Turn(name, f"I moved to Oslo.{CODES} {n}", f"s{CODES}", f"2023{CODES}", f"i{n}{CODES}")
            for n, name in enumerate(NAMES * 2)
        ]
        store.add(turns)
        document = add_document_and_facts(store, tmp_path)
        set_setting(store, "user", f"Anna{CODES}")
        set_setting(store, "backup", f"/nowhere/{CODES}.db")
        window = claim_window(store, 4)
        assert window
        fail_window(store, window, f"the model said {CODES}")
        document.write_text(f"# Pump{CODES}\n\nOil it daily.{CODES}\n")
    return options


def output(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """All that a command prints, run as `python -m memory` runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(""))  # nobody answers a question
        patch.setattr(sys, "argv", ["memory", *map(str, arguments)])
        with pytest.raises(SystemExit):
            __main__.run()
    out, err = capsys.readouterr()
    return out + err


def model_for(command: str) -> Model:
    """A model that answers a question, and stores nothing of what it is to digest."""
    if command.startswith("ask"):
        script = [([], sql("SELECT turn_id, value FROM facts")), ([], answer(f"Oslo{CODES}", "1"))]
    else:
        script = [([], sql(f"DROP TABLE facts{CODES}"))] * 12
    return scripted_model(script)


COMMANDS = [
    "search Oslo",
    "search Oslo --json",
    "admin sql 'SELECT speaker, text FROM turns'",
    "admin sql 'SELECT speaker FROM turns' --json",
    "context 'Where is Anna in Oslo?'",
    "context 'Where is Anna in Oslo?' --json",
    "add 'Hello there' --speaker Ben",
    "add MANUAL --kind document",
    "add MANUAL --kind document --json",
    "add MISSING --kind document",
    "import EXPORT",
    "import EXPORT --json",
    "import FOLDER",
    "import MISSING",
    "export OUT.md",
    "export OUT.jsonl --json",
    "admin backup OUT.db",
    "admin restore MISSING",
    "admin restore MANUAL",
    "facts",
    "facts --json",
    "facts --all Oslo",
    "facts --why 1",
    "facts --why 1 --json",
    "facts edit 1 --value Bergen",
    "facts edit 2 --delete --json",
    "undo",
    "facts log",
    "facts log --facts --json",
    "facts log 1",
    "facts audit",
    "facts audit --fix",
    "facts audit --fix --yes",
    "facts audit --json",
    "facts diff 0",
    "facts attributes",
    "facts attributes --json",
    "facts attributes merge mood --into lives_in",
    "facts diff 0 --json",
    "facts revert 1",
    "admin settings",
    "admin settings --json",
    "admin settings CODES",
    "forget --turn 1",
    "forget --turn 1 --yes",
    "forget --turn 2 --yes --json",
    "forget --matching CODES",
    "admin embed",
    "ask 'Where does Anna live?'",
    "ask 'Where does Anna live?' --json",
    "digest --replay",
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_what_a_terminal_obeys(
    command: str,
    hostile: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patch_load_model(monkeypatch, lambda name, *_, **settings: model_for(command))
    (tmp_path / "characters" / f"Miku{CODES}").mkdir(parents=True)
    (tmp_path / "characters" / f"Miku{CODES}" / "long_term_memory.db").write_text(f"none {CODES}")
    export = [{"role": f"user{CODES}", "content": ""}, {"role": "x", "content": f"Hi.{CODES}"}]
    (tmp_path / f"chat{CODES}.jsonl").write_text("\n".join(map(json.dumps, export)))
    paths = {
        "MANUAL": tmp_path / f"manual{CODES}.md",
        "MISSING": tmp_path / f"missing{CODES}.md",
        "EXPORT": tmp_path / f"chat{CODES}.jsonl",
        "FOLDER": tmp_path / "characters",
        "OUT.md": tmp_path / f"out{CODES}.md",
        "OUT.jsonl": tmp_path / f"out{CODES}.jsonl",
        "OUT.db": tmp_path / f"out{CODES}.db",
        "CODES": CODES,
    }
    words = [str(paths.get(word, word)) for word in shlex.split(command)]
    target = [] if "FOLDER" in command else hostile
    printed = output(capsys, *words, *target)
    assert printed
    assert {c for c in printed if category(c) == "Cc"} <= {"\n", "\t"}


@pytest.mark.slow
def test_namespaces_are_printed_likewise(
    hostile: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, new = f"Anna{CODES}", f"Ben{CODES}"
    printed = ""
    for arguments in (
        ("create", name),
        ("create", name),
        ("copy", name, new),
        ("list",),
        ("list", "--json"),
        ("rename", new, f"Eve{CODES}"),
        ("delete", name, "--yes"),
        ("delete", name),
    ):
        printed += output(capsys, "admin", "namespaces", *arguments)
    assert "Anna" in printed
    assert {c for c in printed if category(c) == "Cc"} <= {"\n", "\t"}


def test_json_holds_the_codes_as_escapes(
    hostile: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    line = output(capsys, "admin", "sql", "SELECT text FROM turns", "--json", *hostile)
    assert json.loads(line.splitlines()[0])["text"] == f"I moved to Oslo.{CODES} 0"


@pytest.mark.slow
def test_commands_print_in_one_way() -> None:
    root = Path(memory.__file__).parent
    for path in [*(root / "cli").glob("*.py"), root / "__main__.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("print", "typer.echo", "typer.secho", "sys.stdout.write"), path


def test_a_terminal_shows_one_dim_line_of_a_statement_and_a_pipe_all_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    statement = f"SELECT {'x' * 100}"
    print_dim(statement)
    assert capsys.readouterr().out == f"{statement}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    print_dim(statement)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("\x1b[2mSELECT x")
    assert len(line.removeprefix("\x1b[2m").removesuffix("\x1b[0m")) == 40
