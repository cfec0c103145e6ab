"""The text of a model's answer: characters, words, fences, and where each statement ends.

Nothing here parses SQL; `policy` does. Messages are written for the model that wrote the text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, NoReturn

from memory.errors import SqlError

MAX_ANSWER = 20_000  # characters
MAX_STATEMENTS = 50  # in one answer
_MAX_PARENS = 40  # levels: the parser recurses

_ALLOWED_COMMANDS = (
    "only SELECT reads, and INSERT, UPDATE, DELETE on facts write; nothing else is allowed"
)
WRITE_FORMS = "write INSERT INTO facts (columns) VALUES (...), or UPDATE facts SET ... WHERE ..."
_DATES_ADVICE = (
    "dates are ISO text: compare them as text (said_at >= '2017-05') or cut them with "
    "substr(said_at, 1, 7)"
)
_LIKE_ADVICE = "write lower(x) LIKE '%word%'"
_QUOTES_ADVICE = "text goes in single quotes, names need none"
_DOUBLE_QUOTE_ADVICE = "double a quote inside text, as in 'it''s'"
_PARENTHESES_ADVICE = (
    "leave out the parentheses around a SELECT: SELECT ... UNION SELECT ... ORDER BY ... LIMIT 30;"
    " or two statements, each with its own LIMIT"
)
_FENCE_ADVICE = "put all statements in one ```sql fence, and nothing else"
_WINDOW_FUNCTION_ADVICE = "no window functions: write GROUP BY, or ORDER BY ... LIMIT"
_CASE_ADVICE = "write CASE WHEN ... THEN ... ELSE ... END"

_FIRST_WORDS = ("select", "with", "insert", "update", "delete")
_REFUSED_FIRST_WORD = re.compile(
    r"alter|analyze|attach|begin|call|commit|copy|create|declare|detach|do|drop|end|execute|explain"
    r"|from|grant|import|listen|load|lock|merge|notify|pragma|prepare|reindex|release|replace|reset"
    r"|revoke|rollback|savepoint|set|show|table|truncate|use|vacuum|values"
)
_ADVICE_BY_WORD = {  # a word outside quotes -> advice
    **dict.fromkeys(
        ("ilike", "glob", "regexp", "rlike", "match", "similar", "collate"), _LIKE_ADVICE
    ),
    **dict.fromkeys(
        ("current_date", "current_time", "current_timestamp", "interval"), _DATES_ADVICE
    ),
    **dict.fromkeys(("returning", "conflict", "replace", "ignore"), WRITE_FORMS),
    **dict.fromkeys(("over", "window", "qualify"), _WINDOW_FUNCTION_ADVICE),
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
        ("row_number", "rank", "dense_rank", "lag", "lead", "ntile"), _WINDOW_FUNCTION_ADVICE
    ),
    **dict.fromkeys(
        ("concat", "concat_ws", "printf", "format"), "join text with ||: a || ' ' || b"
    ),
    **dict.fromkeys(("instr", "position", "strpos", "charindex"), _LIKE_ADVICE),
    **dict.fromkeys(("iif", "if"), _CASE_ADVICE),
    **dict.fromkeys(("left", "mid"), "write substr(x, 1, 4)"),
}
_ADVICE_BY_STRAY = {  # what has no place outside quotes -> advice
    "'": f"this quote is never closed; {_DOUBLE_QUOTE_ADVICE}",
    '"': f"this quote is never closed; {_QUOTES_ADVICE}",
    "/*": "this comment is never closed; leave comments out",
    "\\": _DOUBLE_QUOTE_ADVICE,
    ":": "write CAST(x AS INTEGER) for a cast, and the value itself for a parameter",
    **dict.fromkeys("?$@", "write the value itself, text in single quotes"),
    **dict.fromkeys("`[]\u2018\u2019\u201c\u201d", _QUOTES_ADVICE),
    **dict.fromkeys(("```", "~~~"), _FENCE_ADVICE),
}
_SYMBOLS = frozenset("().,;*+-/<>=!|%")
_SET_OPERATIONS = ("union", "intersect", "except")
_CLAUSES = frozenset(("from", "where", "group", "having", "order", "limit", ")", *_SET_OPERATIONS))
_UNFINISHED = _CLAUSES - {")"} | {"select", "by", "join", "left", "cross", "on", "as"}
_STRING_PREFIXES = frozenset("xbenru")

_BLANK = " \t\r\n\ufeff\u200b\u2060\xa0"
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
    |(?P<space>[\s\ufeff\u200b\u2060]+)
    |(?P<string>'(?:[^']|'')*+')
    |(?P<name>"(?:[^"]|"")*+")
    |(?P<fence>```|~~~)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!\w))
    |(?P<word>\w+)
    |(?P<other>/\*|.)""",
    re.VERBOSE | re.DOTALL,
)
_START = (
    r"(?:SELECT|WITH\s+\w+\s*(?:\(|AS\b)|INSERT\s+INTO|UPDATE\s+\w+\s+(?:AS\s+\w+\s+)?SET"
    r"|DELETE\s+FROM)\b"
)
_STATEMENT = re.compile(rf"^[^\S\n]*{_START}", re.IGNORECASE | re.MULTILINE)
_FENCE = re.compile(r"(?:```|~~~)[ \t]*(?:(?:sqlite|sql|postgres(?:ql)?)\b)?", re.IGNORECASE)
_LABEL = re.compile(  # `SQL:`, or one line that ends in a colon
    rf"(?!{_START})(?:[\W_]*(?:sql|query|answer|statement)[\W_]*|[^\n;]*:[ \t*]*\n\s*+)"
    rf"(?={_START})",
    re.IGNORECASE,
)
_NOTHING_TO_STORE = re.compile(r"[\W_]*none[\W_]*", re.IGNORECASE)
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


