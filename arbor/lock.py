"""Writes requirements.lock: every package that the server needs, by version and hash.

    uv run python arbor/lock.py

Run it after a change of requirements.txt. It needs uv, reads what a package index says of the
packages, and downloads none. The hashes are of the files that Linux on x86-64 installs with Python
3.11 and 3.12; addresses are left out, since they belong to the person who ran it.
"""

import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
PYTHONS = ("3.11", "3.12")  # of `startup.sh`
PLATFORM = "x86_64-manylinux_2_28"  # vllm has wheels for no other
# Arbor 0.2.17 is of the day before: what was current then is what it was tried with. vllm 0.10.0
# never saw a later fastapi, and the DSPy of vllm's own day lacks what Arbor imports.
NEWEST = "2026-01-06"
_HEAD = """\
# Written by arbor/lock.py from requirements.txt: for Linux on x86-64, Python 3.11 and 3.12.
"""


def resolved(python: str) -> list[dict[str, Any]]:
    """The packages of a Python version, as `pylock.toml` names them (PEP 751)."""
    command = ["uv", "pip", "compile", "requirements.txt", "--quiet", "--format", "pylock.toml"]
    command += ["--python-version", python, "--python-platform", PLATFORM]
    command += ["--exclude-newer", NEWEST]
    # Elsewhere: in this project uv would leave out what a client does not need of Arbor.
    with TemporaryDirectory() as folder:
        shutil.copy(HERE / "requirements.txt", folder)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    packages: list[dict[str, Any]] = tomllib.loads(done.stdout)["packages"]
    return packages


def lock_text(packages: Iterable[dict[str, Any]]) -> str:
    """The lines of a lock file; a package that is named twice has the hashes of both.

    Raises ValueError for a package with two versions.
    """
    hashes: dict[str, set[str]] = {}
    versions: dict[str, str] = {}
    for package in packages:
        name, version = package["name"], package["version"]
        if versions.setdefault(name, version) != version:
            raise ValueError(f"{name} is {versions[name]} and {version}: Pythons differ")
        files = package.get("wheels") or [package["sdist"]]
        hashes.setdefault(name, set()).update(file["hashes"]["sha256"] for file in files)
    lines = [_HEAD]
    for name, version in sorted(versions.items()):
        of_package = "".join(f" \\\n    --hash=sha256:{hash_}" for hash_ in sorted(hashes[name]))
        lines.append(f"{name}=={version}{of_package}\n")
    return "".join(lines)


if __name__ == "__main__":
    every = [package for python in PYTHONS for package in resolved(python)]
    LOCK.write_text(lock_text(every), "utf-8")
    print(f"{LOCK.name}: {len({package['name'] for package in every})} packages")
