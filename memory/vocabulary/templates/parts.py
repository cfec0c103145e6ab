"""Whose words the parts of a message have: its writer's own, quoted, pasted, code, or a tool's.

Decided once, by the form of the text alone, for everything that reads it: templates of facts,
wishes, marks and dates. In doubt a part is not the writer's: it states nothing and asks for
nothing. Copies that programs add to a text have marks that people do not type: a mail's head, a
chat's times, a prompt's tokens, a table's bars (`parts.toml`). Text pasted without a
mark has paragraphs: of several, the first and the last are the writer's own, and the ones between
them count as no one's.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from memory.text.tokens import TextCache
from memory.vocabulary.templates.patterns import Table, is_one_of, table_of, words_of
from memory.vocabulary.templates.words import language_words

PartKind = Literal["own", "between", "quoted", "pasted", "code", "tool"]
_Reach = Literal["line", "paragraph", "rest"]


@dataclass(frozen=True)
class Part:
    """A stretch of a text, from `start` to before `end`, and whose words it has."""

    start: int
    end: int
    kind: PartKind = "own"
    is_inline: bool = False  # a quotation or code within the writer's own sentence


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of a text, in order and without gaps."""
    return _known_parts[text]


def own_text(text: str, with_quotations: bool = True) -> str:
    """The text without what its writer did not write; a line end is in the place of each part.

    Quotations within a line stay, unless `with_quotations` is False.
    """
    return "".join(
        text[part.start : part.end]
        if part.kind == "own" or (with_quotations and part.kind == "quoted" and part.is_inline)
        else "\n"
        for part in parts_of(text)
    )


def own_lines(text: str) -> list[tuple[str, bool]]:
    """The lines of a text, each with whether it is free of the form of another's words."""
    foreign = [
        part
        for part in parts_of(text)
        if part.kind not in ("own", "between") and not part.is_inline
    ]
    lines = []
    number = 0
    for start, end in _line_spans(text):
        while number < len(foreign) and foreign[number].end <= start:
            number += 1
        is_own = number == len(foreign) or foreign[number].start >= end
        lines.append((text[start:end].rstrip("\r\n"), is_own))
    return lines


# --- lines --------------------------------------------------------------------------------------

# A text without any of these is its writer's own.
_SPECIAL = re.compile(r"[^\w .,!?'()\u2019-]|_|--|(?<!\w)'|\A[ \d]")
_FENCE = re.compile(r"[ \t>]{0,40}(?P<fence>`{3,}|~{3,})(?P<info>[^`\n]*)$")
_RULE = re.compile(r"[ \t]*([-=*_#~+])\1{2,}[ \t]*$")
# Jira's marks for what was pasted, the same before and behind.
_MACRO = re.compile(r"\{(quote|noformat|panel|code)(?::[^}\n]*)?\}")
# In a script, and in a manual, headings are in capitals on separate lines.
_CAPITALS = re.compile(r"[ \t]*[A-Z\u00c0-\u00de][A-Z\u00c0-\u00de .'-]*(?<!\.)$")
_NUMBERED = re.compile(r"[ \t]*\d{1,2}[.)][ \t]")
_LABEL = re.compile(r"[ \t]*(?:[-*\u2022+] )?(?P<label>[^\s:][^:\n]{0,60})[:\uff1a](?=\s|$|\*)")
# A quotation or code, which has its own end marks.
_SAYS_ITS_END = re.compile(
    r"[ \t]*[>\"'`\u00ab\u00bb\u2018-\u201f\u2039\u300a-\u300f\uff02]|~~~|\t| {4}"
)
_MOST_LABEL_WORDS = 4
_COLONS = (":", "\uff1a")


@dataclass(frozen=True)
class _LineForm:
    """Whose words begin in a line, and how far they reach."""

    kind: PartKind
    reach: _Reach


@dataclass(frozen=True)
class _Forms:
    """What `parts.toml` says."""

    labels: dict[str, frozenset[str]]
    footers: re.Pattern[str]
    lines: tuple[tuple[re.Pattern[str], _LineForm], ...]


@cache
def _forms() -> _Forms:
    file = tomllib.loads(Path(__file__).with_name("parts.toml").read_text("utf-8"))
    reaches: tuple[_Reach, ...] = ("rest", "paragraph", "line")
    return _Forms(
        {name: frozenset(labels) for name, labels in file["labels"].items()},
        re.compile(_pattern(file["footers"].values(), file["pieces"]), re.IGNORECASE),
        tuple(
            (
                re.compile(_pattern(patterns.values(), file["pieces"]), re.MULTILINE),
                _LineForm(kind, reach),
            )
            for reach in reaches
            for kind, patterns in file[reach].items()
        ),
    )


