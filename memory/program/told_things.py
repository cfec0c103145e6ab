"""Things and places that several turns tell with verbs of one sense, gathered for a question.

"Which mountains did Anna climb?" is told as "I walked up Snowdon", "I was on Tryfan". The question
names a deed, whose it was and what is asked for; each clause of that person with a verb of the same
sense names something as its object, or as its place. Nothing is learnt here: what a clause of the
deed leaves unsaid, or what only may be meant, makes the list uncertain, and there is no answer.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from memory.dates import MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import FactQuestion
from memory.program.fact_words import all_forms, are_forms, is_past_verb
from memory.program.grounding import as_a_part, without_part
from memory.program.list_questions import read_list_question
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_only, texts_before, with_questions
from memory.program.spoken_days import spoken
from memory.program.turn_deeds import Deed, deed_of, doer_of, words_met
from memory.program.turn_events import days_told, has_any, is_told, is_wished, spoken_names
from memory.program.turn_lists import answer_by_turns, lies_in, nearest_span, turns_with
from memory.records import Rows, Turn
from memory.search.word_forms import telling_words
from memory.search.words import words

_TITLES = frozenset(
    words(
        "book books novel novels audiobook audiobooks film films movie movies series show shows"
        " musical musicals play plays opera operas game games"
    )
)
_PLACES = frozenset(
    words(
        "where place places city cities town towns country countries village villages island"
        " islands region regions lake lakes beach beaches park parks destination destinations"
        " mountain mountains hill hills peak peaks river rivers"
    )
)
# Verbs of one sense, those of a question before the bar: what tells of the deed as well. A verb
# may have a particle that belongs to it ("put in"), or a noun ("took the train").
_SENSES = (
    "visit see go be travel explore tour fly drive | visit see be go get drive fly travel cycle"
    " explore tour walk sail stay spend have come",
    "climb hike walk ascend | climb hike walk be go get do",
    "read finish | read finish reread devour get_through",
    "watch see finish | watch see finish binge go_to",
    "cook make bake prepare | cook make bake prepare roast brew fry",
    "sell flog part give | sell flog part give donate",
    "buy purchase get acquire | buy purchase order pick_up",
    "plant sow grow | plant sow",
    "knit crochet sew make | knit crochet sew make finish",
    "repair fix mend | repair fix mend replace sort",
    "eat try order have | eat try order have",
    "break smash | break smash crack",
    "learn | learn master",
    "lose misplace | lose misplace",
    "paint decorate redecorate | paint repaint decorate redecorate",
)
_NEVER = r"(?!)"
_DAY = "|".join((*MONTHS, *WEEKDAYS))
_DAY_NAME = "|".join(day.capitalize() for day in (*MONTHS, *WEEKDAYS))
_WORD = rf"(?!(?:I|{_DAY_NAME}|Christmas|Easter|New Year)\b)[A-Z\u00c0-\u00de][\w'\u00c0-\u017f-]*"
_LINK = (
    r"(?: (?:of|of the|of a|the|&|de|de la|du|des|la|le|und|do|da|dos)"
    r"| (?:to|in|for|on|at|by|under|upon|over|and) (?:the|a))"
)
_NAME = rf"{_WORD}(?:{_LINK}? (?:{_WORD}|\d+(?!st|nd|rd|th)\b))*"
_NAMED = re.compile(rf"[\"\u201c](?P<quoted>[^\"\u201d]{{2,60}})[\"\u201d]|(?P<name>{_NAME})")
_LEAD = re.compile(
    r"(?:\s|\b(?:a|an|the|my|our|his|her|their|your|some|any|another|new|both|this|that|these|those"
    r"|me|us|myself|ourselves|also|just|only|finally|even|really|first|second|third|last|next|two"
    r"|three|four|five|beautiful|lovely|little|up|down|off|away|out|through|over|all|whole|one|more"
    r"|again|back|with|and saw|to see|to watch|books?|novels?|films?|movies?|series|called|reading"
    r"|watching|rid of)\b|,)*"
)
# Where what a verb is said of ends.
_END = (
    r"(?:[.!?;:()\u2013\u2014\"]|\s-|$|,)|\b(?:for|from|in|on|at|with|since|after|before|last|this"
    r"|yesterday|today|tonight|again|to|by|as|too|already|now|off|up|out|over|back|down|ago|instead"
    r"|there|here|together|myself|ourselves|near|behind|under|along|beside|next|once|twice|into"
    r"|about|and|or|plus|but|because|so|that|which|who|when|while|if|it|i|we|he|she|they|you|is|was"
    rf"|were|are|has|had|{_DAY})\b"
)
_PLAIN = re.compile(
    rf"(?!{_END})[\w'\u00c0-\u017f-]+(?: (?!{_END})(?:[\w'-]+))*(?: of [a-z]+)?", re.I
)
_NEXT = re.compile(r",? (?:and|&|plus|then|and then|as well as) |, (?:and )?", re.IGNORECASE)
_PLACED = re.compile(
    r"\b(?:in|to|at|up|on|from|near|around|round|through|outside|across)(?: the)?(?: \w+ of)? "
    rf"(?={_WORD})"
)
# What is no thing that was made, bought or given.
_NO_THINGS = frozenset(
    words(
        "it them that this one ones some more most lots lot anything something everything nothing"
        " much many enough stuff thing things there here so too well up home away not no now then"
        " mistake mistakes call friends progress appointment sense plan plans list money time fun"
        " him her me us you myself way bit dinner lunch breakfast tea rid married better worse"
        " job look chance news message answer ready sure lost wet cold ill sick tired used first"
        " last night day week weekend month year place hour hours minutes days weeks pounds euros"
    )
)
_ASKS_END = re.compile(
    r"^\W*(?i:what|which)(?:'s| is| was) the (?P<end>first|last|latest) (?P<noun>[\w ]+?)"
    r" (?:that |which )?(?P<rest>(?:[A-Z][\w'-]*(?: and)? )+[a-z].*)",
)
# "Where did Anna go hiking?", "Which towns has Anna been to?"
_GOES = re.compile(r"\b(?:go|gone|been) (?P<stem>\w{3,})ing\b")
_BEEN_TO = re.compile(r"\bbeen to\b(?! (?:the|an?|[A-Z]))")
_PART_WITH = re.compile(r"\b(?:part(?:ed)? with|g[eo]t(?:ten)? rid of)\b")
_WITH = re.compile(r" (?:together )?with (?:(?:his|her|their|my) )?(?P<who>[\w]+)\b")
_WE = re.compile(r"\b(?:we|us|our)\b|'ve both\b", re.IGNORECASE)
# "since she lives there", "after he sold the shop": when, and nothing of what.
_WHEN = re.compile(
    r",? (?:since|after|before|while|when|because|besides|not counting)"
    rf" (?!(?:the )?(?:\d|last|start|beginning|end|middle|spring|summer|autumn|winter|(?i:{_DAY})))"
    r"[^?]*|, (?:\w+ed|sold|given)\b[^?]*| that (?:he|she|they) [^?]*"
)
# "had a nice day in Xativa"
_STAY = re.compile(
    r"(?: (?!and\b|but\b)[\w'-]+){0,4} (?:days?|nights?|weekend|weeks?|time|holiday|trip)\b"
)
_WHERE = re.compile(r"\b(?:in|on|at|around) (?:the|his|her|their|my|our) (?P<noun>[\w-]+)")
_IRREGULAR = {
    "be": frozenset(("was", "were", "been")),
    "have": frozenset(("had",)),
    "read": frozenset(("read",)),
    "put": frozenset(("put",)),
}
# "did my first hike", "went to see Casablanca"
_DONE = re.compile(r"\b(?:did|had|was on|went (?:on|for|to)|got to)(?: (?:a|my|our)(?: \w+)?)? $")
_CINEMA = re.compile(r"\b(?:film|movie|cinema|pictures|screening|saw|watch)\w*\b", re.IGNORECASE)
_PRONOUN = re.compile(r" (?:it|them)\b")
_DEFINITE = re.compile(
    rf"\b(?:the|my|our|a|an) (?P<thing>(?!{_END})[\w'-]+(?: (?!{_END})[\w'-]+)?)", re.IGNORECASE
)
_MOST_WORDS = 5
_MOST_ITEMS = 12


@dataclass(frozen=True)
class Thing:
    """Something that a clause names, the turn that does, and the day of what it tells."""

    value: str
    turn: Turn
    day: date


@dataclass(frozen=True)
class _Asked:
    """A question for things or places: its reading, its deed, and what is asked for."""

    question: FactQuestion
    deed: Deed
    kind: str  # "title", "place", "thing"
    verbs: tuple[tuple[str, str], ...]  # that tell of the deed, each with its particle
    company: str


def answer_by_things(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """A list or a count of things, or the first or the last, as turns tell it.

    What the learnt reader (`answer_by_turns`) is sure of goes before what is gathered here, unless
    that has all of it and more. What is gathered alone is given as a part: in chats that nobody had
    read it was whole for one list in ten.

    Arguments:
        question: in the third person ("Which films did Anna see?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    learnt = answer_by_turns(question, today, read=read, asker=asker, corrected=corrected)
    gathered = _gathered(question, today, read, asker, corrected)
    if gathered is None:
        return learnt
    if learnt is None:
        return _as_a_part(gathered, question, today, asker)
    whole = without_part(learnt.text)
    if not _has_all_of(whole, gathered.text):
        return learnt
    return gathered if whole == learnt.text else _as_a_part(gathered, question, today, asker)


def _as_a_part(gathered: FactAnswer, question: str, today: str, asker: str) -> FactAnswer | None:
    """A list with a word that there may be more; a count or a first one of a part is nothing."""
    query = things_asked(question, today, asker)
    if query is None or query.question.kind in ("first", "last", "count"):
        return None
    return replace(gathered, text=as_a_part(gathered.text))


def _has_all_of(text: str, second: str) -> bool:
    """Whether a list has all words of another, or more things and one for each of the other's."""
    if set(telling_words(text)) <= set(telling_words(second)):
        return True
    less, more = ([set(telling_words(item)) for item in it.split("; ")] for it in (text, second))
    return len(less) < len(more) and all(any(item & thing for thing in more) for item in less)


def _gathered(
    question: str,
    today: str,
    read: Callable[[str], Rows],
    asker: str,
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]],
) -> FactAnswer | None:
    query = things_asked(question, today, asker)
    if query is None:
        return None
    sql, turns = turns_with({form for verb, _ in query.verbs for form in _past_forms(verb)}, read)
    if turns is None:
        return None
    things = read_things(query, with_questions(corrected(turns)))
    text = _told(query, things)
    if not text:
        return None
    ids = tuple(dict.fromkeys(thing.turn.id for thing in things))
    sql = select_only(sql, ids)
    return FactAnswer(text, ids, (sql,), (read(sql),), (), ())


