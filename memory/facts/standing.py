"""Standing instructions and preferences: those of the asker that may apply to a question.

They are facts (`memory.standing_kinds`), stored, corrected, ended and forgotten
as any fact. One counts when the person whom it is about said it, in a message: what a document, a
tool or an assistant said, or one person about another, is never an instruction, whatever a model
made of it.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from memory.facts import is_current
from memory.prompts.evidence import STANDING_HEAD, Standing
from memory.prompts.standing_kinds import is_of_kind, is_of_whole_kind, requested_kinds
from memory.records import Fact
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.store import Store
from memory.store.standing_facts import facts_of_persons
from memory.store.turn_validation import local_now
from memory.text.tokens import line_tokens, trim
from memory.vocabulary import CALLED, INSTRUCTION, LANGUAGE, LENGTH, PREFERENCE

STANDING_TOKENS = 150  # shown with a question, their heading included
_LINE_TOKENS = 45
_FIRST_PREFERENCES = 1
# Measured on questions of twenty chats, see docs/log.md: what a request for help may need is shown
# by its nearness, beside the nearest; what another question may need must be near to it.
_NEAR = 0.7
_LEAST, _SHARE_OF_BEST = 0.17, 0.3
_NEAR_PREFERENCE = 0.2
_BY_WORDS, _BY_DEED = 0.3, 0.1
_INSTRUCTION_OF_KIND, _PREFERENCE_OF_KIND = 0.3, 0.35
_SAME = 0.8  # of a line's words stand in another: it says nothing new
# "give versions when I ask about libraries": what to do, and the case.
_CASE = re.compile(
    r"\b(?:when(?:ever)?|if|before|every ?time|each time|any ?time) (?:i |they |the \w+ )?"
    r"(?:am asking|ask(?:s|ed|ing)?|request|want|need|mention|send|share|paste|talk|bring)\w*"
    r"(?: you)?(?: (?:about|for|to|how|on|up))?\b"
    r"|\b(?:for|in) (?:questions|answers|replies) (?:about|on|to)\b"
    r"|\b(?:when(?:ever)?|if|every ?time|each time|any ?time) you (?:show|write|name|give|suggest"
    r"|recommend|draft|explain|list|quote|mention|cite|summari[sz]e|translate|describe|report)"
    r"(?: me)?\b"
    r"|\bwhen(?:ever)? (?:asked|answering|writing|explaining|giving|talking|discussing)"
    r"(?: about)?\b",
    re.IGNORECASE,
)
_ASKS_FOR_HELP = re.compile(
    r"\bhow (?:can|could|do|does|should|would|might|to)\b"
    r"|\b(?:can|could|would|will) you (?:please |also )*(?:show|help|explain|walk|suggest|recommend"
    r"|give|teach|tell me how|provide|write|make|create|describe|draft|find|plan|translate|check)\b"
    r"|\b(?:what|which|where)(?: [\w'-]+){0,6} (?:should|would|can) (?:i|we|you|one)\b"
    r"|\bwhat (?:steps|kinds?|types?|approach(?:es)?|strategies"
    r"|are (?:some|the different|good|effective|common|typical))\b"
    r"|\b(?:do|would) you (?:think|suggest|recommend|advise)\b|\bwhere do you think\b"
    r"|\b(?:show|help|teach|give|write|make|tell|draft|find|recommend|suggest) me\b"
    r"|^\W*(?:please )?(?:explain|suggest|recommend|write|draft|plan|list|compare"
    r"|translate|describe|design|create|build)\b",
    re.IGNORECASE,
)
# Of what was said or done: an instruction about answers on a subject is not meant.
_ASKS_OF_PAST = re.compile(
    r"\b(?:did|have|has|had|were) (?:i|you|we|my|our)\b|\bour (?:\w+ )?conversations?\b"
    r"|\b(?:across|over|throughout|in) (?:my|our|the) sessions\b"
    r"|\bsummary\b|\bsummari[sz]e (?:how|what|my|our|everything|all)\b|\bin order\b|\bthe order\b"
    r"|\b(?:tell me (?:more )?|more )about (?:any|my|our|(?-i:[A-Z]))|\bsessions where\b"
    r"|(?-i:(?<=[a-z,] )[A-Z][a-z]+ \w+ed\b)|(?-i:\b[A-Z][a-z]+'s\b)"
    r"|\b(?:i|you|we) (?:brought|mentioned|said|told|discussed|ever)\b"
    r"|\bhow (?:many|long|old)\b|\bhow much (?!does|is|are|do|would|should)",
    re.IGNORECASE,
)
# So is "the terms that I worked with", unless somebody asks what to do about them.
_ASKS_OF_OWN_DEED = re.compile(
    r"\b(?:i|we) (?:planned|encountered|worked|allocated|tried|used|received|got|spent|learned"
    r"|learnt|scored|finished|completed|solved|met|wanted)\b|\bhappened first\b|\bmy current\b",
    re.IGNORECASE,
)
_ASKS_WHAT_TO_DO = re.compile(r"\b(?:should|can|could|would) (?:i|we|you)\b", re.IGNORECASE)
# Questions whose answers have a form, and the words of instructions about that form.
_FORMS = (
    (
        r"\bwhen (?:is|was|does|did|will|are|were|do)\b|\b(?:what|which) (?:date|day)\b"
        r"|\bwhat (?:is|was) (?:the|my|our) (?:\w+ )?(?:deadline|date)\b",
        r"\b(?:dates?|month|year|deadlines?|timelines?)\b",
    ),
    (r"\b(?:how much|what) progress\b|\bhow far along\b", r"\bprogress\b"),
    (r"\bwhat time\b", r"\b(?:times?|clock|24-hour|12-hour|am/pm|time zones?)\b"),
    (
        r"\b(?:what|how much)\b.*\b(?:amount|price|salary|budget|cost|fee|pay|offered|rent)s?\b",
        r"\b(?:amounts?|figures?|currency|salary|prices?|budgets?|costs?|euros|dollars|pounds)\b",
    ),
    (
        r"\bhow (?:far|tall|heavy|hot|cold|warm|big|fast|much does \w+ weigh)\b|\btemperature\b",
        r"\b(?:units?|metric|imperial|celsius|fahrenheit|kilomet\w+|miles|kilos?|kilograms)\b",
    ),
)
_FORM_PATTERNS = tuple(
    (re.compile(question, re.IGNORECASE), re.compile(words, re.IGNORECASE))
    for question, words in _FORMS
)


def standing_facts(store: Store) -> list[Fact]:
    """The standing instructions and preferences in force, of all persons, newest first."""
    return _in_force(store, [])


def applying(store: Store, question: str, *askers: str) -> Standing:
    """Those of the asker that may apply to a question, within STANDING_TOKENS tokens.

    `askers` are all names of the asker. Without any, those of the one person who has any; none
    where several have. What has no case ("no emojis") applies always. What has one applies where
    the question is near to it: to a request for help what is nearest, to another question what is
    near, or speaks of the form that the answer has. A question for what was said or done before is
    no case. No language model is asked.
    """
    names = [name.strip() for name in askers if name.strip()]
    in_force = _in_force(store, names)
    if not in_force:
        return Standing()
    if not names and len({fact.subject.casefold() for fact in in_force}) > 1:
        return Standing()
    relevance = _relevance(question, in_force)
    ranked = sorted(
        ((score, fact) for score, fact in zip(relevance, in_force, strict=True) if score),
        key=lambda item: (-item[0], -item[1].turn_id),
    )
    chosen: list[tuple[Fact, str]] = []
    tokens = STANDING_TOKENS - line_tokens(STANDING_HEAD)
    # Preferences have a third of the room where there are any.
    facts = [fact for _, fact in ranked]
    lines = [(fact, trim(_line(fact), _LINE_TOKENS)) for fact in _said_once(facts)]
    preferences = [pair for pair in lines if pair[0].attribute == PREFERENCE]
    for fact, line in [*preferences[:_FIRST_PREFERENCES], *lines]:
        if line_tokens(line) <= tokens and (fact, line) not in chosen:
            tokens -= line_tokens(line)
            chosen.append((fact, line))
    chosen.sort(key=lambda pair: -pair[0].turn_id)
    return Standing(tuple(fact for fact, _ in chosen), tuple(line for _, line in chosen))


def _said_once(facts: Sequence[Fact]) -> list[Fact]:
    """These, without those of which a newer one says the same, or more."""
    forms = [forms_of(telling_words(fact.value)) for fact in facts]
    return [
        fact
        for fact in facts
        if not any(
            other.attribute == fact.attribute
            and other.turn_id > fact.turn_id
            and _share(fact.value, words) >= _SAME
            for other, words in zip(facts, forms, strict=True)
        )
    ]


def _in_force(store: Store, askers: Sequence[str]) -> list[Fact]:
    """Those of these persons, of all without any, newest first."""
    today = local_now()[:10]
    return [fact for fact in facts_of_persons(store, askers) if is_current(fact, today)]


def _line(fact: Fact) -> str:
    """`[54] always give versions when I ask about libraries`; their order says which is newer."""
    words = " ".join(fact.value.split())
    form = {
        PREFERENCE: "prefers {}",
        LANGUAGE: "answer in {}",
        LENGTH: "answers are to be {}",
        CALLED: "wants to be called {}",
    }.get(fact.attribute, "{}")
    return f"[{fact.turn_id}] {form.format(words)}"


def _relevance(question: str, facts: Sequence[Fact]) -> list[float]:
    """How much each may apply, 0 for not at all."""
    from memory.embed import embed  # with numpy, which listing facts does not need

    asks_of_past = bool(
        _ASKS_OF_PAST.search(question)
        or (_ASKS_OF_OWN_DEED.search(question) and not _ASKS_WHAT_TO_DO.search(question))
    )
    asks_for_help = not asks_of_past and bool(_ASKS_FOR_HELP.search(question))
    kinds = requested_kinds(question) if asks_for_help else frozenset()
    question_forms = forms_of(telling_words(question))
    [in_question, *vectors] = embed([question, *(text for fact in facts for text in _texts(fact))])
    scores: list[float] = []
    for number, fact in enumerate(facts):
        deed, case = _parts(fact)
        if not case:
            scores.append(1.0)
            continue
        near_case, near_all = (
            float(vector @ in_question) for vector in vectors[2 * number : 2 * number + 2]
        )
        score = max(near_case, near_all)
        score += _BY_WORDS * _share(case, question_forms) + _BY_DEED * _share(deed, question_forms)
        if fact.attribute == PREFERENCE:
            score += _PREFERENCE_OF_KIND * is_of_kind(case, kinds)
        else:
            score += _INSTRUCTION_OF_KIND * is_of_whole_kind(case, kinds)
        scores.append(score)
    cased = [
        score
        for score, fact in zip(scores, facts, strict=True)
        if fact.attribute == INSTRUCTION and _parts(fact)[1]
    ]
    least = max(_LEAST, _SHARE_OF_BEST * max(cased, default=0)) if asks_for_help else _NEAR
    for number, fact in enumerate(facts):
        deed, case = _parts(fact)
        if not case or _has_form(question, fact.value):
            continue
        needed = max(least, _NEAR_PREFERENCE) if fact.attribute == PREFERENCE else least
        if asks_of_past or scores[number] < needed:
            scores[number] = 0.0
    return scores


@lru_cache(maxsize=2_000)
def _parts(fact: Fact) -> tuple[str, str]:
    """What to do, and in which case; "" for every case."""
    if fact.attribute == PREFERENCE:
        return "", fact.value
    if fact.attribute != INSTRUCTION:
        return fact.value, ""
    before, case, after = _split(fact.value)
    if not case:
        return fact.value, ""
    if before.strip():
        return before, after
    case, _, deed = after.partition(",")  # "when I ask about libraries, give versions"
    return deed, case


def _split(value: str) -> tuple[str, str, str]:
    match = _CASE.search(value)
    return (value[: match.start()], match[0], value[match.end() :]) if match else (value, "", "")


def _texts(fact: Fact) -> tuple[str, str]:
    return _parts(fact)[1], fact.value


def _share(text: str, forms: Collection[str]) -> float:
    """The share of a text's telling words that a question has."""
    words = telling_words(text)
    return sum(is_among(word, forms) for word in words) / len(words) if words else 0.0


def _has_form(question: str, value: str) -> bool:
    return any(asks.search(question) and words.search(value) for asks, words in _FORM_PATTERNS)
