"""Import files from other programs, export a memory for them, and back it up."""

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, cast

from memory.errors import InputError
from memory.exchange.documents import is_document
from memory.server.downloads import written
from memory.server.web.page_request import (
    Download,
    Inputs,
    Page,
    PageRequest,
    PageResponse,
    PageRoute,
    Redirect,
)
from memory.server.web.tasks import Task
from memory.store import Store
from memory.store.configuration.settings import UNNAMED, settings_of
from memory.store.namespaces import make_folder, path_of
from memory.store.turns.turn_validation import local_now
from memory.system.files import PRIVATE_FOLDER

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

    from memory.api import Memory
    from memory.exchange import ForeignExport
    from memory.exchange.date_order import DateOrder
    from memory.exchange.imports import ImportReport
    from memory.exchange.reading_errors import ReadingError

# What the form asks of a table whose columns have other names.
IMPORT_COLUMNS = {
    "speaker": "Who speaks",
    "text": "What they say",
    "said_at": "When",
    "session": "Session",
    "source": "Unique key",
}
_COPIED_AT_ONCE = 1 << 20  # bytes of an upload


def files(request: PageRequest, store: Store) -> PageResponse:
    """The forms to import, export and back up, and the backups that there are."""
    backups = dict.fromkeys(str(setting.value) for setting in settings_of(store, "backup"))
    values = {
        "backups": [(path, Path(path).exists()) for path in backups],
        "tasks": request.tasks.running(request.namespace),
        "columns": IMPORT_COLUMNS,
    }
    return Page("files.html", values)


async def import_files(request: PageRequest) -> PageResponse:
    """Start to import uploaded files. Importing them again adds only what is new."""
    if not request.inputs.files:
        raise InputError("choose a file first")
    request.refuse_read_only()
    name = Path(Path(str(request.inputs.files[0].filename)).name)
    if is_document(name) and name.suffix.lower() != ".txt":  # a table may be named so
        # A person pastes it into a shell, and "$(...).pdf" and "--once.pdf" are names of files.
        command = shlex.join(["memory", "add", f"./{name}" if str(name)[0] == "-" else str(name)])
        raise InputError(f"{name} is a document; add it in a terminal: {command}")
    dates, columns = _date_order(request.inputs), _columns(request.inputs)
    names = [Path(str(file.filename)).name for file in request.inputs.files]
    folder = Path(tempfile.mkdtemp(prefix="memory-import-"))
    try:
        path = await _save(request.inputs.files, folder)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    user = request.inputs.text("user") or UNNAMED
    with_wishes = bool(request.inputs.text("wishes"))

    def work(memory: "Memory", task: Task) -> "ImportReport":
        from memory.exchange.imports import import_turns, load_dump, refuse_empty

        try:
            export = _read(path, user, dates, columns, names)
            task.total = export.total
            if export.format == "dump":
                return load_dump(memory.store, path, task.advance)
            report = import_turns(
                memory.store, export, progress=task.advance, with_wishes=with_wishes
            )
            refuse_empty(report, names[0])
            return report
        finally:
            rmtree(folder, ignore_errors=True)

    title = f"Importing {request.inputs.files[0].filename}"
    task = request.tasks.start(request.namespace, "import", title, work)
    return Redirect(request.address("work", task.id))


def _date_order(inputs: Inputs) -> "DateOrder":
    given = inputs.text("dates")
    if given in ("", "day-first", "month-first"):
        return cast("DateOrder", given)
    raise InputError("dates: choose whether the day or the month comes first")


def _columns(inputs: Inputs) -> dict[str, str]:
    """Our names for columns, each with the file's name for it according to the form."""
    named = {name: inputs.text(f"column-{name}") for name in IMPORT_COLUMNS}
    return {name: theirs for name, theirs in named.items() if theirs}


def _read(
    path: Path, user: str, dates: "DateOrder", columns: dict[str, str], names: Sequence[str]
) -> "ForeignExport":
    """The export in uploaded files; errors say what to choose in the form, with their `names`."""
    from memory.exchange import read_export
    from memory.exchange.reading_errors import ColumnsError, DateOrderError

    def problem(error: "ReadingError") -> str:
        saved, _, rest = error.problem.partition(":")
        number = Path(saved).stem
        return f"{names[int(number)]}:{rest}" if number.isdecimal() else error.problem

    try:
        return read_export(path, user, dates=dates, columns=columns)
    except DateOrderError as error:
        raise InputError(
            f"{problem(error)}: choose it at Dates, and import the file again"
        ) from error
    except ColumnsError as error:
        raise InputError(
            f"{problem(error)}. Name the others at Columns of a table, and import the file again"
        ) from error


async def _save(files: Sequence["UploadFile"], folder: Path) -> Path:
    """Save uploaded files under safe names. Returns the file if there is one, else the folder."""
    folder.chmod(PRIVATE_FOLDER)
    paths = []
    for number, file in enumerate(files):
        # Some formats need the suffix; the rest of the name is not trusted.
        suffix = Path(str(file.filename)).suffix
        name = f"{number}{suffix if suffix[1:].isalnum() else ''}"
        with (folder / name).open("wb") as target:
            while piece := await file.read(_COPIED_AT_ONCE):
                target.write(piece)
        paths.append(folder / name)
    return paths[0] if len(paths) == 1 else folder


def export(request: PageRequest, store: Store) -> PageResponse:
    """Download a memory as a file."""
    from memory.exchange.exports import export_format, write_memory

    format_ = request.inputs.text("format")
    name = f"{path_of(request.namespace).stem}.{format_}"
    export_format(Path(name), format_)
    file = written(lambda text: write_memory(store, text, format_, title=request.namespace))
    return Download(file, name)


def backup(request: PageRequest, store: Store) -> PageResponse:
    """Back up the memory into a file on this machine, which `forget` covers as well."""
    time = "".join(character for character in local_now() if character.isalnum())
    path = path_of(request.namespace)  # next to the file, if it is one
    make_folder(path.parent)
    store.backup(path.with_name(f"{path.stem}.{time}.backup.db"))
    return Redirect(request.address("files") + "#backups")


PAGES: list[PageRoute] = [
    ("GET", "/files", files),
    ("POST", "/import", import_files),
    ("POST", "/backup", backup),
    ("GET", "/export/{format}", export),
]
