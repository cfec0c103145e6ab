"""Who, where and what: the part of a sentence that stands where the question word points.

"Who bought Anna's boat?" asks for the subject of a sentence with that verb and that boat, or for
whom she sold it to; "Where did she find it?" for the place behind the verb, "What did Ben give
her?" for what stands behind it. A sentence has to be of the same persons and things, and tell of
what happened. Where sentences name different answers, none is given.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.dates import MONTHS, named_day
from memory.program.asked_topics import (
    FESTIVALS,
    KIN_WORDS,
    Slot,
    Telling,
    Whose,
    aliases_of,
    infinitive,
    is_of,
    kin_names,
    main_clause,
    names_before,
    people_in,
    persons_in,
    slots_in,
    subject_length,
    tellings,
    tokens_of,
)
from memory.program.clause_parts import (
    Clause,
    clauses_of,
    is_time,
    phrase_after,
    phrases_behind,
    place_after,
    subject_of_verb,
)
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import read_fact_question, read_span
from memory.program.fact_words import all_forms, base_of, is_past_verb, near_words, root_of
from memory.program.messages import is_evidence
from memory.program.searched_turns import (
    select_by_id,
    select_with,
    turns_of,
    turns_with,
    with_questions,
)
from memory.program.turn_events import days_told, is_told, other_names
from memory.records import Rows, Turn
from memory.search.words import STOP_WORDS, words
from memory.statements.answers import last_question

_MOST_TURNS = 80
_LEAST_MET = 0.5  # of the words of a question
_WHO = re.compile(
    r"^\W*(?P<wh>who|whom|which (?:of them|person|friend|neighbour|colleague))\s"
    r"(?P<rest>.+?)\W*$",
    re.IGNORECASE,
)
_AUXILIARY = r"did|does|do|has|have|had|is|was|are|were|will|'s going to|is going to|are going to"
_ASKS_OBJECT = re.compile(
    rf"^\W*(?:(?P<front>to|with|for|from|by|in|at|on) )?"
    rf"(?P<wh>whom?|where|what|(?:what|which) (?P<noun>[\w-]+(?: [\w-]+)?))"
    rf"(?: else)? (?P<auxiliary>{_AUXILIARY})\s(?P<rest>.+?)\W*$",
    re.IGNORECASE,
)
# Other readers know what was first, last, before, how often, and how much.
_BEYOND = re.compile(
    r"\b(?:first|last|latest|before that|previous\w*|former\w*|originally|still|often|all|cost"
    r"|costs"
    r"|pay|paid|price|charge|every|each|days?|dates?)\b",
    re.IGNORECASE,
)
# "Who was with Ann on the hill?", "Who came to the hill with Ann?"
_COMPANY = re.compile(
    r"^\W*who (?:was|went|came) (?:along )?with (?P<who>[A-Z][\w-]+(?: and [A-Z][\w-]+)?)(?!'s)"
    r" (?P<rest>(?:on|at|in|to|when|up|for) .+?)\W*$",
    re.IGNORECASE,
)
_AT_WORK = re.compile(
    r"\bg[eo]t(?:s|ting)? (?P<what>(?:the|my|our|[\w-]+'s) [\w -]+?) (?:working|running|going)"
    r"(?: again)?\b",
    re.IGNORECASE,
)
# "the boat that Ann bought"
_RELATIVE = re.compile(
    r"(?<= )(?:that|which) (?P<who>[A-Z][\w-]+)(?:(?: and |, )[A-Z][\w-]+)* (?:has |have )?"
    r"\w+(?=\W*$)"
)
_RELATION = re.compile(
    r"^\W*(?:who(?:'s| is) (?P<owner>[\w-]+)'s (?:new |current )?(?P<what>[\w-]+)(?: now)?"
    r"|what(?:'s| is) (?:the name of )?(?P<owner_called>[\w-]+)'s (?P<what_called>[\w-]+)"
    r"(?:'s name| called| named)?)\W*$",
    re.IGNORECASE,
)
_TIME_TAIL = re.compile(
    rf"\s(?:in|on|at|during|for|since|until) (?:the )?(?:(?:early|late|end of|beginning of"
    rf"|middle of"
    rf"|summer|autumn|spring|winter|fall) )*(?:of )?(?:{'|'.join(MONTHS)}|\d{{4}}|summer|autumn"
    rf"|spring"
    rf"|winter|{'|'.join(FESTIVALS)})\b.*$",
    re.IGNORECASE,
)
# What is asked like this is told.
_KNOWN = re.compile(r"^\W*(?:did|do) you know (?:that|who)\b|^\W*guess (?:who|what)\b", re.I)
_VAGUE = frozenset(
    words("someone somebody people person everybody everyone nobody guy something thing things")
)
_LONGEST_ANSWER = 8  # words
_NO_REPLY = re.compile(
    r"(?:yes|no|nobody|nothing|not|maybe|good|great|why|what|who|how|sorry|thanks|don't)\b", re.I
)
_OCCASIONS = frozenset(
    [
        *FESTIVALS,
        *words("birthday wedding retirement anniversary graduation party farewell"),
        *(f"{number}th" for number in range(4, 100)),
        *(f"{number}st" for number in (21, 31, 41, 51, 61, 71, 81, 91)),
    ]
)
_PLACES = frozenset(
    words("city town village country place street shop suburb area neighbourhood hospital")
)
_PREPOSITIONS = frozenset(words("to with from for by in at on of about"))
_PARTICLES = frozenset(words("after up off out over down away back"))
_STATE_ROOTS = frozenset(map(root_of, ("live", "work", "base", "employ")))
_LIGHT = frozenset(words("go get make have do take be come end"))
_NOT = re.compile(
    r"\b(?:not|never|no|nobody|cannot|can't|couldn't|without|instead of)\b|n't\b", re.IGNORECASE
)
_UNREAL = re.compile(
    r"\b(?:might|(?-i:may)|maybe|perhaps|if|would|should|could|wish\w*|hop(?:e|es|ing)|want(?:s"
    r"|ed)?"
    r"|thinking|nearly|almost|suppos\w+|unless|asked|wanted|tried)\b|'d (?:like|love|rather)\b",
    re.IGNORECASE,
)
_AHEAD = re.compile(
    r"\b(?:will|going to|gonna|'ll|tomorrow|planning|plan to|have to|has to|need to|let's|shall"
    r"|about to)\b|\b(?:'m|'re|is|are) (?:\w+ )?(?:looking|coming|getting|taking|buying)\b",
    re.IGNORECASE,
)
_ANAPHORA = re.compile(r"\b(?:it|them|one|that|this|those)\b", re.IGNORECASE)
_PERSONAL = re.compile(r"\b(?:he|she|him|her|his)\b", re.IGNORECASE)
_FIRST = frozenset(words("i we me us"))
_THIRD = frozenset(words("he she they"))
# Who bought something is told by whom it was sold to.
_CONVERSES: Sequence[tuple[str, str, str]] = (
    ("buy get take have", "sell give", "to"),
    ("get receive have inherit keep take", "give pass lend hand leave donate send go", "to"),
    ("look mind care keep watch", "stay leave", "with"),
    ("borrow", "lend", "to"),
    ("teach", "learn", "from"),
    ("sell give lend", "buy get receive borrow take", "from"),
)


_GOES = frozenset(words("go be come travel was were is"))
_BUYS = frozenset(map(root_of, ("buy", "get", "have", "take")))
# Who has bought something takes it away, or pays.
_TAKES_AWAY = re.compile(
    r"\b(?:hauled|drove|carried|carted|took|towed|wheeled)"
    r" (?:(?:it|them|the \w+) )?(?:off|away|home)\b"
    r"|\b(?:handed|gave|paid|offered) (?:me|us) (?:[^.;]+) for (?:it|them|the|my|our)\b"
    r"|\b(?:is|are) (?:buying|taking) (?:it|them|the|my|our)\b"
    r"|\b(?:collected|fetched|picked) (?:it|them)\b|\b(?:picked|collected) (?:it|them) up\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Asked:
    """What a question asks for: the part, the verb, whose, and the words that are said of it."""

    role: str  # "subject", "object" or "place"
    verb: str
    particle: str
    preposition: str
    doers: tuple[Whose, ...]
    others: tuple[Whose, ...]
    slots: tuple[Slot, ...]
    adjuncts: tuple[Slot, ...]
    span: tuple[str, str] | None
    is_ahead: bool
    is_present: bool
    is_person: bool

    @property
    def exact_roots(self) -> frozenset[str]:
        """The roots of the verb's own forms."""
        same = _GOES if self.verb in _GOES and self.preposition == "with" else {self.verb}
        return frozenset(root_of(word) for verb in same for word in (verb, *all_forms(verb)))

    @property
    def near_roots(self) -> frozenset[str]:
        """The roots of the verbs that tell of nearly the same."""
        return frozenset(
            root_of(word) for word in (*other_names(self.verb), *near_words(self.verb))
        )


