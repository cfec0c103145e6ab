"""The attributes that a model's statement names, in the words of a vocabulary."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from memory.sql.checked import CheckedChange, CheckedSelect
from memory.sql.rendering import change_text

_ATTRIBUTE = "attribute"
Names = Callable[[str], Sequence[str]]


def compares_attributes(select: CheckedSelect) -> bool:
    """Whether a SELECT compares attributes with names."""
    return any(map(_is_compared, select.tree.find_all(exp.EQ, exp.In)))


def select_by_all_names(select: CheckedSelect, names_of: Names) -> CheckedSelect:
    """The SELECT with each attribute compared with all names that `names_of` gives for a name.

    The same object if it compares with all of them already.
    """
    comparisons = filter(_is_compared, select.tree.find_all(exp.EQ, exp.In))
    if all(_other_names(comparison, names_of) is None for comparison in comparisons):
        return select
    tree = select.tree.copy()
    _widen(tree, names_of)
    return replace(select, tree=tree)


def change_by_all_names(
    change: CheckedChange, name_of: Callable[[str], str], names_of: Names
) -> CheckedChange:
    """The UPDATE or DELETE with the names of a vocabulary.

    It sets an attribute under the name that `name_of` gives; its WHERE compares with all names that
    `names_of` gives, as facts may be stored under another.
    """
    tree = change.tree.copy()
    for pair in tree.expressions:
        if pair.this.name.lower() == _ATTRIBUTE and pair.expression.is_string:
            pair.expression.replace(exp.Literal.string(name_of(pair.expression.this)))
    _widen(tree.args["where"], names_of)
    return replace(change, text=change_text(tree), tree=tree)


def _widen(tree: Any, names_of: Names) -> None:
    for comparison in [*filter(_is_compared, tree.find_all(exp.EQ, exp.In))]:
        if all_names := _other_names(comparison, names_of):
            values = [exp.Literal.string(name) for name in all_names]
            comparison.replace(exp.In(this=comparison.this.copy(), expressions=values))


def _other_names(comparison: Any, names_of: Names) -> list[str] | None:
    """All names to compare with; None if the comparison has them."""
    names = [literal.this for literal in _literals(comparison)]
    all_names = [*dict.fromkeys(name for first in names for name in names_of(first))]
    return all_names if {*all_names} != {*names} else None


def _is_compared(comparison: Any) -> bool:
    """Whether a comparison is one of an attribute with names."""
    column = comparison.this
    if column.key != "column" or column.name.lower() != _ATTRIBUTE:
        return False
    literals = _literals(comparison)
    return bool(literals) and all(literal.is_string for literal in literals)


def _literals(comparison: Any) -> list[Any]:
    if comparison.key == "in":
        return list(comparison.expressions)
    return [comparison.args["expression"]]
