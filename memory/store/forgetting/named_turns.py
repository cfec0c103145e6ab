"""Which turns hold a text that is to be forgotten: as whole words, in any way of writing it."""

import re
from collections.abc import Iterable
from unicodedata import normalize

from memory.records import Turn
from memory.store.protocol import Turns
from memory.store.turns.turn_reads import turns_with_letters
from memory.text.words import UNSPACED

_DASHES = "\u2010-\u2015\u2212-"  # of a class of characters: the last is the hyphen
_GAPS = rf"[\s{_DASHES}]{{0,2}}+"  # within a number: "+47 912 34" is "+4791234"
# A longer number is one of a telephone, whose first digits may be in brackets: "(030) 555 0111".
_PHONE_DIGITS, _PHONE_GAPS = 7, rf"[\s(){_DASHES}]{{0,3}}+"
_ONE_FORM = {"-": re.compile(f"[{_DASHES}]"), "'": re.compile("[\u2018\u2019\u02bc]")}
# What joins one identifier: "a@b.no" is no part of "a@b.no.example".
_LEFT, _RIGHT = r"(?<!\w)(?<!\w[.@/_:-])", r"(?!\w)(?![.@/_:-]\w)"


def turns_with_words(turns: Iterable[Turn], words: str) -> list[Turn]:
    """The turns that have these words, whole: no part of a longer name or number.

    Case, kinds of white space, dashes and apostrophes, and how a letter with an accent is stored
    make no difference, nor do spaces and dashes within words that have a digit, and brackets in a
    long number.
    """
    whole = _whole(words)
    return [turn for turn in turns if whole.search(_canonical(turn.text))]


def near_turns(turns: Iterable[Turn], words: str) -> list[Turn]:
    """The turns that hold the words only within longer ones, or with other letters' accents."""
    part = _without_accents(_canonical(words))
    if not part:
        return []
    holding = [turn for turn in turns if part in _without_accents(_canonical(turn.text))]
    whole = {turn.id for turn in turns_with_words(holding, words)}
    return [turn for turn in holding if turn.id not in whole]


def may_have_words(store: Turns, words: str) -> list[Turn]:
    """The turns that `turns_with_words` and `near_turns` look at: all others have neither.

    An ASCII text holds each part of the words without white space as it is, but for capitals.
    Where the words have a digit, there may be spaces within them, and all turns are looked at.
    """
    canonical = _canonical(words)
    longest = max(_without_accents(canonical).split(" "), key=len)
    if not longest.isascii() or any(map(str.isdigit, canonical)):
        return store.turns()
    return turns_with_letters(store, longest)


def _canonical(text: str) -> str:
    text = normalize("NFKC", text)
    for form, forms in _ONE_FORM.items():
        text = forms.sub(form, text)
    return " ".join(text.casefold().split())


def _without_accents(text: str) -> str:
    return "".join(
        letter for letter in normalize("NFD", text) if not "\u0300" <= letter <= "\u036f"
    )


def _whole(words: str) -> re.Pattern[str]:
    canonical = _canonical(words)
    digits = sum(letter.isdigit() for letter in canonical)
    if digits:
        is_phone = digits >= _PHONE_DIGITS and not any(map(str.isalpha, canonical))
        pieces = re.sub(rf"[\s{'()' if is_phone else ''}{_DASHES}]+", "", canonical)
        gaps = _PHONE_GAPS if is_phone else _GAPS
        pattern = gaps.join(map(re.escape, pieces)) if pieces else re.escape(canonical)
    else:
        pattern = re.escape(canonical)
    begins = _LEFT if _is_joined(canonical[:1]) else ""
    ends = _RIGHT if _is_joined(canonical[-1:]) else ""
    return re.compile(f"{begins}{pattern}{ends}")


def _is_joined(letter: str) -> bool:
    """Whether a letter may be within a word; Chinese and Japanese have no spaces between words."""
    return re.match(r"\w", letter) is not None and not UNSPACED.match(letter)
