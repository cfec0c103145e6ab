"""The kind of answer that a question asks for: several things, a story, or what is true now."""

import re

# Learnt from the 1,390 answerable questions of data/train: with one of these words, 43 to 82 % of
# them have evidence in several turns; beginning with "when" or "where", 8 to 10 %. On the four
# held-out conversations the rule has a recall of 75 % and a precision of 46 %.
_SEVERAL = re.compile(
    r"\b(?:and|or|has|have|two|three|four|are|were|both|all|how many|how often|which|kinds?"
    r"|sorts?|list|every|ever)\b|^(?:does|do|is|was|did|would)\b",
    re.IGNORECASE,
)
_SINGLE = re.compile(r"^\W*(?:when|where|since|how much|from)\b", re.IGNORECASE)
# Counts, sums and lists over everything that was said.
_WHOLE = re.compile(
    r"\b(?:how (?:many|often)|number of|in (?:all|total)|total|altogether|list|all|every|each"
    r"|everything|different|various|distinct|across|throughout|so far)\b",
    re.IGNORECASE,
)


def asks_for_several(question: str) -> bool:
    """Whether an answer probably needs several turns, judged by English words alone."""
    if _WHOLE.search(question):
        return True
    return bool(_SEVERAL.search(question)) and not _SINGLE.search(question)


# A summary, or the order of things: the whole of a matter, from its beginning.
_STORY = re.compile(
    r"\b(?:in (?:what|which) order|the order (?:in|of)|order in which|in order\b(?! to\b)|sequence"
    r"|chronolog\w*|timeline|one after (?:the other|another)|walk me through"
    r"|summar(?:y|ies|i[sz]\w*)|sum up|overview|recap\w*|the (?:whole |full |entire )?story"
    r"|catch me up|up to (?:date|speed) (?:on|with)|where \w+ (?:\w+ ){0,3}stands?\b|history of)\b"
    r"|\bhow (?:did|has|have|was|were|is|are)\b(?! you\b).*\b(?:progress|evolv|develop|unfold)\w*",
    re.IGNORECASE,
)


def asks_for_story(question: str) -> bool:
    """Whether a question asks for a summary or an order, judged by English words alone."""
    return bool(_STORY.search(question))


_PAST = re.compile(
    r"\b(?:did|was|were|had|been|before|first|ever|used to|then|ago|former|formerly|previous|old"
    r"|changed?|(?:19|20)\d\d|last|until|how (?:long|often)|how many times)\b",
    re.IGNORECASE,
)


def asks_for_present(question: str) -> bool:
    """Whether a question asks for what is true now, judged by English words alone."""
    return not _PAST.search(question)