def _pattern(patterns: Iterable[str], pieces: dict[str, str]) -> str:
    joined = "|".join(f"(?:{line})" for line in patterns)
    for name, piece in reversed(pieces.items()):  # a piece may have those above it
        joined = joined.replace(f"{{{name}}}", f"(?:{piece})")
    return joined


def _line_spans(text: str) -> Iterator[tuple[int, int]]:
    """The start of each line, and its end behind the line end."""
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, start + len(line)
        start += len(line)


class _Reader:
    """Reads a text line by line, in time proportional to its length."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans = list(_line_spans(text))
        self._lines = [text[start:end].rstrip() for start, end in self._spans]
        self._marks = _Marks(text)
        self._first = next((number for number, line in enumerate(self._lines) if line), 0)
        headings = [number for number in range(len(self._lines)) if self._is_heading(number)]
        self._first_heading = headings[0] if len(headings) > 1 else None
        # The last rule of each mark.
        self._rules = {
            match[1]: number
            for number, line in enumerate(self._lines)
            if (match := _RULE.match(line))
        }
        # Where the last macro of each name ends.
        self._macros = {match[1]: match.end() for match in _MACRO.finditer(text)}

    def foreign_parts(self) -> Iterator[Part]:
        """The parts that are not the writer's own, in order."""
        position = self._end_of_footer()
        if position:
            yield Part(0, position, "pasted")
        paragraph: PartKind | None = None
        is_label = False  # blank lines may stand between a label and its text
        introduction = ""
        for number, (start, end) in enumerate(self._spans):
            line = self._lines[number]
            if end <= position:
                continue
            if not line:
                paragraph = paragraph if is_label else None
                continue
            form = None
            if start >= position:  # else a part ended within the line
                if block := self._block(number):
                    yield block
                    position, paragraph = block.end, None
                    continue
                form = self._form(number, introduction)
                introduction = introduction if _NUMBERED.match(line) else line
            start = max(start, position)
            if form and form.reach == "rest":
                yield Part(start, len(self._text), form.kind)
                return
            if form and form.reach == "paragraph":
                paragraph = form.kind
            is_label = bool(form) and line.endswith(_COLONS)
            kind = paragraph or (form.kind if form else None)
            inner = () if kind == "quoted" else self._marks.parts(start, end)
            if kind:
                position = max([end, *(part.end for part in inner)])
                yield Part(start, position, kind)
                continue
            for part in inner:
                yield part
                position = part.end

    def _is_heading(self, number: int) -> bool:
        """Whether a line in capitals has an empty line before it, and none behind it."""
        above, below = number - 1, number + 1
        return (
            (above < 0 or not self._lines[above])
            and below < len(self._lines)
            and bool(self._lines[below] and _CAPITALS.match(self._lines[number]))
        )

    def _end_of_footer(self) -> int:
        """The end of the last line that says where all before it was copied; 0 without one."""
        for number in range(len(self._lines) - 1, -1, -1):
            if _forms().footers.fullmatch(self._lines[number].strip("_*([- ")):
                # A time may be behind one message and before the next.
                return self._spans[number][0 if self._form(number, "") else 1]
        return 0

    def _block(self, number: int) -> Part | None:
        """The part that begins with a line and ends with another of its kind."""
        line = self._lines[number]
        start = self._spans[number][0]
        if fence := _FENCE.match(line):
            return Part(start, self._end_of_fence(number, fence), "code")
        if rule := _RULE.match(line):
            last = self._rules[rule[1]]
            is_closed = last > number > self._first
            return Part(start, self._spans[last][1] if is_closed else len(self._text), "pasted")
        if macro := _MACRO.match(line):
            last_end = self._macros[macro[1]]
            is_closed = last_end > start + macro.end()
            return Part(start, last_end if is_closed else len(self._text), "pasted")
        if number == self._first_heading:
            return Part(start, len(self._text), "pasted")
        if line.endswith("{"):
            ends = (n for n in range(number + 1, len(self._lines)) if self._lines[n][:1] == "}")
            last = next(ends, len(self._lines) - 1)
            return Part(start, self._spans[last][1], "code")
        return None

    def _end_of_fence(self, number: int, fence: re.Match[str]) -> int:
        """Where a fence ends. One within it, which names a language or is longer, ends first."""
        fences = [fence["fence"]]
        for following in range(number + 1, len(self._lines)):
            match = _FENCE.match(self._lines[following])
            if match and match["fence"].startswith(fences[-1]) and not match["info"].strip():
                fences.pop()
                if not fences:
                    return self._spans[following][1]
            elif match and match["info"].strip():
                fences.append(match["fence"])
        return len(self._text)

    def _form(self, number: int, introduction: str) -> _LineForm | None:
        """Whose words a line shows to begin, if not the writer's own."""
        line = self._lines[number]
        following = next(filter(None, self._lines[number + 1 : number + 3]), "")
        lines = "\n".join(self._lines[number : number + 2])
        for pattern_, form in _forms().lines:
            if pattern_.match(lines):
                return form
        if line.startswith("#") and line.strip("# ").casefold() in _forms().labels["role"]:
            return _LineForm("tool", "rest")
        if label := _LABEL.match(line):
            return _label_form(label["label"], line[label.end() :], following)
        if line.endswith(_COLONS):
            return _label_form(line[:-1], "", following)
        if _NUMBERED.match(line) and not _is_of_writer(introduction):
            # Exercises, and lists of others; people call their own list theirs.
            return _LineForm("pasted", "line")
        return None


