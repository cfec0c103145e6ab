"""SELECTs and changes as a model may write them, drawn from the parser's grammar."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from memory.sql import TABLES, WRITABLE
from memory.sql.tables import FACTS_NOW, SEARCH_COLUMNS

Columns = list[tuple[str, str]]  # (name, "text" | "number")
NUMBERS = ("id", "turn_id", "score")
TEXTS = ["''", "'Anna'", "'cat'", "'2017'", "'2017-05'", "'it''s'", "'100%'", "'É'", "' a '", "'7'"]
PATTERNS = [*TEXTS, "'%a%'", "'%CAT%'", "'_n%'", "'2017-%'", "'%'", r"'%\%%' ESCAPE '\'", "'%é%'"]
DAYS = ["'2017-05-31'", "'2017-06'", "'2016'", "'soon'", "NULL"]
COMPARISONS = ["=", "<>", "<", ">", "<=", ">=", "!="]
# Also names that are tables here, triggers, or words of SQL.
WITH_NAMES = ["p", "q", "recent", "changes", "facts_inserted", '"group"', "sqlite_x", "T1"]


@dataclass
class Scope:
    """What an expression may name: the columns in sight, and how deep it may still grow."""

    columns: Columns
    ctes: dict[str, Columns]
    depth: int

    def deeper(self) -> "Scope":
        return Scope(self.columns, self.ctes, self.depth - 1)


def value(random: Random, scope: Scope, kind: str) -> str:
    """An expression that gives text or a number."""
    names = [name for name, column_kind in scope.columns if column_kind == kind]
    leaves = [*names, *names] or ["''" if kind == "text" else "1"]
    if kind == "text":
        leaves += ["'Anna'", "''", "'it''s'", random.choice(TEXTS)]
    else:
        leaves += ["0", "1", "2.5", "-3", "9223372036854775807", "1e3"]
    if scope.depth <= 0 or random.randint(0, 2) == 0:
        return random.choice(leaves)
    inner = scope.deeper()

    def text() -> str:
        return value(random, inner, "text")

    def number() -> str:
        return value(random, inner, "number")

    def leaf() -> str:
        return random.choice(leaves)

    same = text if kind == "text" else number
    forms = {
        "text": [
            lambda: f"lower({text()})",
            lambda: f"UPPER({text()})",
            lambda: f"trim({text()})",
            lambda: f"trim({text()}, {random.choice(TEXTS)})",
            lambda: f"substr({text()}, {number()}, {number()})",
            lambda: f"substr({text()}, 2)",
            lambda: f"({text()} || {text()})",
            lambda: f"{text()} || {text()}",
            lambda: f"CAST({random.choice([text, number])()} AS TEXT)",
            lambda: f"replace({text()}, {random.choice(TEXTS)}, {random.choice(TEXTS)})",
            lambda: f"iif({condition(random, inner)}, {text()}, {text()})",
        ],
        "number": [
            lambda: f"length({text()})",
            lambda: f"abs({number()})",
            lambda: f"-({number()})",
            lambda: f"({number()} {random.choice('+-*/')} {number()})",
            lambda: f"{number()} {random.choice('+-*/')} {number()}",
            lambda: f"round({number()})",
            lambda: f"ROUND({number()}, {random.randint(0, 40)})",
            lambda: f"CAST({random.choice([text, number])()} AS INTEGER)",
            lambda: f"CAST({text()} AS REAL)",
            lambda: f"days_between({text()}, {random.choice(DAYS)})",
            lambda: f"number({text()})",
            lambda: f"instr({text()}, {random.choice(TEXTS)})",
            lambda: f"{random.choice(['max', 'min'])}({leaf()}, {leaf()})",
        ],
    }[kind]
    forms += [
        lambda: f"COALESCE({same()}, {same()})",
        lambda: f"NULLIF({same()}, {same()})",
        lambda: f"CASE WHEN {condition(random, inner)} THEN {same()} ELSE {same()} END",
        lambda: f"CASE {text()} WHEN {text()} THEN {same()} END",
        lambda: f"({one_column(random, inner, kind)})",
    ]
    return random.choice(forms)()


def condition(random: Random, scope: Scope) -> str:
    """An expression that is true or false."""
    inner = scope.deeper()
    kind = random.choice(["text", "number"])

    def same() -> str:
        return value(random, inner, kind)

    def text() -> str:
        return value(random, inner, "text")

    negation = random.choice(["", "NOT "])
    forms = [
        lambda: f"{same()} {random.choice(COMPARISONS)} {same()}",
        lambda: f"{text()} {negation}LIKE {random.choice(PATTERNS)}",
        lambda: f"{same()} IS {negation}NULL",
        lambda: f"{same()} {negation}IN ({same()}, {same()})",
        lambda: f"{same()} {negation}BETWEEN {same()} AND {same()}",
    ]
    if scope.depth > 0:
        forms += [
            lambda: f"({condition(random, inner)} AND {condition(random, inner)})",
            lambda: f"{condition(random, inner)} OR {condition(random, inner)}",
            lambda: f"NOT ({condition(random, inner)})",
            lambda: f"{text()} LIKE '%' || {text()} || '%'",
            lambda: f"{same()} {negation}IN ({one_column(random, inner, kind)})",
            lambda: f"{negation}EXISTS ({select(random, inner)[0]})",
            lambda: f"({text()}, {text()}) {negation}IN (({text()}, {text()}), ('a', ''))",
            lambda: f"({text()}, 1) {negation}IN (SELECT {text()}, {random.randint(0, 1)})",
        ]
    return random.choice(forms)()


def one_column(random: Random, scope: Scope, kind: str) -> str:
    """A SELECT in an expression: one value, or one column."""
    clause, columns = sources(random, scope, prefix=f"s{scope.depth}")
    inner = Scope(columns, scope.ctes, scope.depth - 1)
    if random.choice((False, True)):
        seen = Scope([*columns, *scope.columns], scope.ctes, scope.depth - 1)
        clause += f" WHERE {condition(random, seen)}"
    if kind == "number" and random.choice((False, True)):
        return f"SELECT COUNT(*) {clause}"
    function = random.choice(["MAX", "MIN"])
    return f"SELECT {function}({value(random, inner, kind)}) AS m {clause}"


def sources(random: Random, scope: Scope, prefix: str) -> tuple[str, Columns]:
    """A FROM clause, and the columns that it offers."""
    clause = ""
    columns: Columns = []
    for number in range(random.randint(1, 2)):
        alias = f"{prefix}{number}"
        stored = [*TABLES, *scope.ctes, "search", FACTS_NOW]
        if scope.depth > 0:
            stored.append("subquery")
        table = random.choice(stored)
        if table == "search":
            source = f"search('cat {number}', 3)"
            given = [(column, "number") for column in SEARCH_COLUMNS]
        elif table == "subquery":
            query, given = select(random, Scope([], scope.ctes, scope.depth - 1))
            source = f"({query})"
        else:
            source = table
            given = scope.ctes.get(table) or stored_columns(table)
        if not clause:
            clause = f"FROM {source} {alias}"
        elif random.choice((False, True)):
            clause += f" CROSS JOIN {source} {alias}"
        else:
            on = Scope([*columns, *qualified(alias, given)], scope.ctes, 0)
            side = random.choice(["", "LEFT "])
            clause += f" {side}JOIN {source} AS {alias} ON {condition(random, on)}"
        columns += qualified(alias, given)
    return clause, columns


def stored_columns(table: str) -> Columns:
    columns = TABLES["facts" if table == FACTS_NOW else table]
    return [(column, "number" if column in NUMBERS else "text") for column in columns]


def qualified(alias: str, columns: Columns) -> Columns:
    return [(f"{alias}.{name}", kind) for name, kind in columns]


def select(random: Random, scope: Scope) -> tuple[str, Columns]:
    """A SELECT with what it gives; the columns of `scope` are those of a query around it."""
    clause, columns = sources(random, scope, prefix=f"t{scope.depth}")
    inner = Scope(columns, scope.ctes, scope.depth - 1)
    count = random.randint(1, 3)
    kinds = [random.choice(["text", "number"]) for _ in range(count)]
    where = ""
    if random.choice((False, True)):
        seen = Scope([*columns, *scope.columns], scope.ctes, scope.depth - 1)
        where = f" WHERE {condition(random, seen)}"
    if random.randint(0, 7) == 0 and " JOIN " not in clause:
        return f"SELECT * {clause}{where}", [(name.split(".")[1], kind) for name, kind in columns]
    names = [f"c{number}" for number in range(count)]
    distinct = random.choice(["", "", "DISTINCT "])
    if random.randint(0, 3):
        values = [value(random, inner, kind) for kind in kinds]
        if "DISTINCT" not in distinct and random.randint(0, 5) == 0:
            values[0], kinds[0] = window(random, inner), "number"
        items = ", ".join(f"{text} AS {name}" for text, name in zip(values, names, strict=True))
        statement = f"SELECT {distinct}{items} {clause}{where}"
    else:
        keys = [name for name, _ in columns[:2]]
        functions = [aggregate(random, inner) for _ in range(count)]
        kinds = ["number"] * count
        items = ", ".join(f"{text} AS {name}" for text, name in zip(functions, names, strict=True))
        statement = f"SELECT {items} {clause}{where}"
        if random.choice((False, True)):
            statement += f" GROUP BY {', '.join(keys)}"
            if random.choice((False, True)):
                statement += f" HAVING {aggregate(random, inner)} > 1"
    return statement, list(zip(names, kinds, strict=True))


def aggregate(random: Random, scope: Scope) -> str:
    """A number made of a group."""
    number = value(random, Scope(scope.columns, {}, 0), "number")
    text = value(random, Scope(scope.columns, {}, 0), "text")
    functions = ["COUNT(*)", f"COUNT({text})", f"COUNT(DISTINCT {text})", f"SUM({number})"]
    functions += [f"AVG({number})", f"MAX(length({text}))", f"MIN({number}) + COUNT(*)"]
    if random.randint(0, 4) == 0:
        filtered = condition(random, Scope(scope.columns, {}, 0))
        return f"{random.choice(functions[:5])} FILTER (WHERE {filtered})"
    return random.choice(functions)


def window(random: Random, scope: Scope) -> str:
    """A number that a row has among those beside it."""
    keys = ", ".join(name for name, _ in scope.columns[:2])
    parts = f"PARTITION BY {value(random, Scope(scope.columns, {}, 0), 'text')}"
    function = random.choice(["ROW_NUMBER()", "RANK()", "DENSE_RANK()", "COUNT(*)"])
    return f"{function} OVER ({random.choice(['', parts])} ORDER BY {keys})"


def read(random: Random) -> str:
    """A whole SELECT: WITH, set operations, ORDER BY and LIMIT around `select`."""
    ctes: dict[str, Columns] = {}
    texts = []
    for name in random.sample(WITH_NAMES, random.randint(0, 2)):
        query, columns = select(random, Scope([], ctes, 1))
        if random.choice((False, True)):
            columns = [(f"n{number}", kind) for number, (_, kind) in enumerate(columns)]
            texts.append(f"{name}({', '.join(column for column, _ in columns)}) AS ({query})")
        else:
            texts.append(f"{name} AS ({query})")
        ctes = {**ctes, name: columns}
    statement, columns = select(random, Scope([], ctes, 2))
    operation = random.choice(["", "", "", "UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
    if operation:
        clause, right = sources(random, Scope([], ctes, 0), prefix="u")
        values = [value(random, Scope(right, ctes, 1), kind) for _, kind in columns]
        statement += f" {operation} SELECT {', '.join(values)} {clause}"
    if random.choice((False, True)):
        ways = ["", " DESC", " ASC"]
        terms = [f"{name}{random.choice(ways)}" for name, _ in columns]
        statement += f" ORDER BY {', '.join(terms)}"
        if random.choice((False, True)):
            statement += f" LIMIT {random.randint(0, 9)}"
            statement += random.choice(["", " OFFSET 2"])
    return f"WITH {', '.join(texts)} {statement}" if texts else statement


def write(random: Random) -> str:
    """One to three changes to facts."""
    return ";\n".join(_change(random) for _ in range(random.randint(1, 3)))


def _change(random: Random) -> str:
    facts = stored_columns("facts")
    scope = Scope(facts, {}, 2)
    form = random.choice(["insert", "update", "delete"])
    if form == "insert":
        texts = [random.choice(TEXTS) for _ in range(4)]
        turn = random.randint(0, 6)
        columns: Sequence[str] = [*WRITABLE[:4], "turn_id"]
        return f"INSERT INTO facts ({', '.join(columns)}) VALUES ({', '.join(texts)}, {turn})"
    where = condition(random, scope)
    if form == "delete":
        return f"DELETE FROM facts WHERE {where}"
    column = random.choice(WRITABLE)
    kind = "number" if column == "turn_id" else "text"
    return f"UPDATE facts SET {column} = {value(random, scope, kind)} WHERE {where}"
