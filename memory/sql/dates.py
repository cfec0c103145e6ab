"""Date functions that models know from other databases, as text that is cut or counted.

Dates are ISO text here, so the year of one is substr(x, 1, 4), and days_between counts days. Called
by `dialects`, which goes through the tree from its leaves: a node comes
after its children.
"""

from typing import Any, NoReturn

from sqlglot import exp

from memory.sql.nodes import sql_of
from memory.sql.refusals import DATES_ADVICE, refuse
from memory.sql.tables import DAYS_BETWEEN
from memory.sql.today import END_OF_DAY, is_modifier, is_today, modifiers_of, today

_COLUMNS = ("happened_on", "ended_on", "said_at", "recorded_at")
_OF_DATES = "a day"  # in a node's meta: it is cut from a date
_PARTS = {"year": (1, 4), "month": (6, 2), "day": (9, 2)}  # where each is in ISO text
_FORMATS = {  # what strftime and to_char give -> where it is in ISO text
    **dict.fromkeys(("%Y", "YYYY"), (1, 4)),
    **dict.fromkeys(("%Y-%m", "YYYY-MM"), (1, 7)),
    **dict.fromkeys(("%Y-%m-%d", "%F", "YYYY-MM-DD"), (1, 10)),
    **dict.fromkeys(("%m", "MM"), (6, 2)),
    **dict.fromkeys(("%d", "DD"), (9, 2)),
    **dict.fromkeys(("%m-%d", "MM-DD"), (6, 5)),
    **dict.fromkeys(("%H", "HH24"), (12, 2)),
    **dict.fromkeys(("%H:%M", "HH24:MI"), (12, 5)),
}
_ARITHMETIC = frozenset(("sub", "add", "mul", "div"))
_COMPARISONS = frozenset(("eq", "neq", "gt", "gte", "lt", "lte", "in", "between"))
_STARTS = {"year": 4, "month": 7, "day": 10}  # date_trunc -> how much of the text
# Functions that cannot be rewritten, or not with these arguments.
UNKNOWN = ("date", "datetime", "time", "strftime", "julianday", "date_part", "datediff", "now")


def rewritten(node: Any) -> Any:
    """What a node about dates becomes; the node itself if it is about something else."""
    if node.key == "anonymous":
        return _called(node, node.this.lower(), node.expressions)
    if node.key == "date":
        arguments = [node.this, *node.expressions] if node.this else []
        return _called(node, "date", arguments)
    if node.key in ("currentdate", "currenttimestamp"):
        return today(*([] if node.key == "currentdate" else [END_OF_DAY]))
    if node.key == "cast":
        return _cast(node)
    if node.key in ("timetostr", "tochar"):
        return _formatted(node, node.this, node.args.get("format"))
    if node.key == "tsordstotimestamp":  # what the parser puts into strftime
        return _moment(node.this)
    if node.key == "extract":
        return _part(node, node.this.name, node.expression)
    if node.key in _PARTS:
        return _part(node, node.key, node.this)
    if node.key == "datetrunc":
        length = _STARTS.get(str(node.args["unit"].name).lower())
        return _cut(_uncut(node.this), 1, length) if length else _refuse(node)
    if node.key == "datediff":
        is_plain = not node.args.get("unit") and not node.this.is_string
        return days_between(node.expression, node.this) if is_plain else _refuse(node)
    if node.key in _ARITHMETIC or node.key in _COMPARISONS:
        _let_pieces_be_numbers(node)
    if node.key in ("sub", "add", "datesub", "dateadd"):
        return _moved(node)
    return node


def days_between(first: Any, second: Any) -> Any:
    """The days from one date to another."""
    return exp.Anonymous(this=DAYS_BETWEEN, expressions=[_uncut(first), _uncut(second)])


