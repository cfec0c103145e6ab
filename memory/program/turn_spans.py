"""How long something lasted, told outright or by the days of its beginning and its end.

Whatever lasts, people tell its ends in few words: they start, move in or get it put on, and they
leave, fly back or have it off. Which of these belong to what a question names is said in the same
sentence or right before. Two things that happened lie as far apart as their days.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.dates import COUNT, MONTHS, UNIT_DAYS, WEEKDAYS
from memory.program.fact_answers import FactAnswer, length_between
from memory.program.searched_turns import select_by_id
from memory.program.spoken_days import spoken_iso
from memory.program.told_days import (
    AskedDeed,
    Nearness,
    Part,
    ToldClause,
    ToldDay,
    asked_deed,
    before_verb,
    clauses_told,
    is_in_doubt,
    is_of_doer,
    nearness,
    places_named,
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

_NIGHTS = re.compile(r"\bnights\b", re.IGNORECASE)
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
_OF_ANOTHER = re.compile(r"\W*(?:has|is|was|did|does|had|will) s?he\b", re.IGNORECASE)
_BRACKETS = re.compile(r" ?\([^)]*\)")
# "... with Bea after the operation": whose stay it was and what for is seldom told with its days.
_WHEN = re.compile(
    r" (?:(?<!look )(?<!looked )(?<!looking )after|around|during|because of|when|while|before"
    r"|(?:at|over|for) (?=christmas|easter)"
    r"|(?<=hospital) for|on (?=his\b|her\b|their\b)) ?(?P<aside>.+)$",
    re.IGNORECASE,
)
_WITH = re.compile(
    r" (?:with|at (?=his\b|her\b|their\b|\w+'s\b)) ?(?P<aside>.+)$",
    re.IGNORECASE,
)
_STAYS = re.compile(r"\b(?:stay(?:ed|ing)?|visit\w*|liv(?:e|ed|ing)|spen[dt])\b", re.IGNORECASE)
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
        " being away on off around total altogether run ran hold held volunteer volunteered"
    )
)
_BEGINS = re.compile(
    r"\b(?:start(?:s|ed|ing)?|beg[aiu]n\w*|join(?:s|ed)?|since|mov(?:e|es|ed|ing) (?:in|into|to"
    r"|here|there|over)"
    r"|arriv(?:e|es|ed|ing)|land(?:s|ed)?|c[ao]m(?:e|es|ing) (?!back|off|home|out)"
    r"|got (?:here|there|it|the|my|a|together|engaged|married)|put (?:(?:\w+ ){0,4}in a"
    r"|(?:\w+ ){0,3}on)\b|broke (?!up)|broken (?!up)"
    r"|go(?:es|ing)? to|went to|went into|(?:fl(?:y|ew|ies|own|ying)|drove|driv(?:e|ing)"
    r"|travell?(?:ed|ing)) (?:to|on|in|up|down|over|out)|met|took over|took on"
    r"|opened"
    r"|first (?:day|shift|time)|day one|brought (?:\w+ )?home|from|signed|hired|became|bought"
    r"|adopted|borrowed|checked in"
    r"|slipped|fell|hurt|set off|left for)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:(?:last|final) (?:day|shift)|(?:my|his|her|our|their) last (?:night|week)"
    r"|shut(?:s|ting)?|stopping|packed (?:\w+ )?in|finish\w*|quit|resigned|retired|left(?! for)"
    r"|leav(?:e|es|ing)(?! for)|(?:came|come|comes|taken|took|is|was|are) (?:\w+ )?off"
    r"|(?:came|come|comes|coming|fl(?:y|ew|ies|own)|flying|went|go|goes|going|got|drove|drive"
    r"|travell?ed) (?:\w+ )?(?:back|home)|return(?:s|ed|ing)?|until|till|separated|split|broke up"
    r"|divorced|ended|is over|was over|stopped|(?:am|is|are|was|were|'m|'s|'re|been) back"
    r"|mov(?:e|es|ed|ing) (?:out|away)"
    r"|gave (?:it |them |her |him |(?:the|my|our) \w+ )?(?:up|back|to|away)"
    r"|(?:am|is|'m|'s|was) done|discharged|let (?:me|her|him|them) (?:out|go|home)|sold|died|closed"
    r"|handed (?!in)(?:over|back|the|my|on)|(?:out of|off) (?:the|my|his|her|hospital)"
    r"|checked out|lost|(?:back|home) on|til)\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"\b(?:without|off|out of|unemployed|free)\b", re.IGNORECASE)
# They tell an end of a state, and of nothing else.
_EDGE = re.compile(r"\b(?:last|first|final) (?:day|shift)\b|\bday one\b", re.IGNORECASE)
_OVER_SINCE = re.compile(r"\b(?:back|home|over|finished|gone)\b.*\bsince\b", re.IGNORECASE)
_EDGE_SCORE = 1.5
_LEFT_THING = re.compile(
    r"\b(?:left|leav(?:e|es|ing)|quit|finish\w*"
    r"|(?:last (?:day|shift)(?: ever)?|stopped) (?:\w+ing )?(?:at|with|in|as)) (?:(?:the|my|his"
    r"|her|our|their) )(?P<thing>[\w-]+)",
    re.IGNORECASE,
)
_COMES_OR_GOES = re.compile(
    r"\b(?:c[ao]m(?:e|es|ing)|arriv\w*|land(?:s|ed)?|mov\w+|fl(?:y|ew|ies|own|ying)|driv\w+|drove"
    r"|went|gone|go|goes|going|travell?\w*|stay\w*|left|leav\w+|return\w*|home|back|got here)\b",
    re.IGNORECASE,
)
_LIVES = re.compile(r"\bliv(?:e|ed|ing)\b", re.IGNORECASE)
_MOVES = re.compile(
    r"\bmov(?:e|ed|es|ing)\b(?! (?:it|them|me|him|her|on(?! the\b| \d))\b)", re.IGNORECASE
)
_WORKS = re.compile(
    r"\b(?:work(?:ed|ing)?|job|teach(?:ing)?|taught|volunteer|firm|company|employed)\b",
    re.IGNORECASE,
)
_ENDS_WORK = re.compile(
    r"\b(?:last|final) (?:day|shift)\b|\bfinish\w*|\b(?:am|'m|was) done\b|\bretire\w*|\bresign\w*"
    r"|\bquit|\bleaving\b|\bnew job\b|\bfirst (?:day|shift)\b|\bday one\b",
    re.IGNORECASE,
)
_NOTICE = re.compile(r"\bnotice\b", re.IGNORECASE)
_SINCE = re.compile(
    rf"\bsince (?:(?:the|last|early|late|about|beginning of|end of) )*"
    rf"(?:\d|yesterday|{'|'.join((*MONTHS, *WEEKDAYS))})",
    re.IGNORECASE,
)
_FIRST_DAY = re.compile(r"\b(?:first (?:day|shift)|start\w*|begin\w*)\b", re.IGNORECASE)
_LAST_DAY = re.compile(
    r"\b(?:(?:last|final) (?:day|shift)|end\w*|leaving|quit\w*|finish\w*)\b", re.IGNORECASE
)
_TENS = r"(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twenty|thirty|forty|fifty)(?:-[a-z]+)?"
_NUMBER = (
    rf"(?:\d{{1,3}}|{'|'.join(word for word in COUNT if word != 'zero')}|{_TENS})(?: and a half)?"
)
_TOLD_LENGTH = re.compile(
    rf"(?P<before>\b(?:for|stayed|lasted|took|spent|was|were|it's|it is|is|after(?: my"
    r"| his| her| our| their)?)? ?)"
    r"(?P<about>(?:about|almost|nearly|over|exactly|just|only|all of|roughly) )?"
    rf"(?P<length>(?P<number>{_NUMBER}) (?:whole |full |long )?(?P<unit>{_UNIT})(?: and a half)?)\b"
    r"(?P<after>(?: (?:since|now|altogether|in total|in all|long|straight|with|in|at|on)\b)?)"
    r"(?! (?:ago|old|later|before|earlier|away|time|after|pregnant|notice|younger|a|longer|more"
    r"|extra|too|than|early|late)\b)",
    re.IGNORECASE,
)
_FAR = 1.0  # what a question names is told in the turns before
_LAST_DAYS = 25  # of a month, from which on it is counted whole
_AS_NEAR = 1.0  # in the clause or beside it
_IS_LENGTH = re.compile(r"\b(?:for|stayed|lasted|took|spent|all of)$", re.IGNORECASE)
# "Eleven days, and he complained": an answer, or what is added to the sentence before.
_ALONE = re.compile(r"\W*(?:(?:after|for|about|almost|nearly|just|only|all of) )*", re.IGNORECASE)
_ENDS_ALONE = re.compile(r"\W*$|[.!,]| of \w+ing\b| of (?:my|our|his|her)\b", re.IGNORECASE)
_AFTER_LENGTH = ("since", "altogether", "in total", "in all", "long", "straight", "with")
_PERFECT = re.compile(
    r"\b(?:has|have|'ve|'s) (?:\w+ )?(?:been|had|worked|lived|known|worn)\b", re.IGNORECASE
)
_SPAN = re.compile(
    r"\b(?:from|between)\b.*\b(?:to|until|till|and)\b|\d.*\b(?:until|till)\b", re.IGNORECASE
)
_ENDS_IN_SPAN = re.compile(r"\b(?:until|till|to)(?: the| about| around)? *$", re.IGNORECASE)
_IN_MONTH = re.compile(
    rf"\w+ (?:at|in|by) (?:the )?(?:(?:end|start|beginning|middle) of )?(?:{'|'.join(MONTHS)})\b",
    re.IGNORECASE,
)
_NEW_YEAR = re.compile(r"\bsince (?:the )?new year\b", re.IGNORECASE)
_MONTH_OF_YEAR = re.compile(
    rf"\b(?P<month>{'|'.join(MONTHS)}) of (?P<year>(?:19|20)\d\d)\b", re.IGNORECASE
)
_THIS_MONTH = re.compile(r"\bthis month\b", re.IGNORECASE)
_YEAR_SINCE = re.compile(r"\bsince (?:the )?(?P<year>(?:19|20)\d\d)\b", re.IGNORECASE)
_MONTH = re.compile(
    rf"\b(?:in|of) (?P<month>{'|'.join(MONTHS)})(?: (?P<year>(?:19|20)\d\d))?", re.IGNORECASE
)


_NOT_NAMED = Nearness(score=1.1, here=0, far=0, absent=1, in_clause=0)


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
    if _OF_ANOTHER.match(state) and any(turn.speaker == asker for turn in turns):
        return None  # who asks after "her" does not mean themselves
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
    text = re.sub(r"\bday(?=s?,)", "night", length.text) if _NIGHTS.search(asks[0]) else length.text
    answer = f"{text} ({quoted})" if quoted else text
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
        core, aside = _without_aside(state)
        is_of_work = bool(_WORKS.search(state))
        deed = self._state(core, has_aside=bool(aside))
        if deed is None:
            return None
        turns = self._turns(deed, aside)
        deed = with_aliases(deed, turns)
        outright = self._outright(deed, turns, lasts) if deed.parts else None
        if outright:
            return outright
        ends = list(self._ends(deed, turns, self._aside(aside, deed), is_of_work))
        if not lasts and month:
            ends = [end for end in ends if _may_touch(end, month)]
        begins = _likely([end for end in ends if end.is_begin])
        if begins and _LIVES.search(core):
            ends += self._moves(deed, begins[-1].day)
        if lasts:
            if len({end.day for end in begins}) != 1:
                return None
            begin = begins[-1]
            if any(not end.is_begin and end.day > begin.day for end in ends):
                return None
            if self._is_over(deed, turns, begin.passage.turn):
                return None
            text = length_between(begin.day, self.today)
            return (
                _Length(f"{text}, since {spoken_iso(begin.day)}", (begin.passage,))
                if text
                else None
            )
        first = min((begin.day for begin in begins), default="")
        last = _likely([end for end in ends if not end.is_begin and end.day > first])
        pairs = [(a, b) for a in begins for b in last if a.day < b.day]
        pairs = [pair for pair in pairs if _is_of_month(pair, month)]
        return _of_pairs([pair for pair in pairs if not _is_doubtful(pair, deed, turns)])

    def _is_over(self, deed: AskedDeed, turns: Sequence[Turn], since: Turn) -> bool:
        """Whether a later clause tells the end of what a question names, on whichever day."""
        return any(
            (end := _ENDS.search(passage.clause))
            and (near := nearness(deed, passage))
            and near.in_clause
            and not passage.is_ahead
            and is_of_doer(deed, passage, passage.clause[: end.start()], self.speakers)
            for passage in clauses_told([turn for turn in turns if turn.id > since.id])
        )

    def _moves(self, deed: AskedDeed, begin: str) -> list[_End]:
        """The first move of somebody after they had moved in: it ends how they lived until then."""
        nowhere = replace(deed, parts=())
        turns = self._turns(nowhere, "move moving")
        moves = [
            _End(False, day.isoformat(), passage, _AS_NEAR, day > passage.said_on)
            for passage in clauses_told(turns)
            if (move := _MOVES.search(passage.clause))
            and is_of_doer(nowhere, passage, passage.clause[: move.start()], self.speakers)
            and not any(part.stands_in(words(passage.clause)) for part in deed.parts)
            for day in passage.days[-1:]
            if day.isoformat() > begin
        ]
        done = [move for move in moves if not move.is_ahead] or moves
        return sorted(done, key=lambda move: move.day)[:1]

    def _state(self, text: str, *, has_aside: bool) -> AskedDeed | None:
        deed = asked_deed(text, self.speakers)
        if deed is None:
            return None
        parts = tuple(part for part in deed.parts if part.word not in _STATE_WORDS)
        is_named = parts or (deed.doer and has_aside)
        return replace(deed, verb="", particle="", parts=parts) if is_named else None

    def _aside(self, text: str, deed: AskedDeed) -> tuple[Part, ...]:
        """The things that a question names besides the state."""
        beside = asked_deed(f"the {text}", ()) if text else None
        named = beside.parts if beside else ()
        return tuple(part for part in named if part.word not in (*_STATE_WORDS, *deed.doer))

    def _turns(self, deed: AskedDeed, aside: str = "") -> list[Turn]:
        return turns_about(
            deed,
            read=self.read,
            corrected=self.corrected,
            further=f"since started last day left until back off moved {aside}",
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
                for end in self._ends(with_aliases(state, turns), turns, is_of_work=is_state)
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
            match = next(
                (
                    length
                    for length in _TOLD_LENGTH.finditer(passage.sentence, passage.start)
                    if (_is_length(length, passage.clause) or _stands_alone(passage, length))
                    and length.start() < passage.start + len(passage.clause)
                ),
                None,
            )
            is_plan = passage.is_ahead and not lasts and not _ENDS.search(passage.clause)
            if match is None or (is_plan and not _stands_alone(passage, match)):
                continue
            if bool(_PERFECT.search(passage.clause)) is not lasts:
                continue
            lead = passage.sentence[passage.start : match.start()]
            near = nearness(deed, passage)
            if near is None or not is_of_doer(deed, passage, lead, self.speakers):
                continue
            if _is_of_another_thing(deed, passage, near):
                continue
            lengths[match["length"].lower()] = _Length(
                f"{match['about'] or ''}{match['length']}", (passage,), (passage,)
            )
        return next(iter(lengths.values())) if len(lengths) == 1 else None

    def _ends(
        self,
        deed: AskedDeed,
        turns: Sequence[Turn],
        aside: Sequence[Part] = (),
        is_of_work: bool = False,
    ) -> Iterator[_End]:
        """The days on which what a question names began or ended.

        What it names `aside` stands about most of them, and the more of it, the likelier.
        """
        speakers = speakers_in(turns)
        is_presence = not deed.parts
        for passage in clauses_told(turns):
            near = nearness(deed, passage)
            if near is None and is_of_work and deed.doer and _ENDS_WORK.search(passage.clause):
                near = _NOT_NAMED  # "the 8th was my last day": of which work, nobody has to say
            if near is None or _is_of_another_thing(deed, passage, near):
                continue
            beside = _share_told(aside, passage)
            if aside and not (beside or near.score):
                continue
            days = [day.isoformat() for day in passage.days]
            if not days:
                days = _months(passage)
            span = len(days) == 2 and bool(_SPAN.search(passage.clause))
            end_cue, begin_cue = _ENDS.search(passage.clause), _BEGINS.search(passage.clause)
            if end_cue and (_NOTICE.search(passage.clause) or _is_of_other(deed, passage, near)):
                continue
            since = _SINCE.search(passage.clause)
            if since and end_cue and _OVER_SINCE.search(passage.clause):
                since = None  # "I am back since Friday"
            cue = (since or end_cue or begin_cue) if not span else None
            if not days or not (span or cue):
                continue
            if is_presence and not (span or _COMES_OR_GOES.search(passage.clause)):
                continue
            lead = passage.clause[: cue.start()] if cue else before_verb(passage.clause)
            if not is_of_doer(deed, passage, lead, speakers):
                continue
            if len(days) == 2 and cue and not (begin_cue and end_cue):
                # "On Friday they told us that it shuts on the 3rd."
                days = [day.isoformat() for day in passage.from_place(cue.start()).days]
            elif cue and _IN_MONTH.match(passage.clause, cue.start()):
                # "On the 9th I told them that I'm leaving at the end of May."
                days = _months(passage.from_place(cue.start())) or days
            if len(days) == 2 and (span or (begin_cue and end_cue)):
                first, last = sorted(days)
                is_ahead = last > passage.said_on.isoformat()
                score = near.score + beside + (0 if is_ahead else 2)
                yield _End(True, first, passage, score, is_ahead)
                yield _End(False, last, passage, score, is_ahead)
            elif len(days) == 1 and cue:
                is_begin = cue is not end_cue
                is_ahead = days[0] > passage.said_on.isoformat()
                # "I've taught science since 2018" does not begin what else the question names.
                is_of_all = near.here == near.in_clause and not (near.absent and near.in_clause)
                is_since = bool(since) and is_of_all
                is_edge = is_since or bool(_EDGE.search(passage.clause))
                score = near.score + beside + is_edge * _EDGE_SCORE
                yield _End(is_begin, days[0], passage, score, is_ahead)


def _months(passage: ToldClause) -> list[str]:
    """The month or the year that a clause names."""
    if year := _YEAR_SINCE.search(passage.clause):
        return [year["year"]]
    if _THIS_MONTH.search(passage.clause):
        return [passage.said_on.isoformat()[:7]]
    if _NEW_YEAR.search(passage.clause):
        return [f"{passage.said_on.year}-01"]
    clause = _MONTH_OF_YEAR.sub(r"\g<month> \g<year>", passage.clause)
    days = named_days(clause, passage.turn.said_at, ahead=passage.is_ahead)
    return [day for day in days if "/" not in day]


def _is_length(match: re.Match[str], clause: str) -> bool:
    """Whether a number of days is how long something lasted."""
    if match["number"].lower() in ("a", "an") and not match["before"].strip():
        return False
    if match["before"].strip().lower() == "after" and _ENDS.search(clause):
        return True  # "my last day, after nine years"
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


def _is_of_other(deed: AskedDeed, passage: ToldClause, near: Nearness) -> bool:
    """Whether a clause tells that something else was left: "I left the hotel on the 9th"."""
    left = _LEFT_THING.search(passage.clause)
    if not left or near.in_clause or all(part.is_alive for part in deed.parts):
        return False
    return not any(part.stands_in(words(left["thing"])) for part in deed.parts)


def _is_of_another_thing(deed: AskedDeed, passage: ToldClause, near: Nearness) -> bool:
    """Whether a clause names where else it was, and what is asked for stands in turns before.

    "I was in hospital for six weeks" tells nothing of the mill that somebody spoke of before.
    """
    is_before = near.far and near.far == len(deed.parts) - near.absent
    return bool(is_before) and bool(places_named(passage.clause))


def _without_aside(state: str) -> tuple[str, str]:
    """The part of a question that names a state, and what else it says: where, when, with whom."""
    patterns = (_WITH, _WHEN) if _STAYS.search(state) else (_WHEN,)
    hits = [aside for pattern in patterns if (aside := pattern.search(state))]
    if not hits:
        return state, ""
    first = min(hits, key=lambda aside: aside.start())
    return state[: first.start()], first["aside"]


def _share_told(aside: Sequence[Part], passage: ToldClause) -> float:
    """How much of what a question names aside is told about a clause: 1 for all of it."""
    account = {*words(passage.sentence), *passage.words_near, *passage.words_before}
    return sum(part.stands_in(account) for part in aside) / max(len(aside), 1)


def _is_doubtful(pair: tuple[_End, _End], deed: AskedDeed, turns: Sequence[Turn]) -> bool:
    """Whether a day was only planned, and what was planned is far from it or was changed later."""
    begin, end = pair
    if begin.is_ahead:
        by_then = [turn for turn in turns if turn.said_at[:10] <= begin.day]
        if is_in_doubt(deed, by_then, begin.passage.turn.id):
            return True
    if not end.is_ahead:
        return False
    is_far = end.score <= _FAR and end.passage.turn != begin.passage.turn
    return is_far or is_in_doubt(deed, turns, end.passage.turn.id)


def _may_touch(end: _End, month: re.Match[str]) -> bool:
    """Whether a beginning or an end may be that of a span which touches a month."""
    year = month["year"] or end.day[:4]
    named = f"{year}-{MONTHS.index(month['month'].lower()) + 1:02}"
    return end.day[:7] <= named if end.is_begin else named <= end.day[:7]


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
    length = length_between(begin, _next_month(end) if len(begin) == len("2025-01") else end)
    if not length:
        return ""
    if len(begin) == len(end) == len("2025-01-01") and "month" in length:
        count = (date.fromisoformat(end) - date.fromisoformat(begin)).days
        if count < UNIT_DAYS["year"]:
            length = f"{length} ({count} days)"
    return f"{length}, from {spoken_iso(begin)} to {spoken_iso(end)}"


def _next_month(day: str) -> str:
    """The month after a day at the end of a month, which then is over; else the day itself."""
    year, month, *of_month = (int(number) for number in day.split("-"))
    if not of_month or of_month[0] < _LAST_DAYS:
        return day
    return f"{year + month // 12}-{month % 12 + 1:02}"
