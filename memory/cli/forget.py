"""The group forget: remove turns for good, with a receipt; finish that, and verify a receipt."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    AsJson,
    Db,
    Namespace,
    Yes,
    confirm,
    existing_memory,
    open_memory,
    refuse_options_before,
)
from memory.cli.output import command_line, diff_lines, json_line, print_json, print_lines
from memory.errors import InputError, StoreError
from memory.records import Forgotten
from memory.store import Store, postgres_module
from memory.store.changes.points_in_time import Diff, now
from memory.store.configuration.settings import settings_of
from memory.store.facts.entity_edits import entities_called
from memory.store.forgetting import preview as forgetting
from memory.store.forgetting.preview import Preview, matching_turns
from memory.store.namespaces import make_folder
from memory.store.turns.traces import replies_line
from memory.system.files import discard, write_whole
from memory.system.home import home, receipt_name
from memory.system.terminal import clean_line, count, print_clean
from memory.text.turn_lines import turn_line
from memory.worker.retention import day_before

_MAX_SHOWN = 5  # turns and facts before the question
app = typer.Typer(invoke_without_command=True)
ReceiptFile = Annotated[
    Path | None,
    typer.Option(help="The file for the receipt. Default: forgotten-TIME-HASH.json by the memory."),
]


@app.callback()
def forget(
    context: typer.Context,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    speaker: Annotated[str, typer.Option(help="All turns of one person.")] = "",
    session: Annotated[str | None, typer.Option(help="All turns of one session.")] = None,
    turn: Annotated[list[int] | None, typer.Option(help="One turn, by its id; repeatable.")] = None,
    matching: Annotated[str, typer.Option(help="Turns with these words, whole, in any case.")] = "",
    about: Annotated[
        str, typer.Option(help="Turns with facts about a person, by any of their names.")
    ] = "",
    older_than: Annotated[
        int, typer.Option(min=0, metavar="DAYS", help="Turns said more than this many days ago.")
    ] = 0,
    keep_facts: Annotated[
        bool,
        typer.Option("--keep-facts", help="With --older-than: leave the sources of facts."),
    ] = False,
    only: Annotated[
        bool, typer.Option("--only", help="Keep replies that quote these turns.")
    ] = False,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Also forget turns of people who say it again.")
    ] = False,
    exports: Annotated[
        bool, typer.Option("--exports", help="Also delete exported files that hold their words.")
    ] = False,
    only_preview: Annotated[
        bool, typer.Option("--preview", help="Show what would go; forget nothing.")
    ] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum",
            help="Postgres: also drop the bytes of removed rows. Locks the tables of all memories.",
        ),
    ] = False,
    receipt: ReceiptFile = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove turns and their facts for good, also from known backups. There is no undo.

    memory forget --speaker Ben --session 2024-05-01

    Several conditions must all match. Replies of assistants that quote the turns go too. Prints a
    preview first, and writes a receipt.
    """
    if context.invoked_subcommand:
        refuse_options_before(context)
        return
    if not (speaker or matching or turn or about or older_than) and session is None:
        raise InputError(
            "give --speaker, --session, --turn, --about, --matching or --older-than; after that"
            " `memory forget finish` and `memory forget verify RECEIPT`, and `memory admin vacuum`"
        )
    if keep_facts and not older_than:
        raise InputError("--keep-facts goes with --older-than")
    # Checked before anything is removed: the salt is in the receipt and nowhere else.
    if receipt and receipt.exists():
        raise InputError(f"{receipt} exists already; nothing was removed")
    if vacuum and isinstance(existing_memory(namespace, db), Path):
        raise InputError("--vacuum is for Postgres; `forget` overwrites a file at once")
    receipts = _receipts(namespace, db, receipt, as_json)
    receipts = replace(receipts, vacuums=vacuum, deletes_exports=exports)
    with open_memory(namespace, db) as store:
        turns = matching_turns(
            store,
            speaker=speaker,
            session=session,
            ids=turn or (),
            matching=matching,
            about=_chosen(store, about),
            before=day_before(older_than) if older_than else "",
            keeps_facts=keep_facts,
        )
        if only_preview:
            gone = forgetting.preview(
                store, turns, replies=not only, repeats=repeats, matching=matching
            )
            if as_json:
                print_json(asdict(gone))
            else:
                _print_preview(gone, receipts.command)
            return

        def agrees(gone: Preview) -> bool:
            if not as_json:
                _print_preview(gone, receipts.command)
            files = f" and {count(len(gone.exports), 'file')}" if exports else ""
            confirm(f"Forget {count(len(gone.going), 'turn')}{files} for good?", yes)
            return True

        def forget_agreed() -> list[Forgotten]:
            _, forgotten = forgetting.forget(
                store, turns, agrees, replies=not only, repeats=repeats, matching=matching
            )
            return forgotten

        _forget(store, forget_agreed, receipts)


