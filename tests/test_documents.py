"""The documents: every snippet runs as it is printed, every link leads somewhere."""

import inspect
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

import memory
from locomo.published import tables
from tests.support.answering_server import answering_server
from tests.support.snippets import (
    ROOT,
    Snippet,
    command_lines,
    documents,
    run_command_line,
    run_python,
    same_output,
    snippets,
)

DOCUMENTS = documents()
RUNNABLE = {"python", "sh", "console"}
TUTORIAL = Path("docs/tutorial.md")
# How many blocks are not run here, by why.
NOT_RUN = {
    "it changes the settings of an agent": 1,
    "it needs sessions of an agent": 1,
    "a program that does not end": 2,
    "needs Postgres, Ray or Citus": 8,
    "needs a client or a server": 12,
    "needs a network": 7,
    "needs a model's file": 1,
    "needs an older checkout": 1,
    "needs a provider's key": 7,
    "needs a server with GPUs": 9,
    "needs the extra tune": 2,
    "takes an hour": 15,
    "takes minutes, data or a key": 34,
    "parts of an example": 1,
    "the tests themselves": 2,
}
LANGUAGES = {"python", "output", "sh", "console", "text", "json", "toml", "ini"}
MOST_WORDS_OF_DECISION = 120
MOST_WORDS_OF_LOG = 6_000


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder; hosted models are a server on localhost."""
    with answering_server() as address:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("OPENAI_API_KEY", "a key of the tests")
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        yield tmp_path


@pytest.fixture
def _tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a snippet sets of MLflow, which keeps it for the whole process, is of its test alone."""
    from mlflow.tracking import fluent
    from mlflow.tracking._tracking_service import utils

    monkeypatch.setattr(utils, "_tracking_uri", None)
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def tutorial_memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The memory that the tutorial makes, which the guides begin with."""
    folder = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MEMORY_HOME", str(folder / "home"))
        run_snippets(TUTORIAL, with_slow=False)
    return folder / "anna.db"


def run_snippets(path: Path, *, with_slow: bool) -> None:
    """Run the blocks of a document in order, and compare what they print with what it shows."""
    printed = ""  # by the block of Python just before
    for snippet in snippets(path):
        if snippet.marker.startswith(("not run", "run by")):
            continue
        if snippet.marker.startswith("file: "):
            Path(snippet.marker.removeprefix("file: ")).write_text(snippet.text, "utf-8")
            continue
        if snippet.language == "output":
            assert same_output(printed, snippet.text), f"{snippet} prints:\n{printed}"
        if snippet.marker == "slow" and not with_slow:
            continue
        if snippet.language == "python":
            printed = run_python(snippet, stdin="I moved to Oslo.\n")
        elif snippet.language in ("sh", "console"):
            for line, documented in command_lines(snippet):
                output = run_command_line(line)
                if snippet.language == "console":
                    assert same_output(output, documented), f"{snippet}: {line}\nprints:\n{output}"


WITH_CODE = [
    path
    for path in DOCUMENTS
    if any(
        snippet.language in RUNNABLE and snippet.marker in ("", "slow")
        for snippet in snippets(path)
    )
]


def run_document(path: Path, workplace: Path, tutorial_memory: Path, *, with_slow: bool) -> None:
    if path.parts[:2] == ("docs", "guides"):
        shutil.copy(tutorial_memory, workplace)
    run_snippets(path, with_slow=with_slow)


@pytest.mark.parametrize("path", WITH_CODE, ids=str)
def test_the_snippets_of_a_document_run_as_printed(
    path: Path, workplace: Path, tutorial_memory: Path
) -> None:
    run_document(path, workplace, tutorial_memory, with_slow=False)


@pytest.mark.slow
@pytest.mark.usefixtures("_tracking")
@pytest.mark.parametrize("path", WITH_CODE, ids=str)
def test_snippets_that_ask_the_packaged_model_run_as_printed(
    path: Path, workplace: Path, tutorial_memory: Path
) -> None:
    if not any(snippet.marker == "slow" for snippet in snippets(path)):
        pytest.skip("its snippets run in the default run")
    run_document(path, workplace, tutorial_memory, with_slow=True)


@pytest.mark.slow
def test_the_pages_of_the_python_api_have_every_public_name() -> None:
    pages = runpy.run_path(str(ROOT / "docs/api/build.py"))["rendered_pages"]()
    headings = {*re.findall(r"^#+ `?(\w+)`?$", "\n".join(pages.values()), re.MULTILINE)}
    assert {*memory.__all__} <= headings
    assert all(f"({page})" in pages["index.md"] for page in pages if page != "index.md")


def test_what_is_not_run_says_why() -> None:
    markers = [snippet.marker for path in DOCUMENTS for snippet in snippets(path)]
    reasons = [reason for marker in markers for reason in re.findall("^not run: (.*)", marker)]
    assert Counter(reasons) == NOT_RUN


def test_every_block_names_its_language() -> None:
    blocks = [snippet for path in DOCUMENTS for snippet in snippets(path)]
    assert not [str(snippet) for snippet in blocks if snippet.language not in LANGUAGES]


# ------------------------------------------------------------ commands that are not run

# What a command line begins with -> the module of its program.
PROGRAMS = {
    "memory": "memory.__main__",
    "evaluate.py": "evaluate",
    "optimize.py": "optimize",
    "train.py": "train",
}


def commands_of(snippet: Snippet) -> Iterator[tuple[str, list[str]]]:
    """The programs of ours that a block calls: (module, arguments)."""
    for line, _ in command_lines(snippet):
        words = line.split("#")[0].split()
        words = [word for word in words if word not in ("uv", "run", "--extra", "ray", "--no-sync")]
        if words[:2] == ["python", "-m"] and words[2].startswith("locomo"):
            yield words[2], words[3:]
        elif words and words[0] in PROGRAMS:
            yield PROGRAMS[words[0]], words[1:]


def subcommands(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", {})


def options_of(module: str, words: list[str]) -> set[str]:
    """The options of the (sub)command that a command line names."""
    command = command_of(module)
    options = {"--help"}
    while True:
        for parameter in command.params:
            options |= {*parameter.opts, *parameter.secondary_opts}
        if not subcommands(command):
            return options
        if command.invoke_without_command and (not words or words[0].startswith("-")):
            return options  # `memory serve --port 0`
        # `memory facts Anna` lists.
        name = words[0] if words and words[0] in subcommands(command) else "list"
        command, words = subcommands(command).get(name), words[1:]
        if command is None:
            return options


@cache
def command_of(module: str) -> Any:
    """The command of a module, made once: it has hundreds below it."""
    return typer.main.get_command(app_of(module))


def app_of(module: str) -> typer.Typer:
    """The command line of a module, made as the module makes it when it is run."""
    functions = {"locomo.serving": "serving"}
    specification = find_spec(module)
    is_package = specification is not None and specification.submodule_search_locations
    program = import_module(f"{module}.__main__" if is_package else module)
    if module in functions:
        app = typer.Typer()
        app.command()(getattr(program, functions[module]))
        return app
    [app] = [value for value in vars(program).values() if isinstance(value, typer.Typer)]
    return app


def test_a_command_that_is_shown_has_the_options_that_are_shown() -> None:
    faults = []
    for snippet in [snippet for path in DOCUMENTS for snippet in snippets(path)]:
        if snippet.language not in ("sh", "console"):
            continue
        for module, words in commands_of(snippet):
            used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            if unknown := used - options_of(module, words):
                faults.append(f"{snippet}: {module} {' '.join(words)}: {unknown}")
    assert not faults, "\n".join(faults)


REFERENCE = Path("docs/reference.md")
# Options that nearly every command has, which the reference explains once.
COMMON = {"--namespace", "-n", "--db", "--json", "--yes", "--help"}


def leaf_commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All commands below a group that --help lists, each with its whole name."""
    if not subcommands(command) or command.invoke_without_command:
        yield name, command
    for part, inner in subcommands(command).items():
        if not inner.hidden:
            yield from leaf_commands(inner, f"{name} {part}")