@dataclass(frozen=True)
class _Found:
    value: str
    telling: Telling
    score: float


def _plain(question: str) -> str:
    """A question in plainer words: "of Ann" for "that Ann bought", whom somebody went with."""
    question = _RELATIVE.sub(r"of \g<who>", question)
    question = _AT_WORK.sub(r"repaired \g<what>", question)
    return _COMPANY.sub(r"Who did \g<who> go \g<rest> with?", question)


def answer_by_parts(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer who, where or what by a part of a sentence; None where none is told for certain.

    Arguments:
        question: in the third person ("Who bought Anna's boat?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    question = _plain(question)
    if _BEYOND.search(question):
        return None
    relation = _RELATION.match(question)
    if relation and re.search(r"^\W*who|\b(?:name|called|named)\b", question, re.IGNORECASE):
        return _by_name(relation, today, read, corrected)
    about = read_fact_question(question, today, asker)
    if about and about.kind in ("list", "count", "first", "last", "next", "change", "how long"):
        return None  # other readers know what is whole
    if not _WHO.match(question) and not _ASKS_OBJECT.match(question):
        return None
    searched = " ".join(_searched(question))
    turns = turns_with(searched, _MOST_TURNS, read=read, corrected=corrected)
    speakers = {word for turn in turns for word in words(turn.speaker)}
    query = _read(question, today, asker, speakers)
    if query is None:
        return None
    is_speaker = any(person.name <= speakers and not person.kin for person in query.doers)
    if is_speaker and query.role == "place" and root_of(query.verb) in _STATE_ROOTS:
        return None  # `turn_states` knows where those who speak live and work
    in_order = [turn for turn in turns if turn.said_at[:10] <= today]
    account = tellings(with_questions(in_order))
    aliases = aliases_of((*query.doers, *query.others), account)
    hits = [
        hits
        for telling in account
        if is_evidence(telling.turn.text)
        and (is_told(telling.sentence) or _KNOWN.match(telling.sentence))
        for hits in _in_telling(query, telling, aliases)
    ]
    chosen = _chosen(query, hits)
    if chosen is None:
        return None
    text = _named(chosen, asker)
    by_id = select_by_id([chosen.telling.turn.id])
    return FactAnswer(text, (chosen.telling.turn.id,), (by_id,), (read(by_id),), (), ())


def _by_name(
    relation: re.Match[str],
    today: str,
    read: Callable[[str], Rows],
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]],
) -> FactAnswer | None:
    """How somebody's sister, boss or dog is called; None where several names are told, or none."""
    owner = relation["owner"] or relation["owner_called"]
    what = (relation["what"] or relation["what_called"]).lower()
    kin = kin_names(what) if what in KIN_WORDS else frozenset((what,))
    sql = select_with(f"{owner} {' '.join(sorted(kin))}", _MOST_TURNS)
    turns = [turn for turn in corrected(turns_of(read(sql))) if turn.said_at[:10] <= today]
    account = tellings([turn for turn in turns if is_evidence(turn.text)])
    whose = Whose(frozenset(words(owner)), what)
    names: dict[str, Telling] = {}
    for telling in account:
        names |= dict.fromkeys(_names_told(whose, kin, telling), telling)
    if len(names) != 1:
        return None
    name, telling = names.popitem()
    by_id = select_by_id([telling.turn.id])
    return FactAnswer(name, (telling.turn.id,), (by_id,), (read(by_id),), (), ())


