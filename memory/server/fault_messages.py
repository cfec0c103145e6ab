"""Error messages for clients."""

import logging

from memory.errors import InputError, MemoryFault, SqlError

_log = logging.getLogger(__name__)


def fault_message(fault: MemoryFault) -> str:
    """What a client can do about an error, or that its owner must act."""
    if isinstance(fault, (InputError, SqlError)):
        return str(fault)
    # The rest of the message (paths, shell commands) is for the owner of the server: log it only.
    _log.warning("%s", fault)
    reason = str(fault).partition(";")[0]
    return f"{reason}. Do not retry: tell the user that the owner of this memory must fix it."
