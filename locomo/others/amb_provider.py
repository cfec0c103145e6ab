"""sql-memory as a provider of AMB: `locomo.others.amb` puts this file there.

Each user has their own memory in the folder of a run. Storing and searching ask no model.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.parse import quote

from memory_bench.memory.base import MemoryProvider
from memory_bench.models import Document

from memory import Memory, Turn
from memory.evidence import lay_out

# A document of AMB's baselines is a chunk of this many tokens: k of them are a budget of turns.
_DOCUMENT_TOKENS = 512
_LEAST_LINE = 20  # tokens; that many turns are searched that they fill the budget


class SqlMemoryProvider(MemoryProvider):
    """What AMB asks of a memory; threads may share one."""

    name = "sql-memory"
    description = "Turns in SQLite, ranked by words and vectors without a model, as dated lines."
    kind = "local"

    def prepare(self, store_dir: Path, unit_ids: set[str] | None = None) -> None:
        """Keep the memories in the folder of a run, which `--skip-ingestion` finds again."""
        self._folder = store_dir / "sql-memory"

    def ingest(self, documents: list[Document]) -> None:
        """Store documents as the sessions of their users' memories, which begin anew.

        So a run with fewer documents, as AMB's oracle mode, finds nothing of the run before.
        """
        turns_of: dict[str | None, list[Turn]] = {}
        for document in documents:
            turns_of.setdefault(document.user_id, []).extend(_turns(document))
        for user_id, turns in turns_of.items():
            path = self._path(user_id)
            rmtree(path.parent, ignore_errors=True)
            path.parent.mkdir(parents=True)
            with Memory(str(path)) as memory:
                memory.store.add(turns)

    def retrieve(
        self,
        query: str,
        k: int = 10,
        user_id: str | None = None,
        query_timestamp: str | None = None,
    ) -> tuple[list[Document], None]:
        """The best turns in the tokens of `k` chunks, as dated lines in the order of saying.

        The lines of a session are one document, with the id that AMB gave it.
        """
        budget = k * _DOCUMENT_TOKENS
        if not (path := self._path(user_id)).exists():
            return [], None
        with Memory(str(path)) as memory:
            hits = memory.store.search(query, budget // _LEAST_LINE)
            turns = memory.store.turns_by_id([hit.turn_id for hit in hits])
        shown = lay_out([], turns, budget, question=query)
        session_of = {turn.id: turn.session for turn in turns}
        lines = shown.text.split("\n")[1:]  # behind a heading, one for each turn
        found: dict[str, list[str]] = {}
        for turn_id, line in zip(shown.turn_ids, lines, strict=True):
            found.setdefault(session_of[turn_id], []).append(line)
        return [Document(name, "\n".join(said), user_id) for name, said in found.items()], None

    def _path(self, user_id: str | None) -> Path:
        # With a word before it no name leads out of the folder, which `ingest` empties.
        return self._folder / f"user-{quote(user_id or '', safe='')}" / "memory.db"


def _turns(document: Document) -> Iterator[Turn]:
    for message in document.messages or _parsed(document.content):
        text = message.get("text") or message.get("content") or ""
        if picture := message.get("blip_caption"):
            text = f"{text} [shares a picture: {picture}]"
        if text.strip():
            yield Turn(
                message.get("speaker") or message.get("role") or "user",
                text.strip(),
                session=document.id,
                said_at=document.timestamp or "",
            )


def _parsed(content: str) -> list[dict[str, Any]]:
    """The turns of a conversation that AMB wrote as JSON; another text is one turn."""
    try:
        turns = json.loads(content)
    except ValueError:
        turns = None
    if isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns):
        return turns
    return [{"content": content}]
