"""How complete the block of `context` is: what a person would expect in it, and what it costs.

    python -m tests.benchmarks.blocks [--others N] [--budget N] [--no-gate] [--print] [--set NAME]

The sets in this folder were written and labelled before any block was seen: a group's channel, one
person's profile, stories of change, two users of a service, and small talk. Each prompt says which
texts its block must hold. A block is complete if it holds all of them, and "old alone" if it holds
an outdated text without the newer one. `--others` puts as many messages of other people's chats
(data/friends, data/everyday) into the asker's own mouth, which is harder than life.

The gate has its two figures: what it kept out, the small talk without any turn, and what it hid,
the needed texts that a block lacks where the gate let not all turns through.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from locomo.dataset.format import load_conversations
from memory import Memory

FOLDER = Path(__file__).parent
ROOT = Path(__file__).parents[3]
OTHERS = (ROOT / "data" / "friends", ROOT / "data" / "everyday" / "development")
NOW = "2026-11-20"


@dataclass(frozen=True)
class Prompt:
    """A message, who writes it, and what its block must hold."""

    speaker: str
    message: str
    needed: tuple[str, ...]
    outdated: tuple[str, str] | None = None


@dataclass(frozen=True)
class Case:
    """The turns of a memory (as `Memory.add` takes them), and its prompts."""

    turns: list[dict[str, Any]]
    prompts: list[Prompt]


@dataclass
class Result:
    """What the blocks of one set held."""

    prompts: int = 0
    complete: int = 0
    tokens: int = 0
    old_alone: int = 0
    hidden: int = 0
    without_turns: int = 0

    def row(self) -> list[str]:
        """The figures of a table's row."""
        mean = round(self.tokens / max(self.prompts, 1))
        counts = (self.old_alone, self.hidden, self.without_turns)
        return [f"{self.complete} of {self.prompts}", str(mean), *map(str, counts)]


def main(
    others: Annotated[int, typer.Option(help="messages of other people's chats")] = 0,
    budget: Annotated[int, typer.Option(help="tokens of a block; 0 for the default")] = 0,
    gate: Annotated[bool, typer.Option(help="whether the gate decides")] = True,
    prints: Annotated[bool, typer.Option("--print", help="print what blocks lack")] = False,
    name: Annotated[str, typer.Option("--set", help="one set only")] = "",
) -> None:
    """Print how many blocks of each set are complete."""
    table = Table("set", "complete", "tokens", "old alone", "hidden by the gate", "no turns")
    options: dict[str, Any] = {"budget": budget or None, "gate": gate}
    for of_set, cases in all_cases(others).items():
        if name in ("", of_set):
            table.add_row(of_set, *measured(cases, options, prints=prints).row())
    Console(width=110).print(table)


def measured(cases: Iterable[Case], options: dict[str, Any], *, prints: bool = False) -> Result:
    """The results of some memories together."""
    result = Result()
    for case in cases:
        with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "m.db") as memory:
            memory.add(case.turns)
            for prompt in case.prompts:
                _ask(memory, prompt, options, result, prints)
    return result


def _ask(
    memory: Memory, prompt: Prompt, options: dict[str, Any], result: Result, prints: bool
) -> None:
    def block(**changed: Any) -> Any:
        asked = {"speaker": prompt.speaker, "now": NOW, **options, **changed}
        return memory.context(prompt.message, **asked)

    shown = block()
    lacking = _lacking(prompt, shown.text)
    result.prompts += 1
    result.tokens += shown.tokens
    result.complete += not lacking
    result.without_turns += not shown.memories
    if prompt.outdated:
        old, new = prompt.outdated
        result.old_alone += old in shown.text and new not in shown.text
    if lacking:
        hidden = [text for text in lacking if text not in _lacking(prompt, block(gate=False).text)]
        result.hidden += bool(hidden)
        if prints:
            by_gate = ", by the gate" if hidden else ""
            print(f"{prompt.speaker}: {prompt.message!r} lacks {lacking}{by_gate}")
    elif prints and not prompt.needed and shown.memories:
        print(f"{prompt.speaker}: {prompt.message!r} has {len(shown.memories)} turns")


