"""Bearer tokens: who may reach which namespaces by MCP and the JSON API, and what they may do.

A token is shown once, when it is made. The file holds its SHA-256 alone, which is enough for 256
random bits: nobody guesses them, fast hash or slow.
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
# It tells a token from other secrets: scanners of repositories look for such beginnings.
_PREFIX = "sqlmem_"
_BYTES = 32


@dataclass(frozen=True)
class Grant:
    """What the holder of a token may do: in which namespaces ("*": all), with which rights."""

    name: str
    namespaces: tuple[str, ...]
    rights: tuple[str, ...]

    def allows(self, namespace: str, right: str) -> bool:
        """Whether a right holds in a namespace."""
        reached = ALL_NAMESPACES in self.namespaces or namespace in self.namespaces
        return reached and right in self.rights


class Tokens:
    """The tokens of this machine's memories, in a file beside them for its owner alone.

    The file is read anew when it has changed: a token that was revoked opens nothing from then on.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or home() / TOKENS
        self._stamp: tuple[int, int] | None = None
        self._grants: dict[str, Grant] = {}

    def grants(self) -> list[Grant]:
        """What was granted, in the order it was. Raises InputError for a file that is none of ours.

        No token can be told from it.
        """
        return list(self._read().values())

    def create(self, name: str, granted_namespaces: Sequence[str], rights: Collection[str]) -> str:
        """Make a token and return it; it is shown nowhere else.

        Raises InputError for a name that is taken or blank, no namespace and an unknown right.
        """
        grants = dict(self._read())
        if not name.strip() or any(grant.name == name for grant in grants.values()):
            raise InputError(f"a token needs a name of its own; {name!r} is blank or taken")
        if not granted_namespaces:
            raise InputError("say which namespaces the token opens, or '*' for all")
        if unknown := sorted({*rights} - {*RIGHTS}):
            raise InputError(f"there is no right {unknown[0]!r}; rights are {', '.join(RIGHTS)}")
        token = _PREFIX + secrets.token_urlsafe(_BYTES)
        ordered = tuple(right for right in RIGHTS if right in rights)
        grants[_digest(token)] = Grant(name, tuple(granted_namespaces), ordered)
        self._write(grants)
        return token

    def revoke(self, name: str) -> None:
        """Let a token open nothing from now on. Raises InputError when none has this name."""
        grants = self._read()
        left = {digest: grant for digest, grant in grants.items() if grant.name != name}
        if len(left) == len(grants):
            raise InputError(f"there is no token {name!r}")
        self._write(left)

    def find(self, token: str) -> Grant | None:
        """What a token grants; None for one that was never made, or revoked."""
        digest = _digest(token)
        match = None
        # All are compared, so that the time tells nothing of how near a guess was.
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
            raise InputError(f"{self._path}: not a file of tokens; move it away") from error
        return self._grants

    def _write(self, grants: dict[str, Grant]) -> None:
        records = {digest: asdict(grant) for digest, grant in grants.items()}
        write_whole(self._path, json.dumps(records, ensure_ascii=False, indent=1).encode())


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
