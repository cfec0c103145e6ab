"""Documents as text below headings, with the line or the page of every place in it."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memory.errors import InputError

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag


@dataclass(frozen=True)
class Section:
    """A run of text below the headings that `path` names ("Manual > Install").

    `marks` are (place in the text, number of the line or page that begins there), in order; the
    first place is 0.
    """

    path: str
    text: str
    marks: Sequence[tuple[int, int]]

    def place(self, unit: str, start: int, end: int) -> str:
        """Where `text[start:end]` stands in the document: `lines 12-40`, `page 3`."""
        places = [place for place, _ in self.marks]
        first, last = (self.marks[bisect_right(places, at) - 1][1] for at in (start, end - 1))
        return f"{unit} {first}" if first == last else f"{unit}s {first}-{last}"


Document = tuple[str, list[Section], str]  # title, sections, what their marks count


class _Part(NamedTuple):
    """A piece of a document: a heading of a level from 1, or text (level 0), and its line."""

    level: int
    text: str
    line: int


def _sections(parts: Iterable[_Part]) -> list[Section]:
    """What stands below each heading; a heading that nothing stands below is text itself."""
    found: list[Section] = []
    above: list[_Part] = []  # the headings over the place reached
    texts: list[_Part] = []
    for part in [*parts, _Part(1, "", 0)]:
        if not part.level:
            texts.append(part)
            continue
        if any(text.text.strip() for text in texts):
            found.append(_section(above, texts))
        elif above and part.level <= above[-1].level:
            found.append(_section(above[:-1], above[-1:]))
        texts = []
        above = [*(heading for heading in above if heading.level < part.level), part]
    return found


def _section(above: Sequence[_Part], parts: Sequence[_Part]) -> Section:
    marks, size = [], 0
    for part in parts:
        marks.append((size, part.line))
        size += len(part.text)
    path = " > ".join(heading.text for heading in above if heading.text)
    return Section(path, "".join(part.text for part in parts), marks)


def _decode(path: Path, content: bytes) -> str:
    """UTF-8, with or without a byte order mark, its lines ending in LF."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "a binary file" if b"\0" in content else f"not UTF-8 at byte {error.start + 1:,}"
        raise InputError(f"{path}: {what}; save it as UTF-8 text") from error
    if "\0" in text:
        raise InputError(f"{path}: a binary file, no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_text(path: Path, content: bytes) -> Document:
    lines = _decode(path, content).split("\n")
    parts = [_Part(0, f"{line}\n", number) for number, line in enumerate(lines, 1)]
    return "", _sections(parts), "line"


_FRONT = re.compile(r"---\n.*?\n---\n", re.DOTALL)


def _read_markdown(path: Path, content: bytes) -> Document:
    from markdown_it import MarkdownIt

    text = _decode(path, content)
    front = _FRONT.match(text)  # no heading, whatever CommonMark makes of it
    above = front[0] if front else ""
    tokens = MarkdownIt("commonmark").parse("\n" * above.count("\n") + text[len(above) :])
    headings = {  # first line -> the heading, the line behind it; none in quotes and lists
        token.map[0]: (
            _Part(int(token.tag[1]), _one_line(said.content), token.map[0] + 1),
            token.map[1],
        )
        for token, said in pairwise(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    }
    lines, parts, number = text.split("\n"), [], 0
    while number < len(lines):
        if number in headings:
            heading, number = headings[number]
            parts.append(heading)
        else:
            parts.append(_Part(0, f"{lines[number]}\n", number + 1))
            number += 1
    title = next((part.text for part in parts if part.level == 1), "")
    return title, _sections(parts), "line"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_UNSEEN = ["script", "style", "template", "noscript", "head"]
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_CELLS = ("td", "th")
_BLOCKS = frozenset(
    [
        *("[document]", "address", "article", "aside", "blockquote", "body", "caption", "dd"),
        *("details", "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer"),
        *("form", "header", "html", "legend", "li", "main", "nav", "ol", "p", "pre", "section"),
        *("summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    ]
)
_ITEMS = frozenset(["li", "dt", "dd", "tr", *_CELLS])


def _read_html(path: Path, content: bytes) -> Document:
    _need("bs4", path)
    from bs4 import BeautifulSoup
    from bs4.exceptions import ParserRejectedMarkup

    try:
        soup = BeautifulSoup(_decode(path, content), "html.parser")
    except ParserRejectedMarkup as error:
        raise InputError(f"{path}: this is no HTML") from error
    title = _one_line(soup.title.get_text()) if soup.title else ""
    for unseen in soup.find_all(_UNSEEN):
        unseen.decompose()
    return title, _sections(_html_parts(soup)), "line"


def _html_parts(soup: "BeautifulSoup") -> Iterator[_Part]:
    """Headings and texts in the order of the page; white space as a browser would show it."""
    from bs4.element import NavigableString, Tag

    block: Tag | None = None
    heading: Tag | None = None
    for node in soup.descendants:
        if isinstance(node, Tag) and node.name in _HEADINGS:
            heading = node
            level, said = _HEADINGS.index(node.name) + 1, _one_line(node.get_text(" "))
            yield _Part(level, said, node.sourceline or 1)
        elif isinstance(node, Tag) and node.name == "br":
            yield _Part(0, "\n", node.sourceline or 1)
        elif type(node) is NavigableString and (node.strip() or block is not None):
            parents = list(node.parents)
            if heading in parents:
                continue  # said already
            here = next(tag for tag in parents if tag.name in _BLOCKS)
            spaced = str(node) if here.name == "pre" else re.sub(r"\s+", " ", node)
            if here is not block:
                if not spaced.strip():
                    continue
                spaced = _between(block, here) + spaced.lstrip(" ")
                block = here
            yield _Part(0, spaced, parents[0].sourceline or 1)


def _between(block: "Tag | None", here: "Tag") -> str:
    """What stands between the texts of two blocks: cells of a row lie beside each other."""
    if block is None:
        return ""
    if here.name in _CELLS and block.name in _CELLS and here.parent is block.parent:
        return " | "
    return "\n" if {here.name, block.name} <= _ITEMS else "\n\n"


def _read_pdf(path: Path, content: bytes) -> Document:
    _need("pypdf", path)
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(BytesIO(content))
        pages = [page.extract_text() for page in reader.pages]
        title = reader.metadata.title if reader.metadata else ""
    except (FileNotDecryptedError, DependencyError) as error:
        raise InputError(f"{path}: protected by a password; save it without one") from error
    # What a damaged file leads the reader into, besides its own errors.
    except (PyPdfError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: a damaged PDF, or none ({error})") from error
    found = [Section("", text, [(0, number)]) for number, text in enumerate(pages, 1)]
    return _one_line(str(title or "")), found, "page"


def _need(module: str, path: Path) -> None:
    if find_spec(module) is None:
        raise InputError(f"{path}: {path.suffix} needs an extra; run: uv sync --extra documents")


READERS: dict[str, Callable[[Path, bytes], Document]] = {
    ".md": _read_markdown,
    ".txt": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": _read_pdf,
}
