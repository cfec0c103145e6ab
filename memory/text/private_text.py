"""Text that a memory does not store: between <private> and </private>, and what is off the record.

A message is, as a whole, where it begins or ends with a set phrase that asks so: "Don't save this,
but ...", "... (off the record)". One in the middle may be of anything.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

PRIVATE = "[private]"

# A tag in backticks is written about, not used.
_OPENED = re.compile(r"(?<!`)<private>|<private>(?!`)", re.IGNORECASE)
_CLOSED = re.compile(r"</private>", re.IGNORECASE)


def without_private(text: str) -> str:
    """A text without what stands between <private> and </private>, with as many lines."""
    pieces: list[str] = []
    position = 0
    for start, end in _private_spans(text):
        pieces += [text[position:start], PRIVATE, "\n" * text.count("\n", start, end)]
        position = end
    return "".join(pieces) + text[position:] if pieces else text


def withhold_private(text: str, is_private: bool) -> tuple[str, int, bool]:
    """The text that is not private, the number of private pieces, and whether it ends in one."""
    spans = _private_spans(text, is_private)
    if not spans:
        return text, 0, False
    position = 0
    pieces: list[str] = []
    for start, end in spans:
        pieces += [text[position:start], PRIVATE]
        position = end
    ends_private = position == len(text) and not text.lower().endswith("</private>")
    return "".join(pieces) + text[position:], len(spans), ends_private


def _private_spans(text: str, is_private: bool = False) -> list[tuple[int, int]]:
    """Where private text begins and ends, with its tags.

    An opened tag without an end withholds the rest: a slip must not store what was meant to stay
    out.
    """
    spans: list[tuple[int, int]] = []
    if not is_private and (">" not in text or "private>" not in text.lower()):
        return spans
    position = 0
    while True:
        start = position
        if not is_private:
            opened = _OPENED.search(text, position)
            if opened is None:
                return spans
            start, position = opened.span()
        closed = _CLOSED.search(text, position)
        position = closed.end() if closed else len(text)
        spans.append((start, position))
        if closed is None:
            return spans
        is_private = False


# --- off the record -----------------------------------------------------------------------------

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
