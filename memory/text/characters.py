"""Characters that every database and model accepts, and characters that a reader can see.

Names, dates, tags, facts and file names by strangers are shown next to people's words, a line each.
`label` makes such a text one visible line. `visible_text` removes only invisible characters from a
longer text: a stored turn stays word for word.
"""

import hashlib
import json
import re
from functools import lru_cache
from unicodedata import bidirectional, category, normalize
from unicodedata import name as character_name

LONGEST_LABEL = 200  # characters of a name, a session, a tag
LONGEST_SOURCE = 500  # of an outside id, which may be an address; Postgres indexes 2,700 bytes
LONGEST_VALUE = 20_000  # of a column of a fact, as its table has it
_DIGEST = 8  # hexadecimal digits that tell two long labels apart

# Runs of characters that are invisible, or that change the direction of text: controls, soft
# hyphens, fillers, joiners and spaces of no width, marks and overrides of direction, selectors of a
# form, interlinear notes, and the tags of U+E0000, which can hide whole sentences from readers but
# not from models. Line ends and tabs are seen.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
# These separate lines, too, and all white space separates words.
_LINE_ENDS = re.compile("\r\n|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# If a language needs an invisible character, it occurs alone, after a letter without capitals
# (Persian, Hindi, Thai, Mongolian, Hangul) or after a sign (emoji).
_JOINERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u200c\u200d"
)
_EMOJI_JOINER = "\u200d"
_MARKS_OF_DIRECTION = frozenset("\u061c\u200e\u200f")
_FORMS_OF_SIGNS = frozenset("\ufe0e\ufe0f")
_FORMS_OF_IDEOGRAPHS = frozenset(map(chr, (*range(0xFE00, 0xFE03), *range(0xE0100, 0xE0120))))
_TAG, _TAG_END = 0xE0000, "\U000e007f"
_FLAG = "\N{WAVING BLACK FLAG}"
# The flags that are written with tags: England's, Scotland's and Wales's.
_FLAGS = frozenset(
    _FLAG + "".join(chr(_TAG + ord(letter)) for letter in region) + _TAG_END
    for region in ("gbeng", "gbsct", "gbwls")
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SIGNS = frozenset({"So", "Sk", "Sm", "Po", "Pd"})
_KEYS = "0123456789#*"  # a keycap has one of these
_AROUND = 6  # characters before a run that are looked at: a letter and the marks on it
_NEAR = 3  # characters on each side of a mark of direction
_LONGEST_RUN = 8  # no language has more unseen characters in a row


# What chat templates write between messages: a server reads it as such within a message, too.
_CHAT_MARKER = re.compile(
    r"<(?=[|\uff5c][^<>|\uff5c\n]{1,60}[|\uff5c]>"
    r"|/?(?:s|bos|eos|unk|pad|(?:start|end)_of_turn|think|tools?|tool_(?:call|response))>|</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"
)


def without_chat_markers(text: str) -> str:
    """A text without a whole marker of a chat template: there is a space after its bracket."""
    return _CHAT_MARKER.sub(lambda bracket: f"{bracket[0]} ", text)


def sound_text(text: str) -> str:
    """The text without NUL and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    # Postgres stores no NUL, and SQLite's own functions end a text at one. Half of a surrogate pair
    # cannot be encoded as UTF-8; a whole pair in two halves becomes its character.
    text = text.replace("\0", _REPLACEMENT)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unsound(text: str) -> str:
    """A line that says what `sound_text` replaces in a text; "" if nothing."""
    count = sound_text(text).count(_REPLACEMENT) - text.count(_REPLACEMENT)
    return f"characters that no database keeps became U+FFFD: {count}" if count else ""


def is_visible(text: str) -> bool:
    """Whether a text has more than spaces and invisible characters of zero width.

    Assistants do answer "\\u200b".
    """
    return any(not character.isspace() and category(character) != "Cf" for character in text)


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    """A text of strangers as a name for something: one line that a reader can see.

    White space is joined, and `visible_text` removes the invisible part. A text longer than
    `longest` characters is cut to its beginning, with a digest that tells it from others.
    """
    line = one_line(text)
    if len(line) <= longest:
        return line
    digest = hashlib.sha256(line.encode("utf-8", "replace")).hexdigest()[:_DIGEST]
    return f"{line[: longest - _DIGEST - 2].rstrip()}\N{HORIZONTAL ELLIPSIS} {digest}"


def one_line(text: str) -> str:
    """A text without invisible characters, and with a space for each run of white space."""
    if _UNSEEN.search(text):
        text = visible_text(text)
    return " ".join(text.split())


# Letters of other alphabets, and digits, by the letter that they look like in most fonts.
_LOOK_ALIKE = {
    "a": "\u0430\u03b1\u0251",
    "b": "\u042c\u0184\u0432\u03b2",
    "c": "\u0441\u03f2",
    "d": "\u0501",
    "e": "\u0435\u0454\u03b5\u212e",
    "g": "\u0261\u0581",
    "h": "\u04bb\u043d\u03b7",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "i\u0456\u03b9\u0131\u04cf\u01c01|",
    "m": "\u043c\u03bc",
    "n": "\u03bd\u0578",
    "o": "\u043e\u03bf\u0585\u04e90",
    "p": "\u0440\u03c1",
    "q": "\u051b\u0563",
    "s": "\u0455\u057d",
    "t": "\u0442\u03c4",
    "u": "\u057d\u03c5\u028b",
    "v": "\u0475\u03bd",
    "w": "\u051d\u0461\u03c9",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3\u04af",
    "z": "\u03b6",
}
_OTHER_LETTERS = "(in other letters)"
_PLAIN = {ord(character): letter for letter, alike in _LOOK_ALIKE.items() for character in alike}


def look(name: str) -> str:
    """What a name looks like, whatever alphabet, font, case and accents its letters are of."""
    folded = normalize("NFKD", one_line(name)).casefold()
    return "".join(c for c in folded if category(c) != "Mn").translate(_PLAIN)


@lru_cache(maxsize=1_000)
def told_apart(name: str) -> str:
    """A name that looks like another in plain letters, with a mark that says so; others unchanged.

    One word with letters of two alphabets does, or letters of a font: no one's name is spelled so
    but to look like someone else's.
    """
    if name.isascii() or not look(name).isascii():
        return name
    for word in name.split():
        foreign = [c for c in word if c.isalpha() and c > "\xff"]
        alphabets = {character_name(c, "").partition(" ")[0] for c in foreign}
        if len(foreign) < sum(map(str.isalpha, word)):
            alphabets.add("LATIN")
        if len(alphabets) > 1 or any(normalize("NFKC", c).isascii() for c in foreign):
            return f"{name} {_OTHER_LETTERS}"
    return name


def has_hidden(name: str) -> bool:
    """Whether a name has characters that no reader sees, other than those its language needs."""
    return bool(_UNSEEN.search(name)) and visible_text(name) != _LINE_ENDS.sub("\n", name)


def unnumbered(line: str) -> str:
    """A line that begins with a text of strangers, so that it never begins as a turn's line."""
    return f"- {line}" if line.startswith(("[", "(")) else line


def visible_text(text: str) -> str:
    """A text without invisible characters; its lines stay lines.

    They stay if they belong to a language (joiners of Persian, Hindi and emoji, marks of direction
    near Hebrew or Arabic letters) and in flags.
    """
    if not _UNSEEN.search(text):
        return text
    text = _LINE_ENDS.sub("\n", text)

    def needed(run: re.Match[str]) -> str:
        before, after = (
            text[max(run.start() - _AROUND, 0) : run.start()],
            text[run.end() : run.end() + _NEAR],
        )
        return _needed(before, run[0][:_LONGEST_RUN], after)

    return _UNSEEN.sub(needed, text)


def escaped(text: str) -> str:
    """JSON with invisible characters written as `\\u200b`: the same value, made visible."""
    return _UNSEEN.sub(lambda run: json.dumps(run[0])[1:-1], text)


@lru_cache(maxsize=4_096)
def _needed(before: str, run: str, after: str) -> str:
    """What of a run of unseen characters its language needs, between what is before and after.

    One character, or the tags of a flag, or a sign's form with the joiner to the next sign.
    """
    for flag in _FLAGS:
        if before.endswith(flag[0]) and run.startswith(flag[1:]):
            return flag[1:]
    first = run[0]
    if first in _MARKS_OF_DIRECTION:
        near = before[-_NEAR:] + after
        return first if any(bidirectional(letter) in ("R", "AL") for letter in near) else ""
    base = next((c for c in reversed(before) if not category(c).startswith("M")), "")
    kind = category(base) if base else ""
    is_before_sign = not after[:1].isascii() and category(after[0]) in _SIGNS
    if kind == "Lo":
        return first if first in _JOINERS or first in _FORMS_OF_IDEOGRAPHS else ""
    if (kind in _SIGNS and not base.isascii()) or (base and base in _KEYS):
        form = first if first in _FORMS_OF_SIGNS else ""
        return form + _EMOJI_JOINER * (is_before_sign and run == form + _EMOJI_JOINER)
    return ""


class WholeCharacters:
    """The pieces of a stream, cut between characters: some servers cut one in two."""

    def __init__(self) -> None:
        self._half = ""

    def after(self, piece: str) -> str:
        """What can be shown once this piece has come."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return sound_text(text.removesuffix(self._half))
