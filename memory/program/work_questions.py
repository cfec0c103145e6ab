"""Answers to questions about work with a coding agent: files, reasons, instructions, failures.

They rest on the tags and facts of `memory.statements.work`, and name the session, the date and the
words. Where a memory has none of these, nothing is said.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from memory.program.fact_answers import FactAnswer
from memory.program.fact_words import forms_of_words
from memory.prompt import short_day
from memory.records import Rows
from memory.search.word_forms import is_among, telling_words
from memory.sql import quoted
from memory.statements.instructions import INSTRUCTION
from memory.statements.work import BECAUSE, FAILED_WITH, FILE_TAG, FIXED_BY

_ASKS_FILES = re.compile(
    r"\b(?:which|what) files?\b.*\b(?:touch|chang|edit|modif|writ|wrote|creat|delet|add)", re.I
)
_ASKS_WHY = re.compile(r"^\W*(?:and )?(?:why|for what reason|what was the reason)\b", re.I)
_ASKS_FORBIDDEN = re.compile(
    r"\b(?:ask|asked|tell|told|want|instruct\w*|say|said)\b.*\b(?:never|not|ever)\b.*\bdo\b"
    r"|\b(?:should|must|may) (?:you|claude|codex|the agent|we) (?:never|not)\b",
    re.IGNORECASE,
)
_ASKS_ALWAYS = re.compile(
    r"\b(?:ask|asked|tell|told|instruct\w*)\b.*\balways\b.*\bdo\b"
    r"|\b(?:should|must) (?:you|claude|codex|the agent|we) always\b",
    re.IGNORECASE,
)
_ASKS_FIX = re.compile(r"^\W*(?:what|how|which files?)\b.*\bfix(?:ed|es)?\b", re.IGNORECASE)
_ASKS_FAILURE = re.compile(
    r"^\W*(?:what|how|why|with what)\b.*\bfail(?:ed|s|ing)?\b", re.IGNORECASE
)
_FORBIDS = re.compile(r"\b(?:never|not|don't)\b|n't\b", re.IGNORECASE)
# Words of these questions that name no topic.
_FRAME_WORDS = (
    "ask asked agent always change changed claude codex command create created decide decided"
    " delete deleted do done edit edited ever fail failed failing file files fix fixed modified"
    " never opencode reason say said session sessions tell told touch touched user work worked"
    " write wrote written add added want wanted all time times last project"
)
_FRAME = frozenset(_FRAME_WORDS.split())
_MOST_FILES, _MOST_INSTRUCTIONS = 30, 10
_LONGEST_QUOTE = 200  # characters
_AGENTS = "('Claude', 'Codex', 'OpenCode')"


@dataclass(frozen=True)
class _Source:
    """A turn that says something: where, when, and in which words."""

    turn_id: int
    session: str
    said_at: str
    text: str

    def place(self) -> str:
        day = short_day(self.said_at) if self.said_at else ""
        return ", ".join(filter(None, [self.session, day]))

    def quotation(self) -> str:
        words = " ".join(self.text.split())
        if len(words) > _LONGEST_QUOTE:
            words = words[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + " ..."
        return f'{self.place()}: "{words}"'


def answer_about_work(
    question: str, *, read: Callable[[str], Rows], asker: str = ""
) -> FactAnswer | None:
    """Answer a question about work; None for any other question, and where nothing is known."""
    names = {asker.casefold(), "i", "we", "you"}
    topic = [word for word in telling_words(question) if word not in _FRAME | names]
    if _ASKS_FILES.search(question):
        return _files(topic, read)
    if _ASKS_FORBIDDEN.search(question):
        return _instructions(topic, read, asker, forbids=True)
    if _ASKS_ALWAYS.search(question):
        return _instructions(topic, read, asker, forbids=False)
    if _ASKS_FIX.search(question):
        return _of_command(topic, read, FIXED_BY)
    if _ASKS_FAILURE.search(question):
        return _of_command(topic, read, FAILED_WITH)
    return _reason(topic, read) if _ASKS_WHY.search(question) else None


def _files(topic: Sequence[str], read: Callable[[str], Rows]) -> FactAnswer | None:
    """The files that were changed after a prompt about the topic, or whose names have it."""
    # A file belongs to the person's last words before it.
    about = " AND ".join(f"{_has('p.text', word)}" for word in topic) or "1 = 1"
    named = " AND ".join(f"{_has('g.value', word)}" for word in topic) or "1 = 1"
    sql = (
        "SELECT g.value AS file, MIN(t.id) AS turn_id, t.session, MIN(t.said_at) AS said_at"
        " FROM tags g JOIN turns t ON t.id = g.turn_id"
        " LEFT JOIN turns p ON p.id = (SELECT MAX(m.id) FROM turns m WHERE m.session = t.session"
        f" AND m.id < t.id AND m.kind = 'message' AND m.speaker NOT IN {_AGENTS})"
        f" WHERE g.key = {quoted(FILE_TAG)} AND (({about}) OR ({named}))"
        " GROUP BY g.value, t.session ORDER BY MIN(t.said_at), MIN(t.id)"
    )
    rows = read(sql)
    if not rows.rows:
        return None
    sessions: dict[str, list[str]] = {}
    for file, turn_id, session, said_at in rows.rows[-_MOST_FILES:]:
        place = _Source(turn_id, session, said_at, "").place()
        sessions.setdefault(place, []).append(file)
    text = "; ".join(f"{', '.join(files)} ({place})" for place, files in sessions.items())
    turn_ids = tuple(dict.fromkeys(row[1] for row in rows.rows[-_MOST_FILES:]))
    return FactAnswer(text, turn_ids, (sql,), (rows,), (), ())


def _instructions(
    topic: Sequence[str], read: Callable[[str], Rows], asker: str, *, forbids: bool
) -> FactAnswer | None:
    """What the person asked for, or forbade, in messages of their own."""
    sql = _select("f.value", f"f.attribute = {quoted(INSTRUCTION)} AND t.speaker = f.subject")
    rows = read(sql)
    chosen = [
        row
        for row in rows.rows
        if bool(_FORBIDS.search(row[1])) == forbids
        and (not asker or row[2].casefold() == asker.casefold())
        and _covers(topic, row[1])
    ][:_MOST_INSTRUCTIONS]
    return _answer([(row[1], row) for row in chosen], sql, rows)


def _reason(topic: Sequence[str], read: Callable[[str], Rows]) -> FactAnswer | None:
    if not topic:
        return None
    sql = _select("f.value", f"f.attribute = {quoted(BECAUSE)}")
    rows = read(sql)
    fitting = [row for row in rows.rows if _covers(topic, f"{row[2]} {row[1]} {row[6]}")]
    return _answer([(f"because {row[1]}", row) for row in fitting[:1]], sql, rows)


def _of_command(
    topic: Sequence[str], read: Callable[[str], Rows], attribute: str
) -> FactAnswer | None:
    sql = _select("f.value", f"f.attribute = {quoted(attribute)}")
    rows = read(sql)
    fitting = [row for row in rows.rows if topic and _covers(topic, f"{row[2]} {row[1]}")]
    return _answer([(f"{row[2]}: {row[1]}", row) for row in fitting[:3]], sql, rows, quotes=False)


def _select(value: str, condition: str) -> str:
    """Facts with their turns, the newest first."""
    return (
        f"SELECT f.id, {value}, f.subject, t.id AS turn_id, t.session, t.said_at, t.text"
        " FROM facts f JOIN turns t ON t.id = f.turn_id"
        f" WHERE {condition} AND f.ended_on IS NULL ORDER BY t.said_at DESC, f.id DESC"
    )


def _answer(
    items: Sequence[tuple[str, Sequence[Any]]], sql: str, rows: Rows, quotes: bool = True
) -> FactAnswer | None:
    if not items:
        return None
    texts = []
    for words, row in items:
        source = _Source(*row[3:7])
        texts.append(f"{words} ({source.quotation() if quotes else source.place()})")
    return FactAnswer(
        "; ".join(texts),
        tuple(dict.fromkeys(row[3] for _, row in items)),
        (sql,),
        (rows,),
        tuple(row[0] for _, row in items),
        tuple(row[2] for _, row in items),
    )


def _covers(topic: Sequence[str], text: str) -> bool:
    """Whether a text has every word of a topic, in any form."""
    forms = forms_of_words(telling_words(text))
    return all(is_among(word, forms) for word in topic)


def _has(column: str, word: str) -> str:
    """Whether a column has a word, without its ending."""
    stem = re.sub(r"(?<=\w{4})(?:ing|ed|es|s)$", "", word.casefold())
    return f"lower({column}) LIKE {quoted(f'%{stem}%')}"
