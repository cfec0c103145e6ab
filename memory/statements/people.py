"""The people and animals whom a turn names: "my sister Elena", "we have two sons, Tom and Jan"."""

import re
from collections.abc import Collection, Iterator

from memory.entities import introductions, relation_named
from memory.records import Turn
from memory.statements.predicates import has_verb
from memory.statements.references import is_person_name
from memory.statements.rules import part_of_rules
from memory.statements.sentences import sentences
from memory.statements.statement import End, Statement
from memory.statements.subjects import AGE, IN_PLACE, nouns
from memory.statements.values import in_digits, values_in
from memory.statements.word_lists import word_lists

_ENTITY = re.compile(r"(?P<name>.+) \((?P<owner>.+)'s (?P<relation>[\w-]+)\)")
_NAME = r"[A-Z][\w-]+"
_NAMES = rf"(?P<names>{_NAME}(?: [A-Z][\w-]+)?(?:(?:,? and |, | & ){_NAME}(?: [A-Z][\w-]+)?)*)"
_COUNT = r"(?:an?|one|two|three|four|five|six|\d|another|my|our)"
_NOUN = (
    r"(?P<noun>sisters?|brothers?|sons?|daughters?|kids?|child|children|boys?|girls?|twins"
    r"|cats?|dogs?|guinea pigs?"
    r"|pupp(?:y|ies)|kittens?|rabbits?|hamsters?|horses?|parrots?|tortoises?|hens?|goldfish"
    r"|bab(?:y|ies)"
    r"|greyhounds?|ex[- ]husband|ex[- ]wife|flatmates?|roommates?|housemates?|cousins?"
    r"|nephews?|nieces?"
    r"|boyfriend|girlfriend|partner|husband|wife|fianc[eé]e?|boss|neighbou?r|colleague|friend)"
)
_HAS_NAMED = re.compile(
    rf"\b(?i:i|we)(?i:(?:'ve| have|'m| am|'re| are)?(?: (?:got|have|adopted|bought|also|now"
    rf"|just|seeing"
    rf"|dating|with))*) (?i:{_COUNT}) (?i:(?:[\w-]+ ){{0,3}}{_NOUN})(?i:(?: in [A-Z]\w+)?"
    rf"(?: since \w+| now)?(?:,|:| -|\.|!| who is| who's)?"
    rf"(?: (?:is |are )?(?:called|named))?) {_NAMES}(?=[,.!?;:)]|$| from\b| who\b| and\b|"
    rf" in\b| on\b| last\b)"
)
# "I have two dogs, Rex and Bo, and a parrot": each kind of animal with its names, if it has any.
_HAS_PETS = re.compile(r"\b(?i:i|we)(?i:'ve| have)(?i: got| also| now| both)* (?=\w)")
_PETS_NAMED = re.compile(
    rf"(?P<pets>(?P<count>(?i:{_COUNT})) (?i:(?:(?!and\b|or\b)[\w-]+ ){{0,3}}?"
    rf"(?P<noun>{part_of_rules('pet')}))\b)"
    rf"(?:(?:,|:| -)?(?i: (?:called|named|who (?:is|are) called))? {_NAMES})?"
    r"(?=[,.!?;]|$| and\b)(?:,? and |, )?"
)
_MY_NAMED = re.compile(
    rf"\b(?i:my|our) (?i:(?:[\w-]+ ){{0,2}}?(?P<noun>sisters|brothers|sons|daughters|kids"
    rf"|children|boys"
    rf"|girls|twins|cats|dogs|flatmates|cousins|friends))(?: (?i:are called|are named"
    rf"|are))?,? {_NAMES}(?!\w|'s)"
)
# Who has whom else: "Emil has two hamsters, Pia and Lou", "Lotte's got a boyfriend, Erik".
_OF_ANOTHER = re.compile(
    rf"\b(?P<owner>{_NAME})(?: has|'s got| has got) (?i:{_COUNT}) (?i:(?:[\w-]+ ){{0,3}}?{_NOUN})"
    rf"(?:,|:| -)?(?i: (?:called|named))? {_NAMES}(?=[,.!?;:)]|$| from\b| who\b)"
)
# "my sister Carla in Basel has ...", "staying with my brother in Turin".
_AT_HOME = re.compile(
    rf"(?:^|[,.;!?] |\b(?i:and|but|so|that|because) |\b(?i:stay(?:ing|ed)? with|visit(?:ing|ed)?) )"
    rf"(?P<whose>(?i:my|our) (?i:{AGE})(?P<noun>(?i:{nouns()})))(?: (?P<name>{_NAME}))?"
    rf"{IN_PLACE.pattern.replace('(?= [a-z])', '(?=[ .,!?;]|$)')}"
)
# "Mr Ongpin, seventy-one, jumped in", "one son, Jiho, seven years old"
_AGED = re.compile(
    rf"(?<![\w'])(?<!\d, )(?P<name>(?:(?:Dr|Mr|Mrs|Ms|Miss)\.? )?{_NAME}),"
    r" (?P<age>\d{2}|[a-z]+-[a-z]+|[a-z]{3,9})"
    r"(?: (?:years old|now)(?=$|[,.!?;)])|, (?=(?:from|an?|who|now|the|[a-z]+(?:ed|s))\b))"
)
# "Hasan the tiler lifted the boards"
_THE_JOB = re.compile(
    rf"(?<![\w'])(?P<name>{_NAME}) the (?P<job>(?i:{part_of_rules('job')}))"
    r"(?=[,.!?;]|$| (?:is|was|has|had|says|said|came|went|got|[a-z]+ed)\b)"
)
# "Piotr, a plumber, fixed it"
_WITH_JOB = re.compile(
    rf"(?<!\bin )(?<!\bat )(?<!\bfrom )\b(?P<name>{_NAME}), (?i:an?) "
    rf"(?P<job>(?:(?!or\b|and\b)[a-z-]+ ){{0,2}}?{part_of_rules('job')})"
    r"(?: (?:at|for) (?P<works_at>(?:the )?[A-Z][\w'-]+))?"
    r"(?=[,.!?;)]|$| who\b| from\b| in\b)(?! (?:or|and) )"
)
_THIS_IS = re.compile(
    rf"\b(?i:this is|meet|here is|here's) (?i:my|our) (?i:(?:[\w-]+"
    rf" ){{0,2}}?(?P<noun>[\w-]+)) {_NAMES}(?!\w|'s)"
)
_SEEING = re.compile(
    rf"\b(?i:i am|i'm|we are|we're|i have|i've) (?i:seeing|dating|with|met) (?i:somebody|someone"
    rf"|a (?:guy|girl|man|woman))(?i:,? (?:since|at|through|from) (?:[\w-]+ ?){{1,3}}?)?"
    rf"(?i:[,.:]| called| named)? {_NAMES}(?=[,.!?;]|$| from\b| who\b)"
)
# Who does what for somebody: "my new dentist is Dr Okoro".
_ROLE = re.compile(
    r"\b(?i:my|our) (?P<new>(?i:new|current) )?(?i:(?P<noun>(?:driving |piano |guitar |swimming )?"
    r"(?:dentist|doctor|gp|physio|therapist|boss|manager|supervisor|landlord|landlady|teacher|tutor"
    r"|trainer|coach|instructor|hairdresser|barber|nurse|midwife|vet|plumber|solicitor|lawyer"
    r"|accountant|cleaner|childminder|nanny|surgeon|consultant|optician|social worker"
    r"|neighbou?r|flatmate|roommate|housemate|colleague|partner|boyfriend|girlfriend)))"
    r"(?i:'s| is|:)(?i: now| still)?(?i: called| named)? "
    rf"(?P<name>(?:(?:Dr|Mr|Mrs|Ms|Miss|Prof)\.? )?{_NAME}(?: [A-Z][\w-]+)?)(?=$|[,.!?;:)]"
    rf"| (?:and|now|but"
    r"|from|since|who|these)\b)"
)
# Of these one has several at a time.
_MANY_AT_A_TIME = frozenset({"has_colleague", "has_flatmate", "has_neighbour"})
# "There's Tom, my daughter Nour who's 9": not "the boy who is 9".
_WHO_IS = re.compile(
    rf"(?P<name>{_NAME}),? (?i:who is|who's|aged) (?:now |only )?(?P<age>\d{{1,2}}|[a-z-]{{3,15}})"
    r"(?=$|[,.!?;)]| and\b| but\b)"
)
_PETS = {
    **dict.fromkeys(("cat", "kitten"), "cat"),
    **dict.fromkeys(("dog", "puppy", "greyhound"), "dog"),
    **{
        pet: pet
        for pet in (
            "guinea pig",
            "rabbit",
            "hamster",
            "horse",
            "parrot",
            "tortoise",
            "hen",
            "goldfish",
        )
    },
}
_ATTRIBUTES = {
    "wife": "wife",
    "husband": "husband",
    "partner": "partner",
    "girlfriend": "partner",
    "boyfriend": "partner",
    "kid": "has_child",
    "child": "has_child",
    "children": "has_child",
    "baby": "has_child",
    "boy": "has_son",
    "girl": "has_daughter",
    "twin": "has_child",
    "fiance": "engaged_to",
    "fiancé": "engaged_to",
    "fiancée": "engaged_to",
    "fiancee": "engaged_to",
    "roommate": "has_flatmate",
    "housemate": "has_flatmate",
    "flatmate": "has_flatmate",
    "neighbor": "has_neighbour",
    "sibling": "has_sibling",
    "ex-husband": "has_ex_husband",
    "ex-wife": "has_ex_wife",
    "ex husband": "has_ex_husband",
    "ex wife": "has_ex_wife",
}


