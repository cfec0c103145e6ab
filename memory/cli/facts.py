"""The group facts: list, edit, log, diff, revert; who they are about, and how good they are."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from memory import facts as fact_edits
from memory.cli import attributes, audit, entities, history, refine, summaries
from memory.cli.options import DEFAULT, AsJson, Db, ListByDefault, Namespace, Seen, open_memory
from memory.cli.output import (
    change_line,
    edit_lines,
    print_json,
    print_rows,
    undo_line,
)
from memory.errors import InputError
from memory.facts.contradictions import settle
from memory.facts.standing import standing_facts, standing_without_effect
from memory.records import Change, Contradiction, Edit, Fact, Rows
from memory.store import Store
from memory.store.contradictions import open_contradictions
from memory.store.declared_settings import Settings
from memory.store.history import edits_of
from memory.store.standing_facts import StandingFact
from memory.system.terminal import clean_line, print_clean
from memory.text.turn_lines import turn_line
from memory.vocabulary.fact_lines import fact_line

app = typer.Typer(
    cls=ListByDefault,
    help="List and edit facts, and see how they changed. `memory facts` alone lists them.",
)
_COLUMNS = ("id", "subject", "attribute", "value", "since", "until", "turn")


@app.command("list")
def list_command(
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
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """List the facts that are true now, or show where one comes from (--why ID)."""
    if why is not None and (text or include_ended or as_of):
        raise InputError("--why shows one fact; leave out the text, --all and --as-of")
    if standing and (why is not None or text or include_ended or as_of):
        raise InputError("--standing lists current wishes; leave out the text and options")
    if contradictions and (standing or why is not None or text or include_ended or as_of):
        raise InputError("--contradictions lists what is open now; leave out the text and options")
    with open_memory(namespace, db, read_only=True) as store:
        if why is not None:
            _explain(store, why, as_json)
            return
        if standing:
            _list_standing(standing_facts(store), standing_without_effect(store), as_json)
            return
        if contradictions:
            _list_contradictions(open_contradictions(store), as_json)
            return
        matches = fact_edits.find(store, text, ended=include_ended, point=as_of or None)
        # Read only to tell whether --all would list more.
        all_matches = fact_edits.find(store, text, ended=True, point=as_of or None)
    if as_json:
        for fact in matches:
            print_json(fact.to_dict())
    elif matches:
        print_rows(_table(matches))
    else:
        advice = "; --all also lists facts that ended or begin later" if all_matches else ""
        if not (text or all_matches):
            advice = (
                "; `memory digest` stores those of plain sentences, and with"
                " `--model openai/gpt-4o-mini` a larger model stores more"
            )
        print_clean(f"no such facts{advice}", error=True)
    further = sum(not fact.ended_on for fact in all_matches) - sum(
        not fact.ended_on for fact in matches
    )
    if matches and further:
        reason = "begin later, or gave way to something newer; --all lists them"
        print_clean(f"{further} more {reason}", error=True)


@app.command()
def edit(
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
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
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
    with open_memory(namespace, db) as store:
        by = str(Settings(store).get("user", "user"))
        if delete:
            change = fact_edits.remove(store, fact_id, by, seen=seen)
        elif is_over:
            change = fact_edits.edit(store, fact_id, "is over", on=ended_on or "", by=by, seen=seen)
        elif was_wrong:
            change = fact_edits.correct(
                store,
                fact_id,
                value=value,
                subject=subject,
                attribute=attribute,
                happened_on=happened_on,
                by=by,
                seen=seen,
            )
        else:
            assert value is not None  # the remaining kind of edit
            change = fact_edits.edit(
                store, fact_id, "changed", value=value, on=since, by=by, seen=seen
            )
        edits = edits_of(store, change.id)
    _print_change(change, edits, as_json=as_json, namespace=namespace, db=db)


@app.command()
def add(
    subject: Annotated[str, typer.Argument(help="Who or what it is about.")],
    attribute: Annotated[str, typer.Argument(help="Such as lives_in or has_pet.")],
    value: Annotated[str, typer.Argument(help="Such as Oslo.")],
    on: Annotated[
        str, typer.Option(help="The date it happened on, or is true since: 2017-05.")
    ] = "",
    turn: Annotated[
        int | None, typer.Option(help="The id of the turn that says it. Default: a new turn.")
    ] = None,
    new_attribute: Annotated[
        bool,
        typer.Option("--new-attribute", help="The attribute is another than those near to it."),
    ] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Add a fact. Without --turn, what you say is stored as a turn, too.

    memory facts add Anna lives_in Bergen --on 2024-05

    A new value of what has one value at a time, such as lives_in, ends the old one.
    """
    with open_memory(namespace, db, create=True) as store:
        change = fact_edits.add(
            store,
            subject=subject,
            attribute=attribute,
            value=value,
            happened_on=on,
            turn_id=turn,
            new_attribute=new_attribute,
            by=str(Settings(store).get("user", "user")),
        )
        edits = edits_of(store, change.id)
    _print_change(change, edits, as_json=as_json, namespace=namespace, db=db)


