"""A statement's syntax tree: the only module that parses a model's text."""

from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot.errors import ParseError, SqlglotError

from memory.sql.answers import Statement
from memory.sql.refusals import refuse, short
from memory.sql.tables import SEARCH_FUNCTION
from memory.sql.tokens import Token, join
from memory.sql.word_advice import check_words

_MAX_DEPTH = 80  # levels of the tree: rendering recurses

# What the parser was seen to raise on text that is not SQL: it has no single error for it.
PARSER_FAULTS = (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, LookupError)


def tree_of(statement: Statement) -> Any:
    """The tree of one statement. Raises SqlError if there is none, or it is too deep."""
    check_words(statement.tokens)
    tree = statement.tree or _parsed(statement)
    check_depth(tree, statement.text)
    return tree


def check_depth(tree: Any, text: str) -> None:
    """Refuse a tree too deep to render, quoting its statement."""
    # Level by level, without recursion, which a deep tree would exhaust.
    level = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in node.iter_expressions()]
    if level:
        advice = "too deep; write a simpler statement, or IN (...) for many values"
        refuse(short(text), advice)


def whole_tree(tokens: Sequence[Token]) -> Any:
    """The tree of tokens that are one whole statement, else None."""
    try:
        [tree] = _trees(tokens)
    except PARSER_FAULTS:
        return None
    is_cut_off = tree is not None and tree.key == "insert" and not tree.expression
    return None if is_cut_off else tree


def _parsed(statement: Statement) -> Any:
    text = statement.text
    try:
        trees = _trees(statement.tokens)
    except ParseError as error:
        near = str((error.errors or [{}])[0].get("highlight") or text[-30:])
        refuse(f"syntax error near {short(near)}", "write one whole statement of plain SQL")
    except PARSER_FAULTS:
        refuse(short(text), "this cannot be read; write a simpler statement")
    if len(trees) != 1 or trees[0] is None:
        refuse(short(text), "write one whole statement of plain SQL")
    return trees[0]


def _trees(tokens: Sequence[Token]) -> list[Any]:
    """The trees of a text, with search() renamed to something without meaning in any dialect."""
    renamed = list(tokens)
    for i, token in enumerate(tokens[:-1]):
        if token.text.lower() == "search" and tokens[i + 1].text == "(":
            renamed[i] = token._replace(text=SEARCH_FUNCTION)
    return list(sqlglot.parse(join(renamed), read="sqlite"))
