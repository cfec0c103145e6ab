"""Clauses that rules leave unread, each as the statement it would be: most are not worth a fact.

They are what rules refuse on principle: "is" with any words, verbs of wish and of everyday things,
names that only a title shows, pasts without a subject. Whether one is
stored, `worth` says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from memory.records import Turn
from memory.statements.clause import SPEAKER, Clause, subject_name, tells_of_another
from memory.statements.clauses import ToldPart
from memory.statements.open_clauses import (
    is_idiom,
    is_idle,
    open_attribute,
    open_values,
    refers,
)
from memory.statements.predicates import Predicate, has_verb, predicate
from memory.statements.readings import Reading
from memory.statements.references import is_person_name
from memory.statements.statement import Statement
from memory.statements.subjects import NAME
from memory.statements.things import HAS, IS
from memory.statements.word_lists import is_past_form, is_third_person, word_lists

# How a clause names its subject.
Kind = Literal["clause", "named", "titled", "apposed", "bare"]
_LONGEST_VALUE = 14  # words
# "Samuel from the office flies ...", "Hasan the tiler lifted ...", "Rui, from Braga, restores ..."
_APPOSED = tuple(
    re.compile(
        rf"(?P<name>(?:(?:Dr|Mr|Mrs|Ms|Miss)\.? )?{NAME})"
        r"(?:, [^,.!?]{2,40},| (?:from|of|at|in|on|the) (?:(?:the|my|our|his|her) )?"
        rf"[\w'-]+{more})"
        r" (?=(?P<verb>[a-z]+))"
    )
    for more in ("", r" [\w'-]+")
)
# Verbs of thought and the like that may yet tell of a fact.
_TOLD_OF = frozenset({"want", "stop", "cost", "help", "owe", "need", "last", "be"})
_COPULAS = {"present": "is", "progressive": "is", "past": "was", "perfect": "was"}
_JOINING = re.compile(r"(?:and|but|so|also|well|ok|oh|yes|no|now|then)\b[ ,]*", re.IGNORECASE)
_TITLED = re.compile(
    r"(?P<name>(?:Dr|Mr|Mrs|Ms|Miss|Prof|Sir|Pastor|Father|Sister|Brother|Captain)\.? "
    r"[A-Z][\w-]+(?: [A-Z][\w-]+)?)(?=[ '])"
)
_NAMED = re.compile(rf"(?P<name>{NAME})(?=[ '])")
# "wants to see Lyon": the deed that is wished for is the value.
_TO_DO = re.compile(r"to (?!(?:the|an?|my|our|his|her|their)\b)[a-z]")
# "left ear, two seconds", "ate" for a sister, "either the limit goes ..."
_OTHER_WORDS = frozenset({"left", "ate", "either", "neither", "both"})
_OVER = ("past", "perfect")
_DUTIES = {"has": "has_to", "had": "had_to"}
_WISHES = frozenset({"want", "need", "ask", "allow", "expect", "would"})
_TO_DO_OF = re.compile(r"(?:to|[\w']+(?: [\w']+){0,2} to) [a-z]")
# Behind "is" a word in small letters is rather a mood, "is thankful", and so are some places.
_MOOD = re.compile(
    r"(?:in (?:the mood|a mood|awe|for|bad|good|shock|tears|trouble|this)|out of|up for|100 ?%"
    r"|on (?:the (?:verge|edge|hunt|lookout|way)|edge|fire|about))\b"
    r"|(?!(?:in|on|off|from|with|to|out|under|near|next|behind|between|by|up|down|back|home|a"
    r"|an|the|my|our|his|her|their|half|vegan|vegetarian|pregnant|married|engaged|divorced|retired|closed"
    r"|open|shut|free|blind|deaf|dead|broken|gone|fifth|fourth|third|second|first|last)\b)(?-i:[a-z])",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"(?:the|a|an|an' all|one|my|our|any .*|each other.*)", re.IGNORECASE)
_NEXT = re.compile(
    r"[,.;!?:()\[]|\s-\s|\b(?:because|so that|but|when|while|until|which|who|if"
    r"|and (?:i|we|he|she|they|it))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Unread:
    """A statement that a clause may make, and what tells whether it is worth a fact.

    `is_ruled`: a rule named its attribute. `part` are the words of the clause with its subject.
    """

    statement: Statement
    kind: Kind
    verbs: Predicate
    clause: Clause
    part: str
    is_ruled: bool


def unread(part: ToldPart, turn: Turn) -> Iterator[Unread]:
    """The statements that a part of a turn would make, of which rules have read none."""
    if part.clauses:
        for clause in part.clauses:
            if clause.noun or clause.is_pasted or not clause.is_known:
                continue
            if clause.has_subject:
                yield from _of_clause(clause, "clause", turn, part.whole)
            elif clause.subject == SPEAKER and _is_past(clause.text):
                yield from _of_clause(clause, "bare", turn, part.whole)
        return
    text = _JOINING.sub("", part.text, count=1) if _JOINING.match(part.text) else part.text
    if match := next(filter(_is_apposed, (pattern.match(text) for pattern in _APPOSED)), None):
        clause = Clause(match["name"], text[match.start("verb") :], when=part.when)
        yield from _of_clause(clause, "apposed", turn, part.whole)
    elif match := _TITLED.match(text):
        clause = Clause(match["name"], _written_out(text[match.end() :]), when=part.when)
        yield from _of_clause(clause, "titled", turn, part.whole)
    elif (match := _NAMED.match(text)) and _is_known(match["name"], part.context.known):
        clause = Clause(match["name"], _written_out(text[match.end() :]), when=part.when)
        yield from _of_clause(clause, "named", turn, part.whole)
    elif _is_past(text) and not tells_of_another(text):
        clause = Clause(SPEAKER, text, when=part.when, has_subject=False)
        yield from _of_clause(clause, "bare", turn, part.whole)


def _is_apposed(match: re.Match[str] | None) -> bool:
    """Whether a verb that only a third person has stands behind what is said beside a name."""
    if match is None:
        return False
    verb = match["verb"]
    is_verb = has_verb(verb) or is_past_form(verb) or (verb.endswith("s") and is_third_person(verb))
    name = match["name"].split()[-1]
    is_somebody = is_person_name(name) and name.lower() not in _OTHER_WORDS
    return is_verb and verb not in _plain_verbs() and is_somebody


def _is_known(name: str, names: frozenset[str]) -> bool:
    if name.split()[0].endswith("ing"):
        return False  # "Hiking has opened up a whole new world"
    return name.split()[0] in names and is_person_name(name)


def _is_past(text: str) -> bool:
    """ "swam last Sunday": a past that is no other form of its verb, as "cut" is."""
    word = re.match(r"[A-Za-z]+", text)
    verb = word[0].lower() if word else ""
    return is_past_form(verb) and verb not in _plain_verbs() | _OTHER_WORDS


@cache
def _plain_verbs() -> frozenset[str]:
    return word_lists().verbs | {*word_lists().irregular}


def _written_out(rest: str) -> str:
    """What stands behind a subject, with "'s" as the verb that it is."""
    for pattern, verb in ((HAS, "has "), (IS, "is ")):
        if match := pattern.match(rest):
            return verb + rest[match.end() :]
    return "" if rest.startswith("'") else rest.strip(" ,")


def _of_clause(clause: Clause, kind: Kind, turn: Turn, part: str) -> Iterator[Unread]:
    verbs = predicate(clause.text)
    if verbs is None or is_idiom(verbs) or (verbs.verb not in _TOLD_OF and is_idle(verbs)):
        return
    if clause.subject != SPEAKER and verbs.tense == "present" and _is_plain(verbs):
        return  # "Kojo, stand against the door", "Eyes shut"
    subject = subject_name(clause, turn.speaker)
    reading = Reading(subject, verbs, clause, turn)
    ruled = [*reading.statements()] if kind != "clause" else []
    for statement in ruled:
        is_undated = kind == "bare" and not statement.happened_on
        if is_undated or _NOTHING.fullmatch(statement.value):
            continue
        yield Unread(statement, kind, verbs, clause, part, is_ruled=True)
    is_copula = verbs.verb == "be" and kind == "bare"
    for by_verb in [] if ruled or is_copula else _open(reading, verbs, subject):
        if kind != "bare" or by_verb.happened_on:  # "broke collarbone": whoever's
            yield Unread(by_verb, kind, verbs, clause, part, is_ruled=False)


def _is_plain(verbs: Predicate) -> bool:
    """Whether a verb has no ending: an order, or no verb at all behind a name."""
    return verbs.word == verbs.verb and not verbs.is_denied


def _open(reading: Reading, verbs: Predicate, subject: str) -> Iterator[Statement]:
    """What a clause says by its verb, whatever the words behind it are."""
    attribute, complement = open_attribute(replace(verbs, rest=reading.as_seen(verbs.rest)))
    if not attribute:
        return
    if verbs.verb == "be" and not verbs.is_passive:
        attribute = _COPULAS.get(verbs.tense, "")
    if not attribute:
        return
    if verbs.verb == "have" and "_" in attribute:
        return  # "I have both my feet up"
    if verbs.verb == "do" and complement.split(" ")[0] in _plain_verbs():
        return  # "I do remember"
    if verbs.verb == "have" and _TO_DO.match(complement):
        attribute, complement = _DUTIES.get(attribute, ""), complement.removeprefix("to ")
        values = _deed(complement)
    elif verbs.verb == "be" and _TO_DO.match(complement):
        return  # "I am to become a professor of screws"
    else:
        wish = verbs.verb in _WISHES and _TO_DO_OF.match(complement)
        values = _deed(complement) if wish else _values(verbs, complement)
    is_copula = verbs.verb == "be" and not verbs.is_passive
    if not attribute or (is_copula and _MOOD.match(complement)):
        return
    is_event = verbs.tense in _OVER and verbs.verb != "be"
    for value in values:
        if refers(value) or _NOTHING.fullmatch(value) or (is_copula and value.isdigit()):
            continue
        yield Statement(subject, attribute, value, reading.happened_on(), is_event=is_event)


def _deed(complement: str) -> list[str]:
    """ "to see Lyon", "me to see his cousin's house": all words up to the next clause."""
    words = _NEXT.split(complement)[0].split()
    return [" ".join(words)] if 2 < len(words) <= _LONGEST_VALUE else []


def _values(verbs: Predicate, complement: str) -> list[str]:
    if not complement.strip(" .,!;:"):
        return ["yes"] if verbs.tense in _OVER else []
    if _TO_DO.match(complement):
        return _deed(complement)
    values = open_values(verbs, complement)
    return [value for value in values if len(value.split()) <= _LONGEST_VALUE]
