"""The days that a sentence names: "the 17th", "Saturday, the 8th", "the thirty-first of March".

People leave out the month and the year of a day that is near. A day that has passed by when it is
told is the last such day, one to come the next.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from memory.dates import MONTHS, WEEKDAYS, resolve_dates
from memory.search.words import words
from memory.tense import is_past_before

_ORDINALS = words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twentyfirst"
    " twentysecond twentythird twentyfourth twentyfifth twentysixth twentyseventh twentyeighth"
    " twentyninth thirtieth thirtyfirst"
)
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" for month in MONTHS).replace("sep(", "sept?(")
_WEEKDAY = "|".join(f"{day[:3]}(?:{day[3:]})?" for day in WEEKDAYS)
_WORD = "|".join(re.sub("^(twenty|thirty)(?=.)", r"\1[- ]", word) for word in reversed(_ORDINALS))
_ENDING = r"(?:st|nd|rd|th)"
_DAY = re.compile(
    rf"\b(?:(?P<weekday>{_WEEKDAY}),? (?:the )?)?"
    rf"(?:(?P<day>\d{{1,2}}){_ENDING}?|(?P<word>{_WORD}))(?: of| o'?)? (?P<month>{_MONTH})\b\.?"
    rf"(?:,? (?P<year>(?:19|20)\d\d))?"
    rf"|\b(?P<month_before>{_MONTH})(?:\.? |,? the )(?:the )?"
    rf"(?P<day_after>\d{{1,2}}){_ENDING}?(?!\d|[:.]\d)\b"
    rf"(?:,? (?P<year_after>(?:19|20)\d\d))?"
    rf"|\b(?:from|between|on) (?:the )?(?P<day_from>\d{{1,2}}){_ENDING}?"
    rf"(?= ?(?:to|until|till|and"
    rf"|[-\u2013]) ?(?:the )?\d{{1,2}}{_ENDING}?(?: of)? (?P<month_of>{_MONTH})\b"
    rf"(?: (?P<year_of>(?:19|20)\d\d))?)"
    rf"|\b(?:(?P<weekday_of>{_WEEKDAY}),? (?:the )?(?P<bare_of>\d{{1,2}}){_ENDING}"
    rf"|(?:on |since |was |is |'s |now |until |till |from )?the (?P<bare>\d{{1,2}}){_ENDING}"
    rf"|\b(?:on|since|from|until) the (?P<bare_word>{_WORD}))"
    r"(?=\W*$|[,.;:!?)]| \(| (?:of|o) (?:this|last|next) month"
    r"| (?:and|because|like|with|at|in|was|is|it|to|instead|for|from|as|when|we|i|he|she|they|by"
    r"|this|before|that)\b)",
    re.IGNORECASE,
)
# "On Friday", "Monday evening"; what is said of every Friday or of a Friday as such names no day.
_BARE_WEEKDAY = re.compile(
    rf"(?<!last )(?<!next )(?<!this )(?<!every )(?<!each )(?<!past )(?<!coming )(?<!not )(?<!most )"
    rf"\b(?P<name>{'|'.join(WEEKDAYS)})\b(?! (?:week|fortnight)|,? (?:the )?\d|'s| to \w+day)",
    re.IGNORECASE,
)
_UNTIL_DAY = re.compile(
    rf"(?: ?[-\u2013] ?| to | until | till )(?:the )?(?P<day>\d{{1,2}}){_ENDING}?\b"
    rf"(?![:.]\d| (?:{_MONTH}|of)\b)",
    re.IGNORECASE,
)
_SINCE = re.compile(r"\bsince (?:\w+ )?(?:\w{0,6} ?)$", re.IGNORECASE)
_PUT_OFF = re.compile(
    r"\b(?:put|moved?|pushed|postponed|changed|brought|shifted|rescheduled|booked|set|fixed)\b"
    r"[^.;!?]{0,40}\b(?:to|till|until|for)(?: (?:the|\w+day))*\s*$",
    re.IGNORECASE,
)
_YEAR_FOLLOWS = re.compile(r",? (?:of )?(?P<which>last|this|next) year\b", re.IGNORECASE)
_YEAR_IN_FRONT = re.compile(r"\bin ((?:19|20)\d\d)\b")
_FAR_NEARER = 3  # times: in June, the 14th of February is past; in March, the 14th of June is not
_RESOLVED = re.compile(r"\((\d{1,2}) (\w+) (\d{4})\)")


@dataclass(frozen=True)
class SpokenDay:
    """A day that a text names, and where its words begin."""

    day: date
    start: int
    is_whole: bool  # whether its month is named


def days_in(text: str, said_on: date, is_past: bool) -> list[SpokenDay]:
    """The days that a text names, in order; those of "yesterday" and "last Friday" too.

    Arguments:
        text: what somebody said.
        said_on: when.
        is_past: whether days without a year have passed, where no verb before them says so.
    """
    days = list(_named(text, said_on, is_past))
    resolved = resolve_dates(text, said_on.isoformat())
    added = 0
    for match in _RESOLVED.finditer(resolved):
        start = match.start() - added
        added += len(match[0]) + 1
        if match[0] in text or match[2].lower() not in MONTHS:
            continue
        day = _valid_day(int(match[3]), MONTHS.index(match[2].lower()) + 1, int(match[1]))
        # "Last Sunday, the 14th" is one day.
        if day and all(day != other.day for other in days):
            days.append(SpokenDay(day, max(start - 1, 0), True))
    for match in _BARE_WEEKDAY.finditer(text):
        day = weekday_near(said_on, match["name"], _has_passed(text, match.start(), is_past))
        if all(abs(match.start() - other.start) > len("on the last Wednesday") for other in days):
            days.append(SpokenDay(day, match.start(), False))
    return sorted(days, key=lambda spoken: spoken.start)


def spoken(day: date) -> str:
    """A day as people write it: 7 May 2023."""
    return f"{day.day} {MONTHS[day.month - 1].capitalize()} {day.year}"


def spoken_iso(day: str) -> str:
    """`3 March 2025`, `March 2025` or `2025` for an ISO date; other text as it is."""
    if not re.fullmatch(r"\d{4}(?:-\d\d(?:-\d\d)?)?", day[:10]):
        return day
    year, *month_and_day = day[:10].split("-")
    names = [MONTHS[int(number) - 1].capitalize() for number in month_and_day[:1]]
    return " ".join([*(str(int(number)) for number in month_and_day[1:]), *names, year])


def _named(text: str, said_on: date, is_past: bool) -> Iterator[SpokenDay]:
    for match in _DAY.finditer(text):
        month_name = match["month"] or match["month_before"] or match["month_of"]
        has_passed = _has_passed(text, match.start(), is_past)
        if _PUT_OFF.search(text[: match.start()]):
            has_passed = False  # "they had to put it back to 9 June"
        number = _number(match)
        weekday = match["weekday"] or match["weekday_of"]
        year = match["year"] or match["year_after"] or match["year_of"]
        year = year or _year_beside(text, match.end(), said_on)
        if month_name:
            if month_name.islower() and month_name in ("may", "mar", "sec"):
                continue
            month = next(
                n for n, name in enumerate(MONTHS, 1) if name[:3] == month_name[:3].lower()
            )
            years = [int(year)] if year else range(said_on.year - 1, said_on.year + 2)
            candidates = [_valid_day(n, month, number) for n in years]
        else:
            months = range(-12, 13)
            candidates = [_in_month(said_on, n, number) for n in months]
        days = [day for day in candidates if day is not None]
        if weekday:
            days = [day for day in days if WEEKDAYS[day.weekday()].startswith(weekday[:3].lower())]
        if not year:
            if has_passed and not _tells_past(text, match.start()):
                has_passed = not _is_soon(days, said_on)
            days = [day for day in days if (day <= said_on if has_passed else day >= said_on)]
        if days:
            day = days[-1] if has_passed else days[0]
            yield SpokenDay(day, match.start(), bool(month_name))
            until = _UNTIL_DAY.match(text, match.end()) if match["month_before"] else None
            last = _valid_day(day.year, day.month, int(until["day"])) if until else None
            if until and last and last > day:  # "June 6 to 13"
                yield SpokenDay(last, until.start("day"), True)


def _year_beside(text: str, end: int, said_on: date) -> str:
    """The year that is told behind a day ("16 May next year"), or in its sentence; "" for none."""
    if beside := _YEAR_FOLLOWS.match(text, end):
        return str(said_on.year + {"last": -1, "this": 0, "next": 1}[beside["which"].lower()])
    years = set(_YEAR_IN_FRONT.findall(text[:end]))
    return years.pop() if len(years) == 1 else ""


def _is_soon(days: Sequence[date], said_on: date) -> bool:
    """Whether the next of some days is far nearer than the last one.

    "The twelfth of March", in February, is to come: people add "last", or the year, to a day that
    is long past.
    """
    ahead = min((day - said_on for day in days if day >= said_on), default=None)
    ago = min((said_on - day for day in days if day <= said_on), default=None)
    return ahead is not None and (ago is None or ahead * _FAR_NEARER < ago)


def _tells_past(text: str, start: int) -> bool:
    """Whether the words beside a day say that it is past: "since", or a verb on either side."""
    if _SINCE.search(text[: start + len("since ")]):
        return True
    if is_past_before(text[:start]) is not None:
        return True
    sentence = text[:start] + re.split(r"[.!?](?:\s|$)", text[start:], maxsplit=1)[0]
    return bool(is_past_before(sentence))


def _has_passed(text: str, start: int, is_past: bool) -> bool:
    if _SINCE.search(text[: start + len("since ")]):
        return True
    told = is_past_before(text[:start])
    return is_past if told is None else told


def _number(match: re.Match[str]) -> int:
    groups = ("day", "day_after", "day_from", "bare_of", "bare")
    digits = next((match[group] for group in groups if match[group]), "")
    if digits:
        return int(digits)
    word = (match["word"] or match["bare_word"]).lower().replace(" ", "").replace("-", "")
    return _ORDINALS.index(word) + 1


def _in_month(said_on: date, months: int, number: int) -> date | None:
    month = said_on.year * 12 + said_on.month - 1 + months
    return _valid_day(month // 12, month % 12 + 1, number)


def _valid_day(year: int, month: int, day: int) -> date | None:
    """A day; None where there is none, as the 30th of February."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def weekday_near(said_on: date, name: str, is_past: bool) -> date:
    """The last day of this name before a day, or the first after it."""
    weekday = WEEKDAYS.index(name.lower())
    if is_past:
        return said_on - timedelta(days=(said_on.weekday() - weekday - 1) % 7 + 1)
    return said_on + timedelta(days=(weekday - said_on.weekday() - 1) % 7 + 1)
