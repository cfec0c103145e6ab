"""An import of many messages: how long, how fast, how large, and again when nothing is new.

    python -m tests.benchmarks.importing [--messages 100000] [--characters 2000]

The messages are chatter in ChatGPT's format, forty a conversation; with --characters long ones, as
an assistant writes them: paragraphs, lists, code, one in four in another language than English.
Each import is the command itself, in a process of its own; seconds are the whole command's, its
start and the reading of facts included.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from memory import Turn, open_store
from tests.support.foreign_exports import chatgpt, chatgpt_message

PER_CONVERSATION = 40
BATCH = 1_000
MOST_ADDED = 100_000  # turns that are also added by `store.add` alone
SYLLABLES = "ba de fi go lu ma ne pi ro su ta ve".split()  # noqa: SIM905
# What some letters are in English, in German or Spanish, and in Cyrillic.
LETTERS = [{}, str.maketrans("auo", "äüñ"), str.maketrans("abdefgi", "абдефги")]
SUBJECTS = ["my cat", "the flat", "Oslo", "the train", "my sister", "work", "the recipe", "rain"]


def message(chance: random.Random, vocabulary: list[str]) -> str:
    """A few or many words, as in a chat: 5 to 80, the commoner ones more often."""
    count = min(80, 5 + int(chance.expovariate(1 / 20)))
    words = [vocabulary[int(len(vocabulary) * chance.random() ** 3)] for _ in range(count)]
    return f"About {chance.choice(SUBJECTS)}: {' '.join(words)}."


def long_message(chance: random.Random, vocabulary: list[str], characters: int) -> str:
    """A message of so many characters: paragraphs, items of a list, lines of code."""
    letters = chance.choice([LETTERS[0], *LETTERS])
    lines: list[str] = []
    while sum(map(len, lines)) < characters:
        words = message(chance, vocabulary).translate(letters)
        form = chance.choice(["{}\n\n{}", "- **{}**: {}", "1. {}: {}", '    {} = call("{}")'])
        lines.append(form.format(words[:20].title(), words) + "\n")
    return "".join(lines)[:characters]


def conversations(messages: int, characters: int = 0) -> Iterator[dict[str, Any]]:
    """Conversations as ChatGPT exports them; with `characters` of each message, 0 as in a chat."""
    chance = random.Random(1)
    vocabulary = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(20_000)]
    for first in range(0, messages, PER_CONVERSATION):
        said = [
            chatgpt_message(
                *(n, ("user", "assistant")[n % 2]),
                long_message(chance, vocabulary, characters)
                if characters
                else message(chance, vocabulary),
                create_time=1_680_000_000 + 30 * n,
            )
            for n in range(first, min(first + PER_CONVERSATION, messages))
        ]
        yield chatgpt(f"c{first}", f"Chat {first}", *said)


def elements(values: Iterator[dict[str, Any]]) -> Iterator[str]:
    """A JSON list, a value at a time: what this process holds counts as its children's peak."""
    separator = "["
    for value in values:
        yield separator + json.dumps(value, ensure_ascii=False)
        separator = ",\n"
    yield "]"


def add_in_bulk(memory: Path, turns: list[Turn]) -> float:
    """Store turns by `store.add` alone, BATCH at a time; its seconds of CPU."""
    with open_store(memory) as store:
        store.add(turns[:1])  # loads the embedder
        begun = time.process_time()
        for first in range(0, len(turns), BATCH):
            store.add(turns[first : first + BATCH])
        return time.process_time() - begun


def run(source: Path, memory: Path) -> float:
    """Run the command; its seconds."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "memory", "import", str(source), "--db", str(memory)]
    subprocess.run(command, check=True)
    return time.perf_counter() - begun


def main(
    messages: Annotated[int, typer.Option(min=1, help="How many are imported.")] = 100_000,
    characters: Annotated[int, typer.Option(min=0, help="Of each; 0: as in a chat.")] = 0,
) -> None:
    """Measure an import, and the same one again."""
    with tempfile.TemporaryDirectory() as folder:
        source, memory = Path(folder, "conversations.json"), Path(folder, "memory.db")
        with source.open("w", encoding="utf-8") as file:
            file.writelines(elements(conversations(messages, characters)))
        seconds = run(source, memory)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = used.ru_utime + used.ru_stime
        again = run(source, memory)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10  # kB, of Linux
        with open_store(memory) as store:
            assert store.count_turns() == messages
            turns = store.turns(1, MOST_ADDED)
            begun = time.perf_counter()
            store.search("what was that about my sister and the train?")
            search = time.perf_counter() - begun
        adding = add_in_bulk(Path(folder, "added.db"), turns)
        size, text = memory.stat().st_size, source.stat().st_size
    print(f"{messages:,} messages: {seconds:.1f} s, {messages / seconds:,.0f} a second")
    print(
        f"CPU: {processor:.1f} s, {messages / processor:,.0f} messages and"
        f" {text / processor / 1e6:.2f} MB of the export a second"
    )
    bytes_added = sum(len(turn.text.encode()) for turn in turns)
    print(
        f"added in bulk, nothing else: {len(turns) / adding:,.0f} turns and"
        f" {bytes_added / adding / 1e6:.2f} MB a second of CPU"
    )
    print(f"peak of memory {peak:,.0f} MB; again, with nothing new, {again:.1f} s")
    print(f"file {size / 1e6:,.1f} MB, {size / messages:,.0f} bytes a message")
    print(f"first search {search:.2f} s")


if __name__ == "__main__":
    typer.run(main)
