"""GBNF without recursion as a regular expression: what llama.cpp lets a model write, in Python."""

import re
from collections.abc import Iterable
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
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines() if line)
    assert len(rules) == len([line for line in grammar.splitlines() if line])

    @cache
    def expanded(name: str) -> str:
        pieces = []
        body = rules[name].rstrip()
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
                pieces.append(expanded(token["name"]))
            else:
                pieces.append(token["other"].replace("(", "(?:"))
        return f"(?:{''.join(pieces)})"

    return re.compile(expanded("root" if "root" in rules else "answer"))


# Of a class that leaves some characters out, these are tried: what SQL and people write.
_ODD = "ab Zé'\"%_;-/*(){}[]$?:@|\u3042\U0001f600\xa0\u2003"


def any_text(expression: re.Pattern[str], random: Random) -> str:
    """A text that an expression matches, drawn branch by branch."""
    return _drawn(_parsed(expression.pattern), random)


@cache
def _parsed(pattern: str) -> Any:
    return parser.parse(pattern)


def _drawn(nodes: Iterable[tuple[Any, Any]], random: Random) -> str:
    text = ""
    for kind, value in nodes:
        if kind is op.LITERAL:
            text += chr(value)
        elif kind is op.NOT_LITERAL:
            text += random.choice([c for c in _ODD if ord(c) != value])
        elif kind is op.IN:
            text += _character(value, random)
        elif kind is op.MAX_REPEAT:
            least, most, repeated = value
            most = random.choice([least, min(int(most), least + 3), min(int(most), 200)])
            text += "".join(_drawn(repeated, random) for _ in range(random.randint(least, most)))
        elif kind is op.SUBPATTERN:
            text += _drawn(value[-1], random)
        elif kind is op.BRANCH:
            text += _drawn(random.choice(value[1]), random)
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
