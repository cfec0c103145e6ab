"""The commands that query a memory: ask, search, sql."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    ApiBase,
    AsJson,
    Asker,
    Db,
    ModelName,
    Namespace,
    Namespaces,
    Program,
    Prompts,
    ShownBudget,
    check_budget,
    compiled_program,
    loaded_model,
    open_memories,
    open_memory,
)
from memory.cli.output import print_json, print_rows
from memory.errors import InputError, SqlError
from memory.evidence.lines import named_cells
from memory.records import Rows, Turn
from memory.store.changes.points_in_time import time_of_question
from memory.store.files.united import found_turns
from memory.system.providers import refuse_unreachable
from memory.system.terminal import clean_line, count, print_clean, print_dim
from memory.text.turn_filter import filter_of_pairs
from memory.text.turn_lines import turn_line
from memory.vocabulary.fact_lines import fact_line

if TYPE_CHECKING:
    from memory.records import Answer, Citation

_MOST_FEATURES = 3  # of the ranking, those with the largest share
_MAX_ROWS_SHOWN = 5  # below their statement; longer results are only counted


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    namespaces: Namespaces = None,
    db: Db = None,
    model: ModelName = "",
    api_base: ApiBase = None,
    prompts: Prompts = "auto",
    as_of: Annotated[
        str, typer.Option(help="Ask the memory of that time: 2017-06-01, 2017-06 or 2017.")
    ] = "",
    speaker: Asker = "",
    now: Annotated[
        str,
        typer.Option(
            help='The date "last week" counts from: 2017-06-01. Default: today, or --as-of.'
        ),
    ] = "",
    program: Program = None,
    budget: ShownBudget = None,
    why: Annotated[
        bool, typer.Option("--why", help="Show what found each turn, and the SQL that ran.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a question. Prints the answer and its sources.

    With --why a terminal shows as much of a statement as fits a line; --json has all of it.

    memory ask "When do we meet?" -n anna -n team
    """
    refuse_unreachable(model, api_base)
    from memory.api import Memory  # takes a second

    day = _question_day(now, as_of)
    if program and not model:
        raise InputError("--program is for a model: name one with --model")
    compiled = compiled_program(program)
    with (
        open_memories(namespaces, db) as present,
        present.as_of(as_of) if as_of else nullcontext(present) as store,
    ):
        loaded = loaded_model(model, api_base, prompts)
        check_budget(loaded, budget)
        memory = Memory(store, loaded, program=compiled, budget=budget)
        answer = memory.ask(question, speaker=speaker, now=day)
    if as_json:
        print_json(answer.to_dict())
    else:
        print_clean("\n".join(_answer_lines(answer, answer.sources, why=why)))
        if why:
            _print_statements(answer)
        if loaded and loaded.server:  # other calls cost nothing
            print_clean(_bill(answer))


def _bill(answer: "Answer") -> str:
    """`2 calls, 3,130 + 60 tokens, 4.1 s; SQL: 1 call, 2,010 + 45 tokens, 5 rows, 3 turns more`."""
    line = f"{count(answer.calls, 'call')}, {answer.tokens_in:,} + {answer.tokens_out:,} tokens"
    line += f", {answer.seconds:.1f} s"
    for step in answer.steps:
        if step.name == "select" and step.calls:
            line += f"; SQL: {count(step.calls, 'call')}, {step.tokens_in:,} + {step.tokens_out:,}"
            line += f" tokens, {count(step.rows, 'row')}, {count(step.turns, 'turn')} more"
    return line


def _question_day(now: str, as_of: str) -> datetime:
    """The day that `--now` names; without it the last one of `--as-of`, or today.

    Raises InputError for a `now` that is not a date.
    """
    if now:
        try:
            return datetime.strptime(now, "%Y-%m-%d")
        except ValueError:
            raise InputError(f"--now {now!r} is not a date; write 2017-06-01") from None
    return time_of_question(as_of)


def _answer_lines(answer: "Answer", turns: Sequence[Turn], why: bool) -> Iterator[str]:
    from memory.program.quotations import answer_lines  # with DSPy

    for line in answer_lines(answer):
        yield clean_line(line)
    for turn, citation in zip(turns, answer.citations, strict=True):
        yield f"  {clean_line(turn_line(turn))}"
        if why:
            yield f"    {_origin(citation, answer.sql)}"
    for fact in answer.standing:
        yield f"  standing: {clean_line(fact_line(fact))}"


