"""Every error this package raises on purpose, on one page.

    MemoryFault                 base: `except MemoryFault` catches all of ours
    ├── SqlError                a statement was refused, wrong or too slow; the message is for
    │   │                       the model that wrote it: it is what the next attempt sees
    │   └── RefusedRowsError    of some rows of its answer; others can be stored
    ├── WindowError             this window cannot be stored now, others can: a digest goes on
    │   ├── HeldError           its statement ends too many facts: a person must decide
    │   └── ClaimLostError      another process took the window over, or forgot some of its turns
    └── Stop                    trying again changes nothing: a person must act
        ├── InputError          what was given cannot be used: a file, a flag, a turn
        │   ├── EditConflict    someone else edited the fact: a person chooses one of two versions
        │   ├── NotThereError   it names a turn, a fact or a change that is not there
        │   └── SecretError     it holds a secret, and this memory refuses those
        ├── StoreError          the database cannot be used: not ours, newer, read-only, full
        │   └── DeletedError    someone deleted the memory while it was open
        └── ModelError          the language model cannot be used: key, address, name, limit
            ├── PromptTooLong   it takes fewer tokens than it was shown
            └── UnusableAnswer  it answered, but nothing that can be read as an answer

`SqlError` is repaired (at most twice), a `WindowError` leaves its window pending, everything under
`Stop` ends the work; a command prints a `Stop` in one line and exits with code 2.
"""

from collections.abc import Collection, Sequence
from typing import Any


class MemoryFault(Exception):
    """Base of all errors raised on purpose by this package."""


class SqlError(MemoryFault):
    """A statement was refused, wrong or too slow. The message says what to write instead.

    `refusals`, once repairs did not help: every answer that was refused and why, in order.
    """

    refusals: tuple[str, ...] = ()


class RefusedRowsError(SqlError):
    """Some rows of a model's answer may not be stored, for these `reasons`; nothing was written.

    `advice` for the model follows the reasons. `turn_ids` are the turns of these rows, all that a
    model needs to correct them; none if more than rows was refused.
    """

    def __init__(self, reasons: Sequence[str], advice: str, turn_ids: Collection[int] = ()) -> None:
        super().__init__("; ".join([*reasons, advice]))
        self.reasons = [*reasons]
        self.turn_ids = frozenset(turn_ids)


class WindowError(MemoryFault):
    """A window of a digest cannot be stored now; nothing was written, and it stays pending.

    `calls` says how many calls of a model were made for it.
    """

    calls: int = 1


class HeldError(WindowError):
    """A window's statement ends more facts than a model may end by itself: a person decides.

    `statement` is what waits; `Store.apply_held` runs it.
    """

    def __init__(self, message: str, statement: str) -> None:
        super().__init__(message)
        self.statement = statement


class ClaimLostError(WindowError):
    """Another process took over a window that this one had claimed, or forgot some of its turns."""


class Stop(MemoryFault):
    """Trying again changes nothing; the message says what a person can do."""


class InputError(Stop):
    """Something given from outside cannot be used; the message names it and says what would do."""


class NotThereError(InputError):
    """There is no turn, fact or change of this id."""


class EditConflict(InputError):
    """Someone else edited this fact; nothing was written.

    `fact` is the current Fact, None if it was deleted; `change` is the newest edit, a Change. The
    same edit with `seen=change.id` overwrites theirs.
    """

    def __init__(self, message: str, fact: Any, change: Any) -> None:
        super().__init__(message)
        self.fact = fact
        self.change = change


class SecretError(InputError):
    """Turns hold what looks like a secret, and this memory refuses those; nothing was stored.

    `positions` are the indices of these turns among those given.
    """

    def __init__(self, message: str, positions: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.positions = positions


class StoreError(Stop):
    """The database cannot be opened, read or written; the file is unchanged.

    `cause`, if known, is a word for a server's log: "connections" (all of this process are in
    use), "writer" (another one did not end in time), "unreachable".
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class DeletedError(StoreError):
    """The memory was deleted while it was open; nothing was written."""


class ModelError(Stop):
    """The language model cannot be used; the message says what to set, start or wait for."""


class PromptTooLong(ModelError):
    """A model takes fewer tokens than a prompt has; others may fit."""


class UnusableAnswer(ModelError):
    """A model answered a question with nothing that can be read as an answer.

    `answer` is an Answer with what was retrieved for it, and an empty text.
    """

    def __init__(self, message: str, answer: Any) -> None:
        super().__init__(message)
        self.answer = answer
