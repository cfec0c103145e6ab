"""The command add: store a message or documents as turns."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    AsJson,
    Db,
    Namespace,
    open_memory,
)
from memory.cli.output import command_line, print_json, withheld_json, withheld_line
from memory.errors import InputError
from memory.records import Turn
from memory.store.configuration.settings import UNNAMED, person_of
from memory.store.turns.expiry import moment_of_expiry
from memory.store.turns.turn_validation import FORGET_AFTER, local_now, valid_turn
from memory.system.terminal import count, print_clean
from memory.text.characters import one_line, unsound
from memory.text.turn_filter import tags_of_pairs
from memory.text.written_dates import clean_date


def add(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT|FILE", help="A message in quotes, - for standard input, or documents."
        ),
    ],
    kind: Annotated[
        str, typer.Option(help="message or document. Default: a document if it is a file.")
    ] = "",
    speaker: Annotated[str, typer.Option(help="Who said it. Default: the memory's owner.")] = "",
    session: Annotated[str, typer.Option(help="The name of the conversation.")] = "",
    said_at: Annotated[
        str,
        typer.Option(help="The time in UTC: 2017-05-08 13:56, 2017-05 or 2017. Default: now."),
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A tag, such as project=move. Can be repeated."),
    ] = None,
    expires: Annotated[
        str,
        typer.Option(help="When to forget it: 2026-12-04 (the whole day counts), 12h, 7d or 2w."),
    ] = "",
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Add a message, or documents: Markdown, text, HTML, PDF.

    memory add "I moved to Oslo."

    memory add "I moved to Bergen." --speaker Anna

    memory add manual.md
    """
    if kind not in ("", "message", "document"):
        raise InputError(f"--kind {kind!r} is unknown; give message or document")
    tags = tags_of_pairs(tag or [])
    if expires:
        moment_of_expiry(expires)  # before the memory is opened, too
        tags[FORGET_AFTER] = [expires]
    if kind == "document" or (not kind and _are_files(texts, speaker=speaker)):
        if speaker or session or said_at:
            raise InputError(
                "--speaker, --session and --said-at are for messages; leave them out for documents"
            )
        paths = [Path(name) for name in texts]
        _add_documents(paths, tags, namespace=namespace, db=db, as_json=as_json)
        return
    turn = _message(texts, speaker=speaker, session=session, said_at=said_at, tags=tags)
    from memory.facts.additions import add_turns  # with the parser of SQL

    with open_memory(namespace, db, create=True) as store:
        turn = replace(turn, speaker=person_of(store, turn.speaker))
        added = add_turns(store, [turn])
    if sound := unsound(turn.text):
        print_clean(f"  {sound}", error=True)
    if as_json:
        print_json({"turn": added[0], **withheld_json(added.withheld)})
        return
    print_clean(f"turn {added[0]}")
    if line := withheld_line(added.withheld):
        print_clean(f"  {line}")


def _are_files(texts: list[str], *, speaker: str) -> bool:
    """Whether the arguments are files rather than a message.

    Raises InputError for an argument that looks like a file but cannot be added: its name would be
    stored as if someone had said it.
    """
    from memory.exchange.documents import is_document

    files = [text for text in texts if _is_like_file(text, speaker=speaker)]
    if not files:
        return False
    if speaker:
        raise InputError(
            f"{files[0]} is a file: leave out --speaker to add it as a document, or give --kind"
            " message to add just this name"
        )
    for text in texts:
        if not os.path.isfile(text):
            raise InputError(f"{text}: there is no such file")
        if not is_document(Path(text)):
            raise InputError(
                f"{text}: no document that can be read; for an exported chat:"
                f" memory import {quote(text)}"
            )
    return True


def _is_like_file(text: str, *, speaker: str) -> bool:
    """Whether a text is the path of a file, or of a document that is missing.

    A speaker may say a word that happens to be the name of a file without a suffix.
    """
    from memory.exchange.documents import is_document

    has_suffix = bool(os.path.splitext(text)[1])
    is_missing_document = is_document(Path(text)) and not re.search(r"\s", text)
    # os.path.isfile is False, not an error, for a text too long for a path.
    return (os.path.isfile(text) and (has_suffix or not speaker)) or is_missing_document


def _message(
    texts: list[str], *, speaker: str, session: str, said_at: str, tags: dict[str, list[str]]
) -> Turn:
    """The turn that a message becomes. Raises InputError if a memory would refuse it."""
    if len(texts) > 1:
        raise InputError("give one message, in quotes")
    if said_at and not clean_date(said_at):
        raise InputError(
            f"--said-at {said_at!r} is not a date; write 2017-05-08 13:56, 2017-05 or 2017"
        )
    text = _standard_input() if texts == ["-"] else texts[0]
    turn = Turn(
        speaker=one_line(speaker) or UNNAMED,
        text=text.strip(),
        session=session,
        said_at=clean_date(said_at) or local_now(),
        tags=tags,
    )
    valid_turn(turn, 1)  # before the memory is opened: a refused message must make none
    return turn


def _standard_input() -> str:
    """What is piped in, which is UTF-8 whatever the code page of the console is."""
    if sys.stdin.isatty():
        return sys.stdin.read()
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not UTF-8 at byte {error.start + 1:,}; convert it first:"
            " iconv -f WINDOWS-1252 -t UTF-8"
        ) from error


def _add_documents(
    paths: list[Path],
    tags: dict[str, list[str]],
    *,
    namespace: str,
    db: Path | None,
    as_json: bool,
) -> None:
    from memory.exchange.documents import add_chunks, chunks

    # Read all documents first: a bad one must not leave an empty namespace.
    documents = {path: chunks(path) for path in paths}
    with open_memory(namespace, db, create=True) as store:
        for path, turns in documents.items():
            added = add_chunks(store, [replace(turn, tags=tags) for turn in turns])
            if as_json:
                counts = {"new": added.new, "already": added.already}
                counts |= withheld_json(added.withheld)
                print_json({"file": str(path), **counts, "others": added.other_versions})
                continue
            print_clean(
                f"{path}: {count(added.new, 'new chunk')}, {added.already:,} already stored"
            )
            if line := withheld_line(added.withheld):
                print_clean(f"  {line}")
            if added.other_versions:
                versions = ", ".join(added.other_versions)
                forget = command_line("forget", "--session", path.name, namespace=namespace, db=db)
                print_clean(
                    f"  also stored, an older version or another file of this name: {versions}\n"
                    f"  `{forget}` removes all of them;"
                    " then add this file again"
                )