def relation_attribute(noun: str) -> str:
    """The attribute for a noun of a relation, in the singular or plural: "sisters", "wife"."""
    word = _singular(noun.lower())
    if word in _PETS:
        return "has_pet"
    if word in _ATTRIBUTES:
        return _ATTRIBUTES[word]
    relation = relation_named(word)
    return f"has_{relation.replace('-', '_')}" if relation else ""


def people_named(text: str, speaker: str, speakers: Collection[str]) -> Iterator[Statement]:
    """Who is what to the speaker, as introductions (memory.entities) and a few more words say."""
    plain = " ".join(sentence for sentence in sentences(text) if not sentence.endswith("?"))
    for match in _ROLE.finditer(plain):
        noun = match["noun"].lower()
        attribute = relation_attribute(noun) or "_".join(noun.split())
        is_only = bool(match["new"]) or attribute not in _MANY_AT_A_TIME
        if match["name"].split()[0].lower() not in word_lists().no_names - {
            "dr",
            "mr",
            "mrs",
            "ms",
        }:
            ends = (End(attribute),) if is_only else ()
            yield Statement(speaker, attribute, match["name"], ends=ends)
    for alias in introductions(Turn(speaker, text), speakers):
        entity = _ENTITY.fullmatch(alias.entity)
        if entity and alias.name == entity["name"]:
            yield from _named(speaker, entity["relation"], entity["name"])
    for match in _WHO_IS.finditer(plain):
        age = in_digits(match["age"])
        if age.isdigit() and match["name"].lower() not in word_lists().no_names:
            yield Statement(match["name"], "age", age)
    yield from _pets(plain, speaker)
    yield from _apposed(plain, speaker)
    for pattern in (_HAS_NAMED, _MY_NAMED, _THIS_IS, _SEEING):
        for match in pattern.finditer(plain):
            noun = match.groupdict().get("noun") or "partner"
            is_new = bool(_NEW.search(match[0]))
            for name in re.split(r",? and |, | & ", match["names"]):
                yield from _named(speaker, noun, name, is_new=is_new)