def _names_told(whose: Whose, kin: frozenset[str], telling: Telling) -> Iterator[str]:
    """The names that a sentence gives somebody's kin: "my boss Ann", "a dog called Rex"."""
    is_own = whose.name <= set(words(telling.turn.speaker))
    owner = "|".join(map(re.escape, sorted(whose.name)))
    lead = rf"(?:my|our|{owner}'s)" if is_own else rf"{owner}'s"
    noun = rf"(?i:{'|'.join(map(re.escape, sorted(kin)))})"
    name = r"(?P<name>(?:Dr\.? |Mrs?\.? |Ms\.? |Coach )?[A-Z][\w-]+(?: [A-Z][\w-]+)?)"
    whose_noun = rf"\b(?i:{lead}) (?:[a-z]+ ){{0,2}}{noun}"
    patterns = [
        rf"{whose_noun},? (?:is |called |named |is called |is named )?{name}(?!')",
        rf"\b{name},? (?:is )?{whose_noun}\b(?!')",
        rf"{whose_noun}\b[^.]*\. (?:(?i:he|she|it)(?:'s| is) called|(?i:his|her"
        rf"|its) name is) {name}",
    ]
    if is_own or whose.name <= set(words(telling.sentence)):
        patterns.append(rf"\b(?i:an?|the new) (?:[a-z]+ )?{noun} (?:called|named) {name}")
        patterns.append(rf"\b(?i:have|got) an? (?:[a-z]+ )?{noun}(?: too)?, {name}")
    text = " ".join((telling.sentence, telling.following))
    for pattern in patterns:
        for match in re.finditer(pattern, text):
            if match["name"].lower() not in STOP_WORDS and match.start() < len(telling.sentence):
                yield match["name"]


def _searched(question: str) -> list[str]:
    hits: list[str] = []
    for token in tokens_of(question):
        lower = words(token.removesuffix("'s"))[:1]
        if lower and lower[0] not in STOP_WORDS:
            hits += [lower[0], *all_forms(lower[0])[:4], *sorted(near_words(lower[0]))[:6]]
    return list(dict.fromkeys(hits))[:48] or words(question)


def _read(question: str, today: str, asker: str, speakers: set[str]) -> _Asked | None:
    span = read_span(question, today)
    match = _ASKS_OBJECT.match(question)
    if match and match["wh"].lower() == "who" and not _has_subject(match, asker):
        match = None
    if match:
        return _read_object(match, question, span, asker, speakers)
    who = _WHO.match(question)
    return _read_subject(who["rest"], span, asker, speakers) if who else None


def _has_subject(match: re.Match[str], asker: str) -> bool:
    """Whether a person stands behind "did": "Who did Anna marry", and not "Who was late"."""
    first = tokens_of(match["rest"])[:1]
    if not first:
        return False
    is_name = first[0][0].isupper() or first[0].removesuffix("'s") == asker
    is_did = match["auxiliary"].lower() in ("did", "does", "do")
    return is_name or (is_did and first[0].lower() in ("we", "they", "the", "my", "our"))