def _told(query: _Asked, things: Sequence[Thing]) -> str:
    kind = query.question.kind
    if len(things) < 2 or len(things) > _MOST_ITEMS:
        return ""  # one alone is hardly the first or the last of several
    if kind in ("first", "last"):
        ordered = sorted(things, key=lambda thing: (thing.day, thing.turn.id))
        thing = ordered[0] if kind == "first" else ordered[-1]
        return f"{thing.value}, {spoken(thing.day)}"
    values = "; ".join(thing.value for thing in things)
    if kind == "count":
        return f"{len(things)} ({values})"
    return values


def things_asked(question: str, today: str, asker: str = "") -> _Asked | None:
    """A question for things or places that somebody's deeds name, None for others."""
    text = question.replace("\u2019", "'")
    end = ""
    if match := _ASKS_END.match(text):
        end = "last" if match["end"] != "first" else "first"
        text = f"Which {match['noun']} did {match['rest']}"
    text = _BEEN_TO.sub("visited", _GOES.sub(_activity, _WHEN.sub("", text)))
    text = _PART_WITH.sub("give", text)
    company = _WITH.search(text)
    text = _WITH.sub("", text)
    read = read_list_question(text, today, asker)
    if read is None or read.is_ahead or read.is_shared:
        return None
    if end:
        read = replace(read, kind=end)
    elif read.kind in ("first", "last") and not re.search(r"\b(?:first|last)\W*$", text):
        return None
    if read.kind not in ("list", "value", "where", "first", "last", "count"):
        return None
    if read.says(r"\bhow often\b|\btimes\b"):
        return None
    deed = deed_of(read)
    if deed is None or deed.role == "subject" or not deed.doers:
        return None
    noun = set(deed.noun)
    if deed.role == "place" or noun & _PLACES:
        kind = "place"
    elif noun & _TITLES:
        kind = "title"
    elif deed.preposition:
        return None
    else:
        kind = "thing"
    if (read.kind == "count" and kind != "title") or (_asks_one(deed) and not end):
        return None
    if kind == "place":
        if deed.further:
            return None  # where a race was run stands with the race (`event_details`)
        deed = replace(deed, places=())
    deed = _with_places(deed, text)
    senses = _senses(deed.verb, kind)
    if kind == "thing" and len(senses) < 2:
        return None  # in which other words it is told nobody knows
    verbs = tuple((verb, particle) for verb, _, particle in (v.partition("_") for v in senses))
    if deed.particle:
        verbs = ((deed.verb, deed.particle),)
    with_whom = company["who"].lower() if company else ""
    return _Asked(read, deed, kind, verbs, with_whom)


