"""Words and functions that have no place here, and what to write instead.

The parser would name a position in the text; these messages say what to write.
"""

from collections.abc import Sequence

from memory.sql.refusals import WRITE_FORMS, refuse, short
from memory.sql.tokens import Token

_DATES_ADVICE = (
    "dates are ISO text: compare them as text (said_at >= '2017-05') or cut them with "
    "substr(said_at, 1, 7)"
)
_LIKE_ADVICE = "write lower(x) LIKE '%word%'"
_WINDOW_ADVICE = "write the window itself: ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC)"
_WINDOW_FUNCTION_ADVICE = (
    "the window functions are ROW_NUMBER, RANK, DENSE_RANK, LAG, LEAD, FIRST_VALUE, COUNT, SUM,"
    " MIN, MAX and AVG"
)
_CASE_ADVICE = "write CASE WHEN ... THEN ... ELSE ... END"
_ADVICE_BY_WORD = {  # a word outside quotes -> advice
    **dict.fromkeys(
        ("ilike", "glob", "regexp", "rlike", "match", "similar", "collate"), _LIKE_ADVICE
    ),
    **dict.fromkeys(
        ("current_date", "current_time", "current_timestamp", "interval"), _DATES_ADVICE
    ),
    **dict.fromkeys(("returning", "conflict", "replace", "ignore"), WRITE_FORMS),
    "window": _WINDOW_ADVICE,
    "qualify": "give the window a name in a WITH, and write WHERE place = 1 on that",
    **dict.fromkeys(("natural", "full", "right", "using"), "write JOIN or LEFT JOIN with ON"),
    "recursive": "no recursion: write a plain WITH, or a join",
    "filter": _CASE_ADVICE,
    "lateral": "join a subquery that has a GROUP BY",
}
_ADVICE_BY_FUNCTION = {  # a function -> advice
    **dict.fromkeys(
        ("date", "time", "datetime", "strftime", "julianday", "unixepoch"), _DATES_ADVICE
    ),
    **dict.fromkeys(
        ("extract", "date_part", "date_trunc", "to_char", "to_date", "now"), _DATES_ADVICE
    ),
    **dict.fromkeys(("age", "year", "month", "day", "timestamp"), _DATES_ADVICE),
    **dict.fromkeys(
        ("group_concat", "string_agg", "array_agg", "json_group_array"),
        "select the rows themselves, one value in each",
    ),
    **dict.fromkeys(
        ("ntile", "last_value", "nth_value", "percent_rank", "cume_dist"), _WINDOW_FUNCTION_ADVICE
    ),
    **dict.fromkeys(
        ("concat", "concat_ws", "printf", "format"), "join text with ||: a || ' ' || b"
    ),
    **dict.fromkeys(("instr", "position", "strpos", "charindex"), _LIKE_ADVICE),
    **dict.fromkeys(("iif", "if"), _CASE_ADVICE),
    **dict.fromkeys(("left", "mid"), "write substr(x, 1, 4)"),
}
_SET_OPERATIONS = ("union", "intersect", "except")
_CLAUSES = frozenset(("from", "where", "group", "having", "order", "limit", ")", *_SET_OPERATIONS))
_UNFINISHED = _CLAUSES - {")"} | {"select", "by", "join", "left", "cross", "on", "as"}


def check_words(tokens: Sequence[Token]) -> None:
    """Refuse words and functions for which there is better advice than the parser could give."""
    for token, after in zip(tokens, [*tokens[1:], Token("end", "", "")], strict=True):
        word = token.text.lower()
        if token.kind == "word" and word in _ADVICE_BY_WORD:
            refuse(token.text, _ADVICE_BY_WORD[word])
        if token.kind == "word" and word in _ADVICE_BY_FUNCTION and after.text == "(":
            refuse(f"{token.text}()", _ADVICE_BY_FUNCTION[word])
        if token.kind == "word" and word in _UNFINISHED and after.kind == "end":
            refuse(f"{token.text} at the end", "the statement is not finished")
        # The parser would read TYPE 'literal', a cast; the column of that name is meant.
        if word == "text" and after.kind in ("string", "number"):
            refuse(f"{token.text} {short(after.text)}", "something is missing between, as a comma")
        if word == "," and (after.kind == "end" or after.text.lower() in {*_CLAUSES, ","}):
            refuse(f", {after.text}", "something is missing after the comma")
        if word in ("(", "select", "by") and after.text == ",":
            refuse(f"{token.text} ,", "something is missing before the comma")
