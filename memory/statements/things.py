"""What belongs to a subject, and things as subjects: "my birthday is", "the boiler broke down"."""

import re
from dataclasses import replace

from memory.statements.clause import SPEAKER, Clause, owned
from memory.statements.predicates import has_verb, is_finite
from memory.statements.subjects import NAME
from memory.statements.word_lists import word_lists

POSSESSED = re.compile(
    r"\s*'s (?P<noun>[\w'-]+(?: [\w'-]+){0,3}?) (?P<verb>is|are|was|were|has)\b\s*", re.I
)
MINE = re.compile(
    r"\s*(?P<noun>[\w'-]+(?: [\w'-]+){0,3}?)(?: (?P<verb>is|are|was|were|has)\b|'s\b|:(?!\d))\s*",
    re.I,
)
# "Sam's allergic" is "Sam is", "Sam's place" is of Sam.
IS = re.compile(
    r"'s (?=(?:(?:just|only|also|still|now|finally|already|actually|really|a bit|very|so)"
    r" )*(?:a|an|the"
    r"|not|in|at|on|from|off|over|with|my|our|allergic|vegan|vegetarian|pregnant|married|engaged"
    r"|home(?= from\b| now\b|\W*$)|out of|dead|gone"
    r"|divorced|called|named|back|here|retired|\d+|\w{2,}ing)\b)",
    re.IGNORECASE,
)
HAS = re.compile(
    r"'s (?=(?:(?:just|only|also|still|now|finally|already|actually|really) )*(?:moved"
    r"|finished|changed|started|stopped|arrived|joined|passed|failed|turned|booked"
    r"|ordered|learned|landed|signed|applied|agreed|visited|cancelled|asked|left|gone|got"
    r"|been|quit|sold|bought|found|lost|won|had|taken|given|started|broken|become|begun|met"
    r"|made|got|(?!(?:allergic|tired|bored|scared|worried|interested|excited|called|named|based"
    r"|supposed|obsessed|married|engaged|divorced|retired|separated|widowed|closed|blessed|used"
    r"|gutted|delighted|pleased|exhausted|embarrassed|annoyed|stressed|confused|convinced"
    r"|determined"
    r"|trapped|needed|wanted|loved|hated|red|bed|booked|stuck)\b)[a-z]{3,}ed)\b)",
    re.IGNORECASE,
)


def possession(subject: str, match: re.Match[str] | None, rest: str, when: str) -> Clause | None:
    """The clause of a match of MINE or POSSESSED: about something that a subject has."""
    if match is None:
        return None
    is_past = (match["verb"] or "").lower() in ("was", "were")
    text = rest[match.end() :].strip(" ,")
    noun = match["noun"]
    verb = (match["verb"] or "'s").lower()
    return Clause(subject, text, noun=noun.lower(), when=when, is_past=is_past, verb=verb)


def numbered(rest: str, when: str) -> Clause | None:
    """ "the rent is 655 each", "wifi password is otter7": of the speaker's own home."""
    match = MINE.match(rest)
    if match is None:
        return None
    noun = match["noun"].lower()
    is_named = noun.split()[-1] in word_lists().relatives | word_lists().pets
    has_name = is_named and _SUBJECT_NAME.match(rest, match.end())
    if not (has_name or _DIGIT.match(rest, match.end()) or _SECRET.search(noun)):
        return None
    return possession(SPEAKER, match, rest, when)


_SUBJECT_NAME = re.compile(rf"{NAME}(?=$|[,.!?;])")
_DIGIT = re.compile(r"\s*(?:now |still |only )?[£$€]? ?\d", re.IGNORECASE)
_SECRET = re.compile(
    r"(?:password|code|pin|username|wedding|exam|interview|appointment|surgery"
    r"|viva|deadline|thesis|essay|concert|recital|hearing|due date|driving test|test)$",
    re.IGNORECASE,
)
_NOUN = re.compile(r"\s*(?P<word>[\w'-]+)(?=\s)")
_NO_NOUN = re.compile(
    r"(?:and|or|but|of|in|on|at|for|with|to|from|who|which|that|i|we|you|he|she|it|they|not"
    r"|same|thing|things|way|rest|fact|idea|point|problem|other|best|worst|more|last|first|next"
    r"|only|one|ones|truth|question|news|whole|most|day|time|moment|world|other day|feeling"
    r"|thought|weather|heart|head|mind|life|soul|luck|sun|moon|future|past|game|story)",
    re.IGNORECASE,
)


def without_article(text: str, when: str) -> Clause | None:
    """ "boiler was serviced", "Wheelchair came": a chat leaves the article out."""
    word = re.match(r"[A-Za-z][a-z]{2,}(?= [a-z])", text)
    if word is None or not _BARE_NOUN.match(text) or is_finite(word[0]):
        return None
    if word[0].lower() in word_lists().adverbs | word_lists().no_objects:
        return None
    return numbered(text, when) or thing("", text, when)


_BARE_NOUN = re.compile(
    r"(?!(?!washing)\w+(?:ing|ly|ed)\b|(?:one|two|three|four|five|six|seven|eight|nine|ten"
    r"|most|many|some|any|every"
    r"|each|none|both|half|more|less|first|second|third|last|next|please|thanks|sorry|hello"
    r"|what|where"
    r"|when|which|whose|whoever|whatever|something|everything|nothing|anything|somebody"
    r"|someone|nobody"
    r"|everybody|everyone|anyone|people|folks|guys|looks?|sounds?|feels?|seems?|life|time|money|fun"
    r"|work|life|love|luck|hope|mine|yours|ours|theirs|such|same|other|another|then|than|that|this"
    r"|these|those|never|always|just|even|only|still|also|maybe|monday|tuesday|wednesday|thursday"
    r"|friday|saturday|sunday|uve|ive|youve|theyve|weve|hes|shes|its|thats|theres|youre|theyre"
    r"|dont|cant|wont|didnt|doesnt|naebody|things?|stuff|heard|said|told|turned|days?|years?"
    r"|weeks?)\b)[A-Za-z]+",
    re.IGNORECASE,
)


def thing(owner: str, rest: str, when: str) -> Clause | None:
    """A clause about something: "my car broke down", "the new boiler is leaking"."""
    nouns: list[str] = []
    at = 0
    while len(nouns) < 4 and (match := _NOUN.match(rest, at)):
        if nouns and has_verb(rest[at:].strip()):
            break
        if _NO_NOUN.fullmatch(match["word"]) or match["word"].endswith("'s"):
            return None
        nouns.append(match["word"])
        at = match.end()
    text = rest[at:].strip(" ,")
    if not nouns or len(nouns) > 3 or not has_verb(text):
        return None
    noun = " ".join(nouns)
    return Clause(owned(owner, noun), text, when=when, is_thing=True)


def about_thing(clause: Clause) -> Clause | None:
    """A clause about what its subject has, read as one about the thing: "my bike is broken"."""
    verb = clause.verb
    if verb == "'s":  # "my phone's died"
        verb = "has" if HAS.match(f"'s {clause.text}") else "is"
    text = f"{verb} {clause.text}"
    if _NO_NOUN.fullmatch(clause.noun.split()[-1]):
        return None
    return replace(
        clause, subject=owned(clause.subject, clause.noun), text=text, noun="", is_thing=True
    )
