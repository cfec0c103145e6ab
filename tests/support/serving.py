"""A server's application, called in the process: requests pass the same layers as over HTTP."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dspy import Module
from starlette.testclient import TestClient

from memory.models import Model
from memory.operations import Right
from memory.server.app import application
from memory.server.guard import REQUESTS_A_SECOND, allowed_hosts
from memory.server.handles import Handles
from memory.server.sign_in import open_sign_in
from memory.server.tokens import Tokens
from tests.support.scripted import scripted_model

PORT = 8765
ADDRESS = f"http://127.0.0.1:{PORT}"


@contextmanager
def serving(
    model: Model | None = None,
    *,
    signed_in: bool = True,
    requests_a_second: float = REQUESTS_A_SECOND,
    read_only: bool = False,
    rights: Sequence[Right] = ("read", "write", "forget"),
    groups: Sequence[str] = (),
    program: Module | None = None,
) -> Iterator[TestClient]:
    """A client of the whole server over the namespaces of MEMORY_HOME, signed in by the link.

    The model of the memories is one that expects no question, unless another is given.
    """
    sign_in = open_sign_in()
    app = application(
        Handles(
            model or scripted_model([]),
            program=program,
            read_only=read_only,
        ),
        allowed=allowed_hosts(PORT),
        sign_in=sign_in,
        tokens=Tokens(),
        port=PORT,
        requests_a_second=requests_a_second,
        rights=rights,
        groups=groups,
    )
    with TestClient(app, ADDRESS, follow_redirects=False, client=("127.0.0.1", 1)) as client:
        if signed_in:
            assert client.get(f"/sign-in?token={sign_in.link_token}").status_code == 303
        else:
            client.headers["x-link-token"] = sign_in.link_token
        yield client


def token(*namespaces: str, rights: str = "read,write") -> dict[str, str]:
    """The header of a new token for these namespaces."""
    tokens = Tokens()
    name = f"token {len(tokens.grants()) + 1}"
    made = tokens.create(name, namespaces, rights.split(","))
    return {"authorization": f"Bearer {made}"}
