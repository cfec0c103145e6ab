"""What a GGUF file says of itself, and whether it is a LoRA that llama.cpp can add to a model.

llama.cpp ends the process at an adapter that it cannot read, and says nothing of what is wrong
with a model, so files are checked here first.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3.
"""

import hashlib
import math
import mmap
import os
import struct
from dataclasses import dataclass, field
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.system.files import open_regular

_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_TEXT, _ARRAY = 8, 9
_BYTES = {0: 4, 1: 2}  # of a number, by the kind of tensor: F32, F16
# Numbers in a block and its bytes, by the kind of tensor: ggml's `enum ggml_type`.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4),
    27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
_ALIGNMENT = 32
# Bytes: the vocabularies of the largest models take 15 million. A text or a list may claim to be as
# long as the file, and a file of any length is made in no time.
_LONGEST_HEADER = 64 * 1024 * 1024
_ABOUT = ("general.type", "adapter.type")


@dataclass
class Gguf:
    """A file's keys (arrays left out), and its tensors by name: shape (fastest axis first), kind,
    and where the data begins, in bytes after the header. `size` is of all data, in bytes."""

    keys: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, tuple[tuple[int, ...], int, int]] = field(default_factory=dict)
    size: int = 0

    @property
    def numbers(self) -> int:
        """How many numbers its tensors hold: the parameters of a model."""
        return sum(math.prod(shape) for shape, _, _ in self.tensors.values())

    @property
    def is_cut(self) -> bool:
        """Whether the data of a tensor ends after the file does."""
        return any(
            offset + _bytes_of(shape, kind) > self.size
            for shape, kind, offset in self.tensors.values()
        )


def _bytes_of(shape: tuple[int, ...], kind: int) -> int:
    """The bytes of a tensor; 0 of a kind that is not known here."""
    numbers, size = _BLOCKS.get(kind, (1, 0))
    return math.prod(shape) // numbers * size


def read_gguf(path: Path) -> Gguf:
    """The header of a GGUF file. Raises InputError for anything else."""
    try:
        with (
            open_regular(path) as file,
            _header_of(file) as content,
        ):
            return _parsed(_Reader(content), os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (struct.error, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        raise InputError(f"{path} is no GGUF file, or it is cut; make or copy it again") from None


def _header_of(file: BufferedReader) -> mmap.mmap:
    """The beginning of a file, which holds its header."""
    length = min(os.fstat(file.fileno()).st_size, _LONGEST_HEADER)
    return mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ)


def file_sha256(file: Path) -> str:
    """The sha256 of a file. Raises InputError where it cannot be read."""
    try:
        now = file.stat()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    return _sha256_of(file, now.st_mtime_ns, now.st_size)


@cache  # hashing the packaged model takes a quarter of a second
def _sha256_of(file: Path, changed: int, size: int) -> str:
    try:
        with open_regular(file) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


@cache  # reading the vocabulary takes half a second
def _base_header(path: Path, changed: int) -> Gguf:
    """The header of the base model; `changed`, its time of change, is part of the cache's key."""
    return read_gguf(path)


def check_lora(adapter: Path, base: Path, *, of: str) -> None:
    """Raise InputError for a file that is no LoRA of the model in the GGUF file `base`.

    `of` is the model's name, for the message.

    A LoRA has for some matrices (in, out) of the model a pair `lora_a` (in, rank) and `lora_b`
    (rank, out), Hu et al. 2021, section 4.1; axes as GGUF has them.
    """
    lora = read_gguf(adapter)
    model = _base_header(base, base.stat().st_mtime_ns)
    wrong = _wrong_keys(lora, model) or _wrong_tensors(lora, model)
    if wrong:
        raise InputError(f"{adapter} is no LoRA of {of}: {wrong}; make it again")


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


def _parsed(reader: _Reader, size: int) -> Gguf:
    """The header of a file of `size` bytes."""
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
    if reader.at > size:  # a list that ends after the file does
        raise ValueError(reader.at)
    alignment = header.keys.get("general.alignment", _ALIGNMENT)
    header.size = size - (reader.at + -reader.at % alignment)  # the data is aligned, too
    return header
