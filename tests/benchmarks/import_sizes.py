"""What exports of many messages take: CPU and memory, of reading alone and of the command.

    python -m tests.benchmarks.import_sizes [--messages 100000] [--only telegram] [--reads-only]

Each export is one file in its program's format, with the chatter of `importing`. Reading and the
command run in processes of their own; seconds are of the processor, the peak of memory is the
process's.
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tests.benchmarks.importing import SYLLABLES, conversations, elements, message
from tests.support.foreign_exports import claude, claude_message

FIRST = 1_680_000_000  # seconds since 1970
READ = """
import sys
from pathlib import Path
from memory.exchange import read_export
from memory.records import Turn
print(sum(isinstance(item, Turn) for item in read_export(Path(sys.argv[1])).items))
"""


def texts(messages: int) -> Iterator[tuple[int, str, str, str]]:
    """Each message with its number, its moment in ISO text, and who says it."""
    chance = random.Random(1)
    vocabulary = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(20_000)]
    for number in range(messages):
        moment = datetime.fromtimestamp(FIRST + 30 * number, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        yield number, moment, ("Anna", "Ben")[number % 2], message(chance, vocabulary)


def chatgpt_export(messages: int) -> Iterator[str]:
    yield from elements(conversations(messages))


def claude_export(messages: int) -> Iterator[str]:
    def talks() -> Iterator[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        for number, _, speaker, text in texts(messages):
            said.append(claude_message(number, "human" if speaker == "Anna" else "assistant", text))
            if len(said) == 40 or number == messages - 1:
                yield claude(f"c-{number}", "Chat", *said)
                said = []

    yield from elements(talks())


def telegram_export(messages: int) -> Iterator[str]:
    yield '{"name": "Ben", "type": "personal_chat", "id": 7, "messages": '
    yield from elements(
        {
            "id": number,
            "type": "message",
            "date": moment,
            "date_unixtime": str(FIRST + 30 * number),
            "from": speaker,
            "from_id": f"user{speaker}",
            "text": text,
            "text_entities": [{"type": "plain", "text": text}],
        }
        for number, moment, speaker, text in texts(messages)
    )
    yield "}"


def discord_export(messages: int) -> Iterator[str]:
    yield '{"guild": {"name": "G"}, "channel": {"name": "general"}, "messages": '
    yield from elements(
        {
            "id": str(number),
            "type": "Default",
            "timestamp": f"{moment}+00:00",
            "content": text,
            "author": {"id": speaker, "name": speaker},
            "attachments": [],
            "stickers": [],
        }
        for number, moment, speaker, text in texts(messages)
    )
    yield "}"


def whatsapp_export(messages: int) -> Iterator[str]:
    for _, moment, speaker, text in texts(messages):
        day, _, clock = moment.partition("T")
        year, month, date = day.split("-")
        yield f"[{date}.{month}.{year[2:]}, {clock}] {speaker}: {text}\n"


EXPORTS: dict[str, tuple[str, Callable[[int], Iterator[str]]]] = {
    "chatgpt": ("conversations.json", chatgpt_export),
    "claude": ("conversations.json", claude_export),
    "telegram": ("result.json", telegram_export),
    "discord": ("general.json", discord_export),
    "whatsapp": ("_chat.txt", whatsapp_export),
}


def measured(*command: str) -> tuple[float, float, str]:
    """Seconds of CPU, peak of memory in MB, and what a command prints."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10, output  # kB, of Linux


def main(
    messages: Annotated[int, typer.Option(min=1, help="How many each export has.")] = 100_000,
    only: Annotated[str, typer.Option(help="One of the formats.")] = "",
    reads_only: Annotated[bool, typer.Option(help="Leave the command out.")] = False,
) -> None:
    """Measure the reading and the import of each format."""
    print("| format | messages | MB | reading, CPU s | peak MB | the command, CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for format, (name, export) in EXPORTS.items():
        if only and format != only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            with path.open("w", encoding="utf-8") as file:
                file.writelines(export(messages))
            seconds, peak, output = measured("-c", READ, str(path))
            assert int(output) == messages, output
            cells = [f"{path.stat().st_size / 1e6:.0f}", f"{seconds:.1f}", f"{peak:.0f}"]
            if not reads_only:
                database = str(Path(folder, "memory.db"))
                seconds, peak, _ = measured("-m", "memory", "import", str(path), "--db", database)
                cells += [f"{seconds:.0f}", f"{peak:.0f}"]
        print(f"| {format} | {messages:,} | {' | '.join([*cells, '', ''][:5])} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
