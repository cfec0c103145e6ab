"""What the commands are given wrong: exit code 2, one line that names it, nothing made."""

import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from typer.main import get_command
from typer.testing import CliRunner

import evaluate
import optimize
import train
from locomo import evaluation, split_data
from locomo.commands import option_names, print_table, run_command
from locomo.dataset import __main__ as dataset
from locomo.retrieval import __main__ as retrieval
from locomo.scripts import evaluate as evaluating
from tests.support.talk import talk

BAD = {
    "missing.json": None,
    "broken.json": "[{",
    "no-field.json": [talk("a"), {**talk("b"), "conversation": {"session_1": [{"dia_id": "D1"}]}}],
    "silent.json": [{**talk("a"), "qa": []}],
    "one.json": [talk("a")],
    "two.json": [talk("a"), talk("b")],
    "old.json": {"format": 1, "version": "0.1.0"},
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that cannot be used, and two that can; no keys, no MLflow, no proxy."""
    for key in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(evaluating, "connect_mlflow", lambda experiment: None)
    for name, content in BAD.items():
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / name).write_text(text)
    return tmp_path


def command(
    app: typer.Typer, line: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[Path]]:
    """Run a command line in this process, `{}` is the folder of files; its exit code, and what
    it left there."""
    before = set(files.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["command", *line.format(files).split()])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    return int(ended.value.code or 0), sorted(set(files.rglob("*")) - before)


EVALUATE = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
EVALUATE.command()(evaluate.evaluate)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--data {}/missing.json", "missing.json"),
        ("--data {}", "broken.json"),
        ("--data {}/no-field.json", r"'b'.*conversation.session_1.0.speak"),
        ("--data {}/silent.json", "silent.json"),
        ("--split dev", "train, validation, test"),
        ("--split test", "two.json"),
        ("--data {}/one.json --split train", "at least two"),
        ("--num-test -1", "--num-test"),
        ("--model gpt-4o-mini", "write openai/gpt-4o-mini"),
        ("--model openia/gpt-4o", "'openia'"),
        ("--judge-model openai/gpt-4o-mini", "OPENAI_API_KEY"),
        ("--model openai/x --api-base http://127.0.0.1:1/v1", "http://127"),
        ("--model openai/x --api-base localhost", "'localhost'"),
        ("--api-base http://127.0.0.1:1/v1", "needs no --api-base"),
        ("--budget 63", "at least 64"),
        ("--optimized-path {}/old.json", "compile it again"),
        ("--embedder small", "'small'"),
        ("--output-dir {}/two.json", "--output-dir .*two.json"),
        ("--colour red", "--colour"),
    ],
)
def test_evaluate_refuses_what_it_cannot_use_before_it_makes_anything(
    line: str,
    says: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = f"--data {{0}}/two.json --output-dir {{0}}/out {line.replace('{}', '{0}')}"
    monkeypatch.setattr(evaluation, "building", None)  # nobody gets as far
    assert command(EVALUATE, given, files, monkeypatch) == (2, [])
    err = capsys.readouterr().err
    assert re.search(says, err)
    assert "Traceback" not in err
    if "Usage:" not in err:  # Typer's own say how to get help
        assert err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("app", "line", "says"),
    [
        (split_data.app, "--input {}/no-field.json", "field conversation.session_1.0.speaker"),
        (split_data.app, "--input {}/one.json", "one conversation cannot be split"),
        (split_data.app, "--input {}/two.json --split memory-r1", "needs exactly LoCoMo's ten"),
        (split_data.app, "--input {}/two.json --colour red", "--colour"),
        (split_data.app, "--input {}/two.json --split by-question", "'by-question'"),
        (split_data.app, "--input {}/missing.json", "missing.json"),
        (split_data.app, "--input {}/two.json --seed x", "--seed"),
        (split_data.app, "--input {}/two.json --output-dir {}/one.json", "cannot write"),
        (retrieval.app, "--data {}/no-field.json", "field conversation.session_1.0.speaker"),
        (retrieval.app, "--data {}/two.json --k many", "--k"),
        (retrieval.app, "--data {}/one.json --colour red", "--colour"),
        (dataset.app, "check {}/no-field.json", "field conversation.session_1.0.speaker"),
        (dataset.app, "check", "Missing argument"),
        (dataset.app, "download --output {}/two.json", "move it away"),
        (dataset.app, "download --output {}/two.json/x --url http://127.0.0.1:1", "cannot write"),
        (dataset.app, "download --output {}/x --url ftp://127.0.0.1", "an http or https address"),
        (dataset.app, "fetch", "fetch"),
    ],
)
def test_the_other_commands_do_too(
    app: typer.Typer,
    line: str,
    says: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs_folder = app is split_data.app and "--output-dir" not in line
    out = " --output-dir {0}/out" if needs_folder else ""
    assert command(app, line.replace("{}", "{0}") + out, files, monkeypatch) == (2, [])
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 2), (typer.Exit(3), 3)])
def test_ctrl_c_ends_a_command_with_one_line(
    raised: BaseException,
    code: int,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer()

    @app.command()
    def stop() -> None:
        raise raised

    assert command(app, "", files, monkeypatch) == (code, [])
    said = "interrupted: no file is half-written\n" if code == 2 else ""
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("script", "data"),
    [(evaluate.evaluate, "data/first_run.json)"), (optimize.optimize, "data/train; data/rows")],
)
def test_help_names_no_folder_of_this_machine(script: Callable[..., None], data: str) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(script)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400"}).stdout
    assert f"[default: ({data}" in shown
    assert str(Path(evaluate.__file__).parent) not in shown


@pytest.mark.slow
@pytest.mark.parametrize("app", [evaluate.app, optimize.app, train.app])
def test_help_lists_ten_options_and_help_all_every_one(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    every = {option for parameter in get_command(app).params for option in parameter.opts}
    listed = _listed(app, "--help")
    assert {"--help", "--help-all"} <= listed
    assert len(listed) <= 12
    assert _listed(app, "--help-all") == {*every, "--help"} > listed


def _listed(app: typer.Typer, flag: str) -> set[str]:
    """The options in what a command's --help or --help-all prints."""
    done = CliRunner().invoke(app, [flag])
    assert done.exit_code == 0
    # An option with two names has both in one cell.
    cells = re.findall(r"^\W*(--[a-z-]+(?:,--[a-z-]+)*) ", done.output, re.MULTILINE)
    return {name for cell in cells for name in cell.split(",")}


def test_a_table_is_markdown_where_the_output_is_no_terminal() -> None:
    printed = {}
    for is_terminal in (False, True):
        output = io.StringIO()
        table = Table("system", "R@10", box=SIMPLE)
        table.add_row("ours", "0.831", end_section=True)
        table.add_row("theirs", "0.449")
        print_table(Console(file=output, force_terminal=is_terminal, color_system=None), table)
        printed[is_terminal] = output.getvalue()
    assert [line.strip() for line in printed[False].splitlines() if line.strip()] == [
        "| system | R@10  |",
        "|--------|-------|",
        "| ours   | 0.831 |",
        "| theirs | 0.449 |",
    ]
    assert "|" not in printed[True]


SCRIPTS = {"evaluate": evaluate.app, "optimize": optimize.app, "train": train.app}


def test_an_option_of_another_name_is_answered_with_the_scripts_own(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {
        ("train", "--lr 1"): "train has no --lr; write --learning-rate",
        ("optimize", "--lr 1"): "optimize has no --lr; --help-all lists what it has",
        ("evaluate", "--limit 3"): "evaluate has no --limit; write --num-test",
        ("optimize", "--steps 3"): "optimize has no --steps; write --rounds",
        ("evaluate", "--helpme"): "evaluate has no --helpme; --help-all lists what it has",
        ("evaluate", "mine.json"): "evaluate takes options alone, not 'mine.json'; conversations",
    }
    for (script, line), words in said.items():
        monkeypatch.setattr(sys, "argv", [script, *line.split()])
        with pytest.raises(SystemExit):
            run_command(SCRIPTS[script])
        printed = capsys.readouterr().err
        assert words in printed, printed
        assert "Possible" not in printed


def test_each_option_that_an_answer_names_is_one_of_a_script() -> None:
    own = [
        {name for parameter in get_command(app).params for name in parameter.opts}
        for app in SCRIPTS.values()
    ]
    for typed, ours in option_names().items():
        assert all(any(name in options for options in own) for name in ours), typed
        assert not any(typed in options and set(ours) & options for options in own), typed
