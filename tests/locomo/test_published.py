"""Published figures are made again by their commands: what drifted is said, and fails."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from locomo import published
from locomo.published import drift, read, tables
from memory import InputError

COUNTED = """# Counts

<!-- run by locomo.published -->
```sh
python -m locomo.dataset check \\
    $SAMPLE
```

Of the sample, with fewer columns:

| conversation | turns | questions |
|---|---|---|
| wanjiru-and-bo | 156 | 64 |
| **all** | **315** | 128 |
"""
PRINTED = [
    [["system", "R@5", "R@10", "n"], ["ours", "0.751", "0.831", "1,033"]],
    [
        ["question", "n", "system", "2,000"],
        ["all", "9", "ours", "0.649 / 0.910"],
        ["", "", "cosine", "0.471 / 0.884"],
    ],
]
ROOT = Path(__file__).parents[2]


def check(*arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(published.app, [*arguments])
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.stdout


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMPLE", str(ROOT / "data" / "sample.json"))
    file = tmp_path / "figures.md"
    file.write_text(COUNTED, "utf-8")
    return file


def test_a_figure_that_its_command_prints_is_the_same(document: Path) -> None:
    code, output = check(str(document))
    assert (code, "1 same, 0 drifted, 0 skipped" in output) == (0, True), output


def test_a_figure_that_drifted_is_named_and_fails(document: Path) -> None:
    document.write_text(COUNTED.replace("315", "316"), "utf-8")
    code, output = check(str(document))
    assert code == 1
    assert "  all, turns: published 316, now 315\n" in output


def test_what_was_printed_is_kept_and_not_run_again(document: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert check(str(document), "--log", str(log))[0] == 0
    log.write_text(log.read_text("utf-8").replace("315", "317"), "utf-8")
    code, output = check(str(document), "--log", str(log))
    assert (code, "published 315, now 317" in output) == (1, True)


def test_a_command_whose_data_nobody_named_is_skipped(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMPLE")
    code, output = check(str(document))
    assert (code, "skipped: SAMPLE is not set" in output) == (0, True)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("locomo.dataset check", "locomo.dataset count"), "returned non-zero exit status 2"),
        (("locomo.dataset check", "timeit -s pass"), "timed out after 0.6 seconds"),
    ],
)
def test_a_command_that_fails_or_does_not_end_is_no_figure(
    document: Path, change: tuple[str, str], complaint: str
) -> None:
    text = COUNTED.replace(*change)
    if "timeit" in text:
        text = text.replace("\\\n    $SAMPLE", "-n 1 'import time; time.sleep(60)'")
    document.write_text(text, "utf-8")
    code, output = check(str(document), "--minutes", "0.01" if "timeit" in text else "1")
    assert (code, complaint in output) == (1, True), output


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("# No figures\n", "has no block marked"),
        (published.MARKER + "\n\nno block\n", "line 1: no block of sh follows"),
        (published.MARKER + "\n```sh\npython -m this\n```\n", "line 1: a command with a table"),
        (COUNTED.replace("python -m", "rm -r"), "line 5: a command begins with python"),
    ],
)
def test_a_document_that_cannot_be_checked_says_why(document: Path, text: str, advice: str) -> None:
    document.write_text(text, "utf-8")
    with pytest.raises(InputError, match=advice):
        check(str(document))


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("| system | R@5 |\n|---|---|\n| ours | .755 |", "ours, R@5: published .755, now 0.751"),
        (
            "| system | n |\n|---|---|\n| ours | 1,032 |",
            "ours, n: published 1,032, now 1,033",
        ),
        (
            "| question | system | 2,000 |\n|---|---|---|\n| | cosine | .471 / .889 |",
            ", 2,000: published .471 / .889, now 0.471 / 0.884",
        ),
        (
            "| question | system | 2,000 |\n|---|---|---|\n| all | ours | .649 |",
            "all, 2,000: published .649, now 0.649 / 0.910",
        ),
        (
            "| system | R@5 |\n|---|---|\n| theirs | .751 |",
            "no row theirs .751 is printed, or not in this place",
        ),
        (
            "| system | R@7 |\n|---|---|\n| ours | .751 |",
            "no table with the columns system, R@7 is printed",
        ),
    ],
)
def test_every_other_difference_is_told(table: str, complaint: str) -> None:
    [rows] = tables(table.splitlines())
    assert drift(rows, PRINTED) == [complaint]


def test_every_command_of_our_figures_can_be_run() -> None:
    commands = read((ROOT / "docs" / "figures.md").read_text("utf-8"))
    assert len(commands) > 10
    for each in commands:
        assert set(each.missing()) <= {"LOCOMO", "BEAM", "SMALL_MODEL"}, each.line
        program, *arguments = each.command.split()
        assert program == "python"
        if arguments[0] == "-m":
            assert find_spec(arguments[1]), each.line
        else:
            assert (ROOT / arguments[0]).is_file(), each.line


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["locomo.retrieval", "locomo.rows", "aggregates measure", "false_gains", "tokens"]
)
def test_what_needs_no_other_data_is_as_published(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("LOCOMO", "BEAM", "SMALL_MODEL"):
        monkeypatch.delenv(name, raising=False)
    code, output = check("--only", command)
    assert (code, "0 drifted" in output) == (0, True), output
    assert "0 same" not in output
