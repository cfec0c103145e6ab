"""The official file, fetched whole or not at all."""

import hashlib
import http.client
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import DownloadColumn, Progress

from memory import InputError
from memory.files import write_whole

URL = "https://raw.githubusercontent.com/snap-research/locomo/main/data/locomo10.json"
SIZE = 2_805_274  # bytes
SHA256 = "79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4"
TIMEOUT_S = 30.0


def download(url: str, output: Path, size: int = SIZE, sha256: str = SHA256) -> None:
    """Fetch a file of known size (bytes) and sha256 (hex) to `output`, or leave nothing there.

    Raises InputError when it cannot be fetched, is another file, or `output` is taken.
    """
    try:
        if hashlib.sha256(output.read_bytes()).hexdigest() == sha256:
            return
        raise InputError(f"{output} exists and is another file; move it away")
    except FileNotFoundError:
        content = _fetched(url, size, output.name)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}") from error
    if len(content) != size:
        least = "more" if len(content) > size else f"{len(content):,}"
        raise InputError(f"{url} gave {least} bytes where {size:,} were expected: another file")
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise InputError(f"{url} gave another file: sha256 {digest}, expected {sha256}")
    write_whole(output, content)


def _fetched(url: str, size: int, name: str) -> bytes:
    """What the address answers, but never more than one byte above `size`."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"cannot fetch {url}; give an http or https address")
    content = b""
    console = Console(stderr=True)
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,  # noqa: S310 - checked above
            Progress(*Progress.get_default_columns(), DownloadColumn(), console=console) as bar,
        ):
            task = bar.add_task(name, total=size)
            while chunk := answer.read(min(65_536, size + 1 - len(content))):
                content += chunk
                bar.update(task, completed=len(content))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"cannot fetch {url}: {error}") from error
    return content