def _print_statements(answer: "Answer") -> None:
    """Print the SQL of an answer with its rows. On a terminal a statement is one dim line."""
    if answer.sql:
        print_clean("\nSQL:")
    for number, (statement, rows) in enumerate(zip(answer.sql, answer.rows, strict=True), start=1):
        label = f"{number}. " if len(answer.sql) > 1 else ""
        print_dim(f"  {label}{clean_line(statement)}")
        print_clean(f"    {_row_count(rows)}")
        # Rows that name turns are left out: the cited ones are above.
        if len(rows.rows) <= _MAX_ROWS_SHOWN and not {"turn_id", "id"} & set(rows.columns):
            for line in filter(None, named_cells(rows)):
                print_clean(f"    {clean_line(line)}")


def _origin(citation: "Citation", statements: Sequence[str]) -> str:
    """How a turn was found: `found by the ranking, rank 1 (words 4.3, length 3.1), by SQL 2`.

    A single statement needs no number.
    """
    origins = []
    if citation.rank:
        best = sorted(citation.shares.items(), key=lambda share: -share[1])[:_MOST_FEATURES]
        features = ", ".join(f"{name} {share:.1f}" for name, share in best if share > 0)
        origins.append(f"by the ranking, rank {citation.rank} ({features})")
    numbers = [str(statements.index(statement) + 1) for statement in citation.sql]
    if numbers:
        origins.append("by SQL" + f" {' and '.join(numbers)}" * (len(statements) > 1))
    return "found " + ", ".join(origins)


def search(
    text: Annotated[str, typer.Argument(help="The text to search for.")],
    namespaces: Namespaces = None,
    db: Db = None,
    k: Annotated[
        int, typer.Option("-k", "--limit", "--top-k", min=1, max=200, help="Number of turns.")
    ] = 10,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Only turns with this speaker, session, kind, source, since, until or tags.NAME."
            " Can be repeated; of equal keys, one must match.",
        ),
    ] = None,
    program: Program = None,
    as_json: AsJson = False,
) -> None:
    """Search the turns, best first. Asks no model.

    memory search "move to Oslo" --where speaker=Anna --where since=2017-05
    """

    if not text.strip():
        raise InputError("the search text is empty")
    turn_filter = filter_of_pairs(where or [])
    compiled = compiled_program(program)
    weights = compiled.feature_weights if compiled else None
    with open_memories(namespaces, db) as store:
        hits = found_turns(store, store.search(text, k, turn_filter, weights=weights))
    for hit in hits:
        if as_json:
            print_json(hit.to_dict())
        else:
            print_clean(clean_line(turn_line(hit.turn)))
    if not hits and turn_filter:
        print_clean("no turn passes --where", error=True)
    elif not hits:
        print_clean(
            "no turns in this memory yet; `memory add` and `memory import` store some", error=True
        )


def sql(
    select: Annotated[str, typer.Argument(help="The SELECT statement, in quotes.")],
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Run one read-only SELECT over turns, facts and search().

    memory admin sql "SELECT value FROM facts WHERE subject = 'Anna'"
    """
    if not select.strip():
        raise InputError("the statement is empty; write a SELECT")
    with open_memory(namespace, db) as store:
        try:
            rows = store.read(select)
        except SqlError as error:
            raise InputError(str(error)) from error
    if as_json:
        # A JSON object would keep only one of several columns with the same name.
        if len({*rows.columns}) < len(rows.columns):
            raise InputError(
                f"columns {', '.join(rows.columns)}: give each its own name with AS for --json"
            )
        for row in rows.rows:
            print_json(dict(zip(rows.columns, row, strict=True)))
    else:
        print_rows(rows)
    # On stderr, so stdout has nothing but rows.
    if rows.truncated:
        print_clean(f"only the first {len(rows.rows)} rows; there are more", error=True)


def _row_count(rows: Rows) -> str:
    more = ", and there are more" if rows.truncated else ""
    return f"{count(len(rows.rows), 'row')}{more}"