class Token(NamedTuple):
    """A piece of the text, and the blank or comment before it as "", " " or "\\n"."""

    kind: str
    text: str
    space: str


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def split_answer(answer: str, is_whole: Callable[[str], bool]) -> list[str]:
    """The statements of a model's answer, without comments, fences and semicolons.

    `is_whole` says whether a text is one whole statement: a semicolon may be missing where a line
    starts a statement and all before it is whole. Raises SqlError for what is not certain.
    """
    if len(answer) > MAX_ANSWER:
        refuse("this answer", f"it is too long; write at most {MAX_ANSWER} characters")
    if _UNSENDABLE.search(answer):
        refuse("this answer", "leave out NUL and broken characters")
    text = answer.strip(_BLANK)
    if _NOTHING_TO_STORE.fullmatch(text):
        return []
    opening = _FENCE.search(text)
    if opening and not _STATEMENT.search(text[: opening.start()]):
        tokens = _fenced(text)
    else:
        if text.count("```") == 1:  # the prompt opened the fence, the model closed it
            text = text.removesuffix("```")
        label = _LABEL.match(text)
        tokens = scan(text, label.end() if label else 0)[0]
    parts = [part for run in _split_at_semicolons(tokens) for part in _split_run(run, is_whole)]
    if not (parts or opening or "--" in text or "/*" in text):
        refuse("an empty answer", f"{WRITE_FORMS}; or -- none when nothing is worth storing")
    if len(parts) > MAX_STATEMENTS:
        refuse(f"{len(parts)} statements", f"write at most {MAX_STATEMENTS}")
    return parts


def refuse(refused: str, advice: str) -> NoReturn:
    """Raise the SqlError that shows the refused text and says what to write instead."""
    raise SqlError(f"{refused}: {advice}")


