"""An importer reads what one program exports; entry points in `sql_memory.importers` name them.

A package adds one by a single file: an `Importer`, with the functions that it consists of, and in
its pyproject.toml

    [project.entry-points."sql_memory.importers"]
    diary = "my_package.diary:IMPORTER"
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.exchange.date_order import DateOrder
from memory.exchange.input_files import InputFile
from memory.records import Skipped, Turn

GROUP = "sql_memory.importers"


@dataclass(frozen=True)
class ExportFiles:
    """What an importer reads, with what a person says about it.

    Attributes:
        path: the file, folder or archive.
        files: its files in the importer's format, by name.
        lists: its files that match `Importer.lists`.
        user: the name of the user of a chat application.
        dates: whether the day or the month comes first in dates; "" if no one said it.
        columns: our names for columns, each with the name that the file has for it.
    """

    path: Path
    files: Sequence[InputFile] = ()
    lists: Sequence[InputFile] = ()
    user: str = "User"
    dates: DateOrder = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the path, without its suffix."""
        return self.path.resolve().stem


@dataclass(frozen=True)
class Importer:
    """How the exports of one program are recognised, by their content, and read.

    Attributes:
        name: the format, as people read it.
        read: yields a turn, or what is left out and why, for each message. It is called twice.
        is_object: whether an object of a JSON file is the program's. Lists in it are cut short.
        is_text: whether a text file is the program's, by its beginning.
        is_path: whether a file or folder of any other kind is; `ExportFiles.files` is empty then.
        files: the names of its files in a folder or archive that holds others as well.
        lists: the names of its files that hold no conversations, such as lists of people.
        archives: the names of the archives of one export, together in a folder.
        notes: what a person should know of an export, with the number of its messages.
        unreadable: patterns of files that it cannot read, each with what to export instead.
        is_plain: whether it reads rows with any names: it comes after all others, and only for a
            file that is imported alone.
    """

    name: str
    read: Callable[[ExportFiles], Iterator[Turn | Skipped]]
    is_object: Callable[[Mapping[str, Any]], bool] | None = None
    is_text: Callable[[str], bool] | None = None
    is_path: Callable[[Path], bool] | None = None
    files: re.Pattern[str] | None = None
    lists: re.Pattern[str] | None = None
    archives: re.Pattern[str] | None = None
    notes: Callable[[ExportFiles, int], Iterator[str]] | None = None
    unreadable: Sequence[tuple[str, str]] = ()
    is_plain: bool = False


@cache
def importers() -> tuple[Importer, ...]:
    """All installed importers by name, the plain ones last. InputError if one cannot be loaded."""
    loaded = [_loaded(entry) for entry in entry_points(group=GROUP)]
    return tuple(sorted(loaded, key=lambda importer: (importer.is_plain, importer.name)))


def _loaded(entry: EntryPoint) -> Importer:
    package = entry.dist.name if entry.dist else "an unknown package"
    try:
        importer = entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the importer {entry.name} of {package} cannot be loaded ({error}); upgrade or"
            f" uninstall {package}"
        ) from error
    if not isinstance(importer, Importer):
        raise InputError(
            f"the importer {entry.name} of {package} is no Importer; uninstall {package}"
        )
    return importer