def _read_subject(
    ending: str, span: tuple[str, str] | None, asker: str, speakers: set[str]
) -> _Asked | None:
    """ "Who bought the boat?", "Who will look after the dog?" """
    auxiliary = re.match(
        r"(?P<auxiliary>has|have|had|will|is going to|is|was|are|were|'s)\s(?P<rest>\w.*)$",
        ending, re.IGNORECASE | re.DOTALL,
    )  # fmt: skip
    helper = ""
    if auxiliary:
        following = tokens_of(auxiliary["rest"])[:1]
        helper = auxiliary["auxiliary"].lower()
        is_verb = bool(following) and (
            is_past_verb(following[0].lower())
            or following[0].lower().endswith(("ing", "en"))
            or helper in ("will", "is going to")
        )
        if not is_verb:
            if helper not in ("has", "had", "have"):
                return None
            helper = ""
        else:
            ending = auxiliary["rest"]
    tokens = tokens_of(ending)
    if len(tokens) < 2 or not tokens[0][0].islower():
        return None
    verb = infinitive(tokens[0].lower())
    tail = tokens[1:]
    particle = tail[0].lower() if tail[0].lower() in _PARTICLES else ""
    tail = tail[1:] if particle else tail
    tail = main_clause(tail)
    persons = persons_in(["the", *tail], asker, speakers)
    slots = slots_in(tail, persons)
    if not slots and not persons:
        return None
    return _Asked(
        role="subject",
        verb=verb,
        particle=particle,
        preposition="",
        doers=(),
        others=tuple(persons),
        slots=tuple(slots),
        adjuncts=(),
        span=span,
        is_ahead=helper in ("will", "is going to"),
        is_present=not is_past_verb(tokens[0].lower()) and helper not in ("has", "had", "have"),
        is_person=True,
    )


def _read_object(
    match: re.Match[str],
    question: str,
    span: tuple[str, str] | None,
    asker: str,
    speakers: set[str],
) -> _Asked | None:
    """ "What did Anna give Ben?", "Where did she find it?", "Who is Anna engaged to?" """
    wh = match["wh"].lower().split()[0]
    noun = (match["noun"] or "").lower()
    tokens = tokens_of(_TIME_TAIL.sub("", match["rest"]))
    auxiliary = match["auxiliary"].lower()
    is_several = re.match(r"^\W*where did .*? (?:go|have|travel|camp)\b", question, re.IGNORECASE)
    is_several = is_several or re.match(r"^\W*what did .*? (?:plant|grow)\b", question, re.I)
    if is_several or auxiliary in ("has", "have", "had") or re.search(r"\beach\b", question):
        return None  # a list
    if re.search(r"\b(?:and|or) (?:who|where|what|when|how)\b", question, re.IGNORECASE):
        return None
    if noun and noun.split()[-1] not in _PLACES:
        return None
    tokens = main_clause(tokens)
    own_kin = _own_kin(tokens, asker)
    called = {person.kin for person in own_kin}
    named = [person for person in persons_in(tokens, asker, speakers) if not person.name <= called]
    persons = [*named, *own_kin]
    is_place = wh == "where" or bool(noun)
    start = subject_length(tokens, persons, asker)
    doers = [person for person in persons if _stands_in(person, tokens[:start])]
    ending = tokens[start:]
    subject_slots = [] if doers else slots_in(tokens[:start], persons)
    while ending and ending[0].lower() in (
        "been",
        "ever",
        "first",
        "actually",
        "all",
        "both",
        "also",
    ):
        ending = ending[1:]
    preposition = (match["front"] or "").lower()
    if ending and ending[-1].lower() in _PREPOSITIONS:
        preposition = ending[-1].lower()
        ending = ending[:-1]
    if auxiliary in ("is", "was", "are", "were") and (not ending or not _is_verb_form(ending[0])):
        verb = "be"
        if wh == "what" and preposition != "to":
            return None  # what something is
        if ending and wh != "what":
            verb = "be"
    elif ending:
        verb = infinitive(ending[0].lower())
        ending = ending[1:]
        following = [word.lower() for word in ending[:2]]
        if verb == "go" and (doing := [w for w in following if w.endswith("ing")]):
            verb = doing[0]  # "go ice fishing"
            ending = [word for word in ending if word.lower() != verb]
            if is_place:
                return None  # a list: where somebody went swimming
        if verb in ("take", "hold", "happen") and following[:1] == ["place"]:
            verb, ending = "be", ending[1:]
        elif verb in ("hold", "happen") and is_place:
            verb = "be"
    else:
        return None
    is_passive = auxiliary in ("is", "was", "are", "were") and verb != "be"
    if is_passive and doers and is_place and not tokens[-1].endswith("ing"):
        doers = []  # "Where was the dog buried?" says nothing of by whom
    if verb in ("do", "mean", "say", "tell", "think", "feel", "call", "happen", "cost", "pay",
                "weigh", "charge", "earn", "name", "talk", "look"):  # fmt: skip
        return None
    particle = ending[0].lower() if ending and ending[0].lower() in _PARTICLES else ""
    ending = ending[1:] if particle else ending
    others = [person for person in persons if person not in doers]
    slots = [*subject_slots, *(s for s in slots_in(ending, persons) if s not in subject_slots)]
    if not doers and not slots and not others:
        return None
    if verb == "be" and not slots and wh != "where":
        return None
    return _Asked(
        role="place" if is_place else "object",
        verb=verb,
        particle=particle,
        preposition=preposition,
        doers=tuple(doers),
        others=tuple(others),
        slots=tuple(slots),
        adjuncts=tuple(_adjuncts(ending, slots)) if doers and not is_place else (),
        span=span,
        is_ahead=auxiliary in ("will", "is going to", "are going to"),
        is_present=auxiliary in ("is", "are", "does", "do"),
        is_person=wh in ("who", "whom"),
    )


