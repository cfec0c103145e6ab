"""Recall and speed where a conversation is one of many in a memory, all of them real ones.

python -m tests.benchmarks.mixed NEEDLES... --chatter FILE ... [--turns N ...] [--folder DIR]
    [--json OUT]

The questions about the conversations in NEEDLES are asked among so many turns: for 1,000 each of
the conversations has a memory of its own with chatter around it, beyond that all lie in one. The
chatter is copies of other conversations. Each copy has speakers and words of its own: a word and
others about as frequent change places, so that words stay as frequent as people use them. With
--folder, memories are kept, and measured again as they are.
"""

import itertools
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from locomo.commands import run_command
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.metrics import recall
from memory import Store, Turn, open_store
from memory.store.turns_table import known_sources
from memory.system.files import write_whole
from tests.benchmarks.scale import BATCH, needles, strewn

ASSISTANT = "assistant"
OWN_MEMORY = 1_000  # turns, up to which a conversation has a memory of its own
KEPT_WORDS = 300  # the commonest words, which are the same in every conversation
BAND = 300  # words that may change places
WARMING = 30
DEPTHS = (10, 50)
_WORD = re.compile(r"[^\W\d_]+")
_SYLLABLES = [onset + vowel for onset in "bdfgklmnprstvz" for vowel in "aeiou"]


def chatter(conversations: Sequence[Conversation]) -> Iterator[Turn]:
    """Turns without end: copies of conversations, the first one as they are."""
    counts = Counter(
        word
        for conversation in conversations
        for turn in conversation.turns
        for word in _WORD.findall(turn.text.lower())
    )
    common = [word for word, _ in counts.most_common()]
    for copy in itertools.count():
        drawn = random.Random(copy)
        other: dict[str, str] = {}
        for first in range(KEPT_WORDS, len(common), BAND) if copy else ():
            band = common[first : first + BAND]
            other |= dict(zip(band, drawn.sample(band, len(band)), strict=True))
        for conversation in drawn.sample(conversations, len(conversations)):
            yield from _copy(conversation, copy, other, drawn)


def _copy(
    conversation: Conversation, copy: int, other: dict[str, str], drawn: random.Random
) -> Iterator[Turn]:
    names: dict[str, str] = {}

    def changed(match: re.Match[str]) -> str:
        word = match[0]
        if word in names:
            return names[word]
        new = other.get(word.lower(), word)
        return new.capitalize() if word[0].isupper() else new

    for turn in conversation.turns:
        if turn.speaker.lower() != ASSISTANT:
            names.setdefault(turn.speaker, "".join(drawn.choices(_SYLLABLES, k=3)).capitalize())
    for turn in conversation.turns:
        yield replace(
            turn,
            speaker=names.get(turn.speaker, turn.speaker),
            text=_WORD.sub(changed, turn.text),
            session=f"copy {copy} of {conversation.id} {turn.session}",
            source="",
        )


def fill(path: Path, turns: Iterator[Turn]) -> float:
    """Fill a memory; turns a second of CPU time."""
    count = 0
    begun = time.process_time()
    with open_store(path) as store:
        while batch := list(itertools.islice(turns, BATCH)):
            store.add(batch)
            count += len(batch)
    return count / (time.process_time() - begun)


def ask(store: Store, conversations: Sequence[Conversation]) -> Iterator[dict[str, Any]]:
    """What a search finds for each question whose evidence is known."""
    sources = [f"{one.id} {turn.source}" for one in conversations for turn in one.turns]
    source_of = {number: source for source, number in known_sources(store, sources).items()}
    for conversation in conversations:
        for question in conversation.questions:
            if question.category == ABSTENTION or not question.evidence:
                continue
            begun = time.process_time()
            hits = store.search(question.text, max(DEPTHS))
            seconds = time.process_time() - begun
            ranked = [source_of.get(hit.turn_id, "") for hit in hits]
            evidence = [f"{conversation.id} {source}" for source in question.evidence]
            yield {
                "conversation": conversation.id,
                "question": question.text,
                "ms": 1000 * seconds,
                **{f"R@{depth}": recall(ranked[:depth], evidence) for depth in DEPTHS},
            }


def measure(
    folder: Path, size: int, conversations: Sequence[Conversation], others: Sequence[Conversation]
) -> list[dict[str, Any]]:
    """The answers to all questions among so many turns."""
    groups = [[one] for one in conversations] if size <= OWN_MEMORY else [conversations]
    answers: list[dict[str, Any]] = []
    for number, group in enumerate(groups):
        path = folder / f"mixed-{size}-{number}.db"
        if not path.exists():
            fill(path, strewn(chatter(others), [*needles(group)], size))
        with open_store(path) as store:
            for question in [question.text for one in group for question in one.questions][
                :WARMING
            ]:
                store.search(question)
            answers += ask(store, group)
    return answers


app = typer.Typer(add_completion=False)


@app.command()
def mixed(
    needles_in: Annotated[list[Path], typer.Argument(help="Conversations with questions.")],
    chatter_in: Annotated[list[Path], typer.Option("--chatter", help="Other conversations.")],
    turns: Annotated[list[int], typer.Option(min=1)] = [1_000, 100_000],  # noqa: B006
    folder: Annotated[Path | None, typer.Option(help="Where memories are made and kept.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Every question.")] = None,
) -> None:
    """Measure recall and the time of a search among so many turns of real conversations."""
    conversations = [one for file in needles_in for one in load_conversations(file)]
    others = [one for file in chatter_in for one in load_conversations(file)]
    results: dict[int, list[dict[str, Any]]] = {}
    for size in turns:
        with tempfile.TemporaryDirectory() as temporary:
            answers = measure(folder or Path(temporary), size, conversations, others)
        results[size] = answers
        means = " ".join(
            f"R@{depth} {np.mean([answer[f'R@{depth}'] for answer in answers]):.3f}"
            for depth in DEPTHS
        )
        p50, p95 = np.percentile([answer["ms"] for answer in answers], [50, 95])
        Console().print(
            f"{size:,} turns, {len(answers)} questions: {means} p50 {p50:.2f} p95 {p95:.2f} ms"
        )
    if json_file is not None:
        write_whole(json_file, json.dumps(results).encode())


if __name__ == "__main__":
    run_command(app, "nothing was written")
