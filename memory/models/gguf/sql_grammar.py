r"""The SQL that a model may write, as GBNF: a model under it cannot name what the policy refuses.

Made of the tables and columns of `memory.sql`, so that a column belongs to its table and text is
compared with text. It has less than the policy allows: no subqueries, no WITH, no UNION; facts are
written, and a date is a day, a month or a year. The rule `answer` is where a grammar begins; who
uses it adds the `root`.

Format: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md. llama.cpp ignores a
grammar that it cannot read.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from memory.sql import WRITABLE
from memory.sql.tables import DATES, DAYS_BETWEEN, NUMBER, NUMBERS, READABLE, SEARCH_COLUMNS

MOST_ROWS = 12  # of one INSERT; a window of two dozen turns tells about as many facts
_MOST_STATEMENTS = 4
_SELECTS = 3
_MOST_COLUMNS = 10
# Texts and conditions end, also where a model repeats itself, and weigh less than the policy takes.
_TEXT, _PATTERN, _NAME = 160, 24, 40
_CONDITIONS, _IN_PARENTHESES, _IN_LIST = 4, 8, 8

_REQUIRED = ("subject", "attribute", "value", "turn_id")
_OPTIONAL = DATES
# The content of a cell of an INSERT, by column.
_CELLS = {"attribute": "name", "turn_id": "turn", **dict.fromkeys(_OPTIONAL, "date")}

_LITERALS = rf"""
space ::= [ \n]
character ::= [^'\\`~\x00-\x1f\x7f] | "''"
letter ::= [0-9A-Za-z\u00c0-\u1fff\u3040-\ud7ff]
text ::= "'" character{{0,{_TEXT}}} "'"
item ::= "'" letter character{{0,{_TEXT}}} "'"
name ::= "'" [a-z] [a-z0-9_]{{0,{_NAME}}} "'"
number ::= "0" | [1-9] [0-9]{{0,8}}
pattern ::= "'" "%"? character{{1,{_PATTERN}}} "%"? "'"
""".strip()
# The days that the calendar has: of months with 31, with 30, and of February.
_DATES = r"""
date ::= "''" | "'" day "'"
day ::= year | year "-" month | day-of-31 | day-of-30 | day-of-february
day-of-31 ::= year "-" month-of-31 "-" (first-days | "30" | "31")
day-of-30 ::= year "-" month-of-30 "-" (first-days | "30")
day-of-february ::= year "-02-" february-days | leap-year "-02-29"
first-days ::= february-days | "29"
february-days ::= [01] [1-9] | [12] "0" | "2" [1-8]
year ::= [12] [0-9] [0-9] [0-9]
leap-year ::= [12] [0-9] ("0" [48] | [2468] [048] | [13579] [26])
month ::= month-of-31 | month-of-30 | "02"
month-of-31 ::= "01" | "03" | "05" | "07" | "08" | "10" | "12"
month-of-30 ::= "04" | "06" | "09" | "11"
""".strip()


def writes(
    turn_ids: Collection[int] = (), fact_ids: Collection[int] = (), most_rows: int = MOST_ROWS
) -> str:
    """The rules of a digest's answer: INSERT INTO facts, UPDATE facts SET ended_on, or `-- none`.

    Arguments:
        turn_ids: the turns that a fact may name; any number without them.
        fact_ids: the facts that may be ended; without them any where `turn_ids` are open as well,
            else none.
        most_rows: of one INSERT.
    """
    is_open = not (turn_ids or fact_ids)
    inserts = [
        (*_REQUIRED[:-1], *dates, _REQUIRED[-1])
        for count in range(len(_OPTIONAL) + 1)
        for dates in combinations(_OPTIONAL, count)
    ]
    assert {*WRITABLE} == {*_REQUIRED, *_OPTIONAL}
    rules = [
        f"""answer ::= "-- none" | write ("\\n" write){{0,{_MOST_STATEMENTS - 1}}}""",
        f"write ::= {'insert | update' if is_open or fact_ids else 'insert'}",
        "insert ::= " + " | ".join(f"insert-{n}" for n in range(len(inserts))),
        f"turn ::= {_one_of(turn_ids) or 'number'}",
    ]
    for n, columns in enumerate(inserts):
        cells = ' ", " '.join(_CELLS.get(column, "item") for column in columns)
        rules += [
            f'insert-{n} ::= "INSERT INTO facts ({", ".join(columns)}) VALUES" rows-{n}',
            f'rows-{n} ::= gap row-{n} ("," gap row-{n}){{0,{most_rows - 1}}} ";"',
            f'row-{n} ::= "(" {cells} ")"',
        ]
    if is_open or fact_ids:
        rules += [
            """update ::= "UPDATE facts SET ended_on = '" day "' WHERE id = " fact ";" """.strip(),
            f"fact ::= {_one_of(fact_ids) or 'number'}",
        ]
    return "\n".join([*rules, 'gap ::= " " | "\\n" "  "?', _LITERALS, _DATES])


def _one_of(numbers: Iterable[int]) -> str:
    return " | ".join(f'"{number}"' for number in sorted({*numbers}))


@dataclass(frozen=True)
class _Sources:
    """What a SELECT reads: tables by their aliases ("" for the only one), and its FROM in GBNF."""

    tables: Sequence[tuple[str, str]]
    source: str

    def columns(self, of_numbers: bool) -> list[str]:
        return [
            f"{alias}.{column}" if alias else column
            for alias, table in self.tables
            for column in _COLUMNS[table]
            if (column in _NUMBERS) == of_numbers
        ]


_NUMBERS = {*NUMBERS, *SEARCH_COLUMNS}
_COLUMNS = {**READABLE, "search": SEARCH_COLUMNS}
_SEARCH = '"search(" item ", " k (", " filter)? ") s JOIN turns t ON t.id = s.turn_id"'
_JOINS = [
    ("turns t JOIN facts f ON f.turn_id = t.id", [("t", "turns"), ("f", "facts")]),
    ("facts f JOIN turns t ON t.id = f.turn_id", [("f", "facts"), ("t", "turns")]),
    ("facts f JOIN tags g ON g.turn_id = f.turn_id", [("f", "facts"), ("g", "tags")]),
    ("facts a JOIN facts b ON b.value = a.value", [("a", "facts"), ("b", "facts")]),
    ("facts c JOIN facts l ON l.entity = c.value_entity", [("c", "facts"), ("l", "facts")]),
    (
        "contradictions c JOIN facts a ON a.id = c.first_fact JOIN facts b ON b.id = c.second_fact",
        [("c", "contradictions"), ("a", "facts"), ("b", "facts")],
    ),
]


def selects() -> str:
    """The rules of an answer that retrieves: SELECTs over one table, some joins, and search()."""
    sources = [_Sources([("", table)], f'"{table}"') for table in READABLE]
    sources.append(_Sources([("s", "search"), ("t", "turns")], _SEARCH))
    sources += [_Sources(tables, _spaced(join)) for join, tables in _JOINS]
    rules = [
        f'answer ::= select ("\\n" select){{0,{_SELECTS - 1}}}',
        "select ::= " + " | ".join(f"select-{n}" for n in range(len(sources))),
    ]
    for n, source in enumerate(sources):
        rules += _rules_of(str(n), source)
    end = (
        r"""
limit ::= space "LIMIT " [1-9] [0-9]?
order ::= space "ORDER BY n" (" DESC" | " ASC")?
counted ::= "COUNT(*)"
sum ::= "SUM" | "AVG" | "MIN" | "MAX"
alias ::= "n" | [a-z]{1,20} "_" [a-z_]{1,20}
k ::= [1-9] [0-9]?
equals ::= " = " | " <> "
compares ::= equals | " >= " | " <= " | " > " | " < "
joins ::= space ("AND" | "OR") space
texts ::= text (", " text)"""
        + f"{{0,{_IN_LIST - 1}}}\n"
        + f'numbers ::= number (", " number){{0,{_IN_LIST - 1}}}\n'
        + r"""filter ::= "'{" pair (", " pair)? (", " pair)? "}'"
pair ::= "\"speaker\": \"" [^'"\\`~\x00-\x1f\x7f]{1,40} "\"" | "\"since\": " json-day
json-day ::= "\"" day "\"" """.rstrip()
    )
    return "\n".join([*rules, end, _LITERALS, _DATES])


def _spaced(text: str) -> str:
    """A text where a JOIN may have its own line."""
    return " space ".join(f'"{part}"' for part in text.replace(" JOIN", "\nJOIN").splitlines())


def _rules_of(n: str, source: _Sources) -> list[str]:
    """The rules of a SELECT from one source: its columns, conditions and order, and counts."""
    texts = [f'"{column}"' for column in source.columns(of_numbers=False)]
    numbers = [f'"{column}"' for column in source.columns(of_numbers=True)]
    rest = f'space "FROM " {source.source} where-{n}?'
    column = f"text-{n}" + (f" | number-{n}" if numbers else "")
    simple = [
        f"text-{n} compares text",
        f"""text-{n} " IS" (" NOT")? " NULL" """.strip(),
        f"""(text-{n} | "lower(" text-{n} ")") (" NOT")? " LIKE " pattern""",
        f"""text-{n} (" NOT")? " IN (" texts ")" """.strip(),
        f"amount-{n} compares number",
    ]
    if numbers:
        simple += [
            f"number-{n} compares number",
            f"""number-{n} (" NOT")? " IN (" numbers ")" """.strip(),
        ]
    return [
        f'select-{n} ::= "SELECT " (rows-of-{n} | count-of-{n} | groups-of-{n}) limit? ";"',
        f'rows-of-{n} ::= column-{n} (", " column-{n}){{0,{_MOST_COLUMNS - 1}}} (", " days-{n})?'
        f" {rest} order-{n}?",
        f'days-{n} ::= "{DAYS_BETWEEN}(" text-{n} ", " (text-{n} | date) ") AS days"',
        f'amount-{n} ::= "{NUMBER}(" text-{n} ")"',
        f'count-of-{n} ::= (counted | "COUNT(DISTINCT lower(" text-{n} "))"'
        f' | sum "(" amount-{n} ")") " AS " alias {rest}',
        f'groups-of-{n} ::= text-{n} ", COUNT(*) AS n" {rest} space "GROUP BY 1" order?',
        f"text-{n} ::= {' | '.join(texts)}",
        *([f"number-{n} ::= {' | '.join(numbers)}"] if numbers else []),
        f"column-{n} ::= {column}",
        f'order-{n} ::= space "ORDER BY " (column-{n} | amount-{n}) (" DESC" | " ASC")?',
        f'where-{n} ::= space "WHERE " part-{n} (joins part-{n}){{0,{_CONDITIONS - 1}}}',
        f'part-{n} ::= condition-{n} | "(" condition-{n} '
        f'(joins condition-{n}){{0,{_IN_PARENTHESES - 1}}} ")"',
        f"condition-{n} ::= {' | '.join(simple)}",
    ]
