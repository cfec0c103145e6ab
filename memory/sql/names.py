"""Which tables and columns a query may name, and whether each column holds text or a number.

It works on the syntax trees that `policy` parses, after `grammar` has checked their nodes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from memory.sql.statements import refuse, short

Columns = list[tuple[str, str]]  # (name, "text" | "number" | "" when not known)
Sources = dict[str, Columns]  # what a FROM clause offers, by alias

TABLES: dict[str, tuple[str, ...]] = {  # what a model may read
    "turns": ("id", "kind", "session", "speaker", "text", "said_at", "source"),
    "facts": (
        "id",
        "subject",
        "attribute",
        "value",
        "happened_on",
        "ended_on",
        "turn_id",
        "recorded_at",
    ),
}
WRITABLE = ("subject", "attribute", "value", "happened_on", "ended_on", "turn_id")  # of facts
SEARCH_COLUMNS = ("turn_id", "score")  # the columns of search()
# What search() is called in the tree, because the parser has a search function of its own.
SEARCH_FUNCTION = "search_turns"
SEARCH_EXAMPLE = "FROM search('beach trip', 20) s JOIN turns t ON t.id = s.turn_id"
MAX_K = 200  # turns of one search
MAX_COLUMNS = 32  # of a SELECT: two turns and two facts joined have 30
# SQLite compares each byte of a LIKE pattern with each character of the text, in one step that no
# deadline interrupts: .3 s for a pattern of 200 bytes and a text of a million.
MAX_PATTERN = 200  # bytes

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
        name = cte.alias.lower()
        columns = check_query(cte.this, ctes, outer)
        # "search_1" and so on are the names that policy gives the results of search().
        if name in ctes or name in TABLES or name.startswith("search"):
            refuse(f"WITH {name}", "this name is taken; choose another")
        names = [column.name.lower() for column in cte.args["alias"].columns]
        if names and len(names) != len(columns):
            refuse(f"WITH {name}", f"it names {len(names)} columns and selects {len(columns)}")
        kinds = [kind for _, kind in columns]
        ctes[name] = list(zip(names, kinds, strict=True)) if names else columns
    if query.key == "select":
        return _check_select(query, ctes, outer)
    return _check_set_operation(query, ctes, outer)


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
                refuse(sql_of(node), "a subquery in an expression selects exactly one column")
        elif node.key == "column":
            _resolve(node, scopes, aliases)
        else:
            if node.key in _AGGREGATES and part.key == "where":
                refuse(sql_of(node), "it goes into HAVING or into a subquery, not into WHERE")
            if node.key in _AGGREGATES and any(
                n.key in _AGGREGATES for n in _nodes_without_subqueries(node.this)
            ):
                refuse(sql_of(node), "one aggregate inside another: use a subquery")
            stack.extend(node.iter_expressions())


def check_kinds(tree: Any) -> None:
    """Refuse text where a number must be, and the reverse.

    Postgres refuses it too; SQLite answers, but wrongly (`substr(said_at, 1, 4) = 2023` is never
    true). To be called after the names were checked.
    """
    for node in tree.dfs():
        operands = [node.args.get(side) for side in ("this", "expression", "low", "high")]
        operands += node.args.get("expressions") or []
        kinds = {kind_of(operand) for operand in operands if hasattr(operand, "key")} - {""}
        if node.key in _COMPARISONS and len(kinds) > 1:
            refuse(sql_of(node), "text against a number: quote it ('2023'), or CAST(x AS INTEGER)")
        if node.key in _OF_NUMBERS and "text" in kinds:
            refuse(sql_of(node), "this is text: write CAST(x AS INTEGER)")
        if node.key in _OF_TEXT and "number" in kinds:
            refuse(sql_of(node), "this is a number: write CAST(x AS TEXT)")


def table_source(table: Any, ctes: Mapping[str, Columns]) -> tuple[str, Columns]:
    """The name and the columns under which a table, a WITH name or search() is known."""
    alias = table.alias.lower()
    name = table.name.lower()
    if table.this.key == "anonymous":
        search_arguments(table)
        return alias or "search", [(column, "number") for column in SEARCH_COLUMNS]
    if name in ctes:
        return alias or name, ctes[name]
    if name not in TABLES:
        refuse(f"no table {table.name}", f"there are turns, facts and search(): {SEARCH_EXAMPLE}")
    numbers = ("id", "turn_id")
    columns = [(column, "number" if column in numbers else "text") for column in TABLES[name]]
    return alias or name, columns


def search_arguments(table: Any) -> tuple[str, int]:
    """The text and the number of turns of one search() in FROM."""
    arguments: list[Any] = list(table.this.expressions)
    text = arguments[0] if arguments else None
    k = arguments[1] if len(arguments) > 1 else None
    if text is None or not text.is_string or not text.this.strip() or len(arguments) > 2:
        refuse(sql_of(table), "write search('what to look for', 20), the text in single quotes")
    if k is not None and not (is_whole_number(k) and len(k.this) < 4 and 1 <= int(k.this) <= MAX_K):
        refuse(sql_of(table), f"the number of turns is a whole number from 1 to {MAX_K}")
    return text.this, int(k.this) if k is not None else 10


def is_whole_number(node: Any) -> bool:
    """Whether the node is a literal like 12, without a sign, for which 64 bits are enough."""
    is_number = node.key == "literal" and not node.is_string
    return bool(is_number and node.this.isdecimal() and len(node.this) < 19)


def sql_of(node: Any) -> str:
    """The node as short SQL, to name it in a message."""
    try:
        # Level None: the message says nothing of what the other database could not do.
        return short(node.sql("sqlite", comments=False, unsupported_level=None)).replace(
            SEARCH_FUNCTION.upper(), "search"
        )
    except (RecursionError, ValueError, TypeError, AttributeError, LookupError):
        return str(node.key)  # a message must not fail on the node that it refuses


def _check_set_operation(
    query: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]
) -> Columns:
    if query.this.key not in QUERIES or query.expression.key != "select":
        refuse(sql_of(query), "write SELECT ... UNION SELECT ... without parentheses, or a WITH")
    left, right = (check_query(side, ctes, outer) for side in (query.this, query.expression))
    if len(left) != len(right):
        refuse(query.key.upper(), f"{len(left)} columns on one side, {len(right)} on the other")
    for term in _terms(query, "order"):
        if not is_whole_number(term) and plain_name(term) not in [name for name, _ in left]:
            refuse(f"ORDER BY {sql_of(term)}", "after a UNION, order by the name of a column")
    return left


def plain_name(node: Any) -> str:
    """The name of a column that is written without its table, else ``."""
    return node.name.lower() if node.key == "column" and not node.table else ""


def _terms(query: Any, clause: str) -> list[Any]:
    terms = query.args[clause].expressions if query.args.get(clause) else []
    return [term.this if term.key == "ordered" else term for term in terms]


def _check_select(select: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]) -> Columns:
    """Check the names of one SELECT, in the order in which they come into sight."""
    sources: Sources = {}
    joins = select.args.get("joins") or []
    for item in present(select.args.get("from_"), *joins):
        if item.this.key == "subquery":
            if not item.this.alias:  # Postgres before 16 asks for it
                refuse(sql_of(item.this), "give the subquery a name: (SELECT ...) s")
            alias = item.this.alias.lower()
            columns = check_query(item.this.this, ctes, outer)
        else:
            alias, columns = table_source(item.this, ctes)
        if alias in sources:
            refuse(f"{alias} twice in FROM", "give each its own name: facts a JOIN facts b ON ...")
        sources[alias] = columns

    aliases = {item.alias.lower(): item.this for item in select.expressions if item.alias}
    # Names given with AS are known in GROUP BY and ORDER BY only, so only there they need no check.
    terms = [*_terms(select, "group"), *_terms(select, "order")]
    parts = [select.args.get("where"), select.args.get("having"), *select.expressions]
    parts += [join.args.get("on") for join in joins]
    parts += [term for term in terms if plain_name(term) not in aliases]
    for part in present(*parts):
        check_names(part, ctes, scopes=(sources, *outer), aliases=aliases)
    _check_groups(select, aliases)

    outputs: Columns = []
    for item in select.expressions:
        if item.is_star:
            table = item.table.lower() if item.key == "column" else ""  # t.*, or *
            for alias, columns in sources.items():
                if table in ("", alias):
                    outputs += columns
        else:
            outputs.append((item.alias_or_name.lower(), kind_of(item.unalias())))
    if len(outputs) > MAX_COLUMNS:
        refuse(f"{len(outputs)} columns", f"select at most {MAX_COLUMNS}")
    return outputs


def present(*nodes: Any) -> list[Any]:
    """The nodes that are there."""
    return [node for node in nodes if node is not None]


def _resolve(column: Any, scopes: tuple[Sources, ...], aliases: Mapping[str, Any]) -> None:
    """Find the source of a column, nearest query first, and note its kind; else refuse it."""
    name = column.name.lower()
    table = column.table.lower()
    for sources in scopes:
        in_sight = {alias: columns for alias, columns in sources.items() if table in ("", alias)}
        matches: list[tuple[str, str]] = []  # (alias, kind) of each column with this name
        for alias, columns in in_sight.items():
            matches += [(alias, kind) for column_name, kind in columns if column_name == name]
        if len(matches) > 1:
            refuse(name, f"more than one table has it: write {matches[0][0]}.{name}")
        if matches or (in_sight and column.is_star):
            column.meta["kind"] = matches[0][1] if matches else ""
            return
    if column.this.args.get("quoted") and not table:
        refuse(f'"{column.name}"', f"text goes in single quotes: '{column.name}'")
    if name in aliases and not table:
        refuse(name, "a name given with AS works in ORDER BY only: repeat the expression here")
    known = [
        f"{alias} has {', '.join(column_name for column_name, _ in columns)}"
        for alias, columns in scopes[0].items()
    ]
    refuse(f"no column {sql_of(column)}", "; ".join(known) or "write FROM turns or FROM facts")


def _check_groups(select: Any, aliases: Mapping[str, Any]) -> None:
    """A group gives its keys and aggregates only, and DISTINCT is ordered by what it selects.

    Postgres refuses the rest too. SQLite would answer with the value of any row of the group.
    """
    outputs = [_without_tables(item.unalias()) for item in select.expressions]
    order = [t for t in _terms(select, "order") if plain_name(t) not in aliases]
    order = [term for term in order if not is_whole_number(term)]
    if select.args.get("distinct") and "*" not in outputs:
        for term in order:
            if _without_tables(term) not in outputs:
                refuse(f"ORDER BY {sql_of(term)}", "with DISTINCT, order by selected columns only")
    keys = set()
    for term in _terms(select, "group"):
        if is_whole_number(term) and 0 < int(term.this) <= len(outputs):
            keys.add(outputs[int(term.this) - 1])
        keys |= {_without_tables(term), _without_tables(aliases.get(plain_name(term), term))}
    parts = [*select.expressions, *order, *present(select.args.get("having"))]
    aggregated = any(
        node.key in _AGGREGATES for part in parts for node in _nodes_without_subqueries(part)
    )
    if "id" in keys or not (keys or aggregated):
        return  # the id of a row decides all its columns
    while parts:
        node = parts.pop()
        if node.key in _AGGREGATES or node.key in QUERIES or _without_tables(node) in keys:
            continue
        if node.key in ("column", "star"):
            refuse(
                f"{sql_of(node)} beside an aggregate",
                "add it to GROUP BY; for the newest row write ORDER BY ... DESC LIMIT 1",
            )
        parts.extend(node.iter_expressions())


def _nodes_without_subqueries(part: Any) -> Iterator[Any]:
    """The nodes of an expression, without those of the queries in it."""
    return iter(part.dfs(prune=lambda node: node.key in QUERIES))


def _without_tables(node: Any) -> str:
    """The expression without table names, to compare two of them."""
    copy = node.copy()
    for part in copy.dfs():
        if part.key == "column":
            part.set("table", None)
    return str(copy.sql("sqlite")).lower()


def kind_of(node: Any) -> str:
    """Whether an expression is "text" or a "number"; "" when that is not known."""
    node = node.unnest()
    if node.key == "literal":
        return "text" if node.is_string else "number"
    if node.key == "cast":
        return "text" if node.to.sql("sqlite") == "TEXT" else "number"
    if node.key in ("min", "max", "coalesce", "nullif"):
        return kind_of(node.this)
    return str(node.meta.get("kind", "")) if node.key == "column" else _KIND.get(node.key, "")