def _label_form(label: str, behind: str, following: str) -> _LineForm | None:
    """Whose words follow a label and its colon, if not the writer's own.

    Arguments:
        label: the words before the colon.
        behind: the rest of the line.
        following: the next line.
    """
    labels = _forms().labels
    written = label.strip("*_#>-[]() \t").split()
    words = [word.casefold() for word in written]
    name = " ".join(words)
    behind = behind.strip("*_ \t")
    if name in labels["role"] | labels["subject"]:
        return _LineForm("tool" if name in labels["role"] else "pasted", "rest")
    next_label = _LABEL.match(following)
    next_name = next_label["label"].strip("*_ ").casefold() if next_label else ""
    if name in labels["head"] and next_name in labels["head"] | labels["subject"]:
        return _LineForm("pasted", "rest")
    if not words:
        return None
    if words[-1] in labels["report"]:
        if _SAYS_ITS_END.match(behind or following):
            return None  # its own marks say where it ends
        return _LineForm("pasted", "paragraph" if behind else "rest")
    if introduces_own(name):
        return None
    if not behind and not labels["shown"].isdisjoint(words):
        return None if _SAYS_ITS_END.match(following) else _LineForm("pasted", "rest")
    if not labels["doer"].isdisjoint(words_of(name)):
        return None
    is_name = len(words) <= _MOST_LABEL_WORDS and all(not word[0].islower() for word in written)
    shows_text = is_name or len(words) == 1 or not (behind or _SAYS_ITS_END.match(following))
    return _LineForm("pasted", "paragraph") if shows_text else None


def _is_of_writer(text: str) -> bool:
    """Whether a text has a word for the person who speaks."""
    return not _forms().labels["writer"].isdisjoint(words_of(text))


def points_at_text(text: str) -> bool:
    """Whether a question has a word that points at something shown, and no word for the asker."""
    labels = _forms().labels
    asked = words_of(text)
    return bool(asked & labels["shown"]) and asked.isdisjoint(labels["writer"])


def introduces_own(label: str) -> bool:
    """Whether people write a label, without its colon, before their own words."""
    label = " ".join(label.strip("*_#- ").casefold().split())
    labels = _forms().labels
    first, _, noun = label.partition(" ")
    if label in labels["own"] or (first in labels["writer"] and noun in labels["own"]):
        return True
    return is_one_of(_heads(), label)


@cache
def _heads() -> Table[None]:
    return table_of(language_words().heads)


# --- marks --------------------------------------------------------------------------------------

