"""Explains a search: each turn with the share that each feature of the ranking gave."""

from collections.abc import Collection, Mapping, Sequence

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.harness import temporary_memory
from memory import Hit, InputError, Turn, open_store


def share_line(hit: Hit) -> str:
    """The shares of a hit's score by feature, largest first; shares of 0 are left out."""
    # A share that prints as 0.00 explains nothing.
    largest = sorted(hit.shares.items(), key=lambda share: -abs(share[1]))
    return "   ".join(
        f"{feature}\u00a0{share:.2f}" for feature, share in largest if abs(share) >= 0.005
    )


def explanation(
    hits: Sequence[Hit], turns: Mapping[int, Turn], evidence: Collection[int] = ()
) -> Table:
    """The hits as a table: the text of the turn, and under it the share of each feature.

    Args:
        hits: best first.
        turns: by id.
        evidence: ids of the evidence, none if it is unknown.
    """
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("score", justify="right")
    table.add_column("said")
    table.add_column("speaker")
    if evidence:
        table.add_column("evidence")
    table.add_column("text, and what each feature gave")

    for rank, hit in enumerate(hits, 1):
        turn = turns[hit.turn_id]
        text = Text(_on_one_line(turn.text), no_wrap=True, overflow="ellipsis")
        cells: list[str | Text | Group] = [
            str(rank),
            f"{hit.score:.2f}",
            Text(_on_one_line(turn.said_at[:10])),
            Text(_on_one_line(turn.speaker)[:12]),
        ]
        if evidence:
            cells.append("yes" if hit.turn_id in evidence else "")
        table.add_row(*cells, Group(text, Text(share_line(hit), style="dim")))
    return table


def _on_one_line(text: str) -> str:
    """The beginning of a text in one line, without control characters of a terminal."""
    # 300 characters exceed a terminal's line; the table cuts the rest.
    printable = (letter if letter.isprintable() else " " for letter in text[:300])
    return " ".join("".join(printable).split())


def explain_memory(address: str, question: str, k: int, embedder: str | None = None) -> None:
    """Print the best k turns of a memory that exists. Raises StoreError when it cannot be read."""
    with open_store(address, read_only=True, embedder=embedder) as store:
        hits = store.search(question, k)
        turns = {turn.id: turn for turn in store.turns_by_id([hit.turn_id for hit in hits])}
    Console().print(explanation(hits, turns))


def explain_data(
    conversations: Sequence[Conversation], question: str, k: int, embedder: str | None = None
) -> None:
    """Print the best k turns of a conversation, and the ranks of its evidence if known.

    Raises InputError when there is more than one conversation.
    """
    if len(conversations) > 1:
        choices = ", ".join(conversation.id for conversation in conversations)
        raise InputError(f"give the --conversation to explain in: {choices}")
    [conversation] = conversations
    turns = dict(enumerate(conversation.turns, 1))
    with temporary_memory(conversation.turns, embedder) as store:
        # All turns are ranked, because the evidence may have any rank.
        hits = store.search(question, len(turns))
    sources: set[str] = set()
    for known_question in conversation.questions:
        is_same_text = known_question.text.strip() == question.strip()
        if is_same_text and known_question.category != ABSTENTION:
            sources.update(known_question.evidence)
    evidence = {number: turn.source for number, turn in turns.items() if turn.source in sources}
    console = Console()
    console.print(explanation(hits[:k], turns, evidence.keys()))
    for rank, hit in enumerate(hits[k:], k + 1):
        if hit.turn_id in evidence:
            line = f"evidence {evidence[hit.turn_id]} is number {rank}: {share_line(hit)}"
            console.print(line, highlight=False, markup=False)
