"""`import sql_memory`: the same package, also where a script of one's own is called memory.py."""

import subprocess
import sys
from pathlib import Path

import pytest

import memory
import sql_memory
from sql_memory import facts

ROOT = Path(__file__).parent.parent.parent
USE = """
with sql_memory.Memory("anna.db") as opened:
    opened.add("I live in Oslo.")
    [hit] = opened.search("Oslo")
    print(hit.text)
    print(sql_memory.facts.find(opened.store)[0].value)
"""


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, check=False
    )


def test_all_names_are_those_of_memory() -> None:
    assert sql_memory.__all__ == memory.__all__
    for name in memory.__all__:
        assert getattr(sql_memory, name) is getattr(memory, name)
    assert facts is memory.facts
    with pytest.raises(AttributeError, match="sql_memory has no bogus"):
        sql_memory.bogus  # noqa: B018


@pytest.mark.slow
def test_a_script_called_memory_uses_it(tmp_path: Path) -> None:
    (tmp_path / "memory.py").write_text(f"import sql_memory\n{USE}")
    out = run(tmp_path, "memory.py")
    assert out.stdout.split("\n")[:2] == ["I live in Oslo.", "Oslo"], out.stderr


@pytest.mark.slow
def test_beside_a_script_called_memory_it_is_imported_first(tmp_path: Path) -> None:
    (tmp_path / "memory.py").write_text("")
    (tmp_path / "app.py").write_text(
        f"import sql_memory\nfrom memory.store.namespaces import home{USE}"
    )
    out = run(tmp_path, "app.py")
    assert out.stdout.split("\n")[:2] == ["I live in Oslo.", "Oslo"], out.stderr


def test_after_a_module_of_that_name_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "memory.py").write_text("")
    (tmp_path / "app.py").write_text("import memory\nimport sql_memory")
    out = run(tmp_path, "app.py")
    assert "another module is called memory" in out.stderr.splitlines()[-1]
    assert str(tmp_path / "memory.py") in out.stderr.splitlines()[-1]
