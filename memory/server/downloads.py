"""Exports that are sent: from files without a name, so that no copy is left behind."""

from collections.abc import Callable, Iterator
from io import SEEK_END, TextIOWrapper
from tempfile import TemporaryFile
from typing import IO, TextIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

_PIECE = 65_536  # bytes that are sent at once


def written(write: Callable[[TextIO], object]) -> IO[bytes]:
    """A file without a name with what `write` puts into it: it is gone when it is closed.

    No copy stays, whatever becomes of the request or the process.
    """
    file = TemporaryFile()  # noqa: SIM115 - `sent` closes it
    try:
        text = TextIOWrapper(file, "utf-8", newline="")
        write(text)
        text.detach()  # flushes, and leaves the file open
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def sent(file: IO[bytes], media_type: str, name: str = "") -> Response:
    """A response with the content of a file, which it closes at the end; `name` to save it as.

    Ignores a requested range: the whole file is sent.
    """
    size = file.seek(0, SEEK_END)
    file.seek(0)

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_PIECE):
                yield piece

    headers = {"content-length": str(size)}
    if name:
        plain = f'filename="{name}"' if name == quote(name) else f"filename*=utf-8''{quote(name)}"
        headers["content-disposition"] = f"attachment; {plain}"
    return StreamingResponse(pieces(), headers=headers, media_type=media_type)
