"""Bearer tokens: who may use which namespaces by MCP and the JSON API, with which rights.

A token is shown only once, when it is created. Only its SHA-256 is kept: for 256 random bits a slow
hash would add nothing. Tokens are in a file of this machine, or in the database of MEMORY_HOME,
which all its servers share.
"""

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Protocol, get_args

from memory.errors import InputError
from memory.store import postgres_module
from memory.system.files import changing, write_whole
from memory.system.home import TOKENS, home, home_address

TokenRight = Literal["read", "write", "forget"]
RIGHTS: tuple[TokenRight, ...] = get_args(TokenRight)
ALL_NAMESPACES = "*"
# Secret scanners recognize tokens by such prefixes.
PREFIX = "sqlmem_"
_BYTES = 32
# For how long a server trusts what it read about a token in a database.
FRESH_SECONDS = 5.0
_MOST_FRESH = 20_000
_LONGEST_NAME = 200  # characters
_REPLACED = " (replaced)"  # behind the name of a token that another one replaces for a while

Records = dict[str, dict[str, Any]]  # grants by the digests of their tokens


@dataclass(frozen=True)
class Grant:
    """What a token allows: its rights, its namespaces ("*" for all), and until when.

    `expires_at` is a time of UTC such as 2027-01-31T12:00:00+00:00, or "".
    """

    name: str
    namespaces: tuple[str, ...]
    rights: tuple[str, ...]
    expires_at: str = ""

    def allows(self, namespace: str, right: str) -> bool:
        """Whether this grants a right in a namespace."""
        reached = ALL_NAMESPACES in self.namespaces or namespace in self.namespaces
        return reached and right in self.rights

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        return bool(self.expires_at) and datetime.fromisoformat(self.expires_at) <= datetime.now(
            UTC
        )


class TokenRecords(Protocol):
    """Where tokens are kept."""

    def read(self) -> Records:
        """All records, in the order of creation. Raises InputError or StoreError."""

    def change(self, change_records: Callable[[Records], None]) -> None:
        """Read all, change them and write them."""

    def find(self, digest: str) -> dict[str, Any] | None:
        """The record of a token."""

    def is_fresh(self, digest: str) -> bool:
        """Whether `find` answers without asking a database."""


class Tokens:
    """The tokens of the memories of MEMORY_HOME; `path` is another file of tokens."""

    def __init__(self, path: Path | None = None) -> None:
        self._records: TokenRecords
        if path is None and home_address():
            self._records = _DatabaseRecords(home_address())
        else:
            self._records = _FileRecords(path or home() / TOKENS)

    def grants(self) -> list[Grant]:
        """All grants, in the order of creation; they do not contain the tokens.

        Raises InputError when the file is not a file of tokens.
        """
        return [_grant(record) for record in self._records.read().values()]

    def create(
        self,
        name: str,
        granted_namespaces: Sequence[str],
        rights: Collection[str],
        days: float | None = None,
    ) -> str:
        """Create a token and return it; it cannot be shown again. It ends after this many days.

        Raises InputError for a name that is taken, blank, too long or not a single line, for no
        namespace, and for no or an unknown right.
        """
        _check_line("the name of a token", name)
        if not granted_namespaces:
            raise InputError("give the namespaces of the token, or '*' for all")
        for namespace in granted_namespaces:
            _check_line("a namespace", namespace)
        if unknown := sorted({*rights} - {*RIGHTS}):
            raise InputError(f"there is no right {unknown[0]!r}; rights are {', '.join(RIGHTS)}")
        if not rights:
            raise InputError(f"give the rights of the token, of {', '.join(RIGHTS)}")
        ordered = tuple(right for right in RIGHTS if right in rights)
        grant = Grant(name, tuple(granted_namespaces), ordered, expires_at=_after(days))
        token = PREFIX + secrets.token_urlsafe(_BYTES)

        def add(records: Records) -> None:
            if any(record["name"] == name for record in records.values()):
                raise InputError(f"the token name {name!r} is taken")
            records[_digest(token)] = asdict(grant)

        self._records.change(add)
        return token

    def rotate(self, name: str, days: float | None = None, overlap_hours: float = 0) -> str:
        """Create a token with the grant of another one, which ends after this many hours.

        Until then that is called "NAME (replaced)". The new one ends after this many days; None: as
        the old one. Raises InputError when there is no token of this name.
        """
        token = PREFIX + secrets.token_urlsafe(_BYTES)

        def exchange(records: Records) -> None:
            digest = _digest_of(records, name)
            grant = _grant(records.pop(digest))
            for earlier in [
                key for key, record in records.items() if record["name"] == name + _REPLACED
            ]:
                del records[earlier]
            if overlap_hours > 0:
                until = min(filter(None, (_after(overlap_hours / 24), grant.expires_at)))
                replaced = replace(grant, name=name + _REPLACED, expires_at=until)
                records[digest] = asdict(replaced)
            expires_at = _after(days) if days is not None else grant.expires_at
            records[_digest(token)] = asdict(replace(grant, expires_at=expires_at))

        self._records.change(exchange)
        return token

    def revoke(self, name: str) -> None:
        """Revoke a token. Raises InputError when there is no token of this name."""

        def remove(records: Records) -> None:
            del records[_digest_of(records, name)]

        self._records.change(remove)

    def find(self, token: str) -> Grant | None:
        """What a token grants; None for an unknown, revoked or expired one."""
        # By its digest: how long that takes tells nothing of a token that someone guesses.
        record = self._records.find(_digest(token))
        grant = _grant(record) if record else None
        return None if grant is None or grant.is_over else grant

    def is_fresh(self, token: str) -> bool:
        """Whether `find` answers at once, without asking a database."""
        return self._records.is_fresh(_digest(token))


