"""Which tables and columns a query may name, and where.

It works on the trees that `parsing` makes, after `grammar` has checked their nodes. It notes
whether each column holds text or a number, for `kinds`.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlglot import exp

from memory.errors import InputError
from memory.sql.groups import check_groups
from memory.sql.kinds import common_kind, kind_of
from memory.sql.nodes import (
    QUERIES,
    is_aggregate,
    is_whole_number,
    nodes_without_subqueries,
    plain_name,
    present,
    sql_of,
    terms_of,
)
from memory.sql.refusals import refuse
from memory.sql.tables import (
    FACTS_NOW,
    MAX_COLUMNS,
    MAX_K,
    NUMBERS,
    READABLE,
    SEARCH_COLUMNS,
    SEARCH_EXAMPLE,
)
from memory.sql.windows import check_windows
from memory.text.turn_filter import FILTER_EXAMPLE, TurnFilter, read_filter

_MOST_COPIED = 2_000  # the nodes of names given with AS
Columns = list[tuple[str, str]]  # (name, kind as `kind_of` says it)
Sources = dict[str, Columns]  # what a FROM clause offers, by alias


class SearchCall(NamedTuple):
    """One call of search(): what to look for, how many turns, and which turns may be found."""

    text: str
    k: int
    filter: TurnFilter | None = None


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
        if name in ctes or name in READABLE or name.startswith("search"):
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
            _check_columns(node, len(check_query(node, ctes, scopes)))
        elif node.key == "column":
            _resolve(node, scopes, aliases)
        else:
            if is_aggregate(node) and part.key == "where":
                refuse(sql_of(node), "it goes into HAVING or into a subquery, not into WHERE")
            if is_aggregate(node) and any(map(is_aggregate, nodes_without_subqueries(node.this))):
                refuse(sql_of(node), "one aggregate inside another: use a subquery")
            stack.extend(node.iter_expressions())


def _check_columns(query: Any, count: int) -> None:
    """Refuse a query in an expression with more columns than its place takes."""
    place = query.parent
    if place.key == "exists":
        return
    compared = place.parent if place.key == "subquery" else None
    if compared is not None and compared.key == "in" and compared.this.key == "tuple":
        expected = len(compared.this.expressions)
        if count != expected:
            refuse(sql_of(query), f"it is compared with {expected} values: select as many columns")
    elif count != 1:
        refuse(sql_of(query), "a subquery in an expression selects exactly one column")


def table_source(table: Any, ctes: Mapping[str, Columns]) -> tuple[str, Columns]:
    """The name and the columns of a table, a WITH name or search()."""
    alias = table.alias.lower()
    name = table.name.lower()
    if table.this.key == "anonymous":
        search_call(table)
        kinds = ("integer", "real")
        return alias or "search", list(zip(SEARCH_COLUMNS, kinds, strict=True))
    if name in ctes:
        return alias or name, ctes[name]
    if name not in READABLE:
        refuse(
            f"no table {table.name}",
            f"there are turns, facts and search(): {SEARCH_EXAMPLE}; {FACTS_NOW} has the"
            " current facts",
        )
    columns = [(column, "integer" if column in NUMBERS else "text") for column in READABLE[name]]
    return alias or name, columns


def search_call(table: Any) -> SearchCall:
    """The arguments of one search() in FROM: literals, so that nothing a query reads is in them."""
    arguments: list[Any] = list(table.this.expressions)
    text = arguments[0] if arguments else None
    k = arguments[1] if len(arguments) > 1 else None
    turn_filter = arguments[2] if len(arguments) > 2 else None
    if text is None or not text.is_string or not text.this.strip() or len(arguments) > 3:
        refuse(sql_of(table), "write search('what to look for', 20), the text in single quotes")
    if k is not None and not (is_whole_number(k) and len(k.this) < 4 and 1 <= int(k.this) <= MAX_K):
        refuse(sql_of(table), f"the number of turns is a whole number from 1 to {MAX_K}")
    if turn_filter is not None and not turn_filter.is_string:
        refuse(sql_of(table), f"write the filter as JSON in single quotes: '{FILTER_EXAMPLE}'")
    try:
        passing = read_filter(turn_filter.this) if turn_filter is not None else None
    except InputError as error:
        refuse(sql_of(table), str(error))
    return SearchCall(text.this, int(k.this) if k is not None else 10, passing)


def _check_set_operation(
    query: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]
) -> Columns:
    if query.this.key not in QUERIES or query.expression.key != "select":
        refuse(sql_of(query), "write SELECT ... UNION SELECT ... without parentheses, or a WITH")
    left, right = (check_query(side, ctes, outer) for side in (query.this, query.expression))
    if len(left) != len(right):
        refuse(query.key.upper(), f"{len(left)} columns on one side, {len(right)} on the other")
    for term in terms_of(query, "order"):
        if not is_whole_number(term) and plain_name(term) not in [name for name, _ in left]:
            refuse(f"ORDER BY {sql_of(term)}", "after a UNION, order by the name of a column")
    return [
        (name, common_kind((kind, other_kind)))
        for (name, kind), (_, other_kind) in zip(left, right, strict=True)
    ]


def _check_select(select: Any, ctes: Mapping[str, Columns], outer: tuple[Sources, ...]) -> Columns:
    """Check the names of one SELECT, in the order they become visible."""
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

    _spell_out_aliases(select, {name for columns in sources.values() for name, _ in columns})
    check_windows(select)
    aliases = {item.alias.lower(): item.this for item in select.expressions if item.alias}
    # Names given with AS are known in GROUP BY and ORDER BY only, so only there they need no check.
    terms = [*terms_of(select, "group"), *terms_of(select, "order")]
    parts = [select.args.get("where"), select.args.get("having"), *select.expressions]
    parts += [join.args.get("on") for join in joins]
    parts += [term for term in terms if plain_name(term) not in aliases]
    for part in present(*parts):
        check_names(part, ctes, scopes=(sources, *outer), aliases=aliases)
    check_groups(select, aliases)

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


def _spell_out_aliases(select: Any, columns: Collection[str]) -> None:
    """Replace a name given by AS by its expression where only SQLite knows it: HAVING n > 1."""
    named = {item.alias.lower(): item.this for item in select.expressions if item.alias}
    terms = [term for term in terms_of(select, "order") if not plain_name(term)]
    copied = 0
    for part in present(select.args.get("where"), select.args.get("having"), *terms):
        for node in list(nodes_without_subqueries(part)):
            name = plain_name(node)
            if name not in named or name in columns or node.this.args.get("quoted"):
                continue
            copied += sum(1 for _ in named[name].dfs())
            if copied > _MOST_COPIED:
                refuse(name, "too much work; repeat a shorter expression here")
            node.replace(exp.Paren(this=named[name].copy()))


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
