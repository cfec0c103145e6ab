"""Replaced states that rules end: the cases of `changes.toml`, each told in a memory of its own.

    python -m tests.benchmarks.changes [FILE]

A case is right when each of its `ended` has ended, each of its `open` holds still, each of its
`facts` is stored, and `none` is not; with `nothing` there is no fact at all. `references.toml` has
cases of pronouns and short answers, `told.toml` of classes of language.
"""

import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from memory import Turn, open_store
from memory.noting import note_turns
from memory.records import Fact
from memory.search.word_forms import forms_of, is_among
from memory.search.words import words

CASES = Path(__file__).with_suffix(".toml")


def cases(file: Path = CASES) -> Sequence[Mapping[str, Any]]:
    """The cases of a file."""
    listed: list[Mapping[str, Any]] = tomllib.loads(file.read_text("utf-8"))["case"]
    return listed


def facts_of(turns: Sequence[str]) -> list[Fact]:
    """The facts that a chat leaves, its turns a month apart."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(Path(folder) / "chat.db") as store,
    ):
        for month, turn in enumerate(turns, 1):
            speaker, _, text = turn.partition(": ")
            said_at = f"2025-{month:02}-10T19:00"
            store.add([Turn(speaker, text, said_at=said_at, session="chat")])
            note_turns(store)
        return list(store.facts())


def mistakes(case: Mapping[str, Any], facts: Sequence[Fact]) -> list[str]:
    """What a case expects and the facts do not say."""
    wrong = []
    for line in case.get("ended", ()):
        about = _matching(line, facts)
        # What ended it may name it, too, as an event of that day.
        if not any(fact.ended_on for fact in about):
            wrong.append(f"not ended: {line}")
    wrong += [
        f"not open: {line}"
        for line in case.get("open", ())
        if not any(not fact.ended_on for fact in _matching(line, facts))
    ]
    for line in case.get("open", ()):
        if "ended" not in case and any(fact.ended_on for fact in _matching(line, facts)):
            wrong.append(f"ended: {line}")
    wrong += [f"not told: {line}" for line in case.get("facts", ()) if not _told(line, facts)]
    wrong += [f"told: {line}" for line in case.get("none", ()) if _told(line, facts)]
    if case.get("nothing") and facts:
        wrong.append("told: something")
    return wrong


def _told(line: str, facts: Sequence[Fact]) -> bool:
    subject, attribute, word = line.split(" | ")
    return any(
        (fact.subject, fact.attribute) == (subject, attribute)
        and word.lower() in fact.value.lower()
        for fact in facts
    )


def _matching(line: str, facts: Sequence[Fact]) -> list[Fact]:
    subject, _, word = line.partition(" | ")
    return [
        fact
        for fact in facts
        if fact.subject == subject
        and is_among(word.lower(), forms_of(words(f"{fact.value} {fact.attribute}")))
    ]


def measure(
    file: Annotated[Path, typer.Argument(help="cases")] = CASES,
) -> None:
    """Print what is wrong, and how many cases are right."""
    right = 0
    listed = cases(file)
    for case in listed:
        facts = facts_of(case["turns"])
        wrong = mistakes(case, facts)
        right += not wrong
        if wrong:
            print(case["turns"], wrong)
            for fact in facts:
                print("      ", fact.subject, fact.attribute, fact.value, fact.ended_on, sep=" | ")
    print(f"{right} of {len(listed)} cases right")


if __name__ == "__main__":
    typer.run(measure)
