"""The days on which something happened, as turns tell them, read for what a question names.

A question names a deed, whose it was and what else belongs to it. A day in a sentence is the day of
this deed where its verb stands in the same clause and all else in the sentence or right before it:
people name a thing once, and then say "it came off on the 1st".
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import pairwise

from memory.dates import MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_questions import QUESTION_WORDS
from memory.program.fact_words import all_forms, are_forms, day_words, is_near, is_past_verb
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, select_with, turns_of
from memory.program.spoken_days import days_in
from memory.program.told_of import names_in
from memory.program.turn_events import other_names
from memory.records import Rows, Turn
from memory.search.word_forms import telling_words
from memory.search.words import STOP_WORDS, words
from memory.statements.clause import tells_of_another

_MOST_TURNS = 80
_BEFORE = 2  # turns, in which a thing is named that is then "it"
_AFTER = 1
# They say that something happened, or to whom, and not what it was.
_LIGHT = frozenset(
    words(
        "go goes going went gone have has had having do did done doing get got getting gotten take"
        " took taken taking make made making see saw seen come came happen happened hold held put"
        " use used be was were been being visit visited attend attended trip visit appointment"
        " place part party own ever new old"
        " next earliest together altogether family person again people"
    )
)
# Of these a question says no more than that it asks for a day.
_NO_THINGS = (
    QUESTION_WORDS
    - frozenset(words("start started starting begin began begun end change changed change"))
) | frozenset(
    words("dr mr mrs ms miss spring summer autumn fall winter flat house home place room apartment")
)
_PARTICLES = frozenset(words("in out up down off away back on over"))
_AUXILIARY = r"(?:did|was|were|is|are|does|do|had|has|have|will)"
_ASKED_TIME = re.compile(
    rf"\b{_AUXILIARY}\b|\b(?:the )?(?:first|last|most recent|latest|previous) time(?: that)?\b",
    re.IGNORECASE,
)
_ADVERB = re.compile(r"\b(?:actually|really|finally|eventually|exactly|officially) ", re.IGNORECASE)
_TOKEN = re.compile(r"[\w\u00c0-\u017f][\w'\u2019\u00c0-\u017f-]*")
# What is only possible, wished for or asked tells of no day.
UNREAL = re.compile(
    r"\b(?:maybe|perhaps|might|if|would|wish\w*|hope|hoping|hopes|could|should|dream\w*"
    r"|(?:almost|nearly)(?= \w+ed\b| fell\b| lost\b)|unless|sign(?:ed)? up|interview|practice"
    r"|rehearsal|suppose\w*|hates?|wants?|wanted|needs?)\b|\?",
    re.IGNORECASE,
)
_IF = re.compile(r"^\W*if\b|\b(?:i|we) wish\b", re.IGNORECASE)
_DAY = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in (*MONTHS, *WEEKDAYS))
_DAY_ALONE = re.compile(
    rf"\W*(?:(?:it was|that was|that's|it's) )?(?:(?:on|last|this|next|the) )*"
    rf"(?:yesterday|today|(?:the )?\d{{1,2}}(?:st|nd|rd|th)?|{_DAY})\b"
    r"(?:,? (?:the )?\d{1,2}(?:st|nd|rd|th)?)?"
    rf"(?: (?:of )?(?:{_DAY}))?(?: \d{{4}})?(?:[.!,]|\W*$)(?!.*\b(?:i|we|he|she|they)\b)",
    re.IGNORECASE,
)
_OTHER_NAME = 0.5  # less for a thing by another word: the dentist for a tooth
# What is so as a rule is not of one weekday.
_USUAL = re.compile(r"\b(?:usually|normally|every|each|always|often)\b", re.IGNORECASE)
DENIED = re.compile(
    r"\b(?:no|not|never|without|cannot|cancelled|canceled|called off|instead of|missed|skipped"
    r"|failed|neither|nor)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_AHEAD_WORD = re.compile(
    r"will|going|gonna|due|want|wants|am|are|is|starts?|comes?|arrives?|moves?|leaves?|goes|go"
    r"|flies|gets?|have|has|lands?|fly|stays|start|come|leave|booked|planned|arranged|supposed"
    r"|promised|offered"
    r"|scheduled|\w+'(?:ll|m|re)|(?:it|that|there)'s",
    re.IGNORECASE,
)
_AHEAD_ANYWHERE = re.compile(r"\b(?:tomorrow|next|due|until|till|planned|booked)\b", re.IGNORECASE)
_PLANNED = frozenset(words("booked planned arranged supposed scheduled promised offered"))
_CLAUSE_END = re.compile(
    r"[;:()]|\s[-\u2013\u2014]+\s|--"
    r"|,?\s(?:but|so|because|cos|while|although|though|before|since(?= (?:i|we|he|she|they)\b))\s"
    r"|\sand\s(?=(?:could|did|was|were|had|have|has|do|does|can|wo)n['\u2019]t\b)"
    r"|,?\s(?:and|then)\s(?=(?:then|i|we|he|she|they|it|you|my|our|his|her|the|on|this)\b)"
    r"|,\s(?=(?:who|which|where|when|i|we|he|she|they|it|you|it's|he's|she's|i'm|i've|my)\b)",
    re.IGNORECASE,
)
_AND = re.compile(r"\s?and\s", re.IGNORECASE)
_ENDS_IN_NAME = re.compile(r"(?:^|[.,]) ?[A-Z][\w-]+$")  # "Ben and I" are one subject
_FIRST = re.compile(r"\b(?:i|we|me|my|us|our)\b", re.IGNORECASE)
_SECOND = re.compile(r"\b(?:you|your)\b", re.IGNORECASE)
_THIRD = re.compile(r"\b(?:he|she|they|him|her|his|their|them)\b", re.IGNORECASE)
_LIGHT_DEED = re.compile(r"\b(?:was|were|went|did|had|got|took|came)\b", re.IGNORECASE)
_FIRST_SUBJECT = re.compile(r"\W*(?:(?:and|but|so|then|yes|no|well)\W+)*(?:i|we)\b", re.IGNORECASE)
_ANAPHOR = re.compile(
    r"\b(?:it|its|they|them|he|she|him|her|his|their|that|this|there|one|mine|yours)\b"
    r"|\bthe (?:thing|whole|appointment|operation)\b",
    re.IGNORECASE,
)
_OTHER_PERSON = re.compile(
    r"^\W*(?:(?:and|but|so|then|also|yes|no|well|oh)\W+)*"
    r"(?:(?:he|she|they|you|everybody|somebody)\b"
    r"|(?:my|our|his|her|their|your) (?:[\w-]+ )??(?P<noun>[\w-]+)\b)",
    re.IGNORECASE,
)
_PUT_OFF_AGAIN = re.compile(
    r"\b(?:put|moved|pushed|postponed|cancelled) (?:me|it|us|mine|that|them)"
    r" (?:off|back|again|to)\b",
    re.IGNORECASE,
)
# "My surgery was not on the 12th. They did it on the 19th."
_DONE = re.compile(
    r"\b(?:did|had|got) (?:it|them|mine|one)\b|\bit (?:was|happened|took place)\b", re.IGNORECASE
)
_TODAY = re.compile(
    r"\b(?:today|just now|tonight|this (?:morning|afternoon|evening))\b", re.IGNORECASE
)
_OFF = re.compile(
    r"\b(?:off|cancel\w*|postpone\w*|moved|changed|pushed|delay\w*|instead|failed|reschedul\w*"
    r"|new date|again|(?:not|never|n['\u2019]t) (?:\w+ ){0,4}(?:until|till|on|yet|before|happen\w*"
    r"|go|have|take|get|do|start|come))\b",
    re.IGNORECASE,
)
# "She moved me from 21 May to 11 June": what it is stands beside it.
_NOW_ON = (
    r"\b(?:is|are) now (?:on|set for|planned for)(?: the)?"
    rf" (?:\d|{'|'.join((*MONTHS, *WEEKDAYS))})"
)
MOVED_TO = re.compile(
    r"\b(?:moved|changed|put|postponed|shifted|pushed|rescheduled|brought)\b"
    r"(?! (?:in|out|into|house|away|here|there)\b)[^.;]*\b(?:to|till|until|for)(?: the)?"
    rf" (?:\d|{'|'.join((*MONTHS, *WEEKDAYS))}|next)|{_NOW_ON}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Part:
    """A thing that a question names: a word, and the names that turns give it.

    It `is_joined` where two words name one thing, of which turns have either: "the camper van".
    It `is_alive` where "he" may mean it.
    """

    word: str
    names: frozenset[str]
    is_joined: bool = False
    is_alive: bool = False

    def stands_in(self, text_words: Collection[str]) -> bool:
        """Whether one of these words tells of it."""
        if not self.names.isdisjoint(text_words):
            return True
        # Names are like other words by chance only.
        return not self.is_alive and any(_is_same(self.word, second) for second in text_words)


@dataclass(frozen=True)
class AskedDeed:
    """A deed that a question asks the day of.

    `doer` are the words of the name of somebody who speaks, none where it was another's; `verb` is
    the word for the deed, "" where a noun names it; `particle` belongs to it ("out" of "moved
    out"). It `is_of_another` where the first of its parts did it: the sister of whoever speaks.
    """

    doer: frozenset[str]
    verb: str
    particle: str
    parts: tuple[Part, ...]
    is_of_another: bool = False


@dataclass(frozen=True)
class ToldDay:
    """A day on which the deed was, or is to be, and the sentence that tells it.

    `score` says how near the deed is told to the day. It `is_ahead` where it was told as a plan.
    It `is_by_the_way` where the day is that of the sentence before, or all but the verb is told: "I
    was there with the fiddle".
    """

    day: date
    turn: Turn
    sentence: str
    clause: str
    score: float
    is_ahead: bool
    is_whole: bool = True
    is_exact: bool = True
    is_by_the_way: bool = False


@dataclass(frozen=True)
class ToldClause:
    """A clause of a sentence of a turn, and what stands around it.

    `parts` are the sentences of the turn, `number` which of them it is in, `start` where it begins
    there; `before` are the turns right before it in its session.
    """

    turn: Turn
    parts: tuple[str, ...]
    number: int
    clause: str
    start: int
    before: tuple[Turn, ...]

    @property
    def sentence(self) -> str:
        """The sentence that the clause is in."""
        return self.parts[self.number]

    def from_place(self, place: int) -> "ToldClause":
        """The rest of the clause from one of its characters on."""
        return replace(self, clause=self.clause[place:], start=self.start + place)

    @cached_property
    def said_on(self) -> date:
        """The day on which it was said."""
        return named_day(self.turn.said_at) or date.min

    @cached_property
    def is_ahead(self) -> bool:
        """Whether it tells what is to come."""
        return _is_ahead(self.clause) or bool(MOVED_TO.search(self.clause))

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days that it names, each once; the day itself for "today"."""
        text = _present(self.sentence) if self.is_ahead else self.sentence
        end = self.start + len(self.clause)
        spoken = days_in(text, self.said_on, not self.is_ahead)
        spoken = [day for day in spoken if self.start <= day.start < end]
        if _USUAL.search(self.clause):
            spoken = [day for day in spoken if day.is_whole]
        days = dict.fromkeys(day.day for day in spoken)
        if not days and _TODAY.search(self.clause):
            return (self.said_on,)
        return tuple(days)

    @cached_property
    def days_of_scene(self) -> tuple[date, ...]:
        """The day that the sentence before tells, of what was then."""
        if not self.number:
            return ()
        sentence = self.parts[self.number - 1]
        before = replace(self, number=self.number - 1, clause=sentence, start=0)
        is_told = not (before.is_ahead or DENIED.search(sentence) or UNREAL.search(sentence))
        days = before.days if is_told else ()
        return days if len(days) == 1 and days[0] <= self.said_on else ()

    @cached_property
    def words_near(self) -> tuple[str, ...]:
        """The words of the sentences beside its own in the same turn."""
        before = self.parts[max(self.number - 2, 0) : self.number]
        return tuple(words(" ".join([*before, *self.parts[self.number + 1 : self.number + 2]])))

    @cached_property
    def words_before(self) -> tuple[str, ...]:
        """The words of the turns right before, and of the names of who speaks."""
        texts = [f"{turn.speaker} {turn.text}" for turn in self.before]
        return tuple(words(" ".join([*texts, self.turn.speaker])))


@dataclass(frozen=True)
class Nearness:
    """How near a clause the things that a question names are told.

    `score` is 3 where all stand in it. `here` counts those of its sentence, `far` those of the
    turns before, `absent` those left out, `in_clause` those of the clause itself.
    """

    score: float
    here: int
    far: int
    absent: int
    in_clause: int


@lru_cache(maxsize=50_000)
def _is_same(word: str, second: str) -> bool:
    if word[:3] == second[:3] and are_forms(word, second):
        return True
    return len(second) > 2 and is_near(word, second) and second not in _LIGHT


def asked_deed(text: str, speakers: Collection[str]) -> AskedDeed | None:
    """What the part of a question behind "when" asks about; None where it names nothing.

    Arguments:
        text: "did Anna sell the van", "was Ben's last race", or "Anna's second operation".
        speakers: words of the names of all who speak.
    """
    text = _ADVERB.sub("", text)
    tokens = [match[0].replace("\u2019", "'") for match in _TOKEN.finditer(text)]
    doer: set[str] = set()
    nouns: list[str] = []
    verb = particle = ""
    is_light = is_possessed = False
    alive: set[str] = set()
    joined: set[str] = set()
    for number, token in enumerate(tokens):
        bare = token.removesuffix("'s").removesuffix("'")
        lower = bare.lower()
        of_name = words(bare)
        is_subject = not verb and (not doer or tokens[number - 1].lower() in speakers)
        if is_subject and of_name and set(of_name) <= set(speakers):
            doer |= set(of_name)
            is_possessed = bare != token
            continue
        if is_subject and doer and not is_possessed and token[0].isupper():
            is_possessed = bare != token  # a surname
            continue
        if lower in _PARTICLES:
            if verb and number and tokens[number - 1].lower() == verb and lower not in ("on",):
                particle = lower
            continue
        if lower in _LIGHT and not nouns and _is_verb(tokens, number, bool(doer)):
            is_light = True
        if not telling_words(bare, _NO_THINGS) or lower in _LIGHT or bare.isdigit():
            continue
        if lower in MONTHS or lower in WEEKDAYS or set(of_name) <= doer:
            continue
        if not verb and not is_light and _is_verb(tokens, number, bool(doer)):
            verb = lower
            continue
        if nouns and tokens[number - 1].lower().endswith(nouns[-1]):
            joined |= {nouns[-1], *of_name}
        is_subject = not verb and not is_light and not set(nouns) - alive
        if (token[0].isupper() and is_subject) or lower in _KIN or lower in _PETS:
            alive |= {*of_name}
        nouns += [word for word in of_name if word not in nouns]
    if not verb and not nouns:
        return None
    if len(nouns) > 1 and not doer and nouns[0] in _GROUPS:
        del nouns[0]  # of a trip of theirs, they are seldom named
    parts = (
        Part(word, _names_of(word), is_joined=word in joined, is_alive=word in alive)
        for word in nouns
    )
    is_of_another = bool(nouns) and nouns[0] in alive and (not doer or is_possessed)
    return AskedDeed(frozenset(doer), verb, particle, tuple(parts), is_of_another)


def _is_verb(tokens: Sequence[str], number: int, has_doer: bool) -> bool:
    """Whether a word of a question is its verb: behind the subject of "did", or a participle."""
    token, before = tokens[number], [word.lower() for word in tokens[:number]]
    if token[0].isupper() or token.endswith("'s"):
        return False
    auxiliary = next((word for word in before if re.fullmatch(_AUXILIARY, word)), "")
    if auxiliary in ("did", "does", "do", "will"):
        behind = before[before.index(auxiliary) + 1 :]
        determined = {"the", "my", "our", "his", "her", "their", "a", "an", "and"}
        previous = tokens[number - 1]
        if previous.lower() in determined or (previous.endswith("'s") and len(behind) > 0):
            return False
        return bool(behind)
    return is_past_verb(token.lower()) or (token.endswith("ing") and has_doer)


@lru_cache(maxsize=2_000)
def _names_of(word: str) -> frozenset[str]:
    return frozenset(all_forms(word)) | other_names(word)


def turns_about(
    deed: AskedDeed,
    *,
    read: Callable[[str], Rows],
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]],
    further: str = "",
) -> list[Turn]:
    """The turns that may tell of a deed, and those around them, in order."""
    names = [*sorted(deed.doer), deed.verb, *(part.word for part in deed.parts)]
    same = sorted({name for part in deed.parts for name in part.names})
    searched = " ".join((*filter(None, names), *same, *sorted(deed_words(deed)), further))
    sql = select_with(searched[:300], _MOST_TURNS)
    turns = {turn.id: turn for turn in corrected(turns_of(read(sql)))}
    around = {number + n for number in turns for n in range(-_BEFORE, _AFTER + 1)} - turns.keys()
    if around := {number for number in around if number > 0}:
        turns |= {turn.id: turn for turn in corrected(turns_of(read(select_by_id(around))))}
    return [turn for _, turn in sorted(turns.items())]


