"""Forms of values in templates: a name, a number, one word of a list, as `forms.toml` has them."""

import gzip
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from memory.errors import InputError

# What code recognises; all other forms are made of these and of words, in the file.
PLAIN_FORMS = {
    "name": "capitalised words, with particles between them",
    "place": "a name, or two with a comma between them",
    "number": "digits, or a number word",
    "date": "a day, a month or a year",
    "phrase": "up to five words, without pronouns",
    "title": "a quotation, a name or a phrase",
    "text": "any words",
    "code": "letters and digits without a space",
    "email": "an e-mail address",
    "phone": "a telephone number",
    "verb": "the bare form of an English verb",
}


# Names that data/names.py reads from GeoNames (CC BY 4.0) and CLDR (Unicode-3.0).
_TOWNS = "places.txt.gz"
_NAMES = {"region": "regions.txt.gz", "language": "languages.txt.gz"}


@cache
def word_lists() -> Mapping[str, frozenset[str]]:
    """The forms that are one of some words or names, in small letters."""
    named = {form: frozenset(_names(file).split("\n")) for form, file in _NAMES.items()}
    return {form: words | named.get(form, set()) for form, words in _lists("words").items()}


@cache
def head_lists() -> Mapping[str, frozenset[str]]:
    """The forms that are phrases about one of some things, in small letters."""
    return _lists("heads")


@cache
def compound_forms() -> Mapping[str, tuple[str, ...]]:
    """The forms that are templates of other forms: {number}, {name} and these."""
    return {name: tuple(templates) for name, templates in _file()["compounds"].items()}


def check_form(name: str) -> None:
    """Raises InputError for the name of no form."""
    known = (*PLAIN_FORMS, *word_lists(), *head_lists(), *compound_forms())
    if name not in known:
        raise InputError(f"there is no form {name!r:.60}; the forms are {', '.join(known)}")


def is_town(name: str) -> bool:
    """Whether a name is one of a town with 15,000 people or more, in some language."""
    return f"\n{name.casefold()}\n" in _towns()


@cache
def _towns() -> str:
    return f"\n{_names(_TOWNS)}\n"


def _names(file: str) -> str:
    """The names of a file, in small letters, one on each line."""
    return gzip.decompress(Path(__file__).with_name(file).read_bytes()).decode()


def _lists(heading: str) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(word.casefold() for line in lines for word in line.split(", "))
        for name, lines in _file()[heading].items()
    }


@cache
def _file() -> Mapping[str, Mapping[str, list[str]]]:
    return tomllib.loads(Path(__file__).with_name("forms.toml").read_text("utf-8"))
