"""Whom "he" and "she" mean: the last person of a turn whom they fit."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from memory.entities import relation_named
from memory.statements.clause import SPEAKER, Clause
from memory.statements.subjects import NAME
from memory.statements.word_lists import is_past_form, word_lists

_HE = frozenset(
    {"father", "brother", "son", "husband", "boyfriend", "grandfather", "uncle", "nephew"}
)
_SHE = frozenset(
    {"mother", "sister", "daughter", "wife", "girlfriend", "grandmother", "aunt", "niece"}
)
# Whom the next "she" may be: "met Zoe", "my daughter Lena", "seeing somebody. Priyan".
_INTRODUCED = re.compile(
    r"\b(?:met|seeing|dating|with|called|named|about|invited|hired|have|has|know|is)\W+(?:a"
    r" \w+ )?"
    rf"(?:\w+ )?(?P<name>{NAME})"
    r"|\b(?:a|an|one|my|our|his|her) (?:\w+ ){0,2}(?P<noun>sons?|daughters?|kid|child|sister"
    r"|brother|cousin|friend"
    r"|flatmate|roommate|boyfriend|girlfriend|husband|wife|partner|boss|colleague|nephew"
    r"|niece|ex)"
    rf"\b(?:,| called| named)? (?P<relative>{NAME})",
    re.IGNORECASE,
)
INNER_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z][\w-]*")  # inside a sentence
_OTHER_NAME = re.compile(
    r"(?<!in )(?<!at )(?<!to )(?<!from )(?<!of )(?<!on )(?<![A-Z]\w\w"
    r" )(?<!\w-)\b(?:[A-Z][a-z]\w+)"
)
_PET_WITH_NO_NAME = re.compile(
    r"\b(?:got|have|adopted|bought|getting) (?:a|an|our|my) (?:[\w-]+ ){0,3}(?P<pet>cat|dog|puppy"
    r"|kitten|rabbit|hamster|horse|parrot|tortoise|greyhound)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Context:
    """Who was spoken of before."""

    he: str = ""
    she: str = ""
    known: frozenset[str] = frozenset()

    def of(self, pronoun: str) -> str:
        return self.he if pronoun.lower() in ("he", "his") else self.she

    def after(self, person: str, noun: str = "") -> "Context":
        relation = relation_named(noun) if noun else ""
        if relation in _HE:
            return replace(self, he=person)
        if relation in _SHE:
            return replace(self, she=person)
        return Context(person, person, self.known)


def context_after(clause: Clause, context: Context) -> Context:
    """Who may be meant after a clause."""
    if clause.is_thing:
        owner = _OWNER.match(clause.subject)
        if owner and owner["name"] not in (context.he, context.she):
            return Context(owner["name"], owner["name"], context.known)  # "Tom's car broke down"
        return context_of_names(clause.text, context)
    if clause.subject == SPEAKER and len(clause.others) == 1:
        [companion] = clause.others  # "Priyan and I split up"
        return Context(known=context.known).after(companion, companion.rpartition(" ")[2])
    if clause.subject != SPEAKER:
        if not clause.noun:
            person = clause.name or clause.subject
            words = clause.subject.lower().split()
            noun = words[-1] if words[0] == "my" else words[0]
            context = context.after(person, noun)
    elif pet := _PET_WITH_NO_NAME.search(clause.text):
        return Context(f"my {pet['pet'].lower()}", f"my {pet['pet'].lower()}", context.known)
    people = {
        name: match["noun"] or ""
        for match in _INTRODUCED.finditer(clause.text)
        if (name := match["name"] or match["relative"])
        and name.split()[0].lower() not in word_lists().no_names
    }
    nobody = Context(known=context.known)
    if clause.subject == SPEAKER and len(people) == 1:
        [(person, noun)] = people.items()
        return nobody.after(person, noun)
    # "She says Mossie is in Riverstown. He ..." may be either.
    others = [
        name
        for name in _OTHER_NAME.findall(clause.text)
        if name.lower() not in word_lists().no_names
    ]
    return nobody if people or others else context


def context_of_names(text: str, context: Context) -> Context:
    """Who "she" may be after words that are no clause: "and one ex husband, Duarte"."""
    names = {match["relative"] for match in _INTRODUCED.finditer(text) if match["relative"]}
    if len(names) == 1:
        [name] = names
        return Context(name, name, context.known)
    return Context(known=context.known) if INNER_NAME.search(f", {text}") else context


_OWNER = re.compile(r"(?P<name>(?:my )?[\w-]+)'s ")
# Names where a question has a person: "How's Elena?", "Did Tom call?"
_ASKED_ABOUT = re.compile(
    r"\b(?i:how's|how is|is|are|does|did|do|has|have|was|were|about|with|tell|told|ask|asked|see"
    r"|seen"
    r"|meet|met|who's|who is) (?P<name>[A-Z][a-z][\w-]*)\b"
)


_NO_PERSON = frozenset(
    {
        *(
            "shall",
            "the",
            "may",
            "he",
            "she",
            "her",
            "his",
            "him",
            "they",
            "their",
            "our",
            "your",
            "its",
        )
    }
)


def is_person_name(name: str) -> bool:
    """Whether a word with a capital is no everyday word that begins a sentence."""
    first = name.split()[0].lower()
    words = word_lists()
    return len(first) > 2 and not (
        first in words.no_names | words.no_objects | words.adverbs | words.verbs
        or first in _NO_PERSON
        or is_past_form(first)
    )


_MENTIONED = re.compile(
    r"(?<!\bin )(?<!\bat )(?<!\bto )(?<!\bfrom )(?<!\bof )(?<!\bon )(?<!\bnear )"
    r"\b(?P<name>[A-Z]\w\w+(?:-\w+)?)"
)
_APPOSITION = re.compile(r"\b(?P<noun>\w+),? (?=[A-Z])")


def people_mentioned(text: str, speakers: Collection[str] = ()) -> set[str]:
    """Whom a text mentions besides its speakers: names, and nouns such as "sister"."""
    words = word_lists()
    firsts = {speaker.split()[0] for speaker in speakers if speaker.split()}
    names = {match["name"] for match in _MENTIONED.finditer(text)} - firsts
    people = {name for name in names if is_person_name(name)}
    with_name = {match["noun"].lower() for match in _APPOSITION.finditer(text)}
    nouns = {word.removesuffix("s") for word in re.findall(r"[a-z]+", text.lower())}
    return people | ((nouns & (words.relatives | words.pets)) - with_name)


_YOURS = re.compile(r"\byour (?:[\w-]+ )?(?P<noun>[\w-]+)\b", re.IGNORECASE)


def context_of_question(question: str, context: Context, speakers: Collection[str] = ()) -> Context:
    """Who may be meant by the answer to a question: "your sister", or the one name in it."""
    words = word_lists()
    yours = [
        match["noun"].lower()
        for match in _YOURS.finditer(question)
        if match["noun"].lower() in words.relatives | words.pets
    ]
    firsts = {speaker.split()[0] for speaker in speakers if speaker.split()}
    names = {match["name"] for match in _ASKED_ABOUT.finditer(question)} - firsts
    names = {name for name in names if is_person_name(name)}
    if len(yours) == 1 and not names:
        return Context().after(f"your {yours[0]}", yours[0])
    if len(names) == 1 and not yours:
        [name] = names
        return Context(name, name)
    return Context() if yours or names else context
