"""Reads what a question names and what kind of answer it asks for, without a model.

Start with `read_question`. `SpeakerNames` finds people; the functions below it find dates.
`standalone_question` puts its asker's name in: "my sister" becomes "Anna's sister".
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.records import Turn
from memory.text.dates import (
    COUNT,
    MONTHS,
    SEASONS,
    UNIT_DAYS,
    WEEKDAYS,
    add_days,
    dated_question,
    named_day,
    period,
)
from memory.text.fence import without_block
from memory.text.words import STOP_WORDS, UNSPACED, composed, normal, runs, word_runs, words

MOST_OF_WORDS = 2  # in a question that is no sentence
MAX_WORDS = 48  # each word is a query of the full-text index
# "march" and "may" are common words, so these two count only with a capital.
_MONTH = "|".join(MONTHS).replace("march", "(?-i:March)").replace("may", "(?-i:May)")
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_NAMED_DATE = re.compile(
    rf"(?:\b{_DAY}(?: of)? )?\b({_MONTH})\b(?: {_DAY}\b)?(?:,? ((?:19|20)\d\d)\b)?",
    re.IGNORECASE | re.ASCII,
)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?!\d)")
# Dates also answer what came first.
_ASKS_TIME = re.compile(
    r"\b(?:when|how long|how often|(?:what|which) (?:day|date|week|month|year|time)"
    r"|how many (?:days|weeks|months|years)|first|earliest|latest|(?:the|what|in) order)\b",
    re.IGNORECASE,
)
# The names that chats, exports and other programs give an assistant.
_ASSISTANT = re.compile(
    r"(?:(?:ai|virtual|personal) )?assistant|ai|(?:chat ?)?bot|chatgpt|gpt|claude|gemini|copilot",
    re.IGNORECASE,
)
# "What did you recommend?" asks what the assistant said; "Can you recommend a hotel?" does not.
_SAYING = (
    "said|told|recommended|suggested|mentioned|advised|gave|listed|wrote|explained|proposed"
    "|provided|described|shared|named"
)
_ASKS_ASSISTANT = re.compile(
    rf"\byou (?:\w+ )?(?:{_SAYING})\b"
    r"|\bdid you (?:\w+ )?(?:say|tell|recommend|suggest|mention|advise|give|list|write|explain"
    r"|propose|provide|describe|share|name)\b"
    r"|\byour (?:\w+ )?(?:recommendation|suggestion|advice|answer|explanation|list|recipe)s?\b"
    r"|\bremind me (?:what|which|how|of what) you\b"
    r"|\b(?:previous|last|earlier) (?:chat|conversation)\b",
    re.IGNORECASE,
)
TELLS_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|last|next|recently|since|(?:day|week|month|year)s?"
    rf"|weekend|morning|{'|'.join(WEEKDAYS)}|\d{{4}}|{_MONTH})\b",
    re.IGNORECASE,
)
# What `dated_question` writes after relative words. Where it has written a date, only that date
# counts.
_RANGE = re.compile(r" \((\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)\)", re.ASCII)
_RESOLVED = re.compile(rf"{_RANGE.pattern}| \(\d{{4}}(?:-\d\d){{0,2}}\)", re.ASCII)
_UNRESOLVED = r"(?! \(\d{4})"
_DISTANCE = re.compile(
    rf"\b(\d{{1,3}}|{'|'.join(COUNT)}) (day|week|month|year)s? (ago|before|after)\b{_UNRESOLVED}",
    re.IGNORECASE | re.ASCII,
)
_PERIOD = re.compile(
    r"\b(?:(yesterday|today)|(last|this) "
    rf"(week|weekend|month|year|{'|'.join(SEASONS)}|{'|'.join(WEEKDAYS)}))\b"
    rf"{_UNRESOLVED}",
    re.IGNORECASE,
)
# A question about tonight is a plan; what fits it was seldom said today. The day must not count.
_TONIGHT = re.compile(r"(\btonight) \(\d{4}-\d\d-\d\d\)", re.IGNORECASE | re.ASCII)
# A capitalized word after another word of its sentence.
_INNER_NAME = re.compile(r"(?<=[^\W\d_.!?:]\s)([A-Z]\w+)")
# Chinese and Korean names of three characters begin with the family name.
_FAMILY_FIRST = re.compile("[\u4e00-\u9fff\uac00-\ud7a3]{3}")


@dataclass(frozen=True)
class Query:
    """A question as the ranking reads it.

    `words` are for the full-text index, one query each; `plain` is for the embedder. Both leave
    out speakers' names. `speakers` are the numbers of the speakers it names, `implied` of those it
    means without a name (`SpeakerNames.implied`). `dates` are (year, month, day) with 0 for a part
    it does not name. `spans` are (first day, last day, worth), packed (yyyymmdd): the worth is 2
    up to a week, like a named day, else 1, like a named month. `is_of_words` says that it is a
    word or two: who types "Biscuit" looks for turns with this word.
    `told_on` are the ids of the turns that speak of a day that it names.
    """

    words: tuple[str, ...]
    plain: str
    speakers: frozenset[int]
    implied: frozenset[int]
    dates: tuple[tuple[int, int, int], ...]
    spans: tuple[tuple[int, int, int], ...]
    asks_time: bool
    is_of_words: bool
    told_on: frozenset[int] = frozenset()

    def of_memory(self, memory: int, memories: int) -> "Query":
        """A question to several memories as this one of them reads it (`SpeakerNames.together`)."""

        def own(numbers: frozenset[int]) -> frozenset[int]:
            return frozenset(n // memories for n in numbers if n % memories == memory)

        return replace(self, speakers=own(self.speakers), implied=own(self.implied))


class SpeakerNames:
    """The speakers of a memory. Finds them in a question in any form of their names."""

    def __init__(self) -> None:
        self.last = 0  # the highest number added
        self.numbers: dict[str, int] = {}
        self._assistants: set[int] = set()
        self._people: set[int] = set()  # all other speakers
        self._words: dict[str, set[int]] = {}  # a word of a name -> the speakers with that name
        self._inside: dict[str, set[int]] = {}  # names that occur inside a run without spaces
        # The words of names by their first letter, all of them in one text, and how many they are.
        self._by_first_letter: dict[str, list[str]] = {}
        self._all_words = ""
        self._listed = 0

    def add(self, name: str, number: int, is_character: bool = False) -> None:
        """Add a speaker. A character is the name that a chat gives its assistant."""
        self.last = max(self.last, number)
        self.numbers[name] = number
        is_assistant = is_character or _ASSISTANT.fullmatch(name.strip())
        (self._assistants if is_assistant else self._people).add(number)
        for run, run_words in word_runs(name):
            if len(run) > 1 and UNSPACED.match(run):
                short = run[1:] if _FAMILY_FIRST.fullmatch(run) else run
                for form in (run, short):
                    self._inside.setdefault(normal(form), set()).add(number)
            elif run_words:
                self._words.setdefault(normal(run), set()).add(number)

    @property
    def assistants(self) -> frozenset[int]:
        """The numbers of the assistants, known by their names or as a chat's character."""
        return frozenset(self._assistants)

    def only(self, numbers: Iterable[int]) -> "SpeakerNames":
        """The names of these speakers alone."""
        wanted = {*numbers}
        if len(wanted) == len(self.numbers):
            return self
        names = SpeakerNames()
        for name, number in self.numbers.items():
            if number in wanted:
                names.add(name, number, is_character=number in self._assistants)
        return names

    @classmethod
    def together(cls, several: Sequence["SpeakerNames"]) -> "SpeakerNames":
        """The speakers of several memories, for one question to all of them.

        Speaker n of memory m (from 0) has the number n * len(several) + m.
        """
        all_names = cls()
        for memory, names in enumerate(several):

            def renumbered(numbers: set[int], memory: int = memory) -> set[int]:
                return {number * len(several) + memory for number in numbers}

            all_names._assistants |= renumbered(names._assistants)
            all_names._people |= renumbered(names._people)
            for form, numbers in names._words.items():
                all_names._words.setdefault(form, set()).update(renumbered(numbers))
            for form, numbers in names._inside.items():
                all_names._inside.setdefault(form, set()).update(renumbered(numbers))
        return all_names

    def take_out(self, text: str) -> tuple[frozenset[int], str]:
        """The speakers that a text names, and the text without their names."""
        speakers: set[int] = set()
        # Longest first: a short name may be part of a longer one.
        for form in sorted(self._inside, key=len, reverse=True):
            if form in text:
                speakers |= self._inside[form]
                text = text.replace(form, " ")
        for run in {*runs(text)}:
            bearers = self._bearers(run)
            if bearers:
                speakers |= bearers
                # A word in small letters may be a common word (rose for Rosemary), so it stays as
                # a search word.
                if run[0].isupper() or normal(run) in self._words:
                    text = re.sub(rf"(?<![^\W_]){re.escape(run)}(?![^\W_])", "", text)
        return frozenset(speakers), text

    def implied(self, text: str, named: frozenset[int]) -> frozenset[int]:
        """The speakers that a question in a chat with an assistant means without naming them.

        "You said" means the assistant, no matter who else the question names. Otherwise a question
        without a name means all other speakers, or no one in a chat without an assistant.
        """
        if self._assistants and _ASKS_ASSISTANT.search(text):
            return frozenset(self._assistants)
        return frozenset() if named or not self._assistants else frozenset(self._people)

    def _bearers(self, run: str) -> set[int]:
        """The speakers a word names: in full, shortened (Mel, Lanie for Melanie), or misspelt."""
        word = normal(run)
        has_capital = run[0].isupper()
        if word in STOP_WORDS and not has_capital:  # "will" is not a name, "Will" may be one
            return set()
        if word in self._words or word in STOP_WORDS or len(word) < 3:
            return self._words.get(word, set())

        # Other forms of a name share its first letter; only its end alone does not. Thousands of
        # people may speak in a memory.
        with_first_letter, ends = self._lists_of_names()
        with_ends = self._words if f"{word}\n" in ends else with_first_letter.get(word[0], ())
        # A word in small letters must be longer to count: most of them are not names.
        shortened = [name for name in with_ends if _shortens(word, name, 3 if has_capital else 4)]
        similar = [
            name
            for name in with_first_letter.get(word[0], ())
            if _misspells(word, name, 4 if has_capital else 5)
            or (has_capital and _is_pet_form(word, name))
        ]
        return set().union(*(self._words[name] for name in shortened or similar))

    def _lists_of_names(self) -> tuple[dict[str, list[str]], str]:
        """The words of names by their first letter, and all of them, each with a line break."""
        if self._listed != len(self._words):
            self._by_first_letter = {}
            for name in filter(None, self._words):
                self._by_first_letter.setdefault(name[0], []).append(name)
            self._all_words = "".join(f"{name}\n" for name in self._words)
            self._listed = len(self._words)
        return self._by_first_letter, self._all_words


