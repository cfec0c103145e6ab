"""Documents read in a child process: whatever a file makes a parser do, this process goes on.

A parser may recurse, take memory or loop inside one call. The child has a limit of memory and one
of processor time, set by the system, and is killed after the time that reading may take.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.exchange.documents import readers
from memory.exchange.documents.readers import ParsedDocument, Section

MOST_MEMORY = 2_000_000_000  # bytes of addresses; 50 MB of HTML take half of it
_START_SECONDS = 10.0  # for Python to start; the child counts the seconds of the reading itself
_LIMITS = ("LARGEST_TEXT", "MOST_NODES", "DEEPEST_NODE", "MOST_SECONDS")


def read_in_child(path: Path, suffix: str, content: bytes) -> ParsedDocument:
    """Read the content of a document by its suffix.

    Raises InputError as the reader does, and for a document that takes too much memory or time.
    """
    order = {
        "path": os.fsdecode(path),
        "suffix": suffix,
        "memory": MOST_MEMORY,
        **{name: getattr(readers, name) for name in _LIMITS},
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, json.dumps(order)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=max(readers.MOST_SECONDS, 0) + _START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{path}: reading it takes more than {readers.MOST_SECONDS:.0f} seconds;"
            " split it, or save it as plain text"
        ) from None
    try:
        reply = json.loads(done.stdout)
    except ValueError:  # the system ended it, at one of its limits
        raise InputError(
            f"{path}: its reader failed, of too much memory or time; save it as plain text"
        ) from None
    if "refusal" in reply:
        raise InputError(reply["refusal"])
    sections = [
        Section(name, text, [(start, number) for start, number in marks])
        for name, text, marks in reply["sections"]
    ]
    return ParsedDocument(reply["title"], sections, reply["unit"])


def _work(order: dict[str, Any], content: bytes) -> dict[str, Any]:
    path = Path(order["path"])
    for name in _LIMITS:
        setattr(readers, name, order[name])
    _limit_process(order["memory"], order["MOST_SECONDS"])
    try:
        limits = readers.Limits(path)
        document = readers.READERS[order["suffix"]](path, content, limits)
    except InputError as refusal:
        return {"refusal": str(refusal)}
    except RecursionError:
        return {"refusal": f"{path}: its parts lie too deep in each other; save it as plain text"}
    except MemoryError:
        memory_limit = f"{order['memory'] // 1_000_000:,} MB"
        return {"refusal": f"{path}: reading it takes more than {memory_limit} of memory; split it"}
    sections = [(part.path, part.text, list(part.marks)) for part in document.sections]
    return {"title": document.title, "sections": sections, "unit": document.unit}


def _limit_process(memory: int, seconds: float) -> None:
    """Have the system limit this process, if it can (not on Windows)."""
    if sys.platform == "win32":
        return
    import resource

    processor_seconds = int(max(seconds, 0) + _START_SECONDS)
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, processor_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        try:
            resource.setrlimit(limit, (value, hard))
        except (ValueError, OSError):  # macOS has no limit of addresses
            continue


if __name__ == "__main__":
    # What a parser prints must not get into the reply.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)
        json.dump(_work(json.loads(sys.argv[1]), sys.stdin.buffer.read()), reply)
