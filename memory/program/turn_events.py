"""Events that turns tell of, read for a question: on which days somebody ran, and how often.

When turns are stored nobody knows what will be asked. A question names the deed, whose it was and
when, so that each turn with its words can be read for these alone.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path

from memory.dates import COUNT, MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_questions import FactQuestion
from memory.program.fact_select import LIGHT_WORDS
from memory.program.fact_words import all_forms, are_forms, is_past_verb
from memory.program.feast_days import feast_days
from memory.program.messages import is_evidence
from memory.program.spoken_days import days_in, weekday_near
from memory.records import Turn
from memory.search.words import words

# They say that something happened, and nothing of what.
_NO_TOPIC = LIGHT_WORDS | frozenset(
    words(
        "visit visits visited attend attended many often out altogether total trip trips single"
        " one place places thing things title titles name names both each over whole part parts"
        " see saw seen met meet old new big small first last season year month need needed ended"
        " down off up away back come outdoors indoors together alone outside inside abroad online"
        " date dates appointment appointments employer employers job jobs"
        " family families children kids city cities town towns country countries village villages"
        " island islands lake lakes beach beaches park parks destination destinations"
    )
)
_NUMBER = rf"\d{{1,3}}|{'|'.join(word for word in COUNT if word not in ('a', 'an'))}"
_ORDINALS = words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
)
_ORDINAL = re.compile(
    rf"\b(?P<word>{'|'.join(_ORDINALS)})(?! of\b)\b|\bnumber (?P<number>{_NUMBER})\b"
    rf"|\b(?P<digits>\d{{1,2}})(?:st|nd|rd|th) (?:time|go|lesson|run|visit|one)\b",
    re.IGNORECASE,
)
# "A 5 mile race" is one.
UNITS = frozenset(
    words(
        "mile miles km k kilometre kilometres metre metres m hour hours minute minutes day days"
        " week weeks month months year years kilo kilos pound pounds euro euros star stars"
    )
)
_TIMES = re.compile(rf"\b(?P<number>{_NUMBER}) times\b|\b(?P<twice>twice)\b", re.IGNORECASE)
# What has not happened, may happen, or happens as a rule.
DENIED = re.compile(
    r"\b(?:no|not|never|without|nobody|cancel\w*|called off|skip(?:ped)?|miss(?:ed)?|instead of"
    r"|almost|nearly|didnt|dont|hasnt|havent|wasnt|cannot|nor|neither)\b|n't\b",
    re.IGNORECASE,
)
AHEAD = re.compile(
    r"\b(?:will|won't|going to|gonna|'ll|tomorrow|next|upcoming|booked|planned|planning|supposed"
    r"|want|wants|wanted to|hope|hoping|hopes|wish|might|may(?= \w+ )|could|should|would|'d|must"
    r"|need to|needs to|have to|has to|got to|gotta|if|when|unless|until|till|maybe|perhaps"
    r"|thinking|let's|lets|shall|can|soon|coming up|starts?|register\w*"
    r"|sign(?:ed)? up|training for|ready for|dream\w*|invited?)\b",
    re.IGNORECASE,
)
HABIT = re.compile(
    r"\b(?:every|each|always|usually|normally|sometimes|often|used to|twice a|once a|times a"
    r"|most days|daily|weekly|on (?:mon|tues|wednes|thurs|fri|satur|sun)days)\b",
    re.IGNORECASE,
)
_SAME_DAY = re.compile(
    r"\b(?:today|tonight|just|this (?:morning|afternoon|evening)|now)\b", re.IGNORECASE
)
_WEEKDAY = re.compile(
    rf"(?<!last )(?<!next )(?<!this )(?<!every )(?<!each )\b({'|'.join(WEEKDAYS)})\b(?!'s| week)",
    re.IGNORECASE,
)
_TODAY = re.compile(r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b", re.IGNORECASE)
_SINCE = re.compile(r"\bsince (?:\w+ ){0,2}\w*$", re.IGNORECASE)
# "And again on the 5th": it is the same that was spoken of.
_GOES_ON = re.compile(
    r"\bagain\b|\bonce more\b|\b(?:first|second|third|fourth|last) (?:time|go)\b|\bdid it\b"
    r"|^\W*(?:and )?(?:then|with me)\b",
    re.IGNORECASE,
)
_REACH = 4  # turns after one that tells of something, in which it may go on
_INEXACT = re.compile(
    r"\b(?:last (?:week|weekend|month|year)|weeks? ago|months? ago|years? ago|the other day"
    r"|recently|at christmas|at easter|over the weekend|in (?:spring|summer|autumn|winter"
    rf"|{'|'.join(MONTHS)}))\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?:;|\s-+\s|--"
    r"|,? (?:but|because|cos|while|although|though|so(?! far| much| many)|which|who)\s"
    r"|,? and (?=(?:i|we|he|she|they|it)\b))",
    re.IGNORECASE,
)
_PART = re.compile(r"[,:()]\s|\s(?=and (?:i|we|he|she|they|it)\b)", re.IGNORECASE)
_OTHER_SUBJECT = re.compile(
    r"\W*(?:(?:and|but|so|then|also|now|well|oh)\W+)*(?:he|she|they|you|his|her|their|your|it)\b",
    re.IGNORECASE,
)
_OWN_SUBJECT = re.compile(r"\b(?:i|we|me|us|my|our|i'm|i've|i'd|we've|we're)\b", re.IGNORECASE)
_NAME = re.compile(r"\b[A-Z][a-z][\w-]+\b")
_MOST_READINGS = 3
# Nothing of it has happened, whatever verb stands beside.
_ONLY_PLANNED = re.compile(
    r"\b(?:sign(?:ed)? up for|signed \w+ up for|entered for|register(?:ed)? for|got tickets"
    r"|have tickets|bought tickets|booked)\b",
    re.IGNORECASE,
)
_WISHED = re.compile(
    r"\b(?:wants?|wanted|hoped?|hoping|plan|planned|planning|meant|supposed|about|tried|trying|forgot"
    r"|refused|due|loved?|like|liked|asked|asks|told|persuade\w*|convince\w*|promised|prefers?"
    r"|wait(?:ed|ing)?|too \w+)(?: (?:me|us|him|her|you|[A-Z]\w+))? to (?:\w+ ){0,2}$",
    re.IGNORECASE,
)
_HAD = re.compile(r"\bhad (?:an?|my|our|the|some|another|\w+ed|been)\b", re.IGNORECASE)
# "when I was up that way" tells of the past.
_WHEN_PAST = re.compile(
    r"\b(?:when|until|till|if)(?= (?:\w+ ){1,3}(?:was|were|had|did|came|went|got|\w{3,}ed)\b)",
    re.IGNORECASE,
)
# "And on Saturday he took me along": a deed of whoever spoke before.
_TOOK_ALONG = re.compile(
    r"\b(?:he|she|they)\b.*\b(?:took|brought|let) (?:me|us) (?:along|with|come)\b", re.IGNORECASE
)
# "from the 12th to the 16th" is one stay.
_FROM_TO = re.compile(r"\bfrom\b.{1,40}\b(?:to|until|till|through)\b", re.IGNORECASE)
_YES = re.compile(r"\W*(?:yes|yeah|yep|yup|mostly|sure|of course|i did|once more|twice)\b", re.I)
_ASKS_OF_PAST = re.compile(
    r"\b(?:did|have|were|was)(?:n't)? you\b|\byou(?:'ve| \w+ed| went| ran)\b", re.IGNORECASE
)
_LEADING = r"^\W*(?:(?:and|but|so|then|also|now|well|oh|yes|no|anyway|today|yesterday)\W+)*"
_OF_OTHER = re.compile(
    rf"{_LEADING}(?:(?:he|she|they|you|it)\b|(?:my|our|his|her|their|your|the)"
    r" (?P<noun>[\w-]+)(?P<second> [\w-]+)? (?:\w+ed|has|have|had|was|were|went|did|ran|took|got"
    r"|came|is|goes|swam|saw|read|won|made)\b)",
    re.IGNORECASE,
)
# Whose deeds are not their own: "my brother ran it".
PERSONS = frozenset(
    words(
        "mum mom mam mother dad father brother sister son daughter wife husband partner boyfriend"
        " girlfriend friend cousin aunt uncle nephew niece gran granny grandma grandmother grandad"
        " grandpa grandfather boss colleague neighbour neighbor flatmate roommate boy girl kid kids"
        " children parents friends colleagues mate buddy team class coach teacher"
    )
)
_LONGEST_AGO = 250  # days: "again on Friday, surgery's on 19 November" is of the November to come
_LONGEST_SENTENCE = 600  # characters; more is a paste, of which each verb would be looked at
_SHORTEST_NICKNAME = 2  # letters
_RETOLD_DAYS = 4  # in which somebody speaks again of what they did
_TOTAL = re.compile(r"\b(?:so far|altogether|in all|in total|up to now|this year|all told)\b", re.I)


@dataclass(frozen=True)
class Topic:
    """What a question counts or lists: the words of each part of it, the one that names it first.

    `names` are the words that name whose it was, none for anybody's; `speakers` all who speak.
    `qualifiers` are parts that are left out when somebody speaks of it again ("ice" of "ice
    fishing", "in the sea").
    """

    parts: tuple[frozenset[str], ...]
    names: frozenset[str]
    speakers: frozenset[str] = frozenset()
    qualifiers: tuple[frozenset[str], ...] = ()

    @property
    def head(self) -> frozenset[str]:
        """The words of which a sentence about it has one."""
        return self.parts[0]


@dataclass(frozen=True)
class Event:
    """Something that a sentence tells has happened: how often, and on which days.

    `part` is the part of the sentence, `clause` what goes with it. It `is_exact` where the sentence
    names its days; else the day is that of the turn. `ordinal` is the number that it is given
    ("third flat"), `met` how many parts of the topic stand in it or the sentence before it, and
    `met_around` in its turn or right before that. `is_met`: it has all parts but those that are
    left out when somebody speaks of it again.
    `is_plain`: by whom it was is said in the sentence.
    """

    turn: Turn
    sentence: str
    clause: str
    part: str
    days: tuple[date, ...]
    is_exact: bool
    count: int
    ordinal: int
    met: int
    met_around: int
    is_plain: bool
    is_total: bool
    is_met: bool = False


@dataclass(frozen=True)
class Told:
    """What the turns tell of a topic: its events, and the sentences that tell of no certain one."""

    events: tuple[Event, ...]
    doubtful: tuple[str, ...]


def topics_of(question: FactQuestion) -> list[Topic]:
    """What a question may be about, the likeliest reading first: which word names the deed."""
    telling = [word for word in question.telling if word not in _NO_TOPIC]
    telling = [word for word in telling if not _goes_without_saying(word, telling)] or telling
    groups: list[frozenset[str]] = []
    by_word: dict[str, frozenset[str]] = {}
    for word in sorted(telling, key=lambda word: word != _head_word(question, telling)):
        names = by_word[word] = other_names(word)
        if not any(names & group for group in groups):
            groups.append(names)
    names = frozenset(
        word for forms in question.names for word in words(forms[-1]) if word not in ("the", "s")
    )
    return [
        Topic(
            (head, *(group for group in groups if group is not head)),
            names,
            qualifiers=tuple(
                dict.fromkeys(
                    by_word[word]
                    for word in _qualifying(question.text, head, by_word)
                    if by_word.get(word, head) is not head
                )
            ),
        )
        for head in groups[:_MOST_READINGS]
    ]


# Verbs that say no more than the noun beside them: who "took a test" had one.
_COLLOCATIONS = (
    ("run ran running", "race races marathon marathons 10k 10ks 5k parkrun parkruns"),
    ("take took taken sit sat", "test tests exam exams lesson lessons class classes course"),
    ("play played", "match matches game games concert concerts gig gigs"),
    ("give gave given", "concert concerts lecture lectures talk talks"),
    ("donate donated", "blood"),
    ("bake baked", "cake cakes bread loaf loaves"),
    ("ride rode", "bike bikes bicycle"),
)
_IN_THE = re.compile(
    r"\b(?:in|at|on) the (?!morning|evening|afternoon|weekend|end|way|rain|sun|snow|cold|dark|same"
    r"|week|month|first|second|third|last|next|year|spring|summer|autumn|winter|middle|early|late)"
    r"(?P<noun>[a-z][\w-]+)"
)
_QUALIFIERS = frozenset(
    words(
        "ice sea open cold wild outdoor indoor driving piano guitar violin singing swimming dance"
        " yoga spanish french german italian english language physio eye heart half road mountain"
        " rock day night weekend"
    )
)


def _qualifying(
    text: str, head: frozenset[str], by_word: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    """The words of a question that people leave out when they speak of it again.

    What stands right before its noun ("ice fishing"), and where it was ("in the sea").
    """
    for before, word in pairwise(words(text)):
        if before in _QUALIFIERS and by_word.get(word) is head:
            yield before
    for match in _IN_THE.finditer(text):
        yield match["noun"]


def _goes_without_saying(word: str, telling: Sequence[str]) -> bool:
    """Whether a verb of a question says no more than its noun: "run" of "run a race"."""
    return any(
        word in verbs.split() and any(noun in nouns.split() for noun in telling)
        for verbs, nouns in _COLLOCATIONS
    )


def _head_word(question: FactQuestion, telling: Sequence[str]) -> str:
    """The word for what is counted or listed: "lessons" of "How many driving lessons"."""
    query = re.search(
        r"\b(?:how many|which|what|number of|list|all|every|each|dates? of)\b(?P<noun>.*?)"
        r"\b(?:did|do|does|has|have|had|was|were|is|are|will|can|to|with|in|at|for|that)\b",
        question.text,
        re.IGNORECASE,
    )
    nouns = words(query["noun"]) if query else []
    heads = [word for word in telling if word in nouns]
    if heads:
        return heads[-1]
    # "How often did Mirela drive to Lyon?": the verb is often left out, the place is not.
    goal = re.search(r"\b(?:to|at) (?:the |a |an )?(?P<goal>[\w' ]+)", question.text)
    goals = list(takewhile(telling.__contains__, words(goal["goal"]))) if goal else []
    if goals:
        return goals[-1]
    # "the washing machine": what two words name is named by the last.
    text_words = words(question.text)
    run = list(takewhile(telling.__contains__, text_words[text_words.index(telling[0]) :]))
    return run[-1] if run and run[-1] in text_words else telling[0]


def spoken_names(names: frozenset[str], speakers: Collection[str]) -> frozenset[str]:
    """The names of a question as speakers have them: "Anna" of "Anna Petersen", Ed of "Edward"."""
    short = {
        speaker
        for speaker in speakers
        for name in names
        if len(speaker) >= _SHORTEST_NICKNAME and name.startswith(speaker)
    }
    return frozenset(short) or names


@cache
def _groups() -> Sequence[tuple[frozenset[str], frozenset[str]]]:
    """Words that tell of one deed, and those that only questions use for it."""
    table = tomllib.loads(Path(__file__).with_name("word_classes.toml").read_text("utf-8"))
    parts = (group.partition("|") for group in table["deeds"]["groups"])
    return [(frozenset(told.split()), frozenset(query.split())) for told, _, query in parts]


@cache
def other_names(word: str) -> frozenset[str]:
    """A word, its forms, and the words that tell of the same: a novel for a book."""
    forms = frozenset(all_forms(word))
    same = {
        name
        for telling, others in _groups()
        if any(are_forms(form, name) for form in forms for name in telling | others)
        for name in telling
    }
    return forms | {form for name in same for form in all_forms(name)}


def is_told(sentence: str) -> bool:
    """Whether a sentence may tell something: no question, and not without an end."""
    return len(sentence) <= _LONGEST_SENTENCE and not sentence.rstrip(" )\"'").endswith("?")


def has_any(text_words: Iterable[str], names: Collection[str]) -> bool:
    """Whether one of the words of a text is a form of one of these."""
    return any(_is_any(word, names) for word in text_words)


def _is_any(word: str, names: Collection[str]) -> bool:
    if word in names:
        return True
    return any(word[:3] == name[:3] and are_forms(word, name) for name in names)


def read_events(topic: Topic, turns: Sequence[Turn]) -> Told:
    """The events of a topic that turns tell of, in the order in which they were told.

    `turns` are those with its words, and those around them.
    """
    events: list[Event] = []
    doubtful: list[str] = []
    by_id = {turn.id: turn for turn in turns}
    last = 0  # the turn that spoke of it last
    for turn in sorted(turns, key=lambda turn: turn.id):
        if not is_evidence(turn.text):
            continue
        before = [
            by_id[turn.id - n]
            for n in (1, 2)
            if turn.id - n in by_id and by_id[turn.id - n].session == turn.session
        ]
        goes_on = bool(last) and turn.id - last <= _REACH
        goes_on = goes_on and by_id[last].session == turn.session
        if _read_turn(topic, turn, before, goes_on, events, doubtful):
            last = turn.id
    return Told(tuple(events), tuple(doubtful))


def _read_turn(
    topic: Topic,
    turn: Turn,
    before: Sequence[Turn],
    goes_on: bool,
    events: list[Event],
    doubtful: list[str],
) -> bool:
    """Add what a turn tells of a topic to the events; whether it speaks of it at all."""
    said_on = named_day(turn.said_at)
    if said_on is None:
        return False
    parts = sentences(turn.text)
    context_words = [*words(turn.text), *words(" ".join(earlier.text for earlier in before))]
    is_answer = _is_answer(topic, turn, before)
    speaks = False
    for number, sentence in enumerate(parts):
        has_head = has_any(words(sentence), topic.head)
        is_taken_along = bool(before) and _is_taken_along(topic, turn, sentence, before[0])
        is_more = not has_head and bool(
            ((goes_on or speaks or is_answer) and _GOES_ON.search(sentence))
            or (is_answer and number == 0)
            or is_taken_along
        )
        if not has_head and not is_more:
            continue
        subject = subject_of(topic, turn, sentence, " ".join(parts[:number]))
        if subject == "other" and not is_taken_along:
            continue
        speaks = True
        if not is_told(sentence):
            continue
        following = parts[number + 1] if number + 1 < len(parts) else ""
        near = f"{sentence} {' '.join(parts[max(number - 1, 0) : number])}"
        if is_answer:
            near = f"{before[0].text} {near}"
        near_words = words(near)
        for clause in [sentence] if is_more else split_clauses(sentence):
            part = clause if is_more else _part_about(clause, topic)
            if not part or DENIED.search(part.split(",")[0] if is_more else part):
                continue
            if _ONLY_PLANNED.search(part) or (not is_more and _is_of_other(topic, turn, part)):
                continue
            if not is_more and is_wished(part, topic.head):
                continue
            days, is_exact = days_told(clause, sentence, "" if is_more else following, said_on)
            if not is_exact and number and not is_more:
                days = _day_before(clause, parts[number - 1], said_on) or days
            if is_more and not is_exact:
                continue
            ahead_part = _WHEN_PAST.sub("", part)
            is_ahead = bool(AHEAD.search(ahead_part))
            if HABIT.search(part) or (is_ahead and not is_exact):
                if not is_ahead:
                    doubtful.append(sentence)
                continue
            past = tuple(day for day in days if day <= said_on)
            is_same = events and events[-1].turn is turn and not events[-1].is_exact
            if is_more and is_same and events[-1].count == len(past) > 1:
                events.pop()  # "twice already this month: on the second, and yesterday"
            if not past or (is_ahead and len(past) < len(days)):
                continue
            if is_ahead and not _tells_past(part):
                continue  # "I've got to be in Bristol on Tuesday"
            met = len(topic.parts) if is_more else _met(near_words, topic)
            events.append(
                Event(
                    turn=turn,
                    sentence=sentence,
                    clause=clause,
                    part=part,
                    days=past,
                    is_exact=is_exact,
                    count=max(_number(part, topic.head), len(past)),
                    ordinal=_ordinal(clause),
                    met=met,
                    met_around=len(topic.parts) if is_more else _met(context_words, topic),
                    is_plain=subject == "plain" and not is_more,
                    is_total=bool(_TOTAL.search(sentence)),
                    is_met=met + _left_out(topic, part, near_words) >= len(topic.parts),
                )
            )
    return speaks


def _day_before(clause: str, previous: str, said_on: date) -> tuple[date, ...]:
    """The day of the sentence before one that names none: "The fair was on Friday. I sold two."."""
    if _INEXACT.search(clause) or not is_told(previous) or AHEAD.search(previous):
        return ()
    days, is_exact = days_told(previous, previous, "", said_on)
    return days if is_exact and len(days) == 1 and days[0] <= said_on else ()


def is_wished(part: str, head: Collection[str]) -> bool:
    """Whether what a word of `head` tells was wanted or planned: "wanted to go climbing"."""
    return any(
        _WISHED.search(part[: match.start()])
        for match in re.finditer(r"[\w'-]+", part)
        if _is_any(match[0].lower(), head)
    )


def _is_answer(topic: Topic, turn: Turn, before: Sequence[Turn]) -> bool:
    """Whether a turn answers "Did you go climbing?", of whom a question asks about."""
    if not before or before[0].speaker == turn.speaker:
        return False
    if topic.names and topic.names.isdisjoint(words(turn.speaker)):
        return False
    query = sentences(before[0].text)[-1]
    return (
        query.rstrip(" )\"'").endswith("?")
        and bool(_ASKS_OF_PAST.search(query))
        and has_any(words(query), topic.head)
        and bool(_YES.match(turn.text))
    )


def _is_taken_along(topic: Topic, turn: Turn, sentence: str, before: Turn) -> bool:
    """Whether somebody tells that whoever spoke of it right before took them along."""
    return (
        before.speaker != turn.speaker
        and bool(topic.names)
        and not topic.names.isdisjoint(words(before.speaker))
        and has_any(words(before.text), topic.head)
        and bool(_TOOK_ALONG.search(sentence))
    )


def _is_of_other(topic: Topic, turn: Turn, part: str) -> bool:
    """Whether a part of what somebody says of themselves is another's: "my brother ran it"."""
    if not topic.names or topic.names.isdisjoint(words(turn.speaker)):
        return False
    match = _OF_OTHER.match(part)
    if not match:
        return False
    if match["noun"]:
        subject = words(f"{match['noun']} {match['second'] or ''}")
        # "My last lesson was on Friday."
        is_it = has_any(subject, topic.head) or not topic.names.isdisjoint(subject)
        return not is_it and match["noun"].lower() in PERSONS
    return not _OWN_SUBJECT.search(part)


def _left_out(topic: Topic, part: str, near_words: Collection[str]) -> int:
    """How many qualifiers a part leaves out, where none other stands in their place."""
    left_out = sum(not has_any(near_words, names) for names in topic.qualifiers)
    if not left_out:
        return 0
    if _IN_THE.search(part):
        return 0  # "swam in the river": elsewhere
    for before, word in pairwise(words(part)):
        if _is_any(word, topic.head) and before in _QUALIFIERS:
            return 0
    return left_out


def _tells_past(part: str) -> bool:
    """Whether a part of a sentence has a verb of the past; "I've got to" has none."""
    return bool(_HAD.search(part)) or any(
        is_past_verb(word) for word in words(part) if word not in ("got", "had")
    )


def _met(text_words: Sequence[str], topic: Topic) -> int:
    return sum(has_any(text_words, names) for names in topic.parts)


def _part_about(clause: str, topic: Topic) -> str:
    return next((part for part in split_parts(clause) if has_any(words(part), topic.head)), "")


def split_clauses(sentence: str) -> list[str]:
    """The clauses of a sentence, each of which may have days of its own."""
    return _split(_CLAUSE, sentence)


def split_parts(clause: str) -> list[str]:
    """The parts of a clause between commas."""
    return _split(_PART, clause)


def _split(pattern: re.Pattern[str], text: str) -> list[str]:
    ends = [match.start() for match in pattern.finditer(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)]) if text[start:end]]


