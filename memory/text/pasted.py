"""A message without what was pasted into it: code, quoted lines, text in tags, long quotations."""

import re

_FENCE = re.compile(r"[ \t>]*(?P<fence>`{3,}|~{3,})(?P<info>[^`\n]*)$")
# Up to the last closing tag: pasted text may contain tags itself. An unclosed tag reaches to the
# end.
_TAGS = re.compile(
    r"<(?P<tag>[A-Za-z][\w-]*)\b[^<>]*>(?:.*</(?P=tag)>|.*\Z)", re.DOTALL | re.IGNORECASE
)
_LINES = re.compile(
    r"^(?:\t| {4}|[ \t]*\|)[^\n]*|^[ \t]*\d{1,2}[.)][ \t][^\n]*|```.*?(?:```|\Z)|`[^`\n]*`",
    re.DOTALL | re.MULTILINE,
)
_LONG_QUOTATION = re.compile(
    r"\"[^\"\n]*\n[^\"]*(?:\"|\Z)|[\u201c\u201e][^\u201c\u201d\n]*\n[^\u201c\u201d]*(?:[\u201c\u201d]|\Z)"
)


def own_text(text: str) -> str:
    """The text without what its writer pasted; each such piece is a line end."""
    own = "\n".join(_own_lines(text.splitlines()))
    return _LINES.sub("\n", _TAGS.sub("\n", own))


def own_lines(text: str) -> list[tuple[str, bool]]:
    """The lines of a text, each with whether its writer wrote it: not code, not a quoted line."""
    lines = text.splitlines()
    return [
        (line, own == line and not _LINES.match(line))
        for line, own in zip(lines, _own_lines(lines), strict=True)
    ]


def without_long_quotations(text: str) -> str:
    """The text without quotations of more than one line."""
    return _LONG_QUOTATION.sub("\n", text)


def _own_lines(lines: list[str]) -> list[str]:
    """The lines outside of fences and of quoted paragraphs.

    A fence within a fence, which names a language or is longer, has a separate end.
    """
    own: list[str] = []
    open_fences: list[str] = []
    is_quoted = False
    for line in lines:
        match = _FENCE.match(line)
        fence, info = (match["fence"], match["info"].strip()) if match else ("", "")
        if match and open_fences and fence.startswith(open_fences[-1]) and not info:
            open_fences.pop()
        elif match and (not open_fences or info):
            open_fences.append(fence)
        elif not open_fences:
            # A paragraph that begins as a quotation is one to its end.
            is_quoted = bool(line.strip()) and (is_quoted or line.lstrip(" ").startswith(">"))
            own.append("" if is_quoted else line)
            continue
        is_quoted = False
        own.append("")
    return own
