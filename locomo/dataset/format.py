"""Reads LoCoMo's file format, with all its irregularities.

A conversation is one JSON object with `sample_id`, `conversation` (`session_3`: its turns,
`session_3_date_time`: `1:56 pm on 8 May, 2017`) and `qa`. All values are checked here, once. Files
of BEAM, LongMemEval, MSC-Self-Instruct, HaluMem and FactConsolidation are converted to this form
when read.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from locomo.dataset import beam, fact_consolidation, halumem, longmemeval, msc_self_instruct
from locomo.dataset.fields import Name, OptionalGold, Text, checked, storable
from memory import InputError, Turn
from memory.search import standalone_question
from memory.text import is_visible

CATEGORIES = (1, 2, 3, 4, 5)
ABSTENTION = 5
# What fewer conversations show says nothing of others: how much they differ is not seen.
LEAST_CONVERSATIONS = 3

_EVIDENCE = re.compile(r"D0*([0-9]+):0*([0-9]+)")
_SESSION = re.compile(r"session_([0-9]{1,6})")
_DATE = re.compile(
    r"\s*(\d{1,2}):(\d{2})\s*([ap])\.?m\.?\s+on\s+(\d{1,2})\s+([a-z]{3})[a-z]*\.?,?\s+(\d{4})\s*",
    re.ASCII | re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2})?$")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """One question with its gold answer; gold of category 5 is to abstain.

    The answer of category 5 is "", or the file's explanation of why there is none. `index` is its
    position in the file; `evidence` holds sources (`D1:3`) of existing turns, and
    `evidence_sessions` the sessions that hold the answer, even if no turn is marked.
    `question_type` is a benchmark's own type of question, `question_date` the time of the question
    (ISO, to the minute), `asker` the person who says "I" in it; each is "" if unknown. `rubric` has
    the lines that an answer is judged by, in BEAM. Type and rubric are for scores alone: no model
    that answers sees them.
    """

    index: int
    text: str
    answer: str
    category: int
    evidence: tuple[str, ...]
    evidence_sessions: tuple[str, ...] = ()
    question_type: str = ""
    question_date: str = ""
    asker: str = ""
    rubric: tuple[str, ...] = ()

    @property
    def standalone_question(self) -> str:
        """The question with the asker's name and resolved dates, as the memory ranks by it."""
        return standalone_question(self.text, self.asker, today=self.question_date[:10])


@dataclass(frozen=True)
class Conversation:
    """One conversation: turns in the order they were said, and the questions about them.

    `dropped_evidence` counts evidence that names no turn, `empty_turns` the turns left out
    because they have neither text nor a picture. A date that cannot be parsed is kept as text, and
    the turn counts as undated.
    """

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    dropped_evidence: int
    empty_turns: int = 0


# --- what comes from outside ------------------------------------------------------------------


class _RawTurn(BaseModel):
    speaker: Text
    dia_id: Name
    text: Text
    blip_caption: Text | None = None


class _RawQuestion(BaseModel):
    question: Name
    answer: OptionalGold = None
    category: Literal[1, 2, 3, 4, 5]
    evidence: list[Text] | None = None
    evidence_sessions: list[Text] | None = None
    question_type: Text = ""
    question_date: Text = ""
    asker: Text = ""
    rubric: list[Text] = []


class _RawConversation(BaseModel):
    sample_id: Name
    conversation: dict[str, Any]
    qa: list[_RawQuestion]


_CONVERSATION = TypeAdapter(_RawConversation)
_SESSION_TURNS = TypeAdapter(list[_RawTurn])


def read_records(path: Path) -> list[dict[str, Any]]:
    """The conversations of a file in LoCoMo's form; records of LoCoMo itself are not checked.

    A folder or an archive is BEAM's. Raises InputError for a file that is missing, unreadable, not
    JSON or not a list of objects, and for missing fields in another benchmark's records.
    """
    if beam.is_beam(path):
        return beam.locomo_records(path)
    try:
        content = path.read_bytes()
        raw = _json_lines(content) if path.suffix == ".jsonl" else json.loads(content)
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
        raise InputError(f"{path} has no conversations")
    return [_locomo_record(record, path, number) for number, record in enumerate(raw, 1)]


def _json_lines(content: bytes) -> list[Any]:
    """The values of a file of JSON lines. Raises ValueError that names the line."""
    values = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return values


