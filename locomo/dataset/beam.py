"""BEAM's files, in LoCoMo's form: chats of one user with an assistant, asked about ten abilities.

Tavakoli et al., "Beyond a Million Tokens", ICLR 2026, as mohammadtavakoli78/BEAM ships it: a folder
of chats (`chats/100K/1/chat.json`, with `probing_questions/probing_questions.json` next to it), the
same as a tar.gz, or its parquet files.
"""

import ast
import json
import logging
import re
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, TypeAdapter

from locomo.dataset.fields import Gold, Name, Text, checked
from memory import InputError

# LoCoMo's category of each ability.
CATEGORIES = {
    "information_extraction": 4,
    "knowledge_update": 4,
    "temporal_reasoning": 2,
    "contradiction_resolution": 4,
    "multi_session_reasoning": 1,
    "preference_following": 3,
    "instruction_following": 4,
    "event_ordering": 1,
    "summarization": 1,
    "abstention": 5,
}
ORDERING = "event_ordering"
SUFFIXES = (".gz", ".tgz", ".tar", ".parquet")
# A turn has 2,130 characters in the mean. A few are far longer and hold leaked plans or one
# character repeated, 348,853 in one; passages read no more of a turn than this.
MOST_CHARACTERS = 40_000
_CHAT = "chat.json"
_QUESTIONS = "probing_questions/probing_questions.json"
_ANSWERS = ("answer", "ideal_answer", "ideal_response", "ideal_summary", "expected_compliance")
_USER = "user"
# The end of a user's message: which question of the plan it is.
_MARKER = re.compile(r"\s*->->\s*[\w/.,() ]{0,20}\s*$")
_log = logging.getLogger(__name__)


class _Message(BaseModel):
    role: Name
    content: Text
    id: int
    time_anchor: Text | None = None


class _Question(BaseModel):
    question: Name
    rubric: list[Gold]


_MESSAGE = TypeAdapter(_Message)
_QUESTION = TypeAdapter(_Question)
_ANSWER = TypeAdapter(Gold)


def is_beam(path: Path) -> bool:
    """Whether a path is BEAM's: a folder with a chat somewhere in it, an archive, a parquet."""
    if path.is_dir():
        if any(path.glob("*.json")):
            return (path / _CHAT).is_file()
        return next(path.rglob(_CHAT), None) is not None
    return path.suffix in SUFFIXES


def files_of(path: Path) -> list[Path]:
    """The files that the chats of a folder are read from, or the file itself."""
    if not path.is_dir():
        return [path]
    chats = sorted(path.rglob(_CHAT))
    return [file for chat in chats for file in (chat, chat.parent / _QUESTIONS) if file.is_file()]


def locomo_records(path: Path) -> list[dict[str, Any]]:
    """The chats of a path in LoCoMo's form, by size and number.

    Turns have the date of the last `time_anchor`, a session ends with it or with a batch, and the
    source of a turn is its message's id. The beginning of a message with more than MOST_CHARACTERS
    is kept, which is logged once. Raises InputError for what cannot be read or used.
    """
    cuts: list[str] = []
    records = []
    for id_, chat, questions in sorted(_chats(path), key=lambda chat: _natural(chat[0])):
        where = f"{path}, chat {id_}"
        conversation = _conversation(chat, where, cuts)
        parsed_questions = _questions(questions, where)
        records.append({"sample_id": id_, "conversation": conversation, "qa": parsed_questions})
    if not records:
        raise InputError(f"{path} holds no chat of BEAM: expected folders with {_CHAT}")
    if cuts:
        _log.warning(
            "%s: cut to %s characters: %d messages (%s)",
            path,
            f"{MOST_CHARACTERS:,}",
            len(cuts),
            ", ".join(cuts[:3]) + (", ..." if len(cuts) > 3 else ""),
        )
    return records


# --- where chats lie --------------------------------------------------------------------------


_Chat = tuple[str, Any, Any]  # its id, its batches, its questions by ability


def _chats(path: Path) -> Iterator[_Chat]:
    if path.is_dir():
        yield from _chats_of_folder(path)
    elif path.suffix == ".parquet":
        yield from _chats_of_parquet(path)
    else:
        yield from _chats_of_archive(path)


def _chats_of_folder(path: Path) -> Iterator[_Chat]:
    for chat in path.rglob(_CHAT):
        questions = chat.parent / _QUESTIONS
        if not questions.is_file():
            raise InputError(f"{chat}: {_QUESTIONS} is missing next to it")
        yield (
            _id_of(chat.resolve()),
            *(_json(file, file.read_bytes()) for file in (chat, questions)),
        )


def _chats_of_archive(path: Path) -> Iterator[_Chat]:
    try:
        with tarfile.open(path) as archive:
            # Read, never extracted: no path of the archive reaches this machine's disk.
            contents = {
                PurePath(member.name): file.read()
                for member in archive
                if member.name.endswith((_CHAT, PurePath(_QUESTIONS).name))
                and (file := archive.extractfile(member)) is not None
            }
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give BEAM's folder, tar.gz or parquet") from None
    except (OSError, tarfile.TarError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an archive: {error}") from error
    for name, content in contents.items():
        if name.name != _CHAT:
            continue
        questions = name.parent / _QUESTIONS
        if questions not in contents:
            raise InputError(f"{path}: {questions} is missing next to {name}")
        yield _id_of(name), _json(name, content), _json(questions, contents[questions])


def _chats_of_parquet(path: Path) -> Iterator[_Chat]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "reading parquet needs pyarrow: pip install 'sql-memory[verl]', or give BEAM's folder"
        ) from None
    try:
        columns = ["conversation_id", "chat", "probing_questions"]
        rows = pyarrow.parquet.read_table(path, columns=columns).to_pylist()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give BEAM's folder, tar.gz or parquet") from None
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(f"{path} cannot be read as BEAM's parquet: {error}") from error
    size = path.name.partition("-")[0]  # 100K-00000-of-00001.parquet
    for row in rows:
        chat, questions = row["chat"], row["probing_questions"]
        where = f"{path}, conversation {row['conversation_id']}"
        yield (
            f"beam-{size}-{row['conversation_id']}",
            _literal(where, chat) if isinstance(chat, str) else chat,
            _literal(where, questions) if isinstance(questions, str) else questions,
        )


