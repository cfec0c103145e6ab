"""The group facts: list, edit, log, diff, revert; who they are about, and how good they are."""

from dataclasses import asdict
from typing import Annotated, Any, ClassVar

import typer

from memory import facts as fact_edits
from memory.cli import attributes, audit, entities, history, refine, summaries
from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.operations import EditCommand, EditingGroup
from memory.cli.options import Seen
from memory.cli.output import change_line, edit_lines
from memory.errors import InputError
from memory.facts.latest_word import with_later
from memory.facts.standing import standing_facts, standing_without_effect
from memory.records import Change, Contradiction, Fact, FactWithLater
from memory.store import Store
from memory.store.facts.contradictions import open_contradictions
from memory.store.facts.standing_facts import StandingFact
from memory.system.terminal import clean_line
from memory.text.turn_lines import turn_line
from memory.vocabulary.fact_lines import fact_line


class _Facts(EditingGroup):
    edits: ClassVar = {
        "add": EditCommand(
            "add_fact",
            ("subject", "attribute", "value"),
            {"happened_on": "--on", "turn_id": "--turn"},
            example="""memory facts add Anna lives_in Bergen --on 2024-05

Without --turn, what you say is stored as a turn, too. A new value of what has one value at a time,
such as lives_in, ends the old one.
""",
            creates=True,
        ),
        "settle": EditCommand(
            "settle_contradiction",
            ("fact", "other"),
            example="""memory facts settle 3 7 --right 7

memory facts settle 3 7 --right both

The list of pairs: memory facts --contradictions. You can undo it.
""",
        ),
    }


app = typer.Typer(
    cls=_Facts,
    help="List and edit facts, and see how they changed. `memory facts` alone lists them.",
)
_COLUMNS = ("id", "subject", "attribute", "value", "since", "until", "turn")


@app.command("list")
@on_memory()
def list_command(
    memory: CommandMemory,
    text: Annotated[str, typer.Argument(help="Only facts with this text.")] = "",
    include_ended: Annotated[
        bool, typer.Option("--all", help="Also facts that ended or begin later.")
    ] = False,
    as_of: Annotated[
        str, typer.Option(help="Facts at an earlier point: a change (12), or a date (2017-06-01).")
    ] = "",
    why: Annotated[
        int | None, typer.Option(help="Show one fact by its id, with its source and history.")
    ] = None,
    standing: Annotated[
        bool,
        typer.Option(
            "--standing", help="Only standing instructions and preferences, newest first."
        ),
    ] = False,
    contradictions: Annotated[
        bool,
        typer.Option("--contradictions", help="Only facts that contradict each other, in pairs."),
    ] = False,
) -> Printed:
    """List the facts that are true now, or show where one comes from (--why ID)."""
    if why is not None and (text or include_ended or as_of):
        raise InputError("--why shows one fact; leave out the text, --all and --as-of")
    if standing and (why is not None or text or include_ended or as_of):
        raise InputError("--standing lists current wishes; leave out the text and options")
    if contradictions and (standing or why is not None or text or include_ended or as_of):
        raise InputError("--contradictions lists what is open now; leave out the text and options")
    store = memory.store
    if why is not None:
        return _explained(store, why)
    if standing:
        return _wishes(standing_facts(store), standing_without_effect(store))
    if contradictions:
        return _pairs(open_contradictions(store))
    matches = fact_edits.find(store, text, ended=include_ended, point=as_of or None)
    # Read only to tell whether --all would list more.
    all_matches = fact_edits.find(store, text, ended=True, point=as_of or None)
    advice = "; --all also lists facts that ended or begin later" if all_matches else ""
    if not (text or all_matches):
        advice = (
            "; `memory digest` stores what plain sentences say, and with"
            " `--model openai/gpt-4o-mini` a larger model stores more"
        )
    further = sum(not fact.ended_on for fact in all_matches) - sum(
        not fact.ended_on for fact in matches
    )
    reason = "begin later, or gave way to something newer; --all lists them"
    notes = [f"{further} more {reason}"] if further else []
    if not as_of:
        matches = with_later(store, matches)
    return Printed(
        [fact.to_dict() for fact in matches],
        columns=_COLUMNS,
        rows=[*map(_cells, matches)],
        notes=notes if matches else [f"no such facts{advice}"],
    )


