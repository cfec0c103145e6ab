"""Documents as text below headings, with the line or page of every position in the text."""

import logging
import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memory.errors import InputError
from memory.text.private_text import without_private

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

# pypdf logs the faults of a file. Without a handler, Python prints them on stderr.
logging.getLogger("pypdf").addHandler(logging.NullHandler())


# The limits of a document. Anybody may have written it, and a page of 25 KB can take minutes to
# read; nothing else bounds that (docs/log.md has the figures).
LARGEST_FILE = 50_000_000  # bytes
LARGEST_TEXT = 5_000_000  # characters
MOST_NODES = 200_000  # lines, or elements and texts of HTML
DEEPEST_NODE = 4_000  # elements around an HTML element: old pages leave every <p> open
MOST_SECONDS = 60.0


class Limits:
    """Limits the size of one document and the time to read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = time.monotonic() + MOST_SECONDS
        self._nodes = 0

    def count(self, nodes: int = 1, depth: int = 0) -> None:
        """Raises InputError, which names the limit, if the document is too large or too slow."""
        self._nodes += nodes
        self.hold(self._nodes, MOST_NODES, "lines or elements")
        self.hold(depth, DEEPEST_NODE, "elements inside each other")
        if time.monotonic() > self._end:
            raise InputError(
                f"{self._path}: reading it takes more than {MOST_SECONDS:.0f} seconds;"
                " split it, or save it as plain text"
            )

    def hold(self, number: int, most: int, noun: str) -> None:
        """Raises InputError if a number is above its limit."""
        if number > most:
            raise InputError(
                f"{self._path}: more than {most:,} {noun}; split it, or save it as plain text"
            )


@dataclass(frozen=True)
class Section:
    """A run of text below the headings that `path` names ("Manual > Install").

    `marks` are (index in the text, number of the line or page that begins there), in order; the
    first index is 0.
    """

    path: str
    text: str
    marks: Sequence[tuple[int, int]]

    def place(self, unit: str, start: int, end: int) -> str:
        """The location of `text[start:end]` in the document: `lines 12-40`, `page 3`."""
        first = self.marks[bisect_right(self.marks, start, key=itemgetter(0)) - 1][1]
        last = self.marks[bisect_right(self.marks, end - 1, key=itemgetter(0)) - 1][1]
        return f"{unit} {first}" if first == last else f"{unit}s {first}-{last}"


class ParsedDocument(NamedTuple):
    """A document as its sections. Their marks count in `unit`, "line" or "page"."""

    title: str
    sections: list[Section]
    unit: str


class _Part(NamedTuple):
    """A piece of a document and its line: a heading of level 1 or more, or text (level 0)."""

    level: int
    text: str
    line: int


def _sections(parts: Iterable[_Part]) -> list[Section]:
    """The text below each heading; a heading with nothing below it becomes text itself."""
    sections: list[Section] = []
    above: list[_Part] = []  # the headings above the current part
    texts: list[_Part] = []
    for part in [*parts, _Part(1, "", 0)]:  # a last heading closes the last section
        if not part.level:
            texts.append(part)
            continue
        if any(text.text.strip() for text in texts):
            sections.append(_section(above, texts))
        elif above and part.level <= above[-1].level:
            sections.append(_section(above[:-1], above[-1:]))
        texts = []
        above = [*(heading for heading in above if heading.level < part.level), part]
    return sections


def _section(above: Sequence[_Part], parts: Sequence[_Part]) -> Section:
    marks = []
    size = 0
    for part in parts:
        marks.append((size, part.line))
        size += len(part.text)
    path = " > ".join(heading.text for heading in above if heading.text)
    return Section(path, "".join(part.text for part in parts), marks)


def _decode(path: Path, content: bytes, limits: Limits) -> str:
    """The content as text with LF line ends: UTF-8, with or without a byte order mark."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = "a binary file" if b"\0" in content else f"not UTF-8 at byte {error.start + 1:,}"
        raise InputError(f"{path}: {fault}; save it as UTF-8 text") from error
    if "\0" in text:
        raise InputError(f"{path}: a binary file, no text")
    limits.hold(len(text), LARGEST_TEXT, "characters")
    # The tags of private text are markup, which a reader would take away before a store sees them.
    return without_private(text.replace("\r\n", "\n").replace("\r", "\n"))


def _read_text(path: Path, content: bytes, limits: Limits) -> ParsedDocument:
    lines = _decode(path, content, limits).split("\n")
    limits.count(len(lines))
    parts = [_Part(0, f"{line}\n", number) for number, line in enumerate(lines, 1)]
    return ParsedDocument("", _sections(parts), "line")


