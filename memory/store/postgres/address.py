"""The address of a namespace: postgresql://USER:PASSWORD@HOST/DATABASE?namespace=NAME.

`pooler=transaction` or `pooler=session` in it says what is between this process and the server,
where that is not to be detected.
"""

import re
from dataclasses import dataclass, replace
from unicodedata import normalize
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from memory.errors import InputError

SCHEMES = ("postgresql", "postgres")
POOLERS = ("transaction", "session")
LONGEST_NAME = 2_000  # bytes of UTF-8, of a namespace, and of what an index holds


@dataclass(frozen=True)
class Address:
    """Where a namespace is: `conninfo` is for libpq, and holds the password.

    `namespace` is "" in the address of a whole database, and `pooler` if it names none.
    """

    conninfo: str
    namespace: str
    pooler: str = ""

    @property
    def text(self) -> str:
        """The address as `open_store` takes it, with the password."""
        return self._with_own_options(self.conninfo)

    @property
    def location(self) -> str:
        """The address without its password, for messages."""
        return self._with_own_options(without_password(self.conninfo))

    def of(self, namespace: str) -> "Address":
        """The address of another namespace of this database.

        Raises InputError for a name that is none.
        """
        if not namespace.strip():
            raise InputError("a namespace's name is blank; give it one with letters")
        try:
            name = normalize("NFC", namespace)
            size = len(name.encode())
        except UnicodeEncodeError:
            raise InputError(f"namespace {namespace!r}: no text that UTF-8 can hold") from None
        if "\0" in name or size > LONGEST_NAME:
            raise InputError(
                f"namespace {name[:20]!r}...: at most {LONGEST_NAME} bytes, without NUL"
            )
        return replace(self, namespace=name)

    def _with_own_options(self, conninfo: str) -> str:
        options = {"pooler": self.pooler, "namespace": self.namespace}
        query = urlencode(
            {name: value for name, value in options.items() if value}, quote_via=quote
        )
        if not query:
            return conninfo
        return f"{conninfo}{'&' if '?' in conninfo else '?'}{query}"


def is_address(text: str) -> bool:
    """Whether a text is an address of Postgres, and not a path."""
    return text.split("://")[0] in SCHEMES and "://" in text


def read_address(text: str, needs_namespace: bool = True) -> Address:
    """The parts of an address.

    Raises InputError, which never shows the password, for an unreadable address, for an unknown
    kind of pooler, and for an address without a namespace unless `needs_namespace` is False.
    """
    try:
        parts = urlsplit(text)
        options = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        _ = parts.port
    except ValueError:
        raise InputError(
            "this address cannot be read; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            "?namespace=NAME, with %40 for @ in a password"
        ) from None
    names = [value for name, value in options if name == "namespace"]
    pooler = dict(options).get("pooler", "")
    if pooler and pooler not in POOLERS:
        raise InputError(f"pooler={pooler[:20]}: write pooler=transaction or pooler=session")
    libpq_options = [pair for pair in options if pair[0] not in ("namespace", "pooler")]
    query = urlencode(libpq_options, safe="/")
    conninfo = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    # urlunsplit leaves out the // of an address without a host, which libpq wants.
    if not parts.netloc:
        conninfo = conninfo.replace(f"{parts.scheme}:", f"{parts.scheme}://", 1)
        conninfo = re.sub(r":////+", ":///", conninfo)
    address = Address(conninfo, "", pooler)
    if names:
        return address.of(names[-1])
    if needs_namespace:
        raise InputError(
            f"{address.location} names no namespace; add ?namespace=NAME (or &namespace=NAME)"
        )
    return address


def without_password(text: str) -> str:
    """An address, or a message that quotes it, without its password."""
    text = re.sub(r"(://[^/@?\s:]*):[^/?\s]*@", r"\1@", text)
    return re.sub(r"([?&]password=)[^&\s]*", r"\1***", text)


def password_of(conninfo: str) -> str:
    """The password in an address, "" for none."""
    parts = urlsplit(conninfo)
    in_query = dict(parse_qsl(parts.query)).get("password", "")
    return unquote(parts.password or "") or in_query