def _shortens(word: str, name: str, min_letters: int) -> bool:
    """Whether a word is the beginning of a name or, with four letters or more, its end."""
    if len(word) < min_letters:
        return False
    return name.startswith(word) or (len(word) > 3 and name.endswith(word))


def _is_pet_form(word: str, name: str) -> bool:
    """Whether a word ends like a pet name and begins like this name: Bridie for Bridget."""
    return word[:4] == name[:4] and len(name) > 4 and word.endswith(("ie", "y", "i"))


def _misspells(word: str, name: str, min_letters: int) -> bool:
    """Whether one letter is wrong, missing, added or swapped with its neighbour."""
    if min(len(name), len(word)) < min_letters or abs(len(word) - len(name)) > 1:
        return False
    if word[0] != name[0]:
        return False
    pairs = enumerate(zip(word, name, strict=False))
    difference = next((n for n, (a, b) in pairs if a != b), None)
    if difference is None:  # the longer one has a letter more at its end
        return True
    word_end = word[difference:]
    name_end = name[difference:]
    is_swapped = word_end[:2] == name_end[1::-1] and word_end[2:] == name_end[2:]
    is_missing = name_end[1:] == word_end
    is_wrong = name_end[1:] == word_end[1:]
    is_too_much = name_end == word_end[1:]
    return is_swapped or is_missing or is_wrong or is_too_much


