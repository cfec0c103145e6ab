"""Error messages for clients."""

import re

from starlette.types import Scope

from memory.errors import InputError, MemoryFault, ModelError, SqlError, StoreError
from memory.system.logs import clean_logger
from memory.system.terminal import clean

_log = clean_logger(__name__)
# The file or the database that the store's messages begin with.
_LOCATION = re.compile(r"^(?:/|[A-Za-z]:\\|postgres(?:ql)?://).*?: ")
_SUBJECT = re.compile(r"^(?:/|[A-Za-z]:\\|postgres(?:ql)?://)\S+")
_LONGEST = 4_000  # characters

CAUSE = "cause"  # why a request is answered 503, in its ASGI scope's "state": a word, or an error


def unavailable(scope: Scope, cause: MemoryFault | str) -> None:
    """Note why a request is answered 503, for the log."""
    scope.setdefault("state", {})[CAUSE] = cause


def cause_of(fault: MemoryFault | str) -> str:
    """A word for an error: which part of a server could not be used."""
    if isinstance(fault, str):
        return fault
    if isinstance(fault, ModelError):
        return "model"
    if isinstance(fault, StoreError):
        return fault.cause or "database"
    return type(fault).__name__


def fault_message(fault: MemoryFault) -> str:
    """What a client can do about an error, or that its owner must act."""
    if isinstance(fault, (InputError, SqlError)):
        text = clean(str(fault))  # which may quote what a model sent, of any length
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}"
    # The rest of the message (paths, shell commands) is for the owner of the server: log it only.
    _log.warning("%s", fault)
    reason = clean(str(fault)).partition(";")[0]
    reason = _SUBJECT.sub("this memory", _LOCATION.sub("", reason))
    return f"{reason}. Do not retry: tell the user that the owner of this memory must fix it."
