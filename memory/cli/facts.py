"""The group facts: list, edit, log, diff, revert."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from memory import facts as fact_edits
from memory.cli import history
from memory.cli.options import DEFAULT, AsJson, Db, Namespace, open_memory
from memory.cli.output import (
    change_line,
    edit_lines,
    print_json,
    print_rows,
    undo_line,
)
from memory.errors import InputError
from memory.prompt import turn_line
from memory.records import Fact, Rows
from memory.settings import Settings
from memory.store import Store
from memory.terminal import clean_line, print_clean


class _ListByDefault(TyperGroup):
    """A group whose command `list` may be left out: `memory facts Anna` lists, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListByDefault,
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
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """List the facts that are true now, or show where one comes from (--why ID)."""
    if why is not None and (text or include_ended or as_of):
        raise InputError("--why shows one fact; leave out the text, --all and --as-of")
    with open_memory(namespace, db, read_only=True) as store:
        if why is not None:
            _explain(store, why, as_json)
            return
        matches = fact_edits.find(store, text, ended=include_ended, point=as_of or None)
        # Read only to tell whether --all would list more.
        all_matches = fact_edits.find(store, text, ended=True, point=as_of or None)
    if as_json:
        for fact in matches:
            print_json(_fact_json(fact))
    elif matches:
        print_rows(_table(matches))
    else:
        advice = "; --all lists those that ended or begin later" if all_matches else ""
        if not (text or all_matches):
            advice = "; `memory digest --model openai/gpt-4o-mini` lets a larger model store them"
        print_clean(f"no such facts{advice}", error=True)
    ahead = sum(not fact.ended_on for fact in all_matches) - sum(
        not fact.ended_on for fact in matches
    )
    if matches and ahead:
        print_clean(f"{ahead} more to begin later; --all lists them", error=True)


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
    delete: Annotated[bool, typer.Option("--delete", help="Delete the fact.")] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Edit a fact: give a new value, correct it, end it or delete it. You can undo each edit.

    memory facts edit 3 --value Bergen --since 2024-05

    memory facts edit 3 --was-wrong --value Bergen

    A new value ends the old one, which stays on record.
    """
    in_place = (subject, attribute, happened_on)
    kinds_of_edit = [value is not None or was_wrong, ended_on is not None, delete]
    if sum(kinds_of_edit) != 1:
        raise InputError("give one edit: --value V, --was-wrong, --ended-on DATE or --delete")
    if not was_wrong and any(text is not None for text in in_place):
        raise InputError("--subject, --attribute and --happened-on need --was-wrong")
    if since and (was_wrong or value is None):
        raise InputError("--since needs --value, and goes without --was-wrong")
    with open_memory(namespace, db) as store:
        by = str(Settings(store).get("user", "user"))
        if delete:
            change = fact_edits.remove(store, fact_id, by)
        elif ended_on is not None:
            change = fact_edits.end(store, fact_id, ended_on, by=by)
        elif was_wrong:
            change = fact_edits.correct(
                store,
                fact_id,
                value=value,
                subject=subject,
                attribute=attribute,
                happened_on=happened_on,
                by=by,
            )
        else:
            assert value is not None  # the one kind of edit that is left
            change = fact_edits.supersede(store, fact_id, value, since=since, by=by)
        edits = store.journal(change.id)
    if as_json:
        print_json(asdict(change) | {"edits": [asdict(edit) for edit in edits]})
        return
    print_clean("\n".join(map(clean_line, edit_lines(edits))))
    print_clean(undo_line([change], namespace, db))


app.command()(history.log)
app.command()(history.diff)
app.command()(history.revert)


def _explain(store: Store, fact_id: int, as_json: bool) -> None:
    edits = fact_edits.history(store, fact_id)  # never empty: it raises for an unknown fact
    changes = {change.id: change for change in store.changes()}
    present = edits[-1].after  # None when the fact was removed
    fact = present or edits[-1].before
    turn = store.turn(fact.turn_id) if fact else None
    if as_json:
        print_json(
            {
                "fact": _fact_json(present) if present else None,
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


def _fact_json(fact: Fact) -> dict[str, Any]:
    return dict(zip(_COLUMNS, _cells(fact), strict=True)) | {"recorded_at": fact.recorded_at}