@app.command()
@on_memory(writes=True)
def edit(
    memory: CommandMemory,
    fact_id: Annotated[int, typer.Argument(metavar="ID", help="The id of the fact.")],
    value: Annotated[str | None, typer.Option(help="The new value.")] = None,
    since: Annotated[
        str, typer.Option(help="The date the new value holds from: 2017-05. Default: today.")
    ] = "",
    was_wrong: Annotated[
        bool, typer.Option("--was-wrong", help="The fact was never true: correct it in place.")
    ] = False,
    subject: Annotated[
        str | None, typer.Option(help="The correct subject, with --was-wrong.")
    ] = None,
    attribute: Annotated[
        str | None, typer.Option(help="The correct attribute, with --was-wrong.")
    ] = None,
    happened_on: Annotated[
        str | None, typer.Option(help="The correct date, with --was-wrong.")
    ] = None,
    ended_on: Annotated[
        str | None, typer.Option(help="The date the fact stopped being true.")
    ] = None,
    is_over: Annotated[
        bool, typer.Option("--is-over", help="The fact stopped being true, today or --ended-on.")
    ] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the fact.")] = False,
    seen: Seen = None,
) -> Change:
    """Edit a fact: give a new value, correct it, end it or delete it. You can undo each edit.

    memory facts edit 3 --value Bergen --since 2024-05

    memory facts edit 3 --was-wrong --value Bergen

    A new value ends the old one, which stays on record. If someone else was first, it says
    what they wrote and how to put yours over it.
    """
    in_place = (subject, attribute, happened_on)
    is_over = is_over or ended_on is not None
    kinds_of_edit = [value is not None or was_wrong, is_over, delete]
    if sum(kinds_of_edit) != 1:
        raise InputError("give one edit: --value V, --was-wrong, --is-over or --delete")
    if not was_wrong and any(text is not None for text in in_place):
        raise InputError("--subject, --attribute and --happened-on need --was-wrong")
    if since and (was_wrong or value is None):
        raise InputError("--since needs --value, and goes without --was-wrong")
    from memory.operations import facts as operations  # with pydantic

    opened = memory.opened
    if delete:
        return operations.delete_fact(opened, fact_id, seen)
    if is_over:
        return operations.end_fact(opened, fact_id, ended_on or "", seen)
    if was_wrong:
        return operations.amend_fact(
            opened, fact_id, value, subject, attribute, happened_on, seen=seen
        )
    return operations.correct(opened, fact_id, value or "", since=since, seen=seen)


def _pairs(pairs: list[Contradiction]) -> Printed:
    lines = []
    for pair in pairs:
        sides = [
            f"{fact_line(fact)}{f', said on {said_at[:10]}' if said_at else ''}"
            for fact, said_at in zip(pair.facts, pair.said_at, strict=True)
        ]
        lines.append(clean_line(" / ".join(sides)))
    notes = () if pairs else ["no facts contradict each other"]
    return Printed([*map(asdict, pairs)], lines, notes=notes)


def _wishes(facts: list[Fact], ineffective: list[StandingFact]) -> Printed:
    """The current ones, then those without effect, each with the reason."""
    records = [fact.to_dict() for fact in facts]
    records += [
        standing.fact.to_dict() | {"without_effect": standing.reason} for standing in ineffective
    ]
    lines = [
        f"without effect: {clean_line(fact_line(standing.fact))}: {clean_line(standing.reason)}"
        for standing in ineffective
    ]
    notes = () if facts else ["no standing instructions or preferences"]
    return Printed(records, lines, _COLUMNS, [*map(_cells, facts)], notes)


app.command()(history.log)
app.command()(history.diff)
app.command()(history.revert)
app.add_typer(entities.app, name="entities")
app.add_typer(attributes.app, name="attributes")
app.command()(audit.audit)
app.command()(refine.refine)
app.command()(summaries.summaries)


def _explained(store: Store, fact_id: int) -> Printed:
    edits = fact_edits.history(store, fact_id)  # never empty: it raises for an unknown fact
    changes = {change.id: change for change in store.changes()}
    present = edits[-1].after  # None when the fact was removed
    fact = present or edits[-1].before
    turn = store.turn(fact.turn_id) if fact else None
    lines = []
    if fact and turn:
        lines.append(clean_line(f"source: {turn_line(turn)}") if present else "deleted")
    for edit in edits:
        lines.append(change_line(changes[edit.change_id]))
        lines += [f"  {clean_line(line)}" for line in edit_lines([edit])]
    record = {
        "fact": present.to_dict() if present else None,
        "turn": asdict(turn) if turn else None,
        "history": [asdict(changes[edit.change_id]) | {"edit": asdict(edit)} for edit in edits],
    }
    rows = [_cells(fact)] if fact and turn else []
    return Printed([record], lines, _COLUMNS, rows)


def _cells(fact: Fact) -> tuple[Any, ...]:
    return (
        fact.id,
        fact.subject,
        fact.attribute,
        f"{fact.value}; {fact.later}" if isinstance(fact, FactWithLater) else fact.value,
        fact.happened_on,
        fact.ended_on,
        fact.turn_id,
    )
