"""Words of time that stand before a clause, or before what its verb is about."""

import re

from memory.dates import MONTHS, WEEKDAYS

_WEEKDAY = "|".join(WEEKDAYS)
_MONTH = "|".join(MONTHS)
TIME_LEAD = re.compile(
    r"\s*(?:(?:the day before )?yesterday|today|tonight|last night|(?:earlier )?this (?:morning"
    rf"|afternoon|evening|week|weekend|month|year|{_WEEKDAY})|(?:last|next|past) \w+"
    rf"|on (?:the )?(?:{_WEEKDAY}|\d+\w*)(?: (?:morning|evening|afternoon|night))?"
    rf"(?: (?:of )?(?:{_MONTH}))?|in (?:\w+ )?(?:19|20)\d\d|in (?:{_MONTH})"
    r"|(?:\d+|a|an|one|two|three|four|five|six|a few|a couple of) \w+ ago|these days"
    r"|at the (?:moment|weekend)|right now|now|since \w+(?: \d+)?|from \w+ on|as of \w+"
    rf"|after [^,]{{3,30}},|before [^,]{{3,30}},|(?:{_WEEKDAY}) (?:morning|evening|night)"
    r"|for (?:\w+ )?\w+ (?:years|months|weeks|days)|as a (?:kid|child)|years ago)\b[\s,:-]*",
    re.IGNORECASE,
)