def _is_verb_form(word: str) -> bool:
    return is_past_verb(word.lower()) or word.lower().endswith(("ing", "ied"))


def _stands_in(person: Whose, tokens: Sequence[str]) -> bool:
    last = words(tokens[-1].removesuffix("'s")) if tokens else []
    bare = {word for token in tokens for word in words(token.removesuffix("'s"))}
    if person.kin:
        return person.kin in bare and (person.name <= bare or person.kin.capitalize() in tokens)
    # "Anna" does it in "did Anna", and not in "did Anna's wedding".
    return person.name <= bare and (
        not tokens[-1].endswith("'s") and (bool(set(last) & person.name) or "and" in tokens)
    )


def _adjuncts(tokens: Sequence[str], slots: Sequence[Slot]) -> list[Slot]:
    """The slots behind a preposition: where or for what it was, which a sentence may not repeat."""
    behind: set[str] = set()
    is_behind = False
    for token in tokens:
        is_behind = is_behind or token.lower() in ("at", "in", "for", "on", "during")
        if is_behind:
            behind.update(words(token))
    return [slot for slot in slots if slot.word.split()[0] in behind]


def _own_kin(tokens: Sequence[str], asker: str) -> list[Whose]:
    """Those whom who asks calls Mum or Dad."""
    kin = {token.lower() for token in tokens if token in ("Mum", "Mom", "Dad", "Gran", "Grandma")}
    return [Whose(frozenset(words(asker)), name) for name in sorted(kin)] if asker else []


def _in_telling(
    query: _Asked, telling: Telling, aliases: Mapping[Whose, frozenset[str]]
) -> Iterator[_Found]:
    """What a sentence names where the question word points."""
    said_on = named_day(telling.turn.said_at)
    if said_on is None or not _is_of_others(query, telling, aliases):
        return
    if value := _answered(query, telling):
        yield _Found(value, telling, 3.0)
        return
    sentence_words = words(telling.sentence)
    here = [slot for slot in query.slots if slot.is_met(sentence_words)]
    near_text = telling.around
    near = [s for s in query.slots if s not in here and s.is_met(words(near_text))]
    for clause in clauses_of(telling.sentence):
        clause_words = words(clause.text)
        met = [slot for slot in query.slots if slot.is_met(clause_words)]
        refers = [slot for slot in near if _refers(slot, clause, telling)]
        share = _share(query, met, here, refers)
        if query.slots and (share < _LEAST_MET or not _has_thing(query, met, here, refers)):
            continue
        if (
            query.span
            and not query.is_ahead
            and not _is_in_time(query.span, telling, clause, said_on)
        ):
            continue
        for value, weight in _values(query, clause, telling, aliases):
            if value and not _is_asked(query, value):
                yield _Found(value, telling, weight + share)


def _answered(query: _Asked, telling: Telling) -> str:
    """What a short answer names, where somebody asked the same right before."""
    if telling.earlier or not telling.before or query.span:
        return ""
    before = telling.before[-1]
    question = last_question(before.text)
    if not question or before.speaker == telling.turn.speaker:
        return ""
    question_words = words(question)
    word = "who" if query.is_person else "where" if query.role == "place" else "what"
    roots = {root_of(infinitive(w)) for w in question_words}
    met = [slot for slot in query.slots if slot.is_met(question_words)]
    if word not in question_words or not roots & (query.exact_roots | query.near_roots):
        return ""
    if len(met) < len(query.slots):
        return ""
    speaker = set(words(telling.turn.speaker))
    is_same = all(
        not person.kin
        and (
            person.name <= set(question_words)
            or (person.name <= speaker and "you" in question_words)
        )
        for person in query.doers
    )
    if not is_same or len(telling.sentence.split()) > _LONGEST_ANSWER:
        return ""
    reply = re.sub(r"^\W*(?:(?:it|that|he|she)(?:'s| was| is)|oh|well)\b,?\s*", "",
                   telling.sentence, flags=re.IGNORECASE)  # fmt: skip
    if query.role == "place":
        return place_after(reply)
    value = phrase_after(reply)
    return "" if _NO_REPLY.match(value) else value


