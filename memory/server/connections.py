"""Open connections: how many there may be, of one address too, and which of them give way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Network, ip_address

MOST_CONNECTIONS = 500
MOST_OF_AN_ADDRESS = 250  # one address alone never takes all
# Beyond the limit: for signing in, and for requests with a session or a token.
RESERVED = 20
STATE = "connection"  # the key of a request's connection in the ASGI scope's "state"


@dataclass(eq=False)
class Connection:
    """One client's open connection.

    `is_known` once one of its requests had a valid token or session, `is_waiting` between requests,
    `is_extra` if it is one too many and only the reserve had room for it.
    """

    address: str
    close: Callable[[], None]
    is_known: bool = False
    is_waiting: bool = True
    is_extra: bool = False
    network: str = field(init=False)

    def __post_init__(self) -> None:
        self.network = _network(self.address)

    @property
    def gives_way(self) -> bool:
        """Whether it may be closed for a new connection: strangers always, others between requests.

        A stranger's request takes milliseconds, unless it is made to last.
        """
        return self.is_waiting or not self.is_known


class Connections:
    """The open connections of a server.

    Where there are too many, a new connection closes another instead of being refused. Otherwise
    a client that opened enough of them and then did nothing would keep all others out.
    """

    def __init__(
        self,
        most: int = MOST_CONNECTIONS,
        most_of_an_address: int = MOST_OF_AN_ADDRESS,
        reserved: int = RESERVED,
    ) -> None:
        self._most = most
        self._most_of_an_address = most_of_an_address
        self._reserved = reserved
        self._open: dict[Connection, None] = {}  # the oldest first

    def admit(self, new: Connection) -> bool:
        """Add a connection, and close another if there are too many.

        False when there is no room, not even in the reserve.
        """
        neighbours = [neighbour for neighbour in self._open if neighbour.network == new.network]
        closed = None
        is_full = len(neighbours) >= self._most_of_an_address
        if is_full:
            closed = self._close_one(neighbours)
        elif len(self._open) >= self._most:
            is_full = True
            closed = self._close_one(self._of_the_largest_network()) or self._close_one(self._open)
        # What stood in the reserve makes room there alone.
        new.is_extra = closed.is_extra if closed else is_full
        if new.is_extra and sum(connection.is_extra for connection in self._open) >= self._reserved:
            return False
        self._open[new] = None
        return True

    def remove(self, closed: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(closed, None)

    def _close_one(self, candidates: Iterable[Connection]) -> Connection | None:
        """Close the oldest stranger's connection, or the oldest that waits, and return it."""
        yielding = [connection for connection in candidates if connection.gives_way]
        if not yielding:
            return None
        closed = min(yielding, key=lambda each: each.is_known)  # stable: the oldest of these
        self.remove(closed)
        closed.close()
        return closed

    def _of_the_largest_network(self) -> list[Connection]:
        of_network: dict[str, list[Connection]] = {}
        for connection in self._open:
            of_network.setdefault(connection.network, []).append(connection)
        return max(of_network.values(), key=len, default=[])


def _network(address: str) -> str:
    """The address, or for IPv6 its network of 64 bits, which belongs to one client."""
    try:
        number = ip_address(address)
    except ValueError:
        return address
    if number.version == 4:
        return address
    return str(IPv6Network((int(number), 64), strict=False))
