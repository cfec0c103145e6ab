"""Splits conversations into train, validation and test files.

The split is by conversation: by question, a tuned program would know the conversations of the test.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel, TypeAdapter
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import (
    ABSTENTION,
    CATEGORIES,
    LEAST_CONVERSATIONS,
    Conversation,
    files_of,
    load_conversations,
    read_records,
)
from locomo.json_lines import read_json
from memory import InputError
from memory.models import read_card
from memory.system import write_whole

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")
VALIDATION = "validation"  # the folder, inside one of conversations, of those held out
TEST = ("conv-48", "conv-49", "conv-50")
LOCOMO = ("conv-26", "conv-30", "conv-41", "conv-42", "conv-43", "conv-44", "conv-47", *TEST)
# By name, for LoCoMo's ten conversations.
NAMED: Mapping[str, Mapping[PartName, Sequence[str]]] = {
    "memory-r1": {"train": LOCOMO[:1], "validation": LOCOMO[1:2], "test": LOCOMO[2:]},
    "seven-three": {"train": LOCOMO[:7], "validation": LOCOMO[7:], "test": ()},
}
MANIFEST = "manifest.json"
SOURCE = Path("data/locomo10.json")
SPLITS = ("default", *NAMED)


def tuned_conversations(*adapters: Path | None) -> set[str]:
    """The conversations that adapters were tuned on, by the cards that are here."""
    folders = [
        adapter.parent if adapter.suffix == ".gguf" else adapter for adapter in adapters if adapter
    ]
    cards = [read_card(folder) for folder in folders if (folder / "adapter.json").exists()]
    return {id_ for card in cards for id_ in card.conversations}


def split(conversation_ids: Sequence[str], seed: int, name: str) -> dict[str, list[str]]:
    """Split conversation ids into train, validation and test, each part in file order.

    `default`: LoCoMo's conv-48, conv-49 and conv-50 test, wherever they occur. In a file without
    them a quarter tests, if there are three conversations or more; of six or seven no more than
    leaves six. Of the others, a quarter validates and the rest trains, drawn by the seed: at least
    three of six or more, since fewer say nothing of other conversations, else at least one, but
    never the last one.

    `memory-r1`: the split of Memory-R1 (Yan et al. 2025): conv-26 trains, conv-30 validates, the
    other eight test (152, 81 and 1307 questions of categories 1 to 4). The seed plays no part.

    `seven-three`: the first seven train (1347 questions), the other three validate (639), and none
    is left to test: what is chosen by these three is not measured by them. Of other conversations
    the first seven tenths train.

    Depends on the ids and the seed only, not on their order or the machine. Raises InputError
    for an unknown name, fewer than two ids, repeated ids, or other ids than a named split needs.
    """
    if len(set(conversation_ids)) != len(conversation_ids):
        raise InputError("conversation ids repeat; each must be unique")
    parts: Mapping[PartName, Sequence[str]]
    if len(conversation_ids) < 2 and name in ("default", "seven-three"):
        raise InputError("one conversation cannot be split; give at least two")
    if name == "seven-three" and set(conversation_ids) != set(LOCOMO):
        number = min(max(round(0.7 * len(conversation_ids)), 1), len(conversation_ids) - 1)
        parts = {
            "train": conversation_ids[:number],
            "validation": conversation_ids[number:],
            "test": (),
        }
    elif name in NAMED:
        if set(conversation_ids) != set(LOCOMO):
            raise InputError(
                f"--split {name} needs exactly LoCoMo's ten conversations; fetch them with "
                "python -m locomo.dataset download, or use --split default"
            )
        parts = NAMED[name]
    elif name == "default":
        parts = _by_seed(conversation_ids, seed)
    else:
        raise InputError(f"unknown split {name!r}; there are: {', '.join(SPLITS)}")
    return {part: [id_ for id_ in conversation_ids if id_ in parts[part]] for part in PARTS}


def _by_seed(conversation_ids: Sequence[str], seed: int) -> dict[PartName, Sequence[str]]:
    test = [id_ for id_ in conversation_ids if id_ in TEST]
    # A digest, not random.shuffle: the same on every version of Python, in any order of the file.
    shuffled = sorted(
        (id_ for id_ in conversation_ids if id_ not in TEST),
        key=lambda id_: hashlib.sha256(f"{seed}:{id_}".encode()).hexdigest(),
    )
    if not test and len(shuffled) >= 3:
        beside = len(shuffled) - 2 * LEAST_CONVERSATIONS
        test, shuffled = _cut(shuffled, most=beside if beside >= 0 else len(shuffled))
    least = LEAST_CONVERSATIONS if len(shuffled) >= 2 * LEAST_CONVERSATIONS else 1
    validation, train = _cut(shuffled, least)
    return {"train": train, "validation": validation, "test": test}


def _cut(ids: list[str], least: int = 1, most: int | None = None) -> tuple[list[str], list[str]]:
    """A quarter of the ids (half rounds up; at least some, never the last one), and the rest."""
    most = len(ids) if most is None else most
    quarter = min(max(least, (len(ids) + 2) // 4), max(0, len(ids) - 1), most)
    return ids[:quarter], ids[quarter:]


def check_parts(parts: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError when two parts (train, validation, test: ids) share a conversation."""
    for (part, ids), (second_part, second_ids) in combinations(parts.items(), 2):
        if shared := sorted(set(ids) & set(second_ids)):
            raise ValueError(f"conversation {shared[0]} is in both {part} and {second_part}")


