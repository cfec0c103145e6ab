"""Questions that SELECTs pay for: lists, counts, order, lengths of time, change, conclusions."""

import re

from memory.text.dates import MONTHS

_MONTH = "|".join(MONTHS)
_NUMBER = "two|three|four|five|six|seven|eight|nine|ten"
# By words alone; what each brings is measured by tests.benchmarks.aggregates. Ranked turns find
# single things.
_PAYS = re.compile(
    # counts and sums
    r"\bhow (?:many|often)\b|\bnumber of\b|\bin (?:all|total)\b|\baltogether\b|\baverage\b"
    # lists
    r"|\b(?:all|every|each|everything|everybody|everyone|list|kinds?|sorts?|else|various)\b"
    r"|^\W*(?:\w+ ){0,2}(?:what|which|whose) (?:\w+ ){0,2}?(?!\w*(?:ss|us|is|was|does|has)\b)\w+s\b"
    rf"|\b(?:what|which|who|the) (?:\w+ )?(?:{_NUMBER})\b"
    r"|\b(?:what|which|who)\b.* (?:so far|ever)\b"
    r"|^\W*(?:what|which|who|where) (?:\w+ )?(?:are|were|have)\b|^\W*(?:what|where) (?:has|had)\b"
    # order, most and least
    r"|\b(?:first|earliest|latest|most|least|more often|fewest|oldest|newest|order|sequence)\b"
    r"|\blast\b(?! (?:name|night|week|weekend|month|year|spring|summer|autumn|fall|winter"
    rf"|\w+day|{_MONTH})\b)"
    # length of time, change, spans
    r"|\bhow long\b|\bsince when\b|\bone after (?:the other|another)\b|\bafter each other\b"
    r"|\b(?:chang|grow|grew|develop|increas|decreas|differ|compar|progress)\w*"
    rf"|\b(?:between|from)\b.*(?:\d|\b(?:{_MONTH})\b).*\b(?:and|to|until)\b"
    # what is in force
    r"|\b(?:now|nowadays|still|current(?:ly)?|these days|at the moment|any ?more|no longer)\b"
    # conclusions: what they rest on is told in other words
    r"|\b(?:would|might|likely|probably)\b"
    # what people share
    r"|\b(?:both|in common|neither|together|shared?)\b"
    r"|\bdo(?:es)? [A-Z]\w+(?:, [A-Z]\w+)* and [A-Z]",
    re.IGNORECASE,
)
# A question without any of these is in another language, and may ask for anything.
_ENGLISH = re.compile(
    r"\b(?:what|who|whom|when|where|why|how|which|whose|do|does|did|has|have|are|is|were|the|would)\b",
    re.IGNORECASE,
)


def sql_pays(question: str) -> bool:
    """Whether SELECTs probably bring up what a search does not, judged by English words alone."""
    return bool(_PAYS.search(question)) or not _ENGLISH.search(question)