def test_the_reference_lists_every_command_with_its_options() -> None:
    lines = (ROOT / REFERENCE).read_text("utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| `memory ")]
    documented = {
        re.sub(r" \[?[A-Z]+.*", "", row[0].strip("|` ")): set(re.findall(r"`(-[^`]+)`", row[2]))
        for row in rows
        if len(row) == 3
    }
    app = typer.main.get_command(app_of("memory.__main__"))
    actual = {
        name: {
            max(parameter.opts, key=len)
            for parameter in command.params
            if parameter.param_type_name == "option" and not getattr(parameter, "hidden", False)
        }
        - COMMON
        for name, command in leaf_commands(app, "memory")
    }
    assert documented == actual


def test_every_public_name_has_a_docstring_and_so_have_its_methods() -> None:
    missing = []
    for name in memory.__all__:
        value = getattr(memory, name)
        methods = vars(value).items() if inspect.isclass(value) else ()
        public = [(key, method) for key, method in methods if not key.startswith("_")]
        missing += [
            f"{name}.{key}"
            for key, method in public
            if inspect.isfunction(method) and not method.__doc__
        ]
        missing += [] if inspect.getdoc(value) else [name]
    assert not [name for name in missing if not name.endswith(".forward")]


# ------------------------------------------------------------ links and lines


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def test_every_link_leads_somewhere() -> None:
    texts = {path: (ROOT / path).read_text("utf-8") for path in DOCUMENTS}
    faults = []
    for path, text in texts.items():
        for pair in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
            link = "".join(pair)
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            linked = (ROOT / path).parent / file if file else ROOT / path
            if not linked.exists() or (anchor and anchor not in anchors(linked.read_text("utf-8"))):
                faults.append(f"{path}: {link}")
    assert not faults, "\n".join(faults)


