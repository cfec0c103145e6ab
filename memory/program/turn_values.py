"""A value that changes with time, read from turns: which day of the week, which kind, on what date.

"On which day is Anna's class now?", "Which instrument was she learning in May?", "How did the date
of the operation change?": of what is told again and again each telling has a day. Now the newest
holds, in May the last one by then, and what changed are all of them in their order.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.dates import COUNT, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import FactQuestion, read_fact_question, with_named_asker
from memory.program.fact_words import members_of
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, select_with, turns_of
from memory.program.spoken_days import days_in, spoken
from memory.program.told_of import Person, SaidSentence, is_told_of, quoted_of
from memory.program.turn_events import has_any, other_names
from memory.program.turn_states import asks_for_now
from memory.program.turn_still import ENDS, UNREAL
from memory.records import Rows, Turn
from memory.search.words import words
from memory.statements.word_lists import word_lists

_MOST_TURNS = 80
_BEFORE = 2  # turns, in which stands what "it" is, and who "she"
_ASKS_WEEKDAY = re.compile(
    r"^\W*(?:(?:on|at) )?(?:which|what) (?:days?|evenings?|nights?|mornings?|afternoons?|weekdays?)"
    r"(?: of the week)? (?P<verb>does|do|is|are|did|was|were)\b",
    re.IGNORECASE,
)
_ASKS_DATE = re.compile(
    r"^\W*(?:(?:on|for) )?(?:what|which) (?:date|day) (?:is|are) .{4,80}?"
    r" (?:planned|set|scheduled|fixed|booked|due)\b",
    re.IGNORECASE,
)
_ASKS_DAYS_A_WEEK = re.compile(
    r"^\W*how many (?:days|evenings|nights|mornings) (?:a|per|each) week\b", re.I
)
_DAYS_A_WEEK = re.compile(
    rf"\b(?P<number>{'|'.join(COUNT)}|\d) (?:days|evenings|nights|mornings)(?: (?:a|per|each|every)"
    r" week|(?= (?:from|since|as of|now|only|there)\b))",
    re.IGNORECASE,
)
_ASKS_KIND = re.compile(
    r"^\W*(?:(?:at|in|on|with|to) )?(?:which|what) (?:(?:kind|sort|type) of )?(?P<kind>[a-z]+)"
    r" (?:\w+ ){0,4}?(?P<verb>does|do|is|are|did|was|were|has|have)\b",
    re.IGNORECASE,
)
_ASKS_WAY = re.compile(
    r"^\W*how (?P<verb>does|do|did) .{2,40}? (?:get|travel|go|come|commute) (?:to|in|there|into)\b",
    re.IGNORECASE,
)
_ASKS_CHANGES = re.compile(
    r"^\W*(?:how|in what way) (?:did|do|does|has|have|was|were) (?P<what>.{4,80}?)"
    r" (?:been )?(?:chang(?:e|ed)|moved?|shifted|develop(?:ed)?|gone)\b"
    r"|^\W*what changes? .{2,30}? (?:in|to|with|of) (?P<of>.{4,80}?)\??$",
    re.IGNORECASE,
)
_OF_DATE = re.compile(r"\b(?:date|day|appointment|when)\b", re.IGNORECASE)
_OF_AMOUNT = {
    "weight": ("weigh weight weighed weighs weighing pounds kilos kg stone lbs scale scales", True),
    "rent": ("rent", False),
    "salary": ("salary wage wages pay paid earn earns", False),
    "wage": ("salary wage wages pay paid earn earns", False),
    "price": ("price cost costs asking offer offered", False),
}
_WEEKDAY = re.compile(
    rf"\b(?P<every>every |each )?(?P<day>{'|'.join(WEEKDAYS)})(?P<plural>s)?\b"
    r"(?P<part> (?:morning|afternoon|evening|night)s?)?",
    re.IGNORECASE,
)
_NO_MORE = re.compile(
    r"\b(?:not|instead of|rather than|no longer|n't|except|from|until|used to be|was|were)"
    r" (?:\w+ ){0,2}$",
    re.IGNORECASE,
)
_NOT_THIS = re.compile(r"\b(?:not|instead of|rather than|n't)(?: \w+){0,2} $", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\b(?:i|we|me|us|my|our)\b", re.IGNORECASE)
_ON_THE_WAY = re.compile(
    r"\b(?:by|(?:in|on) (?:the|an?|my|his|her|their)|tak(?:e|es|ing)|took|catch(?:es)?"
    r"|rid(?:e|es|ing)|driv(?:e|es|ing)|walk(?:s|ing)?|cycl(?:e|es|ing)|us(?:e|es|ing)|on foot)\b",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|since (?:he|she|they|the|our|my)|so that|although)\b", re.I)
_NUMBER = re.compile(
    r"(?<![\w.,:/$\u00a3\u20ac])[$\u00a3\u20ac]?(?P<number>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)"
    r"(?!\d|[:/]\d|(?:st|nd|rd|th)\b|[ap]m\b|%)"
)
_UNIT_OF_WEIGHT = re.compile(r" ?(?:pounds|lbs?|kilos?|kg|stone)\b", re.IGNORECASE)
_UNIT_OF_TIME = re.compile(r" (?:minutes?|hours?|days?|weeks?|months?|years?)\b", re.IGNORECASE)
_PLAIN_DETERMINERS = r"(?:the|an?|my|our|his|her|their|this)"
_NO_MODIFIER = frozenset(
    words(
        "new old first last next other same whole big small own only another good nice bad little"
        " right wrong best different second third free empty different lovely entire current"
    )
)
# What a question asks for with words that say nothing of what it is about.
_NO_TOPIC = frozenset(
    words(
        "day days evening night morning afternoon weekday week date change changed changes how now"
        " learning learn play playing have has had go goes going use uses using take takes taking"
        " do does doing drive drives driving moment these currently kind sort type get gets getting"
        " way since started between number each present first last start begin flat house home"
        " spring summer autumn winter fall work works worked working planned scheduled set fixed"
        " booked"
    )
)


@dataclass(frozen=True)
class _Value:
    """A value that a turn tells, from which day on, and the sentence that says so."""

    text: str
    day: str
    turn: Turn
    sentence: str
    is_over: bool = False


@dataclass(frozen=True)
class _Asked:
    """What a question asks for: a kind of value, what it is about, of whom, and at what time."""

    kind: str  # "weekday", "date", "amount", "way" or a class of things
    topic: tuple[frozenset[str], ...]
    name: frozenset[str]
    read: FactQuestion
    is_of_changes: bool = False
    amount: str = ""


def answer_by_values(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer which value held at a time, or how it changed; None where turns do not say it.

    Arguments:
        question: in the third person ("On which day is Anna's class now?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    question = with_named_asker(question, asker)
    about = _asked(question, today, asker)
    if about is None:
        return None
    searched = " ".join((*sorted(about.name), *about.read.telling, *sorted(_searched(about))))
    turns = {
        turn.id: turn for turn in corrected(turns_of(read(select_with(searched, _MOST_TURNS))))
    }
    near = {number - n for number in turns for n in range(1, _BEFORE + 1)} - turns.keys()
    if near := {number for number in near if number > 0}:
        turns |= {turn.id: turn for turn in corrected(turns_of(read(select_by_id(near))))}
    values = [
        value
        for _, turn in sorted(turns.items())
        if is_evidence(turn.text)
        for value in _in_turn(about, turn, turns)
    ]
    chosen = _chosen(about, values)
    if not chosen:
        return None
    text = "; then ".join(_shown(about, value) for value in chosen)
    text += f" ({'; '.join(quoted_of(value.turn, value.sentence) for value in chosen)})"
    ids = tuple(dict.fromkeys(value.turn.id for value in chosen))
    sql = select_by_id(ids)
    return FactAnswer(text, ids, (sql,), (read(sql),), (), ())


def _asked(question: str, today: str, asker: str) -> _Asked | None:
    changes = _ASKS_CHANGES.search(question)
    kind, amount = "", ""
    if changes:
        what = (changes["what"] or changes["of"]).lower()
        amount = next((word for word in _OF_AMOUNT if re.search(rf"\b{word}\b", what)), "")
        if amount:
            kind = "amount"
        elif re.search(r"\b(?:week)?days\b|\bday of the week\b", what):
            kind = "weekday"
        elif _OF_DATE.search(what):
            kind = "date"
        else:
            return None
        question = re.sub(r",? with each number.*$", "", question)
    elif _ASKS_DATE.search(question):
        kind = "date"
    elif _ASKS_DAYS_A_WEEK.search(question):
        kind = "days a week"
    elif _ASKS_WEEKDAY.search(question):
        kind = "weekday"
    elif _ASKS_WAY.search(question):
        kind = "way"
    elif (match := _ASKS_KIND.search(question)) and len(match["kind"]) > 2:
        kind = match["kind"].lower()
    if not kind:
        return None
    read = read_fact_question(question, today, asker)
    if changes and read is None:
        # "from October to June" names two days, and all that changed lies between them.
        plain = re.split(r" (?:from|between|since|over|during|in) ", question)[0]
        read = read_fact_question(f"{plain}?", today, asker)
    if read is None or read.is_ahead or (read.aspect and not changes):
        return None
    is_timed = bool(changes or asks_for_now(question) or read.span or read.is_previous)
    if not is_timed and (read.is_past or kind not in ("weekday", "days a week")):
        return None
    if (len(read.names) > 1 and kind != "date") or not (read.names or kind in _OF_TOPIC):
        return None
    name = frozenset(word for forms in read.names for word in words(forms[-1]))
    tail = read.names[0][0].partition("'s ")[2] if read.names else ""
    telling = dict.fromkeys((*words(tail), *read.telling))
    topic = tuple(
        other_names(word)
        for word in telling
        if word not in _NO_TOPIC and word not in name and word != kind
    )
    if kind == "weekday" and re.match(r"do|does|did", _verb_of(question), re.IGNORECASE):
        # Of "the choir sings" a turn may say that it is.
        things = tuple(names for names in topic if names.isdisjoint(word_lists().verbs))
        topic = things or topic
    if kind in _OF_TOPIC and not topic:
        return None
    return _Asked(kind, topic, name, read, bool(changes), amount)


def _verb_of(question: str) -> str:
    match = _ASKS_WEEKDAY.search(question)
    return match["verb"] if match else ""


def _searched(about: _Asked) -> set[str]:
    if about.kind in ("weekday", "days a week"):
        return {f"{day}s" for day in WEEKDAYS} | {*WEEKDAYS, "days", "week"}
    if about.kind == "amount":
        return set(words(_OF_AMOUNT[about.amount][0]))
    if about.kind == "way":
        return set(members_of("transport"))
    return {about.kind, *members_of(about.kind)} if about.kind != "date" else set()


def _in_turn(about: _Asked, turn: Turn, turns: dict[int, Turn]) -> Iterator[_Value]:
    before = [turns[turn.id - n] for n in range(_BEFORE, 0, -1) if turn.id - n in turns]
    before = [turn_before for turn_before in before if turn_before.session == turn.session]
    parts = sentences(turn.text)
    for number, sentence in enumerate(parts):
        if sentence.rstrip(" )\"'").endswith("?"):
            continue
        around = words(
            " ".join((*(turn_before.text for turn_before in before), *parts[:number], sentence))
        )
        is_near = all(has_any(around, names) for names in about.topic)
        if about.kind == "weekday":
            yield from _weekdays(about, turn, sentence, is_near)
        elif about.kind == "days a week":
            yield from _days_a_week(about, turn, sentence, is_near)
        elif about.kind == "date":
            yield from _dates(about, turn, sentence, parts[:number], before)
        elif about.kind == "amount":
            yield from _amounts(about, turn, sentence, parts[:number], before)
        else:
            yield from _kinds(about, turn, sentence, parts[:number], before)


def _weekdays(about: _Asked, turn: Turn, sentence: str, is_near: bool) -> Iterator[_Value]:
    """The days of the week on which something is usual: "on Tuesdays", "every Friday"."""
    clause = _REASON.split(sentence)[0]
    if not is_near or UNREAL.search(re.sub(r"\binstead of\b.*|,? not \w+days?\b", "", clause)):
        return
    if about.name and not about.name & set(words(f"{turn.speaker} {sentence}")):
        return
    if not has_any(words(clause), _WEEKDAY_FORMS):
        return
    matches = [*_WEEKDAY.finditer(clause)]
    if not any(match["plural"] or match["every"] or match["part"] for match in matches) and not (
        re.search(r"\b(?:now|always|usually|weekly|moved to|changed to)\b", clause, re.IGNORECASE)
    ):
        return
    days = [
        match["day"].capitalize()
        for match in matches
        if not _NO_MORE.search(clause[: match.start()])
    ]
    if days:
        text = " and ".join(dict.fromkeys(days))
        yield _Value(text, turn.said_at[:10], turn, sentence)


def _days_a_week(about: _Asked, turn: Turn, sentence: str, is_near: bool) -> Iterator[_Value]:
    """On how many days of a week something is usual: "three days a week", "on Mondays"."""
    said = _DAYS_A_WEEK.search(sentence)
    if (
        said
        and is_near
        and (not about.name or about.name & set(words(f"{turn.speaker} {sentence}")))
    ):
        number = COUNT.get(said["number"].lower(), said["number"])
        yield _Value(str(number), turn.said_at[:10], turn, sentence)
        return
    for value in _weekdays(about, turn, sentence, is_near):
        yield replace(value, text=str(value.text.count(" and ") + 1))


_OF_TOPIC = ("weekday", "date", "days a week")
_WEEKDAY_FORMS = frozenset({*WEEKDAYS, *(f"{day}s" for day in WEEKDAYS)})


def _dates(
    about: _Asked, turn: Turn, sentence: str, earlier: Sequence[str], before: Sequence[Turn]
) -> Iterator[_Value]:
    """The days on which something was to be, or was."""
    said_on = named_day(turn.said_at)
    if said_on is None:
        return
    near = words(" ".join((*earlier[-1:], sentence)))
    met = sum(has_any(near, names) for names in about.topic)
    if not met or 2 * met < len(about.topic):
        return
    if about.name and not about.name & {
        *near,
        *words(turn.speaker),
        *(
            word
            for turn_before in before[-1:]
            for word in words(f"{turn_before.speaker} {turn_before.text}")
        ),
    }:
        return
    is_past = not re.search(r"\b(?:will|going to|'ll|is|start|next)\b", sentence, re.IGNORECASE)
    for day in days_in(sentence, said_on, is_past):
        value = day.day.isoformat()
        yield _Value(value, turn.said_at[:10], turn, sentence)


def _amounts(
    about: _Asked, turn: Turn, sentence: str, earlier: Sequence[str], before: Sequence[Turn]
) -> Iterator[_Value]:
    """Numbers of one measure: what somebody weighs, what is paid."""
    measure, is_weight = _OF_AMOUNT[about.amount]
    of_measure = frozenset(words(measure))
    near = words(" ".join((*earlier[-1:], sentence)))
    if not has_any(near, of_measure) or UNREAL.search(sentence.split(" and ")[0]):
        return
    for match in _NUMBER.finditer(sentence):
        following = sentence[match.end() :]
        if _UNIT_OF_TIME.match(following) or _NOT_THIS.search(sentence[: match.start()][-24:]):
            continue
        if re.search(
            r"\b(?:under|below|over|more than|less than|lost|gained|by|another|goal of|want\w* to"
            r"(?: \w+){0,3}) $",
            sentence[: match.start()],
            re.IGNORECASE,
        ):
            continue
        if (
            is_weight
            and not _UNIT_OF_WEIGHT.match(following)
            and not has_any(
                words(sentence), frozenset(words("weigh weighed weighs weight scale scales"))
            )
        ):
            continue
        person = Person(about.name)
        lead = sentence[: match.start()]
        if is_told_of(person, SaidSentence(turn, sentence, lead, earlier, before)) or (
            about.name <= set(words(turn.speaker))
            and not re.search(r"\b(?:he|she|they|his|her|your|you)\b", lead, re.IGNORECASE)
        ):
            yield _Value(match["number"], turn.said_at[:10], turn, sentence)
            return


def _kinds(
    about: _Asked, turn: Turn, sentence: str, earlier: Sequence[str], before: Sequence[Turn]
) -> Iterator[_Value]:
    """Members of a class that are said of somebody, or a thing by its modifier: "the back room"."""
    person = Person(about.name)
    kind = "transport" if about.kind == "way" else about.kind
    members = members_of(kind)
    for clause in re.split(r",? (?:and|but|so) |[,;] ", sentence):
        start = sentence.find(clause)
        named = re.search(
            rf"\b{_PLAIN_DETERMINERS} (?P<modifier>(?:[\w'-]+ )?)"
            rf"(?P<noun>{re.escape(about.kind)})\b",
            clause,
            re.IGNORECASE,
        )
        value, at = "", 0
        if member := next(
            (m for m in re.finditer(r"[\w-]+", clause) if _is_member(m[0], members)), None
        ):
            value, at = member[0], member.start()
        elif (
            named
            and named["modifier"].strip()
            and not (set(words(named["modifier"])) & _NO_MODIFIER)
        ):
            value, at = f"{named['modifier']}{named['noun']}", named.start()
        if not value:
            continue
        lead = sentence[: start + at]
        if not is_told_of(person, SaidSentence(turn, sentence, lead, earlier, before)):
            continue
        is_own = about.name <= set(words(turn.speaker))
        if is_own and not (_FIRST_PERSON.search(sentence) or about.name & set(words(lead))):
            continue  # "the landlord has found somebody for the back room"
        if about.kind == "way" and not _ON_THE_WAY.search(clause):
            continue
        if (
            about.topic
            and about.kind != "way"
            and not any(
                has_any(words(" ".join((*earlier, sentence))), names) for names in about.topic
            )
        ):
            continue
        if ENDS.search(clause) or re.search(r"\bno more\b|\bnot?\b|n't\b", clause, re.IGNORECASE):
            yield _Value(value, turn.said_at[:10], turn, sentence, is_over=True)
        elif not UNREAL.search(clause):
            yield _Value(value, turn.said_at[:10], turn, sentence)


def _is_member(word: str, members: frozenset[str]) -> bool:
    return word.lower() in members or word.lower().removesuffix("s") in members


def _chosen(about: _Asked, values: Sequence[_Value]) -> list[_Value]:
    if about.is_of_changes:
        return _changes(about, values)
    if about.read.before:
        return []
    if about.read.span:
        values = [value for value in values if value.day <= about.read.span[1]]
    if about.read.is_previous:
        in_force = [value for value in values if not value.is_over]
        return _previous(in_force)
    over = {
        value.text.lower() for value in values if value.is_over and value.turn is values[-1].turn
    }
    in_force = [value for value in values if not value.is_over]
    if not in_force:
        return []
    newest = in_force[-1]
    rivals = {value.text.lower() for value in in_force if value.turn.id == newest.turn.id}
    later_over = [v for v in values if v.is_over and v.turn.id > newest.turn.id]
    if len(rivals) > 1 or newest.text.lower() in over:
        return []
    if any(v.text.lower() == newest.text.lower() for v in later_over):
        return []
    return [newest]


def _previous(in_force: Sequence[_Value]) -> list[_Value]:
    earlier = [value for value in in_force if value.text.lower() != in_force[-1].text.lower()]
    return [earlier[-1]] if earlier else []


def _changes(about: _Asked, values: Sequence[_Value]) -> list[_Value]:
    """The values one after another, each once where it follows itself; none without a change."""
    series: list[_Value] = []
    for value in values:
        if value.is_over:
            continue
        if about.kind == "date":
            is_past = value.text < value.day
            if is_past and value is not values[-1]:
                continue  # what was planned lies ahead, but for the last, which may have come
            if value.text in {turn_before.text for turn_before in series}:
                continue
        elif series and series[-1].text.lower() == value.text.lower():
            continue
        series.append(value)
    return series if 1 < len(series) <= 8 else []


def _shown(about: _Asked, value: _Value) -> str:
    if about.kind == "date":
        return spoken(date.fromisoformat(value.text))
    return value.text
