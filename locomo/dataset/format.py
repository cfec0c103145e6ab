"""LoCoMo's file format: reading it with all its traps.

A conversation is one JSON object with `sample_id`, `conversation` (`session_3`: its turns,
`session_3_date_time`: `1:56 pm on 8 May, 2023`) and `qa`. What is read is checked here, once.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, StringConstraints, TypeAdapter, ValidationError

from memory import InputError, Turn

CATEGORIES = (1, 2, 3, 4, 5)
ABSTENTION = 5

_EVIDENCE = re.compile(r"D0*([0-9]+):0*([0-9]+)")
_SESSION = re.compile(r"session_([0-9]{1,6})")
_DATE = re.compile(
    r"\s*(\d{1,2}):(\d{2})\s*([ap])\.?m\.?\s+on\s+(\d{1,2})\s+([a-z]{3})[a-z]*\.?,?\s+(\d{4})\s*",
    re.ASCII | re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Question:
    """One question with its gold answer, which is "" for category 5: gold there is abstention.

    `index` is its place in the file; `evidence` holds sources (`D1:3`) of turns that exist.
    """

    index: int
    text: str
    answer: str
    category: int
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Conversation:
    """One conversation: turns in the order they were said, and the questions about them.

    `dropped_evidence` counts evidence that names no turn, `empty_turns` the turns left out
    because they hold neither text nor a picture. A date that cannot be read is kept as
    said, and counts as none.
    """

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    dropped_evidence: int
    empty_turns: int = 0


# --- what comes from outside ------------------------------------------------------------------


def _storable(value: object) -> object:
    # No database stores NUL, no encoder a lone surrogate.
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _gold(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be text or a number")  # noqa: TRY004 - pydantic wants it
    return str(value)


_Text = Annotated[str, BeforeValidator(_storable)]
_Name = Annotated[_Text, StringConstraints(min_length=1, pattern=r"\S")]


class _RawTurn(BaseModel):
    speaker: _Text
    dia_id: _Name
    text: _Text
    blip_caption: _Text | None = None


class _RawQuestion(BaseModel):
    question: _Name
    answer: Annotated[_Text | None, BeforeValidator(_gold)] = None
    category: Literal[1, 2, 3, 4, 5]
    evidence: list[_Text] | None = None


class _RawConversation(BaseModel):
    sample_id: _Name
    conversation: dict[str, Any]
    qa: list[_RawQuestion]


_CONVERSATION = TypeAdapter(_RawConversation)
_SESSION_TURNS = TypeAdapter(list[_RawTurn])


def read_records(path: Path) -> list[dict[str, Any]]:
    """The conversations of a file as they stand in it, unchecked.

    Raises InputError for a file that is missing, unreadable, not JSON or not a list of objects.
    """
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; give a file in LoCoMo's format, or fetch the official one: "
            "python -m locomo.dataset download"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(raw, list) or not all(isinstance(record, dict) for record in raw):
        raise InputError(f"{path} is not LoCoMo: expected a list of conversations (objects)")
    if not raw:
        raise InputError(f"{path} holds no conversation")
    return raw


def load_conversations(path: Path) -> list[Conversation]:
    """The conversations of a file in LoCoMo's format.

    Raises InputError that names the conversation and the field, for everything that cannot be
    used; evidence that names no turn, empty turns and unreadable dates are counted instead.
    """
    records = read_records(path)
    conversations = [
        parse_conversation(raw, f"{path}, conversation {n}") for n, raw in enumerate(records, 1)
    ]
    twice = _first_repeated(conversation.id for conversation in conversations)
    if twice is not None:
        raise InputError(f"{path}: two conversations have the sample_id {twice!r}; rename one")
    return conversations


def parse_conversation(record: dict[str, Any], where: str) -> Conversation:
    """One record of a file as a conversation; `where` begins the message of an InputError."""
    if isinstance(record.get("sample_id"), str):
        where += f" ({record['sample_id']!r:.60})"
    raw = checked(_CONVERSATION, record, where=where, field="")
    turns, empty = _turns(raw.conversation, where)
    twice = _first_repeated(turn.source for turn in turns)
    if twice is not None:
        raise InputError(f"{where}: two turns have the dia_id {twice!r}; rename one")
    known = {turn.source for turn in turns}
    questions, dropped = [], 0
    for index, question in enumerate(raw.qa):
        evidence, lost = _repaired(question.evidence or [], known)
        dropped += lost
        answer = "" if question.category == ABSTENTION else (question.answer or "").strip()
        if not answer and question.category != ABSTENTION:
            raise InputError(
                f"{where}, field qa.{index}.answer: expected an answer (only category 5 has none)"
            )
        questions.append(
            Question(
                index=index,
                text=question.question,
                answer=answer,
                category=question.category,
                evidence=tuple(evidence),
            )
        )
    undated = len({turn.session for turn in turns if not is_dated(turn)})
    if dropped or empty or undated:
        _log.warning(
            "%s: left out: evidence without a turn %d, empty turns %d, unreadable dates %d",
            where,
            dropped,
            empty,
            undated,
        )
    return Conversation(
        id=raw.sample_id,
        turns=tuple(turns),
        questions=tuple(questions),
        dropped_evidence=dropped,
        empty_turns=empty,
    )


def _turns(conversation: dict[str, Any], where: str) -> tuple[list[Turn], int]:
    """All turns in order, and how many were left out as empty."""
    numbers = sorted(
        (int(match[1]), key) for key in conversation if (match := _SESSION.fullmatch(key))
    )
    turns, empty = [], 0
    for _, session in numbers:
        date = conversation.get(f"{session}_date_time")
        said_at = _iso(date) or (str(_storable(date)) if isinstance(date, str) else "")
        field = f"conversation.{session}"
        for raw in checked(_SESSION_TURNS, conversation[session], where=where, field=field):
            text = raw.text
            if caption := (raw.blip_caption or "").strip():
                text = f"{text} [shares a picture: {caption}]".strip()
            if text.strip():
                source = _EVIDENCE.sub(r"D\1:\2", raw.dia_id)
                turn = Turn(
                    speaker=raw.speaker, text=text, session=session, said_at=said_at, source=source
                )
                turns.append(turn)
            else:
                empty += 1
    if not turns:
        raise InputError(f"{where}, field conversation: expected turns in session_1, session_2 ...")
    return turns, empty


def checked(adapter: TypeAdapter[_T], value: object, where: str, field: str) -> _T:
    """A value of the adapter's type. Raises InputError that names the field."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parts = [field] if field else []
        path = ".".join([*parts, *map(str, first["loc"])])
        value_text = "" if first["type"] == "missing" else f", got {first['input']!r:.60}"
        raise InputError(f"{where}, field {path}: {first['msg']}{value_text}") from None


