"""The amount that a text begins with, as SQL's `number` gives it: "1,900 euros rent" is 1900.

The rules (memory.number in Postgres follows them step by step):

- Before the amount may be white space, a sign, a currency, and words such as "about" or "at least"
  (amounts.toml). If anything else comes first, there is no amount.
- A numeral may be grouped (1,900 or 1.900 or 1 900 or 1'900) and have decimals (12.5 or 12,5). A
  single mark before exactly three digits could be either: it groups, unless the number begins with
  0 or has more than three digits before the mark. So 1.900 is 1900, and 0.125 is an eighth.
- A numeral that goes on with a mark and another digit is not an amount: dates, times of day,
  fractions, versions (2023-05-07, 10:30, 3/4, 1.2.3). Of a range, "3 to 5" or 3-5, the first number
  counts.
- 1.5e3 is 1500, as programs write numbers. After other numerals k means thousand, M million and bn
  billion; after a currency also m and b. Words do the same: "1.5 million", "2 dozen".
- Number words are read in the languages of amounts.toml: "twenty-five", "two and a half".
"""

import re
import tomllib
from decimal import Context, Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_LENGTH_READ = 100  # characters: an amount is at the beginning
_LONGEST_NUMERAL = 30  # characters
_SPACES = "\t\n\r\x0b\x0c\u00a0\u2009\u202f"
_PLAIN = str.maketrans(_SPACES + "\u2212\u2013\u2019", " " * len(_SPACES) + "--'")
# Not `lower`: both databases must agree on every letter.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜÉÈÁÍÓÚ", "abcdefghijklmnopqrstuvwxyzäöüéèáíóú")
_SIGN = re.compile(r"(?:[~≈] ?)?([-+]?)(?:([A-Za-z]{0,3}[$€£¥₹₽₩₺₴₪฿₫₦₱]) ?)?([-+]?)")
# Patterns without a choice between two ways to match: Postgres would take the longer one.
_SPACED = re.compile(r"[1-9][0-9]{0,2}(?: [0-9]{3})+(?:[.,][0-9]+)?(?![0-9])")
_NUMERAL = re.compile(r"[0-9]+(?:[.,'][0-9]+)*|[.][0-9]+")
_GROUPED = re.compile(
    r"[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+(?:[.][0-9]+)?|(?:[.][0-9]{3})+(?:,[0-9]+)?"
    r"|(?:'[0-9]{3})+(?:[.,][0-9]+)?)|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:[.][0-9]+)?"
)
_DECIMAL = re.compile(r"[0-9]+(?:[.,][0-9]+)?|[.][0-9]+")
_GOES_ON = re.compile(r"[.,':/][0-9]|[eE][-+]?[0-9]| [0-9]+/[0-9]")
_EXPONENT = re.compile(r"[eE][-+]?[0-9]{1,2}(?![0-9A-Za-z])")
_MONTH = re.compile(r"-(?:0[1-9]|1[0-2])(?![0-9])")
_SUFFIX = re.compile(r"(?:k|K|M|bn)(?![0-9A-Za-z])")
_SUFFIX_OF_MONEY = re.compile(r"(?:k|K|m|M|b|B|bn)(?![0-9A-Za-z])")
_FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}
_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9}
_ENDS = ".,;:!?)"
# Exact for all real numbers of fifteen digits, and without exceptions.
_EXACT = Context(prec=700, traps=[])
_NO_LIMIT = float("inf")


class NumberWords(NamedTuple):
    """The words of all languages; `opening` matches what may be before an amount, `minus` a sign.

    `numbers` may be added to what is before them ("twenty five"), `scales` multiply it.
    """

    numbers: dict[str, float]
    scales: dict[str, float]
    ands: frozenset[str]
    halves: frozenset[str]
    articles: frozenset[str]
    opening: re.Pattern[str]
    minus: re.Pattern[str]


@cache
def languages() -> dict[str, dict[str, Any]]:
    """What amounts.toml says, by the name of a language."""
    return tomllib.loads(Path(__file__).with_name("amounts.toml").read_text("utf-8"))