def _refers(slot: Slot, clause: Clause, telling: Telling) -> bool:
    """Whether a clause may mean what was named before it: as "it", "she", or in an answer."""
    question = telling.before[-1].text if telling.before and not telling.earlier else ""
    if question.rstrip().endswith("?") and slot.is_met(words(question)):
        return True
    if slot.is_name and _PERSONAL.search(clause.text):
        # somebody's name, or a pet's: no "the" or "grandfather's" stands before it
        names = people_in(" ".join((*(t.text for t in telling.before), *telling.earlier)))
        owned = re.search(rf"(?:\b(?:the|a|an)|'s) {slot.word}\b", telling.around, re.IGNORECASE)
        if not owned and not names.isdisjoint(slot.word.split()):
            return True
    if re.search(r"\bthere\b", clause.text, re.IGNORECASE):
        return True
    return bool(_ANAPHORA.search(clause.text))


def _has_thing(
    query: _Asked, met: Sequence[Slot], here: Sequence[Slot], near: Sequence[Slot]
) -> bool:
    """Whether a clause has what the deed was done to, unless the question only says the"
    " occasion."""
    things = [
        slot for slot in query.slots if slot.word not in _OCCASIONS and slot not in query.adjuncts
    ]
    return not things or any(slot in (*met, *here, *near) for slot in things)


def _share(query: _Asked, met: Sequence[Slot], here: Sequence[Slot], near: Sequence[Slot]) -> float:
    """The share of a question's words that a clause, and what it refers to, has.

    An occasion counts less ("for her birthday"), and those who are meant count, too.
    """
    weights = {
        slot: 0.5 if slot.word in _OCCASIONS or slot in query.adjuncts else 1.0 + slot.is_name
        for slot in query.slots
    }
    total = sum(weights.values()) + len(query.others) or 1.0
    share = float(len(query.others))
    for slot in query.slots:
        level = 1.0 if slot in met else 0.8 if slot in here else 0.6 if slot in near else 0.0
        share += level * weights[slot]
    return share / total


def _is_in_time(span: tuple[str, str], telling: Telling, clause: Clause, said_on: date) -> bool:
    days, is_exact = days_told(clause.text, telling.sentence, telling.following, said_on)
    if not is_exact:
        return telling.turn.said_at[:10] >= span[0]
    return any(span[0] <= day.isoformat() <= span[1] for day in days)


def _is_of_others(query: _Asked, telling: Telling, aliases: Mapping[Whose, frozenset[str]]) -> bool:
    """Whether those named besides the doer are meant: the owner, who got it, where it is."""
    return all(
        is_of(person, telling, query.slots, aliases)
        # "the gate", said by her, is Anna's.
        or (query.role == "subject" and not person.kin and _is_plain(person, telling))
        for person in query.others
    )


def _is_plain(person: Whose, telling: Telling) -> bool:
    is_own = person.name <= set(words(telling.turn.speaker))
    return is_own and not re.search(r"[A-Z][\w-]+'s\b", telling.sentence)


def _is_asked(query: _Asked, value: str) -> bool:
    """Whether a value only repeats the question."""
    value_words = [word for word in words(value) if word not in STOP_WORDS]
    if not value_words or value_words[0] in _VAGUE:
        return True
    names = {word for person in (*query.doers, *query.others) for word in person.name}
    names |= {"user", "assistant"}
    return bool(value_words) and all(
        word in names or any(slot.is_met([word]) for slot in query.slots) for word in value_words
    )


def _verbs_in(query: _Asked, clause: Clause) -> Iterator[tuple[re.Match[str], float]]:
    """The verbs of a clause that are the question's, and how surely."""
    for match in re.finditer(r"[\w\u2019'-]+", clause.text):
        lower = match[0].lower()
        root = root_of(infinitive(lower))
        if root in query.exact_roots:
            yield match, 2.0
        elif root in query.near_roots and query.verb not in _LIGHT:
            yield match, 1.0


def _is_real(query: _Asked, clause: Clause, end: int) -> bool:
    lead = clause.text[:end]
    if _NOT.search(lead) or _UNREAL.search(lead):
        return False
    return query.is_ahead or query.is_present or not _AHEAD.search(lead)


def _values(
    query: _Asked, clause: Clause, telling: Telling, aliases: Mapping[Whose, frozenset[str]]
) -> Iterator[tuple[str, float]]:
    if query.role == "subject":
        yield from _subjects(query, clause, telling)
        return
    if query.verb == "be":
        yield from _of_being(query, clause, telling, aliases)
        return
    if query.role == "place" and query.verb in ("live", "work") and query.doers:
        yield from _of_home(query, clause, telling, aliases)
    for verb, weight in _verbs_in(query, clause):
        if not _is_real(query, clause, verb.end()):
            continue
        subject = subject_of_verb(clause, verb.start())
        if query.doers and not any(
            _is_subject(person, subject, telling, aliases) for person in query.doers
        ):
            continue
        if partner := _partner(query, subject, telling):
            yield partner, weight
            continue
        behind = clause.text[verb.end() :]
        if query.particle:
            particle = re.match(rf"(?P<object>.{{0,30}}?)\s{query.particle}\b", behind)
            if not particle:
                continue
            behind = f"{particle['object']} {behind[particle.end() :]}"
        if query.role == "place":
            place = _place(behind, clause, telling)
            yield place or place_after(clause.text[: verb.start()]), weight - (not place) * 0.5
        elif query.preposition:
            for phrase in phrases_behind(behind, query.preposition):
                if not is_time(phrase):
                    yield phrase, weight
                    break
        else:
            yield _object(query, behind), weight


