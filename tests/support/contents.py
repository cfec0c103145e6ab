"""All contents of a memory, to compare before and after an act that must not change it."""

from pathlib import Path

from memory import open_store


def content_of(location: Path | str) -> object:
    """The bytes of a memory's file, or a dump of its rows in Postgres."""
    if "://" not in str(location):
        return Path(location).read_bytes()
    with open_store(location, read_only=True) as store:
        return [*store.dump()]
