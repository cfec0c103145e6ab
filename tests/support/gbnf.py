"""GBNF without recursion as a regular expression: what llama.cpp lets a model write, in Python."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from random import Random
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*")|(?P<letters>\[(?:\\.|[^\]\\])*\])
    |(?P<name>[a-z][a-z0-9-]*)|(?P<other>\{\d+,?\d*\}|[()|?*+]))""",
    re.VERBOSE,
)


def expression_of(grammar: str) -> re.Pattern[str]:
    """What the rule `root` matches, or `answer` where there is none.

    Raises KeyError for a rule that is missing, RecursionError for one that names itself.
    """
    rules = _rules(grammar)

    @cache
    def expanded(name: str) -> str:
        return f"(?:{_translated(rules[name], expanded)})"

    return re.compile(expanded(_first(rules)))


def _rules(grammar: str) -> dict[str, str]:
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines() if line)
    assert len(rules) == len([line for line in grammar.splitlines() if line])
    return rules


def _first(rules: Iterable[str]) -> str:
    return "root" if "root" in rules else "answer"


def _translated(rule: str, reference: Callable[[str], str]) -> str:
    """A rule as an expression, with what stands for each name of another rule."""
    pieces = []
    body = rule.rstrip()
    at = 0
    while at < len(body):
        token = _TOKEN.match(body, at)
        assert token, body[at : at + 40]
        at = token.end()
        if token["text"]:
            text = token["text"][1:-1]
            text = text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
            pieces.append(f"(?:{re.escape(text)})")
        elif token["letters"]:
            pieces.append(token["letters"])
        elif token["name"]:
            pieces.append(reference(token["name"]))
        else:
            pieces.append(token["other"].replace("(", "(?:"))
    return "".join(pieces)


# Of a class that leaves some characters out, these are tried: what SQL and people write.
_ODD = "ab Zé'\"%_;-/*(){}[]$?:@|\u3042\U0001f600\xa0\u2003"


# The rule of a number in a parsed rule. Two letters: Python makes one set of letters of branches
# that have one each.
_RULE, _END = 0xF0000, "\ue000"


def any_text(grammar: str, random: Random) -> str:
    """A text that a grammar lets a model write, drawn branch by branch."""
    parsed = _parsed(grammar)
    return _drawn(parsed[0], parsed, random)


@cache
def _parsed(grammar: str) -> list[Any]:
    """The rules of a grammar, the first one first, each parsed once: written out in one another,
    as in `expression_of`, they have forty times as many letters."""
    rules = _rules(grammar)
    names = sorted(rules, key=lambda name: name != _first(rules))
    numbers = {name: number for number, name in enumerate(names)}

    def reference(name: str) -> str:
        return f"(?:{chr(_RULE + numbers[name])}{_END})"

    return [parser.parse(_translated(rules[name], reference)) for name in names]


def _drawn(nodes: Iterable[tuple[Any, Any]], rules: Sequence[Any], random: Random) -> str:
    text = ""
    for kind, value in nodes:
        if kind is op.LITERAL and value >= _RULE:
            text += _drawn(rules[value - _RULE], rules, random)
        elif kind is op.LITERAL:
            text += chr(value).removeprefix(_END)
        elif kind is op.NOT_LITERAL:
            text += random.choice([c for c in _ODD if ord(c) != value])
        elif kind is op.IN:
            text += _character(value, random)
        elif kind is op.MAX_REPEAT:
            least, most, repeated = value
            most = random.choice([least, min(int(most), least + 3), min(int(most), 200)])
            text += "".join(
                _drawn(repeated, rules, random) for _ in range(random.randint(least, most))
            )
        elif kind is op.SUBPATTERN:
            text += _drawn(value[-1], rules, random)
        elif kind is op.BRANCH:
            text += _drawn(random.choice(value[1]), rules, random)
        else:
            raise AssertionError(kind)
    return text


def _character(items: list[tuple[Any, Any]], random: Random) -> str:
    ranges = [
        value if kind is op.RANGE else (value, value)
        for kind, value in items[:]
        if kind is not op.NEGATE
    ]
    if items[0][0] is op.NEGATE:
        allowed = [c for c in _ODD if not any(low <= ord(c) <= high for low, high in ranges)]
        return random.choice(allowed)
    low, high = random.choice(ranges)
    return chr(random.randint(low, min(high, low + 40)))
