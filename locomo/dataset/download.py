"""Downloads the official files; an incomplete file is never left behind."""

import hashlib
import http.client
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from rich.console import Console
from rich.progress import DownloadColumn, Progress

from memory import InputError
from memory.system import whole

Benchmark = Literal[
    "locomo", "longmemeval", "longmemeval-m", "longmemeval-oracle", "msc-self-instruct"
]
TIMEOUT_S = 30.0
_CHUNK = 1 << 20  # bytes read at a time
_LONGMEMEVAL = (
    "https://huggingface.co/datasets/xiaowu0162/longmemeval-cleaned/resolve/"
    "98d7416c24c778c2fee6e6f3006e7a073259d48f"
)
_MSC = (
    "https://huggingface.co/datasets/MemGPT/MSC-Self-Instruct/resolve/"
    "5138f416f8fa76b75b2e080da87e8a8e346e1500"
)


@dataclass(frozen=True)
class Source:
    """An official file: its address, its sha256 (hex), its licence in a sentence.

    `size` is in bytes; unless `is_exact`, it is an upper bound.
    """

    url: str
    size: int
    sha256: str
    output: Path
    licence: str
    is_exact: bool = True


_LONGMEMEVAL_LICENCE = "LongMemEval is licensed MIT: keep its copyright notice, name its authors."
SOURCES: dict[Benchmark, Source] = {
    "locomo": Source(
        url="https://raw.githubusercontent.com/snap-research/locomo/main/data/locomo10.json",
        size=2_805_274,
        sha256="79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4",
        output=Path("data/locomo10.json"),
        licence=(
            "LoCoMo is licensed CC BY-NC 4.0: no commercial use, name its authors, do not commit"
            " it."
        ),
    ),
    "longmemeval": Source(
        url=f"{_LONGMEMEVAL}/longmemeval_s_cleaned.json",
        size=277_383_467,
        sha256="d6f21ea9d60a0d56f34a05b609c79c88a451d2ae03597821ea3d5a9678c3a442",
        output=Path("data/longmemeval_s.json"),
        licence=_LONGMEMEVAL_LICENCE,
    ),
    "longmemeval-m": Source(
        url=f"{_LONGMEMEVAL}/longmemeval_m_cleaned.json",
        size=2_737_100_077,
        sha256="9d79e5524794a2e6900a3aa9cb7d9152c5a3e8319c9a87c25494ba1eacee495f",
        output=Path("data/longmemeval_m.json"),
        licence=_LONGMEMEVAL_LICENCE,
    ),
    "longmemeval-oracle": Source(
        url=f"{_LONGMEMEVAL}/longmemeval_oracle.json",
        size=15_388_478,
        sha256="821a2034d219ab45846873dd14c14f12cfe7776e73527a483f9dac095d38620c",
        output=Path("data/longmemeval_oracle.json"),
        licence=_LONGMEMEVAL_LICENCE,
    ),
    "msc-self-instruct": Source(
        url=f"{_MSC}/msc_self_instruct.jsonl",
        size=8_570_000,  # its page says 8.56 MB; the sha256 decides
        sha256="d3dbea36848b41dc46c0f1548d0ebf74eeaf6390d6f3fe9318e8480dc984495e",
        output=Path("data/msc_self_instruct.jsonl"),
        licence="MSC-Self-Instruct is licensed Apache 2.0: name its authors.",
        is_exact=False,
    ),
}


def download(source: Source, output: Path) -> int:
    """Fetch an official file to `output`; returns its size in bytes. A failure leaves no file.

    Raises InputError when the file cannot be fetched or differs, or `output` is another file.
    """
    try:
        with open(output, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == source.sha256:
                return output.stat().st_size
        raise InputError(f"{output} exists and is another file; move it away")
    except FileNotFoundError:
        # Gigabytes are written as they arrive, and moved to `output` once they are checked.
        with whole(output) as file:
            return _fetch(source, file, output.name)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}") from error


def _fetch(source: Source, file: IO[bytes], name: str) -> int:
    """Write the answer of the address to a file and check it; returns its size in bytes."""
    url, size = source.url, source.size
    if not url.startswith(("http://", "https://")):
        raise InputError(f"cannot fetch {url}; give an http or https address")
    received, digest = 0, hashlib.sha256()
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), DownloadColumn())
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,  # noqa: S310 - checked above
            Progress(*columns, console=console) as bar,
        ):
            task = bar.add_task(name, total=size)
            # One byte more than expected proves that it is another file.
            while chunk := answer.read(min(_CHUNK, size + 1 - received)):
                received += len(chunk)
                digest.update(chunk)
                file.write(chunk)
                bar.update(task, completed=received)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"cannot fetch {url}: {error}") from error
    if received > size or (source.is_exact and received < size):
        number = "more" if received > size else f"{received:,}"
        raise InputError(f"{url} gave {number} bytes where {size:,} were expected: another file")
    if digest.hexdigest() != source.sha256:
        raise InputError(
            f"{url} gave another file: sha256 {digest.hexdigest()}, expected {source.sha256}"
        )
    return received