@app.command(name="settle")
def settle_command(
    fact_id: Annotated[int, typer.Argument(metavar="ID", help="The id of a fact.")],
    other_id: Annotated[
        int, typer.Argument(metavar="OTHER", help="The id of the fact that contradicts it.")
    ],
    right: Annotated[str, typer.Option(help="The id of the right fact, or both.")],
    seen: Seen = None,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Say which of two facts that contradict each other is right; the other is deleted.

    memory facts settle 3 7 --right 7

    memory facts settle 3 7 --right both

    The list of pairs: memory facts --contradictions. You can undo it.
    """
    if right != "both" and not right.isdecimal():
        raise InputError("--right takes the id of a fact, or both")
    with open_memory(namespace, db) as store:
        change = settle(
            store,
            fact_id,
            other_id,
            right="both" if right == "both" else int(right),
            by=str(Settings(store).get("user", "user")),
            seen=seen,
        )
        edits = edits_of(store, change.id)
    if as_json:
        print_json(asdict(change) | {"edits": [asdict(edit) for edit in edits]})
        return
    print_clean("\n".join(map(clean_line, edit_lines(edits))) if edits else "both facts stay")
    print_clean(undo_line([change], namespace, db))


def _list_contradictions(pairs: list[Contradiction], as_json: bool) -> None:
    for pair in pairs:
        if as_json:
            print_json(asdict(pair))
        else:
            lines = [
                f"{fact_line(fact)}{f', said on {said_at[:10]}' if said_at else ''}"
                for fact, said_at in zip(pair.facts, pair.said_at, strict=True)
            ]
            print_clean(clean_line(f"{lines[0]} / {lines[1]}"))
    if not pairs and not as_json:
        print_clean("no facts contradict each other", error=True)


def _list_standing(facts: list[Fact], ineffective: list[StandingFact], as_json: bool) -> None:
    """The current ones, then those without effect, each with the reason."""
    if as_json:
        for fact in facts:
            print_json(fact.to_dict())
        for standing in ineffective:
            print_json(standing.fact.to_dict() | {"without_effect": standing.reason})
        return
    if facts:
        print_rows(_table(facts))
    else:
        print_clean("no standing instructions or preferences", error=True)
    for standing in ineffective:
        line = fact_line(standing.fact)
        print_clean(f"without effect: {clean_line(line)}: {clean_line(standing.reason)}")


app.command()(history.log)
app.command()(history.diff)
app.command()(history.revert)
app.add_typer(entities.app, name="entities")
app.add_typer(attributes.app, name="attributes")
app.command()(audit.audit)
app.command()(refine.refine)
app.command()(summaries.summaries)


def _print_change(
    change: Change, edits: list[Edit], *, as_json: bool, namespace: str, db: Path | None
) -> None:
    if as_json:
        print_json(asdict(change) | {"edits": [asdict(edit) for edit in edits]})
        return
    print_clean("\n".join(map(clean_line, edit_lines(edits))))
    print_clean(undo_line([change], namespace, db))


def _explain(store: Store, fact_id: int, as_json: bool) -> None:
    edits = fact_edits.history(store, fact_id)  # never empty: it raises for an unknown fact
    changes = {change.id: change for change in store.changes()}
    present = edits[-1].after  # None when the fact was removed
    fact = present or edits[-1].before
    turn = store.turn(fact.turn_id) if fact else None
    if as_json:
        print_json(
            {
                "fact": present.to_dict() if present else None,
                "turn": asdict(turn) if turn else None,
                "history": [
                    asdict(changes[edit.change_id]) | {"edit": asdict(edit)} for edit in edits
                ],
            }
        )
        return
    if fact and turn:
        print_rows(_table([fact]))
        print_clean(clean_line(f"source: {turn_line(turn)}") if present else "deleted")
    for edit in edits:
        print_clean(change_line(changes[edit.change_id]))
        print_clean("\n".join(f"  {clean_line(line)}" for line in edit_lines([edit])))


def _cells(fact: Fact) -> tuple[Any, ...]:
    return (
        fact.id,
        fact.subject,
        fact.attribute,
        fact.value,
        fact.happened_on,
        fact.ended_on,
        fact.turn_id,
    )


def _table(facts: Iterable[Fact]) -> Rows:
    rows = (tuple(clean_line(str(cell or "")) for cell in _cells(fact)) for fact in facts)
    return Rows(_COLUMNS, tuple(rows))