def _with_places(deed: Deed, text: str) -> Deed:
    """A deed of which words for where it was done are places, that sentences may leave out."""
    places = {match["noun"].lower() for match in _WHERE.finditer(text)}
    moved = tuple(names for names in deed.further if names & places)
    return replace(
        deed,
        further=tuple(names for names in deed.further if names not in moved),
        places=(*deed.places, *moved),
    )


def _asks_one(deed: Deed) -> bool:
    return bool(deed.noun) and not any(word.endswith("s") for word in deed.noun)


def _activity(match: re.Match[str]) -> str:
    """The verb of "go hiking"."""
    stem = match["stem"]
    if stem[-1] == stem[-2] and stem[-1] not in "ls":
        return stem[:-1]
    return f"{stem}e" if re.search(r"[^aeiou][aeiou][^aeiouwxy]$|cl$", stem) else stem


@cache
def _senses(verb: str, kind: str) -> tuple[str, ...]:
    """The verbs that tell of the same deed as the verb of a question."""
    hits = [verb]
    for line in _SENSES:
        query, _, account = line.partition(" | ")
        is_place = line.startswith(("visit", "climb"))
        if is_place == (kind == "place") and any(are_forms(verb, name) for name in query.split()):
            hits += account.split()
    return tuple(dict.fromkeys(hits))


