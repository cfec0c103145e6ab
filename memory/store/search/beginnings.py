"""The first letters of a word, which its stem has too."""

_SHORT, _MIDDLE = 4, 6  # letters


def first_letters(word: str) -> str:
    """The first letters of a word, as many as the stem of any word that begins like it has.

    The indexes of words keep stems: of "ties" they keep "ti", of "running" "run". No ending has a
    digit.
    """
    if word[-1:].isdigit():
        return word
    if len(word) <= _SHORT:
        return word[:2]
    return word[:3] if len(word) <= _MIDDLE else word[:4]
