"""Stories of change: what holds afterwards, what is said, what is stored by mistake; no model.

    python -m tests.benchmarks.changes [--half fit|check|all|fresh|next] [--show] [--fillers 12]
    python -m tests.benchmarks.changes --fit all --talk locomo10.json

Each story of `stories.toml` becomes a memory, with other talk between its turns. Its questions are
asked of `context` and of `ask`. A text is outdated where it was true before; a line that shows one
is marked when the newer text stands in the line, or the line says that it is over, or names a
later turn. Stories of even numbers are only to check what was fitted on the others. The halves
`fresh` and `next` are files of their own, with talk near a fact that does not change it.

With `--fit` the weights of memory/facts/changes.py are made of the stories and wishes of the half
`fit`, of the pairs of `pairs.toml`, and of the real talk of `--talk` after a profile of pairs.toml.
"""

import re
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import load_conversations
from memory import Memory, Turn
from memory.facts.changes import matter_of
from memory.text.speakers import is_by_assistant
from memory.vocabulary.orders import orders_in
from tests.benchmarks.changes import fit as fitting

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
NOW = "2026-02-01"
_MARKS = re.compile(r"\[(?:later|outdated|disputed)|; later,|until \d{4}|no longer")
Half = Literal["fit", "check", "all", "fresh", "next"]
WHOLE = ("fresh", "next")  # files with all kinds of cases


@dataclass
class Counts:
    """How many of how many, by what is counted, and what fell short."""

    of: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def add(self, name: str, is_so: bool, told: str = "", *, is_goal: bool = True) -> None:
        self.all[name] += 1
        self.of[name] += is_so
        if is_so != is_goal:
            self.missed.append(f"{name}: {told}")


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def cases_of(half: Half, name: str, kind: str) -> Iterator[tuple[int, Any]]:
    """The cases of a half with their numbers, from 1."""
    cases = read(half if half in WHOLE else name).get(kind, [])
    for number, case in enumerate(cases, 1):
        if is_in(number, half):
            yield number, case


def is_in(number: int, half: Half) -> bool:
    return half in ("all", *WHOLE) or (half == "fit") == (number % 2 == 1)


def owner_of(number: int) -> str:
    """Every third story is told by a service's user, the others by a person with a name."""
    return "user" if number % 6 in (0, 3) else "Nora"