def read_things(query: _Asked, turns: Sequence[Turn]) -> list[Thing]:
    """What turns name of what is asked for, each thing once, in the order of its being told."""
    speakers = frozenset(word for turn in turns for word in words(turn.speaker))
    deed = replace(query.deed, doers=spoken_names(query.deed.doers, speakers))
    query = replace(query, deed=deed)
    by_id = {turn.id: turn for turn in turns}
    account = [
        thing
        for turn in sorted(turns, key=lambda turn: turn.id)
        if is_evidence(turn.text)
        for thing in _of_turn(query, turn, by_id, speakers)
    ]
    span = nearest_span(query.question, [thing.day for thing in account])
    distinct: list[Thing] = []
    for thing in account:
        if lies_in(thing.day, span) and not any(_is_same(thing, second) for second in distinct):
            distinct.append(thing)
    return distinct


def _is_same(thing: Thing, second: Thing) -> bool:
    key, other_key = set(telling_words(thing.value)), set(telling_words(second.value))
    return key <= other_key or other_key <= key


def _of_turn(
    query: _Asked, turn: Turn, by_id: dict[int, Turn], speakers: frozenset[str]
) -> Iterator[Thing]:
    said_on = named_day(turn.said_at)
    if said_on is None:
        return
    before = texts_before(turn, by_id)
    parts = sentences(turn.text)
    for number, sentence in enumerate(parts):
        if not is_told(sentence):
            continue
        previous = " ".join([*before[::-1], *parts[:number]])
        following = parts[number + 1] if number + 1 < len(parts) else ""
        # "I put in a pane and planted the okra": the question's own verb goes first.
        for start, end in sorted(
            _verbs(query, sentence),
            key=lambda span: not are_forms(sentence[slice(*span)].lower(), query.deed.verb),
        ):
            if doer_of(query.deed, turn, sentence, start, speakers, previous) != 2:
                continue
            if is_wished(sentence[:end], [sentence[start:end].lower()]):
                continue
            if not words_met(query.deed, sentence, [*parts, *before]):
                continue
            if query.company and not _is_in_company(query.company, sentence):
                continue
            verb = sentence[start:end].lower()
            if (
                query.kind == "title"
                and verb == "went to"
                and not _CINEMA.search(" ".join([*before, turn.text]))
            ):
                continue
            values = list(_values(query, verb, sentence[end:], speakers))
            if not values and query.kind != "place" and _PRONOUN.match(sentence[end:]):
                earlier = parts[number - 1] if number else ""
                values = list(_spoken_of(query.kind, sentence[:start], earlier, speakers))
            days, is_exact = days_told(sentence[start:], sentence, following, said_on)
            if not is_exact and number:
                days, is_exact = days_told(sentence, parts[number - 1], "", said_on)
            past = [day for day in days if day <= said_on]
            if not past:
                continue
            for value in values:
                yield Thing(value, turn, past[-1])
            if values:
                break


def _is_in_company(who: str, sentence: str) -> bool:
    """Whether a sentence may tell of something done with somebody: it names them, or says "we"."""
    return who in words(sentence) or bool(_WE.search(sentence))


