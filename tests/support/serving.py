"""A server's application, asked in the process: every request passes what it would over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from memory.program import Model
from memory.server.app import application
from memory.server.guard import REQUESTS_A_SECOND, places
from memory.server.handles import Handles
from memory.server.sign_in import SignIn
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
) -> Iterator[TestClient]:
    """A client of the whole server over the namespaces of MEMORY_HOME, signed in by the link.

    The model of the memories is one that expects no question, unless another is given.
    """
    sign_in = SignIn()
    app = application(
        Handles(model or scripted_model([]), read_only=read_only),
        allowed=places(PORT),
        sign_in=sign_in,
        tokens=Tokens(),
        port=PORT,
        requests_a_second=requests_a_second,
    )
    with TestClient(app, ADDRESS, follow_redirects=False, client=("127.0.0.1", 1)) as client:
        if signed_in:
            assert client.get(f"/sign-in?token={sign_in.link_token}").status_code == 303
        else:
            client.headers["x-link-token"] = sign_in.link_token
        yield client