def _called(node: Any, name: str, arguments: list[Any]) -> Any:
    """A function by its name: date(...), datetime(...), date_part('year', x), now()."""
    if name in ("now", "curdate", "localtimestamp", "getdate") and not arguments:
        return today(*([] if name == "curdate" else [END_OF_DAY]))
    if name in ("date", "datetime"):
        if not arguments:
            return today(*([END_OF_DAY] if name == "datetime" else []))
        changes = [argument.this for argument in arguments[1:] if argument.is_string]
        if len(changes) < len(arguments) - 1 or not all(map(is_modifier, changes)):
            return _refuse(node)
        if is_today(moment := _moment(arguments[0])):
            is_plain = name == "date" or changes
            return today(*changes) if is_plain else moment
        if any(change.strip().lower() not in ("localtime", "utc") for change in changes):
            return _refuse(node)
        return day_of(moment) if name == "date" else moment
    if name == "date_part" and len(arguments) == 2 and arguments[0].is_string:
        return _part(node, arguments[0].this, arguments[1])
    if name == "strftime" and len(arguments) > 2 and arguments[0].is_string:
        day = _called(node, "date", arguments[1:])
        return _formatted(node, day, arguments[0])
    return node


def _moment(node: Any) -> Any:
    """A date; today for 'now', which is also the end of an ongoing state."""
    if node.key == "coalesce":
        for end in node.expressions:
            if is_today(moment := _moment(end)):
                end.replace(day_of(moment))
    is_now = node.is_string and node.this.strip().lower() == "now"
    return today(END_OF_DAY) if is_now else node


def day_of(node: Any) -> Any:
    """The day of a date or moment, as text."""
    if is_today(node):
        return today(*(change for change in modifiers_of(node) if change != END_OF_DAY))
    if node.is_string:
        return exp.Literal.string(node.this[:10])
    return _cut(_uncut(node), 1, 10)


def _cut(node: Any, start: int, length: int) -> Any:
    cut = exp.Substring(
        this=node, start=exp.Literal.number(start), length=exp.Literal.number(length)
    )
    cut.meta[_OF_DATES] = (start, length)
    return cut


def _uncut(node: Any) -> Any:
    """The date that a day was cut from: days_between and shorter cuts take it as well."""
    inner = node.unnest()
    return inner.this if inner.meta.get(_OF_DATES) == (1, 10) else node


def _cast(node: Any) -> Any:
    """CAST(x AS DATE), and DATE '2023-05-07'."""
    kind = node.to.this.name.lower() if hasattr(node.to.this, "name") else ""
    if kind == "date":
        return day_of(_moment(node.this))
    if kind.startswith(("timestamp", "datetime")):
        return _moment(node.this)
    return node


def _formatted(node: Any, value: Any, pattern: Any) -> Any:
    place = _FORMATS.get(pattern.this) if pattern is not None and pattern.is_string else None
    return _piece(value, *place) if place else _refuse(node)


def _piece(value: Any, start: int, length: int) -> Any:
    """A piece of a date as text; NULL where the date is not as exact."""
    cut = _cut(_uncut(day_of(value) if is_today(value) else value), start, length)
    return cut if start == 1 else exp.Nullif(this=cut, expression=exp.Literal.string(""))


def _part(node: Any, name: str, value: Any) -> Any:
    """The year, month or day as a number; a length in days is its days."""
    name = name.lower()
    if name == "day" and _is_length(value):
        return value
    if name not in _PARTS or not (_is_date(value) or value.key in ("column", "literal")):
        return _refuse(node)
    start, length = _PARTS[name]
    text = exp.Nullif(this=_piece(value, start, length), expression=exp.Literal.string(""))
    return exp.cast(text, exp.DType.INT)


def _let_pieces_be_numbers(node: Any) -> None:
    """Let strftime('%Y', x) = 2023 and a difference of two years mean numbers."""
    sides = [node.args.get(side) for side in ("this", "expression", "low", "high")]
    sides = [*filter(None, sides), *node.expressions]
    numbers = [side for side in sides if _is_number(side)]
    for piece in filter(_is_piece, sides):
        if numbers or node.key in _ARITHMETIC:
            piece.replace(exp.cast(piece.copy(), exp.DType.INT))


