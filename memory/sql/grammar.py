"""The allowed parts of a SELECT or an expression: the one portable subset, as a grammar.

`check_grammar` refuses everything that the grammar does not name: even a node, an argument or a
function that no one foresaw. It works on the trees of `parsing`, whose nodes have sqlglot's names.
"""

from collections.abc import Callable, Collection
from math import isfinite
from typing import Any, NoReturn

from memory.sql.nodes import AGGREGATES, is_whole_number, sql_of
from memory.sql.refusals import DATES_ADVICE, refuse
from memory.sql.tables import (
    DAYS_BETWEEN,
    MAX_OFFSET,
    MAX_PATTERN,
    MAX_REPLACED,
    NUMBER,
    SEARCH_EXAMPLE,
    SEARCH_FUNCTION,
)
from memory.sql.today import is_modifier, is_today, modifiers_of

_VALUES = (
    "column literal null neg add sub mul div dpipe nullif coalesce lower upper abs min max sum avg "
    "length count substring trim round cast case subquery paren window anonymous replace "
    "strposition"
)
_RANKS = ("rownumber", "rank", "denserank")
_ROWS_APART = ("lag", "lead")
# Their values depend only on the order of the rows.
_OF_ORDER = (*_RANKS, *_ROWS_APART, "firstvalue")
_PLACES = {  # a place in a statement -> the nodes allowed there; other places name a node
    "query": "select union intersect except",
    "source": "table subquery",
    "relation": "identifier anonymous",
    "name": "identifier star",
    "value": _VALUES,
    "output": f"{_VALUES} alias star",
    "argument": f"{_VALUES} distinct",
    "tested": f"{_VALUES} tuple",
    "windowed": " ".join((*_OF_ORDER, *sorted(AGGREGATES))),
    "counted": f"{_VALUES} distinct star",
    "condition": "eq neq gt gte lt lte is like escape and or not between in exists boolean paren",
}
# A line says which arguments some nodes may have, and each argument's place. "*" is an argument
# that is not a node (a flag, a name).
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
group distinct tuple: expressions=value
order: expressions=ordered
ordered: this=value desc=* nulls_first=*
limit offset: expression=literal
alias: this=value alias=identifier
column: this=name table=identifier
paren: this=value
neg lower upper abs length firstvalue: this=value
window: this=windowed partition_by=value order=order over=*
lag lead: this=value offset=literal default=value
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
replace: this=value expression=value replacement=value
strposition: this=value substr=value
cast: this=value to=datatype
between: this=value low=value high=value
in: this=tested expressions=value query=subquery
case: this=value ifs=if default=value
if: this=condition true=value
datatype: this=* nested=*
identifier: this=* quoted=*
literal: this=* is_string=*
boolean: this=*
null star rownumber rank denserank: =*
"""


def _read_grammar(grammar: str) -> dict[str, dict[str, str]]:
    rules: dict[str, dict[str, str]] = {}
    for line in grammar.strip().splitlines():
        keys, arguments = line.split(": ")
        for key in keys.split():
            for argument in arguments.split():
                name, place = argument.split("=")
                rules.setdefault(key, {})[name] = place
    return rules


# Each is compared with each character of the text, like the bytes of a LIKE pattern.
_MAX_TRIMMED = 20  # characters

RULES = _read_grammar(_GRAMMAR)  # node -> its arguments -> the place each of them is
_OPTIONAL_OPERANDS = {("case", "this"), ("trim", "expression")}

_FUNCTIONS_ADVICE = (
    "the functions are COUNT, MIN, MAX, SUM, AVG, COALESCE, NULLIF, substr, length, lower, upper, "
    f"trim, round, abs, replace, instr, CAST, {NUMBER}(value) for the amount that a text begins"
    f" with and {DAYS_BETWEEN}('2023-05-07', '2023-06-01'); search() goes into FROM:"
    f" {SEARCH_EXAMPLE}"
)
_WINDOW_EXAMPLE = "ROW_NUMBER() OVER (PARTITION BY subject ORDER BY happened_on DESC)"
_NULL_ADVICE = "only NULL after IS: write = or <>"
_TUPLE_ADVICE = "compare one value, or write (a, b) IN (SELECT x, y FROM ...)"
_ADVICE_BY_NODE = {  # a node that is refused -> advice
    **dict.fromkeys(("nullsafeeq", "nullsafeneq"), _NULL_ADVICE),
    **dict.fromkeys(_OF_ORDER, f"write {_WINDOW_EXAMPLE}"),
    "mod": "write a - b * (a / b)",
    "star": "write COUNT(*), or name the column",
    **dict.fromkeys(
        (
            *("date", "timetostr", "tochar", "extract", "datetrunc", "datediff", "interval"),
            *("datesub", "dateadd", "year", "month", "day", "tsordstotimestamp"),
        ),
        DATES_ADVICE,
    ),
    "collate": "write lower(x)",
    "tuple": _TUPLE_ADVICE,
    "filter": "write CASE WHEN ... THEN ... ELSE ... END",
}
_ADVICE_BY_PLACE = {  # a place that a node is refused for -> advice
    "null": _NULL_ADVICE,
    "query": "write a plain SELECT here, without more parentheses, or a WITH",
    "literal": "write the number or the text itself",
    "like": r"write x LIKE '50\%' ESCAPE '\'",
    "condition": "this is no condition: compare it with something",
}
_ADVICE_BY_ARGUMENT = {  # a node, and an argument that it may not have -> advice
    ("window", "spec"): "no ROWS or RANGE in OVER: with ORDER BY, all rows up to this one count",
    ("distinct", "on"): f"for the first row of each write {_WINDOW_EXAMPLE} AS place in a WITH, and"
    " WHERE place = 1 on that",
}
_CONDITION_ADVICE = (
    "a condition is no value: write CASE WHEN ... THEN 1 ELSE 0 END, in COUNT without its ELSE"
)


def _is_short_text(node: Any) -> bool:
    """Whether a node is a literal that may be compared at each character of a text."""
    if node.key in ("lower", "upper"):
        node = node.this
    return bool(node.is_string and len(node.this.encode()) <= MAX_PATTERN)


_CHECKS: dict[str, tuple[Callable[[Any], Any], str]] = {  # what else a node must satisfy -> advice
    "select": (
        lambda n: n.expressions and (n.args.get("from_") or not (n.is_star or n.args.get("joins"))),
        "write SELECT columns FROM a table",
    ),
    "literal": (
        lambda n: n.is_string or isfinite(float(n.this)),
        "this number is too large; it must be below 1e308",
    ),
    "round": (
        lambda n: not n.args.get("decimals") or is_whole_number(n.args["decimals"]),
        "write round(x) or round(x, 2)",
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
        _ADVICE_BY_PLACE["like"],
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
    "like": (
        lambda n: not n.expression.is_string or len(n.expression.this.encode()) <= MAX_PATTERN,
        f"a LIKE pattern has at most {MAX_PATTERN} bytes",
    ),
    "trim": (
        lambda n: (
            n.expression is None
            or (n.expression.is_string and len(n.expression.this) <= _MAX_TRIMMED)
        ),
        f"write trim(x), or trim(x, '.,') with at most {_MAX_TRIMMED} characters",
    ),
    "replace": (
        lambda n: (
            n.args.get("replacement") is not None
            and n.expression.is_string
            and n.args["replacement"].is_string
            and max(len(n.expression.this.encode()), len(n.args["replacement"].this.encode()))
            <= MAX_REPLACED
        ),
        f"write replace(x, ',', ''), both texts in quotes and of at most {MAX_REPLACED} bytes",
    ),
    "strposition": (
        lambda n: _is_short_text(n.args["substr"]),
        f"write instr(x, 'word'), the word in quotes and of at most {MAX_PATTERN} bytes; or"
        " lower(x) LIKE '%' || y || '%'",
    ),
    "tuple": (
        lambda n: n.parent.key == "in" and n.parent.args.get("query"),
        _TUPLE_ADVICE,
    ),
    "tablealias": (
        lambda n: not n.columns or n.parent.key == "cte",
        "name the columns with AS in the SELECT",
    ),
    "anonymous": (
        lambda n: (
            n.this == SEARCH_FUNCTION
            if n.parent.key == "table"
            else (n.this.lower(), len(n.expressions)) in ((DAYS_BETWEEN, 2), (NUMBER, 1))
            or (is_today(n) and all(map(is_modifier, modifiers_of(n))))
        ),
        _FUNCTIONS_ADVICE,
    ),
    "window": (
        lambda n: (
            n.args.get("order")
            if n.this.key in _OF_ORDER
            else getattr(n.this.this, "key", "") != "distinct"
        ),
        f"write {_WINDOW_EXAMPLE}; no DISTINCT in it",
    ),
    **dict.fromkeys(
        _ROWS_APART,
        (
            lambda n: (
                n.args.get("offset") is None
                or (is_whole_number(n.args["offset"]) and int(n.args["offset"].this) <= MAX_OFFSET)
            ),
            f"write LAG(value) or LAG(value, 2): a whole number up to {MAX_OFFSET}",
        ),
    ),
}


def check_arguments(node: Any, allowed: Collection[str], advice: str) -> None:
    """Refuse a node with an argument (RETURNING, FOR UPDATE, ...) that is not allowed."""
    for argument, value in node.args.items():
        if value and argument not in allowed:
            advice = _ADVICE_BY_ARGUMENT.get((node.key, argument), advice)
            refuse(f"{argument.strip('_').upper()} in {sql_of(node)}", advice)


def check_grammar(tree: Any, place: str) -> None:
    """Refuse every node, argument and place of a node that the portable subset does not have.

    `place` is the tree's place ("query", "where", "value"). Raises SqlError with advice.
    """
    stack = [(tree, place)]
    while stack:
        node, place = stack.pop()
        rule = RULES.get(node.key)
        if rule is None or node.key not in _PLACES.get(place, place).split():
            _refuse_misplaced(node, place)
        check_arguments(node, rule, "not in the SQL of this memory; leave it out")
        missing = [a for a in ("this", "expression") if a in rule and node.args.get(a) is None]
        if any((node.key, argument) not in _OPTIONAL_OPERANDS for argument in missing):
            refuse(sql_of(node), "something is missing")
        if node.key in _CHECKS:
            is_sound, advice = _CHECKS[node.key]
            if not is_sound(node):
                refuse(sql_of(node), advice)
        if node.key == "column" and node.is_star and place != "output":
            refuse(sql_of(node), _ADVICE_BY_NODE["star"])
        for argument, argument_place in rule.items():
            if argument_place == "*" or not node.args.get(argument):
                continue
            if node.key == "paren":
                argument_place = "condition" if place == "condition" else "value"
            elif node.key == "if" and node.parent.args.get("this"):  # CASE x WHEN 'a'
                argument_place = "value"
            children = node.args[argument]
            if not isinstance(children, list):
                children = [children]
            stack += [(child, argument_place) for child in children]


def _refuse_misplaced(node: Any, place: str) -> NoReturn:
    """Refuse a node that is not allowed in a place, with the best advice there is."""
    if (
        place in ("value", "output", "argument", "counted")
        and node.key in _PLACES["condition"].split()
    ):
        refuse(sql_of(node), _CONDITION_ADVICE)
    general_advice = f"not in the SQL of this memory; {_FUNCTIONS_ADVICE}"
    refuse(
        sql_of(node), _ADVICE_BY_NODE.get(node.key) or _ADVICE_BY_PLACE.get(place) or general_advice
    )