# Quotation marks that are not the same before and behind.
_PAIRS = {
    "\u201c": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
    "\u2039": "\u203a",
    "\u203a": "\u2039",
    "\u300a": "\u300b",
    "\u3008": "\u3009",
    "\u300c": "\u300d",
    "\u300e": "\u300f",
    "\u301d": "\u301e\u301f",
    "\u275d": "\u275e",
    "\u275b": "\u275c",
}
_SAME = '"\uff02'
_SINGLE = "'\u2018\u201a\u201b\uff07"
# Parts that begin and end with their own marks.
_REGIONS: dict[str, tuple[tuple[str, ...], PartKind]] = {
    "<!--": (("-->",), "pasted"),
    "/*": (("*/",), "code"),
    "{{": (("}}",), "pasted"),
    "<<": ((">>",), "quoted"),
    '"""': (('"""',), "quoted"),
    "'''": (("'''",), "quoted"),
    "``": (("``", "''"), "quoted"),
}
_OPENER = re.compile(
    "|".join(
        (
            r"(?P<region><!--|(?<!\S)/\*|\{\{|<<(?=\S)|\"{3}|'{3}|``)",
            r"(?P<token><\|\w|\[/?INST\]|<\uff5c)",
            r"(?P<code>`)",
            r"<(?P<tag>[A-Za-z][\w:.-]*)(?:\s[^<>]*)?/?>",
            r"\[(?P<bracket>[A-Za-z][\w ]{0,30})(?:=[^\]\n]{0,200})?\]",
            # One before a space is a crumb of a path.
            rf"(?P<pair>(?![\u00bb\u203a]\s)[{''.join(_PAIRS)}])",
            # 5'11" and 27" are no quotations.
            rf"(?P<same>(?<!\d)[{_SAME}])",
            rf"(?P<single>(?<!\w)[{_SINGLE}](?=\S))",
        )
    )
)
_CLOSING_TAG = re.compile(r"</(?P<tag>[A-Za-z][\w:.-]*)\s*>|\[/(?P<bracket>[A-Za-z][\w ]{0,30})\]")
_SINGLE_CLOSER = re.compile(r"(?<=\S)['\u2019\u2018\uff07](?!\w)")
_WORD = re.compile(r"\w+")
_PARAGRAPH_END = re.compile(r"\n[ \t\r]*\n")
_EMPTY_TAGS = frozenset(("br", "hr", "img", "p", "li", "td", "tr", "input", "meta", "link"))


