"""What a server is started with, as values that its processes can be given, and its application."""

from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp

from memory.operations import Right
from memory.server.app import application
from memory.server.guard import allowed_hosts
from memory.server.handles import Handles
from memory.server.observed import log_json
from memory.server.sign_in import SignIn, open_sign_in
from memory.server.tokens import Tokens
from memory.store.configuration.limits import Limits


@dataclass(frozen=True)
class ServerOptions:
    """The options of `memory serve`; `port` is the port that it listens at."""

    port: int
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    rights: tuple[Right, ...]
    groups: tuple[str, ...]
    requests_a_second: float
    cache_bytes: int
    model: str
    api_base: str | None
    program: Path | None
    owner: str
    budget: int | None = None
    limits: Limits | None = None
    has_json_logs: bool = False

    def application(self, sign_in: SignIn) -> ASGIApp:
        """The application of one process."""
        if self.has_json_logs:
            log_json()
        program = None
        if self.program is not None:
            from memory.program import load_program  # takes a second

            program = load_program(self.program)
        return application(
            Handles(
                self.model,
                self.api_base,
                program=program,
                budget=self.budget,
                read_only=self.rights == ("read",),
                cache_bytes=self.cache_bytes,
                limits=self.limits,
                owner=self.owner,
            ),
            rights=self.rights,
            groups=self.groups,
            allowed=allowed_hosts(self.port, self.hosts, self.origins),
            sign_in=sign_in,
            tokens=Tokens(),
            port=self.port,
            requests_a_second=self.requests_a_second,
        )

    def worker_application(self) -> ASGIApp:
        """The application of one of several processes, whose links are in the database."""
        return self.application(open_sign_in(new_link=False))
