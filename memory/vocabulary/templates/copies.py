"""What shows of a whole message that it is a copy: another's name below it, a question about it.

By structure, without forms of greetings: a name is a separate line, and a question about a text
is a separate paragraph that points at something and names no asker.
"""

import re

from memory.text.word_classes import is_known
from memory.text.words import words
from memory.vocabulary.templates.parts import parts_of, points_at_text

_NAME = re.compile(
    r"(?P<mark>[-\u2013\u2014~*]+[ \t]*|\[)?"
    r"(?P<name>[^\W\d_][\w.'\u2019-]*(?: [^\W\d_][\w.'\u2019-]*){0,3})\]?$"
)
_PARAGRAPHS = re.compile(r"\n\s*\n")
_TITLE_WORDS = 6  # in a line below a name: "Head of Sales, Reed Ltd."


def name_of_other(text: str, speaker: str) -> str:
    """The name of another person above or below a text, "" for none.

    Above it is alone in its line, with the text in the next one. Below it is in the last line, or
    above a last line with a title. A name that is a word, too, is one behind a dash, in brackets,
    or below a line that ends in a comma: "Best,".
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) == 1:
        return ""
    known = {*words(speaker)}
    above = _name(lines[0], "") if lines[1] else ""
    below = _name(lines[-1], lines[-2] or " ")
    if not below and len(lines) > 2 and len(lines[-1].split()) <= _TITLE_WORDS:
        below = _name(lines[-2], lines[-3]) if not lines[-3] or lines[-3].endswith(",") else ""
    return next((name for name in (above, below) if name and known.isdisjoint(words(name))), "")


def _name(line: str, before: str) -> str:
    """The name that a line is, if it is one; `before` is the line above it."""
    match = _NAME.match(line)
    if not match:
        return ""
    parts = match["name"].split()
    if not all(part[0].isupper() for part in parts):
        return ""
    if len(parts) == 1 and parts[0].endswith("."):
        return ""
    is_set_off = bool(match["mark"]) or before.endswith(",")
    is_word = all(is_known(word) for word in words(match["name"]))
    return "" if is_word and not is_set_off else match["name"]


def question_about_text(text: str) -> str:
    """The first or last paragraph, if it is a question about a text; "" for any other.

    Where a part of the message has the form of another's words, that is what the question is about.
    """
    paragraphs = [paragraph.strip() for paragraph in _PARAGRAPHS.split(text.strip())]
    own = ("own", "between")
    has_others = any(part.kind not in own and not part.is_inline for part in parts_of(text))
    if len(paragraphs) == 1 or has_others:
        return ""
    asked = (paragraphs[0], paragraphs[-1])
    return next((each for each in asked if each.endswith("?") and points_at_text(each)), "")