def _partner(query: _Asked, subject: str, telling: Telling) -> str:
    """The other one of "Anna and Ben are engaged"."""
    if query.preposition not in ("to", "with") or not query.is_person:
        return ""
    both = re.fullmatch(r"(?P<one>[\w' -]+?) and (?P<other>[\w' -]+)", subject)
    if not both:
        return ""
    names = {word for person in query.doers for word in person.name}
    if not names.isdisjoint(words(telling.turn.speaker)):
        names |= {"i"}
    entry, second = set(words(both["one"])), set(words(both["other"]))
    if entry & names:
        return both["other"]
    return both["one"] if second & names else ""


def _place(behind: str, clause: Clause, telling: Telling) -> str:
    """The place behind a verb; of "there" the one that was named before."""
    place = place_after(behind)
    if not place and re.search(r"\bthere\b", behind, re.IGNORECASE):
        return next(filter(None, map(place_after, (clause.before, *telling.earlier[::-1]))), "")
    return place


def _of_home(
    query: _Asked, clause: Clause, telling: Telling, aliases: Mapping[Whose, frozenset[str]]
) -> Iterator[tuple[str, float]]:
    """Where somebody lives or works in other words: "my sister Ann in Bath", "a nurse in Bath"."""
    for person in query.doers:
        called = sorted(aliases.get(person, frozenset())) or sorted(
            person.name if not person.kin else ()
        )
        kin = sorted(kin_names(person.kin)) if person.kin else []
        names = "|".join(map(re.escape, (*called, *kin)))
        if not names or (not is_of(person, telling, query.slots) and not called):
            continue
        named = re.search(
            rf"\b(?:{names}) (?:is |lives |was )?(?:over |up |down |back )?in"
            r" (?P<place>(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)*)",
            telling.sentence,
            re.IGNORECASE,
        )
        if named and named.start() >= len(clause.before) and not is_time(named["place"]):
            yield named["place"], 1.5
        where = re.search(
            r"\b(?:from|in|to) (?P<place>(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)*), where"
            r" (?:he|she|they) (?:lives?|works?)\b",
            telling.sentence,
            re.IGNORECASE,
        )
        is_named = re.search(rf"\b(?:{names})\b", telling.sentence, re.IGNORECASE) or is_of(
            person, telling, query.slots
        )
        if where and is_named and not clause.before:
            yield where["place"], 2.0
        moved = re.search(r"\b(?:moved|went back|emigrated)\b", clause.text, re.IGNORECASE)
        if moved and query.verb == "live" and _is_real(query, clause, moved.end()):
            subject = subject_of_verb(clause, moved.start())
            if _is_subject(person, subject, telling, aliases):
                yield _place(clause.text[moved.end() :], clause, telling), 2.0
    if query.slots:
        yield from _of_being(query, clause, telling, aliases)


def _object(query: _Asked, behind: str) -> str:
    """What stands behind a verb, without to whom it was given: "a rose" of "her a rose"."""
    text = re.sub(r"^\s*(?:him|her(?! \w+ (?:a|an|the)\b)|them|me|us|you)\s(?=\w)", " ", behind)
    for person in query.others:
        names = "|".join((*person.name, *(kin_names(person.kin) if person.kin else ())))
        text = re.sub(rf"^\s*(?:(?:my|our|his|her) )?(?:{names})\s", " ", text, flags=re.I)
    phrase = phrase_after(text, with_list=True)
    return "" if is_time(phrase) else phrase


def _subjects(query: _Asked, clause: Clause, telling: Telling) -> Iterator[tuple[str, float]]:
    """Who did it: the subject of the verb, or whom the opposite deed was done to."""
    for verb, weight in _verbs_in(query, clause):
        if not _is_real(query, clause, verb.end()):
            continue
        if query.particle and not re.match(
            rf".{{0,30}}\b{query.particle}\b", clause.text[verb.end() :]
        ):
            continue
        if not (query.is_present or query.is_ahead) and not (
            is_past_verb(verb[0].lower()) or verb[0].lower() in ("had", "did", "put", "cut")
        ):
            continue
        by = next(phrases_behind(clause.text[verb.end() :], "by"), "")
        if by and re.search(r"\b(?:was|were|been|got|is)\s*$", clause.text[: verb.start()], re.I):
            yield by, weight
            continue
        subject = subject_of_verb(clause, verb.start())
        yield _person(subject, telling), weight
    for asks, tells, preposition in _CONVERSES:
        if root_of(query.verb) not in {root_of(verb) for verb in asks.split()}:
            continue
        roots = {root_of(verb) for verb in tells.split()}
        for match in re.finditer(r"[\w\u2019'-]+", clause.text):
            lower = match[0].lower()
            if root_of(base_of(lower)) not in roots or not is_past_verb(lower):
                continue
            if not _is_real(query, clause, match.end()):
                continue
            for phrase in phrases_behind(clause.text[match.end() :], preposition):
                if not is_time(phrase):
                    yield phrase, 1.5
                    break
            if re.search(rf"\b{preposition} (?:him|her|them)\W*$", clause.text):
                yield _before(clause, telling), 1.5
    taker = _TAKES_AWAY.search(clause.text) if root_of(query.verb) in _BUYS else None
    if taker and _is_real(query, clause, taker.end()):
        yield _person(subject_of_verb(clause, taker.start()), telling), 1.5