@app.command()
def finish(
    namespace: Namespace = DEFAULT,
    db: Db = None,
    receipt: ReceiptFile = None,
    as_json: AsJson = False,
) -> None:
    """Finish an interrupted forget: overwrite the bytes of what it removed."""
    receipts = _receipts(namespace, db, receipt, as_json)
    with open_memory(namespace, db) as store:
        if settings_of(store, "forgetting"):
            _forget(store, lambda: forgetting.forget_without_preview(store), receipts)
        elif not as_json:
            print_clean("nothing to finish")


@app.command()
def verify(
    receipt: Annotated[Path, typer.Argument(help="A file that `memory forget` wrote.")],
    namespace: Namespace = DEFAULT,
    db: Db = None,
    matching: Annotated[str, typer.Option(help="Also look for this text.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check that the turns of a receipt are gone. Ends with exit code 1 if there are remains."""
    from memory.store.forgetting.receipt_check import check_receipt, read_receipt

    location = existing_memory(namespace, db)
    command = _command(namespace, db)
    forgotten = read_receipt(receipt)
    if isinstance(location, Path):
        check = check_receipt(location, forgotten, matching)
    else:
        check = postgres_module("receipt_check").check_namespace(location, forgotten, matching)
    remains = tuple(_naming_the_memory(line, command) for line in check.remains)
    check = replace(check, remains=remains)
    if as_json:
        print_json(asdict(check))
    else:
        print_lines(check.remains, "still there: ")
        print_lines(check.unchecked, "not checked: ")
    if check.remains:
        print_clean(f"not all of {receipt} is gone: {check.remains[0]}", error=True)
        raise typer.Exit(1)
    if not as_json:
        turns, facts = count(len(forgotten.turns), "turn"), count(len(forgotten.facts), "fact")
        print_clean(f"gone: {turns} and {facts}, checked in {', '.join(check.files)}")


def _chosen(store: Store, name: str) -> str:
    """The name; of several who have it, the one chosen at the terminal."""
    entities = entities_called(store, name) if name else []
    if len(entities) < 2 or not sys.stdin.isatty():
        return name
    for number, entity in enumerate(entities, 1):
        print_clean(f"{number}: {clean_line(entity)}")
    chosen = typer.prompt(f"Who is {clean_line(name)!r}? Give a number", type=int)
    return entities[chosen - 1] if 1 <= chosen <= len(entities) else name


def _naming_the_memory(line: str, command: Callable[..., str]) -> str:
    """A line of a store, with the options of this memory if it ends with a command."""
    options = command().removeprefix("memory")
    return f"{line}{options}" if ": memory forget " in line else line


def _command(namespace: str, db: Path | None) -> Callable[..., str]:
    """A command line for this memory, of words that are given later."""
    return partial(command_line, namespace=namespace, db=db)


def _receipts(namespace: str, db: Path | None, file: Path | None, as_json: bool) -> "_Receipts":
    location = existing_memory(namespace, db)
    folder = location.absolute().parent if isinstance(location, Path) else home()
    return _Receipts(file, folder, as_json, command=_command(namespace, db))


def _print_preview(gone: Preview, command: Callable[..., str]) -> None:
    """Print what goes with these turns, what stays and what is out of reach."""
    print_clean(f"{count(len(gone.turns), 'turn')} to forget:")
    print_lines(map(turn_line, gone.turns[:_MAX_SHOWN]), "  ")
    if gone.replies:
        print_clean(f"{count(len(gone.replies), 'turn')} of replies that quote them go too:")
        print_lines(map(turn_line, gone.replies[:_MAX_SHOWN]), "  ")
    if gone.repeats:
        stay = count(len(gone.repeats), "turn")
        print_clean(f"{stay} with the same words stay; --repeats forgets them too:")
        print_lines(map(turn_line, gone.repeats[:_MAX_SHOWN]), "  ")
    if gone.near:
        stay = count(len(gone.near), "turn")
        is_alone = len(gone.near) == 1
        print_clean(
            f"{stay} with a longer name {'stays' if is_alone else 'stay'}; --turn forgets"
            f" {'it' if is_alone else 'them'} too:"
        )
        print_lines(map(turn_line, gone.near[:_MAX_SHOWN]), "  ")
    if gone.shaped:
        print_clean(f"{replies_line(gone.shaped)}; what they say stays")
    also = f" ({gone.removed:,} of them only in the journal)" if gone.removed else ""
    facts_count = count(len(gone.facts) + gone.removed, "fact")
    listed = ":" if gone.facts else ""
    print_clean(f"{facts_count} based on them{also}, with their journal entries{listed}")
    print_lines(diff_lines(Diff(removed=gone.facts[:_MAX_SHOWN])), "  ")
    if gone.restored:
        print_clean(f"{count(len(gone.restored), 'fact')} merged with them, to be restored:")
        print_lines(diff_lines(Diff(added=gone.restored[:_MAX_SHOWN])), "  ")
    if gone.reopened:
        print_clean(f"{count(len(gone.reopened), 'fact')} ended by them, to be reopened:")
        reopened = gone.reopened[:_MAX_SHOWN]
        changed = tuple((fact, replace(fact, ended_on="")) for fact in reopened)
        print_lines(diff_lines(Diff(changed=changed)), "  ")
    if gone.staying:
        names = clean_line(", ".join(sorted({turn.speaker for turn in gone.turns})))
        print_clean(f"{count(len(gone.staying), 'fact')} about {names} from other turns stay")
    _print_mentions(gone, command)
    print_clean("backups to search: " + (", ".join(gone.backups) or "none known"))
    for path in gone.copies:
        print_clean(f"not searched, a separate memory with these turns: {path}")
    for path in gone.exports:
        print_clean(f"an exported file with their words; --exports deletes it: {path}")
    print_clean("out of reach: settings, other copies of the file, data sent to hosted models")


def _print_mentions(gone: Preview, command: Callable[..., str]) -> None:
    """Print where remaining texts name the speakers, and commands to show and forget these."""
    mentions = gone.mentions
    speakers = sorted(gone.speakers)
    if not (mentions.turns or mentions.facts or mentions.story):
        return
    names = clean_line(", ".join(speakers))
    print_clean(
        f"still named after that: {names} in {count(mentions.turns, 'turn')} of others,"
        f" {count(mentions.facts, 'fact')} about others and"
        f" {count(mentions.story, 'line')} of the story"
    )
    for speaker in speakers[:_MAX_SHOWN]:
        print_clean(
            f"  to see and forget them: {command('forget', '--matching', speaker, '--preview')}, or"
            f" --about {quote(speaker)}"
        )


@dataclass(frozen=True)
class _Receipts:
    """How receipts are written: into `file`, or into `folder` by their time."""

    file: Path | None
    folder: Path
    as_json: bool
    command: Callable[..., str]  # of this memory
    vacuums: bool = False
    deletes_exports: bool = False

    def write(self, forgotten: Forgotten, file: Path | None) -> None:
        """Write a receipt; when that fails it is printed, as its salt is stored nowhere else."""
        path = file or self.folder / receipt_name(forgotten)
        text = json_line(asdict(forgotten))
        if self.as_json:
            print_clean(text)
        try:
            if not file:
                make_folder(self.folder)
            write_whole(path, f"{text}\n".encode())
        except InputError:
            if not self.as_json:
                print_clean(text)
            raise
        if not self.as_json:
            print_clean(f"receipt: {path}, sha256 {forgotten.sha256}")


def _forget(store: Store, function: Callable[[], list[Forgotten]], receipts: _Receipts) -> None:
    """Forget by this function, and write its receipts, even if it could not finish."""
    due_before = forgetting.receipts_due(store)
    try:
        *earlier, forgotten = function()
    except StoreError as error:
        for due in forgetting.receipts_due(store)[len(due_before) :]:
            receipts.write(due, receipts.file)
        error.args = (_naming_the_memory(str(error), receipts.command),)
        raise
    refusal = None
    if receipts.vacuums:
        try:
            store.vacuum()
            forgotten = replace(forgotten, vacuum="", vacuumed_at=now())
        except StoreError as error:  # the turns are gone, and their receipt comes first
            refusal = error
    if receipts.deletes_exports:
        for path in forgotten.exports:
            discard(Path(path))
        forgotten = replace(forgotten, exports=tuple(filter(os.path.exists, forgotten.exports)))
    for finished in earlier:
        receipts.write(finished, None)
    receipts.write(forgotten, receipts.file)
    if not receipts.as_json:
        _print_result(forgotten, receipts.command)
    if refusal:
        raise refusal


def _print_result(forgotten: Forgotten, command: Callable[..., str]) -> None:
    turns, facts = count(len(forgotten.turns), "turn"), count(len(forgotten.facts), "fact")
    print_clean(f"forgotten: {turns} and {facts}")
    for path in forgotten.files:
        print_clean(f"overwritten: {path}")
    if forgotten.vacuumed_at:
        print_clean("vacuumed: the server's tables; its log, replicas and backups are its owner's")
    if forgotten.vacuum:
        print_clean(
            f"removed; the bytes go when the server vacuums: `{command('admin', 'vacuum')}`, or"
            f" {forgotten.vacuum}"
        )
    for path in forgotten.unreached:
        print_clean(f"not reached: {path}; delete it when you find it")
    for path in forgotten.copies:
        print_clean(f"still in a separate copy of the memory: {path}; forget them there too")
    for path in forgotten.exports:
        print_clean(f"still in an exported file: {path}; delete it")
    if forgotten.quoted_in:
        ids = [("--turn", str(turn_id)) for turn_id in forgotten.quoted_in[:_MAX_SHOWN]]
        stay = count(len(forgotten.quoted_in), "turn")
        print_clean(f"{stay} with the same words stay: {command('forget', *chain(*ids))}")
    if forgotten.shaped:
        print_clean(f"{replies_line(forgotten.shaped)}; what they say stays")