def subject_of(topic: Topic, turn: Turn, sentence: str, before: str) -> str:
    """Whether a sentence is of those whom a question names: "plain", "likely" or "other"."""
    if not topic.names:
        return "plain"
    sentence_words = set(words(sentence))
    is_speaker = not topic.names.isdisjoint(words(turn.speaker))
    if is_speaker:
        if _OWN_SUBJECT.search(sentence) or not topic.names.isdisjoint(sentence_words):
            return "plain"
        if _OTHER_SUBJECT.match(sentence):
            return "other"
        first = _NAME.match(sentence.strip())
        is_of_another = first and first[0].lower() in topic.speakers
        return "other" if is_of_another else "plain"
    if not topic.names.isdisjoint(sentence_words):
        return "plain" if _is_doer(topic, sentence) else "other"
    if topic.names <= topic.speakers:
        return "other"
    # Of somebody who does not speak: "Seizure at 4 am", noted by a carer.
    others = (topic.speakers - topic.names) & sentence_words
    if _OWN_SUBJECT.search(sentence) or others:
        return "other"
    return "likely"


def _is_doer(topic: Topic, sentence: str) -> bool:
    """Whether a sentence that names somebody tells of them: not "I bought it for Sam"."""
    names = "|".join(sorted(map(re.escape, topic.names)))
    return not re.search(
        rf"\b(?:for|to|with|by|from|than|like|about|of|tell|told|ask|asked|thank|thanks)"
        rf"(?: (?:my|our|your|uncle|aunt|the|mr|mrs|dr))? (?:{names})\b(?!'s)",
        sentence,
        re.IGNORECASE,
    )