def _is_number(node: Any) -> bool:
    node = node.unnest()
    is_literal = node.key == "literal" and not node.is_string
    is_cut = node.key == "cast" and _is_piece(node.this)
    return bool(is_literal or is_cut or node.key in _ARITHMETIC)


def _is_piece(node: Any) -> bool:
    """Whether a node is a year, a month or a day cut from a date."""
    node = node.unnest()
    if node.key == "nullif":
        node = node.this
    return node.meta.get(_OF_DATES) in _PARTS.values()


def _is_length(node: Any) -> bool:
    node = node.unnest()
    return bool(node.key == "anonymous" and str(node.this).lower() == DAYS_BETWEEN)


def _is_date(node: Any) -> bool:
    """Whether an expression is certainly a date."""
    node = node.unnest()
    if node.key == "column":
        return node.name.lower() in _COLUMNS
    if node.key in ("min", "max", "firstvalue", "lag", "lead", "window"):
        return _is_date(node.this)
    if node.key == "coalesce":
        return _is_date(node.this) and all(_is_date(n) or n.is_string for n in node.expressions)
    return bool(node.meta.get(_OF_DATES) == (1, 10) or is_today(node))


def _moved(node: Any) -> Any:
    """A difference of dates, or a date moved by some days."""
    minuend, subtrahend = node.this.unnest(), node.expression.unnest()
    if node.key == "sub" and (days := _days_of_julian(minuend, subtrahend)) is not None:
        return days
    if subtrahend.key == "interval" or node.key in ("datesub", "dateadd"):
        sign = -1 if node.key in ("sub", "datesub") else 1
        return _stepped(node, minuend, _steps(node, subtrahend), sign)
    if node.key == "sub" and _is_date(minuend) and (_is_date(subtrahend) or _is_iso(subtrahend)):
        return days_between(subtrahend, minuend)
    if node.key == "sub" and _is_iso(minuend) and _is_date(subtrahend):
        return days_between(subtrahend, minuend)
    if is_today(minuend) and subtrahend.key == "literal" and not subtrahend.is_string:
        return _stepped(node, minuend, f"{subtrahend.this} days", -1 if node.key == "sub" else 1)
    return node


def _is_iso(node: Any) -> bool:
    return bool(node.is_string and node.this[:4].isdecimal())


def _steps(node: Any, interval: Any) -> str:
    """An interval as SQLite writes it: INTERVAL '7 days' and INTERVAL 7 DAY are 7 day."""
    count = interval.this if interval.key == "interval" else interval
    unit = interval.args.get("unit") or node.args.get("unit")
    return f"{getattr(count, 'this', '')} {unit.name if unit is not None else ''}".strip().lower()


def _stepped(node: Any, day: Any, steps: str, sign: int) -> Any:
    if not is_today(day):
        _refuse(node)
    steps = steps.removeprefix("-") if steps.startswith("-") else steps
    change = f"{'-' if sign < 0 else '+'}{steps}"
    if not is_modifier(change):
        _refuse(node)
    return today(*(m for m in modifiers_of(day) if m != END_OF_DAY), change)


def _days_of_julian(minuend: Any, subtrahend: Any) -> Any:
    """julianday(b) - julianday(a), a real number in SQLite; None for anything else."""
    whole = [
        side.key == "cast" and side.to.sql("sqlite") == "INTEGER" for side in (minuend, subtrahend)
    ]
    sides = [
        side.this.unnest() if is_whole else side
        for side, is_whole in zip((minuend, subtrahend), whole, strict=True)
    ]
    if not all(side.key == "anonymous" and side.this.lower() == "julianday" for side in sides):
        return None
    if not all(len(side.expressions) == 1 for side in sides):
        return None
    later, earlier = (_moment(side.expressions[0]) for side in sides)
    days = days_between(*(day_of(date) if is_today(date) else date for date in (earlier, later)))
    return days if all(whole) else exp.cast(days, exp.DType.DOUBLE)


def _refuse(node: Any) -> NoReturn:
    refuse(sql_of(node), DATES_ADVICE)
