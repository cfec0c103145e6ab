"""Where changes may be sent: never into the network of the worker, unless someone allowed it."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from memory.errors import InputError

_NAT64 = ip_network("64:ff9b::/96")  # the last four bytes are an IPv4 address


class ForbiddenAddress(Exception):
    """A host's name resolves to an address that nothing may be sent to."""


def read_receiver(text: str, private: bool) -> SplitResult:
    """The address of a receiver, as an administrator wrote it.

    Raises InputError for an invalid web address, for http without `private`, and for a password in
    it, which would be stored with the memory.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InputError(f"--feed {text!r:.200}: this is no web address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InputError(f"--feed {text!r:.200}: write https://HOST/PATH")
    if parts.scheme == "http" and not private:
        raise InputError(f"--feed {text!r:.200}: http is for --feed-private alone; write https://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError("--feed takes an address without a password or #; messages are signed")
    return parts


def address_of(host: str, port: int, private: bool) -> str:
    """The IP address to connect to, looked up now: the name may have had another before.

    All addresses of the name must be allowed. Raises ForbiddenAddress if one is not, and OSError
    when the name cannot be looked up.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
    for address in addresses:
        if not private and not is_public(address):
            raise ForbiddenAddress(
                f"{host} stands for {address}, inside the network; --feed-private allows it"
            )
    return str(addresses[0])


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is a host's on the internet, in whatever notation."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo or address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )
