"""Messages that an export has newest first, or in several files, by time and in little memory."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from tempfile import TemporaryFile
from typing import Any


def oldest_first(
    messages: Iterable[Mapping[str, Any]], time: Callable[[Mapping[str, Any]], float]
) -> Iterator[dict[str, Any]]:
    """The messages by `time`; those of one time stay in the order in which they came.

    They wait in a temporary file: a hundred thousand of them take the process a few megabytes.
    """
    with TemporaryFile() as file:
        places: list[tuple[float, int, int]] = []
        for number, message in enumerate(messages):
            places.append((time(message), number, file.tell()))
            file.write(json.dumps(message).encode() + b"\n")
        for _, _, position in sorted(places):
            file.seek(position)
            yield json.loads(file.readline())