def short(text: str) -> str:
    """The text on one line, cut to 60 characters, to name it in a message."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def join(tokens: Sequence[Token]) -> str:
    """The tokens as text again, on one line."""
    return "".join((" " if token.space else "") + token.text for token in tokens).strip()


def scan(text: str, start: int = 0, fenced: bool = False) -> tuple[list[Token], int]:
    """The tokens from `start` to the end (or the closing fence) without comments, and the end.

    Raises SqlError for a quote that is not closed and for characters that SQL has no use for.
    """
    tokens: list[Token] = []
    space = ""
    at = start
    while at < len(text) and (match := _TOKEN.match(text, at)):
        kind = str(match.lastgroup)
        piece = match.group()
        near = short(text[at : at + 60])
        at = match.end()
        if kind in ("space", "comment"):
            space = "\n" if "\n" in space + piece else " "
            continue
        if kind == "fence" and fenced:
            return tokens, at
        if kind == "fence" or (kind == "other" and piece not in _SYMBOLS):
            general_advice = f"write only SQL; {piece} means nothing outside quotes"
            refuse(near, _ADVICE_BY_STRAY.get(piece, general_advice))
        if kind == "word" and (not piece.isascii() or piece[0].isdigit()):
            refuse(near, "names are plain ASCII letters, and numbers are decimal")
        # A letter right behind a string: the quote in 'it's' was meant as a part of the text.
        if kind == "string" and (text[at : at + 1].isalnum() or text[at : at + 1] in ("_", "\\")):
            refuse(near, _DOUBLE_QUOTE_ADVICE)
        before = tokens[-1].text.lower() if tokens and not space else ""
        if kind == "string" and before in _STRING_PREFIXES:
            refuse(before + near, "write plain text in single quotes, no prefix")
        tokens.append(Token(kind, piece, space))
        space = ""
    return tokens, at


def with_names(statement: str) -> set[str]:
    """The names that a rendered statement gives with WITH: only they stand before AS (."""
    texts = [token.text for token in scan(statement)[0]]
    names = set()
    for index, pair in enumerate(pairwise(texts)):
        if pair == ("AS", "("):
            # Behind the name may be those of its columns: search_1(turn_id, score) AS (...).
            name = index - 1 if texts[index - 1] != ")" else _opening(texts, index - 1) - 1
            names.add(texts[name].strip('"').replace('""', '"'))
    return names


def _opening(texts: Sequence[str], index: int) -> int:
    """The index of the parenthesis that opens what the one at an index closes."""
    return len(texts) - 1 - texts[::-1].index("(", len(texts) - 1 - index)


def check_words(tokens: Sequence[Token]) -> None:
    """Refuse words and functions for which there is better advice than the parser could give.

    The parser would name a position in the text; these messages say what to write instead.
    """
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


def _fenced(text: str) -> list[Token]:
    tokens: list[Token] = []
    while opening := _FENCE.search(text):
        if tokens and text[: opening.start()].strip():
            refuse("several fences", _FENCE_ADVICE)
        body, end = scan(text, opening.end(), fenced=True)
        tokens += [*body, Token("other", ";", "")]
        text = text[end:]
    if _STATEMENT.search(text):
        refuse("a statement outside the fence", _FENCE_ADVICE)
    return tokens


def _split_at_semicolons(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    run: list[Token] = []
    for token in [*tokens, Token("other", ";", "")]:
        if token.text != ";":
            run.append(token)
        elif run:
            yield run
            run = []


def _split_run(run: Sequence[Token], is_whole: Callable[[str], bool]) -> Iterator[str]:
    """A run without semicolons as statements, cut where the meaning is certain."""
    head = run[0].text.lower()
    if head == "(":
        refuse(short(join(run)), _PARENTHESES_ADVICE)
    if head not in _FIRST_WORDS:
        is_command = _REFUSED_FIRST_WORD.fullmatch(head)
        advice = _ALLOWED_COMMANDS if is_command else f"this is not SQL; {_ALLOWED_COMMANDS}"
        refuse(short(join(run)), advice)
    depth = 0
    cuts = []  # where a line begins like a statement: a semicolon may be missing there
    for i, token in enumerate(run):
        depth += (token.text == "(") - (token.text == ")")
        if depth > _MAX_PARENS:
            refuse(short(join(run)), "too many nested parentheses; write a simpler statement")
        if i and not depth and token.space == "\n" and token.text.lower() in _FIRST_WORDS:
            cuts.append(i)
    if len(cuts) >= MAX_STATEMENTS:
        refuse(f"{len(cuts)} statements", f"end each with a semicolon, at most {MAX_STATEMENTS}")
    start = 0
    for cut in cuts:
        if is_whole(join(run[start:cut])):
            yield join(run[start:cut])
            start = cut
    yield join(run[start:])
