"""Whether something was done, read from turns: yes, no, or nothing that decides it.

"Did Anna fly to Oslo in May?" is answered by a sentence that says she was there, or that it was
called off, refused, given up. What was only planned, wished for or asked decides nothing. Of
several tellings the newest decides, and the answer quotes it.
"""

import math
import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from memory.dates import named_day
from memory.program.asked_deeds import AskedDeed, read_deed
from memory.program.asked_topics import (
    DETERMINERS,
    FESTIVALS,
    Slot,
    Telling,
    Whose,
    aliases_of,
    infinitive,
    is_of,
    main_clause,
    persons_in,
    slots_in,
    subject_length,
    subject_slots,
    tellings,
    tokens_of,
)
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import read_span
from memory.program.fact_words import all_forms, is_past_verb, near_words, root_of
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, turns_with
from memory.program.spoken_days import days_in
from memory.program.turn_events import days_told, is_told
from memory.records import Rows, Turn
from memory.search.words import words
from memory.statements.answers import last_question

_MOST_TURNS = 80
_LEAST_MET = 0.6  # of what a question says
_EARLIEST_DAYS = 300  # before the time in question, in which it was planned and called off
_LATEST_DAYS = 60  # after it, in which it is told of
_ASKS = re.compile(
    r"^\W*(?:(?:so|and|but)\W+)?(?P<auxiliary>did|was|were|has|have|had|is|are|does|do|can)"
    r"(?P<not>n't)?\s(?P<rest>.+?)\W*$",
    re.IGNORECASE | re.DOTALL,
)
_TO_THE_END = re.compile(r"\b(?:to the end|all the way through|until the end)\b", re.IGNORECASE)
_ASKS_STILL = re.compile(r"\b(?:still|any ?more|any longer)\b", re.IGNORECASE)
_BEYOND = re.compile(r"\b(?:first|second|third|only|both|more than|less than)\b", re.IGNORECASE)
# A habit that is told in many words: "Does Anna smoke?"
_HABIT = re.compile(r"^\W*(?:does|do) [\w'-]+ [\w-]+\W*$", re.IGNORECASE)
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_ASKS_DENIAL = re.compile(
    r"\b(?:(?:gone|go|been|done|lived) without|not|never|no|n't)\b|n't\b", re.IGNORECASE
)
_SINCE = re.compile(r"\bsince\b", re.IGNORECASE)
# Of what was to be: it was called off, refused, lost, given up.
_OFF = re.compile(
    r"\b(?:cancel\w*|call(?:ed|ing)? (?:it |them |that |everything )?off"
    r"|(?:is|was|are|were|'s) off\b(?! (?:to|on|for|work|sick)\b)"
    r"|f[ae]ll(?:en|s)? (?:through|apart)|c[ao]me to nothing|went wrong|gone wrong"
    r"|out of the question|g[ai]ve(?:n)? up|giving up|let it go|(?:pulled|backed|dropped) out"
    r"|changed (?:his|her|my|our|their|its) minds?|second thoughts|decided (?:not to|against)"
    r"|(?:turned|knocked) (?:\w+ ){0,2}(?:down|back)|said no\b|no luck|outbid"
    r"|(?:had to|have to|has to|going to|will|'ll) (?:miss|skip|give up|stay (?:at )?home"
    r"|stay here)"
    r"|rejected|refused|missed|skipped|stopped|quit|dropped|abandon\w*|failed|no longer"
    r"|not any ?more|stayed (?:at )?home|stayed (?:here|in bed)|instead of|rather than"
    r"|bad news about"
    r"|(?:(?:is|was)n't|not) happening|(?:was|were) missing|(?:is|was) no good|didn't happen"
    r"|(?:wo|did|does|do|would)n't (?:let|allow)|not (?:let|allowed)"
    r"|scrapped|withdr[ae]w\w*|let (?:the|my|our) (?:flight|ticket|trip)s? go"
    r"|(?:wo|did)n't work out"
    r"|(?:somebody|someone) else|another (?:buyer|couple)|r[au]n out of|sold out|out of stock"
    r"|fully booked|too (?:expensive|ill|sick|tired|late|busy) (?:to|for)"
    r"|went (?:there )?(?:alone|without (?:me|us|him|her|them))"
    r"|(?:put|push|pushed|moved|shifted) (?:[\w']+ ){0,3}(?:off|back)\b|postponed"
    r"|(?:will|'ll|has to|have to|had to|must) wait"
    r"|lost (?:it|the (?:house|flat|place|job)) to)\b",
    re.IGNORECASE,
)
# They end what was so, and a question may ask whether that has happened.
_ENDINGS = frozenset(words("quit stop give leave sell cancel drop resign abandon retire"))
_GIVE_UP = re.compile(
    r"\b(?:stopped|quit|given up|gave up|giving up|dropped|packed in|no longer|not any ?more"
    r"|doesn't (?:\w+ )?any ?more|left|sold|cancelled|canceled|is over|finished with"
    r"|(?:is|are|was|were|has|'s) (?:gone|stopped)|retired|resigned|notice|broke up|split up"
    r"|broken up"
    r"|(?:'m|am|is|'s|are|'re) leaving|let (?:[\w']+ ){1,7}go"
    r"|(?:cut|pulled|knocked|took|taken|torn|tore|blew|blown|dug|threw|thrown"
    r"|given|gave) (?:(?:it|them|the \w+(?: \w+)?) )?(?:down|out|up|away)|died|dead"
    r"|demolished|destroyed|stolen|felled)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|no|without|nobody|neither|nor|cannot|can't|couldn't|hardly)\b|n't\b",
    re.IGNORECASE,
)
_NOT_ABLE = re.compile(
    r"\b(?:can't|cannot|can not|never|unable to|(?:could|wo|did|is|are|was|were|has|have|had"
    r"|does|do)n't"
    r"|(?:could|will|did|is|are|was|were|am|has|have|had|does|do) not|(?<=['\w])'(?:m|re|s|ve"
    r"|d) not"
    r"|not (?:able|going) to)\s(?:\w+ ){0,2}?(?P<verb>[a-z]+)"
    r"|\bwon't\s(?:\w+ )?(?P<verb_ahead>[a-z]+)",
    re.IGNORECASE,
)
_UNREAL = re.compile(
    r"\b(?:might|(?-i:may)|maybe|perhaps|if|would|should|could|wish\w*|hop(?:e|es|ing)|want(?:s"
    r"|ed)?"
    r"|thinking|nearly|almost|suppos\w+|unless|until|till|asked|asks|whether|dream\w*|afraid)\b"
    r"|'d\b",
    re.IGNORECASE,
)
_AHEAD = re.compile(
    r"\b(?:will|going to|gonna|'ll|tomorrow|next (?:week|month|year|summer|\w+day)|plan(?:s|ned"
    r"|ning)?"
    r"|book(?:ed|ing)|soon|(?:is|are|am|'m|'re|'s)"
    r" (?:\w+ )?(?:coming|going|flying|travelling|bringing|getting|having|taking|moving|starting)"
    r"|have to|has to|need to|needs to|let's|shall|about to|promised|invit\w+|look\w* forward)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[;:()]|\s[-\u2013\u2014]+\s|\.\.\.|,?\s\b(?:but|because|when|while|cos|so|which|who|although"
    r"|though|even if)\b|,?\s(?:and|then)\s(?=(?:i|we|he|she|they|it|you|there|now|then|the|my|our"
    r"|his|her|at least)\b)|,\s(?=(?:i|we|he|she|they|it|you|there|though)\b)",
    re.IGNORECASE,
)
# Where somebody is asked to have been, a journey, a stay or a visit tells it.
_MOTION = frozenset(
    words("go travel fly visit be spend come make get drive stay attend take reach return")
)
_WAS_THERE = re.compile(
    r"\b(?:went|flew|drove|travel\w+ed|was|were|been|got (?:to|back|home)|came|visited|spent|stayed"
    r"|arrived|landed|reached|attended|loved|enjoyed|made it|back (?:from|in)|home from|here in"
    r"|had an?"
    r"|'m (?:back|here|in|at)|'re (?:back|here|in|at)|took|saw|met|slept|swam|walked|ate|moved"
    r"|left)\b",
    re.IGNORECASE,
)
# What somebody has is told by "my": "Does Anna have a garden?"
_HAS = frozenset(words("have own suffer keep"))
_GETS = frozenset(words("get find receive win"))
_GET = re.compile(
    r"\b(?:got|gotten|received|bought|given|paid|won|collected|accepted|signed|found|is ours"
    r"|(?:has|have|'ve got|'s got) (?:a|an|the|his|her|my|our)(?! to)\b)",
    re.IGNORECASE,
)
_ANAPHORA = re.compile(
    r"\b(?:it|that|there|this|them|one|(?:the|my|our|his|her|their) (?:trip|flights?|journey|train"
    r"|ferry|plans?|move|party|race|visit|house|test|exam|booking|holiday|job|course|tickets?|boss"
    r"|passport|visa|appointment|offer|seller|owner|bank|cottage|hotel|hostel|cabin|apartment|rooms?"
    r"|campsite|reservation|caravan))\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\b(?:still|again|back|once more|started)\b", re.IGNORECASE)