def days_told(
    clause: str, sentence: str, following: str, said_on: date
) -> tuple[tuple[date, ...], bool]:
    """The days of what a clause tells; that of the turn where none is named."""
    for text in (clause, sentence, following):
        if text is following and (len(words(text)) > 12 or AHEAD.search(text)):
            break
        days = {
            spoken.day
            for spoken in days_in(text, said_on, True)
            if not _SINCE.search(text[: spoken.start + len("since the ")])
            and (said_on - spoken.day).days < _LONGEST_AGO
        }
        # "Monday, then Wednesday and Friday"
        for weekday in _WEEKDAY.finditer(text):
            day = weekday_near(said_on, weekday[1], True)
            if all(day.weekday() != other.weekday() for other in days):
                days.add(day)
        if _TODAY.search(text):
            days.add(said_on)
        days.update(feast_days(text, said_on))
        if days:
            if len(days) == 2 and _FROM_TO.search(text):
                days = {min(days)}
            return tuple(sorted(days)), True
        if _SAME_DAY.search(text):
            return (said_on,), True
        if _INEXACT.search(text):
            return (said_on,), False
    return (said_on,), False


def _number(part: str, head: Collection[str]) -> int:
    """How often a part of a sentence says it was: "two lessons", "twice"."""
    if times := _TIMES.search(part):
        return 2 if times["twice"] else _value(times["number"])
    part_words = words(part)
    for position, word in enumerate(part_words):
        if _is_any(word, head):
            first = max(position - 3, 0)
            for before, after in pairwise(part_words[first : position + 1]):
                is_count = re.fullmatch(_NUMBER, before) and before not in ("one",)
                is_size = after in UNITS and not _is_any(after, head)
                if is_count and not is_size and _value(before) < 100:
                    return _value(before)
    return 1


