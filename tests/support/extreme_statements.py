"""SELECTs and changes with numbers, exponents and dates at the edges of what databases hold."""

from collections.abc import Sequence
from random import Random

from tests.conftest import INSERT

INTEGERS = [
    *("0", "1", "2", "7", "-3", "4096", "2147483647", "2147483648", "-2147483649", "3037000500"),
    *("999999999999", "4611686018427387904", "9223372036854775807", "9300000000000000000"),
    *("18446744073709551616", "1" + "0" * 40, "1" + "0" * 308, "1" + "0" * 309, "9" * 5000),
]
REALS = [
    *("0.5", "2.5", "0.1", "1e3", "1.5e10", "1e16", "1e100", "1e-100", "1e308", "-1e308"),
    *("1.7976931348623157e308", "1.8e308", "1e309", "9e999", "-9e999", "1e131000", "4.9e-324"),
    *("1e-400", "1e-131000", "2.2250738585072014e-308", "0." + "0" * 300 + "1", "123456.789"),
]
TEXTS = [
    *("'1'", "'-7'", "'1e3'", "'1e999'", "'inf'", "'nan'", "'NaN'", "'0x10'", "' 5 '", "''"),
    *("'9223372036854775808'", "'12abc'", "'2017'", "'2017-05-06'", "'Infinity'"),
]
DATES = [
    *("'2017'", "'2017-05'", "'2017-05-06'", "'2017-02-30'", "'2017-13'", "'0000'", "'0001-01-01'"),
    *("'9999-12-31'", "'99999-01-01'", "''", "NULL", "'2017-05-13/2017-05-14'", "'now'", "'17-0'"),
    *("'2017-05-06T10:00'", "'-2017'", "'2024-02-29'", "'1900-02-29'", "'2100'", "'2017-5-6'"),
]
_COLUMNS = ["id", "turn_id", "length(value)", "length(subject)"]
_COMPARISONS = ["=", "<>", "<", ">", "<=", ">="]


def number(random: Random, depth: int = 3) -> str:
    """An expression over the columns of facts that gives a number."""
    if depth <= 0 or random.randint(0, 3) == 0:
        return random.choice(random.choice([_COLUMNS, _COLUMNS, INTEGERS, REALS]))

    def inner() -> str:
        return number(random, depth - 1)

    forms = [
        lambda: f"({inner()} {random.choice('+-*/')} {inner()})",
        lambda: f"({inner()} {random.choice('+-*/')} {inner()})",
        lambda: f"-({inner()})",
        lambda: f"abs({inner()})",
        lambda: f"round({inner()})",
        lambda: f"round({inner()}, {random.choice([0, 1, 2, 5, 15, 400, 99999])})",
        lambda: f"CAST({inner()} AS INTEGER)",
        lambda: f"CAST({inner()} AS REAL)",
        lambda: f"CAST({random.choice(TEXTS)} AS {random.choice(['INTEGER', 'REAL'])})",
        lambda: f"COALESCE(NULL, {inner()}, {inner()})",
        lambda: f"NULLIF({inner()}, {inner()})",
        lambda: f"CASE WHEN {condition(random, depth - 1)} THEN {inner()} ELSE {inner()} END",
        lambda: f"(SELECT {aggregate(random, 0)} FROM turns)",
    ]
    return random.choice(forms)()


def aggregate(random: Random, depth: int = 2) -> str:
    """A number made of all rows of a group; `turns` has an id, too."""
    argument = number(random, depth) if depth else random.choice(["id", random.choice(REALS)])
    function = random.choice(["SUM", "AVG", "MIN", "MAX", "COUNT", "SUM(DISTINCT"])
    if function == "SUM(DISTINCT":
        return f"SUM(DISTINCT {argument})"
    return f"{function}({argument})"


def condition(random: Random, depth: int = 1) -> str:
    """An expression that is true or false."""
    forms = [
        f"{number(random, depth)} {random.choice(_COMPARISONS)} {number(random, depth)}",
        f"{number(random, depth)} BETWEEN {number(random, 0)} AND {number(random, 0)}",
        f"{date(random)} {random.choice(_COMPARISONS)} {date(random)}",
        "id > 0",
    ]
    return random.choice(forms)


def date(random: Random, depth: int = 2) -> str:
    """An expression over the columns of facts that gives text, seldom a date."""
    leaves = ["happened_on", "ended_on", random.choice(DATES)]
    if depth <= 0 or random.randint(0, 2) == 0:
        return random.choice(leaves)

    def inner() -> str:
        return date(random, depth - 1)

    forms = [
        lambda: f"substr({inner()}, {random.randint(0, 11)}, {random.randint(0, 11)})",
        # Behind a computed start below 0 the databases look at different ends of a text.
        lambda: f"substr({inner()}, abs({number(random, 1)}), {number(random, 0)})",
        lambda: f"({inner()} || {inner()})",
        lambda: f"COALESCE({inner()}, {inner()})",
        lambda: f"NULLIF({inner()}, {inner()})",
        lambda: f"upper({inner()})",
        lambda: f"trim({inner()}, '-0')",
        lambda: f"CASE WHEN {condition(random, 0)} THEN {inner()} ELSE {inner()} END",
    ]
    return random.choice(forms)()


def read(random: Random) -> str:
    """A SELECT of one to three such values of facts, plain, in groups or of a subquery."""
    count = random.randint(1, 3)
    form = random.choice(["plain", "plain", "groups", "all", "subquery"])
    if form == "plain":
        values = [random.choice([number, date])(random) for _ in range(count)]
    else:
        values = [aggregate(random) for _ in range(count)]
    items = ", ".join(f"{value} AS c{n}" for n, value in enumerate(values))
    statement = f"SELECT {items} FROM facts WHERE {condition(random)}"
    if form == "groups":
        return f"{statement} GROUP BY subject"
    if form == "subquery":
        outer = random.choice(["SUM(s.c0)", "AVG(s.c0)", "s.c0 * s.c0", "round(s.c0, 3)"])
        inner = f"SELECT {number(random)} AS c0 FROM facts"
        other = random.choice(["", f" UNION ALL SELECT {number(random, 1)} FROM facts"])
        return f"SELECT {outer} AS n FROM ({inner}{other}) s"
    return statement


def write(random: Random) -> str:
    """A change that sets dates or turns, computed or as constants."""
    where = random.choice(["id = 1", "id > 0", condition(random)])
    form = random.choice(["update", "update", "update", "insert", "delete"])
    if form == "insert":
        turn: str = random.choice([*"0123", random.choice(INTEGERS), random.choice(REALS)])
        return f"{INSERT}('a', 'b', 'c', {random.choice(DATES)}, {turn})"
    if form == "delete":
        return f"DELETE FROM facts WHERE {where}"
    columns: Sequence[str] = random.sample(["happened_on", "ended_on", "turn_id", "value"], 2)
    values = [number(random, 2) if column == "turn_id" else date(random) for column in columns]
    pairs = ", ".join(f"{column} = {text}" for column, text in zip(columns, values, strict=True))
    return f"UPDATE facts SET {pairs} WHERE {where}"
