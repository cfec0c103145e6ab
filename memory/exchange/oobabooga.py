"""The logs of text-generation-webui (oobabooga): pairs of a message and its answer."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import MINE, REPLACED, short_hash, skipped_counts
from memory.exchange.json_files import json_values
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date, written_date

# The first message of a character answers this.
_BEGINNING = "<|BEGIN-VISIBLE-CHAT|>"
# "20240501-12-34-56.json"
_LOG_NAME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_NO_CHARACTERS = ("", "instruct", "chat-instruct", "chat", "logs")


def is_oobabooga(value: Mapping[str, Any]) -> bool:
    """Whether an object is a log of text-generation-webui: pairs of a message and its answer."""
    pairs = value.get("internal", value.get("data"))
    return isinstance(pairs, list) and ("visible" in value or "data_visible" in value)


def read_oobabooga(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each log; a session is one, and a character is named by its folder."""
    left_out: Counter[str] = Counter()
    for file in export.files:
        for item in json_values(file):
            if isinstance(item, Skipped):
                yield item
            elif isinstance(item[1], Mapping) and is_oobabooga(item[1]):
                yield from _read_log(item[1], file, export, left_out)
            else:
                yield Skipped(item[0], "no pairs of messages")
    yield from skipped_counts(left_out)


def _read_log(
    log: Mapping[str, Any], file: InputFile, export: ExportFiles, left_out: Counter[str]
) -> Iterator[Turn | Skipped]:
    stem = PurePosixPath(file.name).stem
    character = str(log.get("name2") or _character(file, export.path))
    user = str(log.get("name1") or export.user)
    metadata = log.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    begun = _LOG_NAME.fullmatch(stem)
    day = "{}-{}-{}T{}:{}:{}".format(*begun.groups()) if begun else ""
    equal: Counter[str] = Counter()
    for number, pair in enumerate(log.get("internal", log.get("data")) or []):
        if not isinstance(pair, (list, tuple)) or len(pair) < 2:
            yield Skipped(f"{file.name}: message {number + 1}", "no pair of messages")
            continue
        for role, speaker, text in (("user", user, pair[0]), ("assistant", character, pair[1])):
            if not isinstance(text, str) or not text.strip() or text == _BEGINNING:
                left_out["no text"] += text != _BEGINNING
                continue
            known = metadata.get(f"{role}_{number}")
            known = known if isinstance(known, Mapping) else {}
            versions = known.get("versions")
            left_out[REPLACED] += max(len(versions) - 1, 0) if isinstance(versions, list) else 0
            attached = known.get("attachments")
            names = [
                f"\n[file: {attachment['name']}]"
                for attachment in (attached if isinstance(attached, list) else [])
                if isinstance(attachment, Mapping) and attachment.get("name")
            ]
            key = short_hash(stem, role, text)
            equal[key] += 1
            suffix = f":{equal[key]}" if equal[key] > 1 else ""
            yield Turn(
                speaker,
                text.strip() + "".join(names),
                session=f"{character} {stem}",
                said_at=written_date(str(known.get("timestamp") or "")) or clean_date(day),
                source=f"oobabooga:{character}:{key}{suffix}",
                tags=MINE if role == "user" else {},
            )


def _character(file: InputFile, path: Path) -> str:
    """The character of a log: its folder's name, or that of an older file's name."""
    here = path.resolve() if path.is_dir() else path.resolve().parent
    stem = PurePosixPath(file.name).stem
    if stem.endswith("_persistent"):
        return stem.removesuffix("_persistent")
    folder = PurePosixPath(file.name).parent.name or here.name
    return folder if folder not in _NO_CHARACTERS else "Assistant"


IMPORTER = Importer("oobabooga", read_oobabooga, is_object=is_oobabooga)
