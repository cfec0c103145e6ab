"""GBNF without recursion as a regular expression: what llama.cpp lets a model write, in Python."""

import re
from collections.abc import Callable, Iterable
from functools import cache

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
