"""Whether a block shows what a question needs.

    python -m tests.benchmarks.shown [--misses]
    python -m tests.benchmarks.shown --data FILE... [--facts 0,120,300] [--budgets 2000,6000]

Four people, 60 messages that need one of their lasting facts, and 60 that need nothing of a memory,
small talk among them. Counts how many of the first have the fact in their block, and how many of
the second bring a turn.

With conversations: what a hosted model is shown of the evidence for their questions, without a
SELECT, where current facts get so many tokens. `turns` is the share of evidence turns whose lines
are shown, `words` that of the answer's words in these turns, `details` that of its numbers and
names. Facts are those of templates, and of LoCoMo's files also their observations, which stand
for what a digest would store.
"""

import argparse
import json
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.harness import temporary_memory
from locomo.retrieval.by_ability import details_shown, words_shown
from memory import Memory, Store, Turn
from memory.sql import quoted

# What four people said once, among daily talk; what no template reads of it and a digest stores, by
# the words it is in; and the messages, which were written after the profile and never fitted to:
# those that need a fact, with words of which one has to be in the block, and those that need none.
_READ = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
PEOPLE: dict[str, list[str]] = _READ["people"]
DIGESTED: dict[str, tuple[str, str]] = _READ["digested"]
TALK: list[tuple[str, str]] = _READ["talk"]
NEEDED: dict[str, list[tuple[str, str]]] = _READ["needed"]
NOT_NEEDED: list[str] = _READ["not_needed"]


def memory_of(person: str, folder: Path) -> Memory:
    """A memory of the person's facts among daily talk."""
    memory = Memory(folder / f"{person}.db")
    said = [("user", text) for text in PEOPLE[person]]
    for number in range(0, len(TALK), 4):
        said[number:number] = TALK[number : number + 4]
    memory.add(
        [
            Turn(speaker, text, session=f"s{number // 6}", said_at=f"2026-03-{1 + number // 6:02}")
            for number, (speaker, text) in enumerate(said)
        ]
    )
    for turn_id, (_, text) in enumerate(said, 1):
        for words, (attribute, value) in DIGESTED.items():
            if words in text:
                memory.store.write(
                    "INSERT INTO facts (subject, attribute, value, turn_id)"
                    f" VALUES ('user', '{attribute}', '{value}', {turn_id})",
                    cause="digest",
                    window=(turn_id, turn_id),
                )
    return memory


NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called


def observations(file: Path) -> dict[str, list[tuple[str, str, str]]]:
    """By conversation of a file of LoCoMo: whom it is about, what was observed, in which turn."""
    if file.suffix != ".json":
        return {}
    observed: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for sample in json.loads(file.read_bytes()):
        for session in sample.get("observation", {}).values():
            for person, noted in session.items():
                for text, sources in noted:
                    source = sources if isinstance(sources, str) else sources[0]
                    observed[sample["sample_id"]].append((person, text, source))
    return observed


def store_observations(store: Store, observed: Sequence[tuple[str, str, str]]) -> None:
    """Store them as facts, as a digest would."""
    ids = {turn.source: turn.id for turn in store.turns()}
    rows = [
        f"({quoted(person)}, 'noted', {quoted(text)}, {ids[source]})"
        for person, text, source in observed
        if source in ids
    ]
    for first in range(0, len(rows), 50):
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
            + ", ".join(rows[first : first + 50]),
            cause="digest",
            window=(1, len(ids)),
        )


Sums = dict[tuple[int, int], dict[str, list[float]]]