def _before(clause: Clause, telling: Telling) -> str:
    """Whom "him" means: whoever was named last, with "Mr" where that is said."""
    return names_before(replace(telling, earlier=(*telling.earlier, clause.before)))


def _person(subject: str, telling: Telling) -> str:
    """Whom a subject names: the speaker for "I", who was named last for "she"; "" for a thing."""
    lower = subject.lower()
    if lower in _FIRST:
        return telling.turn.speaker
    if lower in _THIRD:
        return names_before(telling)
    if lower in ("you", "it", "that", "this", "there", ""):
        return ""
    return subject


def _is_subject(
    person: Whose, subject: str, telling: Telling, aliases: Mapping[Whose, frozenset[str]]
) -> bool:
    """Whether a subject of a clause is a person that a question asks about."""
    lower = subject.lower()
    is_own = person.name <= set(words(telling.turn.speaker))
    subject_words = set(words(subject.replace("'s", "")))
    names = aliases.get(person, frozenset())
    if names and names <= subject_words:
        return True
    if lower in _THIRD:
        return is_of(person, telling) or bool(names and names <= set(_last_names(telling)))
    if person.kin:
        return bool(kin_names(person.kin) & subject_words) and is_of(person, telling)
    if lower in _FIRST or not lower:
        return is_own
    if lower == "you":
        return bool(telling.before) and person.name <= set(words(telling.before[-1].speaker))
    is_owned = re.search(rf"\b(?:{'|'.join(person.name)})'s\b", subject, re.IGNORECASE)
    return person.name <= subject_words and not is_owned


def _last_names(telling: Telling) -> list[str]:
    return words(names_before(telling))


def _of_being(
    query: _Asked, clause: Clause, telling: Telling, aliases: Mapping[Whose, frozenset[str]]
) -> Iterator[tuple[str, float]]:
    """What somebody is engaged or allergic to, where somebody or something is."""
    be = re.search(
        r"\b(?:is|are|was|were|am|be|been|got|took place|takes place)\b|'(?:s|m|re)\b(?! \w+'s)",
        clause.text,
        re.IGNORECASE,
    )
    if be is None and query.role == "place" and not query.doers:
        for slot in query.slots:
            if at := re.search(rf"\b{slot.word}\b(?= (?:at|in)\b)", clause.text, re.IGNORECASE):
                yield place_after(clause.text[at.end() :]), 1.5
        return
    if be is None or _NOT.search(clause.text) or _UNREAL.search(clause.text[: be.end()]):
        return
    subject = subject_of_verb(clause, be.start())
    if query.doers and not any(
        _is_subject(person, subject, telling, aliases) for person in query.doers
    ):
        return
    is_there = re.search(r"\bthere\s*$", clause.text[: be.start()], re.IGNORECASE)
    is_thing = any(slot.is_met(words(subject)) for slot in query.slots)
    if subject.lower() in ("it", "they") and telling.earlier:
        is_thing = any(slot.is_met(words(telling.earlier[-1])) for slot in query.slots)
    if not (query.doers or is_there or is_thing):
        return
    behind = clause.text[be.end() :]
    if query.role == "place":
        if query.preposition == "from":
            for phrase in phrases_behind(behind, "from"):
                if not is_time(phrase):
                    yield phrase, 2.0
                    return
            return
        yield _place(behind, clause, telling), 2.0
        return
    if not query.preposition:
        return
    for phrase in phrases_behind(behind, query.preposition):
        if not is_time(phrase):
            yield phrase, 2.0
            return


def _chosen(query: _Asked, hits: Sequence[_Found]) -> _Found | None:
    """The surest finding, the newest of equals; None where equals differ."""
    if not hits:
        return None
    best = max(entry.score for entry in hits)
    if not query.is_present:
        # What was bought, met or visited again and again is a list.
        likely = [set(_telling(entry.value)) for entry in hits if entry.score > best - 0.6]
        if any(not entry & second for entry in likely for second in likely):
            return None
    surest = [entry for entry in hits if entry.score > best - 0.15]
    values = {" ".join(_telling(entry.value)) for entry in surest}
    if len(values) > 1:
        longest = max(values, key=len)
        is_same = all(set(value.split()) <= set(longest.split()) for value in values)
        if not is_same and (not query.is_present or query.preposition):
            return None  # "allergic to" may be several things
        if is_same:
            return next(entry for entry in surest if " ".join(_telling(entry.value)) == longest)
    return surest[-1]


def _telling(value: str) -> list[str]:
    return [word for word in words(value) if word not in STOP_WORDS]


def _named(hits: _Found, asker: str) -> str:
    """A value with whose it is: "Anna's sister" for "my sister", said by Anna."""
    speaker = hits.telling.turn.speaker
    owner = "your" if speaker == asker else f"{speaker}'s"
    value = re.sub(r"^(?:my|our)\b", owner, hits.value, flags=re.IGNORECASE)
    return re.sub(r"^(?:a|an|the|some) (?=\w)", "", value, flags=re.IGNORECASE)
