"""Bearer tokens: who may use which namespaces by MCP and the JSON API, with which rights.

A token is shown only once, when it is created. The file holds only its SHA-256: for 256 random bits
a slow hash would add nothing.
"""

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from memory.errors import InputError
from memory.files import write_whole
from memory.home import TOKENS, home

RIGHTS = ("read", "write", "forget")
ALL_NAMESPACES = "*"
# Secret scanners recognize tokens by such prefixes.
_PREFIX = "sqlmem_"
_BYTES = 32


@dataclass(frozen=True)
class Grant:
    """What a token allows: which rights, in which namespaces ("*" for all)."""

    name: str
    namespaces: tuple[str, ...]
    rights: tuple[str, ...]

    def allows(self, namespace: str, right: str) -> bool:
        """Whether this grants a right in a namespace."""
        reached = ALL_NAMESPACES in self.namespaces or namespace in self.namespaces
        return reached and right in self.rights


class Tokens:
    """The tokens of this machine's memories, in a file that only its owner can read.

    The file is read again when it changes, so revoking a token takes effect at once.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or home() / TOKENS
        self._stamp: tuple[int, int] | None = None
        self._grants: dict[str, Grant] = {}

    def grants(self) -> list[Grant]:
        """All grants, in the order of creation; they do not contain the tokens.

        Raises InputError when the file is not a file of tokens.
        """
        return list(self._read().values())

    def create(self, name: str, granted_namespaces: Sequence[str], rights: Collection[str]) -> str:
        """Create a token and return it; it cannot be shown again.

        Raises InputError for a taken or blank name, no namespace, or an unknown right.
        """
        grants = dict(self._read())
        if not name.strip() or any(grant.name == name for grant in grants.values()):
            raise InputError(f"the token name {name!r} is blank or taken")
        if not granted_namespaces:
            raise InputError("give the namespaces of the token, or '*' for all")
        if unknown := sorted({*rights} - {*RIGHTS}):
            raise InputError(f"there is no right {unknown[0]!r}; rights are {', '.join(RIGHTS)}")
        token = _PREFIX + secrets.token_urlsafe(_BYTES)
        ordered = tuple(right for right in RIGHTS if right in rights)
        grants[_digest(token)] = Grant(name, tuple(granted_namespaces), ordered)
        self._write(grants)
        return token

    def revoke(self, name: str) -> None:
        """Revoke a token. Raises InputError when there is no token of this name."""
        grants = self._read()
        remaining = {digest: grant for digest, grant in grants.items() if grant.name != name}
        if len(remaining) == len(grants):
            raise InputError(f"there is no token {name!r}")
        self._write(remaining)

    def find(self, token: str) -> Grant | None:
        """What a token grants; None for an unknown or revoked one."""
        digest = _digest(token)
        match = None
        # Compare with all of them: the time must not reveal how close a guess was.
        for known, grant in self._read().items():
            if compare_digest(known, digest):
                match = grant
        return match

    def _read(self) -> dict[str, Grant]:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                records = json.loads(self._path.read_bytes())
                self._grants = {
                    digest: Grant(
                        record["name"], tuple(record["namespaces"]), tuple(record["rights"])
                    )
                    for digest, record in records.items()
                }
                self._stamp = stamp
        except FileNotFoundError:
            self._grants, self._stamp = {}, None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{self._path} is not a file of tokens; move it away") from error
        return self._grants

    def _write(self, grants: dict[str, Grant]) -> None:
        records = {digest: asdict(grant) for digest, grant in grants.items()}
        write_whole(self._path, json.dumps(records, ensure_ascii=False, indent=1).encode())


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
