"""How long something lasted, told outright or by the days of its beginning and its end.

Whatever lasts, people tell its ends in few words: they start, move in or get it put on, and they
leave, fly back or have it off. Which of these belong to what a question names is said in the same
sentence or right before. Two things that happened lie as far apart as their days.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from memory.dates import COUNT, MONTHS, UNIT_DAYS, WEEKDAYS
from memory.program.fact_answers import FactAnswer, length_between
from memory.program.searched_turns import select_by_id
from memory.program.spoken_days import spoken_iso
from memory.program.told_days import (
    AskedDeed,
    ToldClause,
    ToldDay,
    asked_deed,
    before_verb,
    clauses_told,
    is_in_doubt,
    is_of_doer,
    nearness,
    speakers_in,
    told_days,
    turns_about,
    with_aliases,
)
from memory.program.told_of import quoted_of
from memory.program.turn_days import speakers_of
from memory.records import Rows, Turn
from memory.search.words import words
from memory.statements.days import named_days

_UNIT = r"(?:days?|nights?|weeks?|fortnights?|months?|years?)"
_ASKS_LENGTH = re.compile(
    rf"^\W*(?:and |so )?(?:for )?(?:how long|how much time|how many {_UNIT}"
    r"(?! (?:a|per|each|every) ))\b",
    re.IGNORECASE,
)
_BETWEEN = (
    re.compile(r"\bbetween (?P<a>.+?\btwo\b.+)$", re.IGNORECASE),
    re.compile(r"\bbetween (?P<a>.+?) and (?P<b>.+)$", re.IGNORECASE),
    re.compile(
        r"\b(?:after|from) (?P<a>.+?) (?:and|until|till|to|was it (?:before|until|till)"
        r"|did it take (?:before|until)?|before|(?=did\b|was\b)) ?(?P<b>.+)$",
        re.IGNORECASE,
    ),
)
_BRACKETS = re.compile(r" ?\([^)]*\)")
_AUXILIARY = re.compile(
    r"^\W*(?P<auxiliary>will|did|was|were|is|are|has|have|does|do|had) (?P<rest>.+)$", re.IGNORECASE
)
_LASTS = ("is", "are", "has", "have", "does", "do")
# They say that something lasted, and not what.
_STATE_WORDS = frozenset(
    words(
        "work worked working job live lived living stay stayed staying couple together relationship"
        " wear worn wearing need needed needing last lasted lasting spend spent wait waited keep"
        " kept look looked looking married dating summer visit employed without able long was"
        " being away on off around total altogether run ran hold held"
    )
)
_BEGINS = re.compile(
    r"\b(?:start(?:s|ed|ing)?|beg[aiu]n\w*|join(?:s|ed)?|since|mov(?:e|es|ed|ing) (?:in|into|to)"
    r"|arriv(?:e|es|ed|ing)|land(?:s|ed)?|c[ao]m(?:e|es|ing) (?!back|off|home|out)"
    r"|got (?:here|there|it|the|my|a|together|engaged|married)|put|broke (?!up)|broken (?!up)"
    r"|go(?:es|ing)? to|went to|went into|fl(?:y|ew|ies|ying) (?:to|on)|met|took over|took on"
    r"|opened"
    r"|first (?:day|shift|time)|from|signed|hired|became|bought|adopted|borrowed|checked in"
    r"|slipped|fell|hurt|set off|left for|travell?ed to|drove to)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:last (?:day|shift|night|week)|finish\w*|quit|resigned|retired|left(?! for)|leav(?:e|es"
    r"|ing)(?! for)|(?:came|come|comes|taken|took|is|was|are) (?:\w+ )?off"
    r"|(?:came|come|comes|coming|fl(?:y|ew|ies|own)|flying|went|go|goes|going|got|drove|drive"
    r"|travell?ed) (?:\w+ )?(?:back|home)|return(?:s|ed|ing)?|until|till|separated|split|broke up"
    r"|divorced|ended|is over|was over|stopped|mov(?:e|es|ed|ing) (?:out|away)|gave (?:it |them"
    r" |her |him )?(?:up|back)|discharged|let (?:me|her|him|them) (?:out|go|home)|sold|died|closed"
    r"|handed (?!in)(?:over|back|the|my|on)|(?:out of|off) (?:the|my|his|her|hospital)"
    r"|checked out|lost|(?:back|home) on|til)\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"\b(?:without|off|out of|unemployed|free)\b", re.IGNORECASE)
# They tell the end of a state, and of nothing else.
_EDGE = re.compile(r"\b(?:last|first) (?:day|shift)\b", re.IGNORECASE)
_EDGE_SCORE = 1.5
_NOTICE = re.compile(r"\bnotice\b", re.IGNORECASE)
_SINCE = re.compile(
    rf"\bsince (?:(?:the|last|early|late|about|beginning of|end of) )*"
    rf"(?:\d|yesterday|{'|'.join((*MONTHS, *WEEKDAYS))})",
    re.IGNORECASE,
)
_FIRST_DAY = re.compile(r"\b(?:first (?:day|shift)|start\w*|beginning)\b", re.IGNORECASE)
_LAST_DAY = re.compile(r"\b(?:last (?:day|shift)|end\w*|leaving)\b", re.IGNORECASE)
_TENS = r"(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twenty|thirty|forty|fifty)(?:-[a-z]+)?"
_NUMBER = (
    rf"(?:\d{{1,3}}|{'|'.join(word for word in COUNT if word != 'zero')}|{_TENS})(?: and a half)?"
)
_TOLD_LENGTH = re.compile(
    rf"(?P<before>\b(?:for|stayed|lasted|took|spent|was|were|it's|it is|is|after)? ?)"
    r"(?P<about>(?:about|almost|nearly|over|exactly|just|only|all of|roughly) )?"
    rf"(?P<length>(?P<number>{_NUMBER}) (?:whole |full |long )?(?P<unit>{_UNIT})(?: and a half)?)\b"
    r"(?P<after>(?: (?:since|now|altogether|in total|in all|long|straight|with|in|at|on)\b)?)"
    r"(?! (?:ago|old|later|before|earlier|away|time|after|pregnant|notice|younger|a|longer|more"
    r"|extra|too|than|early|late)\b)",
    re.IGNORECASE,
)
_FAR = 1.0  # what a question names is told in the turns before
_AS_NEAR = 1.0  # in the clause or beside it
_IS_LENGTH = re.compile(r"\b(?:for|stayed|lasted|took|spent|all of)$", re.IGNORECASE)
# "Eleven days, and he complained": an answer, or what is added to the sentence before.
_ALONE = re.compile(r"\W*(?:(?:after|for|about|almost|nearly|just|only|all of) )*", re.IGNORECASE)
_ENDS_ALONE = re.compile(r"\W*$|[.!,]| of \w+ing\b| of (?:my|our|his|her)\b", re.IGNORECASE)
_AFTER_LENGTH = ("since", "altogether", "in total", "in all", "long", "straight", "with")
_PERFECT = re.compile(
    r"\b(?:has|have|'ve|'s) (?:\w+ )?(?:been|had|worked|lived|known|worn)\b", re.IGNORECASE
)
_SPAN = re.compile(r"\b(?:from|between)\b.*\b(?:to|until|till|and)\b", re.IGNORECASE)
_ENDS_IN_SPAN = re.compile(r"\b(?:until|till|to)(?: the| about| around)? *$", re.IGNORECASE)
_THIS_MONTH = re.compile(r"\bthis month\b", re.IGNORECASE)
_YEAR_SINCE = re.compile(r"\bsince (?:the )?(?P<year>(?:19|20)\d\d)\b", re.IGNORECASE)
_MONTH = re.compile(
    rf"\b(?:in|of) (?P<month>{'|'.join(MONTHS)})(?: (?P<year>(?:19|20)\d\d))?", re.IGNORECASE
)


@dataclass(frozen=True)
class _End:
    """A day on which something began or ended, and the clause that tells it."""

    is_begin: bool
    day: str  # ISO, as exact as told
    passage: ToldClause
    score: float
    is_ahead: bool


@dataclass(frozen=True)
class _Length:
    """A length, and the clauses that tell it, those of them that tell it `outright`."""

    text: str
    passages: tuple[ToldClause, ...]
    outright: tuple[ToldClause, ...] = ()


def answer_span(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer how long something lasted, or how far apart two things were; None where it is unclear.

    Arguments:
        question: in the third person ("How long did Anna wear the cast?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    text = _BRACKETS.sub("", question.replace("\u2019", "'")).strip(" ?")
    asks = _ASKS_LENGTH.match(text)
    if not asks:
        return None
    state = re.sub(r"\b(?:we|us|our)\b", lambda match: asker or match[0], text[asks.end() :])
    reader = _Reader(read, corrected, speakers_of(read), today)
    length = reader.between(state) if _is_between(state) else reader.of_state(state.strip())
    if length is None:
        return None
    turns = tuple(dict.fromkeys(passage.turn for passage in length.passages))
    ids = tuple(turn.id for turn in turns)
    # A plan that tells another length would say the opposite.
    quoted = "; ".join(
        dict.fromkeys(
            quoted_of(passage.turn, passage.sentence)
            for passage in length.passages
            if passage in length.outright or not _TOLD_LENGTH.search(passage.sentence)
        )
    )
    sql = select_by_id(ids)
    answer = f"{length.text} ({quoted})" if quoted else length.text
    return FactAnswer(answer, ids, (sql,), (read(sql),), (), ())


def _is_between(state: str) -> bool:
    return any(pattern.search(state) for pattern in _BETWEEN)


@dataclass(frozen=True)
class _Reader:
    """Reads lengths from the turns of a memory for a question."""

    read: Callable[[str], Rows]
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]]
    speakers: frozenset[str]
    today: str

    def between(self, state: str) -> _Length | None:
        """The time between two things that a question names."""
        match = next(span for pattern in _BETWEEN if (span := pattern.search(state)))
        if "b" not in match.groupdict():
            return self._between_two(match["a"])
        first_deed = asked_deed(match["a"], self.speakers)
        if first_deed is None:
            # "without a job between the plant and the council"
            return None
        head = state[: match.start()]
        doer = first_deed.doer
        if not doer and (of_head := asked_deed(head, self.speakers)):
            doer = of_head.doer
        is_state = bool(_WITHOUT.search(head))
        begin = self._ends_of(match["a"], _LAST_DAY, doer, is_state=is_state)
        end = self._ends_of(match["b"], _FIRST_DAY, doer, is_state=is_state)
        if not begin or not end:
            return None
        pairs = [(a, b) for a in begin for b in end if a.day < b.day and a.passage != b.passage]
        return _of_pairs(pairs)

    def _between_two(self, phrase: str) -> _Length | None:
        deed = asked_deed(re.sub(r"\btwo\b", "", phrase), self.speakers)
        if deed is None:
            return None
        days = [day for day in self._days(deed) if day.is_exact and not day.is_ahead]
        by_day = {day.day: day for day in days}
        if len(by_day) != 2:
            return None
        first, last = (by_day[day] for day in sorted(by_day))
        text = _told(first.day.isoformat(), last.day.isoformat())
        clauses = tuple(
            ToldClause(day.turn, (day.sentence,), 0, day.clause, 0, ()) for day in (first, last)
        )
        return _Length(text, clauses) if text else None

    def of_state(self, state: str) -> _Length | None:
        """How long a state lasted."""
        match = _AUXILIARY.match(state)
        if not match:
            return None
        lasts = match["auxiliary"].lower() in _LASTS
        month = _MONTH.search(state)
        deed = self._state(f"{match['auxiliary']} {match['rest']}")
        if deed is None:
            return None
        turns = self._turns(deed)
        deed = with_aliases(deed, turns)
        if outright := self._outright(deed, turns, lasts):
            return outright
        ends = list(self._ends(deed, turns))
        if spans := [pair for pair in _spans(ends) if _is_of_month(pair, month)]:
            return _of_pairs([pair for pair in spans if not _is_doubtful(pair, deed, turns)])
        begins = _likely([end for end in ends if end.is_begin])
        if lasts:
            if len({end.day for end in begins}) != 1:
                return None
            begin = begins[-1]
            if any(not end.is_begin and end.day > begin.day for end in ends):
                return None
            text = length_between(begin.day, self.today)
            return (
                _Length(f"{text}, since {spoken_iso(begin.day)}", (begin.passage,))
                if text
                else None
            )
        last = _likely([end for end in ends if not end.is_begin])
        pairs = [(a, b) for a in begins for b in last if a.day < b.day]
        pairs = [pair for pair in pairs if _is_of_month(pair, month)]
        return _of_pairs([pair for pair in pairs if not _is_doubtful(pair, deed, turns)])

    def _state(self, text: str) -> AskedDeed | None:
        deed = asked_deed(text, self.speakers)
        if deed is None:
            return None
        parts_named = [part for part in deed.parts if part.word not in _STATE_WORDS]
        return (
            replace(deed, verb="", particle="", parts=tuple(parts_named)) if parts_named else None
        )

    def _turns(self, deed: AskedDeed) -> list[Turn]:
        return turns_about(
            deed,
            read=self.read,
            corrected=self.corrected,
            further="since started last day left until back off moved",
        )

    def _days(self, deed: AskedDeed) -> list[ToldDay]:
        return told_days(deed, self._turns(deed))

    def _ends_of(
        self, phrase: str, side: re.Pattern[str], doer: frozenset[str], *, is_state: bool
    ) -> list[_End]:
        """The days of what a phrase names: an end of a state, or of a deed the day itself."""
        deed = asked_deed(phrase, self.speakers)
        if deed is None:
            return []
        if not deed.doer:
            deed = replace(deed, doer=doer)
        state = replace(
            deed,
            verb="",
            parts=tuple(
                part
                for part in deed.parts
                if part.word not in _STATE_WORDS and not side.fullmatch(part.word)
            ),
        )
        is_begin = side is _FIRST_DAY
        state = state if state.parts else replace(deed, verb="")
        if side.search(phrase) or (is_state and not deed.verb):
            turns = self._turns(state)
            ends = [
                end
                for end in self._ends(with_aliases(state, turns), turns)
                if end.is_begin is is_begin
            ]
            if ends or side.search(phrase):
                return _likely(ends)
        days = [
            day
            for day in self._days(deed)
            if day.is_exact and not day.is_ahead and day.day.isoformat() <= self.today
        ]
        return [
            _End(
                is_begin,
                day.day.isoformat(),
                ToldClause(day.turn, (day.sentence,), 0, day.clause, 0, ()),
                day.score,
                is_ahead=False,
            )
            for day in days
        ]

    def _outright(self, deed: AskedDeed, turns: Sequence[Turn], lasts: bool) -> _Length | None:
        """A length that a clause tells of what a question names; None for none or several."""
        lengths: dict[str, _Length] = {}
        for passage in clauses_told(turns):
            if passage.is_ahead and not lasts and not _ENDS.search(passage.clause):
                continue
            match = next(
                (
                    length
                    for length in _TOLD_LENGTH.finditer(passage.sentence, passage.start)
                    if (_is_length(length) or _stands_alone(passage, length))
                    and length.start() < passage.start + len(passage.clause)
                ),
                None,
            )
            if match is None or bool(_PERFECT.search(passage.clause)) is not lasts:
                continue
            if not self._is_told(deed, passage, passage.sentence[passage.start : match.start()]):
                continue
            lengths[match["length"].lower()] = _Length(
                f"{match['about'] or ''}{match['length']}", (passage,), (passage,)
            )
        return next(iter(lengths.values())) if len(lengths) == 1 else None

    def _is_told(self, deed: AskedDeed, passage: ToldClause, lead: str) -> bool:
        near = nearness(deed, passage)
        return near is not None and is_of_doer(deed, passage, lead, self.speakers)

    def _ends(self, deed: AskedDeed, turns: Sequence[Turn]) -> Iterator[_End]:
        """The days on which what a question names began or ended."""
        speakers = speakers_in(turns)
        for passage in clauses_told(turns):
            near = nearness(deed, passage)
            if near is None:
                continue
            days = [day.isoformat() for day in passage.days]
            if not days:
                days = _months(passage)
            span = len(days) == 2 and bool(_SPAN.search(passage.clause))
            end_cue, begin_cue = _ENDS.search(passage.clause), _BEGINS.search(passage.clause)
            if end_cue and _NOTICE.search(passage.clause):
                continue
            cue = (_SINCE.search(passage.clause) or end_cue or begin_cue) if not span else None
            if not days or not (span or cue):
                continue
            lead = passage.clause[: cue.start()] if cue else before_verb(passage.clause)
            if not is_of_doer(deed, passage, lead, speakers):
                continue
            if len(days) == 2 and (span or (begin_cue and end_cue)):
                first, last = sorted(days)
                yield _End(True, first, passage, near.score + 2, passage.is_ahead)
                yield _End(False, last, passage, near.score + 2, passage.is_ahead)
            elif len(days) == 1 and cue:
                is_begin = cue is not end_cue
                is_ahead = days[0] > passage.said_on.isoformat()
                score = near.score + bool(_EDGE.search(passage.clause)) * _EDGE_SCORE
                yield _End(is_begin, days[0], passage, score, is_ahead)


def _months(passage: ToldClause) -> list[str]:
    """The month or the year that a clause names."""
    if year := _YEAR_SINCE.search(passage.clause):
        return [year["year"]]
    if _THIS_MONTH.search(passage.clause):
        return [passage.said_on.isoformat()[:7]]
    days = named_days(passage.clause, passage.turn.said_at, ahead=passage.is_ahead)
    return [day for day in days if "/" not in day]


def _is_length(match: re.Match[str]) -> bool:
    """Whether a number of days is how long something lasted."""
    if match["number"].lower() in ("a", "an") and not match["before"].strip():
        return False
    after = match["after"].strip().lower()
    return bool(_IS_LENGTH.search(match["before"].strip())) or after in _AFTER_LENGTH


def _stands_alone(passage: ToldClause, match: re.Match[str]) -> bool:
    """Whether a sentence begins with a length, and tells nothing else of it."""
    is_first = bool(_ALONE.fullmatch(passage.sentence[: match.start("length")]))
    return is_first and bool(_ENDS_ALONE.match(passage.sentence, match.end()))


def _likely(ends: Sequence[_End]) -> list[_End]:
    """What was told as done rather than planned, and nearest to what the question names."""
    top = max((end.score for end in ends), default=0.0)
    likely = [end for end in ends if end.score >= top - _AS_NEAR]
    done = [end for end in likely if not end.is_ahead]
    if not done and likely:
        newest = max(end.passage.turn.id for end in likely)
        done = [end for end in likely if end.passage.turn.id == newest]
    top = max((end.score for end in done), default=0.0)
    return [end for end in done if end.score == top]


def _spans(ends: Sequence[_End]) -> list[tuple[_End, _End]]:
    """The beginnings and ends that one clause tells."""
    return [
        (first, second)
        for first, second in pairwise(ends)
        if first.passage is second.passage and first.is_begin and not second.is_begin
    ]


def _is_doubtful(pair: tuple[_End, _End], deed: AskedDeed, turns: Sequence[Turn]) -> bool:
    """Whether a day was only planned, and what was planned is far from it or was changed later."""
    planned = [end for end in pair if end.is_ahead]
    if not planned:
        return False
    if min(end.score for end in pair) <= _FAR:
        return True
    return is_in_doubt(deed, turns, max(end.passage.turn.id for end in planned))


def _is_of_month(pair: tuple[_End, _End], month: re.Match[str] | None) -> bool:
    """Whether a span touches the month that a question names."""
    if month is None:
        return True
    number = MONTHS.index(month["month"].lower()) + 1
    year = month["year"] or pair[0].day[:4]
    named = f"{year}-{number:02}"
    return pair[0].day[:7] <= named <= pair[1].day[:7]


def _of_pairs(pairs: Sequence[tuple[_End, _End]]) -> _Length | None:
    """The length between the days of the likeliest pair; None for none or several."""
    top = max((a.score + b.score for a, b in pairs), default=0.0)
    likely = [(a, b) for a, b in pairs if a.score + b.score == top]
    if len({(a.day, b.day) for a, b in likely}) != 1:
        return None
    begin, end = likely[-1]
    text = _told(begin.day, end.day)
    return _Length(text, (begin.passage, end.passage)) if text else None


def _told(begin: str, end: str) -> str:
    """`38 days, from 31 January 2025 to 10 March 2025`, in months with the number of days."""
    length = length_between(begin, end)
    if not length:
        return ""
    if len(begin) == len(end) == len("2025-01-01") and "month" in length:
        count = (date.fromisoformat(end) - date.fromisoformat(begin)).days
        if count < UNIT_DAYS["year"]:
            length = f"{length} ({count} days)"
    return f"{length}, from {spoken_iso(begin)} to {spoken_iso(end)}"
