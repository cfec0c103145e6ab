"""What a SELECT or an expression may be made of: the one portable subset, as a grammar.

Everything is refused that the grammar does not name. Works on the trees that `memory.sql` parses.
"""

from collections.abc import Callable, Collection
from typing import Any, NoReturn

from memory.sql.names import SEARCH, SEARCH_FORM, is_whole_number, shown
from memory.sql.statements import refuse

_VALUES = (
    "column literal null neg add sub mul div dpipe nullif coalesce lower upper abs min max sum avg "
    "length count substring trim round cast case subquery paren"
)
_PLACES = {  # a place in a statement -> the nodes that may stand there
    "query": "select union intersect except",
    "source": "table subquery",
    "relation": "identifier anonymous",
    "name": "identifier star",
    "value": _VALUES,
    "output": f"{_VALUES} alias star",
    "argument": f"{_VALUES} distinct",
    "counted": f"{_VALUES} distinct star",
    "condition": "eq neq gt gte lt lte is like escape and or not between in exists boolean paren",
}
_GRAMMAR = """
select: with_=with expressions=output distinct=distinct from_=from joins=join where=where
select: group=group having=having order=order limit=limit offset=offset
union intersect except: with_=with this=query expression=query distinct=*
union intersect except: order=order limit=limit offset=offset
from: this=source
join: this=source on=condition side=* kind=*
where having not: this=condition
and or: this=condition expression=condition
with: expressions=cte
cte subquery: this=query alias=tablealias
exists: this=query
table: this=relation alias=tablealias
tablealias: this=identifier columns=identifier
anonymous: this=* expressions=value
group distinct: expressions=value
order: expressions=ordered
ordered: this=value desc=* nulls_first=*
limit offset: expression=literal
alias: this=value alias=identifier
column: this=name table=identifier
paren: this=value
neg lower upper abs length: this=value
min max sum avg: this=argument
count: this=counted big_int=*
eq neq gt gte lt lte add sub mul nullif trim: this=value expression=value
like: this=value expression=value negate=*
escape: this=like expression=literal
is: this=value expression=null
div: this=value expression=value typed=* safe=*
dpipe: this=value expression=value safe=*
coalesce: this=value expressions=value
substring: this=value start=value length=value
round: this=value decimals=value
cast: this=value to=datatype
between: this=value low=value high=value
in: this=value expressions=value query=subquery
case: this=value ifs=if default=value
if: this=condition true=value
datatype: this=* nested=*
identifier: this=* quoted=*
literal: this=* is_string=*
boolean: this=*
null star: =*
"""
RULES: dict[str, dict[str, str]] = {}  # node -> its arguments -> the place each of them is
for _keys, _arguments in (line.split(": ") for line in _GRAMMAR.strip().splitlines()):
    for _key in _keys.split():
        RULES.setdefault(_key, {}).update(a.split("=") for a in _arguments.split())  # type: ignore
_OPTIONAL = {("case", "this"), ("trim", "expression")}

_FUNCTIONS = (
    "the functions are COUNT, MIN, MAX, SUM, AVG, COALESCE, NULLIF, substr, length, lower, upper, "
    f"trim, round, abs, CAST; search() stands in FROM: {SEARCH_FORM}"
)
_IS = "only NULL after IS: write = or <>"
_OF_NODES = {  # a node that is refused -> advice
    **dict.fromkeys(("nullsafeeq", "nullsafeneq"), _IS),
    "mod": "write a - b * (a / b)",
    "star": "write COUNT(*), or name the column",
    "if": "write CASE WHEN ... THEN ... ELSE ... END",
}
_OF_PLACES = {  # a place that a node is refused for -> advice
    "null": _IS,
    "query": "write a plain SELECT here, without more parentheses, or a WITH",
    "literal": "write the number or the text itself",
    "like": r"write x LIKE '50\%' ESCAPE '\'",
    "condition": "this is no condition: compare it with something",
}
_NO_VALUE = "a condition is no value: write CASE WHEN ... THEN 1 ELSE 0 END"

