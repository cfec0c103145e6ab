"""GGUF files by the names that are given to models."""

from pathlib import Path

from memory.errors import InputError
from memory.gguf.download import fetched_file
from memory.gguf.models import MODELS

PREFIX = "gguf:"  # before a file or a name, where a model is named


def file_of(name: str) -> Path:
    """The file of "gguf:FILE", or of "gguf:NAME" where that was fetched.

    Raises InputError for a name that is neither.
    """
    given = name.removeprefix(PREFIX)
    path = Path(given).expanduser()
    if given and (path.exists() or path.suffix == ".gguf"):
        return path
    if given not in MODELS:
        raise InputError(
            f"there is no file {given!r:.200}; give {PREFIX}FILE.gguf, or {PREFIX}NAME of"
            f" {', '.join(MODELS)}"
        )
    if file := fetched_file(MODELS[given]):
        return file
    raise InputError(f"{given} is not on this machine; fetch it with: memory setup --model {given}")