# A line of front matter: blank, indented, a comment, an element of a list, or a key with its value.
_FRONT_MATTER_LINE = re.compile(r"\s|#|- |$|([\w.-]+(?: [\w.-]+)?):(?:\s|$)")
# A line of a table of contents: an element of a list that is a link into the same document.
_CONTENTS_LINE = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+\[[^\]]*\]\(#[^)]*\)\s*")


def _front_matter(lines: Sequence[str]) -> int:
    """The number of lines of YAML front matter that a document begins with, 0 for none.

    Text between two rules (`---`) is none: its lines are not all keys, or a key comes twice, as the
    speakers of a chat do.
    """
    if lines[0].rstrip() != "---":
        return 0
    keys: set[str] = set()
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip() in ("---", "..."):
            return number
        match = _FRONT_MATTER_LINE.match(line)
        if not match or match[1] in keys:
            return 0
        if match[1]:
            keys.add(match[1])
    return 0


def _title_of(front_matter: Sequence[str]) -> str:
    titles = (line.removeprefix("title:") for line in front_matter if line.startswith("title:"))
    return _one_line(next(titles, "")).strip("\"'")


def _read_markdown(path: Path, content: bytes, limits: Limits) -> ParsedDocument:
    from markdown_it import MarkdownIt

    text = _decode(path, content, limits)
    limits.count(text.count("\n"))
    # Front matter is about the document, and CommonMark would read it as a heading: blank lines
    # replace it, and keep the count.
    lines = text.split("\n")
    end = _front_matter(lines)
    front_matter = lines[:end]
    lines[:end] = [""] * end
    # This needs only the headings. The inside of a line can be written to take very long.
    tokens = MarkdownIt("commonmark").disable("inline").parse("\n".join(lines))
    # First line -> (heading, the line after it). Headings in quotes and lists are text.
    headings = {
        token.map[0]: (
            _Part(int(token.tag[1]), _one_line(inline.content), token.map[0] + 1),
            token.map[1],
        )
        for token, inline in pairwise(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    }

    parts: list[_Part] = []
    number = 0
    while number < len(lines):
        if number in headings:
            heading, number = headings[number]
            parts.append(heading)
        else:
            line = "" if _CONTENTS_LINE.fullmatch(lines[number]) else lines[number]
            parts.append(_Part(0, f"{line}\n", number + 1))
            number += 1
    title = _title_of(front_matter) or next((part.text for part in parts if part.level == 1), "")
    return ParsedDocument(title, _sections(parts), "line")


def _one_line(text: str) -> str:
    return " ".join(text.split())


_UNSEEN = ["script", "style", "template", "noscript", "head"]
# Elements that lead elsewhere on a site, by their name or role, and by a word of their class or id.
_NAVIGATION_NAMES = frozenset(["nav", "navigation", "menu", "menubar", "search"])
_NAVIGATION_WORDS = {"nav", "navbar", "navigation", "menu", "sidebar", "breadcrumb", "breadcrumbs"}
_NAVIGATION_WORDS |= {"pagination", "pager", "toc", "skip"}
_AROUND_TEXT = frozenset(["header", "footer", "aside"])
_LINKS = frozenset(["a", "button", "label", "select"])
# The share of the letters that are links: of navigation by its name a third, so that a <nav> that
# a page never closes takes no text with it, and of what is only likely to be navigation nearly all.
_LEAST_LINKED = 1 / 3
_LEAST_LINKED_AROUND = 0.8
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_CELLS = ("td", "th")
# Elements that begin on their own line; "[document]" is the page as a whole.
_BLOCK_NAMES = (
    "[document] address article aside blockquote body caption dd details dialog div dl dt fieldset"
    " figcaption figure footer form header html legend li main nav ol p pre section summary table"
    " tbody td tfoot th thead tr ul"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_LIST_ELEMENTS = frozenset(["li", "dt", "dd", "tr", *_CELLS])


def _read_html(path: Path, content: bytes, limits: Limits) -> ParsedDocument:
    from bs4 import BeautifulSoup, Tag
    from bs4.exceptions import ParserRejectedMarkup

    class LimitedSoup(BeautifulSoup):
        """A page that the reader refuses as soon as it exceeds a limit."""

        def pushTag(self, tag: Tag) -> None:
            super().pushTag(tag)
            limits.count(depth=len(self.tagStack))

        def handle_data(self, data: str) -> None:
            super().handle_data(data)
            limits.count()

    try:
        soup = LimitedSoup(_decode(path, content, limits), "html.parser")
    except ParserRejectedMarkup as error:
        raise InputError(f"{path}: this is no HTML") from error
    title = _one_line(soup.title.get_text()) if soup.title else ""
    for element in [*soup.find_all(_UNSEEN), *soup.find_all(_is_hidden)]:
        element.decompose()
    for element in _navigation(soup, limits):
        element.decompose()
    return ParsedDocument(title, _sections(_html_parts(soup, limits)), "line")


# What a browser shows nothing of, as a style says it.
_HIDING = {
    ("display", "none"),
    ("visibility", "hidden"),
    ("visibility", "collapse"),
    ("opacity", "0"),
    ("font-size", "0"),
    ("font-size", "0px"),
}


def _is_hidden(element: "Tag") -> bool:
    """Whether a page hides an element from its readers, by itself: no stylesheet is read."""
    if element.has_attr("hidden"):
        return True
    style = str(element.get("style") or "").lower().replace("!important", "")
    pairs = (part.partition(":") for part in style.split(";"))
    return any((name.strip(), value.strip()) in _HIDING for name, _, value in pairs)


def _navigation(soup: "BeautifulSoup", limits: Limits) -> list["Tag"]:
    """The elements of a page that only lead elsewhere: menus, breadcrumbs, links in the footer."""
    from bs4.element import NavigableString, Tag

    # Backwards, an element comes after all that is in it: one pass counts the letters of each.
    letters: Counter[int] = Counter()
    linked: Counter[int] = Counter()
    elements: list[Tag] = []
    for node in reversed([*soup.descendants]):
        limits.count(0)
        parent = id(node.parent)
        if isinstance(node, Tag):
            if node.name in _LINKS:
                linked[id(node)] = letters[id(node)]
            letters[parent] += letters[id(node)]
            linked[parent] += linked[id(node)]
            least = letters[id(node)] * _least_linked(node)
            if letters[id(node)] and linked[id(node)] >= least:
                elements.append(node)
        elif type(node) is NavigableString:
            letters[parent] += len("".join(node.split()))
    return elements


def _least_linked(element: "Tag") -> float:
    """The share of an element's letters that are links if it is navigation; more than 1 if not."""
    if _NAVIGATION_NAMES & {element.name, str(element.get("role", "")).lower()}:
        return _LEAST_LINKED
    names = f"{element.get('id', '')} {' '.join(element.get_attribute_list('class'))}".lower()
    if element.name in _AROUND_TEXT or _NAVIGATION_WORDS & {*re.split(r"[\W_]+", names)}:
        return _LEAST_LINKED_AROUND
    return 2


def _html_parts(soup: "BeautifulSoup", limits: Limits) -> Iterator[_Part]:
    """The headings and texts of a page in order, with white space as a browser shows it."""
    from bs4.element import NavigableString, Tag

    block: Tag | None = None
    heading: Tag | None = None
    for node in soup.descendants:
        limits.count(0)
        if isinstance(node, Tag) and node.name in _HEADINGS:
            heading = node
            level = _HEADINGS.index(node.name) + 1
            yield _Part(level, _heading_text(node), node.sourceline or 1)
        elif isinstance(node, Tag) and node.name == "br":
            yield _Part(0, "\n", node.sourceline or 1)
        # Not isinstance: comments and doctypes are subclasses.
        elif type(node) is NavigableString and (node.strip() or block is not None):
            parents = list(node.parents)
            # Not `in`, which compares whole trees.
            if any(parent is heading for parent in parents):
                continue  # part of the heading above, already yielded
            here = next(tag for tag in parents if tag.name in _BLOCKS)
            spaced = str(node) if here.name == "pre" else re.sub(r"\s+", " ", node)
            if here is not block:
                if not spaced.strip():
                    continue
                spaced = _between(block, here) + spaced.lstrip(" ")
                block = here
            yield _Part(0, spaced, parents[0].sourceline or 1)


def _heading_text(heading: "Tag") -> str:
    """The text of a heading up to the next one, where a browser closes an open heading."""
    from bs4.element import NavigableString, Tag

    texts: list[str] = []
    for node in heading.descendants:
        if isinstance(node, Tag) and node.name in _HEADINGS:
            break
        if type(node) is NavigableString:
            texts.append(node)
    return _one_line(" ".join(texts))


def _between(block: "Tag | None", here: "Tag") -> str:
    """The separator between the texts of two blocks: cells of a row share a line."""
    if block is None:
        return ""
    if here.name in _CELLS and block.name in _CELLS and here.parent is block.parent:
        return " | "
    return "\n" if {here.name, block.name} <= _LIST_ELEMENTS else "\n\n"


def _read_pdf(path: Path, content: bytes, limits: Limits) -> ParsedDocument:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(BytesIO(content))
        pages = []
        for page in reader.pages:
            pages.append(page.extract_text())
            limits.count()
            limits.hold(sum(map(len, pages)), LARGEST_TEXT, "characters")
        title = reader.metadata.title if reader.metadata else ""
    except (FileNotDecryptedError, DependencyError) as error:
        raise InputError(f"{path}: protected by a password; save it without one") from error
    # For a damaged file, pypdf also raises errors of Python.
    except (PyPdfError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: a damaged PDF, or none") from error
    sections = [Section("", text, [(0, number)]) for number, text in enumerate(pages, 1)]
    return ParsedDocument(_one_line(str(title or "")), sections, "page")


def refuse_missing_extra(suffix: str, path: Path) -> None:
    """Raises InputError if the package that reads documents of a suffix is not installed."""
    module = _PACKAGES.get(suffix)
    if module and find_spec(module) is None:
        raise InputError(f"{path}: {path.suffix} needs an extra; run: uv sync --extra documents")


_PACKAGES = {".html": "bs4", ".htm": "bs4", ".pdf": "pypdf"}


READERS: dict[str, Callable[[Path, bytes, Limits], ParsedDocument]] = {
    ".md": _read_markdown,
    ".txt": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": _read_pdf,
}