def read_question(text: str, names: SpeakerNames, newest: int) -> Query:
    """Read a question to a memory whose last turn is from the day `newest` (packed).

    Keeps at most MAX_WORDS words. Names count as words only if the question has no others.
    """
    text = _TONIGHT.sub(r"\1", composed(without_block(text)))
    dates = tuple(_named_dates(_RANGE.sub("", text)))
    speakers, plain = names.take_out(_RESOLVED.sub("", text))
    implied = names.implied(text, speakers)
    content_words = [word for word in words(plain) if word not in STOP_WORDS]
    if not content_words:
        plain = text
        content_words = [word for word in words(text) if word not in STOP_WORDS]
    return Query(
        words=tuple(dict.fromkeys(content_words))[:MAX_WORDS],
        plain=plain,
        # The assistant answers "What did you tell Anna?", not Anna.
        speakers=frozenset() if implied else speakers,
        implied=implied,
        dates=dates,
        spans=tuple(_spans(text, dates, newest)),
        asks_time=_ASKS_TIME.search(text) is not None,
        is_of_words=len(words(text)) <= MOST_OF_WORDS,
    )


def subjects_of(question: str) -> tuple[str, ...]:
    """The names and the months that a question gives: what its turns are about.

    The rest of a question for a story is a frame ("walk me through the order in which I brought
    up"), whose words are in any turn. A name is a capitalized word that begins no sentence.
    """
    names = dict.fromkeys(word for word in _INNER_NAME.findall(question) if _is_name(word))
    return (*names, *named_dates(question))


