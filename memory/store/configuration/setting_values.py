"""The types of the settings that sql-memory reads itself, and whether a value is one of them.

A memory's file and a dump may come from elsewhere and hold anything.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from memory.records import FormChoice
from memory.system.logs import clean_logger
from memory.text.secrets import Policy

_log = clean_logger("memory.store")
LONGEST_NAME = 60  # characters
_MOST = 2**63 - 1
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
# How many days turns stay (none or 0: for ever), and whether the sources of facts stay.
RETENTION_DAYS, RETENTION_KEEPS_FACTS = "retention_days", "retention_keeps_facts"
# How long turns stay, by session, tag and attribute of their facts (expiry.py).
EXPIRY = "expiry"
# What a wrong answer of the packaged model costs, in right ones.
WRONG_ANSWER_COST = "wrong_answer_cost"
# The form of a hosted model's prompts.
PROMPTS = "prompts"
# The zone of whoever speaks, where a time names none: "Europe/Berlin".
TIMEZONE = "timezone"
# The name of the machine that replies in a chat.
CHARACTER = "character"
# The path of an exported file.
EXPORT = "exported file"
# Settings that every memory has, each with the type of its values: the ones that a person sets and
# of the settings that a file may hold.
CHAT: Mapping[str, Any] = {
    "user": str,
    CHARACTER: str,
    "persona": str,
    "secrets": Policy,
    RETENTION_DAYS: int | None,  # by `memory serve worker`
    RETENTION_KEEPS_FACTS: bool,
    EXPIRY: dict[str, str],
    WRONG_ANSWER_COST: float,
    PROMPTS: FormChoice,
    TIMEZONE: str | None,
}
NAMES_OF_SPEAKERS = frozenset({"user", CHARACTER})
_LISTS_OF_RECEIPTS = ("turns", "facts", "changes", "marks")
_TEXTS_OF_RECEIPTS = ("at", "sha256", "salt")


def is_own_value(name: str, value: Any) -> bool:
    """Whether sql-memory may have written this value of a setting that it reads itself.

    A memory's file and a dump may come from elsewhere. If a value is not valid, the value before it
    counts, or the default if there is none, and a warning says so.
    """
    if name in CHAT:
        is_own = _is_of(CHAT[name], value) and (name not in NAMES_OF_SPEAKERS or _is_name(value))
    else:
        is_own = name not in _INTERNAL or _INTERNAL[name](value)
    if is_own:
        return True
    _warn_of(name)
    return False


@cache  # once for each name: every add and every question reads settings
def _warn_of(name: str) -> None:
    _log.warning(
        "a value of the setting %s is not as sql-memory writes it, and is left out; set it anew:"
        " memory admin settings",
        name,
    )


def _is_of(declared: Any, value: Any) -> bool:
    """Whether a value has a type of CHAT. Pydantic would tell, but takes longer to import."""
    if get_origin(declared) is Literal:
        return value in get_args(declared)
    if get_origin(declared) is dict:
        return isinstance(value, dict) and all(map(_is_text, [*value, *value.values()]))
    if choices := get_args(declared):
        return any(_is_of(choice, value) for choice in choices)
    return _TYPES[declared](value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_NAME


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not _HALF_A_CHARACTER.search(value)


def _is_cost(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_withheld(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"secrets", "private"}
        and all(map(_is_count, value.values()))
    )


def _is_vocabulary(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("base", ""), str)
        and isinstance(value.get("strict", False), bool)
        and _is_list_of_texts(value.get("without", []))
    )


def _is_declaration(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(schema, dict) for schema in value.values())


def _is_receipt(value: Any, is_due: bool) -> bool:
    """Whether a setting has the form of a `forget` receipt; a due one also has secrets."""
    if not isinstance(value, dict):
        return False
    lists: list[Any] = [value.get(name, None if is_due else []) for name in _LISTS_OF_RECEIPTS]
    lists += [value.get("quoted_in", []), value.get("exports", [])]  # not in earlier versions
    texts = [value.get(name, None if is_due else "") for name in _TEXTS_OF_RECEIPTS]
    return (
        all(isinstance(numbers, list) for numbers in lists)
        and all(isinstance(number, int) for numbers in (*lists[:3], lists[4]) for number in numbers)
        and all(isinstance(text, str) for texts in (lists[3], lists[5]) for text in texts)
        and all(isinstance(text, str) for text in texts)
    )


_TYPES: Mapping[Any, Callable[[Any], bool]] = {
    str: _is_text,
    int: _is_count,
    float: _is_cost,
    bool: lambda value: isinstance(value, bool),
    NoneType: lambda value: value is None,
}
# Settings that no person sets.
_INTERNAL: Mapping[str, Callable[[Any], bool]] = {
    "backup": _is_text,
    "copied memory": _is_text,
    EXPORT: _is_text,
    "forgetting": lambda value: _is_receipt(value, is_due=True),
    "forgotten": lambda value: _is_receipt(value, is_due=False),
    "declared": _is_declaration,
    "forgotten items": _is_list_of_texts,
    "turns taken back": _is_list_of_texts,
    "chats that begin alike": _is_list_of_texts,
    "vocabulary": _is_vocabulary,
    "withheld": _is_withheld,
}
