"""What kind of answer a question asks for: several things, or what is true now."""

import re

# Learnt from the 1,390 answerable questions of data/train: of those with such a word 43 to 82 in
# 100 have evidence in several turns, of those that begin with "when" or "where" 8 to 10. On its
# four held-out conversations the rule finds 75 of 100 such questions, and is right of 46.
_SEVERAL = re.compile(
    r"\b(?:and|or|has|have|two|three|four|are|were|both|all|how many|how often|which|kinds?"
    r"|sorts?|list|every|ever)\b|^(?:does|do|is|was|did|would)\b",
    re.IGNORECASE,
)
_SINGLE = re.compile(r"^\W*(?:when|where|since|how much|from)\b", re.IGNORECASE)


def asks_for_several(question: str) -> bool:
    """Whether an answer is likely to rest on several turns; judged by English words alone."""
    return bool(_SEVERAL.search(question)) and not _SINGLE.search(question)


_PAST = re.compile(
    r"\b(?:did|was|were|had|been|before|first|ever|used to|then|ago|former|formerly|previous|old"
    r"|changed?|(?:19|20)\d\d|last|until|how (?:long|often)|how many times)\b",
    re.IGNORECASE,
)


def asks_for_present(question: str) -> bool:
    """Whether a question asks for what is true now; judged by English words alone."""
    return not _PAST.search(question)