def deed_words(deed: AskedDeed) -> frozenset[str]:
    """The words that tell of the deed itself, by whoever does it."""
    return _verb_names(deed.verb)[0] | _verb_names(deed.verb)[1]


@lru_cache(maxsize=1_000)
def _verb_names(verb: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words with which its doer tells of a deed, and those with which it is told of others."""
    if not verb:
        return frozenset(), frozenset()
    own, others = {*all_forms(verb), *other_names(verb)}, set[str]()
    for questions, telling, of_others in day_words():
        if any(are_forms(verb, word) for word in questions):
            own |= {form for word in telling for form in all_forms(word)}
            others |= {form for word in of_others for form in all_forms(word)}
    return frozenset(own), frozenset(others)


def told_days(deed: AskedDeed, turns: Sequence[Turn]) -> list[ToldDay]:
    """The days that turns tell of a deed, in the order in which they were told."""
    speakers = speakers_in(turns)
    deed = with_aliases(deed, turns)
    read = (_told_day(deed, passage, speakers) for passage in clauses_told(turns))
    return [passage for passage in read if passage]


def speakers_in(turns: Sequence[Turn]) -> frozenset[str]:
    """The words of the names of those who speak in some turns."""
    return frozenset(word for turn in turns for word in words(turn.speaker))


def with_aliases(deed: AskedDeed, turns: Sequence[Turn]) -> AskedDeed:
    """The deed, its things with the names that turns give them."""
    speakers = speakers_in(turns)
    parts = (_with_aliases(part, deed.doer, speakers, turns) for part in deed.parts)
    return replace(deed, parts=tuple(parts))


def is_in_doubt(deed: AskedDeed, turns: Sequence[Turn], after: int) -> bool:
    """Whether what was planned in a turn is later said to be off, put off, or to be done again."""
    for turn in turns:
        if turn.id <= after:
            continue
        for sentence in sentences(turn.text):
            if _PUT_OFF_AGAIN.search(sentence):
                return True
            if _OFF.search(sentence):
                sentence_words = words(sentence)
                has_verb = bool(_verb_names(deed.verb)[0] & set(sentence_words))
                if has_verb or any(part.stands_in(sentence_words) for part in deed.parts):
                    return True
    return False


def _with_aliases(
    part: Part, doer: frozenset[str], speakers: Collection[str], turns: Sequence[Turn]
) -> Part:
    """The thing with the names that turns give it: the dog is Rex by "our dog Rex"."""
    noun = re.escape(part.word)
    patterns = (
        rf"\b(?:[Mm]y|[Oo]ur)(?: [a-z]+)? {noun},? (?:is |was )?(?:called |named )?"
        rf"(?P<name>[A-Z]\w+)",
        rf"\b(?P<name>[A-Z]\w+)(?:,| is| was) (?:my|our) (?:[a-z]+ )?{noun}\b",
        rf"\b{noun},? (?:is |was )?(?:called|named) (?P<name>[A-Z]\w+)",
    )
    names: set[str] = set()
    for turn in turns:
        if doer and not doer <= {*words(turn.speaker)}:
            continue
        for pattern in patterns:
            names |= {match["name"].lower() for match in re.finditer(pattern, turn.text)}
    names -= {*speakers, *MONTHS, *WEEKDAYS, *STOP_WORDS}
    return replace(part, names=part.names | names, is_alive=part.is_alive or bool(names))


def clauses_told(turns: Sequence[Turn]) -> Iterator[ToldClause]:
    """The clauses of turns that tell something: nothing asked, wished, denied or usual."""
    for place, turn in enumerate(turns):
        if named_day(turn.said_at) is None or not is_evidence(turn.text):
            continue
        before = [
            second
            for second in turns[max(place - _BEFORE, 0) : place]
            if second.session == turn.session and turn.id - second.id <= _BEFORE
        ]
        parts = _joined(sentences(turn.text))
        for number, sentence in enumerate(parts):
            if sentence.rstrip(" )\"'").endswith("?") or _IF.search(sentence):
                continue
            for clause, start in _clauses(sentence):
                if not DENIED.search(clause) and not UNREAL.search(clause):
                    yield ToldClause(turn, tuple(parts), number, clause, start, tuple(before))


def _joined(parts: Sequence[str]) -> list[str]:
    """Sentences, a day alone as a part of the one before it, as in "We moved. On the 3rd"."""
    joined: list[str] = []
    for part in parts:
        if joined and _DAY_ALONE.match(part) and not re.search(r"[?]", joined[-1]):
            joined[-1] = f"{joined[-1].rstrip(' .!')}, {part.strip()}"
        else:
            joined.append(part)
    return joined


def _told_day(deed: AskedDeed, passage: ToldClause, speakers: Collection[str]) -> ToldDay | None:
    days = passage.days
    if MOVED_TO.search(passage.clause):
        days = days[-1:]
    is_exact = bool(days)
    is_by_the_way = False
    if not days and not passage.is_ahead and _is_past(passage.clause):
        days = passage.days_of_scene
        is_exact = is_by_the_way = bool(days)
        days = days or (passage.said_on,)
    if len(days) != 1:
        return None
    score, is_whole = _score(deed, passage, speakers)
    if not score and is_exact and _is_done_lightly(deed, passage, speakers):
        score, is_whole, is_by_the_way = 1, True, True
    if not score:
        return None
    return ToldDay(
        day=days[0],
        turn=passage.turn,
        sentence=passage.sentence.strip(),
        clause=passage.clause.strip(),
        score=score,
        is_ahead=days[0] > passage.said_on,
        is_whole=is_whole,
        is_exact=is_exact,
        is_by_the_way=is_by_the_way,
    )


def _is_done_lightly(deed: AskedDeed, passage: ToldClause, speakers: Collection[str]) -> bool:
    """Whether a clause has all things of a deed, and of its verb no more than "was" or "did"."""
    things = {*words(passage.clause)}
    light = _LIGHT_DEED.search(passage.clause)
    if not deed.verb or not deed.parts or not light:
        return False
    lead = passage.clause[: light.start()]
    is_all = all(part.stands_in(things) for part in deed.parts)
    return is_all and is_of_doer(deed, passage, lead, speakers)


def _is_past(clause: str) -> bool:
    """Whether a clause tells that something was done, on whichever day."""
    return any(is_past_verb(word) for word in words(clause))


def _is_ahead(clause: str) -> bool:
    """Whether the first verb of a clause tells of what is to come: "I get a tooth pulled"."""
    for match in _TOKEN.finditer(clause):
        word = match[0].lower().replace("\u2019", "'")
        if _AHEAD_WORD.fullmatch(word):
            following = words(clause[match.end() :])[:2]
            is_perfect = word in ("have", "has", "is", "are", "am", "i'm", "we're") and any(
                is_past_verb(second) and second not in _PLANNED for second in following
            )
            return not is_perfect
        if word in ("was", "were", "did", "had") or (is_past_verb(word) and word not in _PLANNED):
            return False
    return bool(_AHEAD_ANYWHERE.search(clause))


def before_verb(clause: str) -> str:
    """What stands before the first verb of a clause, which says of whom it is told."""
    for match in _TOKEN.finditer(clause):
        word = match[0].lower().replace("\u2019", "'")
        if _AHEAD_WORD.fullmatch(word) or is_past_verb(word) or word in _BE:
            # "I'm" is both.
            return clause[: match.end() if "'" in word else match.start()]
    return clause


def _present(sentence: str) -> str:
    """A sentence without its participles: "I get it pulled on Thursday" is to come."""
    return re.sub(
        r"\b[a-z]+\b",
        lambda match: "x" * len(match[0]) if is_past_verb(match[0]) else match[0],
        sentence,
    )


def _clauses(sentence: str) -> Iterator[tuple[str, int]]:
    """The clauses of a sentence, and where they begin."""
    ends = [
        match.end()
        for match in _CLAUSE_END.finditer(sentence)
        if not (_AND.fullmatch(match[0]) and _ENDS_IN_NAME.search(sentence[: match.start()]))
    ]
    for start, end in pairwise([0, *ends, len(sentence)]):
        if sentence[start:end].strip():
            yield sentence[start:end], start


def nearness(deed: AskedDeed, passage: ToldClause) -> Nearness | None:
    """How near a clause all that a question names is told; None where something is not told."""
    places = (
        words(passage.clause),
        words(passage.sentence),
        passage.words_near,
        passage.words_before,
    )
    counts = [0, 0, 0, 0]
    by_others = 0
    joined = [part for part in deed.parts if part.is_joined]
    absent = 0
    for part in deed.parts:
        place = next((n for n, text in enumerate(places) if part.stands_in(text)), None)
        if place is not None:
            counts[place] += 1
            by_others += part.names.isdisjoint(places[place])
        elif part.is_joined:
            absent += 1
        else:
            return None
    # Of two words that name a thing, one may be left out.
    if absent and absent >= len(joined):
        return None
    total = sum(count * score for count, score in zip(counts, (3, 2.5, 2, 1), strict=True))
    return Nearness(
        score=(total - _OTHER_NAME * (by_others + absent)) / max(len(deed.parts) - absent, 1),
        here=counts[0] + counts[1],
        far=counts[3],
        absent=absent,
        in_clause=counts[0],
    )


def places_named(text: str) -> list[str]:
    """The nouns for where something was: "hospital" of "six weeks in hospital", not "May"."""
    places = [match["thing"].lower() for match in _PLACE_NAMED.finditer(text)]
    return [place for place in places if place not in _NO_PLACES]


_PLACE_NAMED = re.compile(
    r"\b(?:(?<!moved )(?<!move )in|into|at|out of|left|leave|leaving|entered)"
    r" (?:(?:the|a|an|my|our|his|her|their) )?(?P<thing>[^\W\d][\w-]+)",
    re.IGNORECASE,
)
_NO_PLACES = frozenset(
    (
        *MONTHS,
        *WEEKDAYS,
        *words(
            "it there here this that home bed work end beginning start middle first last next all"
            " total spring summer autumn winter early late mid morning afternoon evening night noon"
            " midnight dawn meantime on for with and after before since until today tomorrow"
            " yesterday"
        ),
    )
)


def _score(deed: AskedDeed, passage: ToldClause, speakers: Collection[str]) -> tuple[float, bool]:
    """How near a clause with a day tells of the deed, 0 where it does not; and whether of all."""
    clause = passage.clause
    _, of_others = _verb_names(deed.verb)
    verb_place = _verb_at(deed, clause)
    is_moved = bool(MOVED_TO.search(clause))
    if is_moved and _is_another_moved(deed, clause):
        return 0, False
    is_by_others = False
    if deed.verb and verb_place is None:
        is_by_others = not of_others.isdisjoint(words(clause))
        if not is_by_others and not is_moved:
            return 0, False
    near = nearness(deed, passage)
    if near is None:
        return 0, False
    has_anaphor = bool(_ANAPHOR.search(clause))
    has_verb = verb_place is not None or is_moved or bool(_DONE.search(clause))
    is_all_here = near.here == len(deed.parts) - near.absent
    if not is_all_here and not has_anaphor and (not has_verb or is_by_others):
        return 0, False
    if not has_verb and not is_by_others and not (near.in_clause or (near.here and has_anaphor)):
        return 0, False
    lead = clause[:verb_place] if verb_place is not None else before_verb(clause)
    if not is_moved and not is_of_doer(deed, passage, lead, speakers, is_by_others=is_by_others):
        return 0, False
    is_whole = not near.absent and not near.far and (has_verb or is_all_here)
    return near.score + (2 if verb_place is not None else 0) + 0.5, is_whole


def _is_another_moved(deed: AskedDeed, clause: str) -> bool:
    """Whether a clause names what was moved, and it is another thing or another's."""
    moved = _WHAT_MOVED.search(clause)
    if moved is None and not re.search(_NOW_ON, clause, re.IGNORECASE):
        return False
    owner = set(words((moved["owner"] or "").removesuffix("'s"))) if moved else set()
    if owner and owner.isdisjoint(deed.doer | {word for part in deed.parts for word in part.names}):
        return True
    is_named = any(part.stands_in(words(clause)) for part in deed.parts)
    return not is_named and _verb_at(deed, clause) is None


_WHAT_MOVED = re.compile(
    r"\b(?:moved|changed|put|postponed|shifted|pushed|rescheduled|brought)(?: back| forward)?"
    r" (?:my|our|the|his|her|their|(?P<owner>(?-i:[A-Z])[\w-]+'s))"
    r" (?!date\b|day\b|time\b)[^\W\d]",
    re.IGNORECASE,
)


def _verb_at(deed: AskedDeed, clause: str) -> int | None:
    """Where a clause has the verb of the deed, with its particle."""
    if not deed.verb:
        return None
    own, _ = _verb_names(deed.verb)
    if own & _ARRIVALS and (since := _BEEN_SINCE.search(clause)):
        return since.start()
    for match in _TOKEN.finditer(clause):
        word = (words(match[0]) or [""])[0]
        if word in own or _is_same(deed.verb, word):
            behind_verb = clause[match.end() :]
            moved_out = re.match(r" (?:out|away)\b", behind_verb, re.IGNORECASE)
            if (
                moved_out
                and deed.verb in ("move", "moved")
                and deed.particle not in ("out", "away")
            ):
                continue
            return match.start()
    return None


def is_of_doer(
    deed: AskedDeed,
    passage: ToldClause,
    lead: str,
    speakers: Collection[str],
    *,
    is_by_others: bool = False,
) -> bool:
    """Whether a clause is said of whoever the question asks about.

    `lead` is what stands before its verb; `is_by_others`: the verb tells what another did.
    """
    turn, clause, before = passage.turn, passage.clause, passage.before
    named_words = {word for part in deed.parts for word in (part.word, *part.names)}
    # "I flew home on Monday" is not said of one's sister.
    is_own = not is_by_others and bool(_FIRST_SUBJECT.match(lead))
    if deed.is_of_another and is_own and not deed.parts[0].stands_in(words(clause)):
        return False
    if not deed.doer:
        return True
    speaker = set(words(turn.speaker))
    clause_words = set(words(clause))
    if deed.doer <= speaker:
        if is_by_others:
            return True
        others = names_in(lead) - named_words - speaker - _DAY_NAMES
        if (others and not _FIRST.search(lead)) or tells_of_another(clause):
            return False
        if match := _OTHER_PERSON.match(lead):
            noun = (match["noun"] or "").lower()
            if not noun:
                # "He had surgery": of somebody whom the question names.
                is_they = bool(re.match(r"\W*(?:\w+\W+)?they\b", lead, re.IGNORECASE))
                is_named = any(part.is_alive for part in deed.parts)
                return (is_named or (is_they and not deed.verb)) and not (
                    _FIRST.search(lead) or any(word in speakers for word in named_words)
                )
            if noun in named_words or any(part.stands_in([noun]) for part in deed.parts):
                return True
            return not _is_kin(noun)
        return True
    if deed.doer <= clause_words:
        return True
    if _SECOND.search(clause):
        return bool(before) and deed.doer <= set(words(before[-1].speaker))
    if _THIRD.search(clause) and not (names_in(lead) - named_words - _DAY_NAMES):
        text = words(" ".join(passage.parts[max(passage.number - 2, 0) : passage.number]))
        return deed.doer <= set(text)
    return False


def _is_kin(noun: str) -> bool:
    return noun in _KIN


_PETS = frozenset(words("dog cat horse pony puppy kitten rabbit parrot hen"))
_GROUPS = frozenset(words("class team group family everybody everyone kids children choir club"))
_BE = frozenset(words("was were did had has have is are am been"))
_ARRIVALS = frozenset(words("moved arrived came started joined"))
# "I've been in the flat since Monday"
_BEEN_SINCE = re.compile(
    r"\bbeen (?:in|at(?! it)|here|there|with|living|working)\b[^.;]*\bsince\b", re.IGNORECASE
)
_DAY_NAMES = frozenset((*MONTHS, *WEEKDAYS))
_KIN = frozenset(
    words(
        "mother mum mom mam father dad papa parents brother sister son daughter wife husband"
        " partner boyfriend girlfriend aunt auntie uncle cousin niece nephew grandmother grandma"
        " granny gran grandfather grandad grandpa friend neighbour neighbor colleague boss flatmate"
        " roommate landlord landlady teacher boy girl kid kids children"
    )
)
