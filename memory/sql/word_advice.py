"""Words and functions that have no place here, and what to write instead.

The parser would name a position in the text; these messages say what to write.
"""

from collections.abc import Sequence

from memory.sql.refusals import DATES_ADVICE, WRITE_FORMS, refuse, short
from memory.sql.tokens import Token

_LIKE_ADVICE = "write lower(x) LIKE '%word%'"
_WINDOW_ADVICE = "write the window itself: ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC)"
_WINDOW_FUNCTION_ADVICE = (
    "the window functions are ROW_NUMBER, RANK, DENSE_RANK, LAG, LEAD, FIRST_VALUE, COUNT, SUM,"
    " MIN, MAX and AVG"
)
_NUMBER_ADVICE = "number(x) is the amount that a text begins with; or write replace(x, ',', '')"
_ADVICE_BY_WORD = {  # a word outside quotes -> advice
    **dict.fromkeys(("glob", "regexp", "rlike", "match", "similar"), _LIKE_ADVICE),
    "current_time": DATES_ADVICE,
    **dict.fromkeys(("returning", "conflict", "ignore"), WRITE_FORMS),
    "window": _WINDOW_ADVICE,
    "qualify": "give the window a name in a WITH, and write WHERE place = 1 on that",
    **dict.fromkeys(("natural", "full", "using"), "write JOIN or LEFT JOIN with ON"),
    "recursive": "no recursion: write a plain WITH, or a join",
    "lateral": "join a subquery that has a GROUP BY",
}
_ADVICE_BY_FUNCTION = {  # a function -> advice
    **dict.fromkeys(
        ("time", "unixepoch", "to_date", "age", "timestamp", "timestampdiff", "quarter", "week"),
        DATES_ADVICE,
    ),
    **dict.fromkeys(
        ("group_concat", "string_agg", "array_agg", "json_group_array"),
        "select the rows themselves, one value in each",
    ),
    **dict.fromkeys(
        ("ntile", "last_value", "nth_value", "percent_rank", "cume_dist"), _WINDOW_FUNCTION_ADVICE
    ),
    **dict.fromkeys(
        ("concat_ws", "printf", "format"),
        "join text with ||: a || ' ' || b; for a number write round(x, 2)",
    ),
    **dict.fromkeys(("mid", "split_part", "substring_index"), "write substr(x, 1, 4)"),
    **dict.fromkeys(("regexp_replace", "regexp_substr", "to_number"), _NUMBER_ADVICE),
    **dict.fromkeys(("ceil", "ceiling", "floor"), "write round(x), or CAST(x AS INTEGER)"),
    **dict.fromkeys(("ltrim", "rtrim"), "write trim(x), or trim(x, '.,')"),
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
        if word == "right" and after.text != "(":
            refuse(token.text, "write JOIN or LEFT JOIN with ON")
        if word == "replace" and after.text != "(":  # the function is allowed
            refuse(token.text, WRITE_FORMS)
        if token.kind == "word" and word in _ADVICE_BY_FUNCTION and after.text == "(":
            refuse(f"{token.text}()", _ADVICE_BY_FUNCTION[word])
        if token.kind == "word" and word in _UNFINISHED and after.kind == "end":
            refuse(f"{token.text} at the end", "the statement is not finished")
        # The parser would read TYPE 'literal', a cast; the column of that name is meant.
        if word == "text" and after.kind in ("string", "number"):
            refuse(f"{token.text} {short(after.text)}", "something is missing between, as a comma")
        if token.kind == after.kind == "string":
            refuse(f"{short(token.text)} {short(after.text)}", "something is missing between")
        if word == "," and (after.kind == "end" or after.text.lower() in {*_CLAUSES, ","}):
            refuse(f", {after.text}", "something is missing after the comma")
        if word in ("(", "select", "by") and after.text == ",":
            refuse(f"{token.text} ,", "something is missing before the comma")
