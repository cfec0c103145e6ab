"""Turns that a SELECT finds for rules to read: by their words, and those around them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from memory.passages import sentences
from memory.records import Rows, Turn
from memory.sql import quoted
from memory.statements.answers import as_sentence, last_question

_WITH_WORDS = """SELECT t.id, t.session, t.speaker, t.said_at, t.text
FROM search({words}, {most}) s JOIN turns t ON t.id = s.turn_id
WHERE t.kind = 'message'
ORDER BY t.id"""
_BY_ID = "SELECT id, session, speaker, said_at, text FROM turns WHERE id IN ({ids}) ORDER BY id"
_BEFORE = 2  # turns, in which the rest of what is said may stand


def select_with(words: str, most: int) -> str:
    """The SELECT of at most so many messages with some words."""
    return _WITH_WORDS.format(words=quoted(words), most=most)


def select_only(sql: str, turn_ids: Iterable[int]) -> str:
    """A SELECT of `select_with`, of these turns alone."""
    ids = ", ".join(map(str, dict.fromkeys(turn_ids)))
    return sql.replace("ORDER BY", f"  AND t.id IN ({ids})\nORDER BY")


def select_by_id(turn_ids: Collection[int]) -> str:
    """The SELECT of the turns with these ids."""
    return _BY_ID.format(ids=", ".join(map(str, sorted(turn_ids))))


def turns_of(rows: Rows) -> list[Turn]:
    """The turns in the rows of these SELECTs; none of several memories.

    There each may mean another person, and what several tell of one deed may be the same.
    """
    if rows.columns[:1] == ("memory",):
        return []
    return [
        Turn(id=int(row[0]), session=row[1], speaker=row[2], said_at=row[3] or "", text=row[4])
        for row in rows.rows
    ]


def turns_with(
    words: str,
    most: int,
    *,
    read: Callable[[str], Rows],
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]],
) -> list[Turn]:
    """At most so many messages with some words, and those right before them, in order."""
    turns = {turn.id: turn for turn in corrected(turns_of(read(select_with(words, most))))}
    before = {number - n for number in turns for n in range(1, _BEFORE + 1)} - turns.keys()
    if before := {number for number in before if number > 0}:
        turns |= {turn.id: turn for turn in corrected(turns_of(read(select_by_id(before))))}
    return [turn for _, turn in sorted(turns.items())]


def texts_before(turn: Turn, by_id: Mapping[int, Turn]) -> list[str]:
    """The texts of the two turns before one in its session, as far as they are there."""
    before = (by_id.get(turn.id - number) for number in range(1, _BEFORE + 1))
    return [earlier.text for earlier in before if earlier and earlier.session == turn.session]


def with_questions(turns: Sequence[Turn]) -> list[Turn]:
    """These turns, a short answer as the sentence that it makes with the question before it.

    Of "What did you plant?" and "Beans and kale. You?" the second is "I planted beans and kale.
    You?".
    """
    by_id = {turn.id: turn for turn in turns}
    return [_with_question(turn, by_id.get(turn.id - 1)) for turn in turns]


def _with_question(turn: Turn, before: Turn | None) -> Turn:
    if before is None or before.session != turn.session or before.speaker == turn.speaker:
        return turn
    question = last_question(before.text)
    sentence = as_sentence(question, turn.text) if question else ""
    if not sentence:
        return turn
    _, *following = sentences(turn.text)
    return replace(turn, text=" ".join([f"{sentence}.", "".join(following).strip()]).strip())