def _locomo_record(record: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    """A record of any supported benchmark, in LoCoMo's form."""
    if longmemeval.is_longmemeval(record):
        return longmemeval.locomo_record(record, where=f"{path}, question {number}")
    if msc_self_instruct.is_msc_self_instruct(record):
        where = f"{path}, chat {number}"
        return msc_self_instruct.locomo_record(record, where=where, number=number)
    if halumem.is_halumem(record):
        return halumem.locomo_record(record, where=f"{path}, user {number}")
    if fact_consolidation.is_fact_consolidation(record):
        where = f"{path}, record {number}"
        return fact_consolidation.locomo_record(record, where=where, number=number)
    return record


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files `*.json` of a folder; BEAM's folder is read as a whole.

    Raises InputError for a folder without any.
    """
    if beam.is_beam(path):
        return [path]
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no .json file; give conversations as data/README.md says")
    return files


def data_files(path: Path) -> list[Path]:
    """Every file that conversations are read from, for a hash of the data. Raises InputError."""
    return beam.files_of(path) if beam.is_beam(path) else files_of(path)


def load_conversations(path: Path) -> list[Conversation]:
    """The conversations of a file in the format of LoCoMo or of a benchmark read like it.

    For a folder that is not BEAM's, the conversations of all its `*.json` files. Raises InputError,
    naming the conversation and the field, for anything unusable; evidence that names no turn, empty
    turns and unreadable dates are counted instead.
    """
    conversations = [
        parse_conversation(raw, f"{file}, conversation {n}")
        for file in files_of(path)
        for n, raw in enumerate(read_records(file), 1)
    ]
    twice = _first_repeated(conversation.id for conversation in conversations)
    if twice is not None:
        raise InputError(f"{path}: two conversations have the sample_id {twice!r}; rename one")
    _warn_of_losses(path, conversations)
    return conversations


def _warn_of_losses(path: Path, conversations: Iterable[Conversation]) -> None:
    """Log what was left out, once per file: LongMemEval has five hundred conversations."""
    counts = [
        (
            conversation.dropped_evidence,
            conversation.empty_turns,
            len(
                {turn.session for turn in conversation.turns if turn.said_at and not is_dated(turn)}
            ),
        )
        for conversation in conversations
    ]
    dropped, empty, undated = (sum(column) for column in zip(*counts, strict=True))
    if dropped or empty or undated:
        _log.warning(
            "%s: left out in %d of %d conversations: evidence without a turn %d, empty turns %d,"
            " unreadable dates %d",
            path,
            sum(map(any, counts)),
            len(counts),
            dropped,
            empty,
            undated,
        )


def parse_conversation(record: dict[str, Any], where: str) -> Conversation:
    """One record of a file as a conversation; an InputError's message begins with `where`."""
    if isinstance(record.get("sample_id"), str):
        where += f" ({record['sample_id']!r:.60})"
    raw = checked(_CONVERSATION, record, where=where)
    turns, empty = _turns(raw.conversation, where)
    twice = _first_repeated(turn.source for turn in turns)
    if twice is not None:
        raise InputError(f"{where}: two turns have the dia_id {twice!r}; rename one")
    sessions = {turn.source: turn.session for turn in turns}
    questions, dropped = [], 0
    for index, question in enumerate(raw.qa):
        evidence, lost = _repaired(question.evidence or [], sessions.keys())
        dropped += lost
        questions.append(
            Question(
                index=index,
                text=question.question,
                answer=_answer(question, where, index),
                category=question.category,
                evidence=tuple(evidence),
                evidence_sessions=_evidence_sessions(question, evidence, sessions),
                question_type=question.question_type,
                question_date=_question_date(question, where, index),
                asker=question.asker,
                rubric=tuple(question.rubric),
            )
        )
    return Conversation(
        id=raw.sample_id,
        turns=tuple(turns),
        questions=tuple(questions),
        dropped_evidence=dropped,
        empty_turns=empty,
    )


def _answer(question: _RawQuestion, where: str, index: int) -> str:
    """The gold answer; none for LoCoMo's category 5, whose answers in the file are traps."""
    answer = (question.answer or "").strip()
    if question.category == ABSTENTION:
        explaining = (longmemeval.CATEGORIES, beam.CATEGORIES, halumem.CATEGORIES)
        return answer if any(question.question_type in types for types in explaining) else ""
    if not answer:
        raise InputError(
            f"{where}, field qa.{index}.answer: expected an answer (only category 5 has none)"
        )
    return answer


def _evidence_sessions(
    question: _RawQuestion, evidence: Iterable[str], sessions: Mapping[str, str]
) -> tuple[str, ...]:
    """The evidence sessions with turns: the ones that the file names, else the evidence's own."""
    named = question.evidence_sessions
    if named is None:
        named = [sessions[source] for source in evidence]
    known = set(sessions.values())
    return tuple(dict.fromkeys(session for session in named if session in known))


def _question_date(question: _RawQuestion, where: str, index: int) -> str:
    """When a question is asked, in ISO; "" if the file does not say."""
    date = _iso(question.question_date) or question.question_date
    try:
        return datetime.fromisoformat(date).isoformat(timespec="minutes") if date else ""
    except ValueError:
        raise InputError(
            f"{where}, field qa.{index}.question_date: expected a date and time such as"
            f" 2017-05-30T23:40, got {date!r:.60}"
        ) from None


def _turns(conversation: dict[str, Any], where: str) -> tuple[list[Turn], int]:
    """All turns in order, and the number of empty turns left out."""
    numbers = sorted(
        (int(match[1]), key) for key in conversation if (match := _SESSION.fullmatch(key))
    )
    turns, empty = [], 0
    for _, session in numbers:
        date = conversation.get(f"{session}_date_time")
        said_at = _iso(date) or (str(storable(date)) if isinstance(date, str) else "")
        field = f"conversation.{session}"
        for raw in checked(_SESSION_TURNS, conversation[session], where=where, field=field):
            text = raw.text
            if caption := (raw.blip_caption or "").strip():
                text = f"{text} [shares a picture: {caption}]".strip()
            if is_visible(text):
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


def _repaired(evidence: Iterable[str], known: Collection[str]) -> tuple[list[str], int]:
    """The sources that evidence names (each once), and how many of them name no turn.

    One string may be a bare id (`54`, in BEAM), or hold several ids (`D8:6; D9:17`), padding
    (`D30:05`), or none at all (`D`).
    """
    sources: dict[str, None] = {}  # a set that keeps the order of the file
    dropped = 0
    for text in evidence:
        ids = [f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(text)]
        if not ids and text in known:
            ids = [text]
        sources.update(dict.fromkeys(source for source in ids if source in known))
        dropped += sum(source not in known for source in ids) if ids else 1
    return list(sources), dropped


def is_dated(turn: Turn) -> bool:
    """Whether a turn has a date; `said_at` may also hold text that is not a date."""
    return _ISO.match(turn.said_at) is not None


def _iso(date: object) -> str:
    """`1:56 pm on 8 May, 2017` as `2017-05-08T13:56`; "" for what cannot be read."""
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