_GIVES = re.compile(r"\bg[ai]ven? (?!up\b)")  # a present, and no habit
_PERSONAL = re.compile(r"\b(?:he|she|him|her)\b", re.IGNORECASE)
_LEAD = re.compile(r"^(?:yes|no|yeah|nope|yep|good|ok|okay|well|oh)[,.!]\s+", re.IGNORECASE)
# Nothing else is what was cancelled: "so we've cancelled", and not "so I've stopped smoking".
_ENDS_SO = re.compile(
    r"\W*(?:$|[,.;!]|(?:because|in|at|on|for|with|after|before|this|that|yesterday|today|instead"
    r"|again|too|there|after all|so|but)\b)",
    re.IGNORECASE,
)
_ENDS_BARE = re.compile(
    r"\W*(?:(?:at last|in the end|finally|today|yesterday|this \w+|this time|on \w+day"
    r"|with [^,.]+|first time)\W*)*$",
    re.IGNORECASE,
)
_NO_MORE = re.compile(r"\b(?:no longer|any ?more)\b", re.IGNORECASE)
_NO_VERBS = frozenset(
    words("and ever still also already actually yet both all really in the end finally going to")
)
# A "not" that denies nothing.
_IDIOM = re.compile(
    r"\b(?:can(?:'t|not| not)|couldn't) (?:wait|believe|complain|be happier|thank you enough)\b"
    r"|\bcouldn't be happier\b|\b(?:don't|do not) worry\b|\bno (?:wonder|problem|bother|doubt)\b"
    r"|\bnot only\b|\bwhy not\b|\bnot (?:bad|long)\b",
    re.IGNORECASE,
)
_OPPOSITES = {
    "pass": "fail failed", "win": "lose lost", "finish": "abandon", "accept": "refuse decline",
    "catch": "miss", "remember": "forget", "come": "miss", "attend": "miss", "arrive": "miss",
}  # fmt: skip
_WAS_NOT = re.compile(r"\b(?:was|were|is|are|am|'m|'re|'s)(?: not|n't)\b|n't been\b", re.I)
# What was sold, another has bought.
_CONVERSES = {
    "sell": "bought took gone",
    "lend": "borrowed",
    "marry": "married wedding husband wife",
}
# "gave a speech", for "spoke"
_HAS_DONE = re.compile(
    r"\b(?:gave|made|held|had|took|did) (?:an?|the|his|her|my|our)"
    r" (?P<what>[a-z]+(?: [a-z]+)?)\b",
    re.IGNORECASE,
)
_FEAST_DAYS = {"christmas": (12, 25), "thanksgiving": (11, 26), "halloween": (10, 31)}
_TRAVEL_OFF = re.compile(
    r"\b(?:flight|train|ferry|plane|bus|boat)s? (?:was|were|got|is) cancell?ed"
    r"|\bcancell?ed (?:the|our|my|his|her|their) (?:flight|train|ferry|trip)|\bsnowed in\b"
    r"|\bmissed (?:the|our|my|his|her|their) (?:flight|train|ferry)\b",
    re.IGNORECASE,
)
_WAS_TO_BE = re.compile(
    r"\b(?:was|were) (?:going|meant|supposed|due|planning|hoping) to (?P<plan>.+?),? but"
    r" (?P<rest>.+)$",
    re.IGNORECASE,
)
_STARTS = frozenset(words("start begin finish manage happen"))
_HOW_WAS = re.compile(r"^\W*(?:(?:and|so|but|oh|well|\w+,)\W+)*how (?:was|were|did)\b", re.I)
_HOW_IT_WAS = re.compile(
    r"^\W*(?:oh,? |so |really |very |absolutely )*(?:it was|they were|we had an?|i had an?"
    r"|lovely|great"
    r"|wonderful|fantastic|good|amazing|beautiful|fun|brilliant|perfect|(?:we|i) (?:loved"
    r"|enjoyed))\b"
    r"(?! (?:cancelled|canceled|called off|off|postponed|not)\b)",
    re.IGNORECASE,
)
_YES_NO_QUESTION = re.compile(
    r"^\W*(?:(?:and|so|but|oh|well|\w+,)\W+)*(?:did|has|have|had|is|are|was|were|does|do)\b",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"^\W*(?:(?P<yes>(?:yes|yeah|yep|yup|of course|finally|(?:i|we|he|she|they|it)"
    r" (?:did|does|do|has|have|is|are|was|were))\b(?!n't))"
    r"|(?:no|nope|not|sadly not|unfortunately not|never)\b)",
    re.IGNORECASE,
)
_PASTS = frozenset(words("was were been had did put cut let set hit read"))
_TURNS = re.compile(r"[\s,]*(?:but|so|because|and|though)\b", re.IGNORECASE)
_PREPOSITIONS = frozenset(words("for in at on to with from of about during after before since"))
_LIGHT = _MOTION | frozenset(words("have do"))
_VAGUE = frozenset(words("be have do get make take go spend"))
_PREDICATES = frozenset(words("off back over out finished open gone home ready"))