def _value(number: str) -> int:
    return int(number) if number.isdecimal() else COUNT[number.lower()]


def _ordinal(text: str) -> int:
    """The number that something is given: 3 for "third flat" or "physio number three".

    Of several it is the last one: 3 for "second and third physio done".
    """
    return max(map(_value_of_ordinal, _ORDINAL.finditer(text)), default=0)


def _value_of_ordinal(match: re.Match[str]) -> int:
    if not match["word"]:
        return _value(match["number"] or match["digits"])
    # "The third of May" is a day.
    after = match.string[match.end() :].lower()
    if re.match(rf"\s+(?:of|o'?)?\s*(?:{'|'.join(MONTHS)})|\W*$", after):
        return 0
    return _ORDINALS.index(match["word"].lower()) + 1


@dataclass(frozen=True)
class Count:
    """How often something happened: the events, each day once, and how far they agree.

    `numbered` says that an ordinal is the count ("third flat" of three), `skipped` that one is
    beyond it, so that some events were not read, `merged` how many tellings were left out.
    """

    number: int
    events: tuple[Event, ...]
    days: tuple[date, ...]
    numbered: bool
    skipped: bool
    merged: int


def count_events(events: Sequence[Event], span: tuple[str, str] | None) -> Count:
    """The events, those of one day merged; `span` is the first and the last day (ISO) asked for."""
    counted: dict[date, Event] = {}
    chosen: list[Event] = []
    merged = 0
    numbered = skipped = False
    number = 0
    exact_sessions = {event.turn.session for event in events if event.is_exact}
    for event in sorted(events, key=lambda event: (event.days[-1], event.turn.id)):
        days = [day for day in event.days if _lies_in(day, span)]
        if not days:
            continue
        new_days = [day for day in days if day not in counted]
        is_retold = not event.is_exact and (
            any(0 <= (event.days[-1] - day).days <= _RETOLD_DAYS for day in counted)
            or event.turn.session in exact_sessions
        )
        if not new_days or (is_retold and event.count == 1 and not event.ordinal):
            merged += 1
            continue
        for day in new_days:
            counted[day] = event
        chosen.append(event)
        in_span = len(days) == len(event.days)
        told = max(event.count, 1) if in_span else len(days)
        if event.is_total and told >= number:
            number = told
        else:
            number += len(new_days) if len(event.days) > 1 else told
        if event.ordinal > 1 and span is None:
            skipped |= event.ordinal != number
            numbered = event.ordinal == number
            number = max(number, event.ordinal)
        elif event.ordinal > 1:
            numbered = event.ordinal == number
    return Count(number, tuple(chosen), tuple(sorted(counted)), numbered, skipped, merged)


def _lies_in(day: date, span: tuple[str, str] | None) -> bool:
    return span is None or span[0] <= day.isoformat() <= span[1]