@cache
def number_words() -> NumberWords:
    """The words that `number` reads."""
    numbers: dict[str, float] = {}
    scales: dict[str, float] = {}
    for language in languages().values():
        ambiguous = language["ambiguous"].split()
        words = {word: n for n, word in enumerate(language["numbers"].split())}
        words |= {w: n for w, n in language["tens"].items() if w not in language["scales"]}
        words |= _joined(language) | language["compounds"]
        numbers |= {w.replace("-", " "): float(n) for w, n in words.items() if w not in ambiguous}
        scales |= {w: float(n) for w, n in language["scales"].items() if w not in ambiguous}

    def single(heading: str) -> frozenset[str]:
        return frozenset(word for la in languages().values() for word in la[heading].split())

    openings = [words for language in languages().values() for words in language["openings"]]
    return NumberWords(
        numbers,
        scales,
        single("ands"),
        single("halves"),
        single("articles"),
        re.compile(f"(?:(?:{'|'.join(map(re.escape, openings))}) +)+"),
        re.compile(f"(?:{'|'.join(sorted(single('minus')))}) +"),
    )


def _joined(language: dict[str, Any]) -> dict[str, int]:
    """Numbers of one word: einundzwanzig, zweihundert, dreitausend."""
    if "units" not in language:
        return {}
    units, joint = language["units"]
    twenty = {language["numbers"].split()[20]: 20}
    tens = {word: n for word, n in {**twenty, **language["tens"]}.items() if n < 100}
    joined: dict[str, int] = {}
    for unit, word in enumerate(units.split(), start=1):
        joined |= {f"{word}{joint}{ten}": unit + n for ten, n in tens.items()}
        joined |= {
            f"{word}{scale}": unit * int(n)
            for scale, n in language["scales"].items()
            if scale in language["compounds"]
        }
    return joined


def number(value: object) -> float | None:
    """The amount that a text begins with; None for other texts, and for non-text."""
    if not isinstance(value, str):
        return None
    text = value[:_LENGTH_READ].translate(_PLAIN).strip(" ")
    lower = text.translate(_LOWER)
    if opening := number_words().opening.match(lower):
        text, lower = text[opening.end() :], lower[opening.end() :]
    minus = number_words().minus.match(lower)
    if minus:
        text, lower = text[minus.end() :], lower[minus.end() :]
    sign = _SIGN.match(text)
    assert sign is not None  # all of it may be missing
    text, lower = text[sign.end() :], lower[sign.end() :]
    if text[:1] in _FRACTIONS:
        amount: float | None = _FRACTIONS[text[0]]
    elif numeral := _SPACED.match(text) or _NUMERAL.match(text):
        behind = numeral.end()
        amount = _numeral(numeral.group(), text[behind:], lower[behind:], bool(sign[2]))
    else:
        amount = None if sign[2] else _worded(re.split("[ -]+", lower))
    if not amount:
        return amount
    return -amount if minus or "-" in (sign[1], sign[3]) else amount


def _numeral(numeral: str, behind: str, lower: str, is_money: bool) -> float | None:
    """The amount of a numeral, with what is behind it, as written and in small letters."""
    plain = numeral.replace(" ", "'")
    exponent = _EXPONENT.match(behind)
    if len(numeral) > _LONGEST_NUMERAL or (_GOES_ON.match(behind) and not exponent):
        return None
    if len(numeral) == 4 and numeral.isdecimal() and _MONTH.match(behind):
        return None
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(plain.lstrip("0123456789")[0], "")
    elif not _DECIMAL.fullmatch(plain):
        return None
    if exponent:
        return float(plain.replace(",", ".") + exponent.group())
    amount = float(plain.replace(",", "."))
    fraction = behind.removeprefix(" ")[:1]
    if fraction in _FRACTIONS:
        return amount + _FRACTIONS[fraction]
    if suffix := (_SUFFIX_OF_MONEY if is_money else _SUFFIX).match(behind):
        return amount * _SUFFIXES[suffix.group()[0].lower()]
    words = re.split("[ -]+", lower)  # the first one is "", or a unit without a space before it
    if words[0] == "" and _adds_half(words, 1):
        return amount + 0.5
    scales = number_words().scales
    for word in words[1:] if words[0] == "" else ():
        if word.rstrip(_ENDS) not in scales:
            break
        amount *= scales[word.rstrip(_ENDS)]
    return amount


