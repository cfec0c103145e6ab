"""Arbor 0.2.17, its last version, as a copy with arbor-0.2.17.patch applied.

The installed package stays as it is. What runs is checked by its hash. After a change of the patch,
`python arbor/patched.py` prints the new one.
"""

import hashlib
import os
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
KNOWN = "0.2.17"  # Arbor's last version; its repository is archived
PATCH = HERE / f"arbor-{KNOWN}.patch"
HASH = "3261c68ae4f4e44959584ee6d2fe388a25ad13438426b993bc6198ab865b6e8d"


class StartError(Exception):
    """The server cannot start; the message says what to do."""


def patched_copy(storage: Path) -> Path:
    """The folder of the patched copy in `storage`, made if it is not there or was changed.

    Raises StartError when arbor-ai is not installed as the patch knows it.
    """
    copy = storage / f"arbor-{KNOWN}"
    if hash_of(copy) == HASH:
        return copy
    storage.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=storage) as folder:
        part = patch_into(Path(folder))
        if hash_of(part) != HASH:
            raise StartError(f"arbor-ai {KNOWN} is not as published: install it anew")
        shutil.rmtree(copy, ignore_errors=True)
        part.rename(copy)
    return copy


def import_from(copy: Path) -> None:
    """Make this process and those that it starts import Arbor from the copy."""
    sys.path.insert(0, str(copy))
    # The patch uses modules of this folder.
    paths = [str(copy), str(HERE), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def patch_into(folder: Path) -> Path:
    """Copy the installed package into a new folder below `folder`, and patch it there."""
    try:
        arbor = distribution("arbor-ai")
    except PackageNotFoundError as error:
        raise StartError("arbor-ai is not installed: run startup.sh") from error
    if arbor.version != KNOWN:
        raise StartError(f"arbor-ai {arbor.version} is installed; the patch is for {KNOWN} alone")
    copy = folder / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(str(arbor.locate_file("arbor"))), copy / "arbor", ignore=ignored)
    # It would import the whole client.
    (copy / "arbor" / "__init__.py").write_text("", "utf-8")
    apply(PATCH.read_text("utf-8"), copy)
    return copy


def apply(patch: str, folder: Path) -> None:
    """Apply a unified diff to the files of a folder. Raises StartError unless each line fits."""
    for section in re.split(r"^--- ", patch, flags=re.MULTILINE)[1:]:
        _, target, *lines = section.splitlines()
        file = folder / target.removeprefix("+++ ")
        old = file.read_text("utf-8").splitlines() if file.is_file() else []
        new: list[str] = []
        line_number = 0
        for line in lines:
            if hunk := re.match(r"@@ -(\d+)", line):
                start = max(int(hunk[1]) - 1, 0)
                new += old[line_number:start]
                line_number = start
            elif line.startswith("+"):
                new.append(line[1:])
            else:
                if old[line_number : line_number + 1] != [line[1:]]:
                    raise StartError(f"{PATCH.name} does not fit: install arbor-ai=={KNOWN}")
                line_number += 1
                if not line.startswith("-"):
                    new.append(line[1:])
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join([*new, *old[line_number:]]) + "\n", "utf-8")


def hash_of(folder: Path) -> str:
    """The SHA-256 of all files in a folder, with their names; compiled modules do not count."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            total.update(f"{file.relative_to(folder).as_posix()}\0".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        print(hash_of(patch_into(Path(temporary))))
