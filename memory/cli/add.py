"""The command add: store a message or documents as turns."""

import sys
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
from memory.cli.output import print_json
from memory.errors import InputError
from memory.records import Turn
from memory.store.turn_validation import local_now
from memory.terminal import count, print_clean


def add(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT|FILE", help="A message in quotes, - for standard input, or documents."
        ),
    ],
    kind: Annotated[str, typer.Option(help="message, or document for files.")] = "message",
    speaker: Annotated[str, typer.Option(help="The person who said it.")] = "",
    session: Annotated[str, typer.Option(help="The name of the conversation.")] = "",
    said_at: Annotated[
        str,
        typer.Option(help="The time in UTC: 2017-05-08 13:56, 2017-05 or 2017. Default: now."),
    ] = "",
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Add a message, or documents: Markdown, text, HTML, PDF.

    memory add "I moved to Oslo." --speaker Anna

    memory add manual.md --kind document
    """
    if kind == "document":
        if speaker or session or said_at:
            raise InputError(
                "--speaker, --session and --said-at are for messages; leave them out for documents"
            )
        paths = [Path(name) for name in texts]
        _add_documents(paths, namespace=namespace, db=db, as_json=as_json)
        return
    if kind != "message":
        raise InputError(f"--kind {kind!r} is unknown; give message or document")
    turn = _message(texts, speaker=speaker, session=session, said_at=said_at)
    with open_memory(namespace, db, create=True) as store:
        [turn_id] = store.add([turn])
    if as_json:
        print_json({"turn": turn_id})
    else:
        print_clean(f"turn {turn_id}")


def _message(texts: list[str], *, speaker: str, session: str, said_at: str) -> Turn:
    from memory.exchange import clean_date

    if not speaker:
        raise InputError("give --speaker NAME; for a file, give --kind document")
    if len(texts) > 1:
        raise InputError("give one message, in quotes; for files, give --kind document")
    if said_at and not clean_date(said_at):
        raise InputError(
            f"--said-at {said_at!r} is not a date; write 2017-05-08 13:56, 2017-05 or 2017"
        )
    text = _standard_input() if texts == ["-"] else texts[0]
    return Turn(
        speaker=speaker,
        text=text.strip(),
        session=session,
        said_at=clean_date(said_at) or local_now(),
    )


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not {sys.stdin.encoding}: {error.reason}; for UTF-8 set"
            " PYTHONIOENCODING=utf-8"
        ) from error


def _add_documents(paths: list[Path], *, namespace: str, db: Path | None, as_json: bool) -> None:
    from memory.documents import add_chunks, chunks

    # Read all documents first: a bad one must not leave an empty namespace.
    documents = {path: chunks(path) for path in paths}
    with open_memory(namespace, db, create=True) as store:
        for path, turns in documents.items():
            added = add_chunks(store, turns)
            if as_json:
                counts = {"new": added.new, "already": added.already}
                print_json({"file": str(path), **counts, "others": added.other_versions})
                continue
            print_clean(
                f"{path}: {count(added.new, 'new chunk')}, {added.already:,} already stored"
            )
            if added.other_versions:
                versions = ", ".join(added.other_versions)
                print_clean(
                    f"  also stored, an older version or another file of this name: {versions}\n"
                    f"  `memory forget --session {quote(path.name)}` removes all of them;"
                    " then add this file again"
                )
