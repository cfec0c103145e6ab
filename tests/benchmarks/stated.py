"""Facts by rules against the gold facts of everyday chats: how many match, and how many end.

    python -m tests.benchmarks.stated [FOLDER]... [--missed]

A gold fact is matched when a fact of the same turn shares a word of its subject and of its value;
its attribute is right when both are one attribute of the default vocabulary, or of one root. A
telling turn is one that has a gold fact.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from locomo.dataset.format import Conversation, load_conversations
from memory import Memory, load_model
from memory.records import Fact
from memory.search.word_forms import forms_of, telling_words
from memory.search.words import words
from memory.vocabulary import default_vocabulary

_DATA = Path(__file__).parents[2] / "data" / "everyday"
_FACTS = "SELECT subject, attribute, value, happened_on, ended_on, turn_id FROM facts LIMIT 100000"
FOLDERS = (_DATA / "development", _DATA / "second_round")


@dataclass
class Counts:
    """What one folder comes to."""

    turns: int = 0
    telling: int = 0
    facts: int = 0
    facts_of_telling: int = 0
    gold: int = 0
    matched: int = 0
    right: int = 0
    ended: int = 0
    ended_stored: int = 0
    ended_matched: int = 0
    ends: int = 0

    def line(self) -> str:
        """The counts as one line."""
        return (
            f"{self.facts} facts of {self.turns} turns ({self.facts_of_telling} of {self.telling}"
            f" telling turns); gold facts matched {self.matched} of {self.gold}, attribute right"
            f" {self.right}; of {self.ended} ended gold facts stored {self.ended_stored}, ended"
            f" {self.ended_matched}; facts ended {self.ends}"
        )


def gold_facts(conversation: str, folder: Path) -> list[Mapping[str, Any]]:
    """The gold facts of a conversation of a folder."""
    file = folder / "facts" / f"{conversation}.json"
    if file.exists():
        facts: list[Mapping[str, Any]] = json.loads(file.read_text("utf-8"))["facts"]
        return facts
    of_all: dict[str, list[Mapping[str, Any]]] = json.loads(
        (_DATA / "facts.json").read_text("utf-8")
    )
    return of_all[conversation]


def is_match(gold: Mapping[str, Any], fact: Fact) -> bool:
    """Whether a fact of the same turn says the like of a gold fact."""
    subject = _forms(gold["subject"]) & _forms(fact.subject)
    gold_words = _forms(gold["value"]) | _forms(gold["attribute"].replace("_", " "))
    fact_words = _forms(fact.value) | _forms(fact.attribute.replace("_", " "))
    value = _forms(gold["value"]) & fact_words or _forms(fact.value) & gold_words
    return bool(subject and (value or _is_dated_alike(gold, fact)))


def is_attribute_right(gold: Mapping[str, Any], fact: Fact) -> bool:
    """Whether both have one attribute: by the vocabulary, or by its words."""
    vocabulary = default_vocabulary()
    one, other = vocabulary.name_of(gold["attribute"]), vocabulary.name_of(fact.attribute)
    return one == other or bool(_forms(one.replace("_", " ")) & _forms(other.replace("_", " ")))


def _is_dated_alike(gold: Mapping[str, Any], fact: Fact) -> bool:
    return (
        is_attribute_right(gold, fact)
        and bool(gold["happened_on"])
        and (gold["happened_on"] == fact.happened_on)
    )


def _forms(text: str) -> set[str]:
    return forms_of(telling_words(text)) or forms_of(words(text))


def _count(conversation: Conversation, folder: Path, counts: Counts) -> Iterator[str]:
    by_turn: dict[str, list[Fact]] = {}
    sources = {}
    with (
        tempfile.TemporaryDirectory() as home,
        Memory(Path(home) / "chat.db", model=load_model("local")) as memory,
    ):
        ids = memory.add(conversation.turns)
        for number, turn in zip(ids, conversation.turns, strict=True):
            sources[number] = turn.source
        for row in memory.read(_FACTS).rows:
            subject, attribute, value, happened_on, ended_on, turn_id = row
            stored = Fact(subject, attribute, value, turn_id, happened_on or "", ended_on or "")
            by_turn.setdefault(sources.get(stored.turn_id, ""), []).append(stored)
            counts.facts += 1
            counts.ends += bool(stored.ended_on)
    counts.turns += len(conversation.turns)
    gold = gold_facts(conversation.id, folder)
    telling = {fact["turn"] for fact in gold}
    counts.telling += len(telling)
    counts.facts_of_telling += sum(len(by_turn.get(turn, ())) for turn in telling)
    texts = {turn.source: turn.text for turn in conversation.turns}
    for fact in gold:
        matches = [each for each in by_turn.get(fact["turn"], ()) if is_match(fact, each)]
        counts.gold += 1
        counts.matched += bool(matches)
        counts.right += any(is_attribute_right(fact, each) for each in matches)
        if fact["ended_on"]:
            counts.ended += 1
            counts.ended_stored += bool(matches)
            counts.ended_matched += any(each.ended_on for each in matches)
        if not matches:
            said = f"{fact['subject']} | {fact['attribute']} | {fact['value']}"
            yield f"{said} <- {texts.get(fact['turn'], '')}"


def measure(
    folders: Annotated[list[Path] | None, typer.Argument(help="chats with gold facts")] = None,
    missed: Annotated[bool, typer.Option("--missed", help="print what is not matched")] = False,
) -> None:
    """Print the counts of each folder."""
    for folder in folders or FOLDERS:
        counts = Counts()
        for file in sorted(folder.glob("*.json")):
            for conversation in load_conversations(file):
                for line in _count(conversation, folder, counts):
                    if missed:
                        print(line)
        print(f"{folder.name}: {counts.line()}")


if __name__ == "__main__":
    typer.run(measure)
