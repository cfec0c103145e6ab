"""Vocabularies in files: the default one, and applications' own, in TOML or JSON."""

import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory.errors import InputError
from memory.system.files import open_regular
from memory.vocabulary.attributes import Attribute, Vocabulary, check_attributes, combined

if TYPE_CHECKING:  # pydantic takes long to import
    from memory.vocabulary.file_format import FileContent

LARGEST = 1_000_000  # bytes
DEFAULT = Path(__file__).with_name("default.toml")
_SUFFIXES = (".toml", ".json")


@dataclass(frozen=True)
class VocabularyFile:
    """What a file says: its attributes, and whether others are refused (None: it does not say)."""

    attributes: tuple[Attribute, ...]
    strict: bool | None = None


@cache
def default_vocabulary() -> Vocabulary:
    """The vocabulary that every memory starts with: everyday life.

    Not checked, which takes long: that `read_vocabulary` reads it is a test.
    """
    entries = tomllib.loads(DEFAULT.read_text("utf-8"))["attributes"]
    return combined([attribute_of(name, entry) for name, entry in entries.items()], ())


def read_vocabulary(path: str | Path) -> VocabularyFile:
    """Read a vocabulary from a file, whose name ends in .toml or .json.

    Raises InputError, in one line, for a file that cannot be read, holds anything else, or
    contradicts itself.
    """
    file = Path(path)
    if file.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{file} is no vocabulary: its name must end in {' or '.join(_SUFFIXES)}")
    try:
        with open_regular(file) as opened:
            raw_bytes = opened.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: no system knows such a path
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the vocabulary {file}: {why}") from error
    if len(raw_bytes) > LARGEST:
        raise InputError(f"{file} is larger than {LARGEST:,} bytes: no vocabulary")
    try:
        text = raw_bytes.decode("utf-8-sig")
        raw = tomllib.loads(text) if file.suffix.lower() == ".toml" else _json(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read the vocabulary {file}: {error}") from None
    from memory.vocabulary.file_format import checked_content

    try:
        content = checked_content(raw)
        return VocabularyFile(_attributes(content), content.strict)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def attribute_of(name: str, entry: Mapping[str, Any]) -> Attribute:
    """An attribute with the fields that an entry of a file has."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    return Attribute(name, **fields)


def _attributes(content: "FileContent") -> tuple[Attribute, ...]:
    return check_attributes(
        [attribute_of(name, entry.model_dump()) for name, entry in content.attributes.items()]
    )


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_repeats)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; the parser would take the last of two equal names."""
    counts = Counter(name for name, _ in pairs)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{min(repeated)!r} is listed twice")
    return dict(pairs)
