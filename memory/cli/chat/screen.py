"""The input and output of a chat: a terminal, or plain lines in a pipe."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.markup import escape

from memory.system.terminal import clean


class Screen:
    """Prints lines and pieces of lines, and reads lines.

    `read` takes a prompt and returns a line; it raises EOFError at the end and KeyboardInterrupt
    for Ctrl-C. `attended` says that a person types.
    """

    def __init__(self, console: Console, read: Callable[[str], str], attended: bool = True) -> None:
        self.attended = attended
        self._console = console
        self._read = read

    def ask(self, prompt: str) -> str:
        """A typed or pasted line, without control characters."""
        return clean(self._read(prompt))

    def agrees(self, question: str, *words: str) -> bool:
        """Whether the user types one of the words; Ctrl-C and the end of the input mean no."""
        try:
            reply = self.ask(f"{question} Type {' or '.join(words)}: ").strip().casefold()
        except (EOFError, KeyboardInterrupt):
            return False
        return reply in [word.casefold() for word in words]

    def waiting(self, reason: str) -> AbstractContextManager[Any]:
        """A context that shows on a terminal why the chat waits."""
        if not self._console.is_terminal:
            return nullcontext()
        return self._console.status(escape(clean(reason)))

    def show(self, text: str, style: str = "", end: str = "\n") -> None:
        """Print a line, or with `end=""` a piece of one."""
        self._console.print(
            clean(text), style=style, end=end, markup=False, highlight=False, soft_wrap=True
        )


def terminal() -> Screen:
    """The screen of this process, with editing and history on a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        for stream in (sys.stdin, sys.stdout):
            # A pipe may carry another encoding. TextIO does not promise `reconfigure`.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        return Screen(Console(), _piped, attended=False)
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    return Screen(Console(), session.prompt)


def _piped(prompt: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
