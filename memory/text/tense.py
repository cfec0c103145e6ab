"""The tense of what is told of a time: "finished it in 12 days", "the service is on the 16th"."""

import re

_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n")
_CLAUSE_END = re.compile(
    r"[,;:()\u2013\u2014]|\b(?:and|but|so|or|because|which|that|who|when|while|if|until|after"
    r"|before)\b",
    re.IGNORECASE,
)
_IRREGULAR_PASTS = (
    "ate beat became began been bit blew bought broke brought built burnt came caught chose did"
    " didn done drank drew drove drunk eaten fell felt flew forgot fought found gave given gone got"
    " gotten grew grown had hadn heard held kept knew known laid learnt led left lent lost made"
    " meant met paid ran rode rose said sang sat saw seen sent slept sold spent spoke spoken stood"
    " swam taken taught thought threw told took understood was wasn went were weren woke won wore"
    " written wrote"
)
# Words in -ed that are no past tense, and what one can be beforehand.
_OTHER_WORDS = (
    "bleed breed excited exceed exhausted feed hundred indeed naked need planned proceed sacred"
    " scheduled seed speed succeed weed wicked"
)
_VERB = re.compile(
    # "The parcel is delivered in 3 days", "I'm so excited"
    r"(?:\b(?:am|is|are|be|being|get|gets|getting)|['\u2019](?:m|re))(?: \w+)??"
    r" (?:\w+(?:ed|en)|done|made|built|sent|paid|held|sold)\b"
    rf"|\b(?:{_OTHER_WORDS.replace(' ', '|')})\b"
    rf"|\b(?P<past>{_IRREGULAR_PASTS.replace(' ', '|')}|[a-z]{{2,}}ed)\b"
    r"|\b(?:will|won|shall|gonna|am|is|are|isn|aren|can|may|might|must|should|do|does|don|doesn)\b"
    r"|['\u2019](?:ll|m|re)\b",
    re.IGNORECASE,
)
# "We start on the 13th": what is planned is told in the present.
_PLANNED = re.compile(
    r"\b(?:start|begin|finish|end|open|close|leave|arrive|come|go|fly|move|return|marry|meet)(?:e?s)?\b",
    re.IGNORECASE,
)
# "The first holiday in two years", "three times in two weeks"
_COUNTED = re.compile(
    r"\b(?:first|only|best|worst|most|least|times?|once|twice|every|never|nothing|nobody"
    r"|(?:bigg|small|long|short|fast|slow|high|low|hott|cold|great|larg|hard|easi|happi|warm"
    r"|strong)est)(?: \w+){0,2} $",
    re.IGNORECASE,
)


def tells_how_long(before: str, after: str) -> bool:
    """Whether "in 12 days" between these texts is how long something took, and no day to come.

    The last verb before it in its clause decides; where it opens one, the first verb after it. A
    clause without a verb ("Back in 3 days!") tells of what is to come.
    """
    before = _SENTENCE_END.split(before)[-1]
    if _COUNTED.search(before):
        return True
    *earlier, clause = _CLAUSE_END.split(before)
    if clause.strip():
        verbs = [*_VERB.finditer(clause)][-1:]
    else:
        # "In 12 days I finished it", "I ran 90 km, in 12 days"
        rest = _CLAUSE_END.split(_SENTENCE_END.split(after.lstrip(" ,"))[0])[0]
        verbs_before = [verb for clause in earlier for verb in _VERB.finditer(clause)]
        verbs = [*_VERB.finditer(rest)][:1] or verbs_before[-1:]
    return any(verb["past"] for verb in verbs)


def is_past_before(before: str) -> bool | None:
    """Whether the clause that a text ends in tells of the past; None where no verb says so."""
    clause = _CLAUSE_END.split(_SENTENCE_END.split(before)[-1])[-1]
    verbs = [*_VERB.finditer(clause)]
    if verbs:
        return bool(verbs[-1]["past"])
    return False if _PLANNED.search(clause) else None