class _Marks:
    """Where the quotations, tags and comments of a text end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = {
            closer: text.rfind(closer) for closers, _ in _REGIONS.values() for closer in closers
        }
        self._closing_tags = {
            (match["tag"] or match["bracket"]).casefold(): match.end()
            for match in _CLOSING_TAG.finditer(text)
        }

    def parts(self, start: int, end: int) -> list[Part]:
        """The parts that begin in a line; the last one may end in another line."""
        found = []
        while start < end and (opener := _OPENER.search(self._text, start, end)):
            part = self._part(opener, end)
            if part:
                found.append(part)
            start = part.end if part else opener.end()
        return found

    def _part(self, opener: re.Match[str], line_end: int) -> Part | None:
        """The part that a mark opens; None for a mark that opens nothing."""
        mark = opener[0]
        if opener["region"]:
            closers, kind = _REGIONS[mark]
            # A closer that no longer comes is not looked for again from each opener.
            found = [
                self._text.find(closer, opener.end()) + len(closer)
                for closer in closers
                if self._last[closer] >= opener.end()
            ]
            return self._inner(opener.start(), min(found, default=len(self._text)), kind)
        if opener["token"]:
            return Part(opener.start(), len(self._text), "pasted")
        if opener["code"]:
            behind = self._text.find("`", opener.end(), line_end) + 1
            return self._inner(opener.start(), behind, "code") if behind else None
        if opener["tag"] or opener["bracket"]:
            return self._tag_part(opener)
        end: int | None
        if opener["single"]:
            end = self._end_of_single(opener.start())
        elif opener["same"]:
            end = self._text.find(mark, opener.end()) + 1 or len(self._text)
        else:
            end = self._end_of_pair(opener.start())
        return self._inner(opener.start(), end, "quoted") if end else None

    def _inner(self, start: int, end: int, kind: PartKind) -> Part:
        return Part(start, end, kind, is_inline=len(self._text[start:end].splitlines()) == 1)

    def _tag_part(self, opener: re.Match[str]) -> Part | None:
        name = (opener["tag"] or opener["bracket"]).casefold()
        start = opener.start()
        # Up to the last end of its name: what was copied may have the same tags in it.
        if (end := self._closing_tags.get(name, 0)) > start:
            return Part(start, end, "pasted")
        if opener["bracket"] or opener[0].endswith("/>"):
            return None
        is_behind_word = self._text[start - 1 : start].isalnum()
        if name in _EMPTY_TAGS or (not is_behind_word and self._begins_line(start)):
            return Part(start, len(self._text), "pasted")
        if is_behind_word:
            return None  # a type: List<String>
        paragraph_end = _PARAGRAPH_END.search(self._text, start)
        return Part(start, paragraph_end.start() if paragraph_end else len(self._text), "pasted")

    def _begins_line(self, position: int) -> bool:
        return not self._text[self._text.rfind("\n", 0, position) + 1 : position].strip()

    def _end_of_pair(self, start: int) -> int:
        """Behind the mark that closes a quotation, which may have others within it."""
        opening, closing = self._text[start], _PAIRS[self._text[start]]
        depth = 0
        for match in re.compile(f"[{opening}{closing}]").finditer(self._text, start):
            depth += -1 if match[0] in closing else 1
            if depth == 0:
                return match.end()
        return len(self._text)

    @cached_property
    def _singles(self) -> tuple[list[int], list[int], list[int]]:
        """Where single marks may close, behind an s last, and where they open."""
        plain: list[int] = []
        behind_s: list[int] = []
        for match in _SINGLE_CLOSER.finditer(self._text):
            is_behind_s = self._text[match.start() - 1] in "sS"
            (behind_s if is_behind_s else plain).append(match.start())
        openers = [match.start() for match in _OPENER.finditer(self._text) if match["single"]]
        return plain, behind_s, openers

    def _end_of_single(self, start: int) -> int | None:
        """Behind the single mark that closes a quotation; None for an apostrophe.

        "The dogs' bowls" has a mark behind an s: a quotation ends there only if it has no other.
        """
        word = _WORD.match(self._text, start + 1)
        if word and (word[0][0].isdigit() or word[0].casefold() in _forms().labels["elision"]):
            return None
        plain, behind_s, openers = (_first_behind(start, marks) for marks in self._singles)
        if behind_s is not None and (plain is None or (openers is not None and openers < plain)):
            plain = behind_s if openers is None or behind_s < openers else plain
        return None if plain is None else plain + 1


def _first_behind(start: int, positions: Sequence[int]) -> int | None:
    index = bisect_left(positions, start + 1)
    return positions[index] if index < len(positions) else None


# --- paragraphs ---------------------------------------------------------------------------------

_SHORT_PARAGRAPH = 3  # words: "Hi there," and "Thanks!" are not separate paragraphs
_MOST_WITH_GREETING = 3  # paragraphs: a greeting, what is said, and thanks


def _read_parts(text: str) -> tuple[Part, ...]:
    if not _SPECIAL.search(text):
        return (Part(0, len(text)),)
    parts = []
    position = 0
    for part in _Reader(text).foreign_parts():
        if position < part.start:
            parts.append(Part(position, part.start))
        parts.append(part)
        position = part.end
    if position < len(text):
        parts.append(Part(position, len(text)))
    return tuple(_without_middle(text, parts))


def _without_middle(text: str, parts: Sequence[Part]) -> Iterator[Part]:
    """The parts, the writer's own only up to the first paragraph's end and from the last one on."""
    first, last = _edges(text, _paragraphs(text))
    for part in parts:
        if first >= last or (part.kind != "own" and not part.is_inline):
            yield part
            continue
        before, behind = min(part.end, first), max(part.start, last)
        if part.start < before:
            yield Part(part.start, before, part.kind, part.is_inline)
        if (start := max(part.start, first)) < (end := min(part.end, last)):
            yield Part(start, end, "between")
        if behind < part.end:
            yield Part(behind, part.end, part.kind, part.is_inline)


def _edges(text: str, paragraphs: list[tuple[int, int]]) -> tuple[int, int]:
    """Where the first paragraph ends, and the last one begins.

    Of three, a short one is a greeting or an end. Three with a question at the end are one
    message: what is so, what is wanted, and the question.
    """
    if not paragraphs:
        return len(text), 0
    if len(paragraphs) == _MOST_WITH_GREETING:
        first, last = (text[slice(*paragraphs[at])] for at in (0, -1))
        if last.rstrip().endswith("?") and not points_at_text(last):
            return len(text), 0
        if _is_short(last):
            paragraphs = paragraphs[:-1]
        if _is_short(first):
            paragraphs = paragraphs[1:]
    return paragraphs[0][1], paragraphs[-1][0]


def _is_short(paragraph: str) -> bool:
    return len(paragraph.split(None, _SHORT_PARAGRAPH + 1)) <= _SHORT_PARAGRAPH


def _paragraphs(text: str) -> list[tuple[int, int]]:
    """Where the paragraphs of a text begin and end: empty lines are between them."""
    found = []
    start = None
    end = 0
    for line_start, line_end in _line_spans(text):
        if text[line_start:line_end].strip():
            start, end = line_start if start is None else start, line_end
        elif start is not None:
            found.append((start, end))
            start = None
    return found if start is None else [*found, (start, end)]


# Templates, wishes, marks and dates read the same turns.
_known_parts = TextCache(_read_parts, most=2_000, longest=20_000)