_CHECKS: dict[str, tuple[Callable[[Any], Any], str]] = {  # what else a node must satisfy -> advice
    "select": (
        lambda n: n.expressions and (n.args.get("from_") or not (n.is_star or n.args.get("joins"))),
        "write SELECT columns FROM a table",
    ),
    "group": (lambda n: n.expressions, "write GROUP BY and a column"),
    "coalesce": (lambda n: n.expressions, "write COALESCE(a, b)"),
    **dict.fromkeys(("intersect", "except"), (lambda n: n.args["distinct"], "leave out ALL")),
    "join": (
        lambda n: f"{n.side} {n.kind}".strip() in ("", "INNER", "CROSS", "LEFT", "LEFT OUTER"),
        "write JOIN, LEFT JOIN or CROSS JOIN",
    ),
    "in": (lambda n: n.expressions or n.args.get("query"), "write IN ('a', 'b')"),
    "cast": (
        lambda n: n.to.sql("sqlite") in ("INTEGER", "TEXT", "REAL"),
        "cast AS INTEGER, AS TEXT or AS REAL",
    ),
    "distinct": (
        lambda n: len(n.expressions) == (0 if n.parent.key == "select" else 1),
        "write SELECT DISTINCT a, b or COUNT(DISTINCT a)",
    ),
    "escape": (
        lambda n: len(n.expression.this) == 1 and not n.expression.this.isalnum(),
        _OF_PLACES["like"],
    ),
    "substring": (
        lambda n: n.args.get("start") and n.args["start"].key != "neg",
        "count from the start: substr(x, 1, 7)",
    ),
    "limit": (lambda n: is_whole_number(n.expression), "write LIMIT and a whole number"),
    "offset": (
        lambda n: is_whole_number(n.expression) and n.parent.args.get("limit"),
        "write LIMIT 10 OFFSET 20",
    ),
    "tablealias": (
        lambda n: not n.columns or n.parent.key == "cte",
        "name the columns with AS in the SELECT",
    ),
    "anonymous": (lambda n: n.this == SEARCH, _FUNCTIONS),
}


def check_arguments(node: Any, allowed: Collection[str], advice: str) -> None:
    """Refuse a node with an argument (RETURNING, FOR UPDATE, ...) that is not allowed."""
    for argument, value in node.args.items():
        if value and argument not in allowed:
            refuse(f"{argument.strip('_').upper()} in {shown(node)}", advice)


def check_grammar(tree: Any, place: str) -> None:
    """Refuse every node, argument and place of a node that the portable subset does not have.

    `place` is where the tree stands ("query", "where", "value"). Raises SqlError with advice.
    """
    stack = [(tree, place)]
    while stack:
        node, place = stack.pop()
        rule = RULES.get(node.key)
        if rule is None or node.key not in _PLACES.get(place, place).split():
            _misplaced(node, place)
        check_arguments(node, rule, "not in the SQL of this memory; leave it out")
        check, advice = _CHECKS.get(node.key, (bool, ""))
        missing = [a for a in ("this", "expression") if a in rule and node.args.get(a) is None]
        if any((node.key, argument) not in _OPTIONAL for argument in missing):
            refuse(shown(node), "something is missing")
        if node.key in _CHECKS and not check(node):
            refuse(shown(node), advice)
        if node.key == "column" and node.is_star and place != "output":
            refuse(shown(node), _OF_NODES["star"])
        for argument, wanted in rule.items():
            if wanted == "*" or not node.args.get(argument):
                continue
            if node.key == "paren":
                wanted = "condition" if place == "condition" else "value"
            elif node.key == "if" and node.parent.args.get("this"):  # CASE x WHEN 'a'
                wanted = "value"
            found = node.args[argument]
            stack += [(child, wanted) for child in (found if isinstance(found, list) else [found])]


def _misplaced(node: Any, place: str) -> NoReturn:
    if place in ("value", "output", "argument") and node.key in _PLACES["condition"].split():
        refuse(shown(node), _NO_VALUE)
    general = f"not in the SQL of this memory; {_FUNCTIONS}"
    refuse(shown(node), _OF_NODES.get(node.key) or _OF_PLACES.get(place) or general)
