"""Finds the fenced blocks of the documents and runs them as printed."""

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)$")
_MARKER = re.compile(r"^ *<!-- (?P<marker>slow|not run: .+|run by .+|file: [\w.-]+) -->$")
# What depends on the moment: the time of a change, and today's date where a turn is dated.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?")
_RECENT_DAY = re.compile(r"\(\w{3} \d\d \w{3} 20(?:2[6-9]|[3-9]\d)\)")


@dataclass(frozen=True)
class Snippet:
    """A fenced block.

    Attributes:
        path: its document, relative to the repository.
        line: that of its first line.
        language: python, sh, console, text, ...
        marker: "" where it runs in every run of the tests; else "slow" (it asks the packaged
            model), "not run: WHY", "run by FILE", or "file: NAME" for a file that later blocks
            use; from an HTML comment that readers do not see.
    """

    path: Path
    line: int
    language: str
    text: str
    marker: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def documents() -> list[Path]:
    """The README and all documents that persons write, relative to the repository."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/guides/*.md")]
    paths += [*ROOT.glob("docs/development/**/*.md"), *ROOT.glob("arbor/*.md")]
    return sorted(path.relative_to(ROOT) for path in paths)


def snippets(path: Path) -> list[Snippet]:
    """The fenced blocks of a document, in order."""
    return list(_snippets(path))


def _snippets(path: Path) -> Iterator[Snippet]:
    lines = iter(enumerate((ROOT / path).read_text("utf-8").splitlines(), 1))
    marker = ""
    for number, line in lines:
        if found := _MARKER.match(line):
            marker = found["marker"]
        elif fence := _FENCE.match(line):
            indent = len(fence["indent"])
            block = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                block.append(inner[indent:])
            yield Snippet(path, number + 1, fence["language"], "\n".join(block) + "\n", marker)
            marker = ""
        elif line.strip():
            marker = ""


def run_python(snippet: Snippet, stdin: str = "") -> str:
    """Run a block as a script of its own; what it prints."""
    stdout = io.StringIO()
    code = compile(snippet.text, str(snippet), "exec")
    with redirect_stdout(stdout), patch.object(sys, "stdin", io.StringIO(stdin)):
        exec(code, {"__name__": "__main__"})  # noqa: S102 - our own documents
    return stdout.getvalue()


def command_lines(snippet: Snippet) -> list[tuple[str, str]]:
    """The commands of a block of a shell, each with the output that is printed below it."""
    text = snippet.text.replace("\\\n", " ")
    if snippet.language == "console":
        parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
        assert not parts[0], f"{snippet}: output before the first command"
        return [(line, output) for line, _, output in (part.partition("\n") for part in parts[1:])]
    lines = [line.strip() for line in text.splitlines()]
    return [(line, "") for line in lines if line and not line.startswith("#")]


def run_command_line(line: str) -> str:
    """Run one `memory` command, or set a variable; what it prints on both streams."""
    words = shlex.split(line, comments=True)
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        os.environ[name] = value
        return ""
    assert words[0] == "memory", f"only commands of ours run here: {line}"
    from memory.__main__ import run as run_memory

    output = io.StringIO()
    code: object = 0
    with patch.object(sys, "argv", words), redirect_stdout(output), redirect_stderr(output):
        try:
            run_memory()
        except SystemExit as end:
            code = end.code
    assert not code, f"{line}\nends with {code}:\n{output.getvalue()}"
    return output.getvalue()


def same_output(printed: str, documented: str) -> bool:
    """Whether a command prints what the document shows.

    Lines may be folded, dates of today differ, and a line `...` stands for any lines.
    """
    parts = [_comparable(part) for part in re.split(r"^ *\.\.\.$", documented, flags=re.MULTILINE)]
    pattern = ".*".join(re.escape(part) for part in parts)
    return bool(re.fullmatch(pattern, _comparable(printed), re.DOTALL))


def _comparable(text: str) -> str:
    text = _RECENT_DAY.sub("(TODAY)", _TIMESTAMP.sub("NOW", text))
    return " ".join(text.split())
