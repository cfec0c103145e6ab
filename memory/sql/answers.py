"""A model's answer as statements: fences, labels, and where each statement ends.

Nothing here parses SQL: the caller passes `parsing.whole_tree` to find a statement's end.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from memory.errors import SqlError
from memory.sql.refusals import WRITE_FORMS, refuse, short
from memory.sql.tokens import FENCE_ADVICE, Token, join, scan

MAX_ANSWER = 20_000  # characters
MAX_STATEMENTS = 50  # in one answer
_MAX_PARENS = 40  # levels: the parser recurses
# The commands to suggest in place of another: for a memory, and for reading only.
COMMANDS = "only SELECT reads, and INSERT, UPDATE, DELETE on facts write; nothing else is allowed"
READ_COMMANDS = "here only a SELECT is allowed"
_VERBS = ("select", "insert", "update", "delete")
_FIRST_WORDS = ("with", *_VERBS)
_REFUSED_FIRST_WORD = re.compile(
    r"alter|analyze|attach|begin|call|commit|copy|create|declare|detach|do|drop|end|execute|explain"
    r"|from|grant|import|listen|load|lock|merge|notify|pragma|prepare|reindex|release|replace|reset"
    r"|revoke|rollback|savepoint|set|show|table|truncate|use|vacuum|values"
)
_SET_OPERATIONS = ("union", "intersect", "except")
_BLANK = " \t\r\n\ufeff\u200b\u2060\xa0"
_START = (
    r"(?:(?:\(\s*)*SELECT|WITH\s+\w+\s*(?:\(|AS\b)|INSERT\s+INTO|UPDATE\s+\w+\s+(?:AS\s+\w+\s+)?SET"
    r"|DELETE\s+FROM)\b"
)
_STATEMENT = re.compile(rf"^[^\S\n]*{_START}", re.IGNORECASE | re.MULTILINE)
_FENCE = re.compile(r"(?:```|~~~)[ \t]*(?:(?:sqlite|sql|postgres(?:ql)?)\b)?", re.IGNORECASE)
_LABEL = re.compile(  # `SQL:`, or one line that ends in a colon
    rf"(?!{_START})(?:[\W_]*(?:sql|query|answer|statement)(?:[^\w(]|_)*|[^\n;]*:[ \t*]*\n\s*+)"
    rf"(?={_START})",
    re.IGNORECASE,
)
_NOTHING_TO_STORE = re.compile(r"[\W_]*none[\W_]*", re.IGNORECASE)
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Statement:
    """One statement of an answer, as the model wrote it but on one line, and unchecked.

    `tree` is set if the statement had to be parsed to find its end.
    """

    text: str
    tokens: tuple[Token, ...] = field(repr=False, compare=False)
    tree: Any = field(default=None, repr=False, compare=False)


def statements_in(text: str) -> str:
    """The SQL in a text, for `split_answer`: without the talk around it; "" for no SQL.

    A text with a fence stays whole, and so does "nothing to store".
    """
    text = text.strip(_BLANK)
    if _NOTHING_TO_STORE.fullmatch(text):
        return text
    first = _LABEL.match(text) or _STATEMENT.search(text)
    if first is None or _FENCE.search(text):
        fenced = _FENCE.search(text)
        return text if fenced and _STATEMENT.search(text, fenced.end()) else ""
    statements = text[first.start() :]
    end = statements.rfind(";\n\n")  # a paragraph after the last statement is talk
    if end >= 0 and not _STATEMENT.search(statements[end + 1 :]):
        return statements[: end + 1]
    return statements


# The tree of tokens that are one whole statement, else None.
WholeTree = Callable[[Sequence[Token]], Any]


def split_answer(
    answer: str,
    whole_tree: WholeTree,
    commands: str = COMMANDS,
    refused: list[str] | None = None,
) -> list[Statement]:
    """The statements of a model's answer, without comments, fences and semicolons.

    A semicolon may be missing where a line starts a statement and all before it is whole, as
    `whole_tree` says. Raises SqlError if that is uncertain, suggesting `commands` in place of
    others; with `refused`, such a part of an answer is left out, and this list gets the reason.
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
    statements: list[Statement] = []
    for run in _split_at_semicolons(tokens):
        try:
            statements += _split_run(run, whole_tree, commands)
        except SqlError as error:
            if refused is None:
                raise
            refused.append(str(error))
    if not (statements or refused or opening or "--" in text or "/*" in text):
        refuse("an empty answer", f"{WRITE_FORMS}; or -- none when nothing is worth storing")
    if len(statements) > MAX_STATEMENTS:
        refuse(f"{len(statements)} statements", f"write at most {MAX_STATEMENTS}")
    return statements


def _fenced(text: str) -> list[Token]:
    tokens: list[Token] = []
    while opening := _FENCE.search(text):
        if tokens and text[: opening.start()].strip():
            refuse("several fences", FENCE_ADVICE)
        body, end = scan(text, opening.end(), fenced=True)
        tokens += [*body, Token("other", ";", "")]
        text = text[end:]
    if _STATEMENT.search(text):
        refuse("a statement outside the fence", FENCE_ADVICE)
    return tokens


def _split_at_semicolons(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    run: list[Token] = []
    for token in [*tokens, Token("other", ";", "")]:
        if token.text != ";":
            run.append(token)
        elif run:
            yield run
            run = []


def _split_run(run: Sequence[Token], whole_tree: WholeTree, commands: str) -> Iterator[Statement]:
    """A run without semicolons as statements, split where the meaning is certain."""
    head = next((token.text.lower() for token in run if token.text != "("), "(")
    if head not in _FIRST_WORDS:
        is_command = _REFUSED_FIRST_WORD.fullmatch(head)
        advice = commands if is_command else f"this is not SQL; {commands}"
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
        before = run[start:cut]
        tree = None if _goes_on(before) else whole_tree(before)
        if tree is not None:
            yield _statement(before, tree)
            start = cut
    yield _statement(run[start:])


def _statement(tokens: Sequence[Token], tree: Any = None) -> Statement:
    return Statement(join(tokens), tuple(tokens), tree)


def _goes_on(tokens: Sequence[Token]) -> bool:
    """Whether the SELECT on the next line is certainly a part of the statement before it.

    It is after a set operation, and after a WITH that no SELECT has used so far. This saves a call
    of the parser, which would read these tokens twice.
    """
    if tokens[-1].text.lower() in (*_SET_OPERATIONS, "all"):
        return True
    depth = 0
    has_verb = False
    for token in tokens[1:]:
        depth += (token.text == "(") - (token.text == ")")
        has_verb |= not depth and token.kind == "word" and token.text.lower() in _VERBS
    return tokens[0].text.lower() == "with" and not has_verb
