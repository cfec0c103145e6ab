"""Which tables and columns a query may name, and whether each column holds text or a number.

Works on the syntax trees that `memory.sql` parses, after it has checked their nodes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from memory.sql.statements import refuse, short

Columns = list[tuple[str, str]]  # (name, "text" | "number" | "" when not known)
Sources = dict[str, Columns]  # what a FROM clause offers, by alias

TABLES: dict[str, tuple[str, ...]] = {  # what a model may read
    "turns": ("id", "kind", "session", "speaker", "text", "said_at", "source"),
    "facts": (
        *("id", "subject", "attribute", "value", "happened_on", "ended_on"),
        *("turn_id", "recorded_at"),
    ),
}
WRITABLE = ("subject", "attribute", "value", "happened_on", "ended_on", "turn_id")  # of facts
FOUND = ("turn_id", "score")  # the columns of search()
SEARCH = "search_turns"  # search() in the tree: the parser has a search function of its own
SEARCH_FORM = "FROM search('beach trip', 20) s JOIN turns t ON t.id = s.turn_id"
MAX_K = 200  # turns of one search

QUERIES = frozenset(("select", "union", "intersect", "except"))
_COMPARISONS = frozenset(("eq", "neq", "gt", "gte", "lt", "lte", "in", "between"))
_AGGREGATES = frozenset(("count", "min", "max", "sum", "avg"))
_OF_NUMBERS = frozenset(("neg", "add", "sub", "mul", "div", "abs", "round", "sum", "avg"))
_OF_TEXT = frozenset(("lower", "upper", "trim", "substring", "like"))
_KIND = {
    **dict.fromkeys(_OF_NUMBERS | {"count", "length"}, "number"),
    **dict.fromkeys(("dpipe", "lower", "upper", "trim", "substring"), "text"),
}


def check_query(query: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]) -> Columns:
    """Check every name in a query, and return the columns it gives.

    `ctes` are the WITH names in sight, `outer` the sources of the queries around it, nearest
    first. Raises SqlError for a name that is unknown, ambiguous or out of place.
    """
    ctes = dict(ctes)
    for cte in query.args["with_"].expressions if query.args.get("with_") else ():
        name, columns = cte.alias.lower(), check_query(cte.this, ctes, outer)
        if name in ctes or name in TABLES or name.startswith("search"):
            refuse(f"WITH {name}", "this name is taken; choose another")
        names = [column.name.lower() for column in cte.args["alias"].columns]
        if names and len(names) != len(columns):
            refuse(f"WITH {name}", f"it names {len(names)} columns and selects {len(columns)}")
        kinds = [kind for _, kind in columns]
        ctes[name] = list(zip(names, kinds, strict=True)) if names else columns
    check = _select if query.key == "select" else _set_operation
    return check(query, ctes, outer)


def check_names(
    part: Any,
    ctes: Mapping[str, Columns],
    scopes: tuple[Sources, ...],
    aliases: Mapping[str, Any],
) -> None:
    """Check every name in one expression or clause; `aliases` serve the advice."""
    stack = [part]
    while stack:
        node = stack.pop()
        if node.key in QUERIES:
            if len(check_query(node, ctes, scopes)) != 1 and node.parent.key != "exists":
                refuse(shown(node), "a subquery in an expression selects exactly one column")
        elif node.key == "column":
            _resolve(node, scopes, aliases)
        else:
            if node.key in _AGGREGATES and part.key == "where":
                refuse(shown(node), "it goes into HAVING or into a subquery, not into WHERE")
            if node.key in _AGGREGATES and any(n.key in _AGGREGATES for n in _own(node.this)):
                refuse(shown(node), "one aggregate inside another: use a subquery")
            stack.extend(node.iter_expressions())


def check_kinds(tree: Any) -> None:
    """Refuse text where a number must be, and the reverse.

    Postgres refuses it too; SQLite answers, but wrongly (`substr(said_at, 1, 4) = 2023` is never
    true). To be called after the names were checked.
    """
    for node in tree.dfs():
        operands = [node.args.get(side) for side in ("this", "expression", "low", "high")]
        operands += node.args.get("expressions") or []
        kinds = {_kind(operand) for operand in operands if hasattr(operand, "key")} - {""}
        if node.key in _COMPARISONS and len(kinds) > 1:
            refuse(shown(node), "text against a number: quote it ('2023'), or CAST(x AS INTEGER)")
        if node.key in _OF_NUMBERS and "text" in kinds:
            refuse(shown(node), "this is text: write CAST(x AS INTEGER)")
        if node.key in _OF_TEXT and "number" in kinds:
            refuse(shown(node), "this is a number: write CAST(x AS TEXT)")


def table_source(table: Any, ctes: Mapping[str, Columns]) -> tuple[str, Columns]:
    """The name and the columns under which a table, a WITH name or search() is known."""
    alias, name = table.alias.lower(), table.name.lower()
    if table.this.key == "anonymous":
        search_arguments(table)
        return alias or "search", [(column, "number") for column in FOUND]
    if name in ctes:
        return alias or name, ctes[name]
    if name not in TABLES:
        refuse(f"no table {table.name}", f"there are turns, facts and search(): {SEARCH_FORM}")
    numbers = ("id", "turn_id")
    return alias or name, [(c, "number" if c in numbers else "text") for c in TABLES[name]]


def search_arguments(table: Any) -> tuple[str, int]:
    """The text and the number of turns of one search() in FROM."""
    given: list[Any] = list(table.this.expressions)
    text, k = given[0] if given else None, given[1] if len(given) > 1 else None
    if text is None or not text.is_string or not text.this.strip() or len(given) > 2:
        refuse(shown(table), "write search('what to look for', 20), the text in single quotes")
    if k is not None and not (is_whole_number(k) and len(k.this) < 4 and 1 <= int(k.this) <= MAX_K):
        refuse(shown(table), f"the number of turns is a whole number from 1 to {MAX_K}")
    return text.this, int(k.this) if k is not None else 10


def is_whole_number(node: Any) -> bool:
    """Whether the node is a literal like 12, without a sign."""
    return bool(node.key == "literal" and not node.is_string and node.this.isdecimal())


def shown(node: Any) -> str:
    """The node as short SQL, to name it in a message."""
    try:
        # level None: say nothing about what the other database could not do
        return short(node.sql("sqlite", comments=False, unsupported_level=None)).replace(
            SEARCH.upper(), "search"
        )
    except (RecursionError, ValueError, TypeError, AttributeError, LookupError):
        return str(node.key)  # a message must not fail on what it refuses


def _set_operation(query: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]) -> Columns:
    if query.this.key not in QUERIES or query.expression.key != "select":
        refuse(shown(query), "write SELECT ... UNION SELECT ... without parentheses, or a WITH")
    left, right = (check_query(side, ctes, outer) for side in (query.this, query.expression))
    if len(left) != len(right):
        refuse(query.key.upper(), f"{len(left)} columns on one side, {len(right)} on the other")
    for term in _terms(query, "order"):
        if not is_whole_number(term) and plain_name(term) not in [name for name, _ in left]:
            refuse(f"ORDER BY {shown(term)}", "after a UNION, order by the name of a column")
    return left


def plain_name(node: Any) -> str:
    """The name of a column that is written without its table, else ``."""
    return node.name.lower() if node.key == "column" and not node.table else ""


def _terms(query: Any, clause: str) -> list[Any]:
    terms = query.args[clause].expressions if query.args.get(clause) else []
    return [term.this if term.key == "ordered" else term for term in terms]


def _select(select: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]) -> Columns:
    sources: Sources = {}
    joins = select.args.get("joins") or []
    for item in _present(select.args.get("from_"), *joins):
        if item.this.key == "subquery":
            if not item.this.alias:
                refuse(shown(item.this), "give the subquery a name: (SELECT ...) s")
            alias, columns = item.this.alias.lower(), check_query(item.this.this, ctes, outer)
        else:
            alias, columns = table_source(item.this, ctes)
        if alias in sources:
            refuse(f"{alias} twice in FROM", "give each its own name: facts a JOIN facts b ON ...")
        sources[alias] = columns
    aliases = {item.alias.lower(): item.this for item in select.expressions if item.alias}
    terms = [*_terms(select, "group"), *_terms(select, "order")]
    parts = [select.args.get("where"), select.args.get("having"), *select.expressions]
    parts += [join.args.get("on") for join in joins]
    parts += [term for term in terms if plain_name(term) not in aliases]
    for part in _present(*parts):
        check_names(part, ctes, (sources, *outer), aliases)
    _check_groups(select, aliases)
    outputs: Columns = []
    for item in select.expressions:
        if item.is_star:
            wanted = item.table.lower() if item.key == "column" else ""
            for alias, columns in sources.items():
                outputs += columns if wanted in ("", alias) else []
        else:
            outputs.append((item.alias_or_name.lower(), _kind(item.unalias())))
    return outputs


def _present(*nodes: Any) -> list[Any]:
    return [node for node in nodes if node is not None]


def _resolve(column: Any, scopes: tuple[Sources, ...], aliases: Mapping[str, Any]) -> None:
    name, table = column.name.lower(), column.table.lower()
    for sources in scopes:
        near = {alias: found for alias, found in sources.items() if table in ("", alias)}
        kinds = [(a, kind) for a, found in near.items() for other, kind in found if other == name]
        if len(kinds) > 1:
            refuse(name, f"more than one table has it: write {kinds[0][0]}.{name}")
        if kinds or (near and column.is_star):
            column.meta["kind"] = kinds[0][1] if kinds else ""
            return
    if column.this.args.get("quoted") and not table:
        refuse(f'"{column.name}"', f"text goes in single quotes: '{column.name}'")
    if name in aliases and not table:
        refuse(name, "a name given with AS works in ORDER BY only: repeat the expression here")
    known = [f"{a} has {', '.join(n for n, _ in found)}" for a, found in scopes[0].items()]
    refuse(f"no column {shown(column)}", "; ".join(known) or "write FROM turns or FROM facts")


def _check_groups(select: Any, aliases: Mapping[str, Any]) -> None:
    """A group gives its keys and aggregates only, and DISTINCT is ordered by what it selects."""
    outputs = [_bare(item.unalias()) for item in select.expressions]
    order = [t for t in _terms(select, "order") if plain_name(t) not in aliases]
    order = [term for term in order if not is_whole_number(term)]
    if select.args.get("distinct") and "*" not in outputs:
        for term in order:
            if _bare(term) not in outputs:
                refuse(f"ORDER BY {shown(term)}", "with DISTINCT, order by selected columns only")
    keys = set()
    for term in _terms(select, "group"):
        if is_whole_number(term) and 0 < int(term.this) <= len(outputs):
            keys.add(outputs[int(term.this) - 1])
        keys |= {_bare(term), _bare(aliases.get(plain_name(term), term))}
    parts = [*select.expressions, *order, *_present(select.args.get("having"))]
    aggregated = any(node.key in _AGGREGATES for part in parts for node in _own(part))
    if "id" in keys or not (keys or aggregated):
        return  # the id of a row decides all its columns
    while parts:
        node = parts.pop()
        if node.key in _AGGREGATES or node.key in QUERIES or _bare(node) in keys:
            continue
        if node.key in ("column", "star"):
            refuse(
                f"{shown(node)} beside an aggregate",
                "add it to GROUP BY; for the newest row write ORDER BY ... DESC LIMIT 1",
            )
        parts.extend(node.iter_expressions())


def _own(part: Any) -> Iterator[Any]:
    """The nodes of an expression, without those of the queries in it."""
    return iter(part.dfs(prune=lambda node: node.key in QUERIES))


def _bare(node: Any) -> str:
    """The expression without table names, to compare two of them."""
    copy = node.copy()
    for part in copy.dfs():
        if part.key == "column":
            part.set("table", None)
    return str(copy.sql("sqlite")).lower()


def _kind(node: Any) -> str:
    node = node.unnest()
    if node.key == "literal":
        return "text" if node.is_string else "number"
    if node.key == "cast":
        return "text" if node.to.sql("sqlite") == "TEXT" else "number"
    if node.key in ("min", "max", "coalesce", "nullif"):
        return _kind(node.this)
    return str(node.meta.get("kind", "")) if node.key == "column" else _KIND.get(node.key, "")