def _spoken_of(kind: str, before: str, previous: str, speakers: frozenset[str]) -> Iterator[str]:
    """What "it" is: the one thing that the sentence named before, or the sentence before that."""
    for text in (before, previous):
        if kind == "title":
            names = [match for match in _NAMED.finditer(text) if match.start()]
            hits = [match["quoted"] or match["name"] for match in names]
        else:
            hits = [match["thing"] for match in _DEFINITE.finditer(text)]
        hits = [thing for thing in hits if not set(words(thing)) & (_NO_THINGS | speakers)]
        if hits:
            if len(hits) == 1:
                yield hits[0]
            return


def _verbs(query: _Asked, sentence: str) -> Iterator[tuple[int, int]]:
    """Where a sentence has a verb of the deed in the past, and where its object begins."""
    for match in re.finditer(r"[\w'-]+", sentence):
        before, tail = sentence[: match.start()], sentence[match.end() :]
        word = match[0].lower()
        for verb, particle in query.verbs:
            is_bare = word == verb and _DONE.search(before) and query.kind != "thing"
            if not is_bare and not _is_past_of(word, verb):
                continue
            behind = re.match(rf"(?P<between>(?: [\w'-]+){{0,4}}?) {particle}\b", tail)
            if particle and not behind:
                continue
            start = match.start()
            if particle and behind and behind["between"] in ("", " right", " all the way"):
                yield start, match.end() + behind.end()
            else:
                yield start, match.end()
            break


@cache
def _is_past_of(word: str, verb: str) -> bool:
    """Whether a word is a form of a verb that tells of the past."""
    return word in _past_forms(verb) or (
        word[:2] == verb[:2] and is_past_verb(word) and are_forms(word, verb)
    )


@cache
def _past_forms(verb: str) -> frozenset[str]:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    forms = frozenset(form for form in all_forms(verb) if is_past_verb(form))
    return forms or frozenset((f"{verb}ed", f"{verb}d", f"{verb}{verb[-1]}ed"))


def _values(query: _Asked, verb: str, tail: str, speakers: frozenset[str]) -> Iterator[str]:
    if query.kind == "place":
        verb = verb.lower()
        is_motion = verb in (
            "had",
            "spent",
            "stayed",
            "was",
            "were",
            "been",
            "went",
            "gone",
            "got",
            "drove",
            "flew",
            "flown",
        )
        direct = [] if is_motion else list(_objects(tail, named=True))
        if verb in ("had", "spent") and not _STAY.match(tail):
            return
        region = re.split(r"[;:]|,? (?:but|because|so|and (?:i|we|he|she|it|they))\b", tail)[0]
        placed = _PLACED.search(region)
        if not direct and placed:
            direct = list(_objects(region[placed.end() :], named=True))
        hits = direct
    else:
        hits = list(_objects(tail, named=query.kind == "title"))
    for value in hits:
        bare = set(words(value))
        if bare & speakers or not telling_words(value):
            continue
        if any(has_any(bare, names) for names in query.deed.further):
            continue
        yield value


def _is_clause(value_words: Sequence[str]) -> bool:
    """Whether words tell a deed of their own: not "a dried fish", "my left boot"."""
    return is_past_verb(value_words[-1]) or any(
        is_past_verb(word) for word in value_words if word != "left" and not word.endswith("ed")
    )


def _objects(tail: str, *, named: bool) -> Iterator[str]:
    """What stands behind a verb: names or any things, one after another."""
    position = 0
    hits: list[str] = []
    is_list = False
    while True:
        lead = _LEAD.match(tail, position)
        start = lead.end() if lead else position
        if name := _NAMED.match(tail, start):
            value, end = name["quoted"] or name["name"], name.end()
            if not named and (more := re.match(rf"(?: (?!{_END})[a-z][\w'-]*)+", tail[end:])):
                value, end = value + more[0], end + more.end()
            if tail[end : end + 2] == "'s" or re.match(r" (?:\w+ed|has|had|was|is)\b", tail[end:]):
                break
        elif named:
            break
        else:
            plain = _PLAIN.match(tail, start)
            if not plain:
                break
            value, end = plain[0], plain.end()
        value_words = value.lower().split()
        if len(value_words) > _MOST_WORDS + 2 * named or (
            not name
            and (
                set(words(value)) & _NO_THINGS
                or _is_clause(value_words)
                or value_words[0].isdigit()
            )
        ):
            break
        hits.append(value)
        following = _NEXT.match(tail, end)
        if not following:
            break
        is_list = is_list or following[0].strip(" ,") != ""
        position = following.end()
    # "fesenjan, my first dish" is one thing
    yield from hits if is_list else hits[:1]
