"""What a client is told of a fault."""

import logging

from memory.errors import InputError, MemoryFault, SqlError

_log = logging.getLogger(__name__)


def advice(fault: MemoryFault) -> str:
    """What a client can do about a fault, or that a person must."""
    if isinstance(fault, (InputError, SqlError)):
        return str(fault)
    # What follows is for whoever runs the server: paths, commands of a shell. It is in the log.
    _log.warning("%s", fault)
    reason = str(fault).partition(";")[0]
    return f"{reason}. Calling again does not help: tell the user that its owner must see to it."
