"""The day on which what was planned for another day came about: late, put off, or brought forward.

People tell a plan with all its names, and how it went with few: "so it was the 9th before we slept
here". That a sentence tells of a delay, and its day lies near the planned one, joins the two.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from memory.dates import named_day
from memory.passages import sentences
from memory.program.messages import is_evidence
from memory.program.spoken_days import days_in
from memory.program.told_days import AskedDeed, ToldDay, clauses_told, deed_words
from memory.program.told_of import names_in
from memory.records import Turn
from memory.search.words import words

_MOST_LATE = timedelta(days=60)
_LATE = re.compile(
    r"\b(?:later? than|late|later|instead of|by the time|it was .{3,30} before|could(?:n't)? only"
    r"|only (?:\w+ ){0,2}(?:got|had|came|managed|arrived|moved|started|did|could)|not until"
    r"|n't (?:\w+ ){1,5}until|in time|delay\w*|held up|took (?:forever|longer|ages)"
    r"|broke down|postponed|put off|(?:was|were|been|got) (?:changed|moved|pushed|put back)"
    r"|(?:days?|weeks?) (?:after|early|earlier) )\b|\bnot on the\b",
    re.IGNORECASE,
)
_ARRIVES = frozenset(
    words("move moved moving arrive arrived land landed come came reach get got settle start")
)
_ARRIVED = re.compile(
    r"\b(?:slept|first (?:time|night)|keys|moved|arrived|got in)\b", re.IGNORECASE
)
_NOT_THEN = re.compile(
    r"\b(?:not on|instead of|rather than|not)(?: on)?(?: the)? (?P<day>[^,.;]{1,25})", re.IGNORECASE
)


@dataclass(frozen=True)
class _Late:
    """A sentence that tells of a delay and one day."""

    day: date
    turn: Turn
    sentence: str


def late_day(
    deed: AskedDeed, plans: Sequence[ToldDay], turns: Sequence[Turn], *, is_ahead: bool
) -> ToldDay | None:
    """The day that replaced a planned one; None for none or several.

    Arguments:
        deed: what the question asks the day of.
        plans: its days that were told as plans; without one, a day to come that is told with some
            of its things, where somebody moves or arrives.
        turns: in order.
        is_ahead: whether it is to come by the time of the question.
    """
    planned = [(plan.day, plan.turn) for plan in plans if plan.is_ahead]
    is_certain = bool(planned)
    if not planned and not is_ahead and deed.verb in _ARRIVES:
        planned = _loose_plans(deed, turns)
    hits: dict[date, _Late] = {}
    for day, plan in planned:
        for late in _late_tellings(turns, day, is_ahead=is_ahead):
            near = abs(late.day - day) <= _MOST_LATE and late.day != day
            if late.turn.id > plan.id and near and _is_same(deed, plan, late, is_certain):
                hits.setdefault(late.day, late)
    if len(hits) != 1:
        return None
    late = next(iter(hits.values()))
    return ToldDay(late.day, late.turn, late.sentence, late.sentence, 0, is_ahead=False)


def _loose_plans(deed: AskedDeed, turns: Sequence[Turn]) -> list[tuple[date, Turn]]:
    """The days to come that are told in turns with a thing of the deed, or by its doer."""
    return [
        (passage.days[0], passage.turn)
        for passage in clauses_told(turns)
        if len(passage.days) == 1
        and passage.days[0] > passage.said_on
        and (not deed.doer or deed.doer <= {*words(passage.turn.speaker)})
    ]


def _late_tellings(turns: Sequence[Turn], planned: date, *, is_ahead: bool) -> Iterator[_Late]:
    """The sentences of turns that tell of a delay and one day other than the planned one."""
    for turn in turns:
        said_on = named_day(turn.said_at)
        if said_on is None or not is_evidence(turn.text):
            continue
        before = ""
        for sentence in sentences(turn.text):
            account, before = f"{before} {sentence}", sentence
            if sentence.rstrip().endswith("?") or not _LATE.search(account):
                continue
            denied = {
                day.day
                for match in _NOT_THEN.finditer(sentence)
                for day in days_in(f"on the {match['day']}", said_on, not is_ahead)
            }
            days = set(_days(sentence, said_on, is_ahead)) - {planned, *denied}
            if len(days) == 1 and (is_ahead or max(days) <= said_on):
                yield _Late(days.pop(), turn, sentence.strip())


def _days(sentence: str, said_on: date, is_ahead: bool) -> Iterator[date]:
    """The days of a sentence, passed by then unless what it tells is to come."""
    for spoken in days_in(sentence, said_on, not is_ahead):
        if is_ahead or spoken.day <= said_on:
            yield spoken.day
        else:
            # "They could only marry us on the 25th"
            alone = re.split(r"[,.;!]", sentence[spoken.start :])[0]
            yield from (day.day for day in days_in(alone, said_on, is_past=True)[:1])


def _is_same(deed: AskedDeed, plan: Turn, late: _Late, is_certain: bool) -> bool:
    """Whether a plan and a delay are of the deed: both together name it, or one name is in both."""
    late_words = {*words(late.turn.text), *words(late.turn.speaker)}
    account = {*words(plan.text), *words(plan.speaker), *late_words}
    has_doer = not deed.doer or deed.doer <= late_words or late.turn.speaker == plan.speaker
    missing = _count_missing(deed, account)
    shared = names_in(plan.text) & names_in(late.turn.text)
    has_arrived = deed.verb in _ARRIVES and bool(_ARRIVED.search(late.sentence))
    if has_doer and has_arrived and (shared or not missing):
        return True
    if not has_doer or missing > len(deed.parts) / 2:
        return False
    in_late = len(deed.parts) - _count_missing(deed, late_words)
    is_joined = bool(in_late or shared or deed_words(deed) & {*words(late.sentence)})
    return is_joined and (is_certain or not missing or bool(in_late))


def _count_missing(deed: AskedDeed, account: Collection[str]) -> int:
    return sum(not part.stands_in(account) for part in deed.parts)
