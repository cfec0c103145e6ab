"""Messages that ask not to be remembered: "Don't save this, but ...", "... (off the record)".

Set phrases (off_record.toml) at the beginning or end of a message, and nowhere else: one in the
middle may be of anything. The message is then private text as a whole.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

_LONGEST_PHRASE = 120  # characters
_OUTER = " \t\r\n*_()[]"


def is_off_record(text: str) -> bool:
    """Whether a message begins or ends by asking not to be remembered, and says something else."""
    begins, ends = _patterns()
    text = text.strip(_OUTER)
    beginning, end = text[:_LONGEST_PHRASE].replace("\n", " \n"), text[-_LONGEST_PHRASE:]
    match = begins.match(beginning)
    if match and beginning[match.end() :].strip():
        return True
    found = ends.search(end)
    return bool(found and text[: len(text) - len(end) + found.start()].strip())


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The phrases with a mark behind them, and the phrases with a mark before them."""
    languages = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).values()
    asks = "|".join(ask for language in languages for ask in language["ask"])
    joins = "|".join({join for language in languages for join in language["joins"]})
    return (
        re.compile(rf"(?:{asks})\)?[ \t]*(?:[:.,;!)\n\u2013\u2014-]|(?:{joins})\b)", re.IGNORECASE),
        re.compile(
            rf"(?:[.,;!?:(\n\u2013\u2014-])[ \t]*(?:(?:{joins}),? )?(?:{asks})[.!) \t]*$",
            re.IGNORECASE,
        ),
    )
