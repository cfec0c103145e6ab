"""How long a state lasted or lasts, counted from the day it began to the day it ended or to today.

Nobody says "nine months": they say "I start on 1 May", and in winter "last shift was 31 January".
A sentence with a word for the beginning or the end of such a state, of the one who is asked about,
and a day told in it or right behind it gives each of the two days. Both are told and cited.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from memory.dates import COUNT, MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_answers import FactAnswer, length_between
from memory.program.fact_questions import read_fact_question
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, select_with, turns_of
from memory.program.spoken_days import days_in, spoken_iso
from memory.program.told_of import (
    Person,
    SaidSentence,
    forms_of_thing,
    is_told_of,
    quoted_of,
    words_of_person,
)
from memory.records import Rows, Turn
from memory.search.words import words
from memory.statements.days import named_days

Side = Literal["begin", "end"]
_SIDES: tuple[Side, ...] = ("end", "begin")  # "we moved out" is no "moved"

_MOST_TURNS = 80
_NEAR = 2  # turns on either side, in which a state is named


@dataclass(frozen=True)
class _State:
    """A kind of state: how a question names it, and how people tell that it begins and ends.

    `plain` are words of a question that say no more than the kind. `needs_thing`: it is no state
    without what it names, as in "without coffee".
    """

    asks: re.Pattern[str]
    begins: re.Pattern[str]
    ends: re.Pattern[str]
    searched: str
    plain: frozenset[str]
    needs_thing: bool = False

    def cues(self, side: Side) -> re.Pattern[str]:
        """The words that tell of one of its two sides."""
        return self.begins if side == "begin" else self.ends


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_BE = r"(?:am|is|are|was|were|been|'m|'s|'re)"
_STATES = (
    _State(
        asks=_pattern(
            r"\b(?:without|off|not|no)\b|\b(?:give|given|gave) up\b|\bgone? without\b|n't\b"
        ),
        begins=_pattern(
            r"\b(?:no|off|without|quit|stop(?:ped)?|g[ai]ve(?:n)? up|giving up|packed|clean|last)\b"
            r"|n't (?:eat|drink|smok|touch)\w*|\bnot (?:eat|drink|smok|touch)\w*"
        ),
        ends=_pattern(
            r"\b(?:back on|again|cracked|gave in|caved|relapsed|slipped|one (?:at|after|with))\b"
        ),
        searched="quit stopped off without no since again back",
        plain=frozenset(
            words(
                "without off give gave given up go went gone keep kept stay stayed hold"
                " held out manage managed not touch touched eat eating eaten ate have"
                " had has time"
            )
        ),
        needs_thing=True,
    ),
    _State(
        asks=_pattern(
            r"(?<!live )(?<!lived )(?<!living )\b(?:together|a couple|seeing each other"
            r"|dat(?:e|ed|ing)|go(?:ing)? out|gone out|an item)\b"
        ),
        begins=_pattern(
            r"\b(?:got together|met|seeing|dating|going out|asked (?:me|her|him|them) out|a couple"
            r"|since)\b"
        ),
        ends=_pattern(
            r"\b(?:split|broke up|broken up|divorced)\b"
            rf"|{_BE} (?:done|over|finished)\b"
        ),
        searched="together met seeing dating since split broke done over moved",
        plain=frozenset(
            words(
                "live lived living together couple see seeing each other date dated"
                " dating go going gone out item"
            )
        ),
    ),
    _State(
        asks=_pattern(r"\b(?:work(?:ed|ing)?|employed)\b"),
        begins=_pattern(r"\b(?:start(?:s|ed|ing)?|began|joined|hired|first (?:day|shift)|since)\b"),
        ends=_pattern(
            r"\blast (?:day|shift)\b|\b(?:my|his|her) last night\b"
            r"|\b(?:left|quit|resigned|retired|laid off"
            r"|redundant|sacked|fired|finish(?:ed)? (?:at|there|work))\b"
        ),
        searched="work job started start since last day shift left quit finished",
        plain=frozenset(words("work worked working employed")),
    ),
    _State(
        asks=_pattern(r"\b(?:liv(?:e|ed|ing)|sta(?:y|yed|ying)|visit(?:ing)?)\b"),
        begins=_pattern(
            r"\b(?:moved?|moves|moving|settled) (?:in|into|to|here|over)\b|\bmoved\b(?! out| away)"
            r"|\b(?:came|comes|coming|arriv(?:e|es|ed|ing)|got here|landed|lands)\b"
            r"|\b(?:since|signed|keys)\b"
            rf"|{_BE} (?:here|in)\b|\bfrom (?:the )?\d"
        ),
        ends=_pattern(
            r"\b(?:mov(?:e|es|ed|ing) (?:out|away)|(?:left|leaves|leaving)"
            r"(?! (?:the|my|our|his|her) (?!flat|house|home|room|apartment|place|city|town|village"
            r"|country|island))|airport|discharged)\b"
            r"|\b(?:went|gone|goes|go|going|flew|flies|flown|drove|driven) (?:back )?home\b"
            r"|\b(?:went|gone|goes|going|flew|flies|flown) back\b|\bwe moved\b"
        ),
        searched="moved live lives here came arrived since left home back out",
        plain=frozenset(
            words(
                "live lived living stay stayed staying visit visiting together flat"
                " house home room place apartment"
            )
        ),
    ),
)
_ASKS_LENGTH = re.compile(
    r"^\W*(?:(?:for )?(?:how long|how many (?:days|weeks|months|years)"
    r"(?! (?:a|per|each|every) ))|since when)\b",
    re.IGNORECASE,
)
_LASTS = re.compile(r"\b(?:has|have|is|are|am)\b", re.IGNORECASE)
_BY = re.compile(r"\b(?:by|on|until|as of|at)\W+(?:the )?(?:end of )?[\dA-Z]", re.IGNORECASE)
_SINCE = re.compile(
    r"\W*since (?:(?:the|last|early|late|about) )?"
    rf"(?:\d|{'|'.join((*MONTHS, *WEEKDAYS))}|\w+ of\b)",
    re.IGNORECASE,
)
_SPAN = re.compile(rf"\b(?:\d+|half|{'|'.join(COUNT)})\b", re.IGNORECASE)
# What is planned is told in the present: "last day is the 29th", "I start on Monday".
_AHEAD = re.compile(
    r"\blast (?:day|shift|night)(?:'s| is)\b|\b(?:starts?|arrives?|comes?|moves?|leaves?|goes|will"
    r"|going to|from the|from)\b|'ll\b",
    re.IGNORECASE,
)
# "My last day at Fenner's", "we moved to Leith": the place that a beginning or an end names.
_NAMED_PLACE = re.compile(r"\b(?:at|to|in|into) (?:the )?(?P<place>[A-Z][\w'-]+)")
_RELATIVE = re.compile(r"\b(?:a|one) week (?:yesterday|ago)|\b(?:yesterday|today|tonight)\b", re.I)
_TODAY = re.compile(r"\b(?:today|tonight|just now|this (?:morning|afternoon|evening))\b", re.I)
_UNREAL = re.compile(
    r"\b(?:might|(?-i:may)|maybe|if|would|could|should|wish|hope|hoping|want|wants|wanted|thinking"
    r"|nearly|almost|suppose\w*|never)\b|\?",
    re.IGNORECASE,
)
_DAY_NAMES = frozenset(name[:3].lower() for name in (*MONTHS, *WEEKDAYS))


@dataclass(frozen=True)
class _LengthQuestion:
    """A question for how long: of whom, of what kind of state, and what else it names."""

    state: _State
    person: Person
    further: tuple[frozenset[str], ...]
    until: str  # ISO, "" for as long as it was
    lasts: bool


@dataclass(frozen=True)
class _Boundary:
    """A day on which the state began or ended, and the sentence which says so."""

    side: Side
    day: str
    turn: Turn
    sentence: str
    met: int  # how many further words of the question stand in the sentence (2) or near it (1)


def answer_how_long(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer how long somebody lived, worked, stayed or did without from two told days.

    None where the turns tell not both days, or several.

    Arguments:
        question: in the third person ("How long did Anna live in Porto?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    about = _length_question(question, today, asker)
    if about is None:
        return None
    named = " ".join(
        (*sorted(about.person.name), *sorted({w for forms in about.further for w in forms}))
    )
    sql = select_with(f"{named} {about.state.searched}"[:300], _MOST_TURNS)
    turns = {turn.id: turn for turn in corrected(turns_of(read(sql)))}
    around = {number + n for number in turns for n in range(-_NEAR, _NEAR + 1)} - turns.keys()
    around = {number for number in around if number > 0}
    if around:
        turns |= {turn.id: turn for turn in corrected(turns_of(read(select_by_id(around))))}
    in_order = [turn for _, turn in sorted(turns.items()) if is_evidence(turn.text)]
    chosen = _chosen(about, _boundaries(about, in_order), about.until or today)
    if chosen is None:
        return None
    begin, end = chosen
    last = end.day if end else about.until or today
    length = length_between(begin.day, last)
    if not length:
        return None
    span = (
        f"from {spoken_iso(begin.day)} to {spoken_iso(end.day)}"
        if end
        else f"since {spoken_iso(begin.day)}"
    )
    sides = [begin, *([end] if end else [])]
    quoted = "; ".join(quoted_of(side.turn, side.sentence) for side in sides)
    text = f"{length}, {span} ({quoted})"
    turn_ids = tuple(dict.fromkeys(side.turn.id for side in sides))
    rows_sql = select_by_id(turn_ids)
    return FactAnswer(text, turn_ids, (rows_sql,), (read(rows_sql),), (), ())


def _length_question(question: str, today: str, asker: str) -> _LengthQuestion | None:
    if not _ASKS_LENGTH.match(question):
        return None
    read = read_fact_question(question, today, asker)
    if read is None or not read.names or read.is_previous or read.before:
        return None
    state = next((state for state in _STATES if state.asks.search(question)), None)
    if state is None:
        return None
    partners = {word for forms in read.names[1:] for word in words(forms[-1])}
    telling = [word for word in (*read.telling, *sorted(partners)) if word not in state.plain]
    further = tuple(forms_of_thing(word) for word in telling if word not in words_of_person(read))
    person = Person(
        frozenset(words(read.names[0][-1])),
        read.names[0][0].partition("'s ")[2],
        frozenset(word for forms in further for word in forms),
    )
    if state.needs_thing and not further:
        return None
    until = read.span[1] if read.span and _BY.search(question) else ""
    if read.span and not until:
        return None
    return _LengthQuestion(
        state,
        person,
        further,
        min(until, today) if until else "",
        bool(until) or bool(_LASTS.search(question)),
    )


def _boundaries(about: _LengthQuestion, turns: Sequence[Turn]) -> list[_Boundary]:
    return [boundary for place in range(len(turns)) for boundary in _in_turn(about, turns, place)]


def _in_turn(about: _LengthQuestion, turns: Sequence[Turn], place: int) -> Iterator[_Boundary]:
    turn = turns[place]
    said_on = named_day(turn.said_at)
    if said_on is None:
        return
    near = [
        nearby
        for nearby in turns[max(place - _NEAR, 0) : place + _NEAR + 1]
        if nearby.session == turn.session and abs(nearby.id - turn.id) <= _NEAR
    ]
    before = [nearby for nearby in near if nearby.id < turn.id]
    after = next((nearby for nearby in near if nearby.id == turn.id + 1), None)
    parts = sentences(turn.text)
    for number, sentence in enumerate(parts):
        if _UNREAL.search(sentence):
            continue
        is_reply = (
            bool(before)
            and bool(_SINCE.match(sentence))
            and (number == 0 or (number == 1 and bool(_SPAN.search(parts[0]))))
        )
        for side in _SIDES:
            cue = about.state.cues(side).search(sentence)
            if cue is None and not (is_reply and side == "begin"):
                continue
            lead = sentence[: cue.start()] if cue else ""
            if not is_told_of(
                about.person, SaidSentence(turn, sentence, lead, parts[:number], before)
            ):
                continue
            following = parts[number + 1] if number + 1 < len(parts) else ""
            if not following and after and after.speaker == turn.speaker:
                following = (sentences(after.text) or [""])[0]
            day = _day_told(sentence, said_on, turn.said_at)
            quoted = sentence.strip()
            if not day and following and not _UNREAL.search(following):
                day = _day_told(following, said_on, turn.said_at)
                quoted = f"{quoted} {following.strip()}"
            if not day:
                continue
            met = _met(about, quoted, near)
            if met is None or _is_elsewhere(about, quoted):
                continue
            yield _Boundary(side, day, turn, quoted, met)
            break


def _met(about: _LengthQuestion, sentence: str, near: Sequence[Turn]) -> int | None:
    """How plainly a sentence is about what the question names besides; None for not at all."""
    if not about.further:
        return 2
    here = set(words(sentence))
    around = {word for turn in near for word in words(f"{turn.text} {turn.speaker}")}
    if about.state.needs_thing:
        forms = about.further[0]
        return 2 if forms & here else 1 if forms & around else None
    in_sentence = sum(bool(forms & here) for forms in about.further)
    if in_sentence == len(about.further):
        return 2
    return 1 if all(forms & (here | around) for forms in about.further) else 0


def _is_elsewhere(about: _LengthQuestion, sentence: str) -> bool:
    """Whether a sentence names another place than the question."""
    asked_for = {word for forms in about.further for word in forms}
    if not asked_for or asked_for & set(words(sentence)) or about.state.needs_thing:
        return False
    places = {match["place"].lower() for match in _NAMED_PLACE.finditer(sentence)}
    return any(place[:3] not in _DAY_NAMES for place in places)


def _day_told(text: str, said_on: date, said_at: str) -> str:
    """The one day, or month, that words tell; "" for none or several."""
    is_past = not _AHEAD.search(text) or bool(re.search(r"\bsince\b", text, re.IGNORECASE))
    days = {spoken.day.isoformat() for spoken in days_in(text, said_on, is_past)}
    if len(days) > 1:  # "a week yesterday, the 21st" is one day
        text = _RELATIVE.sub("", text)
        days = {spoken.day.isoformat() for spoken in days_in(text, said_on, is_past)}
    if not days:
        days = set(named_days(text, said_at, ahead=not is_past))
    if not days and _TODAY.search(text):
        days = {said_on.isoformat()}
    day = days.pop() if len(days) == 1 else ""
    return day if "/" not in day else ""


def _chosen(
    about: _LengthQuestion, boundaries: Sequence[_Boundary], today: str
) -> tuple[_Boundary, _Boundary | None] | None:
    begins = [
        boundary for boundary in boundaries if boundary.side == "begin" and boundary.day <= today
    ]
    ends = [boundary for boundary in boundaries if boundary.side == "end" and boundary.day <= today]
    if about.further:
        best = max((boundary.met for boundary in begins + ends), default=0)
        if best == 0:
            return None
    if about.lasts:
        begins = [boundary for boundary in begins if boundary.met]
        if not begins:
            return None
        top = max(boundary.met for boundary in begins)
        likeliest = [boundary for boundary in begins if boundary.met == top]
        begin = max(likeliest, key=lambda boundary: boundary.day)
        # Who does without since April has not done so before.
        is_one = about.state.needs_thing or len({boundary.day for boundary in likeliest}) == 1
        if not is_one or any(end.day > begin.day for end in ends if end.met):
            return None
        return begin, None
    pairs = [
        (begin, end)
        for begin in begins
        for end in ends
        if begin.day < end.day
        and (begin.met or end.met)
        and not any(begin.day < later.day < end.day and later.met >= end.met for later in ends)
    ]
    if not pairs:
        return None
    top = max(begin.met + end.met for begin, end in pairs)
    likely = [(begin, end) for begin, end in pairs if begin.met + end.met == top]
    if len({(begin.day, end.day) for begin, end in likely}) != 1:
        return None
    return likely[0]
