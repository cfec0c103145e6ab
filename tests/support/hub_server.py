"""A stand-in for the Hugging Face hub on localhost: files by their paths, as its clients ask."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.local_http import Handler, local_http


@dataclass
class Hosted:
    """A file of the hub. `sha256` is what the hub says of it, `size` as well (None: the truth).

    `cut_after` closes each connection after so many bytes, or, where it is `stalled`, sends no more
    until the end of the hub; an `endless` file goes on for as long as somebody reads; `status`
    refuses every request.
    """

    body: bytes
    sha256: str = ""
    size: int | None = None
    cut_after: int | None = None
    stalled: bool = False
    endless: bool = False
    status: int = 200
    error_code: str = ""


@dataclass
class Hub:
    """A hub at work; `requests` has what was asked: the method, the path, and the first byte."""

    files: dict[str, Hosted] = field(default_factory=dict)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    address: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A hub that serves until the end of the block."""
    hub = Hub()

    class Answers(Handler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(ranged[1]) if ranged else 0
            hub.requests.append((self.command, self.path, start))
            hosted = hub.files.get(self.path, Hosted(b"", status=404, error_code="RepoNotFound"))
            if hosted.status != 200:
                self.send_response(hosted.status)
                self.send_header("X-Error-Code", hosted.error_code)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            sha256 = hosted.sha256 or hashlib.sha256(hosted.body).hexdigest()
            size = len(hosted.body) if hosted.size is None else hosted.size
            self.send_response(206 if ranged else 200)
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("ETag", f'"{sha256}"')
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(size))
            if not (hosted.endless and with_body):
                self.send_header("Content-Length", str(size - start))
            if ranged:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            if with_body:
                end = None if hosted.cut_after is None else start + hosted.cut_after
                with suppress(ConnectionError):  # the client may have gone
                    self.wfile.write(hosted.body[start:end])
                    while hosted.endless and not hub.ended.is_set():
                        self.wfile.write(b"\0" * 1_000_000)
                if hosted.stalled:
                    hub.ended.wait()
            self.close_connection = True

    with local_http(Answers) as hub.address:
        try:
            yield hub
        finally:
            hub.ended.set()