def _lacking(prompt: Prompt, text: str) -> list[str]:
    return [needed for needed in prompt.needed if not any(t in text for t in needed.split("|"))]


def all_cases(others: int = 0) -> dict[str, list[Case]]:
    """The memories of each set."""
    group, profile = _read("group"), _read("profile")
    in_group = [
        {"speaker": speaker, "said_at": day, "text": text} for speaker, day, text in group["turns"]
    ]
    of_profile = _dated(profile["turns"])
    chats = [[*_of_service(user["turns"])] for user in _read("users")["users"]]
    cases = {
        "group": [Case(in_group, [_prompt(*prompt) for prompt in group["prompts"]])],
        "profile": [Case(of_profile, [_prompt("user", *given) for given in profile["prompts"]])],
        "stories": [*_stories()],
        "users": [
            Case(chat, [_prompt("user", *prompt) for prompt in user["prompts"]])
            for chat, user in zip(chats, _read("users")["users"], strict=True)
        ],
    }
    small_talk = [Prompt("", message, ()) for message in _read("small_talk")["messages"]]
    memories = [(in_group, "Yuki"), (of_profile, "user"), *((chat, "user") for chat in chats)]
    cases["small talk"] = [
        Case(turns, [Prompt(speaker, prompt.message, ()) for prompt in small_talk])
        for turns, speaker in memories
    ]
    if others:
        cases = {
            name: [Case(_among(case, others, name), case.prompts) for case in of_set]
            for name, of_set in cases.items()
        }
    return cases


def _prompt(speaker: str, message: str, needed: list[str], outdated: Sequence[str] = ()) -> Prompt:
    pair = (outdated[0], outdated[1]) if outdated else None
    return Prompt(speaker, message, tuple(needed), pair)


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def _dated(texts: Sequence[str], first: date = date(2026, 1, 5)) -> list[dict[str, Any]]:
    """A user's turns, two days apart."""
    return [
        {"speaker": "user", "text": text, "said_at": str(first + timedelta(days=2 * place))}
        for place, text in enumerate(texts)
    ]


def _of_service(pairs: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """The turns of a user and an assistant, a session for every four pairs."""
    for place, pair in enumerate(pairs):
        day = str(date(2026, 2, 1) + timedelta(days=9 * (place // 4)))
        for speaker, text in zip(("user", "assistant"), pair, strict=True):
            yield {"speaker": speaker, "text": text, "said_at": day, "session": f"s{place // 4}"}


def _stories() -> Iterator[Case]:
    read = _read("stories")
    for number, story in enumerate(read["stories"]):
        texts: list[str] = []
        for place, text in enumerate(story["turns"]):
            talk = read["talk"]
            begin = 7 * number + 12 * place
            texts += [text, *(talk[(begin + n) % len(talk)] for n in range(12))]
        prompts = [
            _prompt("user", message, [current], (outdated, current.split("|")[0]))
            for message, current, outdated in story["questions"]
        ]
        yield Case(_dated(texts), prompts)


def _among(case: Case, number: int, name: str) -> list[dict[str, Any]]:
    """The turns of a case among the talk of others, all said by the one who asks, in order."""
    speaker = case.prompts[0].speaker if name != "group" else "Yuki"
    talk = _talk()[:number]
    turns = []
    for place, turn in enumerate(case.turns):
        turns.append(turn)
        begin, end = (len(talk) * n // len(case.turns) for n in (place, place + 1))
        turns += [
            {"speaker": speaker, "text": text, "said_at": turn["said_at"], "session": "other"}
            for text in talk[begin:end]
        ]
    return turns


def _talk() -> list[str]:
    """What people say in other chats, in order."""
    conversations = [
        conversation
        for folder in OTHERS
        for file in sorted(folder.glob("*.json"))
        for conversation in load_conversations(file)
    ]
    return [turn.text for conversation in conversations for turn in conversation.turns]


if __name__ == "__main__":
    typer.run(main)
