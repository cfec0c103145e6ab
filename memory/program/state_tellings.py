"""What turns tell of where somebody lives and works, read for a question about it.

A question names the person and the state, so that clauses may be read for it that are too vague to
be stored: "I'm at the hospital from 1 June", after somebody has handed in their notice.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memory.dates import MONTHS, WEEKDAYS
from memory.program.fact_questions import KIN
from memory.records import Turn
from memory.search.words import words
from memory.statements import Conversation
from memory.statements.clause import Clause, subject_name
from memory.statements.clauses import Telling as ClauseReader
from memory.statements.clauses import ToldPart
from memory.statements.days import named_days
from memory.statements.endings import places_left
from memory.statements.predicates import Predicate, predicate
from memory.statements.rules import part_of_rules
from memory.statements.values import values_in, without_company

HOME, WORK = "home", "work"

_DWELLING = (
    r"(?:flat|apartment|house|home|room|bedsit|studio|cottage|place|bungalow|caravan|boat"
    r"|houseboat|annexe?|maisonette|attic|basement|farm|farmhouse|villa|tent|van|hostel|dorm|croft"
    r"|cabin|loft|chalet|lodgings?|digs|condo|duplex|bunk|yurt|barn|lighthouse|mill)"
)
_WORKPLACE = re.compile(
    r"\b(?:clinic|hospital|surgery|practice|bakery|museum|library|nursery|kindergarten|school"
    r"|college|university|office|agency|firm|company|garage|pharmacy|chemist'?s?|depot|factory"
    r"|plant|mill|shipyard|yard|archives?|gardens?|garden centre|salon|caf[eé]|hotel|hostel"
    r"|restaurant|pub|bar|shop|bookshop|store|supermarket|lab|laborator(?:y|ies)|studio|theatre"
    r"|opera|council|ministry|court|bank|station|airport|harbour|port|farm|vineyard|brewery"
    r"|call centre|warehouse|newspaper|radio|start-?up|vets?'?|zoo|aquarium|gym|pool|market"
    r"|kitchens?|canteen|hospice|care home|home|ward|department|dispensary|academy|institute"
    r"|galler(?:y|ies)|railway|foundry|sawmill|winery|studios?|agency|authority|charity|foundation"
    r"|ferry|ship|trawler|oil rig|drill rig|publisher'?s?|printer'?s|laundry|orchard|stables?"
    r"|centre|center|cinema|church|consultancy"
    r"|post office|town hall|city hall|workshop|butcher'?s|florist'?s|dairy)\b",
    re.IGNORECASE,
)
_ABOUT_WORK = re.compile(
    r"\b(?:jobs?|works?|working|worked|notice|boss|shifts?|hired|contract|colleagues?|salary"
    r"|wages?|an hour|interview|promoted|start(?:s|ed|ing)?|full[- ]time|part[- ]time|employed"
    r"|manager|quit|resigned|sacked|redundant)\b",
    re.IGNORECASE,
)
_ADVERBS = (
    r"(?:(?:now|still|back|only|just|over|up|down|out|there|here|mostly|mainly|again"
    r"|all alone|alone|part[- ]time|full[- ]time|nights|days|weekends|mornings|evenings|shifts"
    r"|officially|currently|happily|properly|temporarily|permanently|right|straight|away|along|round"
    r"|around) )*"
)
_NEAR = (
    r"(?:in|at|on|near|above|over|below|under|behind|by|opposite|next to|next door to|outside"
    r"|off|with|between|inside|across from|beside|upstairs from|downstairs from)"
)
_WHEN = (
    rf"(?:(?:on|in|next|this|from|since)(?: last)? (?:the )?"
    rf"(?:\d\w*(?: (?:of )?(?:{'|'.join(MONTHS)}))?"
    rf"|(?:early |late )?(?:{'|'.join((*MONTHS, *WEEKDAYS))})|week|month|year)|tomorrow|today"
    r"|yesterday)"
)
# "From 1 June I'm at the hospital": words of time before a clause.
_LEAD = re.compile(
    rf"\W*(?P<when>before that|until then|up to then|after that|as of \w+|{_WHEN}),? "
    r"(?=(?:i|we|s?he|they|(?-i:[A-Z])\w+)\b)",
    re.IGNORECASE,
)
_STREET = (
    r"(?:Street|St|Road|Rd|Lane|Avenue|Ave|Close|Drive|Terrace|Row|Gardens|Crescent|Way|Hill"
    r"|Square|Court|Walk|Quay|View|Parade|Grove|Mews|Park)"
)
_ADDRESS = re.compile(
    rf"(?:(?:flat|apartment|unit) \d+\w?, )?(?:\d+[a-z]? )?(?:(?-i:[A-Z])[\w'-]+ ){{1,3}}"
    rf"(?-i:{_STREET})\b(?:,? (?:(?:flat|unit|apartment) \d+\w?,? )?(?:in )?"
    r"(?-i:[A-Z])[\w'-]+(?: (?:\d+\b|(?-i:[A-Z])[\w'-]+))?)?"
)
_ABOUT_HOME = re.compile(
    rf"\b(?:mov(?:e|ed|es|ing)|address|signed|keys|{_DWELLING}|liv(?:e|es|ing))\b", re.IGNORECASE
)
_LIVES = re.compile(rf"{_ADVERBS}(?P<place>{_NEAR} .+)", re.IGNORECASE)
_MOVES = re.compile(
    rf"{_ADVERBS}(?:house )?(?:from [^,.;:]{{2,30}}? )?{_ADVERBS}(?:in )?"
    r"(?P<place>(?:to|into|with|above|near|next to) .+|(?-i:home)\b.*)",
    re.IGNORECASE,
)
_MOVES_OUT = re.compile(r"(?:out|away)\b(?! (?:to|into)\b)", re.IGNORECASE)
_MOVES_ANYWHERE = re.compile(
    r"(?=\W*$|,|(?:yet )?again\b|(?:house\b )?(?:on|in|yesterday|last|this|today|at last|finally)\b"
    r"(?! with\b))",
    re.IGNORECASE,
)
_HAS_HOME = re.compile(
    rf"(?:for )?(?:an?|the|my|our|their|his|her|that|this) (?:[\w-]+ ){{0,3}}{_DWELLING}"
    r" (?P<place>(?:in|at|on|near|above|over|by|behind|opposite|next to|off) .+)",
    re.IGNORECASE,
)
_NO_PLACE = re.compile(
    r"(?:in|at|on|to|into|with|by|under|over)\s+(?:(?:it|that|this|them|him|her|me|us|you|there"
    r"|here|fear|peace|hope|hell|denial|tears|nothing|what|which|the (?:same|moment|past|future"
    r"|next|front|back|middle|weekend|end|rain|dark|sun|meantime|evening|morning|afternoon)"
    r"|my (?:own|head|way)|nights|days|coffee|toast|biscuits|time|all|least|last|first|once"
    r"|top|earlies|lates|a (?:\w+ )?(?:team|role|position|group|meeting|while|bit|week|month"
    r"|year|diet|budget)|(?:bus|train|tram|ferry|boat|car|taxi|bike|plane))\b"
    rf"|(?:{'|'.join((*WEEKDAYS, *MONTHS))})\b|\d{{1,2}}(?:[.:]\d\d)?(?: ?[ap]m)?\W*$)",
    re.IGNORECASE,
)
_WORKS = re.compile(
    rf"{_ADVERBS}(?:as (?P<role>an? [^,.;:]+?|[^,.;:]+?))?"
    r"(?:(?:^|(?<=\s)|\s)(?P<place>(?:at|for|in|with) [^.;:]+))?$",
    re.IGNORECASE,
)
_STARTS = re.compile(
    r"(?:(?:work|working|(?:a|the|my|his|her) (?:new )?(?:job|post|position))\b ?)?"
    rf"(?:{_WHEN} )?(?:as (?P<role>[^,.;:]+?))?"
    r"(?:(?:^|(?<=\s)|\s)(?P<place>(?:at|with|in|for) [^.;:]+))?$",
    re.IGNORECASE,
)
_GETS_JOB = re.compile(
    r"(?:the|an?|my|his|her|that|this|another) (?P<role>(?:[\w-]+ ){0,3}?)"
    r"(?:job|post|position|role|gig|traineeship|apprenticeship)\b"
    r"(?P<rest>.*)",
    re.IGNORECASE,
)
_AFTER_JOB = re.compile(
    r",? ?(?:as (?P<role>[^,.;:]+?))?(?:(?:^|\s)(?P<place>(?:at|with|in|for) [^.;:]+))?$",
    re.IGNORECASE,
)
_JOB_WORDS = frozenset(words("new second proper real part full time summer weekend old other"))
_IS_AT = re.compile(rf"{_ADVERBS}(?P<place>(?:at|in|with) [^.;:]+)", re.IGNORECASE)
# "I'm back in Porto until Friday" is a visit.
_IS_BACK = re.compile(
    r"\bback (?:home )?in (?-i:[A-Z])[^.;:!?]*? (?:since|for good|permanently)\b", re.IGNORECASE
)
_ON_SHIFT = re.compile(
    r"(?:on|doing) (?:the )?(?:nights?|days|earlies|lates|early|late|reception|the desk) (?=at\b)",
    re.IGNORECASE,
)
_IS_MADE = re.compile(r"(?:to |as |an? )*(?P<role>[^,.;:]+)", re.IGNORECASE)
_BEFORE_THAT = re.compile(r"\W*(?:before that|until then|up to then)\b", re.IGNORECASE)
_FOUND = {
    HOME: re.compile(
        rf"\b(?:found|got|signed|bought|rented) (?:[\w-]+ ){{0,4}}?{_DWELLING}\W*$", re.IGNORECASE
    ),
    WORK: re.compile(r"\b(?:found|got|have|landed) (?:[\w-]+ ){0,3}?jobs?\W*$", re.IGNORECASE),
}
_NAMED_PLACE = re.compile(r"(?!(?:I|The|And|But|So|It|My|Oh)\b)[A-Z][^,.!?]*(?:, [A-Z][^,.!?]*)?")
_REACH = 3  # turns in which "before that" goes on with what was told
_WAS_BEFORE = re.compile(
    r"\W*(?:and )?before that,? (?P<who>i|we|s?he|they)(?: (?:was|were|had been)|'d been"
    r"| (?:(?:had )?(?:lived|worked)))(?: (?:living|working))? (?P<place>(?:in|at|with|above) .+)",
    re.IGNORECASE,
)
# "I'm back home in Porto", "nobody cooks so here in Porto": where whoever says it lives, unless
# something plainer is told.
_NAME_OF_PLACE = r"(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)?"
_AT_HOME = re.compile(
    r"(?<!nursing )(?<!care )(?<!the )(?<!holiday )(?<!funeral )"
    r"\b(?:(?:back |at )?home (?:now )?(?:here )?|(?:back |over |up |down )?here |here we are,? "
    r"|(?:weeks|months|years) (?=in [\w' ]+? (?:already|now)\b))in"
    rf" (?P<place>{_NAME_OF_PLACE})",
    re.IGNORECASE,
)
# "My room in Porto is in boxes", "our own croft at Seaton"
_OWN_HOME = re.compile(
    rf"\b(?:my|our) (?:own |old |new |little |tiny |rented )*{_DWELLING}"
    rf" (?:in|at|on|near|above|over) (?P<place>{_NAME_OF_PLACE})",
    re.IGNORECASE,
)
_GIVES_UP = re.compile(
    rf"\b(?:gave|given|giving|give) up (?:the|my|our) (?:[\w-]+ )?{_DWELLING} in"
    rf" (?P<place>{_NAME_OF_PLACE})",
    re.IGNORECASE,
)
# "Greetings from Porto", "I'm writing to you from Porto"
_WRITES_FROM = re.compile(
    r"(?:\b(?:greetings|hello|hi|hey|love|regards|hugs|kisses|wishes|happy [\w' ]{3,30}?|merry"
    r" christmas|good (?:morning|evening)|(?:writing|write|calling)(?: (?:this|to you|you))?)"
    r"(?: all| again| everyone)?)"
    rf" from (?:sunny |rainy |cold |wet |hot )?(?P<place>{_NAME_OF_PLACE})",
    re.IGNORECASE,
)
# Who has just moved tells of the keys, of boxes, of the first night: "slept here in Porto for the
# first time".
_SETTLES = re.compile(
    r"\b(?:(?:my|our) first (?:\w+ )?(?:day|night|week|weekend|morning|evening|month|winter|summer"
    rf"|christmas|{'|'.join(WEEKDAYS)})|slept here|mattress|unpack\w*|boxes|everything"
    r"(?: (?:up|over|down|in|out|inside))?|third floor|the keys?|sleeping)\b[^.;:!?]{0,40}?"
    rf" (?:in|to|at) (?P<place>{_NAME_OF_PLACE})",
    re.IGNORECASE,
)
_OF_MOVE = re.compile(
    r"\b(?:mov(?:e|ed|es|ing)|keys?|van|lorry|truck|boxes|crates|unpack\w*|furniture|mattress|beds?"
    r"|first (?:night|evening|morning)|slept|sleep(?:ing)?|landlad\w+|landlord|lease|rent|tenants?"
    rf"|carried|kitchen|floor|{_DWELLING})\b",
    re.IGNORECASE,
)
_ON_VISIT = re.compile(
    r"\b(?:went|visit\w*|holidays?|trip|vacation|weekend|until|till|for (?:a|the|two|three|\d+)"
    r" (?:days?|weeks?|nights?|fortnight|month)|go(?:es|ing)? home|come home|flight|flying)\b",
    re.IGNORECASE,
)
_MOVES_FROM = re.compile(rf"\bfrom (?P<place>{_NAME_OF_PLACE})", re.IGNORECASE)
# "nine years at the plant", "for two years now at the plant"
_FOR_TIME = re.compile(
    r"(?:(?:for|almost|nearly|over|about|more than) )*(?:\w+ ){1,2}(?:years?|months|weeks)"
    r"(?: now)? (?=(?:at|with|in)\b)",
    re.IGNORECASE,
)
# What somebody does for a living at a place: "I clean teeth at the practice".
_WORK_DEEDS = frozenset(
    words(
        "clean drive deliver cook serve sell manage repair fix bake nurse guard write edit"
        " translate design build code paint answer stack sand wash press pack load weld"
        " help assist sort file keep type draw plan look do make run mend sew cut style print"
    )
)
_PLACE_OF_DEED = re.compile(
    r"(?P<what>[^,.;:]{0,40}?)\b(?P<place>(?:at|for|in) [^.;:]+)", re.IGNORECASE
)
# "an instructor at the flying school", "a deckhand on the ferry"
_AGENT = re.compile(
    r"(?P<role>(?:an? |the )(?:[\w-]+ ){0,2}?(?!(?:member|number|dinner|letter|winter|summer|corner"
    r"|driver|player|stranger|visitor|customer|minister|patient|assistant manager)\b)"
    r"[a-z]+(?:er|or|ist|ian|ant|man|woman|hand|smith|clerk|nurse|cook|chef|guard|guide))"
    r" (?P<place>(?:at|with|for|on|in) [^.;:]+)",
    re.IGNORECASE,
)
_COMPANY_NAME = re.compile(
    r"for (?:(?:an?|the) (?:[\w-]+ ){0,3}(?:company|firm|agency|business|chain|magazine|newspaper"
    r"|charity|start-?up)\b|(?-i:[A-Z])[\w'&-]+ (?:&|and)? ?(?-i:[A-Z]))",
    re.IGNORECASE,
)
_CHANGES_TO = re.compile(r"(?:over |across )?(?P<place>to .+)", re.IGNORECASE)
# "my job at the mill", "my notice at the mill", "the mill": what somebody leaves.
_LEAVES_WHAT = re.compile(
    r"(?:off |redundant )?(?:(?:in )?(?:(?:my|his|her|the|work) ?)?(?:\w+ )?"
    r"(?:notice|jobs?|work|post|position|shifts?)\b)? ?(?P<place>(?:at|from|with|in) [^.;:]+)"
    r"|(?P<bare>(?:the|my|his|her) [^.;:]+)",
    re.IGNORECASE,
)
_NOTICE = re.compile(r"(?:in )?(?:(?:my|his|her|the) )?notice\b", re.IGNORECASE)
_DAY_OF_WORK = re.compile(
    r"\b(?:my|his|her) (?:very )?(?P<which>first|last|final) (?:\w+ )?"
    r"(?:day|shift|week|night|month)(?P<place> (?:at|with|in) .+?)"
    r"(?: (?P<verb>is|was|will)\b|[.,!?;]|$)",
    re.IGNORECASE,
)
# What may become somebody's work: "I've applied to the gallery", "the gallery has said yes".
_MAY_BECOME = re.compile(
    r"\b(?:appl(?:y|ied|ying)|interviews?|interviewed|trial (?:day|shift|week)|vacancy|opening"
    r"|offer(?:ed|s)?|job|post|position)\b(?: [\w'-]+){0,6}? "
    r"(?P<place>(?:at|with|to|from|in|for) (?:(?:an?|the) |(?-i:[A-Z]))[^.;:!?]+)",
    re.IGNORECASE,
)
_WANTS = re.compile(
    r"\b(?P<place>(?:the|an?) (?:[\w-]+ ){0,6}?[\w-]+|(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)*)"
    r"(?: in (?-i:[A-Z])\w+| at (?-i:[A-Z])\w+)? (?:(?:has|have) )?"
    r"(?:said yes|took me|taken me|wants? me|wants? somebody|offered me|hired me|gave me the job"
    r"|given me the job)\b",
    re.IGNORECASE,
)
_CALLED = re.compile(r"\bcalled (?P<name>(?-i:[A-Z])[\w'&-]+(?: (?:and |& )?(?-i:[A-Z])[\w'&-]+)*)")
_GETS_IT = re.compile(r"(?:it|the (?:job|post|position|place))\b(?! (?:at|in|with|from|as))", re.I)
_LEAVES_FOR = re.compile(r".{2,60}? (?P<place>for (?:an?|the) .+)", re.IGNORECASE)
_LEAVES = frozenset(
    {"quit", "leave", "resign", "lose", "retire", "fire", "sack", "lay", "finish", "give", "hand"}
)
_OF_JOB = re.compile(
    r"\b(?:jobs?|work|post|position|shifts?|company|firm|notice)\b|\boff\b|\bredundant\b", re.I
)
_DENIED_HERE = re.compile(r"\b(?:not|never|n't|nearly|almost)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Telling:
    """What a clause tells of a state of its subject.

    `mode` is "holds", "begins", "ahead" (it begins on `day`), "held" (it is past), "before" (it was
    until what was told right before it), "leaves" (it holds, and will end), "over" (it ends;
    `place` is "" where any may be meant) or "hint" (it holds, unless it was told otherwise before).
    `place` is the words for where, with their preposition, and `role` what somebody works as.
    `day` is ISO text, as exact as it was told, "" where nobody said it.
    """

    turn: Turn
    sentence: str
    subject: str
    mode: str
    place: str = ""
    role: str = ""
    day: str = ""


def tellings(
    state: str, turns: Sequence[Turn], speakers: Sequence[str], subject: frozenset[str]
) -> list[Telling]:
    """What turns tell of a state of somebody, in the order in which it was told.

    Arguments:
        state: HOME or WORK.
        turns: in order; those before one of them tell who "she" is.
        speakers: the names of those who speak in the memory.
        subject: the words of the name of whom it is asked.
    """
    conversation = Conversation(speakers)
    read: list[Telling] = []
    before = ""
    awaited = ""  # where somebody has applied
    for turn in turns:
        is_of_work = bool(_ABOUT_WORK.search(f"{before} {turn.text}"))
        is_of_home = bool(_ABOUT_HOME.search(f"{before} {turn.text}"))
        before = turn.text
        leaver = ""
        is_found = False  # a flat or a job, of which the next words may say where
        for part in _with_leads(conversation.parts(turn), speakers):
            is_new = False
            if state == WORK:
                if is_of(turn.speaker, subject) and (
                    day_of_work := _day_of_work(part.whole, turn, awaited)
                ):
                    read.append(day_of_work)
                awaited = _awaited(part.whole) or awaited
            for clause in part.clauses:
                name = subject_name(clause, turn.speaker)
                if not is_of(name, subject):
                    continue
                reader = _Reader(part, clause, turn, name, is_of_work, is_of_home, leaver, awaited)
                of_clause = [*reader.read(state)]
                if state == HOME and not of_clause:
                    of_clause = [*reader.leaves_home(read)]
                read += of_clause
                is_new = is_new or bool(of_clause)
                if any(each.mode in ("begins", "ahead", "holds") for each in of_clause):
                    awaited = ""
                is_found = bool(not of_clause and _FOUND[state].search(clause.text))
                if of_clause:
                    leaver = name if of_clause[-1].mode == "over" else ""
            if was := _was_before(part.whole, turn, read[-1] if read else None):
                read.append(was)
                continue
            if not is_new and state == HOME and is_of(turn.speaker, subject):
                in_passing = _in_passing(part.whole, turn)
                read += in_passing
                if in_passing:
                    continue
            if part.clauses or not is_of(turn.speaker, subject):
                continue
            named = _NAMED_PLACE.match(part.whole) if is_found else None
            if named and not any(is_of(named[0], frozenset(words(name))) for name in speakers):
                place = place_in(f"in {named[0]}")
                read.append(Telling(turn, part.whole, turn.speaker, "begins", place))
            else:
                read += _of_fragment(state, part, turn, is_of_home)
            is_found = False
    return _with_places_of_moves(read)


def _with_places_of_moves(read: Sequence[Telling]) -> list[Telling]:
    """The tellings, a move without its place at the place that the same turn tells of.

    "We live in Porto now. We moved on the 3rd", "Greetings from Porto. We moved on the 3rd."
    """
    placed: list[Telling] = []
    for telling in read:
        last = placed[-1] if placed else None
        is_same_turn = last is not None and last.turn == telling.turn
        if last and is_same_turn and telling.mode == "moved" and last.mode in ("holds", "hint"):
            placed[-1] = replace(last, mode="begins", day=telling.day)
        elif last and is_same_turn and last.mode == "moved" and telling.mode in ("holds", "hint"):
            placed[-1] = replace(telling, mode="begins", day=last.day)
        else:
            placed.append(telling)
    return placed


def _with_leads(parts: Sequence[ToldPart], speakers: Sequence[str]) -> Iterator[ToldPart]:
    """The parts, those that begin with words of time read behind these."""
    for part in parts:
        lead = None if part.clauses else _LEAD.match(part.whole)
        if lead is None:
            yield part
            continue
        remainder = ClauseReader(part.whole[lead.end() :], speakers, part.context)
        for further in remainder.parts():
            clauses = tuple(replace(each, when=lead["when"]) for each in further.clauses)
            yield replace(further, whole=part.whole, clauses=clauses)


def _was_before(text: str, turn: Turn, last: Telling | None) -> Telling | None:
    """What was before the state told last: "before that she was in Antwerp"."""
    match = _WAS_BEFORE.match(text)
    if not match or last is None or last.turn.session != turn.session:
        return None
    is_of_speaker = is_of(turn.speaker, frozenset(words(last.subject)))
    if (match["who"].lower() in ("i", "we")) != is_of_speaker or last.mode == "before":
        return None
    if not is_of_speaker and is_of(last.turn.speaker, frozenset(words(last.subject))):
        return None  # whoever told of themselves is "you" to the next, and no "she"
    if not 0 <= turn.id - last.turn.id <= _REACH or not _is_place(match["place"]):
        return None
    return Telling(turn, text, last.subject, "before", place_in(match["place"]))


def is_workplace(word: str) -> bool:
    """Whether a word names a kind of place where people work: library, ward."""
    return bool(_WORKPLACE.fullmatch(word)) or word in ("employer", "company")


def is_of(name: str, subject: frozenset[str]) -> bool:
    """Whether a clause's subject is the one who is asked about, and nobody of theirs.

    Of "Anna Smith", whom a question names in full, turns tell as "Anna"; not of "Anna Jones".
    """
    named = set(words(name)) - KIN
    subject -= KIN
    return bool(subject and named) and "'s " not in name and (subject <= named or named <= subject)


class _Reader:
    """Reads one clause for a state."""

    def __init__(
        self,
        part: ToldPart,
        clause: Clause,
        turn: Turn,
        name: str,
        is_of_work: bool,
        is_of_home: bool,
        leaver: str,
        awaited: str,
    ) -> None:
        self._part = part
        self._clause = clause
        self._turn = turn
        self._name = name
        self._is_of_work = is_of_work
        self._is_of_home = is_of_home
        self._has_left = leaver == name
        self._awaited = awaited

    def read(self, state: str) -> Iterator[Telling]:
        clause = self._clause
        if clause.noun:
            if state == HOME and clause.noun in ("address", "flat", "house", "place", "home"):
                is_at = re.match(r"(?:now |still )?(?P<place>(?:in|at|on|near) .+)", clause.text)
                place = is_at["place"] if is_at else ""
                address = _ADDRESS.search(clause.text)
                if address and not place:
                    place = f"at {address[0]}"
                if _is_place(place):
                    is_new = re.search(r"\bnew (?=address|flat|house|place|home)", self._part.whole)
                    yield self._telling("begins" if is_new else "holds", place=place)
            return
        # "I live in Porto and work at the library" is one clause.
        starts = [0, *(joined.end() for joined in re.finditer(r",? and ", clause.text))]
        for start in starts:
            verbs = predicate(clause.text[start:], has_subject=clause.has_subject)
            if verbs is None or verbs.cannot:
                continue
            telling = self._home(verbs) if state == HOME else self._work(verbs)
            if telling is not None:
                yield telling
                origin = self._origin(verbs) if state == HOME else None
                if origin is not None:
                    yield origin

    def leaves_home(self, before: Sequence[Telling]) -> Iterator[Telling]:
        """Another home, or none, for one told before: "we left Porto for Braga in July"."""
        verbs = predicate(self._clause.text, has_subject=self._clause.has_subject)
        places = places_left(verbs, self._part.whole) if verbs else None
        if places is None:
            return
        old, new = places
        if not any(set(words(old)) <= set(words(telling.place)) for telling in before):
            return  # nobody has said that it was their home
        if new:
            yield self._telling("begins", place=f"in {new}")
        else:
            yield self._telling("over", place=f"in {old}")

    def _telling(self, mode: str, place: str = "", role: str = "") -> Telling:
        days = named_days(
            f"{self._clause.when} {self._clause.text}", self._turn.said_at, ahead=mode == "ahead"
        )
        return Telling(
            self._turn,
            self._part.whole,
            self._name,
            mode,
            place=place_in(place),
            role=_role(role),
            day=days[0] if days and mode not in ("held", "before") else "",
        )

    def _mode(self, verbs: Predicate, begins: bool) -> str:
        if verbs.is_denied or verbs.is_over:
            return "over" if verbs.is_over else ""
        if verbs.tense == "former":
            return "held"
        if verbs.tense == "future":
            return "ahead"
        if begins:
            return "begins" if verbs.tense in ("past", "perfect") else "ahead"
        return "held" if verbs.tense == "past" else "holds"

    def _origin(self, verbs: Predicate) -> Telling | None:
        """Where somebody moved from: "we moved here from Porto"."""
        if verbs.verb not in ("move", "relocate"):
            return None
        match = _MOVES_FROM.search(self._part.whole)
        if match is None or words(match["place"])[0] in (*MONTHS, *WEEKDAYS):
            return None
        return self._telling("before", place=f"in {match['place']}")

    def _home(self, verbs: Predicate) -> Telling | None:
        if verbs.verb in ("live", "stay", "reside", "base", "settle", "lodge"):
            match = _LIVES.match(verbs.rest)
            begins = verbs.verb == "settle"
        elif verbs.verb in ("move", "relocate"):
            is_elsewhere = _MOVES_OUT.match(verbs.rest) or _MOVES_ANYWHERE.match(verbs.rest)
            if is_elsewhere and self._mode(verbs, True) == "begins":
                return self._telling("over" if is_elsewhere[0] else "moved")
            match = _MOVES.match(verbs.rest)
            begins = True
        elif verbs.verb in (
            "have",
            "get",
            "find",
            "rent",
            "buy",
            "take",
            "share",
            "sign",
            "signed",
        ):
            match = _HAS_HOME.match(verbs.rest)
            begins = verbs.verb != "have" and verbs.tense != "progressive"
            address = _ADDRESS.search(verbs.rest)
            if match is None and address and re.search(rf"\b{_DWELLING}\b", verbs.rest, re.I):
                mode = self._mode(verbs, begins)
                return self._telling(mode, place=f"at {address[0]}") if mode else None
        elif verbs.verb == "be" and not verbs.is_passive:
            match = _IS_AT.match(verbs.rest)
            if match and verbs.tense == "present" and _ADDRESS.match(place_in(match["place"])):
                return self._telling("holds", place=match["place"])
            if match and _BEFORE_THAT.match(self._part.whole) and verbs.tense == "past":
                place = match["place"]
                return self._telling("before", place=place) if _is_place(place) else None
            if match and verbs.is_over and re.match(r"in (?:the )?[A-Z]", match["place"]):
                return self._telling("over", place=match["place"])
            is_back = bool(_IS_BACK.search(self._part.whole)) and verbs.tense == "present"
            is_back |= verbs.is_still and bool(match and match["place"].startswith("in "))
            # "We've been in Porto since yesterday", of a move
            has_been = verbs.tense == "perfect" and self._is_of_home and _says_since(verbs.rest)
            if not self._has_left and not is_back and not has_been:
                return None
            if has_been and not (match and re.search(r"^in (?:the )?[A-Z]", match["place"])):
                return None
            begins = False
        else:
            return None
        mode = self._mode(verbs, begins)
        if match is None or not mode or not _is_place(match["place"]):
            return None
        if verbs.verb == "stay" and mode != "holds":
            return None  # a visit
        if mode == "held" and _BEFORE_THAT.match(self._part.whole):
            mode = "before"
        place = re.split(r" since\b", match["place"])[0] if verbs.verb == "be" else match["place"]
        if not place.lower().startswith("with "):
            place = without_company(place)
        return self._telling(mode, place=place)

    def _work(self, verbs: Predicate) -> Telling | None:
        reader = {
            "work": self._works,
            "temp": self._works,
            "intern": self._works,
            "start": self._starts,
            "begin": self._starts,
            "get": self._gets,
            "have": self._gets,
            "take": self._gets,
            "find": self._gets,
            "land": self._gets,
            "accept": self._gets,
            "be": self._is,
            "become": self._becomes,
            "teach": self._teaches,
            "change": self._changes,
            "switch": self._changes,
            "transfer": self._changes,
            "move": self._changes,
        }.get(verbs.verb)
        if reader is not None:
            return reader(verbs)
        if verbs.verb in _LEAVES:
            return self._leaves(verbs)
        if verbs.verb in _WORK_DEEDS:
            return self._earns(verbs)
        if verbs.verb in ("promote", "appoint", "make") and verbs.is_passive:
            role = _job_in(verbs.rest)
            match = _IS_MADE.match(verbs.rest)
            if role or (verbs.verb != "make" and match):
                return self._telling("begins", role=role or (match["role"] if match else ""))
        if verbs.verb in ("hire", "employ") and verbs.is_passive:
            match = _AFTER_JOB.match(re.sub(r"\bby\b", "at", verbs.rest))
            if match and (match["place"] or match["role"]):
                return self._telling("begins", place=match["place"] or "", role=match["role"] or "")
        return None

    def _works(self, verbs: Predicate) -> Telling | None:
        match = _WORKS.match(_cut(verbs.rest))
        mode = self._mode(verbs, begins=False)
        if not match or not mode:
            return None
        place = match["place"] or ""
        if not _is_place(place):
            place = ""
        if not place and not match["role"]:
            return self._telling("over") if mode == "over" else None
        if mode == "held" and _BEFORE_THAT.match(self._part.whole):
            mode = "before"
        return self._telling(mode, place=place, role=match["role"] or "")

    def _starts(self, verbs: Predicate) -> Telling | None:
        mode = self._mode(verbs, begins=True)
        is_there = bool(re.match(rf"(?:there\b|{_WHEN}|(?:work )?on\b|\W*$)", verbs.rest, re.I))
        if is_there and mode and self._awaited:
            return replace(self._telling(mode), place=self._awaited)
        match = _STARTS.match(_cut(verbs.rest))
        if not match or not mode:
            return None
        place = match["place"] or ""
        says_work = re.match(r"(?:work|\w+ (?:new )?(?:job|post|position))\b", verbs.rest)
        is_plain = bool(says_work or _WORKPLACE.search(place) or _job_in(match["role"] or ""))
        is_named = bool(re.match(r"at (?:the )?[A-Z]", place)) or (
            bool(_OF_JOB.search(self._turn.text)) and bool(re.search(r" [A-Z]", place))
        )
        if not _is_place(place) or not (is_plain or is_named):
            place = ""
        if not place and not _job_in(match["role"] or ""):
            return None
        return self._telling(mode, place=place, role=match["role"] or "")

    def _gets(self, verbs: Predicate) -> Telling | None:
        mode = self._mode(verbs, begins=verbs.verb != "have")
        if mode and self._awaited and verbs.verb != "have" and _GETS_IT.match(verbs.rest):
            return replace(self._telling(mode), place=self._awaited)
        match = _GETS_JOB.match(verbs.rest)
        if not match or not mode:
            return None
        after = _AFTER_JOB.match(_cut(match["rest"]))
        place = (after["place"] or "") if after else ""
        role = (after["role"] or "") if after else ""
        if not role and set(words(match["role"])) - _JOB_WORDS:
            role = match["role"]
        if not place and not role:
            return None
        return self._telling(mode, place=place if _is_place(place) else "", role=role)

    def _is(self, verbs: Predicate) -> Telling | None:
        mode = self._mode(verbs, begins=False)
        if not mode:
            return None
        if _BEFORE_THAT.match(self._part.whole) and mode == "held":
            mode = "before"
        remainder = _FOR_TIME.sub("", verbs.rest)
        has_time = remainder != verbs.rest
        agent = _AGENT.match(remainder)
        if agent and self._is_employer(agent["place"], is_sure=False):
            return self._telling(mode, place=agent["place"], role=agent["role"])
        if role := _job_in(remainder):
            after = re.match(r"\s*(?P<place>(?:at|for|with) [^.;:]+)", remainder[len(role) :])
            place = after["place"] if after and _is_place(after["place"]) else ""
            return self._telling(mode, place=place, role=role)
        match = _IS_AT.match(_ON_SHIFT.sub("", remainder))
        if not match or not _is_place(match["place"]):
            return None
        is_on_shift = bool(_ON_SHIFT.match(remainder))
        if not (self._is_of_work or verbs.is_still or is_on_shift or has_time):
            return None
        place = place_in(match["place"])
        is_from_then = bool(self._clause.when) and bool(
            named_days(self._clause.when, self._turn.said_at, ahead=True)
        )
        is_work = _WORKPLACE.search(place) and (
            verbs.is_still
            or is_from_then
            or self._has_left
            or has_time
            or re.match(r"back\b", remainder)
        )
        is_named = bool(re.match(r"(?:the )?[A-Z]", place))
        if not (is_work or (is_named and (verbs.is_still or is_on_shift))) or mode in (
            "held",
            "over",
        ):
            return None
        is_ahead = is_from_then and re.match(r"\W*from\b", self._clause.when, re.IGNORECASE)
        return self._telling("ahead" if is_ahead else mode, place=place)

    def _changes(self, verbs: Predicate) -> Telling | None:
        """ "I changed to the bakery in the old town" tells of work where that is a workplace."""
        match = _CHANGES_TO.match(_cut(verbs.rest))
        mode = self._mode(verbs, begins=True)
        if not match or not mode or not _WORKPLACE.search(match["place"]):
            return None
        if verbs.verb == "move" and not self._is_of_work:
            return None
        return self._telling(mode, place=match["place"])

    def _earns(self, verbs: Predicate) -> Telling | None:
        """ "I clean teeth at the practice in Porto": a deed that somebody does for a living."""
        if verbs.tense not in ("present", "progressive") or verbs.is_denied or verbs.is_over:
            return None
        match = _PLACE_OF_DEED.match(_cut(verbs.rest))
        if not match or not _is_place(match["place"]):
            return None
        is_company = bool(_COMPANY_NAME.match(match["place"]))
        is_workplace_named = not match["place"].startswith("for ") and re.match(
            rf"(?:at|in) (?:the|an?|our) (?:[\w-]+ ){{0,3}}?{_WORKPLACE.pattern}",
            match["place"],
            re.IGNORECASE,
        )
        if not is_company and not is_workplace_named:
            return None
        what = match["what"].strip()
        role = f"{verbs.verb} {what}".strip() if what else ""
        return replace(self._telling("holds", place=match["place"]), role=role)

    def _becomes(self, verbs: Predicate) -> Telling | None:
        role = _job_in(verbs.rest)
        mode = self._mode(verbs, begins=True)
        return self._telling(mode, role=role) if role and mode else None

    def _teaches(self, verbs: Predicate) -> Telling | None:
        match = re.match(r"(?P<what>(?:[\w-]+ ){0,3}?)(?:now )?(?P<place>(?:at|in) .+)", verbs.rest)
        mode = self._mode(verbs, begins=False)
        if not match or not mode or not _WORKPLACE.search(match["place"]):
            return None
        what = " ".join(filter(None, ("teaches", match["what"].strip())))
        return replace(self._telling(mode, place=match["place"]), role=what)

    def _leaves(self, verbs: Predicate) -> Telling | None:
        if verbs.verb == "leave" and (match := _LEAVES_FOR.match(_cut(verbs.rest))):
            mode = self._mode(verbs, begins=True)
            if mode and _WORKPLACE.search(match["place"]):
                return self._telling(mode, place=match["place"])
        if verbs.is_denied:
            return None
        is_notice = bool(_NOTICE.match(verbs.rest))
        if verbs.verb in ("give", "hand") and not is_notice:
            return None
        match = _LEAVES_WHAT.match(_cut(verbs.rest))
        place = (match["place"] or f"at {match['bare']}") if match else ""
        place = re.sub(r"^from\b", "at", place)
        if not _is_place(place) or not self._is_employer(place, is_sure=is_notice):
            place = ""
        if verbs.verb == "finish" and not (match and match["place"]):
            return None  # a book
        if verbs.verb in ("leave", "finish") and not self._is_of_work:
            return None  # "I left the hotel at noon"
        if verbs.tense not in ("past", "perfect") or is_notice:
            # Who leaves is still there.
            return self._telling("leaves", place=place) if place else None
        if verbs.verb == "retire":
            return self._telling("begins", role="retired")
        if not place and not _OF_JOB.search(verbs.rest):
            return None
        return self._telling("over", place=place)

    def _is_employer(self, place: str, is_sure: bool) -> bool:
        """Whether somebody may work at a place: at a workplace, or at a name they are to leave."""
        if _OF_JOB.search(place):
            return False
        return bool(_WORKPLACE.search(place)) or (
            (is_sure or self._is_of_work) and bool(re.match(r"\w+ (?:the )?[A-Z]", place))
        )


def _awaited(text: str) -> str:
    """The place at which somebody may come to work, by what they say; "" for none."""
    match = _WANTS.search(text) or _MAY_BECOME.search(text)
    if match is None:
        return ""
    called = _CALLED.search(text)
    place = re.sub(r"^(?:to|from|for)\b", "at", match["place"])
    place = f"at {called['name']}" if called else place
    if not re.match(r"(?:at|with|in)\b", place):
        place = f"at {place}"
    is_employer = _WORKPLACE.search(place) or re.match(r"\w+ (?:the )?[A-Z]", place)
    return place_in(place) if is_employer and _is_place(place) else ""


def _day_of_work(text: str, turn: Turn, awaited: str) -> Telling | None:
    """Where whoever speaks works, by their first or last day: "my last day at the mill"."""
    match = _DAY_OF_WORK.search(text)
    if not match or not _is_place(match["place"].strip()):
        return None
    place = place_in(match["place"])
    if awaited and set(words(place)) - {"the"} <= set(words(awaited)):
        place = awaited
    if not (_WORKPLACE.search(place) or place == awaited or re.match(r"with |[A-Z]", place)):
        return None
    if match["which"].lower() == "first":
        is_ahead = match["verb"] in ("is", "will")
        days = named_days(text, turn.said_at, ahead=is_ahead)
        mode = "ahead" if is_ahead and days else "begins"
        return Telling(turn, text, turn.speaker, mode, place, day=(*days, "")[0])
    mode = "leaves" if match["verb"] in ("is", "will") else "over"
    return Telling(turn, text, turn.speaker, mode, place)


def _says_since(text: str) -> bool:
    return bool(re.search(r"\bsince\b", text, re.IGNORECASE))


def _in_passing(text: str, turn: Turn) -> list[Telling]:
    """Where whoever speaks lives, as they say by the way: "I'm back home in Porto"."""
    if _DENIED_HERE.search(text):
        return []
    tellings_by_the_way: list[Telling] = []
    left = _GIVES_UP.search(text)
    if left:
        tellings_by_the_way.append(Telling(turn, text, turn.speaker, "over", left["place"]))
    settles = _SETTLES.search(text) if _OF_MOVE.search(turn.text) else None
    if settles and not _ON_VISIT.search(text):
        days = named_days(text, turn.said_at, ahead=False)
        day = days[0] if len(days) == 1 else ""
        return [
            *tellings_by_the_way,
            Telling(turn, text, turn.speaker, "begins", settles["place"], day=day),
        ]
    own = _OWN_HOME.search(text)
    if own:
        return [*tellings_by_the_way, Telling(turn, text, turn.speaker, "holds", own["place"])]
    match = _AT_HOME.search(text) or _WRITES_FROM.search(text)
    if match is None or _ON_VISIT.search(text):
        return tellings_by_the_way
    return [*tellings_by_the_way, Telling(turn, text, turn.speaker, "hint", match["place"])]


def _of_fragment(state: str, part: ToldPart, turn: Turn, is_of_home: bool) -> Iterator[Telling]:
    """What words without a verb tell of who says them: "new job, radiographer at Southmead"."""
    text = part.text
    if _DENIED_HERE.search(text):
        return
    days = named_days(text, turn.said_at, ahead=False)
    if state == HOME:
        match = re.match(
            rf"(?:new |got a |in a )*{_DWELLING} (?P<place>(?:in|on|at|near|above|by|off) .+)",
            text,
            re.IGNORECASE,
        )
        if match and _is_place(match["place"]):
            place = place_in(match["place"])
            yield Telling(turn, part.whole, turn.speaker, "begins", place, day=(*days, "")[0])
            return
        address = _ADDRESS.search(re.sub(r"\bout of .*?(?=\binto\b|,|$)", "", text))
        if address and is_of_home:
            is_ahead = bool(re.search(r"\bfrom (?:the )?\d", text))
            days = named_days(text, turn.said_at, ahead=is_ahead)
            mode = "ahead" if is_ahead and days else "begins"
            yield Telling(turn, part.whole, turn.speaker, mode, address[0], day=(*days, "")[0])
        return
    match = re.match(r"(?:full|part)[- ]time (?P<place>(?:at|in|for) .+)", text, re.IGNORECASE)
    if match and _is_place(match["place"]):
        place = place_in(match["place"])
        yield Telling(turn, part.whole, turn.speaker, "begins", place, day=(*days, "")[0])


def _cut(remainder: str) -> str:
    """Words behind a verb up to what says when."""
    return re.split(
        rf",| (?:on|from|since|in|until|till|next|last|this|tomorrow|yesterday) (?:the )?"
        rf"(?:\d|{'|'.join((*WEEKDAYS, *MONTHS))}|week|month|year|monday)| and | but | because ",
        remainder,
        maxsplit=1,
        flags=re.IGNORECASE,
    )[0].strip(" .!")


_UNTIL_THEN = re.compile(
    r" (?:at (?:the )?(?:end|beginning|start|weekend|christmas)|for (?:\w+ )?(?:years|months|weeks"
    r"|ages|ever|good|now))\b.*",
    re.IGNORECASE,
)


def place_in(text: str) -> str:
    """The words for a place, its preposition with them: "above a bakery", "in Porto".

    "to" is where somebody is afterwards, and left out.
    """
    preposition, _, remainder = text.strip().partition(" ")
    if preposition.lower() in ("next", "across", "upstairs", "downstairs"):
        more, _, remainder = remainder.partition(" ")
        preposition = f"{preposition} {more}"
    if not remainder:
        return text.strip(" .!,")
    comma = re.match(
        r"[^,.;:!?()]+(?:, (?-i:[A-Z])[\w'-]+"
        r"(?: (?:d[aeo]s?|del|of|the|la|(?-i:[A-Z\d])[\w'-]*)){0,4})?",
        _UNTIL_THEN.sub("", remainder),
    )
    values = values_in(_until_next_deed(re.sub(r" there\b", "", comma[0] if comma else remainder)))
    if not values:
        return ""
    article = re.match(r"(?:an?|the|my|his|her|their|our) ", remainder, re.IGNORECASE)
    value = f"{article[0] if article and not remainder.startswith(values[0]) else ''}{values[0]}"
    value = re.sub(r"^(?:my|our) ", "their ", value, flags=re.IGNORECASE)
    return (
        value
        if preposition.lower() in ("to", "into", "in", "at", "for", "on")
        else (f"{preposition.lower()} {value}")
    )


def _until_next_deed(text: str) -> str:
    """ "Porto" of "Porto and work at the library": what comes next is another predicate."""
    for joined in re.finditer(r",? and ", text):
        if predicate(text[joined.end() :]) is not None:
            return text[: joined.start()]
    return text


def _is_place(text: str) -> bool:
    """Whether words name a place: "in Porto", not "in peace"."""
    if not text or _NO_PLACE.match(text):
        return False
    return bool(place_in(text))


def _job_in(text: str) -> str:
    """The job that a text begins with, as it is told; "" for none."""
    match = re.match(
        r"(?:(?:now|still|back|only|just|also|officially|actually) )*"
        r"(?P<job>(?:an? |the )?(?:(?!(?:not|like|no|so|such|with|at|in|to|from|for|on|by|about|of"
        r"|and|or|the|my|your|his|her|our|their|a)\b)[\w-]+ ){0,3}"
        rf"{part_of_rules('job')}\b(?: of (?:the )?[\w-]+(?: [\w-]+)?)?)",
        text,
        re.IGNORECASE,
    )
    return match["job"] if match and not re.match(r"'s|-", text[match.end() :]) else ""


def _role(text: str) -> str:
    values = values_in(text)
    return values[0] if values else ""
