"""A look: what a model asks for instead of an answer, read and looked up."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import dspy

from memory.errors import SqlError
from memory.program.protocol import Opened
from memory.program.repairs import refusal
from memory.program.signatures.full import MOST_OPENED, MOST_SEARCHES, MOST_SELECTS
from memory.records import Rows
from memory.sql import check_select, quoted, split
from memory.text.characters import one_line
from memory.text.tokens import trim

_FOUND_TURNS = 10  # of one search
_LONGEST_SEARCH = 200  # characters
_LINE = re.compile(
    r"^[ \t]*(?:[-*][ \t]+)?(?P<verb>open|search)\b[ \t]*(?::|(?=[^(\s]))[ \t]*(?P<rest>.*)$",
    re.IGNORECASE,
)
_ID = re.compile(r"\d{1,18}")
_QUERY = re.compile(r"^[^\w\n]*+(?:select|with)\b", re.IGNORECASE | re.MULTILINE)
_TOLD_TOKENS = 40  # of a refused SELECT, and of the reason
_NO_TIME = "there was no time left"

# Refused SQL, with the reason -> what a model wrote instead, as RetrieveRows gives it.
Repair = Callable[[str], dspy.Prediction]


@dataclass(frozen=True)
class Look:
    """What a model asks for instead of an answer: SELECTs, turns by their ids, words to search."""

    selects: str = ""
    turn_ids: tuple[int, ...] = ()
    searches: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.selects or self.turn_ids or self.searches)


NO_LOOK = Look()


def read_look(text: str) -> Look:
    """What a model wrote, as far as it can be read: the lines `open` and `search`, then SQL.

    Other text is ignored. Of too many turns and searches, the first count.
    """
    statements: list[str] = []
    turn_ids: dict[int, None] = {}
    searches: dict[str, None] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            statements.append(line)
        elif match["verb"].casefold() == "open":
            turn_ids.update((int(digits), None) for digits in _ID.findall(match["rest"]))
        elif words := one_line(match["rest"]).strip(" ;\"'`")[:_LONGEST_SEARCH]:
            searches[words] = None
    sql = "\n".join(statements).strip()
    return Look(
        selects=sql if _QUERY.search(sql) else "",
        turn_ids=tuple(turn_ids)[:MOST_OPENED],
        searches=tuple(searches)[:MOST_SEARCHES],
    )


@dataclass
class _Results:
    """What was looked up so far; `checked` has the ids that each SELECT names."""

    sql: list[str] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    checked: list[tuple[int, ...]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    calls: int = 0

    def add(self, sql: str, rows: Rows, ids: Collection[int] = ()) -> None:
        self.sql.append(sql)
        self.rows.append(rows)
        self.checked.append(tuple(ids))


def look_up(look: Look, memory: Opened, repair: Repair) -> dspy.Prediction:
    """Look up once what a model asks for.

    Arguments:
        repair: asks a model once for correct SQL to replace refused SQL.

    Returns a Prediction as RetrieveRows does, with `missing` (list of str: what could not be found,
    a line for the model each).
    """
    results = _Results()
    _open(look.turn_ids, memory, results)
    for words in look.searches:
        _run(_search_sql(words), memory, results)
    if look.selects:
        _select(look.selects, memory, results, repair)
    return dspy.Prediction(**vars(results), error="; ".join(results.missing))


def _open(turn_ids: Sequence[int], memory: Opened, results: _Results) -> None:
    """Turns by their ids, which are our own numbers if several memories are asked."""
    if not turn_ids:
        return
    turns = memory.turns(turn_ids)
    there = [turn.id for turn in turns]
    if absent := [str(turn_id) for turn_id in turn_ids if turn_id not in there]:
        results.missing.append(f"there is no turn {', '.join(absent)}")
    if turns:
        ids = ", ".join(map(str, there))
        columns = ("turn_id", "said_at", "speaker", "text")
        rows = tuple((turn.id, turn.said_at, turn.speaker, turn.text) for turn in turns)
        sql = f"SELECT id AS turn_id, said_at, speaker, text FROM turns WHERE id IN ({ids})"
        results.add(sql, Rows(columns, rows), there)


def _search_sql(words: str) -> str:
    return (
        f"SELECT s.turn_id, t.said_at, t.speaker, t.text FROM search({quoted(words)},"
        f" {_FOUND_TURNS}) s JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC"
    )


def _run(sql: str, memory: Opened, results: _Results) -> str:
    """Run one SELECT; returns why it was refused, "" if it ran or there was no time."""
    if not memory.has_time():
        results.missing.append(_told(sql, _NO_TIME))
        return ""
    try:
        select = check_select(sql)
        rows = memory.read(select)
    except SqlError as error:
        results.missing.append(_told(sql, str(error)))
        return str(error)
    if not rows.rows:
        results.missing.append(_told(sql, "no rows"))
    results.add(sql, rows, select.ids)
    return ""


def _select(sql: str, memory: Opened, results: _Results, repair: Repair) -> None:
    """Run a model's SELECTs; if any is refused, they are written again, once."""
    before, known = len(results.sql), len(results.missing)
    reasons: list[str] = []
    try:
        statements = [statement.text for statement in split(sql)]
    except SqlError as error:
        statements = []
        reasons.append(str(error))
        results.missing.append(_told(sql, str(error)))
    if len(statements) > MOST_SELECTS:
        results.missing.append(f"only the first {MOST_SELECTS} SELECTs were run")
    for statement in statements[:MOST_SELECTS]:
        if reason := _run(statement, memory, results):
            reasons.append(reason)
    if not reasons:
        return
    results.refusals.append(refusal(sql, "; ".join(reasons)))
    if not memory.has_time():
        return
    repaired = repair(results.refusals[-1])
    results.calls += repaired.get("calls", 1)
    results.refusals += repaired.get("refusals") or []
    if repaired.sql:  # all of them are written again
        del results.sql[before:], results.rows[before:], results.checked[before:]
        del results.missing[known:]
        for statement, rows in zip(repaired.sql, repaired.rows, strict=True):
            results.add(statement, rows)


def _told(sql: str, reason: str) -> str:
    """The SQL that could not run, and why, in a line."""
    return f"{trim(one_line(sql), _TOLD_TOKENS)}: {trim(one_line(reason), _TOLD_TOKENS)}"


def missing_line(missing: Sequence[str]) -> str:
    """What could not be looked up, as the answering model reads it; "" for nothing."""
    return f"(Not found of what you looked for: {'; '.join(missing)})" if missing else ""