def subjects_in(turn: Turn, subjects: Collection[str]) -> int:
    """How many names of `subjects_of` a question a turn has; 1 if the question has none.

    With dates it must be of one of them, else 0. The name of who asks is one of a question's names,
    so a turn of theirs about another person has two.
    """
    dates = [subject for subject in subjects if subject[0].isdigit()]
    if dates and not any(turn.said_at.startswith(date) for date in dates):
        return 0
    names = [subject for subject in subjects if not subject[0].isdigit()]
    text = f"{turn.speaker} {turn.text}"
    return sum(re.search(rf"\b{name}\b", text) is not None for name in names) if names else 1


def _is_name(word: str) -> bool:
    lower = word.lower()
    return lower not in STOP_WORDS and lower not in MONTHS and lower not in WEEKDAYS


def packed_date(said_at: str) -> int:
    """An ISO date as the number yyyymmdd, with 0 for a part it does not name."""
    match = _ISO_DATE.match(said_at)
    year, month, day = _numbers(match.groups()) if match else (0, 0, 0)
    return 10_000 * year + 100 * month + day


def named_dates(text: str, today: str = "") -> list[str]:
    """The dates that a text names, in ISO form: 2017-05-08, 2017-05, 2017.

    A date without a year is the last one until `today`, an ISO date; without one it is left out.
    """
    day = named_day(today)
    dates = [_with_year(date, day) if day else date for date in _named_dates(text)]
    dates = [date for date in dates if date[0]]
    return ["-".join(f"{part:02}" for part in date if part) for date in dates]


def _with_year(named: tuple[int, int, int], today: date) -> tuple[int, int, int]:
    year, month, day = named
    is_ahead = (month, day) > (today.month, today.day)
    return year or today.year - is_ahead, month, day