def _adds_half(words: list[str], at: int) -> bool:
    """Whether the words at a place add a half: "and a half"."""
    _, _, ands, halves, articles, *_ = number_words()
    rest = [word.rstrip(_ENDS) for word in words[at : at + 3]]
    if len(rest) > 2 and rest[1] in articles:
        del rest[1]
    return len(rest) > 1 and rest[0] in ands and rest[1] in halves


def _adds_number(word: str, group: float | None, room: float, limit: float) -> bool:
    """Whether a word behind "and" goes on with a number: "two hundred and five"."""
    number = number_words().numbers.get(word.rstrip(_ENDS))
    return number is not None and number < (limit if group is None else room)


def _room(number: float) -> float:
    """What follows a number word in the same number is smaller: five behind twenty, not behind two.

    French adds up to nineteen to sixty and eighty.
    """
    if number >= 100:
        return 1000.0 if number >= 1000 else 100.0
    if number in (60, 80):
        return 20.0
    return 10.0 if number >= 20 and number % 10 == 0 else 0.0


def _worded(words: list[str]) -> float | None:
    """The amount that words begin with."""
    numbers, scales, ands, halves, articles, *_ = number_words()
    words = [*words, "", ""]
    at = 1 if words[0] in articles else 0
    if words[at] in halves:
        behind = at + 2 if words[at + 1] in articles else at + 1
        scale = scales.get(words[behind].rstrip(_ENDS))
        return 0.5 * scale if scale else 0.5 if behind == at + 2 else None

    total = 0.0
    group = 1.0 if at else None  # what the next scale multiplies
    room = 0.0  # what is added to the group is smaller
    limit = _NO_LIMIT  # as the next scale, and the next group
    has_word = False
    while at < len(words) - 2:
        word = words[at].rstrip(_ENDS)
        pair = f"{words[at]} {words[at + 1].rstrip(_ENDS)}"
        is_pair = pair in numbers
        number = numbers.get(pair) if is_pair else numbers.get(word)
        scale = scales.get(word)
        if number is not None and number < (limit if group is None else room):
            group = number + (group or 0.0)
            room = _room(number)
        elif scale == 100 and group is not None and group < 100:
            group, room = group * 100, 100.0
        elif scale == 12 and group is not None:
            return total + group * 12
        elif scale is not None and scale >= 1000 and group is not None and scale < limit:
            total, group, room, limit = total + group * scale, None, 0.0, scale
        elif word in ands and has_word and _adds_half(words, at):
            return total + (group or 0.0) + 0.5
        elif not (word in ands and has_word and _adds_number(words[at + 1], group, room, limit)):
            break
        has_word = True
        last = words[at + 1] if is_pair else words[at]
        at += 2 if is_pair else 1
        if last[-1:] and last[-1] in _ENDS:
            break
    return total + (group or 0.0) if has_word else None


class ExactSum:
    """A sum of real numbers as decimal ones of fifteen digits: an aggregate of SQLite.

    Postgres adds them in the same way (memory/sql/rendering.py), so neither the order of the rows
    nor the version of a database shows in the last digit. None without a number.
    """

    def __init__(self) -> None:
        self._total = Decimal(0)
        self._count = 0

    def step(self, number: object) -> None:
        if (decimal := _decimal(number)) is not None:
            self._total = _EXACT.add(self._total, decimal)
            self._count += 1

    def inverse(self, number: object) -> None:
        if (decimal := _decimal(number)) is not None:
            self._total = _EXACT.subtract(self._total, decimal)
            self._count -= 1

    def value(self) -> float | None:
        return float(self._total) if self._count else None

    finalize = value


def _decimal(number: object) -> Decimal | None:
    if not isinstance(number, (int, float)):
        return None
    decimal = Decimal(f"{number:.15g}") if isinstance(number, float) else Decimal(number)
    return decimal if decimal.is_finite() else Decimal("1e999")
