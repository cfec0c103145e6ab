"""Relative dates as people say them, computed, never guessed: "last Friday" is a day."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from datetime import MAXYEAR, MINYEAR, date
from functools import lru_cache

from memory.text.characters import label

WORD = re.compile("[a-z]+")
MONTHS: list[str] = WORD.findall(
    "january february march april may june july august september october november december"
)
WEEKDAYS: list[str] = WORD.findall("monday tuesday wednesday thursday friday saturday sunday")
SEASONS = {"winter": 12, "spring": 3, "summer": 6, "autumn": 9, "fall": 9}
_COUNTS = WORD.findall("zero one two three four five six seven eight nine ten eleven twelve")
COUNT = {**{word: n for n, word in enumerate(_COUNTS)}, "a": 1, "an": 1, "a couple of": 2}
UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_NUMBER = rf"\d{{1,3}}|{'|'.join(sorted(COUNT, key=len, reverse=True))}"
_UNIT = "(?:day|week|month|year)s?"
_RELATIVE = re.compile(
    r"\b(?:(?P<day>the day before yesterday|the day after tomorrow|yesterday|last night|today"
    r"|tonight|this (?:morning|afternoon|evening)|tomorrow)"
    rf"|(?P<ago>{_NUMBER}) (?P<ago_unit>{_UNIT}) ago(?: (?P<ago_from>today|yesterday))?"
    rf"|in (?P<ahead>{_NUMBER}) (?P<ahead_unit>{_UNIT})(?: time)?(?!['\w])"
    r"|(?P<modifier>last|past|this|next|coming) (?P<period>week|weekend|month|year"
    rf"|{'|'.join(SEASONS)}|{'|'.join(WEEKDAYS)})"
    rf"|on (?P<weekday>{'|'.join(WEEKDAYS)}))\b(?P<possessive>['\u2019]s\b)?"
    r"(?! (?:before|after|of|from)\b)",
    re.IGNORECASE | re.ASCII,
)
_DAYS = {
    "the day before yesterday": -2,
    "yesterday": -1,
    "last night": -1,
    "tomorrow": 1,
    "the day after tomorrow": 2,
}
# Until then "yesterday" is counted from the date or from the evening that people are still up from.
_NIGHT_HOURS = 4
# An hour in the night, local: not midnight itself, which is how a day without a time is written.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(.*)")
_UTC = ("Z", "+00:00", "+0000", "+00")
_SATURDAY, _SUNDAY = 5, 6
_ABOUT = 3  # days around "two weeks ago"
_LONGEST_BEFORE = 16  # characters before a date; their last words say whether it is one
_OF_DAYS = frozenset({"week", "weekend", *WEEKDAYS})
# A day of a month right behind these: "this weekend, May 18-19", "next Friday (18 May)".
_MONTH = rf"(?:{'|'.join(MONTHS)}|{'|'.join(month[:3] for month in MONTHS)}|sept)"
_DATED = (
    rf"(?:{_MONTH}\b\.?,? (?:\d{{1,2}}(?:st|nd|rd|th)?|\d{{4}})(?!\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b|\d{{4}}-\d\d-\d\d)"
)
_NAMED_DAY = re.compile(rf"[\s,:(\u2013\u2014-]*(?:\w+ ){{0,3}}?{_DATED}", re.IGNORECASE | re.ASCII)
_NAMED_BEFORE = re.compile(
    rf"{_DATED}(?: \d{{4}})?[\s,:)\u2013\u2014-]*$", re.IGNORECASE | re.ASCII
)
# A day as people write it, and as `dated_question` does.
_WRITTEN_DAY = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})\b"
    rf"|(?P<named_month>{_MONTH})\.? (?P<named_day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:\d))"
    r"(?:,? (?P<year>(?:19|20)\d\d)\b)?"
    r"|(?<![\d-])(?P<first>\d{4}-\d\d-\d\d)(?: to (?P<last>\d{4}-\d\d-\d\d))?(?![\d-])",
    re.IGNORECASE | re.ASCII,
)
# What is said of these days is meant whatever follows: "tomorrow after work", "Friday at nine".
_NEAR_DAY = re.compile(
    r"\b(?:(?P<day>the day after tomorrow|tomorrow|today|tonight"
    rf"|this (?:morning|afternoon|evening))|(?P<weekday>{'|'.join(WEEKDAYS)}))\b(?!['\u2019]s\b)",
    re.IGNORECASE | re.ASCII,
)
_NEXT_WEEK_AFTER = re.compile(r"(?: of)? next week\b", re.IGNORECASE)
_OF_OTHER_WEEKDAYS = (" every ", " each ", " last ", " past ", " next ", " coming ", " most ")
LONGEST_TOLD, _LONGEST_ASKED = 31, 14  # days: a longer time is no date to be reminded of
_MOST_ASKED = 32  # days of one question
_AROUND = 300  # characters beside a date, which its sentence may have
_CLAUSE = re.compile(r"[,.!?;\n]")
# Words before a distance with which it names another time: "more than 20 years ago".
_INEXACT = (" than ", " over ", " under ", " almost ", " nearly ", " at least ", " for ")
# "The next month" is the month that follows, of any day; "it feels like yesterday" is not a day.
_POSSESSIVES = (" my ", " your ", " his ", " her ", " its ", " our ", " their ")
_ROLLING = (" the ", *_POSSESSIVES, " like ", " like just ", " like only ", " like it was ")
_DIRECTIONS = {"this": 0, "last": -1, "past": -1}  # 1 for other words
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ISO_DATE = re.compile(r"\d{4}(?:-\d\d){0,2}")
_LONGEST_OTHER = 40  # characters shown of an invalid date
_NO_BRACKETS = str.maketrans("()[]:", "     ")  # which would end it, and begin something else


def is_iso_date(text: str) -> bool:
    """Whether a text is a valid date, month or year: 2017-05-07, 2017-05 or 2017."""
    if not _ISO_DATE.fullmatch(text):
        return False
    try:
        # Checks a year or a month by its first day.
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return False
    return True


def is_iso_span(text: str) -> bool:
    """Whether a text is a span of days or months: 2017-05-13/2017-05-14, 2017-06/2017-08."""
    first, _, last = text.partition("/")
    is_exact = len(first) == len(last) > len("2017")
    return is_exact and is_iso_date(first) and is_iso_date(last) and first < last


def days_between(first: object, second: object) -> int | None:
    """The days from one date to another, negative where the second is earlier.

    A month or a year counts from its first day, a span of days or months from its first one, and
    the moment of a turn (2017-05-07T10:30) is its day. None if one of them is not such a text.
    """
    first_day, second_day = _day_of(first), _day_of(second)
    if first_day is None or second_day is None:
        return None
    return (second_day - first_day).days


def _day_of(value: object) -> date | None:
    if not isinstance(value, str):
        return None
    length = len("2017-05-07")
    if value[length : length + 1] in ("T", " "):
        value = value[:length]
    elif is_iso_span(value):
        value = value.partition("/")[0]
    if not value.isascii() or not is_iso_date(value):
        return None
    return date.fromisoformat((value + "-01-01")[:length])


def relative_date(phrase: str, said_at: str) -> str | None:
    """The meaning of a relative date, as ISO text; None for any other text.

    "" if it is unknown: the turn has no date, or the words have two meanings.
    """
    match = _RELATIVE.fullmatch(phrase)
    if not match or match["weekday"]:
        return None
    days = _days_of_speaking(said_at)
    return _resolved_span(match, days, iso=True) if days else ""


def resolve_dates(
    text: str,
    said_at: str,
    iso: bool = False,
    spans: bool = False,
    is_told: Callable[[str], bool] | None = None,
) -> str:
    """A text with its relative dates resolved, in brackets after them.

    `I moved yesterday` said on 2017-05-08 becomes `I moved yesterday (7 May 2017)`, with `iso`
    `yesterday (2017-05-07)`. The date is as exact as the words: `last month (April 2017)`.
    Unchanged if `said_at` (ISO) names no day.

    With `spans` a week or a weekend becomes its days, `this weekend (13 to 14 May 2017)` or
    `(2017-05-13/2017-05-14)`, and at one at night "yesterday" is one of two days. Words with a date
    next to them are not changed, nor words that often mean another date (`_is_sure`), nor words
    after a text that `is_told` denies. Without `spans` dates are as the packaged model's adapters
    learnt to read: `(the weekend of 11 May 2017)`, with `iso` its month.
    """
    today = named_day(said_at)
    if not today:
        return text
    days = _days_of_speaking(said_at)

    def with_date(match: re.Match[str]) -> str:
        if not spans:
            resolved = "" if match["weekday"] else _resolved(match, today, iso)
        elif _is_beside_date(match):
            resolved = ""
        else:
            before = text[: match.start()]
            is_sure = _is_sure(match, today) and (is_told is None or is_told(before))
            is_exact = _last_words(before).endswith(" exactly ")
            resolved = _resolved_span(match, days, iso, is_exact) if is_sure else ""
        return f"{match[0]} ({resolved})" if resolved else match[0]

    return _RELATIVE.sub(with_date, text)


def around_relative_date(text: str) -> tuple[str, str] | None:
    """What stands before and after the first relative date of a text; None without one."""
    match = _RELATIVE.search(text)
    return (text[: match.start()], text[match.end() :]) if match else None


# Turns of one session have the same day, and each is asked for it several times.
@lru_cache(maxsize=4_096)
def spoken_date(said_at: str) -> str:
    """An ISO date for reading: `Mon 08 May 2017`, `May 2017`, `2017`; other text as it stands."""
    try:
        if len(said_at) >= 10:
            return date.fromisoformat(said_at[:10]).strftime("%a %d %b %Y")
        if len(said_at) == 7:
            return date.fromisoformat(said_at + "-01").strftime("%b %Y")
    except ValueError:
        pass
    return label(said_at, _LONGEST_OTHER).translate(_NO_BRACKETS)


@lru_cache(maxsize=4_096)
def short_day(said_at: str) -> str:
    """`10 Jan 2024`."""
    day = spoken_date(said_at)
    return (day.partition(" ")[2] if named_day(said_at) else day).removeprefix("0")


def told_days(
    text: str, said_at: str, is_told: Callable[[str, str], bool] = lambda before, after: True
) -> list[tuple[date, date]]:
    """The days that a text speaks of, each as the first and the last day; a month at most.

    "Dentist tomorrow", "the plumber comes on Friday", "on 20 November": a day without a year is the
    next one, or the last one in the past tense. "Today" is one only for what is not past, since
    else its turn has that date. `is_told` says by the texts before and after whether words tell of
    a day.
    """
    days = (
        span
        for match in _dated_words(text)
        if is_told(_before(match), text[match.end() : match.end() + _AROUND])
        for span in _told_span(match, _days_of_speaking(said_at))
    )
    return [
        (first, last) for first, last in dict.fromkeys(days) if (last - first).days < LONGEST_TOLD
    ]


@lru_cache(maxsize=100)  # a search and its block ask it of one question
def asked_days(question: str, today: str) -> tuple[tuple[date, date], ...]:
    """The days that a question names, each as the first and the last day; two weeks at most.

    A weekday, or a day without its year, may be the last one or the next one.
    """
    day = named_day(today)
    spans: dict[tuple[date, date], None] = {}
    for match in _dated_words(question):
        if match.re is _WRITTEN_DAY:
            spans.update(dict.fromkeys(_written_days(match, day)))
        elif day and match["weekday"]:
            around = [*_weekdays_around(match, day), day]
            days = [near for near in around if near.weekday() == around[0].weekday()]
            spans.update(dict.fromkeys((near, near) for near in days))
        elif day and not _is_beside_date(match):
            first, length = _span(match, day) if match.re is _RELATIVE else _near_day(match, day)
            spans[first, add_days(first, length - 1)] = None
        if len(spans) >= _MOST_ASKED:
            break
    return tuple(span for span in spans if (span[1] - span[0]).days < _LONGEST_ASKED)


def _dated_words(text: str) -> Iterator[re.Match[str]]:
    """The matches of _WRITTEN_DAY, _NEAR_DAY and _RELATIVE, each part of a text once."""
    taken = bytearray(len(text))  # a mark for each character
    for pattern in (_WRITTEN_DAY, _NEAR_DAY, _RELATIVE):
        for match in pattern.finditer(text):
            first, last = match.span()
            if pattern is _NEAR_DAY and match["weekday"]:
                if _last_words(_before(match)).endswith(_OF_OTHER_WEEKDAYS):
                    continue
                if week := _NEXT_WEEK_AFTER.match(text, last):
                    last = week.end()
            if not any(taken[first:last]):
                taken[first:last] = b"x" * (last - first)
                yield match


def _told_span(match: re.Match[str], today: Sequence[date]) -> Iterator[tuple[date, date]]:
    """The days that dated words mean in a turn, counted from each of `today`."""
    if match.re is _WRITTEN_DAY:
        days = _written_days(match, today[-1] if today else None)
        is_past = len(days) > 1 and _is_told_as_past(match)
        yield from days[:1] if is_past else days[-1:]
        return
    if _is_beside_date(match):
        return
    for day in today:
        words_before = _last_words(_before(match))
        if match["weekday"]:
            near = _weekdays_around(match, day)[not _is_told_as_past(match)]
            yield near, near
        elif match.re is _NEAR_DAY:
            is_ahead = "tomorrow" in match["day"].lower()
            if not words_before.endswith(_ROLLING) and (is_ahead or not _is_told_as_past(match)):
                first, _ = _near_day(match, day)
                yield first, first
        elif _is_sure(match, day) or (match["ahead"] and not _is_told_as_past(match)):
            first, length = _span(match, day)
            last = add_days(first, length - 1)
            if not (first <= day <= last and _is_told_as_past(match)):  # "This week was awful."
                yield first, last


def _written_days(match: re.Match[str], today: date | None) -> list[tuple[date, date]]:
    """The days that _WRITTEN_DAY means: without a year the last one before `today`, and the next.

    Empty for a day that does not exist.
    """
    if match["first"]:
        ends = [named_day(match[name] or match["first"]) for name in ("first", "last")]
        return [(ends[0], ends[1])] if ends[0] and ends[1] and ends[0] <= ends[1] else []
    name = (match["month"] or match["named_month"]).lower()[:3]
    month = 1 + [month[:3] for month in MONTHS].index(name)
    day = int(match["day"] or match["named_day"])
    if match["year"]:
        years = [int(match["year"])]
    else:
        years = [_year(today.year + n) for n in (-1, 0, 1)] if today else []
    days = [date(year, month, day) for year in years if 1 <= day <= monthrange(year, month)[1]]
    if not match["year"] and today:
        days = [
            *[near for near in days if near < today][-1:],
            *[near for near in days if near >= today][:1],
        ]
    return [(near, near) for near in days]


def _weekdays_around(match: re.Match[str], today: date) -> tuple[date, date]:
    """The last such weekday before a day, and the next one after it, also "Friday next week"."""
    back = _days_since(match["weekday"].lower(), today)
    is_of_next_week = _NEXT_WEEK_AFTER.match(match.string, match.end()) or _last_words(
        _before(match)
    ).endswith((" next week ", " week on "))
    days = 14 if back == 7 or (is_of_next_week and back > today.weekday()) else 7
    return add_days(today, -back), add_days(today, days - back)


def _near_day(match: re.Match[str], today: date) -> tuple[date, int]:
    return add_days(today, _DAYS.get(match["day"].lower(), 0)), 1


def _before(match: re.Match[str]) -> str:
    """What stands right before dated words. All of a long text would be read again for each."""
    return match.string[max(match.start() - _AROUND, 0) : match.start()]


def _last_words(text: str) -> str:
    """The end of a text in lower case, with a space around each word."""
    return f" {' '.join(text[-_LONGEST_BEFORE:].lower().split())} "


def _is_beside_date(match: re.Match[str]) -> bool:
    """Whether a date is written next to relative words: "last month on May 15th"."""
    before = match.string[max(match.start() - _LONGEST_BEFORE, 0) : match.start()]
    after = _NAMED_DAY.match(match.string, match.end())
    return after is not None or _NAMED_BEFORE.search(before) is not None


def _is_told_as_past(match: re.Match[str]) -> bool:
    """Whether the clause around relative words is in the past tense."""
    is_past = is_past_before(_before(match))
    if is_past is None:
        after = match.string[match.end() : match.end() + _AROUND]
        is_past = is_past_before(_CLAUSE.split(after, maxsplit=1)[0])
    return bool(is_past)


def _is_sure(match: re.Match[str], today: date) -> bool:
    """Whether words mean the date that is computed for them in 95 of 100 turns (decision 202).

    Read in chats: "in 12 days" tells how long something took, "today" means nowadays and adds
    nothing to the date of its turn, "on Friday I ..." is the last one in the past tense only, "this
    Friday" is before or ahead, "this week" on a Sunday
    mostly the next one, "the last month" the days until now, and on a Wednesday "we went camping
    this weekend" is about the one before.
    """
    words_before = _last_words(_before(match))
    if match["weekday"]:
        return _is_told_as_past(match)
    if match["day"]:
        return match["day"].lower() != "today" and not words_before.endswith(_ROLLING)
    if match["ago"]:
        return not words_before.endswith(_INEXACT)
    if match["ahead"]:
        return match[0].lower().endswith(" time")
    is_this = match["modifier"].lower() == "this"
    name = match["period"].lower()
    if name in WEEKDAYS:
        return not is_this
    if is_this and name == "weekend" and today.weekday() < _SATURDAY:
        return not _is_told_as_past(match)
    is_over = is_this and today.weekday() == _SUNDAY and name in _OF_DAYS
    return not is_over and not _is_rolling(match) and not words_before.endswith(_ROLLING)


def spoken_day(happened_on: str) -> str:
    """An ISO date, or a span of two, as people say it: `on 3 Nov 2017`, `in Nov 2017`, `in 2017`.

    Other text is not changed.
    """
    first, _, last = happened_on.partition("/")
    if not is_iso_date(first) or (last and not is_iso_date(last)):
        return happened_on
    spoken = [_short_day(day) for day in (first, last) if day]
    if len(spoken) > 1:
        return f"from {spoken[0]} to {spoken[1]}"
    return f"{'on' if len(first) == len('2017-05-08') else 'in'} {spoken[0]}"


def _short_day(iso: str) -> str:
    """`3 Nov 2017`, `Nov 2017` or `2017`, of an ISO date, in any locale."""
    year, *rest = iso.split("-")
    month = [MONTHS[int(rest[0]) - 1][:3].title()] if rest else []
    day = [str(int(rest[1]))] if len(rest) > 1 else []
    return " ".join([*day, *month, year])


def dated_question(question: str, today: str) -> str:
    """A question with its relative dates resolved from `today`, in brackets after them.

    `What did I do last week?` asked on 2026-11-21 has `last week (2026-11-09 to 2026-11-15)`, and
    `in the past month` has `(2026-10-21 to 2026-11-21)`. A day, a month and a year have the form of
    dates in facts. Unchanged if `today` (ISO) names no day, or a date is next to the words.
    """
    day = named_day(today)
    if not day:
        return question

    def with_span(match: re.Match[str]) -> str:
        if _is_beside_date(match) or match["weekday"]:
            return match[0]
        first, days = _rolling(match["period"], day) if _is_rolling(match) else _span(match, day)
        return f"{match[0]} ({_iso_span(first, days)})"

    return _RELATIVE.sub(with_span, question)


def _is_rolling(match: re.Match[str]) -> bool:
    """Whether words mean the days until now: "the past month", "the last year"."""
    if (match["period"] or "").lower() not in ("week", "month", "year"):
        return False
    name = match["modifier"].lower()
    return name == "past" or (
        name == "last" and _last_words(match.string[: match.start()]).endswith(" the ")
    )


def _rolling(name: str, today: date) -> tuple[date, int]:
    """The first day and the number of days of a week, a month or a year until today."""
    if name.lower() == "week":
        first = add_days(today, -7)
    else:
        month = _add_months(today, -12 if name.lower() == "year" else -1)
        first = month.replace(day=min(today.day, _months(month, 1)[1]))
    return first, (today - first).days + 1


@lru_cache(maxsize=4_096)
def named_day(said_at: str) -> date | None:
    """The day that an ISO date begins with; None if it names no day."""
    try:
        return date.fromisoformat(said_at[:10]) if _DAY.match(said_at) else None
    except ValueError:
        return None


def _days_of_speaking(said_at: str) -> tuple[date, ...]:
    """The days that a speaker may count from: before four at night also the one before.

    A time in UTC says nothing of the speaker's night. Empty if the date names no day.
    """
    day = named_day(said_at)
    if day is None:
        return ()
    time = _TIME.match(said_at)
    if time is None or time[4] in _UTC or int(time[1]) >= _NIGHT_HOURS:
        return (day,)
    is_midnight = not any(int(digits or 0) for digits in time.groups()[:3])
    return (day,) if is_midnight else (add_days(day, -1), day)


def _span(match: re.Match[str], today: date) -> tuple[date, int]:
    """The first day and the number of days that a match of _RELATIVE means."""
    if match["day"]:
        return add_days(today, _DAYS.get(match["day"].lower(), 0)), 1
    if match["weekday"]:
        back = (today.weekday() - WEEKDAYS.index(match["weekday"].lower()) - 1) % 7 + 1
        return add_days(today, -back), 1
    if match["period"]:
        direction = _DIRECTIONS.get(match["modifier"].lower(), 1)
        is_week_over = match["period"].lower() == "week" and today.weekday() == _SUNDAY
        if is_week_over and direction == -1:
            # Of a week that ends today, or where weeks begin on Sundays: its days, and the ones
            # before, for either may be meant.
            return add_days(today, -13), 13
        return period(match["period"].lower(), direction, today)
    count, unit = _distance(match)
    if match["ago_from"] and unit in ("day", "week"):  # "a week ago yesterday"
        days = _DAYS.get(match["ago_from"].lower(), 0) + count * UNIT_DAYS[unit]
        return add_days(today, days), 1
    if unit == "day":
        return add_days(today, count), 1
    if unit == "week" and match["ago"]:
        # No one counts from a Monday: two weeks ago is the day itself, give or take three.
        return add_days(today, 7 * count - _ABOUT), 2 * _ABOUT + 1
    if unit == "week":
        return period("week", 0, add_days(today, 7 * count))
    if unit == "month":
        return _months(_add_months(today, count), 1)
    return _months(date(_year(today.year + count), 1, 1), 12)


def _iso_span(first: date, days: int, between: str = " to ") -> str:
    """`2026-11-20`, `2026-10`, `2025`, or `2026-11-09 to 2026-11-15`."""
    for months, length in ((1, len("2026-10")), (12, len("2025"))):
        if _months(first, months) == (first, days):
            return first.isoformat()[:length]
    last = add_days(first, days - 1)
    return first.isoformat() if days == 1 else f"{first.isoformat()}{between}{last.isoformat()}"


def _resolved_span(
    match: re.Match[str], today: Sequence[date], iso: bool, is_exact: bool = False
) -> str:
    """The days that a match of _RELATIVE means, counted from each of `today`.

    In the form of facts, or in that of people: `10 to 11 June 2017`, `June to August 2016`. Of two
    days in a row both are named, `7 or 8 May 2017`; other meanings that differ are left out.
    """
    if (match["period"] or "").lower() in SEASONS and match["modifier"].lower() == "this":
        return ""  # "this summer" may be before or ahead
    spans = dict.fromkeys(_span(match, day) for day in today)
    if len(spans) > 1:
        firsts, days = [first for first, _ in spans], {days for _, days in spans}
        if days != {1} or (firsts[-1] - firsts[0]).days != 1:
            return ""
        return _iso_span(firsts[0], 2, between="/") if iso else _spoken_span(firsts[0], 2, " or ")
    ((first, days_of_span),) = spans
    if is_exact and match["ago"] and days_of_span == 2 * _ABOUT + 1:
        first, days_of_span = add_days(first, _ABOUT), 1
    return _iso_span(first, days_of_span, between="/") if iso else _spoken_span(first, days_of_span)


def _spoken_span(first: date, days: int, between: str = " to ") -> str:
    """`8 June 2017`, `May 2017`, `2016`, `10 to 11 June 2017`, `June to August 2016`."""
    if _months(first, 12) == (first, days) and first.month == 1:
        return str(first.year)
    if _months(first, 1) == (first, days):
        return _month(first, iso=False)
    last = add_days(first, days - 1)
    if days == 1:
        return _day(first, iso=False)
    of_months = first.day == 1 and add_days(last, 1).day == 1
    beginning = [_month_name(first)] if of_months else [str(first.day), _month_name(first)]
    end = [_month_name(last)] if of_months else [str(last.day), _month_name(last)]
    if first.year != last.year:
        beginning.append(str(first.year))
    elif first.month == last.month:
        beginning.pop()
    return f"{' '.join(beginning)}{between}{' '.join(end)} {last.year}"


def _resolved(match: re.Match[str], today: date, iso: bool) -> str:
    """The date that a match of _RELATIVE means, as text; empty if it may mean two dates."""
    if match["day"]:
        return _day(add_days(today, _DAYS.get(match["day"].lower(), 0)), iso)
    if match["period"]:
        return _in_period(match["period"].lower(), match["modifier"].lower(), today=today, iso=iso)
    count, unit = _distance(match)
    if match["ago_from"] and unit in ("day", "week"):  # "a week ago yesterday"
        days = _DAYS.get(match["ago_from"].lower(), 0) + count * UNIT_DAYS[unit]
        return _day(add_days(today, days), iso)
    if unit == "day":
        return _day(add_days(today, count), iso)
    if unit == "week":
        # The date of a fact is a day, a month or a year, so a week becomes its month.
        middle = add_days(today, 7 * count)
        return _month(middle, iso) if iso else f"the week of {_day(middle, iso)}"
    if unit == "year":
        return str(_year(today.year + count))
    return _month(_add_months(today, count), iso)


def _distance(match: re.Match[str]) -> tuple[int, str]:
    """The distance of a match of _RELATIVE: `two weeks ago` is (-2, "week")."""
    words = match["ago"] or match["ahead"]
    unit = (match["ago_unit"] or match["ahead_unit"]).lower().removesuffix("s")
    count = COUNT.get(words.lower()) or int(words)
    return (-count if match["ago"] else count), unit


def _in_period(period: str, modifier: str, today: date, iso: bool) -> str:
    """The date, as text, of a modifier and a period: `last month`, `this summer`, `next Friday`."""
    direction = _DIRECTIONS.get(modifier, 1)
    if period in WEEKDAYS:
        days_ago = _days_since(period, today)
        # Said on a Tuesday, "next Tuesday" is in a week and "last Tuesday" was a week ago.
        days = -days_ago if direction < 0 else 7 - days_ago % 7
        return _day(add_days(today, days), iso)
    if period == "month":
        return _month(_add_months(today, direction), iso)
    if period == "year":
        return str(_year(today.year + direction))
    if period in SEASONS:
        if not direction:
            return ""  # "this summer" may be before or ahead
        year = _season(period, direction, today).year
        return str(year) if iso else f"{period} {year}"
    if iso:
        return _month(add_days(today, 7 * direction), iso)
    return f"the {period} {('before', 'of', 'after')[direction + 1]} {_day(today, iso)}"


def _season(name: str, direction: int, today: date) -> date:
    """The first day of a season.

    `direction` 0 is the latest that has begun, 1 the next one, and -1 the last one, which is over
    (or is a winter that began last year).
    """
    month = SEASONS[name]
    # The last season must be over by `today`: its three months must have passed.
    least_month = month + 3 if direction < 0 else month
    year = today.year
    if direction > 0:
        year += 1
    if today.month < least_month:
        year -= 1
    return date(_year(year), month, 1)


def _year(number: int) -> int:
    """A year that `date` can hold; its first or last year for a year beyond them."""
    return min(max(number, MINYEAR), MAXYEAR)


def _days_since(weekday: str, today: date) -> int:
    """Days since the last such weekday, 1 to 7: on a Tuesday, last Tuesday was 7 days ago."""
    return (today.weekday() - WEEKDAYS.index(weekday) - 1) % 7 + 1


def _day(day: date, iso: bool) -> str:
    """`2017-05-07` or `7 May 2017`."""
    return day.isoformat() if iso else f"{day.day} {_month_name(day)} {day.year}"


def _month(day: date, iso: bool) -> str:
    """`2017-05` or `May 2017`."""
    return day.isoformat()[:7] if iso else f"{_month_name(day)} {day.year}"


def _month_name(day: date) -> str:
    return MONTHS[day.month - 1].capitalize()


def _add_months(day: date, months: int) -> date:
    """The first day of the month that is `months` later, or earlier if negative."""
    first, last = 12 * MINYEAR, 12 * MAXYEAR + 11
    number = min(max(12 * day.year + day.month - 1 + months, first), last)
    return date(number // 12, number % 12 + 1, 1)


def add_days(day: date, days: int) -> date:
    """The day that is `days` later, or earlier if negative, within the calendar's bounds."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def period(name: str, direction: int, today: date) -> tuple[date, int]:
    """The first day and the number of days of a week, a month, a season, a Tuesday ...

    `direction` is -1 for the last, 0 for this and 1 for the next one.
    """
    if name in ("today", "tonight", "yesterday"):
        return add_days(today, -(name == "yesterday")), 1
    if name in ("week", "weekend"):
        monday = add_days(today, 7 * direction - today.weekday())
        return (monday, 7) if name == "week" else (add_days(monday, 5), 2)
    if name == "month":
        return _months(_add_months(today, direction), 1)
    if name == "year":
        return _months(date(_year(today.year + direction), 1, 1), 12)
    if name in SEASONS:
        return _months(_season(name, direction, today), 3)
    days_ago = _days_since(name, today)
    return add_days(today, 7 - days_ago % 7 if direction > 0 else -days_ago), 1