@dataclass(frozen=True)
class _Asked:
    """A question: whom it is about, its verb ("be" for "is"), its slots, the time, what it turns.

    `main` are the slots right behind the verb: what was to be got of "get the money for the trip".
    `is_ending`: it asks whether something has ended, so that a sentence which says so is a yes.
    """

    persons: tuple[Whose, ...]
    verb: str
    slots: tuple[Slot, ...]
    main: tuple[Slot, ...]
    span: tuple[str, str] | None
    is_ending: bool
    is_denial: bool
    is_state: bool
    is_past: bool
    is_still: bool

    @property
    def persons_are_kin(self) -> bool:
        """Whether it is about somebody's mother, dog or friend."""
        return any(person.kin for person in self.persons)

    @property
    def verb_roots(self) -> frozenset[str]:
        """The roots of the verbs that tell of the same."""
        return frozenset(
            root_of(word) for word in (self.verb, *all_forms(self.verb), *near_words(self.verb))
        )


@dataclass(frozen=True)
class _Verdict:
    is_yes: bool
    telling: Telling
    is_ahead: bool = False


def answer_yes_or_no(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer whether something was done or is so; None where no sentence decides it.

    Arguments:
        question: in the third person ("Did Anna fly to Oslo in May?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    match = _ASKS.match(question)
    if match is None or _HABIT.match(question) or _OR.search(question) or _BEYOND.search(question):
        return None
    searched = " ".join(_searched(match["rest"]))
    turns = turns_with(searched, _MOST_TURNS, read=read, corrected=corrected)
    speakers = {word for turn in turns for word in words(turn.speaker)}
    query = _read(match, question, today, asker, speakers)
    if query is None:
        return None
    account = tellings([turn for turn in turns if turn.said_at[:10] <= today])
    aliases = aliases_of(query.persons, account)
    introduced = _introduced(query, account)
    deed = read_deed(question, asker, speakers)
    verdicts = [
        verdict
        for telling in account
        if (verdict := _verdict(query, telling, aliases, telling.turn.id > introduced))
        and (deed is None or _is_of(deed, verdict))
    ]
    if not verdicts:
        return None
    decisive = verdicts[-1]
    if query.is_past and decisive.is_ahead and any(v.is_yes for v in verdicts):
        # "I won't run it again" takes nothing back.
        decisive = [verdict for verdict in verdicts if verdict.is_yes][-1]
    if not decisive.is_yes and not query.is_ending:
        # "I failed", and months later "I passed!"
        later = (telling for telling in account if telling.turn.id > decisive.telling.turn.id)
        done = [telling for telling in later if _is_bare_deed(query, telling, aliases)]
        decisive = _Verdict(True, done[-1]) if done else decisive
    telling = decisive.telling
    sentence = _LEAD.sub("", telling.sentence)
    text = f"{'Yes' if decisive.is_yes else 'No'}: {sentence}"
    by_id = select_by_id([telling.turn.id])
    return FactAnswer(text, (telling.turn.id,), (by_id,), (read(by_id),), (), ())


def _is_of(deed: AskedDeed, verdict: _Verdict) -> bool:
    """Whether the sentence that decides may be of the very deed that is asked about."""
    telling = verdict.telling
    if verdict.is_yes:
        return deed.is_told_in(telling.turn, telling.around, telling.sentence)
    return not deed.is_of_another_thing(telling.turn, telling.around, telling.sentence)


def _searched(tail: str) -> list[str]:
    hits: list[str] = []
    for slot in slots_in(tokens_of(tail), ()):
        hits += [slot.word, *sorted(near_words(slot.word))[:8]]
    if not FESTIVALS.isdisjoint(words(tail)):
        hits += ["flight", "train", "cancelled"]
    return hits[:48] or words(tail)


def _read(
    match: re.Match[str], question: str, today: str, asker: str, speakers: set[str]
) -> _Asked | None:
    tail = match["rest"]
    tokens = tokens_of(tail)
    persons = persons_in(tokens, asker, speakers)
    if asker and not persons and re.search(r"\b(?:we|us|our)\b", tail, re.IGNORECASE):
        persons = [Whose(frozenset(words(asker)))]
    auxiliary = match["auxiliary"].lower()
    span = read_span(question, today)
    verb_at = _verb_position(tokens, persons, asker)
    of_subject = subject_slots(tokens[:verb_at], persons) if verb_at else []
    rest_tokens = main_clause(tokens)[verb_at or 0 :]
    slots = [*of_subject, *(s for s in slots_in(rest_tokens, persons) if s not in of_subject)]
    if not slots:
        return None
    verb = "be" if auxiliary in ("is", "are", "was", "were") else ""
    endings = ("ed", "en", "ing")
    if verb_at is not None and (not verb or tokens[verb_at].lower().endswith(endings)):
        verb = infinitive(tokens[verb_at].lower())
        following = tokens[verb_at + 1].lower() if verb_at + 1 < len(tokens) else ""
        if verb == "make" and following == "it":
            verb = "go"
        if verb == "go" and following.endswith("ing"):
            verb = following  # "gone climbing"
    root = root_of(verb)
    text = " ".join(tokens).lower()
    is_ending = root in _roots(_ENDINGS) and not _GIVES.search(text)
    is_denial = bool(match["not"] or _ASKS_DENIAL.search(tail))
    is_ending = is_ending != is_denial
    others = [slot for slot in slots if root_of(slot.word) != root]
    if root in _roots(_MOTION) and "for" in text.split() and any(s.is_name for s in others):
        # Who went to Oslo for a party need not say for what again.
        occasion = words(text.partition(" for ")[2])
        others = [slot for slot in others if slot.is_name or slot.word not in occasion]
    slots = others or slots
    if _TO_THE_END.search(tail):
        verb = "finish"
        slots = [slot for slot in slots if slot.word not in ("read", "watch", "end")]
    predicate = [
        Slot(token.lower(), frozenset((token.lower(),)))
        for token in tokens[1:]
        if token.lower() in _PREDICATES and verb == "be"
    ]
    if "without" in text.split() and not is_denial:
        predicate.append(Slot("without", frozenset(("without",))))
    slots += [slot for slot in predicate if slot.word not in {s.word for s in slots}]
    main = _main(tokens, slots, verb_at)
    if tokens[0].lower() in DETERMINERS and verb_at:
        subject_words = {word for token in tokens[:verb_at] for word in words(token)}
        main = [*main, *(slot for slot in slots if slot.word in subject_words)]
    if not slots:
        return None
    return _Asked(
        persons=tuple(persons),
        verb=verb,
        slots=tuple(slots),
        main=tuple(slots) if root in _roots(_MOTION - {"get"}) else tuple(main),
        span=span,
        is_ending=is_ending,
        is_denial=is_denial,
        is_state=auxiliary in ("is", "are", "does", "do", "can"),
        is_past=auxiliary in ("did", "was", "were", "had"),
        is_still=bool(_ASKS_STILL.search(tail)),
    )


@lru_cache(maxsize=32)
def _roots(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(root_of, names))


def _verb_position(tokens: Sequence[str], persons: Sequence[Whose], asker: str) -> int | None:
    """Where the verb of a question stands: behind its subject."""
    lowered = [token.lower() for token in tokens]
    if "been" in lowered[:-1]:
        return lowered.index("been") + 1
    position = subject_length(tokens, persons, asker)
    while position < len(tokens) and lowered[position] in _NO_VERBS:
        position += 1
    return position if position < len(tokens) else None


def _main(tokens: Sequence[str], slots: Sequence[Slot], verb_at: int | None) -> list[Slot]:
    """The slots right behind the verb, up to a preposition."""
    if verb_at is None:
        return list(slots)
    behind: list[str] = []
    for token in tokens[verb_at + 1 :]:
        if token.lower() in _PREPOSITIONS and behind:
            break
        behind += words(token.removesuffix("'s"))
    main = [slot for slot in slots if slot.word.split()[0] in behind]
    return main or list(slots)


def _verdict(
    query: _Asked, telling: Telling, aliases: Mapping[Whose, frozenset[str]], is_known: bool
) -> _Verdict | None:
    """What a sentence decides about what is asked; None where it decides nothing.

    `is_known`: what is asked about was spoken of by all its words, so that "the house" may be it.
    """
    said_on = named_day(telling.turn.said_at)
    if said_on is None or not is_evidence(telling.turn.text) or not is_told(telling.sentence):
        return None
    if answered := _answered(query, telling):
        return answered
    if re.match(r"\W*you\b", telling.sentence, re.IGNORECASE):
        return None  # what another says to tease
    if query.persons and not any(
        is_of(person, telling, query.slots, aliases) for person in query.persons
    ):
        return None
    # "Do you have the results of the exam?" - "Yes, I passed."
    is_resumed = any(slot.is_met(words(telling.around)) for slot in query.slots)
    is_bare = is_known and is_resumed and not query.is_ending
    if is_bare and _is_bare_deed(query, telling, aliases):
        return _Verdict(True, telling)
    if _is_travel_off(query, telling) or _is_plan_of_past(query, telling.sentence):
        return _Verdict(False, telling)
    if _is_elsewhere(query, telling.sentence) and _is_in_time(
        query, telling, said_on, telling.sentence, is_plan=False
    ):
        return _Verdict(False, telling)
    sentence_words = words(telling.sentence)
    is_it = is_known and _is_definite(query, telling)
    if is_it:
        query = _without_names(query)
    here = [slot for slot in query.slots if slot.is_met(sentence_words)]
    around_words = words(telling.around)
    near = [slot for slot in query.slots if slot not in here and slot.is_met(around_words)]
    opposite = _OPPOSITES.get(query.verb, "").split()
    is_resumed = bool(_ANAPHORA.search(telling.sentence)) or _has_verb(query, sentence_words)
    goes_on = _is_asked_before(query, telling)
    is_denied = goes_on and bool(
        _NOT_ABLE.search(telling.sentence) or _OFF.search(telling.sentence)
    )
    is_resumed = is_resumed or is_denied or any(word in opposite for word in sentence_words)
    is_that_day = _names_day(query, telling, said_on) and (
        _has_verb(query, sentence_words)
        or (query.verb in _MOTION and bool(_NOT_ABLE.search(telling.sentence)))
    )
    if not here and not (near and is_resumed) and not is_that_day:
        return None
    if not (_is_enough(query, here, near) or is_that_day or is_it):
        return None
    verdict: _Verdict | None = None
    clauses = _clauses(telling.sentence)
    for clause in clauses:
        # "I'd signed up for the Bath race, but I stayed at home": still of the race
        goes_on = goes_on and (clause is clauses[0] or bool(_TURNS.match(clause)))
        decided = _in_clause(query, clause, telling, said_on, goes_on=goes_on)
        verdict = decided or verdict
        goes_on = goes_on or any(slot.is_met(words(clause)) for slot in query.main)
    return verdict


def _answered(query: _Asked, telling: Telling) -> _Verdict | None:
    """What "Yes" or "Not yet" answers, or "Lovely!" after "How was Oslo?"."""
    if telling.earlier or not telling.before or query.is_ending or query.persons_are_kin:
        return None
    before = telling.before[-1]
    question = last_question(before.text)
    if not question or before.speaker == telling.turn.speaker:
        return None
    question_words = words(question)
    met = [slot for slot in query.slots if slot.is_met(question_words)]
    names = [slot for slot in query.slots if slot.is_name and slot.word not in FESTIVALS]
    if any(slot not in met for slot in names) or 3 * len(met) < 2 * len(query.slots):
        return None
    speaker = set(words(telling.turn.speaker))
    is_same = any(
        person.name <= speaker or person.name <= set(question_words) for person in query.persons
    )
    if query.persons and not is_same:
        return None
    if _HOW_WAS.match(question):
        if query.verb not in _MOTION | {"have"} or query.is_state:
            return None
        reply = _HOW_IT_WAS.match(telling.sentence)
        return _Verdict(True, telling) if reply else None
    has_verb = query.verb in _LIGHT or any(root_of(w) in query.verb_roots for w in question_words)
    reply = _REPLY.match(telling.sentence)
    if reply is None or not has_verb or query.span or _ASKS_DENIAL.search(question):
        return None
    if not _YES_NO_QUESTION.match(question):
        return None
    return _Verdict(bool(reply["yes"]), telling)


def _is_bare_deed(query: _Asked, telling: Telling, aliases: Mapping[Whose, frozenset[str]]) -> bool:
    """Whether a sentence tells the deed and nothing of what it was done to: "I passed at last!"."""
    said_on = named_day(telling.turn.said_at)
    if query.verb in _LIGHT or not is_told(telling.sentence) or said_on is None:
        return False
    if not _is_in_time(query, telling, said_on, telling.sentence, is_plan=False):
        return False
    if not any(is_of(person, telling, query.slots, aliases) for person in query.persons):
        return False
    return any(
        root_of(match[0].lower()) == root_of(query.verb)
        and is_past_verb(match[0].lower())
        and _ENDS_BARE.match(telling.sentence[match.end() :])
        and not _NOT.search(telling.sentence[: match.start()])
        and not _UNREAL.search(telling.sentence[: match.start()])
        for match in re.finditer(r"[\w'-]+", telling.sentence)
    )


def _introduced(query: _Asked, account: Sequence[Telling]) -> float:
    """The first turn of which a sentence has all words of what is asked; none: infinity."""
    for telling in account:
        sentence_words = words(telling.sentence)
        if len(query.slots) > 1 and all(slot.is_met(sentence_words) for slot in query.slots):
            return telling.turn.id
    return math.inf


def _is_travel_off(query: _Asked, telling: Telling) -> bool:
    """Whether a journey at the feast that a question asks about came to nothing.

    What is told of it around the feast need not name it: "Our flight was cancelled."
    """
    feast = next((_FEAST_DAYS[s.word] for s in query.slots if s.word in _FEAST_DAYS), None)
    if feast is None or query.span is None or query.verb not in _MOTION | {"celebrate"}:
        return False
    said_on, year = date.fromisoformat(telling.turn.said_at[:10]), int(query.span[1][:4])
    since = said_on - date(year, *feast)
    is_near = timedelta(days=-7) <= since <= timedelta(days=30)
    return is_near and bool(_TRAVEL_OFF.search(telling.sentence))


def _is_plan_of_past(query: _Asked, sentence: str) -> bool:
    """Whether a sentence says that it was to be, but was not: "I was going to run it, but"."""
    plan = _WAS_TO_BE.search(sentence)
    if plan is None or query.is_state or query.is_ending or _UNREAL.search(plan["rest"]):
        return False
    plan_words = words(plan["plan"])
    return _has_same_verb(query, plan_words) and all(s.is_met(plan_words) for s in query.slots)


def _has_same_verb(query: _Asked, text_words: Sequence[str]) -> bool:
    roots = _roots(_MOTION) if query.verb in _MOTION else query.verb_roots
    return any(root_of(word) in roots for word in text_words)


def _is_elsewhere(query: _Asked, sentence: str) -> bool:
    """Whether a sentence says that a feast was spent at another place than is asked about.

    "We had Christmas in Bath" is a no for Christmas in Oslo.
    """
    places = [slot for slot in query.slots if slot.is_name and slot.word not in FESTIVALS]
    feasts = [slot.word for slot in query.slots if slot.word in FESTIVALS]
    if not places or not feasts or query.verb not in _MOTION | {"celebrate"}:
        return False
    hits = re.search(
        rf"\b(?i:(?:our|my|spent|had|celebrated) (?:a \w+ )?{feasts[0]}) (?:[\w']+ )*?"
        r"(?:in|at) (?:the )?(?P<place>[A-Z][\w-]+)",
        sentence,
    )
    if hits is None or _UNREAL.search(sentence) or _AHEAD.search(sentence):
        return False
    return not any(slot.is_met(words(sentence)) for slot in places)


def _is_definite(query: _Asked, telling: Telling) -> bool:
    """Whether a sentence speaks of "the house" where a house in some place is asked about.

    A sentence with the very deed may have it before: "The wedding was perfect. Ann sang."
    """
    main = [word for slot in query.main if not slot.is_name for word in slot.word.split()]
    is_deed = query.verb not in _LIGHT and _has_verb(query, words(telling.sentence))
    texts = (telling.sentence, *(telling.earlier if is_deed else ()))
    return bool(main) and any(
        all(
            re.search(rf"\b(?i:the|my|our|that|this) (?:[a-z]+ )?{re.escape(word)}\b", text)
            for word in main
        )
        for text in texts
    )


def _without_names(query: _Asked) -> _Asked:
    """A question without names of places and persons, where what it is about is known."""
    slots = tuple(slot for slot in query.slots if not slot.is_name or slot.word in FESTIVALS)
    return replace(query, slots=slots, main=tuple(slot for slot in query.main if slot in slots))


def _is_asked_before(query: _Asked, telling: Telling) -> bool:
    """Whether the sentence right before, or the question that it answers, is of the same thing."""
    if telling.earlier:
        previous = telling.earlier[-1]
    else:
        previous = last_question(telling.before[-1].text) if telling.before else ""
    previous_words = words(previous)
    return bool(previous) and any(slot.is_met(previous_words) for slot in query.main)


def _names_day(query: _Asked, telling: Telling, said_on: date) -> bool:
    """Whether a sentence names the very day that a question asks about."""
    if query.span is None or query.span[0] != query.span[1]:
        return False
    days = days_in(telling.sentence, said_on, True)
    return any(day.day.isoformat() == query.span[0] for day in days)


def _is_enough(query: _Asked, here: Sequence[Slot], near: Sequence[Slot]) -> bool:
    """Whether a sentence and what stands around it name enough of what is asked."""
    names = [slot for slot in query.slots if slot.is_name]
    places = [slot for slot in names if slot.word not in FESTIVALS] or names
    met = [*here, *near]
    # "Bad news about Christmas" is of Christmas in Ghana, too.
    if places and not any(slot in met for slot in places) and not any(s in here for s in names):
        return False
    weights = {slot: 2.0 if slot.is_name else 1.0 for slot in query.slots}
    total = sum(weights.values())
    share = (
        sum(weights[slot] for slot in here) + 0.75 * sum(weights[slot] for slot in near)
    ) / total
    return share >= _LEAST_MET or (bool(here or any(s in near for s in places)) and share >= 0.5)


def _has_verb(query: _Asked, text_words: Sequence[str]) -> bool:
    if query.verb in _LIGHT:
        is_plain = query.verb not in _VAGUE
        return is_plain and any(root_of(word) == root_of(query.verb) for word in text_words)
    return any(root_of(word) in query.verb_roots for word in text_words)


def _clauses(sentence: str) -> list[str]:
    sentence = _IDIOM.sub("", sentence)
    ends = [match.start() for match in _CLAUSE_END.finditer(sentence)]
    parts = [sentence[a:b] for a, b in zip([0, *ends], [*ends, len(sentence)], strict=True)]
    return [part for part in parts if part.strip()]


def _in_clause(
    query: _Asked, clause: str, telling: Telling, said_on: date, *, goes_on: bool
) -> _Verdict | None:
    clause_words = words(clause)
    in_clause = [slot for slot in query.slots if slot.is_met(clause_words)]
    has_main = any(slot in in_clause for slot in query.main)
    is_opposite = any(word in _OPPOSITES.get(query.verb, "").split() for word in clause_words)
    resumes = _ANAPHORA.search(clause) or (
        _PERSONAL.search(clause) and any(slot.is_name for slot in query.main)
    )
    refers = has_main or goes_on or is_opposite or (bool(resumes) and not in_clause)
    is_denied_day = bool(_NOT_ABLE.search(clause)) and _names_day(query, telling, said_on)
    if not refers and not _has_verb(query, clause_words) and not is_denied_day:
        return None
    is_off, is_ahead = _is_off(query, clause, has_main)
    if is_off:
        if not _is_in_time(query, telling, said_on, clause, is_plan=True):
            return None
        return _Verdict(query.is_ending, telling, is_ahead)
    is_of_it = has_main or bool(_ANAPHORA.search(clause)) or _has_verb(query, clause_words)
    if (is_of_it or query.verb in _MOTION) and not goes_on and _is_done(query, clause, telling):
        if not _is_in_time(query, telling, said_on, clause, is_plan=False):
            return None
        return _Verdict(not query.is_ending, telling)
    return None


def _is_off(query: _Asked, clause: str, has_main: bool) -> tuple[bool, bool]:
    """Whether a clause says that what is asked about did not come to be, and that it will not."""
    is_over = query.is_ending or query.is_still
    cue = _GIVE_UP.search(clause) if is_over else _OFF.search(clause)
    if cue and cue[0].lower().endswith(" off") and any(s.word == "off" for s in query.slots):
        cue = None  # "The cast is off" is no plan
    is_opposite = any(word in _OPPOSITES.get(query.verb, "").split() for word in words(clause))
    if cue and not has_main and not is_opposite and not _ANAPHORA.search(clause):
        cue = cue if _ENDS_SO.match(clause[cue.end() :]) else None
    if query.verb == "be" and query.is_state and cue and not _NO_MORE.search(cue[0]):
        cue = None
    if cue and not _UNREAL.search(clause[: cue.start()]) and not _NOT.search(
        clause[: cue.start()]
    ):  # fmt: skip
        return True, bool(re.search(r"\b(?:will|'ll|going to)\b", clause, re.IGNORECASE))
    for denial in _NOT_ABLE.finditer(clause):
        verb = denial["verb"] or denial["verb_ahead"]
        root = root_of(verb.lower())
        behind = words(clause[denial.end() - len(verb) :])[:6]
        is_same = any(root_of(word) in query.verb_roots for word in behind) or (
            query.verb in _MOTION
            and root in _roots(_MOTION)
            and not (query.verb == "be" and query.is_state)
        )
        is_same = is_same or (root in _roots(_STARTS) and not query.is_state)
        # After "How was Oslo?" it may be "We didn't go", and not "We didn't go to work".
        if not has_main and query.verb in _MOTION and not _names_any(query, clause):
            is_same = is_same and bool(_ENDS_SO.match(clause[denial.end() :]))
        if is_same and not _UNREAL.search(clause[: denial.start()]):
            is_ahead = bool(re.match(r"(?:won't|will|can't|cannot)", denial[0], re.IGNORECASE))
            return True, is_ahead
    if query.verb == "be" and has_main and _WAS_NOT.search(clause):
        return True, False
    # "so no Oslo this month"
    names = "|".join(re.escape(word) for slot in query.slots for word in slot.word.split())
    is_none = re.search(rf"\bno (?:\w+ )?(?:{names})\b", clause, re.IGNORECASE)
    return bool(is_none and has_main), False


def _names_any(query: _Asked, clause: str) -> bool:
    clause_words = words(clause)
    return any(slot.is_met(clause_words) for slot in query.slots) or bool(_ANAPHORA.search(clause))


def _is_done(query: _Asked, clause: str, telling: Telling) -> bool:
    """Whether a clause tells that what is asked about came to be."""
    if query.is_still and not _GOES_ON.search(clause):
        return False
    lead = _up_to_verb(query, clause)
    if _NOT.search(lead) or _UNREAL.search(lead) or _AHEAD.search(lead):
        return False
    clause_words = words(clause)
    in_clause = [slot for slot in query.slots if slot.is_met(clause_words)]
    known_words = words(telling.sentence)
    is_deed = any(root_of(word) == root_of(query.verb) for word in clause_words)
    if query.verb not in _VAGUE and (is_deed or _has_noun(query, clause)):
        known_words += words(telling.around)
    elif _ANAPHORA.search(clause):
        known_words += words(" ".join((*telling.earlier, telling.following)))
    known = [slot for slot in query.slots if slot.is_met(known_words)]
    places = [slot for slot in query.slots if slot.is_name and slot.word not in FESTIVALS]
    if any(slot not in known for slot in places):
        return False
    has_past = any(is_past_verb(word) or word in _PASTS for word in clause_words)
    if query.is_ending:
        goes_on = query.is_denial or _GOES_ON.search(clause)
        return has_past and bool(goes_on) and len(in_clause) == len(query.slots)
    if query.verb == "be" and query.is_state:
        is_present = bool(re.search(r"\b(?:is|are|am|came|went)\b|'(?:s|m|re)\b", clause, re.I))
        return is_present and 2 * len(in_clause) > len(query.slots)
    if 2 * len(known) < len(query.slots):
        return False
    if query.verb in _HAS and query.is_state:
        return all(slot in in_clause for slot in query.main) and _is_had(query.main, clause)
    if query.verb in _GETS:
        return bool(_GET.search(clause))
    if query.verb in _MOTION:
        return bool(_WAS_THERE.search(clause))
    if query.verb in _LIGHT:
        return has_past
    told_by = _CONVERSES.get(query.verb, "").split()
    return (
        _has_noun(query, clause)
        or any(
            root_of(word) in query.verb_roots and (is_past_verb(word) or query.is_state)
            for word in clause_words
        )
        or any(word in told_by for word in clause_words)
    )


def _has_noun(query: _Asked, clause: str) -> bool:
    """Whether a clause tells the deed by a noun: "gave a speech" for "spoke"."""
    deed = _HAS_DONE.search(clause)
    if deed is None:
        return False
    return any(root_of(word) in query.verb_roots for word in words(deed["what"]))


def _is_had(things: Sequence[Slot], clause: str) -> bool:
    """Whether a clause says that somebody has something: "my garden", "I've got a garden"."""
    names = "|".join(re.escape(word) for slot in things for word in slot.word.split())
    return bool(
        re.search(
            rf"\b(?:my|our|his|her|their|(?-i:[A-Z])[\w-]+'s|have|has|got|'ve|suffer\w* from|with"
            rf"|own|owns|keep|keeps) (?:an? |the |two |three )?(?:\w+ )?(?:{names})\b",
            clause,
            re.IGNORECASE,
        )
    )


def _up_to_verb(query: _Asked, clause: str) -> str:
    """A clause up to the verb that decides; the whole clause where it has none."""
    if query.verb in _GETS or query.verb in _MOTION:
        cue = (_GET if query.verb in _GETS else _WAS_THERE).search(clause)
        return clause[: cue.end()] if cue and query.verb != "be" else clause
    for token in re.finditer(r"[\w'-]+", clause):
        lower = token[0].lower()
        is_verb = root_of(lower) in query.verb_roots
        if is_verb or (query.verb in _LIGHT and (is_past_verb(lower) or lower in _PASTS)):
            return clause[: token.end()]
    return clause


def _is_in_time(
    query: _Asked, telling: Telling, said_on: date, clause: str, *, is_plan: bool
) -> bool:
    """Whether a sentence may tell of the time that a question asks about."""
    if query.span is None:
        return True
    first, last = map(_day, query.span)
    if is_plan:
        earliest = first - timedelta(days=_EARLIEST_DAYS) if first.year > 1 else first
        return earliest <= said_on <= last + timedelta(days=_LATEST_DAYS)
    days, is_exact = days_told(clause, telling.sentence, telling.following, said_on)
    if is_exact:
        return any(first <= day <= last for day in days)
    return first <= said_on <= last + timedelta(days=_LATEST_DAYS)


def _day(iso: str) -> date:
    """An ISO day; of a day that its month has not, the last one that it has."""
    year, month, day = map(int, iso.split("-"))
    return date(year, month, min(day, monthrange(year, month)[1]))