def _id_of(chat: PurePath) -> str:
    """`beam-100K-1` of `chats/100K/1/chat.json`."""
    return "-".join(["beam", *chat.parent.parts[-2:]])


def _natural(id_: str) -> list[tuple[int, str]]:
    """A key that puts 2 before 10, and 100K before 1M."""
    amounts = {"K": 1_000, "M": 1_000_000}
    keys = []
    for part in id_.split("-"):
        number, amount = part.rstrip("KM"), amounts.get(part[-1:], 1)
        keys.append((int(number) * amount, "") if number.isdecimal() else (0, part))
    return keys


def _json(file: PurePath, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}") from error


def _literal(where: str, text: str) -> Any:
    """A value that the parquet files hold as text, as JSON or as Python prints it."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError):
            continue
    raise InputError(f"{where}: its text is neither JSON nor a Python literal: {text!r:.60}")


# --- what a chat holds ------------------------------------------------------------------------


def _conversation(chat: Any, where: str, cuts: list[str]) -> dict[str, object]:
    """The sessions by LoCoMo's keys; what was cut is added to `cuts`."""
    conversation: dict[str, object] = {}
    turns: list[dict[str, str]] = []
    date = ""
    for batch in _batches(chat):
        turns = []  # a batch begins a session
        for value in _messages(batch):
            message = checked(_MESSAGE, value, where=where, field="chat")
            if message.time_anchor and (anchor := _iso(message.time_anchor)) != date:
                date, turns = anchor, []
            if not turns:
                number = len(conversation) // 2 + 1
                conversation[f"session_{number}_date_time"] = date
                conversation[f"session_{number}"] = turns
            text = message.content
            if message.role == _USER:
                text = _MARKER.sub("", text)
            if len(text) > MOST_CHARACTERS:
                cuts.append(f"{where.rpartition(' ')[2]} {message.id}: {len(text):,}")
                text = text[:MOST_CHARACTERS].rstrip()
            turns.append({"speaker": message.role, "dia_id": str(message.id), "text": text})
    return conversation


def _batches(value: Any) -> Iterator[Any]:
    """The batches of a chat, in order; chats of ten million tokens have them in plans."""
    if isinstance(value, Mapping) and "turns" not in value:
        for inner in value.values():
            yield from _batches(inner)
    elif isinstance(value, list) and any(_is_batch(inner) for inner in value):
        for inner in value:
            yield from _batches(inner)
    elif isinstance(value, Mapping | list):
        yield value


def _is_batch(value: Any) -> bool:
    """Whether it is a batch, a plan of batches, or the list that is a batch in parquet files."""
    if isinstance(value, Mapping):
        return "content" not in value
    return isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value)


def _messages(value: Any) -> Iterator[Any]:
    """The messages of a batch, in order; anything else is checked as a message."""
    if isinstance(value, list):
        for inner in value:
            yield from _messages(inner)
    elif isinstance(value, Mapping) and "turns" in value:
        yield from _messages(value["turns"])
    else:
        yield value


def _questions(questions: Any, where: str) -> list[dict[str, object]]:
    """All questions in LoCoMo's form; the ability is their type."""
    if not isinstance(questions, Mapping):
        raise InputError(f"{where}: expected questions by ability, got {questions!r:.60}")
    if unknown := sorted(set(questions) - set(CATEGORIES)):
        raise InputError(
            f"{where}: there is no ability {unknown[0]!r:.60}, only {', '.join(CATEGORIES)}"
        )
    listed_questions = []
    for ability, values in questions.items():
        for number, value in enumerate(values if isinstance(values, list) else [values]):
            field = f"{ability}.{number}"
            raw = checked(_QUESTION, value, where=where, field=field)
            answers = (value[name] for name in _ANSWERS if value.get(name) not in (None, ""))
            answer = next(answers, "; ".join(raw.rubric))
            evidence = _ids(value.get("source_chat_ids"))
            listed_questions.append(
                {
                    "question": raw.question,
                    "answer": checked(_ANSWER, answer, where=where, field=f"{field}.answer"),
                    "category": CATEGORIES[ability],
                    "evidence": list(dict.fromkeys(evidence)),
                    "question_type": ability,
                    "rubric": raw.rubric,
                    "asker": _USER,
                }
            )
    return listed_questions


def _ids(value: Any) -> list[str]:
    """The ids in a number, in lists of them, or in an object of lists."""
    if isinstance(value, Mapping):
        return _ids(list(value.values()))
    if isinstance(value, list):
        return [id_ for inner in value for id_ in _ids(inner)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _iso(anchor: str) -> str:
    """`March-15-2024` as `2024-03-15`; other text as it stands."""
    try:
        return datetime.strptime(anchor.strip(), "%B-%d-%Y").date().isoformat()
    except ValueError:
        return anchor
