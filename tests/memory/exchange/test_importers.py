"""Importers are found by entry points: ours, and one that another package brings."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from memory import InputError
from memory.exchange import importer, read_export
from memory.exchange.importer import GROUP, importers

DIARY = '''
"""The entries of a diary, in JSON."""

from memory.exchange import Importer
from memory.exchange.json_files import json_values
from memory.records import Turn


def read(export):
    for file in export.files:
        for _, diary in json_values(file):
            for day, text in diary["entries"].items():
                yield Turn(export.user, text, said_at=day, source=f"diary:{day}")


IMPORTER = Importer("diary", read, is_object=lambda value: "diary_version" in value)
'''


def install(folder: Path, module: str) -> None:
    """Lay a package out as pip installs its wheel: its module, and what is known of it."""
    (folder / "diary_importer.py").write_text(module)
    known = folder / "diary_importer-1.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: diary-importer\nVersion: 1.0\n")
    (known / "entry_points.txt").write_text(f"[{GROUP}]\ndiary = diary_importer:IMPORTER\n")


def test_another_packages_importer_is_one_file(tmp_path: Path) -> None:
    site, home = tmp_path / "site", tmp_path / "home"
    site.mkdir()
    install(site, DIARY)
    diary = tmp_path / "diary.json"
    diary.write_text(json.dumps({"diary_version": 2, "entries": {"2024-05-01": "I saw a heron."}}))
    environment = {**os.environ, "PYTHONPATH": str(site), "MEMORY_HOME": str(home)}

    def memory(*arguments: str) -> str:
        command = [sys.executable, "-m", "memory", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert "1 new turn, 0 already stored (diary)" in memory("import", str(diary), "-n", "a")
    assert "I saw a heron." in memory("search", "heron", "-n", "a")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import a_module_that_is_not_there", "cannot be loaded"),
        ("IMPORTER = print", "is no Importer"),
    ],
)
def test_an_importer_that_does_not_load_is_named_with_its_package(
    module: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "diary_importer", raising=False)
    importers.cache_clear()
    try:
        with pytest.raises(InputError, match=rf"diary of diary-importer {reason}"):
            importers()
    finally:
        importers.cache_clear()


def test_each_importer_is_a_module_named_in_the_project_and_nowhere_else() -> None:
    root = Path(__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"][GROUP]
    modules = {
        path.stem
        for path in Path(importer.__file__).parent.glob("*.py")
        if "\nIMPORTER = Importer(" in path.read_text()
    }
    assert {address.split(":")[0].rsplit(".")[-1] for address in declared.values()} == modules
    assert {entry.name for entry in entry_points(group=GROUP)} >= {*declared}


def test_the_plain_importers_come_last() -> None:
    names = [importer.name for importer in importers()]
    assert names[-2:] == ["csv", "jsonl"]


def test_what_no_importer_knows_is_told_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "strange.json"
    path.write_text('{"colour": "green"}')
    with pytest.raises(InputError, match="other than chatgpt, claude"):
        read_export(path)