class _FileRecords:
    """A file that only its owner can read, read again when it changes: revoking acts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._records: Records = {}

    def read(self) -> Records:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                records = json.loads(self._path.read_bytes())
                for record in records.values():
                    _grant(record)
                self._records, self._stamp = records, stamp
        except FileNotFoundError:
            self._records, self._stamp = {}, None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{self._path} is not a file of tokens; move it away") from error
        return self._records

    def change(self, change_records: Callable[[Records], None]) -> None:
        with changing(self._path):
            records = dict(self.read())
            change_records(records)
            write_whole(self._path, json.dumps(records, ensure_ascii=False, indent=1).encode())

    def find(self, digest: str) -> dict[str, Any] | None:
        return self.read().get(digest)

    def is_fresh(self, digest: str) -> bool:
        return True


class _DatabaseRecords:
    """The tokens in a Postgres database; what was read of one is good for FRESH_SECONDS."""

    def __init__(self, address: str) -> None:
        self._access = postgres_module("access")
        read_address = postgres_module("address").read_address
        self._address = read_address(address, needs_namespace=False)
        self._fresh: OrderedDict[str, tuple[dict[str, Any], float]] = OrderedDict()

    def read(self) -> Records:
        records: Records = self._access.change(self._address, "token", lambda records: None)
        return dict(sorted(records.items(), key=lambda item: item[1]["number"]))

    def change(self, change_records: Callable[[Records], None]) -> None:
        def change_numbered(records: Records) -> None:
            change_records(records)
            last = max((record.get("number", 0) for record in records.values()), default=0)
            for record in records.values():
                if "number" not in record:
                    record["number"] = last = last + 1

        self._access.change(self._address, "token", change_numbered)
        self._fresh.clear()

    def find(self, digest: str) -> dict[str, Any] | None:
        if self.is_fresh(digest):
            return self._fresh[digest][0]
        record: dict[str, Any] | None = self._access.find(self._address, "token", digest)
        if record:
            self._fresh[digest] = (record, monotonic())
            if len(self._fresh) > _MOST_FRESH:
                self._fresh.popitem(last=False)
        else:
            self._fresh.pop(digest, None)
        return record

    def is_fresh(self, digest: str) -> bool:
        record = self._fresh.get(digest)
        return record is not None and monotonic() - record[1] < FRESH_SECONDS


def _check_line(noun: str, text: str) -> None:
    """Refuse a name that no list of tokens could show on a line."""
    if not text.strip() or len(text) > _LONGEST_NAME or not text.isprintable():
        raise InputError(f"{noun} is one line of at most {_LONGEST_NAME} printable characters")


def _grant(record: dict[str, Any]) -> Grant:
    return Grant(
        record["name"],
        tuple(record["namespaces"]),
        tuple(record["rights"]),
        record.get("expires_at", ""),
    )


def _digest_of(records: Records, name: str) -> str:
    for digest, record in records.items():
        if record["name"] == name:
            return digest
    raise InputError(f"there is no token {name!r}")


def _after(days: float | None) -> str:
    """The time in this many days; "" for None. Raises InputError for an invalid time."""
    if days is None:
        return ""
    if not days > 0:  # nor is NaN
        raise InputError("a token ends after a number of days above 0")
    try:
        return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    except OverflowError:
        raise InputError(f"{days!r:.20} days are too many") from None


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