def _repaired(evidence: Iterable[str], known: set[str]) -> tuple[list[str], int]:
    """The sources that evidence names (each once), and how many name no turn.

    One string may hold several ids (`D8:6; D9:17`), padding (`D30:05`), or none at all (`D`).
    """
    sources: dict[str, None] = {}  # a set that keeps the order of the file
    dropped = 0
    for text in evidence:
        ids = [f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(text)]
        sources.update(dict.fromkeys(source for source in ids if source in known))
        dropped += sum(source not in known for source in ids) if ids else 1
    return list(sources), dropped


def is_dated(turn: Turn) -> bool:
    """Whether it is known when a turn was said; `said_at` may hold text that is no date."""
    return _ISO.match(turn.said_at) is not None


def _iso(date: object) -> str:
    """`1:56 pm on 8 May, 2023` as `2023-05-08T13:56`; "" for what cannot be read."""
    match = _DATE.fullmatch(date) if isinstance(date, str) else None
    if match is None:
        return ""
    hour, minute, half, day, month, year = match.groups()
    if month.lower() not in _MONTHS or not 1 <= int(hour) <= 12:
        return ""
    try:
        date_time = datetime(
            year=int(year),
            month=_MONTHS.index(month.lower()) + 1,
            day=int(day),
            hour=int(hour) % 12 + (12 if half in "pP" else 0),
            minute=int(minute),
        )
    except ValueError:
        return ""
    return date_time.isoformat(timespec="minutes")


def _first_repeated(names: Iterable[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)
