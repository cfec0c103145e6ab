"""Tokens of models for each of ours: `python -m tests.benchmarks.token_rates [FILE...]`.

Counts texts by the tokenizers that litellm brings along and by the packaged one, and how long that
takes. Texts are turns of conversations (by default of this repository) and whole prompts.
"""

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import load_conversations
from memory.text.tokens import count_tokens
from memory.text.turn_lines import turn_line

ROOT = Path(__file__).parents[2]
DATA = [ROOT / "data" / name for name in ("sample.json", "friends", "assistants", "everyday")]
PROMPTS = ROOT / "tests" / "memory" / "expected_prompts"
MOST_CHARACTERS = 400_000  # of one kind of text


def tokenizers() -> dict[str, Callable[[str], int]]:
    """Functions that count tokens, by the name of a vocabulary."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    import tiktoken
    from tokenizers import Tokenizer

    o200k, cl100k = map(tiktoken.get_encoding, ("o200k_base", "cl100k_base"))
    deepseek = Tokenizer.from_file(str(folder / "deepseek_tokenizer.json"))
    return {
        "ours": count_tokens,
        "o200k (gpt-4o on)": lambda text: len(o200k.encode_ordinary(text)),
        "cl100k (gpt-4)": lambda text: len(cl100k.encode_ordinary(text)),
        "deepseek": lambda text: len(deepseek.encode(text, add_special_tokens=False).ids),
    }


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="of conversations")] = None,
) -> None:
    """Print a row for each kind of text: tokens of each vocabulary for one of ours, and seconds."""
    counts = tokenizers()
    table = Table("text", "our tokens", *(name for name in counts if name != "ours"))
    seconds = dict.fromkeys(counts, 0.0)
    for kind, text in _texts(files or DATA):
        tokens = {}
        for name, count in counts.items():
            begun = time.process_time()
            tokens[name] = count(text)
            seconds[name] += time.process_time() - begun
        ours = tokens.pop("ours")
        table.add_row(kind, f"{ours:,}", *(f"{number / ours:.3f}" for number in tokens.values()))
    ours_s = seconds.pop("ours")
    table.add_row("CPU seconds", f"{ours_s:.2f}", *(f"{s:.2f}" for s in seconds.values()))
    print_table(Console(), table)


def _texts(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        chats = [
            chat
            for file in files
            if file.parent.name != "facts" and file.name != "facts.json"
            for chat in load_conversations(file)
        ]
        lines = "\n".join(turn_line(turn) for chat in chats for turn in chat.turns)
        yield path.stem, lines[:MOST_CHARACTERS]
    for prompts in sorted(PROMPTS.glob("*.txt")):
        yield f"prompts: {prompts.stem}", prompts.read_text("utf-8")[:MOST_CHARACTERS]


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