def _months(first: date, count: int) -> tuple[date, int]:
    """The first day of a month, and the number of days in `count` months from it."""
    numbers = range(first.month - 1, first.month - 1 + count)
    return first, sum(monthrange(first.year + n // 12, n % 12 + 1)[1] for n in numbers)


_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n")
_CLAUSE_END = re.compile(
    r"[,;:()\u2013\u2014]|\b(?:and|but|so|or|because|which|that|who|when|while|if|until|after"
    r"|before)\b",
    re.IGNORECASE,
)
_IRREGULAR_PASTS = (
    "ate beat became began been bit blew bought broke brought built burnt came caught chose did"
    " didn done drank drew drove drunk eaten fell felt flew forgot fought found gave given gone got"
    " gotten grew grown had hadn heard held kept knew known laid learnt led left lent lost made"
    " meant met paid ran rode rose said sang sat saw seen sent slept sold spent spoke spoken stood"
    " swam taken taught thought threw told took understood was wasn went were weren woke won wore"
    " written wrote"
)
_SAME_PASTS = "cut hit hurt let put quit read set shut split spread"  # their past is their present
# Words in -ed that are not past tense, and what one can be beforehand.
_OTHER_WORDS = (
    "bleed breed excited exceed exhausted feed hundred indeed naked need planned proceed sacred"
    " scheduled seed speed succeed weed wicked"
)
_VERB = re.compile(
    # "The parcel is delivered in 3 days", "I'm so excited"
    r"(?:\b(?:am|is|are|be|being|get|gets|getting)|['\u2019](?:m|re))(?: \w+)??"
    r" (?:\w+(?:ed|en)|done|made|built|sent|paid|held|sold)\b"
    rf"|\b(?:{_OTHER_WORDS.replace(' ', '|')})\b"
    # "I read it on Saturday": its present has "on Saturdays", its future "will".
    rf"|\b(?:I|we|he|she|they) (?:just |also )?(?P<same>{_SAME_PASTS.replace(' ', '|')})\b"
    rf"|\b(?P<past>{_IRREGULAR_PASTS.replace(' ', '|')}|[a-z]{{2,}}ed)\b"
    r"|\b(?:will|won|shall|gonna|am|is|are|isn|aren|can|may|might|must|should|do|does|don|doesn)\b"
    r"|['\u2019](?:ll|m|re)\b",
    re.IGNORECASE,
)
# "We start on the 13th": plans are in the present tense.
_PLANNED = re.compile(
    r"\b(?:start|begin|finish|end|open|close|leave|arrive|come|go|fly|move|return|marry|meet)(?:e?s)?\b",
    re.IGNORECASE,
)


def is_past_before(before: str) -> bool | None:
    """Whether the clause that a text ends in tells of the past; None if no verb says so."""
    clause = _CLAUSE_END.split(_SENTENCE_END.split(before)[-1])[-1]
    verbs = [*_VERB.finditer(clause)]
    if verbs:
        return bool(verbs[-1]["past"] or verbs[-1]["same"])
    return False if _PLANNED.search(clause) else None