@dataclass(frozen=True)
class SplitConversations:
    """The conversations of files by id, the files' sha256, and the ids of each part."""

    data: Path
    sha256: str
    conversations: Mapping[str, Conversation]
    parts: Mapping[str, Sequence[str]]

    def part(self, name: PartName) -> list[Conversation]:
        """The conversations of a part, in file order."""
        return [self.conversations[id_] for id_ in self.parts[name]]

    @property
    def held_out(self) -> Path:
        """Where evaluate.py finds conversations that did not train: a file or a folder.

        Of a file with all of them, it leaves out any that a program was made from.
        """
        folder = self.data / VALIDATION
        return folder if folder.is_dir() else self.data


def load_split(data: Path, seed: int, name: str, further: Path | None = None) -> SplitConversations:
    """Read a file, or a folder of files, and split it by conversation.

    The subfolder `validation` of a folder is held out for validation; the folder's own files train.
    The files of a `further` folder train as well, and its own `validation` is the test set:
    the final measurement uses other conversations than the choice of weights. Without such a
    subfolder, `split` decides.

    Raises InputError for files that cannot be read, and for a conversation that occurs twice.
    """
    files = {"train": files_of(data), "validation": [], "test": []}
    for part, folder in (("validation", data), ("test", further)):
        if folder and (folder / VALIDATION).is_dir():
            files[part] = files_of(folder / VALIDATION)
    if further and not (files["validation"] and files["test"]):
        raise InputError(
            f"{data} and {further} must be folders with a folder {VALIDATION} each, to learn from"
            " both"
        )
    if files["validation"] and name != "default":
        raise InputError(
            f"--split {name} needs a file: {data} holds its validation conversations in a folder"
        )
    files["train"] += files_of(further) if further else []
    by_part = {
        part: [conversation for file in paths for conversation in load_conversations(file)]
        for part, paths in files.items()
    }
    everything = [conversation for part in by_part.values() for conversation in part]
    conversations = {conversation.id: conversation for conversation in everything}
    if len(conversations) < len(everything):
        ids = Counter(conversation.id for conversation in everything)
        raise InputError(
            f"{data}: the conversation {ids.most_common(1)[0][0]!r} occurs twice; train on it or"
            " hold it out"
        )
    parts = {part: [conversation.id for conversation in part_] for part, part_ in by_part.items()}
    if not files["validation"]:
        parts = split(list(conversations), seed, name)
    check_parts(parts)
    content = b"".join(file.read_bytes() for paths in files.values() for file in paths)
    return SplitConversations(
        data=data, sha256=_sha256(content), conversations=conversations, parts=parts
    )


class Part(BaseModel):
    """One file of a split: its fingerprint, its conversations, its questions by category."""

    sha256: str
    conversations: list[str]
    questions: dict[int, int]


class Manifest(BaseModel):
    """The source and the contents of a split."""

    split: str
    seed: int
    input_sha256: str
    parts: dict[PartName, Part]