def _named_dates(text: str) -> Iterator[tuple[int, int, int]]:
    for before, month, after, year in _NAMED_DATE.findall(text):
        yield _numbers((year, str(MONTHS.index(month.lower()) + 1), before or after))
    # Without the named dates: the year of "8 May 2017" would count as a second date.
    for parts in _ISO_DATE.findall(_NAMED_DATE.sub(" ", text)):
        numbers = _numbers(parts)
        if any(numbers):
            yield numbers


def _spans(
    text: str, dates: Sequence[tuple[int, int, int]], newest: int
) -> Iterator[tuple[int, int, int]]:
    """The spans of words such as "last summer" and "two weeks before 9 June 2017"."""
    today = _day(newest // 10_000, newest // 100 % 100, newest % 100)
    named = next(filter(None, (_day(*date) for date in dates if date[2])), None)
    for count, unit, direction in _DISTANCE.findall(text):
        days = UNIT_DAYS[unit.lower()]
        start = today if direction.lower() == "ago" else named
        distance = (int(count) if count.isdigit() else COUNT[count.lower()]) * days
        if start:
            middle = add_days(start, distance if direction.lower() == "after" else -distance)
            yield _span(add_days(middle, -days // 2 + 1), days)  # "two weeks ago" is not exact
    for ends in _RANGE.findall(text):
        first, last = (_day(*map(int, end.split("-"))) for end in ends)
        if first and last and first <= last:
            yield _span(first, (last - first).days + 1)
    for near_day, last_or_this, named_period in _PERIOD.findall(text):
        if today:
            name = near_day.lower() or named_period.lower()
            first, length = period(name, -(last_or_this.lower() == "last"), today)
            yield _span(first, length)


def _span(first: date, days: int) -> tuple[int, int, int]:
    """A span of `Query`: the packed first and last day, and their worth."""
    return _packed(first), _packed(add_days(first, days - 1)), 2 if days <= 7 else 1


def _day(year: int, month: int, day: int) -> date | None:
    """A day; the first one where month or day is 0; None for a day that does not exist."""
    try:
        return date(year, month or 1, day or 1)
    except ValueError:
        return None


def _packed(day: date) -> int:
    return 10_000 * day.year + 100 * day.month + day.day


def _numbers(date: Sequence[str | None]) -> tuple[int, int, int]:
    year, month, day = (int(part) if part else 0 for part in date)
    return year, month, day


# Learnt from the 1,390 answerable questions of data/train: with one of these words, 43 to 82 % of
# them have evidence in several turns; beginning with "when" or "where", 8 to 10 %. On the four
# held-out conversations the rule has a recall of 75 % and a precision of 46 %.
_SEVERAL = re.compile(
    r"\b(?:and|or|has|have|two|three|four|are|were|both|all|how many|how often|which|kinds?"
    r"|sorts?|list|every|ever)\b|^(?:does|do|is|was|did|would)\b",
    re.IGNORECASE,
)
_SINGLE = re.compile(r"^\W*(?:when|where|since|how much|from)\b", re.IGNORECASE)
# Counts, sums and lists over everything that was said.
_WHOLE = re.compile(
    r"\b(?:how (?:many|often)|number of|in (?:all|total)|total|altogether|list|all|every|each"
    r"|everything|different|various|distinct|across|throughout|so far)\b",
    re.IGNORECASE,
)


def asks_for_several(question: str) -> bool:
    """Whether an answer probably needs several turns, judged by English words alone."""
    if _WHOLE.search(question):
        return True
    return bool(_SEVERAL.search(question)) and not _SINGLE.search(question)


# A summary, or the order of things: the whole of a matter, from its beginning.
_STORY = re.compile(
    r"\b(?:in (?:what|which) order|the order (?:in|of)|order in which|in order\b(?! to\b)|sequence"
    r"|chronolog\w*|timeline|one after (?:the other|another)|walk me through"
    r"|summar(?:y|ies|i[sz]\w*)|sum up|overview|recap\w*|the (?:whole |full |entire )?story"
    r"|catch me up|up to (?:date|speed) (?:on|with)|where \w+ (?:\w+ ){0,3}stands?\b|history of)\b"
    r"|\bhow (?:did|has|have|was|were|is|are)\b(?! you\b).*\b(?:progress|evolv|develop|unfold)\w*",
    re.IGNORECASE,
)


def asks_for_story(question: str) -> bool:
    """Whether a question asks for a summary or an order, judged by English words alone."""
    return bool(_STORY.search(question))


_PAST = re.compile(
    r"\b(?:did|was|were|had|been|before|first|ever|used to|then|ago|former|formerly|previous|old"
    r"|changed?|(?:19|20)\d\d|last|until|how (?:long|often)|how many times)\b",
    re.IGNORECASE,
)


def asks_for_present(question: str) -> bool:
    """Whether a question asks for what is true now, judged by English words alone."""
    return not _PAST.search(question)


_AUXILIARIES = {"am": "is", "do": "does", "have": "has", "don't": "doesn't", "haven't": "hasn't"}
_ENDINGS = {"'m": " is", "'ve": " has", "'ll": " will", "'d": " would", " am": " is"}
# Quoted words are not changed, nor is the number in "World War I?".
_FIRST_PERSON = re.compile(
    r'(?P<quoted>"[^"]*"|\u201c[^\u201c\u201d]*\u201d|(?-i: [A-Z][a-z]+ I)(?=\W*$))'
    r"|\b(?:(?P<auxiliary>am|do|have|don't|haven't) )?i(?P<ending>'m|'ve|'ll|'d| am\b)?"
    r"(?![\w']|\.\w)"
    r"|\b(?P<possessive>my|mine)\b|\b(?:me|myself)\b",
    re.IGNORECASE,
)
# "i" and "my" are words in other languages too. A question without any of these is not English.
_ENGLISH = re.compile(
    r"\b(?:what|when|where|which|who|whose|why|how|did|does|do|am|is|was|were|have|has|had|can"
    r"|could|should|would|will|tell|list|remind|find|show)\b",
    re.IGNORECASE,
)

# "Who are you?" asks what "Who am I?" asks, of the listener.
_SECOND_PERSON = {"are you": "am I", "were you": "was I", "you": "I", "your": "my"}
_SECOND = re.compile(r"\b(?:are you|were you|your|you)\b", re.IGNORECASE)


def as_asked_of_oneself(question: str) -> str:
    """A question to the listener about the listener, as the listener would ask it; "" for another.

    `Where do you live?` becomes `Where do I live?`.
    """
    if _FIRST_PERSON.search(question) or not _SECOND.search(question):
        return ""
    return _SECOND.sub(lambda match: _SECOND_PERSON[match[0].lower()], question)


def standalone_question(question: str, asker: str, today: str) -> str:
    """A question that names its asker and its dates, for a reader who knows neither.

    `today` is an ISO date. An empty `asker` or `today` changes nothing.
    """
    return dated_question(third_person(question, asker), today)


def third_person(question: str, asker: str) -> str:
    """An English question with the asker's name in place of I, me and my.

    `Where do I live?` asked by Anna becomes `Where does Anna live?`. Other questions, and questions
    without an asker, are not changed.
    """
    name = " ".join(asker.split())
    if not name or not _ENGLISH.search(question):
        return question

    def named(match: re.Match[str]) -> str:
        if match["quoted"]:
            return match[0]
        if match["possessive"]:
            return f"{name}'s"
        auxiliary = match["auxiliary"] or ""
        before = f"{_AUXILIARIES[auxiliary.lower()]} " if auxiliary else ""
        if auxiliary[:1].isupper():
            before = before.capitalize()
        return f"{before}{name}{_ENDINGS.get((match['ending'] or '').lower(), '')}"

    return _FIRST_PERSON.sub(named, question.replace("\u2019", "'"))
