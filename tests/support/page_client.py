"""The page behind a test client, and what a person or a browser reads on it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from memory.models import Model
from memory.program import MemoryProgram
from memory.server import web
from memory.server.handles import Handles


@contextmanager
def page_client(
    model: "str | Model" = "local",
    read_only: bool = False,
    program: MemoryProgram | None = None,
) -> Iterator[TestClient]:
    """A client of the page alone, without the server's guard."""
    handles = Handles(model, program=program, read_only=read_only)
    with TestClient(Starlette(routes=web.routes(handles))) as client:
        yield client
    handles.close()


_WITHOUT_END = {"br", "hr", "img", "input", "link", "meta"}


class Tags(HTMLParser):
    """The tags of a page in order, each with its attributes' names, and their values."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._open: list[str] = []
        self.unbalanced: list[str] = []  # ends of tags that are not open, or not the last opened
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _WITHOUT_END:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def values(self, tag: str, name: str) -> list[str]:
        """The values of an attribute of a tag, wherever it stands."""
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def text_of(html: str, between: str = "") -> str:
    """All text of a page, with something between that of two tags."""
    pieces: list[str] = []

    class Text(HTMLParser):
        def handle_data(self, data: str) -> None:
            pieces.append(data)

    Text().feed(html)
    return between.join(pieces)


def shown(html: str) -> str:
    """The text of a page on one line, as a person reads it."""
    return re.sub(r" (?=[.,:])", "", " ".join(text_of(html, " ").split()))


def hidden(html: str, name: str) -> str:
    """The value of the first hidden field of this name."""
    fields: list[dict[str, Any]] = []

    class Fields(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            fields.append({"tag": tag, **dict(attrs)})

    Fields().feed(html)
    [value, *_] = [f["value"] for f in fields if f["tag"] == "input" and f.get("name") == name]
    return str(value)


def finished(client: TestClient, html_or_path: str) -> str:
    """The page of some long work once it is done; each look waits for no time of its own."""
    path = html_or_path
    for _ in range(100_000):
        html = client.get(path).text
        if not re.search(r'hx-trigger="every', html):
            return html
    raise AssertionError("the work does not end")