def _pets(plain: str, speaker: str) -> Iterator[Statement]:
    """The animals of a coordination, those without a name too; of one kind others tell."""
    for start in _HAS_PETS.finditer(plain):
        kinds: list[re.Match[str]] = []
        place = start.end()
        while match := _PETS_NAMED.match(plain, place):
            kinds.append(match)
            place = match.end()
        if len(kinds) < 2:
            continue
        for kind in kinds:
            if not kind["names"]:
                [pet] = values_in(kind["pets"])
                yield Statement(speaker, "has_pet", pet)
                continue
            noun = _singular(kind["noun"].lower())
            for name in re.split(r",? and |, | & ", kind["names"]):
                yield Statement(speaker, "has_pet", f"{name}, a {_PETS.get(noun, noun)}")


def _apposed(plain: str, speaker: str) -> Iterator[Statement]:
    """What stands beside a name: where somebody is at home, their job, whom they have."""
    no_names = word_lists().no_names
    for match in _AGED.finditer(plain):
        age = in_digits(match["age"])
        if age.isdigit() and is_person_name(match["name"].split()[-1]):
            yield Statement(match["name"], "age", age)
    for match in _THE_JOB.finditer(plain):
        if is_person_name(match["name"]):
            yield Statement(match["name"], "works_as", match["job"])
    for match in _OF_ANOTHER.finditer(plain):
        if _may_be_named(match["owner"]):
            for name in re.split(r",? and |, | & ", match["names"]):
                yield from _named(match["owner"], match["noun"], name)
    for match in _AT_HOME.finditer(plain):
        place = match["place"]
        if place.split()[0].lower() in no_names:
            continue
        is_clause = has_verb(plain[match.end() :].strip()) or match[0][:4].lower() in _STAYING
        if is_clause:
            noun = re.sub(r"^(?i:my|our) ", "", match["whose"]).lower()
            attribute = "lives_in" if match["preposition"] == "in" else "comes_from"
            yield Statement(match["name"] or f"{speaker}'s {noun}", attribute, place)
    for match in _WITH_JOB.finditer(plain):
        if _may_be_named(match["name"]):
            yield Statement(match["name"], "works_as", match["job"])
            if match["works_at"]:
                yield Statement(match["name"], "works_at", match["works_at"].removeprefix("the "))


_STAYING = ("stay", "visi")


def _may_be_named(word: str) -> bool:
    return not (word.isupper() or word.lower() in word_lists().no_names or word in _PRONOUNS)


_PRONOUNS = frozenset({"He", "She", "They", "It", "We", "You", "Who", "My", "Our", "His", "Her"})
_NEW = re.compile(r"\bnew (?:boss|manager|teacher|landlord|doctor|partner|boyfriend|girlfriend)\b")


def _named(speaker: str, noun: str, name: str, *, is_new: bool = False) -> Iterator[Statement]:
    attribute = relation_attribute(noun)
    if not attribute or name.lower() == speaker.lower() or name.isupper():
        return
    pet = _PETS.get(_singular(noun.lower()), "")
    ends = (End(attribute),) if is_new else ()
    yield Statement(speaker, attribute, f"{name}, a {pet}" if pet else name, ends=ends)


def _singular(noun: str) -> str:
    if noun in ("children", "goldfish"):
        return {"children": "child"}.get(noun, noun)
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    return noun if noun.endswith("ss") else noun.removesuffix("s")
