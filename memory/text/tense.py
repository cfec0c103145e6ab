"""The tense of a statement about a time: "the service was on the 16th"."""

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
# Words in -ed that are not past tense, and what one can be beforehand.
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
# "We start on the 13th": plans are in the present tense.
_PLANNED = re.compile(
    r"\b(?:start|begin|finish|end|open|close|leave|arrive|come|go|fly|move|return|marry|meet)(?:e?s)?\b",
    re.IGNORECASE,
)


def is_past_before(before: str) -> bool | None:
    """Whether the clause that a text ends in tells of the past; None if no verb says so."""
    clause = _CLAUSE_END.split(_SENTENCE_END.split(before)[-1])[-1]
    verbs = [*_VERB.finditer(clause)]
    if verbs:
        return bool(verbs[-1]["past"])
    return False if _PLANNED.search(clause) else None
