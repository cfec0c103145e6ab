"""The house: which floor may stand on which, who may import what, and how large things get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import memory

ROOT = Path(__file__).parent.parent
SCRIPTS = [ROOT / f"{name}.py" for name in ("evaluate", "optimize", "train")]
DEPLOYMENT = sorted((ROOT / "arbor").glob("*.py"))
PRODUCT = [*sorted((ROOT / "memory").rglob("*.py")), *sorted((ROOT / "locomo").rglob("*.py"))]
CODE = [*PRODUCT, *SCRIPTS, *DEPLOYMENT]
EVERYTHING = [*CODE, *sorted((ROOT / "tests").rglob("*.py"))]

# From the ground up; a module imports only floors below its own, or its own package.
FLOORS = [
    {"memory.dates", "memory.errors", "memory.model"},
    {
        *("memory.sql", "memory.search", "memory.embed", "memory.budget"),
        *("memory.chunking", "memory.files"),
    },
    {"memory.store", "memory.program"},
    {
        *("memory.audit", "memory.documents", "memory.exchange", "memory.facts"),
        *("memory.injection", "memory.namespaces", "memory.settings"),
    },
    {"memory.api"},
    {"memory.apps", "memory.tune"},
    {"memory.__main__"},
]
# One importer per outside library (a folder counts as one).
IMPORTERS = {
    "sqlglot": "memory/sql/__init__.py",
    "wordllama": "memory/embed.py",
    "tokenizers": ("memory/budget.py", "memory/tune"),
    # Weights: the extra `tune`, and a machine with GPUs.
    "torch": ("memory/tune", "arbor"),
    "transformers": ("memory/tune", "arbor"),
    "peft": ("memory/tune", "arbor"),
    "gguf": "memory/tune/",
    "arbor": ("locomo/arbor_job.py", "arbor"),
    "httpx": ("locomo/arbor_client.py", "locomo/together.py", "arbor"),
    "together": "locomo/together.py",
    "runpod": "arbor/deploy.py",
    "sqlite_utils": "memory/store/migrations/__init__.py",
    "sqlite3": "memory/store",
    "xllamacpp": "memory/program/llama.py",
    # Each sets its environment first: no look-ups on the internet, no telemetry.
    "litellm": ("memory/program", "memory/embed.py"),
    "sentence_transformers": "memory/embed.py",
    "mlflow": "locomo/tracking.py",
    # Pictures of scores, which go on record, and of recall, which do not.
    "matplotlib": ("locomo/tracking.py", "locomo/charts.py"),
    "nltk": "locomo/metrics.py",
    "bs4": "memory/documents",
    "markdown_it": "memory/documents",
    "pypdf": "memory/documents",
    "platformdirs": "memory/namespaces.py",
    "prompt_toolkit": "memory/apps/screen.py",
}
PROMPTS = "memory.program.signatures"
TEACHERS = {f"locomo.{name}" for name in ("distilling", "gold", "lessons", "teaching")}
FILE_LINES, FUNCTION_LINES, LINE_CHARACTERS = 400, 60, 100
ALL_LINES, DEPLOYMENT_LINES = 25_600, 1_700


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, imported name) of every import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import"
            for alias in node.names:
                yield node.module or "", alias.name


def floor(of: str) -> tuple[int, str] | None:
    for number, packages in enumerate(FLOORS):
        for package in packages:
            if of == package or of.startswith(package + "."):
                return number, package
    return None


@pytest.mark.parametrize("path", [p for p in PRODUCT if floor(module(p))], ids=name)
def test_a_floor_imports_only_floors_below(path: Path) -> None:
    here = floor(module(path))
    assert here is not None
    for imported, what in imports(path):
        if not imported.startswith("memory"):
            continue
        there = floor(f"{imported}.{what}") or floor(imported)
        assert there, f"{name(path)} imports {imported}, which stands on no floor"
        assert there[1] == here[1] or there[0] < here[0] or (there[0] == here[0] < 2), (
            f"{name(path)} imports {imported}"
        )


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_the_product_does_not_know_the_benchmark_or_the_scripts(path: Path) -> None:
    for imported, _ in imports(path):
        top = imported.split(".")[0]
        assert top not in {"evaluate", "optimize", "train", "tests"}
        assert top != "locomo" or module(path).startswith("locomo")


@pytest.mark.parametrize("path", [p for p in CODE if not module(p).startswith("memory")], ids=name)
def test_the_benchmark_uses_public_names_of_the_memory_only(path: Path) -> None:
    for imported, what in imports(path):
        tunes = name(path) in ("train.py", "arbor/serve.py") and imported.startswith("memory.tune")
        # What is taught is what the prompts ask for, to the letter.
        tunes = tunes or (imported == PROMPTS and module(path) in TEACHERS)
        assert tunes or not imported.startswith("memory."), f"{name(path)} imports {imported}"
        assert imported != "memory" or what in memory.__all__


def test_what_is_public_is_exported_and_nothing_else() -> None:
    assert memory.__all__ == sorted(memory.__all__)
    for public in memory.__all__:
        assert getattr(memory, public).__name__ == public


@pytest.mark.parametrize("library", IMPORTERS)
def test_an_outside_library_has_one_importer(library: str) -> None:
    users = {name(p) for p in CODE if any(i.split(".")[0] == library for i, _ in imports(p))}
    assert {u for u in users if not u.startswith(IMPORTERS[library])} == set()


def test_importing_the_memory_loads_no_language_model_library() -> None:
    heavy = "'dspy', 'litellm', 'wordllama', 'sentence_transformers', 'pandas'"
    code = f"import sys, memory; print([name for name in ({heavy}) if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_prompt_stands_in_the_file_of_prompts() -> None:
    homes = {"memory/program/signatures.py", "locomo/llm_judge.py"}
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                "Signature" in ast.unparse(base) for base in node.bases
            ):
                assert name(path) in homes, f"{name(path)}: {node.name}"


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_files_functions_and_lines_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    lines = text.splitlines()
    assert len(lines) <= FILE_LINES
    assert max(map(len, lines), default=0) <= LINE_CHARACTERS
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, f"{node.name} is too long"


def test_the_whole_stays_within_its_budget_of_lines() -> None:
    def lines(files: list[Path]) -> int:
        return sum(len(path.read_text("utf-8").splitlines()) for path in files)

    assert lines([*PRODUCT, *SCRIPTS]) <= ALL_LINES
    assert lines(DEPLOYMENT) <= DEPLOYMENT_LINES


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_a_file_says_its_subject_in_its_first_line(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not text or ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"


def test_nothing_is_called_utils_helpers_or_base_and_arbor_is_no_package() -> None:
    assert not [name(p) for p in CODE if p.stem in {"utils", "helpers", "base"}]
    assert not (ROOT / "arbor" / "__init__.py").exists()


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=lambda command: " ".join(command),
)
def test_the_code_is_linted_formatted_and_typed(command: list[str]) -> None:
    out = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stdout + out.stderr