def evidence_shown(
    conversation: Conversation,
    observed: Sequence[tuple[str, str, str]],
    *,
    budgets: Sequence[int],
    fact_tokens: Sequence[int],
    questions: int,
    sums: Sums,
) -> None:
    """Add what is shown of the evidence for a conversation's questions to the sums."""
    asked = [q for q in conversation.questions if q.evidence and q.category != ABSTENTION]
    random.Random(57).shuffle(asked)
    with temporary_memory(conversation.turns, None) as store:
        store_observations(store, observed)
        turns = store.turns()
        memory = Memory(store, model=NOT_ASKED)
        plain = memory.program.ask.options
        for question in asked[:questions]:
            text = question.standalone_question
            hits = memory.search(text, 400)
            gold = [turn for turn in turns if turn.source in question.evidence]
            for budget in budgets:
                memory.budget = budget
                for tokens in fact_tokens:
                    memory.program.ask.options = replace(plain, fact_tokens=tokens)
                    block = memory.evidence(text, hits=hits, asker=question.asker)
                    lines = {int(n) for n in re.findall(r"^\[(\d+)\]", block.text, re.MULTILINE)}
                    share = fmean(turn.id in lines for turn in gold)
                    words = words_shown(question, gold, block.text)
                    details = details_shown(question, gold, block.text)
                    values = {"turns": share, "words": words, "details": details}
                    values["fact lines"] = float(len(block.facts))
                    for name, value in values.items():
                        if value is not None:
                            sums[budget, tokens][name].append(value)


def print_evidence(
    files: Sequence[Path],
    budgets: Sequence[int],
    fact_tokens: Sequence[int],
    questions: int,
    most: int,
) -> None:
    """Print what is shown of the evidence with and without current facts."""
    table = Table("data", "tokens", "of facts", "questions", "turns", "words", "details", "lines")
    for file in files:
        sums: Sums = defaultdict(lambda: defaultdict(list))
        observed = observations(file)
        conversations = load_conversations(file)[:most]
        for conversation in track(conversations, console=Console(stderr=True)):
            evidence_shown(
                conversation,
                observed.get(conversation.id, ()),
                budgets=budgets,
                fact_tokens=fact_tokens,
                questions=questions,
                sums=sums,
            )
        for (budget, tokens), values in sums.items():
            means = {name: fmean(shares) for name, shares in values.items()}
            table.add_row(
                file.name,
                f"{budget:,}",
                str(tokens),
                str(len(values["turns"])),
                *(f"{means.get(name, 0):.4f}" for name in ("turns", "words", "details")),
                f"{means['fact lines']:.2f}",
            )
    print_table(Console(), table)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Print both counts, or the evidence shown of conversations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--misses", action="store_true", help="name the messages that fail")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="files of conversations")
    parser.add_argument("--facts", type=_numbers, default=[0, 120, 300], help="tokens of facts")
    parser.add_argument("--budgets", type=_numbers, default=[2_000, 6_000], help="in tokens")
    parser.add_argument("--questions", type=int, default=60, help="of each conversation")
    parser.add_argument("--conversations", type=int, default=99, help="of each file")
    args = parser.parse_args()
    if args.data:
        print_evidence(args.data, args.budgets, args.facts, args.questions, args.conversations)
        return
    without_fact: list[str] = []
    with_turns: list[str] = []
    tokens: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, person in enumerate(PEOPLE):
            with memory_of(person, Path(folder)) as memory:
                for message, word in NEEDED[person]:
                    block = memory.context(message)
                    if word not in block.text:
                        without_fact.append(f"{person}: {message} ({word})")
                for message in NOT_NEEDED[number :: len(PEOPLE)]:
                    block = memory.context(message)
                    tokens.append(block.tokens)
                    if block.memories:
                        with_turns.append(f"{person}: {message} -> {len(block.memories)} turns")
    needed = sum(map(len, NEEDED.values()))
    print(f"needed fact shown: {needed - len(without_fact)} of {needed}")
    print(f"no turn brought: {len(NOT_NEEDED) - len(with_turns)} of {len(NOT_NEEDED)}")
    print(f"tokens of these blocks: {sum(tokens) / len(tokens):.0f} on average")
    if args.misses:
        print("\n".join(["without the fact:", *without_fact, "with turns:", *with_turns]))


if __name__ == "__main__":
    main()
