"""The words of a text or a question, in the form of the full-text index, and forms of one word.

Two forms of an English word share a beginning ("stopping", "stop"), so no dictionary is needed. It
is generous: short words with the same beginning ("cat", "cater") count as one word too.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from memory.text.dates import COUNT
from memory.text.tokens import TextCache

_ASCII_WORD = re.compile("[a-z0-9]+")
STOP_WORDS = frozenset(
    _ASCII_WORD.findall(
        "a about after all also am an and any are as at be because been before being between both"
        " but by can could d did didn do does doesn doing don during each few for from further had"
        " has have having he her here hers him his how i if in into is isn it its itself just ll m"
        " me might more most must my no nor not of off on once only or other our out over own re s"
        " same shall she should so some such t than that the their them then there these they this"
        " those through to too under until up ve very was wasn we were what when where which while"
        " who whom whose why will with would you your yours"
    )
)
# Scripts without spaces between words, or whose words include their particles (Korean): there, two
# adjacent characters count as a word, and so does a single Chinese character.
_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = f"\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u3041-\u30ff\uac00-\ud7a3{_HAN}"
# Accents and the vowel points of Arabic and Hebrew. People write or omit them as they like, so the
# words leave them out.
_POINTS = "\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670"
# Python counts neither points nor Indian vowel signs as letters, but no word ends at one.
_SIGNS = f"{_POINTS}\u0900-\u0963\u0966-\u0dff"
_RUN = re.compile(rf"(?P<pairs>[{_UNSPACED}]+)|(?:[^\W_{_UNSPACED}]|[{_SIGNS}])+")
UNSPACED = re.compile(f"[{_UNSPACED}]")
_INVISIBLE = re.compile("[\u00ad\u200d\u2060\ufeff]")
_MANY_MARKS = re.compile(r"([^\w\s]{30})[^\w\s]+")
_IS_HAN = re.compile(rf"[{_HAN}]")
# Letters and digits with several spellings -> one of them.
_ONE_FORM = str.maketrans(
    {
        **dict(zip("٠١٢٣٤٥٦٧٨٩", "0123456789", strict=True)),
        **dict(zip("۰۱۲۳۴۵۶۷۸۹", "0123456789", strict=True)),
        **dict.fromkeys("أإآٱ", "\u0627"),
        "ة": "\u0647",
        "ى": "ي",
        "ک": "ك",
        "ی": "ي",
    }
)


def signs_of(text: str) -> list[str]:
    """The emoji and other signs of a text that has no word, without the tones of their skin."""
    if text.isascii() or words(text):
        return []
    is_sign = {sign: unicodedata.category(sign) == "So" for sign in text}
    return [sign for sign, is_one in is_sign.items() if is_one]


def words(text: str) -> list[str]:
    """The words of a text, in order: lower case, without accents and variant letters.

    Keeps English endings: the full-text index has a stemmer. A run of a script without spaces
    gives its pairs of characters, and its Chinese characters one by one.
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return indexed_words(text).split()


def indexed_words(text: str) -> str:
    """The words of a text with spaces between them, as SQLite's index takes them.

    ASCII text is not changed: the index finds the same words in it.
    """
    if text.isascii():
        return text
    # No run goes beyond white space, and no character composes with it.
    return " ".join(map(_words_between_spaces.__getitem__, text.split()))


def count_words(text: str, most: int) -> int:
    """How many words a text has, up to `most`, so that a long text is not read whole."""
    beginning = " ".join(text.split(None, most)[:most])
    count = len(words(beginning))
    return min(count if count >= most else len(words(text)), most)


def runs(text: str) -> list[str]:
    """The runs of letters and digits in the `composed` text."""
    return [run[0] for run in _RUN.finditer(composed(text))]


def word_runs(text: str) -> Iterator[tuple[str, list[str]]]:
    """The runs of letters and digits in the `composed` text, each with its words."""
    for run in _RUN.finditer(composed(text)):
        plain = normal(run[0])
        if run["pairs"]:
            pairs = [a + b for a, b in pairwise(plain)]
            yield run[0], [*_IS_HAN.findall(plain), *pairs] or plain.split()
        else:
            yield run[0], plain.split()


def _joined_words(text: str) -> str:
    if text.isascii():
        joined = " ".join(_ASCII_WORD.findall(text.lower()))
    else:
        joined = " ".join([word for _, run_words in word_runs(text) for word in run_words])
    return text if joined == text else joined  # most are kept once and not twice


_words_between_spaces = TextCache(_joined_words, most=100_000, longest=40)


def composed(text: str) -> str:
    """A text in Unicode's NFKC form, without invisible characters such as soft hyphens."""
    if text.isascii():
        return text
    # Normalizing sorts marks, in a time that grows with the square of their number.
    bounded = _MANY_MARKS.sub(r"\1", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFKC", bounded)


def normal(text: str) -> str:
    """A text in lower case, without accents, with one form for each letter."""
    if text.isascii():
        return text.lower()
    bare = re.sub(f"[{_POINTS}]+", "", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare).casefold().translate(_ONE_FORM)


_LONGEST_ENDING = 4  # letters of an English word: "stopping" and "stop" share "stop"
SHORTEST_STEM = 3  # letters


def telling_words(text: str, others: Collection[str] = ()) -> list[str]:
    """The words of a text, in order, without stop words and without `others`."""
    return [word for word in words(text) if word not in STOP_WORDS and word not in others]


def forms_of(text_words: Iterable[str]) -> set[str]:
    """What the forms of words share: the words and their beginnings; numbers as digits."""
    return set().union(*map(known_forms.__getitem__, text_words))


def _forms(word: str) -> tuple[str, ...]:
    if word in COUNT:
        return word, str(COUNT[word])
    # Numbers, and words of scripts without spaces, have no endings.
    if not word.isalpha() or UNSPACED.match(word):
        return (word,)
    shortest = max(len(word) - _LONGEST_ENDING, SHORTEST_STEM)
    return word, *(word[:end] for end in range(shortest, len(word)))


# By word.
known_forms = TextCache(_forms, most=20_000, longest=40)


def is_among(word: str, forms: Collection[str]) -> bool:
    """Whether a word, in any form, is one of the words behind `forms`."""
    return not forms_of([word]).isdisjoint(forms)