def test_a_decision_is_short_and_whoever_names_one_finds_it() -> None:
    decisions = (ROOT / "docs/development/decisions.md").read_text("utf-8")
    texts = dict(re.findall(r"^### (\d+)\. .*\n((?:(?!##).*\n)*)", decisions, re.MULTILINE))
    long = [number for number, text in texts.items() if len(text.split()) > MOST_WORDS_OF_DECISION]
    assert not long
    assert len(texts) == len(re.findall(r"^### \d+\. ", decisions, re.MULTILINE))
    named = {
        (path.name, number)
        for folder in ("memory", "locomo", "docs", "tests", "arbor")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in {".py", ".md", ".sql", ".toml", ".html"}
        for number in re.findall(r"[Dd]ecision (\d{1,3})\b", path.read_text("utf-8"))
    }
    missing = {name for name in named if name[1] not in texts}
    assert not missing


def test_the_log_is_a_table_that_can_be_read_at_once() -> None:
    text = (ROOT / "docs/development/log.md").read_text("utf-8").replace("|", " ")
    assert len(text.split()) <= MOST_WORDS_OF_LOG


def test_no_line_but_a_table_row_is_longer_than_120_characters() -> None:
    faults = [
        f"{path}:{number}"
        for path in DOCUMENTS
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), 1)
        if len(line) > 120 and not line.startswith("|")
    ]
    assert not faults, "\n".join(faults)


def test_the_layout_shows_every_folder_of_code() -> None:
    [layout] = [part for part in snippets(Path("CONTRIBUTING.md")) if part.language == "text"]
    shown = set(re.findall(r"^ *(\w+)/ ", layout.text, re.MULTILINE))
    folders = {
        path.parent
        for path in [*ROOT.glob("memory/**/__init__.py"), *ROOT.glob("locomo/**/__init__.py")]
        if path.parent.name != "versions" and "migrations" not in path.parts
    }
    assert {folder.name for folder in folders} <= shown


def test_the_readme_fits_on_three_screens() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 100


def test_the_readme_begins_with_its_two_commands_and_ci_runs_both() -> None:
    [first, *_] = [part for part in snippets(Path("README.md")) if part.language != "text"]
    commands = [command.partition("#")[0].strip() for command, _ in command_lines(first)]
    assert commands == ["uv run evaluate.py", "uv run pytest"]
    assert first.line < 25  # a terminal's first screen
    ci = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert all(any(line.startswith(command) for line in ci) for command in commands)
    assert (ROOT / "evaluate.py").exists()


@pytest.mark.slow
def test_the_two_commands_of_the_readme_run(tmp_path: Path) -> None:
    measured = subprocess.run(
        [sys.executable, ROOT / "evaluate.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not measured.returncode, measured.stderr
    assert "stored (stated in turn" in measured.stdout
    assert "SELECT" in measured.stdout
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not collected.returncode, collected.stdout[-2000:]


def test_the_page_of_figures_begins_with_ten_claims_and_their_intervals() -> None:
    page = (ROOT / "docs/figures.md").read_text("utf-8")
    assert page.startswith("# Figures\n\n## Claims\n")
    columns, *claims = next(tables(page.splitlines()))
    assert columns == ["claim", "figure", "interval", "data, and who saw it", "command"]
    assert len(claims) == 10
    for claim, figure, interval, *rest in claims:
        assert re.fullmatch(r"\[[+-]\.\d+, [+-]\.\d+\]|none: .+|", interval), claim
        assert bool(interval) == bool(re.search(r"\.\d", figure)), claim
        low = interval.strip("[]").partition(",")[0]
        if not low.startswith("+"):  # an interval with zero in it, or none, shows no gain
            assert figure.endswith((": not shown", ": no")) or not low.startswith("-"), claim
        assert all(rest) or figure in ("withdrawn", "not measured"), claim


def test_an_interval_of_a_difference_is_on_the_page_of_figures() -> None:
    """What a reader is told of a gain is quoted from there; a page of runs has its own tables."""
    page = " ".join((ROOT / "docs/figures.md").read_text("utf-8").split())
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    told = re.compile(r"[+-]\.\d+ \[[+-]?\.\d+, [+-]?\.\d+\]")
    missing = [
        f"{file.relative_to(ROOT)}: {quoted}"
        for file in pages
        if file.name not in ("reinforcement.md", "figures.md")
        for quoted in told.findall(" ".join(file.read_text("utf-8").split()))
        if quoted not in page
    ]
    assert not missing


def test_the_figures_of_the_readme_are_those_of_the_page() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").partition("\n## Figures\n")[2]
    [[columns, *rows]] = tables(readme.splitlines())
    assert rows
    page = [*tables((ROOT / "docs/figures.md").read_text("utf-8").splitlines())]
    published = {
        tuple(row[table[0].index(name)] for name in columns[1:])
        for table in page
        if {*columns[1:]} <= {*table[0]}
        for row in table[1:]
    }
    assert {tuple(row[1:]) for row in rows} <= published


def test_the_tests_that_hold_the_promises_of_the_security_page_exist() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    faults = []
    for path, name in re.findall(r"`(tests/[\w/.]+?)(?:::(\w+))?`", text):
        target = ROOT / path
        if not target.exists() or (name and f"def {name}(" not in target.read_text("utf-8")):
            faults.append(f"{path}::{name}")
    assert not faults, "\n".join(faults)
    assert text.count("::test_") > 10