def split_file(source: Path, output_dir: Path, seed: int = 0, name: str = "default") -> Manifest:
    """Write train.json, validation.json, test.json and manifest.json, and return the manifest.

    Conversations are copied unchanged, so `load_conversations` reads every file that is not empty.
    The manifest is removed first and written last, so `verify` rejects an interrupted run. Raises
    InputError for a file that cannot be used or written.
    """
    if source.resolve().parent == output_dir.resolve() and source.stem in PARTS:
        raise InputError(f"{source} would be overwritten; choose another --output-dir")
    conversations = {conversation.id: conversation for conversation in load_conversations(source)}
    raw = dict(zip(conversations, read_records(source), strict=True))
    parts = {}
    files = {}
    for part, ids in split(list(conversations), seed, name).items():
        files[part] = json.dumps([raw[id_] for id_ in ids], indent=2).encode()
        counts = Counter(q.category for id_ in ids for q in conversations[id_].questions)
        questions = {category: counts[category] for category in CATEGORIES}
        parts[part] = Part(sha256=_sha256(files[part]), conversations=ids, questions=questions)
    manifest = Manifest(
        split=name, seed=seed, input_sha256=_sha256(source.read_bytes()), parts=parts
    )
    try:
        (output_dir / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {output_dir}: {error.strerror}") from error
    for part, content in files.items():
        write_whole(output_dir / f"{part}.json", content)
    write_whole(output_dir / MANIFEST, manifest.model_dump_json(indent=2).encode())
    return manifest


def verify(source: Path, output_dir: Path) -> Manifest:
    """Check the files of a split against their source file, and return the manifest.

    It does not call `split`, so it notices a mistake of `split`. Raises InputError that names the
    difference: another source, a missing or changed file, a conversation lost or in two parts.
    """
    manifest = _manifest(output_dir / MANIFEST)
    source_records = {raw.get("sample_id"): raw for raw in read_records(source)}
    if manifest.input_sha256 != _sha256(source.read_bytes()):
        raise InputError(f"{output_dir} was not made from {source}; split again")
    part_of: dict[str, str] = {}
    for part in PARTS:
        for record in _records(output_dir / f"{part}.json", manifest.parts[part].sha256):
            id_ = record.get("sample_id", "")
            if id_ in part_of:
                raise InputError(f"{output_dir}: {id_} is in {part_of[id_]} and in {part}")
            if record != source_records.get(id_):
                raise InputError(f"{output_dir / part}.json: {id_} is not as in {source}")
            part_of[id_] = part
    if lost := [str(id_) for id_ in source_records if id_ not in part_of]:
        raise InputError(f"{output_dir}: in no part: {', '.join(lost)}; split again")
    return manifest


def _manifest(path: Path) -> Manifest:
    manifest = read_json(path, TypeAdapter(Manifest), "split again")
    if set(manifest.parts) != set(PARTS):
        raise InputError(f"{path} does not describe {', '.join(PARTS)}; split again")
    return manifest


def _records(path: Path, sha256: str) -> list[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; split again") from error
    if _sha256(content) != sha256:
        raise InputError(f"{path} was changed after it was written; split again")
    # A part may be empty; read_records refuses a file without conversations.
    return [] if content == b"[]" else read_records(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


app = typer.Typer(add_completion=False)


@app.command()
def split_command(
    input_: Annotated[Path, typer.Option("--input", help="A file in LoCoMo's format.")] = SOURCE,
    output_dir: Annotated[Path, typer.Option(help="Where the files go.")] = Path("data/splits"),
    seed: Annotated[int, typer.Option(help="Chooses the conversations.")] = 0,
    split: Annotated[str, typer.Option(help=f"{', '.join(SPLITS)}.")] = "default",
    only_verify: Annotated[
        bool, typer.Option("--verify", help="Check the files there are; write only if none is.")
    ] = False,
) -> None:
    """Split a file in LoCoMo's format into train, validation and test, by conversation."""
    is_split = any((output_dir / f"{name}.json").exists() for name in (*PARTS, "manifest"))
    if not (only_verify and is_split):
        split_file(input_, output_dir, seed=seed, name=split)
    manifest = verify(input_, output_dir)
    title = f"{output_dir}: {manifest.split}, seed {manifest.seed}"
    table = Table("part", "conversations", "questions", "of category 5", title=title)
    for name, part in manifest.parts.items():
        questions = sum(part.questions.values())
        ids = ", ".join(part.conversations)
        table.add_row(name, ids or "none", str(questions), str(part.questions[ABSTENTION]))
    print_table(Console(), table)


if __name__ == "__main__":
    run_command(app)
