"""What a GGUF file says of itself, and whether it is a LoRA that llama.cpp can add to a model.

llama.cpp ends the process at a file that it cannot read, so files are checked here first.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3.
"""

import math
import mmap
import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from memory.errors import InputError

_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_TEXT, _ARRAY = 8, 9
_BYTES = {0: 4, 1: 2}  # of a number, by the kind of tensor: F32, F16
_ALIGNMENT = 32
_ABOUT = ("general.type", "adapter.type")


@dataclass
class Gguf:
    """A file's keys (arrays left out), and its tensors by name: shape (fastest axis first), kind,
    and where the data begins, in bytes after the header. `size` is of all data, in bytes."""

    keys: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, tuple[tuple[int, ...], int, int]] = field(default_factory=dict)
    size: int = 0


def read_gguf(path: Path) -> Gguf:
    """The header of a GGUF file. Raises InputError for anything else."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _parsed(_Reader(content))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (struct.error, ValueError, LookupError, OverflowError, RecursionError):
        raise InputError(f"{path} is no GGUF file, or it is cut; make or copy it again") from None


@cache  # reading the vocabulary takes half a second
def _base_header(path: Path, changed: int) -> Gguf:
    """The header of the base model; `changed`, its time of change, is there for the cache's key."""
    return read_gguf(path)


def check_lora(adapter: Path, base: Path) -> None:
    """Raise InputError for a file that is no LoRA of the model in the GGUF file `base`.

    A LoRA has for some matrices (in, out) of the model a pair `lora_a` (in, rank) and `lora_b`
    (rank, out), Hu et al. 2021, section 4.1; axes as GGUF has them.
    """
    lora = read_gguf(adapter)
    model = _base_header(base, base.stat().st_mtime_ns)
    wrong = _wrong_keys(lora, model) or _wrong_tensors(lora, model)
    if wrong:
        raise InputError(f"{adapter} is no LoRA of the packaged model: {wrong}; make it again")


def _wrong_keys(lora: Gguf, model: Gguf) -> str:
    if [lora.keys.get(key) for key in _ABOUT] != ["adapter", "lora"]:
        return "it holds something else"
    if lora.keys.get("general.architecture") != model.keys["general.architecture"]:
        return f"its architecture is {lora.keys.get('general.architecture')!r:.40}"
    alpha = lora.keys.get("adapter.lora.alpha")
    if not isinstance(alpha, float) or not math.isfinite(alpha):
        return "it has no alpha"
    if lora.keys.get("general.alignment", _ALIGNMENT) != _ALIGNMENT:
        return "its data is laid out in another way"
    return ""


def _wrong_tensors(lora: Gguf, model: Gguf) -> str:
    pairs = {name.rpartition(".lora_")[0] for name in lora.tensors}
    if not pairs or {f"{name}.lora_{part}" for name in pairs for part in "ab"} != {*lora.tensors}:
        return "its tensors are no pairs lora_a and lora_b"
    for name in pairs:
        a, b = (lora.tensors[f"{name}.lora_{part}"][0] for part in "ab")
        known = name in model.tensors and len(model.tensors[name][0]) == len(a) == len(b) == 2
        if not known or (a[0], b[1]) != model.tensors[name][0] or not 0 < a[1] == b[0]:
            return f"{name!r:.60} does not fit"
    expected = 0
    for name, (shape, kind, offset) in lora.tensors.items():
        if kind not in _BYTES or offset != expected:
            return f"{name!r:.60} is not stored as F32 or F16, one after the other"
        size = math.prod(shape) * _BYTES[kind]
        expected += size + -size % _ALIGNMENT  # each begins at a multiple of the alignment
    return "it is cut" if lora.size < expected else ""


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self._content, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def text(self) -> str:
        (length,) = self.take("Q")
        raw = self._content[self.at : self.at + length]
        self.at += length
        return raw.decode()

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            return self.take(_SCALARS[kind])[0]
        item_kind, length = self.take("IQ")
        if item_kind in _SCALARS:
            self.at += length * struct.calcsize(f"<{_SCALARS[item_kind]}")
        else:
            for _ in range(length):
                self.value(item_kind)
        return None

    def bytes_left(self) -> int:
        """Bytes from the next aligned place to the end."""
        return len(self._content) - (self.at + -self.at % _ALIGNMENT)


def _parsed(reader: _Reader) -> Gguf:
    magic, version, tensors, keys = reader.take("4sIQQ")
    if magic != b"GGUF" or version != 3:
        raise ValueError(magic)
    header = Gguf()
    for _ in range(keys):
        name = reader.text()
        if name in header.keys:
            raise ValueError(name)
        header.keys[name] = reader.value(*reader.take("I"))
    for _ in range(tensors):
        name = reader.text()
        if name in header.tensors:
            raise ValueError(name)
        (axes,) = reader.take("I")
        shape = reader.take(f"{axes}Q") if axes <= 4 else ()
        header.tensors[name] = (shape, *reader.take("IQ"))
    header.size = reader.bytes_left()
    return header
