"""Rankings of other memories, each measured in its own process."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter
from rich.progress import Progress

from locomo.dataset.format import load_conversations
from locomo.others.peers import PEERS, Measured, Peer
from memory.system import write_whole

Found = dict[str, Measured]  # by conversation
_FOUND = TypeAdapter(Found)


def peer_version(peer: Peer) -> str:
    """The version that is installed, "" when no one says."""
    if not peer.distribution:
        return sqlite3.sqlite_version
    try:
        return version(peer.distribution)
    except PackageNotFoundError:
        return ""


def rankings_of(name: str, arguments: Sequence[str], advance: Callable[[], None]) -> Found | str:
    """A system's rankings in each conversation, or in one line why it could not be measured.

    `arguments` follow the name in `python -m locomo.others.peers`.

    It works in its own process, which does not outlive this call; `advance` is called after
    each conversation.
    """
    peer = PEERS[name]
    if not all(find_spec(module) for module in peer.modules):
        return f"not installed (pip install {peer.distribution})"
    line = [sys.executable, "-m", "locomo.others.peers", name, *arguments]
    rankings: Found = {}
    error = ""
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for record in map(json.loads, process.stdout):
                if "error" in record:
                    error = record["error"]
                else:
                    rankings[record["conversation"]] = Measured(**record["measured"])
                    advance()
            code = process.wait()
        finally:
            process.kill()
            process.wait()
    return rankings if code == 0 else error or f"its process ended with code {code}"


def read_or_rank(name: str, data: Path, depth: int, cache: Path, bar: Progress) -> Found | str:
    """What a system ranks in each conversation of a file, or why it cannot be measured.

    It is read from the cache if a run before has written it there. `depth` is the most turns that
    a question gets.
    """
    if cache.exists():
        return _FOUND.validate_json(cache.read_bytes())
    line = bar.add_task(f"searching with {PEERS[name].title}", total=len(load_conversations(data)))
    rankings = rankings_of(name, [str(data), str(depth)], lambda: bar.advance(line))
    if not isinstance(rankings, str):
        write_whole(cache, _FOUND.dump_json(rankings))
    return rankings
