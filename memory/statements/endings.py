"""What a turn says is over: given up, sold, cancelled, healed, or another now.

Such words are many and short ("no more depot for me", "the Skoda's gone"), and most of them are
also said of what nobody has told. So they are read generously and end only what the memory has of
that subject under that name.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from memory.dates import COUNT, WEEKDAYS
from memory.records import Turn
from memory.statements.clause import SPEAKER, person_name
from memory.statements.clauses import ToldPart
from memory.statements.days import named_days
from memory.statements.predicates import Predicate, predicate
from memory.statements.statement import Ended, Over
from memory.statements.values import values_in
from memory.statements.word_lists import word_lists

# Verbs with what they end; the words behind them name it.
_WORDS_OF_ACTS: tuple[tuple[str, str, Ended], ...] = (
    (
        "stop",
        r"(?!for\b|at\b|by\b|off\b|in\b|to\b)(?:(?:doing|going(?: to)?|playing|taking|seeing|"
        r"eating|drinking|using|having|attending|doing|with) )?(?P<what>[^,.!?;:]+)",
        "activity",
    ),
    ("give", r"up (?:on )?(?P<what>[^,.!?;:]+)", "any"),
    ("give", r"(?P<what>[^,.!?;:]+?) up(?=$|[,.!?;: ])", "any"),
    ("pack jack knock chuck", r"in (?P<what>[^,.!?;:]+)", "activity"),
    ("pack jack knock chuck", r"(?P<what>[^,.!?;:]+?) in(?=$|[,.!?;: ])", "activity"),
    (
        "drop ditch scrap abandon kick cancel quit",
        r"(?:out of )?(?:going (?:to )?)?(?P<what>[^,.!?;:]+)",
        "any",
    ),
    ("leave", r"(?P<what>[^,.!?;:]+)", "activity"),
    ("finish", r"(?:with |reading |doing )?(?P<what>[^,.!?;:]+)", "activity"),
    ("sell lose donate rehome scrap bin return", r"(?P<what>[^,.!?;:]+)", "possession"),
    ("give", r"away (?P<what>[^,.!?;:]+)", "possession"),
    ("give", r"(?P<what>[^,.!?;:]+?) (?:away|back|to)\b", "possession"),
    ("hand take bring", r"(?P<what>[^,.!?;:]+?) back\b", "possession"),
    ("get", r"rid of (?P<what>[^,.!?;:]+)", "possession"),
    ("get", r"over (?P<what>[^,.!?;:]+)", "illness"),
    ("recover heal", r"from (?P<what>[^,.!?;:]+)", "illness"),
    ("break split", r"up with (?P<what>[^,.!?;:]+)", "person"),
    ("finish", r"with (?P<what>(?-i:[A-Z])\w+)", "person"),
    ("dump divorce leave", r"(?P<what>(?-i:[A-Z])[\w-]+)", "person"),
    (
        "retire resign withdraw pull drop step",
        r"(?:down |out )?(?:of |from |as )(?P<what>"
        r"[^,.!?;:]+)",
        "activity",
    ),
    ("come", r"off (?P<what>[^,.!?;:]+)", "illness"),
    (
        "be",
        r"(?:finally |now |all )?(?:off|over|out of|clear of|free of|rid of) (?P<what>"
        r"(?!here\b|there\b|the moon\b|it\b|to\b|work\b|school\b|sick\b|for\b|on\b)[^,.!?;:]+)",
        "illness",
    ),
    ("be", r"(?:home|back|discharged|out) (?:from|of) (?P<what>[^,.!?;:]+)", "illness"),
    (
        "come get",
        r"(?:home|back|out) (?:from|of) (?P<what>(?:the )?(?:hospital|hospice|rehab|prison|jail"
        r"|care home|home))\b",
        "illness",
    ),
    ("be", r"(?:done|finished|through) with (?P<what>[^,.!?;:]+)", "any"),
    ("be", r"back (?:on|to|at) (?P<what>(?:eating |drinking )?[^,.!?;:]+)", "abstinence"),
    (
        "eat drink smoke have start go",
        r"(?:eating |drinking |on |back (?:on|to) )?(?P<what>[^,.!?;:]+?) again\b",
        "abstinence",
    ),
    ("go", r"back (?:on|to) (?P<what>[^,.!?;:]+)", "abstinence"),
)
_ACTS = tuple(
    (frozenset(verbs.split()), re.compile(words, re.IGNORECASE), kind)
    for verbs, words, kind in _WORDS_OF_ACTS
)
_ALL_ACTS = frozenset[str]().union(*(verbs for verbs, _, _ in _ACTS))
# "from the clinic to the hospice", "the Fiat for a Seat", "owls instead of bats"
_FROM_TO = re.compile(
    r"(?:over )?from (?P<old>[^,.!?;:]{2,40}?) (?:on)?to (?P<new>[^,.!?;:]{2,60})", re.IGNORECASE
)
_FOR = re.compile(r"(?P<old>[^,.!?;:]{2,40}?) (?:in )?for (?P<new>[^,.!?;:]{2,60})", re.IGNORECASE)
_WITH = re.compile(r"(?P<old>[^,.!?;:]{2,40}?) (?:with|by) (?P<new>[^,.!?;:]{2,60})", re.IGNORECASE)
_INSTEAD_OF = re.compile(
    r"(?P<new>[^,.!?;:]{2,60}?) (?:now )?(?:instead of|rather than|not) (?P<old>[^,.!?;:]{2,40})",
    re.IGNORECASE,
)
_TO_SWITCH = frozenset({"switch", "swap", "change", "move", "go", "transfer", "convert"})
# "We left Porto for Braga": to live there, where somebody lived in Porto and it is no trip.
_PLACE = r"(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)*"
_LEAVES_PLACE = re.compile(rf"(?P<old>{_PLACE})(?: (?:behind )?for (?P<new>{_PLACE}))?")
_ON_TRIP = re.compile(
    r"\b(?:weekend|holidays?|trip|vacation|visit\w*|flight|fly|flew|train|bus|ferry|plane|drive"
    r"|drove|conference|concert|match|tour|night|morning|afternoon|evening|noon|dawn|tonight|today"
    r"|tomorrow|yesterday|early|late|hours?|back|return\w*|until|till"
    rf"|for (?:the |about |just )?(?:{'|'.join(COUNT)}|few|\d+) \w+|{'|'.join(WEEKDAYS)})\b"
    rf"|\d[:.]\d\d|\bat (?:\d|(?:{'|'.join(COUNT)})\b)",
    re.IGNORECASE,
)
_TO_SWAP = frozenset({"swap", "trade", "exchange", "change"})
_STATES: tuple[tuple[str, Ended], ...] = (
    (r"stolen|nicked|pinched|sold|lost|scrapped|written off|totalled|given away|rehomed"
     r"|repossessed", "possession"),
    (r"dead|died|conked out|packed up|had it", "possession"),
    (r"healed(?: up)?|cured|cleared(?: up)?|all better|better|in remission|mended", "illness"),
    (r"over(?: and done with)?|finished|history|in the past|no more|ended|behind (?:me|us)"
     r"|at an end|run out|expired", "any"),
    (r"gone(?: now)?", "any"),
    (r"off|called off|cancelled|canceled|scrapped|not happening|postponed|fallen through", "ahead"),
    (r"done(?: with)?|ready|built|complete|completed|finished|up and running", "activity"),
    (r"closed(?: down)?|shut(?: down)?|closing(?: down)?|packed in", "activity"),
)  # fmt: skip
_DETERMINER = r"(?:(?P<owner>my|our|his|her|the|that|this|those|(?-i:[A-Z])[\w-]+'s) )?"
_BE = r"(?:'s|'ve| is| are| was| were| has been| have been| has| have| got| am)"
_ADVERBS = (
    r"(?: (?:now|all|finally|officially|already|just|totally|completely|well and truly|been|also"
    r"|definitely|unfortunately|sadly|basically|pretty much|long|got))*"
)
# What may follow without changing the sense: not "over at nine", "gone to work".
_FOLLOWS = (
    r"(?=\W*$|[,;:]| (?:for (?:me|us|good|now|ever|him|her|this)|since|now|at last|yesterday|today"
    r"|last|on|in|this|after|because|so|and|but|too|again|by|already|outside|before|as of"
    r"|to (?:the )?(?:scrap\w*|dump|tip|charity|a good|an? new|recycling))\b)(?! (?:on|in) (?:the "
    r"|my |our )?(?!\d|first|last|mon|tue|wed|thu|fri|sat|sun)[a-z])"
)
_THINGS = tuple(
    (
        re.compile(
            rf"{_DETERMINER}(?P<what>[\w&'-]+?(?: [\w&'-]+?){{0,4}}?){_BE}{_ADVERBS}"
            rf" (?:{states}){_FOLLOWS}",
            re.IGNORECASE,
        ),
        kind,
    )
    for states, kind in _STATES
)
_ANY_STATE = re.compile("|".join(states for states, _ in _STATES), re.IGNORECASE)
_NO_MORE = re.compile(
    r"(?:^|\b(?:so|and|it's|that's|means|now|with) )(?:no more|no (?=[^,.!?;:]{2,40} any ?more\b)) "
    r"(?P<what>(?!of\b|than\b|to\b|excuses?\b|questions?\b|news\b)[^,.!?;:]{2,40}?)"
    r"(?: any ?more)?(?= for (?:me|us|now)\b|\W*$|,| (?:since|now|from|until|after|on)\b)",
    re.IGNORECASE,
)
_OFF = re.compile(
    r"(?:(?:now|finally|all|completely) )?(?:off|out of|over|done with|finished with|free of) "
    r"(?P<what>(?:the |my |a )?(?!to\b|we\b|work\b|school\b|here\b)[\w' -]{3,30}?)"
    r"(?= since\b|\W*$|,| now\b| at last\b| on \w+day\b| as of\b| for good\b)",
    re.IGNORECASE,
)
_BACK_ON = re.compile(
    r"(?:(?:now|am|and|so) )*back (?:on|to) (?P<what>(?:the |my |eating |drinking )?[\w' -]{3,30}?)"
    r"(?= since\b|\W*$|,| now\b| again\b| this\b| yesterday\b)",
    re.IGNORECASE,
)
# Whoever did it: "the dentist cancelled my appointment".
_CANCELLED = re.compile(
    r"\b(?:cancelled|canceled|called off|scrapped|axed) (?:my|our) (?P<what>[^,.!?;:]+)",
    re.IGNORECASE,
)
_NEW_AMOUNT = re.compile(
    r"(?:(?:the|my|our) )?(?P<what>[\w'-]+(?: [\w'-]+)?)(?:'s| is| costs?"
    r"| are)(?: now)? [£$€]?\d[\d.,]*"
    r"[^,.!?;:]{0,30}?(?<= )now\b|(?:(?:the|my|our) )?(?P<other>[\w'-]+(?: [\w'-]+)?)(?: is"
    r"| costs?) now "
    r"[£$€]?\d",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"(?:^|\b(?:me|am|is|now|back|already|officially|dose|weight) )(?:up"
    r"|down) to (?P<value>\d+(?:\.\d+)?"
    r" ?(?P<unit>kg|kilos?|lbs?|pounds|stone|mg|ml|hours?|km|miles?|%|percent))\b",
    re.IGNORECASE,
)
_NO_WORDS = re.compile(
    r"^(?:it|that|this|them|him|her|me|us|you|all|everything|something|nothing|there|here|what"
    r"|which|who|time|way|day|one|ones|home|work|things?)$",
    re.IGNORECASE,
)
_MENTIONS_END = re.compile(
    r"\b(?:no longer|any ?more|any longer|used to|no more|stop\w*|quit\w*|g[ai]ve\w*|giving|pack"
    r"|packed|jack(?:ed)?|chucked|knocked|dropp?(?:ed)?|ditch(?:ed)?|scrap(?:ped)?|abandoned"
    r"|kicked|cancel\w*|left|finish\w*|sold|lost|donated|rehomed|binned|returned|rid of|over"
    r"|recovered|healed|broke|split|dumped|divorced|retired|resigned|withdr[ae]w|pulled|stepped"
    r"|came|come|off|out of|free of|clear of|home|back|discharged|done|through|again|switch\w*"
    r"|swap\w*|change\w*|moved|went|transferred|converted|trad\w+|exchanged|replaced|instead"
    r"|rather|stolen|nicked|pinched|scrapped|written|totalled|dead|died|conked|cured|cleared"
    r"|better|remission|mended|history|ended|behind|end|run out|expired|gone|called|happening"
    r"|postponed|fallen|ready|built|complete\w*|up and running|closed?|closing|shut|down to"
    r"|up to|now|not|handed|took|brought)\b",
    re.IGNORECASE,
)


def mentions_end(text: str) -> bool:
    """Whether a text has any word of an ending; most have none."""
    return bool(_MENTIONS_END.search(text))


def endings_of(part: ToldPart, turn: Turn) -> Iterator[Over]:
    """What a part of a turn says is over."""
    if not mentions_end(part.whole):
        return
    speaker = turn.speaker.strip()
    endings = list(_read(part))
    day = _day(part, turn) if endings else ""
    for over in endings:
        subject = person_name(over.subject, speaker)
        words = over.words
        if subject != speaker:
            words = re.sub(r"\b(?:me|I)\b", speaker, words)
        words = re.sub(r"\bmy\b", "", words, flags=re.IGNORECASE).strip()
        if over.unit or (words and not _NO_WORDS.match(words)):
            yield replace(over, subject=subject, words=words, happened_on=day)


def _read(part: ToldPart) -> Iterator[Over]:
    people = [clause for clause in part.clauses if not clause.is_thing and not clause.noun]
    subject, text = SPEAKER, part.text
    for clause in people:
        name = clause.name or clause.subject
        if clause.has_subject:
            subject, text = name, clause.text
        if verbs := predicate(clause.text, has_subject=clause.has_subject):
            yield from _of_person(name, verbs)
            if places := places_left(verbs, part.whole):
                yield Over(name, places[0], "place", places[1])
    if not part.clauses and (verbs := predicate(part.text, has_subject=False)):
        yield from _of_person(SPEAKER, verbs)
    if _ANY_STATE.search(part.text):
        yield from _of_things(part)
    fragments: tuple[tuple[re.Match[str] | None, Ended], ...] = (
        (_NO_MORE.search(part.whole), "any"),
        (_OFF.match(text), "illness"),
        (_BACK_ON.match(text), "abstinence"),
    )
    for match, kind in fragments:
        for words in _values(match["what"]) if match else ():
            yield Over(subject, words, kind)
    if cancelled := _CANCELLED.search(part.whole):
        yield from (Over(SPEAKER, name, "ahead") for name in _values(cancelled["what"]))
    if changed := _NEW_AMOUNT.match(part.text):
        yield Over(SPEAKER, changed["what"] or changed["other"], "amount")
    if amount := _AMOUNT.search(part.text):
        yield Over(subject, "", "any", amount["value"], unit=amount["unit"].lower())


def _of_person(subject: str, verbs: Predicate) -> Iterator[Over]:
    rest = verbs.rest
    if verbs.is_over and verbs.is_denied:
        words = _values(rest) or ([verbs.verb] if verbs.verb != "be" else [])
        yield from (Over(subject, name) for name in words)
        return
    if verbs.is_denied or verbs.is_passive or verbs.tense == "future":
        return
    if verbs.tense == "former":
        yield from (Over(subject, name, "activity") for name in _values(rest))
        return
    switches = ((_FROM_TO, _TO_SWITCH), (_FOR, _TO_SWAP), (_WITH, _TO_REPLACE))
    for pattern, switching in switches:
        if verbs.verb in switching and (match := pattern.match(rest)):
            yield from _switched(subject, match)
            return
    if match := _INSTEAD_OF.match(rest):
        yield from _switched(subject, match)
    if verbs.verb not in _ALL_ACTS or (verbs.tense == "present" and verbs.verb != "be"):
        return
    if verbs.tense == "progressive" and verbs.verb not in ("eat", "drink", "smoke"):
        return
    for names, pattern, kind in _ACTS:
        act = pattern.match(rest) if verbs.verb in names else None
        if act is None:
            continue
        if act["what"].lower() in ("me", "us") and verbs.verb in ("leave", "dump"):
            yield Over(SPEAKER, subject, "person")  # "Alma left me"
            continue
        yield from (Over(subject, name, kind) for name in _values(act["what"]))


def places_left(verbs: Predicate, text: str) -> tuple[str, str] | None:
    """The place that somebody has left and the one for which, "" for none; None for a trip.

    Whether it is where they lived or worked, the words do not tell: it may be a person, too.
    """
    is_past = verbs.tense in ("past", "perfect") and not verbs.is_denied and not verbs.is_passive
    match = _LEAVES_PLACE.match(verbs.rest) if verbs.verb == "leave" and is_past else None
    if match is None or _ON_TRIP.search(text):
        return None
    return match["old"], match["new"] or ""


def _switched(subject: str, match: re.Match[str]) -> Iterator[Over]:
    old, new = _values(match["old"]), _values(match["new"])
    if old and new:
        yield Over(subject, old[0], "any", new[0])


def _of_things(part: ToldPart) -> Iterator[Over]:
    for piece, (pattern, kind) in product(part.text.split(", "), _THINGS):
        match = pattern.match(piece) if _ANY_STATE.search(piece) else None
        if match is None:
            continue
        owner = match["owner"] or ""
        subject, what = SPEAKER, match["what"]
        if owner.lower() in ("his", "her"):
            subject = part.context.of(owner)
        elif owner.endswith("'s"):
            subject = owner.removesuffix("'s")
        elif whose := _WHOSE.match(what):
            subject, what = whose["name"], whose["noun"]
        if subject and what.split()[0].lower() not in _PRONOUNS:
            yield from (Over(subject, name, kind) for name in _values(what))


_TO_REPLACE = frozenset({"replace"})
_WHOSE = re.compile(r"(?P<name>[A-Z][\w-]+)'s (?P<noun>.+)")
_PRONOUNS = frozenset({"i", "we", "he", "she", "they", "it", "you", "there", "that", "this"})


def _values(text: str) -> list[str]:
    """The words for what is over, none or one."""
    return [
        value
        for value in values_in(_QUANTITY.sub("", text.strip()))[:1]
        if value.split()[0].lower() not in word_lists().no_objects
    ]


_QUANTITY = re.compile(r"^(?:all|any|that|this|those|more) (?:of )?", re.IGNORECASE)


def _day(part: ToldPart, turn: Turn) -> str:
    today = turn.said_at[:10]
    days = named_days(f"{part.when} {part.text}", turn.said_at, ahead=False)
    days = [day for day in days if not today or day[: len(today)] <= today]
    return days[0] if len(days) == 1 else ""