def told(said: Sequence[Sequence[str]], owner: str, fillers: int, *, seed: int) -> list[Turn]:
    """The turns of a story, with other talk on the days between."""
    pool = read("fillers")
    random = Random(seed)
    own, others = (cycle(random.sample(pool[name], len(pool[name]))) for name in ("owner", "other"))
    friend = "assistant" if owner == "user" else "Ben"
    turns: list[Turn] = []
    for place, (day, text, *speaker) in enumerate(said):
        turns.append(Turn(*speaker or [owner], text, session=f"on {day}", said_at=day))
        following = said[place + 1][0] if place + 1 < len(said) else ""
        if following[:10] <= day:  # a correction comes at once, and the last turn has none after it
            continue
        start = date.fromisoformat(day)
        gap = (date.fromisoformat(following) - start).days
        for n in range(1, fillers // 2 + 1):
            on = (start + timedelta(days=gap * n // (fillers // 2 + 1))).isoformat()
            turns += [
                Turn(owner, next(own), session=f"on {on}", said_at=on),
                Turn(friend, next(others), session=f"on {on}", said_at=on),
            ]
    return turns


def has(text: str, wanted: Sequence[str]) -> bool:
    """Whether a text has one of some texts, as whole words in any case."""
    return any(
        re.search(rf"(?<!\w){re.escape(one.strip())}(?!\w)", text, re.IGNORECASE) for one in wanted
    )


def stories(half: Half, fillers: int, counts: Counts) -> None:
    for number, story in cases_of(half, "stories", "stories"):
        owner = owner_of(number)
        with memory_of(told(story["said"], owner, fillers, seed=number)) as memory:
            for asked, right, outdated in story["asks"]:
                name = f"{number} {story['kind']}: {asked}"
                asker = {} if owner == "user" else {"asker": owner}
                block = memory.context(asked, speaker=asker.get("asker", ""), now=NOW).text
                answer = memory.ask(asked, now=NOW, **asker)
                said = f"{name}\n    -> {answer.basis}: {answer.text}"
                counts.add("context current", has(block, right), f"{name}\n{block}")
                is_old = has(answer.text, outdated) and not has(answer.text, right)
                counts.add("ask right", has(answer.text, right), said)
                counts.add("outdated value said", is_old, said, is_goal=False)
                if answer.quotations:
                    first = answer.quotations[0].text
                    is_old = has(first, outdated) and not has(first, right)
                    counts.add("outdated turn quoted first", is_old, said, is_goal=False)
                if lines := [line for line in block.splitlines() if has(line, outdated)]:
                    bare = [line for line in lines if not (has(line, right) or _MARKS.search(line))]
                    counts.add(
                        "older value with the newer beside", not bare, f"{name}\n" + "\n".join(bare)
                    )


def passing(half: Half, fillers: int, counts: Counts) -> None:
    for number, case in cases_of(half, "stories", "passing"):
        owner = owner_of(number)
        with memory_of(told(case["said"], owner, fillers, seed=number)) as memory:
            current = [fact.value for fact in memory.facts()]
            block = memory.context("Any ideas for dinner?", speaker=owner, now="2026-11-20").text
            about = block.partition("About the asker")[2].partition("What was said")[0]
            listed = f"{case['said']} -> {current}\n{about}"
            if case["stays"]:
                counts.add(
                    "passing ended something",
                    not has(str(current), [case["stays"]]),
                    listed,
                    is_goal=False,
                )
            if gone := case.get("gone"):
                counts.add("passing still shown", has(about, [gone]), listed, is_goal=False)


def ends(half: Half, fillers: int, counts: Counts) -> None:
    for number, case in cases_of(half, "stories", "ends"):
        owner = owner_of(number)
        with memory_of(told(case["said"], owner, fillers, seed=number)) as memory:
            current = [fact.value for fact in memory.facts()]
            block = memory.context("Tell me something.", speaker=owner, now=NOW, gate=False).text
            about = block.partition("About the asker")[2].partition("What was said")[0]
            lines = [line for line in about.splitlines() if has(line, [case["value"]])]
            is_over = not has(str(current), [case["value"]])
            lines += [line for line in block.splitlines() if case["said"][0][1] in line]
            is_beside = bool(lines) and all(_MARKS.search(line) for line in lines)
            listed = f"{case['said']} -> {current}\n" + "\n".join(lines)
            counts.add("real end changes or stands beside", is_over or is_beside, listed)


def wishes(half: Half, counts: Counts) -> None:
    for kind, is_kept in (("withdrawn", False), ("kept", True)):
        for _, (wish, later, word) in cases_of(half, "wishes", kind):
            turns = [
                Turn("user", wish, said_at="2025-03-01"),
                Turn("user", later, said_at="2025-03-10"),
            ]
            with memory_of(turns) as memory:
                head = wanted(memory)
                counts.add(
                    f"wish {kind} still stands",
                    has(head, [word]),
                    f"{wish} | {later}\n{head}",
                    is_goal=is_kept,
                )
    for name in ("check", "unseen") if half == "check" else ():
        for order, later, is_end in fitting.ends(name):
            ended_or_mentioned(name, order, later, is_end=is_end, counts=counts)
    for kind, is_order in (("orders", True), ("no_orders", False)):
        for _, text in cases_of(half, "wishes", kind):
            with memory_of([Turn("user", text, said_at="2025-03-01")]) as memory:
                head = wanted(memory)
                counts.add(f"{kind} stand", bool(head), f"{text}\n{head}", is_goal=is_order)


def ended_or_mentioned(name: str, order: str, later: str, *, is_end: bool, counts: Counts) -> None:
    """Whether an order stands, and is not only quoted with what is said later."""
    turns = [
        Turn("user", order, session="a", said_at="2025-03-01"),
        Turn("user", later, session="b", said_at="2025-03-10"),
    ]
    with memory_of(turns) as memory:
        kind = "ended" if is_end else "mentioned"
        is_standing = "\n[1] " in wanted(memory)
        counts.add(
            f"{name}: order {kind} stands", is_standing, f"{order} | {later}", is_goal=not is_end
        )


def ended_by_talk(counts: Counts) -> None:
    """Real talk, which no fit has seen, behind orders that none of it ends."""
    orders = [text for text in read("pairs")["profile"] if orders_in(text)]
    for file in sorted((ROOT / "data" / "everyday").glob("*/*.json")):
        for conversation in load_conversations(file):
            said = [turn for turn in conversation.turns if turn.kind == "message"]
            speaker = next(turn.speaker for turn in said if not is_by_assistant(turn))
            turns = [Turn("user", text, session="s0", said_at="2019-01-01") for text in orders]
            turns += [replace(turn, speaker="user") for turn in said if turn.speaker == speaker]
            with memory_of(turns) as memory:
                head = wanted(memory)
                for number, text in enumerate(orders, 1):
                    told = f"{file.name}: {text}"
                    counts.add(
                        "order ended by talk", f"[{number}]" not in head, told, is_goal=False
                    )


def wanted(memory: Memory) -> str:
    """The wishes above a block."""
    return memory.context("What is a good recipe for lentils?", now=NOW).text.partition("<memory>")[
        0
    ]


def mentions(half: Half, counts: Counts) -> None:
    """Later talk near a fact that changes nothing: the fact should stand alone."""
    for _, (fact, later) in cases_of(half, "mentions", "mentions") if half in WHOLE else ():
        turns = [
            Turn("user", fact, said_at="2025-03-01"),
            Turn("user", later, said_at="2025-03-10"),
        ]
        with memory_of(turns) as memory:
            block = memory.context("Tell me something.", now=NOW, gate=False).text
            is_marked = bool(_MARKS.search(block))
            counts.add("mention marked as a change", is_marked, f"{later}\n{block}", is_goal=False)


def traps(half: Half, counts: Counts) -> None:
    cases = read(half if half in WHOLE else "traps")
    dialogues: list[Mapping[str, Any]] = [
        *(
            {"said": [["Nora" if n % 2 else "user", text]]}
            for n, text in enumerate(cases.get("traps", []))
        ),
        *cases.get("dialogues", []),
    ]
    for number, case in enumerate(dialogues, 1):
        if not is_in(number, half):
            continue
        turns = [Turn(speaker, text, said_at="2025-03-01") for speaker, text in case["said"]]
        with memory_of(turns) as memory:
            false = [
                (fact.attribute, fact.value)
                for fact in memory.facts()
                if fact.value not in case.get("allowed", ()) and _is_about_owner(fact.subject, case)
            ]
            counts.add(
                "false facts", bool(false), f"{case['said'][-1][1]!r} {false}", is_goal=False
            )


def _is_about_owner(subject: str, case: Mapping[str, Any]) -> bool:
    """Of a dialogue only what is believed of its owner is a false fact."""
    return subject == case.get("owner", subject)


def memory_of(turns: Sequence[Turn]) -> Any:
    """A memory of these turns in a folder that goes with it."""
    folder = tempfile.TemporaryDirectory()
    memory = Memory(Path(folder.name) / "story.db")
    memory.add([*islice(turns, None)])
    return _Closing(memory, folder)


@dataclass
class _Closing:
    memory: Memory
    folder: Any

    def __enter__(self) -> Memory:
        return self.memory

    def __exit__(self, *_: object) -> None:
        self.memory.close()
        self.folder.cleanup()


def _examples(talk: Sequence[Path]) -> Iterator[fitting.Example]:
    """What the weights are fitted on."""
    for kind in ("stories", "ends"):
        for number, case in cases_of("fit", "stories", kind):
            owner = owner_of(number)
            turns = told(case["said"], owner, 12, seed=number)
            texts = {text for _, text, *_ in case["said"]}
            said = [n for n, turn in enumerate(turns, 1) if turn.text in texts]
            said = [n for n in said if turns[n - 1].speaker == owner]
            yield from fitting.examples_of(turns, [(n, m) for n in said for m in said if n < m])
    pairs = fitting.read("pairs")
    for kind in ("changes", "mentions", "corrections", "asides"):
        is_change, is_at_once = kind in fitting.CHANGES, kind in fitting.AT_ONCE
        for first, later in pairs[kind]:
            session, day = ("a", "2025-03-01") if is_at_once else ("b", "2025-03-10")
            turns = [Turn("user", first, "a", "2025-03-01"), Turn("user", later, session, day)]
            yield from fitting.examples_of(turns, [(1, 2)] if is_change else [])
    for turns in fitting.talk_of(talk):
        yield from fitting.examples_of(turns, is_talk=True)


def _orders(talk: Sequence[Path]) -> Iterator[fitting.Example]:
    """What the weights of orders are fitted on."""
    pairs = fitting.read("pairs")
    for of_pairs, of_wishes in (("ended", "withdrawn"), ("kept", "kept")):
        of_fit = [case[:2] for _, case in cases_of("fit", "wishes", of_wishes)]
        yield from fitting.of_orders([*pairs[of_pairs], *of_fit], of_pairs == "ended")
    for order, later, is_end in fitting.ends("fit"):
        yield from fitting.of_orders([(order, later)], is_end)
    known = list(dict.fromkeys(order for order, *_ in (*pairs["ended"], *pairs["kept"])))
    random = Random(1)
    unrelated = [tuple(random.sample(known, 2)) for _ in range(fitting.UNRELATED)]
    yield from fitting.of_orders(
        (order, later)
        for order, later in unrelated
        if not matter_of(order) or matter_of(order) != matter_of(later)
    )
    orders = [text for text in pairs["profile"] if orders_in(text)]
    for turns in fitting.talk_of(talk):
        texts = [turn.text for turn in turns if turn.text not in pairs["profile"]]
        yield from fitting.of_orders(
            [(order, text) for text in texts[:: fitting.EVERY_TURN] for order in orders],
            is_talk=True,
        )
        of_words = fitting.orders_of_a_word(texts[:: fitting.EVERY_ORDER])
        yield from fitting.of_orders(of_words, is_talk=True)


def main(
    half: Annotated[str, typer.Option(help="fit, check, all, fresh or next")] = "fit",
    show: Annotated[bool, typer.Option(help="print what fell short, unless to check")] = False,
    fillers: Annotated[int, typer.Option(help="other turns between two of a story")] = 12,
    fit: Annotated[str, typer.Option(help="fit the weights anew: all, wish or turn")] = "",
    talk: Annotated[list[Path], typer.Option(help="with --fit: talk in LoCoMo's format")] = [],  # noqa: B006
) -> None:
    """Print how many of each kind."""
    if fit == "turn":
        fitting.write(fitting.fitted([*_examples(talk)], ["turn"]))
        return
    if fit:
        orders = [*_orders(talk)]
        if fit == "wish":
            fitting.write(fitting.fitted(orders, ["wish"]))
        else:
            fitting.write(fitting.fitted([*orders, *_examples(talk)]))
        return
    counts = Counts()
    chosen = cast(Half, half if half in get_args(Half) else "fit")
    stories(chosen, fillers, counts)
    passing(chosen, fillers, counts)
    ends(chosen, fillers, counts)
    wishes(chosen, counts)
    if chosen == "check":
        ended_by_talk(counts)
    mentions(chosen, counts)
    traps(chosen, counts)
    if show and chosen not in ("check", "all"):
        print("\n".join(counts.missed))
    table = Table("what", "of", "all")
    for name, all_of in counts.all.items():
        table.add_row(name, str(counts.of[name]), str(all_of))
    print_table(Console(), table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
