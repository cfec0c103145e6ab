"""When something happened, first, last or at all: the one day that turns tell of it.

What was told as done goes before what was planned, what was planned last before what was planned
first. Where turns tell of several such days, and the question asks for no first or last one, there
is no answer.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date

from memory.dates import MONTHS, WEEKDAYS
from memory.program.fact_answers import FactAnswer
from memory.program.late_days import late_day
from memory.program.searched_turns import select_by_id, select_with, turns_of
from memory.program.spoken_days import spoken
from memory.program.told_days import (
    ToldDay,
    asked_deed,
    is_in_doubt,
    told_days,
    turns_about,
)
from memory.records import Rows, Turn
from memory.search.words import words

_ASKS_DAY = re.compile(
    r"^\W*(?:and |so )?(?:when(?:'s)?|(?:on |at |in )?(?:what|which) (?:day|date)"
    r"|what(?:'s| is| was) the (?:exact )?(?:day|date)(?: of| that| when| on which)?)\b",
    re.IGNORECASE,
)
_ASKS_PAST = re.compile(r"\b(?:did|was|were|had|has|have)\b", re.IGNORECASE)
_ASKS_FIRST = re.compile(r"\b(?:first|earliest)\b", re.IGNORECASE)
_ASKS_LAST = re.compile(
    r"\b(?:last|latest|most recent(?:ly)?)\b(?! (?:day|week|month|year|name|night|shift)\b)",
    re.IGNORECASE,
)
# What would have to be true besides is not read.
_BEYOND = re.compile(
    r"\b(?:before|after|while|during|because|second|third|fourth|next|again|both|each|every|all"
    r"|since|until|usually|dates|days|now|of the week)\b"
    r"|\b(?:do|does) (?!(?:the|(?-i:[A-Z])[\w-]+'s) )|\bbirthday\b",
    re.IGNORECASE,
)
# "When does Anna's flight leave?" may ask for a day, and "When does the shop open?" for a time.
_ASKS_USUAL = re.compile(r"\b(?:do|does)\b", re.IGNORECASE)
_BRACKETS = re.compile(r" ?\([^)]*\)")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_MONTH = re.compile(rf"\b(?:{'|'.join(MONTHS)})\b", re.IGNORECASE)
_AGAIN = re.compile(r"\b(?:again|second|third|another|once more)\b", re.IGNORECASE)
_FIRST_TIME = re.compile(r"\bfirst time\b", re.IGNORECASE)
_TELLS_FIRST = re.compile(r"\b(?:first|never .* before|new)\b", re.IGNORECASE)


def answer_when(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer when something happened by the day that turns tell; None for none or several.

    Arguments:
        question: in the third person ("When did Anna move to Porto?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    text = _BRACKETS.sub("", question.replace("\u2019", "'"))
    asks = _ASKS_DAY.match(text)
    if not asks:
        return None
    event = text[asks.end() :]
    if _BEYOND.search(event):
        return None
    is_ahead = not _ASKS_PAST.search(text)
    event = re.sub(r"\b(?:we|us|our)\b", lambda match: asker or match[0], event)
    speakers = speakers_of(read)
    event = with_speakers(event, speakers, read)
    deed = asked_deed(event, speakers)
    if deed is None:
        return None
    turns = turns_about(deed, read=read, corrected=corrected)
    account = told_days(deed, turns)
    tellings = [
        day
        for day in account
        if _lies_in(day.day, text) and (is_ahead or day.day.isoformat() <= today)
    ]
    chosen = _planned(tellings) if is_ahead else _chosen(text, tellings)
    if (chosen is None or chosen.is_ahead) and not _asks_extreme(text):
        late = late_day(deed, account, turns, is_ahead=is_ahead)
        chosen = late if late and _lies_in(late.day, text) else chosen
    if chosen and chosen.is_ahead and is_in_doubt(deed, turns, chosen.turn.id):
        return None
    if chosen is None or (_ASKS_USUAL.search(event) and not re.search(r"\d", chosen.clause)):
        return None
    sql = select_by_id([chosen.turn.id])
    return FactAnswer(spoken(chosen.day), (chosen.turn.id,), (sql,), (read(sql),), (), ())


def speakers_of(read: Callable[[str], Rows]) -> frozenset[str]:
    """The words of the names of all who speak."""
    rows = read("SELECT DISTINCT speaker FROM turns WHERE kind = 'message' LIMIT 100")
    if rows.columns[:1] == ("memory",):
        return frozenset()
    return frozenset(word for row in rows.rows for word in words(str(row[0])))


def with_speakers(text: str, speakers: frozenset[str], read: Callable[[str], Rows]) -> str:
    """A text with who speaks in place of a family name: "the Carters" are Anna's, "Anna Carter"."""

    def speaker(match: re.Match[str]) -> str:
        name = match["name"]
        if {*words(name)} & speakers or name.lower() in (*MONTHS, *WEEKDAYS):
            return match[0]
        for turn in turns_of(read(select_with(name, 5))):
            for full_name in re.finditer(rf"\b(?P<first>[A-Z]\w+) {re.escape(name)}\b", turn.text):
                if {*words(full_name["first"])} <= speakers:
                    return full_name["first"]
        return match[0]

    return re.sub(r"\b(?<!')[Tt]he (?P<name>[A-Z]\w+?)s\b(?!')", speaker, text)


def _lies_in(day: date, question: str) -> bool:
    """Whether a day is of the year and the month that a question names."""
    year, month = _YEAR.search(question), _MONTH.search(question)
    if year and int(year[0]) != day.year:
        return False
    return not month or MONTHS[day.month - 1] == month[0].lower()


def _asks_extreme(question: str) -> bool:
    return bool(_ASKS_FIRST.search(question) or _ASKS_LAST.search(question))


def _chosen(question: str, tellings: Sequence[ToldDay]) -> ToldDay | None:
    exact = [day for day in tellings if day.is_exact and not day.is_by_the_way]
    done = [day for day in exact if not day.is_ahead]
    if _asks_extreme(question):
        return _extreme(
            [day for day in tellings if day.is_whole], bool(_ASKS_FIRST.search(question))
        )
    if done:
        top = max(day.score for day in done)
        likely = [day for day in done if day.score == top]
        return likely[-1] if len({day.day for day in likely}) == 1 else None
    return _planned(exact)


def _planned(tellings: Sequence[ToldDay]) -> ToldDay | None:
    """The day that was planned last."""
    planned = [day for day in tellings if day.is_exact and day.is_ahead]
    if not planned:
        return None
    newest = max(day.turn.id for day in planned)
    last = [day for day in planned if day.turn.id == newest]
    return last[-1] if len({day.day for day in last}) == 1 else None


def _tells_first(day: ToldDay) -> bool:
    return bool(_TELLS_FIRST.search(day.clause) or _FIRST_TIME.search(day.sentence))


def _extreme(tellings: Sequence[ToldDay], is_first: bool) -> ToldDay | None:
    """The first or the last of the days; None where a telling without a day may go beyond it."""
    done = [day for day in tellings if day.is_exact and not day.is_ahead]
    if is_first and (firsts := [day for day in done if _tells_first(day)]):
        return min(firsts, key=lambda day: (day.day, -day.score))
    if not done:
        return None
    pick = min if is_first else max
    best = pick(done, key=lambda day: (day.day, -day.score if is_first else day.score))
    if is_first and _AGAIN.search(best.clause):
        return None
    for day in tellings:
        is_beyond = day.turn.id < best.turn.id if is_first else day.turn.id > best.turn.id
        if not day.is_exact and is_beyond and day.turn.session != best.turn.session:
            return None
    return best
