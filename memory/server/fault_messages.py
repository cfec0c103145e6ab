"""Error messages for clients."""

import logging
import re

from memory.errors import InputError, MemoryFault, SqlError

_log = logging.getLogger(__name__)
# The file or the database that the store's messages begin with.
_LOCATION = re.compile(r"^(?:/|[A-Za-z]:\\|postgres(?:ql)?://).*?: ")
_SUBJECT = re.compile(r"^(?:/|[A-Za-z]:\\|postgres(?:ql)?://)\S+")


def fault_message(fault: MemoryFault) -> str:
    """What a client can do about an error, or that its owner must act."""
    if isinstance(fault, (InputError, SqlError)):
        return str(fault)
    # The rest of the message (paths, shell commands) is for the owner of the server: log it only.
    _log.warning("%s", fault)
    reason = str(fault).partition(";")[0]
    reason = _SUBJECT.sub("this memory", _LOCATION.sub("", reason))
    return f"{reason}. Do not retry: tell the user that the owner of this memory must fix it."
