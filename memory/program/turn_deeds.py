"""What a deed was done to, or who did it, read from turns by the grammar of the question.

"What did Anna buy at the market?" names a deed ("buy"), whose it was and what else was said of it.
Each clause with that verb, of that person, names something behind the verb; so whatever is asked,
the question itself says what to look for, and no list of kinds of things is needed.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Literal

from memory.dates import COUNT, MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_questions import FactQuestion
from memory.program.fact_words import all_forms, are_forms, is_of_class, is_past_verb
from memory.program.messages import is_evidence
from memory.program.searched_turns import texts_before
from memory.program.turn_events import (
    DENIED,
    HABIT,
    UNITS,
    days_told,
    has_any,
    is_told,
    other_names,
    spoken_names,
)
from memory.records import Turn
from memory.search.word_forms import telling_words
from memory.search.words import words

Role = Literal["object", "subject", "place"]

_PREPOSITIONS = frozenset(
    words(
        "to in at on for from with by about into of near off over through around after against"
        " between under behind above"
    )
)
_PARTICLES = frozenset(words("up down off out on in over away back together"))
_SURE_PARTICLES = frozenset(("up", "down", "out", "away", "back", "together"))
_PLACE = sorted(words("to in at on from near into around across through over"))
_AUXILIARY = r"did|do|does|has|have|had|is|was|are|were|'s"
_ASKED = re.compile(
    rf"^\W*(?:(?P<preposition>{'|'.join(sorted(_PREPOSITIONS))}) )?"
    r"(?P<wh>what|which|where|whom?|how many)(?P<noun>(?: [\w'-]+){0,4}?)"
    rf"(?: (?P<auxiliary>{_AUXILIARY})\b|(?P<short>'s\b))(?P<rest>.*?)\W*$",
    re.IGNORECASE,
)
_ASKED_DOER = re.compile(
    r"^\W*(?P<wh>which|who|what|how many)(?P<noun>(?: (?:of )?[\w'-]+){0,4}?)"
    r"(?: (?:has|have|had|was|were|is|are))? (?P<verb>[a-z]+)(?P<rest> .*?|)\W*$",
    re.IGNORECASE,
)
_LEADS = frozenset(
    words(
        "been ever already also both actually each all have had just still together so far"
        " yet usually"
    )
)
_DETERMINER = r"(?:the|a|an|my|our|your|his|her|their|its)"
_PRONOUNS = frozenset(words("we they you he she it i everyone everybody people anyone somebody"))
_FIRST = frozenset(("i", "we", "i've", "we've", "i'd", "we'd", "ive", "weve", "i'm", "we're"))
_THIRD = frozenset(("he", "she", "they", "it", "he's", "she's", "they've", "they're", "he'd"))
_SECOND = frozenset(("you", "you've", "you'd"))
_HELPERS = frozenset(
    [
        *words(
            "have has had did do does been being was were is are just already also finally only"
            " even then now both all still really actually probably first quickly later before"
            " never not to"
        ),
        "'ve",
        "'s",
        "n't",
    ]
)
# What is only planned, wished for or possible, before the verb.
_UNREAL = re.compile(
    r"\b(?:will|won't|gonna|(?:is|are|am|'m|'re|'s) going to|'ll|would|wouldn't|could|should|might"
    r"|may|must|can|can't|cannot|want(?:s|ed)? to|need(?:s|ed)? to|ha(?:ve|s|d) to|got to|hop\w+"
    r"|wish\w*|if|let's|lets|shall|plan\w*|suppos\w+|tr(?:y|ied|ying) to|able to|about to|forgot"
    r"|refus\w+|almost|nearly|said|says|instead of)\b|'d\b",
    re.IGNORECASE,
)
_AHEAD = re.compile(r"\b(?:tomorrow|next (?:week|month|year|weekend|time)|soon)\b", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"[.!?;()]|\s[-\u2013\u2014]+\s|\.\.\.|\b(?:but|because|when|while|if|cos|so(?! far)|which|who"
    r"|whose|until|though|although|that)\b"
    r"|,?\s(?:and|then)\s(?=(?:i|we|he|she|they|it|you|there|now|then)\b)"
    r"|,\s(?=(?:i|we|he|she|they|it|you|there|though|honestly|thanks|thank)\b)",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s*[,:]\s*(?:and|or|plus|then)?\s+|\s+(?:and|&|plus|as well as|or|\+)\s+")
_DAY = "|".join([*MONTHS, *WEEKDAYS])
_ITEM_END = re.compile(
    r"\s(?:for|from|in|on|at|with|since|after|before|last|this|yesterday|today|tonight|again|to|by"
    r"|as|too|already|now|all|off|up|out|over|back|down|ago|instead|there|here|together|myself"
    rf"|ourselves|near|behind|under|along|beside|next|once|twice|into|about|{_DAY})\b.*",
    re.IGNORECASE,
)
# "I broke my rod. And my glasses."
_GOES_ON = re.compile(
    rf"\s*(?:and|then|and then|plus|also)(?P<items> (?:{_DETERMINER} [\w'-]+|(?-i:[A-Z])[\w'-]+)"
    r"(?: [\w'-]+)?)[.!\s]*",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?: (?:the|an?|my|our|his|her))+$", re.IGNORECASE)
_ITEM_LEAD = re.compile(
    r"^(?:(?:a|an|the|my|our|his|her|their|your|some|any|another|new|both|this|that|these|those|me"
    r"|us|him|them|you|also|just|only|finally|even|about|around|like|really|a few|a couple of|well"
    r"|actually|myself|ourselves|exactly|all|all of|of|one of)\b\s*)+",
    re.IGNORECASE,
)
_NO_ITEMS = frozenset(
    words(
        "it them that this one ones some more most lots lot anything something everything nothing"
        " much many enough stuff thing things there here so too well it's itself himself herself"
        " myself yesterday today tonight week month year time day night morning afternoon evening"
        " weekend home away not no yes now then again what how where who all both back up down off"
        " out over bit little way while ago few couple"
    )
)
_VAGUE = frozenset(words("place home house time thing things year month week"))
_NO_FIRST = frozenset(
    words(
        "i we he she they you it and but so because if when what how where who why which to not no"
        " never just been being is are was were be have has had do does did going gone got will"
        " would can could as than"
    )
)
_NUMBER = (
    rf"(?P<number>\d{{1,6}}(?:,\d{{3}})*|{'|'.join(w for w in COUNT if w not in ('a', 'an'))})"
)
_NUMBERED = re.compile(
    rf"^(?:about |around |nearly |some |only |another |all |just )*{_NUMBER}\b(?P<rest>.*)", re.I
)
_CAPITALS = re.compile(
    r"(?:The |A )?[A-Z\u00c0-\u00de][\w'\u00c0-\u017f.-]*(?: (?:of|the|to|in|and the|de|for|on|a|&"
    r"|from|at|with|Like|[A-Z\u00c0-\u00de\d][\w'\u00c0-\u017f.-]*))*"
)
_TAIL_LINK = re.compile(r"(?: (?:of|the|to|in|and the|de|for|on|a|&|from|at|with))+$")
# What is listed by a name of its own.
_NAMED = frozenset(
    words(
        "book books novel novels film films movie movies author authors club clubs band bands city"
        " cities town towns country countries village villages island islands people person friend"
        " friends album albums song songs game games place places museum museums team teams"
    )
)
# A day, a length or an amount says when and how much, and not what.
_UNITS = re.compile(
    rf"^\d+(?:st|nd|rd|th)$|^(?:19|20)\d\d$|^(?:{_DAY})s?$|^\d*\s?(?:[ap]m|km?|kg|g)$"
    r"|^[\w.,-]+ (?:minutes|hours|days|weeks|months|years|seconds|times|km|kilos|pounds|euros"
    r"|quid|dollars|degrees)\b",
    re.IGNORECASE,
)
# Verbs that tell of one deed. Synonyms at large ("take" for "learn") bring up other deeds.
_SAME = tuple(
    tuple(group.split())
    for group in (
        "buy get got order ordered purchase purchased pick picked",
        "fix fixed mend mended repair repaired",
        "make build",
        "plant planted sow sowed grow",
        "earn earned get got pass passed win",
        "sell sold flog flogged",
        "knit knitted crochet crocheted make",
        "sew sewed sewn make",
        "paint painted decorate decorated repaint repainted",
        "install installed fit fitted",
        "learn learnt learned",
        "break smash smashed",
        "lose misplace misplaced",
        "receive received get got",
        "adopt adopted get got",
        "attend attended go",
        "watch watched see",
        "beat win",
        "visit visited go",
        "give bring",
        "find discover discovered",
        "finish finished read",
        "cook cooked make bake baked",
    )
)
# What two words tell of the same deed: "put the beans in" for planting them.
_PHRASAL = {
    "plant": ("put in", "put out"),
    "install": ("put in", "put up"),
    "build": ("put up",),
    "wear": ("put on",),
    "stop": ("give up", "cut out"),
    "quit": ("give up",),
    "discard": ("throw out", "throw away"),
    "start": ("take up",),
}
_FAMILY = frozenset(words("family families household"))
# Where a deed was done, in a question and elsewhere: "on the balcony".
_WHERE = re.compile(
    r"\b(?:in|at|on|around|from|outside)(?: the| his| her| their| my| our| [A-Z]\w+'s)+"
    r"(?: \w+ of (?:the|his|her|their|my|our))? (?!day|night|morning|evening|afternoon|weekend|week"
    r"|month|year|spring|summer|autumn|winter|end|start|first|last|way|rain|snow|sun|sale|same"
    r"|side|other)(?P<noun>[a-z][\w-]+)"
    rf"|\b(?:in|at|near) (?!(?:{'|'.join(day.capitalize() for day in (*MONTHS, *WEEKDAYS))})\b)"
    r"(?P<place>[A-Z][\w'-]+)"
)
_MOST_WORDS = 6
_MOST_ITEMS = 15


@dataclass(frozen=True)
class Deed:
    """What a question says of a deed, and which part of it is asked for.

    `verb` is the word for it; `particle` belongs to it ("put up"); behind `preposition` stands what
    is asked for ("lose to"). `noun` is what is listed ("rooms"), its last word the head; `further`
    are the forms of each further word, `places` of those that say where, which people leave out
    when they speak of it again. `doers` are words of the name of whoever did it, none for
    anybody; `kin` is who of theirs ("mum" of "Hanna's mum").
    """

    role: Role
    verb: str
    particle: str
    preposition: str
    noun: tuple[str, ...]
    further: tuple[frozenset[str], ...]
    places: tuple[frozenset[str], ...]
    doers: frozenset[str]
    kin: str
    is_past: bool

    @property
    def searched(self) -> frozenset[str]:
        """The words of which a turn that tells of it has one."""
        phrasal = {form for verb, _ in _phrasal_deeds(self) for form in all_forms(verb)}
        return frozenset(all_forms(self.verb)) | _same_deeds(self.verb) | phrasal


@dataclass(frozen=True)
class Mention:
    """Something that a clause names as what is asked for.

    `number` is how many of it, 0 where none is told; `is_exact`: the verb is the question's own;
    `is_doer`: the clause says plainly whose deed it was; `met` is 2 where all further words of the
    question stand in the sentence, 1 where they stand around it.
    """

    value: str
    turn: Turn
    day: date
    number: int
    is_exact: bool
    is_doer: bool
    met: int
    has_noun: bool
    is_named: bool


@dataclass(frozen=True)
class Mentions:
    """The mentions of a deed, and how many of its clauses name nothing that can be listed."""

    mentions: tuple[Mention, ...]
    doubtful: int


def deed_of(question: FactQuestion) -> Deed | None:
    """The deed that a question asks about; None where its words are in no such order."""
    text = question.text.strip()
    parts = _ASKED.match(text)
    if parts is None or parts["wh"].lower() == "who":
        return _deed_of_doers(question, text)
    tokens = re.findall(r"[\w'-]+", parts["rest"])
    subject = _length_of_subject(question, tokens)
    if subject is None:
        return None
    position = subject
    while position < len(tokens) and tokens[position].lower() in _LEADS:
        position += 1
    if position >= len(tokens):
        return None
    verb = tokens[position].lower()
    if verb in _PREPOSITIONS:
        return None  # "Which towns has Anna been to?" asks for stays
    tail = [word.lower() for word in tokens[position + 1 :]]
    preposition = (parts["preposition"] or "").lower()
    if verb == "go" and tail[:1] == ["to"] and len(tail) > 1:
        verb, tail = tail[1], tail[2:]  # "Which authors did Anna go to hear?"
    # "Which rooms did Ben pull up the carpet in?", and not "What did Ben buy on the ferry?"
    is_particle = bool(tail) and (
        tail[0] in _PARTICLES if len(tail) == 1 else tail[0] in _SURE_PARTICLES
    )
    particle = tail.pop(0) if is_particle else ""
    if tail and tail[-1] in _PREPOSITIONS:
        preposition = tail.pop()
    elif particle and not tail and particle in _PREPOSITIONS and not preposition:
        # "What did Anna put on?" has a particle, "What is Anna working on?" a preposition.
        preposition = particle if particle in ("on", "in") else ""
        particle = "" if preposition else particle
    is_place = parts["wh"].lower() == "where"
    noun = tuple(words(parts["noun"]))
    return _deed(
        question,
        role="place" if is_place else "object",
        verb=verb,
        particle=particle,
        preposition=preposition,
        noun=noun,
        subject=" ".join(tokens[:subject]),
        is_past=parts["auxiliary"] is not None and parts["auxiliary"].lower() in ("did", "was"),
    )


def _deed_of_doers(question: FactQuestion, text: str) -> Deed | None:
    """ "Who came to the party?", "Which of Anna's plants died?" """
    parts = _ASKED_DOER.match(text)
    if parts is None or not is_past_verb(parts["verb"].lower()):
        return None
    tail = [word.lower() for word in re.findall(r"[\w'-]+", parts["rest"])]
    particle = tail[0] if tail and tail[0] in _PARTICLES else ""
    return _deed(
        question,
        role="subject",
        verb=parts["verb"].lower(),
        particle=particle,
        preposition="",
        noun=tuple(words(parts["noun"])),
        subject="",
        is_past=True,
    )


def _deed(question: FactQuestion, *, subject: str, noun: tuple[str, ...], verb: str, role: Role,
          particle: str, preposition: str, is_past: bool) -> Deed:  # fmt: skip
    doers = frozenset(
        word for forms in question.names for word in words(forms[-1]) if word not in ("the", "s")
    )
    if role == "subject":
        doers = frozenset()
    kin = ""
    if possessed := re.match(r"[\w'-]+'s ([\w-]+)$", subject):
        kin = possessed[1].lower()
    elif not doers and subject and subject.lower().split()[0] not in _PRONOUNS:
        doers = frozenset(words(subject)[-1:])
    if kin in _FAMILY:
        kin, doers = "", doers or frozenset(words(subject)[:1])
    taken = {verb, *_VAGUE, *_FAMILY, *noun[-1:], *words(subject)}
    hits = [] if role == "place" else list(_WHERE.finditer(question.text))
    places = [match["noun"] or match["place"] for match in hits]
    where = {*words(" ".join(places)), *noun[:-1]}
    further = [word for word in question.telling if word not in taken and not are_forms(word, verb)]
    return Deed(
        role=role,
        verb=verb,
        particle=particle,
        preposition=preposition,
        noun=noun,
        further=tuple(_names_of(word) for word in further if word not in where),
        places=tuple(_names_of(word) for word in further if word in where),
        doers=doers,
        kin=kin,
        is_past=is_past,
    )


def _names_of(word: str) -> frozenset[str]:
    return frozenset(all_forms(word)) | other_names(word)


def _length_of_subject(question: FactQuestion, tokens: Sequence[str]) -> int | None:
    """How many words behind the auxiliary say whose deed it was."""
    lower = [word.lower() for word in tokens]
    if not lower:
        return None
    if lower[0] in _PRONOUNS:
        return 1
    if re.fullmatch(_DETERMINER, lower[0]):
        return 2 if len(lower) > 2 else None
    length = 0
    names = {word for forms in question.names for form in forms for word in words(form)}
    while length < len(tokens) and (
        not set(words(tokens[length])) - names - {"s"} or (length and lower[length] == "and")
    ):
        length += 1
    return length or None


def read_deed(deed: Deed, turns: Sequence[Turn]) -> Mentions:
    """What turns name of what is asked for, in the order in which it was told.

    `turns` are those with the words of the deed, and those around them.
    """
    speakers = frozenset(word for turn in turns for word in words(turn.speaker))
    deed = replace(deed, doers=spoken_names(deed.doers, speakers))
    read = _read(deed, turns, speakers)
    mentions = list(read.mentions)
    for verb, particle in _phrasal_deeds(deed):
        same = _read(replace(deed, verb=verb, particle=particle), turns, speakers)
        mentions += [replace(mention, is_exact=False) for mention in same.mentions]
    return Mentions(tuple(sorted(mentions, key=lambda m: m.turn.id)), read.doubtful)


def _phrasal_deeds(deed: Deed) -> list[tuple[str, str]]:
    """The verbs with a particle that tell of the same deed."""
    if deed.role != "object" or deed.particle or deed.preposition:
        return []
    return [
        (verb, particle)
        for base, deeds in _PHRASAL.items()
        if are_forms(deed.verb, base)
        for verb, _, particle in (name.partition(" ") for name in deeds)
    ]


def _read(deed: Deed, turns: Sequence[Turn], speakers: Collection[str]) -> Mentions:
    mentions: list[Mention] = []
    doubtful = 0
    by_id = {turn.id: turn for turn in turns}
    for turn in sorted(turns, key=lambda turn: turn.id):
        said_on = named_day(turn.said_at)
        if said_on is None or not is_evidence(turn.text):
            continue
        before = texts_before(turn, by_id)
        parts = sentences(turn.text)
        for number, sentence in enumerate(parts):
            if not is_told(sentence):
                continue
            verbs = [
                (match, closeness)
                for match in re.finditer(r"[\w'\u2019-]+", sentence)
                if (closeness := _closeness(match[0].lower(), deed.verb, deed.is_past))
            ]
            met = words_met(deed, sentence, [*parts, *before]) if verbs else 0
            if met == 0:
                continue
            following = parts[number + 1] if number + 1 < len(parts) else ""
            previous = " ".join([*before[::-1], *parts[:number]])
            for match, closeness in verbs:
                doer = doer_of(deed, turn, sentence, match.start(), speakers, previous)
                if not doer:
                    continue
                clause = _clause_around(sentence, match.start())
                days, _ = days_told(clause, sentence, following, said_on)
                values = _values(deed, turn, sentence, match, speakers)
                if values and deed.role != "subject" and (more := _GOES_ON.fullmatch(following)):
                    values += _listed(deed, more["items"], speakers)
                doubtful += not values
                for value, count in values:
                    yield_words = words(value)
                    head = deed.noun[-1] if deed.noun else ""
                    mentions.append(
                        Mention(
                            value=value,
                            turn=turn,
                            day=days[-1],
                            number=count,
                            is_exact=closeness == 2,
                            is_doer=doer == 2,
                            met=met,
                            has_noun=bool(head)
                            and (
                                any(are_forms(word, head) for word in yield_words)
                                or is_of_class(head, yield_words)
                            ),
                            is_named=value[0].isupper(),
                        )
                    )
    return Mentions(tuple(mentions), doubtful)


def words_met(deed: Deed, sentence: str, around: Sequence[str]) -> int:
    """2 where the further words of a question stand in a sentence, 1 around it, else 0.

    Where it was may be left out by a sentence that names no other place.
    """
    query = [*deed.further, *deed.places]
    if all(has_any(words(sentence), names) for names in query):
        return 2
    around_words = words(" ".join(around))
    if all(has_any(around_words, names) for names in query):
        return 1
    if not deed.places or _WHERE.search(sentence):
        return 0
    if all(has_any(words(sentence), names) for names in deed.further):
        return 2
    return int(all(has_any(around_words, names) for names in deed.further))


@lru_cache(maxsize=20_000)
def _closeness(word: str, verb: str, is_past: bool) -> int:
    """2 for a form of the verb of a question, 1 for a verb that means nearly the same."""
    if (word[:2] == verb[:2] and are_forms(word, verb)) or word in all_forms(verb):
        closeness = 2
    elif word in _same_deeds(verb):
        closeness = 1
    else:
        return 0
    if is_past and not is_past_verb(word) and word not in _SAME_PAST:
        return 0
    return closeness


@lru_cache(maxsize=1_000)
def _same_deeds(verb: str) -> frozenset[str]:
    """The forms of verbs that tell of the same deed: who "got a lamp" may have bought it."""
    same = {
        name
        for group in _SAME
        if any(are_forms(verb, verb_of) for verb_of in group)
        for name in group
    }
    return frozenset(form for name in same for form in all_forms(name)) | other_names(verb)


_SAME_PAST = frozenset(words("put cut hit let set shut hurt cost read quit bet cast spread beat"))


def _clause_around(sentence: str, position: int) -> str:
    start = max((m.end() for m in _CLAUSE_END.finditer(sentence[:position])), default=0)
    end = _CLAUSE_END.search(sentence, position)
    return sentence[start : end.start() if end else len(sentence)]


def doer_of(
    deed: Deed, turn: Turn, sentence: str, position: int, speakers: Collection[str], previous: str
) -> int:
    """2 where a clause says that it was the deed of whom a question asks about, 1 maybe, 0 not."""
    start = max((m.end() for m in _CLAUSE_END.finditer(sentence[:position])), default=0)
    before = sentence[start:position]
    after = _clause_around(sentence, position)
    if _UNREAL.search(before) or DENIED.search(before) or HABIT.search(before):
        return 0
    if _AHEAD.search(after):
        return 0
    if deed.role == "subject" or not (deed.doers or deed.kin):
        return 2
    is_speaker = not deed.doers.isdisjoint(words(turn.speaker))
    subject = _subject_before(before, speakers) or _subject_before(sentence[:position], speakers)
    if deed.kin:
        named = re.search(rf"\b{re.escape(deed.kin)}\b", before, re.IGNORECASE)
        return 2 * bool(named and (is_speaker or has_any(words(before), deed.doers)))
    if subject in ("", "first"):
        return 2 * is_speaker
    if subject == "second":
        return int(not is_speaker and len(speakers) == 2)
    if subject == "third":
        return int(not is_speaker and not deed.doers.isdisjoint(words(previous)[-40:]))
    return 2 * (subject in deed.doers)


def _subject_before(text: str, speakers: Collection[str]) -> str:
    """Whom the text before a verb names as its subject: "first" for the speaker, or a name."""
    tokens = re.findall(r"[\w'\u2019-]+", text.replace("\u2019", "'"))
    for position in range(len(tokens) - 1, -1, -1):
        token = tokens[position]
        lower = token.lower()
        if lower in _FIRST:
            return "first"
        if lower in _THIRD:
            return "third"
        if lower in _SECOND:
            return "second"
        behind = tokens[position - 1].lower() if position else ""
        bare = lower.removesuffix("'s")
        is_name = token[0].isupper() and (position > 0 or bare in speakers)
        if is_name and bare not in COUNT and bare not in WEEKDAYS and bare not in MONTHS:
            if behind in _PREPOSITIONS:
                continue
            return bare
        following = [token.lower() for token in tokens[position + 1 :]]
        is_before_verb = all(token in _HELPERS for token in following)
        is_noun = lower not in _HELPERS and lower not in _LEADS and lower not in _NO_FIRST
        if not position and is_before_verb and is_noun and not lower.endswith("ly"):
            return bare if token[0].isupper() else ""  # "Mum gave us a kettle"
        if re.fullmatch(_DETERMINER, behind) and is_before_verb and is_noun:
            return lower
    return ""


def _values(
    deed: Deed, turn: Turn, sentence: str, verb: re.Match[str], speakers: Collection[str]
) -> list[tuple[str, int]]:
    """What a clause names of what is asked for, and how many of each (0 where it does not say)."""
    if deed.role == "subject":
        return list(_doers(turn, sentence, verb.start(), speakers))
    region = sentence[verb.end() :]
    end = _CLAUSE_END.search(region)
    region = region[: end.start()] if end else region
    if DENIED.match(region.strip()):
        return []
    if deed.particle:
        match = re.match(rf"(?P<object>(?:\s[\w'-]+){{0,4}}?)\s{deed.particle}\b", region, re.I)
        if not match:
            return []
        region = f"{match['object']}, {region[match.end() :]}" if match["object"] else region[
            match.end() :
        ]  # fmt: skip
    if deed.role == "place" or deed.preposition:
        return list(_behind_preposition(deed, region, speakers))
    region = re.sub(r"^\s(?:up|out|off|through|over|down)\b", "", region)
    return list(_listed(deed, region, speakers))


def _behind_preposition(
    deed: Deed, region: str, speakers: Collection[str]
) -> Iterator[tuple[str, int]]:
    prepositions = [deed.preposition] if deed.preposition else _PLACE
    if not deed.preposition and deed.verb in ("visit", "see"):
        yield from _listed(deed, region, speakers)
        return
    match = re.search(rf"\b(?:{'|'.join(prepositions)})\s", region, re.IGNORECASE)
    if match:
        yield from _listed(deed, region[match.end() :], speakers, is_after=True)


def _listed(
    deed: Deed, region: str, speakers: Collection[str], *, is_after: bool = False
) -> Iterator[tuple[str, int]]:
    for position, part in enumerate(_SPLIT.split(region)):
        first = words(part)[:1]
        if not first:
            if position:
                return
            continue
        # "kiwi and pistachios, write that down": another verb ends the list.
        if first[0] in _NO_FIRST or (position and len(all_forms(first[0])) > 1):
            return
        if position and is_past_verb(first[0]):
            return
        if is_after:
            part = re.sub(rf"^\s*(?:{'|'.join(_PLACE)})\s", "", part)
        elif first[0] in _PREPOSITIONS:
            if position:
                continue
            return
        value, number = _item(part)
        if not value:
            continue
        if {*words(value)} & set(speakers) and deed.preposition != "to":
            continue
        query = [*deed.further, *deed.places]
        if any(has_any(words(value), names) for names in query):
            bare = [w for w in telling_words(value) if not any(has_any([w], n) for n in query)]
            if not bare:
                continue
        yield value, number


def _item(part: str) -> tuple[str, int]:
    """What a part of a list names, without its article and without what follows it."""
    text = part.strip(" .,!?\"'\u201c\u201d*")
    text = _ITEM_LEAD.sub("", text).strip(" \"'\u201c*")
    number = _number(text)
    capitals = _CAPITALS.match(text)
    if capitals and (" " in capitals[0] or not text[len(capitals[0]) :].strip()):
        value = _TAIL_LINK.sub("", capitals[0])
        rest = text[len(value) :]
        if rest.startswith(" ") and not _ITEM_END.match(rest) and len(rest.split()) <= 2:
            value = text
    else:
        value = _ITEM_END.sub("", text)
    value = _TAIL.sub("", value.strip(" .,!?\"'()[]*"))
    if not value:
        return "", 0
    value_words = value.lower().split()
    if is_past_verb(value_words[0]) or (len(value_words) > 1 and is_past_verb(value_words[-1])):
        return "", 0  # "couldn't stop", "spare room painted"
    if value_words[0].endswith(("n't", "ly")) or _UNITS.search(value):
        return "", 0
    named = [word for word in words(value) if word not in _NO_ITEMS and word not in COUNT]
    if not named or len(value.split()) > _MOST_WORDS or not telling_words(value):
        return "", 0
    return value, number


def _doers(
    turn: Turn, sentence: str, position: int, speakers: Collection[str]
) -> Iterator[tuple[str, int]]:
    """Who did something: the subject of a verb, "Tom and Saskia" of "Tom and Saskia came"."""
    start = max((m.end() for m in _CLAUSE_END.finditer(sentence[:position])), default=0)
    before = sentence[start:position].rstrip()
    before = re.sub(
        r"(?:\s|^)(?:(?:have|has|had|also|just|both|all|even|finally|then|already)\b\s*)+$",
        "",
        before,
    )
    parts = _SPLIT.split(before)
    for part in parts:
        bare = part.strip(" .,!?\"'")
        lower = bare.lower()
        if lower in _FIRST or not lower:
            yield turn.speaker, 0
            continue
        if lower in _THIRD or lower in _SECOND or words(lower)[0] in _NO_FIRST:
            continue
        value = _ITEM_LEAD.sub("", bare)
        if 0 < len(value.split()) <= 4 and telling_words(value):
            yield value, _number(bare)


def _number(text: str) -> int:
    """How many of something a text says at its beginning, 0 for nothing: 2 of "two perch".

    "A 5 mile race" says nothing of how many.
    """
    numbered = _NUMBERED.match(text)
    if not numbered:
        return 0
    unit, *more = words(numbered["rest"]) or [""]
    if unit in UNITS and more:
        return 0
    digits = numbered["number"].replace(",", "").lower()
    return int(digits) if digits.isdigit() else COUNT[digits]


def choices_of(deed: Deed, mentions: Sequence[Mention]) -> Iterator[tuple[Mention, ...]]:
    """Which mentions may be the answer, the strictest choice first."""
    seen = set()
    for is_exact in (True, False):
        for met in (2, 1):
            choice = tuple(
                mention
                for mention in mentions
                if mention.met >= met and (mention.is_exact or not is_exact)
            )
            for group in (tuple(m for m in choice if m.has_noun or m.is_named), choice):
                if deed.noun and deed.noun[-1] in _NAMED:
                    group = tuple(m for m in group if m.is_named)
                distinct = _distinct(group)
                key = tuple(m.value for m in distinct)
                if distinct and key not in seen and len(distinct) <= _MOST_ITEMS:
                    seen.add(key)
                    yield distinct


def _distinct(mentions: Sequence[Mention]) -> tuple[Mention, ...]:
    """Mentions of different things: what says the same again, or less of it, is left out."""
    distinct: list[Mention] = []
    for mention in mentions:
        key = set(telling_words(mention.value))
        for position, other in enumerate(distinct):
            other_key = set(telling_words(other.value))
            if key <= other_key:
                break
            if other_key < key:
                distinct[position] = mention
                break
        else:
            distinct.append(mention)
    return tuple(distinct)
