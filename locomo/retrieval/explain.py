"""Why a search finds these turns: each with the share that every lever of the ranking gave."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from locomo.dataset.format import ABSTENTION, Conversation
from memory import Hit, InputError, Turn, open_store


def share_line(hit: Hit) -> str:
    """What each lever gave to a hit, the largest first; levers that gave nothing are left out."""
    largest = sorted(hit.shares.items(), key=lambda share: -abs(share[1]))
    return "   ".join(
        f"{lever}\u00a0{share:.2f}" for lever, share in largest if abs(share) >= 0.005
    )


def explanation(
    hits: Sequence[Hit], turns: Mapping[int, Turn], evidence: Collection[int] = ()
) -> Table:
    """The hits as a table: what was said, and under it the share that each lever gave.

    Args:
        hits: best first.
        turns: by id.
        evidence: ids of the evidence, none where it is not known.
    """
    known = bool(evidence)
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("score", justify="right")
    for column in ("said", "speaker", *(["evidence"] * known), "text, and what each lever gave"):
        table.add_column(column)
    for rank, hit in enumerate(hits, 1):
        turn = turns[hit.turn_id]
        said = Text(_shown(turn.text), no_wrap=True, overflow="ellipsis")
        mark = ["yes" if hit.turn_id in evidence else ""] * known
        table.add_row(
            str(rank),
            f"{hit.score:.2f}",
            Text(_shown(turn.said_at[:10])),
            Text(_shown(turn.speaker)[:12]),
            *mark,
            Group(said, Text(share_line(hit), style="dim")),
        )
    return table


def _shown(text: str) -> str:
    """The beginning of a text in one line, without what steers a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:300]).split())


def explain_memory(address: str, question: str, k: int, embedder: str | None = None) -> None:
    """Print the best k turns of a memory that exists. Raises StoreError when it cannot be read."""
    with open_store(address, read_only=True, embedder=embedder) as store:
        hits = store.search(question, k)
        turns = {hit.turn_id: store.turn(hit.turn_id) for hit in hits}
    Console().print(explanation(hits, turns))


def explain_data(
    conversations: Sequence[Conversation], question: str, k: int, embedder: str | None = None
) -> None:
    """Print the best k turns of a conversation, and where its evidence stands if that is known.

    Raises InputError when there is more than one conversation.
    """
    if len(conversations) > 1:
        known = ", ".join(one.id for one in conversations)
        raise InputError(f"give the --conversation to explain in: {known}")
    [conversation] = conversations
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(Path(folder) / "memory.db", embedder=embedder) as store,
    ):
        ids = store.add(conversation.turns)
        hits = store.search(question, len(ids))
    turns = dict(zip(ids, conversation.turns, strict=True))
    sources = {
        source
        for asked in conversation.questions
        if asked.text.strip() == question.strip() and asked.category != ABSTENTION
        for source in asked.evidence
    }
    evidence = {number: turn.source for number, turn in turns.items() if turn.source in sources}
    console = Console()
    console.print(explanation(hits[:k], turns, evidence.keys()))
    for rank, hit in enumerate(hits[k:], k + 1):
        if hit.turn_id in evidence:
            said = f"evidence {evidence[hit.turn_id]} is number {rank}: {share_line(hit)}"
            console.print(said, highlight=False, markup=False)
