"""The kind of answer that a question asks for: several things, or what is true now."""

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


def asks_for_several(question: str) -> bool:
    """Whether an answer probably needs several turns, judged by English words alone."""
    return bool(_SEVERAL.search(question)) and not _SINGLE.search(question)


_PAST = re.compile(
    r"\b(?:did|was|were|had|been|before|first|ever|used to|then|ago|former|formerly|previous|old"
    r"|changed?|(?:19|20)\d\d|last|until|how (?:long|often)|how many times)\b",
    re.IGNORECASE,
)


def asks_for_present(question: str) -> bool:
    """Whether a question asks for what is true now, judged by English words alone."""
    return not _PAST.search(question)
