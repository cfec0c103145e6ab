"""Errors of files that can be read once a person says how."""

from memory.errors import InputError


class ReadingError(InputError):
    """`problem` is what the file does not show; the message adds the options that say it."""

    def __init__(self, problem: str, options: str) -> None:
        super().__init__(f"{problem}{options}")
        self.problem = problem


class DateOrderError(ReadingError):
    """Nothing in a file tells whether the day or the month comes first."""


class ColumnsError(ReadingError):
    """The columns of a table have names that no one knows."""


class UnreadableExport(InputError):
    """A file that no reader opens; the message says what it is and what to export instead."""
