"""Whether the words that answer a question are shown, and in how many tokens; no model.

    python -m tests.benchmarks.answer_words DATA [--labels FILE] [--budgets 1000,2000,3000,6000]

DATA has conversations in LoCoMo's form. The labels name by conversation questions for a count, a
sum, a kind or a list, each with the words that answer it and the turn that says them. A pair counts
as shown if one line of the block has both the turn and its words: a turn that is shown without them
does not. The packaged labels are for 14 chats in LongMemEval's form, written before any output.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table
from locomo.dataset.format import Conversation, load_conversations
from locomo.harness import temporary_memory
from memory import Memory

LABELS = Path(__file__).with_suffix(".json")
NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called


def shown_words(
    conversation: Conversation, labels: list[dict[str, object]], budgets: list[int]
) -> dict[int, list[tuple[str, bool, int]]]:
    """By budget, for each label: its question and words, whether they are shown, the tokens."""
    shown: dict[int, list[tuple[str, bool, int]]] = defaultdict(list)
    with temporary_memory(conversation.turns, None) as store:
        ids = {turn.source: turn.id for turn in store.turns()}
        memory = Memory(store, model=NOT_ASKED)
        for label in labels:
            for budget in budgets:
                memory.budget = budget
                block = memory.evidence(str(label["question"]), asker="user")
                for source, words in label["words"]:
                    number = f"[{ids[source]}]"
                    is_shown = any(
                        number in line and words in line for line in block.text.splitlines()
                    )
                    name = f"{label['question']} ({words}, turn {ids[source]})"
                    shown[budget].append((name, is_shown, block.tokens))
    return shown


def main() -> None:
    """Print how many of the words are shown in each budget."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--budgets", default="1000,2000,3000,6000", help="in tokens")
    parser.add_argument("--misses", action="store_true", help="name the words that are not shown")
    args = parser.parse_args()
    labels = json.loads(args.labels.read_text("utf-8"))
    budgets = [int(number) for number in args.budgets.split(",")]
    asked = {label["conversation"] for label in labels}
    conversations = [chat for chat in load_conversations(args.data) if chat.id in asked]
    results: dict[int, list[tuple[str, bool, int]]] = defaultdict(list)
    for chat in track(conversations, console=Console(stderr=True)):
        of_chat = [label for label in labels if label["conversation"] == chat.id]
        for budget, shown in shown_words(chat, of_chat, budgets).items():
            results[budget] += shown
    table = Table("budget", "words shown", "of", "tokens")
    for budget, shown in results.items():
        tokens = f"{fmean(tokens for *_, tokens in shown):,.0f}"
        table.add_row(
            f"{budget:,}", str(sum(is_in for _, is_in, _ in shown)), str(len(shown)), tokens
        )
        for name, is_in, _ in shown:
            if args.misses and not is_in:
                print(f"{budget:,}: {name}")
    print_table(Console(), table)


if __name__ == "__main__":
    main()
